#include "cpu/pool_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/clones.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl::cpu {
namespace {

constexpr int64_t kRun = 1024;  // results computed together
constexpr int64_t kLongWindow = 16;
constexpr int64_t kGrain = 32 * 1024;  // elements of windows for a thread

// The shape with three spatial dimensions.
struct Planes {
    int64_t count, in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
    int64_t in_size, out_size;
    explicit Planes(const PoolShape& s) : count(s.batch * s.channels) {
        for (int i = 0; i < 3; ++i) {
            const int from = i - (3 - s.dims);
            const bool real = from >= 0, fixed = real && !s.adaptive;
            in[i] = real ? s.input[from] : 1, out[i] = real ? s.output[from] : 1;
            kernel[i] = fixed ? s.kernel[from] : 1, stride[i] = fixed ? s.stride[from] : 1;
            padding[i] = fixed ? s.padding[from] : 0, dilation[i] = fixed ? s.dilation[from] : 1;
        }
        in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
    }
    // The elements of the kernel that are inside of the input for result o of dimension d: [first, last).
    void taps(int d, int64_t o, int64_t& first, int64_t& last) const {
        const int64_t begin = o * stride[d] - padding[d];
        first = begin < 0 ? (-begin + dilation[d] - 1) / dilation[d] : 0;
        last = begin >= in[d] ? first : std::max(first, std::min(kernel[d], (in[d] - 1 - begin) / dilation[d] + 1));
    }
    int64_t position(int d, int64_t o, int64_t tap) const { return o * stride[d] - padding[d] + tap * dilation[d]; }
};

// ---- one element of the kernel for a run of results; S: the stride, 0 where it is only known at run time
template <int S>
RL_CLONES void first_max(float* best, const float* a, const float* b, int64_t n, int64_t stride) {
    const int64_t step = S ? S : stride;
    for (int64_t i = 0; i < n; ++i) {
        const float x = a[step * i], y = b[step * i];
        best[i] = (y > x) | (y != y) ? y : x;
    }
}
template <int S>
RL_CLONES void next_max(float* best, const float* a, int64_t n, int64_t stride) {
    const int64_t step = S ? S : stride;
    for (int64_t i = 0; i < n; ++i) {
        const float x = best[i], y = a[step * i];
        best[i] = (y > x) | (y != y) ? y : x;
    }
}
// `where` holds the tap, whose place the result's own is added to at the end.
template <int S>
RL_CLONES void next_max_at(float* best, int32_t* where, const float* a, int32_t tap, int64_t n, int64_t stride) {
    const int64_t step = S ? S : stride;
    for (int64_t i = 0; i < n; ++i) {
        const float x = best[i], y = a[step * i];
        const bool better = (y > x) | (y != y);
        best[i] = better ? y : x;
        where[i] = better ? tap : where[i];
    }
}
template <int S>
RL_CLONES void next_sum(float* sum, const float* a, int64_t n, int64_t stride) {
    const int64_t step = S ? S : stride;
    for (int64_t i = 0; i < n; ++i) sum[i] += a[step * i];
}
RL_CLONES void place(int64_t* indices, const int32_t* where, int64_t first, int64_t stride, int64_t n) {
    for (int64_t i = 0; i < n; ++i) indices[i] = first + i * stride + where[i];
}
RL_CLONES void divide(float* y, const float* x, float by, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] / by;
}

using NextRun = void (*)(float*, const float*, int64_t, int64_t);
NextRun for_stride(int64_t stride, NextRun one, NextRun two, NextRun any) { return stride == 1 ? one : stride == 2 ? two : any; }

// A run of results: n of them from result o on, of row (d, h) of a plane; `whole` if all windows lie inside along the row.
struct Run {
    int64_t plane, d, h, o, n;
    bool whole;
};

