// What convolution, pooling and resizing share: images and the order in which they lie in memory.
#pragma once
#include <array>

#include "cpu/layout.h"
#include "ops/matmul.h"

namespace rl {

using ConvMask = std::array<bool, 3>;

struct ConvOptions {
    Dims stride, padding, dilation, output_padding;
    bool transposed = false;
    int64_t groups = 1;
    void expand(size_t n);  // lists of one element to n
};
Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvOptions& o);

// A tensor (N, C, positions..) without lazy bits, dense, and the order in which it lies.
struct Image {
    Tensor t;
    cpu::Layout layout;
};
Image image_of(const Tensor& t);
bool is_channels_last(const Tensor& t);  // and not contiguous
Tensor empty_image(Ints sizes, DType dtype, Device device, bool channels_last);

}  // namespace rl
