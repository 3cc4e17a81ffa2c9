// Reductions that count or multiply: prod, all, any, count_nonzero, and the sums that leave NaN out.
#include <cstring>

#include "cpu/clones.h"
#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- prod
// Each column is multiplied from the top down, four rows in registers at a time.
template <class T> RL_CLONES static void multiply_rows(T* __restrict y, const T* x, int64_t rows, int64_t n, int64_t stride) {
    for (int64_t i = 0; i < n; i++) y[i] = T(1);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int64_t i = 0; i < n; i++) y[i] = y[i] * x[i] * x[i + stride] * x[i + 2 * stride] * x[i + 3 * stride];
    for (; r < rows; r++, x += stride)
        for (int64_t i = 0; i < n; i++) y[i] *= x[i];
}
template <class T> struct ProdOf : Fold<MulStep, T, Wide<T>> {
    using Base = Fold<MulStep, T, Wide<T>>;
    using Acc = Wide<T>;
    using Next = ProdOf<Acc>;
    static Acc row(const T* x, int64_t n) {
        if constexpr (has_kernels<T>) return n < kShortRow ? Base::row(x, n) : cpu::kernels().reduce<T>().prod(x, n);
        else return Base::row(x, n);
    }
    static void columns(Acc* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        if constexpr (has_kernels<T>) multiply_rows(y, x, rows, n, stride);
        else Base::columns(y, x, rows, n, stride);
    }
};

static Tensor prod_raw(const Tensor& self, uint64_t mask, bool keepdim, const OptDType& dtype) {
    DType t = dtype.value_or(is_inexact(self.dtype()) ? self.dtype() : DType::Int64);
    Tensor x = self.dtype() == t || (t == DType::Int64 && !is_inexact(self.dtype())) ? to_compute(self) : cast_raw(self, compute_type(t));
    Tensor r = dispatch_compute(x.dtype(), [&](auto tag) { return reduce_tensor<ProdOf<typename decltype(tag)::type>>(x, mask, keepdim); });
    return cast_raw(r, t);
}

// For each element the product of all others along dim: of those before it and those after it, so zeros need no care.
template <class T> static void products_of_others(T* out, const T* x, int64_t n) {
    T before = T(1), after = T(1);
    for (int64_t i = 0; i < n; i++) out[i] = before, before *= x[i];
    for (int64_t i = n; i-- > 0;) out[i] *= after, after *= x[i];
}
static Tensor others_raw(const Tensor& self, int64_t dim) {
    Lanes l = lanes(to_compute(self), dim);
    Tensor r = lane_result(l, l.n, l.memory.dtype());
    dispatch_compute(r.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_floating_point_v<T> || is_complex_v<T>) each_lane(l, [&](int64_t i) { products_of_others(r.data<T>() + i * l.n, l.memory.data<T>() + i * l.n, l.n); });
    });
    return cast_raw(finish_lanes(l, r, l.n), self.dtype());
}

struct ProdOthers : Op<ProdOthers> {
    SIG("_prod_of_others(Tensor self, int dim) -> Tensor");
    DOC("For each element the product of all other elements along dim: the derivative of prod.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, int64_t dim) {
        if (self.is_meta() || self.numel() == 0) return empty_like(self, self.dtype());
        return others_raw(self, dim);
    }
    // The products without two elements, one pair at a time: as many operators as there are elements.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>();
        if (x.dim() == 0) return {zeros_like(x)};
        int64_t dim = wrap_dim(c.arg<1>(), x.dim()), n = x.sizes()[dim];
        if (n == 0) return {zeros_like(x)};
        Tensor total;
        for (int64_t i = 0; i < n; i++) {
            // d others[i] / d x[j] = the product without i and j = others of x with x[i] := 1, at j != i
            Tensor index = full(Ints(), Scalar(i), DType::Int64);
            Tensor here = eq(reshape(arange(n), mask_shape(x.dim(), dim, n)), index);
            Tensor pairs = masked_fill(call<ProdOthers>(masked_fill(x, here, Scalar(1)), dim), here, Scalar(0));
            Tensor part = narrow(g, dim, i, 1) * conj(pairs);
            total = total ? total + part : part;
        }
        return {total};
    }
    static Dims mask_shape(int64_t ndim, int64_t dim, int64_t n) {
        Dims s(size_t(ndim), 1);
        s[dim] = n;
        return s;
    }
};
OP(ProdOthers);

static Tensor prod_gradient(const Tensor& g, const Tensor& x, int64_t dim, DType t) { return to(g * conj(call<ProdOthers>(to(x, g.dtype()), dim)), t); }

struct Prod : Op<Prod> {
    SIG("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor");
    DOC("Product of all elements. Integers are multiplied in int64.");
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, const OptDType& dtype) { return prod_raw(self, reduced_dims({}, self.dim()), false, dtype); }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor flat = reshape(c.in<0>(), {-1});
        return {reshape(prod_gradient(g, flat, 0, c.dtype<0>()), c.sizes<0>())};
    }
};
OP(Prod);

