// Sums over shifted copies of a run: what a convolution of few channels is made of (cpu/shifted_conv.cpp).
#include "cpu/kernels/table.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

template <int K, class T>
RL_INLINE void block(T* y, const T* x, const T* w, const int64_t* shift, int64_t taps, T start, int last) {
    using V = Vec<T>;
    V sum[K];
    RL_UNROLL
    for (int j = 0; j < K; ++j) sum[j] = V(start);
    for (int64_t t = 0; t < taps; ++t) {
        const T* p = x + shift[t];
        const V weight = w[t];
        RL_UNROLL
        for (int j = 0; j < K; ++j)
            sum[j] = fma(weight, j < K - 1 || last == V::size ? V::load(p + j * V::size) : V::load(p + j * V::size, last), sum[j]);
    }
    RL_UNROLL
    for (int j = 0; j < K; ++j)
        if (j < K - 1 || last == V::size) sum[j].store(y + j * V::size);
        else sum[j].store(y + j * V::size, last);
}
template <class T>
void weighted_sum(T* y, const T* x, const T* w, const int64_t* shift, int64_t taps, T start, int64_t n) {
    constexpr int W = Vec<T>::size;
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) block<4>(y + i, x + i, w, shift, taps, start, W);
    for (; i < n; i += W) block<1>(y + i, x + i, w, shift, taps, start, int(n - i < W ? n - i : W));
}

template <int K, class T>
RL_INLINE void products_of(T* sums, const T* g, const T* x, const int64_t* shift, int64_t n) {
    using V = Vec<T>;
    V sum[K];
    RL_UNROLL
    for (int t = 0; t < K; ++t) sum[t] = V(T(0));
    int64_t i = 0;
    for (; i + V::size <= n; i += V::size) {
        const V v = V::load(g + i);
        RL_UNROLL
        for (int t = 0; t < K; ++t) sum[t] = fma(v, V::load(x + i + shift[t]), sum[t]);
    }
    if (i < n) {
        const int width = int(n - i);
        const V v = V::load(g + i, width);
        RL_UNROLL
        for (int t = 0; t < K; ++t) sum[t] = fma(v, V::load(x + i + shift[t], width), sum[t]);
    }
    RL_UNROLL
    for (int t = 0; t < K; ++t) sums[t] += hsum(sum[t]);
}
template <class T>
void products(T* sums, const T* g, const T* x, const int64_t* shift, int64_t taps, int64_t n) {
    int64_t t = 0;
    for (; t + 8 <= taps; t += 8) products_of<8>(sums + t, g, x, shift + t, n);
    for (; t < taps; ++t) products_of<1>(sums + t, g, x, shift + t, n);
}

template <class T>
constexpr ShiftKernels<T> table = {weighted_sum<T>, products<T>};

}  // namespace

constinit const ShiftKernels<float> shift_f32 = table<float>;
constinit const ShiftKernels<double> shift_f64 = table<double>;

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
