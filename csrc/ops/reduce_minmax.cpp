// Largest and smallest elements and where they are.
#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- policies
template <bool Largest> struct Better {
    template <class A> static A identity() {
        if constexpr (std::is_floating_point_v<A>) return Largest ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::infinity();
        else return Largest ? std::numeric_limits<A>::lowest() : std::numeric_limits<A>::max();
    }
    template <class A> static A step(A a, A x) {
        if constexpr (std::is_floating_point_v<A>) return a != a ? a : x != x ? x : (Largest ? x > a : x < a) ? x : a;
        else return (Largest ? x > a : x < a) ? x : a;
    }
};

template <class T, bool Largest> struct ExtremeOf : Fold<Better<Largest>, T, T> {
    using Base = Fold<Better<Largest>, T, T>;
    using Next = ExtremeOf;
    static T row(const T* x, int64_t n) {
        if constexpr (has_kernels<T>) {
            if (n < kShortRow) return Base::row(x, n);
            auto& k = cpu::kernels().reduce<T>();
            return Largest ? k.max(x, n) : k.min(x, n);
        } else return Base::row(x, n);
    }
    static void columns(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        if constexpr (has_kernels<T>) {
            std::memcpy(y, x, size_t(n) * sizeof(T));
            auto* f = Largest ? cpu::kernels().reduce<T>().acc_max : cpu::kernels().reduce<T>().acc_min;
            for (int64_t r = 1; r < rows; r++) f(y, x + r * stride, n);
        } else Base::columns(y, x, rows, n, stride);
    }
};

template <bool Largest> static Tensor extreme(const char* op, const char* kernel, const Tensor& self, uint64_t mask, bool keepdim) {
    check(!self.is_complex(), Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(self.dtype()), "' (", op, ")");
    Tensor x = to_compute(self);
    Tensor r = dispatch_compute(x.dtype(), [&](auto tag) -> Tensor {
        using T = typename decltype(tag)::type;
        if constexpr (is_complex_v<T>) return {};
        else return reduce_tensor<ExtremeOf<T, Largest>>(x, mask, keepdim);
    });
    return cast_raw(r, self.dtype());
}

// The gradient is shared evenly by all elements that are the extreme one.
static Tensor share_evenly(const Tensor& g, const Tensor& in, const Tensor& out, const Dims& dims, bool keepdim) {
    Tensor top = restore_dims(out, dims, in.dim(), keepdim);
    Tensor hit = to(eq(in, top), g.dtype());
    Tensor count = sum(hit, dims, true);
    return restore_dims(g, dims, in.dim(), keepdim) * (hit / count);
}

struct Amax : Op<Amax> {
    SIG("amax(Tensor self, int[1] dim=[], bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Largest element over dim, or of all; equal ones share the gradient.");
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) {
        check_reducible("amax", self, dim, true);
        return extreme<true>("amax", "max_values_cpu", self, reduced_dims(dim, self.dim()), keepdim);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_evenly(g, c.in<0>(), c.out(), c.arg<1>(), c.arg<2>())}; }
};
OP(Amax);

struct Amin : Op<Amin> {
    SIG("amin(Tensor self, int[1] dim=[], bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Smallest element over dim, or of all; equal ones share the gradient.");
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) {
        check_reducible("amin", self, dim, true);
        return extreme<false>("amin", "min_values_cpu", self, reduced_dims(dim, self.dim()), keepdim);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_evenly(g, c.in<0>(), c.out(), c.arg<1>(), c.arg<2>())}; }
};
OP(Amin);

Tensor amax(const Tensor& a, const Dims& dims, bool keepdim) { return call<Amax>(a, dims, keepdim); }

}  // namespace rl
