// Categories of elementwise operators: Unary, Binary, Ternary, Compare. The category supplies broadcasting, promotion,
// the result's shape and strides, the loop, in-place and out= forms, and the sum of a gradient back to its input's shape.
//
//   struct Exp : Unary<Exp> {
//       SIG("exp(Tensor self, *, Tensor? out=None) -> Tensor");
//       DOC("Exponential of each element.");
//       using Saves = Save<Out<0>>;
//       static constexpr auto kRule = Rule::Float;                    // integers become the default float type
//       template <class V> RL_F V f(V x) { return cpu::m::exp(x); }
//       static Tensor dself(Ctx& c, const Tensor& g) { return g * conj(c.out()); }
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
    uint8_t n_in;
    uint8_t n_params;
    int64_t grain;
};
inline constexpr uint32_t kPointwiseForms = FUNCTION | METHOD | INPLACE | OUT;

// out: where to write (in-place: self), or undefined for a new tensor.
Tensor pointwise_slow(const PointwiseSpec& spec, const Operand* in, const Scalar* params, const Tensor& out, bool inplace);
// The result's type where dimensioned tensors outweigh 0-dim ones, and those outweigh Python numbers.
DType result_type(const Operand* in, int n);
Tensor sum_grad(const Tensor& g, const ResultMeta& m);  // to the input's shape and dtype

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
    static constexpr bool kVector = true;   // f works on vectors
    static constexpr int kInputs = N;
    static constexpr int kParams = sizeof...(P);
    static constexpr int64_t kGrain = 32768;
    static PointwiseSpec spec() { return {&op_info<O>(), kernels_of<O>(), O::kDtypes, O::kBool ? Rule::Bool : O::kRule, N, sizeof...(P), O::kGrain}; }

    // Same shape, same float type, contiguous: straight to the kernel.
    static bool fast(const Tensor& a, const Tensor* b) {
        auto* x = a.impl();
        if (!x->contiguous || (x->dtype != DType::Float32 && x->dtype != DType::Float64) || x->conj || x->neg || x->wrapper || x->numel > 32768) return false;
        if (x->storage->device != Device::CPU) return false;
        if (!b) return true;
        auto* y = b->impl();
        return y->contiguous && y->dtype == x->dtype && y->sizes == x->sizes && !y->neg && !y->wrapper && y->storage->device == Device::CPU;
    }
    static Tensor fast_call(const Tensor& a, const void* const* in, unsigned scalars, const void* params) {
        Tensor out = empty_like(a, O::kBool ? DType::Bool : a.dtype());
        kernels_of<O>()->fn[int(a.dtype())](out->storage->data, in, a.numel(), scalars, params);
        return out;
    }
};

template <class O, class... P> struct Unary : PointwiseOp<O, 1, P...> {
    using Base = PointwiseOp<O, 1, P...>;
    static constexpr const char* kCategory = "Unary";
    static Tensor forward(const Tensor& self, const P&... p) {
        if constexpr (sizeof...(P) == 0)
            if (Base::fast(self, nullptr)) {
                const void* in[] = {self.raw()};
                return Base::fast_call(self, in, 0, nullptr);
            }
        return into(Tensor(), false, self, p...);
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
        if (self.tensor && Base::fast(*self.tensor, other.tensor) && !(other.scalar.kind == Scalar::Complex || (is_complex_param(p) || ...))) {
            const Tensor& a = *self.tensor;
            if (a.dtype() == DType::Float32) return fast_typed<float>(a, other, p...);
            return fast_typed<double>(a, other, p...);
        }
        return into(Tensor(), false, self, other, p...);
    }
    template <class T> static Tensor fast_typed(const Tensor& a, const Operand& other, const P&... p) {
        T number = other.tensor ? T(0) : other.scalar.to<T>();
        T params[sizeof...(P) + 1] = {Scalar(p).template to<T>()...};
        const void* in[] = {a.raw(), other.tensor ? (const void*)other.tensor->raw() : &number};
        return Base::fast_call(a, in, other.tensor ? 0 : 2, params);
    }
    static bool is_complex_param(const Scalar& s) { return s.kind == Scalar::Complex; }
    template <class T> static bool is_complex_param(const T&) { return false; }
    static Tensor into(const Tensor& out, bool inplace, const Operand& self, const Operand& other, const P&... p) {
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

#ifdef RL_ISA
#define POINTWISE(O) KERNELS(O)
#else
#define POINTWISE(O) \
    KERNELS(O);      \
    OP(O)
#endif

}  // namespace rl
