// Running reductions along a dimension, and differences and integrals.
#include <cmath>

#include "ops/sort.h"

namespace rl {

// ---------------------------------------------------------------- loops
// Where float32 is added up one element after the other, it is in double.
template <class T> struct WideOf { using type = T; };
template <> struct WideOf<float> { using type = double; };
template <> struct WideOf<c64> { using type = c128; };

// step(accumulator, element) along dim of a contiguous tensor, written to y. Rows are scanned four at a time, as each is a
// chain of operations that wait for one another.
template <int Rows, class A, class T, class Step> static void scan_rows(const T* p, T* q, int64_t n, A start, Step step) {
    A acc[Rows];
    std::fill(acc, acc + Rows, start);
    for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 4
        for (int r = 0; r < Rows; r++) acc[r] = step(acc[r], p[r * n + i]), q[r * n + i] = convert<T>(acc[r]);
    }
}
template <class A, class T, class Step> static void scan_columns(const T* p, T* q, int64_t n, int64_t width, int64_t stride, A* acc, A start, Step step) {
    std::fill(acc, acc + width, start);
    for (int64_t r = 0; r < n; r++, p += stride, q += stride)
        for (int64_t k = 0; k < width; k++) acc[k] = step(acc[k], p[k]), q[k] = convert<T>(acc[k]);
}
template <class A, class T, class Step> static void scan(const Tensor& x, const Tensor& y, int64_t dim, A start, Step step) {
    int64_t outer = 1, n = 1, inner = 1;
    for (int64_t d = 0; d < x.dim(); d++) (d < dim ? outer : d == dim ? n : inner) *= x.sizes()[d];
    const T* p = x.data<T>();
    T* q = y.data<T>();
    if (inner == 1) {
        int64_t groups = (outer + 3) / 4;
        cpu::parallel_for(groups, grain_for(4 * n), [&](int64_t a, int64_t b) {
            for (int64_t i = 4 * a; i < std::min(outer, 4 * b);) {
                if (i + 4 <= outer) scan_rows<4, A>(p + i * n, q + i * n, n, start, step), i += 4;
                else scan_rows<1, A>(p + i * n, q + i * n, n, start, step), i++;
            }
        });
        return;
    }
    constexpr int64_t strip = 256;
    int64_t strips = (inner + strip - 1) / strip;
    cpu::parallel_for(outer * strips, grain_for(n * std::min(strip, inner)), [&](int64_t a, int64_t b) {
        A acc[strip];
        for (int64_t i = a; i < b; i++) {
            int64_t c = i % strips * strip, at = i / strips * n * inner + c;
            scan_columns<A>(p + at, q + at, n, std::min(strip, inner - c), inner, acc, start, step);
        }
    });
}

// f(Tag<T>) over the types in which sums and products are formed.
template <class F> static void dispatch_accumulated(DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Complex64: return f(Tag<c64>{});
        case DType::Complex128: return f(Tag<c128>{});
        default: return f(Tag<int64_t>{});
    }
}

enum class Scan { Sum, Prod, LogSumExp };
// log(exp(a) + exp(b)) without overflow
static double log_add_exp(double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return a + b;
    double top = std::max(a, b), low = std::min(a, b);
    return std::isinf(top) ? top : top + std::log1p(std::exp(low - top));
}
static c128 log_add_exp(c128 a, c128 b) {
    if (is_nan(a) || is_nan(b)) return {NAN, NAN};
    if (a.real() < b.real()) std::swap(a, b);
    if (std::isinf(a.real()) && a.real() < 0) return a;
    if (std::isinf(a.real()) && a.real() == b.real()) return std::log(std::exp(a) + std::exp(b));
    return a + std::log(1.0 + std::exp(b - a));
}
template <Scan K> static Tensor scan_raw(const Tensor& self, int64_t dim, DType t) {
    int64_t d = wrap_dim(dim, self.dim());
    if (self.is_meta() || self.numel() == 0) return empty(self.sizes(), t, self.device());
    // integers in int64, whose low bits are what a narrower sum or product wraps to
    Tensor x = cast_raw(cast_raw(self, t), is_inexact(t) ? compute_type(t) : DType::Int64), y = empty(x.sizes(), x.dtype());
    dispatch_accumulated(x.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_integral_v<T>) {
            if constexpr (K == Scan::Sum) scan<T, T>(x, y, d, T(0), AddStep::step<T>);
            else if constexpr (K == Scan::Prod) scan<T, T>(x, y, d, T(1), MulStep::step<T>);
        } else {
            using A = typename WideOf<T>::type;
            if constexpr (K == Scan::Sum) scan<A, T>(x, y, d, A(0), [](A a, T v) { return a + A(v); });
            else if constexpr (K == Scan::Prod) scan<A, T>(x, y, d, A(1), [](A a, T v) { return a * A(v); });
            else scan<A, T>(x, y, d, A(-HUGE_VAL), [](A a, T v) { return A(log_add_exp(a, A(v))); });
        }
    });
    return cast_raw(y, t);
}

