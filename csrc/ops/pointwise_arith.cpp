// Arithmetic of two and three operands.
#include "core/iterate.h"
#include "core/pointwise.h"
#include "cpu/kernels.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

// ---------------------------------------------------------------- sums and products
struct AlphaRules {
    static void check_alpha(DType common, const Scalar& alpha) {
        check(common == DType::Bool || alpha.kind != Scalar::Bool, "Boolean alpha only supported for Boolean results.");
        check(is_inexact(common) || alpha.is_integral(), "For integral input tensors, argument alpha must not be a floating point number.");
        check(is_complex(common) || !alpha.is_complex(), "For non-complex input tensors, argument alpha must not be a complex number.");
    }
};
[[maybe_unused]] static Tensor times_alpha(const Tensor& g, const Scalar& alpha) { return alpha.equals(1) ? g : mul(g, conj(alpha)); }

RL_COMPLEX_VECTORS(Add);
struct Add : Binary<Add, Scalar>, AlphaRules {
    SIG("add.Tensor(Operand self, Operand other, *, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("self + alpha * other.");
    static constexpr bool kNumbers = true;
    template <class V> RL_F V f(V a, V b, const auto* p) {
        if constexpr (std::is_same_v<V, bool>) return a || (b && p[0]);
        else return V(a + b * V(p[0]));
    }
    static void validate(const Operand*, DType common, const Scalar* p) { check_alpha(common, p[0]); }
    DSELF(g);
    DOTHER(times_alpha(g, c.arg<2>()));
};
POINTWISE(Add);

struct SubtractionRules : AlphaRules {
    static void check_subtraction(const Operand* in, DType common, const Scalar& alpha) {
        auto is_bool = [](const Operand& a) { return a.tensor ? a.tensor->dtype() == DType::Bool : a.scalar.kind == Scalar::Bool; };
        check(!(is_bool(in[0]) && is_bool(in[1])), "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.");
        check(!is_bool(in[0]) && !is_bool(in[1]), "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
        check_alpha(common, alpha);
    }
};
RL_COMPLEX_VECTORS(Sub);
struct Sub : Binary<Sub, Scalar>, SubtractionRules {
    SIG("sub.Tensor(Operand self, Operand other, *, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("self - alpha * other.");
    static constexpr bool kNumbers = true;
    ALIASES("subtract");
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V a, V b, const auto* p) { return V(a - b * V(p[0])); }
    static void validate(const Operand* in, DType common, const Scalar* p) { check_subtraction(in, common, p[0]); }
    DSELF(g);
    DOTHER(neg(times_alpha(g, c.arg<2>())));
};
POINTWISE(Sub);

RL_COMPLEX_VECTORS(Rsub);
struct Rsub : Binary<Rsub, Scalar>, SubtractionRules {
    SIG("rsub.Tensor(Tensor self, Operand other, *, Scalar alpha=1) -> Tensor");
    DOC("other - alpha * self.");
    FORMS(FUNCTION | METHOD);
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V a, V b, const auto* p) { return V(b - a * V(p[0])); }
    static void validate(const Operand* in, DType common, const Scalar* p) { check_subtraction(in, common, p[0]); }
    DSELF(neg(times_alpha(g, c.arg<2>())));
    DOTHER(g);
};
POINTWISE(Rsub);

RL_COMPLEX_VECTORS(Mul);
struct Mul : Binary<Mul> {
    SIG("mul.Tensor(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("self * other.");
    static constexpr unsigned kExact = 3;
    static constexpr bool kNumbers = true;
    ALIASES("multiply");
    using Saves = Save<In<0, 1>, In<1, 0>>;
    template <class V> RL_F V f(V a, V b) {
        if constexpr (std::is_same_v<V, bool>) return a && b;
        else return V(a * b);
    }
    DSELF(mul(g, conj_held<1>(c)));
    DOTHER(mul(g, conj_held<0>(c)));
};
POINTWISE(Mul);

// ---------------------------------------------------------------- quotients
struct Div : Binary<Div> {
    SIG("div.Tensor(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("self / other; the quotient of integers is a floating-point number.");
    static constexpr unsigned kExact = 2;
    static constexpr bool kNumbers = true;
    ALIASES("divide true_divide");
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    static constexpr Rule kRule = Rule::Float;
    using Saves = Save<In<0, 1>, In<1>>;
    template <class V> RL_F V f(V a, V b) { return a / b; }
    DSELF(div(g, conj_held<1>(c)));
    DOTHER(mul(neg(g), conj(div(div(held<0>(c), c.in<1>()), c.in<1>()))));
};
POINTWISE(Div);

// The quotient rounded down, or the remainder with the divisor's sign, of int64 numbers below 2^52 by division in double,
// which vectors have: the quotient is at most one off. 0 where the divisor is 0. The divisor may be one number (`step` 0).
template <bool Quotient> RL_F void divide_small(int64_t* o, const int64_t* a, const int64_t* b, int64_t step, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t x = a[i], y = b[i * step];
        int64_t q = int64_t(double(x) / (y == 0 ? 1.0 : double(y)));
        int64_t r = x - q * y;
        const bool off = ((r ^ y) < 0) & (r != 0);
        o[i] = y == 0 ? 0 : Quotient ? q - off : off ? r + y : r;
    }
}
template <class O, bool Quotient> RL_F bool divide_blocks(void* out, const void* const* in, int64_t n, unsigned scalars) {
    if (scalars & 1) return false;
    constexpr int64_t block = 1024;
    int64_t* o = static_cast<int64_t*>(out);
    const int64_t *a = static_cast<const int64_t*>(in[0]), *b = static_cast<const int64_t*>(in[1]);
    for (int64_t i = 0; i < n; i += block) {
        const int64_t m = n - i < block ? n - i : block;
        uint64_t large = 0;
        for (int64_t j = i; j < i + m; j++) large |= uint64_t(a[j] ^ (a[j] >> 63));
        if (large >> 52)
            for (int64_t j = i; j < i + m; j++) o[j] = O::f(a[j], b[scalars ? 0 : j]);
        else if (scalars) divide_small<Quotient>(o + i, a + i, b, 0, m);
        else divide_small<Quotient>(o + i, a + i, b + i, 1, m);
    }
    return true;
}

// Division of integers by zero raises; the kernels give 0 there.
struct DivisorRules {
    static void check_divisor(const Operand& b, DType common);
    static void validate(const Operand* in, DType common, const Scalar*) { check_divisor(in[1], common); }
};
struct FloorDivide : DivisorRules, Binary<FloorDivide> {
    SIG("floor_divide(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("The quotient rounded towards minus infinity.");
    static constexpr unsigned kExact = 2;
    static constexpr bool kNumbers = true;
    using DivisorRules::validate;
    static constexpr uint32_t kDtypes = kInts | kFloats;
    template <class V> RL_F V f(V a, V b) { return floor_divide(a, b); }
    template <class T> RL_F bool run(void* out, const void* const* in, int64_t n, unsigned scalars)
        requires std::is_same_v<T, int64_t>
    {
        return divide_blocks<FloorDivide, true>(out, in, n, scalars);
    }
    DSELF(zeros_like(g));
    DOTHER(zeros_like(g));
};
POINTWISE(FloorDivide);

struct TruncDivide : DivisorRules, Binary<TruncDivide> {
    SIG("_trunc_divide(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("The quotient rounded towards zero.");
    static constexpr unsigned kExact = 2;
    using DivisorRules::validate;
    static constexpr uint32_t kDtypes = kInts | kFloats;
    template <class V> RL_F V f(V a, V b) {
        if constexpr (std::is_integral_v<V>) return trunc_divide(a, b);
        else return trunc(a / b);
    }
    DSELF(zeros_like(g));
    DOTHER(zeros_like(g));
};
POINTWISE(TruncDivide);

struct Remainder : DivisorRules, Binary<Remainder> {
    SIG("remainder.Tensor(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("The remainder with the divisor's sign, as Python's %.");
    using DivisorRules::validate;
    using Saves = Save<In<0, 1>, In<1, 1>>;
    static constexpr uint32_t kDtypes = kInts | kFloats;
    template <class V> RL_F V f(V a, V b) { return remainder(a, b); }
    template <class T> RL_F bool run(void* out, const void* const* in, int64_t n, unsigned scalars)
        requires std::is_same_v<T, int64_t>
    {
        return divide_blocks<Remainder, false>(out, in, n, scalars);
    }
    DSELF(g);
    DOTHER(mul(neg(g), call<FloorDivide>(held<0>(c), c.in<1>())));
};
POINTWISE(Remainder);

struct Fmod : DivisorRules, Binary<Fmod> {
    SIG("fmod.Tensor(Tensor self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("The remainder with the dividend's sign, as C's fmod.");
    using DivisorRules::validate;
    using Saves = Save<In<0, 1>, In<1, 1>>;
    static constexpr uint32_t kDtypes = kInts | kFloats;
    template <class V> RL_F V f(V a, V b) { return fmod(a, b); }
    DSELF(g);
    DOTHER(mul(neg(g), call<TruncDivide>(held<0>(c), c.in<1>())));
};
POINTWISE(Fmod);

// ---------------------------------------------------------------- three operands
RL_COMPLEX_VECTORS(Addcmul);
struct Addcmul : Ternary<Addcmul, Scalar> {
    SIG("addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1, Tensor? out=None) -> Tensor");
    DOC("self + value * tensor1 * tensor2.");
    using Saves = Save<In<1, 2>, In<2, 1>>;
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V a, V b, V c, const auto* p) { return V(a + V(p[0]) * b * c); }
    D0(g);
    D1(mul(g, conj(mul(c.in<2>(), c.arg<3>()))));
    D2(mul(g, conj(mul(c.in<1>(), c.arg<3>()))));
};
POINTWISE(Addcmul);

struct Addcdiv : Ternary<Addcdiv, Scalar> {
    SIG("addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1, Tensor? out=None) -> Tensor");
    DOC("self + value * tensor1 / tensor2.");
    using Saves = Save<In<1, 2>, In<2>>;
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    template <class V> RL_F V f(V a, V b, V c, const auto* p) {
        if constexpr (std::is_integral_v<V>) return V(a + V(p[0]) * trunc_divide(b, c));
        else return a + V(p[0]) * b / c;
    }
    static void validate(const Operand* in, DType, const Scalar*) {
        check(is_inexact(in[1].tensor->dtype()) || is_inexact(in[2].tensor->dtype()),
              "Integer division with addcdiv is no longer supported, and in a future release addcdiv will perform a true division of tensor1 and tensor2. Use (input + value * torch.trunc(tensor1 / tensor2)) or (input + value * tensor1 / tensor2) instead.");
    }
    D0(g);
    D1(mul(g, conj(div(c.arg<3>(), c.in<2>()))));
    D2(mul(neg(g), conj(div(mul(c.in<1>(), c.arg<3>()), mul(c.in<2>(), c.in<2>())))));
};
POINTWISE(Addcdiv);

struct Lerp : Ternary<Lerp> {
    SIG("lerp.Tensor(Tensor self, Tensor end, Operand weight, *, Tensor? out=None) -> Tensor");
    DOC("self + weight * (end - self).");
    static constexpr unsigned kExact = 4;
    using Saves = Save<In<0, 2>, In<1, 2>, In<2>>;
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    // From the nearer end, so that weights 0 and 1 give the ends exactly.
    template <class V> RL_F V f(V a, V b, V w) {
        if constexpr (is_complex_v<V>) return std::norm(w) < typename V::value_type(0.25) ? a + w * (b - a) : b - (b - a) * (V(1) - w);
        else return where(abs(w) < V(lane_t<V>(0.5)), a + w * (b - a), b - (b - a) * (V(lane_t<V>(1)) - w));
    }
    static void validate(const Operand* in, DType common, const Scalar*) {
        DType t = in[0].tensor->dtype();
        check(is_inexact(common) && (is_inexact(t) || in[2].tensor), Err::NotImplemented, "\"lerp_kernel_", in[2].tensor ? "tensor" : "scalar", "\" not implemented for '", title(t), "'");
        check(in[1].tensor->dtype() == t, "expected dtype ", name(t), " for `end` but got dtype ", name(in[1].tensor->dtype()), " (lerp)");
        check(!in[2].tensor || in[2].tensor->dtype() == t, "expected dtype ", name(t), " for `weight` but got dtype ", name(in[2].tensor ? in[2].tensor->dtype() : t), " (lerp)");
    }
    D0(mul(g, sub(Scalar(1), conj_held<2>(c))));
    D1(mul(g, conj_held<2>(c)));
    D2(mul(g, conj(sub(c.in<1>(), c.in<0>()))));
};
POINTWISE(Lerp);

#ifndef RL_ISA
void DivisorRules::check_divisor(const Operand& b, DType common) {
    if (!is_integral(common)) return;
    check(b.tensor || !b.scalar.equals(0), "ZeroDivisionError");
    if (!b.tensor || b.tensor->is_meta() || (*b.tensor)->wrapper) return;
    Tensor d = b.tensor->dim() ? cast_raw(*b.tensor, DType::Bool) : Tensor();
    bool whole = d ? cpu::kernels().all(d.data<uint8_t>(), d.numel()) : !item(*b.tensor).equals(0);
    check(whole, "ZeroDivisionError");
}

struct DivMode : Composite<DivMode> {
    SIG("div.Tensor_mode(Operand self, Operand other, *, str? rounding_mode, Tensor? out=None) -> Tensor");
    DOC("self / other, the quotient rounded towards zero ('trunc') or down ('floor').");
    ALIASES("divide");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Operand& self, const Operand& other, const OptStr& mode) {
        if (!mode) return div(self, other);
        if (*mode == "trunc") {
            Operand both[] = {self, other};  // a 16-bit quotient is rounded before it is truncated
            return is_reduced(result_type(both, 2)) ? rl::trunc(div(self, other)) : call<TruncDivide>(self, other);
        }
        check(*mode == "floor", "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", *mode, "'");
        return call<FloorDivide>(self, other);
    }
};
OP(DivMode);

struct ReflectedDiv : Composite<ReflectedDiv> {
    SIG("__rdiv__(Tensor self, Operand other) -> Tensor");
    DOC("other / self.");
    ALIASES("__rtruediv__");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Operand& other) { return div(other, self); }
};
OP(ReflectedDiv);

Tensor add(const Operand& a, const Operand& b, const Scalar& alpha) { return call<Add>(a, b, alpha); }
Tensor addcmul(const Tensor& a, const Tensor& b, const Tensor& c, const Scalar& value) { return call<Addcmul>(a, b, c, value); }
Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha) { return call<Sub>(a, b, alpha); }
Tensor mul(const Operand& a, const Operand& b) { return call<Mul>(a, b); }
Tensor div(const Operand& a, const Operand& b) { return call<Div>(a, b); }
Tensor add_(const Tensor& a, const Operand& b) { return call_inplace<Add>(a, b, Scalar(1)); }
Tensor mul_(const Tensor& a, const Operand& b) { return call_inplace<Mul>(a, b); }
#endif

}  // namespace rl
