#include <type_traits>

#include "cpu/kernels/table.h"
#include "cpu/math.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

// The tree of every sum: eight vectors side by side over a block, folded in halves; blocks added like carries of a
// binary counter, that is, pairwise. `term` makes the vector to be added at an index from a loader.
template <class T, class Term>
RL_INLINE Vec<T> block_sum(int64_t begin, int64_t end, Term term) {
    using V = Vec<T>;
    constexpr int W = V::size;
    V acc[8];
    RL_UNROLL
    for (auto& a : acc) a = V(T(0));
    int64_t i = begin;
    for (; i + 8 * W <= end; i += 8 * W) RL_UNROLL
    for (int j = 0; j < 8; ++j) acc[j] = term(acc[j], i + j * W, W);
    int lane = 0;
    for (; i + W <= end; i += W, ++lane) {
        switch (lane) {  // a constant index keeps the accumulators in registers
            case 0:
                acc[0] = term(acc[0], i, W);
                break;
            case 1:
                acc[1] = term(acc[1], i, W);
                break;
            case 2:
                acc[2] = term(acc[2], i, W);
                break;
            case 3:
                acc[3] = term(acc[3], i, W);
                break;
            case 4:
                acc[4] = term(acc[4], i, W);
                break;
            case 5:
                acc[5] = term(acc[5], i, W);
                break;
            default:
                acc[6] = term(acc[6], i, W);
                break;
        }
    }
    if (i < end) acc[7] = term(acc[7], i, int(end - i));
    return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}

template <class T, class Term>
RL_INLINE T tree_sum(int64_t n, Term term) {
    if (n <= kSumBlock) return hsum(block_sum<T>(0, n, term));
    T parts[64];  // parts[k] is the sum of 2^k blocks where bit k of `count` is set
    int64_t count = 0;
    for (int64_t i = 0; i < n; i += kSumBlock, ++count) {
        T s = hsum(block_sum<T>(i, i + kSumBlock < n ? i + kSumBlock : n, term));
        int k = 0;
        for (; (count >> k) & 1; ++k) s = parts[k] + s;
        parts[k] = s;
    }
    T total = T(0);
    for (int k = 0; k < 63; ++k)
        if ((count >> k) & 1) total = parts[k] + total;
    return total;
}

template <class T>
RL_INLINE Vec<T> load_some(const T* p, int n) {
    return n == Vec<T>::size ? Vec<T>::load(p) : Vec<T>::load(p, n);
}

// What is beyond the second cache is asked for early: the folding at a block's end leaves the loads no lead of their own.
template <class T>
T sum(const T* x, int64_t n) {
    return tree_sum<T>(n, [x](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        __builtin_prefetch(x + i + 4096 / int64_t(sizeof(T)));
        return a + load_some(x + i, w);
    });
}
template <class T>
T sum_squares(const T* x, int64_t n) {
    return tree_sum<T>(n, [x](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        const Vec<T> v = load_some(x + i, w);
        return fma(v, v, a);
    });
}
template <class T>
T sum_abs(const T* x, int64_t n) {
    return tree_sum<T>(
        n, [x](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) { return a + abs(load_some(x + i, w)); });
}
template <class T>
T sum_numbers(const T* x, int64_t n) {
    return tree_sum<T>(n, [x](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        const Vec<T> v = load_some(x + i, w);
        return a + where(isnan(v), Vec<T>(T(0)), v);
    });
}
template <class T>
T sum_squared_differences(const T* x, const T* y, int64_t n) {
    return tree_sum<T>(n, [x, y](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        const Vec<T> d = load_some(x + i, w) - load_some(y + i, w);
        return fma(d, d, a);
    });
}
template <class T>
T sum_absolute_differences(const T* x, const T* y, int64_t n) {
    return tree_sum<T>(n, [x, y](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        return a + abs(load_some(x + i, w) - load_some(y + i, w));
    });
}
template <class T>
T dot(const T* x, const T* y, int64_t n) {
    return tree_sum<T>(n, [x, y](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        return fma(load_some(x + i, w), load_some(y + i, w), a);
    });
}

