// Convolution of 1 to 3 spatial dimensions and its two gradients. A transposed convolution is conv_backward_data of the
// convolution that it transposes; its gradients are conv_forward and conv_backward_weights.
// T: float, double, Half, BFloat16. Float and bfloat16 are computed by oneDNN where it is there, else, as double, by
// unfolding the windows into a matrix. Inputs are not checked: shapes must agree, and no size may be negative.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cpu/layout.h"

namespace rl::cpu {

struct ConvShape {
    int dims = 2;  // spatial dimensions, 1 to 3; the arrays beyond it are not read
    int64_t batch, in_channels, out_channels, groups = 1;
    int64_t input[3], kernel[3], output[3];
    int64_t stride[3], padding[3], dilation[3];  // padding before the first position; what is behind the last follows
};

// destination = source convolved with weights (out_channels, in_channels / groups, kernel...), plus bias if given.
template <class T>
void conv_forward(const ConvShape& shape, const T* source, Layout source_layout, const T* weights,
                  Layout weights_layout, const T* bias, T* destination, Layout destination_layout);

// bias: one number for each channel of the source, or null, that a transposed convolution adds.
template <class T>
void conv_backward_data(const ConvShape& shape, const T* gradient, Layout gradient_layout, const T* weights,
                        Layout weights_layout, const T* bias, T* source_gradient, Layout source_layout);

template <class T>
void conv_backward_weights(const ConvShape& shape, const T* source, Layout source_layout, const T* gradient,
                           Layout gradient_layout, T* weights_gradient, Layout weights_layout);

// Are both gradients computed with the channels last, so that a planar gradient of the result would be turned twice?
bool conv_gradients_channels_last(const ConvShape& shape, DType type);

}  // namespace rl::cpu
