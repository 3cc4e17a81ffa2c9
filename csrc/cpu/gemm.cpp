#include "cpu/gemm.h"

#include <algorithm>
#include <climits>

#include "cpu/buffer.h"
#include "cpu/clones.h"
#include "cpu/kernels.h"
#include "cpu/lapack.h"
#include "cpu/onednn_matmul.h"
#include "cpu/parallel.h"
#include "cpu/widen.h"

namespace rl::cpu {
namespace {

// Multiplications below which a call of a library costs more than the loop, and below which a second thread does.
constexpr int64_t kLoopWork = 128, kSmallWork = 4 * 1024, kSerialWork = 96 * 1024, kGemvSerialWork = 64 * 1024,
                  kDotBlock = 64 * 1024;

template <class T>
inline constexpr bool is_blas =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, c64> || std::is_same_v<T, c128>;
template <class T>
inline constexpr bool is_16bit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <class T>
struct Product {  // the arguments of gemm()
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    GemmScalar<T> alpha;
    const T* a;
    int64_t lda;
    const T* b;
    int64_t ldb;
    GemmScalar<T> beta;
    T* c;
    int64_t ldc;

    int64_t work() const { return m * n * k; }
    int64_t a_row() const { return transpose_a ? 1 : lda; }
    int64_t a_column() const { return transpose_a ? lda : 1; }
    int64_t b_row() const { return transpose_b ? 1 : ldb; }
    int64_t b_column() const { return transpose_b ? ldb : 1; }

    Product rows(int64_t begin, int64_t end) const {
        Product p = *this;
        p.m = end - begin;
        p.a += begin * a_row();
        p.c += begin * ldc;
        return p;
    }
    Product columns(int64_t begin, int64_t end) const {
        Product p = *this;
        p.n = end - begin;
        p.b += begin * b_column();
        p.c += begin;
        return p;
    }
};

inline CBLAS_TRANSPOSE blas_flag(bool transpose) { return transpose ? CblasTrans : CblasNoTrans; }

template <class T>
void blas_gemm(const Product<T>& p) {
    auto ta = blas_flag(p.transpose_a), tb = blas_flag(p.transpose_b);
    int m = int(p.m), n = int(p.n), k = int(p.k);
    // A matrix of one row may have any distance between rows, but BLAS checks it.
    int lda = int(std::max(p.lda, p.transpose_a ? p.m : p.k)), ldb = int(std::max(p.ldb, p.transpose_b ? p.k : p.n));
    int ldc = int(std::max(p.ldc, p.n));
    if constexpr (std::is_same_v<T, float>)
        scipy_cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, p.alpha, p.a, lda, p.b, ldb, p.beta, p.c, ldc);
    else if constexpr (std::is_same_v<T, double>)
        scipy_cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, p.alpha, p.a, lda, p.b, ldb, p.beta, p.c, ldc);
    else if constexpr (std::is_same_v<T, c64>)
        scipy_cblas_cgemm(CblasRowMajor, ta, tb, m, n, k, &p.alpha, p.a, lda, p.b, ldb, &p.beta, p.c, ldc);
    else
        scipy_cblas_zgemm(CblasRowMajor, ta, tb, m, n, k, &p.alpha, p.a, lda, p.b, ldb, &p.beta, p.c, ldc);
}

template <class T>
void blas_gemv(bool transpose, int64_t rows, int64_t columns, T alpha, const T* a, int64_t lda, const T* x,
               int64_t incx, T beta, T* y, int64_t incy) {
    auto t = blas_flag(transpose);
    int m = int(rows), n = int(columns), ld = int(std::max(lda, columns)), ix = int(incx), iy = int(incy);
    if constexpr (std::is_same_v<T, float>)
        scipy_cblas_sgemv(CblasRowMajor, t, m, n, alpha, a, ld, x, ix, beta, y, iy);
    else if constexpr (std::is_same_v<T, double>)
        scipy_cblas_dgemv(CblasRowMajor, t, m, n, alpha, a, ld, x, ix, beta, y, iy);
    else if constexpr (std::is_same_v<T, c64>)
        scipy_cblas_cgemv(CblasRowMajor, t, m, n, &alpha, a, ld, x, ix, &beta, y, iy);
    else
        scipy_cblas_zgemv(CblasRowMajor, t, m, n, &alpha, a, ld, x, ix, &beta, y, iy);
}

template <class... I>
bool fits_int(I... i) {
    return ((i <= INT_MAX) && ...);
}

