// Normalisation of channels over the batch: batch_norm and instance_norm.
#include "ops/norm.h"

namespace rl {

// An input as n images of c channels of `area` elements; `last` where the channel comes last in memory.
struct Planes {
    int64_t n, c, area;
    bool last;
    int64_t per_channel() const { return n * area; }
};
static bool channels_come_last(const Tensor& x) {
    if (x.dim() != 4 && x.dim() != 5) return x.dim() == 2 && x.is_contiguous();
    if (x.is_contiguous()) return false;
    return same(x.strides(), format_strides("batch_norm", x.sizes(), x.dim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d));
}
static Planes planes_of(const Tensor& x) {
    Planes p{x.sizes()[0], x.sizes()[1], 1, false};
    for (int64_t d = 2; d < x.dim(); d++) p.area *= x.sizes()[d];
    p.last = channels_come_last(x);
    return p;
}
// x in one of the two layouts.
static Tensor laid_out(const Tensor& x) { return !x.lazy() && channels_come_last(x) ? x : contiguous(x); }

// ---------------------------------------------------------------- statistics
struct ChannelMoments {
    double n = 0, mean = 0, squares = 0;
};
template <class T> static void channel_moments(const T* x, const Planes& p, ChannelMoments* out) {
    if (!p.last) {
        cpu::parallel_for(p.c, grain_for(p.per_channel()), [&](int64_t a, int64_t b) {
            for (int64_t c = a; c < b; c++) {
                ChannelMoments s;
                for (int64_t i = 0; i < p.n; i++) {
                    double mean, squares;
                    cpu::kernels().reduce<T>().moments(x + (i * p.c + c) * p.area, p.area, &mean, &squares);
                    cpu::merge_moments(s.n, s.mean, s.squares, double(p.area), mean, squares);
                }
                out[c] = s;
            }
        });
        return;
    }
    RowBlocks blocks(p.per_channel());
    cpu::Buffer<ChannelMoments> parts(blocks.count * p.c);
    cpu::parallel_for(blocks.count, grain_for(blocks.size * p.c), [&](int64_t a, int64_t b) {
        cpu::Buffer<T> sum(2 * p.c);
        for (int64_t i = a; i < b; i++) {
            const T* rows = x + blocks.begin(i) * p.c;  // its first row is the shift
            std::fill_n(sum.data, 2 * p.c, T(0));
            cpu::kernels().norm<T>().sums_rows(rows, blocks.length(i), p.c, rows, sum.data, sum.data + p.c);
            double n = double(blocks.length(i));
            for (int64_t c = 0; c < p.c; c++) {
                // the kernel's sum may be of x or of x - shift; either way the mean follows from the shifted one
                double shifted = double(sum.data[c]) / n - double(rows[c]);
                parts.data[i * p.c + c] = {n, double(rows[c]) + shifted, std::max(0.0, double(sum.data[p.c + c]) - n * shifted * shifted)};
            }
        }
    });
    for (int64_t c = 0; c < p.c; c++) {
        out[c] = ChannelMoments();
        for (int64_t i = 0; i < blocks.count; i++) {
            const ChannelMoments& s = parts.data[i * p.c + c];
            cpu::merge_moments(out[c].n, out[c].mean, out[c].squares, s.n, s.mean, s.squares);
        }
    }
}

// y = x * a + b with one a and b for each channel.
template <class T> static void scale_channels(T* y, const T* x, const Planes& p, const T* a, const T* b) {
    auto& k = cpu::kernels().norm<T>();
    if (p.last) {
        cpu::parallel_for(p.per_channel(), grain_for(p.c), [&](int64_t begin, int64_t end) { k.scale_shift_rows(y + begin * p.c, x + begin * p.c, end - begin, p.c, a, b); });
        return;
    }
    cpu::parallel_for(p.n * p.c, grain_for(p.area), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) k.scale_shift(y + i * p.area, x + i * p.area, p.area, a[i % p.c], b[i % p.c]);
    });
}
// gx = gy * a + x * b + c
template <class T> static void combine_channels(T* gx, const T* gy, const T* x, const Planes& p, const T* a, const T* b, const T* c) {
    auto& k = cpu::kernels().norm<T>();
    if (p.last) {
        cpu::parallel_for(p.per_channel(), grain_for(p.c), [&](int64_t begin, int64_t end) { k.combine_rows(gx + begin * p.c, gy + begin * p.c, x + begin * p.c, end - begin, p.c, a, b, c); });
        return;
    }
    cpu::parallel_for(p.n * p.c, grain_for(p.area), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) k.combine(gx + i * p.area, gy + i * p.area, x + i * p.area, p.area, a[i % p.c], b[i % p.c], c[i % p.c]);
    });
}
// For each channel the sum of gy and of gy * (x - mean).
template <class T> static void gradient_sums(const T* gy, const T* x, const Planes& p, const T* mean, double* sum, double* dot) {
    auto& k = cpu::kernels().norm<T>();
    std::fill_n(sum, p.c, 0), std::fill_n(dot, p.c, 0);
    if (!p.last) {
        cpu::parallel_for(p.c, grain_for(p.per_channel()), [&](int64_t a, int64_t b) {
            for (int64_t c = a; c < b; c++)
                for (int64_t i = 0; i < p.n; i++) k.sum_and_dot(gy + (i * p.c + c) * p.area, x + (i * p.c + c) * p.area, p.area, mean[c], sum + c, dot + c);
        });
        return;
    }
    RowBlocks blocks(p.per_channel());
    cpu::Buffer<T> parts(blocks.count * 2 * p.c);
    std::fill_n(parts.data, blocks.count * 2 * p.c, T(0));
    cpu::parallel_for(blocks.count, grain_for(blocks.size * p.c), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            int64_t at = blocks.begin(i) * p.c;
            k.sum_and_dot_rows(gy + at, x + at, blocks.length(i), p.c, mean, parts.data + i * 2 * p.c, parts.data + (i * 2 + 1) * p.c);
        }
    });
    for (int64_t i = 0; i < blocks.count; i++)
        for (int64_t c = 0; c < p.c; c++) sum[c] += double(parts.data[i * 2 * p.c + c]), dot[c] += double(parts.data[(i * 2 + 1) * p.c + c]);
}

