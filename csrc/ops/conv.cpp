// Convolution and its gradient: the two operators; ops/conv_forms.cpp has the functions that users call.
#include <array>

#include "cpu/conv.h"
#include "cpu/parallel.h"
#include "ops/conv.h"

namespace rl {

template <> struct Arg<ConvMask> {
    static ConvMask get(PyObject* const& o, const Param&) {
        ConvMask m{};
        check(PySequence_Fast_GET_SIZE(o) == 3, "convolution_backward: output_mask must have 3 elements");
        for (int i = 0; i < 3; i++) m[size_t(i)] = PySequence_Fast_GET_ITEM(o, i) == Py_True;
        return m;
    }
};
template <> struct To<ConvMask> {
    static PyObject* box(const ConvMask& m) { return Py_BuildValue("(NNN)", PyBool_FromLong(m[0]), PyBool_FromLong(m[1]), PyBool_FromLong(m[2])); }
};

// ---------------------------------------------------------------- shapes
bool is_channels_last(const Tensor& t) {
    if (t.dim() < 3 || t.is_contiguous()) return false;
    int64_t expected = 1;
    auto fits = [&](int64_t d) {
        int64_t n = t.sizes()[size_t(d)], s = t.strides()[size_t(d)];
        bool ok = n == 1 || s == expected;
        expected *= n;
        return ok;
    };
    if (t.strides()[1] != 1 || !fits(1)) return false;
    for (int64_t d = t.dim() - 1; d > 1; d--)
        if (!fits(d)) return false;
    return fits(0);
}

Tensor empty_image(Ints sizes, DType dtype, Device device, bool channels_last) {
    if (!channels_last) return empty(sizes, dtype, device);
    Dims strides(sizes.size());
    int64_t step = 1;
    auto put = [&](size_t d) { strides[d] = step, step *= std::max<int64_t>(sizes[d], 1); };
    put(1);
    for (size_t d = sizes.size() - 1; d > 1; d--) put(d);
    put(0);
    return empty_strided(sizes, strides, dtype, device);
}

Image image_of(const Tensor& t) {
    Tensor r = resolve(t);
    if (is_channels_last(r)) return {r, cpu::Layout::ChannelsLast};
    return {contiguous(r), cpu::Layout::Planar};
}

namespace {
std::string by(const Dims& s, size_t first) {
    std::string r;
    for (size_t i = first; i < s.size(); i++) r += (i > first ? " x " : "") + str(s[i]);
    return r;
}

void check_list(const char* what, const Dims& v, size_t n) {
    check(v.size() == n, "expected ", what, " to be a single integer value or a list of ", n, " values to match the convolution dimensions, but got ", what, "=", v);
}

// The convolution of which a transposed one is the data gradient has input and output exchanged.
cpu::ConvShape shape_of(const Dims& input, const Dims& weight, const Dims& output, const ConvOptions& o) {
    cpu::ConvShape s;
    s.dims = int(weight.size()) - 2;
    const Dims &in = o.transposed ? output : input, &out = o.transposed ? input : output;
    s.batch = in[0], s.in_channels = in[1], s.out_channels = out[1], s.groups = o.groups;
    for (size_t i = 0; i < size_t(s.dims); i++) {
        s.input[i] = in[i + 2], s.output[i] = out[i + 2], s.kernel[i] = weight[i + 2];
        s.stride[i] = o.stride[i], s.padding[i] = o.padding[i], s.dilation[i] = o.dilation[i];
    }
    return s;
}
}  // namespace

void ConvOptions::expand(size_t n) {
    for (Dims* d : {&stride, &padding, &dilation, &output_padding})
        if (d->size() == 1 && n > 1) *d = Dims(n, (*d)[0]);
}

[[noreturn, gnu::cold]] static void kernel_too_large(const Dims& x, const Dims& w, const ConvOptions& o) {
    Dims padded(Ints(x).subspan(2)), kernel(padded.size());
    for (size_t j = 0; j < kernel.size(); j++) padded[j] += 2 * o.padding[j], kernel[j] = o.dilation[j] * (w[j + 2] - 1) + 1;
    raise(Err::Runtime, "Calculated padded input size per channel: (", by(padded, 0), "). Kernel size: (", by(kernel, 0), "). Kernel size can't be greater than actual input size");
}

// Checks everything, and gives the result's sizes.
Dims conv_sizes(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvOptions& o) {
    size_t n = size_t(weight.dim()) - 2;
    const Dims &x = input.sizes(), &w = weight.sizes();
    check(weight.dim() >= 3, "weight should have at least three dimensions (convolution: weight ", w, ")");
    check(o.groups > 0, "non-positive groups is not supported");
    check(x.size() == w.size(), "Expected ", w.size(), "-dimensional input for ", w.size(), "-dimensional weight ", w, ", but got ", x.size(), "-dimensional input of size ", x, " instead");
    check(n <= 3, Err::NotImplemented, "convolution of ", n, " spatial dimensions: only 1 to 3 are supported");
    check_list("stride", o.stride, n), check_list("padding", o.padding, n), check_list("dilation", o.dilation, n);
    if (o.transposed) check_list("output_padding", o.output_padding, n);
    for (size_t i = 0; i < n; i++) {
        check(o.padding[i] >= 0, "negative padding is not supported");
        check(!o.transposed || o.output_padding[i] >= 0, "negative output_padding is not supported");
        check(o.stride[i] > 0, "non-positive stride is not supported");
        check(o.dilation[i] > 0, "non-positive dilation is not supported");
    }
    check(w[0] >= o.groups, "Given groups=", o.groups, ", expected weight to be at least ", o.groups, " at dimension 0, but got weight of size ", w, " instead");
    check(w[0] % o.groups == 0, "Given groups=", o.groups, ", expected weight to be divisible by ", o.groups, " at dimension 0, but got weight of size [", w, "] instead");
    int64_t wanted = o.transposed ? w[0] : w[1] * o.groups, channels = o.transposed ? w[1] * o.groups : w[0];
    const char* kind = o.transposed ? "transposed=" : "groups=";
    check(x[1] == wanted, "Given ", kind, o.transposed ? 1 : o.groups, ", weight of size ", w, ", expected input", x, " to have ", wanted, " channels, but got ", x[1], " channels instead");
    check(!bias || (bias.dim() == 1 && bias.sizes()[0] == channels), "Given ", o.transposed ? "transposed=1, " : "", "weight of size ", w, ", expected bias to be 1-dimensional with ", channels, " elements, but got bias of size ", bias ? bias.sizes() : Dims(), " instead");
    check(input.dtype() == weight.dtype(), "expected scalar type ", title(input.dtype()), " but found ", title(weight.dtype()), " (convolution: input and weight)");
    check(!bias || bias.dtype() == input.dtype(), "Input type (", cpp_name(input.dtype()), ") and bias type (", cpp_name(bias ? bias.dtype() : input.dtype()), ") should be the same");
    check(is_inexact(input.dtype()) || is_integral(input.dtype()), Err::NotImplemented, "\"slow_conv2d_cpu\" not implemented for '", title(input.dtype()), "'");
    Dims r{x[0], channels};
    for (size_t i = 0; i < n; i++) {
        int64_t reach = o.dilation[i] * (w[i + 2] - 1) + 1;
        if (!o.transposed) {
            int64_t padded = x[i + 2] + 2 * o.padding[i];
            check(w[i + 2] > 0, "convolution: kernel sizes must be positive, got weight of size ", w);
            if (padded < reach) kernel_too_large(x, w, o);
            r.push_back((padded - reach) / o.stride[i] + 1);
            continue;
        }
        check(o.output_padding[i] < o.stride[i] || o.output_padding[i] < o.dilation[i], "output padding must be smaller than either stride or dilation, but got output_padding: ", o.output_padding, " stride: ", o.stride, " dilation: ", o.dilation);
        r.push_back((x[i + 2] - 1) * o.stride[i] - 2 * o.padding[i] + reach + o.output_padding[i]);
        if (r.back() <= 0) raise(Err::Runtime, "Given input size per channel: (", by(x, 2), "). Calculated output size per channel: ", r.back(), " in dimension ", i, ". Output size is too small (convolution, transposed)");
    }
    return r;
}

// ---------------------------------------------------------------- computing
namespace {
template <class F> void dispatch_conv(DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Float16: return f(Tag<Half>{});
        case DType::BFloat16: return f(Tag<BFloat16>{});
        default: raise(Err::NotImplemented, "\"convolution\" not implemented for '", title(t), "'");
    }
}

// Integers: every product by itself. Forward adds source * weight to destination; transposed, the other way round.
template <class T>
void integer_conv(const cpu::ConvShape& c, const T* x, const T* w, T* y, bool transposed) {
    int64_t k[3] = {1, 1, 1}, in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {}, dil[3] = {1, 1, 1};
    for (int i = 0; i < c.dims; i++) {
        int to = 3 - c.dims + i;
        k[to] = c.kernel[i], in[to] = c.input[i], out[to] = c.output[i], stride[to] = c.stride[i], pad[to] = c.padding[i], dil[to] = c.dilation[i];
    }
    int64_t in_group = c.in_channels / c.groups, out_group = c.out_channels / c.groups, window = k[0] * k[1] * k[2], planes = in[0] * in[1] * in[2], results = out[0] * out[1] * out[2];
    cpu::parallel_for(c.batch * c.groups, 2, [&](int64_t begin, int64_t end) {
        for (int64_t bg = begin; bg < end; bg++)
            for (int64_t o = 0; o < out_group; o++)
                for (int64_t i = 0; i < in_group; i++)
                    for (int64_t at = 0; at < results * window; at++) {
                        int64_t p = at / window, q = at % window, src = 0;
                        int64_t po[3] = {p / (out[1] * out[2]), p / out[2] % out[1], p % out[2]}, qk[3] = {q / (k[1] * k[2]), q / k[2] % k[1], q % k[2]};
                        bool inside = true;
                        for (int d = 0; d < 3; d++) {
                            int64_t s = po[d] * stride[d] - pad[d] + qk[d] * dil[d];
                            inside = inside && s >= 0 && s < in[d];
                            src = src * in[d] + s;
                        }
                        if (!inside) continue;
                        int64_t g = bg % c.groups, image = (bg * in_group + i) * planes + src, result = (bg * out_group + o) * results + p;
                        T weight = w[((g * out_group + o) * in_group + i) * window + q];
                        if (transposed) y[image] = T(y[image] + x[result] * weight);
                        else y[result] = T(y[result] + x[image] * weight);
                    }
    });
}

Tensor integer_convolution(const cpu::ConvShape& s, const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& sizes, bool transposed) {
    Tensor r = zeros(sizes, input.dtype()), x = contiguous(input), w = contiguous(weight);
    dispatch(input.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) integer_conv<T>(s, x.data<T>(), w.data<T>(), r.data<T>(), transposed);
    });
    Dims column(sizes.size() - 1, 1);
    column[0] = sizes[1];
    return bias ? add(r, reshape(bias, column)) : r;
}

