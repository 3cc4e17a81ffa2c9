#include "cpu/conv.h"

#include <algorithm>
#include <type_traits>

#include "cpu/buffer.h"
#include "cpu/gemm.h"
#include "cpu/onednn_conv.h"
#include "cpu/parallel.h"
#include "cpu/shifted_conv.h"
#include "cpu/widen.h"

namespace rl::cpu {
namespace {

int64_t product(const int64_t* v, int n) {
    int64_t p = 1;
    for (int i = 0; i < n; ++i) p *= v[i];
    return p;
}

constexpr int64_t kTinyWork = 4096;  // multiplications that are done before oneDNN has found its primitive

// The convolution with its spatial dimensions filled up to three, and the sizes that follow from them.
struct Geometry : ConvShape {
    int64_t in_positions, out_positions, window;  // positions of an input and output plane; of the kernel
    int64_t in_group, out_group;                  // channels of a group

    explicit Geometry(const ConvShape& s) : ConvShape(s) {
        int shift = 3 - s.dims;
        for (int i = 2; i >= 0; --i) {
            bool real = i >= shift;
            input[i] = real ? s.input[i - shift] : 1;
            kernel[i] = real ? s.kernel[i - shift] : 1;
            output[i] = real ? s.output[i - shift] : 1;
            stride[i] = real ? s.stride[i - shift] : 1;
            padding[i] = real ? s.padding[i - shift] : 0;
            dilation[i] = real ? s.dilation[i - shift] : 1;
        }
        in_positions = product(input, 3);
        out_positions = product(output, 3);
        window = product(kernel, 3);
        in_group = in_channels / groups;
        out_group = out_channels / groups;
    }
    int64_t source_size() const { return batch * in_channels * in_positions; }
    int64_t destination_size() const { return batch * out_channels * out_positions; }
    int64_t weights_size() const { return out_channels * in_group * window; }
    int64_t work() const { return batch * out_channels * out_positions * in_group * window; }  // multiplications
    int64_t columns_size() const { return in_group * window * out_positions; }
    // A kernel of one position that visits every input: the image already is the matrix of windows.
    bool is_pointwise() const {
        bool yes = window == 1;
        for (int i = 0; i < 3; ++i) yes = yes && stride[i] == 1 && padding[i] == 0 && input[i] == output[i];
        return yes;
    }
};

// Calls f(row of the column matrix, its start, input row or -1 when outside, first input column, step) for every line
// of windows: lines along the last dimension are what unfold() and fold() copy.
template <class F>
void for_each_line(const Geometry& g, F f) {
    int64_t row = 0;
    for (int64_t c = 0; c < g.in_group; ++c)
        for (int64_t kd = 0; kd < g.kernel[0]; ++kd)
            for (int64_t kh = 0; kh < g.kernel[1]; ++kh)
                for (int64_t kw = 0; kw < g.kernel[2]; ++kw, ++row)
                    for (int64_t od = 0; od < g.output[0]; ++od)
                        for (int64_t oh = 0; oh < g.output[1]; ++oh) {
                            int64_t d = od * g.stride[0] - g.padding[0] + kd * g.dilation[0];
                            int64_t h = oh * g.stride[1] - g.padding[1] + kh * g.dilation[1];
                            bool inside = d >= 0 && d < g.input[0] && h >= 0 && h < g.input[1];
                            int64_t line = ((c * g.input[0] + d) * g.input[1] + h) * g.input[2];
                            f(row * g.out_positions + (od * g.output[1] + oh) * g.output[2], inside ? line : -1,
                              kw * g.dilation[2] - g.padding[2]);
                        }
}

template <class T>
void unfold(const Geometry& g, const T* image, T* columns) {
    for_each_line(g, [&](int64_t to, int64_t line, int64_t first) {
        for (int64_t o = 0; o < g.output[2]; ++o) {
            int64_t w = first + o * g.stride[2];
            columns[to + o] = line >= 0 && w >= 0 && w < g.input[2] ? image[line + w] : T(0);
        }
    });
}

template <class T>
void fold(const Geometry& g, const T* columns, T* image) {
    std::fill(image, image + g.in_group * g.in_positions, T(0));
    for_each_line(g, [&](int64_t from, int64_t line, int64_t first) {
        if (line < 0) return;
        for (int64_t o = 0; o < g.output[2]; ++o) {
            int64_t w = first + o * g.stride[2];
            if (w >= 0 && w < g.input[2]) image[line + w] += columns[from + o];
        }
    });
}

template <class T>
void planar_forward(const Geometry& g, const T* source, const T* weights, const T* bias, T* destination) {
    bool direct = g.is_pointwise();
    parallel_for(g.batch * g.groups, 2, [&](int64_t begin, int64_t end) {
        Buffer<T> columns(direct ? 0 : g.columns_size());
        for (int64_t i = begin; i < end; ++i) {
            const T* image = source + i * g.in_group * g.in_positions;
            T* out = destination + i * g.out_group * g.out_positions;
            int64_t group = i % g.groups;
            if (!direct) unfold(g, image, columns.data);
            if (bias)
                for (int64_t c = 0; c < g.out_group; ++c)
                    std::fill_n(out + c * g.out_positions, g.out_positions, bias[group * g.out_group + c]);
            gemm<T>(false, false, g.out_group, g.out_positions, g.in_group * g.window, T(1),
                    weights + group * g.out_group * g.in_group * g.window, g.in_group * g.window,
                    direct ? image : columns.data, g.out_positions, T(bias ? 1 : 0), out, g.out_positions);
        }
    });
}

template <class T>
void planar_backward_data(const Geometry& g, const T* gradient, const T* weights, T* source_gradient) {
    bool direct = g.is_pointwise();
    parallel_for(g.batch * g.groups, 2, [&](int64_t begin, int64_t end) {
        Buffer<T> columns(direct ? 0 : g.columns_size());
        for (int64_t i = begin; i < end; ++i) {
            T* image = source_gradient + i * g.in_group * g.in_positions;
            int64_t rows = g.in_group * g.window;
            gemm<T>(true, false, rows, g.out_positions, g.out_group, T(1), weights + i % g.groups * g.out_group * rows,
                    rows, gradient + i * g.out_group * g.out_positions, g.out_positions, T(0),
                    direct ? image : columns.data, g.out_positions);
            if (!direct) fold(g, columns.data, image);
        }
    });
}

template <class T>
void planar_backward_weights(const Geometry& g, const T* source, const T* gradient, T* weights_gradient) {
    // Parts of the batch have sums of their own, which are added in order: the same bits for any number of threads.
    constexpr int64_t kParts = 8;
    int64_t parts = std::min(g.batch, kParts), size = g.weights_size(), rows = g.in_group * g.window;
    bool direct = g.is_pointwise();
    Buffer<T> sums(parts * size);
    parallel_for(parts, 2, [&](int64_t begin, int64_t end) {
        Buffer<T> columns(direct ? 0 : g.columns_size());
        for (int64_t part = begin; part < end; ++part) {
            int64_t first = part * g.batch / parts, last = (part + 1) * g.batch / parts;
            for (int64_t i = first * g.groups; i < last * g.groups; ++i) {
                const T* image = source + i * g.in_group * g.in_positions;
                if (!direct) unfold(g, image, columns.data);
                gemm<T>(false, true, g.out_group, rows, g.out_positions, T(1),
                        gradient + i * g.out_group * g.out_positions, g.out_positions, direct ? image : columns.data,
                        g.out_positions, T(i / g.groups > first ? 1 : 0),
                        sums.data + part * size + i % g.groups * g.out_group * rows, rows);
            }
        }
    });
    std::copy_n(sums.data, size, weights_gradient);
    for (int64_t part = 1; part < parts; ++part)
        for (int64_t i = 0; i < size; ++i) weights_gradient[i] += sums.data[part * size + i];
}

// An array read or written in another layout than the caller's. `matrices` matrices of channels x positions (planar).
template <class T>
class Ordered {
  public:
    Ordered(const T* callers, Layout has, Layout wants, int64_t matrices, int64_t channels, int64_t positions)
        : callers_(const_cast<T*>(callers)),
          has_(has),
          same_(has == wants || channels == 1 || positions == 1),
          matrices_(matrices),
          channels_(channels),
          positions_(positions),
          buffer_(same_ ? 0 : matrices * channels * positions) {}

