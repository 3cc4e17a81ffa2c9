// Distances between all pairs of rows.
#include <cmath>

#include "ops/linalg.h"

namespace rl {

namespace {
// One distance, and the derivative of it by each difference times g.
template <class T> T distance(const T* x, const T* y, int64_t m, double p) {
    T sum = 0;
    for (int64_t i = 0; i < m; i++) {
        T d = std::abs(x[i] - y[i]);
        if (p == 0) sum += d != 0;
        else if (p == 1) sum += d;
        else if (p == 2) sum += d * d;
        else if (std::isinf(p)) sum = std::isnan(d) || d > sum ? d : sum;
        else sum += std::pow(d, T(p));
    }
    return p == 2 ? std::sqrt(sum) : p == 0 || p == 1 || std::isinf(p) ? sum : std::pow(sum, T(1 / p));
}
template <class T> T slope(T d, T distance, double p) {
    T sign = T((d > 0) - (d < 0));
    if (p == 1) return sign;
    if (distance == 0 || p == 0) return 0;
    if (p == 2) return d / distance;
    if (std::isinf(p)) return std::abs(d) == distance ? sign : T(0);
    if (p < 2) return d == 0 ? T(0) : sign * std::pow(std::abs(d), T(p - 1)) / std::pow(distance, T(p - 1));
    return d * std::pow(std::abs(d), T(p - 2)) / std::pow(distance, T(p - 1));
}
}  // namespace

struct CdistBackward : Op<CdistBackward> {
    SIG("_cdist_backward(Tensor grad, Tensor x1, Tensor x2, float p, Tensor cdist) -> Tensor");
    DOC("Gradient of _cdist_forward for x1.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& grad, const Tensor& x1, const Tensor& x2, double p, const Tensor& distances) {
        check(batch_of(x1) == batch_of(x2) && columns(x1) == columns(x2) && x1.dtype() == x2.dtype() && grad.dtype() == x1.dtype() && grad.sizes() == matrices(batch_of(x1), rows(x1), rows(x2)) && distances.sizes() == grad.sizes(), "_cdist_backward: x1 of shape ", x1.sizes(), ", x2 of shape ", x2.sizes(), " and a gradient of shape ", grad.sizes());
        Tensor r = empty(x1.sizes(), x1.dtype(), x1.device());
        if (r.is_meta()) return r;
        fill_raw(r, 0);
        Tensor g = contiguous(grad), x = contiguous(x1), y = contiguous(x2), d = contiguous(distances);
        int64_t n = rows(x), k = rows(y), m = columns(x), batch = batch_count(x);
        auto run = [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(batch * n, grain_for(k * m), [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++)
                    for (int64_t j = 0; j < k; j++) {
                        T w = g.data<T>()[i * k + j], far = d.data<T>()[i * k + j];
                        if (w == 0) continue;
                        const T *a = x.data<T>() + i * m, *b = y.data<T>() + (i / n * k + j) * m;
                        for (int64_t c = 0; c < m; c++) r.data<T>()[i * m + c] += w * slope(a[c] - b[c], far, p);
                    }
            });
        };
        if (x.dtype() == DType::Float64) run(Tag<double>{});
        else run(Tag<float>{});
        return r;
    }
};
OP(CdistBackward);

struct CdistForward : Op<CdistForward> {
    SIG("_cdist_forward(Tensor x1, Tensor x2, float p) -> Tensor");
    DOC("Distances in the p-norm of the rows of x1 (.., n, m) and x2 (.., k, m): (.., n, k).");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, Out<0>>;
    static Tensor forward(const Tensor& x1, const Tensor& x2, double p) {
        check(batch_of(x1) == batch_of(x2) && columns(x1) == columns(x2) && x1.dtype() == x2.dtype() && (x1.dtype() == DType::Float32 || x1.dtype() == DType::Float64), "_cdist_forward: x1 of shape ", x1.sizes(), " and x2 of shape ", x2.sizes(), " in ", name(x1.dtype()), " and ", name(x2.dtype()));
        int64_t n = rows(x1), k = rows(x2), m = columns(x1), batch = batch_count(x1);
        Tensor r = empty(matrices(batch_of(x1), n, k), x1.dtype(), common_device(x1, x2));
        if (r.is_meta()) return r;
        Tensor x = contiguous(x1), y = contiguous(x2);
        auto run = [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(batch * n, grain_for(k * m), [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++)
                    for (int64_t j = 0; j < k; j++) r.data<T>()[i * k + j] = distance(x.data<T>() + i * m, y.data<T>() + (i / n * k + j) * m, m, p);
            });
        };
        if (x.dtype() == DType::Float64) run(Tag<double>{});
        else run(Tag<float>{});
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        Tensor x = c.in<0>(), y = c.in<1>(), d = c.out<0>();
        double p = c.arg<2>();
        if (tls.grad || tls.modes || g->wrapper) return recorded_backward(c, g, x, y, d, p);
        if (c.needs<0>()) r[0] = call<CdistBackward>(g, x, y, p, d);
        if (c.needs<1>()) r[1] = call<CdistBackward>(transpose(g, -2, -1), y, x, p, transpose(d, -2, -1));
        return r;
    }
    // By operators on all differences: (.., n, k, m) values, for gradients of gradients.
    static Grads recorded_backward(Ctx& c, const Tensor& g, const Tensor& x, const Tensor& y, const Tensor& d, double p) {
        Tensor diff = sub(unsqueeze(x, -2), unsqueeze(y, -3)), far = column(d), zero = eq(far, Scalar(0)), safe = masked_fill(far, zero, Scalar(1)), s;
        if (p == 0) s = mul(diff, Scalar(0));
        else if (p == 1) s = sgn(diff);
        else if (std::isinf(p)) s = mul(sgn(diff), to(eq(abs(diff), far), diff.dtype()));
        else if (p == 2) s = div(diff, safe);
        else {
            Tensor none = eq(diff, Scalar(0)), size = masked_fill(abs(diff), none, Scalar(1));
            s = masked_fill(div(mul(sgn(diff), pow(size, Scalar(p - 1))), pow(safe, Scalar(p - 1))), none, Scalar(0));
        }
        if (p != 1) s = masked_fill(s, zero, Scalar(0));
        Tensor each = mul(s, column(g));
        Grads r(2);
        if (c.needs<0>()) r[0] = sum(each, {-2});
        if (c.needs<1>()) r[1] = neg(sum(each, {-3}));
        return r;
    }
};
OP(CdistForward);

