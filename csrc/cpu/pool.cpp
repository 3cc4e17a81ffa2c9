#include "cpu/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "cpu/buffer.h"
#include "cpu/clones.h"
#include "cpu/parallel.h"
#include "cpu/pool_rows.h"

namespace rl::cpu {
namespace {

constexpr int64_t kSerialWork = 16 * 1024;  // window elements below which one thread is faster

// The positions of one dimension that a window covers: begin, begin + step, ..., below end.
struct Window {
    int64_t begin, end, size;  // size counts padding too
};

// The shape with three spatial dimensions, and the windows of each.
struct Geometry {
    int64_t input[3], output[3], step[3];
    int64_t in_positions = 1, out_positions = 1;
    std::span<const Window> windows[3];
    bool include_pad;
    int64_t divisor;

    Geometry(const Geometry&) = delete;
    explicit Geometry(const PoolShape& s) : include_pad(s.count_include_pad), divisor(s.divisor) {
        int shift = 3 - s.dims;
        for (int i = 0; i < 3; ++i) {
            int from = i - shift;
            input[i] = from < 0 ? 1 : s.input[from];
            output[i] = from < 0 ? 1 : s.output[from];
            step[i] = from < 0 || s.adaptive ? 1 : s.dilation[from];
            in_positions *= input[i];
            out_positions *= output[i];
        }
        size_t total = size_t(output[0] + output[1] + output[2]);
        if (total > std::size(few_)) many_.resize(total);
        Window* room = many_.empty() ? few_ : many_.data();
        for (int i = 0; i < 3; ++i) {
            int from = i - shift;
            for (int64_t o = 0; o < output[i]; ++o)
                room[o] = from < 0     ? Window{0, 1, 1}
                          : s.adaptive ? adaptive_window(o, input[i], output[i])
                                       : fixed_window(s, from, o);
            windows[i] = {room, size_t(output[i])};
            room += output[i];
        }
    }
    int64_t window_work(const PoolShape& s) const {
        int64_t work = s.batch * s.channels * out_positions;
        for (auto& w : windows) work *= w.empty() ? 0 : std::max<int64_t>(1, w[0].end - w[0].begin);
        return work;
    }

  private:
    Window few_[48];  // room for the windows of a small input
    std::vector<Window> many_;

