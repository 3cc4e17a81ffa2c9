// What the random operators share: a tensor's memory is filled in its own order, whatever the strides are, as PyTorch
// does, so that a seed gives the same numbers.
#pragma once
#include "core/generator.h"
#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "ops/factory.h"

namespace rl {

[[noreturn]] inline void no_kernel(const char* kernel, DType t) {
    raise(Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(t), "'");
}

// f(tag) for float16, bfloat16, float32 and float64; other types raise, naming the kernel as PyTorch does.
template <class F>
void dispatch_floats(const char* kernel, DType t, F&& f) {
    switch (t) {
        case DType::Float16:
            return f(Tag<Half>{});
        case DType::BFloat16:
            return f(Tag<BFloat16>{});
        case DType::Float32:
            return f(Tag<float>{});
        case DType::Float64:
            return f(Tag<double>{});
        default:
            no_kernel(kernel, t);
    }
}
// f(tag) for every real type of PyTorch's kernels, bool with them where `with_bool`.
template <class F>
void dispatch_reals(const char* kernel, DType t, F&& f) {
    switch (t) {
#define RL_CASE(E, T) \
    case DType::E:    \
        return f(Tag<T>{});
        RL_CASE(Bool, bool)
        RL_CASE(UInt8, uint8_t)
        RL_CASE(Int8, int8_t)
        RL_CASE(Int16, int16_t)
        RL_CASE(Int32, int32_t)
        RL_CASE(Int64, int64_t)
        RL_CASE(UInt16, uint16_t)
        RL_CASE(UInt32, uint32_t)
        RL_CASE(UInt64, uint64_t)
#undef RL_CASE
        default:
            return dispatch_floats(kernel, t, f);
    }
}

// fill(t) on a tensor without gaps that lies in out's order, which is out itself where it has none.
template <class F>
void in_memory_order(const Tensor& out, F&& fill) {
    if (out.numel() == 0) return;
    if (!out.lazy() && is_non_overlapping_and_dense(out)) return fill(out);
    check(!may_overlap_itself(out),
          "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
          "Please clone() the tensor before performing the operation.");
    Tensor t = empty_preserved(out, out.dtype());
    fill(t);
    if (out.lazy())
        copy_(out, t);
    else
        copy_raw(out, t);
}
// The numbers of a complex tensor, as its real parts and imaginary parts in turn.
inline Tensor parts_of(const Tensor& t) {
    if (!t.is_complex()) return t;
    Tensor r = alias(t);
    r->dtype = to_real(t.dtype());
    Dims sizes = t.sizes(), strides = t.strides();
    for (auto& s : strides) s *= 2;
    sizes.push_back(2), strides.push_back(1);
    r.set_geometry(sizes, strides, t->offset * 2);
    return r;
}

const char* c_name(DType t);  // the element's type in C++, as PyTorch's messages have it

// An out= tensor is filled in the order of its memory.
template <class O, class... P>
struct RandomFactory : Factory<O, P...> {
    static constexpr bool kRandom = true;
    static void into(const Tensor& out, bool, const P&... p, const OptDType& dtype, PyObject*, const OptDevice&,
                     const OptBool&, bool) {
        check(!dtype || *dtype == out.dtype(), "dtype ", title(dtype.value_or(out.dtype())),
              " does not match dtype of out parameter (", title(out.dtype()), ")");
        resize_output(op_info<O>()->name.c_str(), out, O::shape(p...));
        O::fill(out, p...);
    }
};
// What x.uniform_() and its relatives record: the functional form. Its result does not depend on self.
template <class O, class... P>
struct RandomFill : Op<O> {
    static constexpr const char* kCategory = "Random";
    static constexpr uint32_t kForms = INPLACE;
    static constexpr bool kRandom = true;
    static Tensor forward(const Tensor& self, P... p) {
        Tensor r = empty_preserved(self, self.dtype());
        O::into(r, true, r, p...);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor&, P... p) { O::fill(out, p...); }
    template <class C>
    static Grads backward(C& c, const Tensor&) {
        return {zeros(c.template sizes<0>(), c.template dtype<0>())};
    }
};
// The method: changes self by operator Fill.
template <class O, class Fill, class... P>
struct RandomMethod : Op<O> {
    static constexpr uint32_t kForms = METHOD;
    static constexpr bool kComposite = true;  // Fill is what is recorded
    static constexpr bool kRandom = true;
    static Tensor forward(const Tensor& self, P... p) { return call_inplace<Fill>(self, p...); }
};

// Each writes a whole tensor, checking its dtype and its parameters.
void draw_uniform(const Tensor& out, double from, double to, Generator* g);
void draw_normal(const Tensor& out, double mean, double std, Generator* g);
void draw_integers(const Tensor& out, int64_t from, int64_t to, Generator* g);  // from <= x < to
void draw_integers_from(const Tensor& out, int64_t from, Generator* g);         // from <= x, as far as the dtype goes
void draw_any_integers(const Tensor& out, Generator* g);  // all that the dtype holds exactly, from 0
void draw_bernoulli(const Tensor& out, double p, Generator* g);
void draw_bernoulli(const Tensor& out, const Tensor& p, Generator* g);
Tensor bernoulli(const Tensor& like, double p);  // the operator

}  // namespace rl