static DType scan_type(const Tensor& self, const OptDType& dtype) { return dtype.value_or(is_inexact(self.dtype()) ? self.dtype() : DType::Int64); }

// ---------------------------------------------------------------- cumsum, cumprod
struct Cumsum : Op<Cumsum> {
    SIG("cumsum(Tensor self, int dim, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Cumulative sum along dim. Integers are added in int64.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype) { return scan_raw<Scan::Sum>(self, dim, scan_type(self, dtype)); }
    static void into(const Tensor& out, bool inplace, const Tensor& self, int64_t dim, const OptDType& dtype) {
        Tensor r = forward(self, dim, dtype.value_or(out.dtype()));
        inplace ? copy_into(*op_info<Cumsum>(), "in-place", out, r) : write_out(*op_info<Cumsum>(), out, r, true);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        if (c.sizes<0>().empty()) return {to(g, c.dtype<0>())};
        Dims dim{c.arg<1>()};
        return {to(flip(cumsum(flip(g, dim), c.arg<1>()), dim), c.dtype<0>())};
    }
};
OP(Cumsum);
Tensor cumsum(const Tensor& a, int64_t dim) { return call<Cumsum>(a, dim, OptDType()); }

struct Cumprod : Op<Cumprod> {
    SIG("cumprod(Tensor self, int dim, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Cumulative product along dim. Integers are multiplied in int64.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype) { return scan_raw<Scan::Prod>(self, dim, scan_type(self, dtype)); }
    static void into(const Tensor& out, bool inplace, const Tensor& self, int64_t dim, const OptDType& dtype) {
        Tensor r = forward(self, dim, dtype.value_or(out.dtype()));
        inplace ? copy_into(*op_info<Cumprod>(), "in-place", out, r) : write_out(*op_info<Cumprod>(), out, r, true);
    }
    // With P[k] the product before k and s[k] = g[k] + x[k+1] s[k+1], the gradient is P[k] s[k]: no division, so zeros
    // need no care.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor x = to(c.in<0>(), g.dtype());
        if (x.dim() == 0 || x.numel() == 0) return {to(g, c.dtype<0>())};
        int64_t dim = wrap_dim(c.arg<1>(), x.dim());
        bool recorded = tls.grad || tls.modes || g->wrapper || x->wrapper;
        return {to(recorded ? composed(g, conj(x), dim) : fused(g, conj(x), dim), c.dtype<0>())};
    }
    static Tensor composed(const Tensor& g, const Tensor& x, int64_t dim) {
        int64_t n = x.sizes()[dim];
        Tensors parts;
        parts.resize(size_t(n));
        Tensor before = ones_like(select(x, dim, 0)), after = zeros_like(before);
        Tensors befores;
        for (int64_t k = 0; k < n; k++) befores.push_back(before), before = before * select(x, dim, k);
        for (int64_t k = n; k-- > 0;) {
            after = k + 1 < n ? select(g, dim, k) + select(x, dim, k + 1) * after : select(g, dim, k);
            parts[size_t(k)] = befores[size_t(k)] * after;
        }
        return stack(parts, dim);
    }
    static Tensor fused(const Tensor& g, const Tensor& x, int64_t dim) {
        DType t = compute_type(g.dtype());
        Lanes lx = lanes(cast_raw(x, t), dim), lg = lanes(cast_raw(g, t), dim);
        Tensor r = lane_result(lx, lx.n, t);
        dispatch_accumulated(t, [&](auto tag) {
            using T = typename decltype(tag)::type;
            if constexpr (!std::is_integral_v<T>) each_lane(lx, [&](int64_t i) {
                const T *p = lx.memory.data<T>() + i * lx.n, *h = lg.memory.data<T>() + i * lx.n;
                T *q = r.data<T>() + i * lx.n, before = T(1), after = T(0);
                for (int64_t k = 0; k < lx.n; k++) q[k] = before, before *= p[k];
                for (int64_t k = lx.n; k-- > 0;) {
                    after = k + 1 < lx.n ? T(h[k] + p[k + 1] * after) : h[k];
                    q[k] *= after;
                }
            });
        });
        return cast_raw(finish_lanes(lx, r, lx.n), g.dtype());
    }
};
OP(Cumprod);
Tensor cumprod(const Tensor& a, int64_t dim) { return call<Cumprod>(a, dim, OptDType()); }

// ---------------------------------------------------------------- logcumsumexp
struct Logcumsumexp : Op<Logcumsumexp> {
    SIG("logcumsumexp(Tensor self, int dim, *, Tensor? out=None) -> Tensor");
    DOC("Logarithm of the cumulative sum of exponentials along dim, without overflow.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, int64_t dim) {
        check(is_inexact(self.dtype()), Err::NotImplemented, "\"logcumsumexp_out_cpu\" not implemented for '", title(self.dtype()), "'");
        return scan_raw<Scan::LogSumExp>(self, dim, self.dtype());
    }
    // sum over j >= i of g[j] exp(x[i] - out[j]): in logarithms, for the positive and the negative g apart; where the
    // gradient is to be differentiated, as it stands, shifted by the largest out.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), out = c.out();
        if (x.dim() == 0) return {g};
        int64_t dim = c.arg<1>();
        if (!x.is_complex() && (tls.grad || tls.modes || g->wrapper)) {
            Tensor top = amax(detach(out), {dim}, true);
            top = masked_fill(top, eq(abs(top), Scalar(HUGE_VAL)), Scalar(0));
            return {exp(x - top) * flip(cumsum(flip(g * exp(top - out), {dim}), dim), {dim})};
        }
        auto later = [&](const Tensor& log_g) { return exp(flip(call<Logcumsumexp>(flip(log_g - out, {dim}), dim), {dim}) + x); };
        if (x.is_complex()) return {conj(later(log(conj(g))))};
        Tensor none = eq(g, Scalar(0)), low = full(Ints(), Scalar(-HUGE_VAL), g.dtype());
        Tensor positive = where(gt(g, Scalar(0)), log(masked_fill(abs(g), none, Scalar(1))), low);
        Tensor negative = where(lt(g, Scalar(0)), log(masked_fill(abs(g), none, Scalar(1))), low);
        return {later(positive) - later(negative)};
    }
};
OP(Logcumsumexp);

