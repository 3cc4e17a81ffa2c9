// Variance, standard deviation, covariance.
#include <cmath>

#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- the moments of a sample
// Count, mean and sum of squared deviations, in double; samples are joined by merge_moments (Chan, Golub and LeVeque).
struct Moments {
    double n = 0, mean = 0, squares = 0;
};
struct MergedMoments {
    using In = Moments;
    using Acc = Moments;
    using Next = MergedMoments;
    static Moments merge(Moments a, const Moments& b) {
        bool finite = std::isfinite(a.mean) && std::isfinite(b.mean);
        double infinite = a.mean + b.mean;
        cpu::merge_moments(a.n, a.mean, a.squares, b.n, b.mean, b.squares);
        if (!finite) a.mean = infinite;
        return a;
    }
    static Moments identity() { return {}; }
    static Moments row(const Moments* x, int64_t n) {
        Moments r;
        for (int64_t i = 0; i < n; i++) r = merge(r, x[i]);
        return r;
    }
    static void columns(Moments* y, const Moments* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, Moments());
        for (int64_t r = 0; r < rows; r++, x += stride)
            for (int64_t i = 0; i < n; i++) y[i] = merge(y[i], x[i]);
    }
};
template <class T> struct MomentsOf {
    using In = T;
    using Acc = Moments;
    using Next = MergedMoments;
    static Moments identity() { return {}; }
    static Moments row(const T* x, int64_t n) {
        Moments m;
        m.n = double(n);
        cpu::kernels().reduce<T>().moments(x, n, &m.mean, &m.squares);
        return m;
    }
    static Moments merge(const Moments& a, const Moments& b) { return MergedMoments::merge(a, b); }
    // Means of some rows first, then the squares of the deviations from them, while the rows are in the cache.
    static void columns(Moments* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        constexpr int64_t chunk = 64;
        std::fill(y, y + n, Moments());
        cpu::Buffer<T> mean(n), sum(n), squares(n);
        for (int64_t r = 0; r < rows; r += chunk) {
            int64_t m = std::min(chunk, rows - r);
            cpu::kernels().reduce<T>().sum_rows(mean.data, x + r * stride, m, n, stride);
            for (int64_t i = 0; i < n; i++) mean.data[i] /= T(m), sum.data[i] = squares.data[i] = 0;
            for (int64_t k = 0; k < m; k++) {
                const T* p = x + (r + k) * stride;
                for (int64_t i = 0; i < n; i++) {
                    T d = p[i] - mean.data[i];
                    sum.data[i] += d, squares.data[i] += d * d;
                }
            }
            for (int64_t i = 0; i < n; i++) {  // sum is what the rounding of the mean left
                double off = std::isfinite(mean.data[i]) ? double(sum.data[i]) / double(m) : 0;
                y[i] = merge(y[i], {double(m), double(mean.data[i]) + off, double(squares.data[i]) - off * off * double(m)});
            }
        }
    }
};

// ---------------------------------------------------------------- var and its relatives
struct Spread {
    Dims dims;
    double correction;
    bool keepdim, root;
};
static double correction_of(const OptScalar& c) { return c ? c->real() : 1; }

// Fills var (or std), and mean where it is asked for, from the moments of x; x is float32 or float64.
template <class T> static void spread_raw(const Tensor& x, uint64_t mask, const Spread& s, Tensor& var, Tensor* mean) {
    Tensor plain = with_unit_stride(x);
    var = in_memory_order(plain, mask, x.dtype());
    cpu::Buffer<Moments> m(var.numel());
    reduce_groups(reinterpret_cast<char*>(m.data), plain.raw(), group_dims(plain, mask), LoopsOf<MomentsOf<T>>::value);
    T* to = var.data<T>();
    for (int64_t i = 0, n = var.numel(); i < n; i++) {
        double v = std::max(m.data[i].squares, 0.0) / std::max(m.data[i].n - s.correction, 0.0);
        to[i] = T(s.root ? std::sqrt(v) : v);
    }
    if (!mean) return;
    *mean = in_memory_order(plain, mask, x.dtype());
    for (int64_t i = 0, n = var.numel(); i < n; i++) mean->data<T>()[i] = T(m.data[i].mean);
}

// The variance of a complex sample is that of its real plus that of its imaginary parts.
static void spread_complex(const Tensor& x, const Spread& s, Tensor& var, Tensor* mean);