// What is added up: wide enough, and for integers unsigned so that overflow wraps.
template <class T>
using Sum = std::conditional_t<std::is_integral_v<T>, uint64_t, GemmScalar<T>>;

template <class T>
void loop_gemm(const Product<T>& p) {
    using S = Sum<T>;
    parallel_for(p.m, p.work() < kSerialWork ? p.m + 1 : 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            for (int64_t j = 0; j < p.n; ++j) {
                S sum = 0;
                const T *a = p.a + i * p.a_row(), *b = p.b + j * p.b_column();
                for (int64_t l = 0; l < p.k; ++l) sum += S(a[l * p.a_column()]) * S(b[l * p.b_row()]);
                T& c = p.c[i * p.ldc + j];
                sum = S(p.alpha) * sum;
                if (p.beta != GemmScalar<T>(0)) sum += S(p.beta) * S(c);
                c = T(sum);
            }
    });
}

// row += factor * b, modulo the type's size.
RL_CLONES void add_multiple(uint32_t* row, const uint32_t* b, uint32_t factor, int64_t n) {
    for (int64_t j = 0; j < n; ++j) row[j] += factor * b[j];
}
RL_CLONES void add_multiple(uint64_t* row, const uint64_t* b, uint64_t factor, int64_t n) {
    for (int64_t j = 0; j < n; ++j) row[j] += factor * b[j];
}

template <class T>
void integer_gemm(const Product<T>& p) {
    using S = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    Buffer<S> b(p.k * p.n);
    for (int64_t l = 0; l < p.k; ++l)
        for (int64_t j = 0; j < p.n; ++j) b.data[l * p.n + j] = S(p.b[l * p.b_row() + j * p.b_column()]);
    parallel_for(p.m, p.work() < kSerialWork ? p.m + 1 : 2, [&](int64_t begin, int64_t end) {
        Buffer<S> row(p.n);
        for (int64_t i = begin; i < end; ++i) {
            T* c = p.c + i * p.ldc;
            std::fill(row.data, row.data + p.n, S(0));
            for (int64_t l = 0; l < p.k; ++l)
                add_multiple(row.data, b.data + l * p.n, S(p.a[i * p.a_row() + l * p.a_column()]), p.n);
            for (int64_t j = 0; j < p.n; ++j)
                c[j] = T(S(p.alpha) * row.data[j] + (p.beta != T(0) ? S(p.beta) * S(c[j]) : S(0)));
        }
    });
}

// OpenBLAS on one thread, or on slices of the larger side. Slices begin at multiples of 16 for the sake of its kernels.
template <class T>
void sliced_gemm(const Product<T>& p) {
    blas_serial();
    if (p.work() < kSerialWork) return blas_gemm(p);
    bool by_columns = p.n > p.m;
    int64_t size = by_columns ? p.n : p.m, blocks = (size + 15) / 16;
    parallel_for(blocks, 2, [&](int64_t begin, int64_t end) {
        begin *= 16;
        end = std::min(end * 16, size);
        blas_gemm(by_columns ? p.columns(begin, end) : p.rows(begin, end));
    });
}

// op(A) x for a stored rows x columns matrix; each thread computes a part of y.
template <class T>
void sliced_gemv(bool transpose, int64_t rows, int64_t columns, T alpha, const T* a, int64_t lda, const T* x,
                 int64_t incx, T beta, T* y, int64_t incy) {
    blas_serial();
    int64_t results = transpose ? columns : rows;
    parallel_for(results, rows * columns < kGemvSerialWork ? results + 1 : 32, [&](int64_t begin, int64_t end) {
        if (transpose)
            blas_gemv(true, rows, end - begin, alpha, a + begin, lda, x, incx, beta, y + begin * incy, incy);
        else
            blas_gemv(false, end - begin, columns, alpha, a + begin * lda, lda, x, incx, beta, y + begin * incy, incy);
    });
}

template <class T>
void vector_gemm(const Product<T>& p) {
    if (p.n == 1)
        sliced_gemv(p.transpose_a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.alpha, p.a, p.lda, p.b,
                    p.b_row(), p.beta, p.c, p.ldc);
    else
        sliced_gemv(!p.transpose_b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.alpha, p.b, p.ldb, p.a,
                    p.a_column(), p.beta, p.c, int64_t(1));
}

void product(const Product<float>& p);

