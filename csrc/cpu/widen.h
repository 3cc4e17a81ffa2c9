// 16-bit floating-point arrays to float and back.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl::cpu {

inline void widen(float* out, const Half* in, int64_t n) {
    kernels().f16_to_f32(out, reinterpret_cast<const uint16_t*>(in), n);
}
inline void widen(float* out, const BFloat16* in, int64_t n) {
    kernels().bf16_to_f32(out, reinterpret_cast<const uint16_t*>(in), n);
}
inline void narrow(Half* out, const float* in, int64_t n) {
    kernels().f32_to_f16(reinterpret_cast<uint16_t*>(out), in, n);
}
inline void narrow(BFloat16* out, const float* in, int64_t n) {
    kernels().f32_to_bf16(reinterpret_cast<uint16_t*>(out), in, n);
}

// A rows x columns matrix with rows ld apart, to and from a dense one.
template <class T>
void widen_matrix(const T* in, int64_t ld, int64_t rows, int64_t columns, float* out) {
    if (ld == columns) columns *= rows, rows = 1;
    if (rows == 1)
        return parallel_for(columns, 64 * 1024,
                            [=](int64_t begin, int64_t end) { widen(out + begin, in + begin, end - begin); });
    parallel_for(rows, rows * columns < 64 * 1024 ? rows + 1 : 2, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) widen(out + i * columns, in + i * ld, columns);
    });
}
template <class T>
void narrow_matrix(const float* in, int64_t rows, int64_t columns, T* out, int64_t ld) {
    if (ld == columns) columns *= rows, rows = 1;
    if (rows == 1)
        return parallel_for(columns, 64 * 1024,
                            [=](int64_t begin, int64_t end) { narrow(out + begin, in + begin, end - begin); });
    parallel_for(rows, rows * columns < 64 * 1024 ? rows + 1 : 2, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) narrow(out + i * ld, in + i * columns, columns);
    });
}

}  // namespace rl::cpu
