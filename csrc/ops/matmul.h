// The raw products behind the matrix operators: values only, no history and no modes.
#pragma once
#include "core/iterate.h"
#include "core/op.h"
#include "core/pointwise.h"
#include "cpu/gemm.h"
#include "cpu/kernels.h"

namespace rl {

// The number types that products are computed in; others raise in the name of `kernel`, as PyTorch does.
template <class F>
void dispatch_gemm(const char* kernel, DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Complex64: return f(Tag<c64>{});
        case DType::Complex128: return f(Tag<c128>{});
        case DType::Float16: return f(Tag<Half>{});
        case DType::BFloat16: return f(Tag<BFloat16>{});
        case DType::UInt8: return f(Tag<uint8_t>{});
        case DType::Int8: return f(Tag<int8_t>{});
        case DType::Int16: return f(Tag<int16_t>{});
        case DType::Int32: return f(Tag<int32_t>{});
        case DType::Int64: return f(Tag<int64_t>{});
        default: raise(Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(t), "'");
    }
}
void check_gemm_type(const char* kernel, DType t);
const char* cpp_name(DType t);  // "float", "long int": how PyTorch's messages of products name types

// A matrix in memory: element (i, j) is p[i * row + j * column].
struct MatrixView {
    const void* p;
    int64_t row, column;
};
inline MatrixView matrix_view(const Tensor& t) { return {t.raw(), t.strides()[0], t.strides()[1]}; }
inline MatrixView transposed(MatrixView m) { return {m.p, m.column, m.row}; }

// Multiplications up to which our own kernel, which takes any strides, is faster than a library's call.
inline constexpr int64_t kSmallProduct = 48 * 48 * 48;

// Can BLAS read it: one of the strides is 1 and the other leaves no overlap?
inline bool blas_layout(int64_t rows, int64_t columns, int64_t row, int64_t column) {
    bool plain = (column == 1 || columns <= 1) && (row >= columns || rows <= 1);
    bool turned = (row == 1 || rows <= 1) && (column >= rows || columns <= 1);
    return plain || turned;
}
// t (.., rows, columns) without lazy bits and with matrices that BLAS can read.
Tensor blas_ready(const Tensor& t);

// C = alpha A B + beta C (+ bias for each row, with beta 0). C has contiguous rows, ldc apart; a and b are blas_ready
// or the product is small and of floats.
template <class T>
void product(int64_t m, int64_t n, int64_t k, cpu::GemmScalar<T> alpha, MatrixView a, MatrixView b, cpu::GemmScalar<T> beta, T* c, int64_t ldc, const T* bias = nullptr) {
    const T *pa = static_cast<const T*>(a.p), *pb = static_cast<const T*>(b.p);
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
        if (m * n * k <= kSmallProduct) return cpu::kernels().gemm<T>().small(m, n, k, alpha, pa, a.row, a.column, pb, b.row, b.column, beta, c, ldc, bias);
    auto plain = [](int64_t rows, int64_t columns, MatrixView v) { return (v.column == 1 || columns <= 1) && (v.row >= columns || rows <= 1); };
    auto leading = [](int64_t rows, int64_t columns, int64_t stride) { return rows <= 1 || stride < columns ? std::max<int64_t>(columns, 1) : stride; };
    bool ta = !plain(m, k, a), tb = !plain(k, n, b);
    cpu::gemm<T>(ta, tb, m, n, k, alpha, pa, ta ? leading(k, m, a.column) : leading(m, k, a.row), pb, tb ? leading(n, k, b.column) : leading(k, n, b.row), beta, c, std::max(ldc, n), bias);
}

// a (m, k) times b (k, n) where op transposes what is stored if its flag is set; a fresh contiguous tensor.
Tensor mm_raw(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b);
// c (batch, m, n), contiguous rows, = alpha a b + beta c for each matrix of a (batch, m, k) and b (batch, k, n).
void bmm_into(const char* kernel, const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& alpha, const Scalar& beta);

// Scalars alpha and beta of a product in type T; complex ones for a real product raise.
template <class T> cpu::GemmScalar<T> gemm_scalar(const Scalar& s) {
    check(!s.is_complex() || is_complex_v<T>, "value cannot be converted to type ", cpp_name(dtype_of<T>()), " without overflow");
    return s.to<cpu::GemmScalar<T>>();
}
Tensor scaled(const Tensor& t, const Scalar& s);  // t * conj(s); t itself for 1: how alpha and beta enter gradients
Tensor adjoint(const Tensor& t);                  // the last two dimensions exchanged, conjugated

// A tensor into which a result of these sizes and dtype is computed: `out` itself, resized, if it has contiguous rows
// and none of `inputs` shares its memory; else a fresh tensor, which store_result() copies to out.
Tensor result_target(const char* op, const Tensor& out, DType t, const Dims& sizes, std::initializer_list<const Tensor*> inputs);
void store_result(const Tensor& out, const Tensor& target);

Tensor dot(const Tensor& a, const Tensor& b);
Tensor mv(const Tensor& a, const Tensor& b);
Tensor outer(const Tensor& a, const Tensor& b);
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor addmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta = 1, const Scalar& alpha = 1);

void check_same_device(const char* op, const Tensor& a, const Tensor& b);
inline Device common_device(const Tensor& a, const Tensor& b) { return a.is_meta() || b.is_meta() ? Device::Meta : Device::CPU; }

}  // namespace rl
