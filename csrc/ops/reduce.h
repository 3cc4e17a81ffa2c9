// Reductions over any dimensions of a tensor with any strides.
//
// A policy F says how elements of type In become one Acc: F::row folds a contiguous run, F::columns folds rows into a
// row, F::merge joins two partial results. The geometry (which dimensions, in which memory order, what goes to which
// thread) is here, once. Work is cut at places that depend on the sizes alone, so results don't depend on the number of
// threads.
#pragma once
#include <algorithm>
#include <limits>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/widen.h"

namespace rl {

// ---------------------------------------------------------------- dimensions
// The dimensions of a reduction as bits; none named means all. Raises for one named twice.
uint64_t reduced_dims(const Dims& dims, int64_t ndim);
Dims reduced_sizes(Ints sizes, uint64_t mask, bool keepdim);
// A result of a reduction without keepdim, with its dimensions of size 1 put back, so that it broadcasts to the input.
Tensor restore_dims(const Tensor& t, const Dims& dims, int64_t ndim, bool keepdim);
int64_t reduced_count(Ints sizes, uint64_t mask);
// Raises where a reduction without an identity meets nothing to reduce.
void check_reducible(const char* op, const Tensor& self, const Dims& dims, bool named);

// The dimensions of a tensor, outermost in memory first, neighbours of one kind merged, those of size 1 left out.
struct Groups {
    Dims sizes, strides;
    uint64_t reduced = 0;
    bool is_reduced(size_t i) const { return reduced >> i & 1; }
    void add(int64_t size, int64_t stride, bool reduced_one);
};
Groups group_dims(const Tensor& x, uint64_t mask);
// Memory in which group_dims ends with stride 1: x itself or a dense copy.
Tensor with_unit_stride(const Tensor& x);
// A dense result whose dimensions are in x's memory order, as the logical tensor of the given sizes.
Tensor in_memory_order(const Tensor& x, uint64_t mask, DType dtype);

// Walks over all indices of some dimensions, last fastest, keeping the offset.
struct Walker {
    const Dims &sizes, &strides;
    Dims index;
    int64_t offset = 0;
    Walker(const Dims& s, const Dims& st, int64_t linear) : sizes(s), strides(st), index(s.size()) {
        for (size_t d = s.size(); d-- > 0;) {
            index[d] = linear % s[d];
            linear /= s[d];
            offset += index[d] * st[d];
        }
    }
    void next(int64_t steps = 1) {  // at most to the end of the last dimension
        for (size_t d = sizes.size(); d-- > 0; steps = 1) {
            offset += steps * strides[d];
            if ((index[d] += steps) < sizes[d]) return;
            offset -= strides[d] * sizes[d];
            index[d] = 0;
        }
    }
};

// ---------------------------------------------------------------- policies
// What the fold policies share: a plain loop for element types without a kernel. O has identity<A>() and step(a, x).
template <class O, class T, class A>
struct Fold {
    using In = T;
    using Acc = A;
    static A row(const T* x, int64_t n) {
        A a[4];  // four chains, as each step waits for the one before
        std::fill(a, a + 4, O::template identity<A>());
        int64_t i = 0;
        for (; i + 4 <= n; i += 4) {
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) a[k] = O::step(a[k], A(x[i + k]));
        }
        for (; i < n; i++) a[0] = O::step(a[0], A(x[i]));
        return O::step(O::step(a[0], a[1]), O::step(a[2], a[3]));
    }
    static void columns(A* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, O::template identity<A>());
        for (int64_t r = 0; r < rows; r++, x += stride)
            for (int64_t i = 0; i < n; i++) y[i] = O::step(y[i], A(x[i]));
    }
    static A merge(A a, A b) { return O::step(a, b); }
    static A identity() { return O::template identity<A>(); }
};

template <class T> inline constexpr bool has_kernels = std::is_same_v<T, float> || std::is_same_v<T, double>;
// Integers and bools are added in int64.
template <class T> using Wide = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
inline constexpr int64_t kShortRow = 16;  // below, a loop is faster than a call

