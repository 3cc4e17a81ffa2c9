#include <utility>

#include "cpu/kernels/table.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

struct Sixteen {  // a complex128
    uint64_t half[2];
};

// Square blocks of N x N elements are transposed in registers, N elements being a vector of `Bytes` bytes: log2(N)
// times, row i is interleaved with row i + N/2.
template <class T, int Bytes>
struct Block {
    static constexpr int N = Bytes / int(sizeof(T));
    using V [[gnu::vector_size(Bytes)]] = T;

    template <int... I>
    RL_INLINE static void interleave(V* out, const V* in, std::integer_sequence<int, I...>) {
        RL_UNROLL
        for (int i = 0; i < N / 2; ++i) {
            out[2 * i] = __builtin_shufflevector(in[i], in[i + N / 2], (I / 2 + (I % 2) * N)...);
            out[2 * i + 1] = __builtin_shufflevector(in[i], in[i + N / 2], (N / 2 + I / 2 + (I % 2) * N)...);
        }
    }
    RL_INLINE static void run(T* y, const T* x, int64_t x_stride, int64_t y_stride) {
        constexpr auto index = std::make_integer_sequence<int, N>{};
        V a[N], b[N];
        RL_UNROLL
        for (int i = 0; i < N; ++i) __builtin_memcpy(&a[i], x + i * x_stride, Bytes);
        constexpr int stages = N == 2 ? 1 : N == 4 ? 2 : N == 8 ? 3 : 4;
        RL_UNROLL
        for (int s = 0; s < stages; s += 2) {
            interleave(b, a, index);
            if (s + 1 < stages) {
                interleave(a, b, index);
            } else {
                RL_UNROLL
                for (int i = 0; i < N; ++i) a[i] = b[i];
            }
        }
        RL_UNROLL
        for (int i = 0; i < N; ++i) __builtin_memcpy(y + i * y_stride, &a[i], Bytes);
    }
};
template <int Bytes>
struct Block<Sixteen, Bytes> {
    static constexpr int N = 1;
    RL_INLINE static void run(Sixteen* y, const Sixteen* x, int64_t, int64_t) { *y = *x; }
};

template <class T>
RL_INLINE void transpose_edge(T* y, const T* x, int64_t rows, int64_t columns, int64_t x_stride, int64_t y_stride) {
    for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) y[c * y_stride + r] = x[r * x_stride + c];
}

// A cache line, moved whole: strides that are powers of two crowd all rows of a matrix into one set of the cache, where
// a line that is touched twice has been evicted in between.
using Line [[gnu::vector_size(RL_VEC_BYTES)]] = int64_t;
template <bool Stream>
RL_INLINE void move_line(void* to, const void* from) {
    RL_UNROLL
    for (int i = 0; i < 64; i += RL_VEC_BYTES) {
        Line v;
        __builtin_memcpy(&v, static_cast<const char*>(from) + i, RL_VEC_BYTES);
        char* const p = static_cast<char*>(to) + i;
#ifdef __x86_64__
        if constexpr (Stream) {
#if RL_ISA_LEVEL == 2
            _mm512_stream_si512(reinterpret_cast<__m512i*>(p), (__m512i)v);
#elif RL_ISA_LEVEL == 1
            _mm256_stream_si256(reinterpret_cast<__m256i*>(p), (__m256i)v);
#else
            _mm_stream_si128(reinterpret_cast<__m128i*>(p), (__m128i)v);
#endif
            continue;
        }
#endif
        __builtin_memcpy(p, &v, RL_VEC_BYTES);
    }
}

// L x L elements, L being those of one line: lines come in, are transposed between two buffers, and go out.
template <class T, int Bytes, bool Stream>
RL_INLINE void transpose_lines(T* y, const T* x, int64_t x_stride, int64_t y_stride) {
    using B = Block<T, Bytes>;
    constexpr int64_t L = 64 / int64_t(sizeof(T)), N = B::N;
    if constexpr (N == L && !Stream) return B::run(y, x, x_stride, y_stride);
    alignas(64) T in[L * L], out[L * L];
    for (int64_t r = 0; r < L; ++r) move_line<false>(in + r * L, x + r * x_stride);
    for (int64_t r = 0; r < L; r += N)
        for (int64_t c = 0; c < L; c += N) B::run(out + c * L + r, in + r * L + c, L, L);
    for (int64_t c = 0; c < L; ++c) move_line<Stream>(y + c * y_stride, out + c * L);
}

