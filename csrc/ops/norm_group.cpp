// Normalisation of groups of channels within each image.
#include "ops/norm.h"

namespace rl {

struct GroupNorm : Op<GroupNorm> {
    SIG("_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> (Tensor, Tensor, Tensor)");
    DOC("Groups of channels of each image normalised; also mean and 1 / sqrt(variance + eps), (N, group), in the type of computation.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, Out<1>, Out<2>>;
    static Three forward(const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t n, int64_t c, int64_t area, int64_t group, double eps) {
        check(input.numel() == n * c * area && group > 0 && c % group == 0, "group_norm: input of shape ", input.sizes(), " is not ", n, " x ", c, " x ", area, " in ", group, " groups");
        check(input.is_floating(), Err::NotImplemented, "\"GroupNormKernelImpl\" not implemented for '", title(input.dtype()), "' (group_norm)");
        check_parameter_types("group_norm", input, weight, bias);
        DType t = compute_type(input.dtype());
        Dims stats{n, group};
        if (input.is_meta()) return {empty_preserved(input, input.dtype()), empty(stats, t, Device::Meta), empty(stats, t, Device::Meta)};
        Tensor x = contiguous(to_compute(input)), y = empty(x.sizes(), t), mean = empty(stats, t), rstd = empty(stats, t), w = parameter(weight, t), b = parameter(bias, t);
        int64_t channels = c / group, size = channels * area;
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            const T *pw = data_or_null<T>(w), *pb = data_or_null<T>(b);
            cpu::parallel_for(n * group, grain_for(2 * size), [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++) {
                    double m, squares;
                    cpu::kernels().reduce<T>().moments(x.data<T>() + i * size, size, &m, &squares);
                    double s = 1 / std::sqrt(squares / double(size) + eps);
                    mean.data<T>()[i] = T(m), rstd.data<T>()[i] = T(s);
                    for (int64_t k = 0; area && k < channels; k++) {
                        int64_t channel = i % group * channels + k, at = i * size + k * area;
                        double scale = s * (pw ? double(pw[channel]) : 1);
                        cpu::kernels().norm<T>().scale_shift(y.data<T>() + at, x.data<T>() + at, area, T(scale), T((pb ? double(pb[channel]) : 0) - m * scale));
                    }
                }
            });
        });
        return {like_input(y, input), mean, rstd};
    }
    // The result in the input's order of memory and type.
    static Tensor like_input(const Tensor& y, const Tensor& input) {
        if (input.is_contiguous()) return cast_raw(y, input.dtype());
        Tensor r = empty_preserved(input, input.dtype());
        copy_raw(r, y);
        return r;
    }
    static Grads backward(Ctx& c, const Grads& grads) {
        if (!grads[0] && !grads[1] && !grads[2]) return Grads(3);
        bool fusable = grads[0] && !grads[1] && !grads[2] && !recorded(grads[0]);
        return fusable ? fused(c, grads[0]) : composed(c, grads);
    }
    static Grads composed(Ctx& c, const Grads& grads) {
        int64_t n = c.arg<3>(), channels = c.arg<4>(), area = c.arg<5>(), group = c.arg<6>();
        Dims grouped{n, group, channels / group, area}, dims{2, 3}, stat{1, group, channels / group, 1}, each{n, group, 1, 1};
        Tensor x = c.in<0>(), w = c.in<1>();
        DType t = compute_type(x.dtype());
        Tensor wide = reshape(to(x, t), grouped), centred = wide - mean(wide, dims, true);
        Tensor rstd = rsqrt(mean(centred * centred, dims, true) + Scalar(c.arg<7>())), hat = centred * rstd, gx, gw;
        if (grads[0]) {
            gw = reshape(to(grads[0], t), grouped);
            Tensor gy = w ? gw * reshape(to(w, t), stat) : gw;
            gx = (gy - mean(gy, dims, true) - hat * mean(gy * hat, dims, true)) * rstd;
        }
        // d mean / d x = 1 / size, d rstd / d x = -hat rstd^2 / size
        Scalar size(double(channels / group * area));
        auto plus = [&](const Tensor& part) { gx = gx ? gx + part : part; };
        if (grads[1]) plus(expand(reshape(grads[1], each) / size, grouped));
        if (grads[2]) plus(neg(reshape(grads[2], each) * hat * rstd * rstd / size));
        Grads r(3);
        if (c.needs<0>()) r[0] = to(reshape(gx, c.sizes<0>()), x.dtype());
        if (c.needs<1>() && gw) r[1] = to(reshape(sum(gw * hat, {0, 3}), {channels}), c.dtype<1>());
        if (c.needs<2>() && gw) r[2] = to(reshape(sum(gw, {0, 3}), {channels}), c.dtype<2>());
        return r;
    }
    static Grads fused(Ctx& c, const Tensor& grad) {
        int64_t n = c.arg<3>(), total = c.arg<4>(), area = c.arg<5>(), group = c.arg<6>(), channels = total / group, size = channels * area;
        Tensor input = c.in<0>(), mean = c.out<1>(), rstd = c.out<2>();
        DType t = mean.dtype();
        Tensor x = contiguous(to_compute(input)), g = cast_raw(grad, t), w = parameter(c.in<1>(), t), gx = empty(x.sizes(), t);
        Tensor gw = c.needs<1>() ? empty(Dims{total}, t) : Tensor(), gb = c.needs<2>() ? empty(Dims{total}, t) : Tensor();
        float_type(x, [&](auto tag) {
            using T = typename decltype(tag)::type;
            auto& kernels = cpu::kernels().norm<T>();
            cpu::Buffer<double> sums(n * total * 2);  // of gy, and of gy * (x - mean), for each image and channel
            std::fill_n(sums.data, n * total * 2, 0);
            double *sum = sums.data, *dot = sums.data + n * total;
            const T *p = x.data<T>(), *h = g.data<T>(), *pw = data_or_null<T>(w), *m = mean.data<T>(), *s = rstd.data<T>();
            cpu::parallel_for(n * group, grain_for(2 * size), [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++) {
                    double s1 = 0, s2 = 0, scale = double(s[i]);
                    auto weight = [&](int64_t k) { return pw ? double(pw[i % group * channels + k]) : 1.0; };
                    for (int64_t k = 0; k < channels; k++) {
                        int64_t j = i * channels + k;
                        kernels.sum_and_dot(h + j * area, p + j * area, area, m[i], sum + j, dot + j);
                        s1 += weight(k) * sum[j], s2 += weight(k) * dot[j];
                    }
                    double b = -scale * scale * scale * s2 / double(size), shift = -scale * s1 / double(size) - b * double(m[i]);
                    for (int64_t k = 0; k < channels; k++) {
                        int64_t at = (i * channels + k) * area;
                        kernels.combine(gx.data<T>() + at, h + at, p + at, area, T(scale * weight(k)), T(b), T(shift));
                    }
                }
            });
            for (int64_t k = 0; k < total; k++) {
                double a = 0, b = 0;
                for (int64_t i = 0; i < n; i++) a += dot[i * total + k] * double(s[i * group + k / channels]), b += sum[i * total + k];
                if (gw) gw.data<T>()[k] = T(a);
                if (gb) gb.data<T>()[k] = T(b);
            }
        });
        Grads r(3);
        if (c.needs<0>()) r[0] = like_input(gx, input);
        if (gw) r[1] = cast_raw(gw, c.dtype<1>());
        if (gb) r[2] = cast_raw(gb, c.dtype<2>());
        return r;
    }
};
OP(GroupNorm);

