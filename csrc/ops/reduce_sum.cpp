// Sums and what is a sum: mean, nansum, nanmean, prod, count_nonzero, all, any.
#include "ops/reduce.h"

namespace rl {

// ---------------------------------------------------------------- sum
static DType sum_type(const Tensor& self, const OptDType& dtype) {
    if (dtype) return *dtype;
    return is_inexact(self.dtype()) ? self.dtype() : DType::Int64;
}

// The sum in its accumulation type: int64 for integers, float32 for 16-bit floating point.
static Tensor wide_sum(const Tensor& self, uint64_t mask, bool keepdim) {
    if (self.dtype() == DType::BFloat16) return reduce_tensor<SumOf<BFloat16>>(self, mask, keepdim);
    if (self.dtype() == DType::Float16) return reduce_tensor<SumOf<Half>>(self, mask, keepdim);
    Tensor x = to_compute(self);
    return dispatch_compute(x.dtype(), [&](auto tag) { return reduce_tensor<SumOf<typename decltype(tag)::type>>(x, mask, keepdim); });
}

// What is to be added to give a result of type t: self converted where t would be wider or of another kind.
static Tensor converted(const Tensor& self, DType t) {
    bool as_it_is = self.dtype() == t || (t == DType::Int64 && !is_inexact(self.dtype())) || (t == DType::Float32 && is_reduced(self.dtype()));
    return as_it_is ? self : cast_raw(self, t);
}

// A whole small tensor of floats, the most frequent case, needs no geometry.
static bool is_small(const Tensor& t) { return is_plain(t) && t.dtype() == DType::Float32 && t.numel() <= cpu::kSumBlock; }
static Tensor small_sum(const Tensor& t, float scale) {
    Tensor r = empty(Ints(), DType::Float32);
    int64_t n = t.numel();
    *r.data<float>() = SumOf<float>::row(t.data<float>(), n) * scale;
    return r;
}

static Tensor sum_raw(const Tensor& self, const Dims& dims, bool keepdim, DType t) {
    Tensor r = wide_sum(converted(self, t), reduced_dims(dims, self.dim()), keepdim);
    return cast_raw(r, t);
}

// The gradient of a sum goes to every element that was added.
static Tensor spread(const Tensor& g, const Dims& dims, bool keepdim, const ResultMeta& m) {
    Tensor r = expand(restore_dims(g, dims, int64_t(m.sizes.size()), keepdim), m.sizes);
    if (r.dtype() == m.dtype) return r;
    return to(r.is_complex() && !is_complex(m.dtype) ? real(r) : r, m.dtype);
}

struct Sum : Op<Sum> {
    SIG("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor");
    DOC("Sum of all elements. Integers are added in int64. Long sums are added pairwise.");
    static Tensor forward(const Tensor& self, const OptDType& dtype) {
        if (!dtype && is_small(self)) return small_sum(self, 1);
        return sum_raw(self, {}, false, sum_type(self, dtype));
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {spread(g, {}, false, c.metas[0])}; }
};
OP(Sum);

struct SumDim : Op<SumDim> {
    SIG("sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Sum over dim, or over everything where dim is None or empty.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        return sum_raw(self, dim.value_or(Dims()), keepdim, sum_type(self, dtype));
    }
    static void into(const Tensor& out, bool, const Tensor& self, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        write_out(*op_info<SumDim>(), out, forward(self, dim, keepdim, dtype ? dtype : OptDType(out.dtype())), true);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {spread(g, c.arg<1>().value_or(Dims()), c.arg<2>(), c.metas[0])}; }
};
OP(SumDim);

struct SumToSize : Composite<SumToSize> {
    SIG("sum_to_size(Tensor self, int[] size) -> Tensor");
    DOC("The inverse of broadcasting: self summed to the given sizes.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Dims& size) {
        if (same(self.sizes(), size)) return size.empty() ? rl::sum(self) : self;  // as PyTorch: an integer becomes int64
        int64_t lead = self.dim() - int64_t(size.size());
        bool fits = lead >= 0;
        Dims dims;
        for (int64_t d = 0; fits && d < self.dim(); d++) {
            int64_t s = self.sizes()[d];
            if (d < lead) dims.push_back(d);
            else if (size[d - lead] != s) fits = size[d - lead] == 1, dims.push_back(d);
        }
        check(fits, "size {", size, "} is not expandable to size {", self.sizes(), "}.");
        if (dims.empty()) return reshape(self, size);
        Tensor r = rl::sum(self, dims, true);
        return lead == 0 ? r : reshape(r, size);
    }
};
OP(SumToSize);

// ---------------------------------------------------------------- mean
static DType mean_type(const char* op, const Tensor& self, const OptDType& dtype) {
    DType t = dtype.value_or(self.dtype());
    check(is_inexact(t), op, "(): could not infer output dtype. ", dtype ? "Optional" : "Input", " dtype must be either a floating point or complex dtype. Got: ", title(t));
    return t;
}

static void divide_raw(const Tensor& t, double n) {
    if (t.is_meta()) return;
    dispatch_compute(t.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_floating_point_v<T> || is_complex_v<T>) {
            T* p = t.data<T>();
            for (int64_t i = 0, m = t.numel(); i < m; i++) p[i] /= T(n);
        }
    });
}
static Tensor mean_raw(const Tensor& self, const Dims& dims, bool keepdim, DType t) {
    uint64_t mask = reduced_dims(dims, self.dim());
    Tensor r = wide_sum(converted(self, t), mask, keepdim);
    divide_raw(r, double(reduced_count(self.sizes(), mask)));
    return cast_raw(r, t);
}
static double mean_count(const Dims& dims, const Dims& sizes) { return double(reduced_count(sizes, reduced_dims(dims, int64_t(sizes.size())))); }

struct Mean : Op<Mean> {
    SIG("mean(Tensor self, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Arithmetic mean of all elements.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const OptDType& dtype) {
        if (!dtype && is_small(self)) {
            Tensor r = small_sum(self, 1);
            *r.data<float>() /= float(self.numel());
            return r;
        }
        return mean_raw(self, {}, false, mean_type("mean", self, dtype));
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {spread(g / mean_count({}, c.sizes<0>()), {}, false, c.metas[0])}; }
};
OP(Mean);

struct MeanDim : Op<MeanDim> {
    SIG("mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None, Tensor? out=None) -> Tensor");
    DOC("Arithmetic mean over dim, or over everything where dim is None or empty.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const OptDims& dim, bool keepdim, const OptDType& dtype) {
        return mean_raw(self, dim.value_or(Dims()), keepdim, mean_type("mean", self, dtype));
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Dims dims = c.arg<1>().value_or(Dims());
        return {spread(g / mean_count(dims, c.sizes<0>()), dims, c.arg<2>(), c.metas[0])};
    }
};
OP(MeanDim);

Tensor sum(const Tensor& a, const Dims& dims, bool keepdim, const OptDType& dtype) {
    if (dims.empty() && !keepdim) return call<Sum>(a, dtype);
    return call<SumDim>(a, OptDims(dims), keepdim, dtype);
}
Tensor mean(const Tensor& a, const Dims& dims, bool keepdim, const OptDType& dtype) {
    if (dims.empty() && !keepdim) return call<Mean>(a, dtype);
    return call<MeanDim>(a, OptDims(dims), keepdim, dtype);
}
Tensor sum_to_size(const Tensor& a, const Dims& sizes) { return call<SumToSize>(a, sizes); }

}  // namespace rl