    T* data() const { return same_ ? callers_ : buffer_.data; }
    const T* read() const {
        if (!same_) convert(callers_, buffer_.data, has_);
        return data();
    }
    void write_back() const {
        if (!same_) convert(buffer_.data, callers_, has_ == Layout::Planar ? Layout::ChannelsLast : Layout::Planar);
    }

  private:
    void convert(const T* in, T* out, Layout from) const {
        bool planar = from == Layout::Planar;
        transpose(in, out, matrices_, planar ? channels_ : positions_, planar ? positions_ : channels_, sizeof(T));
    }
    T* callers_;
    Layout has_;
    bool same_;
    int64_t matrices_, channels_, positions_;
    Buffer<T> buffer_;
};

template <class T>
Ordered<T> ordered_source(const Geometry& g, const T* p, Layout has, Layout wants) {
    return {p, has, wants, g.batch, g.in_channels, g.in_positions};
}
template <class T>
Ordered<T> ordered_destination(const Geometry& g, const T* p, Layout has, Layout wants) {
    return {p, has, wants, g.batch, g.out_channels, g.out_positions};
}
template <class T>
Ordered<T> ordered_weights(const Geometry& g, const T* p, Layout has) {
    return {p, has, Layout::Planar, g.out_channels, g.in_group, g.window};
}

#if RL_HAVE_ONEDNN
using onednn::ConvKind;

template <class T>
bool by_onednn(ConvKind kind, const ConvShape& s, const Geometry& g, const T* source, Layout source_layout,
               const T* weights, Layout weights_layout, const T* bias, const T* destination,
               Layout destination_layout) {
    constexpr bool bf16 = std::is_same_v<T, BFloat16>;
    if constexpr (!bf16 && !std::is_same_v<T, float>) {
        return false;
    } else {
        if (bf16 && !onednn::has_bf16()) return false;
        if (!bf16 && g.work() <= kTinyWork) return false;
        // Measured: oneDNN's gradient of such weights holds numbers that are not of it.
        if (bf16 && kind == ConvKind::BackwardWeights && g.groups > 1 && (g.in_group % 16 || g.out_group % 16)) return false;
        Layout wants = onednn::conv_layout(kind, s);
        auto a = ordered_source(g, source, source_layout, wants);
        auto b = ordered_destination(g, destination, destination_layout, wants);
        if (kind != ConvKind::BackwardData) a.read();
        if (kind != ConvKind::Forward) b.read();
        auto type = bf16 ? onednn::Type::BF16 : onednn::Type::F32;
        if (!onednn::conv(kind, s, type, a.data(), weights, weights_layout, bias, b.data())) return false;
        if (kind == ConvKind::BackwardData) a.write_back();
        if (kind == ConvKind::Forward) b.write_back();
        return true;
    }
}
#endif

// Are both images planar, and the convolution one that is computed here as sums of shifted planes? Measured: oneDNN is faster
// with large windows of two dimensions of single channels, but for the gradient of the weights.
template <class T>
bool by_shifts(const ConvShape& s, const Geometry& g, Layout a, Layout b, bool weights = false) {
    if (RL_HAVE_ONEDNN && !weights && s.dims == 2 && is_depthwise(s) && g.window > 16 && std::is_same_v<T, float>) return false;
    return (std::is_same_v<T, float> || std::is_same_v<T, double>) && a == Layout::Planar && b == Layout::Planar && is_shiftable(s);
}

// A bias for each channel is added to an image of `positions`.
template <class T>
void add_bias(T* image, Layout layout, const T* bias, int64_t batch, int64_t channels, int64_t positions) {
    const bool planar = layout == Layout::Planar;
    parallel_for(batch * channels, std::max<int64_t>(1, 32768 / positions), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            T* to = planar ? image + i * positions : image + i / channels * channels * positions + i % channels;
            const int64_t step = planar ? 1 : channels;
            const T b = bias[i % channels];
            for (int64_t p = 0; p < positions; ++p) to[p * step] = T(to[p * step] + b);
        }
    });
}