    static Window adaptive_window(int64_t o, int64_t in, int64_t out) {
        int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
        return {begin, end, end - begin};
    }
    static Window fixed_window(const PoolShape& s, int i, int64_t o) {
        int64_t begin = o * s.stride[i] - s.padding[i], end = begin + (s.kernel[i] - 1) * s.dilation[i] + 1;
        // Padding counts, but not what lies even behind it (with ceil_mode the last window may reach there).
        int64_t size = std::min(end, s.input[i] + s.padding[i]) - begin;
        if (begin < 0) begin += (-begin + s.dilation[i] - 1) / s.dilation[i] * s.dilation[i];
        return {begin, std::min(end, s.input[i]), size};
    }
};

// What sums are computed in.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

template <class T>
Wide<T> lowest() {
    if constexpr (std::is_integral_v<T>)
        return std::numeric_limits<T>::lowest();
    else
        return -std::numeric_limits<Wide<T>>::infinity();
}

template <class W>
bool beats(W value, W best) {
    if constexpr (std::is_integral_v<W>)
        return value > best;
    else
        return value > best || std::isnan(value);
}

// Calls f(output position, windows of the three dimensions) for every output position in [begin, end).
template <class F>
void for_each_output(const Geometry& g, int64_t begin, int64_t end, F f) {
    if (begin == end) return;
    int64_t w = begin % g.output[2], h = begin / g.output[2] % g.output[1], d = begin / g.output[2] / g.output[1];
    for (int64_t o = begin; o < end; ++o) {
        f(o, g.windows[0][size_t(d)], g.windows[1][size_t(h)], g.windows[2][size_t(w)]);
        if (++w == g.output[2]) {
            w = 0;
            if (++h == g.output[1]) h = 0, ++d;
        }
    }
}

// Calls f(input position) for every element of a window.
template <class F>
void for_each_input(const Geometry& g, const Window& d, const Window& h, const Window& w, F f) {
    for (int64_t z = d.begin; z < d.end; z += g.step[0])
        for (int64_t y = h.begin; y < h.end; y += g.step[1])
            for (int64_t x = w.begin; x < w.end; x += g.step[2]) f((z * g.input[1] + y) * g.input[2] + x);
}

int64_t first_position(const Geometry& g, const Window& d, const Window& h, const Window& w) {
    return (d.begin * g.input[1] + h.begin) * g.input[2] + w.begin;
}

template <class T>
void max_planar(const Geometry& g, const T* in, T* out, int64_t* indices) {
    for_each_output(g, 0, g.out_positions, [&](int64_t o, const Window& d, const Window& h, const Window& w) {
        Wide<T> best = lowest<T>();
        int64_t at = first_position(g, d, h, w);
        for_each_input(g, d, h, w, [&](int64_t i) {
            Wide<T> v = Wide<T>(in[i]);
            if (beats(v, best)) best = v, at = i;
        });
        out[o] = T(best);
        if (indices) indices[o] = at;
    });
}

// Windows of 2 x 2 that lie side by side, the usual ones: of float planes, rows first, then columns. Among equal values
// the first position counts and among NaN the last, as when a window is read in order.
bool halves(const PoolShape& s) {
    if (s.dims != 2 || s.adaptive) return false;
    for (int i = 0; i < 2; ++i)
        if (s.kernel[i] != 2 || s.stride[i] != 2 || s.padding[i] || s.dilation[i] != 1 || s.input[i] != 2 * s.output[i])
            return false;
    return true;
}

RL_CLONES void max_of_rows(const float* upper, const float* lower, int32_t at, int32_t width, float* best,
                           int32_t* where) {
    for (int32_t i = 0; i < width; ++i) {
        float a = upper[i], b = lower[i];
        bool better = (b > a) | (b != b);
        best[i] = better ? b : a;
        where[i] = at + i + (better ? width : 0);
    }
}

RL_CLONES void max_of_columns(const float* in, const int32_t* at, int64_t n, float* out, int32_t* where) {
    for (int64_t i = 0; i < n; ++i) {
        float a = in[2 * i], b = in[2 * i + 1];
        int32_t p = at[2 * i], q = at[2 * i + 1];
        bool better = (b > a) | ((b == a) & (q < p)) | ((b != b) & ((a == a) | (q > p)));
        out[i] = better ? b : a;
        where[i] = better ? q : p;
    }
}

void max_halves(const Geometry& g, const float* in, float* out, int64_t* indices) {
    int64_t width = g.input[2], rows = g.output[1];
    thread_local std::vector<float> best;
    thread_local std::vector<int32_t> where, which;
    best.resize(size_t(rows * width)), where.resize(size_t(rows * width)), which.resize(size_t(g.out_positions));
    for (int64_t y = 0; y < rows; ++y)
        max_of_rows(in + 2 * y * width, in + (2 * y + 1) * width, int32_t(2 * y * width), int32_t(width),
                    best.data() + y * width, where.data() + y * width);
    max_of_columns(best.data(), where.data(), g.out_positions, out, which.data());
    if (indices) std::copy(which.begin(), which.end(), indices);
}

// The gradient of two rows of such windows; false if an index lies outside of its window.
RL_CLONES bool spread_halves(const float* gradient, const int64_t* indices, int64_t first, int64_t width, float* upper,
                             float* lower) {
    int64_t outside = 0;
    for (int64_t i = 0; i < width / 2; ++i) {
        float g = gradient[i];
        int64_t at = indices[i] - (first + 2 * i);
        bool a = at == 0, b = at == 1, c = at == width, d = at == width + 1;
        upper[2 * i] = a ? g : 0.0f;
        upper[2 * i + 1] = b ? g : 0.0f;
        lower[2 * i] = c ? g : 0.0f;
        lower[2 * i + 1] = d ? g : 0.0f;
        outside |= !(a | b | c | d);
    }
    return !outside;
}

bool max_halves_backward(const Geometry& g, const float* gradient, const int64_t* indices, float* source_gradient) {
    int64_t width = g.input[2];
    bool inside = true;
    for (int64_t y = 0; y < g.output[1] && inside; ++y)
        inside = spread_halves(gradient + y * g.output[2], indices + y * g.output[2], 2 * y * width, width,
                               source_gradient + 2 * y * width, source_gradient + (2 * y + 1) * width);
    return inside;
}

// Channels-last: a line of channels at a time. The comparison keeps NaN once it is there.
template <class T>
[[gnu::always_inline]] inline void max_line(const T* in, int32_t at, T* best, int32_t* where, int64_t n) {
    for (int64_t c = 0; c < n; ++c) {
        bool better = !(in[c] <= best[c]) && best[c] == best[c];
        if constexpr (!std::is_integral_v<T>) better = better || in[c] != in[c];
        best[c] = better ? in[c] : best[c];
        where[c] = better ? at : where[c];
    }
}
RL_CLONES void max_lines(const float* in, int32_t at, float* best, int32_t* where, int64_t n) {
    max_line(in, at, best, where, n);
}
template <class T>
void max_lines(const T* in, int32_t at, T* best, int32_t* where, int64_t n) {
    max_line(in, at, best, where, n);
}

template <class T>
void max_channels_last(const Geometry& g, int64_t channels, const T* in, T* out, int64_t* indices, int64_t begin,
                       int64_t end) {
    using W = Wide<T>;
    auto count = static_cast<size_t>(channels);
    std::vector<W> best(count), wide(count);
    std::vector<int32_t> where(count);
    for_each_output(g, begin, end, [&](int64_t o, const Window& d, const Window& h, const Window& w) {
        std::fill(best.begin(), best.end(), lowest<T>());
        std::fill(where.begin(), where.end(), int32_t(first_position(g, d, h, w)));
        for_each_input(g, d, h, w, [&](int64_t i) {
            const T* line = in + i * channels;
            if constexpr (std::is_same_v<T, W>) {
                max_lines(line, int32_t(i), best.data(), where.data(), channels);
            } else {
                std::copy(line, line + channels, wide.begin());
                max_lines(wide.data(), int32_t(i), best.data(), where.data(), channels);
            }
        });
        for (int64_t c = 0; c < channels; ++c) out[o * channels + c] = T(best[size_t(c)]);
        if (indices) std::copy(where.begin(), where.end(), indices + o * channels);
    });
}

// Divides the work: whole planes, or in channels-last order the positions of one image after the other.
// f(image or plane, first output position, one behind the last).
template <class F>
void for_each_part(const PoolShape& s, const Geometry& g, Layout layout, F f) {
    int64_t grain_off = g.window_work(s) < kSerialWork;
    if (layout == Layout::Planar) {
        int64_t planes = s.batch * s.channels;
        parallel_for(planes, grain_off ? planes + 1 : 2, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) f(i, int64_t(0), g.out_positions);
        });
        return;
    }
    int64_t lines = g.output[0] * g.output[1], line = g.output[2];
    parallel_for(s.batch * lines, grain_off ? s.batch * lines + 1 : 2, [&](int64_t begin, int64_t end) {
        while (begin < end) {
            int64_t image = begin / lines, stop = std::min(end, (image + 1) * lines);
            f(image, (begin - image * lines) * line, (stop - image * lines) * line);
            begin = stop;
        }
    });
}

