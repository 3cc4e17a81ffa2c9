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
    unsigned exact;  // bits of the operands that keep more than 16 bits beside a 16-bit tensor
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
    static constexpr unsigned kExact = 0;   // numbers are rounded to a 16-bit tensor's type, but for these operands (bits)
    static constexpr int kInputs = N;
    static constexpr int kParams = sizeof...(P);
    static constexpr int64_t kGrain = 32768;
    static constexpr void (*validate)(const Operand*, DType, const Scalar*) = nullptr;
    static PointwiseSpec spec() {
        return {&op_info<O>(), kernels_of<O>(), O::kDtypes, O::kBool ? Rule::Bool : O::kRule, O::kReal, N, sizeof...(P), O::kGrain, O::kNumbers, O::kExact, O::validate};
    }

    // ---- small operands of one type go straight to the kernel
    static bool in_memory(const TensorImpl* x) { return !x->conj && !x->neg && !x->wrapper && x->storage->device == Device::CPU; }
    static bool plain(const TensorImpl* x) {
        constexpr uint32_t direct = O::kDtypes & (O::kRule == Rule::Float ? kFloats | kComplexes : ~0u);
        return x->contiguous && (direct >> int(x->dtype) & 1) && in_memory(x) && x->numel <= O::kGrain;
    }
    static DType small_result(DType t) { return O::kBool ? DType::Bool : O::kReal ? to_real(t) : t; }
    // A number that doesn't change the type of a tensor.
    static bool fits(const Scalar& s, DType t) { return s.kind <= Scalar::Int ? t != DType::Bool || s.kind == Scalar::Bool : s.kind == Scalar::Float ? is_inexact(t) : rl::is_complex(t); }

    // The direct way for these operands: `lead` gives the result's type and shape; every other operand is like it, or is
    // one element (a number, a 0-dim tensor, or one that was expanded, as the gradient of a sum) and has its bit set.
    struct Direct {
        const Tensor* lead = nullptr;
        unsigned scalars = 0;
    };
    static bool join(Direct& d, const Operand& a, unsigned at) {
        const TensorImpl* lead = d.lead->impl();
        if (!a.tensor) {
            d.scalars |= 1u << at;
            return fits(a.scalar, lead->dtype);
        }
        const TensorImpl* y = a.tensor->impl();
        if (y == lead) return true;
        if (y->dtype != lead->dtype || !in_memory(y)) return false;
        bool like = y->sizes == lead->sizes;
        if (like && y->contiguous) return true;
        if (!lead->numel || (!like && !y->sizes.empty())) return false;
        for (int64_t s : y->strides)
            if (s) return false;
        d.scalars |= 1u << at;
        return true;
    }
    template <class... A> static bool direct(Direct& d, const std::tuple<const P&...>& params, const A&... in) {
        ((d.lead || !in.tensor || !plain(in.tensor->impl()) ? void() : void(d.lead = in.tensor)), ...);
        if (!d.lead) return false;
        unsigned at = 0;
        if (!(join(d, in, at++) && ...)) return false;
        DType t = d.lead->dtype();
        if (!std::apply([&](const P&... p) { return (fits(Scalar(p), t) && ...); }, params)) return false;
        if constexpr (!std::is_same_v<decltype(O::validate), decltype(validate)>)
            if (!rl::is_floating(t)) {
                const Operand all[] = {in...};
                std::apply([&](const P&... p) {
                    const Scalar numbers[sizeof...(P) + 1] = {Scalar(p)...};
                    O::validate(all, t, numbers);
                }, params);
            }
        return true;
    }
    // May the result be written over the first operand? Another place of its memory could be read too late.
    template <class... A> static bool direct_inplace(Direct& d, const Tensor& out, const std::tuple<const P&...>& params, const A&... in) {
        auto apart = [&](const Operand& a) { return !a.tensor || a.tensor->is(out) || (*a.tensor)->storage.get() != out->storage.get() || ((*a.tensor)->offset == out->offset && (*a.tensor)->contiguous && (*a.tensor)->sizes == out->sizes); };
        return direct(d, params, in...) && d.lead->is(out) && small_result(out.dtype()) == out.dtype() && (apart(in) && ...);
    }
    static const void* place(const Operand& a, DType t, void* number) {
        if (a.tensor) return a.tensor->raw();
        if (t == DType::Float32) *static_cast<float*>(number) = a.scalar.to<float>();
        else store_scalar(a.scalar, t, number);
        return number;
    }
    template <class... A> static Tensor run_direct(const Direct& d, const Tensor& target, const std::tuple<const P&...>& params, const A&... in) {
        DType t = d.lead->dtype();
        Tensor out = target ? target : empty_like(*d.lead, small_result(t));
        alignas(16) char packed[(sizeof...(P) + 1) * 16], numbers[N][16];
        size_t at = 0;
        std::apply([&](const P&... p) { ((place(Operand(Scalar(p)), t, packed + at), at += size_t(itemsize(t))), ...); }, params);
        int k = 0;
        const void* places[] = {place(in, t, numbers[k++])...};
        kernels_of<O>()->fn[int(t)](out.raw(), places, d.lead->numel(), d.scalars, packed);
        return out;
    }
    template <class... A> static Tensor slow(const Tensor& out, bool inplace, const std::tuple<const P&...>& params, const A&... in) {
        const Operand all[] = {in...};
        return std::apply([&](const P&... p) {
            const Scalar numbers[sizeof...(P) + 1] = {Scalar(p)...};
            return pointwise_slow(spec(), all, numbers, out, inplace);
        }, params);
    }
    template <class... A> static Tensor compute_into(const Tensor& out, bool inplace, const std::tuple<const P&...>& params, const A&... in) {
        Direct d;
        if (inplace && direct_inplace(d, out, params, in...)) return run_direct(d, out, params, in...);
        return slow(out, inplace, params, in...);
    }
};

