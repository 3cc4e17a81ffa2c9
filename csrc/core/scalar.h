// A Python number: bool, int, float or complex, without a device or a shape.
#pragma once
#include "core/dtype.h"
#include "core/error.h"

namespace rl {

struct Scalar {
    enum Kind : uint8_t { Bool, Int, Float, Complex };
    Kind kind = Int;
    union {
        int64_t i;
        double d;
    };
    double im = 0;

    Scalar() : i(0) {}
    Scalar(bool v) : kind(Bool), i(v) {}
    Scalar(int v) : kind(Int), i(v) {}
    Scalar(int64_t v) : kind(Int), i(v) {}
    Scalar(double v) : kind(Float), d(v) {}
    Scalar(c128 v) : kind(Complex), d(v.real()), im(v.imag()) {}

    bool is_integral() const { return kind <= Int; }
    bool is_complex() const { return kind == Complex; }
    double real() const { return kind <= Int ? double(i) : d; }
    template <class T>
    T to() const {
        if constexpr (std::is_same_v<T, bool>) return kind <= Int ? i != 0 : (d != 0 || im != 0);
        else if (kind <= Int) return convert<T>(i);
        else if (kind == Float) return convert<T>(d);
        else return convert<T>(c128(d, im));
    }
    // The type that the number has in promotion when no tensor says more.
    DType dtype() const {
        switch (kind) {
            case Bool: return DType::Bool;
            case Int: return DType::Int64;
            case Float: return default_dtype();
            default: return to_complex(default_dtype());
        }
    }
    bool equals(double v) const { return real() == v && im == 0; }
};

}  // namespace rl