// Gradients add into the input, where windows may overlap, so a thread does whole planes or images.
template <class F>
void for_each_image(const PoolShape& s, const Geometry& g, Layout layout, F f) {
    int64_t count = layout == Layout::Planar ? s.batch * s.channels : s.batch;
    parallel_for(count, g.window_work(s) < kSerialWork ? count + 1 : 2, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) f(i);
    });
}

template <class W>
W divisor_of(const Geometry& g, const Window& d, const Window& h, const Window& w) {
    if (g.divisor) return W(g.divisor);
    if (g.include_pad) return W(d.size * h.size * w.size);
    return W((d.end - d.begin) * (h.end - h.begin) * (w.end - w.begin));
}

template <class T>
void average_planar(const Geometry& g, const T* in, T* out) {
    using W = Wide<T>;
    for_each_output(g, 0, g.out_positions, [&](int64_t o, const Window& d, const Window& h, const Window& w) {
        W sum = 0;
        for_each_input(g, d, h, w, [&](int64_t i) { sum += W(in[i]); });
        bool empty = d.begin >= d.end || h.begin >= h.end || w.begin >= w.end;
        out[o] = empty ? T(W(0)) : T(sum / divisor_of<W>(g, d, h, w));
    });
}

RL_CLONES void average_pairs(const float* upper, const float* lower, float* out, int64_t n, float divisor) {
    for (int64_t o = 0; o < n; ++o) out[o] = (((upper[2 * o] + upper[2 * o + 1]) + lower[2 * o]) + lower[2 * o + 1]) / divisor;
}

