// Exponentials, logarithms, powers and roots.
#include <cmath>

#include "core/iterate.h"
#include "core/pointwise.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

#define LN2 0.693147180559945309417
#define LN10 2.302585092994045684018

struct SigmoidBackward : Binary<SigmoidBackward> {
    SIG("sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor");
    DOC("Gradient of sigmoid: grad_output * conj(output * (1 - output)).");
    FORMS(FUNCTION);
    using Saves = Save<In<0, 1>, In<1>>;
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    template <class V> RL_F V f(V g, V y) {
        const V one = V(1);
        if constexpr (is_complex_v<V>) return g * std::conj(y * (one - y));
        else return g * (y * (one - y));
    }
    DSELF(call<SigmoidBackward>(g, conj(c.in<1>())));
    DOTHER(conj(mul(mul(g, conj(c.in<0>())), sub(1, mul(c.in<1>(), 2)))));
};
POINTWISE(SigmoidBackward);

// ---------------------------------------------------------------- exponentials and logarithms
#define MATH(Struct, NAME, ALIAS, TEXT, formula, SAVED, ...)      \
    struct Struct : Math<Struct> {                                \
        SIG(NAME "(Tensor self, *, Tensor? out=None) -> Tensor"); \
        DOC(TEXT);                                                \
        ALIASES(ALIAS);                                           \
        using Saves = Save<SAVED>;                                \
        template <class V> RL_F V f(V x) { return formula(x); }   \
        DSELF(__VA_ARGS__);                                       \
    };                                                            \
    POINTWISE(Struct)
RL_COMPLEX_VECTORS(Exp);
MATH(Exp, "exp", "", "e to the power of self.", exp, Out<>, mul(g, conj(c.out())));
MATH(Exp2, "exp2", "special::exp2", "2 to the power of self.", exp2, Out<>, mul(mul(g, conj(c.out())), LN2));
MATH(Expm1, "expm1", "special::expm1", "exp(self) - 1, accurate near 0.", expm1, Out<>, mul(g, conj(add(c.out(), 1))));
MATH(Log, "log", "", "The natural logarithm.", log, In<0>, div(g, conj(c.in<0>())));
MATH(Log2, "log2", "", "The logarithm to base 2.", log2, In<0>, div(g, mul(conj(c.in<0>()), LN2)));
MATH(Log10, "log10", "", "The logarithm to base 10.", log10, In<0>, div(g, mul(conj(c.in<0>()), LN10)));
MATH(Log1p, "log1p", "special::log1p", "log(1 + self), accurate near 0.", log1p, In<0>, div(g, conj(add(c.in<0>(), 1))));
MATH(Sqrt, "sqrt", "", "The square root.", sqrt, Out<>, div(g, mul(conj(c.out()), 2)));
MATH(Rsqrt, "rsqrt", "", "1 / sqrt(self).", rsqrt, Out<>, mul(mul(g, conj(mul(mul(c.out(), c.out()), c.out()))), -0.5));
MATH(Sigmoid, "sigmoid", "special::expit", "1 / (1 + exp(-self)).", sigmoid, Out<>, call<SigmoidBackward>(g, c.out()));

struct Logaddexp : Binary<Logaddexp> {
    SIG("logaddexp(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("log(exp(self) + exp(other)) without overflow.");
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    static constexpr int64_t kGrain = 8192;
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V a, V b) { return logaddexp(a, b); }
    DSELF(div(g, conj(add(exp(sub(c.in<1>(), c.in<0>())), 1))));
    DOTHER(div(g, conj(add(exp(sub(c.in<0>(), c.in<1>())), 1))));
};
POINTWISE(Logaddexp);

struct Logaddexp2 : Binary<Logaddexp2> {
    SIG("logaddexp2(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("log2(2 ** self + 2 ** other) without overflow.");
    static constexpr uint32_t kDtypes = kFloats;
    static constexpr int64_t kGrain = 8192;
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V a, V b) { return logaddexp2(a, b); }
    DSELF(div(g, add(call<Exp2>(sub(c.in<1>(), c.in<0>())), 1)));
    DOTHER(div(g, add(call<Exp2>(sub(c.in<0>(), c.in<1>())), 1)));
};
POINTWISE(Logaddexp2);

