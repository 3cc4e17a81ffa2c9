// Normalisation of rows: layer_norm and rms_norm.
#include "ops/norm.h"

namespace rl {

void check_parameter_types(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias) {
    for (const Tensor* t : {&weight, &bias})
        if (*t) {
            bool ok = t->dtype() == input.dtype() || (is_reduced(input.dtype()) && t->dtype() == DType::Float32);
            check(ok, "mixed dtype (CPU): expect parameter to have scalar type of Float (", op, ": input ", title(input.dtype()), ", parameter ", title(t->dtype()), ")");
        }
    check(!weight || !bias || weight.dtype() == bias.dtype(), "mixed dtype (CPU): expect parameter to have scalar type of Float (", op, ": weight and bias differ)");
}

// The input as rows of the normalized shape's elements.
struct Rows {
    int64_t count, n;
    Dims stat_sizes;  // of mean and rstd: those of the input with the normalized dimensions 1
    Dims dims;        // the normalized dimensions
};
static Rows rows_of(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias, const char* star) {
    check(!shape.empty(), "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = ", shape);
    auto fits = [&](const Tensor& t) { return !t || same(t.sizes(), shape); };
    check(fits(weight), "Expected weight to be of same shape as normalized_shape, but got weight of shape ", weight ? weight.sizes() : shape, " and normalized_shape = ", shape);
    check(fits(bias), "Expected bias to be of same shape as normalized_shape, but got bias of shape ", bias ? bias.sizes() : shape, " and normalized_shape = ", shape);
    int64_t lead = input.dim() - int64_t(shape.size());
    bool ok = lead >= 0;
    for (size_t i = 0; ok && i < shape.size(); i++) ok = input.sizes()[size_t(lead) + i] == shape[i];
    if (!ok) {
        std::string text = str(Ints(shape));
        raise(Err::Runtime, "Given normalized_shape=", shape, ", expected input with shape [", star, text.substr(1), ", but got input of size", input.sizes());
    }
    Rows r{1, 1, {}, {}};
    for (int64_t d = 0; d < input.dim(); d++) {
        int64_t s = input.sizes()[d];
        (d < lead ? r.count : r.n) *= s;
        r.stat_sizes.push_back(d < lead ? s : 1);
        if (d >= lead) r.dims.push_back(d - input.dim());
    }
    return r;
}
static Dims lead_dims(const Dims& sizes, const Dims& shape) {
    Dims d;
    for (size_t i = 0; i + shape.size() < sizes.size(); i++) d.push_back(int64_t(i));
    return d;
}
// A sum over the leading dimensions; there may be none.
static Tensor sum_leading(const Tensor& t, const Dims& lead) { return lead.empty() ? t : sum(t, lead); }

// Runs rows(begin, end) on blocks of rows and adds up what each block left in its own row of the partial sums.
template <class T, class F> static void sum_over_blocks(const RowBlocks& blocks, int64_t n, T* first, T* second, F&& rows) {
    cpu::Buffer<T> parts(blocks.count * n * 2);
    std::fill_n(parts.data, blocks.count * n * 2, T(0));
    cpu::parallel_for(blocks.count, grain_for(blocks.size * n), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            T* p = parts.data + i * 2 * n;
            for (int64_t r = blocks.begin(i); r < blocks.begin(i) + blocks.length(i); r++) rows(r, first ? p : nullptr, second ? p + n : nullptr);
        }
    });
    if (first) cpu::kernels().reduce<T>().sum_rows(first, parts.data, blocks.count, n, 2 * n);
    if (second) cpu::kernels().reduce<T>().sum_rows(second, parts.data + n, blocks.count, n, 2 * n);
}

