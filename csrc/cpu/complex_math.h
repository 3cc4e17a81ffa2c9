// Functions of complex numbers, compiled once: their cost is in the C library, not in the width of a vector.
#pragma once

#include <complex>

namespace rl::cpu::complex_math {

#define RL_COMPLEX_UNARY(F)                                                                                         \
    F(exp)                                                                                                          \
    F(exp2)                                                                                                         \
    F(expm1) F(log) F(log2) F(log10) F(log1p) F(sqrt) F(rsqrt) F(sin) F(cos) F(tan) F(asin) F(acos) F(atan) F(sinh) \
        F(cosh) F(tanh) F(asinh) F(acosh) F(atanh) F(sigmoid) F(square) F(reciprocal) F(sign) F(sinc)
#define RL_DECLARE(name)                             \
    std::complex<float> name(std::complex<float> z); \
    std::complex<double> name(std::complex<double> z);
RL_COMPLEX_UNARY(RL_DECLARE)
#undef RL_DECLARE

// The same on pairs of real numbers, for code that must not call std::complex.
void exp_parts(const float* z, float* to);
void exp_parts(const double* z, double* to);
float abs(std::complex<float> z);
double abs(std::complex<double> z);
float angle(std::complex<float> z);
double angle(std::complex<double> z);
std::complex<float> pow(std::complex<float> x, std::complex<float> y);
std::complex<double> pow(std::complex<double> x, std::complex<double> y);
std::complex<float> xlogy(std::complex<float> x, std::complex<float> y);
std::complex<double> xlogy(std::complex<double> x, std::complex<double> y);
std::complex<float> logaddexp(std::complex<float> x, std::complex<float> y);
std::complex<double> logaddexp(std::complex<double> x, std::complex<double> y);

}  // namespace rl::cpu::complex_math
