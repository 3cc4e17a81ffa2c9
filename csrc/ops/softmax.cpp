// softmax and log_softmax, with backward operators that can be differentiated again.
#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- loops
// A contiguous tensor as outer x n x inner, n along dim.
struct Slab {
    int64_t outer = 1, n = 1, inner = 1;
    Slab(const Tensor& t, int64_t dim) {
        for (int64_t d = 0; d < t.dim(); d++) (d < dim ? outer : d == dim ? n : inner) *= t.sizes()[d];
    }
};
// row(offset) for every contiguous run along dim, or columns(offset, count) for strips of columns that start there.
template <class Row, class Columns> static void over_slab(const Slab& s, Row&& row, Columns&& columns) {
    if (s.inner == 1) {
        cpu::parallel_for(s.outer, grain_for(4 * s.n), [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) row(i * s.n);
        });
        return;
    }
    constexpr int64_t strip = 256;
    int64_t strips = (s.inner + strip - 1) / strip;
    cpu::parallel_for(s.outer * strips, grain_for(4 * s.n * std::min(strip, s.inner)), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            int64_t c = i % strips * strip;
            columns(i / strips * s.n * s.inner + c, std::min(strip, s.inner - c));
        }
    });
}

// Rows of 16-bit numbers, widened one by one.
template <bool Log, class T> static void softmax_small(const T* x, T* y, const Slab& s) {
    auto& k = cpu::kernels().softmax<float>();
    cpu::parallel_for(s.outer, grain_for(4 * s.n), [&](int64_t a, int64_t b) {
        cpu::Buffer<float> wide(s.n);
        for (int64_t i = a; i < b; i++) {
            cpu::widen(wide.data, x + i * s.n, s.n);
            (Log ? k.log_softmax : k.softmax)(wide.data, wide.data, s.n);
            cpu::narrow(y + i * s.n, wide.data, s.n);
        }
    });
}

template <bool Log> static Tensor softmax_raw(const char* op, const Tensor& self, int64_t dim) {
    int64_t d = wrap_dim(dim, self.dim());
    check(self.is_floating(), Err::NotImplemented, "\"", d + 1 >= self.dim() ? "softmax_lastdim_kernel_impl" : "softmax_kernel_impl", "\" not implemented for '", title(self.dtype()), "' (", op, ")");
    if (self.is_meta() || self.numel() == 0) return empty(self.sizes(), self.dtype(), self.device());
    Slab s(self, d);
    if (is_reduced(self.dtype()) && s.inner == 1) {
        Tensor x = contiguous(self), y = empty(x.sizes(), x.dtype());
        if (x.dtype() == DType::Float16) softmax_small<Log>(x.data<Half>(), y.data<Half>(), s);
        else softmax_small<Log>(x.data<BFloat16>(), y.data<BFloat16>(), s);
        return y;
    }
    Tensor x = contiguous(to_compute(self)), y = empty(x.sizes(), x.dtype());
    auto go = [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto& k = cpu::kernels().softmax<T>();
        const T* p = x.data<T>();
        T* q = y.data<T>();
        over_slab(s, [&](int64_t at) { (Log ? k.log_softmax : k.softmax)(q + at, p + at, s.n); },
                  [&](int64_t at, int64_t count) { (Log ? k.log_softmax_columns : k.softmax_columns)(q + at, p + at, s.n, s.inner, count); });
    };
    if (x.dtype() == DType::Float64) go(Tag<double>{});
    else go(Tag<float>{});
    return cast_raw(y, self.dtype());
}

template <bool Log> static Tensor softmax_backward_raw(const Tensor& grad, const Tensor& output, int64_t dim, DType input_type) {
    int64_t d = wrap_dim(dim, output.dim());
    check(same(grad.sizes(), output.sizes()), "softmax backward: the gradient has shape ", grad.sizes(), " where the output has ", output.sizes());
    if (output.is_meta() || output.numel() == 0) return empty(output.sizes(), input_type, output.device());
    Tensor y = contiguous(to_compute(output)), g = contiguous(cast_raw(to_compute(grad), y.dtype())), r = empty(y.sizes(), y.dtype());
    Slab s(y, d);
    auto go = [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto& k = cpu::kernels().softmax<T>();
        const T *p = y.data<T>(), *h = g.data<T>();
        T* q = r.data<T>();
        over_slab(s, [&](int64_t at) { (Log ? k.log_softmax_backward : k.softmax_backward)(q + at, h + at, p + at, s.n); },
                  [&](int64_t at, int64_t count) { (Log ? k.log_softmax_backward_columns : k.softmax_backward_columns)(q + at, h + at, p + at, s.n, s.inner, count); });
    };
    if (y.dtype() == DType::Float64) go(Tag<double>{});
    else go(Tag<float>{});
    return cast_raw(r, input_type);
}

