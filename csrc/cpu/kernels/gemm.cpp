#include "cpu/kernels/table.h"

// Small matrix products. B is packed into panels as wide as two vectors, zero-padded; tiles of kRows rows of A stream
// past a panel with one broadcast and two fma per element, the sums staying in registers.

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

#if RL_ISA_LEVEL == 2
constexpr int kRows = 8;  // 16 sums of 32 registers
#else
constexpr int kRows = 4;  // 8 of 16
#endif
constexpr int64_t kDepth = 256;  // of a packed panel: it must fit the first cache

template <class T>
struct Product {
    T alpha, beta;
    const T* a;
    int64_t a_row, a_col;
    T* c;
    int64_t ldc;
};

// Writes one vector of the result: alpha * sum + beta * C + bias.
template <class T>
RL_INLINE void finish(const Product<T>& g, T* c, Vec<T> sum, const T* bias, int width) {
    using V = Vec<T>;
    const bool whole = width == V::size;
    V r = g.alpha == T(1) ? sum : sum * g.alpha;
    if (g.beta != T(0)) r = fma(whole ? V::load(c) : V::load(c, width), V(g.beta), r);
    if (bias) r += whole ? V::load(bias) : V::load(bias, width);
    whole ? r.store(c) : r.store(c, width);
}

// Rows [0, M) of a tile, K vectors wide, `last` lanes of the last one real; rows of the panel are `step` apart.
template <int M, int K, class T>
RL_INLINE void tile(const Product<T>& g, const T* panel, int64_t depth, const T* a, T* c, const T* bias, int last,
                    int64_t step = K * Vec<T>::size) {
    using V = Vec<T>;
    V sum[M][K];
    RL_UNROLL
    for (int i = 0; i < M; ++i) RL_UNROLL
    for (int j = 0; j < K; ++j) sum[i][j] = V(T(0));
    for (int64_t p = 0; p < depth; ++p, panel += step, a += g.a_col) {
        V b[K];
        RL_UNROLL
        for (int j = 0; j < K; ++j) b[j] = V::load(panel + j * V::size);
        RL_UNROLL
        for (int i = 0; i < M; ++i) {
            const V x = a[i * g.a_row];
            RL_UNROLL
            for (int j = 0; j < K; ++j) sum[i][j] = fma(x, b[j], sum[i][j]);
        }
    }
    RL_UNROLL
    for (int i = 0; i < M; ++i) RL_UNROLL
    for (int j = 0; j < K; ++j)
        finish(g, c + i * g.ldc + j * V::size, sum[i][j], bias ? bias + j * V::size : nullptr,
               j == K - 1 ? last : V::size);
}

template <int K, class T>
void rows(const Product<T>& g, int64_t m, const T* panel, int64_t depth, const T* bias, int last) {
    int64_t i = 0;
    const T* a = g.a;
    T* c = g.c;
    for (; i + kRows <= m; i += kRows, a += kRows * g.a_row, c += kRows * g.ldc)
        tile<kRows, K>(g, panel, depth, a, c, bias, last);
    if (kRows > 4 && i + 4 <= m) {
        tile<4, K>(g, panel, depth, a, c, bias, last);
        i += 4, a += 4 * g.a_row, c += 4 * g.ldc;
    }
    for (; i + 2 <= m; i += 2, a += 2 * g.a_row, c += 2 * g.ldc) tile<2, K>(g, panel, depth, a, c, bias, last);
    if (i < m) tile<1, K>(g, panel, depth, a, c, bias, last);
}

// Columns [0, width) of `depth` rows of B, zero-padded to K vectors.
template <int K, class T>
RL_INLINE void pack(T* panel, const T* b, int64_t b_row, int64_t b_col, int64_t depth, int width) {
    using V = Vec<T>;
    constexpr int full = K * V::size;
    if (b_col == 1) {
        const int last = width - (K - 1) * V::size;
        for (int64_t p = 0; p < depth; ++p, panel += full, b += b_row) RL_UNROLL
        for (int j = 0; j < K; ++j)
            (j < K - 1 || last == V::size ? V::load(b + j * V::size) : V::load(b + j * V::size, last))
                .store(panel + j * V::size);
        return;
    }
    for (int64_t p = 0; p < depth; ++p, b += b_row) {
        int j = 0;
        for (; j < width; ++j) *panel++ = b[j * b_col];
        for (; j < full; ++j) *panel++ = T(0);
    }
}

template <int K, class T>
void panel_product(const Product<T>& g, int64_t m, int64_t depth, const T* b, int64_t b_row, int64_t b_col, int width,
                   const T* bias) {
    alignas(64) T panel[kDepth * K * Vec<T>::size];
    pack<K>(panel, b, b_row, b_col, depth, width);
    rows<K>(g, m, panel, depth, bias, width - (K - 1) * Vec<T>::size);
}

