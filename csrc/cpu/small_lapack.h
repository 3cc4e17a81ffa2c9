// Factorizations of small matrices, where a library's call costs more than its arithmetic. Column-major without gaps,
// results as LAPACK's of the same name: pivots from 1, info 0 or the first order at which the factor breaks down.
// A NaN is never lost: it counts as the largest pivot, and as not positive.
#pragma once
#include <complex>

namespace rl::cpu {

// Up to these orders they are faster than OpenBLAS.
inline constexpr int64_t kSmallLu = 24, kSmallCholesky = 24, kSmallQr = 40, kSmallEigh = 40, kSmallSvd = 12;

#define RL_SMALL_LAPACK(T)                                                                 \
    int small_getrf(int m, int n, T* a, int* pivots);                                      \
    void small_getrs(int n, int k, const T* lu, const int* pivots, T* b); /* b is n x k */ \
    int small_potrf(bool upper, int n, T* a);
RL_SMALL_LAPACK(float)
RL_SMALL_LAPACK(double)
RL_SMALL_LAPACK(std::complex<float>)
RL_SMALL_LAPACK(std::complex<double>)
#undef RL_SMALL_LAPACK

// Householder's vectors below R, their factors in tau. False, with a spoilt, if a norm's square leaves the range of
// double.
bool small_geqrf(int m, int n, float* a, float* tau);
bool small_geqrf(int m, int n, double* a, double* tau);
// The eigenvalues of a symmetric matrix, rising, in w, and its vectors in place of a unless only values are wanted; one
// triangle is read. False, with a untouched, if its numbers are too large or small to be squared.
bool small_syev(bool upper, bool vectors, int n, float* a, float* w);
bool small_syev(bool upper, bool vectors, int n, double* a, double* w);
// A thin singular value decomposition of a (m x n, m >= n, both up to kSmallSvd): s not rising, u (m x n) in place of
// a, v (n x n; null if only s is wanted). False, with a spoilt, if a is singular or out of range: then a library's
// algorithm, which completes u, is needed.
bool small_gesvd(int m, int n, float* a, float* s, float* v);
bool small_gesvd(int m, int n, double* a, double* s, double* v);
// q (m x columns): the first columns of the product of the k reflectors in the columns of v (m x k).
void small_orgqr(int m, int columns, int k, const float* v, const float* tau, float* q);
void small_orgqr(int m, int columns, int k, const double* v, const double* tau, double* q);

}  // namespace rl::cpu
