// Categories of elementwise operators: Unary, Binary, Ternary, Compare. The category supplies broadcasting, promotion,
// the result's shape and strides, the loop, in-place and out= forms, and the sum of a gradient back to its input's shape.
//
//   struct Exp : Unary<Exp> {
//       SIG("exp(Tensor self, *, Tensor? out=None) -> Tensor");
//       DOC("Exponential of each element.");
//       using Saves = Save<Out<0>>;
//       static constexpr auto kRule = Rule::Float;                    // integers become the default float type
//       template <class V> RL_F V f(V x) { return cpu::m::exp(x); }
//       DSELF(g * conj(c.out()));                                     // static Tensor dself(Ctx& c, const Tensor& g)
//   };
//   POINTWISE(Exp);
#pragma once
#include "core/op.h"
#include "core/ops.h"
#include "cpu/pointwise.h"

namespace rl {

// The result's dtype: that of the operands together; the same with integers made float; bool.
enum class Rule : uint8_t { Same, Float, Bool };

struct PointwiseSpec {
    const OpInfo* const* op;
    const PointwiseTable* table;
    uint32_t dtypes;
    Rule rule;
    bool real;  // complex operands give real results
    uint8_t n_in;
    uint8_t n_params;
    int64_t grain;
    bool numbers;  // may be called without any tensor
    void (*validate)(const Operand* in, DType common, const Scalar* params);  // raises where an operator has rules of its own
};
inline constexpr uint32_t kPointwiseForms = FUNCTION | METHOD | INPLACE | OUT;

// out: where to write (in-place: self), or undefined for a new tensor.
Tensor pointwise_slow(const PointwiseSpec& spec, const Operand* in, const Scalar* params, const Tensor& out, bool inplace);
// The result's type where dimensioned tensors outweigh 0-dim ones, and those outweigh Python numbers.
DType result_type(const Operand* in, int n);
Tensor sum_grad(const Tensor& g, const ResultMeta& m);  // to the input's shape and dtype
void store_scalar(const Scalar& s, DType t, void* to);  // s as an element of type t

// In a backward formula: argument I, be it a tensor that was saved or a number.
struct Held {
    Tensor tensor;
    Scalar number;
    operator Operand() const { return tensor ? Operand(tensor) : Operand(number); }
};
inline Scalar conj(const Scalar& s) { return s.is_complex() ? Scalar(c128(s.d, -s.im)) : s; }
template <int I, class C> Held held(const C& c) {
    if (c.template given<I>()) return {c.template in<I>(), {}};
    return {{}, c.template arg<I>()};
}
template <int I, class C> Held conj_held(const C& c) {
    if (c.template given<I>()) return {conj(c.template in<I>()), {}};
    return {{}, conj(c.template arg<I>())};
}

#ifdef RL_ISA
template <class O> const PointwiseTable* kernels_of() { return nullptr; }
#else
template <class O> const PointwiseTable* kernels_of() {
    static const PointwiseTable t = best_kernels<O>();
    return &t;
}
#endif

template <class O, int N, class... P> struct PointwiseOp : Op<O> {
    static constexpr uint32_t kForms = kPointwiseForms;
    static constexpr uint32_t kDtypes = kAllTypes;
    static constexpr Rule kRule = Rule::Same;
    static constexpr bool kBool = false;    // f gives a bool
    static constexpr bool kReal = false;    // f gives a real number for a complex one
    static constexpr bool kVector = true;   // f works on vectors
    static constexpr bool kMasked = false;  // the first input is a byte, whatever the type of the others
    static constexpr bool kNumbers = false; // all operands may be numbers
    static constexpr int kInputs = N;
    static constexpr int kParams = sizeof...(P);
    static constexpr int64_t kGrain = 32768;
    static constexpr void (*validate)(const Operand*, DType, const Scalar*) = nullptr;
    static PointwiseSpec spec() {
        return {&op_info<O>(), kernels_of<O>(), O::kDtypes, O::kBool ? Rule::Bool : O::kRule, O::kReal, N, sizeof...(P), O::kGrain, O::kNumbers, O::validate};
    }

    // ---- small operands of one type and shape go straight to the kernel
    static bool plain(const TensorImpl* x) {
        constexpr uint32_t checked = std::is_same_v<decltype(O::validate), decltype(validate)> ? ~0u : kFloats;
        constexpr uint32_t direct = O::kDtypes & checked & (O::kRule == Rule::Float ? kFloats | kComplexes : ~0u);
        return x->contiguous && (direct >> int(x->dtype) & 1) && !x->conj && !x->neg && !x->wrapper && x->numel <= O::kGrain && x->storage->device == Device::CPU;
    }
    static bool small(const Tensor& a) { return plain(a.impl()); }
    static bool small(const Operand& a, const Operand& b) {
        if (!a.tensor) return false;
        auto* x = a.tensor->impl();
        if (!b.tensor) return fits(b.scalar, x->dtype) && plain(x);
        auto* y = b.tensor->impl();
        return y->dtype == x->dtype && y->sizes == x->sizes && plain(x) && plain(y);
    }
    // One element, expanded to the other operand's sizes: the gradient of a sum, mostly.
    static bool uniform(const Operand& a, const Operand& b) {
        if (!a.tensor || !b.tensor) return false;
        auto *x = a.tensor->impl(), *y = b.tensor->impl();
        if (x->contiguous || x->sizes != y->sizes || x->dtype != y->dtype || x->conj || x->neg || x->wrapper || !plain(y) || !y->numel) return false;
        for (int64_t s : x->strides)
            if (s) return false;
        return x->storage->device == Device::CPU;
    }
    // A number that doesn't change the type of a tensor.
    static bool fits(const Scalar& s, DType t) { return s.kind <= Scalar::Int ? t != DType::Bool || s.kind == Scalar::Bool : s.kind == Scalar::Float ? is_inexact(t) : rl::is_complex(t); }
    static DType small_result(DType t) { return O::kBool ? DType::Bool : O::kReal ? to_real(t) : t; }
    static bool writes_over(const Tensor& out, const TensorImpl* y) { return y->storage.get() == out->storage.get() && y->offset != out->offset; }
    static const void* place(const Operand& a, DType t, void* number) {
        if (a.tensor) return a.tensor->raw();
        if (t == DType::Float32) *static_cast<float*>(number) = a.scalar.to<float>();
        else store_scalar(a.scalar, t, number);
        return number;
    }
    static void run_small(const Tensor& out, const TensorImpl* self, const void* const* in, unsigned scalars, const P&... p) {
        DType t = self->dtype;
        alignas(16) char params[(sizeof...(P) + 1) * 16];
        size_t at = 0;
        ((place(Operand(Scalar(p)), t, params + at), at += size_t(itemsize(t))), ...);
        kernels_of<O>()->fn[int(t)](out.raw(), in, self->numel, scalars, params);
    }
};

template <class O, class... P> struct Unary : PointwiseOp<O, 1, P...> {
    using Base = PointwiseOp<O, 1, P...>;
    static constexpr const char* kCategory = "Unary";
    static Tensor forward(const Tensor& self, const P&... p) {
        if (Base::small(self)) {
            Tensor out = empty_like(self, Base::small_result(self.dtype()));
            const void* in[] = {self.raw()};
            Base::run_small(out, self.impl(), in, 0, p...);
            return out;
        }
        return O::into(Tensor(), false, self, p...);
    }
    static Tensor into(const Tensor& out, bool inplace, const Tensor& self, const P&... p) {
        Operand in[] = {self};
        Scalar params[sizeof...(P) + 1] = {Scalar(p)...};
        return pointwise_slow(Base::spec(), in, params, out, inplace);
    }
    template <class C> requires requires(C& c, const Tensor& g) { O::dself(c, g); }
    static Grads backward(C& c, const Tensor& g) { return {O::dself(c, g)}; }
};

template <class O, class... P> struct Binary : PointwiseOp<O, 2, P...> {
    using Base = PointwiseOp<O, 2, P...>;
    static constexpr const char* kCategory = "Binary";
    static Tensor forward(const Operand& self, const Operand& other, const P&... p) {
        if (Base::small(self, other) && (Base::fits(Scalar(p), self.tensor->dtype()) && ...)) {
            Tensor out = empty_like(*self.tensor, Base::small_result(self.tensor->dtype()));
            run(out, self, other, p...);
            return out;
        }
        if (Base::uniform(self, other) && (Base::fits(Scalar(p), self.tensor->dtype()) && ...)) {
            Tensor out = empty_like(*other.tensor, Base::small_result(self.tensor->dtype()));
            const void* in[] = {self.tensor->raw(), other.tensor->raw()};
            Base::run_small(out, other.tensor->impl(), in, 1, p...);
            return out;
        }
        return slow(Tensor(), false, self, other, p...);
    }
    static Tensor into(const Tensor& out, bool inplace, const Operand& self, const Operand& other, const P&... p) {
        if (inplace && Base::small(self, other) && (Base::fits(Scalar(p), self.tensor->dtype()) && ...) && Base::small_result(self.tensor->dtype()) == self.tensor->dtype() &&
            !(other.tensor && Base::writes_over(out, other.tensor->impl()))) {
            run(out, self, other, p...);
            return out;
        }
        return slow(out, inplace, self, other, p...);
    }
    static void run(const Tensor& out, const Operand& self, const Operand& other, const P&... p) {
        alignas(16) char number[16];
        const void* in[] = {self.tensor->raw(), Base::place(other, self.tensor->dtype(), number)};
        Base::run_small(out, self.tensor->impl(), in, other.tensor ? 0 : 2, p...);
    }
    static Tensor slow(const Tensor& out, bool inplace, const Operand& self, const Operand& other, const P&... p) {
        Operand in[] = {self, other};
        Scalar params[sizeof...(P) + 1] = {Scalar(p)...};
        return pointwise_slow(Base::spec(), in, params, out, inplace);
    }
    template <class C> requires requires(C& c, const Tensor& g) { O::dself(c, g); }
    static Grads backward(C& c, const Tensor& g) {
        Grads r(2);
        if (c.template needs<0>()) r[0] = sum_grad(O::dself(c, g), c.metas[0]);
        if (c.template needs<1>()) r[1] = sum_grad(O::dother(c, g), c.metas[1]);
        return r;
    }
};

// Three operands (where, lerp, addcmul): derivatives d0, d1, d2.
template <class O, class... P> struct Ternary : PointwiseOp<O, 3, P...> {
    using Base = PointwiseOp<O, 3, P...>;
    static constexpr const char* kCategory = "Ternary";
    static Tensor forward(const Operand& a, const Operand& b, const Operand& c, const P&... p) { return into(Tensor(), false, a, b, c, p...); }
    static Tensor into(const Tensor& out, bool inplace, const Operand& a, const Operand& b, const Operand& c, const P&... p) {
        Operand in[] = {a, b, c};
        Scalar params[sizeof...(P) + 1] = {Scalar(p)...};
        return pointwise_slow(Base::spec(), in, params, out, inplace);
    }
    template <class C> requires requires(C& c, const Tensor& g) { O::d0(c, g); }
    static Grads backward(C& c, const Tensor& g) {
        Grads r(3);
        if (c.template needs<0>()) r[0] = sum_grad(O::d0(c, g), c.metas[0]);
        if (c.template needs<1>()) r[1] = sum_grad(O::d1(c, g), c.metas[1]);
        if (c.template needs<2>()) r[2] = sum_grad(O::d2(c, g), c.metas[2]);
        return r;
    }
};

// Comparisons and tests: a bool for each element, constant to differentiation.
template <class O> struct Compare : Binary<O> {
    static constexpr const char* kCategory = "Compare";
    static constexpr bool kBool = true;
    NO_GRADIENT;
};
template <class O> struct Test : Unary<O> {
    static constexpr const char* kCategory = "Test";
    static constexpr uint32_t kForms = FUNCTION | METHOD | OUT;
    static constexpr bool kBool = true;
    NO_GRADIENT;
};

// Functions of real (and complex) numbers, by which integers become floats.
template <class O, class... P> struct Math : Unary<O, P...> {
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    static constexpr Rule kRule = Rule::Float;
    static constexpr int64_t kGrain = 8192;
};
template <class O, class... P> struct RealMath : Math<O, P...> {
    static constexpr uint32_t kDtypes = kFloats;
};
template <class O, class... P> struct Math2 : Binary<O, P...> {
    static constexpr uint32_t kDtypes = kFloats;
    static constexpr Rule kRule = Rule::Float;
    static constexpr int64_t kGrain = 8192;
};

// Derivatives as one expression of the saved values `c` and the gradient `g`. Only the main copy of a source has them.
#ifdef RL_ISA
#define DSELF(...) static_assert(true)
#define DOTHER(...) static_assert(true)
#define D0(...) static_assert(true)
#define D1(...) static_assert(true)
#define D2(...) static_assert(true)
#define POINTWISE(O) KERNELS(O)
#else
#define RL_DERIVATIVE(name, ...) static Tensor name([[maybe_unused]] Ctx& c, [[maybe_unused]] const Tensor& g) { return __VA_ARGS__; } static_assert(true)
#define DSELF(...) RL_DERIVATIVE(dself, __VA_ARGS__)
#define DOTHER(...) RL_DERIVATIVE(dother, __VA_ARGS__)
#define D0(...) RL_DERIVATIVE(d0, __VA_ARGS__)
#define D1(...) RL_DERIVATIVE(d1, __VA_ARGS__)
#define D2(...) RL_DERIVATIVE(d2, __VA_ARGS__)
#define POINTWISE(O) \
    KERNELS(O);      \
    OP(O)
#endif

}  // namespace rl
