// Largest and smallest elements and where they are.
#include "cpu/clones.h"
#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- policies
template <bool Largest> struct Better {
    template <class A> static A identity() {
        if constexpr (std::is_floating_point_v<A>) return Largest ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::infinity();
        else return Largest ? std::numeric_limits<A>::lowest() : std::numeric_limits<A>::max();
    }
    template <class A> static A step(A a, A x) {
        if constexpr (std::is_floating_point_v<A>) return a != a ? a : x != x ? x : (Largest ? x > a : x < a) ? x : a;
        else return (Largest ? x > a : x < a) ? x : a;
    }
};

template <class T, bool Largest> struct ExtremeOf : Fold<Better<Largest>, T, T> {
    using Base = Fold<Better<Largest>, T, T>;
    using Next = ExtremeOf;
    static T row(const T* x, int64_t n) {
        if constexpr (has_kernels<T>) {
            if (n < kShortRow) return short_row(x, n);
            auto& k = cpu::kernels().reduce<T>();
            return Largest ? k.max(x, n) : k.min(x, n);
        } else return Base::row(x, n);
    }
    // Without branches, which unordered numbers would have mispredicted.
    static T short_row(const T* x, int64_t n) {
        T best = x[0];
        bool nan = best != best;
        for (int64_t i = 1; i < n; i++) {
            nan |= x[i] != x[i];
            best = Largest ? (x[i] > best ? x[i] : best) : (x[i] < best ? x[i] : best);
        }
        return nan ? std::numeric_limits<T>::quiet_NaN() : best;
    }
    static void columns(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        if constexpr (has_kernels<T>) {
            std::memcpy(y, x, size_t(n) * sizeof(T));
            auto* f = Largest ? cpu::kernels().reduce<T>().acc_max : cpu::kernels().reduce<T>().acc_min;
            for (int64_t r = 1; r < rows; r++) f(y, x + r * stride, n);
        } else Base::columns(y, x, rows, n, stride);
    }
};

template <bool Largest> static Tensor extreme(const char* op, const char* kernel, const Tensor& self, uint64_t mask, bool keepdim) {
    check(!self.is_complex(), Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(self.dtype()), "' (", op, ")");
    Tensor x = to_compute(self);
    Tensor r = dispatch_compute(x.dtype(), [&](auto tag) -> Tensor {
        using T = typename decltype(tag)::type;
        if constexpr (is_complex_v<T>) return {};
        else return reduce_tensor<ExtremeOf<T, Largest>>(x, mask, keepdim);
    });
    return cast_raw(r, self.dtype());
}

// The gradient is shared evenly by all elements that are the extreme one.
static Tensor share_evenly(const Tensor& g, const Tensor& in, const Tensor& out, const Dims& dims, bool keepdim) {
    Tensor top = restore_dims(out, dims, in.dim(), keepdim);
    Tensor hit = to(eq(in, top), g.dtype());
    Tensor count = sum(hit, dims, true);
    return restore_dims(g, dims, in.dim(), keepdim) * (hit / count);
}

Tensor share_over_all(const Tensor& g, const Tensor& in, const Tensor& out) {
    Tensor hit = to(add(eq(in, out), logical_and(isnan(in), isnan(out))), g.dtype());  // of bools: or
    return g * (hit / sum(hit));
}

struct Amax : Op<Amax> {
    SIG("amax(Tensor self, int[1] dim=[], bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Largest element over dim, or of all; equal ones share the gradient.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) {
        check_reducible("amax", self, dim, true);
        return extreme<true>("amax", "max_values_cpu", self, reduced_dims(dim, self.dim()), keepdim);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_evenly(g, c.in<0>(), c.out(), c.arg<1>(), c.arg<2>())}; }
};
OP(Amax);