// Tiles of 128 x 128 (or two lines), so that a tile's pages stay in the first TLB. Rows of x are read in runs too short
// for the machine to foresee, so the line four ahead is asked for by hand: twice as fast on a large matrix.
template <class T, int Bytes, bool Stream>
void transpose_tiles(T* y, const T* x, int64_t rows, int64_t columns, int64_t x_stride, int64_t y_stride) {
    constexpr int64_t L = 64 / int64_t(sizeof(T)), tile = 128, ahead = 4 * L;
    for (int64_t r0 = 0; r0 < rows; r0 += tile) {
        const int64_t r_end = rows - r0 < tile ? rows : r0 + tile, r_full = r0 + (r_end - r0) / L * L;
        for (int64_t c0 = 0; c0 < columns; c0 += tile) {
            const int64_t c_end = columns - c0 < tile ? columns : c0 + tile, c_full = c0 + (c_end - c0) / L * L;
            for (int64_t r = r0; r < r_full; r += L)
                for (int64_t c = c0; c < c_full; c += L) {
                    const T* const block = x + r * x_stride + c;
                    for (int64_t i = 0; i < L; ++i) __builtin_prefetch(block + i * x_stride + ahead);
                    transpose_lines<T, Bytes, Stream>(y + c * y_stride + r, block, x_stride, y_stride);
                }
            if (c_full < c_end)
                transpose_edge(y + c_full * y_stride + r0, x + r0 * x_stride + c_full, r_end - r0, c_end - c_full,
                               x_stride, y_stride);
            if (r_full < r_end)
                transpose_edge(y + c0 * y_stride + r_full, x + r_full * x_stride + c0, r_end - r_full, c_full - c0,
                               x_stride, y_stride);
        }
    }
}

template <class T, int Bytes>
RL_INLINE void transpose_as(void* y, const void* x, int64_t rows, int64_t columns, int64_t x_stride, int64_t y_stride,
                            [[maybe_unused]] bool stream) {
    T* const to = static_cast<T*>(y);
    const T* const from = static_cast<const T*>(x);
#ifdef __x86_64__
    const bool aligned = reinterpret_cast<uintptr_t>(y) % 64 == 0 && y_stride * int64_t(sizeof(T)) % 64 == 0;
    if (stream && aligned) {
        transpose_tiles<T, Bytes, true>(to, from, rows, columns, x_stride, y_stride);
        _mm_sfence();
        return;
    }
#endif
    transpose_tiles<T, Bytes, false>(to, from, rows, columns, x_stride, y_stride);
}

// Copies *value over the run: a vector filled with it, then the remaining bytes.
template <class T>
RL_INLINE void fill_as(void* y, const void* value, int64_t n) {
    T v;
    __builtin_memcpy(&v, value, sizeof(T));
    constexpr int N = RL_VEC_BYTES / int(sizeof(T));
    T line[N];
    for (auto& e : line) e = v;
    detail::I32 vector;
    __builtin_memcpy(&vector, line, RL_VEC_BYTES);
    T* p = static_cast<T*>(y);
    int64_t i = 0;
    for (; i + N <= n; i += N) __builtin_memcpy(p + i, &vector, RL_VEC_BYTES);
    for (; i < n; ++i) p[i] = v;
}

