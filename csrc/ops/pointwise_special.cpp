// Special functions: the families of the error function, of Gamma, and of the modified Bessel functions.
#include <limits>

#include "core/pointwise.h"

namespace rl {
using namespace cpu;
using namespace cpu::m;

// FORM: FUNCTION | METHOD ... for names of torch's own, FUNCTION | OUT for names of torch.special only.
#define SPECIAL(Struct, NAME, ALIAS, FORM, TEXT, formula, SAVED, ...) \
    struct Struct : RealMath<Struct> {                                \
        SIG(NAME "(Tensor self, *, Tensor? out=None) -> Tensor");     \
        DOC(TEXT);                                                    \
        ALIASES(ALIAS);                                               \
        FORMS(FORM);                                                  \
        using Saves = Save<SAVED>;                                    \
        template <class V> RL_F V f(V x) { return formula; }          \
        DSELF(__VA_ARGS__);                                           \
    };                                                                \
    POINTWISE(Struct)
#define X c.in<0>()
#define BOTH In<0>, Out<>
inline constexpr uint32_t kMethod = kPointwiseForms, kFunction = FUNCTION | OUT;
inline constexpr double kSqrtPi = 1.77245385090551602730, kSqrt2Pi = 2.50662827463100050242, kSqrtHalf = 0.70710678118654752440;
template <class V> RL_F V constant(double v) { return V(lane_t<V>(v)); }

// ---------------------------------------------------------------- the error function
SPECIAL(Erf, "erf", "special::erf", kMethod, "The error function.", erf(x), In<0>, mul(g, mul(exp(neg(square(X))), 2 / kSqrtPi)));
SPECIAL(Erfc, "erfc", "special::erfc", kMethod, "1 - erf(self).", erfc(x), In<0>, mul(g, mul(exp(neg(square(X))), -2 / kSqrtPi)));
SPECIAL(Erfinv, "erfinv", "special::erfinv", kMethod, "The inverse of erf.", erfinv(x), Out<>, mul(g, mul(exp(square(c.out())), kSqrtPi / 2)));
SPECIAL(Erfcx, "special::erfcx", "", kFunction, "exp(self ** 2) * erfc(self).", erfcx(x), BOTH, mul(g, sub(mul(mul(X, 2), c.out()), 2 / kSqrtPi)));
SPECIAL(Ndtr, "special::ndtr", "", kFunction, "The normal distribution function.", constant<V>(0.5) * erfc(-x * constant<V>(kSqrtHalf)), In<0>,
        mul(g, mul(exp(mul(square(X), -0.5)), 1 / kSqrt2Pi)));
SPECIAL(Ndtri, "special::ndtri", "", kFunction, "The inverse of the normal distribution function.", ndtri(x), Out<>, mul(g, mul(exp(mul(square(c.out()), 0.5)), kSqrt2Pi)));
SPECIAL(LogNdtr, "special::log_ndtr", "", kFunction, "The logarithm of the normal distribution function.", log_ndtr(x), In<0>,
        div(mul(g, 2 / kSqrt2Pi), call<Erfcx>(mul(X, -kSqrtHalf))));
SPECIAL(Entr, "special::entr", "", kFunction, "-self * log(self), the entropy of a probability.", entr(x), In<0>, mul(g, sub(neg(log(X)), 1)));

// ---------------------------------------------------------------- Gamma
// As special::zeta: Euler and Maclaurin's summation after ten terms (Abramowitz and Stegun 23.1.30).
template <bool ForFloat> RL_INLINE Vec<double> hurwitz_sum(Vec<double> s0, Vec<double> q0) {
    using V = Vec<double>;
    constexpr double steep = ForFloat ? 80 : 1e4;  // beyond, all but the first terms are too small to matter
    const V s = fast_min(V(1e30), s0), slope = fast_min(V(steep), s), zero = 0.0;
    const auto power = [s](V x) __attribute__((always_inline)) {
        if constexpr (ForFloat) return m::detail::pow_for_float(x, -s);
        else return m::detail::pow_positive(x, -s);
    };
    V q = q0, sum = 0.0;
    for (int i = 0; i < 10; i++, q = q + V(1.0)) sum = sum + power(q);
    const V head = where(s > V(steep), zero, power(q)), square = q * q;
    sum = sum + head * q / (s - V(1.0)) + V(0.5) * head;
    constexpr double bernoulli[] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000, 1.0 / 74724249600, -3617.0 / 10670622842880000};
    V term = head * slope / q;
    for (int k = 0; k < 8; k++) {
        sum = sum + V(bernoulli[k]) * term;
        term = term * ((slope + V(2.0 * k + 1)) * (slope + V(2.0 * k + 2)) / square);
    }
    const auto inside = s0 > V(1.0), rare = inside & (~(q0 > V(0.0)) | (q0 == V(std::numeric_limits<double>::infinity())));
    if (any(rare)) sum = where(rare, m::zeta(s0, q0), sum);
    return where(inside, sum, where(s0 == V(1.0), V(std::numeric_limits<double>::infinity()), V(std::numeric_limits<double>::quiet_NaN())));
}
RL_INLINE Vec<double> hurwitz_zeta(Vec<double> s, Vec<double> q) { return hurwitz_sum<false>(s, q); }
RL_INLINE Vec<float> hurwitz_zeta(Vec<float> s, Vec<float> q) {
    Vec<double> s0, s1, q0, q1;
    widen(s, s0, s1), widen(q, q0, q1);
    return narrow(hurwitz_sum<true>(s0, q0), hurwitz_sum<true>(s1, q1));
}
struct Zeta : Math2<Zeta> {
    SIG("special::zeta(Operand self, Operand other, *, Tensor? out=None) -> Tensor");
    DOC("The Hurwitz zeta function: the sum of (other + k) ** -self over k >= 0.");
    FORMS(kFunction);
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V s, V q) {
        if constexpr (std::is_floating_point_v<V>) return zeta(s, q);
        else return hurwitz_zeta(s, q);
    }
