// Exponentials, logarithms and powers on vectors. Included by math.h only.
//
// Method: exp by Cody and Waite's reduction to |r| <= ln2/2 and a minimax polynomial; log by the series of
// 2 atanh(f / (2 + f)), as in fdlibm; pow carries the logarithm in two numbers (double) or in double (float).
// The polynomials were fitted with Remez' algorithm at 50 digits. Worst errors: see the table in math.h.
#pragma once

#include <type_traits>

#include "cpu/vec.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace m {

using RL_ISA_NS::abs, RL_ISA_NS::sqrt, RL_ISA_NS::floor, RL_ISA_NS::ceil, RL_ISA_NS::trunc, RL_ISA_NS::rint;
using RL_ISA_NS::copysign, RL_ISA_NS::isnan, RL_ISA_NS::isinf, RL_ISA_NS::isfinite, RL_ISA_NS::fma, RL_ISA_NS::where;
using RL_ISA_NS::maximum, RL_ISA_NS::minimum, RL_ISA_NS::fmax, RL_ISA_NS::fmin;

namespace detail {

template <class T>
inline constexpr bool is_float = sizeof(T) == 4;
template <class T>
inline constexpr T inf = T(__builtin_inf());
template <class T>
inline constexpr T nan = T(__builtin_nan(""));

// Where an odd function with slope 1 is its argument, the sign of zero included.
template <class T>
RL_INLINE Mask<T> tiny(Vec<T> x) {
    return abs(x) < Vec<T>(is_float<T> ? T(1e-8) : T(1e-17));
}
// c0 + c1 x + c2 x^2 + ...
template <class T>
RL_INLINE Vec<T> poly(Vec<T>, double c0) {
    return Vec<T>(T(c0));
}
template <class T, class... C>
RL_INLINE Vec<T> poly(Vec<T> x, double c0, C... c) {
    return fma(poly(x, c...), x, Vec<T>(T(c0)));
}

// a*b = s + (returned), exactly, s being the rounded product.
template <class T>
RL_INLINE Vec<T> product_error(Vec<T> a, Vec<T> b, Vec<T> s) {
#if RL_HAS_FMA
    return fma(a, b, -s);
#else  // Veltkamp's splitting by truncation
    const auto keep = bits(a) * 0 + (is_float<T> ? int64_t(-1) << 12 : int64_t(-1) << 27);
    const Vec<T> ah = from_bits<T>(bits(a) & keep), al = a - ah, bh = from_bits<T>(bits(b) & keep), bl = b - bh;
    return ((ah * bh - s) + ah * bl + al * bh) + al * bl;
#endif
}

// a + b = (returned) + error, exactly.
template <class T>
RL_INLINE Vec<T> exact_sum(Vec<T> a, Vec<T> b, Vec<T>& error) {
    const Vec<T> s = a + b, v = s - a;
    error = (a - (s - v)) + (b - v);
    return s;
}

// ---- exp

// e^r - 1 for |r| <= ln2/2 (and a little more), without its first term r.
template <class T>
RL_INLINE Vec<T> expm1_tail(Vec<T> r) {
    if constexpr (is_float<T>)
        return r * r *
               poly(r, 0.500000009567343172, 0.16666518306975682, 0.0416662041729084737, 0.00836895339992984601,
                    0.0013950601333871572);
    else
        return r * r *
               poly(r, 0.500000000000001286, 0.166666666666666993, 0.0416666666665143255, 0.0083333333333070226,
                    0.00138888889473305543, 0.00019841269917786068, 0.0000248014895912136842, 2.75572159364014352e-6,
                    2.76314135760075932e-7, 2.51179775953371507e-8);
}

// x = n ln2 + r + tail, n an integer.
template <class T>
struct ExpParts {
    Vec<T> n, r, tail;
};
template <class T>
RL_INLINE ExpParts<T> exp_reduce(Vec<T> x) {
    constexpr T log2e = T(1.44269504088896340736);
    constexpr T high = is_float<T> ? T(0.693359375) : T(6.93147180369123816490e-01);
    constexpr T low = is_float<T> ? T(-2.12194440e-4) : T(1.90821492927058770002e-10);
    const Vec<T> magic = RL_ISA_NS::detail::Lane<T>::magic;
    const Vec<T> n = fma(x, Vec<T>(log2e), magic) - magic;
    const Vec<T> head = fma(n, Vec<T>(-high), x), shift = n * Vec<T>(low);
    const Vec<T> r = head - shift;
    return {n, r, (head - r) - shift};
}

// e^(x + tail), |tail| less than the last bit of x.
template <class T>
RL_INLINE Vec<T> exp_of_sum(Vec<T> x, Vec<T> tail) {
    const ExpParts<T> p = exp_reduce(x);
    const Vec<T> rest = expm1_tail(p.r), lost = p.tail + tail;
    return scale2(Vec<T>(T(1)) + (p.r + (rest + fma(p.r + rest, lost, lost))), p.n);
}
template <class T>
RL_INLINE Vec<T> clamp_exp(Vec<T> x) {  // to where exp is surely inf or 0; NaN passes
    constexpr T low = is_float<T> ? T(-104) : T(-746), high = is_float<T> ? T(89) : T(710);
    return fast_min(Vec<T>(high), fast_max(Vec<T>(low), x));
}

// (e^x - 1) / 2, which does not overflow before sinh does.
template <class T>
RL_INLINE Vec<T> half_expm1(Vec<T> x) {
    const Vec<T> low = is_float<T> ? T(-30) : T(-60), high = is_float<T> ? T(89.7) : T(710.7);
    const ExpParts<T> p = exp_reduce(fast_min(high, fast_max(low, x)));
    const Vec<T> quarter = T(0.25), s = scale2(quarter, p.n);  // in quarters 2^n does not overflow either
    const Vec<T> q = fma(s, p.tail + expm1_tail(p.r), fma(s, p.r, s - quarter));
    return q + q;
}

// ---- log

// x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). x positive and normal.
template <class T>
struct LogParts {
    Vec<T> k, f;
};
template <class T>
RL_INLINE LogParts<T> log_split(Vec<T> x) {
    using Bits = typename Vec<T>::Bits;
    using Unsigned [[gnu::vector_size(RL_VEC_BYTES)]] = std::make_unsigned_t<typename Vec<T>::Int>;
    constexpr int mantissa = is_float<T> ? 23 : 52;
    const Bits one = bits(Vec<T>(T(1))), root = bits(Vec<T>(T(0.70710678118654752)));
    const Unsigned i = (Unsigned)bits(x) + (Unsigned)(one - root);  // of a NaN it may pass the largest signed number
    const Bits k = (Bits)(i >> mantissa) - (is_float<T> ? 127 : 1023);
    const Bits fraction = (Bits)i & ((typename Vec<T>::Int(1) << mantissa) - 1);
    return {from_int<T>(k), from_bits<T>(fraction + root) - Vec<T>(T(1))};
}
template <class T>
RL_INLINE LogParts<T> log_split_any(Vec<T> x) {  // subnormal x as well
    constexpr T smallest = is_float<T> ? T(1.17549435e-38) : T(2.2250738585072014e-308);
    constexpr T up = is_float<T> ? T(33554432.0) : T(18014398509481984.0);  // 2^25, 2^54
    const Mask<T> tiny = x < Vec<T>(smallest);
    LogParts<T> p = log_split(where(tiny, x * Vec<T>(up), x));
    p.k = p.k - where(tiny, Vec<T>(is_float<T> ? T(25) : T(54)), Vec<T>(T(0)));
    return p;
}
// With s = f / (2 + f): log(1 + f) = f - f^2/2 + s (f^2/2 + log_series(s^2)).
template <class T>
RL_INLINE Vec<T> log_series(Vec<T> z) {
    if constexpr (is_float<T>)
        return z * poly(z, 0.666666656371304695, 0.400003372471801128, 0.285371681695002499, 0.235849842637253937);
    else
        return z * poly(z, 0.666666666666673538, 0.399999999994074847, 0.2857142874414178, 0.222221983784536012,
                        0.181835751662035965, 0.153137557512150529, 0.147990661017159568);
}
template <class T>
struct Ln2 {  // k * high is exact for every exponent k
    static constexpr T high = is_float<T> ? T(0.693115234375) : T(0.6931471803691238);
    static constexpr T low = is_float<T> ? T(3.194618329871446e-05) : T(1.9082149292705877e-10);
};
// k ln2 + log(1 + f) + c
template <class T>
RL_INLINE Vec<T> log_join(LogParts<T> p, Vec<T> c) {
    const Vec<T> s = p.f / (Vec<T>(T(2)) + p.f), half_square = Vec<T>(T(0.5)) * p.f * p.f;
    const Vec<T> small = fma(s, half_square + log_series(s * s), fma(p.k, Vec<T>(Ln2<T>::low), c));
    return fma(p.k, Vec<T>(Ln2<T>::high), p.f - (half_square - small));
}
// The values of a logarithm where x is not positive and finite.
template <class T>
RL_INLINE Vec<T> log_edges(Vec<T> x, Vec<T> r) {
    r = where(x < Vec<T>(inf<T>), r, x);
    r = where(x == Vec<T>(T(0)), Vec<T>(-inf<T>), r);
    return where(x < Vec<T>(T(0)), Vec<T>(nan<T>), r);
}
template <class T>
RL_INLINE Vec<T> log_inside(Vec<T> x) {  // of positive finite numbers
    return log_join(log_split_any(x), Vec<T>(T(0)));
}
// log(x) * (scale_high + scale_low) + k * (k_high + k_low): the logarithm to another base
template <class T>
RL_INLINE Vec<T> log_to_base(Vec<T> x, T scale_high, T scale_low, T k_high, T k_low) {
    const LogParts<T> p = log_split_any(x);
    const Vec<T> s = p.f / (Vec<T>(T(2)) + p.f), half_square = Vec<T>(T(0.5)) * p.f * p.f;
    const Vec<T> rest = s * (half_square + log_series(s * s));
    const auto keep = bits(x) * 0 + (is_float<T> ? int64_t(-1) << 12 : int64_t(-1) << 32);
    const Vec<T> high = from_bits<T>(bits(p.f - half_square) & keep), low = (p.f - high) - half_square + rest;
    const Vec<T> head = high * Vec<T>(scale_high), whole = p.k * Vec<T>(k_high), sum = whole + head;
    const Vec<T> tail = (low + high) * Vec<T>(scale_low) + low * Vec<T>(scale_high) + p.k * Vec<T>(k_low);
    return log_edges(x, sum + (((whole - sum) + head) + tail));
}

// ---- pow

// exp in double, to the accuracy of 2^-34 that a result in float needs.
RL_INLINE Vec<double> exp_for_float(Vec<double> x) {
    const ExpParts<double> p = exp_reduce(fast_min(Vec<double>(200.0), fast_max(Vec<double>(-200.0), x)));
    const Vec<double> head = poly(p.r, 1.0, 1.0, 0.500000007832426468, 0.166666668617837936, 0.0416662685125007965,
                                  0.00833326409812102094, 0.0013946176347960487, 0.000199185285730375253);
    return scale2(head, p.n);
}
// |x|^y as e^(y log|x|) for finite positive |x|; y may be anything but NaN.
RL_INLINE Vec<double> pow_positive(Vec<double> x, Vec<double> y) {
    using V = Vec<double>;
    const LogParts<double> p = log_split_any(x);
    // s = f / (2 + f) in two doubles
    const V den = p.f + V(2.0), den_low = p.f - (den - V(2.0)), inverse = V(1.0) / den;
    const V s = p.f * inverse;
    const V product = s * den;
    const V s_low = (((p.f - product) - product_error(s, den, product)) - s * den_low) * inverse;
    // log(1 + f) = 2s + s z (2/3 + z T(z)), z = s^2
    const V z = s * s, z_low = product_error(s, s, z) + V(2.0) * s * s_low;
    const V series = z * poly(z, 0.400000000000000002, 0.285714285714283723, 0.222222222222915602, 0.181818181690982058,
                              0.153846167672837115, 0.133332396691061177, 0.117686985167868099, 0.104224694157066509,
                              0.110165244490910234);
    const V two_thirds = 0x1.5555555555555p-1;
    const V c = two_thirds + series, c_low = (two_thirds - c) + series + V(0x1.5555555555555p-55);
    const V sz = s * z, sz_low = product_error(s, z, sz) + (s * z_low + s_low * z);
    const V t = sz * c, t_low = product_error(sz, c, t) + (sz * c_low + sz_low * c);
    const V whole = p.k * V(Ln2<double>::high), twice = s + s;
    const V h = whole + twice, h_low = (whole - h) + twice;
    const V sum = h + t;
    const V sum_low = ((h - sum) + t) + (h_low + (t_low + (s_low + s_low)) + p.k * V(Ln2<double>::low));
    // times y
    const V log_sum = sum + sum_low, log_low = (sum - log_sum) + sum_low;
    const V e = y * log_sum;
    const V e_low = product_error(y, log_sum, e) + y * log_low;
    return exp_of_sum(clamp_exp(e), where(abs(e) < V(800.0), e_low, V(0.0)));
}
// The logarithm of a normal number to 2^-35, and a power for floats by it.
RL_INLINE Vec<double> log_for_float(Vec<double> x) {
    using V = Vec<double>;
    const LogParts<double> p = log_split(x);
    const V s = p.f / (p.f + V(2.0)), z = s * s;
    const V series = poly(z, 0.666666656371304695, 0.400003372471801128, 0.285371681695002499, 0.235849842637253937);
    return fma(p.k, V(0.693147180559945309), fma(s * z, series, s + s));
}
RL_INLINE Vec<double> pow_for_float(Vec<double> x, Vec<double> y) { return exp_for_float(y * log_for_float(x)); }
RL_INLINE Vec<float> pow_positive(Vec<float> x, Vec<float> y) {
    Vec<double> x0, x1, y0, y1;
    widen(x, x0, x1);
    widen(y, y0, y1);
    return narrow(pow_for_float(x0, y0), pow_for_float(x1, y1));
}

}  // namespace detail