// Values of a real convolution.
Tensor real_convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvOptions& o, const Dims& sizes) {
    cpu::ConvShape s = shape_of(input.sizes(), weight.sizes(), sizes, o);
    if (is_integral(input.dtype())) return integer_convolution(s, input, weight, bias, sizes, o.transposed);
    Image x = image_of(input), w = image_of(weight);
    bool last = x.layout == cpu::Layout::ChannelsLast || w.layout == cpu::Layout::ChannelsLast;
    last = last && input.dim() > 3;
    Tensor r = empty_image(sizes, input.dtype(), Device::CPU, last);
    cpu::Layout layout = last ? cpu::Layout::ChannelsLast : cpu::Layout::Planar;
    if (r.numel() == 0) return r;
    Tensor b = bias ? contiguous(bias) : bias;
    dispatch_conv(input.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (!o.transposed) return cpu::conv_forward<T>(s, x.t.template data<T>(), x.layout, w.t.template data<T>(), w.layout, b ? b.data<T>() : nullptr, r.data<T>(), layout);
        cpu::conv_backward_data<T>(s, x.t.template data<T>(), x.layout, w.t.template data<T>(), w.layout, b ? b.data<T>() : nullptr, r.data<T>(), layout);
    });
    return r;
}

Tensor real_input_gradient(const Tensor& g, const Dims& input, const Tensor& weight, const ConvOptions& o, bool channels_last) {
    cpu::ConvShape s = shape_of(input, weight.sizes(), g.sizes(), o);
    Image y = image_of(g), w = image_of(weight);
    Tensor r = empty_image(input, g.dtype(), Device::CPU, channels_last);
    cpu::Layout layout = channels_last ? cpu::Layout::ChannelsLast : cpu::Layout::Planar;
    if (r.numel() == 0) return r;
    dispatch_conv(g.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (o.transposed) cpu::conv_forward<T>(s, y.t.template data<T>(), y.layout, w.t.template data<T>(), w.layout, nullptr, r.data<T>(), layout);
        else cpu::conv_backward_data<T>(s, y.t.template data<T>(), y.layout, w.t.template data<T>(), w.layout, nullptr, r.data<T>(), layout);
    });
    return r;
}