// Windows of 2 x 2 side by side, a row of results at a time.
bool average_of_pairs(const PoolShape& s, const float* in, float* out) {
    if (s.adaptive || s.dims != 2 || s.kernel[0] != 2 || s.kernel[1] != 2 || s.stride[1] != 2 || s.output[1] < 8) return false;
    for (int i = 0; i < 2; ++i)
        if (s.padding[i] || (s.output[i] - 1) * s.stride[i] + 2 > s.input[i]) return false;
    const int64_t width = s.input[1], n = s.output[1], total = s.batch * s.channels * s.output[0];
    const float divisor = float(s.divisor ? s.divisor : 4);
    parallel_for(total, total * n * 4 < kSerialWork ? total + 1 : std::max<int64_t>(1, kSerialWork / (n * 4)), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float* from = in + (r / s.output[0] * s.input[0] + r % s.output[0] * s.stride[0]) * width;
            average_pairs(from, from + width, out + r * n, n, divisor);
        }
    });
    return true;
}

// Calls f(result, its plane, place of the window's first element, visit) where a few windows lie in their planes as a whole and
// need no list; visit(g) calls g(place) for the elements of a window. False if they are others.
template <class F>
bool few_windows(const PoolShape& s, F f) {
    constexpr int64_t kFew = 256;  // elements of windows
    int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, k[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, step[3] = {1, 1, 1}, work = s.batch * s.channels;
    if (s.adaptive) return false;
    for (int i = 0; i < s.dims; ++i) {
        const int to = 3 - s.dims + i;
        in[to] = s.input[i], out[to] = s.output[i], k[to] = s.kernel[i], stride[to] = s.stride[i], step[to] = s.dilation[i];
        if (work > kFew || out[to] > kFew || k[to] > kFew) return false;
        work *= out[to] * k[to];
        if (s.padding[i] || (out[to] - 1) * stride[to] + (k[to] - 1) * step[to] >= in[to]) return false;
    }
    if (work > kFew) return false;
    int64_t o = 0;
    for (int64_t plane = 0; plane < s.batch * s.channels; ++plane)
        for (int64_t d = 0; d < out[0]; ++d)
            for (int64_t h = 0; h < out[1]; ++h)
                for (int64_t w = 0; w < out[2]; ++w, ++o) {
                    const int64_t first = (d * stride[0] * in[1] + h * stride[1]) * in[2] + w * stride[2];
                    f(o, plane * in[0] * in[1] * in[2], first, [&](auto g) {
                        for (int64_t z = 0; z < k[0]; ++z)
                            for (int64_t y = 0; y < k[1]; ++y)
                                for (int64_t x = 0; x < k[2]; ++x) g(first + (z * step[0] * in[1] + y * step[1]) * in[2] + x * step[2]);
                    });
                }
    return true;
}
bool average_of_few(const PoolShape& s, const float* in, float* out) {
    int64_t elements = 1;
    for (int i = 0; i < s.dims; ++i) elements *= s.kernel[i];
    return few_windows(s, [&](int64_t o, int64_t plane, int64_t, auto visit) {
        float sum = 0;
        visit([&](int64_t i) { sum += in[plane + i]; });
        out[o] = sum / float(s.divisor ? s.divisor : elements);
    });
}
bool max_of_few(const PoolShape& s, const float* in, float* out, int64_t* indices) {
    return few_windows(s, [&](int64_t o, int64_t plane, int64_t first, auto visit) {
        float best = lowest<float>();
        int64_t at = first;
        visit([&](int64_t i) {
            if (beats(in[plane + i], best)) best = in[plane + i], at = i;
        });
        out[o] = best;
        if (indices) indices[o] = at;
    });
}

RL_CLONES void add_line(float* sum, const float* in, int64_t n) {
    for (int64_t c = 0; c < n; ++c) sum[c] += in[c];
}
template <class T>
void add_line(Wide<T>* sum, const T* in, int64_t n) {
    for (int64_t c = 0; c < n; ++c) sum[c] += Wide<T>(in[c]);
}

template <class T>
void average_channels_last(const Geometry& g, int64_t channels, const T* in, T* out, int64_t begin, int64_t end) {
    using W = Wide<T>;
    std::vector<W> sum(static_cast<size_t>(channels));
    for_each_output(g, begin, end, [&](int64_t o, const Window& d, const Window& h, const Window& w) {
        std::fill(sum.begin(), sum.end(), W(0));
        for_each_input(g, d, h, w, [&](int64_t i) {
            if constexpr (std::is_same_v<T, float>)
                add_line(sum.data(), in + i * channels, channels);
            else
                add_line<T>(sum.data(), in + i * channels, channels);
        });
        bool empty = d.begin >= d.end || h.begin >= h.end || w.begin >= w.end;
        W divisor = empty ? W(1) : divisor_of<W>(g, d, h, w);
        for (int64_t c = 0; c < channels; ++c) out[o * channels + c] = T(sum[size_t(c)] / divisor);
    });
}

// A plane or image in which gradients are added up: the result itself, or for 16-bit types a wide copy of it.
template <class T>
class Accumulator {
  public:
    Accumulator(T* out, int64_t n) : out_(out), n_(n) {
        if constexpr (std::is_same_v<T, Wide<T>>)
            std::fill(out, out + n, T(0));
        else
            copy_.assign(size_t(n), 0.0f);
    }
    ~Accumulator() {
        if constexpr (!std::is_same_v<T, Wide<T>>)
            for (int64_t i = 0; i < n_; ++i) out_[i] = T(copy_[size_t(i)]);
    }
    Accumulator(const Accumulator&) = delete;
    Accumulator& operator=(const Accumulator&) = delete;
    Wide<T>* data() {
        if constexpr (std::is_same_v<T, Wide<T>>)
            return out_;
        else
            return copy_.data();
    }

  private:
    T* out_;
    int64_t n_;
    std::vector<float> copy_;
};

RL_CLONES void add_share(float* out, const float* in, float share, int64_t n) {
    for (int64_t c = 0; c < n; ++c) out[c] += in[c] * share;
}
template <class T>
void add_share(Wide<T>* out, const T* in, Wide<T> share, int64_t n) {
    for (int64_t c = 0; c < n; ++c) out[c] += Wide<T>(in[c]) * share;
}

}  // namespace