template <class T>
RL_INLINE Vec<T> exp(Vec<T> x) {
    const detail::ExpParts<T> p = detail::exp_reduce(detail::clamp_exp(x));
    return scale2(Vec<T>(T(1)) + (p.r + detail::expm1_tail(p.r)), p.n);
}
template <class T>
RL_INLINE Vec<T> exp2(Vec<T> x) {
    constexpr bool f = detail::is_float<T>;
    x = fast_min(Vec<T>(f ? T(129) : T(1025)), fast_max(Vec<T>(f ? T(-151) : T(-1076)), x));
    const Vec<T> magic = RL_ISA_NS::detail::Lane<T>::magic, ln2 = T(0.693147180559945309);
    const Vec<T> n = (x + magic) - magic, whole = x - n, r = whole * ln2;
    const Vec<T> tail = fma(whole, Vec<T>(f ? T(-0x1.05c61p-29) : T(0x1.abc9e3b39803fp-56)),
                            RL_HAS_FMA ? fma(whole, ln2, -r) : Vec<T>(T(0)));
    return scale2(Vec<T>(T(1)) + (r + (detail::expm1_tail(r) + tail)), n);
}
template <class T>
RL_INLINE Vec<T> expm1(Vec<T> x) {
    const Vec<T> h = detail::half_expm1(x);
    return where(detail::tiny(x), x, h + h);
}
template <class T>
RL_INLINE Vec<T> tanh(Vec<T> x) {
    const Vec<T> h = detail::half_expm1(fast_min(Vec<T>(T(44)), abs(x) + abs(x)));
    Vec<T> r = h / (h + Vec<T>(T(1)));
    if constexpr (detail::is_float<T>) {
        const Vec<T> z = x * x;
        const Vec<T> c = detail::poly(z, -0.333332922517054595, 0.133315316616089753, -0.0537376646904250862,
                                      0.0206126782510475042, -0.00566094743651074783);
        r = where(z < Vec<T>(T(0.390625)), fma(x * z, c, x), r);
    }
    return where(detail::tiny(x), x, copysign(r, x));
}
template <class T>
RL_INLINE Vec<T> sinh(Vec<T> x) {
    const Vec<T> h = detail::half_expm1(abs(x));
    const Vec<T> twice = fast_min(Vec<T>(sizeof(T) == 4 ? T(1e30) : T(1e300)), h + h);  // keeps inf / inf away
    Vec<T> r = h + h / (twice + Vec<T>(T(1)));
    if constexpr (detail::is_float<T>) {
        const Vec<T> z = x * x, c = detail::poly(z, 0.166666665069223498, 0.00833335087747267883,
                                                 0.000198358605745778239, 2.81909294942748896e-6);
        r = where(z < Vec<T>(T(1)), fma(x * z, c, x), r);
    }
    return where(detail::tiny(x), x, copysign(r, x));
}
template <class T>
RL_INLINE Vec<T> cosh(Vec<T> x) {
    const Vec<T> e = detail::half_expm1(abs(x)) + Vec<T>(T(0.5));
    return e + Vec<T>(T(0.25)) / e;
}
template <class T>
RL_INLINE Vec<T> sigmoid(Vec<T> x) {
    const Vec<T> one = T(1), e = exp(-abs(x));
    return where(x < Vec<T>(T(0)), e, one) / (one + e);
}