struct Xlogy : Math2<Xlogy> {
    SIG("xlogy.Tensor(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("self * log(other), and 0 where self is 0.");
    ALIASES("special::xlogy");
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V a, V b) { return xlogy(a, b); }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), other = c.given<1>() ? c.in<1>() : scalar_tensor(c.arg<1>(), to_real(x.dtype()));
        return mul(g, conj(where(logical_and(eq(x, 0), le(real(other), 0)), Scalar(0), log(other))));
    }
#endif
    DOTHER(mul(g, conj(div(held<0>(c), c.in<1>()))));
};
POINTWISE(Xlogy);

struct Xlog1py : Math2<Xlog1py> {
    SIG("special::xlog1py(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("self * log1p(other), and 0 where self is 0.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V a, V b) { return xlog1py(a, b); }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), other = c.given<1>() ? c.in<1>() : scalar_tensor(c.arg<1>(), x.dtype());
        return mul(g, where(logical_and(eq(x, 0), le(other, -1)), Scalar(0), call<Log1p>(other)));
    }
#endif
    DOTHER(div(mul(g, held<0>(c)), add(c.in<1>(), 1)));
};
POINTWISE(Xlog1py);

// ---------------------------------------------------------------- powers
struct Pow : Binary<Pow> {
    SIG("pow.Tensor_Tensor(Operand self, Operand exponent, *, Tensor? out=None) -> Tensor");
    DOC("self to the power of exponent.");
    static constexpr int64_t kGrain = 8192;
    static constexpr uint32_t kDtypes = kAllTypes & ~kBools;
    using Saves = Save<In<0>, In<1>, Out<>>;
    // Exponents that are mostly the same for all elements: 2, 3, 1/2, -1.
    template <class V> RL_F V f(V a, V b) {
        if constexpr (is_complex_v<V>) return b == V(2) ? a * a : pow(a, b);
        else if constexpr (std::is_integral_v<V>) return pow(a, b);
        else {
            if (all(b == V(2))) return a * a;
            if (all(b == V(3))) return a * a * a;
            if (all(b == V(0.5))) return sqrt(a);
            if (all(b == V(-1))) return V(1) / a;
            return pow(a, b);
        }
    }
    static void validate(const Operand* in, DType common, const Scalar*) {
        check(!is_integral(common) || in[1].tensor || in[1].scalar.real() >= 0, "Integers to negative integer powers are not allowed.");
    }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>();
        if (c.given<1>()) {
            Tensor e = c.in<1>();
            return where(eq(e, 0), Scalar(0), mul(g, conj(mul(e, pow(x, sub(e, 1))))));
        }
        const Scalar e = c.arg<1>();
        if (e.equals(0)) return zeros_like(g);
        if (e.equals(1)) return g;
        if (e.equals(2)) return mul(g, conj(mul(x, 2)));
        Scalar lower = e.is_complex() ? Scalar(c128(e.d - 1, e.im)) : e.is_integral() ? Scalar(e.to<int64_t>() - 1) : Scalar(e.d - 1);
        return mul(g, conj(mul(pow(x, lower), e)));
    }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor e = c.in<1>(), y = c.out();
        if (!c.given<0>()) {
            const Scalar b = c.arg<0>();
            if (b.equals(0)) return where(ge(real(e), 0), Scalar(0), mul(g, conj(mul(y, -INFINITY))));
            if (!b.is_complex() && (b.real() > 0 || !y.is_complex())) return mul(g, conj(mul(y, std::log(b.real()))));
            return mul(g, conj(mul(y, Scalar(std::log(b.to<c128>())))));
        }
        Tensor x = c.in<0>();
        return mul(g, where(logical_and(eq(x, 0), ge(real(e), 0)), Scalar(0), conj(mul(y, log(x)))));
    }
#endif
};
POINTWISE(Pow);

