// Recurrent layers and steps, which ops/rnn_forms.cpp gives their public names.
#pragma once
#include "cpu/buffer.h"
#include "ops/matmul.h"

namespace rl {

enum class RnnMode : int64_t { Tanh, Relu, Lstm, Gru };

// New hidden state and cell from the input's and the hidden state's part of the gates (N, G).
std::pair<Tensor, Tensor> rnn_step(RnnMode mode, const Tensor& gates, const Tensor& hidden, const Tensor& h, const Tensor& c);
// Outputs and cells (T, N, H) of all steps; cells is undefined but for the LSTM.
std::pair<Tensor, Tensor> rnn_layer(RnnMode mode, const Tensor& gates, const Tensor& h0, const Tensor& c0, const Tensor& w, const Tensor& b, bool reverse);
// The same by other operators, step by step; each new hidden state is multiplied by projection.T if that is given.
std::pair<Tensor, Tensor> rnn_layer_by_steps(RnnMode mode, const Tensor& gates, const Tensor& h0, const Tensor& c0, const Tensor& w, const Tensor& b, bool reverse, const Tensor& projection);

}  // namespace rl