// ---------------------------------------------------------------- cummax, cummin
template <bool Largest> static ValuesIndices running_best(const char* op, const Tensor& self, int64_t dim) {
    check(!self.is_complex(), Err::NotImplemented, "\"", op, "_helper_cpu\" not implemented for '", title(self.dtype()), "'");
    int64_t d = wrap_dim(dim, self.dim());
    if (self.is_meta() || self.numel() == 0) return {empty(self.sizes(), self.dtype(), self.device()), empty(self.sizes(), DType::Int64, self.device())};
    Tensor x = to_ordered(self);
    Lanes l = lanes(x, d);
    Tensor values = lane_result(l, l.n, x.dtype()), indices = lane_result(l, l.n, DType::Int64);
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        each_lane(l, [&](int64_t i) {
            const T* p = l.memory.data<T>() + i * l.n;
            T *v = values.data<T>() + i * l.n, best = p[0];
            int64_t *where = indices.data<int64_t>() + i * l.n, at = 0, n = l.n;
            for (int64_t k = 0; k < n; k++) {
                T x = p[k];
                bool beaten = Largest ? x < best : x > best;  // as a rule
                if (__builtin_expect(!beaten, 0) && (is_nan(x) || !is_nan(best))) best = x, at = k;
                v[k] = best, where[k] = at;
            }
        });
    });
    return {cast_raw(finish_lanes(l, values, l.n), self.dtype()), finish_lanes(l, indices, l.n)};
}

struct Cummax : Op<Cummax> {
    SIG("cummax(Tensor self, int dim, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("Largest element so far along dim and where it is: the last of equal ones.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim) { return running_best<true>("cummax", self, dim); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), true, c.out<1>())}; }
};
OP(Cummax);

struct Cummin : Op<Cummin> {
    SIG("cummin(Tensor self, int dim, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("Smallest element so far along dim and where it is: the last of equal ones.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim) { return running_best<false>("cummin", self, dim); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), true, c.out<1>())}; }
};
OP(Cummin);

// ---------------------------------------------------------------- differences
struct Diff : Composite<Diff> {
    SIG("diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None, *, Tensor? out=None) -> Tensor");
    DOC("n-th forward difference along dim, after prepend and append were joined to self.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append) {
        check(self.dim() > 0, "diff expects input to be at least one-dimensional");
        check(n >= 0, "order must be non-negative but got ", n);
        int64_t d = wrap_dim(dim, self.dim());
        for (const Tensor* t : {&prepend, &append}) check(!*t || t->dim() == self.dim(), "diff expects prepend or append to be the same dimension as input");
        if (n == 0) return clone(self);
        Tensor x = self;
        if (prepend || append) {
            Tensors parts;
            for (const Tensor& t : {prepend, self, append})
                if (t) parts.push_back(t);
            x = cat(parts, d);
        }
        for (int64_t i = 0; i < n; i++) {
            int64_t size = x.sizes()[d];
            if (size == 0) return x;
            Tensor later = narrow(x, d, 1, size - 1), earlier = narrow(x, d, 0, size - 1);
            x = x.dtype() == DType::Bool ? ne(later, earlier) : later - earlier;
        }
        return x;
    }
};
OP(Diff);

