// Copies, conversions and fills, and what reads a tensor's values.
#include <cmath>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "core/sparse.h"
#include "ops/factory.h"

namespace rl {

struct Clone : Op<Clone> {
    SIG("clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor");
    DOC("A copy with memory of its own, through which gradients pass.");
    static Tensor forward(const Tensor& self, const OptFormat& format) {
        Tensor r = format && *format != MemoryFormat::Preserve ? empty_as(self, *format) : empty_preserved(self, self.dtype());
        if (!r.is_meta()) copy_raw(r, resolve(self));
        return r;
    }
    static Tensor empty_as(const Tensor& self, MemoryFormat format) {
        if (format == MemoryFormat::Contiguous) return empty(self.sizes(), self.dtype(), self.device());
        return empty_strided(self.sizes(), format_strides("clone", self.sizes(), format), self.dtype(), self.device());
    }
    static Grads backward(Ctx&, const Tensor& g) { return {g}; }
};
OP(Clone);

struct Contiguous : Op<Contiguous> {
    SIG("contiguous(Tensor self, *, MemoryFormat memory_format=None) -> Tensor");
    DOC("self where its memory is already in this order, else a copy in it.");
    FORMS(METHOD);
    static constexpr bool kComposite = true;
    static Tensor forward(const Tensor& self, const OptFormat& format) {
        MemoryFormat f = format.value_or(MemoryFormat::Contiguous);
        check(f != MemoryFormat::Preserve, "preserve memory format is unsupported by the contiguous operator");
        if (f == MemoryFormat::Contiguous ? self.is_contiguous() : same(self.strides(), format_strides("contiguous", self.sizes(), f))) return self;
        return call<Clone>(self, OptFormat(f));
    }
};
OP(Contiguous);

struct Copy : Op<Copy> {
    SIG("copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)");
    DOC("Writes src, broadcast and converted, into self.");
    FORMS(METHOD);
    static constexpr bool kComposite = true;  // records by itself, as it changes its first argument
    static Tensor forward(const Tensor& self, const Tensor& src, bool) { return call_inplace<CopyInto>(self, src); }
    // The functional form, self replaced by src: what is recorded.
    struct CopyInto : Op<CopyInto> {
        SIG("copy(Tensor self, Tensor src) -> Tensor");
        DOC("src, broadcast and converted to self's shape and dtype.");
        FORMS(INPLACE);
        static Tensor forward(const Tensor& self, const Tensor& src) {
            Tensor r = empty_preserved(self, self.dtype());
            into(r, false, r, src);
            return r;
        }
        static void into(const Tensor& out, bool, const Tensor&, const Tensor& src) {
            check(broadcast(out.sizes(), src.sizes()) == out.sizes(), "The expanded size of the tensor ", out.sizes(), " must match the existing size ", src.sizes(), " (copy_)");
            if (out.is_meta()) return;
            check(!src.is_meta(), Err::NotImplemented, "Cannot copy out of meta tensor; no data!");
            copy_values(out, src);
        }
        static Grads backward(Ctx& c, const Tensor& g) {
            Grads r(2);
            if (c.needs<0>()) r[0] = zeros(c.sizes<0>(), c.dtype<0>());
            if (c.needs<1>()) {
                Tensor s = sum_to_size(g, c.sizes<1>());
                r[1] = to(is_complex(c.dtype<1>()) ? s : real(s), c.dtype<1>());
            }
            return r;
        }
    };
    // Overlapping memory is read before it is written; lazy bits of either side are honoured.
    static void copy_values(const Tensor& out, const Tensor& src) {
        Tensor s = resolve(src);
        if (s->storage.get() == out->storage.get() && !(s->offset == out->offset && same(s.strides(), out.strides()))) s = clone_raw(s);
        if (!out.lazy()) return copy_raw(out, s);
        Tensor plain = alias(out);
        plain->conj = plain->neg = false;
        Tensor t = alias(s.is(src) ? clone_raw(s) : s);
        t->conj = out->conj, t->neg = out->neg;
        copy_raw(plain, resolve(t));
    }
};
OP(Copy);
static const Registrar<Copy::CopyInto> register_copy_into;

struct ToCopy : Op<ToCopy> {
    SIG("_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor");
    DOC("A copy with another dtype, device or memory order.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const OptDType& dtype, PyObject*, const OptDevice& device, const OptBool&, bool, const OptFormat& format) {
        DType t = dtype.value_or(self.dtype());
        Device d = device.value_or(self.device());
        MemoryFormat f = format.value_or(MemoryFormat::Preserve);
        check(d == self.device() || d == Device::Meta, Err::NotImplemented, "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module from meta to a different device.");
        Tensor like = d == self.device() ? self : self;
        Tensor r = f == MemoryFormat::Preserve ? (d == Device::Meta ? empty_strided_like(self, t, d) : empty_preserved(like, t))
                   : f == MemoryFormat::Contiguous ? empty(self.sizes(), t, d) : empty_strided(self.sizes(), format_strides("to", self.sizes(), f), t, d);
        if (d != Device::Meta) copy_raw(r, resolve(self));
        return r;
    }
    static Tensor empty_strided_like(const Tensor& self, DType t, Device d) {
        return is_non_overlapping_and_dense(self) ? empty_strided(self.sizes(), self.strides(), t, d) : empty(self.sizes(), t, d);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {to(is_complex(c.dtype<0>()) ? g : real(g), c.dtype<0>())}; }
};
OP(ToCopy);

static Tensor to_impl(const Tensor& self, const OptDType& dtype, const OptDevice& device, bool copy, const OptFormat& format) {
    bool same_type = !dtype || *dtype == self.dtype();
    bool same_device = !device || *device == self.device() || self->wrapper;
    bool same_format = !format || *format == MemoryFormat::Preserve ||
                       (*format == MemoryFormat::Contiguous ? self.is_contiguous() : same(self.strides(), format_strides("to", self.sizes(), *format)));
    if (same_type && same_device && same_format && !copy) return self;
    return call<ToCopy>(self, dtype, nullptr, same_device ? OptDevice() : device, OptBool(), false, format);
}
struct ToDevice : Composite<ToDevice> {
    SIG("to.device(Tensor self, Device? device, ScalarType? dtype=None, bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None) -> Tensor");
    DOC("self with another device, dtype or memory order; self itself where nothing changes.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const OptDevice& device, const OptDType& dtype, bool, bool copy, const OptFormat& format) { return to_impl(self, dtype, device, copy, format); }
};
struct ToDType : Composite<ToDType> {
    SIG("to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None) -> Tensor");
    DOC("self with another dtype.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, DType dtype, bool, bool copy, const OptFormat& format) { return to_impl(self, dtype, {}, copy, format); }
};
struct ToOther : Composite<ToOther> {
    SIG("to.other(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None) -> Tensor");
    DOC("self with other's dtype and device.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Tensor& other, bool, bool copy, const OptFormat& format) { return to_impl(self, other.dtype(), other.device(), copy, format); }
};
struct ToAny : Composite<ToAny> {
    SIG("to.dtype_layout(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor");
    DOC("self with other options.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const OptDType& dtype, PyObject*, const OptDevice& device, const OptBool&, bool, bool copy, const OptFormat& format) { return to_impl(self, dtype, device, copy, format); }
};
OP(ToDType);
OP(ToDevice);
OP(ToOther);
OP(ToAny);

struct TypeAs : Composite<TypeAs> {
    SIG("type_as(Tensor self, Tensor other) -> Tensor");
    DOC("self with the dtype and the device of other; self where it has them.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Tensor& other) { return to_impl(self, other.dtype(), other.device(), false, {}); }
};
struct Cpu : Composite<Cpu> {
    SIG("cpu(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor");
    DOC("self on the CPU, where every tensor with data is.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const OptFormat& format) { return to_impl(self, {}, Device::CPU, false, format); }
};
OP(TypeAs);
OP(Cpu);

// x.float() and the like.
#define CONVERSION(STRUCT, NAME, KIND, TYPE)                                                                                         \
    struct STRUCT : Composite<STRUCT> {                                                                                              \
        SIG(NAME "(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor");                                                    \
        DOC("self with dtype torch." TYPE ".");                                                                                      \
        FORMS(METHOD);                                                                                                               \
        static Tensor forward(const Tensor& self, const OptFormat& format) { return to_impl(self, DType::KIND, {}, false, format); } \
    };                                                                                                                               \
    OP(STRUCT)
CONVERSION(ToHalf, "half", Float16, "float16");
CONVERSION(ToBFloat16, "bfloat16", BFloat16, "bfloat16");
CONVERSION(ToFloat, "float", Float32, "float32");
CONVERSION(ToDouble, "double", Float64, "float64");
CONVERSION(ToChalf, "chalf", Complex32, "complex32");
CONVERSION(ToCfloat, "cfloat", Complex64, "complex64");
CONVERSION(ToCdouble, "cdouble", Complex128, "complex128");
CONVERSION(ToByte, "byte", UInt8, "uint8");
CONVERSION(ToChar, "char", Int8, "int8");
CONVERSION(ToShort, "short", Int16, "int16");
CONVERSION(ToInt, "int", Int32, "int32");
CONVERSION(ToLong, "long", Int64, "int64");
CONVERSION(ToBool, "bool", Bool, "bool");
#undef CONVERSION

// ---------------------------------------------------------------- fills
struct Fill : Op<Fill> {
    SIG("fill(Tensor self, Operand value) -> Tensor");
    DOC("self's shape filled with value.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self, const Operand& value) {
        Tensor r = empty_preserved(self, self.dtype());
        into(r, false, self, value);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor&, const Operand& value) {
        check(!value.tensor || value.tensor->dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ", value.tensor ? value.tensor->dim() : 0, " dimensions.");
        if (out.is_meta()) return;
        Scalar s = value.tensor ? item(*value.tensor) : value.scalar;
        if (!value.tensor) check_fits(s, out.dtype());
        if (!out.lazy()) return fill_raw(out, s);
        Copy::copy_values(out, scalar_tensor(s, out.dtype()));
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = zeros(c.sizes<0>(), c.dtype<0>());
        if (c.needs<1>()) r[1] = sum(g);
        return r;
    }
};
OP(Fill);

struct Zero : Op<Zero> {
    SIG("zero(Tensor self) -> Tensor");
    DOC("self's shape filled with zeros.");
    FORMS(INPLACE | METHOD | FUNCTION);
    static Tensor forward(const Tensor& self) { return zeros(self.sizes(), self.dtype(), self.device()); }
    static void into(const Tensor& out, bool, const Tensor&) {
        if (!out.is_meta()) fill_raw(out, Scalar(0));
    }
    static Grads backward(Ctx& c, const Tensor&) { return {zeros(c.sizes<0>(), c.dtype<0>())}; }
};
OP(Zero);

Tensor clone(const Tensor& a) { return call<Clone>(a, OptFormat()); }
Tensor to(const Tensor& a, DType dtype) { return to_impl(a, dtype, {}, false, {}); }
Tensor contiguous_op(const Tensor& a) { return call<Contiguous>(a, OptFormat()); }
Tensor copy_(const Tensor& self, const Tensor& src) { return call<Copy>(self, src, false); }
Tensor zero_(const Tensor& self) { return call_inplace<Zero>(self); }
Tensor fill_(const Tensor& self, const Scalar& value) { return call_inplace<Fill>(self, value); }

// ---------------------------------------------------------------- values and sizes
Scalar item(const Tensor& t) {
    check(t.numel() == 1, "a Tensor with ", t.numel(), " elements cannot be converted to Scalar");
    if (is_sparse(t)) return item(call_sparse("to_dense", Py_BuildValue("(O)", t.py())));
    if (t->wrapper) raise(Err::Runtime, "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor: control flow that depends on data needs a loop.");
    check(!t.is_meta(), "Tensor.item() cannot be called on meta tensors");
    Tensor r = resolve(t);
    return dispatch(t.dtype(), [&](auto tag) -> Scalar {
        using T = typename decltype(tag)::type;
        T v = *r.data<T>();
        if constexpr (std::is_same_v<T, bool>) return Scalar(v);
        else if constexpr (std::is_same_v<T, ComplexHalf>) return Scalar(c128(c64(v)));
        else if constexpr (is_complex_v<T>) return Scalar(c128(v));
        else if constexpr (std::is_floating_point_v<T>) return Scalar(double(v));
        else if constexpr (is_small_float_v<T>) return Scalar(double(float(v)));
        else return Scalar(int64_t(v));
    });
}

bool has_nan(const Tensor& t) {
    if (t->wrapper || t.is_meta()) return false;
    Tensor c = cast_raw(t, is_complex(t.dtype()) ? DType::Complex128 : DType::Float64);
    const double* p = c.data<double>();
    int64_t n = c.numel() * (c.is_complex() ? 2 : 1);
    for (int64_t i = 0; i < n; i++)
        if (std::isnan(p[i])) return true;
    return false;
}

void resize_output(const char* op, const Tensor& out, Ints sizes) {
    if (same(out.sizes(), sizes)) {
        check(!may_overlap_itself(out), "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation. (", op, ", out=)");
        return;
    }
    for (int64_t s : sizes) check(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes, " (", op, ", out=)");
    if (out.numel() != 0)
        warn("An output with one or more elements was resized since it had shape ", out.sizes(), ", which does not match the required output shape ", sizes, " (", op,
             "). This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).");
    int64_t need;
    check(!__builtin_mul_overflow(out->offset + product(sizes), itemsize(out.dtype()), &need), "Storage size calculation overflowed with sizes=", sizes);
    if (size_t(need) > out->storage->nbytes) out->storage->resize(size_t(need));
    out.set_geometry(sizes, contiguous_strides(sizes), out->offset);
}

Dims format_strides(const char* op, Ints s, MemoryFormat f) {
    if (f == MemoryFormat::Contiguous || f == MemoryFormat::Preserve) return contiguous_strides(s);
    size_t n = f == MemoryFormat::ChannelsLast ? 4 : 5;
    check(s.size() == n, "required rank ", n, " tensor to use channels_last", n == 5 ? "_3d" : "", " format (", op, ")");
    Dims moved{s[0]};
    for (size_t i = 2; i < n; i++) moved.push_back(s[i]);
    moved.push_back(s[1]);
    Dims st = contiguous_strides(moved), r{st[0], 1};
    for (size_t i = 1; i + 1 < n; i++) r.push_back(st[i]);
    return r;
}

}  // namespace rl
