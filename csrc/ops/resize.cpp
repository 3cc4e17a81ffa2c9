// Resizing of images. Every method is separable: along each dimension a result is a weighted sum of a few inputs, so one
// linear operator along one dimension and its transpose do for all of them.
#include <algorithm>
#include <cmath>

#include "cpu/clones.h"
#include "cpu/parallel.h"
#include "ops/conv.h"

namespace rl {

Tensor adaptive_average_pool(const Tensor& input, const Dims& output, const char* op);  // ops/pool.cpp

namespace {
enum class Kernel : int64_t { Nearest, NearestExact, Linear, Cubic, LinearSmooth, CubicSmooth };

// For each output position its inputs and their weights, `taps` of each.
struct Taps {
    int64_t taps = 1;
    std::vector<int64_t> index;
    std::vector<double> weight;
};

// Keys, 1981: the cubic convolution kernel with its parameter a.
double cubic(double x, double a) {
    x = std::abs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

// Filters as wide as the reduction: no aliasing.
Taps smooth_taps(int64_t in, int64_t out, double scale, bool is_cubic) {
    double reach = (is_cubic ? 2.0 : 1.0) * std::max(scale, 1.0), inverse = scale >= 1 ? 1 / scale : 1;
    Taps t;
    t.taps = int64_t(std::ceil(reach)) * 2 + 1;
    t.index.resize(size_t(out * t.taps)), t.weight.resize(size_t(out * t.taps));
    for (int64_t i = 0; i < out; i++) {
        double center = scale * (double(i) + 0.5), total = 0;
        int64_t first = std::max<int64_t>(int64_t(center - reach + 0.5), 0), count = std::min<int64_t>(int64_t(center + reach + 0.5), in) - first;
        count = std::min(count, t.taps);
        for (int64_t k = 0; k < count; k++) {
            double x = (double(k + first) - center + 0.5) * inverse;
            double w = is_cubic ? cubic(x, -0.5) : std::max(0.0, 1 - std::abs(x));
            t.index[size_t(i * t.taps + k)] = first + k, t.weight[size_t(i * t.taps + k)] = w;
            total += w;
        }
        for (int64_t k = 0; k < count && total != 0; k++) t.weight[size_t(i * t.taps + k)] /= total;
    }
    return t;
}

Taps make_taps(Kernel kernel, int64_t in, int64_t out, bool align, double scale) {
    if (kernel == Kernel::LinearSmooth || kernel == Kernel::CubicSmooth) return smooth_taps(in, out, scale, kernel == Kernel::CubicSmooth);
    Taps t;
    t.taps = kernel == Kernel::Cubic ? 4 : kernel == Kernel::Linear ? 2 : 1;
    t.index.resize(size_t(out * t.taps)), t.weight.resize(size_t(out * t.taps));
    auto clamped = [&](int64_t k) { return std::min(std::max<int64_t>(k, 0), in - 1); };
    for (int64_t i = 0; i < out; i++) {
        int64_t* index = &t.index[size_t(i * t.taps)];
        double* weight = &t.weight[size_t(i * t.taps)];
        if (t.taps == 1) {  // positions in single precision, as users of PyTorch know them
            float x = kernel == Kernel::Nearest ? std::floor(float(i) * float(scale)) : std::floor((float(i) + 0.5f) * float(scale));
            index[0] = in == out && kernel == Kernel::Nearest ? i : clamped(int64_t(x)), weight[0] = 1;
            continue;
        }
        double x = align ? scale * double(i) : scale * (double(i) + 0.5) - 0.5;
        if (kernel == Kernel::Linear) {
            x = in == out ? double(i) : std::max(x, 0.0);
            index[0] = clamped(int64_t(x)), index[1] = clamped(index[0] + 1);
            weight[1] = std::min(std::max(x - double(index[0]), 0.0), 1.0), weight[0] = 1 - weight[1];
            continue;
        }
        double base = std::floor(x), part = x - base;
        for (int k = 0; k < 4; k++) index[k] = clamped(int64_t(base) - 1 + k), weight[k] = cubic(double(k) - 1 - part, -0.75);
    }
    return t;
}

// The tensor as (outer, length, inner) around dimension d, by the order in memory.
struct Lines {
    int64_t outer = 1, inner = 1;
    Lines(const Dims& sizes, int64_t d, bool channels_last) {
        Dims order{0};
        if (!channels_last) order.push_back(1);
        for (int64_t i = 2; i < int64_t(sizes.size()); i++) order.push_back(i);
        if (channels_last) order.push_back(1);
        bool before = true;
        for (int64_t k : order) {
            if (k == d) before = false;
            else (before ? outer : inner) *= sizes[size_t(k)];
        }
    }
};

// y (outer, out, inner) = the taps applied to x (outer, in, inner); transposed: x += the taps' shares of y.
template <class T> RL_CLONES void pick_run(T* __restrict to, const T* __restrict from, const int64_t* __restrict index, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = from[index[i]];
}
template <class T> RL_CLONES void double_run(T* __restrict to, const T* __restrict from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[2 * i] = to[2 * i + 1] = from[i];
}
template <class T> RL_CLONES void mix_run(T* __restrict to, const T* __restrict from, const int64_t* __restrict index, const T* __restrict weight, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = weight[2 * i] * from[index[2 * i]] + weight[2 * i + 1] * from[index[2 * i + 1]];
}
template <class T> RL_CLONES void mix_rows(T* __restrict to, const T* a, const T* b, T wa, T wb, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = wa * a[i] + wb * b[i];
}
template <class T> RL_CLONES void add_row(T* __restrict to, const T* from, T weight, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] += weight * from[i];
}
// Along the last dimension in memory: results next to each other have their inputs near each other.
template <class T> void resample_lines(const Taps& t, int64_t outer, int64_t in, int64_t out, const T* x, T* y) {
    std::vector<T> weight(t.weight.begin(), t.weight.end());
    bool twice = t.taps == 1 && out == 2 * in;
    for (int64_t i = 0; twice && i < out; i++) twice = t.index[size_t(i)] == i / 2;
    cpu::parallel_for(outer, grain_for(out * t.taps), [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; o++) {
            const T* from = x + o * in;
            T* to = y + o * out;
            if (twice) double_run(to, from, in);
            else if (t.taps == 1) pick_run(to, from, t.index.data(), out);
            else if (t.taps == 2) mix_run(to, from, t.index.data(), weight.data(), out);
            else
                for (int64_t i = 0; i < out; i++) {
                    T sum = 0;
                    for (int64_t k = i * t.taps; k < (i + 1) * t.taps; k++) sum += weight[size_t(k)] * from[t.index[size_t(k)]];
                    to[i] = sum;
                }
        }
    });
}
template <class T> void resample(const Taps& t, const Lines& l, int64_t in, int64_t out, const T* x, T* y) {
    if (l.inner == 1) return resample_lines(t, l.outer, in, out, x, y);
    cpu::parallel_for(l.outer * out, grain_for(l.inner * t.taps), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
            int64_t i = row % out;
            const T* from = x + row / out * in * l.inner;
            T* to = y + row * l.inner;
            const int64_t* index = &t.index[size_t(i * t.taps)];
            const double* weight = &t.weight[size_t(i * t.taps)];
            if (t.taps == 1) {
                std::memcpy(to, from + index[0] * l.inner, size_t(l.inner) * sizeof(T));
                continue;
            }
            mix_rows(to, from + index[0] * l.inner, from + index[1] * l.inner, T(weight[0]), T(weight[1]), l.inner);
            for (int64_t k = 2; k < t.taps; k++) add_row(to, from + index[k] * l.inner, T(weight[k]), l.inner);
        }
    });
}
template <class T> void resample_transposed(const Taps& t, const Lines& l, int64_t in, int64_t out, T* x, const T* y) {
    cpu::parallel_for(l.outer, grain_for(l.inner * t.taps * out), [&](int64_t begin, int64_t end) {
        std::fill(x + begin * in * l.inner, x + end * in * l.inner, T(0));
        for (int64_t o = begin; o < end; o++)
            for (int64_t i = 0; i < out; i++)
                for (int64_t k = 0; k < t.taps; k++) {
                    T w = T(t.weight[size_t(i * t.taps + k)]);
                    if (w == T(0)) continue;
                    T* to = x + (o * in + t.index[size_t(i * t.taps + k)]) * l.inner;
                    const T* from = y + (o * out + i) * l.inner;
                    for (int64_t j = 0; j < l.inner; j++) to[j] += w * from[j];
                }
    });
}