template <class T>
T prod(const T* x, int64_t n) {
    using V = Vec<T>;
    constexpr int W = V::size;
    V a = T(1), b = T(1), c = T(1), d = T(1);
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        RL_UNROLL
        for (int j = 0; j < 4; ++j) __builtin_prefetch(x + i + j * W + 4096 / int64_t(sizeof(T)));
        a *= V::load(x + i);
        b *= V::load(x + i + W);
        c *= V::load(x + i + 2 * W);
        d *= V::load(x + i + 3 * W);
    }
    for (; i < n; i += W) a *= V::load(x + i, int(n - i < W ? n - i : W), T(1));
    const V v = (a * b) * (c * d);
    T r = v[0];
    for (int j = 1; j < W; ++j) r *= v[j];
    return r;
}

// The largest element, or NaN if there is one. Largest = false: the smallest, by the same code on -x.
template <bool Largest, class T>
RL_INLINE T extreme(const T* x, int64_t n) {
    using V = Vec<T>;
    constexpr int W = V::size;
    constexpr T worst = Largest ? -T(__builtin_inf()) : T(__builtin_inf());
    const auto better = [](V v, V best) __attribute__((always_inline)) {  // NaN in v loses, and is recorded apart
        return Largest ? fast_max(v, best) : fast_min(v, best);
    };
    V best[4] = {V(worst), V(worst), V(worst), V(worst)};
    V seen = T(0);  // becomes NaN for good
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        V v[4];
        RL_UNROLL
        for (int j = 0; j < 4; ++j) {
            v[j] = V::load(x + i + j * W);
            best[j] = better(v[j], best[j]);
        }
        const auto bad = (isnan(v[0]) | isnan(v[1])) | (isnan(v[2]) | isnan(v[3]));
        seen = where(bad, V(T(__builtin_nan(""))), seen);
    }
    for (; i < n; i += W) {
        const V v = V::load(x + i, int(n - i < W ? n - i : W), worst);
        best[0] = better(v, best[0]);
        seen = where(isnan(v), V(T(__builtin_nan(""))), seen);
    }
    if (any(isnan(seen))) return T(__builtin_nan(""));
    const V v = better(better(best[0], best[1]), better(best[2], best[3]));
    return Largest ? hmax(v) : hmin(v);
}
template <class T>
T max(const T* x, int64_t n) {
    return extreme<true>(x, n);
}
template <class T>
T min(const T* x, int64_t n) {
    return extreme<false>(x, n);
}

// The value of each block first, then a search of the one block that holds the winner.
template <bool Largest, class T>
RL_INLINE int64_t arg_extreme(const T* x, int64_t n) {
    constexpr int64_t block = 2048;
    T best = x[0];
    int64_t start = 0;
    for (int64_t i = 0; i < n; i += block) {
        const T v = extreme<Largest>(x + i, n - i < block ? n - i : block);
        const bool wins = Largest ? v > best : v < best;
        if (v != v || wins) {
            best = v;
            start = i;
            if (v != v) break;
        }
    }
    const Vec<T> wanted = best;
    for (int64_t i = start; i < n; i += Vec<T>::size) {
        const int w = int(n - i < Vec<T>::size ? n - i : Vec<T>::size);
        const Vec<T> v = load_some(x + i, w);
        if (!any((v == wanted) | isnan(v))) continue;
        for (int j = 0; j < w; ++j)
            if (best != best ? x[i + j] != x[i + j] : x[i + j] == best) return i + j;
    }
    return start;
}
template <class T>
int64_t argmax(const T* x, int64_t n) {
    return arg_extreme<true>(x, n);
}
template <class T>
int64_t argmin(const T* x, int64_t n) {
    return arg_extreme<false>(x, n);
}

