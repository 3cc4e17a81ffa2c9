#include "cpu/shifted_conv.h"

#include <algorithm>
#include <vector>

#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl::cpu {

namespace {
constexpr int64_t kFew = 8, kFewPairs = 36;  // channels of a group, and pairs of them
constexpr int64_t kLongRow = 64;   // results that are computed without their neighbours
constexpr int64_t kGrain = 65536;  // multiplications for a thread

// One group of an image: planes of three dimensions.
struct Volume {
    int64_t in[3], out[3], kernel[3], padding[3], dilation[3], in_channels, out_channels;
    explicit Volume(const ConvShape& s) : in_channels(s.in_channels / s.groups), out_channels(s.out_channels / s.groups) {
        for (int i = 0; i < 3; ++i) {
            const int from = i - (3 - s.dims);
            const bool real = from >= 0;
            in[i] = real ? s.input[from] : 1, out[i] = real ? s.output[from] : 1, kernel[i] = real ? s.kernel[from] : 1;
            padding[i] = real ? s.padding[from] : 0, dilation[i] = real ? s.dilation[from] : 1;
        }
    }
    // That of the gradient of the input, a convolution with the kernel back to front.
    Volume turned() const {
        Volume v = *this;
        for (int i = 0; i < 3; ++i) v.in[i] = out[i], v.out[i] = in[i], v.padding[i] = dilation[i] * (kernel[i] - 1) - padding[i];
        v.in_channels = out_channels, v.out_channels = in_channels;
        return v;
    }
    int64_t in_size() const { return in[0] * in[1] * in[2]; }
    int64_t out_size() const { return out[0] * out[1] * out[2]; }
    int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
    int64_t work() const { return std::max<int64_t>(1, out_channels * out_size() * in_channels * taps()); }
};

// The planes with their padding of zeros around them: every tap of the kernel is then one shift of the whole, row after row.
template <class T>
class Padded {
  public:
    explicit Padded(const Volume& volume) : v(volume) {
        bool padded = false;
        for (int i = 0; i < 3; ++i) {
            size_[i] = std::max(v.padding[i] + v.in[i], v.out[i] + v.dilation[i] * (v.kernel[i] - 1));
            padded = padded || size_[i] != v.in[i];
        }
        plane_ = size_[0] * size_[1] * size_[2];
        if (padded) room_.assign(size_t(v.in_channels * plane_), T(0));
        shift.reserve(size_t(v.in_channels * v.taps()));
        for (int64_t c = 0; c < v.in_channels; ++c)
            for (int64_t i = 0; i < v.kernel[0]; ++i)
                for (int64_t j = 0; j < v.kernel[1]; ++j)
                    for (int64_t k = 0; k < v.kernel[2]; ++k)
                        shift.push_back(c * plane_ + (i * v.dilation[0] * size_[1] + j * v.dilation[1]) * size_[2] + k * v.dilation[2]);
    }
    void fill(const T* planes) {
        data_ = planes;
        if (room_.empty()) return;
        for (int64_t c = 0; c < v.in_channels; ++c)
            for (int64_t d = 0; d < v.in[0]; ++d)
                for (int64_t h = 0; h < v.in[1]; ++h, planes += v.in[2])
                    std::copy_n(planes, v.in[2], &room_[size_t(c * plane_ + ((v.padding[0] + d) * size_[1] + v.padding[1] + h) * size_[2] + v.padding[2])]);
        data_ = room_.data();
    }
    const T* row(int64_t d, int64_t h) const { return data_ + (d * size_[1] + h) * size_[2]; }
    int64_t step() const { return size_[2]; }
    const Volume v;
    std::vector<int64_t> shift;  // of each channel and tap