// Applies the taps (or their transpose) along dimension d; float and double.
Tensor apply_taps(const Tensor& self, int64_t d, int64_t size, int64_t kernel, bool align, double scale, bool transposed) {
    check(kernel >= 0 && kernel <= int64_t(Kernel::CubicSmooth) && std::isfinite(scale) && scale >= 0, "_interpolate: kernel ", kernel, " and scale ", scale);
    check(self.dtype() == DType::Float32 || self.dtype() == DType::Float64, Err::NotImplemented, "\"_interpolate\" not implemented for '", title(self.dtype()), "'");
    check(d >= 0 && d < self.dim() && size >= 0 && self.sizes()[size_t(d)] > 0, "_interpolate: no dimension ", d, " of ", self.sizes(), " to resize to ", size);
    Dims sizes = self.sizes();
    int64_t have = sizes[size_t(d)];
    sizes[size_t(d)] = size;
    Image x = self.is_meta() ? Image{self, cpu::Layout::Planar} : image_of(self);
    bool last = x.layout == cpu::Layout::ChannelsLast;
    Tensor r = empty_image(sizes, self.dtype(), self.device(), last);
    if (r.is_meta()) return r;
    if (r.numel() == 0 || self.numel() == 0) {
        fill_raw(r, 0);
        return r;
    }
    int64_t in = transposed ? size : have, out = transposed ? have : size;
    Taps taps = make_taps(Kernel(kernel), in, out, align, scale);
    Lines lines(sizes, d, last);
    auto run = [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (transposed) resample_transposed<T>(taps, lines, in, out, r.data<T>(), x.t.data<T>());
        else resample<T>(taps, lines, in, out, x.t.data<T>(), r.data<T>());
    };
    if (self.dtype() == DType::Float32) run(Tag<float>{});
    else run(Tag<double>{});
    return r;
}

