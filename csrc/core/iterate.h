// Loops over tensors of any strides and dtypes, for kernels that know only contiguous runs of one type.
#pragma once
#include "core/tensor.h"
#include "cpu/pointwise.h"

namespace rl {

struct LoopInput {
    const char* p;
    DType dtype;
    Dims strides;  // elements, broadcast to the loop's sizes (0 where broadcast)
    DType as = DType::Undefined;  // what the kernel wants to read, where it is not the loop's type
};
Dims broadcast_strides(const Tensor& t, Ints sizes);
inline LoopInput loop_input(const Tensor& t, Ints sizes) { return {t.raw(), t.dtype(), broadcast_strides(t, sizes), DType::Undefined}; }

// out[i] = fn(in[i]...) for every index of `sizes`, computing in `compute`; fn's results have type `result`.
void run_pointwise(PointwiseFn fn, const Tensor& out, const LoopInput* in, int n_in, DType compute, DType result, const void* params, int64_t grain);
// dst[i] = src[i] with conversion; src is broadcast to dst. Both are plain memory: see resolve().
void copy_raw(const Tensor& dst, const Tensor& src);
void fill_raw(const Tensor& dst, const Scalar& value);
// n elements with strides (in elements) and conversion.
void convert_run(char* dst, DType dt, int64_t dst_stride, const char* src, DType st, int64_t src_stride, int64_t n);

// The same values in ordinary memory: conj and neg bits applied, gaps closed.
Tensor resolve(const Tensor& t);     // no lazy bits; t itself where it has none
Tensor contiguous(const Tensor& t);  // also contiguous; without history
Tensor cast_raw(const Tensor& t, DType dtype);  // contiguous copy, or t itself where nothing is to do

inline constexpr int64_t kGrain = 32768;  // elements of cheap arithmetic that are worth a second thread
// How many rounds of a loop are, where each is `cost` of these.
inline int64_t grain_for(int64_t cost) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(cost, 1)); }

}  // namespace rl