template <class T>
inline constexpr bool is_16bit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// A 16-bit array as float.
template <class T>
struct Widened : Buffer<float> {
    Widened(const T* p, int64_t n) : Buffer<float>(p ? n : 0) {
        if (p) widen_matrix(p, n, 1, n, data);
    }
};

template <class T>
void data_gradient(const ConvShape& s, const Geometry& g, const T* gradient, Layout gradient_layout, const T* weights,
                   Layout weights_layout, T* source_gradient, Layout source_layout) {
    if (g.destination_size() == 0) {
        std::fill_n(source_gradient, g.source_size(), T(0));
        return;
    }
#if RL_HAVE_ONEDNN
    if (by_onednn<T>(ConvKind::BackwardData, s, g, source_gradient, source_layout, weights, weights_layout, nullptr,
                     gradient, gradient_layout))
        return;
#endif
    if constexpr (is_16bit<T>) {
        Widened<T> y(gradient, g.destination_size()), w(weights, g.weights_size());
        Buffer<float> x(g.source_size());
        conv_backward_data<float>(s, y.data, gradient_layout, w.data, weights_layout, nullptr, x.data, source_layout);
        narrow_matrix(x.data, 1, g.source_size(), source_gradient, g.source_size());
    } else {
        auto x = ordered_source(g, source_gradient, source_layout, Layout::Planar);
        auto w = ordered_weights(g, weights, weights_layout);
        auto y = ordered_destination(g, gradient, gradient_layout, Layout::Planar);
        planar_backward_data(g, y.read(), w.read(), x.data());
        x.write_back();
    }
}

}  // namespace