// ---------------------------------------------------------------- layer_norm
struct LayerNorm : Op<LayerNorm> {
    SIG("native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)");
    DOC("(input - mean) * rstd * weight + bias over the last dimensions; also mean and rstd = 1 / sqrt(variance + eps).");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<2>, Out<1>, Out<2>>;
    static Three forward(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias, double eps) {
        Rows rows = rows_of(input, shape, weight, bias, "*, ");
        check(input.is_floating(), Err::NotImplemented, "\"LayerNormKernelImpl\" not implemented for '", title(input.dtype()), "' (layer_norm)");
        check_parameter_types("layer_norm", input, weight, bias);
        DType t = compute_type(input.dtype());
        if (input.is_meta()) return {empty(input.sizes(), input.dtype(), Device::Meta), empty(rows.stat_sizes, t, Device::Meta), empty(rows.stat_sizes, t, Device::Meta)};
        Tensor x = contiguous(to_compute(input)), w = parameter(weight, t), b = parameter(bias, t);
        Tensor y = empty(x.sizes(), t), mean = empty(rows.stat_sizes, t), rstd = empty(rows.stat_sizes, t);
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            auto* f = cpu::kernels().norm<T>().layer_norm;
            const T *p = x.data<T>(), *pw = data_or_null<T>(w), *pb = data_or_null<T>(b);
            T *q = y.data<T>(), *m = mean.data<T>(), *s = rstd.data<T>();
            cpu::parallel_for(rows.count, grain_for(2 * rows.n), [&](int64_t a, int64_t e) {
                for (int64_t i = a; i < e; i++) f(q + i * rows.n, p + i * rows.n, pw, pb, rows.n, T(eps), m + i, s + i);
            });
        });
        return {cast_raw(y, input.dtype()), mean, rstd};
    }
    static Grads backward(Ctx& c, const Grads& grads) {
        check(!grads[1] && !grads[2], Err::NotImplemented, "native_layer_norm: gradients of mean and rstd are not supported");
        if (!grads[0]) return Grads(4);
        return recorded(grads[0]) ? composed(c, grads[0]) : fused(c, grads[0]);
    }
    static Grads composed(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), w = c.in<2>();
        Dims lead = lead_dims(c.sizes<0>(), c.arg<1>()), dims;
        for (int64_t d = int64_t(lead.size()); d < x.dim(); d++) dims.push_back(d);
        DType t = compute_type(x.dtype());
        Tensor wide = to(x, t), gw = to(g, t), centred = wide - mean(wide, dims, true);
        Tensor rstd = rsqrt(mean(centred * centred, dims, true) + Scalar(c.arg<4>())), hat = centred * rstd;
        Grads r(4);
        if (c.needs<0>()) {
            Tensor gy = w ? gw * to(w, t) : gw;
            r[0] = to((gy - mean(gy, dims, true) - hat * mean(gy * hat, dims, true)) * rstd, x.dtype());
        }
        if (c.needs<2>()) r[1] = to(sum_leading(gw * hat, lead), c.dtype<2>());
        if (c.needs<3>()) r[2] = to(sum_leading(gw, lead), c.dtype<3>());
        return r;
    }
    static Grads fused(Ctx& c, const Tensor& grad) {
        Tensor input = c.in<0>(), mean = c.out<1>(), rstd = c.out<2>();
        DType t = mean.dtype();
        int64_t count = mean.numel(), n = product(c.arg<1>());
        Tensor x = contiguous(to_compute(input)), g = cast_raw(grad, t), w = parameter(c.in<2>(), t), gx, gw, gb;
        if (c.needs<0>()) gx = empty(x.sizes(), t);
        if (c.needs<2>()) gw = empty(c.arg<1>(), t);
        if (c.needs<3>()) gb = empty(c.arg<1>(), t);
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            auto& k = cpu::kernels().norm<T>();
            const T *p = x.data<T>(), *h = g.data<T>(), *pw = data_or_null<T>(w), *m = mean.data<T>(), *s = rstd.data<T>();
            T* q = data_or_null<T>(gx);
            auto input_row = [&](int64_t i) {
                if (q) k.layer_norm_backward(q + i * n, h + i * n, p + i * n, pw, n, m[i], s[i]);
            };
            if (!gw && !gb) {
                cpu::parallel_for(count, grain_for(2 * n), [&](int64_t a, int64_t b) {
                    for (int64_t i = a; i < b; i++) input_row(i);
                });
                return;
            }
            sum_over_blocks<T>(RowBlocks(count), n, data_or_null<T>(gw), data_or_null<T>(gb), [&](int64_t i, T* part_w, T* part_b) {
                input_row(i);
                k.layer_norm_params(part_w, part_b, h + i * n, p + i * n, n, m[i], s[i]);
            });
        });
        Grads r(4);
        if (gx) r[0] = cast_raw(gx, input.dtype());
        if (gw) r[1] = cast_raw(gw, c.dtype<2>());
        if (gb) r[2] = cast_raw(gb, c.dtype<3>());
        return r;
    }
};
OP(LayerNorm);

