// Factorizations of one large matrix on several threads: panels by LAPACK, the columns beside them in blocks of a fixed
// width, so that the bits don't depend on the number of threads. Column-major without gaps.
#pragma once
#include <vector>

#include "ops/linalg.h"

namespace rl {

RL_LAPACK(laswp)
RL_LAPACK(larft)
RL_LAPACK(larfb)

inline constexpr int kPanel = 64, kColumnBlock = 128;
inline constexpr int64_t kLargeMatrix = 384;  // from this order on the blocks pay

// c -= a b, with a (m x k) or the conjugate transpose of what is stored, and so b (k x n)
template <class T>
void gemm_subtract(bool adjoint_a, bool adjoint_b, int m, int n, int k, const T* a, int lda, const T* b, int ldb, T* c,
                   int ldc) {
    if (m <= 0 || n <= 0) return;
    auto ta = adjoint_a ? CblasConjTrans : CblasNoTrans, tb = adjoint_b ? CblasConjTrans : CblasNoTrans;
    T minus = -1, one = 1;
    if constexpr (std::is_same_v<T, float>)
        scipy_cblas_sgemm(CblasColMajor, ta, tb, m, n, k, minus, a, lda, b, ldb, one, c, ldc);
    else if constexpr (std::is_same_v<T, double>)
        scipy_cblas_dgemm(CblasColMajor, ta, tb, m, n, k, minus, a, lda, b, ldb, one, c, ldc);
    else if constexpr (std::is_same_v<T, c64>)
        scipy_cblas_cgemm(CblasColMajor, ta, tb, m, n, k, &minus, a, lda, b, ldb, &one, c, ldc);
    else
        scipy_cblas_zgemm(CblasColMajor, ta, tb, m, n, k, &minus, a, lda, b, ldb, &one, c, ldc);
}
// b = op(a)^-1 b from the left or b op(a)^-1 from the right, b (m x n)
template <class T>
void trsm(CBLAS_SIDE side, CBLAS_UPLO uplo, CBLAS_TRANSPOSE op, CBLAS_DIAG diag, int m, int n, const T* a, int lda,
          T* b, int ldb) {
    T one = 1;
    if constexpr (std::is_same_v<T, float>)
        scipy_cblas_strsm(CblasColMajor, side, uplo, op, diag, m, n, one, a, lda, b, ldb);
    else if constexpr (std::is_same_v<T, double>)
        scipy_cblas_dtrsm(CblasColMajor, side, uplo, op, diag, m, n, one, a, lda, b, ldb);
    else if constexpr (std::is_same_v<T, c64>)
        scipy_cblas_ctrsm(CblasColMajor, side, uplo, op, diag, m, n, &one, a, lda, b, ldb);
    else
        scipy_cblas_ztrsm(CblasColMajor, side, uplo, op, diag, m, n, &one, a, lda, b, ldb);
}

// Calls f(first, count) for the blocks of [begin, end).
template <class F>
void each_block(int begin, int end, F f) {
    int blocks = (end - begin + kColumnBlock - 1) / kColumnBlock;
    cpu::parallel_for(blocks, 2, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; i++) {
            int first = begin + int(i) * kColumnBlock;
            f(first, std::min(kColumnBlock, end - first));
        }
    });
}

template <class T>
int blocked_getrf(int n, T* a, int* pivots) {
    lapack_begin();
    int info = 0;
    auto at = [&](int row, int column) { return a + int64_t(column) * n + row; };
    for (int j = 0; j < n; j += kPanel) {
        int w = std::min(kPanel, n - j), next = j + w;
        int broken = getrf<T>(LAPACK_COL_MAJOR, n - j, w, at(j, j), n, pivots + j);
        if (broken > 0 && !info) info = broken + j;
        for (int i = j; i < next; i++) pivots[i] += j;
        each_block(0, j, [&](int first, int count) {
            laswp<T>(LAPACK_COL_MAJOR, count, at(0, first), n, j + 1, next, pivots, 1);
        });
        each_block(next, n, [&](int first, int count) {
            laswp<T>(LAPACK_COL_MAJOR, count, at(0, first), n, j + 1, next, pivots, 1);
            trsm(CblasLeft, CblasLower, CblasNoTrans, CblasUnit, w, count, at(j, j), n, at(j, first), n);
            gemm_subtract(false, false, n - next, count, w, at(next, j), n, at(j, first), n, at(next, first), n);
        });
    }
    return info;
}

template <class T>
int blocked_potrf(bool upper, int n, T* a) {
    lapack_begin();
    auto at = [&](int row, int column) { return a + int64_t(column) * n + row; };
    for (int j = 0; j < n; j += kPanel) {
        int w = std::min(kPanel, n - j), next = j + w;
        int broken = potrf<T>(LAPACK_COL_MAJOR, upper ? 'U' : 'L', w, at(j, j), n);
        if (broken > 0) return broken + j;
        each_block(next, n, [&](int first, int count) {
            if (upper)
                trsm(CblasLeft, CblasUpper, CblasConjTrans, CblasNonUnit, w, count, at(j, j), n, at(j, first), n);
            else
                trsm(CblasRight, CblasLower, CblasConjTrans, CblasNonUnit, count, w, at(j, j), n, at(first, j), n);
        });
        each_block(next, n, [&](int first, int count) {
            int last = first + count;
            if (upper)
                gemm_subtract(true, false, last - next, count, w, at(j, next), n, at(j, first), n, at(next, first), n);
            else
                gemm_subtract(false, true, n - first, count, w, at(first, j), n, at(first, j), n, at(first, first), n);
        });
    }
    return 0;
}

// Applies the block of w reflectors in v (rows x w, ldv apart), adjoint or not, to the columns [begin, end) of c.
template <class T>
void apply_reflectors(bool adjoint, int rows, int w, const T* v, int ldv, const T* tau, T* c, int ldc, int begin,
                      int end) {
    std::vector<T> triangle(size_t(w) * size_t(w));
    larft<T>(LAPACK_COL_MAJOR, 'F', 'C', rows, w, v, ldv, tau, triangle.data(), w);
    char op = !adjoint ? 'N' : is_complex_v<T> ? 'C' : 'T';
    each_block(begin, end, [&](int first, int count) {
        larfb<T>(LAPACK_COL_MAJOR, 'L', op, 'F', 'C', rows, count, w, v, ldv, triangle.data(), w,
                 c + int64_t(first) * ldc, ldc);
    });
}
template <class T>
void blocked_geqrf(int m, int n, T* a, T* tau) {
    lapack_begin();
    for (int j = 0; j < std::min(m, n); j += kPanel) {
        int w = std::min(kPanel, std::min(m, n) - j);
        T* head = a + int64_t(j) * m + j;
        geqrf<T>(LAPACK_COL_MAJOR, m - j, w, head, m, tau + j);
        if (j + w < n) apply_reflectors(true, m - j, w, head, m, tau + j, a + j, m, j + w, n);
    }
}
// q, the identity's first columns at the start, times the k reflectors in v (m x k)
template <class T>
void blocked_orgqr(int m, int columns, int k, const T* v, const T* tau, T* q) {
    lapack_begin();
    for (int j = (k - 1) / kPanel * kPanel; j >= 0; j -= kPanel) {
        int w = std::min(kPanel, k - j);
        apply_reflectors(false, m - j, w, v + int64_t(j) * m + j, m, tau + j, q + j, m, j, columns);
    }
}

}  // namespace rl
