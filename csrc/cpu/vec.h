// Short vectors of float and double, as wide as the instruction set this file is compiled for.
//
// A source that includes this header is compiled once per ISA level: -DRL_ISA=base, v3 (x86-64-v3: AVX2, FMA) or v4
// (x86-64-v4: AVX-512). Everything lives in the inline namespace isa_<level>, and every function is always_inline:
// a shared inline function that was compiled for v4 and kept by the linker would end in SIGILL on an older machine.
// For the same reason code in such sources must not call templates of namespace std that are not trivially inlined.
#pragma once

#include <cstdint>

#ifdef __x86_64__
#pragma GCC diagnostic push  // GCC 12 takes the deliberately undefined operands of its own intrinsics for mistakes
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#define RL_CAT2(a, b) a##b
#define RL_CAT(a, b) RL_CAT2(a, b)
#define RL_LEVEL_base 0
#define RL_LEVEL_v3 1
#define RL_LEVEL_v4 2
#ifdef RL_ISA
#define RL_ISA_NS RL_CAT(isa_, RL_ISA)
#define RL_ISA_LEVEL RL_CAT(RL_LEVEL_, RL_ISA)
#else  // sources that are compiled once
#define RL_ISA_NS isa_base
#define RL_ISA_LEVEL 0
#endif
#define RL_INLINE inline __attribute__((always_inline))
// On a loop over a short array of vectors: -O2 alone would leave the loop, and the vectors in memory.
#define RL_UNROLL _Pragma("GCC unroll 64")

#if RL_ISA_LEVEL == 2
#define RL_VEC_BYTES 64
#define RL_PS(op) _mm512_##op##_ps
#define RL_PD(op) _mm512_##op##_pd
#elif RL_ISA_LEVEL == 1
#define RL_VEC_BYTES 32
#define RL_PS(op) _mm256_##op##_ps
#define RL_PD(op) _mm256_##op##_pd
#else
#define RL_VEC_BYTES 16
#define RL_PS(op) _mm_##op##_ps
#define RL_PD(op) _mm_##op##_pd
#endif

// Whether fma() rounds once.
#if RL_ISA_LEVEL >= 1
#define RL_HAS_FMA 1
#else
#define RL_HAS_FMA 0
#endif

