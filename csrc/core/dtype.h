// Element types, their properties and PyTorch's promotion of them. Plain C++: cpu/ includes it too.
#pragma once
#include <bit>
#include <complex>
#include <cstdint>
#include <cstring>

namespace rl {

enum class DType : uint8_t {
    Bool, UInt8, Int8, Int16, Int32, Int64, Float16, BFloat16, Float32, Float64, Complex64, Complex128,
    UInt16, UInt32, UInt64, Float8E4M3FN, Float8E5M2, Complex32, Undefined
};
inline constexpr int kDTypes = 18;

using c64 = std::complex<float>;
using c128 = std::complex<double>;

float half_to_float(uint16_t h);
uint16_t float_to_half(float f);
float e4m3fn_to_float(uint8_t h);
uint8_t float_to_e4m3fn(float f);

struct Half {
    uint16_t bits;
    Half() = default;
    explicit Half(float f) : bits(float_to_half(f)) {}
    operator float() const { return half_to_float(bits); }
};
struct BFloat16 {
    uint16_t bits;
    BFloat16() = default;
    explicit BFloat16(float f) {
        uint32_t u = std::bit_cast<uint32_t>(f);
        bits = (u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
    }
    operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};
struct Float8E4M3FN {
    uint8_t bits;
    Float8E4M3FN() = default;
    explicit Float8E4M3FN(float f) : bits(float_to_e4m3fn(f)) {}
    operator float() const { return e4m3fn_to_float(bits); }
};
struct Float8E5M2 {  // the upper byte of a half
    uint8_t bits;
    Float8E5M2() = default;
    explicit Float8E5M2(float f);
    operator float() const { return half_to_float(uint16_t(bits << 8)); }
};
struct ComplexHalf {
    Half re, im;
    ComplexHalf() = default;
    explicit ComplexHalf(c64 z) : re(z.real()), im(z.imag()) {}
    operator c64() const { return {float(re), float(im)}; }
};

struct DTypeInfo {
    const char* name;    // "float32"
    const char* title;   // "Float", as PyTorch's messages and tensor types name it
    uint8_t size;        // bytes
    uint8_t kind;        // 0 bool, 1 integer, 2 floating, 3 complex
    bool is_signed;
};
extern const DTypeInfo kDTypeInfo[kDTypes + 1];

inline const DTypeInfo& info(DType t) { return kDTypeInfo[int(t)]; }
inline const char* name(DType t) { return info(t).name; }
inline const char* title(DType t) { return info(t).title; }
inline int64_t itemsize(DType t) { return info(t).size; }
inline bool is_floating(DType t) { return info(t).kind == 2; }
inline bool is_complex(DType t) { return info(t).kind == 3; }
inline bool is_inexact(DType t) { return info(t).kind >= 2; }  // may require grad
inline bool is_integral(DType t) { return info(t).kind == 1; }
inline bool is_reduced(DType t) { return t == DType::Float16 || t == DType::BFloat16; }

DType promote(DType a, DType b);
DType to_complex(DType t);  // Float32 -> Complex64
DType to_real(DType t);     // Complex64 -> Float32
DType default_dtype();
void set_default_dtype(DType t);
// May a result of type `from` be stored in an out= or in-place tensor of type `to`?
bool can_cast(DType from, DType to);
// The type in which a kernel computes: 16-bit floats in float32.
inline DType compute_type(DType t) {
    if (is_reduced(t) || t == DType::Float8E4M3FN || t == DType::Float8E5M2) return DType::Float32;
    return t == DType::Complex32 ? DType::Complex64 : t;
}

template <class T> struct Tag { using type = T; };
template <class T> constexpr DType dtype_of();
#define RL_DTYPES(X)                                                                                            \
    X(Bool, bool) X(UInt8, uint8_t) X(Int8, int8_t) X(Int16, int16_t) X(Int32, int32_t) X(Int64, int64_t)       \
    X(Float16, Half) X(BFloat16, BFloat16) X(Float32, float) X(Float64, double) X(Complex64, c64)               \
    X(Complex128, c128) X(UInt16, uint16_t) X(UInt32, uint32_t) X(UInt64, uint64_t)                             \
    X(Float8E4M3FN, Float8E4M3FN) X(Float8E5M2, Float8E5M2) X(Complex32, ComplexHalf)
#define RL_X(E, T) template <> constexpr DType dtype_of<T>() { return DType::E; }
RL_DTYPES(RL_X)
#undef RL_X

// dispatch(t, [&](auto tag) { using T = typename decltype(tag)::type; ... }) over every type.
template <class F>
decltype(auto) dispatch(DType t, F&& f) {
    switch (t) {
#define RL_X(E, T) case DType::E: return f(Tag<T>{});
        RL_DTYPES(RL_X)
#undef RL_X
        default: __builtin_unreachable();
    }
}
// The same over the types in which kernels compute.
template <class F>
decltype(auto) dispatch_compute(DType t, F&& f) {
    switch (t) {
        case DType::Bool: return f(Tag<bool>{});
        case DType::UInt8: return f(Tag<uint8_t>{});
        case DType::Int8: return f(Tag<int8_t>{});
        case DType::Int16: return f(Tag<int16_t>{});
        case DType::Int32: return f(Tag<int32_t>{});
        case DType::Int64: return f(Tag<int64_t>{});
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Complex64: return f(Tag<c64>{});
        case DType::Complex128: return f(Tag<c128>{});
        case DType::UInt16: return f(Tag<uint16_t>{});
        case DType::UInt32: return f(Tag<uint32_t>{});
        case DType::UInt64: return f(Tag<uint64_t>{});
        default: __builtin_unreachable();
    }
}

template <class T> inline constexpr bool is_complex_v = false;
template <class T> inline constexpr bool is_complex_v<std::complex<T>> = true;
template <> inline constexpr bool is_complex_v<ComplexHalf> = true;
template <class T> inline constexpr bool is_small_float_v = false;
template <> inline constexpr bool is_small_float_v<Half> = true;
template <> inline constexpr bool is_small_float_v<BFloat16> = true;
template <> inline constexpr bool is_small_float_v<Float8E4M3FN> = true;
template <> inline constexpr bool is_small_float_v<Float8E5M2> = true;

// Value conversion between any two element types (complex to real drops the imaginary part; float to integer truncates).
template <class To, class From>
inline To convert(From v) {
    if constexpr (std::is_same_v<To, From>) return v;
    else if constexpr (std::is_same_v<From, ComplexHalf>) return convert<To>(c64(v));
    else if constexpr (std::is_same_v<To, ComplexHalf>) return ComplexHalf(convert<c64>(v));
    else if constexpr (is_complex_v<From> && is_complex_v<To>) return To(typename To::value_type(v.real()), typename To::value_type(v.imag()));
    else if constexpr (is_complex_v<From> && std::is_same_v<To, bool>) return v != From(0);
    else if constexpr (is_complex_v<From>) return convert<To>(v.real());
    else if constexpr (is_complex_v<To>) return To(convert<typename To::value_type>(v), 0);
    else if constexpr (is_small_float_v<From>) return convert<To>(float(v));
    else if constexpr (is_small_float_v<To>) return To(float(v));
    else if constexpr (std::is_same_v<To, bool>) return v != From(0);
    else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        // a cast out of range is undefined in C++; x86's gives the smallest number, of 32 bits for short integers
        if constexpr (std::is_same_v<To, uint64_t>) return v >= From(9223372036854775808.0) ? To(v) : To(int64_t(v));
        else if constexpr (sizeof(To) <= 4 && !std::is_same_v<To, uint32_t>) return To(v > From(-2147483649.0) && v < From(2147483648.0) ? int32_t(v) : INT32_MIN);
        else return (v > From(-9.3e18) && v < From(9.223372036854775e18)) ? To(int64_t(v)) : To(INT64_MIN);
    } else return To(v);
}

}  // namespace rl