struct Hypot : Binary<Hypot> {
    SIG("hypot(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("The hypotenuse of a right triangle with legs self and other.");
    static constexpr uint32_t kDtypes = kFloats;
    static constexpr int64_t kGrain = 8192;
    using Saves = Save<In<0>, In<1>, Out<>>;
    template <class V> RL_F V f(V a, V b) { return hypot(a, b); }
    DSELF(mul(g, div(c.in<0>(), c.out())));
    DOTHER(mul(g, div(c.in<1>(), c.out())));
};
POINTWISE(Hypot);

// The parts of frexp, both as floats. Loops only, no operators.
struct Mantissa : RealMath<Mantissa> {
    template <class V> RL_F V f(V x) { return mantissa(x); }
};
struct Exponent : RealMath<Exponent> {
    template <class V> RL_F V f(V x) { return exponent(x); }
};
KERNELS(Mantissa);
KERNELS(Exponent);

#ifndef RL_ISA
Tensor exp(const Tensor& a) { return call<Exp>(a); }
Tensor log(const Tensor& a) { return call<Log>(a); }
Tensor sqrt(const Tensor& a) { return call<Sqrt>(a); }
Tensor rsqrt(const Tensor& a) { return call<Rsqrt>(a); }
Tensor sigmoid(const Tensor& a) { return call<Sigmoid>(a); }
Tensor pow(const Operand& a, const Operand& b) { return call<Pow>(a, b); }


struct FloatPower : Composite<FloatPower> {
    SIG("float_power.Tensor_Tensor(Operand self, Operand exponent, *, Tensor? out=None) -> Tensor");
    DOC("self to the power of exponent, in float64 or complex128.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static constexpr bool kCastsOut = false;
    static Tensor forward(const Operand& self, const Operand& exponent) {
        check(self.tensor || exponent.tensor, Err::Type, "float_power() received an invalid combination of arguments - got numbers only, but expected at least one Tensor");
        auto complex = [](const Operand& a) { return a.tensor ? a.tensor->is_complex() : a.scalar.is_complex(); };
        DType t = complex(self) || complex(exponent) ? DType::Complex128 : DType::Float64;
        Tensor a = self.tensor ? to(*self.tensor, t) : Tensor(), b = exponent.tensor ? to(*exponent.tensor, t) : Tensor();
        return pow(a ? Operand(a) : self, b ? Operand(b) : exponent);
    }
};
OP(FloatPower);

struct Ldexp : Composite<Ldexp> {
    SIG("ldexp.Tensor(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("self * 2 ** other.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other) { return mul(self, call<Exp2>(other)); }
};
OP(Ldexp);

struct Frexp : Op<Frexp> {
    SIG("frexp.Tensor(Tensor self, *, Tensor[]? out=None) -> (Tensor mantissa, Tensor exponent)");
    DOC("Mantissas in [0.5, 1) and integer exponents: self = mantissa * 2 ** exponent.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& self) {
        check(self.is_floating(), "torch.frexp() only supports floating-point dtypes");
        Tensor mantissa = empty_preserved(self, self.dtype()), exponent = empty_preserved(self, DType::Int32);
        if (self.is_meta()) return {mantissa, exponent};
        DType t = self.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
        Tensor x = resolve(self);
        const LoopInput in = loop_input(x, x.sizes());
        run_pointwise(kernels_of<Mantissa>()->fn[int(t)], mantissa, &in, 1, t, t, nullptr, 8192);
        run_pointwise(kernels_of<Exponent>()->fn[int(t)], exponent, &in, 1, t, t, nullptr, 8192);
        return {mantissa, exponent};
    }
    static Grads backward(Ctx& c, const Grads& g) {
        if (!g[0]) return Grads(1);
        Tensor exponent = std::get<1>(call<Frexp>(detach(c.in<0>())));
        return {div(g[0], pow(Scalar(2.0), to(exponent, g[0].dtype())))};
    }
};
OP(Frexp);

Tensor xlogy(const Operand& a, const Operand& b) { return call<Xlogy>(a, b); }
#endif

}  // namespace rl
