// Products of matrices and vectors. Everything is row-major: element (i, j) of A is A[i * lda + j].
// T: float, double, c64, c128, Half, BFloat16 (both added up in float), and the integers from uint8 to int64.
#pragma once
#include <cstdint>
#include <type_traits>

#include "core/dtype.h"

namespace rl::cpu {

// The type of alpha and beta: float for the 16-bit types, else T itself.
template <class T>
using GemmScalar = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

// C = alpha * op(A) op(B) + beta * C + bias, where op(A) is m x k, op(B) is k x n, and op transposes what is stored
// when its flag is set. beta = 0 does not read C. bias, if given, has n elements, is added to every row, and beta must
// be 0.
template <class T>
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, GemmScalar<T> alpha, const T* a,
          int64_t lda, const T* b, int64_t ldb, GemmScalar<T> beta, T* c, int64_t ldc, const T* bias = nullptr);

// `batch` products whose operands begin stride_a, stride_b, stride_c elements apart (0 uses one operand for all).
template <class T>
void gemm_batched(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, GemmScalar<T> alpha, const T* a,
                  int64_t lda, int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, GemmScalar<T> beta, T* c,
                  int64_t ldc, int64_t stride_c, int64_t batch);

// y = alpha * op(A) x + beta * y for a stored m x n matrix A; x and y may be strided.
template <class T>
void gemv(bool transpose, int64_t m, int64_t n, GemmScalar<T> alpha, const T* a, int64_t lda, const T* x, int64_t incx,
          GemmScalar<T> beta, T* y, int64_t incy);

// Sum of x[i] * y[i], without conjugation.
template <class T>
T dot(int64_t n, const T* x, int64_t incx, const T* y, int64_t incy);

}  // namespace rl::cpu