// Calls f(run) for all results. A row's windows that reach beyond its ends are runs of one.
template <class F>
void each_run(const Planes& p, F f) {
    const int64_t reach = (p.kernel[2] - 1) * p.dilation[2];
    const int64_t low = std::min((p.padding[2] + p.stride[2] - 1) / p.stride[2], p.out[2]);
    const int64_t room = p.in[2] - 1 - reach + p.padding[2];
    const int64_t high = std::clamp(room < 0 ? 0 : room / p.stride[2] + 1, low, p.out[2]);
    const int64_t parts = (p.out[2] + kRun - 1) / kRun, work = std::min(kRun, p.out[2]) * p.kernel[0] * p.kernel[1] * p.kernel[2];
    parallel_for(p.count * p.out[0] * p.out[1] * parts, std::max<int64_t>(2, kGrain / work), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t row = i / parts, h = row % p.out[1], d = row / p.out[1] % p.out[0], plane = row / p.out[1] / p.out[0];
            const int64_t from = i % parts * kRun, to = std::min(from + kRun, p.out[2]);
            const int64_t inner = std::clamp(low, from, to), outer = std::clamp(high, inner, to);
            for (int64_t o = from; o < inner; ++o) f(Run{plane, d, h, o, 1, false});
            if (inner < outer) f(Run{plane, d, h, inner, outer - inner, true});
            for (int64_t o = outer; o < to; ++o) f(Run{plane, d, h, o, 1, false});
        }
    });
}

// Calls f(place in the plane of the run's first window's element) for each element of the kernel that is inside, in order.
template <class F>
void each_tap(const Planes& p, const Run& r, F f) {
    int64_t d0, d1, h0, h1, w0 = 0, w1 = p.kernel[2];
    p.taps(0, r.d, d0, d1), p.taps(1, r.h, h0, h1);
    if (!r.whole) p.taps(2, r.o, w0, w1);
    for (int64_t i = d0; i < d1; ++i)
        for (int64_t j = h0; j < h1; ++j)
            for (int64_t k = w0; k < w1; ++k)
                f((p.position(0, r.d, i) * p.in[1] + p.position(1, r.h, j)) * p.in[2] + p.position(2, r.o, k));
}

int64_t result_place(const Planes& p, const Run& r) { return ((r.plane * p.out[0] + r.d) * p.out[1] + r.h) * p.out[2] + r.o; }

// Where the window of a result begins that has no element inside, as cpu/pool.cpp counts it.
int64_t place_of_nothing(const Planes& p, const Run& r) {
    int64_t at = 0;
    const int64_t o[3] = {r.d, r.h, r.o};
    for (int i = 0; i < 3; ++i) {
        int64_t first, last;
        p.taps(i, o[i], first, last);
        at = at * p.in[i] + p.position(i, o[i], first);
    }
    return at;
}

void max_with_places(const Planes& p, const Run& r, const float* in, float* best, int64_t* indices) {
    int32_t where[kRun];
    const int64_t n = r.n, stride = p.stride[2];
    const auto next = stride == 1 ? next_max_at<1> : stride == 2 ? next_max_at<2> : next_max_at<0>;
    int64_t first = -1;
    each_tap(p, r, [&](int64_t at) {
        if (first < 0) {
            first = at;
            std::fill_n(best, n, -std::numeric_limits<float>::infinity());
            std::fill_n(where, n, 0);
        }
        next(best, where, in + at, int32_t(at - first), n, stride);
    });
    if (first >= 0) return place(indices, where, first, stride, n);
    for (int64_t i = 0; i < n; ++i) best[i] = -std::numeric_limits<float>::infinity(), indices[i] = place_of_nothing(p, {r.plane, r.d, r.h, r.o + i, 1, false});
}

void max_values(const Planes& p, const Run& r, const float* in, float* best) {
    const int64_t n = r.n, stride = p.stride[2];
    const auto pair = stride == 1 ? first_max<1> : stride == 2 ? first_max<2> : first_max<0>;
    const NextRun next = for_stride(stride, next_max<1>, next_max<2>, next_max<0>);
    int64_t taps = 0, first = 0;
    each_tap(p, r, [&](int64_t at) {
        if (taps == 0) first = at;
        else if (taps == 1) pair(best, in + first, in + at, n, stride);
        else next(best, in + at, n, stride);
        ++taps;
    });
    if (taps == 1) pair(best, in + first, in + first, n, stride);
    if (taps == 0) std::fill_n(best, n, -std::numeric_limits<float>::infinity());
}

// What a window counts as along one dimension: its padding too, but not what lies even behind that.
int64_t padded_size(const Planes& p, int d, int64_t o) {
    const int64_t begin = o * p.stride[d] - p.padding[d];
    return std::min(begin + p.kernel[d], p.in[d] + p.padding[d]) - begin;
}

// The last of several NaN, as when a window is read in order, or the first of the largest.
int64_t place_of_max(const float* x, int64_t n) {
    int64_t k = kernels().reduce<float>().argmax(x, n);
    if (x[k] != x[k])
        for (k = n - 1; x[k] == x[k];) --k;
    return k;
}

