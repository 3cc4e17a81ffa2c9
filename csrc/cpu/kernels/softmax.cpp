#include <type_traits>

#include "cpu/kernels/table.h"
#include "cpu/math.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

template <class T>
constexpr T kLowest = -T(__builtin_inf());

// ---- one contiguous row

// The largest element; NaN if there is one.
template <class T>
RL_INLINE T row_max(const T* x, int64_t n) {
    using V = Vec<T>;
    constexpr int W = V::size;
    V a = kLowest<T>, b = kLowest<T>;
    int64_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W) {
        a = maximum(V::load(x + i), a);
        b = maximum(V::load(x + i + W), b);
    }
    for (; i < n; i += W) a = maximum(V::load(x + i, int(n - i < W ? n - i : W), kLowest<T>), a);
    a = maximum(a, b);
    return any(isnan(a)) ? T(__builtin_nan("")) : hmax(a);
}

// The sum of f(index, width) over the row, in four accumulators.
template <class T, class F>
RL_INLINE T row_sum(int64_t n, F f) {
    using V = Vec<T>;
    constexpr int W = V::size;
    V acc[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) RL_UNROLL
    for (int j = 0; j < 4; ++j) acc[j] += f(i + j * W, W);
    for (; i + W <= n; i += W) acc[0] += f(i, W);
    if (i < n) acc[1] += f(i, int(n - i));
    return hsum((acc[0] + acc[2]) + (acc[1] + acc[3]));
}
template <class T>
RL_INLINE Vec<T> load_row(const T* p, int width, T fill = T(0)) {
    return width == Vec<T>::size ? Vec<T>::load(p) : Vec<T>::load(p, width, fill);
}
template <class T>
RL_INLINE void store_row(Vec<T> v, T* p, int width) {
    width == Vec<T>::size ? v.store(p) : v.store(p, width);
}

template <class T>
void softmax(T* y, const T* x, int64_t n) {
    const T top = row_max(x, n);
    const T s = row_sum<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const Vec<T> e = m::exp(load_row(x + i, w, kLowest<T>) - top);
        store_row(e, y + i, w);
        return w == Vec<T>::size ? e : where(Mask<T>::first(w), e, Vec<T>(T(0)));
    });
    const T scale = 1 / s;
    map<T>(n, y, [scale](Vec<T> e) __attribute__((always_inline)) { return e * scale; }, y);
}
template <class T>
void log_softmax(T* y, const T* x, int64_t n) {
    const T top = row_max(x, n);
    const T s = row_sum<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) {
        const Vec<T> e = m::exp(load_row(x + i, w, kLowest<T>) - top);
        return w == Vec<T>::size ? e : where(Mask<T>::first(w), e, Vec<T>(T(0)));
    });
    const T log_sum = m::log(s);
    map<T>(n, y, [=](Vec<T> v) __attribute__((always_inline)) { return (v - top) - log_sum; }, x);
}
template <class T>
void softmax_backward(T* gx, const T* gy, const T* y, int64_t n) {
    const T s = row_sum<T>(
        n, [=](int64_t i, int w) __attribute__((always_inline)) { return load_row(gy + i, w) * load_row(y + i, w); });
    map<T>(n, gx, [s](Vec<T> g, Vec<T> v) __attribute__((always_inline)) { return (g - s) * v; }, gy, y);
}
template <class T>
void log_softmax_backward(T* gx, const T* gy, const T* y, int64_t n) {
    const T s = row_sum<T>(n, [=](int64_t i, int w) __attribute__((always_inline)) { return load_row(gy + i, w); });
    map<T>(
        n, gx, [s](Vec<T> g, Vec<T> v) __attribute__((always_inline)) { return fma(-m::exp(v), Vec<T>(s), g); }, gy, y);
}
template <class T>
void exp_minus(T* y, const T* x, int64_t n, T lse, T scale, T shift) {
    map<T>(n, y, [=](Vec<T> v) __attribute__((always_inline)) { return fma(m::exp(v - lse), scale, shift); }, x);
}

// ---- columns: K vectors of them side by side, going down the d rows

// Calls body(offset, width of the last vector) with K a compile-time constant: four vectors while there are enough.
template <class T, class Body>
RL_INLINE void over_columns(int64_t count, Body body) {
    constexpr int W = Vec<T>::size;
    int64_t i = 0;
    for (; i + 4 * W <= count; i += 4 * W) body(std::integral_constant<int, 4>{}, i, W);
    for (; i < count; i += W) body(std::integral_constant<int, 1>{}, i, int(count - i < W ? count - i : W));
}
template <int K, class T>
RL_INLINE void load_columns(Vec<T>* v, const T* p, int last) {
    RL_UNROLL
    for (int j = 0; j < K; ++j) v[j] = load_row(p + j * Vec<T>::size, j == K - 1 ? last : Vec<T>::size);
}
template <int K, class T>
RL_INLINE void store_columns(const Vec<T>* v, T* p, int last) {
    RL_UNROLL
    for (int j = 0; j < K; ++j) store_row(v[j], p + j * Vec<T>::size, j == K - 1 ? last : Vec<T>::size);
}
template <int K, class T>
RL_INLINE void column_max(Vec<T>* top, const T* x, int64_t d, int64_t stride, int last) {
    RL_UNROLL
    for (int j = 0; j < K; ++j) top[j] = Vec<T>(kLowest<T>);
    for (int64_t r = 0; r < d; ++r) {
        Vec<T> v[K];
        load_columns<K>(v, x + r * stride, last);
        RL_UNROLL
        for (int j = 0; j < K; ++j) top[j] = maximum(v[j], top[j]);
    }
}

