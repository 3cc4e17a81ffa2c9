// Methods of Tensor that look at or change its geometry and storage, and the functions of the same names.
#include "autograd/meta.h"
#include "bind/data.h"
#include "core/iterate.h"
#include "core/ops.h"

namespace rl {

namespace {
const Tensor& T(PyObject* const& o) { return Tensor::view(o); }

// A method without arguments, and the function of one tensor that does the same.
template <class F> PyObject* about(const char* name, PyObject* o, F f) {
    RL_TRY({
        check(is_tensor(o), Err::Type, name, "(): argument 'input' (position 1) must be Tensor, not ", Py_TYPE(o)->tp_name);
        return f(T(o));
    });
}
PyObject* input_argument(const char* function, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    RL_TRY({
        static const char* const names[] = {"input"};
        PyObject* o;
        take_arguments(function, names, 1, 1, args, n, kwnames, &o);
        return o;
    });
}
#define ASK(NAME, EXPR)                                                                                 \
    PyObject* NAME##_of(PyObject* o) {                                                                  \
        return about(#NAME, o, [](const Tensor& t) -> PyObject* { (void)t; return EXPR; });             \
    }                                                                                                   \
    PyObject* NAME##_method(PyObject* self, PyObject*) { return NAME##_of(self); }                      \
    [[maybe_unused]] PyObject* NAME##_function(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) { \
        PyObject* o = n == 1 && !kwnames ? args[0] : input_argument(#NAME, args, n, kwnames);           \
        return o ? NAME##_of(o) : nullptr;                                                              \
    }
PyObject* boolean(bool v) { return PyBool_FromLong(v); }
PyObject* integer(int64_t v) { return PyLong_FromLongLong(v); }
bool nonzero_value(const Tensor& t) {
    check(t.numel() != 0, "Boolean value of Tensor with no values is ambiguous");
    check(t.numel() == 1, "Boolean value of Tensor with more than one value is ambiguous");
    return item(t).to<bool>();
}
PyObject* item_of_tensor(const Tensor& t) {
    if (t.dtype() == DType::UInt64) return PyLong_FromUnsignedLongLong(uint64_t(item(t).i));
    return scalar_to_python(item(t));
}
char* address(const Tensor& t) {
    if (t.is_meta() || t.numel() == 0) return nullptr;
    return t.raw();
}
ASK(numel, integer(t.numel()))
ASK(dim, integer(t.dim()))
ASK(element_size, integer(itemsize(t.dtype())))
ASK(is_floating_point, boolean(t.is_floating()))
ASK(is_complex, boolean(t.is_complex()))
ASK(is_signed, boolean(info(t.dtype()).is_signed))
ASK(is_nonzero, boolean(nonzero_value(t)))
ASK(is_inference, boolean(t->inference))
ASK(is_conj, boolean(t->conj))
ASK(is_neg, boolean(t->neg))
ASK(get_device, integer(-1))
ASK(data_ptr, PyLong_FromVoidPtr(address(t)))
ASK(storage_offset, integer(t->offset))
ASK(item, item_of_tensor(t))
ASK(is_shared, boolean(!t.is_meta() && t->storage->owner != nullptr))
ASK(is_pinned, boolean(false))
ASK(untyped_storage, t->wrapper ? (t.no_memory(), nullptr) : storage_to_python(t->storage))
ASK(is_view_of_another, boolean(t.is_view()))

PyObject* in_dim(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames, const char* what, bool strides) {
    RL_TRY({
        static const char* const names[] = {"dim"};
        PyObject* dim;
        take_arguments(what, names, 1, 0, args, n, kwnames, &dim);
        const Tensor& t = T(self);
        if (!dim || dim == Py_None) return strides ? dims_to_python(t.strides()) : size_to_python(t.sizes());
        check(PyLong_Check(dim) || PyIndex_Check(dim), Err::Type, what, "(): argument 'dim' (position 1) must be int, not ", Py_TYPE(dim)->tp_name);
        int64_t d = PyLong_CheckExact(dim) ? PyLong_AsSsize_t(dim) : PyNumber_AsSsize_t(dim, PyExc_OverflowError);
        if (d == -1 && PyErr_Occurred()) return nullptr;
        d = wrap_dim(d, t.dim(), false);
        return integer(strides ? t.strides()[d] : t.sizes()[d]);
    });
}
PyObject* size(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) { return in_dim(self, args, n, kwnames, "size", false); }
PyObject* stride(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) { return in_dim(self, args, n, kwnames, "stride", true); }

bool has_format(const Tensor& t, MemoryFormat f) {
    if (f == MemoryFormat::Contiguous || f == MemoryFormat::Preserve) return t.is_contiguous();
    if (t.dim() != (f == MemoryFormat::ChannelsLast ? 4 : 5)) return false;
    if (t.numel() == 0) return true;
    Dims expected = format_strides("is_contiguous", t.sizes(), f);
    for (int64_t i = 0; i < t.dim(); i++)
        if (t.sizes()[i] != 1 && t.strides()[i] != expected[i]) return false;
    return true;
}
PyObject* is_contiguous(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    RL_TRY({
        static const char* const names[] = {"memory_format"};
        PyObject* format;
        take_arguments("is_contiguous", names, 1, 0, args, n, kwnames, &format);
        if (!format) format = Py_None;
        check(format == Py_None || !strcmp(Py_TYPE(format)->tp_name, "torch.memory_format"), Err::Type, "is_contiguous(): argument 'memory_format' must be torch.memory_format, not ", Py_TYPE(format)->tp_name);
        return boolean(has_format(T(self), format == Py_None ? MemoryFormat::Contiguous : format_from_python(format)));
    });
}
PyObject* dim_order(PyObject* self, PyObject*) {
    RL_TRY({
        const Tensor& t = T(self);
        if (t.is_contiguous()) {
            Dims order(size_t(t.dim()));
            for (int64_t i = 0; i < t.dim(); i++) order[i] = i;
            return dims_to_python(order);
        }
        return dims_to_python(stride_order(t.sizes(), t.strides()));
    });
}
PyObject* is_same_size(PyObject* self, PyObject* other) { return about("is_same_size", other, [&](const Tensor& t) { return boolean(same(T(self).sizes(), t.sizes())); }); }
PyObject* is_set_to(PyObject* self, PyObject* other) {
    return about("is_set_to", other, [&](const Tensor& o) {
        const Tensor& t = T(self);
        return boolean(t->storage.get() == o->storage.get() && t->offset == o->offset && same(t.sizes(), o.sizes()) && same(t.strides(), o.strides()));
    });
}
PyObject* is_same_size_function(PyObject*, PyObject* args) {
    PyObject *a, *b;
    if (!PyArg_ParseTuple(args, "OO:is_same_size", &a, &b)) return nullptr;
    return about("is_same_size", a, [&](const Tensor& t) { return is_same_size(t.py(), b); });
}

// ---------------------------------------------------------------- type
// "torch.FloatTensor" and back
DType dtype_of_type_name(const std::string& s) {
    for (int i = 0; i < kDTypes; i++)
        if (s == cat("torch.", title(DType(i)), "Tensor")) return DType(i);
    raise(Err::Value, "invalid type: '", s, "'");
}
PyObject* type(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    RL_TRY({
        static const char* const names[] = {"dtype", "non_blocking"};
        PyObject* given[2];
        take_arguments("type", names, 2, 0, args, n, kwnames, given);
        PyObject* dtype = given[0];
        const Tensor& t = T(self);
        if (!dtype || dtype == Py_None) return PyUnicode_FromFormat("torch.%s%sTensor", t.is_meta() ? "meta." : "", title(t.dtype()));
        if (PyUnicode_Check(dtype)) return to(t, dtype_of_type_name(PyUnicode_AsUTF8(dtype))).release();
        if (PyType_Check(dtype) && PyObject_HasAttrString(dtype, "dtype")) {  // torch.FloatTensor
            PyObject* d = checked(PyObject_GetAttrString(dtype, "dtype"));
            Tensor owner = Tensor::steal(d);
            return to(t, dtype_from_python(d)).release();
        }
        return to(t, dtype_from_python(dtype)).release();
    });
}

// ---------------------------------------------------------------- storage and geometry in place
void resize(const Tensor& t, const Dims& sizes, const Dims& strides) {
    int64_t need = (t->offset + span(sizes, strides)) * itemsize(t.dtype());
    if (product(sizes) > 0 && size_t(need) > t->storage->nbytes) {
        check(t->storage->resizable, "Trying to resize storage that is not resizable");
        t->storage->resize(size_t(need));
    }
    t.set_geometry(Dims(sizes), strides, t->offset);
}
MemoryFormat format_argument(PyObject* o) { return o == Py_None ? MemoryFormat::Contiguous : format_from_python(o); }
void check_resize(const Tensor& t) {
    check(!t.requires_grad(), "cannot resize variables that require grad");
    if (t->wrapper) t.no_memory();
}
Dims sizes_argument(PyObject* args) {  // resize_(2, 3) and resize_((2, 3))
    Param p;
    PyObject* first = PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : nullptr;
    Dims sizes = dims_from_python(first && !PyLong_Check(first) ? first : args, p);
    for (int64_t s : sizes) check(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes, " (resize_)");
    return sizes;
}
PyObject* resize_(PyObject* self, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject* format = kwargs ? PyDict_GetItemString(kwargs, "memory_format") : nullptr;
        PyObject* size = kwargs ? PyDict_GetItemString(kwargs, "size") : nullptr;
        check(!kwargs || PyDict_Size(kwargs) == (format != nullptr) + (size != nullptr), Err::Type, "resize_() got an unexpected keyword argument");
        const Tensor& t = T(self);
        check_resize(t);
        Dims sizes = sizes_argument(size ? size : args);
        resize(t, sizes, format_strides("resize_", sizes, format_argument(format ? format : Py_None)));
        return Py_NewRef(self);
    });
}
PyObject* resize_as_(PyObject* self, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *other, *format = Py_None;
        static const char* names[] = {"the_template", "memory_format", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$O:resize_as_", keywords(names), TensorType, &other, &format)) return nullptr;
        const Tensor &t = T(self), &o = T(other);
        check_resize(t);
        MemoryFormat f = format_argument(format);
        resize(t, o.sizes(), f == MemoryFormat::Preserve && is_non_overlapping_and_dense(o) ? o.strides() : format_strides("resize_as_", o.sizes(), f));
        return Py_NewRef(self);
    });
}
PyObject* resize_as_function(PyObject*, PyObject* args, PyObject* kwargs) {
    PyObject* self = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : nullptr;
    return about("resize_as_", self ? self : Py_None, [&](const Tensor&) {
        PyObject* rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
        PyObject* r = resize_as_(self, rest, kwargs);
        Py_DECREF(rest);
        return r;
    });
}
// set_(), set_(tensor), set_(storage), set_(storage or tensor, offset, size, stride)
PyObject* set_(PyObject* self, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *source = Py_None, *size = Py_None, *stride = Py_None;
        long long offset = 0;
        static const char* names[] = {"source", "storage_offset", "size", "stride", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OLOO:set_", keywords(names), &source, &offset, &size, &stride)) return nullptr;
        const Tensor& t = T(self);
        check_inplace("set_", t, false);
        if (t->wrapper) t.no_memory();
        Ref<Storage> s;
        Dims sizes, strides;
        if (PyObject_HasAttrString(source, "_untyped_storage")) {
            PyObject* inner = checked(PyObject_GetAttrString(source, "_untyped_storage"));
            s = storage_at(inner);
            Py_DECREF(inner);
        } else if (is_storage(source)) s = storage_at(source);
        if (source == Py_None) s = Storage::create(0, t.device()), sizes = {0}, strides = {1};
        else if (s) sizes = {int64_t(s->nbytes) / itemsize(t.dtype())}, strides = {1};
        else {
            check(is_tensor(source), Err::Type, "set_(): argument 'source' (position 1) must be Tensor or Storage, not ", Py_TYPE(source)->tp_name);
            const Tensor& o = T(source);
            if (o->wrapper) o.no_memory();
            check(o.dtype() == t.dtype(), "Could not set tensor of type ", name(o.dtype()), " to a tensor of type ", name(t.dtype()));
            s = o->storage, sizes = o.sizes(), strides = o.strides();
            if (size == Py_None) offset = o->offset;
        }
        if (size != Py_None) {
            Param p;
            sizes = dims_from_python(size, p);
            strides = stride == Py_None || (PySequence_Check(stride) && PySequence_Size(stride) == 0) ? contiguous_strides(sizes) : dims_from_python(stride, p);
            // a storage that can grow is made large enough
            size_t need = size_t((offset + span(sizes, strides)) * itemsize(t.dtype()));
            if (product(sizes) > 0 && need > s->nbytes && s->resizable && sizes.size() == strides.size()) s->resize(need);
            check_storage_bounds("set_", s, t.dtype(), sizes, strides, offset);
        }
        t->storage = s;
        t.set_geometry(sizes, strides, offset);
        t.bump_version();
        return Py_NewRef(self);
    });
}