// Calls f(result, its window: begins and ends) for each adaptive window.
template <class F>
void each_window(const Planes& p, F f) {
    const int64_t work = std::max<int64_t>(1, p.in_size / std::max<int64_t>(1, p.out_size));
    parallel_for(p.count * p.out_size, std::max<int64_t>(2, kGrain / work), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t o[3] = {i / (p.out[2] * p.out[1]) % p.out[0], i / p.out[2] % p.out[1], i % p.out[2]};
            int64_t from[3], to[3];
            for (int d = 0; d < 3; ++d) from[d] = o[d] * p.in[d] / p.out[d], to[d] = ((o[d] + 1) * p.in[d] + p.out[d] - 1) / p.out[d];
            f(i, from, to);
        }
    });
}

}  // namespace

bool has_long_rows(const PoolShape& s) {
    const int last = s.dims - 1;
    int64_t plane = 1;
    for (int i = 0; i < s.dims; ++i) plane *= s.input[i];
    return !s.adaptive && s.output[last] >= 16 && s.stride[last] <= 4 && plane <= std::numeric_limits<int32_t>::max();
}
bool has_long_windows(const PoolShape& s) {
    const int last = s.dims - 1;
    return s.adaptive && s.output[last] > 0 && s.input[last] / s.output[last] >= kLongWindow;
}

void max_pool_rows(const PoolShape& s, const float* source, float* destination, int64_t* indices) {
    const Planes p(s);
    each_run(p, [&](const Run& r) {
        const float* in = source + r.plane * p.in_size;
        const int64_t at = result_place(p, r);
        if (indices) max_with_places(p, r, in, destination + at, indices + at);
        else max_values(p, r, in, destination + at);
    });
}

void average_pool_rows(const PoolShape& s, const float* source, float* destination) {
    const Planes p(s);
    const NextRun next = for_stride(p.stride[2], next_sum<1>, next_sum<2>, next_sum<0>);
    each_run(p, [&](const Run& r) {
        const float* in = source + r.plane * p.in_size;
        float *y = destination + result_place(p, r), sum[kRun];
        std::fill_n(sum, r.n, 0.0f);
        int64_t taps = 0;
        each_tap(p, r, [&](int64_t at) { next(sum, in + at, r.n, p.stride[2]), ++taps; });
        const int64_t padded = padded_size(p, 0, r.d) * padded_size(p, 1, r.h) * padded_size(p, 2, r.o);
        if (taps) divide(y, sum, float(s.divisor ? s.divisor : s.count_include_pad ? padded : taps), r.n);
        else std::fill_n(y, r.n, 0.0f);
    });
}

void max_pool_runs(const PoolShape& s, const float* source, float* destination, int64_t* indices) {
    const Planes p(s);
    each_window(p, [&](int64_t i, const int64_t* from, const int64_t* to) {
        const float* plane = source + i / p.out_size * p.in_size;
        int64_t best = -1;
        for (int64_t z = from[0]; z < to[0]; ++z)
            for (int64_t y = from[1]; y < to[1]; ++y) {
                const int64_t row = (z * p.in[1] + y) * p.in[2] + from[2], n = to[2] - from[2];
                // The place is looked for only where there is something better.
                if (best < 0 || !(kernels().reduce<float>().max(plane + row, n) <= plane[best])) {
                    const int64_t at = row + place_of_max(plane + row, n);
                    if (best < 0 || plane[at] > plane[best] || std::isnan(plane[at])) best = at;
                }
            }
        destination[i] = plane[best];
        if (indices) indices[i] = best;
    });
}

void average_pool_runs(const PoolShape& s, const float* source, float* destination) {
    const Planes p(s);
    each_window(p, [&](int64_t i, const int64_t* from, const int64_t* to) {
        const float* plane = source + i / p.out_size * p.in_size;
        float sum = 0;
        for (int64_t z = from[0]; z < to[0]; ++z)
            for (int64_t y = from[1]; y < to[1]; ++y)
                sum += kernels().reduce<float>().sum(plane + (z * p.in[1] + y) * p.in[2] + from[2], to[2] - from[2]);
        destination[i] = sum / float((to[0] - from[0]) * (to[1] - from[1]) * (to[2] - from[2]));
    });
}

}  // namespace rl::cpu