namespace rl::cpu {
inline namespace RL_ISA_NS {

namespace detail {
template <class T>
struct Lane;
template <>
struct Lane<float> {
    using Int = int32_t;
    static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
};
template <>
struct Lane<double> {
    using Int = int64_t;
    static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
};
using F32 [[gnu::vector_size(RL_VEC_BYTES)]] = float;
using F64 [[gnu::vector_size(RL_VEC_BYTES)]] = double;
using I32 [[gnu::vector_size(RL_VEC_BYTES)]] = int32_t;
using I64 [[gnu::vector_size(RL_VEC_BYTES)]] = int64_t;
using H32 [[gnu::vector_size(RL_VEC_BYTES / 2)]] = float;
template <class T>
struct Raw;
template <>
struct Raw<float> {
    using Vector = F32;
    using Bits = I32;
};
template <>
struct Raw<double> {
    using Vector = F64;
    using Bits = I64;
};

// max and min give the second operand when one of the two is NaN.
#ifdef __x86_64__
RL_INLINE F32 raw_max(F32 a, F32 b) { return RL_PS(max)(a, b); }
RL_INLINE F64 raw_max(F64 a, F64 b) { return RL_PD(max)(a, b); }
RL_INLINE F32 raw_min(F32 a, F32 b) { return RL_PS(min)(a, b); }
RL_INLINE F64 raw_min(F64 a, F64 b) { return RL_PD(min)(a, b); }
RL_INLINE F32 raw_sqrt(F32 a) { return RL_PS(sqrt)(a); }
RL_INLINE F64 raw_sqrt(F64 a) { return RL_PD(sqrt)(a); }
#else
RL_INLINE F32 raw_max(F32 a, F32 b) { return a > b ? a : b; }
RL_INLINE F64 raw_max(F64 a, F64 b) { return a > b ? a : b; }
RL_INLINE F32 raw_min(F32 a, F32 b) { return a < b ? a : b; }
RL_INLINE F64 raw_min(F64 a, F64 b) { return a < b ? a : b; }
RL_INLINE F32 raw_sqrt(F32 a) {
    for (int i = 0; i < RL_VEC_BYTES / 4; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
}
RL_INLINE F64 raw_sqrt(F64 a) {
    for (int i = 0; i < RL_VEC_BYTES / 8; ++i) a[i] = __builtin_sqrt(a[i]);
    return a;
}
#endif
#if RL_HAS_FMA
RL_INLINE F32 raw_fma(F32 a, F32 b, F32 c) { return RL_PS(fmadd)(a, b, c); }
RL_INLINE F64 raw_fma(F64 a, F64 b, F64 c) { return RL_PD(fmadd)(a, b, c); }
#else
RL_INLINE F32 raw_fma(F32 a, F32 b, F32 c) { return a * b + c; }
RL_INLINE F64 raw_fma(F64 a, F64 b, F64 c) { return a * b + c; }
#endif
}  // namespace detail

// One truth value per lane of a Vec<T>. AVX-512 keeps it in a mask register, the others as all-ones or zero lanes.
template <class T>
struct Mask {
    static constexpr int size = RL_VEC_BYTES / sizeof(T);
    using Bits = typename detail::Raw<T>::Bits;
#if RL_ISA_LEVEL == 2
    uint32_t raw;
    static constexpr uint32_t full = (1u << size) - 1;
    RL_INLINE static Mask from_bits(Bits b) {  // the sign bit of each lane
        if constexpr (sizeof(T) == 4)
            return {_mm512_movepi32_mask((__m512i)b)};
        else
            return {_mm512_movepi64_mask((__m512i)b)};
    }
    RL_INLINE static Mask first(int n) { return {full >> (size - n)}; }
    friend RL_INLINE Mask operator~(Mask a) { return {~a.raw & full}; }
    friend RL_INLINE bool any(Mask a) { return a.raw != 0; }
    friend RL_INLINE bool all(Mask a) { return a.raw == full; }
    RL_INLINE bool operator[](int i) const { return (raw >> i) & 1; }
#else
    Bits raw;
    RL_INLINE static Mask from_bits(Bits b) { return {b < 0}; }
    RL_INLINE static Mask first(int n) {
        Bits lane;
        RL_UNROLL
        for (int i = 0; i < size; ++i) lane[i] = i;
        return {lane < n};
    }
    friend RL_INLINE Mask operator~(Mask a) { return {~a.raw}; }
#if RL_ISA_LEVEL == 1
    friend RL_INLINE bool any(Mask a) { return !_mm256_testz_si256((__m256i)a.raw, (__m256i)a.raw); }
#elif defined(__x86_64__)
    friend RL_INLINE bool any(Mask a) { return _mm_movemask_epi8((__m128i)a.raw) != 0; }
#else
    friend RL_INLINE bool any(Mask a) {
        bool r = false;
        RL_UNROLL
        for (int i = 0; i < size; ++i) r |= a.raw[i] != 0;
        return r;
    }
#endif
    friend RL_INLINE bool all(Mask a) { return !any(~a); }
    RL_INLINE bool operator[](int i) const { return raw[i] != 0; }
#endif
    friend RL_INLINE Mask operator&(Mask a, Mask b) { return {a.raw & b.raw}; }
    friend RL_INLINE Mask operator|(Mask a, Mask b) { return {a.raw | b.raw}; }
    friend RL_INLINE Mask operator^(Mask a, Mask b) { return {a.raw ^ b.raw}; }
    friend RL_INLINE Mask operator!(Mask a) { return ~a; }
};

template <class T>
struct Vec {
    using value_type = T;
    using Int = typename detail::Lane<T>::Int;
    using Raw = typename detail::Raw<T>::Vector;
    using Bits = typename detail::Raw<T>::Bits;  // a GCC vector of integers: + - & | ^ ~ << >> work on it
    static constexpr int size = RL_VEC_BYTES / sizeof(T);

    Raw raw;

    Vec() = default;
    RL_INLINE Vec(T s) : raw(s - Raw{}) {}
    RL_INLINE explicit Vec(Raw r, int) : raw(r) {}

    RL_INLINE static Vec load(const T* p) {
        Vec v;
        __builtin_memcpy(&v.raw, p, sizeof(Raw));
        return v;
    }
    RL_INLINE void store(T* p) const { __builtin_memcpy(p, &raw, sizeof(Raw)); }
    // The first n lanes (0 <= n <= size); the others of a load are `fill`, and memory behind them is not touched.
    RL_INLINE static Vec load(const T* p, int n, T fill = T(0)) {
        Vec v(fill);
#if RL_ISA_LEVEL == 2
        if constexpr (sizeof(T) == 4)
            v.raw = _mm512_mask_loadu_ps(v.raw, Mask<T>::first(n).raw, p);
        else
            v.raw = _mm512_mask_loadu_pd(v.raw, Mask<T>::first(n).raw, p);
#else
        T lanes[size];
        v.store(lanes);
        for (int i = 0; i < n; ++i) lanes[i] = p[i];
        v = load(lanes);
#endif
        return v;
    }
    RL_INLINE void store(T* p, int n) const {
#if RL_ISA_LEVEL == 2
        if constexpr (sizeof(T) == 4)
            _mm512_mask_storeu_ps(p, Mask<T>::first(n).raw, raw);
        else
            _mm512_mask_storeu_pd(p, Mask<T>::first(n).raw, raw);
#else
        T lanes[size];
        store(lanes);
        for (int i = 0; i < n; ++i) p[i] = lanes[i];
#endif
    }
    RL_INLINE static Vec iota() {  // 0, 1, 2, ...
        Vec v;
        RL_UNROLL
        for (int i = 0; i < size; ++i) v.raw[i] = T(i);
        return v;
    }
    RL_INLINE T operator[](int i) const { return raw[i]; }

    friend RL_INLINE Vec operator+(Vec a, Vec b) { return Vec(a.raw + b.raw, 0); }
    friend RL_INLINE Vec operator-(Vec a, Vec b) { return Vec(a.raw - b.raw, 0); }
    friend RL_INLINE Vec operator*(Vec a, Vec b) { return Vec(a.raw * b.raw, 0); }
    friend RL_INLINE Vec operator/(Vec a, Vec b) { return Vec(a.raw / b.raw, 0); }
    friend RL_INLINE Vec operator-(Vec a) { return Vec(-a.raw, 0); }
    RL_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
    RL_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
    RL_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }
    RL_INLINE Vec& operator/=(Vec b) { return *this = *this / b; }

#if RL_ISA_LEVEL == 2
    template <int predicate>
    RL_INLINE static Mask<T> compare(Vec a, Vec b) {
        if constexpr (sizeof(T) == 4)
            return {_mm512_cmp_ps_mask(a.raw, b.raw, predicate)};
        else
            return {_mm512_cmp_pd_mask(a.raw, b.raw, predicate)};
    }
    friend RL_INLINE Mask<T> operator<(Vec a, Vec b) { return compare<_CMP_LT_OQ>(a, b); }
    friend RL_INLINE Mask<T> operator<=(Vec a, Vec b) { return compare<_CMP_LE_OQ>(a, b); }
    friend RL_INLINE Mask<T> operator>(Vec a, Vec b) { return compare<_CMP_GT_OQ>(a, b); }
    friend RL_INLINE Mask<T> operator>=(Vec a, Vec b) { return compare<_CMP_GE_OQ>(a, b); }
    friend RL_INLINE Mask<T> operator==(Vec a, Vec b) { return compare<_CMP_EQ_OQ>(a, b); }
    friend RL_INLINE Mask<T> operator!=(Vec a, Vec b) { return compare<_CMP_NEQ_UQ>(a, b); }
#else
    friend RL_INLINE Mask<T> operator<(Vec a, Vec b) { return {a.raw < b.raw}; }
    friend RL_INLINE Mask<T> operator<=(Vec a, Vec b) { return {a.raw <= b.raw}; }
    friend RL_INLINE Mask<T> operator>(Vec a, Vec b) { return {a.raw > b.raw}; }
    friend RL_INLINE Mask<T> operator>=(Vec a, Vec b) { return {a.raw >= b.raw}; }
    friend RL_INLINE Mask<T> operator==(Vec a, Vec b) { return {a.raw == b.raw}; }
    friend RL_INLINE Mask<T> operator!=(Vec a, Vec b) { return {a.raw != b.raw}; }
#endif
};

// The lane type of V: T for Vec<T>, T for a scalar T.
template <class V>
struct LaneOf {
    using type = V;
};
template <class T>
struct LaneOf<Vec<T>> {
    using type = T;
};
template <class V>
using lane_t = typename LaneOf<V>::type;

template <class T>
RL_INLINE typename Vec<T>::Bits bits(Vec<T> v) {
    return (typename Vec<T>::Bits)v.raw;
}
template <class T>
RL_INLINE Vec<T> from_bits(typename Vec<T>::Bits b) {
    return Vec<T>((typename Vec<T>::Raw)b, 0);
}

template <class T>
RL_INLINE Vec<T> where(Mask<T> m, Vec<T> a, Vec<T> b) {
#if RL_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        return Vec<T>(_mm512_mask_blend_ps(m.raw, b.raw, a.raw), 0);
    else
        return Vec<T>(_mm512_mask_blend_pd(m.raw, b.raw, a.raw), 0);
#else
    return from_bits<T>((bits(a) & m.raw) | (bits(b) & ~m.raw));
#endif
}
template <class T>
RL_INLINE Vec<T> where(Mask<T> m, Vec<T> a, lane_t<Vec<T>> b) {
    return where(m, a, Vec<T>(b));
}
template <class T>
RL_INLINE Vec<T> where(Mask<T> m, lane_t<Vec<T>> a, Vec<T> b) {
    return where(m, Vec<T>(a), b);
}
template <class T>
RL_INLINE T where(bool m, T a, T b) {
    return m ? a : b;
}
RL_INLINE bool any(bool m) { return m; }
RL_INLINE bool all(bool m) { return m; }

// f, a scalar function, on every lane. For functions too rare to deserve an algorithm on vectors.
template <class T, class F>
RL_INLINE Vec<T> lanes(Vec<T> a, F f) {
    T x[Vec<T>::size];
    a.store(x);
    for (int i = 0; i < Vec<T>::size; ++i) x[i] = f(x[i]);
    return Vec<T>::load(x);
}
template <class T, class F>
RL_INLINE Vec<T> lanes(Vec<T> a, Vec<T> b, F f) {
    T x[Vec<T>::size], y[Vec<T>::size];
    a.store(x);
    b.store(y);
    for (int i = 0; i < Vec<T>::size; ++i) x[i] = f(x[i], y[i]);
    return Vec<T>::load(x);
}

// a*b + c, rounded once where the ISA can (RL_HAS_FMA).
template <class T>
RL_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
    return Vec<T>(detail::raw_fma(a.raw, b.raw, c.raw), 0);
}
template <class T>
RL_INLINE Vec<T> fma(Vec<T> a, lane_t<Vec<T>> b, Vec<T> c) {
    return fma(a, Vec<T>(b), c);
}
template <class T>
RL_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, lane_t<Vec<T>> c) {
    return fma(a, b, Vec<T>(c));
}
template <class T>
RL_INLINE Vec<T> fma(Vec<T> a, lane_t<Vec<T>> b, lane_t<Vec<T>> c) {
    return fma(a, Vec<T>(b), Vec<T>(c));
}
template <class T>
RL_INLINE Vec<T> sqrt(Vec<T> a) {
    return Vec<T>(detail::raw_sqrt(a.raw), 0);
}
template <class T>
RL_INLINE Vec<T> abs(Vec<T> a) {
    return from_bits<T>(bits(a) & ~bits(Vec<T>(T(-0.0))));
}
template <class T>
RL_INLINE Vec<T> copysign(Vec<T> magnitude, Vec<T> sign) {
    const auto s = bits(Vec<T>(T(-0.0)));
    return from_bits<T>((bits(magnitude) & ~s) | (bits(sign) & s));
}
template <class T>
RL_INLINE Mask<T> isnan(Vec<T> a) {
    return a != a;
}
template <class T>
RL_INLINE Mask<T> isinf(Vec<T> a) {
    return abs(a) == Vec<T>(T(__builtin_inf()));
}
template <class T>
RL_INLINE Mask<T> isfinite(Vec<T> a) {
    return abs(a) < Vec<T>(T(__builtin_inf()));
}
template <class T>
RL_INLINE Mask<T> signbit(Vec<T> a) {
    return Mask<T>::from_bits(bits(a));
}

