#include <type_traits>

#include "cpu/kernels/table.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

template <class T>
RL_INLINE Vec<T> load_part(const T* p, int width) {
    return width == Vec<T>::size ? Vec<T>::load(p) : Vec<T>::load(p, width);
}
template <class T>
RL_INLINE void store_part(Vec<T> v, T* p, int width) {
    width == Vec<T>::size ? v.store(p) : v.store(p, width);
}
// A row that may be absent: `fallback` stands for each of its elements.
template <class T>
RL_INLINE Vec<T> load_or(const T* p, int64_t i, int width, T fallback) {
    return p ? load_part(p + i, width) : Vec<T>(fallback);
}
template <class T>
struct Two {
    T first, second;
};

// Calls body(index, width) over the vectors of a run.
template <class T, class Body>
RL_INLINE void over(int64_t n, Body body) {
    constexpr int W = Vec<T>::size;
    int64_t i = 0;
    for (; i + W <= n; i += W) body(i, W);
    if (i < n) body(i, int(n - i));
}
// Two sums over a run at once; terms(index, width) gives both terms, zero in absent lanes. Blocks keep it accurate.
template <class T, class Terms>
RL_INLINE Two<double> two_sums(int64_t n, Terms terms) {
    using V = Vec<T>;
    constexpr int W = V::size;
    constexpr int64_t block = 4096;
    Two<double> total{0, 0};
    for (int64_t begin = 0; begin < n; begin += block) {
        const int64_t end = n - begin < block ? n : begin + block;
        V a[4], b[4];
        RL_UNROLL
        for (int j = 0; j < 4; ++j) a[j] = b[j] = V(T(0));
        int64_t i = begin;
        for (; i + 4 * W <= end; i += 4 * W) RL_UNROLL
        for (int j = 0; j < 4; ++j) {
            const auto t = terms(i + j * W, W);
            a[j] += t.first;
            b[j] += t.second;
        }
        for (; i < end; i += W) {
            const auto t = terms(i, int(end - i < W ? end - i : W));
            a[0] += t.first;
            b[0] += t.second;
        }
        total.first += double(hsum((a[0] + a[2]) + (a[1] + a[3])));
        total.second += double(hsum((b[0] + b[2]) + (b[1] + b[3])));
    }
    return total;
}

// The sum over a run; add(sum, index, width) adds one vector. The same blocks.
template <class T, class Add>
RL_INLINE double one_sum(int64_t n, Add add) {
    using V = Vec<T>;
    constexpr int W = V::size;
    constexpr int64_t block = 4096;
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += block) {
        const int64_t end = n - begin < block ? n : begin + block;
        V a[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
        int64_t i = begin;
        for (; i + 4 * W <= end; i += 4 * W) RL_UNROLL
        for (int j = 0; j < 4; ++j) a[j] = add(a[j], i + j * W, W);
        for (; i + W <= end; i += W) a[0] = add(a[0], i, W);
        if (i < end) a[1] = add(a[1], i, int(end - i));
        total += double(hsum((a[0] + a[2]) + (a[1] + a[3])));
    }
    return total;
}

template <class T>
void layer_norm(T* y, const T* x, const T* weight, const T* bias, int64_t n, T eps, T* mean, T* rstd) {
    using V = Vec<T>;
    const double total = one_sum<T>(
        n, [=](V acc, int64_t i, int w) __attribute__((always_inline)) { return acc + load_part(x + i, w); });
    const T centre = T(total / double(n));
    const double squares = one_sum<T>(n, [=](V acc, int64_t i, int w) __attribute__((always_inline)) {
        const V v = (w == V::size ? V::load(x + i) : V::load(x + i, w, centre)) - centre;
        return fma(v, v, acc);
    });
    const T scale = T(1 / __builtin_sqrt(squares / double(n) + double(eps)));
    *mean = centre;
    *rstd = scale;
    const auto finish = [=](auto has_weight, auto has_bias) __attribute__((always_inline)) {
        over<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
            V v = (load_part(x + i, w) - centre) * scale;
            if constexpr (has_weight && has_bias)
                v = fma(v, load_part(weight + i, w), load_part(bias + i, w));
            else if constexpr (has_weight)
                v *= load_part(weight + i, w);
            else if constexpr (has_bias)
                v += load_part(bias + i, w);
            store_part(v, y + i, w);
        });
    };
    constexpr std::true_type yes;
    constexpr std::false_type no;
    if (weight)
        bias ? finish(yes, yes) : finish(yes, no);
    else
        bias ? finish(no, yes) : finish(no, no);
}