struct Amin : Op<Amin> {
    SIG("amin(Tensor self, int[1] dim=[], bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Smallest element over dim, or of all; equal ones share the gradient.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self, const Dims& dim, bool keepdim) {
        check_reducible("amin", self, dim, true);
        return extreme<false>("amin", "min_values_cpu", self, reduced_dims(dim, self.dim()), keepdim);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_evenly(g, c.in<0>(), c.out(), c.arg<1>(), c.arg<2>())}; }
};
OP(Amin);


// ---------------------------------------------------------------- over everything
struct MaxAll : Op<MaxAll> {
    SIG("max(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("Largest of all elements; equal ones share the gradient.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self) {
        check_reducible("max", self, {}, false);
        return extreme<true>("max", "max_all", self, reduced_dims({}, self.dim()), false);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_over_all(g, c.in<0>(), c.out())}; }
};
OP(MaxAll);

struct MinAll : Op<MinAll> {
    SIG("min(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("Smallest of all elements; equal ones share the gradient.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self) {
        check_reducible("min", self, {}, false);
        return extreme<false>("min", "min_all", self, reduced_dims({}, self.dim()), false);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_over_all(g, c.in<0>(), c.out())}; }
};
OP(MinAll);

struct MaxOther : Composite<MaxOther> {
    SIG("max.other(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("The larger of two elements, elementwise: maximum.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other) { return maximum(self, other); }
};
OP(MaxOther);

struct MinOther : Composite<MinOther> {
    SIG("min.other(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("The smaller of two elements, elementwise: minimum.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other) { return minimum(self, other); }
};
OP(MinOther);

struct Aminmax : Composite<Aminmax> {
    SIG("aminmax(Tensor self, *, int? dim=None, bool keepdim=False, Tensor[]? out=None) -> (Tensor min, Tensor max)");
    DOC("Smallest and largest element over dim, or of all.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, const OptInt& dim, bool keepdim) {
        check(self.numel() > 0 || dim, "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.");
        check(!self.is_complex(), Err::NotImplemented, "\"aminmax_cpu\" not implemented for '", title(self.dtype()), "'");
        if (dim) check_reducible("aminmax", self, {*dim}, true);
        Dims dims = dim ? Dims{*dim} : Dims();
        return {call<Amin>(self, dims, keepdim), call<Amax>(self, dims, keepdim)};
    }
};
OP(Aminmax);

// ---------------------------------------------------------------- with indices
// Where the best element of a run is; the first of equal ones, the first NaN before all.
template <class T, bool Largest> static int64_t best_in_run(const T* x, int64_t n) {
    if constexpr (has_kernels<T>) {
        if (n >= kShortRow) return Largest ? cpu::kernels().reduce<T>().argmax(x, n) : cpu::kernels().reduce<T>().argmin(x, n);
    }
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++) {
        T best = x[at], v = x[i];
        bool wins = bool(Largest ? v > best : v < best) | (is_nan(v) & !is_nan(best));
        at ^= (at ^ i) & -int64_t(wins);  // i if it wins, without a branch
    }
    return at;
}
// One more row of n columns, of numbers as wide as the indices: a loop that the compiler makes vectors of.
template <bool Largest, class T, class I> [[gnu::always_inline]] inline void next_row(T* values, I* at, const T* x, I row, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        T v = x[i], best = values[i];
        bool wins = (Largest ? v > best : v < best) | ((v != v) & (best == best));
        values[i] = wins ? v : best;
        at[i] = wins ? row : at[i];
    }
}
RL_CLONES static void larger_row(float* values, int32_t* at, const float* x, int32_t row, int64_t n) { next_row<true>(values, at, x, row, n); }
RL_CLONES static void smaller_row(float* values, int32_t* at, const float* x, int32_t row, int64_t n) { next_row<false>(values, at, x, row, n); }
RL_CLONES static void larger_row(double* values, int64_t* at, const double* x, int64_t row, int64_t n) { next_row<true>(values, at, x, row, n); }
RL_CLONES static void smaller_row(double* values, int64_t* at, const double* x, int64_t row, int64_t n) { next_row<false>(values, at, x, row, n); }