// ---------------------------------------------------------------- backward operators
struct SoftmaxBackward : Op<SoftmaxBackward> {
    SIG("_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor");
    DOC("output * (grad - sum(grad * output)) along dim: the gradient of softmax.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& g, const Tensor& output, int64_t dim, DType input_type) { return softmax_backward_raw<false>(g, output, dim, input_type); }
    static Grads backward(Ctx& c, const Tensor& gg) {
        Tensor g = c.in<0>(), y = c.in<1>();
        Dims dim{c.arg<2>()};
        Grads r(2);
        if (c.needs<0>()) r[0] = call<SoftmaxBackward>(gg, y, c.arg<2>(), c.dtype<0>());
        if (c.needs<1>()) r[1] = gg * (g - sum(g * y, dim, true)) - g * sum(gg * y, dim, true);
        return r;
    }
};
OP(SoftmaxBackward);

struct LogSoftmaxBackward : Op<LogSoftmaxBackward> {
    SIG("_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor");
    DOC("grad - exp(output) * sum(grad) along dim: the gradient of log_softmax.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& g, const Tensor& output, int64_t dim, DType input_type) { return softmax_backward_raw<true>(g, output, dim, input_type); }
    static Grads backward(Ctx& c, const Tensor& gg) {
        Tensor g = c.in<0>(), p = exp(c.in<1>());
        Dims dim{c.arg<2>()};
        Grads r(2);
        if (c.needs<0>()) r[0] = gg - sum(gg * p, dim, true);
        if (c.needs<1>()) r[1] = neg(gg * p * sum(g, dim, true));
        return r;
    }
};
OP(LogSoftmaxBackward);

// ---------------------------------------------------------------- forward operators
struct SoftmaxOp : Op<SoftmaxOp> {
    SIG("_softmax(Tensor self, int dim, bool half_to_float) -> Tensor");
    DOC("exp(self) normalised to sum 1 along dim; half_to_float exists for the signature and must be False.");
    FORMS(FUNCTION);
    using Saves = Save<Out<>>;
    static Tensor forward(const Tensor& self, int64_t dim, bool half_to_float) {
        check(!half_to_float, "softmax with half to float conversion is not supported on CPU");
        return softmax_raw<false>("softmax", self, dim);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<SoftmaxBackward>(g, c.out(), c.arg<1>(), c.dtype<0>())}; }
};
OP(SoftmaxOp);

struct LogSoftmaxOp : Op<LogSoftmaxOp> {
    SIG("_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor");
    DOC("self - logsumexp(self) along dim; half_to_float exists for the signature and must be False.");
    FORMS(FUNCTION);
    using Saves = Save<Out<>>;
    static Tensor forward(const Tensor& self, int64_t dim, bool half_to_float) {
        check(!half_to_float, "log_softmax with half to float conversion is not supported on CPU");
        return softmax_raw<true>("log_softmax", self, dim);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<LogSoftmaxBackward>(g, c.out(), c.arg<1>(), c.dtype<0>())}; }
};
OP(LogSoftmaxOp);

template <class O> static Tensor typed(const Tensor& self, int64_t dim, const OptDType& dtype) {
    return call<O>(dtype && *dtype != self.dtype() ? to(self, *dtype) : self, dim, false);
}

struct SoftmaxInt : Composite<SoftmaxInt> {
    SIG("softmax.int(Tensor self, int dim, ScalarType? dtype=None, *, Tensor? out=None) -> Tensor");
    DOC("exp(self) normalised to sum 1 along dim, computed in dtype where given.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype) { return typed<SoftmaxOp>(self, dim, dtype); }
};
OP(SoftmaxInt);
struct LogSoftmaxInt : Composite<LogSoftmaxInt> {
    SIG("log_softmax.int(Tensor self, int dim, ScalarType? dtype=None, *, Tensor? out=None) -> Tensor");
    DOC("Logarithm of softmax along dim, computed in dtype where given.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype) { return typed<LogSoftmaxOp>(self, dim, dtype); }
};
OP(LogSoftmaxInt);
struct SpecialSoftmax : Composite<SpecialSoftmax> {
    SIG("special::softmax(Tensor input, int dim, ScalarType? dtype=None) -> Tensor");
    DOC("torch.softmax under its name in special.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype) { return typed<SoftmaxOp>(self, dim, dtype); }
};
OP(SpecialSoftmax);
struct SpecialLogSoftmax : Composite<SpecialLogSoftmax> {
    SIG("special::log_softmax(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor");
    DOC("torch.log_softmax under its name in special.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype) { return typed<LogSoftmaxOp>(self, dim, dtype); }
};
OP(SpecialLogSoftmax);

// Without dim: the first dimension of 0, 1 or 3, else the second, and a warning.
static int64_t implicit_dim(const char* op, const Tensor& t, const OptInt& dim) {
    if (dim) return *dim;
    warn("Implicit dimension choice for ", op, " has been deprecated. Change the call to include dim=X as an argument.");
    return t.dim() == 0 || t.dim() == 1 || t.dim() == 3 ? 0 : 1;
}
struct NnSoftmax : Composite<NnSoftmax> {
    SIG("nn::softmax(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor");
    DOC("exp(input) normalised to sum 1 along dim, computed in dtype where given.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const OptInt& dim, int64_t, const OptDType& dtype) { return typed<SoftmaxOp>(input, implicit_dim("softmax", input, dim), dtype); }
};
OP(NnSoftmax);
struct NnLogSoftmax : Composite<NnLogSoftmax> {
    SIG("nn::log_softmax(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor");
    DOC("Logarithm of softmax along dim, computed in dtype where given.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const OptInt& dim, int64_t, const OptDType& dtype) { return typed<LogSoftmaxOp>(input, implicit_dim("log_softmax", input, dim), dtype); }
};
OP(NnLogSoftmax);

Tensor softmax(const Tensor& a, int64_t dim) { return typed<SoftmaxOp>(a, dim, OptDType()); }
Tensor log_softmax(const Tensor& a, int64_t dim) { return typed<LogSoftmaxOp>(a, dim, OptDType()); }

}  // namespace rl