struct NnLayerNorm : Composite<NnLayerNorm> {
    SIG("nn::layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor");
    DOC("(input - mean) / sqrt(variance + eps) * weight + bias over the last dimensions, which are normalized_shape (Ba et al. 2016).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias, double eps) { return std::get<0>(call<LayerNorm>(input, shape, weight, bias, eps)); }
};
OP(NnLayerNorm);
struct TorchLayerNorm : Composite<TorchLayerNorm> {
    SIG("layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor");
    DOC("nn.functional.layer_norm; cudnn_enable has no effect on the CPU.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Dims& shape, const Tensor& weight, const Tensor& bias, double eps, bool) { return std::get<0>(call<LayerNorm>(input, shape, weight, bias, eps)); }
};
OP(TorchLayerNorm);

// ---------------------------------------------------------------- rms_norm
static double machine_epsilon(DType t) { return t == DType::Float64 || t == DType::Complex128 ? 0x1p-52 : 0x1p-23; }

struct RmsNorm : Op<RmsNorm> {
    SIG("_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)");
    DOC("input * rstd * weight over the last dimensions; also rstd = 1 / sqrt(mean(input^2) + eps).");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<2>, Out<1>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& input, const Dims& shape, const Tensor& weight, const OptFloat& eps) {
        Rows rows = rows_of(input, shape, weight, {}, "*");
        DType t = compute_type(input.dtype());
        if (input.is_meta()) return {empty(input.sizes(), input.dtype(), Device::Meta), empty(rows.stat_sizes, t, Device::Meta)};
        double e = eps.value_or(machine_epsilon(t));
        Tensor x = contiguous(to_compute(input)), w = parameter(weight, t), y = empty(x.sizes(), t), rstd = empty(rows.stat_sizes, t);
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(rows.count, grain_for(2 * rows.n), [&](int64_t a, int64_t b) {
                for (int64_t i = a; i < b; i++)
                    cpu::kernels().norm<T>().rms_norm(y.data<T>() + i * rows.n, x.data<T>() + i * rows.n, data_or_null<T>(w), rows.n, T(e), rstd.data<T>() + i);
            });
        });
        return {cast_raw(y, input.dtype()), rstd};
    }
    static Grads backward(Ctx& c, const Grads& grads) {
        check(!grads[1], Err::NotImplemented, "_fused_rms_norm: the gradient of rstd is not supported");
        if (!grads[0]) return Grads(2);
        return recorded(grads[0]) ? composed(c, grads[0]) : fused(c, grads[0]);
    }
    static Grads composed(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), w = c.in<2>();
        Dims lead = lead_dims(c.sizes<0>(), c.arg<1>()), dims;
        for (int64_t d = int64_t(lead.size()); d < x.dim(); d++) dims.push_back(d);
        DType t = compute_type(x.dtype());
        Tensor wide = to(x, t), gw = to(g, t);
        Tensor rstd = rsqrt(mean(wide * wide, dims, true) + Scalar(c.arg<3>().value_or(machine_epsilon(t)))), hat = wide * rstd;
        Grads r(2);
        Tensor gy = w ? gw * to(w, t) : gw;
        if (c.needs<0>()) r[0] = to((gy - hat * mean(gy * hat, dims, true)) * rstd, x.dtype());
        if (c.needs<2>()) r[1] = to(sum_leading(gw * hat, lead), c.dtype<2>());
        return r;
    }
    static Grads fused(Ctx& c, const Tensor& grad) {
        Tensor input = c.in<0>(), rstd = c.out<1>();
        DType t = rstd.dtype();
        int64_t count = rstd.numel(), n = product(c.arg<1>());
        Tensor x = contiguous(to_compute(input)), g = cast_raw(grad, t), w = parameter(c.in<2>(), t), gx = empty(x.sizes(), t), gw;
        if (c.needs<2>()) gw = empty(c.arg<1>(), t);
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            const T *p = x.data<T>(), *h = g.data<T>(), *pw = data_or_null<T>(w), *s = rstd.data<T>();
            T* q = gx.data<T>();
            sum_over_blocks<T>(RowBlocks(count), n, data_or_null<T>(gw), nullptr, [&](int64_t i, T* part, T*) {
                cpu::kernels().norm<T>().rms_norm_backward(q + i * n, h + i * n, p + i * n, pw, n, s[i]);
                if (part)
                    for (int64_t j = 0; j < n; j++) part[j] += h[i * n + j] * (p[i * n + j] * s[i]);
            });
        });
        Grads r(2);
        if (c.needs<0>()) r[0] = cast_raw(gx, input.dtype());
        if (gw) r[1] = cast_raw(gw, c.dtype<2>());
        return r;
    }
};
OP(RmsNorm);

static Tensor rms_norm(const Tensor& input, const Dims& shape, const Tensor& weight, const OptFloat& eps) {
    check(is_inexact(input.dtype()), Err::NotImplemented, "\"rms_norm\" not implemented for '", title(input.dtype()), "'");
    bool fusable = input.is_floating() && (!weight || weight.dtype() == input.dtype());
    if (fusable) return std::get<0>(call<RmsNorm>(input, shape, weight, eps));
    Rows rows = rows_of(input, shape, weight, {}, "*");
    Tensor wide = to(input, compute_type(input.dtype()));
    Tensor y = wide * rsqrt(mean(pow(wide, Scalar(2)), rows.dims, true) + Scalar(eps.value_or(machine_epsilon(wide.dtype()))));
    return to(weight ? y * weight : y, input.dtype());
}
struct NnRmsNorm : Composite<NnRmsNorm> {
    SIG("nn::rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor");
    DOC("input / sqrt(mean(input^2) + eps) * weight over the last dimensions; eps defaults to the machine's (Zhang and Sennrich 2019).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Dims& shape, const Tensor& weight, const OptFloat& eps) { return rms_norm(input, shape, weight, eps); }
};
OP(NnRmsNorm);
struct TorchRmsNorm : Composite<TorchRmsNorm> {
    SIG("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor");
    DOC("nn.functional.rms_norm.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Dims& shape, const Tensor& weight, const OptFloat& eps) { return rms_norm(input, shape, weight, eps); }
};
OP(TorchRmsNorm);

}  // namespace rl
