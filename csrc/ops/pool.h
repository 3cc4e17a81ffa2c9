// The operators of pooling, of any number of spatial dimensions, which ops/pool_forms.cpp gives their public names.
#pragma once
#include "ops/conv.h"

namespace rl {

// How a pooling is called: lists of one number stand for all n spatial dimensions, and the kernel is the stride where that is not
// given. `op` is for messages.
struct PoolCall {
    size_t n;
    const char* op;
    const Dims& kernel;
    const OptDims& stride;
    const Dims& padding;
    bool ceil_mode;
};

// input (N, C, ..) or (C, ..). Values and, where asked, indices into each plane of the input.
std::pair<Tensor, Tensor> max_pool(const Tensor& input, const PoolCall& o, const Dims& dilation, bool indices);
Tensor average_pool(const Tensor& input, const PoolCall& o, bool count_include_pad, const OptInt& divisor);
std::pair<Tensor, Tensor> adaptive_max_pool(const Tensor& input, const Dims& output, const char* op);
Tensor adaptive_average_pool(const Tensor& input, const Dims& output, const char* op);

}  // namespace rl
