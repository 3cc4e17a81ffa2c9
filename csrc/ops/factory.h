// Operators that make tensors. A factory says its result's shape, the dtype it has where none is asked for, and how its
// memory is filled; the category supplies options, out=, the meta device and requires_grad.
//
//   struct Eye : Factory<Eye, int64_t> {
//       SIG("eye(int n, *, " RL_OPTIONS ", Tensor? out=None) -> Tensor");
//       static Dims shape(int64_t n) { return {n, n}; }
//       static DType dtype(int64_t) { return default_dtype(); }
//       static void fill(const Tensor& r, int64_t n) { ... }             // r is contiguous
//   };
#pragma once


#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"

namespace rl {

#define RL_OPTIONS "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool requires_grad=False"

// Raises where a number doesn't fit the type (negative numbers wrap in unsigned types).
void check_fits(const Scalar& v, DType t);
void check_options(const char* op, PyObject* layout, const OptBool& pin_memory);

template <class O, class... P> struct Factory : Op<O> {
    static constexpr const char* kCategory = "Factory";
    static constexpr uint32_t kForms = FUNCTION | OUT;
    NO_GRADIENT;
    static Tensor forward(const P&... p, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad) {
        check_options(op_info<O>()->name.c_str(), layout, pin_memory);
        Tensor r = empty(O::shape(p...), dtype ? *dtype : O::dtype(p...), device.value_or(Device::CPU));
        if (!r.is_meta()) O::fill(r, p...);
        if (requires_grad) set_requires_grad(r, true);
        return r;
    }
    static void into(const Tensor& out, bool, const P&... p, const OptDType& dtype, PyObject*, const OptDevice&, const OptBool&, bool) {
        const char* name = op_info<O>()->name.c_str();
        check(!dtype || *dtype == out.dtype(), "dtype ", title(dtype.value_or(out.dtype())), " does not match dtype of out parameter (", title(out.dtype()), ")");
        resize_output(name, out, O::shape(p...));
        if (out.is_meta()) return;
        if (out.is_contiguous() && !out.lazy()) return O::fill(out, p...);
        Tensor r = empty(out.sizes(), out.dtype());
        O::fill(r, p...);
        copy_(out, r);
    }
};

// zeros_like and its relatives: shape, and where not asked for otherwise dtype, device and memory order of a tensor.
template <class O, class... P> struct LikeFactory : Op<O> {
    static constexpr const char* kCategory = "Factory";
    static constexpr uint32_t kForms = FUNCTION;
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const P&... p, const OptDType& dtype, PyObject* layout, const OptDevice& device, const OptBool& pin_memory, bool requires_grad, const OptFormat& format) {
        check_options(op_info<O>()->name.c_str(), layout, pin_memory);
        Tensor r = make(self, dtype.value_or(self.dtype()), device.value_or(self.device()), format.value_or(MemoryFormat::Preserve));
        if (!r.is_meta()) O::fill(r, p...);
        if (requires_grad) set_requires_grad(r, true);
        return r;
    }
    static Tensor make(const Tensor& self, DType t, Device d, MemoryFormat f) {
        if (f != MemoryFormat::Preserve) return empty_strided(self.sizes(), format_strides(op_info<O>()->name.c_str(), self.sizes(), f), t, d);
        if (d == self.device()) return empty_preserved(self, t);
        return is_non_overlapping_and_dense(self) ? empty_strided(self.sizes(), self.strides(), t, d) : empty(self.sizes(), t, d);
    }
};

}  // namespace rl
