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

// The starting value of erfinv(a), good to 1e-8, from w = -log(1 - a^2): minimax polynomials in w up to 5, beyond it in
// sqrt(w) (the variables of M. Giles, "Approximating the erfinv function", 2012). Most vectors have no number beyond.
RL_INLINE Vec<double> erfinv_start(Vec<double> a, Vec<double> w) {
    using V = Vec<double>;
    const V limit = 5.0, t = fma(fast_min(limit, w), 0.4, -1.0);
    const V centre =
        poly(t, 1.50140935171002402, 0.616600692086767762, -0.0261082797875794233, -0.0195735663862019046,
             0.00852592661832604984, -0.000487863944891369376, -0.00083644655725652801, 0.00029210594854028923,
             0.0000251319853085334122, -0.0000413696786895788424, 4.15979286750314166e-6, 2.91968205979045658e-6);
    if (__builtin_expect(!any(w >= limit), 1)) return a * centre;
    constexpr double low = 2.23606797749978969641, high = 6.1;
    const V s = sqrt(fast_max(limit, w)), u = (s - V((high + low) / 2)) * V(2 / (high - low));
    const V tail =
        poly(u, 4.0094446567722393, 1.95099307329165228, 0.00325254437014025942, -0.00490831800813974981,
             0.00333960268859143976, -0.00216523910834307797, 0.00164639769007849449, -0.00109921179595904667,
             0.00118096596909782991, -0.00251069663843964573, 0.00247031802496003302, -0.000187767526775167371,
             -0.000993683959444339852, 0.000406222897107008276);
    return a * where(w < limit, centre, tail);
}
RL_INLINE Vec<double> erfinv_start(Vec<double> a) {
    return erfinv_start(a, -log_for_float((Vec<double>(1.0) - a) * (Vec<double>(1.0) + a)));
}
// The same for erfc(x) = q, 0 < q <= 1, where q is too small for 1 - q: a series in 1/sqrt(w).
RL_INLINE Vec<double> erfcinv_start(Vec<double> q) {
    using V = Vec<double>;
    const V w = -log_inside(q * (V(2.0) - q)), limit = 36.0, r = erfinv_start(V(1.0) - q, fast_min(limit, w));
    if (__builtin_expect(!any(w > limit), 1)) return r;
    constexpr double middle = (1.0 / 6 + 1.0 / 28) / 2, half = (1.0 / 6 - 1.0 / 28) / 2;
    const V s = sqrt(fast_max(limit, w)), t = (V(1.0) / s - V(middle)) * V(1 / half);
    const V ratio = poly(t, 0.98885912616885229, -0.0111252538492811401, -0.00147474676870133751,
                         0.000454250161535155119, -0.0000755103791014482202, 0.0000188703587421125283,
                         -6.21401911104233807e-6, 2.45455124308139323e-6, -1.03772569502293684e-6,
                         2.06728769443779993e-7, -5.30074446834706787e-8, 2.17467055990414806e-7,
                         -1.19041855624313594e-7);
    return where(w > limit, s * ratio, r);
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
    // One step of Halley's method. The error is that of erf(x) times e^(x^2).
    const V scale = exp(x * x);
    const V error = where(a <= V(0.5), (detail::erf_small(x) - a) * scale, (one - a) * scale - detail::erfcx_positive(x));
    const V step = error * V(0.886226925452758014);
    return detail::erfinv_edges(y, x - step / fma(x, step, one));
}

RL_INLINE Vec<double> erfcx(Vec<double> x) {
    using V = Vec<double>;
    const V a = abs(x), limit = 28.0, zero = 0.0;
    V r = detail::erfcx_positive(fast_min(limit, a));
    const V z = V(1.0) / (a * a);  // asymptotic series
    const V far = detail::poly(z, 1.0, -0.5, 0.75, -1.875, 6.5625, -29.53125) / (a * V(1.77245385090551602730));
    r = where(a > limit, far, r);
    if (any(x < zero)) r = where(x < zero, V(2.0) * exp(x * x) - r, r);
    return where(isnan(x), x, r);
}
RL_INLINE Vec<double> log_ndtr(Vec<double> x) {
    using V = Vec<double>;
    const V scaled = x * V(0.70710678118654752440), one = 1.0;
    const Mask<double> low = x < -one;
    const V near = any(!low) ? log1p(erfc(where(low, one, scaled)) * -0.5) : one;
    if (!any(low)) return near;
    const V tail = log(erfcx(where(low, -scaled, one)) * 0.5) - x * x * 0.5;
    return where(low, tail, near);
}

