// Norms and what is built of them: vector and matrix norms, dist, renorm, logsumexp.
#include <cmath>

#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- policies
template <class T> struct SquaresOf {
    using In = T;
    using Acc = T;
    using Next = SumOf<T>;
    static T row(const T* x, int64_t n) { return cpu::kernels().reduce<T>().sum_squares(x, n); }
    static void columns(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, T(0));
        for (int64_t r = 0; r < rows; r++, x += stride)
            for (int64_t i = 0; i < n; i++) y[i] += x[i] * x[i];
    }
    static T merge(T a, T b) { return a + b; }
    static T identity() { return 0; }
};
template <class T> struct AbsOf {
    using In = T;
    using Acc = T;
    using Next = SumOf<T>;
    static T row(const T* x, int64_t n) { return cpu::kernels().reduce<T>().sum_abs(x, n); }
    static void columns(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, T(0));
        for (int64_t r = 0; r < rows; r++, x += stride)
            for (int64_t i = 0; i < n; i++) y[i] += std::abs(x[i]);
    }
    static T merge(T a, T b) { return a + b; }
    static T identity() { return 0; }
};
template <template <class> class F> static Tensor float_reduction(const Tensor& x, uint64_t mask, bool keepdim) {
    return x.dtype() == DType::Float64 ? reduce_tensor<F<double>>(x, mask, keepdim) : reduce_tensor<F<float>>(x, mask, keepdim);
}

// ---------------------------------------------------------------- vector norms
static Tensor vector_norm_raw(const Tensor& self, double p, const Dims& dims, bool keepdim) {
    uint64_t mask = reduced_dims(dims, self.dim());
    if (self.numel() == 0 && (p < 0 || std::isinf(p))) {
        check(!dims.empty(), "linalg.vector_norm cannot compute the ", p, " norm on an empty tensor because the operation does not have an identity");
        for (int64_t d = 0; d < self.dim(); d++)
            check(!(mask >> d & 1) || self.sizes()[d] != 0, "linalg.vector_norm cannot compute the ", p, " norm on the dimension ", d, " because this dimension is empty and the operation does not have an identity");
    }
    Tensor x = to_compute(self);
    if (x.is_complex()) x = abs(x);
    if (p == 2) return sqrt(float_reduction<SquaresOf>(x, mask, keepdim));
    if (p == 1) return float_reduction<AbsOf>(x, mask, keepdim);
    Dims all;
    for (int64_t d = 0; d < x.dim(); d++)
        if (mask >> d & 1) all.push_back(d);
    if (p == 0) return sum(ne(x, Scalar(0)), all, keepdim, x.dtype());
    if (std::isinf(p)) return p > 0 ? amax(abs(x), all, keepdim) : neg(amax(neg(abs(x)), all, keepdim));
    return pow(sum(pow(abs(x), Scalar(p)), all, keepdim), Scalar(1 / p));
}

static Tensor vector_norm_gradient(const Tensor& g, const Tensor& x, const Tensor& norm, double p) {
    if (p == 1) return g * sgn(x);
    if (p == 2) return masked_fill(g * x / norm, eq(norm, Scalar(0)), Scalar(0));
    Tensor size = abs(x);
    if (std::isinf(p)) {
        Tensor hit = to(eq(size, norm), size.dtype());
        Dims dims;
        for (int64_t d = 0; d < x.dim(); d++)
            if (norm.sizes()[d] != x.sizes()[d] || x.sizes()[d] == 1) dims.push_back(d);
        Tensor count = dims.empty() ? hit : sum(hit, dims, true);
        return sgn(x) * (hit * (g / count));
    }
    Tensor scale = masked_fill(g / pow(norm, Scalar(p - 1)), eq(norm, Scalar(0)), Scalar(0));
    if (p < 1) return masked_fill(sgn(x) * pow(size, Scalar(p - 1)), eq(x, Scalar(0)), Scalar(0)) * scale;
    if (p < 2) return sgn(x) * pow(size, Scalar(p - 1)) * scale;
    return x * pow(size, Scalar(p - 2)) * scale;
}

