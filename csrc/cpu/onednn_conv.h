// Convolution by oneDNN, on operands in the layout that it is fastest with.
#pragma once
#include "cpu/conv.h"
#include "cpu/onednn_matmul.h"

namespace rl::cpu::onednn {

enum class ConvKind : uint8_t { Forward, BackwardData, BackwardWeights };

// The layout of images in which oneDNN computes this fastest.
Layout conv_layout(ConvKind kind, const ConvShape& shape);

// False when oneDNN has no implementation of this one. Images are in conv_layout(); `bias` may be nullptr.
// Forward writes destination, BackwardData writes source, BackwardWeights writes weights and bias.
bool conv(ConvKind kind, const ConvShape& shape, Type type, const void* source, const void* weights,
          Layout weights_layout, const void* bias, const void* destination);

}  // namespace rl::cpu::onednn
