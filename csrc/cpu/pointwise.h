// Kernels of pointwise operators, made from an operator's `f` for each element type and ISA level.
//
// A source of pointwise operators (csrc/ops/pointwise*.cpp) is compiled once per ISA level with RL_ISA defined, where
// KERNELS(Op) below makes the tables, and once without, where it declares them. `f` is written on V: a Vec<float> or
// Vec<double> in the vector loops, else a plain element. It must be RL_F, so that no copy compiled for a newer machine
// is left where an older one would find it.
#pragma once
#include "core/dtype.h"
#include "cpu/math.h"

namespace rl {
#define RL_F [[gnu::always_inline]] static inline

// out and in[i] are contiguous runs of n elements; where bit i of `scalars` is set in[i] is one element.
using PointwiseFn = void (*)(void* out, const void* const* in, int64_t n, unsigned scalars, const void* params);
inline constexpr int kComputeTypes = 15;  // DType indices 0..14
struct PointwiseTable {
    PointwiseFn fn[kComputeTypes];
};
// Sets of element types, as bits of DType's indices.
inline constexpr uint32_t bit(DType t) { return 1u << int(t); }
inline constexpr uint32_t kInts = bit(DType::UInt8) | bit(DType::Int8) | bit(DType::Int16) | bit(DType::Int32) | bit(DType::Int64);
inline constexpr uint32_t kUnsigned = bit(DType::UInt16) | bit(DType::UInt32) | bit(DType::UInt64);
inline constexpr uint32_t kFloats = bit(DType::Float32) | bit(DType::Float64);
inline constexpr uint32_t kComplexes = bit(DType::Complex64) | bit(DType::Complex128);
inline constexpr uint32_t kBools = bit(DType::Bool);
inline constexpr uint32_t kAllTypes = kBools | kInts | kFloats | kComplexes;

template <class O, int Level> struct PointwiseKernels { static const PointwiseTable table; };

#ifdef RL_ISA
namespace cpu {
inline namespace RL_ISA_NS {
template <class O, class V, class T, size_t... I>
RL_INLINE auto apply_f(const T* p, const V* v, std::index_sequence<I...>) {
    if constexpr (O::kParams > 0) return O::template f<V>(v[I]..., p);
    else return O::template f<V>(v[I]...);
}

template <class O, class T, unsigned M, size_t... I>
void pointwise_loop(void* out, const void* const* in, int64_t n, const T* p, std::index_sequence<I...> index) {
    const T* x[] = {static_cast<const T*>(in[I])...};
    if constexpr ((std::is_same_v<T, float> || std::is_same_v<T, double>) && !O::kBool && O::kVector) {
        using V = Vec<T>;
        constexpr int W = V::size;
        T* o = static_cast<T*>(out);
        V s[] = {V((M >> I & 1) ? *x[I] : T(0))...};
        int64_t i = 0;
        for (; i + W <= n; i += W) {
            V v[] = {((M >> I & 1) ? s[I] : V::load(x[I] + i))...};
            apply_f<O, V, T>(p, v, index).store(o + i);
        }
        if (i < n) {
            V v[] = {((M >> I & 1) ? s[I] : V::load(x[I] + i, int(n - i), T(1)))...};
            apply_f<O, V, T>(p, v, index).store(o + i, int(n - i));
        }
    } else {
        using R = std::conditional_t<O::kBool, bool, T>;
        R* o = static_cast<R*>(out);
        T s[] = {((M >> I & 1) ? *x[I] : T())...};
        for (int64_t i = 0; i < n; i++) {
            T v[] = {((M >> I & 1) ? s[I] : x[I][i])...};
            o[i] = R(apply_f<O, T, T>(p, v, index));
        }
    }
}

template <class O, class T>
void pointwise_kernel(void* out, const void* const* in, int64_t n, unsigned scalars, const void* params) {
    constexpr auto index = std::make_index_sequence<O::kInputs>{};
    const T* p = static_cast<const T*>(params);
    switch (scalars) {
        case 0: return pointwise_loop<O, T, 0>(out, in, n, p, index);
        case 1: return pointwise_loop<O, T, 1>(out, in, n, p, index);
        case 2: if constexpr (O::kInputs > 1) return pointwise_loop<O, T, 2>(out, in, n, p, index); break;
        case 3: if constexpr (O::kInputs > 2) return pointwise_loop<O, T, 3>(out, in, n, p, index); break;
        case 4: if constexpr (O::kInputs > 2) return pointwise_loop<O, T, 4>(out, in, n, p, index); break;
        case 5: if constexpr (O::kInputs > 2) return pointwise_loop<O, T, 5>(out, in, n, p, index); break;
        case 6: if constexpr (O::kInputs > 2) return pointwise_loop<O, T, 6>(out, in, n, p, index); break;
    }
    // every input is one element
    const T* x[O::kInputs];
    for (int i = 0; i < O::kInputs; i++) x[i] = static_cast<const T*>(in[i]);
    constexpr unsigned all = (1u << O::kInputs) - 1;
    pointwise_loop<O, T, all>(out, in, n, p, index);
    (void)x;
}

template <class O, class T>
consteval PointwiseFn pick() {
    // complex arithmetic calls library templates, which must not exist in code for newer machines only
    if constexpr ((O::kDtypes >> int(dtype_of<T>()) & 1) && (RL_ISA_LEVEL == 0 || !is_complex_v<T>)) return &pointwise_kernel<O, T>;
    else return nullptr;
}
template <class O>
consteval PointwiseTable make_table() {
    return {{pick<O, bool>(), pick<O, uint8_t>(), pick<O, int8_t>(), pick<O, int16_t>(), pick<O, int32_t>(), pick<O, int64_t>(), nullptr, nullptr,
             pick<O, float>(), pick<O, double>(), pick<O, c64>(), pick<O, c128>(), pick<O, uint16_t>(), pick<O, uint32_t>(), pick<O, uint64_t>()}};
}
}  // namespace RL_ISA_NS
}  // namespace cpu
#define KERNELS(O) template <> constinit const PointwiseTable PointwiseKernels<O, RL_ISA_LEVEL>::table = cpu::make_table<O>()
#else
#if defined(__x86_64__)
#define KERNELS(O)                                                    \
    template <> const PointwiseTable PointwiseKernels<O, 0>::table;   \
    template <> const PointwiseTable PointwiseKernels<O, 1>::table;   \
    template <> const PointwiseTable PointwiseKernels<O, 2>::table
#else
#define KERNELS(O) template <> const PointwiseTable PointwiseKernels<O, 0>::table
#endif
int isa_level_for_kernels();
// The kernels for this machine; complex ones exist at the baseline level only.
template <class O> PointwiseTable best_kernels() {
    PointwiseTable t = PointwiseKernels<O, 0>::table;
#if defined(__x86_64__)
    int level = isa_level_for_kernels();
    if (level == 0) return t;
    const PointwiseTable& best = level == 2 ? PointwiseKernels<O, 2>::table : PointwiseKernels<O, 1>::table;
    for (int i = 0; i < kComputeTypes; i++)
        if (best.fn[i]) t.fn[i] = best.fn[i];
#endif
    return t;
}
#endif

}  // namespace rl
