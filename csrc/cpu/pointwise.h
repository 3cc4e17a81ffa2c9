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

// Whether f works on vectors of complex numbers (cpu/math_complex.h): said before the operator.
template <class O> inline constexpr bool complex_vectors = false;
#define RL_COMPLEX_VECTORS(O) \
    struct O;                 \
    template <> inline constexpr bool complex_vectors<O> = true

template <class O, int Level> struct PointwiseKernels { static const PointwiseTable table; };

#ifdef RL_ISA
namespace cpu {
inline namespace RL_ISA_NS {
template <class O, class V, class T, size_t... I>
RL_INLINE auto apply_f(const T* p, const V* v, std::index_sequence<I...>) {
    if constexpr (O::kParams > 0) return O::template f<V>(v[I]..., p);
    else return O::template f<V>(v[I]...);
}

template <class O, class T> struct ResultOf { using type = std::conditional_t<O::kBool, bool, T>; };
template <class O, class T> requires O::kReal
struct ResultOf<O, std::complex<T>> { using type = T; };

// Vectors. `f` stands in the code once, as some are long: an input that is one element is a vector of copies that the
// loop does not advance over, and the last, partial vector goes through the same code, filled up with its first element: a
// number of the function's own could be one that it is slow for.
template <class O, class T, size_t... I>
RL_INLINE void vector_loop(void* out, const void* const* in, int64_t n, unsigned scalars, const T* p, std::index_sequence<I...> index) {
    using V = Vec<T>;
    constexpr int W = V::size;
    T copies[O::kInputs][W];
    const T* x[] = {static_cast<const T*>(in[I])...};
    int64_t step[] = {(scalars >> I & 1) ? 0 : W + 0 * int64_t(I)...};
    for (int k = 0; k < O::kInputs; k++)
        if (!step[k]) V(*x[k]).store(copies[k]), x[k] = copies[k];
    T* o = static_cast<T*>(out);
    for (; n > 0; n -= W, o += W) {
        const bool whole = n >= W;
        V v[] = {(whole ? V::load(x[I]) : V::load(x[I], int(n), *x[I]))...};
        const V r = apply_f<O, V, T>(p, v, index);
        if (whole) r.store(o);
        else r.store(o, int(n));
        ((x[I] += step[I]), ...);
    }
}

// The same for complex numbers, n of them, T the type of their parts. p holds pairs.
template <class O, class T, size_t... I>
RL_INLINE void complex_loop(void* out, const void* const* in, int64_t n, unsigned scalars, const std::complex<T>* p, std::index_sequence<I...> index) {
    using V = VecC<T>;
    constexpr int W = V::size, kOut = O::kReal ? 1 : 2;
    T copies[O::kInputs][2 * W];
    const T* x[] = {static_cast<const T*>(in[I])...};
    int64_t step[] = {(scalars >> I & 1) ? 0 : 2 * W + 0 * int64_t(I)...};
    for (int k = 0; k < O::kInputs; k++)
        if (!step[k]) V(Vec<T>(x[k][0]), Vec<T>(x[k][1])).store(copies[k]), x[k] = copies[k];
    T* o = static_cast<T*>(out);
    for (; n > 0; n -= W, o += kOut * W) {
        const int width = n < W ? int(n) : W;
        V v[] = {V::load(x[I], step[I] ? width : W)...};
        const auto r = apply_f<O, V, std::complex<T>>(p, v, index);
        if (width == W) r.store(o);
        else r.store(o, width);
        ((x[I] += step[I]), ...);
    }
}

// Elements one by one. M: which inputs are one element; kAnyMask: `scalars` says it at run time.
inline constexpr unsigned kAnyMask = ~0u;
template <class O, class T, unsigned M, size_t... I>
RL_INLINE void element_loop(void* out, const void* const* in, int64_t n, [[maybe_unused]] unsigned scalars, const T* p, std::index_sequence<I...> index) {
    using R = typename ResultOf<O, T>::type;
    const T* x[] = {static_cast<const T*>(in[I])...};
    R* o = static_cast<R*>(out);
    if constexpr (M == kAnyMask) {
        const int64_t step[] = {int64_t(~scalars >> I & 1)...};
        for (int64_t i = 0; i < n; i++) {
            T v[] = {x[I][i * step[I]]...};
            o[i] = R(apply_f<O, T, T>(p, v, index));
        }
    } else {
        T s[] = {((M >> I & 1) ? *x[I] : T())...};
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            T v[] = {((M >> I & 1) ? s[I] : x[I][i])...};
            o[i] = R(apply_f<O, T, T>(p, v, index));
        }
    }
}

// The first input is a byte for each element, of the others f chooses one.
template <class O, class T, unsigned M>
RL_INLINE void masked_loop(void* out, const void* const* in, int64_t n, unsigned scalars) {
    const uint8_t* m = static_cast<const uint8_t*>(in[0]);
    const T *a = static_cast<const T*>(in[1]), *b = static_cast<const T*>(in[2]);
    T* o = static_cast<T*>(out);
    if constexpr (M == kAnyMask) {
        const int64_t ms = ~scalars & 1, as = ~scalars >> 1 & 1, bs = ~scalars >> 2 & 1;
        for (int64_t i = 0; i < n; i++) o[i] = O::f(m[i * ms], a[i * as], b[i * bs]);
    } else {
        const T x = *a, y = *b;
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) o[i] = O::f(m[i], (M & 2) ? x : a[i], (M & 4) ? y : b[i]);
    }
}