namespace {

// Planar images with some channels are pooled many channels at a time too: transposing costs less than it saves.
bool by_lines(const PoolShape& s, Layout layout) { return layout == Layout::Planar && s.channels >= 8; }

// Calls f(shape of one image, its input, its output in channels-last order) for each image, f writes the output.
template <class T, class F>
void pool_by_lines(const PoolShape& s, const T* in, int64_t in_positions, T* out, int64_t out_positions, F f) {
    PoolShape one = s;
    one.batch = 1;
    int64_t in_size = s.channels * in_positions, out_size = s.channels * out_positions;
    parallel_for(s.batch, s.batch * (in_size + out_size) < kSerialWork ? s.batch + 1 : 2,
                 [&](int64_t begin, int64_t end) {
                     Buffer<T> x(in_size), y(out_size);
                     for (int64_t i = begin; i < end; ++i) {
                         transpose(in + i * in_size, x.data, 1, s.channels, in_positions, sizeof(T));
                         f(i, one, x.data, y.data);
                         transpose(y.data, out + i * out_size, 1, out_positions, s.channels, sizeof(T));
                     }
                 });
}

}  // namespace

template <class T>
void max_pool_forward(const PoolShape& s, Layout layout, const T* source, T* destination, int64_t* indices) {
    if constexpr (std::is_same_v<T, float>)
        if (layout == Layout::Planar || s.channels == 1) {
            if (max_of_few(s, source, destination, indices)) return;
            if (has_long_windows(s)) return max_pool_runs(s, source, destination, indices);
            if (has_long_rows(s) && !halves(s)) return max_pool_rows(s, source, destination, indices);
        }
    Geometry g(s);
    if constexpr (std::is_same_v<T, float>)
        if (layout == Layout::Planar && halves(s) && g.in_positions <= std::numeric_limits<int32_t>::max())
            return for_each_part(s, g, layout, [&](int64_t i, int64_t, int64_t) {
                max_halves(g, source + i * g.in_positions, destination + i * g.out_positions,
                           indices ? indices + i * g.out_positions : nullptr);
            });
    if (by_lines(s, layout)) {
        int64_t size = s.channels * g.out_positions;
        return pool_by_lines(s, source, g.in_positions, destination, g.out_positions,
                             [&](int64_t image, const PoolShape& one, const T* x, T* y) {
                                 Buffer<int64_t> at(indices ? size : 0);
                                 max_pool_forward(one, Layout::ChannelsLast, x, y, at.data);
                                 if (indices)
                                     transpose(at.data, indices + image * size, 1, g.out_positions, s.channels, 8);
                             });
    }
    bool planar = layout == Layout::Planar || s.channels == 1;
    for_each_part(s, g, planar ? Layout::Planar : layout, [&](int64_t i, int64_t begin, int64_t end) {
        int64_t in = i * g.in_positions, out = i * g.out_positions, c = s.channels;
        if (planar)
            max_planar(g, source + in, destination + out, indices ? indices + out : nullptr);
        else
            max_channels_last(g, c, source + in * c, destination + out * c, indices ? indices + out * c : nullptr,
                              begin, end);
    });
}

