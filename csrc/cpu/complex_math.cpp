#include "cpu/complex_math.h"

#include <cmath>
#include <limits>
#include <utility>

namespace rl::cpu::complex_math {
namespace {

template <class T>
using C = std::complex<T>;
template <class T>
constexpr T kLn2 = T(0.693147180559945309417);
template <class T>
constexpr T kPi = T(3.14159265358979323846);

template <class T>
C<T> expm1_of(C<T> z) {
    const T x = z.real(), y = z.imag(), s = std::sin(y / 2);
    if (std::abs(x) > 1) return std::exp(z) - T(1);
    return {std::expm1(x) * std::cos(y) - 2 * s * s, std::exp(x) * std::sin(y)};
}
template <class T>
C<T> log1p_of(C<T> z) {
    const T x = z.real(), y = z.imag();
    if (!(std::abs(x) + std::abs(y) < T(0.5))) return std::log(T(1) + z);
    return {std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x)};
}
template <class T>
C<T> sinc_of(C<T> z) {
    if (z == C<T>(0)) return C<T>(1);
    const C<T> w = kPi<T> * z;
    return std::sin(w) / w;
}
// Smith's division, which neither overflows nor underflows early.
template <class T>
C<T> reciprocal_of(C<T> z) {
    const T a = z.real(), b = z.imag();
    if (a == 0 && b == 0) return {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
    if (std::abs(a) >= std::abs(b)) {
        const T q = b / a, d = a + b * q;
        return {1 / d, -q / d};
    }
    const T q = a / b, d = a * q + b;
    return {q / d, -1 / d};
}
template <class T>
C<T> sign_of(C<T> z) {
    const T r = std::hypot(z.real(), z.imag());
    return r == 0 ? C<T>(0) : C<T>(z.real() / r, z.imag() / r);
}
template <class T>
C<T> square_of(C<T> z) {
    const T a = z.real(), b = z.imag();
    return {a * a - b * b, a * b + a * b};
}
template <class T>
C<T> logaddexp_of(C<T> x, C<T> y) {
    if (x.real() < y.real()) std::swap(x, y);
    if (std::isinf(x.real()) && x == y) return x;
    return x + log1p_of(std::exp(y - x));
}

}  // namespace

#define RL_DEFINE(name, formula)                        \
    std::complex<float> name(std::complex<float> z) {   \
        using T [[maybe_unused]] = float;               \
        return formula;                                 \
    }                                                   \
    std::complex<double> name(std::complex<double> z) { \
        using T [[maybe_unused]] = double;              \
        return formula;                                 \
    }
RL_DEFINE(exp, std::exp(z))
RL_DEFINE(exp2, std::exp(z* kLn2<T>))
RL_DEFINE(expm1, expm1_of(z))
RL_DEFINE(log, std::log(z))
RL_DEFINE(log2, std::log(z) / kLn2<T>)
RL_DEFINE(log10, std::log10(z))
RL_DEFINE(log1p, log1p_of(z))
RL_DEFINE(sqrt, std::sqrt(z))
RL_DEFINE(rsqrt, reciprocal_of(std::sqrt(z)))
RL_DEFINE(sin, std::sin(z))
RL_DEFINE(cos, std::cos(z))
RL_DEFINE(tan, std::tan(z))
RL_DEFINE(asin, std::asin(z))
RL_DEFINE(acos, std::acos(z))
RL_DEFINE(atan, std::atan(z))
RL_DEFINE(sinh, std::sinh(z))
RL_DEFINE(cosh, std::cosh(z))
RL_DEFINE(tanh, std::tanh(z))
RL_DEFINE(asinh, std::asinh(z))
RL_DEFINE(acosh, std::acosh(z))
RL_DEFINE(atanh, std::atanh(z))
RL_DEFINE(sigmoid, reciprocal_of(T(1) + std::exp(-z)))
RL_DEFINE(square, square_of(z))
RL_DEFINE(reciprocal, reciprocal_of(z))
RL_DEFINE(sign, sign_of(z))
RL_DEFINE(sinc, sinc_of(z))
#undef RL_DEFINE

void exp_parts(const float* z, float* to) {
    const std::complex<float> r = std::exp(std::complex<float>(z[0], z[1]));
    to[0] = r.real(), to[1] = r.imag();
}
void exp_parts(const double* z, double* to) {
    const std::complex<double> r = std::exp(std::complex<double>(z[0], z[1]));
    to[0] = r.real(), to[1] = r.imag();
}
float abs(std::complex<float> z) { return std::hypot(z.real(), z.imag()); }
double abs(std::complex<double> z) { return std::hypot(z.real(), z.imag()); }
float angle(std::complex<float> z) { return std::atan2(z.imag(), z.real()); }
double angle(std::complex<double> z) { return std::atan2(z.imag(), z.real()); }
std::complex<float> pow(std::complex<float> x, std::complex<float> y) { return std::pow(x, y); }
std::complex<double> pow(std::complex<double> x, std::complex<double> y) { return std::pow(x, y); }
std::complex<float> xlogy(std::complex<float> x, std::complex<float> y) {
    return x == 0.0f && !(std::isnan(y.real()) || std::isnan(y.imag())) ? 0.0f : x * std::log(y);
}
std::complex<double> xlogy(std::complex<double> x, std::complex<double> y) {
    return x == 0.0 && !(std::isnan(y.real()) || std::isnan(y.imag())) ? 0.0 : x * std::log(y);
}
std::complex<float> logaddexp(std::complex<float> x, std::complex<float> y) { return logaddexp_of(x, y); }
std::complex<double> logaddexp(std::complex<double> x, std::complex<double> y) { return logaddexp_of(x, y); }

}  // namespace rl::cpu::complex_math