template <class O, class T>
void pointwise_kernel(void* out, const void* const* in, int64_t n, unsigned scalars, const void* params) {
    [[maybe_unused]] constexpr auto index = std::make_index_sequence<O::kInputs>{};
    [[maybe_unused]] const T* p = static_cast<const T*>(params);
    if constexpr (requires { O::template run<T>(out, in, n, scalars); })  // an operator's own loop, where it has one for T
        if (O::template run<T>(out, in, n, scalars)) return;
    if constexpr (O::kMasked) {
        if (scalars == 0) masked_loop<O, T, 0>(out, in, n, scalars);
        else if (scalars == 2) masked_loop<O, T, 2>(out, in, n, scalars);
        else if (scalars == 4) masked_loop<O, T, 4>(out, in, n, scalars);
        else masked_loop<O, T, kAnyMask>(out, in, n, scalars);
    } else if constexpr ((std::is_same_v<T, float> || std::is_same_v<T, double>) && !O::kBool && O::kVector) {
        vector_loop<O, T>(out, in, n, scalars, p, index);
    } else if constexpr (is_complex_v<T> && complex_vectors<O>) {
        complex_loop<O, typename T::value_type>(out, in, n, scalars, p, index);
    } else if constexpr (is_complex_v<T> || !O::kVector || O::kInputs > 2) {
        element_loop<O, T, kAnyMask>(out, in, n, scalars, p, index);
    } else {
        if (scalars == 0) element_loop<O, T, 0>(out, in, n, scalars, p, index);
        else if (scalars == 2) element_loop<O, T, 2>(out, in, n, scalars, p, index);
        else element_loop<O, T, kAnyMask>(out, in, n, scalars, p, index);
    }
}

template <class O, class T>
consteval PointwiseFn pick() {
    // Most complex arithmetic calls library templates, which must not exist in code for newer machines only. Tests of
    // bools are tests of bytes, for which the compiler makes vectors.
    using Memory = std::conditional_t<O::kBool && std::is_same_v<T, bool>, uint8_t, T>;
    if constexpr ((O::kDtypes >> int(dtype_of<T>()) & 1) && (RL_ISA_LEVEL == 0 || !is_complex_v<T> || complex_vectors<O>)) return &pointwise_kernel<O, Memory>;
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
