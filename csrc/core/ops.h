// The operators that C++ formulas use, as plain functions. Each is defined beside its struct in csrc/ops/ and passes the
// one door, so a backward formula that is written with them can itself be differentiated.
#pragma once
#include "core/convert.h"

namespace rl {

// ---- pointwise
Tensor add(const Operand& a, const Operand& b, const Scalar& alpha = 1);
Tensor addcmul(const Tensor& a, const Tensor& b, const Tensor& c, const Scalar& value);  // a + value * b * c
Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha = 1);
Tensor mul(const Operand& a, const Operand& b);
Tensor div(const Operand& a, const Operand& b);
Tensor pow(const Operand& a, const Operand& b);
Tensor xlogy(const Operand& a, const Operand& b);
Tensor neg(const Tensor& a);
Tensor exp(const Tensor& a);
Tensor log(const Tensor& a);
Tensor sqrt(const Tensor& a);
Tensor rsqrt(const Tensor& a);
Tensor sin(const Tensor& a);
Tensor cos(const Tensor& a);
Tensor sinh(const Tensor& a);
Tensor cosh(const Tensor& a);
Tensor tanh(const Tensor& a);
Tensor sigmoid(const Tensor& a);
Tensor reciprocal(const Tensor& a);
Tensor square(const Tensor& a);
Tensor trunc(const Tensor& a);
Tensor abs(const Tensor& a);
Tensor sgn(const Tensor& a);
Tensor sign(const Tensor& a);
Tensor conj(const Tensor& a);  // itself for a real tensor; lazy for a complex one
Tensor real(const Tensor& a);
Tensor imag(const Tensor& a);
Tensor eq(const Operand& a, const Operand& b);
Tensor ne(const Operand& a, const Operand& b);
Tensor lt(const Operand& a, const Operand& b);
Tensor le(const Operand& a, const Operand& b);
Tensor gt(const Operand& a, const Operand& b);
Tensor ge(const Operand& a, const Operand& b);
Tensor logical_and(const Operand& a, const Operand& b);
Tensor logical_not(const Tensor& a);
Tensor isnan(const Tensor& a);
Tensor maximum(const Operand& a, const Operand& b);
Tensor minimum(const Operand& a, const Operand& b);
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);
Tensor masked_fill(const Tensor& a, const Tensor& mask, const Operand& value);
Tensor clamp(const Tensor& a, const OptScalar& min, const OptScalar& max);
Tensor add_(const Tensor& self, const Operand& other);
Tensor mul_(const Tensor& self, const Operand& other);
inline Tensor operator+(const Tensor& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Operand& b) { return div(a, b); }
inline Tensor operator+(const Scalar& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Scalar& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Scalar& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Scalar& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& a) { return neg(a); }

// ---- reductions
Tensor sum(const Tensor& a, const Dims& dims = {}, bool keepdim = false, const OptDType& dtype = {});  // no dims: all
Tensor mean(const Tensor& a, const Dims& dims = {}, bool keepdim = false, const OptDType& dtype = {});
Tensor amax(const Tensor& a, const Dims& dims, bool keepdim);
Tensor sum_to_size(const Tensor& a, const Dims& sizes);  // inverse of broadcasting
Tensor softmax(const Tensor& a, int64_t dim);
Tensor log_softmax(const Tensor& a, int64_t dim);
Tensor logsumexp(const Tensor& a, const Dims& dims, bool keepdim);
Tensor cumsum(const Tensor& a, int64_t dim);

// ---- creation
Tensor zeros(Ints sizes, DType dtype, Device device = Device::CPU);
Tensor ones(Ints sizes, DType dtype, Device device = Device::CPU);
Tensor full(Ints sizes, const Scalar& value, DType dtype, Device device = Device::CPU);
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
Tensor arange(int64_t n, DType dtype = DType::Int64);

// ---- copies
Tensor clone(const Tensor& a);
Tensor to(const Tensor& a, DType dtype);
Tensor contiguous_op(const Tensor& a);  // recorded, unlike contiguous()
Tensor copy_(const Tensor& self, const Tensor& src);
Tensor zero_(const Tensor& self);
Tensor fill_(const Tensor& self, const Scalar& value);
// self takes these sizes (contiguous), growing its storage where needed; warns where it held elements.
void resize_output(const char* op, const Tensor& out, Ints sizes);

// ---- views
Tensor view(const Tensor& a, const Dims& sizes);
Tensor reshape(const Tensor& a, const Dims& sizes);
Tensor expand(const Tensor& a, const Dims& sizes);
Tensor permute(const Tensor& a, const Dims& dims);
Tensor transpose(const Tensor& a, int64_t d0, int64_t d1);
Tensor squeeze(const Tensor& a, int64_t dim);
Tensor unsqueeze(const Tensor& a, int64_t dim);
Tensor select(const Tensor& a, int64_t dim, int64_t index);
Tensor slice(const Tensor& a, int64_t dim, const OptInt& start, const OptInt& end, int64_t step = 1);
Tensor narrow(const Tensor& a, int64_t dim, int64_t start, int64_t length);
Tensor as_strided(const Tensor& a, const Dims& sizes, const Dims& strides, const OptInt& offset);
Tensor view_as_real(const Tensor& a);
Tensor view_as_complex(const Tensor& a);
Tensor flatten(const Tensor& a, int64_t start = 0, int64_t end = -1);

// ---- joining and indexing
Tensor cat(const Tensors& ts, int64_t dim);
Tensor stack(const Tensors& ts, int64_t dim);
Tensor flip(const Tensor& a, const Dims& dims);
Tensor gather(const Tensor& a, int64_t dim, const Tensor& index);
Tensor scatter(const Tensor& a, int64_t dim, const Tensor& index, const Operand& src);
Tensor scatter_add(const Tensor& a, int64_t dim, const Tensor& index, const Tensor& src);
Tensor index_select(const Tensor& a, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& a, int64_t dim, const Tensor& index, const Tensor& src);
Tensor index(const Tensor& a, const Tensors& indices);
Tensor index_put(const Tensor& a, const Tensors& indices, const Tensor& values, bool accumulate);
Tensor tril(const Tensor& a, int64_t diagonal = 0);
Tensor triu(const Tensor& a, int64_t diagonal = 0);
Tensor diagonal(const Tensor& a, int64_t offset = 0, int64_t d0 = 0, int64_t d1 = 1);

// ---- matrix products
Tensor mm(const Tensor& a, const Tensor& b);
Tensor bmm(const Tensor& a, const Tensor& b);
Tensor matmul(const Tensor& a, const Tensor& b);

// ---- not operators
bool has_nan(const Tensor& t);
Dims format_strides(const char* op, Ints sizes, MemoryFormat format);
Scalar item(const Tensor& t);

}  // namespace rl
