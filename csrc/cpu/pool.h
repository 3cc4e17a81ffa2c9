// Pooling of 1 to 3 spatial dimensions, with fixed or adaptive windows, and its gradients.
// T: float, double, Half, BFloat16; max pooling also the integers from uint8 to int64.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cpu/layout.h"

namespace rl::cpu {

struct PoolShape {
    int dims = 2;  // spatial dimensions, 1 to 3; the arrays beyond it are not read
    int64_t batch, channels;
    int64_t input[3], output[3];
    // Adaptive windows divide the input evenly among the outputs; then the arrays below are not read.
    bool adaptive = false;
    int64_t kernel[3], stride[3], padding[3], dilation[3];  // dilation: of max pooling only
    // Of average pooling: what the sum is divided by.
    bool count_include_pad = true;
    int64_t divisor = 0;  // if not 0, instead of the number of elements
};

// The largest element of each window (NaN counts as largest) and its index in the input's plane; indices may be
// nullptr.
template <class T>
void max_pool_forward(const PoolShape& shape, Layout layout, const T* source, T* destination, int64_t* indices);
template <class T>
void max_pool_backward(const PoolShape& shape, Layout layout, const T* gradient, const int64_t* indices,
                       T* source_gradient);

template <class T>
void average_pool_forward(const PoolShape& shape, Layout layout, const T* source, T* destination);
template <class T>
void average_pool_backward(const PoolShape& shape, Layout layout, const T* gradient, T* source_gradient);

}  // namespace rl::cpu