constexpr int64_t kStrip = 512;  // columns that are looked at together
// The best row for each of n columns, n up to kStrip.
template <class T, bool Largest> static void best_in_columns(T* values, int64_t* indices, const T* x, int64_t rows, int64_t n, int64_t stride) {
    std::copy(x, x + n, values);
    if constexpr (std::is_floating_point_v<T>) {
        using I = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
        if (rows <= std::numeric_limits<I>::max()) {
            I at[kStrip] = {};
            for (int64_t r = 1; r < rows; r++) Largest ? larger_row(values, at, x + r * stride, I(r), n) : smaller_row(values, at, x + r * stride, I(r), n);
            std::copy(at, at + n, indices);
            return;
        }
    }
    std::fill(indices, indices + n, 0);
    for (int64_t r = 1; r < rows; r++) {
        const T* p = x + r * stride;
        for (int64_t i = 0; i < n; i++) {
            bool wins = (Largest ? p[i] > values[i] : p[i] < values[i]) || (is_nan(p[i]) && !is_nan(values[i]));
            values[i] = wins ? p[i] : values[i];
            indices[i] = wins ? r : indices[i];
        }
    }
}

// These loops without their types. runs: values and indices of `count` runs of n elements that follow each other.
struct BestLoops {
    int64_t size;
    void (*runs)(char* values, int64_t* indices, const char* x, int64_t count, int64_t n);
    void (*columns)(char* values, int64_t* indices, const char* x, int64_t rows, int64_t n, int64_t stride);
};
template <class T, bool Largest> static BestLoops best_loops() {
    return {sizeof(T),
            [](char* values, int64_t* at, const char* x, int64_t count, int64_t n) {
                const T* p = reinterpret_cast<const T*>(x);
                for (int64_t i = 0; i < count; i++, p += n) at[i] = best_in_run<T, Largest>(p, n), reinterpret_cast<T*>(values)[i] = p[at[i]];
            },
            [](char* values, int64_t* at, const char* x, int64_t rows, int64_t n, int64_t stride) {
                best_in_columns<T, Largest>(reinterpret_cast<T*>(values), at, reinterpret_cast<const T*>(x), rows, n, stride);
            }};
}

// One long run: the best of its blocks' best.
static void best_in_long_run(char* value, int64_t* index, const char* x, int64_t n, const BestLoops& f) {
    int64_t blocks = (n + kReduceBlock - 1) / kReduceBlock, at;
    cpu::Buffer<int64_t> indices(blocks);
    cpu::Buffer<char> values(blocks * f.size);
    cpu::parallel_for(blocks, 2, [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) f.runs(values.data + i * f.size, indices.data + i, x + i * kReduceBlock * f.size, 1, std::min(kReduceBlock, n - i * kReduceBlock));
    });
    f.runs(value, &at, values.data, 1, blocks);
    *index = at * kReduceBlock + indices.data[at];
}

static void best_along(const Tensor& x, int64_t dim, const Tensor& values, const Tensor& indices, const BestLoops& f) {
    int64_t n = x.dim() ? x.sizes()[dim] : 1, inner = 1;
    for (int64_t d = dim + 1; d < x.dim(); d++) inner *= x.sizes()[d];
    int64_t outer = x.numel() / (n * inner);
    const char* p = x.raw();
    char* v = values.raw();
    int64_t* at = indices.data<int64_t>();
    if (inner == 1) {
        if (outer == 1 && n > 2 * kReduceBlock) return best_in_long_run(v, at, p, n, f);
        cpu::parallel_for(outer, grain_for(n), [&](int64_t a, int64_t b) { f.runs(v + a * f.size, at + a, p + a * n * f.size, b - a, n); });
        return;
    }
    int64_t strips = (inner + kStrip - 1) / kStrip;
    cpu::parallel_for(outer * strips, grain_for(n * std::min(kStrip, inner)), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            int64_t o = i / strips, c = i % strips * kStrip, to = o * inner + c;
            f.columns(v + to * f.size, at + to, p + (o * n * inner + c) * f.size, n, std::min(kStrip, inner - c), inner);
        }
    });
}

