// Sampling of images at the points of a grid (Jaderberg et al., Spatial Transformer Networks, 2015).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/clones.h"
#include "cpu/parallel.h"
#include "ops/conv.h"
#include "ops/recompute.h"

namespace rl {

namespace {
enum Mode : int64_t { kBilinear, kNearest, kBicubic };
enum Padding : int64_t { kZeros, kBorder, kReflection };

// A number of 16 bits with arithmetic of its own: each step is rounded. Where a point lies between pixels is decided in
// the type of the grid, as in PyTorch.
template <class S> struct Narrow {
    S s;
    Narrow() = default;
    template <class A> requires std::is_arithmetic_v<A> Narrow(A v) : s(float(v)) {}
    template <class A> requires std::is_arithmetic_v<A> explicit operator A() const { return A(float(s)); }
    friend Narrow operator+(Narrow a, Narrow b) { return float(a.s) + float(b.s); }
    friend Narrow operator-(Narrow a, Narrow b) { return float(a.s) - float(b.s); }
    friend Narrow operator*(Narrow a, Narrow b) { return float(a.s) * float(b.s); }
    friend Narrow operator/(Narrow a, Narrow b) { return float(a.s) / float(b.s); }
    friend Narrow operator-(Narrow a) { return -float(a.s); }
    friend bool operator<(Narrow a, Narrow b) { return float(a.s) < float(b.s); }
    friend bool operator>(Narrow a, Narrow b) { return b < a; }
    friend bool operator>=(Narrow a, Narrow b) { return float(a.s) >= float(b.s); }
};
template <class T> T floor(T x) {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
        if (!(std::abs(x) < T(1e9))) return std::floor(x);
        T whole = T(int64_t(x));  // a call of the library's where the machine need not know the instruction
        return whole - T(whole > x);
    } else return T(std::floor(double(x)));
}
template <class T> T nearest(T x) { return T(std::nearbyint(double(x))); }
template <class T> T abs(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::abs(x);
    else return T(std::abs(double(x)));
}

// A coordinate in pixels and its derivative by the coordinate in [-1, 1].
template <class T> struct Coordinate {
    T x, slope;
};

template <class T> Coordinate<T> unnormalized(T g, int64_t size, bool align) {
    if (align) return {(g + 1) / 2 * T(size - 1), T(size - 1) / 2};
    return {((g + 1) * T(size) - 1) / 2, T(size) / 2};
}
template <class T> Coordinate<T> clipped(Coordinate<T> c, int64_t size) {
    if (!(c.x > 0)) return {0, 0};
    if (c.x >= T(size - 1)) return {T(size - 1), 0};
    return c;
}
// Back and forth between low / 2 and high / 2.
template <class T> Coordinate<T> reflected(Coordinate<T> c, int64_t twice_low, int64_t twice_high) {
    if (twice_low == twice_high) return {0, 0};
    T low = T(twice_low) / 2, span = T(twice_high - twice_low) / 2, x = c.x - low, sign = 1;
    if (x < 0) x = -x, sign = -1;
    T extra = T(std::fmod(double(x), double(span)));
    bool odd = int64_t(floor(x / span)) % 2;
    return odd ? Coordinate<T>{span - extra + low, -sign * c.slope} : Coordinate<T>{extra + low, sign * c.slope};
}
template <class T> Coordinate<T> padded(Coordinate<T> c, int64_t size, int64_t padding, bool align) {
    if (padding == kBorder) return clipped(c, size);
    if (padding == kReflection) {
        c = align ? reflected(c, 0, 2 * (size - 1)) : reflected(c, -1, 2 * size - 1);
        return clipped(c, size);
    }
    if (!(abs(c.x) < T(1e9))) c.x = T(-100);  // far away or NaN: outside
    return c;
}
template <class T> int64_t to_int(T v) { return abs(v) < T(1e9) ? int64_t(v) : -100; }

// The inputs along one dimension of a sample, their weights, and the weights' derivatives by the coordinate in pixels.
template <class T> struct Axis {
    int n;
    int64_t index[4];  // -1: outside
    T weight[4], slope[4];
    T scale;  // derivative of pixels by [-1, 1]
};

template <class T> [[gnu::always_inline]] inline void cubic_weights(T t, T* w, T* d) {  // Keys, 1981, with a = -0.75
    const T a = T(-0.75);
    auto inner = [&](T x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    auto outer = [&](T x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    auto inner_d = [&](T x) { return (3 * (a + 2) * x - 2 * (a + 3)) * x; };
    auto outer_d = [&](T x) { return (3 * a * x - 10 * a) * x + 8 * a; };
    w[0] = outer(t + 1), w[1] = inner(t), w[2] = inner(1 - t), w[3] = outer(2 - t);
    d[0] = outer_d(t + 1), d[1] = inner_d(t), d[2] = -inner_d(1 - t), d[3] = -outer_d(2 - t);
}

template <class T> Axis<T> axis(T g, int64_t size, int64_t mode, int64_t padding, bool align) {
    Axis<T> a;
    Coordinate<T> c = unnormalized(g, size, align);
    auto inside = [&](int64_t i) { return i >= 0 && i < size ? i : -1; };
    if (mode == kBicubic) {
        a.n = 4, a.scale = c.slope;
        T base = floor(c.x);
        cubic_weights(c.x - base, a.weight, a.slope);
        for (int k = 0; k < 4; k++) a.index[k] = inside(to_int(padded<T>({base - 1 + T(k), 1}, size, padding, align).x));
        return a;
    }
    c = padded(c, size, padding, align);
    a.scale = c.slope;
    if (mode == kNearest) {
        a.n = 1, a.index[0] = inside(to_int(nearest(c.x))), a.weight[0] = 1, a.slope[0] = 0;
        return a;
    }
    T base = floor(c.x), part = c.x - base;
    a.n = 2;
    for (int k = 0; k < 2; k++) a.index[k] = inside(to_int(base) + k);
    a.weight[0] = 1 - part, a.weight[1] = part, a.slope[0] = -1, a.slope[1] = 1;
    return a;
}

// The geometry of a call, with one or two dimensions of size 1 in front where there are fewer than three.
struct Sampling {
    int64_t n, channels, points, dims, size[3], mode, padding;
    bool align;
    int64_t area() const { return size[0] * size[1] * size[2]; }
};
Sampling sampling(const Dims& input, const Dims& grid, int64_t mode, int64_t padding, bool align) {
    Sampling s{input[0], input[1], 1, int64_t(input.size()) - 2, {1, 1, 1}, mode, padding, align};
    for (int64_t i = 0; i < s.dims; i++) s.size[3 - s.dims + i] = input[size_t(i) + 2], s.points *= grid[size_t(i) + 1];
    return s;
}

// Up to kPoints samples, tap by tap. Of one dimension: the index, or -1 outside, its weight, and the weight's derivative by the
// coordinate in [-1, 1].
constexpr int kPoints = 64, kTaps = 16;
template <class T, class I> struct AxisTaps {
    int n = 1;
    I index[4][kPoints];
    T weight[4][kPoints], slope[4][kPoints];
};
// Of the image: the pixel, or -1 outside, its weight, and the weight's derivatives by the coordinates. Worked out once for all
// channels, which are then gone through plane by plane.
template <class T, class I> struct Taps {
    int count = 0;
    I pixel[kTaps][kPoints];
    T weight[kTaps][kPoints], slope[3][kTaps][kPoints];
};

// One dimension of n points, whose coordinates lie `step` apart.
template <class T, class I, class G> void fill_axis(const G* g, int64_t step, int n, int64_t size, const Sampling& s, AxisTaps<T, I>& out) {
    for (int p = 0; p < n; p++) {
        Axis<G> a = axis(g[p * step], size, s.mode, s.padding, s.align);
        out.n = a.n;
        for (int k = 0; k < a.n; k++) out.index[k][p] = I(a.index[k]), out.weight[k][p] = T(a.weight[k]), out.slope[k][p] = T(a.slope[k]) * T(a.scale);
    }
}
// The same of floats where the coordinate is not reflected: in loops that become vectors.
constexpr int64_t kPlainSize = 1 << 22;  // floats below it are rounded by an addition
RL_CLONES void fill_axis_plainly(const float* g, int64_t step, int n, int64_t length, const Sampling& s, bool slopes, AxisTaps<float, int32_t>& out) {
    const int32_t size = int32_t(length);
    const bool border = s.padding == kBorder, cubic = s.mode == kBicubic;
    const float last = float(size - 1), by_pixel = s.align ? last / 2 : float(size) / 2;
    float x[kPoints], part[kPoints], scale[kPoints];
    int32_t base[kPoints];
    if (step == 2)
        for (int p = 0; p < n; p++) x[p] = g[2 * p];
    else
        for (int p = 0; p < n; p++) x[p] = g[p * step];
    const bool align = s.align;
    for (int p = 0; p < n; p++) x[p] = align ? (x[p] + 1) / 2 * last : ((x[p] + 1) * float(size) - 1) / 2, scale[p] = by_pixel;
    if (border && !cubic)
        for (int p = 0; p < n; p++) {
            const bool low = !(x[p] > 0), high = x[p] >= last;
            scale[p] = (low | high) ? 0.0f : by_pixel;
            x[p] = low ? 0.0f : high ? last : x[p];
        }
    if (s.mode == kNearest) {
        out.n = 1;
        for (int p = 0; p < n; p++) {
            const float at = std::abs(x[p]) < float(kPlainSize) ? x[p] : -100.0f;
            const int32_t i = int32_t((at + 12582912.0f) - 12582912.0f);  // 1.5 * 2^23: the nearest, of two the even one
            out.index[0][p] = i >= 0 && i < size ? i : -1, out.weight[0][p] = 1, out.slope[0][p] = 0;
        }
        return;
    }
    float near[kPoints];  // or 0 where x is too large for an int32; loops apart, as together they would not become vectors
    for (int p = 0; p < n; p++) near[p] = std::abs(x[p]) < 1e9f ? x[p] : 0.0f;
    for (int p = 0; p < n; p++) {
        const int32_t cut = int32_t(near[p]);
        base[p] = cut - int32_t(float(cut) > near[p]);
    }
    for (int p = 0; p < n; p++) {
        const float rest = near[p] - float(base[p]), far = x[p] - x[p];  // 0 of what is so large, NaN of NaN and infinities
        const int32_t beyond = x[p] > 0 ? 1000000000 : -100;
        const bool is_near = std::abs(x[p]) < 1e9f;
        base[p] = is_near ? base[p] : beyond, part[p] = is_near ? rest : far;
    }
    out.n = cubic ? 4 : 2;
    const int32_t before = cubic ? 1 : 0;
    for (int k = 0; k < out.n; k++)
        for (int p = 0; p < n; p++) {
            const int32_t i = base[p] - before + k;
            out.index[k][p] = border && cubic ? (i < 0 ? 0 : i < size ? i : size - 1) : (i >= 0) & (i < size) ? i : -1;
        }
    if (cubic)
        for (int p = 0; p < n; p++) {
            float w[4], d[4];
            cubic_weights(part[p], w, d);
            out.weight[0][p] = w[0], out.weight[1][p] = w[1], out.weight[2][p] = w[2], out.weight[3][p] = w[3];
            if (slopes) out.slope[0][p] = d[0] * scale[p], out.slope[1][p] = d[1] * scale[p], out.slope[2][p] = d[2] * scale[p], out.slope[3][p] = d[3] * scale[p];
        }
    else
        for (int p = 0; p < n; p++) out.weight[0][p] = 1 - part[p], out.weight[1][p] = part[p];
    if (!cubic && slopes)
        for (int p = 0; p < n; p++) out.slope[0][p] = -scale[p], out.slope[1][p] = scale[p];
}

template <class T, class I> [[gnu::always_inline]] inline void combine_axes(const AxisTaps<T, I>* a, const int64_t* size, int n, bool slopes, Taps<T, I>& out) {
    int t = 0;
    for (int i = 0; i < a[0].n; i++)
        for (int j = 0; j < a[1].n; j++)
            for (int k = 0; k < a[2].n; k++, t++) {
                const I height = I(size[1]), width = I(size[2]);
                for (int p = 0; p < n; p++) {
                    const I z = a[0].index[i][p], y = a[1].index[j][p], x = a[2].index[k][p];
                    const I at = (z * height + y) * width + x;
                    out.pixel[t][p] = (z | y | x) < 0 ? I(-1) : at;
                    out.weight[t][p] = a[0].weight[i][p] * a[1].weight[j][p] * a[2].weight[k][p];
                }
                for (int p = 0; slopes && p < n; p++) {
                    const T wz = a[0].weight[i][p], wy = a[1].weight[j][p], wx = a[2].weight[k][p];
                    out.slope[0][t][p] = a[0].slope[i][p] * wy * wx;
                    out.slope[1][t][p] = wz * a[1].slope[j][p] * wx;
                    out.slope[2][t][p] = wz * wy * a[2].slope[k][p];
                }
            }
    out.count = t;
}
// Means of a plane's pixels, and the products of v with them.
template <class T, class I> [[gnu::always_inline]] inline void sum_taps(const Taps<T, I>& taps, const T* from, int n, T* y) {
    T sum[kPoints] = {};
    for (int t = 0; t < taps.count; t++)
        for (int p = 0; p < n; p++) {
            const I i = taps.pixel[t][p];
            const T v = from[i < 0 ? 0 : i];
            sum[p] += i < 0 ? T(0) : taps.weight[t][p] * v;
        }
    for (int p = 0; p < n; p++) y[p] = sum[p];
}
template <class T, class I> [[gnu::always_inline]] inline void add_products(const Taps<T, I>& taps, const T* from, int n, const T* v, T (*dots)[kPoints]) {
    for (int t = 0; t < taps.count; t++)
        for (int p = 0; p < n; p++) {
            const I i = taps.pixel[t][p];
            const T x = from[i < 0 ? 0 : i];
            dots[t][p] += i < 0 ? T(0) : v[p] * x;
        }
}
using FloatTaps = Taps<float, int32_t>;
RL_CLONES void combine(const AxisTaps<float, int32_t>* a, const int64_t* size, int n, bool slopes, FloatTaps& out) { combine_axes(a, size, n, slopes, out); }
RL_CLONES void sample_plane(const FloatTaps& taps, const float* from, int n, float* y) { sum_taps(taps, from, n, y); }
RL_CLONES void multiply_plane(const FloatTaps& taps, const float* from, int n, const float* v, float (*dots)[kPoints]) { add_products(taps, from, n, v, dots); }
template <class T, class I> void combine(const AxisTaps<T, I>* a, const int64_t* size, int n, bool slopes, Taps<T, I>& out) { combine_axes(a, size, n, slopes, out); }
template <class T, class I> void sample_plane(const Taps<T, I>& taps, const T* from, int n, T* y) { sum_taps(taps, from, n, y); }
template <class T, class I> void multiply_plane(const Taps<T, I>& taps, const T* from, int n, const T* v, T (*dots)[kPoints]) { add_products(taps, from, n, v, dots); }

template <class T, class I, class G> void find_axes(const Sampling& s, const G* grid, int n, bool slopes, AxisTaps<T, I>* a) {
    for (int i = 0; i < 3; i++) {
        const G* g = grid + 2 - i;  // the grid holds x, y, z
        if (i < 3 - s.dims) std::fill_n(a[i].index[0], n, I(0)), std::fill_n(a[i].weight[0], n, T(1)), std::fill_n(a[i].slope[0], n, T(0));
        else if constexpr (std::is_same_v<G, float> && std::is_same_v<I, int32_t>)
            s.padding == kReflection || s.size[i] >= kPlainSize ? fill_axis(g, s.dims, n, s.size[i], s, a[i]) : fill_axis_plainly(g, s.dims, n, s.size[i], s, slopes, a[i]);
        else fill_axis(g, s.dims, n, s.size[i], s, a[i]);
    }
}
template <class T, class I, class G> void find_taps(const Sampling& s, const G* grid, int n, bool slopes, Taps<T, I>& taps) {
    AxisTaps<T, I> a[3];
    find_axes(s, grid, n, slopes, a);
    combine(a, s.size, n, slopes, taps);
}

// Bilinear samples of planes: the four pixels around a point are two pairs that lie side by side, the upper and the lower one,
// which are two loads. At the edge a pair is moved inside; `inside` is all ones where a pixel counts.
struct Corners {
    int32_t upper[kPoints], lower[kPoints], inside[kPoints][4];
    float weight[kPoints][4];
};
RL_CLONES void find_corners(const AxisTaps<float, int32_t>& y, const AxisTaps<float, int32_t>& x, int32_t width, int n, Corners& out) {
    for (int p = 0; p < n; p++) {
        const int32_t x0 = x.index[0][p], x1 = x.index[1][p], y0 = y.index[0][p], y1 = y.index[1][p];
        const bool first = x0 >= 0, second = x1 >= 0, both = first & second;
        const float w0 = x.weight[0][p], w1 = x.weight[1][p], left = both ? w0 : w1, right = both ? w1 : w0;
        const int32_t column = both ? x0 : first ? width - 2 : 0, in_left = -int32_t(second), in_right = -int32_t(first);
        const int32_t in_upper = -int32_t(y0 >= 0), in_lower = -int32_t(y1 >= 0);
        out.upper[p] = (y0 < 0 ? 0 : y0) * width + column, out.lower[p] = (y1 < 0 ? 0 : y1) * width + column;
        out.weight[p][0] = y.weight[0][p] * left, out.weight[p][1] = y.weight[0][p] * right;
        out.weight[p][2] = y.weight[1][p] * left, out.weight[p][3] = y.weight[1][p] * right;
        out.inside[p][0] = in_upper & in_left, out.inside[p][1] = in_upper & in_right;
        out.inside[p][2] = in_lower & in_left, out.inside[p][3] = in_lower & in_right;
    }
    for (int p = n; p < (n + 3) / 4 * 4; p++) {
        out.upper[p] = out.lower[p] = 0;
        for (int k = 0; k < 4; k++) out.inside[p][k] = 0, out.weight[p][k] = 0;
    }
}
using Four = float __attribute__((vector_size(16)));
using FourInts = int32_t __attribute__((vector_size(16)));
inline Four weighted_corners(const Corners& c, const float* from, int p) {
    using Two = double __attribute__((vector_size(16)));
    double upper, lower;
    std::memcpy(&upper, from + c.upper[p], 8), std::memcpy(&lower, from + c.lower[p], 8);
    FourInts inside;
    Four weight;
    std::memcpy(&inside, c.inside[p], 16), std::memcpy(&weight, c.weight[p], 16);
    // Both are cut: neither an infinity of a pixel outside nor a NaN of its weight counts.
    return Four(FourInts(Two{upper, lower}) & inside) * Four(FourInts(weight) & inside);
}
void sample_corners(const Corners& c, const float* from, int n, float* y) {
    for (int p = 0; p < n; p += 4) {
        const Four a = weighted_corners(c, from, p), b = weighted_corners(c, from, p + 1), d = weighted_corners(c, from, p + 2), e = weighted_corners(c, from, p + 3);
        const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const Four de = __builtin_shufflevector(d, e, 0, 4, 1, 5) + __builtin_shufflevector(d, e, 2, 6, 3, 7);
        const Four sum = __builtin_shufflevector(ab, de, 0, 1, 4, 5) + __builtin_shufflevector(ab, de, 2, 3, 6, 7);
        std::memcpy(y + p, &sum, size_t(std::min(4, n - p)) * sizeof(float));
    }
}
// f(image, first point, points) for blocks of an image's points, image after image.
template <class F> void each_block(const Sampling& s, int64_t begin, int64_t end, F f) {
    for (int64_t p = begin; p < end;) {
        int n = int(std::min({int64_t(kPoints), end - p, s.points - p % s.points}));
        f(p / s.points, p % s.points, n);
        p += n;
    }
}

template <class I, class T, class G> void sample(const Sampling& s, const T* x, const G* grid, T* y) {
    cpu::parallel_for(s.n * s.points, grain_for(8 * s.channels), [&](int64_t begin, int64_t end) {
        constexpr bool floats = std::is_same_v<G, float> && std::is_same_v<I, int32_t>;
        if constexpr (floats)
            if (s.dims == 2 && s.mode == kBilinear && s.size[2] >= 2) {
                AxisTaps<float, int32_t> a[3];
                Corners corners;
                return each_block(s, begin, end, [&](int64_t image, int64_t first, int n) {
                    find_axes(s, grid + (image * s.points + first) * 2, n, false, a);
                    find_corners(a[1], a[2], int32_t(s.size[2]), n, corners);
                    for (int64_t c = image * s.channels; c < (image + 1) * s.channels; c++) sample_corners(corners, x + c * s.area(), n, y + c * s.points + first);
                });
            }
        Taps<T, I> taps;
        each_block(s, begin, end, [&](int64_t image, int64_t first, int n) {
            find_taps(s, grid + (image * s.points + first) * s.dims, n, false, taps);
            for (int64_t c = image * s.channels; c < (image + 1) * s.channels; c++) sample_plane(taps, x + c * s.area(), n, y + c * s.points + first);
        });
    });
}
// Adds to gx (may be null) and writes gg.
template <class I, class T, class G> void sample_backward(const Sampling& s, const T* g, const T* x, const G* grid, T* gx, T* gg) {
    cpu::parallel_for(s.n, s.n * s.points * s.channels < kGrain / 8 ? s.n + 1 : 2, [&](int64_t begin, int64_t end) {
        Taps<T, I> taps;
        T dots[kTaps][kPoints];
        each_block(s, begin * s.points, end * s.points, [&](int64_t image, int64_t first, int n) {
            find_taps(s, grid + (image * s.points + first) * s.dims, n, true, taps);
            for (int t = 0; t < taps.count; t++) std::fill_n(dots[t], n, T(0));
            for (int64_t c = image * s.channels; c < (image + 1) * s.channels; c++) {
                const T* v = g + c * s.points + first;
                multiply_plane(taps, x + c * s.area(), n, v, dots);
                T* to = gx ? gx + c * s.area() : nullptr;
                for (int t = 0; to && t < taps.count; t++)
                    for (int p = 0; p < n; p++)
                        if (I at = taps.pixel[t][p]; at >= 0) to[at] += taps.weight[t][p] * v[p];
            }
            for (int64_t i = 0; i < s.dims; i++)
                for (int p = 0; p < n; p++) {
                    T d = 0;
                    for (int t = 0; t < taps.count; t++)
                        if (taps.pixel[t][p] >= 0) d += dots[t][p] * taps.slope[2 - i][t][p];
                    gg[(image * s.points + first + p) * s.dims + i] = d;
                }
        });
    });
}

// What is constant about one dimension of a call: for every point the first weight's argument, its derivative by the
// coordinate in [-1, 1], and for each tap the index and whether it is inside.
struct AxisTensors {
    Tensor part, scale;
    Tensors index, inside;
};
AxisTensors axis_tensors(const Tensor& coordinates, int64_t size, int64_t mode, int64_t padding, bool align) {
    int64_t n = coordinates.numel(), taps = mode == kBicubic ? 4 : mode == kNearest ? 1 : 2;
    Tensor g = cast_raw(coordinates, DType::Float64);
    AxisTensors r{empty(coordinates.sizes(), DType::Float64), empty(coordinates.sizes(), DType::Float64), {}, {}};
    for (int64_t k = 0; k < taps; k++) r.index.push_back(empty(coordinates.sizes(), DType::Int64)), r.inside.push_back(empty(coordinates.sizes(), DType::Float64));
    for (int64_t i = 0; i < n; i++) {
        Axis<double> a = axis(g.data<double>()[i], size, mode, padding, align);
        double x = unnormalized(g.data<double>()[i], size, align).x;
        r.part.data<double>()[i] = mode == kBicubic ? x - std::floor(x) : mode == kBilinear ? a.weight[1] : 0;
        r.scale.data<double>()[i] = a.scale;
        for (int64_t k = 0; k < taps; k++) r.index[size_t(k)].data<int64_t>()[i] = std::max<int64_t>(a.index[k], 0), r.inside[size_t(k)].data<double>()[i] = a.index[k] >= 0;
    }
    return r;
}
// The weights of a dimension as functions of its coordinates.
Tensors weights_by_operators(const AxisTensors& a, const Tensor& g, int64_t mode) {
    DType t = g.dtype();
    Tensor x = add(to(a.part, t), mul(sub(g, detach(g)), to(a.scale, t)));
    Tensors w;
    if (mode == kNearest) w = {ones(g.sizes(), t)};
    else if (mode == kBilinear) w = {sub(ones(g.sizes(), t), x), x};
    else {
        const double c = -0.75;
        auto horner = [&](const Tensor& v, double k3, double k2, double k1, double k0) { return add(mul(add(mul(add(mul(v, Scalar(k3)), Scalar(k2)), v), Scalar(k1)), v), Scalar(k0)); };
        auto inner = [&](const Tensor& v) { return horner(v, c + 2, -(c + 3), 0, 1); };
        auto outer_part = [&](const Tensor& v) { return horner(v, c, -5 * c, 8 * c, -4 * c); };
        Tensor y = add(neg(x), Scalar(1));
        w = {outer_part(add(x, Scalar(1))), inner(x), inner(y), outer_part(add(y, Scalar(1)))};
    }
    for (size_t k = 0; k < w.size(); k++) w[k] = mul(w[k], to(a.inside[k], t));
    return w;
}
Tensor sample_by_operators(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding, bool align) {
    int64_t n = input.size(0), channels = input.size(1), dims = input.dim() - 2, points = 1, area = 1;
    for (int64_t d = 0; d < dims; d++) points *= grid.size(d + 1), area *= input.size(d + 2);
    Tensor flat = reshape(input, {n, channels, area}), at = reshape(grid, {n, points, dims}), r;
    std::vector<AxisTensors> axes;
    std::vector<Tensors> weights;
    for (int64_t d = 0; d < dims; d++) {
        Tensor g = select(at, 2, dims - 1 - d);
        axes.push_back(axis_tensors(detach(g), input.size(d + 2), mode, padding, align));
        weights.push_back(weights_by_operators(axes.back(), g, mode));
    }
    auto visit = [&](auto&& self, int64_t d, const Tensor& index, const Tensor& weight) -> void {
        if (d == dims) {
            Tensor taken = gather(flat, 2, expand(unsqueeze(index, 1), {n, channels, points})), part = mul(taken, unsqueeze(weight, 1));
            r = r ? add(r, part) : part;
            return;
        }
        for (size_t k = 0; k < weights[size_t(d)].size(); k++) {
            const Tensor &i = axes[size_t(d)].index[k], &w = weights[size_t(d)][k];
            self(self, d + 1, d ? add(mul(index, Scalar(input.size(d + 2))), i) : i, d ? mul(weight, w) : w);
        }
    };
    visit(visit, 0, {}, {});
    Dims sizes(Ints(grid.sizes()).first(size_t(dims) + 1));
    sizes.insert(1, channels);
    return reshape(r, sizes);
}

DType sampled_in(DType t) { return t == DType::Float64 ? t : DType::Float32; }
// f(type of computation, type of the coordinates)
template <class F> void dispatch_points(DType t, F f) {
    if (t == DType::Float64) f(Tag<double>{}, Tag<double>{});
    else if (t == DType::BFloat16) f(Tag<float>{}, Tag<Narrow<BFloat16>>{});
    else if (t == DType::Float16) f(Tag<float>{}, Tag<Narrow<Half>>{});
    else f(Tag<float>{}, Tag<float>{});
}
}  // namespace

// The result's sizes; says what is wrong with the arguments.
static Dims sampled_sizes(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding) {
    check(input.dim() >= 3 && input.dim() == grid.dim(), "grid_sampler(): expected grid and input to have same number of dimensions, but got input with sizes ", input.sizes(), " and grid with sizes ", grid.sizes());
    check(input.sizes()[0] == grid.sizes()[0], "grid_sampler(): expected grid and input to have same batch size, but got input with sizes ", input.sizes(), " and grid with sizes ", grid.sizes());
    check(grid.sizes().back() == input.dim() - 2, "grid_sampler(): expected grid to have size ", input.dim() - 2, " in last dimension, but got grid with sizes ", grid.sizes());
    for (int64_t d = 2; d < input.dim(); d++)
        check(input.sizes()[size_t(d)] > 0, "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ", input.sizes(), " with dimension ", d, " being empty");
    check(input.dim() == 4 || input.dim() == 5, "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ", input.sizes(), " and grid with sizes ", grid.sizes());
    check(mode != kBicubic || input.dim() == 4, "grid_sampler(): bicubic interpolation only supports 4D input");
    check(input.dtype() == grid.dtype(), "expected scalar type ", title(input.dtype()), " but found ", title(grid.dtype()), " (grid_sampler)");
    check(is_floating(input.dtype()), Err::NotImplemented, "\"grid_sampler_2d_cpu\" not implemented for '", title(input.dtype()), "'");
    Dims sizes(Ints(grid.sizes()).first(size_t(grid.dim() - 1)));
    sizes.insert(1, input.sizes()[1]);
    check(mode >= 0 && mode <= 2 && padding >= 0 && padding <= 2, "grid_sampler(): interpolation_mode and padding_mode are 0, 1 or 2, but got ", mode, " and ", padding);
    return sizes;
}

struct GridSamplerBackward : Op<GridSamplerBackward> {
    SIG("grid_sampler_backward(Tensor grad_output, Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners, bool needs_input) -> (Tensor, Tensor)");
    DOC("Gradients of grid_sampler for input (None unless needs_input) and grid.");
    FORMS(FUNCTION);
    static std::tuple<Tensor, Tensor> forward(const Tensor& g, const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding, bool align, bool needs_input) {
        Dims sizes = sampled_sizes(input, grid, mode, padding);
        check(g.sizes() == sizes && g.dtype() == input.dtype(), "grid_sampler_backward(): expected a gradient of shape ", sizes, " and the input's dtype ", title(input.dtype()), ", but got ", g.sizes(), " and ", title(g.dtype()));
        if (g.is_meta()) return {needs_input ? empty(input.sizes(), g.dtype(), Device::Meta) : Tensor(), empty(grid.sizes(), g.dtype(), Device::Meta)};
        DType t = sampled_in(g.dtype());
        Tensor y = cast_raw(g, t), x = cast_raw(input, t), at = contiguous(grid);
        Tensor gx = needs_input ? zeros(input.sizes(), t) : Tensor(), gg = empty(grid.sizes(), t);
        Sampling s = sampling(input.sizes(), grid.sizes(), mode, padding, align);
        dispatch_points(grid.dtype(), [&](auto tag, auto point) {
            using T = typename decltype(tag)::type;
            auto run = [&](auto index) { sample_backward<decltype(index)>(s, y.data<T>(), x.data<T>(), at.data<typename decltype(point)::type>(), gx ? gx.data<T>() : nullptr, gg.data<T>()); };
            s.area() < INT32_MAX ? run(int32_t()) : run(int64_t());
        });
        return {gx ? cast_raw(gx, g.dtype()) : gx, cast_raw(gg, g.dtype())};
    }
};

struct GridSampler : Op<GridSampler> {
    SIG("grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor");
    DOC("input (N, C, ..) at the points grid (N, .., dims) in [-1, 1]: mode 0 bilinear, 1 nearest, 2 bicubic; padding 0 zeros, 1 border, 2 reflection.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding, bool align) {
        Dims sizes = sampled_sizes(input, grid, mode, padding);
        if (input.is_meta() || grid.is_meta()) return empty(sizes, input.dtype(), Device::Meta);
        DType t = sampled_in(input.dtype());
        Tensor x = cast_raw(input, t), at = contiguous(grid), r = empty(sizes, t);
        Sampling s = sampling(input.sizes(), grid.sizes(), mode, padding, align);
        dispatch_points(grid.dtype(), [&](auto tag, auto point) {
            using T = typename decltype(tag)::type;
            auto run = [&](auto index) { sample<decltype(index)>(s, x.data<T>(), at.data<typename decltype(point)::type>(), r.data<T>()); };
            s.area() < INT32_MAX ? run(int32_t()) : run(int64_t());
        });
        return cast_raw(r, input.dtype());
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        if (tls.grad) return recomputed_gradients({c.in<0>(), c.in<1>()}, {g}, [&](const Tensors& in) { return Tensors{sample_by_operators(in[0], in[1], c.arg<2>(), c.arg<3>(), c.arg<4>())}; });
        auto [gx, gg] = call<GridSamplerBackward>(g, c.in<0>(), c.in<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>(), c.needs<0>());
        return {gx, gg};
    }
};
OP(GridSampler);
OP(GridSamplerBackward);

static Tensor sampled(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding, bool align) {
    if (is_recorded(input) || is_recorded(grid)) return call<GridSampler>(input, grid, mode, padding, align);
    return GridSampler::forward(input, grid, mode, padding, align);
}

struct GridSample : Composite<GridSample> {
    SIG("nn::grid_sample(Tensor input, Tensor grid, str mode='bilinear', str padding_mode='zeros', bool? align_corners=None) -> Tensor");
    DOC("input (N, C, H, W) or (N, C, D, H, W) sampled at the points of grid, whose last dimension holds x, y(, z) in [-1, 1].");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& grid, const std::string& mode, const std::string& padding, const OptBool& align) {
        int64_t m = mode == "bilinear" ? kBilinear : mode == "nearest" ? kNearest : kBicubic, p = padding == "zeros" ? kZeros : padding == "border" ? kBorder : kReflection;
        check(m != kBicubic || mode == "bicubic", Err::Value, "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '", mode, "'");
        check(p != kReflection || padding == "reflection", Err::Value, "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '", padding, "'");
        return sampled(input, grid, m, p, align.value_or(false));
    }
};
OP(GridSample);

struct GridSampler2d : Composite<GridSampler2d> {
    SIG("grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor");
    DOC("grid_sampler of images (N, C, H, W).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding, bool corners) {
        check(input.dim() == 4, "grid_sampler(): expected 4D input, but got input with sizes ", input.sizes(), " (grid_sampler_2d)");
        return sampled(input, grid, mode, padding, corners);
    }
};
OP(GridSampler2d);

}  // namespace rl