// _rebuild_tensor(storage, dtype, offset, size, stride)
PyObject* rebuild_tensor(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *storage, *dtype, *size, *stride;
        long long offset;
        if (!PyArg_ParseTuple(args, "OOLOO", &storage, &dtype, &offset, &size, &stride)) return nullptr;
        check(is_storage(storage), Err::Type, "_rebuild_tensor(): an UntypedStorage is expected, not ", Py_TYPE(storage)->tp_name);
        Param p;
        Dims sizes = dims_from_python(size, p), strides = dims_from_python(stride, p);
        DType t = dtype_from_python(dtype);
        check_storage_bounds("_rebuild_tensor", storage_at(storage), t, sizes, strides, offset);
        return on_storage(storage_at(storage), t, sizes, strides, offset).release();
    });
}

#define METHOD_OF(NAME, DOC) {#NAME, NAME##_method, METH_NOARGS, DOC}
#define FUNCTION_OF(NAME, DOC) {#NAME, fast(NAME##_function), kFast, DOC}
PyMethodDef methods[] = {
    METHOD_OF(numel, "numel() -> int\n\nNumber of elements."), {"nelement", numel_method, METH_NOARGS, "nelement() -> int\n\nNumber of elements."}, METHOD_OF(dim, "dim() -> int\n\nNumber of dimensions."), {"ndimension", dim_method, METH_NOARGS, "ndimension() -> int\n\nNumber of dimensions."},
    {"dense_dim", dim_method, METH_NOARGS, "dense_dim() -> int\n\nDimensions of a tensor whose elements are all there: all of them."}, METHOD_OF(element_size, "element_size() -> int\n\nBytes of an element."), METHOD_OF(is_floating_point, "is_floating_point() -> bool\n\nWhether the dtype is a floating-point one."),
    METHOD_OF(is_complex, "is_complex() -> bool\n\nWhether the dtype is complex."), METHOD_OF(is_signed, "is_signed() -> bool\n\nWhether the dtype is signed."), METHOD_OF(is_nonzero, "is_nonzero() -> bool\n\nWhether the only element is not zero."),
    METHOD_OF(is_inference, "is_inference() -> bool\n\nWhether it was made in inference mode."), METHOD_OF(is_conj, "is_conj() -> bool\n\nWhether values are conjugated when read."), METHOD_OF(is_neg, "is_neg() -> bool\n\nWhether values are negated when read."),
    METHOD_OF(get_device, "get_device() -> int\n\n-1: the CPU."), METHOD_OF(data_ptr, "data_ptr() -> int\n\nAddress of the first element."), {"const_data_ptr", data_ptr_method, METH_NOARGS, "const_data_ptr() -> int\n\nAddress of the first element."},
    METHOD_OF(storage_offset, "storage_offset() -> int\n\nPlace of the first element in the storage, in elements."), METHOD_OF(item, "item() -> int | float | bool\n\nThe only element as a Python number."), METHOD_OF(is_shared, "is_shared() -> bool\n\nWhether the memory belongs to somebody else too."),
    METHOD_OF(is_pinned, "is_pinned() -> bool\n\nFalse: memory is never pinned."), METHOD_OF(untyped_storage, "untyped_storage() -> UntypedStorage\n\nThe bytes behind the tensor."), {"_is_view", is_view_of_another_method, METH_NOARGS, nullptr},
    {"size", fast(size), kFast, "size() -> Size\nsize(dim: int) -> int\n\nSizes of the dimensions, or of one."}, {"stride", fast(stride), kFast, "stride() -> tuple[int, ...]\nstride(dim: int) -> int\n\nStrides in elements, or one."},
    {"is_contiguous", fast(is_contiguous), kFast, "is_contiguous(memory_format: memory_format = ...) -> bool\n\nWhether memory is in this order without gaps."}, {"dim_order", dim_order, METH_NOARGS, "dim_order() -> tuple[int, ...]\n\nDimensions from the outermost in memory."},
    {"is_same_size", is_same_size, METH_O, "is_same_size(other: Tensor) -> bool\n\nWhether sizes are equal."}, {"is_set_to", is_set_to, METH_O, "is_set_to(tensor: Tensor) -> bool\n\nWhether memory, sizes and strides are the same."},
    {"type", fast(type), kFast, "type() -> str\ntype(dtype: Any, non_blocking: bool = False) -> Tensor\n\nThe type's name, or a conversion to a type."}, {"resize_", with_keywords(resize_), METH_VARARGS | METH_KEYWORDS, "resize_(*sizes: Any, memory_format: memory_format = ...) -> Tensor\n\nOther sizes over the same storage, which grows where needed."},
    {"resize_as_", with_keywords(resize_as_), METH_VARARGS | METH_KEYWORDS, "resize_as_(the_template: Tensor, *, memory_format: memory_format = ...) -> Tensor\n\nresize_ to another tensor's sizes."}, {"set_", with_keywords(set_), METH_VARARGS | METH_KEYWORDS, "set_(source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor\n\nAnother storage, sizes and strides."}, {}};