template <class T>
void widened_gemm(const Product<T>& p) {
    int64_t a_rows = p.transpose_a ? p.k : p.m, a_columns = p.transpose_a ? p.m : p.k;
    int64_t b_rows = p.transpose_b ? p.n : p.k, b_columns = p.transpose_b ? p.k : p.n;
    Buffer<float> a(p.m * p.k), b(p.k * p.n), c(p.m * p.n);
    widen_matrix(p.a, p.lda, a_rows, a_columns, a.data);
    widen_matrix(p.b, p.ldb, b_rows, b_columns, b.data);
    if (p.beta != 0) widen_matrix(p.c, p.ldc, p.m, p.n, c.data);
    product({p.transpose_a, p.transpose_b, p.m, p.n, p.k, p.alpha, a.data, a_columns, b.data, b_columns, p.beta, c.data,
             p.n});
    narrow_matrix(c.data, p.m, p.n, p.c, p.ldc);
}

template <class T>
onednn::MatmulShape matmul_shape(const Product<T>& p) {
    return {p.m, p.n, p.k, p.a_row(), p.a_column(), p.b_row(), p.b_column(), p.ldc, float(p.alpha), float(p.beta)};
}

template <class T>
void library_gemm(const Product<T>& p) {
    if (!fits_int(p.m, p.n, p.k, p.lda, p.ldb, p.ldc)) return loop_gemm(p);
    bool is_vector = p.m == 1 || p.n == 1;
    is_vector&& p.lda > 0 && p.ldb > 0 && p.ldc > 0 ? vector_gemm(p) : sliced_gemm(p);
}

void product(const Product<float>& p) {
#if RL_HAVE_ONEDNN
    // Measured: oneDNN's general product has the least overhead from some 25 x 25 x 25 on, and is the fastest but for a
    // large transposed B.
    constexpr int64_t kOneDnnWork = 16 * 1024, kMatmulWork = 1024 * 1024;
    int64_t work = p.work();
    if (work >= kOneDnnWork || p.m == 1 || p.n == 1) {
        if (!p.transpose_a && p.transpose_b && p.m > 4 && work >= kMatmulWork)
            return onednn::matmul(matmul_shape(p), onednn::Type::F32, p.a, p.b, p.c);
        return onednn::sgemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, p.alpha, p.a,
                             std::max(p.lda, p.transpose_a ? p.m : p.k), p.b,
                             std::max(p.ldb, p.transpose_b ? p.k : p.n), p.beta, p.c, std::max(p.ldc, p.n));
    }
#endif
    library_gemm(p);
}

template <class T>
void product(const Product<T>& p) {
    if constexpr (is_blas<T>) {
        p.work() <= kLoopWork ? loop_gemm(p) : library_gemm(p);
    } else if constexpr (is_16bit<T>) {
        if (p.work() <= kLoopWork) return loop_gemm(p);
#if RL_HAVE_ONEDNN
        constexpr int64_t kOneDnnWork = 4 * 1024;
        if (std::is_same_v<T, BFloat16> && p.work() >= kOneDnnWork && onednn::has_bf16())
            return onednn::matmul(matmul_shape(p), onednn::Type::BF16, p.a, p.b, p.c);
#endif
        widened_gemm(p);
    } else {
        p.work() <= kLoopWork ? loop_gemm(p) : integer_gemm(p);
    }
}

// C = beta * C, and each row starts with the bias.
template <class T>
void prepare(int64_t m, int64_t n, GemmScalar<T> beta, T* c, int64_t ldc, const T* bias) {
    using S = Sum<T>;
    for (int64_t i = 0; i < m; ++i) {
        T* row = c + i * ldc;
        if (bias)
            std::copy(bias, bias + n, row);
        else if (beta == GemmScalar<T>(0))
            std::fill(row, row + n, T(GemmScalar<T>(0)));
        else
            for (int64_t j = 0; j < n; ++j) row[j] = T(S(beta) * S(row[j]));
    }
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, GemmScalar<T> alpha, const T* a,
          int64_t lda, const T* b, int64_t ldb, GemmScalar<T> beta, T* c, int64_t ldc, const T* bias) {
    if (m <= 0 || n <= 0) return;
    bool empty = k <= 0 || alpha == GemmScalar<T>(0);
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
        // Our own kernel for what a library call would cost more than; long dot products are not its strength.
        bool small = m * n * k <= kSmallWork && ((m > 1 && n > 1) || k <= 32);
        if (small && !empty)
            return kernels().template gemm<T>().small(m, n, k, alpha, a, transpose_a ? 1 : lda, transpose_a ? lda : 1,
                                                      b, transpose_b ? 1 : ldb, transpose_b ? ldb : 1, beta, c, ldc,
                                                      bias);
    }
    if (empty || bias) prepare(m, n, beta, c, ldc, bias);
    if (empty) return;
    if (bias) beta = GemmScalar<T>(1);
    product(Product<T>{transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc});
}