namespace detail {
// The inverse of the normal distribution function from a good or a final value of erfc's inverse.
template <bool refine>
RL_INLINE Vec<double> ndtri_by(Vec<double> p) {
    using V = Vec<double>;
    const V half = 0.5, one = 1.0, zero = 0.0, infinity = inf<double>;
    const Mask<double> inside = (p > zero) & (p < one), lower = p < half;
    const V q = where(inside, V(2.0) * where(lower, p, one - p), half);
    V x = erfcinv_start(q);
    if constexpr (refine) {
        constexpr double scale = 0.886226925452758014;
        // Newton's method: on erf in the middle, else on the logarithm of erfc, which is nearly a parabola.
        const V scaled = erfcx_positive(x), square = x * x;
        const V middle = (one - q - erf_small(x)) * exp(square), tail = (log_inside(scaled) - square - log_inside(q)) * scaled;
        x += where(q > half, middle, tail) * scale;
    }
    x *= V(1.41421356237309504880);
    const V r = where(lower, -x, x);
    return where(inside, r, where(p == zero, -infinity, where(p == one, infinity, V(nan<double>))));
}
}  // namespace detail
RL_INLINE Vec<double> ndtri(Vec<double> p) { return detail::ndtri_by<true>(p); }

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
RL_INLINE Vec<float> ndtri(Vec<float> p) {
    const auto formula = [](Vec<double> v) __attribute__((always_inline)) { return detail::ndtri_by<false>(v); };
    return detail::through_double(p, formula);
}
RL_INLINE Vec<float> erfcx(Vec<float> x) {
    return detail::through_double(x, [](Vec<double> v) __attribute__((always_inline)) { return erfcx(v); });
}
RL_INLINE Vec<float> log_ndtr(Vec<float> x) {
    return detail::through_double(x, [](Vec<double> v) __attribute__((always_inline)) { return log_ndtr(v); });
}

// ---- the derivatives of digamma
namespace detail {
inline constexpr int polygamma_orders = 10;  // of the formula on vectors
// Of order n: (-1)^(n+1) n!, and the factors of Euler and Maclaurin's series for the sum of (q + k)^-(n+1), each
// B_2k / (2k)! (n+1)(n+2)...(n+2k-1).
struct PolygammaOrder {
    double scale, series[8];
};
consteval PolygammaOrder polygamma_order(int n) {
    constexpr double bernoulli[] = {1.0 / 12,          -1.0 / 720,
                                    1.0 / 30240,       -1.0 / 1209600,
                                    1.0 / 47900160,    -691.0 / 1307674368000,
                                    1.0 / 74724249600, -3617.0 / 10670622842880000};
    PolygammaOrder r{n % 2 ? 1.0 : -1.0, {}};
    for (int k = 2; k <= n; ++k) r.scale *= k;
    double rising = n + 1;
    for (int k = 0; k < 8; ++k) {
        r.series[k] = bernoulli[k] * rising;
        rising *= double(n + 2 * k + 2) * double(n + 2 * k + 3);
    }
    return r;
}
inline constexpr PolygammaOrder polygamma_table[] = {
    polygamma_order(0), polygamma_order(1), polygamma_order(2), polygamma_order(3), polygamma_order(4),  polygamma_order(5),
    polygamma_order(6), polygamma_order(7), polygamma_order(8), polygamma_order(9), polygamma_order(10)};

// Order n >= 1 at x > 0: up to `limit` the first `shift` terms of the sum are added, as one fraction, and the series of
// `terms` is taken behind them. To 1e-16 of the result, or to the 1e-8 that floats need.
template <bool precise>
RL_INLINE Vec<double> polygamma_positive(int n, Vec<double> x) {
    using V = Vec<double>;
    constexpr int shift = precise ? 10 : 6, limit = precise ? 32 : 20, terms = precise ? 8 : 4;
    const PolygammaOrder& order = polygamma_table[n];
    const auto power = [n](V v) __attribute__((always_inline)) {  // v^n
        V r = v;
        for (int i = 1; i < n; ++i) r *= v;
        return r;
    };
    const V head = x * power(x);  // the largest term stays apart where every bit counts
    V top = precise ? 0.0 : 1.0, bottom = precise ? V(1.0) : head;
    RL_UNROLL
    for (int k = 1; k < shift; ++k) {
        const V far = x + double(k), d = far * power(far);
        top = fma(top, d, bottom);
        bottom *= d;
    }
    const Mask<double> small = x < V(double(limit));
    const V q = where(small, x + double(shift), x), r = V(1.0) / q, z = r * r;
    V sum = order.series[terms - 1];
    RL_UNROLL
    for (int k = terms - 2; k >= 0; --k) sum = fma(sum, z, V(order.series[k]));
    sum = fma(sum, z, r * 0.5) + V(1.0 / n);
    const V tail = precise ? sum / power(q) : sum * power(r);
    V near = top / bottom;
    if constexpr (precise) near = V(1.0) / head + near;
    return (tail + where(small, near, V(0.0))) * V(order.scale);
}
// Trigamma of x <= 0 from that of 1 - x; sin(pi x) has period 1 but for its sign, and the difference is exact.
RL_INLINE Vec<double> trigamma_reflected(Vec<double> x, Vec<double> other) {
    using V = Vec<double>;
    const V s = sin((x - rint(x)) * V(3.14159265358979323846));
    return where(isinf(x), V(inf<double>), V(9.8696044010893586188) / (s * s) - other);
}
template <bool precise>
RL_INLINE Vec<double> polygamma_of_order(int n, Vec<double> x) {
    using V = Vec<double>;
    const V one = 1.0;
    const Mask<double> negative = x <= V(0.0);
    if (__builtin_expect(!any(negative), 1)) return polygamma_positive<precise>(n, x);
    const V r = polygamma_positive<precise>(n, where(negative, n == 1 ? one - x : one, x));
    if (n == 1) return where(negative, trigamma_reflected(where(negative, x, one), r), r);
    return except(negative, x, r, [n](double v) { return special::polygamma(n, v); });
}
}  // namespace detail
RL_INLINE Vec<double> polygamma(int n, Vec<double> x) {
    if (n == 0) return digamma(x);
    if (n > detail::polygamma_orders) return lanes(x, [n](double v) { return special::polygamma(n, v); });
    return detail::polygamma_of_order<true>(n, x);
}
RL_INLINE Vec<float> polygamma(int n, Vec<float> x) {
    if (n == 0) return digamma(x);
    if (n > detail::polygamma_orders)
        return lanes(x, [n](float v) { return float(special::polygamma(n, double(v))); });
    const auto formula = [n](Vec<double> v)
                             __attribute__((always_inline)) { return detail::polygamma_of_order<false>(n, v); };
    return detail::through_double(x, formula);
}

