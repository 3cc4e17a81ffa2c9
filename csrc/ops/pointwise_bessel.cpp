// Rarer special functions: Bessel and Airy functions, the incomplete Gamma functions, orthogonal polynomials.
#include "core/pointwise.h"
#ifndef RL_ISA
#include "core/iterate.h"
#endif

namespace rl {

#define BESSEL(Struct, NAME, TEXT, function)                                    \
    struct Struct : RealMath<Struct> {                                          \
        SIG("special::" NAME "(Tensor self, *, Tensor? out=None) -> Tensor");   \
        DOC(TEXT);                                                              \
        FORMS(FUNCTION | OUT);                                                  \
        template <class V> RL_F V f(V x) { return cpu::m::function(x); }        \
    };                                                                          \
    POINTWISE(Struct)
BESSEL(BesselJ0, "bessel_j0", "The Bessel function of the first kind, order 0.", bessel_j0);
BESSEL(BesselJ1, "bessel_j1", "The Bessel function of the first kind, order 1.", bessel_j1);
BESSEL(BesselY0, "bessel_y0", "The Bessel function of the second kind, order 0.", bessel_y0);
BESSEL(BesselY1, "bessel_y1", "The Bessel function of the second kind, order 1.", bessel_y1);
BESSEL(BesselK0, "modified_bessel_k0", "The modified Bessel function of the second kind, order 0.", bessel_k0);
BESSEL(BesselK1, "modified_bessel_k1", "The modified Bessel function of the second kind, order 1.", bessel_k1);
BESSEL(ScaledBesselK0, "scaled_modified_bessel_k0", "exp(x) * modified_bessel_k0(x).", scaled_bessel_k0);
BESSEL(ScaledBesselK1, "scaled_modified_bessel_k1", "exp(x) * modified_bessel_k1(x).", scaled_bessel_k1);
BESSEL(SphericalBesselJ0, "spherical_bessel_j0", "sin(x) / x, and 1 at 0.", spherical_bessel_j0);
BESSEL(AiryAi, "airy_ai", "The Airy function Ai.", airy_ai);

// ---------------------------------------------------------------- polynomials by their recurrences, in double
namespace cpu {
inline namespace RL_ISA_NS {
using Doubles = Vec<double>;
// p0, p1 and p(k+1) = next(k, pk, p(k-1)) up to the degree of each lane; 0 for degrees below 0.
template <class F> RL_INLINE Doubles recur(Doubles degree, Doubles p0, Doubles p1, F next) {
    const Doubles n = trunc(degree), zero = 0.0;
    const auto valid = (n >= zero) & (n < Doubles(0x1p63));
    const Doubles last = where(valid, n, zero);
    Doubles r = where(last == zero, p0, p1);
    const double highest = hmax(last);
    for (double k = 1; k < highest; k++) {
        const auto open = last > Doubles(k);
        if (!any(open & ~isnan(p1))) break;  // a NaN stays one
        const Doubles p2 = next(Doubles(k), p1, p0);
        p0 = p1, p1 = p2;
        r = where(open, p1, r);
    }
    return where(isnan(degree), degree, where(valid, r, zero));
}
#define RECURRENCE(name, first, following)                                                                                   \
    RL_INLINE Doubles name(Doubles x, Doubles n) {                                                                           \
        return recur(n, 1.0, first, [x]([[maybe_unused]] Doubles k, Doubles p, Doubles q) __attribute__((always_inline)) {   \
            [[maybe_unused]] const Doubles one = 1.0, two = 2.0;                                                             \
            return following;                                                                                                \
        });                                                                                                                  \
    }                                                                                                                        \
    RL_INLINE Vec<float> name(Vec<float> x, Vec<float> n) {                                                                  \
        Doubles x0, x1, n0, n1;                                                                                              \
        widen(x, x0, x1), widen(n, n0, n1);                                                                                  \
        return narrow(name(x0, n0), name(x1, n1));                                                                           \
    }
#define TWICE (x + x)
#define CHEBYSHEV(name, first)                                                      \
    RECURRENCE(name, first, TWICE * p - q)                                          \
    RL_INLINE Doubles shifted_##name(Doubles x, Doubles n) { return name(x + x - 1.0, n); } \
    RL_INLINE Vec<float> shifted_##name(Vec<float> x, Vec<float> n) {               \
        Doubles x0, x1, n0, n1;                                                     \
        widen(x, x0, x1), widen(n, n0, n1);                                         \
        return narrow(shifted_##name(x0, n0), shifted_##name(x1, n1));              \
    }
CHEBYSHEV(chebyshev_t, x)
CHEBYSHEV(chebyshev_u, TWICE)
CHEBYSHEV(chebyshev_v, TWICE - 1.0)
CHEBYSHEV(chebyshev_w, TWICE + 1.0)
RECURRENCE(hermite_h, TWICE, TWICE * p - two * k * q)
RECURRENCE(hermite_he, x, x * p - k * q)
RECURRENCE(laguerre_l, Doubles(1.0) - x, ((two * k + one - x) * p - k * q) / (k + one))
RECURRENCE(legendre_p, x, ((two * k + one) * x * p - k * q) / (k + one))
}  // namespace RL_ISA_NS
}  // namespace cpu

#define POLYNOMIAL(Struct, NAME, TEXT, function)                                          \
    struct Struct : Math2<Struct> {                                                       \
        SIG("special::" NAME "(Operand x, Operand n, *, Tensor? out=None) -> Tensor");    \
        DOC(TEXT);                                                                        \
        FORMS(FUNCTION | OUT);                                                            \
        template <class V> RL_F V f(V x, V n) { return cpu::function(x, n); }             \
    };                                                                                    \
    POINTWISE(Struct)
POLYNOMIAL(ChebyshevT, "chebyshev_polynomial_t", "The Chebyshev polynomial of the first kind of degree n.", chebyshev_t);
POLYNOMIAL(ChebyshevU, "chebyshev_polynomial_u", "The Chebyshev polynomial of the second kind of degree n.", chebyshev_u);
POLYNOMIAL(ChebyshevV, "chebyshev_polynomial_v", "The Chebyshev polynomial of the third kind of degree n.", chebyshev_v);
POLYNOMIAL(ChebyshevW, "chebyshev_polynomial_w", "The Chebyshev polynomial of the fourth kind of degree n.", chebyshev_w);
POLYNOMIAL(ShiftedChebyshevT, "shifted_chebyshev_polynomial_t", "chebyshev_polynomial_t at 2x - 1.", shifted_chebyshev_t);
POLYNOMIAL(ShiftedChebyshevU, "shifted_chebyshev_polynomial_u", "chebyshev_polynomial_u at 2x - 1.", shifted_chebyshev_u);
POLYNOMIAL(ShiftedChebyshevV, "shifted_chebyshev_polynomial_v", "chebyshev_polynomial_v at 2x - 1.", shifted_chebyshev_v);
POLYNOMIAL(ShiftedChebyshevW, "shifted_chebyshev_polynomial_w", "chebyshev_polynomial_w at 2x - 1.", shifted_chebyshev_w);
POLYNOMIAL(HermiteH, "hermite_polynomial_h", "The physicists' Hermite polynomial of degree n.", hermite_h);
POLYNOMIAL(HermiteHe, "hermite_polynomial_he", "The probabilists' Hermite polynomial of degree n.", hermite_he);
POLYNOMIAL(LaguerreL, "laguerre_polynomial_l", "The Laguerre polynomial of degree n.", laguerre_l);
POLYNOMIAL(LegendreP, "legendre_polynomial_p", "The Legendre polynomial of degree n.", legendre_p);

#define INCOMPLETE_GAMMA(Struct, NAME, ALIAS, TEXT, lower, sign)                                                                 \
    struct Struct : Binary<Struct> {                                                                                             \
        SIG(NAME "(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");                                                  \
        DOC(TEXT);                                                                                                               \
        ALIASES(ALIAS);                                                                                                          \
        using Saves = Save<In<0>, In<1>>;                                                                                        \
        static constexpr uint32_t kDtypes = kFloats;                                                                             \
        static constexpr int64_t kGrain = 1024;                                                                                  \
        template <class V> RL_F V f(V a, V x) { return cpu::m::incomplete_gamma<lower>(a, x); }                                  \
        DSELF(no_order_derivative(NAME));                                                                                          \
        DOTHER(mul(mul(g, sign), exp(sub(sub(mul(sub(c.in<0>(), 1), log(c.in<1>())), c.in<1>()), log_gamma(c.in<0>())))));       \
    };                                                                                                                           \
    POINTWISE(Struct)
#ifndef RL_ISA
[[noreturn]] static Tensor no_order_derivative(const char* op) { raise(Err::NotImplemented, "the derivative for '", op, ": input' is not implemented"); }
static Tensor log_gamma(const Tensor& a);
#endif
INCOMPLETE_GAMMA(Igamma, "igamma", "special::gammainc", "The regularized lower incomplete Gamma function P(self, other).", true, 1);
INCOMPLETE_GAMMA(Igammac, "igammac", "special::gammaincc", "The regularized upper incomplete Gamma function Q(self, other).", false, -1);

#ifndef RL_ISA
// As a constant: the derivative with respect to a does not exist here anyway.
static Tensor log_gamma(const Tensor& a) {
    Tensor r = empty_preserved(a, a.dtype());
    Tensor x = cast_raw(a, DType::Float64), y = empty(a.sizes(), DType::Float64);
    for (int64_t i = 0; i < x.numel(); i++) y.data<double>()[i] = cpu::special::lgamma(x.data<double>()[i]);
    copy_raw(r, y);
    return r;
}
#endif

}  // namespace rl