// Two passes over each block while it is in the cache, blocks merged.
template <class T>
void moments(const T* x, int64_t n, double* mean, double* squares) {
    double count = 0, m = 0, s = 0;
    for (int64_t i = 0; i < n; i += kSumBlock) {
        const int64_t size = n - i < kSumBlock ? n - i : kSumBlock;
        const T* p = x + i;
        const double block_mean = double(sum(p, size)) / double(size);
        const T centre = T(block_mean);
        const auto deviation = [p, centre](Vec<T> a, int64_t j, int w) __attribute__((always_inline)) {
            const Vec<T> d = w == Vec<T>::size ? Vec<T>::load(p + j) - centre : Vec<T>::load(p + j, w, centre) - centre;
            return fma(d, d, a);
        };
        const double off = block_mean - double(centre);  // what the rounding of the mean to T cost
        const double block_squares = double(hsum(block_sum<T>(0, size, deviation))) - off * off * double(size);
        if (count == 0) {
            count = double(size), m = block_mean, s = block_squares;
        } else {
            const double total = count + double(size), delta = block_mean - m;
            m += delta * (double(size) / total);
            s += block_squares + delta * delta * (count * double(size) / total);
            count = total;
        }
    }
    *mean = n ? m : __builtin_nan("");
    *squares = s < 0 ? 0 : s;
}

template <class T>
T logsumexp(const T* x, int64_t n) {
    const T top = max(x, n);
    if (!(top - top == 0)) return top;  // an infinity or NaN
    const T s = tree_sum<T>(n, [x, top](Vec<T> a, int64_t i, int w) __attribute__((always_inline)) {
        if (w == Vec<T>::size) return a + m::exp(Vec<T>::load(x + i) - top);
        return a + m::exp(Vec<T>::load(x + i, w, -T(__builtin_inf())) - top);
    });
    return top + m::log(s);
}

template <class T>
void acc_sum(T* acc, const T* x, int64_t n) {
    map<T>(n, acc, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return a + b; }, acc, x);
}
template <class T>
void acc_prod(T* acc, const T* x, int64_t n) {
    map<T>(n, acc, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return a * b; }, acc, x);
}
template <class T>
void acc_max(T* acc, const T* x, int64_t n) {
    map<T>(n, acc, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return maximum(a, b); }, acc, x);
}
template <class T>
void acc_min(T* acc, const T* x, int64_t n) {
    map<T>(n, acc, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return minimum(a, b); }, acc, x);
}
template <class T>
void axpy(T* y, T a, const T* x, int64_t n) {
    map<T>(n, y, [a](Vec<T> u, Vec<T> v) __attribute__((always_inline)) { return fma(v, Vec<T>(a), u); }, y, x);
}

