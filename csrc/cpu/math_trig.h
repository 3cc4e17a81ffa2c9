// Circular functions, their inverses, and the error function on vectors. Included by math.h only.
//
// Method: Cody and Waite's reduction by pi/2 with the lost bits kept, then minimax polynomials on [-pi/4, pi/4];
// arguments too large for it go lane by lane to the C library. The error function: a polynomial near zero, beyond it
// exp(-x^2) times a polynomial in (x - K)/(x + K) (Shepherd and Laframboise, 1981). Worst errors: see math.h.
#pragma once

#include "cpu/math_explog.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace m {
namespace detail {

template <class T>
struct TrigParts {
    typename Vec<T>::Bits quadrant;
    Vec<T> r, tail;  // x = quadrant * pi/2 + r + tail
};
template <class T>
inline constexpr T trig_limit = is_float<T> ? (RL_HAS_FMA ? T(1e5) : T(1e4)) : (RL_HAS_FMA ? T(1e9) : T(1e6));

template <class T>
RL_INLINE TrigParts<T> trig_reduce(Vec<T> x) {
    const Vec<T> magic = RL_ISA_NS::detail::Lane<T>::magic;
    const Vec<T> shifted = fma(x, Vec<T>(T(0.636619772367581343)), magic), n = shifted - magic;
    Vec<T> tail;
#if RL_HAS_FMA
    constexpr T p1 = is_float<T> ? T(0x1.921fb6p+0) : T(0x1.921fb54442d18p+0);
    constexpr T p2 = is_float<T> ? T(-0x1.777a5cp-25) : T(0x1.1a62633145c07p-54);
    constexpr T p3 = is_float<T> ? T(-0x1.ee59dap-50) : T(-0x1.f1976b7ed8fbcp-110);
    const Vec<T> w2 = n * Vec<T>(p2);
    const Vec<T> head = exact_sum(fma(n, Vec<T>(-p1), x), -w2, tail);
    tail = fma(n, Vec<T>(-p3), tail - fma(n, Vec<T>(p2), -w2));
#else  // parts so short that their products with n are exact
    constexpr T p1 = is_float<T> ? T(0x1.92p+0) : T(0x1.921fb544p+0);
    constexpr T p2 = is_float<T> ? T(0x1.fb4p-12) : T(0x1.0b4611a6p-34);
    constexpr T p3 = is_float<T> ? T(0x1.444p-24) : T(0x1.3198a2ep-69);
    constexpr T p4 = is_float<T> ? T(0x1.68c234p-39) : T(0x1.b839a252049c1p-104);
    Vec<T> lost2, lost3;
    const Vec<T> second = exact_sum(x - n * Vec<T>(p1), -(n * Vec<T>(p2)), lost2);
    const Vec<T> head = exact_sum(second, -(n * Vec<T>(p3)), lost3);
    tail = (lost2 + lost3) - n * Vec<T>(p4);
#endif
    const Vec<T> r = head + tail;
    return {bits(shifted), r, (head - r) + tail};
}
template <class T>
RL_INLINE Vec<T> sin_poly(Vec<T> r, Vec<T> tail) {
    const Vec<T> z = r * r;
    Vec<T> s;
    if constexpr (is_float<T>)
        s = poly(z, -0.166666545664302976, 0.00833209358734578109, -0.000195029593312519512);
    else
        s = poly(z, -0.166666666666666417, 0.0083333333333235263, -0.000198412698300195624, 2.75573136050493691e-6,
                 -2.50507268949556641e-8, 1.58942528650836333e-10);
    return r + fma(r * z, s, tail);
}
template <class T>
RL_INLINE Vec<T> cos_poly(Vec<T> r, Vec<T> tail) {
    const Vec<T> z = r * r, half = Vec<T>(T(0.5)) * z, one = T(1), w = one - half;
    Vec<T> c;
    if constexpr (is_float<T>)
        c = poly(z, 0.0416666466883401174, -0.00138873584169395904, 0.0000244373698650183317);
    else
        c = poly(z, 0.0416666666666665983, -0.00138888888888739166, 0.0000248015872893464324, -2.75573143114328623e-7,
                 2.08757174998753383e-9, -1.13593384602824049e-11);
    return w + (((one - w) - half) + fma(z * z, c, -(r * tail)));
}
// Lane i of the result is odd or even as the quadrant is.
template <class T>
RL_INLINE Mask<T> odd(typename Vec<T>::Bits q) {
    return Mask<T>::from_bits(q << (is_float<T> ? 31 : 63));
}
// sin(x + quarter * pi/2)
template <class T>
RL_INLINE Vec<T> sin_shifted(Vec<T> x, int quarter) {
    const TrigParts<T> p = trig_reduce(x);
    const auto q = p.quadrant + quarter;
    const Vec<T> r = where(odd<T>(q), cos_poly(p.r, p.tail), sin_poly(p.r, p.tail));
    const auto sign = (q & 2) << (is_float<T> ? 30 : 62);
    return from_bits<T>(bits(r) ^ sign);
}
// fast(x), but slow on each lane where |x| is beyond the reduction.
template <class T, class F>
RL_INLINE Vec<T> with_large(Vec<T> x, Vec<T> fast, F slow) {
    const Mask<T> large = abs(x) > Vec<T>(trig_limit<T>);
    if (__builtin_expect(any(large), 0)) return where(large, lanes(where(large, x, Vec<T>(T(0))), slow), fast);
    return fast;
}
// Smaller x are their own sine and tangent, with the sign of zero.
template <class T>
RL_INLINE Mask<T> trig_tiny(Vec<T> x) {
    return abs(x) < Vec<T>(is_float<T> ? T(1e-4) : T(1e-9));
}

// atan(a / b) for 0 <= a <= b, b > 0
template <class T>
RL_INLINE Vec<T> atan_quotient(Vec<T> a, Vec<T> b) {
    const Mask<T> upper = a > b * Vec<T>(T(0.41421356237309503));  // tan(pi/8)
    const Vec<T> zero = T(0), t = where(upper, a - b, a) / where(upper, a + b, b), z = t * t;
    Vec<T> s;
    if constexpr (is_float<T>)
        s = poly(z, -0.333333185892775028, 0.199985278769274386, -0.142428587342992085, 0.10580599949163469,
                 -0.0603091376062661986);
    else
        s = poly(z, -0.333333333333332678, 0.199999999999690289, -0.142857142813483561, 0.111111108245202821,
                 -0.0909089854767393628, 0.0769206852294952663, -0.0666314426541521959, 0.058478526379084176,
                 -0.0503789546616288599, 0.0380021468669788657, -0.017814236893775375);
    const Vec<T> quarter = is_float<T> ? T(0x1.921fb6p-1) : T(0x1.921fb54442d18p-1);
    const Vec<T> quarter_low = is_float<T> ? T(-0x1.777a5cp-26) : T(0x1.1a62633145c07p-55);
    return where(upper, quarter, zero) + (t + fma(t * z, s, where(upper, quarter_low, zero)));
}
template <class T>
struct Pi {
    static constexpr T half = is_float<T> ? T(0x1.921fb6p+0) : T(0x1.921fb54442d18p+0);
    static constexpr T half_low = is_float<T> ? T(-0x1.777a5cp-25) : T(0x1.1a62633145c07p-54);
};

// erfc(x) for x >= 0; erf_small: erf(x) for |x| < 0.92 (float) or 1 (double).
RL_INLINE Vec<double> erfcx_positive(Vec<double> x) {  // e^(x^2) erfc(x), x <= 28
    const Vec<double> t = (x - Vec<double>(4.0)) / (x + Vec<double>(4.0));
    return poly(t, 1.23299511862555251, -0.139621116840562535, 0.015379652102619622, 0.0680970542546953233,
                -0.101039066036297717, 0.0937328349982563027, -0.0663303658123602071, 0.0371675155389768235,
                -0.0161977340562068369, 0.00503196996489063218, -0.000757773299248338881, -0.00019925662555857836,
                0.000150621723488101414, -0.0000243994421230492308, -0.0000112221830076622437, 5.71019653298905535e-6,
                2.94161689177671873e-7, -8.25966156185509618e-7, 7.41056231898842606e-8, 1.10332716909624248e-7,
                -1.74699563248713244e-8, -1.40705541098720059e-8, 1.67739056166432396e-9, 1.19817155500442411e-9) /
           fma(x, 2.0, 1.0);
}
RL_INLINE Vec<double> erfc_positive(Vec<double> x) {
    x = fast_min(Vec<double>(28.0), x);
    const Vec<double> square = x * x, lost = product_error(x, x, square);
    return exp_of_sum(clamp_exp(-square), -lost) * erfcx_positive(x);
}
// The same for a result in float: x <= 11, polynomial to 2^-26.
RL_INLINE Vec<double> erfc_for_float(Vec<double> x) {
    const Vec<double> t = (x - Vec<double>(2.0)) / (x + Vec<double>(2.0));
    return exp_for_float(-(x * x)) *
           poly(t, 1.27697839483623938, -0.09276388030993331, -0.166031569900926536, 0.164052597823227016,
                -0.0542028671515028886, -0.00803922521651979604, 0.00863161922718012438, 0.0012545551131715088,
                -0.00125179245570073174, -0.00034310111173713972, 0.000037172605284429762) /
           fma(x, 2.0, 1.0);
}
RL_INLINE Vec<float> erfc_positive(Vec<float> x) {
    Vec<double> low, high;
    widen(fast_min(Vec<float>(11.0f), x), low, high);
    return narrow(erfc_for_float(low), erfc_for_float(high));
}
template <class T>
RL_INLINE Vec<T> erf_small(Vec<T> x) {
    const Vec<T> z = x * x;
    if constexpr (is_float<T>)
        return fma(poly(z, 0.128379150486057792, -0.376124974712130863, 0.112818371194988667, -0.0267668470136802345,
                        0.00499289472536137085, -0.000598678444247850179),
                   x, x);
    else
        return fma(poly(z, 0.128379167095512574, -0.376126389031837482, 0.112837916709548844, -0.0268661706450778698,
                        0.00522397762482838897, -0.000854832698142364424, 0.000120553311329021225,
                        -0.0000149255957712130113, 1.6461008466785907e-6, -1.63503961479963553e-7,
                        1.46603284675185655e-8, -1.13749555976945031e-9, 5.96068637529884616e-11),
                   x, x);
}

}  // namespace detail

