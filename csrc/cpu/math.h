// The mathematics of operators, under one name for every type they compute on: m::exp(x) takes a Vec<float>, a
// Vec<double>, a float, a double or a complex number; functions that make sense for integers take those too.
// A formula written once as a template on V is thus a vector loop and a scalar function.
//
// Worst error in units in the last place over all ISA levels, against float64 and mpmath (float: every 997th bit
// pattern and 1.5 million dense samples; double: 9,000 points a function). Infinities, NaN, subnormal numbers and the
// sign of zero are as in the C library.
//
//            float  double              float  double              float  double
//   exp       1.02    0.91    log2       0.78    0.59    erf        1.29    1.07
//   exp2      1.00    0.87    log10      0.69    0.56    erfc       1.38    2.75
//   expm1     1.33    1.17    sin        0.86    0.73    erfinv     0.58    2.88
//   tanh      1.49    2.12    cos        0.85    0.78    ndtri      0.62    6.00
//   sinh      1.65    2.19    tan        2.21    1.94    lgamma     0.53    3.06
//   cosh      1.79    1.44    atan       1.84    1.35    i0, i0e    0.50    4.37
//   sigmoid   2.18    1.88    asin       2.21    1.85    i1, i1e    0.50    7.92
//   log       0.79    0.67    acos       1.05    1.59    asinh      0.50    1.45
//   log1p     0.79    0.77    atan2      1.78    2       acosh      0.50    1.82
//   pow       0.50    0.83    hypot      0.50    2       atanh      1.92    1.27
//
// digamma is good to 0.50 (float) and 3 (double) but close to its zeros on the negative axis, where the error is
// absolute.
#pragma once

#include <math.h>

#include <complex>
#include <type_traits>

#include "cpu/complex_math.h"
#include "cpu/math_airy.h"
#include "cpu/math_bessel.h"
#include "cpu/math_bessel_jyk.h"
#include "cpu/math_complex.h"
#include "cpu/math_explog.h"
#include "cpu/math_special.h"
#include "cpu/math_trig.h"
#include "cpu/special.h"
#include "cpu/vec.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace m {

// ---- scalars: the C library

#define RL_LIBM(F)                                                                                                 \
    F(exp)                                                                                                         \
    F(exp2)                                                                                                        \
    F(expm1)                                                                                                       \
    F(log) F(log2) F(log10) F(log1p) F(sin) F(cos) F(tan) F(asin) F(acos) F(atan) F(sinh) F(cosh) F(tanh) F(asinh) \
        F(acosh) F(atanh) F(erf) F(erfc)