struct ProdDim : Op<ProdDim> {
    SIG("prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Product along dim. Integers are multiplied in int64.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, int64_t dim, bool keepdim, const OptDType& dtype) { return prod_raw(self, reduced_dims({dim}, self.dim()), keepdim, dtype); }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor whole = restore_dims(g, {c.arg<1>()}, int64_t(c.sizes<0>().size()), c.arg<2>());
        return {prod_gradient(whole, c.in<0>(), c.arg<1>(), c.dtype<0>())};
    }
};
OP(ProdDim);

// ---------------------------------------------------------------- all, any
struct AndStep {
    template <class A> static A identity() { return true; }
    static bool step(bool a, bool x) { return a && x; }
};
struct OrStep {
    template <class A> static A identity() { return false; }
    static bool step(bool a, bool x) { return a || x; }
};
// Is one of n numbers zero, or (Zero = false) is one not?
template <bool Zero, class T> RL_CLONES static bool has(const T* x, int64_t n) {
    int found = 0;
    for (int64_t i = 0; i < n; i++) found |= (x[i] == T(0)) == Zero;
    return found;
}
template <class T, bool All> struct TruthOf {
    using Step = std::conditional_t<All, AndStep, OrStep>;
    using In = T;
    using Acc = bool;
    using Next = TruthOf<bool, All>;
    static bool row(const T* x, int64_t n) {
        if constexpr (sizeof(T) == 1) {
            auto* p = reinterpret_cast<const uint8_t*>(x);
            return All ? cpu::kernels().all(p, n) : cpu::kernels().any(p, n);
        } else {
            constexpr int64_t kBlock = 2048;  // after which it may end early
            for (int64_t i = 0; i < n; i += kBlock)
                if (has<All>(x + i, std::min(kBlock, n - i))) return !All;
            return All;
        }
    }
    // Eight bools at a time; other types are converted before.
    static void columns(bool* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, All);
        for (int64_t r = 0; r < rows; r++, x += stride) {
            int64_t i = 0;
            if constexpr (std::is_same_v<T, bool>)
                for (; i + 8 <= n; i += 8) {
                    uint64_t a, b;
                    std::memcpy(&a, y + i, 8), std::memcpy(&b, x + i, 8);
                    a = All ? a & b : a | b;
                    std::memcpy(y + i, &a, 8);
                }
            for (; i < n; i++) y[i] = All ? y[i] & (x[i] != T(0)) : y[i] | (x[i] != T(0));
        }
    }
    static bool merge(bool a, bool b) { return Step::step(a, b); }
    static bool identity() { return All; }
};
template <bool All> static Tensor truth(const Tensor& self, uint64_t mask, bool keepdim) {
    bool whole = (mask + 1) >> self.dim();
    Tensor x = whole || self.dtype() == DType::Bool ? to_compute(self) : cast_raw(self, DType::Bool);
    Tensor r = dispatch_compute(x.dtype(), [&](auto tag) { return reduce_tensor<TruthOf<typename decltype(tag)::type, All>>(x, mask, keepdim); });
    return self.dtype() == DType::UInt8 ? cast_raw(r, DType::UInt8) : r;
}
template <bool All> static Tensor truth_dims(const Tensor& self, const OptDims& dim, bool keepdim) {
    if (dim && dim->empty()) {  // no dimension at all: a test of each element
        Tensor t = cast_raw(self, DType::Bool);
        return self.dtype() == DType::UInt8 ? cast_raw(t, DType::UInt8) : t.is(self) ? clone_raw(t) : t;
    }
    return truth<All>(self, dim ? reduced_dims(*dim, self.dim()) : reduced_dims({}, self.dim()), keepdim);
}