// Columns [begin, begin + K vectors) summed over a block of rows, four rows at a time.
template <int K, class T>
RL_INLINE void sum_column_block(Vec<T>* total, const T* x, int64_t rows, int64_t stride, int last) {
    using V = Vec<T>;
    V acc[K];
    RL_UNROLL
    for (auto& a : acc) a = V(T(0));
    for (int64_t r = 0; r < rows; ++r, x += stride) RL_UNROLL
    for (int j = 0; j < K; ++j) acc[j] += j == K - 1 ? load_some(x + j * V::size, last) : V::load(x + j * V::size);
    RL_UNROLL
    for (int j = 0; j < K; ++j) total[j] += acc[j];
}
template <int K, class T>
RL_INLINE void sum_columns(T* y, const T* x, int64_t rows, int64_t stride, int last) {
    using V = Vec<T>;
    V total[K];
    RL_UNROLL
    for (auto& t : total) t = V(T(0));
    constexpr int64_t block = 128;  // sums of sums of 128 rows: no long chain of roundings
    constexpr int64_t outer = 128 * block;
    for (int64_t r = 0; r < rows; r += outer) {
        V part[K];
        RL_UNROLL
        for (auto& p : part) p = V(T(0));
        const int64_t end = rows - r < outer ? rows : r + outer;
        for (int64_t q = r; q < end; q += block)
            sum_column_block<K>(part, x + q * stride, end - q < block ? end - q : block, stride, last);
        RL_UNROLL
        for (int j = 0; j < K; ++j) total[j] += part[j];
    }
    RL_UNROLL
    for (int j = 0; j < K; ++j) total[j].store(y + j * V::size, j == K - 1 ? last : V::size);
}
// The same sums, in the same order, for many columns: whole rows are read one behind another, four at a time, which the
// machine foresees better than columns.
constexpr int64_t kStrip = 2048 / RL_VEC_BYTES * RL_VEC_BYTES;  // bytes of a row
template <class T>
RL_INLINE void add_rows(T* acc, const T* x, int64_t rows, int64_t n, int64_t stride) {
    using V = Vec<T>;
    for (int64_t i = 0; i < n; i += V::size) V(T(0)).store(acc + i);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int64_t i = 0; i < n; i += V::size) {
            V a = V::load(acc + i) + V::load(x + i);
            a += V::load(x + stride + i);
            a += V::load(x + 2 * stride + i);
            (a + V::load(x + 3 * stride + i)).store(acc + i);
        }
    for (; r < rows; ++r, x += stride)
        for (int64_t i = 0; i < n; i += V::size) (V::load(acc + i) + V::load(x + i)).store(acc + i);
}
template <class T>
RL_INLINE void add_to(T* y, const T* x, int64_t n) {
    for (int64_t i = 0; i < n; i += Vec<T>::size) (Vec<T>::load(y + i) + Vec<T>::load(x + i)).store(y + i);
}
template <class T>
RL_INLINE void sum_strip(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
    constexpr int64_t block = 128, outer = 128 * block, most = kStrip / int64_t(sizeof(T));
    T acc[most], part[most];
    for (int64_t i = 0; i < n; ++i) y[i] = T(0);
    for (int64_t r = 0; r < rows; r += outer) {
        for (int64_t i = 0; i < n; ++i) part[i] = T(0);
        const int64_t end = rows - r < outer ? rows : r + outer;
        for (int64_t q = r; q < end; q += block) {
            add_rows(acc, x + q * stride, end - q < block ? end - q : block, n, stride);
            add_to(part, acc, n);
        }
        add_to(y, part, n);
    }
}
template <class T>
void sum_rows(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
    constexpr int W = Vec<T>::size, wide = 4;
    constexpr int64_t most = kStrip / int64_t(sizeof(T));
    int64_t i = 0;
    for (; rows >= 16 && i + 8 * W <= n;) {
        const int64_t m = (n - i < most ? n - i : most) / W * W;
        sum_strip(y + i, x + i, rows, m, stride);
        i += m;
    }
    for (; i + wide * W <= n; i += wide * W) sum_columns<wide>(y + i, x + i, rows, stride, W);
    for (; i < n; i += W) sum_columns<1>(y + i, x + i, rows, stride, int(n - i < W ? n - i : W));
}

template <class T>
constexpr ReduceKernels<T> table = {
    sum<T>,     sum_squares<T>, sum_abs<T>, sum_numbers<T>, sum_squared_differences<T>, sum_absolute_differences<T>, dot<T>,      prod<T>,    max<T>,     min<T>,      argmax<T>, argmin<T>,
    moments<T>, logsumexp<T>,   acc_sum<T>, acc_prod<T>, acc_max<T>, acc_min<T>, sum_rows<T>, axpy<T>,
};

// Bytes as wide vectors: 1 in each lane that is not zero.
using Bytes [[gnu::vector_size(RL_VEC_BYTES)]] = uint8_t;
RL_INLINE Bytes nonzero(const uint8_t* p) {
    Bytes v;
    __builtin_memcpy(&v, p, sizeof(v));
    return (Bytes)(v != 0) & 1;
}
// The sum of all lanes.
RL_INLINE int64_t lane_sum(Bytes v) {
    uint8_t lane[RL_VEC_BYTES];
    __builtin_memcpy(lane, &v, sizeof(v));
    int64_t sum = 0;
    for (int i = 0; i < RL_VEC_BYTES; ++i) sum += lane[i];
    return sum;
}
constexpr int64_t kCounted = 255 * 16;  // bytes whose count fits a lane of the shortest vector

