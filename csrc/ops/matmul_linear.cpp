// The affine layers: linear and bilinear.
#include "ops/matmul.h"

namespace rl {

// ---------------------------------------------------------------- linear
// Rows of x (.., k) as one matrix without copying, where strides allow it.
static Tensor as_rows(const Tensor& x) {
    if (x.dim() == 2) return x;
    int64_t k = x.sizes().back(), rows = 1;
    for (int64_t d = 0; d + 1 < x.dim(); d++) rows *= x.sizes()[size_t(d)];
    if (x.is_contiguous()) return alias(x, Dims{rows, k}, Dims{k, 1}, x->offset);
    return reshape(x, {rows, k});
}

static Tensor column_sums(const Tensor& g) {
    Tensor rows = contiguous(g);
    int64_t n = rows.sizes()[1], m = rows.sizes()[0];
    if (rows.dtype() != DType::Float32 && rows.dtype() != DType::Float64) return sum(rows, {0});
    Tensor r = empty(Dims{n}, rows.dtype());
    auto go = [&](auto tag) {
        using T = typename decltype(tag)::type;
        cpu::kernels().reduce<T>().sum_rows(r.data<T>(), rows.data<T>(), m, n, n);
    };
    if (rows.dtype() == DType::Float32) go(Tag<float>{});
    else go(Tag<double>{});
    return r;
}

struct Linear : Op<Linear> {
    SIG("nn::linear(Tensor input, Tensor weight, Tensor? bias=None, *, Tensor? out=None) -> Tensor");
    DOC("input @ weight.T + bias: input (.., in), weight (out, in) or (in), bias (out) or broadcastable.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0, 1>, In<1, 0>>;

    static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias) {
        // The common case: a vector for each row of a matrix, everything of one type.
        const Dims &x = input.sizes(), &w = weight.sizes();
        check(input.dim() >= 1, "both arguments to linear need to be at least 1D, but they are ", input.dim(), "D and ", weight.dim(), "D");
        check(weight.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", weight.dim(), "D (linear: weight)");
        if (weight.dim() < 2) return general(input, weight, bias);
        int64_t k = x.back(), n = w[0], rows = 1;
        for (size_t d = 0; d + 1 < x.size(); d++) rows *= x[d];
        check(k == w[1], "mat1 and mat2 shapes cannot be multiplied (", rows, "x", k, " and ", w[1], "x", n, ") (linear: input ", x, ", weight ", w, ")");
        check(input.dtype() == weight.dtype(), "expected m1 and m2 to have the same dtype, but got: ", cpp_name(input.dtype()), " != ", cpp_name(weight.dtype()), " (linear)");
        if (bias) check(bias.dtype() == weight.dtype(), "self and mat2 must have the same dtype, but got ", title(bias.dtype()), " and ", title(weight.dtype()), " (linear: bias)");
        Dims sizes = x;
        sizes[sizes.size() - 1] = n;
        bool vector_bias = !bias || (bias.dim() == 1 && bias.sizes()[0] == n);
        if (!vector_bias) return general(input, weight, bias);
        check_gemm_type("addmm_impl_cpu_", input.dtype());
        Tensor r = empty(sizes, input.dtype(), common_device(input, weight));
        if (r.is_meta() || r.numel() == 0) return r;
        compute(r, as_rows(resolve(input)), resolve(weight), bias ? contiguous(bias) : bias, rows, n, k);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor& input, const Tensor& weight, const Tensor& bias) {
        Tensor r = forward(input, weight, bias);
        result_target("linear", out, r.dtype(), r.sizes(), {});
        store_result(out, r);
    }
    static void compute(const Tensor& r, const Tensor& x, const Tensor& w, const Tensor& bias, int64_t rows, int64_t n, int64_t k) {
        dispatch_gemm("addmm_impl_cpu_", r.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            bool small = (std::is_same_v<T, float> || std::is_same_v<T, double>)&&rows * n * k <= kSmallProduct;
            Tensor a = small ? x : blas_ready(x), b = small ? w : blas_ready(w);
            product<T>(rows, n, k, cpu::GemmScalar<T>(1), matrix_view(a), transposed(matrix_view(b)), cpu::GemmScalar<T>(0), r.data<T>(), n, bias ? bias.data<T>() : nullptr);
        });
    }
    // Weights that are a vector, and biases of other shapes.
    static Tensor general(const Tensor& input, const Tensor& weight, const Tensor& bias) {
        Tensor r = matmul(input, weight.dim() == 2 ? transpose(weight, 0, 1) : weight);
        if (!bias) return r;
        check(same(broadcast(r.sizes(), bias.sizes()), r.sizes()), "The expanded size of the tensor ", r.sizes(), " must match the existing size ", bias.sizes(), " (linear: bias)");
        return add(r, bias);
    }

    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        bool recorded = tls.grad || tls.modes || g->wrapper;
        if (recorded || c.sizes<1>().size() != 2) return recorded_backward(c, g);
        Tensor rows = as_rows(resolve(g));
        if (c.needs<0>()) {
            Tensor x = mm_raw(rows, false, conjugated(c.in<1>()), false);
            r[0] = same(x.sizes(), c.sizes<0>()) ? x : view(x, c.sizes<0>());
        }
        if (c.needs<1>()) r[1] = mm_raw(rows, true, as_rows(resolve(conjugated(c.in<0>()))), false);
        if (c.needs<2>()) r[2] = c.sizes<2>().size() == 1 && c.sizes<2>()[0] == rows.sizes()[1] ? column_sums(rows) : sum_grad(g, c.metas[2]);
        return r;
    }
    static Tensor conjugated(const Tensor& t) { return t.is_complex() ? conj(t) : t; }
    // By operators, so that it can be differentiated.
    static Grads recorded_backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        bool vector = c.sizes<1>().size() != 2;
        int64_t k = c.sizes<0>().back(), n = vector ? 1 : c.sizes<1>()[0];
        int64_t count = 1;
        for (size_t d = 0; d + 1 < c.sizes<0>().size(); d++) count *= c.sizes<0>()[d];
        Tensor rows = reshape(g, {count, n});
        if (c.needs<0>()) r[0] = reshape(mm(rows, conj(reshape(c.in<1>(), {n, k}))), c.sizes<0>());
        if (c.needs<1>()) r[1] = reshape(mm(transpose(rows, 0, 1), conj(reshape(c.in<0>(), {count, k}))), c.sizes<1>());
        if (c.needs<2>()) r[2] = sum_grad(g, c.metas[2]);
        return r;
    }
};
OP(Linear);

