// The two orders in which images are stored, and the copy from one to the other.
#pragma once
#include <cstdint>

namespace rl::cpu {

enum class Layout : uint8_t {
    Planar,        // batch, channel, then the positions: NCHW. Weights: out, in, kernel
    ChannelsLast,  // batch, the positions, then channel: NHWC. Weights: out, kernel, in
};

// out[b][j][i] = in[b][i][j] for `batch` matrices of rows x columns elements of 1, 2, 4, 8 or 16 bytes.
void transpose(const void* in, void* out, int64_t batch, int64_t rows, int64_t columns, int64_t element_size);

}  // namespace rl::cpu