template <class T>
using Wide [[gnu::vector_size(RL_VEC_BYTES)]] = T;
template <class T, int... I>
RL_INLINE Wide<T> reversed(Wide<T> v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, (int(sizeof...(I)) - 1 - I)...);
}
// Every second element of the two vectors in a row.
template <class T, int... I>
RL_INLINE Wide<T> evens(Wide<T> a, Wide<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...);
}
template <class T, int First, int... I>
RL_INLINE Wide<T> zipped(Wide<T> a, Wide<T> b, std::integer_sequence<int, I...>) {
    constexpr int N = sizeof...(I);
    return __builtin_shufflevector(a, b, (First + I / 2 + (I % 2) * N)...);
}
template <class T>
RL_INLINE Wide<T> load_line(const T* p) {
    Wide<T> v;
    __builtin_memcpy(&v, p, RL_VEC_BYTES);
    return v;
}
template <class T>
RL_INLINE void store_line(T* p, Wide<T> v) {
    __builtin_memcpy(p, &v, RL_VEC_BYTES);
}
template <class T>
RL_INLINE void gather_as(void* y, const void* x, int64_t stride, int64_t n) {
    constexpr int N = RL_VEC_BYTES / int(sizeof(T));
    constexpr auto index = std::make_integer_sequence<int, N>{};
    T* const to = static_cast<T*>(y);
    const T* const from = static_cast<const T*>(x);
    int64_t i = 0;
    if (stride == -1) {
        for (; i + N <= n; i += N) store_line<T>(to + i, reversed<T>(load_line<T>(from - i - (N - 1)), index));
        if (n >= N && i < n) {  // the last piece lies over the one before it
            store_line<T>(to + n - N, reversed<T>(load_line<T>(from - (n - 1)), index));
            return;
        }
    } else if (stride == 2)  // the last element read is the last one wanted
        for (; i + N < n; i += N)
            store_line<T>(to + i, evens<T>(load_line<T>(from + 2 * i), load_line<T>(from + 2 * i + N), index));
    for (; i < n; ++i) to[i] = from[i * stride];
}
// The last piece of a row lies over the one before it.
template <int Piece>
RL_INLINE bool copy_pieces(char* to, const char* from, int64_t bytes) {
    using P [[gnu::vector_size(Piece)]] = char;
    if (bytes < Piece) return false;
    P piece;
    for (int64_t i = 0; i + Piece <= bytes; i += Piece) {
        __builtin_memcpy(&piece, from + i, Piece);
        __builtin_memcpy(to + i, &piece, Piece);
    }
    __builtin_memcpy(&piece, from + bytes - Piece, Piece);
    __builtin_memcpy(to + bytes - Piece, &piece, Piece);
    return true;
}
// memcpy of a row. The library's function is one call for each of them, and for rows of some kilobytes it starts a string
// instruction, whose start costs up to a third of the whole.
RL_INLINE void copy_bytes(char* to, const char* from, int64_t bytes) {
    constexpr int64_t line = RL_VEC_BYTES, block = 4 * line;
    if (bytes > 8192 || (line == 16 && bytes > 256)) {
        __builtin_memcpy(to, from, size_t(bytes));
        return;
    }
    int64_t i = 0;
    for (; i + block <= bytes; i += block) {
        const Wide<char> a = load_line<char>(from + i), b = load_line<char>(from + i + line);
        const Wide<char> c = load_line<char>(from + i + 2 * line), d = load_line<char>(from + i + 3 * line);
        store_line<char>(to + i, a), store_line<char>(to + i + line, b);
        store_line<char>(to + i + 2 * line, c), store_line<char>(to + i + 3 * line, d);
    }
    to += i, from += i, bytes -= i;
    if (copy_pieces<line>(to, from, bytes) || (line > 16 && copy_pieces<16>(to, from, bytes)) || copy_pieces<4>(to, from, bytes)) return;
    for (i = 0; i < bytes; ++i) to[i] = from[i];
}
template <class T>
RL_INLINE void interleave_as(void* y, const void* a, const void* b, int64_t n) {
    constexpr int N = RL_VEC_BYTES / int(sizeof(T));
    constexpr auto index = std::make_integer_sequence<int, N>{};
    T* const to = static_cast<T*>(y);
    const T *const first = static_cast<const T*>(a), *const second = static_cast<const T*>(b);
    int64_t i = 0;
    for (; i + N <= n; i += N) {
        const Wide<T> u = load_line<T>(first + i), v = load_line<T>(second + i);
        store_line<T>(to + 2 * i, zipped<T, 0>(u, v, index));
        store_line<T>(to + 2 * i + N, zipped<T, N / 2>(u, v, index));
    }
    for (; i < n; ++i) to[2 * i] = first[i], to[2 * i + 1] = second[i];
}

constexpr int kLanes = RL_VEC_BYTES / 4;
using Bytes [[gnu::vector_size(kLanes)]] = uint8_t;
using Shorts [[gnu::vector_size(2 * kLanes)]] = int16_t;
// A byte to each float. The width doubles step by step: GCC takes a longer leap one lane at a time.
RL_INLINE Vec<float> load_mask(const uint8_t* p) {
    Bytes keep;
    __builtin_memcpy(&keep, p, sizeof(keep));
    const auto ints = __builtin_convertvector(__builtin_convertvector(keep, Shorts), detail::I32);
    return Vec<float>(__builtin_convertvector(ints, detail::F32), 0);
}
// Bodies for as many elements as a vector of floats has.
RL_INLINE void drop(float* y, const float* x, Vec<float> mask, float scale) {
    (Vec<float>::load(x) * mask * scale).store(y);
}
RL_INLINE void drop(double* y, const double* x, Vec<float> mask, double scale) {
    Vec<double> low, high;
    widen(mask, low, high);
    (Vec<double>::load(x) * low * scale).store(y);
    (Vec<double>::load(x + kLanes / 2) * high * scale).store(y + kLanes / 2);
}
template <class T>
RL_INLINE void dropout(T* y, const T* x, const uint8_t* mask, T scale, int64_t n) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) drop(y + i, x + i, load_mask(mask + i), scale);
    for (; i < n; ++i) y[i] = x[i] * T(mask[i]) * scale;
}

}  // namespace