// ---------------------------------------------------------------- bilinear
struct Bilinear : Composite<Bilinear> {
    SIG("nn::bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor");
    DOC("y[.., o] = sum of input1[.., i] * weight[o, i, j] * input2[.., j] over i and j, plus bias[o].");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& weight, const Tensor& bias) {
        check(x1.dim() == x2.dim(), "bilinear(): input dimensions do not match: got ", x1.dim(), " and ", x2.dim());
        for (int64_t d = 0; d + 1 < x1.dim(); d++)
            check(x1.sizes()[size_t(d)] == x2.sizes()[size_t(d)], "bilinear(): input batch dimensions do not match at dim ", d, ": got ", x1.sizes()[size_t(d)], " and ", x2.sizes()[size_t(d)]);
        check(x1.dim() > 0, "bilinear(): inputs need at least 1 dimension");
        check(weight.dim() == 3, "bilinear(): weight must have 3 dimensions (out, in1, in2), got ", weight.sizes());
        int64_t o = weight.sizes()[0], i = weight.sizes()[1], j = weight.sizes()[2];
        check(x1.size(-1) == i, "bilinear(): input1 size does not match weight size: got ", x1.size(-1), " but expected ", i);
        check(x2.size(-1) == j, "bilinear(): input2 size does not match weight size: got ", x2.size(-1), " but expected ", j);
        check(!bias || (bias.dim() == 1 && bias.sizes()[0] == o), "bilinear(): bias size does not match weight size: got ", bias ? bias.size(0) : 0, " but expected ", o);
        Dims sizes = x1.sizes();
        sizes[sizes.size() - 1] = o;
        int64_t rows = product(Ints(sizes).first(sizes.size() - 1));
        Tensor a = reshape(x1, {rows, i}), b = reshape(x2, {rows, j});
        // (rows, i) times (i, o * j), then the sum over j with input2
        Tensor left = reshape(mm(a, reshape(permute(weight, {1, 0, 2}), {i, o * j})), {rows, o, j});
        Tensor r = reshape(bmm(left, unsqueeze(b, 2)), sizes);
        return bias ? add(r, bias) : r;
    }
};
OP(Bilinear);

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) { return call<Linear>(x, weight, bias); }

}  // namespace rl