// ---------------------------------------------------------------- batch_norm
static void check_channels(const char* what, const Tensor& t, int64_t c) {
    check(!t || t.numel() == c, what, " should contain ", c, " elements not ", t ? t.numel() : 0);
}
// running = (1 - momentum) * running + momentum * new
template <class T> static void update_running(const Tensor& running, const T* fresh, int64_t c, double momentum) {
    if (!running) return;
    Tensor old = cast_raw(running, dtype_of<T>()), r = empty(Dims{c}, dtype_of<T>());
    for (int64_t i = 0; i < c; i++) r.data<T>()[i] = T((1 - momentum) * double(old.data<T>()[i]) + momentum * double(fresh[i]));
    copy_raw(running, alias(r, running.sizes(), contiguous_strides(running.sizes()), r->offset));
    running.bump_version();
}
static Tensor per_channel(const Tensor& t, int64_t ndim) {
    Dims s(size_t(ndim), 1);
    s[1] = t.numel();
    return reshape(t, s);
}

struct BatchNorm : Op<BatchNorm> {
    SIG("native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)");
    DOC("Each channel (dim 1) normalised by the batch's or the running statistics; also the mean and 1 / sqrt(variance + eps) that were used.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, Out<1>, Out<2>>;
    static Three forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean, const Tensor& running_var, bool training, double momentum, double eps) {
        if (input.dim() == 1 && input.numel() == 0) return {empty(input.sizes(), input.dtype()), empty(Dims{0}, input.dtype()), empty(Dims{0}, input.dtype())};
        check(input.dim() >= 2, Err::Index, "Dimension out of range (expected to be in range of [-", input.dim(), ", ", input.dim() - 1, "], but got 1) (batch_norm: input needs a batch and a channel dimension)");
        int64_t c = input.sizes()[1];
        check(training || (running_mean && running_var), running_mean ? "running_var" : "running_mean", " must be defined in evaluation mode");
        check_channels("running_mean", running_mean, c), check_channels("running_var", running_var, c);
        check_channels("weight", weight, c), check_channels("bias", bias, c);
        check(input.is_floating(), Err::NotImplemented, "\"batch_norm\" not implemented for '", title(input.dtype()), "'");
        check_parameter_types("batch_norm", input, weight, bias);
        DType t = compute_type(input.dtype());
        if (input.is_meta()) return {empty(input.sizes(), input.dtype(), Device::Meta), empty(Dims{c}, t, Device::Meta), empty(Dims{c}, t, Device::Meta)};
        Tensor x = laid_out(to_compute(input)), mean = empty(Dims{c}, t), rstd = empty(Dims{c}, t), w = parameter(weight, t), b = parameter(bias, t);
        Tensor y = empty_strided(x.sizes(), x.strides(), t);
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            Planes p = planes_of(x);
            if (training) batch_statistics<T>(x, p, running_mean, running_var, momentum, eps, mean, rstd);
            else running_statistics<T>(running_mean, running_var, eps, mean, rstd);
            if (x.numel() == 0) return;
            cpu::Buffer<T> scale(2 * c);
            for (int64_t i = 0; i < c; i++) {
                double a = double(rstd.data<T>()[i]) * (w ? double(w.data<T>()[i]) : 1);
                scale.data[i] = T(a), scale.data[c + i] = T((b ? double(b.data<T>()[i]) : 0) - double(mean.data<T>()[i]) * a);
            }
            scale_channels(y.data<T>(), x.data<T>(), p, scale.data, scale.data + c);
        });
        return {y.dtype() == input.dtype() ? y : narrowed(y, input.dtype()), mean, rstd};
    }
    static Tensor narrowed(const Tensor& y, DType t) {
        Tensor r = empty_preserved(y, t);
        copy_raw(r, y);
        return r;
    }
    template <class T>
    static void batch_statistics(const Tensor& x, const Planes& p, const Tensor& running_mean, const Tensor& running_var, double momentum, double eps, const Tensor& mean, const Tensor& rstd) {
        if (x.numel() == 0) {
            fill_raw(mean, Scalar(0)), fill_raw(rstd, Scalar(0));
            return;
        }
        cpu::Buffer<ChannelMoments> s(p.c);
        cpu::Buffer<T> variance(p.c);
        channel_moments(x.data<T>(), p, s.data);
        double n = double(p.per_channel());
        for (int64_t c = 0; c < p.c; c++) {
            mean.data<T>()[c] = T(s.data[c].mean);
            rstd.data<T>()[c] = T(1 / std::sqrt(s.data[c].squares / n + eps));
            variance.data[c] = T(s.data[c].squares / (n - 1));  // the running one is unbiased
        }
        update_running(running_mean, mean.data<T>(), p.c, momentum);
        update_running(running_var, variance.data, p.c, momentum);
    }
    template <class T> static void running_statistics(const Tensor& running_mean, const Tensor& running_var, double eps, const Tensor& mean, const Tensor& rstd) {
        Tensor v = cast_raw(running_var, rstd.dtype());
        copy_raw(mean, cast_raw(running_mean, mean.dtype()));
        for (int64_t i = 0; i < v.numel(); i++) rstd.data<T>()[i] = T(1 / std::sqrt(double(v.data<T>()[i]) + eps));
    }

    static Grads backward(Ctx& c, const Grads& grads) {
        check(!grads[1] && !grads[2], Err::NotImplemented, "native_batch_norm: gradients of the statistics are not supported");
        if (!grads[0]) return Grads(8);
        if (c.sizes<0>().size() == 1) return {grads[0], Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};  // nothing in it
        return recorded(grads[0]) ? composed(c, grads[0]) : fused(c, grads[0]);
    }
    static Grads composed(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), w = c.in<1>();
        bool training = c.arg<5>();
        DType t = compute_type(x.dtype());
        Dims dims;
        for (int64_t d = 0; d < x.dim(); d++)
            if (d != 1) dims.push_back(d);
        Tensor wide = to(x, t), gw = to(g, t);
        Tensor centred = wide - (training ? mean(wide, dims, true) : per_channel(detach(c.out<1>()), x.dim()));
        Tensor rstd = training ? rsqrt(mean(centred * centred, dims, true) + Scalar(c.arg<7>())) : per_channel(detach(c.out<2>()), x.dim());
        Tensor hat = centred * rstd, gy = w ? gw * per_channel(to(w, t), x.dim()) : gw;
        Grads r(8);
        if (c.needs<0>()) {
            Tensor inner = training ? gy - mean(gy, dims, true) - hat * mean(gy * hat, dims, true) : gy;
            r[0] = to(inner * rstd, x.dtype());
        }
        if (c.needs<1>()) r[1] = to(sum(gw * hat, dims), c.dtype<1>());
        if (c.needs<2>()) r[2] = to(sum(gw, dims), c.dtype<2>());
        return r;
    }
    static Grads fused(Ctx& c, const Tensor& grad) {
        Tensor input = c.in<0>(), mean = c.out<1>(), rstd = c.out<2>();
        bool training = c.arg<5>();
        DType t = mean.dtype();
        int64_t channels = mean.numel();
        Tensor x = laid_out(to_compute(input)), g = in_layout_of(grad, x), w = parameter(c.in<1>(), t), gx, gw, gb;
        if (c.needs<1>()) gw = empty(Dims{channels}, t);
        if (c.needs<2>()) gb = empty(Dims{channels}, t);
        if (c.needs<0>()) gx = empty_strided(x.sizes(), x.strides(), t);
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            Planes p = planes_of(x);
            cpu::Buffer<double> sums(2 * channels);
            double *sum = sums.data, *dot = sums.data + channels;
            if (training || gw || gb) gradient_sums(g.data<T>(), x.data<T>(), p, mean.data<T>(), sum, dot);
            cpu::Buffer<T> scale(3 * channels);
            double n = double(p.per_channel());
            for (int64_t i = 0; i < channels; i++) {
                double s = double(rstd.data<T>()[i]), a = s * (w ? double(w.data<T>()[i]) : 1);
                double b = training ? -a * s * s * dot[i] / n : 0, shift = training ? -a * sum[i] / n - b * double(mean.data<T>()[i]) : 0;
                scale.data[i] = T(a), scale.data[channels + i] = T(b), scale.data[2 * channels + i] = T(shift);
                if (gw) gw.data<T>()[i] = T(dot[i] * s);
                if (gb) gb.data<T>()[i] = T(sum[i]);
            }
            if (gx && gx.numel()) combine_channels(gx.data<T>(), g.data<T>(), x.data<T>(), p, scale.data, scale.data + channels, scale.data + 2 * channels);
        });
        Grads r(8);
        if (gx) r[0] = gx.dtype() == input.dtype() ? gx : narrowed(gx, input.dtype());
        if (gw) r[1] = cast_raw(gw, c.dtype<1>());
        if (gb) r[2] = cast_raw(gb, c.dtype<2>());
        return r;
    }
};
OP(BatchNorm);

