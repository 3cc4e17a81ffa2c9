#include "cpu/layout.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/clones.h"
#include "cpu/parallel.h"

namespace rl::cpu {
namespace {

constexpr int64_t kTile = 64;  // a tile of source and result fits the first-level cache
constexpr int64_t kSerialBytes = 128 * 1024;

template <class T>
struct Vector {
    using Index = std::conditional_t<sizeof(T) == 2, int16_t, std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>;
    typedef T Lanes __attribute__((vector_size(8 * sizeof(T))));
    typedef Index Order __attribute__((vector_size(8 * sizeof(T))));
};

// 8 x 8 elements: exchanges neighbours, then pairs, then halves.
template <class T>
[[gnu::always_inline]] inline void transpose_8x8(const T* in, int64_t in_row, T* out, int64_t out_row) {
    using Lanes = typename Vector<T>::Lanes;
    using Order = typename Vector<T>::Order;
    constexpr Order low1 = {0, 8, 2, 10, 4, 12, 6, 14}, high1 = {1, 9, 3, 11, 5, 13, 7, 15};
    constexpr Order low2 = {0, 1, 8, 9, 4, 5, 12, 13}, high2 = {2, 3, 10, 11, 6, 7, 14, 15};
    constexpr Order low4 = {0, 1, 2, 3, 8, 9, 10, 11}, high4 = {4, 5, 6, 7, 12, 13, 14, 15};
    Lanes a[8], b[8];
    for (int i = 0; i < 8; ++i) std::memcpy(&a[i], in + i * in_row, sizeof(Lanes));
    for (int i = 0; i < 8; i += 2) {
        b[i] = __builtin_shuffle(a[i], a[i + 1], low1);
        b[i + 1] = __builtin_shuffle(a[i], a[i + 1], high1);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = i; j < i + 2; ++j) {
            a[j] = __builtin_shuffle(b[j], b[j + 2], low2);
            a[j + 2] = __builtin_shuffle(b[j], b[j + 2], high2);
        }
    for (int j = 0; j < 4; ++j) {
        b[j] = __builtin_shuffle(a[j], a[j + 4], low4);
        b[j + 4] = __builtin_shuffle(a[j], a[j + 4], high4);
    }
    for (int i = 0; i < 8; ++i) std::memcpy(out + i * out_row, &b[i], sizeof(Lanes));
}

template <class T>
[[gnu::always_inline]] inline void transpose_rest(const T* in, T* out, int64_t rows, int64_t columns, int64_t i0,
                                                  int64_t i1, int64_t j0, int64_t j1) {
    for (int64_t j = j0; j < j1; ++j)
        for (int64_t i = i0; i < i1; ++i) out[j * rows + i] = in[i * columns + j];
}

template <class T>
[[gnu::always_inline]] inline void transpose_by_8(const T* in, T* out, int64_t rows, int64_t columns, int64_t i0,
                                                  int64_t i1, int64_t j0, int64_t j1) {
    int64_t i8 = i0 + (i1 - i0) / 8 * 8, j8 = j0 + (j1 - j0) / 8 * 8;
    constexpr int64_t line = 64 / sizeof(T);
    for (int64_t j = j0; j < j8; j += 8)
        for (int64_t i = i0; i < i8; i += 8) {
            // The next tile to the right: rows that lie this far apart are not foreseen by the machine.
            if (j % line == 0)
                for (int64_t k = 0; k < 8; ++k) __builtin_prefetch(in + (i + k) * columns + j + kTile);
            transpose_8x8(in + i * columns + j, columns, out + j * rows + i, rows);
        }
    transpose_rest(in, out, rows, columns, i8, i1, j0, j1);
    transpose_rest(in, out, rows, columns, i0, i8, j8, j1);
}

RL_CLONES void transpose_tile(const uint16_t* in, uint16_t* out, int64_t rows, int64_t columns, int64_t i0, int64_t i1,
                              int64_t j0, int64_t j1) {
    transpose_by_8(in, out, rows, columns, i0, i1, j0, j1);
}
RL_CLONES void transpose_tile(const float* in, float* out, int64_t rows, int64_t columns, int64_t i0, int64_t i1,
                              int64_t j0, int64_t j1) {
    transpose_by_8(in, out, rows, columns, i0, i1, j0, j1);
}
RL_CLONES void transpose_tile(const uint64_t* in, uint64_t* out, int64_t rows, int64_t columns, int64_t i0, int64_t i1,
                              int64_t j0, int64_t j1) {
    transpose_by_8(in, out, rows, columns, i0, i1, j0, j1);
}

template <class T>
void transpose_tile(const T* in, T* out, int64_t rows, int64_t columns, int64_t i0, int64_t i1, int64_t j0,
                    int64_t j1) {
    transpose_rest(in, out, rows, columns, i0, i1, j0, j1);
}

template <class T>
void transpose_all(const T* in, T* out, int64_t batch, int64_t rows, int64_t columns) {
    // Strips of the result's rows: each thread writes a contiguous part.
    int64_t strips = (columns + kTile - 1) / kTile;
    bool serial = batch * rows * columns * int64_t(sizeof(T)) < kSerialBytes;
    parallel_for(batch * strips, serial ? batch * strips + 1 : 2, [&](int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; ++s) {
            int64_t at = s / strips * rows * columns, j0 = s % strips * kTile, j1 = std::min(columns, j0 + kTile);
            for (int64_t i0 = 0; i0 < rows; i0 += kTile)
                transpose_tile(in + at, out + at, rows, columns, i0, std::min(rows, i0 + kTile), j0, j1);
        }
    });
}

struct Bytes16 {
    uint64_t a, b;
};

}  // namespace

void transpose(const void* in, void* out, int64_t batch, int64_t rows, int64_t columns, int64_t element_size) {
    auto as = [&]<class T>(T) { transpose_all(static_cast<const T*>(in), static_cast<T*>(out), batch, rows, columns); };
    switch (element_size) {
        case 1:
            return as(uint8_t{});
        case 2:
            return as(uint16_t{});
        case 4:
            return as(float{});
        case 8:
            return as(uint64_t{});
        case 16:
            return as(Bytes16{});
    }
}

}  // namespace rl::cpu