// One or two rows read B as it lies: a packed panel would be used but once. Gives how many columns are done.
template <int M, int K, class T>
int64_t few_rows(Product<T>& g, int64_t n, int64_t depth, const T* b, int64_t b_row, const T* bias) {
    constexpr int64_t width = K * Vec<T>::size;
    int64_t j = 0;
    for (; j + width <= n; j += width, g.c += width) tile<M, K>(g, b + j, depth, g.a, g.c, bias ? bias + j : nullptr, Vec<T>::size, b_row);
    return j;
}

// The same where B is transposed, so that its columns lie in a row each: dot products, J columns at a time.
template <int M, int J, class T>
RL_INLINE void dots(const Product<T>& g, int64_t k, const T* b, int64_t b_col, T* c, const T* bias) {
    using V = Vec<T>;
    V sum[M][J];
    RL_UNROLL
    for (int i = 0; i < M; ++i) RL_UNROLL
    for (int j = 0; j < J; ++j) sum[i][j] = V(T(0));
    const auto add = [&](int64_t p, int width) __attribute__((always_inline)) {
        const bool whole = width == V::size;
        V x[M];
        RL_UNROLL
        for (int i = 0; i < M; ++i) x[i] = whole ? V::load(g.a + i * g.a_row + p) : V::load(g.a + i * g.a_row + p, width);
        RL_UNROLL
        for (int j = 0; j < J; ++j) {
            const V y = whole ? V::load(b + j * b_col + p) : V::load(b + j * b_col + p, width);
            RL_UNROLL
            for (int i = 0; i < M; ++i) sum[i][j] = fma(x[i], y, sum[i][j]);
        }
    };
    int64_t p = 0;
    for (; p + V::size <= k; p += V::size) add(p, V::size);
    if (p < k) add(p, int(k - p));
    for (int i = 0; i < M; ++i)
        for (int j = 0; j < J; ++j) {
            T& r = c[i * g.ldc + j];
            r = g.alpha * hsum(sum[i][j]) + (g.beta != T(0) ? g.beta * r : T(0)) + (bias ? bias[j] : T(0));
        }
}
template <int M, int J, class T>
void few_rows_of_dots(const Product<T>& g, int64_t n, int64_t k, const T* b, int64_t b_col, const T* bias) {
    int64_t j = 0;
    for (; j + J <= n; j += J) dots<M, J>(g, k, b + j * b_col, b_col, g.c + j, bias ? bias + j : nullptr);
    for (; j < n; ++j) dots<M, 1>(g, k, b + j * b_col, b_col, g.c + j, bias ? bias + j : nullptr);
}

template <class T>
void small(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t a_row, int64_t a_col, const T* b,
           int64_t b_row, int64_t b_col, T beta, T* c, int64_t ldc, const T* bias) {
    constexpr int W = Vec<T>::size, J = kRows / 2;  // columns of dot products
    if (b_row == 1 && b_col != 1 && a_col == 1 && m >= 1 && m <= 4 && k >= W) {
        const Product<T> g{alpha, beta, a, a_row, a_col, c, ldc};
        return m == 1   ? few_rows_of_dots<1, 2 * J>(g, n, k, b, b_col, bias)
               : m == 2 ? few_rows_of_dots<2, J>(g, n, k, b, b_col, bias)
               : m == 3 ? few_rows_of_dots<3, J>(g, n, k, b, b_col, bias)
                        : few_rows_of_dots<4, J>(g, n, k, b, b_col, bias);
    }
    int64_t p = 0;
    do {  // an empty k still scales C and adds the bias
        const int64_t depth = k - p < kDepth ? k - p : kDepth;
        Product<T> g{alpha, p == 0 ? beta : T(1), a + p * a_col, a_row, a_col, c, ldc};
        const T* added = p == 0 ? bias : nullptr;
        int64_t j = 0;
        if (b_col == 1 && m == 1) j = few_rows<1, 8>(g, n, depth, b + p * b_row, b_row, added);
        if (b_col == 1 && m == 2) j = few_rows<2, 4>(g, n, depth, b + p * b_row, b_row, added);
        for (; j < n; j += 2 * W, g.c += 2 * W) {
            const int width = int(n - j < 2 * W ? n - j : 2 * W);
            const T* const columns = b + p * b_row + j * b_col;
            if (width > W)
                panel_product<2>(g, m, depth, columns, b_row, b_col, width, added ? added + j : nullptr);
            else
                panel_product<1>(g, m, depth, columns, b_row, b_col, width, added ? added + j : nullptr);
        }
        p += kDepth;
    } while (p < k);
}

template <class T>
constexpr GemmKernels<T> table = {small<T>};

}  // namespace

constinit const GemmKernels<float> gemm_f32 = table<float>;
constinit const GemmKernels<double> gemm_f64 = table<double>;

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