struct AddStep {
    template <class A> static A identity() { return A(0); }
    template <class A> static A step(A a, A x) {
        if constexpr (std::is_integral_v<A>) return A(uint64_t(a) + uint64_t(x));  // wraps, as PyTorch's
        else return a + x;
    }
};
struct MulStep {
    template <class A> static A identity() { return A(1); }
    template <class A> static A step(A a, A x) {
        if constexpr (std::is_integral_v<A>) return A(uint64_t(a) * uint64_t(x));
        else return a * x;
    }
};

template <class T> struct SumOf : Fold<AddStep, T, Wide<T>> {
    using Base = Fold<AddStep, T, Wide<T>>;
    using Acc = Wide<T>;
    using Next = SumOf<Acc>;
    static Acc row(const T* x, int64_t n) {
        if constexpr (is_complex_v<T>) {
            Acc r;
            columns(&r, x, n, 1, 1);
            return r;
        } else if constexpr (std::is_same_v<T, bool>) return cpu::kernels().count_nonzero(reinterpret_cast<const uint8_t*>(x), n);
        else if constexpr (has_kernels<T>) return n < kShortRow ? Base::row(x, n) : cpu::kernels().reduce<T>().sum(x, n);
        else if constexpr (std::is_same_v<T, int64_t>) return cpu::kernels().sum_i64(x, n);
        else if constexpr (std::is_same_v<T, int32_t>) return cpu::kernels().sum_i32(x, n);
        else return Base::row(x, n);
    }
    static void columns(Acc* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        if constexpr (is_complex_v<T>) {  // real and imaginary parts are columns
            using R = typename T::value_type;
            cpu::kernels().reduce<R>().sum_rows(reinterpret_cast<R*>(y), reinterpret_cast<const R*>(x), rows, 2 * n, 2 * stride);
        } else if constexpr (has_kernels<T>) cpu::kernels().reduce<T>().sum_rows(y, x, rows, n, stride);
        else Base::columns(y, x, rows, n, stride);
    }
};

// 16-bit numbers, added in float32; the sums of blocks in double.
template <class T> struct SmallSumOf {
    using In = T;
    using Acc = float;
    using Next = SumOf<float>;
    static constexpr int64_t kBlock = 2048;
    static float row(const T* x, int64_t n) {
        if constexpr (std::is_same_v<T, BFloat16>) return cpu::kernels().sum_bf16(reinterpret_cast<const uint16_t*>(x), n);
        float wide[kBlock];
        double total = 0;
        for (int64_t i = 0; i < n; i += kBlock) {
            int64_t m = std::min(kBlock, n - i);
            cpu::widen(wide, x + i, m);
            total += double(cpu::kernels().reduce<float>().sum(wide, m));
        }
        return float(total);
    }
    static void columns(float* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        float wide[kBlock];
        std::fill(y, y + n, 0.0f);
        for (int64_t i = 0; i < n; i += kBlock)
            for (int64_t r = 0, m = std::min(kBlock, n - i); r < rows; r++) {
                cpu::widen(wide, x + r * stride + i, m);
                cpu::kernels().reduce<float>().acc_sum(y + i, wide, m);
            }
    }
    static float merge(float a, float b) { return a + b; }
    static float identity() { return 0; }
};
template <> struct SumOf<Half> : SmallSumOf<Half> {};
template <> struct SumOf<BFloat16> : SmallSumOf<BFloat16> {};

// ---------------------------------------------------------------- the engine
inline constexpr int64_t kReduceBlock = 16 * cpu::kSumBlock;  // elements of a long run that are one unit of work

