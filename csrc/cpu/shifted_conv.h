// Convolution of stride 1 as weighted sums of shifted copies of planes, for groups of few channels (one each: depthwise): the
// libraries have no fast way for long kernels of single channels, for few channels, nor for any of the gradients.
#pragma once
#include "cpu/conv.h"

namespace rl::cpu {

bool is_depthwise(const ConvShape& s);     // a group for each channel
bool is_shiftable(const ConvShape& s);     // groups of few channels, of a kind that the functions below take

// Images of planes in order. bias may be null.
template <class T> void shifted_forward(const ConvShape& s, const T* source, const T* weights, const T* bias, T* destination);
template <class T> void shifted_backward_data(const ConvShape& s, const T* gradient, const T* weights, const T* bias, T* source_gradient);
template <class T> void shifted_backward_weights(const ConvShape& s, const T* source, const T* gradient, T* weights_gradient);

}  // namespace rl::cpu