static DType norm_type(const char* op, const Tensor& self, const OptDType& dtype) {
    check(is_inexact(self.dtype()), op, ": Expected a floating point or complex tensor as input. Got ", title(self.dtype()));
    if (!dtype) return self.dtype();
    check(is_inexact(*dtype), op, ": dtype should be floating point or complex, but got ", title(*dtype));
    check(is_complex(*dtype) == self.is_complex(), op, ": dtype should be ", self.is_complex() ? "complex" : "real", " for ", self.is_complex() ? "complex" : "real", " inputs, but got ", title(*dtype));
    check(promote(self.dtype(), *dtype) == *dtype, op, ": the dtype of the input (", title(self.dtype()), ") should be convertible without narrowing to the specified dtype (", title(*dtype), ")");
    return *dtype;
}

struct VectorNorm : Op<VectorNorm> {
    SIG("linalg::vector_norm(Tensor x, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("sum(|x|^ord)^(1/ord) over dim, or of all; ord may be 0 (a count), inf and -inf (largest and smallest).");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& x, const Scalar& ord, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        DType t = norm_type("linalg.vector_norm", x, dtype);
        check(!ord.is_complex(), "linalg.vector_norm: Expected a non-complex scalar as the order of norm.");
        InKernel guard;
        Dims dims = dim.value_or(Dims());
        if (x.is_meta()) return empty(reduced_sizes(x.sizes(), reduced_dims(dims, x.dim()), keepdim), to_real(t), x.device());
        return cast_raw(vector_norm_raw(x.dtype() == t ? resolve(x) : cast_raw(x, t), ord.real(), dims, keepdim), to_real(t));
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        if (c.arg<1>().real() == 0) return Grads(1);  // a count
        Dims dims = c.arg<2>().value_or(Dims());
        int64_t n = int64_t(c.sizes<0>().size());
        Tensor r = vector_norm_gradient(restore_dims(g, dims, n, c.arg<3>()), c.in<0>(), restore_dims(c.out(), dims, n, c.arg<3>()), c.arg<1>().real());
        return {to(r, c.dtype<0>())};
    }
};
OP(VectorNorm);

static Tensor vector_norm(const Tensor& x, const Scalar& p, const OptDims& dim, bool keepdim, const OptDType& dtype) {
    return call<VectorNorm>(x, p, dim, keepdim, dtype);
}

