#include "core/dtype.h"

#include <cmath>

namespace rl {

const DTypeInfo kDTypeInfo[kDTypes + 1] = {
    {"bool", "Bool", 1, 0, false},          {"uint8", "Byte", 1, 1, false},       {"int8", "Char", 1, 1, true},
    {"int16", "Short", 2, 1, true},         {"int32", "Int", 4, 1, true},         {"int64", "Long", 8, 1, true},
    {"float16", "Half", 2, 2, true},        {"bfloat16", "BFloat16", 2, 2, true}, {"float32", "Float", 4, 2, true},
    {"float64", "Double", 8, 2, true},      {"complex64", "ComplexFloat", 8, 3, true},
    {"complex128", "ComplexDouble", 16, 3, true},
    {"uint16", "UInt16", 2, 1, false},      {"uint32", "UInt32", 4, 1, false},    {"uint64", "UInt64", 8, 1, false},
    {"float8_e4m3fn", "Float8_e4m3fn", 1, 2, true}, {"float8_e5m2", "Float8_e5m2", 1, 2, true},
    {"complex32", "ComplexHalf", 4, 3, true},
    {"undefined", "Undefined", 0, 0, false}};

static DType the_default = DType::Float32;
DType default_dtype() { return the_default; }
void set_default_dtype(DType t) { the_default = t; }

DType to_complex(DType t) {
    switch (t) {
        case DType::Float16: return DType::Complex32;
        case DType::Float64: return DType::Complex128;
        case DType::Complex32:
        case DType::Complex64:
        case DType::Complex128: return t;
        case DType::Float32:
        case DType::BFloat16: return DType::Complex64;
        default: return to_complex(the_default);
    }
}

DType to_real(DType t) {
    switch (t) {
        case DType::Complex32: return DType::Float16;
        case DType::Complex64: return DType::Float32;
        case DType::Complex128: return DType::Float64;
        default: return t;
    }
}

DType promote(DType a, DType b) {
    if (a == b || b == DType::Undefined) return a;
    if (a == DType::Undefined) return b;
    if (info(a).kind < info(b).kind) std::swap(a, b);
    if (is_complex(a)) {
        DType r = is_complex(b) ? to_real(b) : b;
        if (!is_inexact(r)) return a;
        return to_complex(promote(to_real(a), r));
    }
    if (is_floating(a)) {
        if (!is_floating(b)) return a;
        if (a == DType::Float64 || b == DType::Float64) return DType::Float64;
        if (a == DType::Float32 || b == DType::Float32) return DType::Float32;
        if (is_reduced(a) && is_reduced(b)) return DType::Float32;
        return is_reduced(a) ? a : b;
    }
    if (b == DType::Bool) return a;
    if (info(a).is_signed == info(b).is_signed) return itemsize(a) >= itemsize(b) ? a : b;
    DType s = info(a).is_signed ? a : b, u = info(a).is_signed ? b : a;
    if (itemsize(s) > itemsize(u)) return s;
    switch (u) {
        case DType::UInt8: return DType::Int16;
        case DType::UInt16: return DType::Int32;
        case DType::UInt32: return DType::Int64;
        default: return DType::Float32;
    }
}

bool can_cast(DType from, DType to) {
    if (is_complex(from) && !is_complex(to)) return false;
    if (is_floating(from) && !is_inexact(to)) return false;
    return from == DType::Bool || to != DType::Bool;
}

float half_to_float(uint16_t h) {
    uint32_t sign = uint32_t(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 0x3ff;
    if (e == 31) return std::bit_cast<float>(sign | 0x7f800000 | (m << 13));
    if (e == 0) {
        float f = float(m) * 0x1p-24f;
        return std::bit_cast<float>(std::bit_cast<uint32_t>(f) | sign);
    }
    return std::bit_cast<float>(sign | ((e + 112) << 23) | (m << 13));
}

uint16_t float_to_half(float f) {
    uint32_t u = std::bit_cast<uint32_t>(f), sign = (u >> 16) & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return uint16_t(sign | 0x7e00);
    if (u >= 0x47800000) return uint16_t(sign | 0x7c00);  // 65536 and above; 65520 rounds up below
    if (u < 0x38800000) {                                  // subnormal: let the float adder round
        float a = std::bit_cast<float>(u) + 0.5f;
        return uint16_t(sign | (std::bit_cast<uint32_t>(a) - 0x3f000000));
    }
    u += 0xfff + ((u >> 13) & 1);
    return uint16_t(sign | ((u - 0x38000000) >> 13));
}

Float8E5M2::Float8E5M2(float f) {
    uint32_t u = std::bit_cast<uint32_t>(f);
    uint8_t sign = uint8_t((u >> 24) & 0x80);
    u &= 0x7fffffff;
    if (u > 0x7f800000) bits = uint8_t(sign | 0x7f);
    else if (u >= 0x47800000) bits = uint8_t(sign | 0x7c);
    else if (u < 0x38800000) {
        float a = std::bit_cast<float>(u) + 128.0f;  // one unit in the last place of e5m2's subnormals is 2^-16
        bits = uint8_t(sign | (std::bit_cast<uint32_t>(a) - 0x43000000));
    } else {
        u += 0xfffff + ((u >> 21) & 1);
        bits = uint8_t(sign | ((u - 0x38000000) >> 21));
    }
}

float e4m3fn_to_float(uint8_t h) {
    float sign = h & 0x80 ? -1.f : 1.f;
    int e = (h >> 3) & 15, m = h & 7;
    if (e == 15 && m == 7) return std::bit_cast<float>(0x7fc00000u | (uint32_t(h & 0x80) << 24));
    return sign * (e == 0 ? std::ldexp(float(m), -9) : std::ldexp(float(8 + m), e - 10));
}

uint8_t float_to_e4m3fn(float f) {
    uint32_t u = std::bit_cast<uint32_t>(f);
    uint8_t sign = uint8_t((u >> 24) & 0x80);
    u &= 0x7fffffff;
    if (u >= 0x43f00000) return sign | 0x7f;  // 480 and above, and NaN: no infinity in this format
    if (u < 0x3c800000) {                     // below 2^-6
        float a = std::bit_cast<float>(u) + 16384.0f;
        return uint8_t(sign | (std::bit_cast<uint32_t>(a) - 0x46800000));
    }
    u += 0x7ffff + ((u >> 20) & 1);
    return uint8_t(sign | ((u - 0x3c000000) >> 20));
}

}  // namespace rl
