// Complex numbers on vectors, the real parts in one and the imaginary parts in another. Included by math.h only.
//
// An operator whose formula is written with these says RL_COMPLEX_VECTORS(Operator) (cpu/pointwise.h); the others compute
// complex numbers one by one at the baseline level, where library templates may be called.
#pragma once

#include <complex>

#include "cpu/complex_math.h"
#include "cpu/math_explog.h"
#include "cpu/math_trig.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {

template <class T>
struct VecC {
    static constexpr int size = Vec<T>::size;
    Vec<T> re, im;

    VecC() = default;
    RL_INLINE VecC(Vec<T> r, Vec<T> i) : re(r), im(i) {}
    RL_INLINE explicit VecC(T r) : re(r), im(T(0)) {}
    RL_INLINE explicit VecC(const std::complex<T>& z) {
        T parts[2];
        __builtin_memcpy(parts, &z, sizeof(parts));
        re = Vec<T>(parts[0]), im = Vec<T>(parts[1]);
    }
    RL_INLINE Vec<T> real() const { return re; }
    RL_INLINE Vec<T> imag() const { return im; }

    // n <= size numbers from pairs in memory, and to them.
    RL_INLINE static VecC load(const T* p, int n = size) {
        T pairs[2 * size];
        if (n < size) {
            for (int i = 0; i < 2 * size; ++i) pairs[i] = i < 2 * n ? p[i] : T(1);
            p = pairs;
        }
        const Vec<T> a = Vec<T>::load(p), b = Vec<T>::load(p + size);
        return part(a, b, std::make_integer_sequence<int, size>{});
    }
    RL_INLINE void store(T* p, int n = size) const {
        T pairs[2 * size];
        zip(n < size ? pairs : p, std::make_integer_sequence<int, size>{});
        if (n < size)
            for (int i = 0; i < 2 * n; ++i) p[i] = pairs[i];
    }

    friend RL_INLINE VecC operator+(VecC a, VecC b) { return {a.re + b.re, a.im + b.im}; }
    friend RL_INLINE VecC operator-(VecC a, VecC b) { return {a.re - b.re, a.im - b.im}; }
    friend RL_INLINE VecC operator-(VecC a) { return {-a.re, -a.im}; }
    friend RL_INLINE VecC operator*(VecC a, VecC b) {
        return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    }

  private:
    template <int... I>
    RL_INLINE static VecC part(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
        return {Vec<T>(__builtin_shufflevector(a.raw, b.raw, (2 * I)...), 0),
                Vec<T>(__builtin_shufflevector(a.raw, b.raw, (2 * I + 1)...), 0)};
    }
    template <int... I>
    RL_INLINE void zip(T* p, std::integer_sequence<int, I...>) const {
        Vec<T>(__builtin_shufflevector(re.raw, im.raw, (I / 2 + I % 2 * size)...), 0).store(p);
        Vec<T>(__builtin_shufflevector(re.raw, im.raw, (size / 2 + I / 2 + I % 2 * size)...), 0).store(p + size);
    }
};

namespace m {

template <class T>
RL_INLINE VecC<T> conjugate(VecC<T> z) {
    return {z.re, -z.im};
}
template <class T>
RL_INLINE VecC<T> square(VecC<T> z) {
    const Vec<T> cross = z.re * z.im;
    return {z.re * z.re - z.im * z.im, cross + cross};
}
// Where z is neither huge nor special; the library has the rest, number by number.
template <class T>
RL_INLINE VecC<T> exp(VecC<T> z) {
    const Vec<T> limit = T(sizeof(T) == 4 ? 88 : 709), none = T(0);
    const Mask<T> rare = !((abs(z.re) < limit) & isfinite(z.im));
    const VecC<T> safe = {where(rare, none, z.re), where(rare, none, z.im)};
    const Vec<T> length = exp(safe.re);
    VecC<T> r = {length * cos(safe.im), length * sin(safe.im)};
    if (__builtin_expect(any(rare), 0)) {
        T from[2 * VecC<T>::size], to[2 * VecC<T>::size];
        z.store(from), r.store(to);
        for (int i = 0; i < VecC<T>::size; ++i)
            if (rare[i]) complex_math::exp_parts(from + 2 * i, to + 2 * i);
        r = VecC<T>::load(to);
    }
    return r;
}

}  // namespace m
}  // namespace RL_ISA_NS
}  // namespace rl::cpu
