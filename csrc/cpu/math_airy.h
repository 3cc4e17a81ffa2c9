// The Airy function Ai on vectors. Included by math.h only.
//
// With z = 2/3 |x|^(3/2): above 2.125 e^-z / (2 sqrt(pi) x^(1/4)) times a series in 1 / z, below -5 the phase form
// (Abramowitz and Stegun 10.4.59 and 10.4.60) with P and Q as series in 1 / z^2, between them three polynomials in x.
// All are Chebyshev expansions to 2^-57, written in powers. float goes through double.
#pragma once

#include "cpu/math_explog.h"
#include "cpu/math_trig.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace m {
namespace detail {

RL_INLINE Vec<double> airy_middle(Vec<double> x) {  // -5 to 2.125
    using V = Vec<double>;
    const V first = poly(fma(x, 2 / 2.125, -1.0), 0.125608860231765256, -0.160167054314770216, 0.0753315832908523946,
                         -0.00690854522826349308, -0.00847974994182394376, 0.00410354475099507511,
                         -0.000615256300211007909, -0.000124978469720175254, 0.0000747155811858346092,
                         -0.0000123317241120231543, -6.69871743957206391e-7, 6.80246522287727527e-7,
                         -1.18143740565212107e-7, 7.98463495734021464e-11, 3.70496020634057607e-9,
                         -6.74447353647211365e-10, 1.85367716990809199e-11, 1.34421129864659822e-11,
                         -2.39376823062299875e-12, 7.74175128262652899e-14);
    const V zero = 0.0, split = -2.5;
    if (!any(x < zero)) return first;
    const V second = poly(fma(x, 0.8, 1.0), 0.520045477435299183, 0.173849454189897188, -0.507856911557909431,
                          0.112694017983529288, 0.110954812133434976, -0.0606006767130309314, 0.000113229547486720515,
                          0.00797784081317035798, -0.00211753300258326058, -0.000213341234404862633,
                          0.000219083631448801362, -0.0000338102232214226904, -6.39832696079001208e-6,
                          3.16623933659875762e-6, -2.94178908435246226e-7, -8.8956453460782826e-8,
                          2.81722568163772115e-8, -1.47329226709677819e-9, -7.56127230230254223e-10,
                          1.69070642627897373e-10, -1.17753863665742693e-14, -4.20946679818658484e-12);
    const V third = poly(fma(x, 0.8, 3.0), -0.25161270301422273, -0.790567457826470432, 0.73714659086198064,
                         0.690133356271219437, -0.488607947658269513, -0.130200534956197743, 0.140361796825899722,
                         -0.00455758662551309889, -0.0192273271983171991, 0.00417845477331786234,
                         0.0011528731539757491, -0.000563968251031620851, 0.000010650974970447281,
                         0.0000356167281705881975, -6.39510826112037163e-6, -8.94739965968849464e-7,
                         4.45990310248918e-7, -2.66130224894541504e-8, -1.42613815702279086e-8,
                         2.97973072564015263e-9, 9.00925047301818857e-11, -9.87774647038657929e-11,
                         8.79693598147747218e-12);
    return where(x < split, third, where(x < zero, second, first));
}
// z = 2/3 a^(3/2) in two doubles, a > 0, as an error of z is one of the phase. Beyond 1e12 the second could be too large.
RL_INLINE Vec<double> airy_phase(Vec<double> a, Vec<double>& low) {
    using V = Vec<double>;
    const V s = sqrt(a), square = s * s, s_low = ((a - square) - product_error(s, s, square)) * 0.5 / s;
    const V cube = a * s, cube_low = product_error(a, s, cube) + a * s_low;
    const V third = 0x1.5555555555555p-1, z = cube * third;
    const V rest = product_error(cube, third, z) + (cube * V(0x1.5555555555555p-55) + cube_low * third);
    low = where(z < V(1e12), rest, V(0.0));
    return z;
}
RL_INLINE Vec<double> airy_decaying(Vec<double> x) {  // from 2.125 on
    using V = Vec<double>;
    V low;
    const V a = fast_min(V(120.0), x), z = airy_phase(a, low), t = V(4.0) / z - 1.0;
    const V series = poly(t, 0.984519705994042798, -0.0139322438307699056, 0.00129179512648530487,
                          -0.000200593584773160377, 0.0000412286509971580714, -0.0000101825216972370547,
                          2.87092392045868771e-6, -8.95732995068449222e-7, 3.02958119279953146e-7,
                          -1.09510843637112717e-7, 4.18555550710899677e-8, -1.66719568331902397e-8,
                          6.91570031697235781e-9, -3.25106803465046154e-9, 1.54120876940677702e-9,
                          -2.70520329990447565e-10, 2.04360395878268312e-11, -4.98665733227404243e-10,
                          3.27790181769898208e-10, 1.76875036648223995e-10, -1.25607858532965424e-10,
                          -7.09171662187797733e-11, 4.40204011203873985e-11);
    return exp_of_sum(clamp_exp(-z), -low) * series * V(0.282094791773878143) / sqrt(sqrt(a));
}
RL_INLINE Vec<double> airy_waving(Vec<double> y) {  // Ai(-y) from 5 on
    using V = Vec<double>;
    V low;
    const V a = fast_min(V(1e100), y), z = airy_phase(a, low), r = V(1.0) / z, t = fma(r * r, 98.0, -1.0);
    const V p = poly(t, 0.999626808173279173, -0.000367727261846279022, 5.22916405514718716e-6,
                     -2.16710319702939579e-7, 1.64734045192339948e-8, -1.86751022116654482e-9,
                     2.81404314979708461e-10, -5.2480871127873391e-11, 1.16279570802692435e-11,
                     -2.94618364519336407e-12, 7.23478251954095704e-13, -2.03934101710139004e-13,
                     1.41974448286407126e-13, -5.62400241665109772e-14);
    const V q = r * poly(t, 0.0690680265671364712, -0.000365881675543591172, 9.88359965542983116e-6,
                         -5.8655004409384016e-7, 5.66985008583493509e-8, -7.66278677353693824e-9,
                         1.32295582435957437e-9, -2.75157299326187373e-10, 6.62765987283456743e-11,
                         -1.83700994701953669e-11, 5.61203841276485211e-12, -1.34835579859284768e-12,
                         3.897913569817264e-13, -4.62068358088852985e-13, 2.05142857076174519e-13);
    const V s0 = sin(z), c0 = cos(z), s = fma(c0, low, s0), c = fma(-s0, low, c0);
    return ((s + c) * p + (s - c) * q) * V(0.398942280401432678) / sqrt(sqrt(a));
}

}  // namespace detail

RL_INLINE Vec<double> airy_ai(Vec<double> x) {
    using V = Vec<double>;
    const V high = 2.125, low = -5.0;
    const Mask<double> decays = x > high, waves = x < low;
    V r = detail::airy_middle(fast_min(high, fast_max(low, x)));
    if (any(decays)) r = where(decays, detail::airy_decaying(fast_max(high, x)), r);
    if (any(waves)) r = where(waves, detail::airy_waving(fast_max(-low, -x)), r);
    return where(isnan(x), x, where(isinf(x), V(0.0), r));
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
