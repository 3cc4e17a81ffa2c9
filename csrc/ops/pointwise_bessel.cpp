// Rarer special functions: Bessel and Airy functions, the incomplete Gamma functions, orthogonal polynomials. Most are
// computed one by one in double, by code that exists once (outside of the copies for instruction sets).
#include "core/pointwise.h"
#ifndef RL_ISA
#include <cmath>

#include "core/iterate.h"
#endif

namespace rl {

namespace scalar {
double spherical_j0(double x);
double airy_ai(double x);
double chebyshev_t(double x, double n);
double chebyshev_u(double x, double n);
double chebyshev_v(double x, double n);
double chebyshev_w(double x, double n);
double hermite_h(double x, double n);
double hermite_he(double x, double n);
double laguerre_l(double x, double n);
double legendre_p(double x, double n);
}  // namespace scalar

#define BESSEL(Struct, NAME, TEXT, function)                                    \
    struct Struct : RealMath<Struct> {                                          \
        SIG("special::" NAME "(Tensor self, *, Tensor? out=None) -> Tensor");   \
        DOC(TEXT);                                                              \
        FORMS(FUNCTION | OUT);                                                  \
        template <class V> RL_F V f(V x) { return cpu::m::function(x); }        \
    };                                                                          \
    POINTWISE(Struct)
#define ONE_BY_ONE(Struct, NAME, TEXT, function)                                \
    struct Struct : RealMath<Struct> {                                          \
        SIG("special::" NAME "(Tensor self, *, Tensor? out=None) -> Tensor");   \
        DOC(TEXT);                                                              \
        FORMS(FUNCTION | OUT);                                                  \
        static constexpr bool kVector = false;                                  \
        static constexpr int64_t kGrain = 1024;                                 \
        template <class V> RL_F V f(V x) { return V(scalar::function(x)); }     \
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
ONE_BY_ONE(SphericalBesselJ0, "spherical_bessel_j0", "sin(x) / x, and 1 at 0.", spherical_j0);
ONE_BY_ONE(AiryAi, "airy_ai", "The Airy function Ai.", airy_ai);

#define POLYNOMIAL(Struct, NAME, TEXT, formula)                                           \
    struct Struct : Math2<Struct> {                                                       \
        SIG("special::" NAME "(Operand x, Operand n, *, Tensor? out=None) -> Tensor");    \
        DOC(TEXT);                                                                        \
        FORMS(FUNCTION | OUT);                                                            \
        static constexpr bool kVector = false;                                            \
        static constexpr int64_t kGrain = 1024;                                           \
        template <class V> RL_F V f(V x, V n) { return V(formula); }                      \
    };                                                                                    \
    POINTWISE(Struct)
POLYNOMIAL(ChebyshevT, "chebyshev_polynomial_t", "The Chebyshev polynomial of the first kind of degree n.", scalar::chebyshev_t(x, n));
POLYNOMIAL(ChebyshevU, "chebyshev_polynomial_u", "The Chebyshev polynomial of the second kind of degree n.", scalar::chebyshev_u(x, n));
POLYNOMIAL(ChebyshevV, "chebyshev_polynomial_v", "The Chebyshev polynomial of the third kind of degree n.", scalar::chebyshev_v(x, n));
POLYNOMIAL(ChebyshevW, "chebyshev_polynomial_w", "The Chebyshev polynomial of the fourth kind of degree n.", scalar::chebyshev_w(x, n));
POLYNOMIAL(ShiftedChebyshevT, "shifted_chebyshev_polynomial_t", "chebyshev_polynomial_t at 2x - 1.", scalar::chebyshev_t(2.0 * x - 1, n));
POLYNOMIAL(ShiftedChebyshevU, "shifted_chebyshev_polynomial_u", "chebyshev_polynomial_u at 2x - 1.", scalar::chebyshev_u(2.0 * x - 1, n));
POLYNOMIAL(ShiftedChebyshevV, "shifted_chebyshev_polynomial_v", "chebyshev_polynomial_v at 2x - 1.", scalar::chebyshev_v(2.0 * x - 1, n));
POLYNOMIAL(ShiftedChebyshevW, "shifted_chebyshev_polynomial_w", "chebyshev_polynomial_w at 2x - 1.", scalar::chebyshev_w(2.0 * x - 1, n));
POLYNOMIAL(HermiteH, "hermite_polynomial_h", "The physicists' Hermite polynomial of degree n.", scalar::hermite_h(x, n));
POLYNOMIAL(HermiteHe, "hermite_polynomial_he", "The probabilists' Hermite polynomial of degree n.", scalar::hermite_he(x, n));
POLYNOMIAL(LaguerreL, "laguerre_polynomial_l", "The Laguerre polynomial of degree n.", scalar::laguerre_l(x, n));
POLYNOMIAL(LegendreP, "legendre_polynomial_p", "The Legendre polynomial of degree n.", scalar::legendre_p(x, n));

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

// ---------------------------------------------------------------- the functions of one number
namespace scalar {
constexpr double kPi = 3.14159265358979323846, kNan = __builtin_nan("");

double spherical_j0(double x) { return std::isinf(x) ? 0 : std::abs(x) < 1e-8 ? 1 : std::sin(x) / x; }
// Abramowitz and Stegun 10.4.14 and 10.4.15
double airy_ai(double x) {
    if (std::isnan(x)) return x;
    if (std::isinf(x)) return 0;
    double z = 2.0 / 3 * std::pow(std::abs(x), 1.5);
    if (x > 0) return z > 700 ? 0 : std::sqrt(x / 3) / kPi * std::cyl_bessel_k(1.0 / 3, z);
    if (x == 0) return 0.355028053887817239;
    return std::sqrt(-x) / 2 * (std::cyl_bessel_j(1.0 / 3, z) - std::cyl_neumann(1.0 / 3, z) / std::sqrt(3.0));
}

// ---------------------------------------------------------------- polynomials by their recurrences; 0 for n < 0
// p0, p1 and p(k+1) = next(k, pk, p(k-1))
template <class F> static double recur(double degree, double p0, double p1, F next) {
    if (std::isnan(degree)) return degree;
    int64_t n = int64_t(degree);
    if (n < 0) return 0;
    if (n == 0) return p0;
    for (int64_t k = 1; k < n && !std::isnan(p1); k++) {
        double p2 = next(double(k), p1, p0);
        p0 = p1, p1 = p2;
    }
    return p1;
}
static double chebyshev(double x, double n, double p1) {
    return recur(n, 1, p1, [x](double, double p, double q) { return 2 * x * p - q; });
}
double chebyshev_t(double x, double n) { return chebyshev(x, n, x); }
double chebyshev_u(double x, double n) { return chebyshev(x, n, 2 * x); }
double chebyshev_v(double x, double n) { return chebyshev(x, n, 2 * x - 1); }
double chebyshev_w(double x, double n) { return chebyshev(x, n, 2 * x + 1); }
double hermite_h(double x, double n) {
    return recur(n, 1, 2 * x, [x](double k, double p, double q) { return 2 * x * p - 2 * k * q; });
}
double hermite_he(double x, double n) {
    return recur(n, 1, x, [x](double k, double p, double q) { return x * p - k * q; });
}
double laguerre_l(double x, double n) {
    return recur(n, 1, 1 - x, [x](double k, double p, double q) { return ((2 * k + 1 - x) * p - k * q) / (k + 1); });
}
double legendre_p(double x, double n) {
    return recur(n, 1, x, [x](double k, double p, double q) { return ((2 * k + 1) * x * p - k * q) / (k + 1); });
}
}  // namespace scalar
#endif

}  // namespace rl