// |x - y|^2 = |x|^2 - 2 x.y + |y|^2: one product of matrices, for many rows.
struct EuclideanDist : Op<EuclideanDist> {
    SIG("_euclidean_dist(Tensor x1, Tensor x2) -> Tensor");
    DOC("Euclidean distances of the rows of x1 and x2 by a product of matrices.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, Out<0>>;
    static Tensor forward(const Tensor& x, const Tensor& y) {
        NoGrad guard;
        auto squares = [](const Tensor& t) { return sum(mul(t, t), {-1}, true); };
        Tensor r = add(mul(matmul(x, transpose(y, -2, -1)), Scalar(-2)), add(squares(x), transpose(squares(y), -2, -1)));
        return sqrt(clamp(r, OptScalar(Scalar(0)), {}));
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        Tensor x = c.in<0>(), y = c.in<1>(), d = c.out<0>(), zero = eq(d, Scalar(0));
        Tensor ratio = masked_fill(div(g, masked_fill(d, zero, Scalar(1))), zero, Scalar(0));
        if (c.needs<0>()) r[0] = sub(mul(x, sum(ratio, {-1}, true)), matmul(ratio, y));
        if (c.needs<1>()) r[1] = sub(mul(y, transpose(sum(ratio, {-2}, true), -2, -1)), matmul(transpose(ratio, -2, -1), x));
        return r;
    }
};
OP(EuclideanDist);

struct Cdist : Composite<Cdist> {
    SIG("cdist(Tensor x1, Tensor x2, float p=2.0, str compute_mode='use_mm_for_euclid_dist_if_necessary') -> Tensor");
    DOC("Distances in the p-norm of all pairs of rows: (.., n, m) and (.., k, m) to (.., n, k).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x1, const Tensor& x2, double p, const std::string& mode) {
        bool if_many = mode == "use_mm_for_euclid_dist_if_necessary", always = mode == "use_mm_for_euclid_dist";
        check(if_many || always || mode == "donot_use_mm_for_euclid_dist", Err::Value, mode, " is not a valid value for compute_mode");
        check(x1.dim() >= 2, "cdist only supports at least 2D tensors, X1 got: ", x1.dim(), "D");
        check(x2.dim() >= 2, "cdist only supports at least 2D tensors, X2 got: ", x2.dim(), "D");
        check(columns(x1) == columns(x2), "X1 and X2 must have the same number of columns. X1: ", columns(x1), " X2: ", columns(x2));
        check(is_floating(x1.dtype()), "cdist only supports floating-point dtypes, X1 got: ", title(x1.dtype()));
        check(is_floating(x2.dtype()), "cdist only supports floating-point dtypes, X2 got: ", title(x2.dtype()));
        check(p >= 0, "cdist only supports non-negative p values");
        check(x1.dtype() == x2.dtype(), "expected scalar type ", title(x1.dtype()), " but found ", title(x2.dtype()), " (cdist)");
        check(x1.dtype() == DType::Float32 || x1.dtype() == DType::Float64, Err::NotImplemented, "\"cdist\" not implemented for '", title(x1.dtype()), "'");
        auto [a, b] = with_common_batch("cdist", x1, x2);
        if (p == 2 && columns(a) > 0 && rows(a) > 0 && rows(b) > 0 && (always || (if_many && (rows(a) > 25 || rows(b) > 25)))) return call<EuclideanDist>(a, b);
        return call<CdistForward>(a, b, p);
    }
};
OP(Cdist);

}  // namespace rl