#ifndef RL_ISA
    static Tensor dself(Ctx&, const Tensor&) { raise(Err::NotImplemented, "the derivative for 'zeta' with respect to its first argument is not implemented"); }
#endif
    DOTHER(mul(g, mul(mul(held<0>(c), -1), call<Zeta>(add(held<0>(c), 1), c.in<1>()))));
};
POINTWISE(Zeta);

// The n-th derivative of digamma. n is of the signature's first parameter, so that the operand comes second.
struct PolygammaOfOrder : RealMath<PolygammaOfOrder, int64_t> {
    SIG("_polygamma(Tensor self, int n, *, Tensor? out=None) -> Tensor");
    DOC("The n-th derivative of digamma.");
    FORMS(FUNCTION | INPLACE | OUT);
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x, const auto* p) { return polygamma(int(p[0]), x); }
    DSELF(mul(g, call<PolygammaOfOrder>(X, c.arg<1>() + 1)));
};
POINTWISE(PolygammaOfOrder);
SPECIAL(Digamma, "digamma", "special::digamma special::psi", kMethod, "The derivative of lgamma.", digamma(x), In<0>, mul(g, call<PolygammaOfOrder>(X, int64_t(1))));
SPECIAL(Lgamma, "lgamma", "special::gammaln", kMethod, "The logarithm of |Gamma(self)|.", lgamma(x), In<0>, mul(g, call<Digamma>(X)));

// ---------------------------------------------------------------- modified Bessel functions of the first kind
// I1(x) / x, and 1/2 at 0
[[maybe_unused]] static Tensor quotient(const Tensor& i1, const Tensor& x) { 
    Tensor zero = eq(x, 0);
    return where(zero, Scalar(0.5), div(i1, where(zero, Scalar(1), x)));
}
#ifndef RL_ISA
static Tensor i0_of(const Tensor& x);
static Tensor i0e_of(const Tensor& x);
#endif
SPECIAL(I1e, "special::i1e", "", kFunction, "exp(-|self|) * i1(self).", i1e(x), BOTH, mul(g, sub(i0e_of(X), add(mul(c.out(), sgn(X)), quotient(c.out(), X)))));
SPECIAL(I0e, "special::i0e", "", kFunction, "exp(-|self|) * i0(self).", i0e(x), BOTH, mul(g, sub(call<I1e>(X), mul(c.out(), sgn(X)))));
SPECIAL(I1, "special::i1", "special::modified_bessel_i1", kFunction, "The modified Bessel function of the first kind, order 1.", i1(x), BOTH, mul(g, sub(i0_of(X), quotient(c.out(), X))));
SPECIAL(I0, "i0", "special::i0 special::modified_bessel_i0", kMethod, "The modified Bessel function of the first kind, order 0.", i0(x), In<0>, mul(g, call<I1>(X)));

