// Bessel functions of the first and second kind and modified ones of the second kind, orders 0 and 1, on vectors.
// Included by math.h only.
//
// J and Y: on [0, 8] series in x^2 / 32 - 1 (what is left of Y after 2/pi log(x) J, and -2 / (pi x) for order 1); beyond
// it Hankel's form (Abramowitz and Stegun 9.2.5), P and Q as series in 128 / x^2 - 1. K: on [0, 2] series in x^2 / 2 - 1
// after -+log(x / 2) I(x); beyond it sqrt(x) e^x K(x) in 4 / x - 1. All are Chebyshev expansions to 2^-57, written in powers.
// float goes through double.
#pragma once

#include "cpu/math_explog.h"
#include "cpu/math_trig.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace m {
namespace detail {

// J(x) / x^order on [0, 8], t = x^2 / 32 - 1
template <int order>
RL_INLINE Vec<double> j_small(Vec<double> t) {
    if constexpr (order == 0)
        return poly(t, 0.0458296648598137695, 0.930301247295857124, -0.648469283087183639, -0.808088807669687211,
                    1.03837946114372107, -0.507468045847100037, 0.145988848567592637, -0.0284727186108820456,
                    0.00405807898914099087, -0.000443545922431150286, 0.0000384731978559443629, -2.71774922363209801e-6,
                    1.5956109104549217e-7, -7.91532308295207015e-9, 3.36344757881736042e-10, -1.24330117127332599e-11,
                    4.00376328157967517e-13);
    else
        return poly(t, -0.0581438279559910704, 0.0810586603858979549, 0.151516651438066373, -0.259594865285930269,
                    0.15858376432721839, -0.0547458182128472191, 0.0124568143922633755, -0.00202903949457059979,
                    0.000249494581359726077, -0.0000240457486596869402, 1.86845260372060122e-6, -1.1967081867878012e-7,
                    6.43119017726583563e-9, -2.94301379800165898e-10, 1.16589723676786215e-11, -4.0045728425886456e-13);
}
template <int order>
RL_INLINE Vec<double> y_small(Vec<double> t) {
    if constexpr (order == 0)
        return poly(t, -0.382250654459425016, -0.82843589036045878, 1.64709647887454667, 0.14412632369302474,
                    -1.07754773382159952, 0.672177078343167875, -0.218957470961716286, 0.0463670476813751263,
                    -0.00702574105727096997, 0.000806158605961635978, -0.0000727954188245411515, 5.32131881039971413e-6,
                    -3.21850784459359253e-7, 1.63908750140774054e-8, -7.13046146536789002e-10, 2.69269380545240581e-11,
                    -8.8401120960731007e-13);
    else
        return poly(t, 0.0707598588211800541, -0.243377430791931138, 0.0233675717209934793, 0.235072092066697545,
                    -0.196398398599302039, 0.0785478692224253149, -0.0196287568331171108, 0.0034224907399188497,
                    -0.000443817343442014687, 0.0000446743301264636494, -3.6010000225904579e-6, 2.3804930420514178e-7,
                    -1.31531473670949513e-8, 6.16968802906696478e-10, -2.49953154617124886e-11, 8.76000114397785313e-13);
}
// Hankel's form for x >= 8, without the factor 1 / sqrt(pi x): P and Q of the phase.
template <int order>
RL_INLINE void hankel(Vec<double> x, Vec<double>& p, Vec<double>& q) {
    const Vec<double> r = Vec<double>(8.0) / x, t = fma(r * r, 2.0, -1.0);
    if constexpr (order == 0) {
        p = poly(t, 0.999457275788251954, -0.000536367319212967253, 6.13741608010949751e-6, -2.05274482611706756e-7,
                 1.28037614408009201e-8, -1.21210981789513772e-9, 1.55005654966325966e-10, -2.49114653547166607e-11,
                 4.78699582136802789e-12, -1.01574850210656759e-12, 2.45317729673450063e-13, -1.02517900528310127e-13,
                 3.33945225907080903e-14);
        q = r * poly(t, -0.0155551138795135187, 0.0000683314909934388693, -1.47713883265012193e-6,
                     7.10621485952343733e-8, -5.66871604670429242e-9, 6.43278158567382264e-10, -9.47041312362149996e-11,
                     1.70331423595218745e-11, -3.58840138388814321e-12, 8.59756859572107644e-13, -2.3420509294291198e-13,
                     6.96283350177495953e-14, -1.64218943735331705e-14, 4.68798153150790124e-15, -5.07176205300379232e-15,
                     2.14490295782934471e-15);
    } else {
        p = poly(t, 1.00090702627808217, 0.000898804941670518273, -7.9596946984383005e-6, 2.45367663336669291e-7,
                 -1.47085129912752573e-8, 1.36029692538779485e-9, -1.71310748529413107e-10, 2.72345126828133993e-11,
                 -5.19115800464654802e-12, 1.09548264792776238e-12, -2.63357606724610955e-13, 1.09237136530794624e-13,
                 -3.5455617466606254e-14);
        q = r * poly(t, 0.0467768740274489776, -0.00009621458822054633, 1.82120185123142647e-6,
                     -8.29196070131351744e-8, 6.42013249633899069e-9, -7.151113611051071e-10, 1.03950966875478268e-10,
                     -1.8520736145988994e-11, 3.87545604653821853e-12, -9.33138059712286969e-13, 2.50341096845823079e-13,
                     -6.14467578709568816e-14, 1.74953305668399661e-14, -1.34490193399732693e-14, 5.34452727774352204e-15);
    }
}
// Second: Y, else J. x >= 8.
template <int order, bool second>
RL_INLINE Vec<double> bessel_far(Vec<double> x) {
    using V = Vec<double>;
    V p, q;
    hankel<order>(x, p, q);
    const V s = sin(x), c = cos(x), sum = s + c, difference = s - c;
    V r;
    if constexpr (order == 0)
        r = second ? fma(p, difference, q * sum) : fma(p, sum, -(q * difference));
    else
        r = second ? fma(q, difference, -(p * sum)) : fma(p, difference, q * sum);
    return where(isinf(x), V(0.0), r / sqrt(x * V(3.14159265358979323846)));
}
template <int order>
RL_INLINE Vec<double> j_near(Vec<double> a) {
    const Vec<double> r = j_small<order>(fma(a * a, 1.0 / 32, -1.0));
    return order == 0 ? r : r * a;
}
template <int order>
RL_INLINE Vec<double> j_positive(Vec<double> a) {
    using V = Vec<double>;
    const V limit = 8.0, near = j_near<order>(fast_min(limit, a));
    const Mask<double> far = a > limit;
    if (__builtin_expect(!any(far), 1)) return near;
    return where(far, bessel_far<order, false>(where(far, a, limit)), near);
}
template <int order>
RL_INLINE Vec<double> y_positive(Vec<double> a) {
    using V = Vec<double>;
    const V limit = 8.0, x = fast_min(limit, a), two_over_pi = 0.636619772367581343;
    V near = y_small<order>(fma(x * x, 1.0 / 32, -1.0));
    if constexpr (order == 0)
        near = fma(two_over_pi * log(x), j_near<0>(x), near);
    else
        near = fma(two_over_pi, fma(log(x), j_near<1>(x), -(V(1.0) / x)), near * x);
    const Mask<double> far = a > limit;
    if (__builtin_expect(!any(far), 1)) return near;
    return where(far, bessel_far<order, true>(where(far, a, limit)), near);
}

template <int order>
RL_INLINE Vec<double> k_near(Vec<double> x) {  // 0 < x <= 2
    using V = Vec<double>;
    const V t = fma(x * x, 0.5, -1.0), half_log = log(x * 0.5);
    if constexpr (order == 0) {
        const V i = poly(t, 1.56608292975635054, 0.635861728156068555, 0.0735898683610533491, 0.00392856510563680845,
                       0.000119820685816344099, 2.35757898789382156e-6, 3.23622735237653793e-8, 3.27324784353647008e-10,
                       2.5398791970311192e-12, 1.55917222555109246e-14);
        return poly(t, -0.303620772915755471, 0.340497321013380592, 0.0717770103424050959, 0.00505339264319609224,
                    0.000182805558279155401, 4.054506619949891e-6, 6.09336189417211383e-8, 6.62301327279445242e-10,
                    5.4525646627725857e-12, 3.5186315158547223e-14) - half_log * i;
    } else {
        const V i = x * poly(t, 0.635861728156068555, 0.147179736722106686, 0.0117856953169104252,
                           0.000479282743265497656, 0.0000117878949394699314, 1.94173640851568072e-7,
                           2.29127348893804084e-9, 2.03192275923847676e-11, 1.40326378864295364e-13);
        return poly(t, 0.885088287729589352, -0.332240955240313085, -0.243838528867743653, -0.0278542352197718428,
                    -0.00138316884661530654, -0.0000389186906437163317, -7.08113377018467868e-7, -9.03212750174067852e-9,
                    -8.53273511404977968e-11, -6.21427161732957679e-13, -3.59621810144577925e-15) / x + half_log * i;
    }
}
template <int order>
RL_INLINE Vec<double> k_far(Vec<double> x) {  // e^x K(x) for x > 2
    const Vec<double> t = Vec<double>(4.0) / x - 1.0;
    if constexpr (order == 0)
        return poly(t, 1.21859533851339053, -0.0310714618248895179, 0.00303289181027532063, -0.00047976905676623142,
                    0.0000995605474202941897, -0.0000247352045614669078, 7.00224564575565101e-6, -2.19117778801552786e-6,
                    7.42780123219009592e-7, -2.68906624729016114e-7, 1.02954317593911996e-7, -4.13392305210438506e-8,
                    1.70475358842496961e-8, -7.28638090733766528e-9, 3.80839985991904293e-9, -1.93094448758457035e-9,
                    4.75754470577637414e-11, 1.78870958384764824e-10, 8.13391320546411457e-10, -5.54105144606568317e-10,
                    -3.11993612968210501e-10, 2.21375809759100787e-10, 1.09269835372687348e-10, -6.91045387567057142e-11) /
               sqrt(x);
    else
        return poly(t, 1.36315189037134197, 0.103349737753865229, -0.00556672988007458825, 0.000735724154908150139,
                    -0.000139590219562722241, 0.000032843865558254533, -8.96120738775002518e-6, 2.73004143356980291e-6,
                    -9.06708763337139326e-7, 3.22981191771518245e-7, -1.22031863519384035e-7, 4.84619522000918634e-8,
                    -1.98175771415911146e-8, 8.40938756536176953e-9, -4.33193998565862918e-9, 2.17577820258371747e-9,
                    -8.33622719599145647e-11, -1.79821384961750169e-10, -8.90859671092390567e-10, 6.04248229378283866e-10,
                    3.38678041678080041e-10, -2.39937659589946386e-10, -1.19316683931121581e-10, 7.52479548635393993e-11) /
               sqrt(x);
}
// K(x), or e^x K(x) if scaled; +inf at 0, NaN below.
template <int order, bool scaled>
RL_INLINE Vec<double> bessel_k(Vec<double> x) {
    using V = Vec<double>;
    const V limit = 2.0, zero = 0.0;
    V near = k_near<order>(fast_min(limit, x)), far = k_far<order>(fast_max(limit, x));
    if constexpr (scaled) near *= exp(fast_min(limit, x));
    else far *= exp(-x);
    const V r = where(x <= limit, near, far);
    return where(x == zero, V(inf<double>), where(x < zero, V(nan<double>), where(isnan(x), x, r)));
}

}  // namespace detail

