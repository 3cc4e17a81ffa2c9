// OpenBLAS as its wheel exports it: CBLAS and LAPACKE under the prefix scipy_, complex numbers as std::complex.
// The library's own threads are not used: call blas_serial() before, and divide work with parallel_for.
#pragma once
#include <complex>

#define lapack_complex_float std::complex<float>
#define lapack_complex_double std::complex<double>
#define LAPACK_GLOBAL(lower, UPPER) scipy_##lower##_
#include <cblas.h>
#include <lapacke.h>

namespace rl::cpu {

// Holds OpenBLAS to one thread. Its own pool beside libgomp's would slow both down many times.
inline void blas_serial() {
    static const bool once = [] {
        scipy_openblas_set_num_threads(1);
        return true;
    }();
    (void)once;
}

}  // namespace rl::cpu
