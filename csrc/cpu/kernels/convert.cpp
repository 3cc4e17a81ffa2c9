#include <limits>
#include <type_traits>

#include "cpu/kernels/table.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

using detail::F32, detail::F64, detail::H32, detail::I32;
using U32 [[gnu::vector_size(RL_VEC_BYTES)]] = uint32_t;
using U16 [[gnu::vector_size(RL_VEC_BYTES / 2)]] = uint16_t;
constexpr int kLanes = RL_VEC_BYTES / 4;

template <class V, class T>
RL_INLINE V load_as(const T* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof(V));
    return v;
}
template <class V, class T>
RL_INLINE void store_as(T* p, V v) {
    __builtin_memcpy(p, &v, sizeof(V));
}

// y[i..] = f(x[i..]) a vector at a time; the rest goes through a padded copy, so that there is one formula.
template <int Width, class Y, class X, class F>
RL_INLINE void convert(Y* y, const X* x, int64_t n, F f) {
    int64_t i = 0;
    for (; i + Width <= n; i += Width) f(y + i, x + i);
    if (i == n) return;
    X in[Width] = {};
    Y out[Width];
    for (int64_t j = i; j < n; ++j) in[j - i] = x[j];
    f(out, in);
    for (int64_t j = i; j < n; ++j) y[j] = out[j - i];
}

// One element of any of the plain types. What is out of an integer's range becomes the smallest number of 32 bits (64 for
// int64), as this hardware has it, before it is cut to the integer's width.
template <class D, class S>
RL_INLINE D cast(S v) {
    if constexpr (std::is_same_v<D, bool>) return v != S(0);
    else if constexpr (std::is_floating_point_v<S> && std::is_integral_v<D>) {
        using Wide = std::conditional_t<sizeof(D) == 8, int64_t, int32_t>;
#ifdef __x86_64__
        return D(Wide(v));
#else
        constexpr S limit = sizeof(Wide) == 8 ? S(9223372036854775808.0) : S(2147483648.0);
        return D(v > -limit && v < limit ? Wide(v) : std::numeric_limits<Wide>::min());
#endif
    } else return D(v);
}
template <class D, class S>
void convert_run(void* y, const void* x, int64_t n) {
    D* const __restrict to = static_cast<D*>(y);
    const S* const __restrict from = static_cast<const S*>(x);
    for (int64_t i = 0; i < n; ++i) to[i] = cast<D>(from[i]);
}
template <class D>
constexpr ConvertRow row = {
    convert_run<D, bool>,    convert_run<D, uint8_t>, convert_run<D, int8_t>, convert_run<D, int16_t>,
    convert_run<D, int32_t>, convert_run<D, int64_t>, convert_run<D, float>,  convert_run<D, double>,
};

// a where the lanes of mask are all ones, else b
RL_INLINE U32 choose(U32 mask, U32 a, U32 b) { return (a & mask) | (b & ~mask); }

RL_INLINE U32 widened(const uint16_t* p) {
#if RL_ISA_LEVEL == 2
    return (U32)_mm512_cvtepu16_epi32(load_as<__m256i>(p));  // of the generic conversion the compiler makes two halves
#else
    return __builtin_convertvector(load_as<U16>(p), U32);
#endif
}
RL_INLINE U32 to_bf16(U32 bits) {
    const U32 rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
#if RL_ISA_LEVEL == 2
    const __m512 x = (__m512)bits;
    return (U32)_mm512_mask_mov_epi32((__m512i)rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc0));
#else
    return choose((U32)((bits & 0x7fffffff) > 0x7f800000), U32{} + 0x7fc0, rounded);
#endif
}

// Half precision without its instructions, by F. Giesen's use of float arithmetic for rounding and subnormals.
RL_INLINE U32 to_f16(U32 bits) {
    const U32 sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    const U32 normal = (magnitude + ((magnitude >> 13) & 1) - (112u << 23) + 0xfff) >> 13;
    const F32 shifted = (F32)magnitude + 0.5f;  // the unit of 0.5 is that of a subnormal half
    const U32 subnormal = (U32)shifted - 0x3f000000u;
    const U32 special = choose((U32)(magnitude > 0x7f800000), U32{} + 0x7e00, U32{} + 0x7c00);
    const U32 finite = choose((U32)(magnitude < (113u << 23)), subnormal, normal);
    return sign | choose((U32)(magnitude >= (143u << 23)), special, finite);
}
RL_INLINE U32 from_f16(U32 half) {
    const U32 sign = (half & 0x8000) << 16, magnitude = (half & 0x7fff) << 13;
    const U32 special = (U32)(magnitude >= (31u << 23));
    const F32 scaled = (F32)magnitude * 0x1p112f;  // exact, subnormal halves included
    return sign | choose(special, magnitude | 0x7f800000, (U32)scaled);
}

}  // namespace

constinit const ConvertTable convert_table = {
    row<bool>, row<uint8_t>, row<int8_t>, row<int16_t>, row<int32_t>, row<int64_t>, row<float>, row<double>,
};

void f32_to_bf16(uint16_t* y, const float* x, int64_t n) {
    convert<kLanes>(y, x, n, [](uint16_t* o, const float* p) __attribute__((always_inline)) {
        store_as(o, __builtin_convertvector(to_bf16(load_as<U32>(p)), U16));
    });
}
void bf16_to_f32(float* y, const uint16_t* x, int64_t n) {
    convert<kLanes>(y, x, n, [](float* o, const uint16_t* p) __attribute__((always_inline)) {
        store_as(o, widened(p) << 16);
    });
}

void f32_to_f16(uint16_t* y, const float* x, int64_t n) {
    convert<kLanes>(y, x, n, [](uint16_t* o, const float* p) __attribute__((always_inline)) {
#if RL_ISA_LEVEL == 2
        store_as(o, _mm512_cvtps_ph(_mm512_loadu_ps(p), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif RL_ISA_LEVEL == 1
        store_as(o, _mm256_cvtps_ph(_mm256_loadu_ps(p), _MM_FROUND_TO_NEAREST_INT));
#else
        store_as(o, __builtin_convertvector(to_f16(load_as<U32>(p)), U16));
#endif
    });
}
void f16_to_f32(float* y, const uint16_t* x, int64_t n) {
    convert<kLanes>(y, x, n, [](float* o, const uint16_t* p) __attribute__((always_inline)) {
#if RL_ISA_LEVEL == 2
        store_as(o, _mm512_cvtph_ps(load_as<__m256i>(p)));
#elif RL_ISA_LEVEL == 1
        store_as(o, _mm256_cvtph_ps(load_as<__m128i>(p)));
#else
        store_as(o, from_f16(widened(p)));
#endif
    });
}

void f32_to_f64(double* y, const float* x, int64_t n) {
    convert<kLanes / 2>(y, x, n, [](double* o, const float* p) __attribute__((always_inline)) {
        store_as(o, __builtin_convertvector(load_as<H32>(p), F64));
    });
}
void f64_to_f32(float* y, const double* x, int64_t n) {
    convert<kLanes / 2>(y, x, n, [](float* o, const double* p) __attribute__((always_inline)) {
        store_as(o, __builtin_convertvector(load_as<F64>(p), H32));
    });
}

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