template <class T>
void layer_norm_backward(T* gx, const T* gy, const T* x, const T* weight, int64_t n, T mean, T rstd) {
    using V = Vec<T>;
    const Two<double> s = two_sums<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const V g = load_part(gy + i, w) * load_or(weight, i, w, T(1));
        return Two<V>{g, g * (load_part(x + i, w) - mean)};
    });
    const T a = T(s.first / double(n)), b = T(s.second * double(rstd) * double(rstd) / double(n));
    over<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const V g = load_part(gy + i, w) * load_or(weight, i, w, T(1));
        const V centred = load_part(x + i, w) - mean;
        store_part(fma(-centred, V(b), g - a) * rstd, gx + i, w);
    });
}

template <class T>
void layer_norm_params(T* gweight, T* gbias, const T* gy, const T* x, int64_t n, T mean, T rstd) {
    using V = Vec<T>;
    over<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const V g = load_part(gy + i, w);
        if (gweight) {
            const V normal = (load_part(x + i, w) - mean) * rstd;
            store_part(fma(g, normal, load_part(gweight + i, w)), gweight + i, w);
        }
        if (gbias) store_part(load_part(gbias + i, w) + g, gbias + i, w);
    });
}

template <class T>
void rms_norm(T* y, const T* x, const T* weight, int64_t n, T eps, T* rstd) {
    using V = Vec<T>;
    const double squares = one_sum<T>(n, [=](V acc, int64_t i, int w) __attribute__((always_inline)) {
        const V v = load_part(x + i, w);
        return fma(v, v, acc);
    });
    const T scale = T(1 / __builtin_sqrt(squares / double(n) + double(eps)));
    *rstd = scale;
    over<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        store_part(load_part(x + i, w) * scale * load_or(weight, i, w, T(1)), y + i, w);
    });
}
template <class T>
void rms_norm_backward(T* gx, const T* gy, const T* x, const T* weight, int64_t n, T rstd) {
    using V = Vec<T>;
    const double dot = one_sum<T>(n, [=](V acc, int64_t i, int w) __attribute__((always_inline)) {
        return fma(load_part(gy + i, w) * load_or(weight, i, w, T(1)), load_part(x + i, w), acc);
    });
    const T b = T(dot * double(rstd) * double(rstd) / double(n));
    over<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const V g = load_part(gy + i, w) * load_or(weight, i, w, T(1));
        store_part(fma(-load_part(x + i, w), V(b), g) * rstd, gx + i, w);
    });
}

// ---- a channel is a contiguous run

template <class T>
void scale_shift(T* y, const T* x, int64_t n, T a, T b) {
    map<T>(n, y, [=](Vec<T> v) __attribute__((always_inline)) { return fma(v, a, b); }, x);
}
template <class T>
void combine(T* gx, const T* gy, const T* x, int64_t n, T a, T b, T c) {
    map<T>(
        n, gx, [=](Vec<T> g, Vec<T> v) __attribute__((always_inline)) { return fma(g, Vec<T>(a), fma(v, b, c)); }, gy,
        x);
}
template <class T>
void sum_and_dot(const T* gy, const T* x, int64_t n, T mean, double* sum, double* dot) {
    const Two<double> s = two_sums<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const Vec<T> g = load_part(gy + i, w);
        return Two<Vec<T>>{g, g * (load_part(x + i, w) - mean)};
    });
    *sum += s.first;
    *dot += s.second;
}

// ---- the channel is the last dimension

// Few channels do not fill a vector: then W rows are taken for one row of W times as many channels, the parameters
// being repeated. kNarrow is the number of channels up to which that is done; Repeated holds parameters so prepared.
template <class T>
constexpr int64_t kNarrow = 4 * Vec<T>::size;
template <class T>
RL_INLINE bool is_narrow(int64_t channels) {
    return channels < kNarrow<T> && channels % Vec<T>::size != 0;
}
template <class T>
struct Repeated {
    T data[kNarrow<T> * Vec<T>::size];
    RL_INLINE Repeated(const T* values, int64_t channels) {
        for (int64_t r = 0; r < Vec<T>::size; ++r)
            for (int64_t i = 0; i < channels; ++i) data[r * channels + i] = values[i];
    }
};

template <class T>
RL_INLINE void scale_shift_wide(T* y, const T* x, int64_t rows, int64_t channels, const T* a, const T* b) {
    for (int64_t r = 0; r < rows; ++r, x += channels, y += channels)
        over<T>(channels, [=](int64_t i, int w) __attribute__((always_inline)) {
            store_part(fma(load_part(x + i, w), load_part(a + i, w), load_part(b + i, w)), y + i, w);
        });
}
template <class T>
void scale_shift_rows(T* y, const T* x, int64_t rows, int64_t channels, const T* a, const T* b) {
    int64_t done = 0;
    if (is_narrow<T>(channels)) {
        constexpr int W = Vec<T>::size;
        const Repeated<T> wide_a(a, channels), wide_b(b, channels);
        scale_shift_wide(y, x, rows / W, channels * W, wide_a.data, wide_b.data);
        done = rows / W * W;
    }
    scale_shift_wide(y + done * channels, x + done * channels, rows - done, channels, a, b);
}