template <class T>
void conv_forward(const ConvShape& s, const T* source, Layout source_layout, const T* weights, Layout weights_layout,
                  const T* bias, T* destination, Layout destination_layout) {
    Geometry g(s);
    if (g.destination_size() == 0) return;
    if constexpr (!is_16bit<T>)
        if (by_shifts<T>(s, g, source_layout, destination_layout)) return shifted_forward(s, source, ordered_weights(g, weights, weights_layout).read(), bias, destination);
#if RL_HAVE_ONEDNN
    if (by_onednn(ConvKind::Forward, s, g, source, source_layout, weights, weights_layout, bias, destination,
                  destination_layout))
        return;
#endif
    if constexpr (is_16bit<T>) {
        Widened<T> x(source, g.source_size()), w(weights, g.weights_size()), b(bias, g.out_channels);
        Buffer<float> y(g.destination_size());
        conv_forward<float>(s, x.data, source_layout, w.data, weights_layout, b.data, y.data, destination_layout);
        narrow_matrix(y.data, 1, g.destination_size(), destination, g.destination_size());
    } else {
        auto x = ordered_source(g, source, source_layout, Layout::Planar);
        auto w = ordered_weights(g, weights, weights_layout);
        auto y = ordered_destination(g, destination, destination_layout, Layout::Planar);
        planar_forward(g, x.read(), w.read(), bias, y.data());
        y.write_back();
    }
}

template <class T>
void conv_backward_data(const ConvShape& s, const T* gradient, Layout gradient_layout, const T* weights,
                        Layout weights_layout, const T* bias, T* source_gradient, Layout source_layout) {
    Geometry g(s);
    if (g.source_size() == 0) return;
    if constexpr (!is_16bit<T>)
        if (g.destination_size() && by_shifts<T>(s, g, gradient_layout, source_layout))
            return shifted_backward_data(s, gradient, ordered_weights(g, weights, weights_layout).read(), bias, source_gradient);
    data_gradient(s, g, gradient, gradient_layout, weights, weights_layout, source_gradient, source_layout);
    if (bias) add_bias(source_gradient, source_layout, bias, g.batch, g.in_channels, g.in_positions);
}

template <class T>
void conv_backward_weights(const ConvShape& s, const T* source, Layout source_layout, const T* gradient,
                           Layout gradient_layout, T* weights_gradient, Layout weights_layout) {
    Geometry g(s);
    if (g.destination_size() == 0 || g.source_size() == 0) {
        std::fill_n(weights_gradient, g.weights_size(), T(0));
        return;
    }
    if constexpr (!is_16bit<T>)
        if (by_shifts<T>(s, g, source_layout, gradient_layout, true)) {
            auto w = ordered_weights(g, weights_gradient, weights_layout);
            shifted_backward_weights(s, source, gradient, w.data());
            return w.write_back();
        }
#if RL_HAVE_ONEDNN
    if (by_onednn<T>(ConvKind::BackwardWeights, s, g, source, source_layout, weights_gradient, weights_layout,
                     nullptr, gradient, gradient_layout))
        return;
#endif
    if constexpr (is_16bit<T>) {
        Widened<T> x(source, g.source_size()), y(gradient, g.destination_size());
        Buffer<float> w(g.weights_size());
        conv_backward_weights<float>(s, x.data, source_layout, y.data, gradient_layout, w.data, weights_layout);
        narrow_matrix(w.data, 1, g.weights_size(), weights_gradient, g.weights_size());
    } else {
        auto x = ordered_source(g, source, source_layout, Layout::Planar);
        auto w = ordered_weights(g, weights_gradient, weights_layout);
        auto y = ordered_destination(g, gradient, gradient_layout, Layout::Planar);
        planar_backward_weights(g, x.read(), y.read(), w.data());
        w.write_back();
    }
}

bool conv_gradients_channels_last(const ConvShape& s, DType type) {
#if RL_HAVE_ONEDNN
    if (type == DType::BFloat16 ? !onednn::has_bf16() : type != DType::Float32 || Geometry(s).work() <= kTinyWork)
        return false;
    if (is_shiftable(s)) return false;
    return onednn::conv_layout(ConvKind::BackwardData, s) == Layout::ChannelsLast &&
           onednn::conv_layout(ConvKind::BackwardWeights, s) == Layout::ChannelsLast;
#else
    (void)s, (void)type;
    return false;
#endif
}

#define RL_CONV(T)                                                                                             \
    template void conv_forward<T>(const ConvShape&, const T*, Layout, const T*, Layout, const T*, T*, Layout); \
    template void conv_backward_data<T>(const ConvShape&, const T*, Layout, const T*, Layout, const T*, T*, Layout); \
    template void conv_backward_weights<T>(const ConvShape&, const T*, Layout, const T*, Layout, T*, Layout);

RL_CONV(float)
RL_CONV(double)
RL_CONV(Half)
RL_CONV(BFloat16)

}  // namespace rl::cpu