PyMethodDef functions[] = {FUNCTION_OF(numel, "numel(input: Tensor) -> int\n\nNumber of elements."), FUNCTION_OF(is_floating_point, "is_floating_point(input: Tensor) -> bool\n\nWhether the dtype is a floating-point one."), FUNCTION_OF(is_complex, "is_complex(input: Tensor) -> bool\n\nWhether the dtype is complex."),
                           FUNCTION_OF(is_signed, "is_signed(input: Tensor) -> bool\n\nWhether the dtype is signed."), FUNCTION_OF(is_nonzero, "is_nonzero(input: Tensor) -> bool\n\nWhether the only element is not zero."), FUNCTION_OF(is_inference, "is_inference(input: Tensor) -> bool\n\nWhether it was made in inference mode."),
                           FUNCTION_OF(is_conj, "is_conj(input: Tensor) -> bool\n\nWhether values are conjugated when read."), FUNCTION_OF(is_neg, "is_neg(input: Tensor) -> bool\n\nWhether values are negated when read."), FUNCTION_OF(get_device, "get_device(input: Tensor) -> int\n\n-1: the CPU."),
                           {"is_same_size", is_same_size_function, METH_VARARGS, "is_same_size(input: Tensor, other: Tensor) -> bool\n\nWhether sizes are equal."},
                           {"resize_as_", with_keywords(resize_as_function), METH_VARARGS | METH_KEYWORDS, "resize_as_(input: Tensor, the_template: Tensor, *, memory_format: memory_format = ...) -> Tensor\n\nresize_ to another tensor's sizes."}, {}};
PyMethodDef internal[] = {{"_rebuild_tensor", rebuild_tensor, METH_VARARGS, nullptr}, {}};
}  // namespace

void init_tensor_methods(PyObject* m) {
    add_methods(TensorType, methods);
    add_functions(m, functions);
    PyModule_AddFunctions(m, internal);
}

}  // namespace rl