// ---------------------------------------------------------------- matrix norms
static Tensor extreme_of(const Tensor& x, int64_t dim, bool keepdim, bool largest) {
    if (largest && x.size(dim) == 0) return sum(x, {dim}, keepdim);  // the norm of nothing is 0
    return largest ? amax(x, {dim}, keepdim) : neg(amax(neg(x), {dim}, keepdim));
}
static void check_matrix(const Tensor& a, const Dims& dim) {
    check(a.dim() >= 2, "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
    check(dim.size() == 2, "linalg.matrix_norm: dim must be a 2-tuple. Got ", dim);
    check(wrap_dim(dim[0], a.dim()) != wrap_dim(dim[1], a.dim()), "linalg.matrix_norm: dims must be different. Got (", dim[0], ", ", dim[1], ")");
}

struct MatrixNormStr : Composite<MatrixNormStr> {
    SIG("linalg::matrix_norm.str_ord(Tensor A, str ord='fro', int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Norm of the matrices in two dimensions: 'fro' is the root of the sum of squares.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const std::string& ord, const Dims& dim, bool keepdim, const OptDType& dtype) {
        norm_type("linalg.matrix_norm", a, dtype);
        check_matrix(a, dim);
        check(ord == "fro" || ord == "nuc", "linalg.matrix_norm: Order ", ord, " not supported.");
        if (ord == "fro") return vector_norm(a, Scalar(2), dim, keepdim, dtype);
        return spectral(a, dim, keepdim, dtype, "nuc");
    }
    // 'nuc', 2 and -2 are functions of the singular values.
    static Tensor spectral(const Tensor& a, const Dims& dim, bool keepdim, const OptDType& dtype, const char* which);
};
OP(MatrixNormStr);

static Tensor singular_values(const Tensor& a) {
    OpInfo* op = find_op("linalg", "svdvals");
    check(op != nullptr, Err::NotImplemented, "linalg.matrix_norm: the orders 'nuc', 2 and -2 need linalg.svdvals, which is not there; use 'fro', 1, -1, inf or -inf");
    PyObject* slots[kMaxParams] = {a.py()};
    for (size_t i = 1; i < op->params.size(); i++) slots[i] = op->params[i].default_value;
    PyObject* r = op->invoke(slots);
    if (!r) raise_python();
    return Tensor::steal(r);
}
Tensor MatrixNormStr::spectral(const Tensor& self, const Dims& dim, bool keepdim, const OptDType& dtype, const char* which) {
    Tensor a = dtype ? to(self, *dtype) : self;
    int64_t n = a.dim(), row = wrap_dim(dim[0], n), column = wrap_dim(dim[1], n);
    Dims order;
    for (int64_t d = 0; d < n; d++)
        if (d != row && d != column) order.push_back(d);
    order.push_back(row), order.push_back(column);
    Tensor s = singular_values(permute(a, order));
    std::string w = which;
    Tensor r = w == "nuc" ? sum(s, {-1}) : extreme_of(s, -1, false, w == "2");
    return restore_dims(r, keepdim ? dim : Dims(), keepdim ? n : 0, false);
}

struct MatrixNorm : Composite<MatrixNorm> {
    SIG("linalg::matrix_norm(Tensor A, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Norm of the matrices in two dimensions: 1 and -1 by column sums, inf and -inf by row sums, 2 and -2 by singular values.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const Scalar& ord, const Dims& dim, bool keepdim, const OptDType& dtype) {
        norm_type("linalg.matrix_norm", a, dtype);
        check_matrix(a, dim);
        double p = ord.real(), size = std::abs(p);
        check(size == 1 || size == 2 || std::isinf(size), "linalg.matrix_norm: Order ", p, " not supported.");
        if (size == 2) return MatrixNormStr::spectral(a, dim, keepdim, dtype, p > 0 ? "2" : "-2");
        int64_t row = wrap_dim(dim[0], a.dim()), column = wrap_dim(dim[1], a.dim());
        if (std::isinf(size)) std::swap(row, column);
        Tensor sums = vector_norm(a, Scalar(1), OptDims(Dims{row}), true, dtype);
        Tensor r = extreme_of(sums, column, true, p > 0);
        return keepdim ? r : squeeze(squeeze(r, std::max(row, column)), std::min(row, column));
    }
};
OP(MatrixNorm);

// ---------------------------------------------------------------- linalg.norm, norm
struct LinalgNormStr : Composite<LinalgNormStr> {
    SIG("linalg::norm.ord_str(Tensor A, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Matrix norm named 'fro' or 'nuc'.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const std::string& ord, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        check(dim ? dim->size() == 1 || dim->size() == 2 : a.dim() == 1 || a.dim() == 2, "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ", a.dim(), "D.");
        return call<MatrixNormStr>(a, ord, dim ? *dim : Dims{-2, -1}, keepdim, dtype);
    }
};
OP(LinalgNormStr);
struct LinalgNorm : Composite<LinalgNorm> {
    SIG("linalg::norm(Tensor A, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Vector norm of everything or along one dim, matrix norm over two.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const OptScalar& ord, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        norm_type("linalg.norm", a, dtype);
        check(!dim || dim->size() == 1 || dim->size() == 2, "linalg.norm: If dim is specified, it must be of length 1 or 2. Got ", dim.value_or(Dims()));
        check(dim || !ord || a.dim() == 1 || a.dim() == 2, "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ", a.dim(), "D.");
        if (ord && ((dim && dim->size() == 2) || (!dim && a.dim() == 2))) return call<MatrixNorm>(a, *ord, dim ? *dim : Dims{0, 1}, keepdim, dtype);
        return vector_norm(a, ord.value_or(Scalar(2)), dim, keepdim, dtype);
    }
};
OP(LinalgNorm);

struct Norm : Composite<Norm> {
    SIG("norm(Tensor self, Any p='fro', int[1]? dim=None, bool keepdim=False, ScalarType? dtype=None, *, Tensor? out=None) -> Tensor");
    DOC("Vector norm of order p over dim, or of all; 'fro' is 2, 'nuc' the sum of the singular values of a matrix.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, PyObject* p, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        OptDims dims = dim && dim->empty() ? OptDims() : dim;
        if (p && PyUnicode_Check(p)) {
            std::string name = PyUnicode_AsUTF8(p);
            check(name == "fro" || name == "nuc", "only valid string values are 'fro' and 'nuc', found ", name, " (norm)");
            if (name == "nuc") return call<MatrixNormStr>(self, name, dims ? *dims : Dims{-2, -1}, keepdim, dtype);
            return vector_norm(dtype ? to(self, *dtype) : self, Scalar(2), dims, keepdim, {});
        }
        Scalar order = !p || p == Py_None ? Scalar(2) : scalar_from_python(p);
        return vector_norm(dtype ? to(self, *dtype) : self, order, dims, keepdim, {});
    }
};
OP(Norm);

struct CosineSimilarity : Composite<CosineSimilarity> {
    SIG("nn::cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor");
    DOC("Cosine of the angle between x1 and x2, which broadcast, along dim, which the result lacks; norms below eps count as eps.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
        DType t = promote(x1.dtype(), x2.dtype());
        check(is_floating(t), "expected common dtype to be floating point, yet common dtype is ", title(t));
        check(eps >= 0, "eps must be non-negative, got: ", eps, " (cosine_similarity)");
        Dims sizes = broadcast(x1.sizes(), x2.sizes());
        auto unit = [&](const Tensor& x) {
            Tensor v = to(x, t);
            if (!same(v.sizes(), sizes)) v = expand(v, sizes);
            return v / norm_at_least(v, dim, eps);
        };
        return sum(unit(x1) * unit(x2), {dim});
    }
    // Raised to eps in value only: the gradient is the norm's.
    static Tensor norm_at_least(const Tensor& x, int64_t dim, double eps) {
        Tensor norm = vector_norm(x, Scalar(2), OptDims(Dims{dim}), true, {});
        if (!tls.modes && !(tls.grad && norm.requires_grad())) return clamp(norm, Scalar(eps), {});
        Tensor missing = [&] {
            NoGrad constant;
            return clamp(norm, Scalar(eps), {}) - norm;
        }();
        return norm + missing;
    }
};
OP(CosineSimilarity);

struct FrobeniusNorm : Composite<FrobeniusNorm> {
    SIG("frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Root of the sum of squares over dim.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) { return vector_norm(self, Scalar(2), OptDims(dim), keepdim, {}); }
};
OP(FrobeniusNorm);

struct Dist : Composite<Dist> {
    SIG("dist(Tensor self, Tensor other, Scalar p=2) -> Tensor");
    DOC("p-norm of self - other.");
    static Tensor forward(const Tensor& self, const Tensor& other, const Scalar& p) { return vector_norm(self - other, p, {}, false, {}); }
};
OP(Dist);

struct Renorm : Composite<Renorm> {
    SIG("renorm(Tensor self, Scalar p, int dim, Scalar maxnorm, *, Tensor? out=None) -> Tensor");
    DOC("The slices along dim with a p-norm above maxnorm scaled down to it.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, const Scalar& p, int64_t dim, const Scalar& maxnorm) {
        check(!p.is_complex(), "renorm: p must be real-valued");
        check(p.real() > 0, "renorm: non-positive norm degree");
        check(!maxnorm.is_complex() && maxnorm.real() >= 0, "renorm: expected maxnorm to be >= 0 but got ", maxnorm.real());
        check(self.dim() > 1, "renorm: input needs at least 2 dimensions, got ", self.dim(), " dimensions");
        int64_t keep = wrap_dim(dim, self.dim());
        Dims dims;
        for (int64_t d = 0; d < self.dim(); d++)
            if (d != keep) dims.push_back(d);
        OptDType wide = is_reduced(self.dtype()) ? OptDType(DType::Float32) : OptDType();
        Tensor norm = vector_norm(self, p, OptDims(dims), true, wide);
        Tensor factor = where(gt(norm, maxnorm), maxnorm / (norm + Scalar(1e-7)), Scalar(1.0));
        return self * to(factor, to_real(self.dtype()));
    }
};
OP(Renorm);

// ---------------------------------------------------------------- logsumexp
// The reduced dimensions brought to the end, as rows.
static Tensor reduced_last(const Tensor& x, uint64_t mask) {
    Dims sizes, strides;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t d = 0; d < x.dim(); d++)
            if (int(mask >> d & 1) == pass) sizes.push_back(x.sizes()[d]), strides.push_back(x.strides()[d]);
    return contiguous(alias(x, sizes, strides, x->offset));
}
static Tensor logsumexp_raw(const Tensor& self, const Dims& dims, bool keepdim) {
    Tensor x = resolve(to_compute(self));
    if (x.is_complex()) {  // shifted by the largest real part
        Tensor top = amax(real(x), dims, true);
        top = masked_fill(top, eq(abs(top), Scalar(HUGE_VAL)), Scalar(0));
        Tensor r = log(sum(exp(x - top), dims, true)) + top;
        Dims sizes = reduced_sizes(x.sizes(), reduced_dims(dims, x.dim()), keepdim);
        return reshape(r, sizes);
    }
    uint64_t mask = reduced_dims(dims, x.dim());
    Tensor rows = reduced_last(x, mask), r = empty(reduced_sizes(x.sizes(), mask, keepdim), x.dtype());
    int64_t n = reduced_count(x.sizes(), mask);
    dispatch_compute(x.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (has_kernels<T>)
            cpu::parallel_for(r.numel(), grain_for(4 * n), [&](int64_t a, int64_t b) {
                for (int64_t i = a; i < b; i++) r.data<T>()[i] = n ? cpu::kernels().reduce<T>().logsumexp(rows.data<T>() + i * n, n) : -std::numeric_limits<T>::infinity();
            });
    });
    return cast_raw(r, self.dtype());
}