namespace detail {
enum Rounding { kNearest = 0, kFloor = 1, kCeil = 2, kTrunc = 3 };  // _MM_FROUND_*
template <Rounding mode, class T>
RL_INLINE Vec<T> round_to(Vec<T> a) {
#if RL_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        return Vec<T>(_mm512_roundscale_ps(a.raw, int(mode) | 8), 0);
    else
        return Vec<T>(_mm512_roundscale_pd(a.raw, int(mode) | 8), 0);
#elif RL_ISA_LEVEL == 1
    if constexpr (sizeof(T) == 4)
        return Vec<T>(_mm256_round_ps(a.raw, int(mode) | 8), 0);
    else
        return Vec<T>(_mm256_round_pd(a.raw, int(mode) | 8), 0);
#else
    const Vec<T> big = T(sizeof(T) == 4 ? 8388608.0 : 4503599627370496.0), x = abs(a), zero = T(0);
    const Vec<T> nearest = copysign((x + big) - big, a);
    Vec<T> r = nearest;
    if constexpr (mode == kFloor) r = nearest - where(nearest > a, Vec<T>(T(1)), zero);
    if constexpr (mode == kCeil) r = nearest + where(nearest < a, Vec<T>(T(1)), zero);
    if constexpr (mode == kTrunc) r = abs(nearest) - where(abs(nearest) > x, Vec<T>(T(1)), zero);
    return where(x < big, copysign(r, a), a);
#endif
}
}  // namespace detail
template <class T>
RL_INLINE Vec<T> rint(Vec<T> a) {  // half to even
    return detail::round_to<detail::kNearest>(a);
}
template <class T>
RL_INLINE Vec<T> floor(Vec<T> a) {
    return detail::round_to<detail::kFloor>(a);
}
template <class T>
RL_INLINE Vec<T> ceil(Vec<T> a) {
    return detail::round_to<detail::kCeil>(a);
}
template <class T>
RL_INLINE Vec<T> trunc(Vec<T> a) {
    return detail::round_to<detail::kTrunc>(a);
}

