// Functions of the gamma and the error function's family on vectors. Included by math.h only.
//
// What is not computed here for a lane (negative arguments, rare neighbourhoods) goes to the scalar code of special.h.
#pragma once

#include "cpu/math_trig.h"
#include "cpu/special.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace m {
namespace detail {

// fast, but slow(x) on the lanes of `rare`.
template <class T, class F>
RL_INLINE Vec<T> except(Mask<T> rare, Vec<T> x, Vec<T> fast, F slow) {
    if (__builtin_expect(any(rare), 0)) return where(rare, lanes(where(rare, x, Vec<T>(T(1))), slow), fast);
    return fast;
}

// The starting value of erfinv(y), a = |y|, good to 1e-8: minimax polynomials in w = -log(1 - y^2) up to 5, beyond it
// in sqrt(w) (the variables of M. Giles, "Approximating the erfinv function", 2012).
RL_INLINE Vec<double> erfinv_start(Vec<double> a) {
    using V = Vec<double>;
    const V w = -log((V(1.0) - a) * (V(1.0) + a)), limit = 5.0;
    const V t = fma(fast_min(limit, w), 0.4, -1.0);
    const V centre =
        poly(t, 1.50140935171002402, 0.616600692086767762, -0.0261082797875794233, -0.0195735663862019046,
             0.00852592661832604984, -0.000487863944891369376, -0.00083644655725652801, 0.00029210594854028923,
             0.0000251319853085334122, -0.0000413696786895788424, 4.15979286750314166e-6, 2.91968205979045658e-6);
    constexpr double low = 2.23606797749978969641, high = 6.1;
    const V s = sqrt(fast_max(limit, w)), u = (s - V((high + low) / 2)) * V(2 / (high - low));
    const V tail =
        poly(u, 4.0094446567722393, 1.95099307329165228, 0.00325254437014025942, -0.00490831800813974981,
             0.00333960268859143976, -0.00216523910834307797, 0.00164639769007849449, -0.00109921179595904667,
             0.00118096596909782991, -0.00251069663843964573, 0.00247031802496003302, -0.000187767526775167371,
             -0.000993683959444339852, 0.000406222897107008276);
    return a * where(w < limit, centre, tail);
}
template <class T>
RL_INLINE Vec<T> erfinv_edges(Vec<T> y, Vec<T> r) {
    const Vec<T> a = abs(y), one = T(1);
    r = where(a < one, copysign(r, y), Vec<T>(nan<T>));
    return where(a == one, copysign(Vec<T>(inf<T>), y), r);
}

RL_INLINE Vec<double> digamma_positive(Vec<double> x) {
    using V = Vec<double>;
    const V zero = 0.0, one = 1.0, ten = 10.0;
    const V d = (x - V(1.4616321449683623)) - V(9.549995429965697e-17);  // from the zero, where the rest would cancel
    const V near = d * poly(d, 0.96767224544762117, -0.442763168983592106, 0.258499760955651011, -0.163942705442406528,
                            0.107824050691262366, -0.0721995612564547109, 0.0488042881641431072, -0.0331611264748473593,
                            0.0225976482322181047, -0.0154247659049489591, 0.0105387916166121754,
                            -0.00720453438635686824, 0.00492678139572985345);
    V shift = zero;
    RL_UNROLL
    for (int i = 0; i < 5; ++i) {  // 1/x + 1/(x+1) in one division, up to x >= 10
        const Mask<double> small = x < ten;
        shift += where(small, (x + x + one) / (x * (x + one)), zero);
        x += where(small, V(2.0), zero);
    }
    const V z = one / (x * x);
    const V series = z * poly(z, 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12);
    return where(abs(d) < V(0.03), near, log(x) - V(0.5) / x - series - shift);
}

// log Gamma for x > 0 with an absolute error of 1e-14: enough for float, but where it is near zero.
RL_INLINE Vec<double> lgamma_for_float(Vec<double> x) {
    using V = Vec<double>;
    V product = x;
    RL_UNROLL
    for (int i = 1; i < 8; ++i) product *= x + double(i);
    const Mask<double> small = x < V(8.0);
    const V z = where(small, x + V(8.0), x), r = V(1.0) / z;
    const V stirling = r * poly(r * r, 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680);
    const V value = fma(z - 0.5, log(z), V(0.918938533204672742) - z) + stirling;
    return value - log(where(small, product, V(1.0)));
}

}  // namespace detail

RL_INLINE Vec<double> digamma(Vec<double> x) {
    const Vec<double> r = where(x == Vec<double>(detail::inf<double>), x, detail::digamma_positive(x));
    return detail::except(x <= Vec<double>(0.0), x, r, special::digamma);
}
RL_INLINE Vec<double> lgamma(Vec<double> x) { return lanes(x, special::lgamma); }
RL_INLINE Vec<double> erfinv(Vec<double> y) {
    using V = Vec<double>;
    const V a = abs(y), one = 1.0, x = detail::erfinv_start(a);
    // One step of Halley's method.
    const V error = where(a <= V(0.5), detail::erf_small(x) - a, (one - a) - detail::erfc_positive(x));
    const V step = error * V(0.886226925452758014) * exp(x * x);
    return detail::erfinv_edges(y, x - step / fma(x, step, one));
}

namespace detail {
// A formula in double applied to floats.
template <class F>
RL_INLINE Vec<float> through_double(Vec<float> x, F formula) {
    Vec<double> low, high;
    widen(x, low, high);
    return narrow(formula(low), formula(high));
}
}  // namespace detail
RL_INLINE Vec<float> digamma(Vec<float> x) {
    const auto formula = [](Vec<double> v) __attribute__((always_inline)) { return detail::digamma_positive(v); };
    const Vec<float> r = detail::through_double(x, formula);
    return detail::except(x <= Vec<float>(0.0f), x, where(x == Vec<float>(detail::inf<float>), x, r),
                          [](float v) { return float(special::digamma(v)); });
}
RL_INLINE Vec<float> lgamma(Vec<float> x) {
    const auto formula = [](Vec<double> v) __attribute__((always_inline)) { return detail::lgamma_for_float(v); };
    const Vec<float> close = 1e-3f, infinity = detail::inf<float>;
    const Vec<float> r = where(x == infinity, x, detail::through_double(x, formula));
    const Mask<float> rare = (x <= Vec<float>(0.0f)) | (abs(x - 1.0f) < close) | (abs(x - 2.0f) < close);
    return detail::except(rare, x, r, [](float v) { return float(special::lgamma(v)); });
}
RL_INLINE Vec<float> erfinv(Vec<float> y) {
    const auto formula = [](Vec<double> v) __attribute__((always_inline)) { return detail::erfinv_start(v); };
    return detail::erfinv_edges(y, detail::through_double(abs(y), formula));
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