// How many of the n <= kCounted bytes are not zero.
RL_INLINE int64_t count_block(const uint8_t* x, int64_t n) {
    Bytes counts = {};
    int64_t i = 0, rest = 0;
    for (; i + RL_VEC_BYTES <= n; i += RL_VEC_BYTES) counts += nonzero(x + i);
    for (; i < n; ++i) rest += x[i] != 0;
    return lane_sum(counts) + rest;
}

}  // namespace

constinit const ReduceKernels<float> reduce_f32 = table<float>;
constinit const ReduceKernels<double> reduce_f64 = table<double>;

// Block by block, so that an answer found early ends the search.
bool any(const uint8_t* x, int64_t n) {
    for (int64_t i = 0; i < n; i += kCounted)
        if (count_block(x + i, n - i < kCounted ? n - i : kCounted) != 0) return true;
    return false;
}
bool all(const uint8_t* x, int64_t n) {
    for (int64_t i = 0; i < n; i += kCounted) {
        const int64_t size = n - i < kCounted ? n - i : kCounted;
        if (count_block(x + i, size) != size) return false;
    }
    return true;
}
int64_t count_nonzero(const uint8_t* x, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i += kCounted) count += count_block(x + i, n - i < kCounted ? n - i : kCounted);
    return count;
}

// Four vectors of sums, so that an addition need not wait for the one before it.
template <class T>
RL_INLINE int64_t sum_whole(const T* x, int64_t n) {
    constexpr int lanes = RL_VEC_BYTES / 8;
    using Sums [[gnu::vector_size(RL_VEC_BYTES)]] = uint64_t;
    using Some [[gnu::vector_size(lanes * sizeof(T))]] = T;
    Sums a{}, b{}, c{}, d{};
    const auto at = [x](int64_t i) __attribute__((always_inline)) {
        __builtin_prefetch(x + i + 4096 / int64_t(sizeof(T)));
        Some v;
        __builtin_memcpy(&v, x + i, sizeof(v));
        return (Sums)__builtin_convertvector(v, detail::I64);
    };
    int64_t i = 0;
    for (; i + 4 * lanes <= n; i += 4 * lanes) a += at(i), b += at(i + lanes), c += at(i + 2 * lanes), d += at(i + 3 * lanes);
    const Sums all = (a + b) + (c + d);
    uint64_t s = 0;
    for (int j = 0; j < lanes; ++j) s += all[j];
    for (; i < n; ++i) s += uint64_t(int64_t(x[i]));
    return int64_t(s);
}
int64_t sum_i64(const int64_t* x, int64_t n) { return sum_whole(x, n); }
int64_t sum_i32(const int32_t* x, int64_t n) { return sum_whole(x, n); }
float sum_bf16(const uint16_t* x, int64_t n) {
    using Half [[gnu::vector_size(RL_VEC_BYTES / 2)]] = uint16_t;
    using Whole [[gnu::vector_size(RL_VEC_BYTES)]] = uint32_t;
    constexpr int64_t block = 2048;
    double total = 0;
    for (int64_t b = 0; b < n; b += block) {
        const uint16_t* const p = x + b;
        total += double(hsum(block_sum<float>(
            0, n - b < block ? n - b : block, [p](Vec<float> a, int64_t i, int w) __attribute__((always_inline)) {
                Half half = {};
                if (w == Vec<float>::size) __builtin_memcpy(&half, p + i, sizeof(half));
                else
                    for (int j = 0; j < w; ++j) half[j] = p[i + j];
                return a + Vec<float>((detail::F32)(__builtin_convertvector(half, Whole) << 16), 0);
            })));
    }
    return float(total);
}

void ramp_f32(float* y, float base, float step, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = base + step * float(first + i);
}
void ramp_f64(double* y, double base, double step, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = base + step * double(first + i);
}
void ramp_i64(int64_t* y, int64_t base, int64_t step, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = int64_t(uint64_t(base) + uint64_t(step) * uint64_t(first + i));
}

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