template <class T>
RL_INLINE void combine_wide(T* gx, const T* gy, const T* x, int64_t rows, int64_t channels, const T* a, const T* b,
                            const T* c) {
    for (int64_t r = 0; r < rows; ++r, x += channels, gy += channels, gx += channels)
        over<T>(channels, [=](int64_t i, int w) __attribute__((always_inline)) {
            const Vec<T> t = fma(load_part(x + i, w), load_part(b + i, w), load_part(c + i, w));
            store_part(fma(load_part(gy + i, w), load_part(a + i, w), t), gx + i, w);
        });
}
template <class T>
void combine_rows(T* gx, const T* gy, const T* x, int64_t rows, int64_t channels, const T* a, const T* b, const T* c) {
    int64_t done = 0;
    if (is_narrow<T>(channels)) {
        constexpr int W = Vec<T>::size;
        const Repeated<T> wide_a(a, channels), wide_b(b, channels), wide_c(c, channels);
        combine_wide(gx, gy, x, rows / W, channels * W, wide_a.data, wide_b.data, wide_c.data);
        done = rows / W * W;
    }
    const int64_t at = done * channels;
    combine_wide(gx + at, gy + at, x + at, rows - done, channels, a, b, c);
}

// Two sums down each column: first[j] += sum of terms.first, second[j] likewise, in blocks of 256 rows.
// terms(gy, x, centre) makes both from vectors at one place; gy may be null, and is then zero.
template <class T, class Terms>
RL_INLINE void two_sums_wide(const T* gy, const T* x, int64_t rows, int64_t channels, const T* centre, T* first,
                             T* second, Terms terms) {
    constexpr int64_t block = 256;
    for (int64_t begin = 0; begin < rows; begin += block) {
        const int64_t end = rows - begin < block ? rows : begin + block;
        over<T>(channels, [=](int64_t i, int w) __attribute__((always_inline)) {
            const Vec<T> middle = load_part(centre + i, w);
            Vec<T> a = T(0), b = T(0);
            for (int64_t r = begin; r < end; ++r) {
                const int64_t at = r * channels + i;
                const auto t = terms(load_or(gy, at, w, T(0)), load_part(x + at, w), middle);
                a += t.first;
                b += t.second;
            }
            store_part(load_part(first + i, w) + a, first + i, w);
            store_part(load_part(second + i, w) + b, second + i, w);
        });
    }
}
template <class T, class Terms>
RL_INLINE void two_sums_rows(const T* gy, const T* x, int64_t rows, int64_t channels, const T* centre, T* first,
                             T* second, Terms terms) {
    int64_t done = 0;
    if (is_narrow<T>(channels)) {
        constexpr int W = Vec<T>::size;
        const Repeated<T> wide(centre, channels);
        T a[kNarrow<T> * W] = {}, b[kNarrow<T> * W] = {};
        two_sums_wide(gy, x, rows / W, channels * W, wide.data, a, b, terms);
        for (int64_t r = 0; r < W; ++r)
            for (int64_t i = 0; i < channels; ++i) {
                first[i] += a[r * channels + i];
                second[i] += b[r * channels + i];
            }
        done = rows / W * W;
    }
    const int64_t at = done * channels;
    two_sums_wide(gy ? gy + at : gy, x + at, rows - done, channels, centre, first, second, terms);
}
template <class T>
void sums_rows(const T* x, int64_t rows, int64_t channels, const T* shift, T* sum, T* squares) {
    using V = Vec<T>;
    two_sums_rows<T>(nullptr, x, rows, channels, shift, sum, squares, [](V, V v, V s) __attribute__((always_inline)) {
        const V d = v - s;
        return Two<V>{v, d * d};
    });
}
template <class T>
void sum_and_dot_rows(const T* gy, const T* x, int64_t rows, int64_t channels, const T* mean, T* sum, T* dot) {
    using V = Vec<T>;
    two_sums_rows<T>(gy, x, rows, channels, mean, sum, dot,
                     [](V g, V v, V centre) __attribute__((always_inline)) { return Two<V>{g, g * (v - centre)}; });
}

template <class T>
constexpr NormKernels<T> table = {
    layer_norm<T>,        layer_norm_backward<T>, layer_norm_params<T>, rms_norm<T>,
    rms_norm_backward<T>, scale_shift<T>,         combine<T>,           sum_and_dot<T>,
    scale_shift_rows<T>,  combine_rows<T>,        sums_rows<T>,         sum_and_dot_rows<T>,
};

}  // namespace

constinit const NormKernels<float> norm_f32 = table<float>;
constinit const NormKernels<double> norm_f64 = table<double>;

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