template <class O, class... P> struct Unary : PointwiseOp<O, 1, P...> {
    using Base = PointwiseOp<O, 1, P...>;
    static constexpr const char* kCategory = "Unary";
    static Tensor forward(const Tensor& self, const P&... p) {
        typename Base::Direct d;
        if (Base::direct(d, std::tie(p...), Operand(self))) return Base::run_direct(d, Tensor(), std::tie(p...), Operand(self));
        return O::into(Tensor(), false, self, p...);
    }
    static Tensor into(const Tensor& out, bool inplace, const Tensor& self, const P&... p) { return Base::compute_into(out, inplace, std::tie(p...), Operand(self)); }
    template <class C> requires requires(C& c, const Tensor& g) { O::dself(c, g); }
    static Grads backward(C& c, const Tensor& g) { return {O::dself(c, g)}; }
};

template <class O, class... P> struct Binary : PointwiseOp<O, 2, P...> {
    using Base = PointwiseOp<O, 2, P...>;
    static constexpr const char* kCategory = "Binary";
    static Tensor forward(const Operand& self, const Operand& other, const P&... p) {
        typename Base::Direct d;
        if (Base::direct(d, std::tie(p...), self, other)) return Base::run_direct(d, Tensor(), std::tie(p...), self, other);
        return O::into(Tensor(), false, self, other, p...);
    }
    static Tensor into(const Tensor& out, bool inplace, const Operand& self, const Operand& other, const P&... p) { return Base::compute_into(out, inplace, std::tie(p...), self, other); }
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
    static Tensor forward(const Operand& a, const Operand& b, const Operand& c, const P&... p) {
        typename Base::Direct d;
        if (Base::direct(d, std::tie(p...), a, b, c)) return Base::run_direct(d, Tensor(), std::tie(p...), a, b, c);
        return O::into(Tensor(), false, a, b, c, p...);
    }
    static Tensor into(const Tensor& out, bool inplace, const Operand& a, const Operand& b, const Operand& c, const P&... p) { return Base::compute_into(out, inplace, std::tie(p...), a, b, c); }
    template <class C> requires requires(C& c, const Tensor& g) { O::d0(c, g); }
    static Grads backward(C& c, const Tensor& g) {
        Grads r(3);
        if (c.template needs<0>()) r[0] = sum_grad(O::d0(c, g), c.metas[0]);
        if (c.template needs<1>()) r[1] = sum_grad(O::d1(c, g), c.metas[1]);
        if (c.template needs<2>()) r[2] = sum_grad(O::d2(c, g), c.metas[2]);
        return r;
    }
};

// In a backward pass that is not recorded, a large gradient that nobody else holds may be written over.
inline bool is_disposable(const Tensor& g) {
    constexpr int64_t large = 4096;  // below, memory for a result costs less than these questions
    return g.numel() >= large && !tls.grad && !tls.modes && Py_REFCNT(g.py()) == 1 && g->storage->refs == 1 && g->contiguous && !g.lazy() && !g->wrapper && !g->meta;
}
// call<O>(g, a...), where g, the incoming gradient, is not used again.
template <class O, class... A> Tensor call_consuming(const Tensor& g, const A&... a) {
    if (is_disposable(g)) return O::into(g, true, g, a...);
    return call<O>(g, a...);
}

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