static void spread_into(const char* op, const Tensor& self, const Spread& s, Tensor& var, Tensor* mean) {
    if (!is_inexact(self.dtype())) raise(Err::Runtime, op, " only support floating point and complex dtypes");
    uint64_t mask = reduced_dims(s.dims, self.dim());
    Dims sizes = reduced_sizes(self.sizes(), mask, s.keepdim);
    DType real_type = to_real(self.dtype());
    if (self.is_meta()) {
        var = empty(sizes, real_type, self.device());
        if (mean) *mean = empty(sizes, self.dtype(), self.device());
        return;
    }
    double count = double(reduced_count(self.sizes(), mask));
    if (count - s.correction <= 0 && count > 0) warn(op, "(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel divided by output numel).");
    if (self.numel() == 0) {
        var = full(sizes, Scalar(std::nan("")), real_type);
        if (mean) *mean = full(sizes, Scalar(std::nan("")), self.dtype());
        return;
    }
    Tensor x = resolve(to_compute(self));
    if (x.is_complex()) spread_complex(x, s, var, mean);
    else if (x.dtype() == DType::Float64) spread_raw<double>(x, mask, s, var, mean);
    else spread_raw<float>(x, mask, s, var, mean);
    auto shaped = [&](const Tensor& t, DType type) {
        Tensor c = cast_raw(t, type);
        if (same(c.sizes(), sizes)) return c;
        return alias(c, sizes, contiguous_strides(sizes), c->offset);
    };
    var = shaped(var, real_type);
    if (mean) *mean = shaped(*mean, self.dtype());
}

static void spread_complex(const Tensor& x, const Spread& s, Tensor& var, Tensor* mean) {
    Tensor parts[2], var_parts[2], mean_parts[2];
    Spread plain{s.dims, s.correction, s.keepdim, false};
    for (int k = 0; k < 2; k++) {
        parts[k] = k ? imag(x) : real(x);
        spread_into("var", contiguous(parts[k]), plain, var_parts[k], mean ? &mean_parts[k] : nullptr);
    }
    var = add(var_parts[0], var_parts[1]);
    if (s.root) var = sqrt(var);
    if (!mean) return;
    *mean = empty(mean_parts[0].sizes(), x.dtype());
    dispatch_compute(var.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_floating_point_v<T>)
            for (int64_t i = 0, n = var.numel(); i < n; i++) mean->data<std::complex<T>>()[i] = {mean_parts[0].data<T>()[i], mean_parts[1].data<T>()[i]};
    });
}

static Tensor one_spread(const char* op, const Tensor& self, const Spread& s) {
    InKernel guard;
    Tensor var;
    spread_into(op, self, s, var, nullptr);
    return var;
}

// d var / d x = 2 (x - mean) / (n - correction)
static Tensor var_gradient(const Tensor& g, const Tensor& x, const Dims& dims, double correction, bool keepdim) {
    double n = double(reduced_count(x.sizes(), reduced_dims(dims, x.dim())));
    Tensor centred = x - mean(x, dims, true);
    return restore_dims(g, dims, x.dim(), keepdim) * (2.0 / (n - correction)) * centred;
}
static Tensor std_gradient(const Tensor& g, const Tensor& x, const Tensor& out, const Dims& dims, double correction, bool keepdim) {
    Tensor inner = masked_fill(g / (out * 2.0), eq(out, Scalar(0)), Scalar(0));
    return var_gradient(inner, x, dims, correction, keepdim);
}
static Tensor mean_gradient(const Tensor& g, const Dims& sizes, const Dims& dims, bool keepdim) {
    double n = double(reduced_count(sizes, reduced_dims(dims, int64_t(sizes.size()))));
    return expand(restore_dims(g, dims, int64_t(sizes.size()), keepdim), sizes) / n;
}