// A policy's loops without its types, so that the geometry is compiled once. Sizes are those of elements, in bytes;
// strides and counts are in elements.
struct Loops {
    int64_t in, acc;
    void (*rows)(char* out, const char* x, int64_t count, int64_t stride, int64_t n);  // folds `count` runs of n
    void (*columns)(char* out, const char* x, int64_t rows, int64_t n, int64_t stride);
    void (*merge)(char* a, const char* b);
    void (*identities)(char* out, int64_t n);
    const Loops* next;  // for partial results
};
template <class F> struct LoopsOf {
    using In = typename F::In;
    using Acc = typename F::Acc;
    static void rows(char* out, const char* x, int64_t count, int64_t stride, int64_t n) {
        for (int64_t i = 0; i < count; i++) reinterpret_cast<Acc*>(out)[i] = F::row(reinterpret_cast<const In*>(x) + i * stride, n);
    }
    static void columns(char* out, const char* x, int64_t rows, int64_t n, int64_t stride) { F::columns(reinterpret_cast<Acc*>(out), reinterpret_cast<const In*>(x), rows, n, stride); }
    static void merge(char* a, const char* b) { *reinterpret_cast<Acc*>(a) = F::merge(*reinterpret_cast<Acc*>(a), *reinterpret_cast<const Acc*>(b)); }
    static void identities(char* out, int64_t n) { std::fill_n(reinterpret_cast<Acc*>(out), n, F::identity()); }
    static const Loops value;
};
template <class F> const Loops LoopsOf<F>::value = {sizeof(In), sizeof(Acc), rows, columns, merge, identities, &LoopsOf<typename F::Next>::value};

// out, dense, = x, of any number of dimensions, reduced as g says.
void reduce_groups(char* out, const char* x, const Groups& g, const Loops& f);

// The reduction of x, whose memory holds F::In, over the dimensions in mask, as a contiguous tensor of F::Acc.
Tensor reduce_with(const Loops& f, DType acc, const Tensor& x, uint64_t mask, bool keepdim);
template <class F> Tensor reduce_tensor(const Tensor& x, uint64_t mask, bool keepdim) { return reduce_with(LoopsOf<F>::value, dtype_of<typename F::Acc>(), x, mask, keepdim); }

// t in the type in which it is computed: float32 for 16-bit floating point.
Tensor to_compute(const Tensor& t);
inline bool is_plain(const Tensor& t) { return t.is_contiguous() && !t.lazy() && !t.is_meta() && !t->wrapper; }

// ---------------------------------------------------------------- one dimension
// Memory in which dim comes last, contiguous: a matrix of `count` rows of n elements (one element for a 0-dim tensor).
struct Lanes {
    Tensor memory;
    int64_t count, n, dim;
    Dims sizes;  // logical, of the input
};
Lanes lanes(const Tensor& t, int64_t dim);
// A contiguous tensor for results that have n elements for each lane, in the lanes' order, and its logical view: lane
// memory is written, then `finish` gives the contiguous result.
Tensor lane_result(const Lanes& l, int64_t n, DType dtype);
Tensor finish_lanes(const Lanes& l, const Tensor& memory, int64_t n);          // dim has n elements
Tensor finish_reduced(const Lanes& l, const Tensor& memory, bool keepdim);     // dim is gone, or has one
template <class F> void each_lane(const Lanes& l, F&& f) {
    cpu::parallel_for(l.count, grain_for(4 * l.n), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) f(i);
    });
}

// What max along dim, sort, median and their like have in common: the gradient of values goes to the elements at indices.
using ValuesIndices = std::tuple<Tensor, Tensor>;
// The gradient of one element of all, shared by those that equal it.
Tensor share_over_all(const Tensor& g, const Tensor& in, const Tensor& out);
Tensor selection_gradient(const Tensor& g, const Dims& sizes, int64_t dim, bool keepdim, const Tensor& indices);

// NaN is larger than everything else, as in PyTorch's orders.
template <class T> inline bool is_nan(T v) {
    if constexpr (std::is_floating_point_v<T>) return v != v;
    else if constexpr (is_complex_v<T>) return v.real() != v.real() || v.imag() != v.imag();
    else return false;
}
template <class T> inline bool order_less(T a, T b) { return a < b || (is_nan(b) && !is_nan(a)); }
template <class T> inline bool order_greater(T a, T b) { return order_less(b, a); }

}  // namespace rl