// The gradient of the result in the order in which both gradients are computed fastest, so that it is turned once.
Tensor ordered_for_both(const Tensor& g, const Dims& input, const Dims& weight, const ConvOptions& o) {
    if (g.dim() < 4 || g.numel() == 0 || !cpu::conv_gradients_channels_last(shape_of(input, weight, g.sizes(), o), g.dtype())) return g;
    Image y = image_of(g);
    if (y.layout == cpu::Layout::ChannelsLast) return y.t;
    int64_t batch = g.sizes()[0], channels = g.sizes()[1];
    Tensor r = empty_image(g.sizes(), g.dtype(), Device::CPU, true);
    cpu::transpose(y.t.raw(), r.raw(), batch, channels, g.numel() / batch / channels, itemsize(g.dtype()));
    return r;
}

Tensor real_weight_gradient(const Tensor& g, const Tensor& input, const Dims& weight, bool weight_last, const ConvOptions& o) {
    cpu::ConvShape s = shape_of(input.sizes(), weight, g.sizes(), o);
    Image y = image_of(g), x = image_of(input);
    Tensor r = empty_image(weight, g.dtype(), Device::CPU, weight_last);
    cpu::Layout layout = weight_last ? cpu::Layout::ChannelsLast : cpu::Layout::Planar;
    if (r.numel() == 0 || g.numel() == 0) {
        fill_raw(r, 0);
        return r;
    }
    const Image &source = o.transposed ? y : x, &gradient = o.transposed ? x : y;
    dispatch_conv(g.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        cpu::conv_backward_weights<T>(s, source.t.template data<T>(), source.layout, gradient.t.template data<T>(), gradient.layout, r.data<T>(), layout);
    });
    return r;
}

