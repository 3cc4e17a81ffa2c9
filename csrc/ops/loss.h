// What the losses share: the reduction argument and its old spelling.
#pragma once
#include "core/op.h"
#include "core/ops.h"

namespace rl {

enum class Reduction : int64_t { None, Mean, Sum };

// "none", "mean" or "sum"; size_average and reduce are the names of before, which win where given.
Reduction reduction_of(const char* op, const std::string& text, const OptBool& size_average, const OptBool& reduce);
Tensor reduce_loss(const Tensor& loss, Reduction r);
// A target of another shape is broadcast, with PyTorch's warning.
void warn_sizes(const char* op, const Tensor& input, const Tensor& target);
// Mean or sum of squared or absolute differences of two tensors of one shape, without history.
Tensor difference_loss(const Tensor& input, const Tensor& target, bool squared, bool average);

}  // namespace rl