// The machine's max and min: the second operand where either is NaN. One instruction; for code that knows its NaNs.
template <class T>
RL_INLINE Vec<T> fast_max(Vec<T> a, Vec<T> b) {
    return Vec<T>(detail::raw_max(a.raw, b.raw), 0);
}
template <class T>
RL_INLINE Vec<T> fast_min(Vec<T> a, Vec<T> b) {
    return Vec<T>(detail::raw_min(a.raw, b.raw), 0);
}
// maximum and minimum: NaN wins. fmax and fmin: NaN loses.
template <class T>
RL_INLINE Vec<T> maximum(Vec<T> a, Vec<T> b) {
    return where(isnan(a), a, fast_max(a, b));
}
template <class T>
RL_INLINE Vec<T> minimum(Vec<T> a, Vec<T> b) {
    return where(isnan(a), a, fast_min(a, b));
}
template <class T>
RL_INLINE Vec<T> fmax(Vec<T> a, Vec<T> b) {
    return where(isnan(a), b, fast_max(b, a));
}
template <class T>
RL_INLINE Vec<T> fmin(Vec<T> a, Vec<T> b) {
    return where(isnan(a), b, fast_min(b, a));
}

namespace detail {
template <class T, class F>
RL_INLINE T fold(Vec<T> v, F f) {  // a tree over the lanes, always the same
    T x[Vec<T>::size];
    v.store(x);
    RL_UNROLL
    for (int w = Vec<T>::size / 2; w > 0; w /= 2) RL_UNROLL
    for (int i = 0; i < w; ++i) x[i] = f(x[i], x[i + w]);
    return x[0];
}
}  // namespace detail
template <class T>
RL_INLINE T hsum(Vec<T> v) {
#if RL_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        return _mm512_reduce_add_ps(v.raw);
    else
        return _mm512_reduce_add_pd(v.raw);
#else
    return detail::fold(v, [](T a, T b) __attribute__((always_inline)) { return a + b; });
#endif
}
// Largest and smallest lane of a vector without NaN.
template <class T>
RL_INLINE T hmax(Vec<T> v) {
#if RL_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        return _mm512_reduce_max_ps(v.raw);
    else
        return _mm512_reduce_max_pd(v.raw);
#else
    return detail::fold(v, [](T a, T b) __attribute__((always_inline)) { return a > b ? a : b; });
#endif
}
template <class T>
RL_INLINE T hmin(Vec<T> v) {
    return -hmax(-v);
}