// A bilinear function of complex tensors from one of real tensors.
template <class F> Tensor by_parts(const Tensor& a, const Tensor& b, F f) {
    Tensor ar = contiguous(real(a)), ai = contiguous(imag(a)), br = contiguous(real(b)), bi = contiguous(imag(b));
    return view_as_complex(stack({sub(f(ar, br), f(ai, bi)), add(f(ar, bi), f(ai, br))}, -1));
}
}  // namespace

// ---------------------------------------------------------------- operators
struct Convolution : Op<Convolution> {
    SIG("convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups) -> Tensor");
    DOC("Convolution of 1 to 3 spatial dimensions, or its transpose: input (N, C, ..), weight (out, C / groups, ..), transposed (C, out / groups, ..).");
    FORMS(FUNCTION);
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const Dims& padding, const Dims& dilation, bool transposed, const Dims& output_padding, int64_t groups) {
        ConvOptions o{stride, padding, dilation, output_padding, transposed, groups};
        if (weight.dim() > 3) o.expand(size_t(weight.dim()) - 2);
        Dims sizes = conv_sizes(input, weight, bias, o);
        if (input.is_meta() || weight.is_meta()) return empty_image(sizes, input.dtype(), Device::Meta, is_channels_last(input) || is_channels_last(weight));
        if (!input.is_complex()) return real_convolution(input, weight, bias, o, sizes);
        Tensor r = by_parts(input, weight, [&](const Tensor& x, const Tensor& w) { return real_convolution(x, w, {}, o, sizes); });
        Dims column(sizes.size() - 1, 1);
        column[0] = sizes[1];
        return bias ? add(r, reshape(bias, column)) : r;
    }
    static Grads backward(Ctx& c, const Tensor& g);
};