template <class T>
RL_INLINE Vec<T> log(Vec<T> x) {
    return detail::log_edges(x, detail::log_inside(x));
}
template <class T>
RL_INLINE Vec<T> log1p(Vec<T> x) {
    const Vec<T> one = T(1), zero = T(0), u = one + x;
    detail::LogParts<T> p = detail::log_split(u);
    const Vec<T> lost = where(p.k > one, one - (u - x), x - (u - one)) / u;  // what rounding 1 + x threw away
    const Mask<T> near = p.k == zero;
    p.f = where(near, x, p.f);
    const Vec<T> r = detail::log_join(p, where(near, zero, lost));
    return copysign(detail::log_edges(u, r), x);
}
template <class T>
RL_INLINE Vec<T> log2(Vec<T> x) {
    if constexpr (detail::is_float<T>)
        return detail::log_to_base(x, 1.4423828125f, 0.00031222839606925845f, 1.0f, 0.0f);
    else
        return detail::log_to_base(x, 1.4426950407214463, 1.6751713164886512e-10, 1.0, 0.0);
}
template <class T>
RL_INLINE Vec<T> log10(Vec<T> x) {
    if constexpr (detail::is_float<T>)
        return detail::log_to_base(x, 0.4342041015625f, 9.038033749675378e-05f, 0.301025390625f,
                                   4.605039066518657e-06f);
    else
        return detail::log_to_base(x, 0.4342944818781689, 2.5082946711645275e-11, 0.3010299955494702,
                                   1.1451100898021838e-10);
}

template <class T>
RL_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
    using V = Vec<T>;
    const V zero = T(0), one = T(1), infinity = detail::inf<T>, ax = abs(x), ay = abs(y);
    V r = detail::pow_positive(ax, y);
    if (__builtin_expect(all((x > zero) & (x < infinity) & (ay < infinity)), 1)) return r;
    const Mask<T> y_integer = rint(y) == y, half_integer = rint(y * V(T(0.5))) == y * V(T(0.5));
    const Mask<T> y_negative = y < zero, x_zero = ax == zero, x_infinite = ax == infinity;
    r = where(x_zero | x_infinite, where(x_zero ^ y_negative, zero, infinity), r);
    r = where(ay == infinity, where((ax > one) ^ y_negative, infinity, zero), r);
    r = where(y_integer & ~half_integer & (ay < infinity), copysign(r, x), r);
    r = where((x < zero) & ~y_integer & ~x_infinite, V(detail::nan<T>), r);
    r = where(isnan(x) | isnan(y), x + y, r);
    return where((y == zero) | (ax == one), where((x == one) | (y == zero) | (ay == infinity), one, r), r);
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