template <bool Largest> static ValuesIndices best(const char* op, const Tensor& self, int64_t dim, bool keepdim) {
    check(!self.is_complex(), op, "(): does not support complex input");
    int64_t d = wrap_dim(dim, self.dim());
    check_reducible(op, self, {dim}, true);
    Dims sizes = self.dim() ? reduced_sizes(self.sizes(), uint64_t(1) << d, keepdim) : Dims();
    if (self.is_meta() || self.numel() == 0) return {empty(sizes, self.dtype(), self.device()), empty(sizes, DType::Int64, self.device())};
    Tensor x = contiguous(to_compute(self)), values = empty(sizes, x.dtype()), indices = empty(sizes, DType::Int64);
    BestLoops loops = dispatch_compute(x.dtype(), [](auto tag) -> BestLoops {
        using T = typename decltype(tag)::type;
        if constexpr (is_complex_v<T>) return {};
        else return best_loops<T, Largest>();
    });
    best_along(x, d, values, indices, loops);
    return {cast_raw(values, self.dtype()), indices};
}

Tensor selection_gradient(const Tensor& g, const Dims& sizes, int64_t dim, bool keepdim, const Tensor& indices) {
    if (!g) return g;
    if (sizes.empty()) return reshape(g, {});
    int64_t d = wrap_dim(dim, int64_t(sizes.size()));
    return scatter_add(zeros(sizes, g.dtype(), g.device()), d, keepdim ? indices : unsqueeze(indices, d), keepdim ? g : unsqueeze(g, d));
}

struct MaxDim : Op<MaxDim> {
    SIG("max.dim(Tensor self, int dim, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("Largest elements along dim and where they are: the first of equal ones.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool keepdim) { return best<true>("max", self, dim, keepdim); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.out<1>())}; }
};
OP(MaxDim);

struct MinDim : Op<MinDim> {
    SIG("min.dim(Tensor self, int dim, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("Smallest elements along dim and where they are: the first of equal ones.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool keepdim) { return best<false>("min", self, dim, keepdim); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.out<1>())}; }
};
OP(MinDim);

template <bool Largest> static Tensor arg_best(const char* op, const Tensor& self, const OptInt& dim, bool keepdim) {
    check(self.dtype() != DType::Bool, op, "(): does not support bool tensors");
    check(self.numel() > 0 || dim, Err::Index, op, "(): Expected reduction dim to be specified for input.numel() == 0.");
    if (dim) return std::get<1>(best<Largest>(op, self, *dim, keepdim));
    Dims sizes(keepdim ? size_t(self.dim()) : 0, 1);
    if (self.is_meta()) return empty(sizes, DType::Int64, self.device());
    Tensor flat = contiguous(self), at = std::get<1>(best<Largest>(op, alias(flat, Dims{flat.numel()}, Dims{1}, flat->offset), 0, false));
    return alias(at, sizes, contiguous_strides(sizes), at->offset);
}

struct Argmax : Op<Argmax> {
    SIG("argmax(Tensor self, int? dim=None, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Index of the largest element along dim, or in the flattened tensor: the first of equal ones.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const OptInt& dim, bool keepdim) { return arg_best<true>("argmax", self, dim, keepdim); }
};
OP(Argmax);

struct Argmin : Op<Argmin> {
    SIG("argmin(Tensor self, int? dim=None, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Index of the smallest element along dim, or in the flattened tensor: the first of equal ones.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const OptInt& dim, bool keepdim) { return arg_best<false>("argmin", self, dim, keepdim); }
};
OP(Argmin);

Tensor amax(const Tensor& a, const Dims& dims, bool keepdim) { return call<Amax>(a, dims, keepdim); }

}  // namespace rl