RL_INLINE Vec<double> bessel_j0(Vec<double> x) { return where(isnan(x), x, detail::j_positive<0>(abs(x))); }
RL_INLINE Vec<double> bessel_j1(Vec<double> x) {
    const Vec<double> r = detail::j_positive<1>(abs(x));
    return where(isnan(x), x, where(x < Vec<double>(0.0), -r, r));
}
template <int order>
RL_INLINE Vec<double> bessel_y(Vec<double> x) {
    using V = Vec<double>;
    const V zero = 0.0, r = detail::y_positive<order>(where(x > zero, x, V(1.0)));
    return where(x > zero, r, where(x == zero, V(-detail::inf<double>), V(detail::nan<double>)));
}
RL_INLINE Vec<double> bessel_y0(Vec<double> x) { return bessel_y<0>(x); }
RL_INLINE Vec<double> bessel_y1(Vec<double> x) { return bessel_y<1>(x); }
RL_INLINE Vec<double> bessel_k0(Vec<double> x) { return detail::bessel_k<0, false>(x); }
RL_INLINE Vec<double> bessel_k1(Vec<double> x) { return detail::bessel_k<1, false>(x); }
RL_INLINE Vec<double> scaled_bessel_k0(Vec<double> x) { return detail::bessel_k<0, true>(x); }
RL_INLINE Vec<double> scaled_bessel_k1(Vec<double> x) { return detail::bessel_k<1, true>(x); }

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
