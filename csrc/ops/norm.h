// What the normalisations share.
#pragma once
#include <cmath>

#include "ops/reduce.h"

namespace rl {

using Three = std::tuple<Tensor, Tensor, Tensor>;

// Gradients must be differentiable themselves: then they are composed of public operators, not computed by kernels.
inline bool recorded(const Tensor& g) { return tls.grad || tls.modes || g->wrapper; }

// Rows are cut into this many blocks at most, for sums over rows that don't depend on the number of threads.
inline constexpr int64_t kNormBlocks = 32;
struct RowBlocks {
    int64_t rows, size, count;
    explicit RowBlocks(int64_t n) : rows(n), size(std::max<int64_t>(8, (n + kNormBlocks - 1) / kNormBlocks)), count((n + size - 1) / size) {}
    int64_t begin(int64_t i) const { return i * size; }
    int64_t length(int64_t i) const { return std::min(size, rows - i * size); }
};

// f(tag) with the type that x's kernels compute in: float or double.
template <class F> void float_type(const Tensor& x, F&& f) {
    if (x.dtype() == DType::Float64) f(Tag<double>{});
    else f(Tag<float>{});
}
template <class T> T* data_or_null(const Tensor& t) { return t ? t.data<T>() : nullptr; }
// A parameter in the type of computation, contiguous; undefined stays so.
inline Tensor parameter(const Tensor& t, DType compute) { return t ? cast_raw(t, compute) : t; }
// Gradients may come with other strides than the input's; kernels want both in one order of memory.
inline Tensor in_layout_of(const Tensor& t, const Tensor& like) {
    if (same(t.strides(), like.strides()) && t.dtype() == like.dtype() && !t.lazy()) return t;
    Tensor r = empty_strided(like.sizes(), like.strides(), like.dtype());
    copy_raw(r, resolve(t));
    return r;
}
// Parameters of 16-bit inputs may be float32; all others have the input's type.
void check_parameter_types(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias);

}  // namespace rl