template <class T>
void gemm_batched(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, GemmScalar<T> alpha, const T* a,
                  int64_t lda, int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, GemmScalar<T> beta, T* c,
                  int64_t ldc, int64_t stride_c, int64_t batch) {
    if (batch <= 0 || m <= 0 || n <= 0) return;
    // One B for all, and the A follow each other: a single tall product.
    if (stride_b == 0 && !transpose_a && (batch == 1 || (stride_a == m * lda && stride_c == m * ldc)))
        return gemm<T>(false, transpose_b, batch * m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    auto some = [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            gemm<T>(transpose_a, transpose_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb, beta,
                    c + i * stride_c, ldc);
    };
    constexpr int64_t kLargeWork = int64_t(1) << 24;  // such a product uses all threads well by itself
    int64_t work = m * n * std::max<int64_t>(k, 1);
    if (batch * work < kSerialWork || (work >= kLargeWork && batch % num_threads() != 0)) return some(0, batch);
    parallel_for(batch, 2, some);
}

template <class T>
void gemv(bool transpose, int64_t m, int64_t n, GemmScalar<T> alpha, const T* a, int64_t lda, const T* x, int64_t incx,
          GemmScalar<T> beta, T* y, int64_t incy) {
    gemm<T>(transpose, false, transpose ? n : m, 1, transpose ? m : n, alpha, a, lda, x, incx, beta, y, incy);
}

template <class T>
T dot(int64_t n, const T* x, int64_t incx, const T* y, int64_t incy) {
    using S = Sum<T>;
    auto part = [=](int64_t begin, int64_t end) -> S {
        [[maybe_unused]] int count = int(end - begin), ix = int(incx), iy = int(incy);
        const T *u = x + begin * incx, *v = y + begin * incy;
        if constexpr (std::is_same_v<T, float>)
            return scipy_cblas_sdot(count, u, ix, v, iy);
        else if constexpr (std::is_same_v<T, double>)
            return scipy_cblas_ddot(count, u, ix, v, iy);
        S sum = 0;
        if constexpr (std::is_same_v<T, c64>)
            scipy_cblas_cdotu_sub(count, u, ix, v, iy, &sum);
        else if constexpr (std::is_same_v<T, c128>)
            scipy_cblas_zdotu_sub(count, u, ix, v, iy, &sum);
        else
            for (int64_t i = 0; i < end - begin; ++i) sum += S(u[i * incx]) * S(v[i * incy]);
        return sum;
    };
    if constexpr (is_blas<T>) blas_serial();
    int64_t blocks = (n + kDotBlock - 1) / kDotBlock;
    if (blocks <= 1) return T(part(0, n));
    // Blocks of a fixed size, so that the result does not depend on the number of threads.
    Buffer<S> sums(blocks);
    parallel_for(blocks, 4, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) sums.data[i] = part(i * kDotBlock, std::min(n, (i + 1) * kDotBlock));
    });
    S total = 0;
    for (int64_t i = 0; i < blocks; ++i) total += sums.data[i];
    return T(total);
}

#define RL_GEMM(T)                                                                                                    \
    template void gemm<T>(bool, bool, int64_t, int64_t, int64_t, GemmScalar<T>, const T*, int64_t, const T*, int64_t, \
                          GemmScalar<T>, T*, int64_t, const T*);                                                      \
    template void gemm_batched<T>(bool, bool, int64_t, int64_t, int64_t, GemmScalar<T>, const T*, int64_t, int64_t,   \
                                  const T*, int64_t, int64_t, GemmScalar<T>, T*, int64_t, int64_t, int64_t);          \
    template void gemv<T>(bool, int64_t, int64_t, GemmScalar<T>, const T*, int64_t, const T*, int64_t, GemmScalar<T>, \
                          T*, int64_t);                                                                               \
    template T dot<T>(int64_t, const T*, int64_t, const T*, int64_t);

RL_GEMM(float)
RL_GEMM(double)
RL_GEMM(c64)
RL_GEMM(c128)
RL_GEMM(Half)
RL_GEMM(BFloat16)
RL_GEMM(uint8_t)
RL_GEMM(int8_t)
RL_GEMM(int16_t)
RL_GEMM(int32_t)
RL_GEMM(int64_t)

}  // namespace rl::cpu