template <class T>
void max_pool_backward(const PoolShape& s, Layout layout, const T* gradient, const int64_t* indices,
                       T* source_gradient) {
    Geometry g(s);
    int64_t c = layout == Layout::Planar ? 1 : s.channels;
    bool side_by_side = std::is_same_v<T, float> && layout == Layout::Planar && halves(s);
    for_each_image(s, g, layout, [&](int64_t image) {
        T* to = source_gradient + image * g.in_positions * c;
        const T* from = gradient + image * g.out_positions * c;
        const int64_t* at = indices + image * g.out_positions * c;
        if constexpr (std::is_same_v<T, float>)
            if (side_by_side && max_halves_backward(g, from, at, to)) return;
        Accumulator<T> sum(to, g.in_positions * c);
        for (int64_t o = 0; o < g.out_positions; ++o)
            for (int64_t j = 0; j < c; ++j) sum.data()[at[o * c + j] * c + j] += Wide<T>(from[o * c + j]);
    });
}

template <class T>
void average_pool_forward(const PoolShape& s, Layout layout, const T* source, T* destination) {
    if constexpr (std::is_same_v<T, float>)
        if (layout == Layout::Planar || s.channels == 1) {
            if (has_long_windows(s)) return average_pool_runs(s, source, destination);
            if (average_of_few(s, source, destination) || average_of_pairs(s, source, destination)) return;
            if (has_long_rows(s)) return average_pool_rows(s, source, destination);
        }
    Geometry g(s);
    if (by_lines(s, layout))
        return pool_by_lines(s, source, g.in_positions, destination, g.out_positions,
                             [](int64_t, const PoolShape& one, const T* x, T* y) {
                                 average_pool_forward(one, Layout::ChannelsLast, x, y);
                             });
    bool planar = layout == Layout::Planar || s.channels == 1;
    for_each_part(s, g, planar ? Layout::Planar : layout, [&](int64_t i, int64_t begin, int64_t end) {
        int64_t in = i * g.in_positions, out = i * g.out_positions, c = s.channels;
        if (planar)
            average_planar(g, source + in, destination + out);
        else
            average_channels_last(g, c, source + in * c, destination + out * c, begin, end);
    });
}