static void check_enough_values(const Tensor& input) {
    if (input.numel() == 0) return;
    int64_t n = input.dim() ? input.sizes()[0] : 1;
    for (int64_t d = 2; d < input.dim(); d++) n *= input.sizes()[d];
    check(n != 1, Err::Value, "Expected more than 1 value per channel when training, got input size torch.Size(", input.sizes(), ")");
}
struct NnBatchNorm : Composite<NnBatchNorm> {
    SIG("nn::batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, Tensor? bias=None, bool training=False, float momentum=0.1, float eps=1e-05) -> Tensor");
    DOC("Each channel (dim 1) normalised over batch and space; in training by its own statistics, which also update the running ones (Ioffe and Szegedy 2015).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias, bool training, double momentum, double eps) {
        if (training) check_enough_values(input);
        return std::get<0>(call<BatchNorm>(input, weight, bias, running_mean, running_var, training, momentum, eps));
    }
};
OP(NnBatchNorm);
struct TorchBatchNorm : Composite<TorchBatchNorm> {
    SIG("batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor");
    DOC("nn.functional.batch_norm; cudnn_enabled has no effect on the CPU.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean, const Tensor& running_var, bool training, double momentum, double eps, bool) {
        return std::get<0>(call<BatchNorm>(input, weight, bias, running_mean, running_var, training, momentum, eps));
    }
};
OP(TorchBatchNorm);

