#include "cpu/special.h"

#include <cmath>
#include <limits>

namespace rl::cpu::special {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();

double horner(double x, const double* c, int n) {
    double r = c[0];
    for (int i = 1; i < n; ++i) r = r * x + c[i];
    return r;
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

}  // namespace rl::cpu::special