  private:
    int64_t size_[3], plane_;
    const T* data_ = nullptr;
    std::vector<T> room_;
};

// One plane of a result at one depth. Short rows are computed together with the gaps between them, which are left out after.
template <class T>
void sum_slice(const Padded<T>& x, int64_t d, const T* w, T start, T* out) {
    const Volume& v = x.v;
    const int64_t taps = int64_t(x.shift.size());
    auto sum = kernels().shift<T>().weighted_sum;
    if (v.out[2] >= kLongRow || v.out[1] == 1 || x.step() == v.out[2]) {
        const int64_t rows = x.step() == v.out[2] ? 1 : v.out[1], n = v.out[1] / rows * v.out[2];
        for (int64_t h = 0; h < rows; ++h) sum(out + h * v.out[2], x.row(d, h), w, x.shift.data(), taps, start, n);
        return;
    }
    const int64_t n = (v.out[1] - 1) * x.step() + v.out[2];
    Buffer<T> together(n);
    sum(together.data, x.row(d, 0), w, x.shift.data(), taps, start, n);
    for (int64_t h = 0; h < v.out[1]; ++h) std::copy_n(together.data + h * x.step(), v.out[2], out + h * v.out[2]);
}

// All groups of all images: weights of (group, result's channel, source's channel, tap), a bias for each result's channel.
// Threads share the groups, or where there is only one the slices of its result.
template <class T>
void correlate(const Volume& v, int64_t batch, int64_t groups, const T* source, const T* weights, const T* bias, T* destination) {
    const int64_t in = v.in_channels * v.in_size(), slice = v.out[1] * v.out[2], slices = v.out_channels * v.out[0], count = v.in_channels * v.taps();
    parallel_for(batch * groups, std::max<int64_t>(1, kGrain / v.work()), [&](int64_t begin, int64_t end) {
        Padded<T> x(v);
        for (int64_t i = begin; i < end; ++i) {
            x.fill(source + i * in);
            auto some = [&](int64_t from, int64_t to) {
                for (int64_t k = from; k < to; ++k) {
                    const int64_t channel = i % groups * v.out_channels + k / v.out[0];
                    sum_slice(x, k % v.out[0], weights + channel * count, bias ? bias[channel] : T(0), destination + (i * slices + k) * slice);
                }
            };
            if (batch * groups == 1) parallel_for(slices, std::max<int64_t>(1, kGrain * slices / v.work()), some);
            else some(0, slices);
        }
    });
}
}  // namespace

bool is_depthwise(const ConvShape& s) { return s.groups == s.in_channels && s.groups == s.out_channels && s.groups > 1; }
bool is_shiftable(const ConvShape& s) {
    const int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups;
    if (in > kFew || out > kFew || in * out > kFewPairs) return false;
    for (int i = 0; i < s.dims; ++i)
        if (s.stride[i] != 1 || s.padding[i] > s.dilation[i] * (s.kernel[i] - 1) || s.output[i] < 1 || s.kernel[i] > 256) return false;
    return true;
}

template <class T>
void shifted_forward(const ConvShape& s, const T* source, const T* weights, const T* bias, T* destination) {
    correlate(Volume(s), s.batch, s.groups, source, weights, bias, destination);
}

// The gradient of the result correlated with the kernel back to front, its channels exchanged.
template <class T>
void shifted_backward_data(const ConvShape& s, const T* gradient, const T* weights, const T* bias, T* source_gradient) {
    const Volume v(s);
    const int64_t taps = v.taps();
    Buffer<T> turned(s.groups * v.in_channels * v.out_channels * taps);
    T* to = turned.data;
    for (int64_t g = 0; g < s.groups; ++g)
        for (int64_t c = 0; c < v.in_channels; ++c)
            for (int64_t o = 0; o < v.out_channels; ++o, to += taps) {
                const T* from = weights + ((g * v.out_channels + o) * v.in_channels + c) * taps;
                std::reverse_copy(from, from + taps, to);
            }
    correlate(v.turned(), s.batch, s.groups, gradient, turned.data, bias, source_gradient);
}

template <class T>
void shifted_backward_weights(const ConvShape& s, const T* source, const T* gradient, T* weights_gradient) {
    const Volume v(s);
    const int64_t in = v.in_channels * v.in_size(), out = v.out_size(), taps = v.in_channels * v.taps();
    std::fill_n(weights_gradient, s.out_channels * taps, T(0));
    parallel_for(s.groups, std::max<int64_t>(1, kGrain / v.work() / s.batch), [&](int64_t begin, int64_t end) {
        Padded<T> x(v);
        for (int64_t c = begin; c < end; ++c)
            for (int64_t b = 0; b < s.batch; ++b) {
                x.fill(source + (b * s.groups + c) * in);
                for (int64_t o = c * v.out_channels; o < (c + 1) * v.out_channels; ++o)
                    for (int64_t r = 0; r < v.out[0] * v.out[1]; ++r)
                        kernels().shift<T>().products(weights_gradient + o * taps, gradient + (b * s.out_channels + o) * out + r * v.out[2],
                                                      x.row(r / v.out[1], r % v.out[1]), x.shift.data(), taps, v.out[2]);
            }
    });
}

#define RL_SHIFTED(T)                                                                                    \
    template void shifted_forward<T>(const ConvShape&, const T*, const T*, const T*, T*);                \
    template void shifted_backward_data<T>(const ConvShape&, const T*, const T*, const T*, T*);          \
    template void shifted_backward_weights<T>(const ConvShape&, const T*, const T*, T*);
RL_SHIFTED(float)
RL_SHIFTED(double)

}  // namespace rl::cpu