template <class T>
RL_INLINE Vec<T> sin(Vec<T> x) {
    const Vec<T> r = where(detail::trig_tiny(x), x, detail::sin_shifted(x, 0));
    return detail::with_large(x, r, [](T v) { return sizeof(T) == 4 ? T(__builtin_sinf(v)) : T(__builtin_sin(v)); });
}
template <class T>
RL_INLINE Vec<T> cos(Vec<T> x) {
    return detail::with_large(x, detail::sin_shifted(x, 1),
                              [](T v) { return sizeof(T) == 4 ? T(__builtin_cosf(v)) : T(__builtin_cos(v)); });
}
template <class T>
RL_INLINE Vec<T> tan(Vec<T> x) {
    const detail::TrigParts<T> p = detail::trig_reduce(x);
    const Vec<T> s = detail::sin_poly(p.r, p.tail), c = detail::cos_poly(p.r, p.tail);
    const Mask<T> swap = detail::odd<T>(p.quadrant);
    const Vec<T> r = where(detail::trig_tiny(x), x, where(swap, -c, s) / where(swap, s, c));
    return detail::with_large(x, r, [](T v) { return sizeof(T) == 4 ? T(__builtin_tanf(v)) : T(__builtin_tan(v)); });
}
template <class T>
RL_INLINE Vec<T> atan(Vec<T> x) {
    const Vec<T> one = T(1), a = abs(x);
    const Mask<T> large = a > one;
    const Vec<T> r = detail::atan_quotient(where(large, one, a), where(large, a, one));
    return copysign(where(large, Vec<T>(detail::Pi<T>::half) - (r - Vec<T>(detail::Pi<T>::half_low)), r), x);
}

template <class T>
RL_INLINE Vec<T> erf(Vec<T> x) {
    const Vec<T> one = T(1), a = abs(x);
    Vec<T> large;
    if constexpr (detail::is_float<T>) {  // 1 - exp(-(a + a g(a)))
        const Vec<T> t = fast_min(Vec<T>(T(4)), a);
        const Vec<T> g =
            detail::poly(t, 0.128652901639410915, 0.635133423657938348, 0.106266434356745041, -0.0237874934919381291,
                         0.00365447049780114807, -0.000325755162954222582, 0.0000115259054819301624);
        large = one - exp(-fma(t, g, t));
    } else {
        large = one - detail::erfc_positive(fast_min(Vec<T>(T(6.5)), a));
    }
    return where(a > Vec<T>(detail::is_float<T> ? T(0.9277) : T(1)), copysign(large, x), detail::erf_small(x));
}
template <class T>
RL_INLINE Vec<T> erfc(Vec<T> x) {
    const Vec<T> r = detail::erfc_positive(abs(x));
    const Vec<T> far = where(x < Vec<T>(T(0)), Vec<T>(T(2)) - r, r);
    return where(abs(x) < Vec<T>(T(0.5)), Vec<T>(T(1)) - detail::erf_small(x), far);
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