struct VarCorrection : Op<VarCorrection> {
    FORMS(FUNCTION | METHOD | OUT);
    static constexpr bool kCastsOut = true;
    SIG("var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False, Tensor? out=None) -> Tensor");
    DOC("Variance over dim, or of all: squared deviations from the mean, divided by n - correction (1 if not given).");
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, const OptDims& dim, const OptScalar& correction, bool keepdim) {
        return one_spread("std and var", self, {dim.value_or(Dims()), correction_of(correction), keepdim, false});
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {var_gradient(g, c.in<0>(), c.arg<1>().value_or(Dims()), correction_of(c.arg<2>()), c.arg<3>())}; }
};
struct StdCorrection : Op<StdCorrection> {
    FORMS(FUNCTION | METHOD | OUT);
    static constexpr bool kCastsOut = true;
    SIG("std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False, Tensor? out=None) -> Tensor");
    DOC("Standard deviation over dim, or of all: the square root of var.");
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, const OptDims& dim, const OptScalar& correction, bool keepdim) {
        return one_spread("std and var", self, {dim.value_or(Dims()), correction_of(correction), keepdim, true});
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {std_gradient(g, c.in<0>(), c.out(), c.arg<1>().value_or(Dims()), correction_of(c.arg<2>()), c.arg<3>())}; }
};

