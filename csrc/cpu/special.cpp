#include "cpu/special.h"

#include <cmath>
#include <limits>

#include "cpu/math_trig.h"

namespace rl::cpu::special {
namespace {

constexpr double kPi = 3.14159265358979323846, kSqrt2 = 1.41421356237309504880, kSqrtPi = 1.77245385090551602730;
constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();

double horner(double x, const double* c, int n) {
    double r = c[0];
    for (int i = 1; i < n; ++i) r = r * x + c[i];
    return r;
}

// Starting value of erfinv, good to single precision (M. Giles, "Approximating the erfinv function", 2012).
double erfinv_start(double a) {
    constexpr double centre[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                 -0.00125372503, -0.00417768164, 0.246640727,    1.50140941};
    constexpr double tail[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                               -0.0076224613,   0.00943887047,  1.00167406,    2.83297682};
    const double w = -std::log((1 - a) * (1 + a));
    return a * (w < 5 ? horner(w - 2.5, centre, 9) : horner(std::sqrt(w) - 3, tail, 9));
}

// erfc(x) = q for 0 < q < 1/2, by Newton's method on the logarithm, which is nearly a parabola.
double erfcinv_small(double q) {
    const double target = std::log(q);
    double x = q > 1e-5 ? erfinv_start(1 - q) : std::sqrt(-target - 0.5 * std::log(-kPi * target));
    for (int i = 0; i < 4; ++i) {
        const double scaled = erfcx(x);
        x += (std::log(scaled) - x * x - target) * kSqrtPi * scaled / 2;
    }
    return x;
}

}  // namespace

double lgamma(double x) {
    int sign;
    return std::isinf(x) ? kInf : ::lgamma_r(x, &sign);
}

double digamma(double x) {
    if (x == 0) return std::copysign(kInf, -x);
    if (x < 0) {
        if (x == std::floor(x)) return kNan;
        const double fraction = x - std::rint(x);  // tan(pi x) has period 1, and the difference is exact
        return digamma(1 - x) - kPi / std::tan(kPi * fraction);
    }
    if (x < 3) {  // near its zero at 1.46 the recurrence would cancel: Taylor's series there
        constexpr double zero = 1.4616321449683623, zero_low = 9.549995429965697e-17;
        const double d = (x - zero) - zero_low;
        if (std::abs(d) < 0.03) {
            constexpr double taylor[] = {0.00492678139572985345, -0.00720453438635686824, 0.0105387916166121754,
                                         -0.0154247659049489591, 0.0225976482322181047,   -0.0331611264748473593,
                                         0.0488042881641431072,  -0.0721995612564547109,  0.107824050691262366,
                                         -0.163942705442406528,  0.258499760955651011,    -0.442763168983592106,
                                         0.96767224544762117};
            return d * horner(d, taylor, 13);
        }
    }
    double shift = 0;
    for (; x < 10; x += 1) shift += 1 / x;
    if (std::isinf(x)) return x;
    constexpr double series[] = {1.0 / 12, -691.0 / 32760, 1.0 / 132, -1.0 / 240, 1.0 / 252, -1.0 / 120, 1.0 / 12};
    const double z = 1 / (x * x);
    return std::log(x) - 0.5 / x - z * horner(z, series, 7) - shift;
}

// Euler and Maclaurin's summation after ten terms (Abramowitz and Stegun 23.1.30).
double zeta(double s, double q) {
    if (s == 1) return kInf;
    if (!(s > 1)) return kNan;
    if (q <= 0) {
        if (q == std::floor(q)) return kInf;
        if (s != std::floor(s)) return kNan;
    }
    double sum = 0;
    for (int i = 0; i < 10 || q <= 9; ++i, q += 1) sum += std::pow(q, -s);
    constexpr double bernoulli[] = {1.0 / 12,          -1.0 / 720,
                                    1.0 / 30240,       -1.0 / 1209600,
                                    1.0 / 47900160,    -691.0 / 1307674368000,
                                    1.0 / 74724249600, -3617.0 / 10670622842880000};
    const double head = std::pow(q, -s);
    sum += head * q / (s - 1) + 0.5 * head;
    double term = head * s / q;
    for (int k = 0; k < 8; ++k) {
        sum += bernoulli[k] * term;
        term *= (s + 2 * k + 1) * (s + 2 * k + 2) / (q * q);
    }
    return sum;
}

double polygamma(int n, double x) {
    if (n == 0) return digamma(x);
    const double magnitude = std::exp(lgamma(n + 1.0)) * zeta(n + 1.0, x);
    return n % 2 ? magnitude : -magnitude;
}

double erfcx(double x) {
    if (x < 0) return x < -27 ? kInf : 2 * std::exp(x * x) - erfcx(-x);
    if (x <= 28) return m::detail::erfcx_positive(Vec<double>(x))[0];
    const double z = 1 / (x * x);  // asymptotic series
    constexpr double series[] = {-1055.7421875, 162.421875, -29.53125, 6.5625, -1.875, 0.75, -0.5, 1.0};
    return horner(z, series, 8) / (kSqrtPi * x);
}

double erfinv(double y) {
    const double a = std::abs(y);
    if (!(a < 1)) return a == 1 ? std::copysign(kInf, y) : kNan;
    double x = erfinv_start(a);
    for (int i = 0; i < (a < 0.999 ? 1 : 3); ++i) {  // Halley's method
        const double error = a <= 0.5 ? std::erf(x) - a : (1 - a) - std::erfc(x);
        const double step = error * kSqrtPi / 2 * std::exp(x * x);
        x -= step / (1 + x * step);
    }
    return std::copysign(x, y);
}

double ndtri(double p) {
    if (!(p > 0 && p < 1)) return p == 0 ? -kInf : p == 1 ? kInf : kNan;
    if (p < 0.25) return -kSqrt2 * erfcinv_small(2 * p);
    if (p > 0.75) return kSqrt2 * erfcinv_small(2 * (1 - p));
    return kSqrt2 * erfinv(2 * p - 1);
}

double log_ndtr(double x) {
    if (x < -1) return std::log(erfcx(-x / kSqrt2) / 2) - x * x / 2;
    return std::log1p(-std::erfc(x / kSqrt2) / 2);
}

}  // namespace rl::cpu::special