struct Logsumexp : Op<Logsumexp> {
    SIG("logsumexp(Tensor self, int[1] dim, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("log(sum(exp(self))) over dim, without overflow.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) {
        DType t = is_inexact(self.dtype()) ? self.dtype() : default_dtype();
        InKernel guard;
        if (self.is_meta()) return empty(reduced_sizes(self.sizes(), reduced_dims(dim, self.dim()), keepdim), t, self.device());
        return logsumexp_raw(t == self.dtype() ? self : cast_raw(self, t), dim, keepdim);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        int64_t n = int64_t(c.sizes<0>().size());
        Tensor out = restore_dims(c.out(), c.arg<1>(), n, c.arg<2>());
        // where everything is -inf, out is too, and the difference would be NaN
        Tensor shift = masked_fill(out, eq(abs(out.is_complex() ? real(out) : out), Scalar(HUGE_VAL)), Scalar(0));
        Tensor weight = exp(c.in<0>() - shift);
        return {restore_dims(g, c.arg<1>(), n, c.arg<2>()) * conj(weight)};
    }
};
OP(Logsumexp);

struct SpecialLogsumexp : Composite<SpecialLogsumexp> {
    SIG("special::logsumexp(Tensor input, int[1] dim, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("torch.logsumexp under its name in special.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) { return call<Logsumexp>(self, dim, keepdim); }
};
OP(SpecialLogsumexp);

Tensor logsumexp(const Tensor& a, const Dims& dims, bool keepdim) { return call<Logsumexp>(a, dims, keepdim); }

}  // namespace rl
