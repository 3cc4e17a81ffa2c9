// The operators of pooling, of any number of spatial dimensions, which ops/pool_forms.cpp gives their public names.
#pragma once
#include "ops/conv.h"

namespace rl {

struct PoolOptions {
    size_t n;          // spatial dimensions
    const char* op;    // for messages
    Dims kernel, stride, padding, dilation;
    bool ceil_mode = false;
    // Lists of one element become n; an empty stride is the kernel's.
    void expand();
};

// input (N, C, ..) or (C, ..). Values and, where asked, indices into each plane of the input.
std::pair<Tensor, Tensor> max_pool(const Tensor& input, PoolOptions o, bool indices);
Tensor average_pool(const Tensor& input, PoolOptions o, bool count_include_pad, const OptInt& divisor);
std::pair<Tensor, Tensor> adaptive_max_pool(const Tensor& input, const Dims& output, const char* op);
Tensor adaptive_average_pool(const Tensor& input, const Dims& output, const char* op);

}  // namespace rl