using Pair = std::tuple<Tensor, Tensor>;
static Pair both_raw(const char* op, const Tensor& self, const Spread& s) {
    InKernel guard;
    Tensor var, mean;
    check(is_inexact(self.dtype()), op, " only support floating point and complex dtypes");
    spread_into(op, self, s, var, &mean);
    return {var, mean};
}
struct VarMeanCorrection : Op<VarMeanCorrection> {
    SIG("var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)");
    DOC("Variance and mean over dim, or of all.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>>;
    static Pair forward(const Tensor& self, const OptDims& dim, const OptScalar& correction, bool keepdim) {
        return both_raw("var_mean", self, {dim.value_or(Dims()), correction_of(correction), keepdim, false});
    }
    static Grads backward(Ctx& c, const Grads& g) {
        Dims dims = c.arg<1>().value_or(Dims());
        Tensor r;
        if (g[0]) r = var_gradient(g[0], c.in<0>(), dims, correction_of(c.arg<2>()), c.arg<3>());
        if (g[1]) {
            Tensor m = mean_gradient(g[1], c.sizes<0>(), dims, c.arg<3>());
            r = r ? r + m : m;
        }
        return {r};
    }
};
struct StdMeanCorrection : Op<StdMeanCorrection> {
    SIG("std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)");
    DOC("Standard deviation and mean over dim, or of all.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, Out<0>>;
    static Pair forward(const Tensor& self, const OptDims& dim, const OptScalar& correction, bool keepdim) {
        return both_raw("std_mean", self, {dim.value_or(Dims()), correction_of(correction), keepdim, true});
    }
    static Grads backward(Ctx& c, const Grads& g) {
        Dims dims = c.arg<1>().value_or(Dims());
        Tensor r;
        if (g[0]) r = std_gradient(g[0], c.in<0>(), c.out<0>(), dims, correction_of(c.arg<2>()), c.arg<3>());
        if (g[1]) {
            Tensor m = mean_gradient(g[1], c.sizes<0>(), dims, c.arg<3>());
            r = r ? r + m : m;
        }
        return {r};
    }
};

// The older ways to call them: unbiased=True is correction=1.
#define RL_SPREAD(Name, name, forms, out, result, R)                                                                                \
    struct Name##All : Composite<Name##All> {                                                                                       \
        SIG(#name "(Tensor self, bool unbiased=True) -> " result);                                                                  \
        DOC("Over all elements; unbiased divides by n - 1.");                                                                       \
        FORMS((forms) & ~OUT);                                                                                                       \
        static R forward(const Tensor& self, bool unbiased) {                                                                       \
            return call<Name##Correction>(self, OptDims(), OptScalar(Scalar(int(unbiased))), false);                                \
        }                                                                                                                           \
    };                                                                                                                              \
    struct Name##Dim : Composite<Name##Dim> {                                                                                       \
        SIG(#name ".dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False" out ") -> " result);                      \
        DOC("Over dim; unbiased divides by n - 1.");                                                                                \
        FORMS(forms);                                                                                                               \
        static R forward(const Tensor& self, const OptDims& dim, bool unbiased, bool keepdim) {                                     \
            return call<Name##Correction>(self, dim, OptScalar(Scalar(int(unbiased))), keepdim);                                    \
        }                                                                                                                           \
    };                                                                                                                              \
    OP(Name##All);                                                                                                                  \
    OP(Name##Dim);                                                                                                                  \
    OP(Name##Correction)
RL_SPREAD(Var, var, FUNCTION | METHOD | OUT, ", *, Tensor? out=None", "Tensor", Tensor);
RL_SPREAD(Std, std, FUNCTION | METHOD | OUT, ", *, Tensor? out=None", "Tensor", Tensor);
RL_SPREAD(VarMean, var_mean, FUNCTION, "", "(Tensor, Tensor)", Pair);
RL_SPREAD(StdMean, std_mean, FUNCTION, "", "(Tensor, Tensor)", Pair);

// ---------------------------------------------------------------- covariance
static void check_weights(const char* which, const Tensor& w, const Tensor& x, int64_t observations, bool integral) {
    check(w.dim() <= 1, "cov(): expected ", which, " to have one or fewer dimensions but got ", which, " with ", w.dim(), " dimensions");
    check(integral ? is_integral(w.dtype()) : is_floating(w.dtype()), "cov(): expected ", which, " to have ", integral ? "integral" : "floating point", " dtype but got ", which, " with ", title(w.dtype()), " dtype");
    check(w.numel() == observations, "cov(): expected ", which, " to have the same numel as there are observations in the input but got ", w.numel(), " != ", observations);
    check(w.device() == x.device(), "cov(): expected ", which, " to be on the input's device");
    check(w.is_meta() || w.numel() == 0 || item(amax(neg(to(w, DType::Float64)), {}, false)).real() <= 0, "cov(): ", which, " cannot be negative");
}

struct Cov : Composite<Cov> {
    SIG("cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor");
    DOC("Covariance matrix of variables (rows) by observations (columns): (x - mean) (x - mean)^H / (n - correction).");
    static Tensor forward(const Tensor& self, int64_t correction, const Tensor& fweights, const Tensor& aweights) {
        check(self.dim() <= 2, "cov(): expected input to have two or fewer dimensions but got an input with ", self.dim(), " dimensions");
        check(self.dtype() != DType::Bool, "cov(): bool dtype is not supported for input");
        Tensor x = self.dim() < 2 ? reshape(self, {1, self.numel()}) : self;
        int64_t observations = x.sizes()[1];
        Tensor w;
        if (fweights) check_weights("fweights", fweights, self, observations, true), w = fweights;
        if (aweights) check_weights("aweights", aweights, self, observations, false), w = w ? w * aweights : aweights;
        check(!w || w.is_meta() || item(sum(w)).real() != 0, Err::ZeroDivision, "cov(): weights sum to zero, can't be normalized");
        Tensor total = w ? sum(w) : full(Ints(), Scalar(double(observations)), is_inexact(self.dtype()) ? to_real(self.dtype()) : default_dtype());
        Tensor average = (w ? sum(x * w, {1}) : sum(x, {1})) / total;
        Tensor norm = !w ? total - Scalar(correction) : !aweights || correction == 0 ? total - Scalar(correction) : total - Scalar(correction) * sum(w * aweights) / total;
        if (!norm.is_meta() && item(norm).real() <= 0) {
            warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.");
            norm = zeros(Ints(), norm.dtype());
        }
        Tensor centred = x - unsqueeze(average, 1);
        Tensor other = conj(w ? centred * w : centred);
        if (other.dtype() != centred.dtype()) centred = to(centred, other.dtype());
        Tensor r = matmul(centred, transpose(other, 0, 1)) / norm;
        return r.numel() == 1 ? reshape(r, {}) : r;
    }
};
OP(Cov);

struct Corrcoef : Composite<Corrcoef> {
    SIG("corrcoef(Tensor self) -> Tensor");
    DOC("Pearson's correlation coefficients of variables (rows) by observations (columns).");
    static Tensor forward(const Tensor& self) {
        check(self.dim() <= 2, "corrcoef(): expected input to have two or fewer dimensions but got an input with ", self.dim(), " dimensions");
        Tensor c = call<Cov>(self, int64_t(1), Tensor(), Tensor());
        if (c.dim() == 0) return c / c;
        Tensor d = diagonal(c), deviation = sqrt(d.is_complex() ? real(d) : d);
        Tensor r = c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0);
        auto clipped = [](const Tensor& t) { return clamp(t, Scalar(-1), Scalar(1)); };
        if (!r.is_complex()) return clipped(r);
        return view_as_complex(clipped(view_as_real(r)));
    }
};
OP(Corrcoef);

}  // namespace rl