template <bool Log, class T>
RL_INLINE void softmax_any_columns(T* y, const T* x, int64_t d, int64_t stride, int64_t count) {
    over_columns<T>(count, [=](auto constant, int64_t i, int last) __attribute__((always_inline)) {
        constexpr int K = decltype(constant)::value;
        Vec<T> top[K], s[K], v[K];
        column_max<K>(top, x + i, d, stride, last);
        RL_UNROLL
        for (int j = 0; j < K; ++j) s[j] = Vec<T>(T(0));
        for (int64_t r = 0; r < d; ++r) {
            load_columns<K>(v, x + i + r * stride, last);
            RL_UNROLL
            for (int j = 0; j < K; ++j) s[j] += v[j] = m::exp(v[j] - top[j]);
            if constexpr (!Log) store_columns<K>(v, y + i + r * stride, last);
        }
        RL_UNROLL
        for (int j = 0; j < K; ++j) s[j] = Log ? m::log(s[j]) : Vec<T>(T(1)) / s[j];
        for (int64_t r = 0; r < d; ++r) {
            load_columns<K>(v, (Log ? x : y) + i + r * stride, last);
            RL_UNROLL
            for (int j = 0; j < K; ++j) v[j] = Log ? (v[j] - top[j]) - s[j] : v[j] * s[j];
            store_columns<K>(v, y + i + r * stride, last);
        }
    });
}
template <bool Log, class T>
RL_INLINE void backward_any_columns(T* gx, const T* gy, const T* y, int64_t d, int64_t stride, int64_t count) {
    over_columns<T>(count, [=](auto constant, int64_t i, int last) __attribute__((always_inline)) {
        constexpr int K = decltype(constant)::value;
        Vec<T> s[K], g[K], v[K];
        RL_UNROLL
        for (int j = 0; j < K; ++j) s[j] = Vec<T>(T(0));
        for (int64_t r = 0; r < d; ++r) {
            load_columns<K>(g, gy + i + r * stride, last);
            if constexpr (!Log) load_columns<K>(v, y + i + r * stride, last);
            RL_UNROLL
            for (int j = 0; j < K; ++j) s[j] = Log ? s[j] + g[j] : fma(g[j], v[j], s[j]);
        }
        for (int64_t r = 0; r < d; ++r) {
            load_columns<K>(g, gy + i + r * stride, last);
            load_columns<K>(v, y + i + r * stride, last);
            RL_UNROLL
            for (int j = 0; j < K; ++j) g[j] = Log ? fma(-m::exp(v[j]), s[j], g[j]) : (g[j] - s[j]) * v[j];
            store_columns<K>(g, gx + i + r * stride, last);
        }
    });
}
template <class T>
void softmax_columns(T* y, const T* x, int64_t d, int64_t stride, int64_t count) {
    softmax_any_columns<false>(y, x, d, stride, count);
}
template <class T>
void log_softmax_columns(T* y, const T* x, int64_t d, int64_t stride, int64_t count) {
    softmax_any_columns<true>(y, x, d, stride, count);
}
template <class T>
void softmax_backward_columns(T* gx, const T* gy, const T* y, int64_t d, int64_t stride, int64_t count) {
    backward_any_columns<false>(gx, gy, y, d, stride, count);
}
template <class T>
void log_softmax_backward_columns(T* gx, const T* gy, const T* y, int64_t d, int64_t stride, int64_t count) {
    backward_any_columns<true>(gx, gy, y, d, stride, count);
}

template <class T>
void logsumexp_columns(T* y, const T* x, int64_t d, int64_t stride, int64_t count) {
    over_columns<T>(count, [=](auto constant, int64_t i, int last) __attribute__((always_inline)) {
        constexpr int K = decltype(constant)::value;
        Vec<T> top[K], s[K], v[K];
        column_max<K>(top, x + i, d, stride, last);
        RL_UNROLL
        for (int j = 0; j < K; ++j) s[j] = Vec<T>(T(0));
        for (int64_t r = 0; r < d; ++r) {
            load_columns<K>(v, x + i + r * stride, last);
            RL_UNROLL
            for (int j = 0; j < K; ++j) s[j] += m::exp(v[j] - top[j]);
        }
        RL_UNROLL
        for (int j = 0; j < K; ++j) v[j] = where(isfinite(top[j]), top[j] + m::log(s[j]), top[j]);
        store_columns<K>(v, y + i, last);
    });
}
template <class T>
void exp_minus_columns(T* y, const T* x, const T* lse, const T* scale, int64_t d, int64_t stride, int64_t count) {
    over_columns<T>(count, [=](auto constant, int64_t i, int last) __attribute__((always_inline)) {
        constexpr int K = decltype(constant)::value;
        Vec<T> base[K], k[K], v[K];
        load_columns<K>(base, lse + i, last);
        load_columns<K>(k, scale + i, last);
        for (int64_t r = 0; r < d; ++r) {
            load_columns<K>(v, x + i + r * stride, last);
            RL_UNROLL
            for (int j = 0; j < K; ++j) v[j] = k[j] * m::exp(v[j] - base[j]);
            store_columns<K>(v, y + i + r * stride, last);
        }
    });
}

template <class T>
constexpr SoftmaxKernels<T> table = {
    softmax<T>,         log_softmax<T>,         softmax_backward<T>,         log_softmax_backward<T>,
    softmax_columns<T>, log_softmax_columns<T>, softmax_backward_columns<T>, log_softmax_backward_columns<T>,
    exp_minus<T>,       logsumexp_columns<T>,   exp_minus_columns<T>,
};

}  // namespace

constinit const SoftmaxKernels<float> softmax_f32 = table<float>;
constinit const SoftmaxKernels<double> softmax_f64 = table<double>;

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