// The integer that an integer-valued lane holds; |v| < 2^22 (float) or 2^51 (double).
template <class T>
RL_INLINE typename Vec<T>::Bits to_bits(Vec<T> v) {
    const Vec<T> magic = detail::Lane<T>::magic;
    return bits(v + magic) - bits(magic);
}
template <class T>
RL_INLINE Vec<T> from_int(typename Vec<T>::Bits i) {
    const Vec<T> magic = detail::Lane<T>::magic;
    return from_bits<T>(i + bits(magic)) - magic;
}

// x * 2^n, n integer-valued, correctly rounded; |n| up to twice the range of exponents.
template <class T>
RL_INLINE Vec<T> scale2(Vec<T> x, Vec<T> n) {
#if RL_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        return Vec<T>(_mm512_scalef_ps(x.raw, n.raw), 0);
    else
        return Vec<T>(_mm512_scalef_pd(x.raw, n.raw), 0);
#else
    constexpr int mantissa = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 127 : 1023;
    const auto k = to_bits(n), half = k >> 1;  // two factors, since 2^n itself may not be representable
    return x * from_bits<T>((half + bias) << mantissa) * from_bits<T>((k - half + bias) << mantissa);
#endif
}

// A vector of floats as two vectors of doubles, and back.
RL_INLINE void widen(Vec<float> v, Vec<double>& low, Vec<double>& high) {
    detail::H32 half[2];
    __builtin_memcpy(half, &v.raw, sizeof(v.raw));
    low.raw = __builtin_convertvector(half[0], detail::F64);
    high.raw = __builtin_convertvector(half[1], detail::F64);
}
RL_INLINE Vec<float> narrow(Vec<double> low, Vec<double> high) {
    detail::H32 half[2] = {__builtin_convertvector(low.raw, detail::H32),
                           __builtin_convertvector(high.raw, detail::H32)};
    Vec<float> v;
    __builtin_memcpy(&v.raw, half, sizeof(v.raw));
    return v;
}

