// What the operators of linear algebra share: checks, matrices in LAPACK's order, LAPACKE by type.
#pragma once
#include <cmath>

#include "cpu/lapack.h"
#include "cpu/parallel.h"
#include "cpu/small_lapack.h"
#include "ops/matmul.h"

namespace rl {

// ---- LAPACKE without its tests for NaN, serial: getrf<T>(LAPACK_COL_MAJOR, ...)
#define RL_LAPACK_AS(NAME, S, D, C, Z)                                              \
    template <class T, class... A>                                                  \
    int NAME(A... a) {                                                              \
        if constexpr (std::is_same_v<T, float>) return scipy_LAPACKE_##S(a...);     \
        else if constexpr (std::is_same_v<T, double>) return scipy_LAPACKE_##D(a...); \
        else if constexpr (std::is_same_v<T, c64>) return scipy_LAPACKE_##C(a...);  \
        else return scipy_LAPACKE_##Z(a...);                                        \
    }
#define RL_LAPACK(NAME) RL_LAPACK_AS(NAME, s##NAME, d##NAME, c##NAME, z##NAME)
inline void lapack_begin() {
    cpu::blas_serial();
    static const bool once = (scipy_LAPACKE_set_nancheck(0), true);
    (void)once;
}

RL_LAPACK(getrf)
RL_LAPACK(potrf)
RL_LAPACK(geqrf)

template <class T> using Real = typename std::conditional_t<is_complex_v<T>, T, std::complex<T>>::value_type;

template <class T> T conjugate(T v) {
    if constexpr (is_complex_v<T>) return std::conj(v);
    else return v;
}

template <class T> bool all_finite(const T* data, int64_t n) {
    const auto* p = reinterpret_cast<const Real<T>*>(data);
    bool ok = true;
    for (int64_t i = 0; i < n * (is_complex_v<T> ? 2 : 1); i++) ok &= std::isfinite(p[i]);
    return ok;
}

template <class F> decltype(auto) dispatch_lapack(DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Complex64: return f(Tag<c64>{});
        case DType::Complex128: return f(Tag<c128>{});
        default: check(t == DType::Float64, Err::NotImplemented, "linear algebra is not implemented for '", title(t), "'"); return f(Tag<double>{});
    }
}

// ---- checks; `op` is the name in the message: "linalg.inv"
void check_matrix(const char* op, const Tensor& a, const char* what = "A");
void check_square(const char* op, const Tensor& a, const char* what = "A");
// RuntimeError in the name of op for integers; NotImplementedError in the name of a kernel, if given, for 16-bit floats.
void check_lapack_type(const char* op, const Tensor& a, const char* kernel = nullptr);
void check_lapack_kernel(const char* kernel, const Tensor& a);  // NotImplementedError for both

// ---- batches of matrices
inline int64_t rows(const Tensor& a) { return a.sizes()[size_t(a.dim() - 2)]; }
inline int64_t columns(const Tensor& a) { return a.sizes()[size_t(a.dim() - 1)]; }
Dims batch_of(const Tensor& a);                                 // sizes before the matrices
int64_t batch_count(const Tensor& a);
Dims matrices(const Dims& batch, int64_t m, int64_t n);         // batch sizes, then m, n
Tensor turned(const Tensor& a);                                 // last two dimensions exchanged: raw, no history
Tensor column_major(const Tensor& a);                           // (.., n, m) contiguous: a fresh copy of each matrix in LAPACK's order
Tensor read_column_major(const Tensor& a);                      // the same to be read only: copied if it isn't so in memory
Tensor identity(int64_t n, const Tensor& like);                 // n x n, of like's dtype and device
Tensor identity(const Dims& batch, int64_t m, int64_t n, DType t, Device device);
// The same batch sizes for both.
std::pair<Tensor, Tensor> with_common_batch(const char* op, const Tensor& a, const Tensor& b);

// Calls f(i) for every matrix of a batch, on several threads if there is enough to do.
template <class F> void each_matrix(int64_t batch, int64_t work, F f) {
    lapack_begin();
    cpu::parallel_for(batch, batch * work < 65536 ? batch + 1 : 2, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) f(i);
    });
}
// Calls f(i, first, count) for blocks of the k right-hand sides of every matrix of a batch; blocks of a fixed width, so
// that the bits don't depend on the number of threads.
template <class F> void each_side(int64_t batch, int64_t n, int64_t k, F f) {
    int64_t width = n < 128 ? std::max<int64_t>(k, 1) : 128, blocks = (k + width - 1) / width;
    each_matrix(batch * blocks, n * n * std::min(k, width), [&](int64_t i) {
        int64_t first = i % blocks * width;
        f(i / blocks, first, std::min(width, k - first));
    });
}
// Raises LinAlgError if an entry of info (int32) is positive.
using InfoText = std::string (*)(int64_t info);
void check_info(const char* op, const Tensor& info, bool batched, InfoText text);

// ---- operators that the others are made of
std::tuple<Tensor, Tensor, Tensor> lu_factor_ex(const Tensor& a, bool pivot = true);
Tensor solve(const Tensor& a, const Tensor& b);
Tensor inv(const Tensor& a);
Tensor det(const Tensor& a);
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true, bool unitriangular = false);
std::tuple<Tensor, Tensor> eigh(const Tensor& a, const std::string& uplo = "L");
std::tuple<Tensor, Tensor, Tensor> svd(const Tensor& a, bool full_matrices);
Tensor svdvals(const Tensor& a);
Tensor pinv(const Tensor& a);
// Raises in the name of op if a loss depends on the phase of complex vectors, which is free: d their gradient's diagonal.
void check_phase(const char* op, const char* vectors, const Tensor& d);
Tensor permutation(const Tensor& pivots, int64_t m, DType t);  // the matrix P of a = P L U
Tensor product_m(const Tensor& a, const Tensor& b);            // matmul
inline Tensor column(const Tensor& v) { return unsqueeze(v, -1); }
inline Tensor row(const Tensor& v) { return unsqueeze(v, -2); }

Tensor cumprod(const Tensor& a, int64_t dim);  // scan.cpp
}  // namespace rl