struct AllOf : Op<AllOf> {
    SIG("all(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("Whether all elements are nonzero (true for none); bool, or uint8 for uint8.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self) { return truth<true>(self, reduced_dims({}, self.dim()), false); }
};
OP(AllOf);
struct AllDim : Op<AllDim> {
    SIG("all.dim(Tensor self, int dim, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Whether all elements along dim are nonzero.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, int64_t dim, bool keepdim) { return truth<true>(self, reduced_dims({dim}, self.dim()), keepdim); }
};
OP(AllDim);
struct AllDims : Op<AllDims> {
    SIG("all.dims(Tensor self, int[]? dim=None, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Whether all elements over dim are nonzero.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const OptDims& dim, bool keepdim) { return truth_dims<true>(self, dim, keepdim); }
};
OP(AllDims);

struct AnyOf : Op<AnyOf> {
    SIG("any(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("Whether an element is nonzero (false for none); bool, or uint8 for uint8.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self) { return truth<false>(self, reduced_dims({}, self.dim()), false); }
};
OP(AnyOf);
struct AnyDim : Op<AnyDim> {
    SIG("any.dim(Tensor self, int dim, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Whether an element along dim is nonzero.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, int64_t dim, bool keepdim) { return truth<false>(self, reduced_dims({dim}, self.dim()), keepdim); }
};
OP(AnyDim);
struct AnyDims : Op<AnyDims> {
    SIG("any.dims(Tensor self, int[]? dim=None, bool keepdim=False, *, Tensor? out=None) -> Tensor");
    DOC("Whether an element over dim is nonzero.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const OptDims& dim, bool keepdim) { return truth_dims<false>(self, dim, keepdim); }
};
OP(AnyDims);

// ---------------------------------------------------------------- count_nonzero
template <class T> struct NonzerosOf {
    using In = T;
    using Acc = int64_t;
    using Next = SumOf<int64_t>;
    static int64_t row(const T* x, int64_t n) {
        if constexpr (sizeof(T) == 1) return cpu::kernels().count_nonzero(reinterpret_cast<const uint8_t*>(x), n);
        int64_t count[4] = {}, i = 0;
        for (; i + 4 <= n; i += 4) {
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) count[k] += x[i + k] != T(0);
        }
        for (; i < n; i++) count[0] += x[i] != T(0);
        return count[0] + count[1] + count[2] + count[3];
    }
    static void columns(int64_t* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, 0);
        for (int64_t r = 0; r < rows; r++, x += stride)
            for (int64_t i = 0; i < n; i++) y[i] += x[i] != T(0);
    }
    static int64_t merge(int64_t a, int64_t b) { return a + b; }
    static int64_t identity() { return 0; }
};
static Tensor nonzeros(const Tensor& self, const Dims& dim) {
    Tensor x = to_compute(self);
    uint64_t mask = reduced_dims(dim, self.dim());
    return dispatch_compute(x.dtype(), [&](auto tag) { return reduce_tensor<NonzerosOf<typename decltype(tag)::type>>(x, mask, false); });
}
struct CountNonzeroDims : Op<CountNonzeroDims> {
    SIG("count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor");
    DOC("How many elements over dim are not zero.");
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const Dims& dim) { return nonzeros(self, dim); }
};
OP(CountNonzeroDims);
struct CountNonzero : Op<CountNonzero> {
    SIG("count_nonzero(Tensor self, int? dim=None) -> Tensor");
    DOC("How many elements along dim, or of all, are not zero.");
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const OptInt& dim) { return nonzeros(self, dim ? Dims{*dim} : Dims()); }
};
OP(CountNonzero);

// ---------------------------------------------------------------- without NaN
template <class T> struct NumbersOf {
    using In = T;
    using Acc = T;
    using Next = SumOf<T>;
    static T row(const T* x, int64_t n) { return cpu::kernels().reduce<T>().sum_numbers(x, n); }
    static void columns(T* y, const T* x, int64_t rows, int64_t n, int64_t stride) {
        std::fill(y, y + n, T(0));
        for (int64_t r = 0; r < rows; r++, x += stride)
            for (int64_t i = 0; i < n; i++) y[i] += x[i] == x[i] ? x[i] : T(0);
    }
    static T merge(T a, T b) { return a + b; }
    static T identity() { return 0; }
};

struct Nansum : Op<Nansum> {
    SIG("nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Sum over dim, or of all, NaN counting as zero.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        check(!self.is_complex(), "nansum on CPU does not support complex inputs");
        InKernel guard;
        if (!self.is_floating() || (dtype && !is_floating(*dtype))) return sum(self, dim.value_or(Dims()), keepdim, dtype);
        DType t = dtype.value_or(self.dtype());
        Tensor x = t == DType::Float64 ? cast_raw(self, t) : to_compute(self);
        uint64_t mask = reduced_dims(dim.value_or(Dims()), self.dim());
        Tensor r = x.dtype() == DType::Float64 ? reduce_tensor<NumbersOf<double>>(x, mask, keepdim) : reduce_tensor<NumbersOf<float>>(x, mask, keepdim);
        return cast_raw(r, t);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), whole = restore_dims(g, c.arg<1>().value_or(Dims()), x.dim(), c.arg<2>());
        return {to(mul(expand(whole, x.sizes()), logical_not(isnan(x))), x.dtype())};
    }
};
OP(Nansum);

struct Nanmean : Composite<Nanmean> {
    SIG("nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Mean over dim, or of all, of the elements that are not NaN.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        check(is_inexact(self.dtype()), "nanmean(): expected input to have floating point or complex dtype but got ", title(self.dtype()));
        Tensor count = sum(logical_not(isnan(self)), dim.value_or(Dims()), keepdim);
        return call<Nansum>(self, dim, keepdim, dtype) / count;
    }
};
OP(Nanmean);

}  // namespace rl