// ---------------------------------------------------------------- instance_norm
// Every channel of every image is a channel of one large image.
static Tensor repeated(const Tensor& t, int64_t n) { return t ? reshape(expand(unsqueeze(t, 0), {n, t.numel()}), {n * t.numel()}) : t; }
static Tensor instance_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias, bool use_input_stats, double momentum, double eps) {
    check(use_input_stats || (running_mean && running_var), "Expected running_mean and running_var to be defined when use_input_stats is false");
    check(input.dim() >= 2, Err::Index, "instance_norm: input needs a batch and a channel dimension, got shape ", input.sizes());
    int64_t n = input.sizes()[0], c = input.sizes()[1];
    check_channels("weight", weight, c), check_channels("bias", bias, c), check_channels("running_mean", running_mean, c), check_channels("running_var", running_var, c);
    Dims sizes = input.sizes();
    sizes[0] = 1, sizes[1] = n * c;
    Tensor rm, rv;
    {
        NoGrad guard;
        rm = running_mean ? clone(repeated(running_mean, n)) : Tensor(), rv = running_var ? clone(repeated(running_var, n)) : Tensor();
    }
    Tensor x = reshape(contiguous_op(input), sizes);
    Tensor y = std::get<0>(call<BatchNorm>(x, repeated(weight, n), repeated(bias, n), rm, rv, use_input_stats, momentum, eps));
    if (use_input_stats) {  // the running statistics are the images' average
        NoGrad guard;
        if (rm) copy_(running_mean, mean(reshape(rm, {n, c}), {0}));
        if (rv) copy_(running_var, mean(reshape(rv, {n, c}), {0}));
    }
    return reshape(y, input.sizes());
}
struct NnInstanceNorm : Composite<NnInstanceNorm> {
    SIG("nn::instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? weight=None, Tensor? bias=None, bool use_input_stats=True, float momentum=0.1, float eps=1e-05) -> Tensor");
    DOC("Each channel of each image normalised over space (Ulyanov et al. 2016).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias, bool use_input_stats, double momentum, double eps) {
        if (use_input_stats) {
            int64_t area = 1;
            for (int64_t d = 2; d < input.dim(); d++) area *= input.sizes()[d];
            check(area != 1, Err::Value, "Expected more than 1 spatial element when training, got input size torch.Size(", input.sizes(), ")");
        }
        return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps);
    }
};
OP(NnInstanceNorm);
struct TorchInstanceNorm : Composite<TorchInstanceNorm> {
    SIG("instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor");
    DOC("nn.functional.instance_norm; cudnn_enabled has no effect on the CPU.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean, const Tensor& running_var, bool use_input_stats, double momentum, double eps, bool) {
        return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps);
    }
};
OP(TorchInstanceNorm);

}  // namespace rl