// The same names on scalars, so that a formula can be written once for a vector and a number.
#define RL_SCALAR(T, s)                                                                \
    RL_INLINE T sqrt(T a) { return __builtin_sqrt##s(a); }                             \
    RL_INLINE T abs(T a) { return __builtin_fabs##s(a); }                              \
    RL_INLINE T copysign(T a, T b) { return __builtin_copysign##s(a, b); }             \
    RL_INLINE T rint(T a) { return __builtin_rint##s(a); }                             \
    RL_INLINE T floor(T a) { return __builtin_floor##s(a); }                           \
    RL_INLINE T ceil(T a) { return __builtin_ceil##s(a); }                             \
    RL_INLINE T trunc(T a) { return __builtin_trunc##s(a); }                           \
    RL_INLINE bool isnan(T a) { return a != a; }                                       \
    RL_INLINE bool isinf(T a) { return __builtin_fabs##s(a) == T(__builtin_inf()); }   \
    RL_INLINE bool isfinite(T a) { return __builtin_fabs##s(a) < T(__builtin_inf()); } \
    RL_INLINE bool signbit(T a) { return __builtin_signbit(a) != 0; }                  \
    RL_INLINE T fast_max(T a, T b) { return a > b ? a : b; }                           \
    RL_INLINE T fast_min(T a, T b) { return a < b ? a : b; }                           \
    RL_INLINE T maximum(T a, T b) { return a != a || a > b ? a : b; }                  \
    RL_INLINE T minimum(T a, T b) { return a != a || a < b ? a : b; }                  \
    RL_INLINE T fmax(T a, T b) { return a != a || b > a ? b : a; }                     \
    RL_INLINE T fmin(T a, T b) { return a != a || b < a ? b : a; }                     \
    RL_INLINE T fma(T a, T b, T c) { return RL_HAS_FMA ? __builtin_fma##s(a, b, c) : a * b + c; }
RL_SCALAR(float, f)
RL_SCALAR(double, )
#undef RL_SCALAR

// out[i] = f(in[i]...) for i < n; f takes and returns vectors. out may be one of the inputs.
template <class T, class F, class... In>
RL_INLINE void map(int64_t n, T* out, F f, const In*... in) {
    using V = Vec<T>;
    int64_t i = 0;
    for (; i + V::size <= n; i += V::size) f(V::load(in + i)...).store(out + i);
    if (i < n) f(V::load(in + i, int(n - i))...).store(out + i, int(n - i));
}

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