// ---------------------------------------------------------------- logit
struct LogitOfLimited : RealMath<LogitOfLimited, double> {
    SIG("_logit(Tensor self, float eps, *, Tensor? out=None) -> Tensor");
    DOC("log(self / (1 - self)); self is first limited to eps .. 1 - eps where eps is not negative.");
    FORMS(FUNCTION | INPLACE | OUT);
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x, const auto* p) {
        const V one = constant<V>(1), low = V(p[0]), high = one - low;
        const V limited = p[0] < 0 ? x : where(x < low, low, where(x > high, high, x));
        return log(limited / (one - limited));
    }
#ifndef RL_ISA
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = X, slope = div(g, mul(x, sub(1, x)));
        double low = std::max(c.arg<1>(), 0.0);
        return where(logical_and(ge(x, low), le(x, 1 - low)), slope, Scalar(c.arg<1>() < 0 ? __builtin_nan("") : 0.0));
    }
#endif
};
POINTWISE(LogitOfLimited);

#ifndef RL_ISA
static Tensor i0_of(const Tensor& x) { return call<I0>(x); }
static Tensor i0e_of(const Tensor& x) { return call<I0e>(x); }

struct Logit : Composite<Logit> {
    SIG("logit(Tensor self, float? eps=None, *, Tensor? out=None) -> Tensor");
    DOC("log(self / (1 - self)), self first limited to eps .. 1 - eps.");
    ALIASES("special::logit");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, const OptFloat& eps) { return call<LogitOfLimited>(self, eps.value_or(-1)); }
};
OP(Logit);

struct Polygamma : Composite<Polygamma> {
    SIG("polygamma(int n, Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("The n-th derivative of digamma.");
    ALIASES("special::polygamma");
    FORMS(FUNCTION | OUT);
    static Tensor forward(int64_t n, const Tensor& self) {
        check(n >= 0, "polygamma(n, x) does not support negative n.");
        return call<PolygammaOfOrder>(self, n);
    }
};
OP(Polygamma);

// As a method self comes first: x.polygamma(n).
struct PolygammaMethod : Composite<PolygammaMethod> {
    SIG("polygamma.method(Tensor self, int n) -> Tensor");
    DOC("The n-th derivative of digamma.");
    FORMS(METHOD | INPLACE);
    static Tensor forward(const Tensor& self, int64_t n) { return Polygamma::forward(n, self); }
};
OP(PolygammaMethod);

// Gamma of p dimensions: a product of p values of Gamma.
struct Mvlgamma : Composite<Mvlgamma> {
    SIG("mvlgamma(Tensor self, int p, *, Tensor? out=None) -> Tensor");
    DOC("The logarithm of the multivariate Gamma function of p dimensions.");
    ALIASES("special::multigammaln");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, int64_t p) {
        check(self.dtype() != DType::Bool, "The input tensor may not be a boolean tensor. (mvlgamma)");
        check(p >= 1, "p has to be greater than or equal to 1 (mvlgamma)");
        check(p < int64_t(1) << 24, "mvlgamma: p = ", p, " terms for each element are more than can be computed");
        Tensor x = is_inexact(self.dtype()) ? self : to(self, default_dtype());
        Tensor total = call<Lgamma>(x);
        for (int64_t j = 1; j < p; j++) total = add(total, call<Lgamma>(sub(x, double(j) / 2)));
        return add(total, double(p * (p - 1)) / 4 * 1.14472988584940017414);
    }
};
OP(Mvlgamma);
#endif

}  // namespace rl