struct NativeGroupNorm : Composite<NativeGroupNorm> {
    SIG("native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> (Tensor, Tensor, Tensor)");
    DOC("Groups of channels of each image normalised; also mean and 1 / sqrt(variance + eps), (N, group).");
    FORMS(FUNCTION);
    static Three forward(const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t n, int64_t c, int64_t area, int64_t group, double eps) {
        auto [y, mean, rstd] = call<GroupNorm>(input, weight, bias, n, c, area, group, eps);
        DType t = weight ? weight.dtype() : input.dtype();
        return {y, to(mean, t), to(rstd, t)};
    }
};
OP(NativeGroupNorm);

static Tensor group_norm(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
    check(input.dim() >= 2, "Expected at least 2 dimensions for input tensor but received ", input.dim());
    int64_t n = input.sizes()[0], c = input.sizes()[1];
    check(groups > 0, "Expected num groups to be greater than 0, got ", groups);
    check(c % groups == 0, "Expected number of channels in input to be divisible by num_groups, but got input of shape ", input.sizes(), " and num_groups=", groups);
    auto fits = [&](const Tensor& t) { return !t || (t.dim() == 1 && t.numel() == c); };
    check(fits(weight), "Expected weight to be a vector of size equal to the number of channels in input, but got weight of shape ", weight ? weight.sizes() : Dims(), " and input of shape ", input.sizes());
    check(fits(bias), "Expected bias to be a vector of size equal to the number of channels in input, but got bias of shape ", bias ? bias.sizes() : Dims(), " and input of shape ", input.sizes());
    int64_t area = 1;
    for (int64_t d = 2; d < input.dim(); d++) area *= input.sizes()[d];
    return std::get<0>(call<GroupNorm>(input, weight, bias, n, c, area, groups, eps));
}
struct NnGroupNorm : Composite<NnGroupNorm> {
    SIG("nn::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor");
    DOC("Each of num_groups groups of channels of each image normalised (Wu and He 2018).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
        check(input.dim() >= 2, "Expected at least 2 dimensions for input tensor but received ", input.dim());
        check(groups != 0, Err::ZeroDivision, "group_norm(): num_groups must not be zero");
        check(input.numel() == 0 || input.numel() / groups != 1, Err::Value, "Expected more than 1 value per channel when training, got input size ", input.sizes());
        return group_norm(input, groups, weight, bias, eps);
    }
};
OP(NnGroupNorm);
struct TorchGroupNorm : Composite<TorchGroupNorm> {
    SIG("group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor");
    DOC("nn.functional.group_norm; cudnn_enabled has no effect on the CPU.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps, bool) { return group_norm(input, groups, weight, bias, eps); }
};
OP(TorchGroupNorm);

}  // namespace rl