void transpose(void* y, const void* x, int64_t rows, int64_t columns, int64_t x_stride, int64_t y_stride,
               int element_size, bool stream) {
    constexpr int half = RL_VEC_BYTES > 16 ? 32 : 16;
    switch (element_size) {
        case 1:
            return transpose_as<uint8_t, 16>(y, x, rows, columns, x_stride, y_stride, stream);
        case 2:
            return transpose_as<uint16_t, half>(y, x, rows, columns, x_stride, y_stride, stream);
        case 4:
            return transpose_as<uint32_t, RL_VEC_BYTES>(y, x, rows, columns, x_stride, y_stride, stream);
        case 8:
            return transpose_as<uint64_t, RL_VEC_BYTES>(y, x, rows, columns, x_stride, y_stride, stream);
        default:
            return transpose_as<Sixteen, 16>(y, x, rows, columns, x_stride, y_stride, stream);
    }
}

void gather(void* y, const void* x, int64_t stride, int element_size, int64_t n) {
    switch (element_size) {
        case 1:
            return gather_as<uint8_t>(y, x, stride, n);
        case 2:
            return gather_as<uint16_t>(y, x, stride, n);
        case 4:
            return gather_as<uint32_t>(y, x, stride, n);
        case 8:
            return gather_as<uint64_t>(y, x, stride, n);
        default:
            for (int64_t i = 0; i < n; ++i) static_cast<Sixteen*>(y)[i] = static_cast<const Sixteen*>(x)[i * stride];
    }
}
template <class T>
RL_INLINE void copy_plane_as(void* y, const void* x, int64_t rows, int64_t n, int64_t y_step, int64_t x_step, int64_t stride) {
    T* to = static_cast<T*>(y);
    const T* from = static_cast<const T*>(x);
    for (int64_t r = 0; r < rows; ++r, to += y_step, from += x_step) {
        if (stride == 1) copy_bytes(reinterpret_cast<char*>(to), reinterpret_cast<const char*>(from), n * int64_t(sizeof(T)));
        else if (stride == 0) fill_as<T>(to, from, n);
        else gather_as<T>(to, from, stride, n);
    }
}
void copy_plane(void* y, const void* x, int64_t rows, int64_t n, int64_t y_step, int64_t x_step, int64_t stride, int element_size) {
    switch (element_size) {
        case 1:
            return copy_plane_as<uint8_t>(y, x, rows, n, y_step, x_step, stride);
        case 2:
            return copy_plane_as<uint16_t>(y, x, rows, n, y_step, x_step, stride);
        case 4:
            return copy_plane_as<uint32_t>(y, x, rows, n, y_step, x_step, stride);
        case 8:
            return copy_plane_as<uint64_t>(y, x, rows, n, y_step, x_step, stride);
        default:
            for (int64_t r = 0; r < rows; ++r)
                for (int64_t i = 0; i < n; ++i) static_cast<Sixteen*>(y)[r * y_step + i] = static_cast<const Sixteen*>(x)[r * x_step + i * stride];
    }
}
void copy_row(void* y, const void* x, int64_t bytes) {
    copy_bytes(static_cast<char*>(y), static_cast<const char*>(x), bytes);
}
void gather_rows(void* y, const void* x, const int64_t* index, int64_t step, int64_t bytes, int64_t n) {
    char* to = static_cast<char*>(y);
    const char* from = static_cast<const char*>(x);
    for (int64_t i = 0; i < n; ++i) copy_bytes(to + i * bytes, from + index[i] * step, bytes);
}
void interleave(void* y, const void* a, const void* b, int element_size, int64_t n) {
    switch (element_size) {
        case 1:
            return interleave_as<uint8_t>(y, a, b, n);
        case 2:
            return interleave_as<uint16_t>(y, a, b, n);
        case 4:
            return interleave_as<uint32_t>(y, a, b, n);
        default:
            interleave_as<uint64_t>(y, a, b, n);
    }
}

void fill(void* y, const void* value, int element_size, int64_t n) {
    switch (element_size) {
        case 1:
            return fill_as<uint8_t>(y, value, n);
        case 2:
            return fill_as<uint16_t>(y, value, n);
        case 4:
            return fill_as<uint32_t>(y, value, n);
        case 8:
            return fill_as<uint64_t>(y, value, n);
        default:
            fill_as<Sixteen>(y, value, n);
    }
}

void dropout_f32(float* y, const float* x, const uint8_t* mask, float scale, int64_t n) {
    dropout(y, x, mask, scale, n);
}
void dropout_f64(double* y, const double* x, const uint8_t* mask, double scale, int64_t n) {
    dropout(y, x, mask, scale, n);
}

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