#define RL_DEFINE(name)                                              \
    RL_INLINE float name(float x) { return __builtin_##name##f(x); } \
    RL_INLINE double name(double x) { return __builtin_##name(x); }
RL_LIBM(RL_DEFINE)
#undef RL_DEFINE
#undef RL_LIBM
#define RL_LIBM2(F) F(pow) F(fmod) F(atan2) F(hypot) F(nextafter)
#define RL_DEFINE(name)                                                          \
    RL_INLINE float name(float x, float y) { return __builtin_##name##f(x, y); } \
    RL_INLINE double name(double x, double y) { return __builtin_##name(x, y); }
RL_LIBM2(RL_DEFINE)
#undef RL_DEFINE
#undef RL_LIBM2

#define RL_USING(name) using complex_math::name;
RL_COMPLEX_UNARY(RL_USING)
RL_USING(abs)
RL_USING(angle)
RL_USING(pow)
RL_USING(xlogy)
RL_USING(logaddexp)
#undef RL_USING

// ---- functions that are computed one lane at a time, in double

#define RL_DEFINE(name)                                          \
    RL_INLINE double name(double x) { return special::name(x); } \
    RL_INLINE float name(float x) { return float(special::name(double(x))); }
RL_DEFINE(lgamma)
RL_DEFINE(digamma)
#undef RL_DEFINE
// x = mantissa * 2^exponent with a mantissa in [0.5, 1); 0, infinities and NaN are their own mantissas.
template <class T>
RL_INLINE Vec<T> exponent(Vec<T> x) {
    using V = Vec<T>;
    constexpr int digits = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 126 : 1022;
    const V zero = T(0), a = abs(x);
    const Mask<T> small = a < V(sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022)), none = (a == zero) | !isfinite(x);
    const V up = where(small, a * V(T(1) * (int64_t(1) << digits)), a);
    const V e = from_int<T>(bits(up) >> digits) - where(small, V(T(bias + digits)), V(T(bias)));
    return where(none, zero, e);
}
template <class T>
RL_INLINE Vec<T> mantissa(Vec<T> x) {
    using V = Vec<T>;
    constexpr int digits = sizeof(T) == 4 ? 23 : 52;
    const V zero = T(0), a = abs(x);
    const Mask<T> small = a < V(sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022)), none = (a == zero) | !isfinite(x);
    const V up = where(small, a * V(T(1) * (int64_t(1) << digits)), a);
    const auto fraction = bits(up) & ((typename Vec<T>::Int(1) << digits) - 1);
    return where(none, x, copysign(from_bits<T>(fraction | bits(V(T(0.5)))), x));
}
template <class T>
RL_INLINE Vec<T> nextafter(Vec<T> x, Vec<T> y) {
    using V = Vec<T>;
    const V zero = T(0);
    const Mask<T> away = (x < y) ^ (x < zero);  // from zero: the next larger magnitude
    const Vec<T> from = where(x == zero, V(T(1)), x);  // the bits of zeros have no neighbour on one side
    const auto magnitude = bits(where(away, from_bits<T>(bits(from) + 1), from_bits<T>(bits(from) - 1)));
    V r = where(x == zero, copysign(from_bits<T>(bits(zero) + 1), y), from_bits<T>(magnitude));
    r = where(x == y, y, r);
    return where(isnan(x) | isnan(y), x + y, r);
}
template <class V>
RL_INLINE V zeta(V s, V q) {
    if constexpr (std::is_floating_point_v<V>)
        return V(special::zeta(double(s), double(q)));
    else
        return lanes(s, q, [](lane_t<V> a, lane_t<V> b) { return lane_t<V>(special::zeta(double(a), double(b))); });
}
RL_INLINE Vec<double> spherical_bessel_j0(Vec<double> x) {
    using V = Vec<double>;
    const V r = where(abs(x) < V(1e-8), V(1.0), sin(x) / x);
    return where(isinf(x), V(0.0), r);
}
#define RL_DEFINE(name)                                                              \
    RL_INLINE double name(double x) { return name(Vec<double>(x))[0]; }              \
    RL_INLINE float name(float x) { return float(name(Vec<double>(double(x)))[0]); } \
    RL_INLINE Vec<float> name(Vec<float> x) {                                        \
        Vec<double> low, high;                                                       \
        widen(x, low, high);                                                         \
        return narrow(name(low), name(high));                                        \
    }
RL_DEFINE(i0)
RL_DEFINE(i0e)
RL_DEFINE(i1)
RL_DEFINE(i1e)
RL_DEFINE(bessel_j0)
RL_DEFINE(bessel_j1)
RL_DEFINE(bessel_y0)
RL_DEFINE(bessel_y1)
RL_DEFINE(bessel_k0)
RL_DEFINE(bessel_k1)
RL_DEFINE(scaled_bessel_k0)
RL_DEFINE(scaled_bessel_k1)
RL_DEFINE(spherical_bessel_j0)
RL_DEFINE(airy_ai)
#undef RL_DEFINE

// ---- inverse functions and lengths: formulas in double, through which float goes too

template <class T>
RL_INLINE Vec<T> atan2(Vec<T> y, Vec<T> x) {
    using V = Vec<T>;
    using Pi = detail::Pi<T>;
    const V ax = abs(x), ay = abs(y), one = T(1), zero = T(0);
    const Mask<T> steep = ay > ax, infinite = isinf(x) & isinf(y);
    V small = where(steep, ax, ay), large = where(steep, ay, ax);
    // The sum of the two must not overflow.
    const V down = where(large > V(detail::is_float<T> ? T(1e37) : T(1e300)), V(T(0.25)), one);
    small = where(infinite, one, small * down);
    large = where(infinite | (large == zero), one, large * down);
    V r = detail::atan_quotient(small, large);
    r = where(steep, V(Pi::half) - (r - V(Pi::half_low)), r);
    r = where(signbit(x), V(2 * Pi::half) - (r - V(2 * Pi::half_low)), r);
    return where(isnan(x) | isnan(y), x + y, copysign(r, y));
}
RL_INLINE Vec<double> asin(Vec<double> x) { return atan2(x, sqrt((Vec<double>(1.0) - x) * (Vec<double>(1.0) + x))); }
RL_INLINE Vec<double> acos(Vec<double> x) { return atan2(sqrt((Vec<double>(1.0) - x) * (Vec<double>(1.0) + x)), x); }
// asin(a) for 0 <= a <= 1 as (2 pi / 4 -) r, r by a series in a^2 up to 1/2, above it of the half angle's sine.
namespace detail {
RL_INLINE Vec<float> asin_part(Vec<float> a, Mask<float> upper) {
    using V = Vec<float>;
    const V z = where(upper, (V(1.0f) - a) * 0.5f, a * a), t = where(upper, sqrt(z), a);
    const V r = fma(t * z, poly(z, 0.166666663374, 0.075000945435, 0.0445994015285, 0.0311006627355, 0.0171492383577, 0.0336908472028), t);
    return where(upper, r + r, r);
}
}  // namespace detail
RL_INLINE Vec<float> asin(Vec<float> x) {
    const Vec<float> a = abs(x);
    const Mask<float> upper = a > Vec<float>(0.5f);
    const Vec<float> r = detail::asin_part(a, upper);
    return copysign(where(upper, Vec<float>(detail::Pi<float>::half) - (r - Vec<float>(detail::Pi<float>::half_low)), r), x);
}
RL_INLINE Vec<float> acos(Vec<float> x) {
    using V = Vec<float>;
    using Pi = detail::Pi<float>;
    const V a = abs(x), r = detail::asin_part(a, a > V(0.5f));
    const V pi = 2 * Pi::half, pi_low = 2 * Pi::half_low, half = Pi::half, half_low = Pi::half_low;
    const V wide = where(signbit(x), pi - (r - pi_low), r), middle = half - (copysign(r, x) - half_low);
    return where(a > V(0.5f), wide, middle);
}
RL_INLINE Vec<double> asinh(Vec<double> x) {
    using V = Vec<double>;
    const V a = abs(x), one = 1.0, square = a * a;
    const Mask<double> large = a > V(1e17);
    const V r = log1p(where(large, a, a + square / (one + sqrt(one + square))));
    return copysign(r + where(large, V(0.693147180559945309), V(0.0)), x);
}
RL_INLINE Vec<double> acosh(Vec<double> x) {
    using V = Vec<double>;
    const V t = x - 1.0;
    const Mask<double> large = x > V(1e17);
    const V r = log1p(where(large, x, t + sqrt(fma(t, t, t + t)))) + where(large, V(0.693147180559945309), V(0.0));
    return where(x < V(1.0), V(detail::nan<double>), r);
}
template <class T>
RL_INLINE Vec<T> atanh(Vec<T> x) {
    const Vec<T> a = abs(x);
    return copysign(log1p((a + a) / (Vec<T>(T(1)) - a)) * T(0.5), x);
}
RL_INLINE Vec<double> hypot(Vec<double> x, Vec<double> y) {
    using V = Vec<double>;
    const V ax = abs(x), ay = abs(y), infinity = detail::inf<double>;
    const V large = fast_max(ax, ay), t = fast_min(ax, ay) / large;
    V r = where(large == V(0.0), large, large * sqrt(fma(t, t, 1.0)));
    r = where(isnan(x) | isnan(y), x + y, r);
    return where((ax == infinity) | (ay == infinity), infinity, r);
}
#define RL_DEFINE(name)                       \
    RL_INLINE Vec<float> name(Vec<float> x) { \
        Vec<double> low, high;                \
        widen(x, low, high);                  \
        return narrow(name(low), name(high)); \
    }
RL_DEFINE(asinh)
RL_DEFINE(acosh)
#undef RL_DEFINE
#define RL_DEFINE(name)                                     \
    RL_INLINE Vec<float> name(Vec<float> x, Vec<float> y) { \
        Vec<double> x0, x1, y0, y1;                         \
        widen(x, x0, x1);                                   \
        widen(y, y0, y1);                                   \
        return narrow(name(x0, y0), name(x1, y1));          \
    }
RL_DEFINE(hypot)
#undef RL_DEFINE

template <class T>
RL_INLINE Vec<T> abs(VecC<T> z) {
    return hypot(z.re, z.im);
}
template <class T>
RL_INLINE Vec<T> angle(VecC<T> z) {
    return atan2(z.im, z.re);
}
template <class T>
RL_INLINE VecC<T> sign(VecC<T> z) {
    const Vec<T> length = hypot(z.re, z.im), zero = T(0);
    const Mask<T> none = length == zero;
    return {where(none, zero, z.re / length), where(none, zero, z.im / length)};
}

// ---- remainders

// The remainder of the quotient rounded to zero: exact, with the sign of x.
template <class T>
RL_INLINE Vec<T> fmod(Vec<T> x, Vec<T> y) {
    const auto exact = [](T a, T b) { return sizeof(T) == 4 ? T(__builtin_fmodf(a, b)) : T(__builtin_fmod(a, b)); };
#if RL_HAS_FMA
    using V = Vec<T>;
    // While the quotient is exact, fma(-q, y, x) is the remainder; a quotient rounded up to an integer is mended.
    const V ax = abs(x), ay = abs(y), q = trunc(ax / ay), zero = T(0);
    if (all((q < V(T(4e6))) & (ay > V(T(1e-30))) & (ay < V(detail::inf<T>)))) {
        V r = fma(-q, ay, ax);
        r = where(r < zero, r + ay, r);
        return copysign(r, x);
    }
#endif
    return lanes(x, y, exact);
}

// The Python rules, for floats and vectors of them.
template <class V>
RL_INLINE V remainder(V x, V y)
    requires(!std::is_integral_v<V>)
{
    const V zero = lane_t<V>(0), r = fmod(x, y);
    const auto other_sign = (r < zero) ^ (y < zero);
    return where((r != zero) & other_sign, r + y, r);
}
template <class V>
RL_INLINE V floor_divide(V x, V y)
    requires(!std::is_integral_v<V>)
{
    using T = lane_t<V>;
    const V zero = T(0), one = T(1), r = fmod(x, y);
    V q = (x - r) / y;
    q = where((r != zero) & ((r < zero) ^ (y < zero)), q - one, q);
    const V down = floor(q);
    const V nearest = where(q - down > V(T(0.5)), down + one, down);
    return where(y == zero, x / y, where(q == zero, copysign(zero, x / y), nearest));
}

// ---- formulas over the above, on V = float, double or a vector of them

template <class V>
concept Real = std::is_floating_point_v<lane_t<V>>;

template <Real V>
RL_INLINE V square(V x) {
    return x * x;
}
template <Real V>
RL_INLINE V reciprocal(V x) {
    return V(lane_t<V>(1)) / x;
}
template <Real V>
RL_INLINE V rsqrt(V x) {
    return V(lane_t<V>(1)) / sqrt(x);
}
template <Real V>
RL_INLINE V frac(V x) {
    return x - trunc(x);
}
template <Real V>
RL_INLINE V round(V x) {  // half to even
    return rint(x);
}
template <Real V>
RL_INLINE V sign(V x) {  // 0 for NaN
    const V zero = lane_t<V>(0), one = lane_t<V>(1);
    return where(x > zero, one, zero) - where(x < zero, one, zero);
}
RL_INLINE float sigmoid(float x) { return 1 / (1 + __builtin_expf(-x)); }
RL_INLINE double sigmoid(double x) { return 1 / (1 + __builtin_exp(-x)); }
template <Real V>
RL_INLINE V logaddexp(V x, V y) {
    const V r = maximum(x, y) + log1p(exp(-abs(x - y)));
    return where(isinf(x) & (x == y), x, r);
}
template <Real V>
RL_INLINE V logaddexp2(V x, V y) {
    const V r = maximum(x, y) + log1p(exp2(-abs(x - y))) * V(lane_t<V>(1.44269504088896340736));
    return where(isinf(x) & (x == y), x, r);
}
template <Real V>
RL_INLINE V sinc(V x) {
    const V zero = lane_t<V>(0), w = x * V(lane_t<V>(3.14159265358979323846));
    return where(x == zero, V(lane_t<V>(1)), sin(w) / w);
}
template <Real V>
RL_INLINE V xlogy(V x, V y) {
    const V zero = lane_t<V>(0);
    return where(isnan(y), y, where(x == zero, zero, x * log(y)));
}
template <Real V>
RL_INLINE V xlog1py(V x, V y) {
    const V zero = lane_t<V>(0);
    return where(isnan(y), y, where(x == zero, zero, x * log1p(y)));
}
template <Real V>
RL_INLINE V entr(V x) {
    using T = lane_t<V>;
    const V zero = T(0);
    const V r = where(x > zero, -x * log(x), where(x == zero, zero, V(T(-__builtin_inf()))));
    return where(isnan(x), x, r);
}
template <Real V>
RL_INLINE V heaviside(V x, V at_zero) {
    const V zero = lane_t<V>(0), one = lane_t<V>(1);
    return where(x == zero, at_zero, where(x > zero, one, zero));
}
template <Real V>
RL_INLINE V ldexp(V x, V n) {
    return x * exp2(n);
}

// ---- integers (bool included)

template <class I>
concept Integer = std::is_integral_v<I>;

template <Integer I>
RL_INLINE I abs(I x) {
    if constexpr (std::is_signed_v<I>)
        return x < 0 ? I(std::make_unsigned_t<I>(0) - std::make_unsigned_t<I>(x)) : x;
    else
        return x;
}
template <Integer I>
RL_INLINE I sign(I x) {
    return I((x > 0) - (x < 0));
}
template <Integer I>
RL_INLINE I square(I x) {
    return I(uint64_t(x) * uint64_t(x));
}
#define RL_DEFINE(name)     \
    template <Integer I>    \
    RL_INLINE I name(I x) { \
        return x;           \
    }
RL_DEFINE(floor)
RL_DEFINE(ceil)
RL_DEFINE(trunc)
RL_DEFINE(round)
#undef RL_DEFINE
template <Integer I>
RL_INLINE I maximum(I a, I b) {
    return a > b ? a : b;
}
template <Integer I>
RL_INLINE I minimum(I a, I b) {
    return a < b ? a : b;
}
template <Integer I>
RL_INLINE I fmax(I a, I b) {
    return a > b ? a : b;
}
template <Integer I>
RL_INLINE I fmin(I a, I b) {
    return a < b ? a : b;
}
// Quotients and remainders of integers. The caller refuses b == 0; here it gives 0 rather than a trap, and so does
// the one quotient that overflows.
template <Integer I>
RL_INLINE I trunc_divide(I a, I b) {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<I>)
        if (b == I(-1)) return I(0 - uint64_t(a));
    return I(a / b);
}
template <Integer I>
RL_INLINE I fmod(I a, I b) {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<I>)
        if (b == I(-1)) return 0;
    return I(a % b);
}
template <Integer I>
RL_INLINE I remainder(I a, I b) {
    const I r = fmod(a, b);
    if constexpr (std::is_signed_v<I>)
        if (r != 0 && (r < 0) != (b < 0)) return I(r + b);
    return r;
}
template <Integer I>
RL_INLINE I floor_divide(I a, I b) {
    const I q = trunc_divide(a, b);
    if constexpr (std::is_signed_v<I>)
        if (b != 0 && fmod(a, b) != 0 && (a < 0) != (b < 0)) return I(q - 1);
    return q;
}
template <Integer I>
RL_INLINE I pow(I base, I exponent) {
    if constexpr (std::is_signed_v<I>)
        if (exponent < 0) return base == 1 ? 1 : base == I(-1) ? (exponent & 1 ? I(-1) : I(1)) : I(0);
    uint64_t r = 1, b = uint64_t(base);
    for (auto e = uint64_t(exponent); e; e >>= 1, b *= b)
        if (e & 1) r *= b;
    return I(r);
}
// Stein's algorithm: shifts and subtractions of odd numbers.
template <Integer I>
RL_INLINE I gcd(I a, I b) {
    uint64_t u = a < 0 ? 0 - uint64_t(int64_t(a)) : uint64_t(a), v = b < 0 ? 0 - uint64_t(int64_t(b)) : uint64_t(b);
    if (u == 0 || v == 0) return I(u | v);
    const int twos = __builtin_ctzll(u | v);
    u >>= __builtin_ctzll(u);
    do {
        v >>= __builtin_ctzll(v);
        const uint64_t larger = u > v ? u : v;
        u = u > v ? v : u;
        v = larger - u;
    } while (v != 0);
    return I(u << twos);
}
template <Integer I>
RL_INLINE I lcm(I a, I b) {
    const I g = gcd(a, b);
    return g == 0 ? I(0) : abs(I(uint64_t(trunc_divide(a, g)) * uint64_t(b)));
}
template <Integer I>
RL_INLINE I heaviside(I x, I at_zero) {
    return x == 0 ? at_zero : I(x > 0);
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