// ---------------------------------------------------------------- trapezoidal rule
// y[1:] + y[:-1]: twice the mean height of each strip
static Tensor strips_of(const Tensor& y, int64_t dim) {
    int64_t n = y.sizes()[dim] - 1;
    return narrow(y, dim, 1, n) + narrow(y, dim, 0, n);
}
static void check_sampled(const char* op, const Tensor& y, const Tensor& x, int64_t dim) {
    check(y.dim() > 0, Err::Index, "Dimension specified as ", dim, " but tensor has no dimensions (", op, ")");
    check(y.dtype() != DType::Bool && (!x || x.dtype() != DType::Bool), op, ": received a bool input for `", x && x.dtype() == DType::Bool ? "x" : "y", "`, but bool is not supported");
    if (x && x.dim() != 1) broadcast(y.sizes(), x.sizes());  // raises where they don't fit
    check(!x || x.dim() == y.dim() || x.dim() != 1 || x.sizes()[0] == y.sizes()[dim], op, ": There must be one `x` value for each sample point");
}
static Tensor widths(const Tensor& y, const Tensor& x, int64_t dim) {
    if (x.dim() == 1) {  // along dim of y
        Dims s(size_t(y.dim()), 1);
        s[dim] = x.sizes()[0] - 1;
        return reshape(call<Diff>(x, int64_t(1), int64_t(0), Tensor(), Tensor()), s);
    }
    Dims s(size_t(std::max<int64_t>(0, y.dim() - x.dim())), 1);
    for (int64_t v : x.sizes()) s.push_back(v);
    return call<Diff>(reshape(x, s), int64_t(1), dim, Tensor(), Tensor());
}
static Tensor halves(const Tensor& t) { return t / Scalar(2.0); }
static Tensor no_strips(const Tensor& y, int64_t dim, bool keep) {
    Dims s = y.sizes();
    if (keep) s[dim] = 0;
    else s.erase(dim);
    return zeros(s, y.dtype(), y.device());
}

template <bool Cumulative> static Tensor trapezoid_x(const char* op, const Tensor& y, const Tensor& x, int64_t dim) {
    int64_t d = wrap_dim(dim, y.dim());
    check_sampled(op, y, x, d);
    if (y.sizes()[d] == 0) return no_strips(y, d, Cumulative);
    Tensor areas = strips_of(y, d) * widths(y, x, d);
    if (Cumulative) return halves(cumsum(areas, d));
    return halves(sum(areas, {d}));
}
template <bool Cumulative> static Tensor trapezoid_dx(const char* op, const Tensor& y, const Scalar& dx, int64_t dim) {
    int64_t d = wrap_dim(dim, y.dim());
    check_sampled(op, y, {}, d);
    check(!dx.is_complex(), op, ": Currently, we only support dx as a real number.");
    if (y.sizes()[d] == 0) return no_strips(y, d, Cumulative);
    if (Cumulative) return halves(cumsum(strips_of(y, d), d) * dx);
    return (sum(y, {d}) - (select(y, d, 0) + select(y, d, -1)) * Scalar(0.5)) * dx;
}

struct TrapezoidX : Composite<TrapezoidX> {
    SIG("trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor");
    DOC("Integral of y over the points x along dim by the trapezoidal rule.");
    ALIASES("trapz");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& y, const Tensor& x, int64_t dim) { return trapezoid_x<false>("trapezoid", y, x, dim); }
};
OP(TrapezoidX);
struct TrapezoidDx : Composite<TrapezoidDx> {
    SIG("trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor");
    DOC("Integral of y along dim at points dx apart by the trapezoidal rule.");
    ALIASES("trapz");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& y, const Scalar& dx, int64_t dim) { return trapezoid_dx<false>("trapezoid", y, dx, dim); }
};
OP(TrapezoidDx);
struct CumulativeTrapezoidX : Composite<CumulativeTrapezoidX> {
    SIG("cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor");
    DOC("Running integral of y over the points x along dim by the trapezoidal rule.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& y, const Tensor& x, int64_t dim) { return trapezoid_x<true>("cumulative_trapezoid", y, x, dim); }
};
OP(CumulativeTrapezoidX);
struct CumulativeTrapezoidDx : Composite<CumulativeTrapezoidDx> {
    SIG("cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor");
    DOC("Running integral of y along dim at points dx apart by the trapezoidal rule.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& y, const Scalar& dx, int64_t dim) { return trapezoid_dx<true>("cumulative_trapezoid", y, dx, dim); }
};
OP(CumulativeTrapezoidDx);

}  // namespace rl