// ---- the incomplete Gamma functions
namespace detail {
// P by its series where x < a + 1, else Q by its continued fraction (Lentz); Abramowitz and Stegun 6.5.29 and 6.5.31.
// Lanes that are done go on with steps too small to matter.
RL_INLINE Vec<double> gamma_series(Vec<double> a, Vec<double> x, Mask<double> wanted, double precision) {
    using V = Vec<double>;
    V term = V(1.0) / a, sum = term, n = a;
    for (int k = 1; k < 5000 && any(wanted & (term > sum * precision)); ++k) {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    return sum;
}
RL_INLINE Vec<double> gamma_fraction(Vec<double> a, Vec<double> x, Mask<double> wanted, double precision) {
    using V = Vec<double>;
    const V one = 1.0;
    V b = x + one - a, c = 1e300, d = one / b, h = d, change = 0.0;
    for (int k = 1; k < 5000 && any(wanted & (abs(change - one) >= V(precision))); ++k) {
        const V n = V(double(k)) * (a - V(double(k)));
        b += 2.0;
        d = one / (n * d + b);
        c = b + n / c;
        change = d * c;
        h *= change;
    }
    return h;
}
template <bool lower>
RL_INLINE Vec<double> incomplete_gamma(Vec<double> a, Vec<double> x, Vec<double> log_gamma, double precision) {
    using V = Vec<double>;
    const V zero = 0.0, one = 1.0;
    const Mask<double> fraction = x >= a + one;
    const V factor = exp(a * log(x) - x - log_gamma);
    V p = zero, q = zero;
    if (any(!fraction)) p = gamma_series(a, x, !fraction, precision) * factor;
    if (any(fraction)) q = gamma_fraction(where(fraction, a, one), where(fraction, x, V(2.0)), fraction, precision) * factor;
    return lower ? where(fraction, one - q, p) : where(fraction, q, one - p);
}
template <bool lower, class F>
RL_INLINE Vec<double> gamma_ratio(Vec<double> a, Vec<double> x, F log_gamma, double precision) {
    using V = Vec<double>;
    const V zero = 0.0, one = 1.0, at_zero = lower ? 0.0 : 1.0, at_infinity = lower ? 1.0 : 0.0;
    const Mask<double> plain = (a > zero) & isfinite(a) & (x > zero) & isfinite(x);
    const V safe = where(plain, a, one);
    const V r = incomplete_gamma<lower>(safe, where(plain, x, one), log_gamma(safe), precision);
    if (__builtin_expect(all(plain), 1)) return r;
    V edge = where((x == zero) | isinf(a), at_zero, V(nan<double>));
    edge = where((a == zero) | isinf(x), where(isinf(a), V(nan<double>), at_infinity), edge);
    const Mask<double> bad = isnan(a) | isnan(x) | (a < zero) | (x < zero) | ((a == zero) & (x == zero));
    return where(plain, r, where(bad, V(nan<double>), edge));
}
}  // namespace detail
template <bool lower>
RL_INLINE Vec<double> incomplete_gamma(Vec<double> a, Vec<double> x) {
    return detail::gamma_ratio<lower>(
        a, x, [](Vec<double> v) __attribute__((always_inline)) { return lgamma(v); }, 1e-17);
}
template <bool lower>
RL_INLINE Vec<float> incomplete_gamma(Vec<float> a, Vec<float> x) {
    const auto log_gamma = [](Vec<double> v) __attribute__((always_inline)) { return detail::lgamma_for_float(v); };
    Vec<double> a0, a1, x0, x1;
    widen(a, a0, a1);
    widen(x, x0, x1);
    return narrow(detail::gamma_ratio<lower>(a0, x0, log_gamma, 1e-10),
                  detail::gamma_ratio<lower>(a1, x1, log_gamma, 1e-10));
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