// Images of bytes keep to bytes: weights in fixed point with as many bits as 16 hold, along the rows first, each pass
// rounded (as Pillow does it, and PyTorch after it).
struct FixedTaps {
    Taps taps;
    std::vector<int32_t> weight;
    int bits = 0;
    explicit FixedTaps(Taps t) : taps(std::move(t)), weight(taps.weight.size(), 0) {
        std::vector<double> merged(weight.size(), 0.0);  // inputs beyond an edge are the edge: one weight for all of them
        for (size_t i = 0; i < merged.size(); i++) {
            size_t first = i / size_t(taps.taps) * size_t(taps.taps);
            while (taps.index[first] != taps.index[i]) first++;
            merged[first] += taps.weight[i];
        }
        double largest = merged.empty() ? 0 : *std::max_element(merged.begin(), merged.end());
        while (bits < 22 && int64_t(0.5 + largest * double(int64_t(1) << (bits + 1))) < (1 << 15)) bits++;
        for (size_t i = 0; i < merged.size(); i++) weight[i] = int32_t(std::trunc(merged[i] * double(1 << bits) + (merged[i] < 0 ? -0.5 : 0.5)));
    }
};
Tensor resized_bytes(const Tensor& x, int64_t d, int64_t out, Kernel kernel, bool align, double scale) {
    Dims sizes = x.sizes();
    int64_t in = sizes[size_t(d)];
    sizes[size_t(d)] = out;
    Tensor r = empty(sizes, DType::UInt8, x.device());
    if (r.is_meta()) return r;
    FixedTaps t(make_taps(kernel, in, out, align, scale));
    Tensor from = contiguous(x);
    Lines l(sizes, d, false);
    const uint8_t* p = from.data<uint8_t>();
    uint8_t* q = r.data<uint8_t>();
    int64_t taps = t.taps.taps;
    int32_t half = t.bits ? 1 << (t.bits - 1) : 0;
    cpu::parallel_for(l.outer * out, grain_for(l.inner * taps), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
            const int64_t* index = &t.taps.index[size_t(row % out * taps)];
            const int32_t* weight = &t.weight[size_t(row % out * taps)];
            for (int64_t j = 0; j < l.inner; j++) {
                int32_t sum = half;
                for (int64_t k = 0; k < taps; k++) sum += weight[k] * p[(row / out * in + index[k]) * l.inner + j];
                q[row * l.inner + j] = uint8_t(std::clamp<int32_t>(sum >> t.bits, 0, 255));
            }
        }
    });
    return r;
}
}  // namespace

