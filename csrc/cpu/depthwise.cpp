#include "cpu/depthwise.h"

#include <algorithm>
#include <vector>

#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl::cpu {

bool is_depthwise(const ConvShape& s) {
    if (s.dims > 2 || s.groups != s.in_channels || s.groups != s.out_channels || s.groups == 1) return false;
    for (int i = 0; i < s.dims; ++i)
        if (s.stride[i] != 1 || s.padding[i] > s.dilation[i] * (s.kernel[i] - 1) || s.output[i] < 1 || s.kernel[i] > 256) return false;
    return true;
}
PlaneShape plane_of(const ConvShape& s) {
    PlaneShape p{{1, 1}, {1, 1}, {1, 1}, {0, 0}, {1, 1}};
    for (int i = 0; i < s.dims; ++i) {
        int to = 2 - s.dims + i;
        p.in[to] = s.input[i], p.out[to] = s.output[i], p.kernel[to] = s.kernel[i], p.padding[to] = s.padding[i], p.dilation[to] = s.dilation[i];
    }
    return p;
}

namespace {
// A plane with its padding of zeros around it: every tap of the kernel is then one shift of the whole, row after row.
template <class T>
class PaddedPlane {
  public:
    explicit PaddedPlane(const PlaneShape& shape) : p(shape) {
        for (int i = 0; i < 2; ++i) {
            int64_t reach = p.out[i] + p.dilation[i] * (p.kernel[i] - 1);
            size_[i] = std::max(p.padding[i] + p.in[i], reach);
        }
        room_.assign(size_t(size_[0] * size_[1]), T(0));
        for (int64_t i = 0; i < p.kernel[0]; ++i)
            for (int64_t j = 0; j < p.kernel[1]; ++j) shift.push_back(i * p.dilation[0] * size_[1] + j * p.dilation[1]);
    }
    void fill(const T* plane) {
        for (int64_t r = 0; r < p.in[0]; ++r) std::copy_n(plane + r * p.in[1], p.in[1], &room_[size_t((p.padding[0] + r) * size_[1] + p.padding[1])]);
    }
    const T* row(int64_t r) const { return room_.data() + r * size_[1]; }
    int64_t step() const { return size_[1]; }
    const PlaneShape p;
    std::vector<int64_t> shift;  // of each tap

  private:
    int64_t size_[2];
    std::vector<T> room_;
};

// What a thread correlates planes with. Short rows are computed together with the gaps between them, which are left out after.
template <class T>
struct Correlation {
    PaddedPlane<T> x;
    std::vector<T> together;
    explicit Correlation(const PlaneShape& shape) : x(shape), together(shape.out[0] > 1 ? size_t((shape.out[0] - 1) * x.step() + shape.out[1]) : 0) {}
    void run(const T* in, const T* w, T start, T* out) {
        const PlaneShape& p = x.p;
        x.fill(in);
        T* to = together.empty() ? out : together.data();
        kernels().shift<T>().weighted_sum(to, x.row(0), w, x.shift.data(), int64_t(x.shift.size()), start, (p.out[0] - 1) * x.step() + p.out[1]);
        for (int64_t r = 0; !together.empty() && r < p.out[0]; ++r) std::copy_n(to + r * x.step(), p.out[1], out + r * p.out[1]);
    }
};

int64_t grain_of(const PlaneShape& p) { return std::max<int64_t>(1, 65536 / std::max<int64_t>(1, p.out[0] * p.out[1] * p.kernel[0] * p.kernel[1])); }
}  // namespace

template <class T>
void depthwise_forward(const ConvShape& s, const T* source, const T* weights, const T* bias, T* destination) {
    const PlaneShape p = plane_of(s);
    const int64_t in = p.in[0] * p.in[1], out = p.out[0] * p.out[1], taps = p.kernel[0] * p.kernel[1];
    parallel_for(s.batch * s.groups, grain_of(p), [&](int64_t begin, int64_t end) {
        Correlation<T> c(p);
        for (int64_t i = begin; i < end; ++i) c.run(source + i * in, weights + i % s.groups * taps, bias ? bias[i % s.groups] : T(0), destination + i * out);
    });
}

// The gradient of the result correlated with the kernel back to front.
template <class T>
void depthwise_backward_data(const ConvShape& s, const T* gradient, const T* weights, T* source_gradient) {
    PlaneShape p = plane_of(s);
    for (int i = 0; i < 2; ++i) {
        std::swap(p.in[i], p.out[i]);
        p.padding[i] = p.dilation[i] * (p.kernel[i] - 1) - p.padding[i];
    }
    const int64_t in = p.in[0] * p.in[1], out = p.out[0] * p.out[1], taps = p.kernel[0] * p.kernel[1];
    Buffer<T> turned(s.groups * taps);
    for (int64_t i = 0; i < s.groups; ++i) std::reverse_copy(weights + i * taps, weights + (i + 1) * taps, turned.data + i * taps);
    parallel_for(s.batch * s.groups, grain_of(p), [&](int64_t begin, int64_t end) {
        Correlation<T> c(p);
        for (int64_t i = begin; i < end; ++i) c.run(gradient + i * in, turned.data + i % s.groups * taps, T(0), source_gradient + i * out);
    });
}

template <class T>
void depthwise_backward_weights(const ConvShape& s, const T* source, const T* gradient, T* weights_gradient) {
    const PlaneShape p = plane_of(s);
    const int64_t in = p.in[0] * p.in[1], out = p.out[0] * p.out[1], taps = p.kernel[0] * p.kernel[1];
    parallel_for(s.groups, std::max<int64_t>(1, grain_of(p) / s.batch), [&](int64_t begin, int64_t end) {
        PaddedPlane<T> x(p);
        for (int64_t c = begin; c < end; ++c) {
            T* sums = weights_gradient + c * taps;
            std::fill_n(sums, taps, T(0));
            for (int64_t b = 0; b < s.batch; ++b) {
                x.fill(source + (b * s.groups + c) * in);
                const T* g = gradient + (b * s.groups + c) * out;
                for (int64_t r = 0; r < p.out[0]; ++r) kernels().shift<T>().products(sums, g + r * p.out[1], x.row(r), x.shift.data(), taps, p.out[1]);
            }
        }
    });
}

#define RL_DEPTHWISE(T)                                                                              \
    template void depthwise_forward<T>(const ConvShape&, const T*, const T*, const T*, T*);          \
    template void depthwise_backward_data<T>(const ConvShape&, const T*, const T*, T*);              \
    template void depthwise_backward_weights<T>(const ConvShape&, const T*, const T*, T*);
RL_DEPTHWISE(float)
RL_DEPTHWISE(double)

}  // namespace rl::cpu