template <class T>
void average_pool_backward(const PoolShape& s, Layout layout, const T* gradient, T* source_gradient) {
    using W = Wide<T>;
    Geometry g(s);
    if (by_lines(s, layout))
        return pool_by_lines(s, gradient, g.out_positions, source_gradient, g.in_positions,
                             [](int64_t, const PoolShape& one, const T* y, T* x) {
                                 average_pool_backward(one, Layout::ChannelsLast, y, x);
                             });
    int64_t c = layout == Layout::Planar ? 1 : s.channels;
    for_each_image(s, g, layout, [&](int64_t image) {
        Accumulator<T> sum(source_gradient + image * g.in_positions * c, g.in_positions * c);
        const T* from = gradient + image * g.out_positions * c;
        for_each_output(g, 0, g.out_positions, [&](int64_t o, const Window& d, const Window& h, const Window& w) {
            if (d.begin >= d.end || h.begin >= h.end || w.begin >= w.end) return;
            W share = W(1) / divisor_of<W>(g, d, h, w);
            for_each_input(g, d, h, w, [&](int64_t i) {
                if (c == 1)
                    sum.data()[i] += W(from[o]) * share;
                else if constexpr (std::is_same_v<T, float>)
                    add_share(sum.data() + i * c, from + o * c, share, c);
                else
                    add_share<T>(sum.data() + i * c, from + o * c, share, c);
            });
        });
    });
}

#define RL_MAX_POOL(T)                                                                   \
    template void max_pool_forward<T>(const PoolShape&, Layout, const T*, T*, int64_t*); \
    template void max_pool_backward<T>(const PoolShape&, Layout, const T*, const int64_t*, T*);
#define RL_AVERAGE_POOL(T)                                                         \
    template void average_pool_forward<T>(const PoolShape&, Layout, const T*, T*); \
    template void average_pool_backward<T>(const PoolShape&, Layout, const T*, T*);

RL_MAX_POOL(float)
RL_MAX_POOL(double)
RL_MAX_POOL(Half)
RL_MAX_POOL(BFloat16)
RL_MAX_POOL(uint8_t)
RL_MAX_POOL(int8_t)
RL_MAX_POOL(int16_t)
RL_MAX_POOL(int32_t)
RL_MAX_POOL(int64_t)
RL_AVERAGE_POOL(float)
RL_AVERAGE_POOL(double)
RL_AVERAGE_POOL(Half)
RL_AVERAGE_POOL(BFloat16)

}  // namespace rl::cpu