struct InterpolateBackward;
struct Interpolate1 : Op<Interpolate1> {
    SIG("_interpolate(Tensor self, int dim, int size, int kernel, bool align_corners, float scale) -> Tensor");
    DOC("self resized along one dimension; scale is the distance of samples.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, int64_t d, int64_t size, int64_t kernel, bool align, double scale) { return apply_taps(self, d, size, kernel, align, scale, false); }
    static Grads backward(Ctx& c, const Tensor& g);
};
struct InterpolateBackward : Op<InterpolateBackward> {
    SIG("_interpolate_backward(Tensor grad_output, int dim, int size, int kernel, bool align_corners, float scale) -> Tensor");
    DOC("Gradient of _interpolate: size is the input's along dim.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& g, int64_t d, int64_t size, int64_t kernel, bool align, double scale) { return apply_taps(g, d, size, kernel, align, scale, true); }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<Interpolate1>(g, c.arg<1>(), c.sizes<0>()[size_t(c.arg<1>())], c.arg<3>(), c.arg<4>(), c.arg<5>())}; }
};
Grads Interpolate1::backward(Ctx& c, const Tensor& g) { return {call<InterpolateBackward>(g, c.arg<1>(), c.sizes<0>()[size_t(c.arg<1>())], c.arg<3>(), c.arg<4>(), c.arg<5>())}; }
OP(Interpolate1);
OP(InterpolateBackward);

struct Interpolate : Composite<Interpolate> {
    SIG("nn::interpolate(Tensor input, Any size=None, Any scale_factor=None, str mode='nearest', bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor");
    DOC("Images (N, C, ..) resized to size, or by scale_factor: nearest, nearest-exact, linear, bilinear, bicubic, trilinear or area.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, PyObject* size, PyObject* scale_factor, const std::string& mode, const OptBool& align_corners, const OptBool& recompute, bool antialias) {
        bool plain = mode == "nearest" || mode == "nearest-exact" || mode == "area";
        check(!plain || !align_corners, Err::Value, "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear");
        size_t n = input.dim() > 2 ? size_t(input.dim()) - 2 : 0;
        Floats factors;
        Dims output = output_sizes(input, n, size, scale_factor, factors);
        if (recompute && *recompute) {
            check(!factors.empty(), Err::Value, "recompute_scale_factor is not meaningful with an explicit size.");
            factors.clear();
        }
        check(!antialias || ((mode == "bilinear" || mode == "bicubic") && input.dim() == 4), Err::Value, "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input");
        Kernel kernel = kernel_of(input, mode, antialias);
        for (size_t i = 0; i < n; i++)
            check(output[i] > 0 && input.sizes()[i + 2] > 0, "Input and output sizes should be greater than 0, but got input ", Dims(Ints(input.sizes()).subspan(2)), " output ", output, " (interpolate)");
        check(input.sizes()[1] > 0, "Non-empty ", input.dim(), "D data tensor expected but got a tensor with sizes ", input.sizes());
        if (mode == "area") return adaptive_average_pool(input, output, "interpolate");
        check(is_floating(input.dtype()) || input.dtype() == DType::UInt8, Err::NotImplemented, "\"upsample_", mode, n, "d\" not implemented for '", title(input.dtype()), "'");
        return resized(input, output, factors, kernel, align_corners.value_or(false));
    }
    static Kernel kernel_of(const Tensor& input, const std::string& mode, bool antialias) {
        int64_t d = input.dim();
        check(d >= 3 && d <= 5, Err::NotImplemented, "Input Error: Only 3D, 4D and 5D input Tensors supported (got ", d, "D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ", mode, ")");
        if (mode == "nearest" || mode == "area") return Kernel::Nearest;
        if (mode == "nearest-exact") return Kernel::NearestExact;
        int64_t wants = mode == "linear" ? 3 : mode == "bilinear" ? 4 : mode == "trilinear" ? 5 : 0;
        check(wants == 0 || wants == d, Err::NotImplemented, "Got ", d, "D input, but ", mode, " mode needs ", wants, "D input");
        if (wants) return antialias ? Kernel::LinearSmooth : Kernel::Linear;
        check(mode == "bicubic" && d == 4, Err::NotImplemented, "Input Error: Only 3D, 4D and 5D input Tensors supported (got ", d, "D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ", mode, ")");
        return antialias ? Kernel::CubicSmooth : Kernel::Cubic;
    }
    static Tensor resized(const Tensor& input, const Dims& output, const Floats& factors, Kernel kernel, bool align) {
        DType t = input.dtype();
        bool one_tap = kernel == Kernel::Nearest || kernel == Kernel::NearestExact, bytes = t == DType::UInt8 && !one_tap && output.size() == 2;
        Tensor r = t == DType::Float32 || t == DType::Float64 || bytes ? input : to(input, DType::Float32);
        for (size_t step = 0; step < output.size(); step++) {
            size_t i = output.size() - 1 - step;  // the last dimension first: its elements are dealt with one by one, so while there are few
            int64_t in = input.sizes()[i + 2], out = output[i];
            double scale = align && !one_tap ? (out > 1 ? double(in - 1) / double(out - 1) : 0) : !factors.empty() && factors[i] > 0 ? 1 / factors[i] : double(in) / double(out);
            if (in == out && (factors.empty() || bytes)) continue;
            if (one_tap) scale = !factors.empty() && factors[i] > 0 ? double(float(1 / factors[i])) : double(float(in) / float(out));
            r = bytes ? resized_bytes(r, int64_t(i) + 2, out, kernel, align, scale) : call<Interpolate1>(r, int64_t(i) + 2, out, int64_t(kernel), align, scale);
        }
        if (r.is(input)) return clone(input);
        if (bytes) return r;
        if (t == DType::UInt8) r = to(clamp(rounded(r), OptScalar(Scalar(0)), OptScalar(Scalar(255))), t);
        return r.dtype() == t ? r : to(r, t);
    }
    static Tensor rounded(const Tensor& t) {
        Tensor r = t.is_meta() ? t : clone_raw(t);
        if (!r.is_meta())
            for (int64_t i = 0, n = r.numel(); i < n; i++) r.data<float>()[i] = std::nearbyint(r.data<float>()[i]);
        return r;
    }
    static Dims output_sizes(const Tensor& input, size_t n, PyObject* size, PyObject* scale_factor, Floats& factors) {
        bool has_size = size && size != Py_None, has_scale = scale_factor && scale_factor != Py_None;
        check(!has_size || !has_scale, Err::Value, "only one of size or scale_factor should be defined");
        check(has_size || has_scale, Err::Value, "either size or scale_factor should be defined");
        auto list = [&](PyObject* o, const char* what) {
            bool many = PyTuple_Check(o) || PyList_Check(o);
            size_t given = many ? size_t(PySequence_Fast_GET_SIZE(o)) : n;
            check(given == n || input.dim() < 3, Err::Value, "Input and ", what, " must have the same number of spatial dimensions, but got input with spatial dimensions of ", Dims(Ints(input.sizes()).subspan(std::min<size_t>(2, input.sizes().size()))), " and ", what, " of ", given,
                  " values. Please provide input tensor in (N, C, d1, d2, ...,dK) format.");
            Floats r;
            for (size_t i = 0; i < n; i++) {
                PyObject* v = many ? PySequence_Fast_GET_ITEM(o, Py_ssize_t(std::min(i, given - 1))) : o;
                r.push_back(is_tensor(v) ? item(Tensor::view(v)).real() : scalar_from_python(v).real());
            }
            return r;
        };
        Floats values = list(has_size ? size : scale_factor, has_size ? "output size" : "scale_factor");
        Dims output;
        for (size_t i = 0; i < n; i++) output.push_back(has_size ? int64_t(values[i]) : int64_t(std::floor(double(input.sizes()[i + 2]) * values[i])));
        if (has_scale) factors = values;
        return output;
    }
};
OP(Interpolate);

}  // namespace rl