struct ConvolutionBackward : Op<ConvolutionBackward> {
    SIG("convolution_backward(Tensor grad_output, Tensor input, Tensor weight, int[]? bias_sizes, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups, bool[3] output_mask) -> (Tensor, Tensor, Tensor)");
    DOC("Gradients of convolution for input, weight and bias; those that output_mask leaves out are None.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2>>;
    using Result = std::tuple<Tensor, Tensor, Tensor>;
    static Result forward(const Tensor& g, const Tensor& input, const Tensor& weight, const OptDims&, const Dims& stride, const Dims& padding, const Dims& dilation, bool transposed, const Dims& output_padding, int64_t groups, const ConvMask& mask) {
        ConvOptions o{stride, padding, dilation, output_padding, transposed, groups};
        if (weight.dim() > 3) o.expand(size_t(weight.dim()) - 2);
        Dims expected = conv_sizes(input, weight, {}, o);
        check(g.sizes() == expected && g.dtype() == input.dtype(), "convolution_backward: expected grad_output of shape ", expected, " and dtype ", name(input.dtype()), ", but got ", g.sizes(), " of ", name(g.dtype()));
        Result r;
        bool last = input.dim() > 3 && (is_channels_last(input) || is_channels_last(weight));
        Dims channels{g.sizes()[1]};
        if (g.is_meta() || input.is_meta()) {
            if (mask[0]) std::get<0>(r) = empty_image(input.sizes(), g.dtype(), Device::Meta, last);
            if (mask[1]) std::get<1>(r) = empty_image(weight.sizes(), g.dtype(), Device::Meta, last);
            if (mask[2]) std::get<2>(r) = empty(channels, g.dtype(), Device::Meta);
            return r;
        }
        return gradients(g, input.sizes(), input, weight, o, mask, last);
    }
    static Result gradients(Tensor g, const Dims& sizes, const Tensor& input, const Tensor& weight, const ConvOptions& o, const ConvMask& mask, bool last) {
        Result r;
        auto& [for_input, for_weight, for_bias] = r;
        if (mask[0] && mask[1]) g = ordered_for_both(g, sizes, weight.sizes(), o);
        if (mask[0]) for_input = input_gradient(g, sizes, weight, o, last);
        if (mask[1]) for_weight = weight_gradient(g, input, weight, o);
        if (mask[2]) for_bias = bias_gradient(g);
        return r;
    }
    static Tensor input_gradient(const Tensor& g, const Dims& input, const Tensor& weight, const ConvOptions& o, bool last) {
        if (!g.is_complex()) return real_input_gradient(g, input, weight, o, last);
        return by_parts(g, conj(weight), [&](const Tensor& y, const Tensor& w) { return real_input_gradient(y, input, w, o, last); });
    }
    static Tensor weight_gradient(const Tensor& g, const Tensor& input, const Tensor& weight, const ConvOptions& o) {
        bool last = weight.dim() > 3 && is_channels_last(weight);
        if (!g.is_complex()) return real_weight_gradient(g, input, weight.sizes(), last, o);
        return by_parts(g, conj(input), [&](const Tensor& y, const Tensor& x) { return real_weight_gradient(y, x, weight.sizes(), last, o); });
    }
    static Tensor bias_gradient(const Tensor& g) {
        Dims dims{0};
        for (int64_t d = 2; d < g.dim(); d++) dims.push_back(d);
        return sum(g, dims);
    }
    // Each gradient is bilinear, as the convolution is: theirs are convolutions and gradients of convolutions again.
    static Grads backward(Ctx& c, const Grads& g) {
        Grads r(3);
        Tensor gi = g[0], gw = g.size() > 1 ? g[1] : Tensor(), gb = g.size() > 2 ? g[2] : Tensor();
        Tensor go = c.in<0>(), input = c.in<1>(), weight = c.in<2>();
        auto again = [&](const Tensor& x, const Tensor& w, const ConvMask& mask) {
            return call<ConvolutionBackward>(go, x, w, OptDims(), c.arg<4>(), c.arg<5>(), c.arg<6>(), c.arg<7>(), c.arg<8>(), c.arg<9>(), mask);
        };
        auto forward_again = [&](const Tensor& x, const Tensor& w) {
            return call<Convolution>(x, w, Tensor(), c.arg<4>(), c.arg<5>(), c.arg<6>(), c.arg<7>(), c.arg<8>(), c.arg<9>());
        };
        auto plus = [](const Tensor& a, const Tensor& b) { return a ? add(a, b) : b; };
        if (c.needs<0>()) {
            if (gi) r[0] = forward_again(gi, weight);
            if (gw) r[0] = plus(r[0], forward_again(input, gw));
            if (gb) {
                Dims column(go.sizes().size() - 1, 1);
                column[0] = go.sizes()[1];
                r[0] = plus(r[0], expand(reshape(gb, column), go.sizes()));
            }
        }
        if (c.needs<1>() && gw) r[1] = std::get<0>(again(input, gw, {true, false, false}));
        if (c.needs<2>() && gi) r[2] = std::get<1>(again(gi, weight, {false, true, false}));
        return r;
    }
};

Grads Convolution::backward(Ctx& c, const Tensor& g) {
    Grads r(3);
    ConvMask mask{c.needs<0>(), c.needs<1>(), c.needs<2>()};
    // What isn't saved isn't needed but for its sizes.
    Tensor input = mask[1] ? c.in<0>() : empty(c.sizes<0>(), g.dtype(), Device::Meta), weight = mask[0] ? c.in<1>() : empty(c.sizes<1>(), g.dtype(), Device::Meta);
    if (!mask[0] && !mask[1]) {
        r[2] = ConvolutionBackward::bias_gradient(g);
        return r;
    }
    if (!g->wrapper && !tls.grad && !tls.modes) {
        ConvOptions o{c.arg<3>(), c.arg<4>(), c.arg<5>(), c.arg<7>(), c.arg<6>(), c.arg<8>()};
        o.expand(c.sizes<1>().size() - 2);
        bool last = input.dim() > 3 && (is_channels_last(mask[1] ? input : g) || is_channels_last(weight));
        std::tie(r[0], r[1], r[2]) = ConvolutionBackward::gradients(g, c.sizes<0>(), input, weight, o, mask, last);
        return r;
    }
    if (!mask[1]) input = zeros(c.sizes<0>(), g.dtype());
    if (!mask[0]) weight = zeros(c.sizes<1>(), g.dtype());
    auto [gi, gw, gb] = call<ConvolutionBackward>(g, input, weight, OptDims(), c.arg<3>(), c.arg<4>(), c.arg<5>(), c.arg<6>(), c.arg<7>(), c.arg<8>(), mask);
    r[0] = gi, r[1] = gw, r[2] = gb;
    return r;
}
OP(Convolution);
OP(ConvolutionBackward);

Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvOptions& o) {
    return call<Convolution>(input, weight, bias, o.stride, o.padding, o.dilation, o.transposed, o.output_padding, o.groups);
}

}  // namespace rl
