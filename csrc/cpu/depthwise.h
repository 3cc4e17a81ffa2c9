// Convolution of each channel by itself (groups = channels, stride 1, one or two dimensions, planes in order): the libraries
// have no fast way for long kernels, nor for any of the gradients.
#pragma once
#include "cpu/conv.h"

namespace rl::cpu {

// One plane of input and one of output: rows and columns.
struct PlaneShape {
    int64_t in[2], out[2], kernel[2], padding[2], dilation[2];
};
bool is_depthwise(const ConvShape& s);  // and of a kind that the functions below take
PlaneShape plane_of(const ConvShape& s);

template <class T> void depthwise_forward(const ConvShape& s, const T* source, const T* weights, const T* bias, T* destination);
template <class T> void depthwise_backward_data(const ConvShape& s, const T* gradient, const T* weights, T* source_gradient);
template <class T> void depthwise_backward_weights(const ConvShape& s, const T* source, const T* gradient, T* weights_gradient);

}  // namespace rl::cpu
