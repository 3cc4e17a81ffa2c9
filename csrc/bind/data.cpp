// torch.tensor and its relatives: tensors made of Python's numbers, sequences and arrays.
#include "bind/data.h"

#include <cmath>
#include <limits>

#include "autograd/meta.h"
#include "core/iterate.h"
#include "core/ops.h"

namespace rl {

void release_python(void* owner) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject*)owner);
    PyGILState_Release(gil);
}
void add_methods(PyTypeObject* type, PyMethodDef* methods) {
    for (auto* d = methods; d->ml_name; d++) {
        PyObject* f = PyDescr_NewMethod(type, d);
        if (!f || PyObject_SetAttrString((PyObject*)type, d->ml_name, f) < 0) raise_python();
        Py_DECREF(f);
    }
}
void add_functions(PyObject* m, PyMethodDef* methods) {
    PyObject* functions = PyObject_GetAttrString(m, "_functions");
    if (PyModule_AddFunctions(m, methods) < 0 || PyModule_AddFunctions(functions, methods) < 0) raise_python();
    Py_DECREF(functions);
}
void take_arguments(const char* function, const char* const* names, size_t count, size_t required, PyObject* const* args, Py_ssize_t n, PyObject* kwnames, PyObject** into) {
    check(size_t(n) <= count, Err::Type, function, "() takes at most ", count, " argument", count == 1 ? "" : "s", " (", n, " given)");
    for (size_t i = 0; i < count; i++) into[i] = i < size_t(n) ? args[i] : nullptr;
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
        PyObject* key = PyTuple_GET_ITEM(kwnames, k);
        size_t i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(key, names[i]) != 0) i++;
        check(i < count, Err::Type, function, "() got an unexpected keyword argument '", PyUnicode_AsUTF8(key), "'");
        check(!into[i], Err::Type, function, "() got multiple values for argument '", names[i], "'");
        into[i] = args[n + k];
    }
    for (size_t i = 0; i < required; i++) check(into[i] != nullptr, Err::Type, function, "() missing required argument '", names[i], "' (position ", i + 1, ")");
}
int to_opt_dtype(PyObject* o, void* out) {
    return guarded<int>(0, [&] {
        if (o != Py_None) *static_cast<OptDType*>(out) = dtype_from_python(o);
        return 1;
    });
}
int to_opt_device(PyObject* o, void* out) {
    return guarded<int>(0, [&] {
        if (o == Py_None) return 1;
        check(Py_TYPE(o) == DeviceType || PyUnicode_Check(o) || PyLong_Check(o), Err::Type, "argument 'device' must be torch.device, not ", Py_TYPE(o)->tp_name);
        *static_cast<OptDevice*>(out) = device_from_python(o);
        return 1;
    });
}

// ---------------------------------------------------------------- the type of the elements
namespace {
bool is_numpy_scalar(PyObject* o) {
    const char* n = Py_TYPE(o)->tp_name;
    return !strncmp(n, "numpy.", 6) && strcmp(n, "numpy.ndarray") && PyObject_HasAttrString(o, "dtype");
}
DType numpy_scalar_dtype(PyObject* o) {
    const char* n = Py_TYPE(o)->tp_name + 6;
    if (!strcmp(n, "bool") || !strcmp(n, "bool_")) return DType::Bool;
    if (!strcmp(n, "longlong")) return DType::Int64;
    if (!strcmp(n, "ulonglong")) return DType::UInt64;
    for (int i = 0; i < kDTypes; i++)
        if (!strcmp(n, name(DType(i)))) return DType(i);
    raise(Err::Type, "can't convert a number of type numpy.", n, ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.");
}
bool is_container(PyObject* o) { return PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !(is_tensor(o) && Tensor::view(o).dim() == 0); }

// The elements of a container as a list or tuple (new reference).
PyObject* elements(PyObject* o) {
    PyObject* fast = PySequence_Fast(o, "not a sequence");
    if (!fast) raise_python();
    return fast;
}
struct Elements {
    PyObject* fast;
    explicit Elements(PyObject* o) : fast(elements(o)) {}
    ~Elements() { Py_DECREF(fast); }
    Py_ssize_t size() const { return PySequence_Fast_GET_SIZE(fast); }
    PyObject* operator[](Py_ssize_t i) const { return PySequence_Fast_GET_ITEM(fast, i); }
};

DType infer(PyObject* o, int depth) {
    if (PyFloat_CheckExact(o)) return default_dtype();
    if (PyBool_Check(o)) return DType::Bool;
    if (PyLong_Check(o)) return DType::Int64;
    if (is_tensor(o)) return Tensor::view(o).dtype();
    if (is_ndarray(o)) return tensor_from_numpy(o, false).dtype();
    if (is_numpy_scalar(o)) return numpy_scalar_dtype(o);
    if (PyFloat_Check(o)) return default_dtype();
    if (PyComplex_Check(o)) return to_complex(default_dtype());
    check(!PyUnicode_Check(o) && !PyBytes_Check(o), Err::Type, "new(): invalid data type '", Py_TYPE(o)->tp_name, "'");
    check(is_container(o), "Could not infer dtype of ", Py_TYPE(o)->tp_name);
    check(depth < 128, Err::Value, "too many dimensions '", Py_TYPE(o)->tp_name, "'");
    Elements e(o);
    if (e.size() == 0) return default_dtype();
    DType t = DType::Undefined;
    for (Py_ssize_t i = 0; i < e.size(); i++) {
        PyObject* v = e[i];
        check(v != o, Err::Type, "new(): self-referential lists are incompatible");
        check(!PyUnicode_Check(v) && !PyBytes_Check(v), Err::Value, "too many dimensions '", Py_TYPE(v)->tp_name, "'");
        t = promote(t, infer(v, depth + 1));
        if (t == DType::Complex128) break;
    }
    return t;
}

// Sizes along the first elements.
Dims infer_sizes(PyObject* data) {
    Dims sizes;
    PyObject* o = Py_NewRef(data);
    while (is_container(o)) {
        int64_t n = PySequence_Size(o);
        if (n < 0 || sizes.size() > 128) {
            Py_DECREF(o);
            if (n < 0) raise_python();
            raise(Err::Value, "too many dimensions '", Py_TYPE(data)->tp_name, "'");
        }
        sizes.push_back(n);
        if (n == 0) break;
        PyObject* first = PySequence_GetItem(o, 0);
        Py_DECREF(o);
        if (!first) raise_python();
        o = first;
    }
    Py_DECREF(o);
    return sizes;
}

// ---------------------------------------------------------------- the elements
double as_double(PyObject* o) {
    if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
    if (is_tensor(o)) check(Tensor::view(o).numel() == 1, Err::Value, "only one element tensors can be converted to Python scalars");
    double v = PyFloat_AsDouble(o);
    if (v == -1 && PyErr_Occurred()) raise_python();
    return v;
}
c128 as_complex(PyObject* o) {
    if (is_tensor(o)) return item(Tensor::view(o)).to<c128>();
    Py_complex z = PyComplex_AsCComplex(o);
    if (z.real == -1 && PyErr_Occurred()) raise_python();
    return {z.real, z.imag};
}
template <class T> int64_t as_integer(PyObject* o) {
    PyObject* index = nullptr;
    if (is_tensor(o)) {
        check(Tensor::view(o).numel() == 1, Err::Value, "only one element tensors can be converted to Python scalars");
        index = PyNumber_Long(o);
    } else if (PyFloat_Check(o)) {
        double d = PyFloat_AS_DOUBLE(o);
        check(std::isfinite(d), "value cannot be converted to type ", name(dtype_of<T>()), " without overflow");
        index = PyNumber_Long(o);
    } else index = PyNumber_Index(o);
    if (!index) raise_python();
    int overflow = 0;
    int64_t v = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (overflow > 0 && std::is_same_v<T, uint64_t>) {
        v = int64_t(PyLong_AsUnsignedLongLong(index));
        overflow = PyErr_Occurred() ? 1 : 0;
        PyErr_Clear();
    }
    Py_DECREF(index);
    check(!overflow, Err::Value, "Overflow when unpacking long long");
    return v;
}
template <class T> T element(PyObject* o) {
    if constexpr (std::is_same_v<T, bool>) {
        int v = PyObject_IsTrue(o);
        if (v < 0) raise_python();
        return v;
    } else if constexpr (is_complex_v<T>) return convert<T>(as_complex(o));
    else if constexpr (std::is_integral_v<T>) {
        int64_t v = as_integer<T>(o);
        // negative numbers wrap in unsigned types, as in PyTorch
        bool fits = sizeof(T) == 8 || (v <= int64_t(std::numeric_limits<T>::max()) && (std::is_signed_v<T> ? v >= int64_t(std::numeric_limits<T>::min()) : -v <= int64_t(std::numeric_limits<T>::max())));
        check(fits, "value cannot be converted to type ", name(dtype_of<T>()), " without overflow");
        return T(v);
    } else return convert<T>(as_double(o));
}

template <class T> void fill_elements(T*& out, const Dims& sizes, size_t dim, PyObject* o) {
    if (dim == sizes.size()) {
        if (is_container(o)) {
            if (is_tensor(o)) raise(Err::Value, "only one element tensors can be converted to Python scalars");
            raise(Err::Type, "'", Py_TYPE(o)->tp_name, std::is_integral_v<T> ? "' object cannot be interpreted as an integer" : "' object can't be interpreted as a number");
        }
        *out++ = element<T>(o);
        return;
    }
    check(is_container(o), Err::Type, "not a sequence (a ", Py_TYPE(o)->tp_name, " at dim ", dim, " where a sequence of length ", sizes[dim], " is expected)");
    Elements e(o);
    check(e.size() == sizes[dim], Err::Value, "expected sequence of length ", sizes[dim], " at dim ", dim, " (got ", int64_t(e.size()), ")");
    if (dim + 1 == sizes.size() && std::is_same_v<T, float>) {  // the usual case, without a call for each number
        for (Py_ssize_t i = 0; i < e.size(); i++) {
            PyObject* v = e[i];
            if (PyFloat_CheckExact(v)) *out++ = convert<T>(PyFloat_AS_DOUBLE(v));
            else fill_elements(out, sizes, dim + 1, v);
        }
        return;
    }
    for (Py_ssize_t i = 0; i < e.size(); i++) fill_elements(out, sizes, dim + 1, e[i]);
}

// A list of arrays or tensors of one shape is copied array by array.
bool copy_arrays(const Tensor& out, PyObject* data) {
    if (!(PyList_Check(data) || PyTuple_Check(data)) || out.dim() < 2) return false;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(data);
    for (Py_ssize_t i = 0; i < n; i++)
        if (!is_ndarray(PySequence_Fast_GET_ITEM(data, i))) return false;
    Dims rest = Dims(Ints(out.sizes()).subspan(1));
    for (Py_ssize_t i = 0; i < n; i++) {
        Tensor t = tensor_from_numpy(PySequence_Fast_GET_ITEM(data, i), false);
        check(same(t.sizes(), rest), Err::Value, "expected sequence of length ", rest.empty() ? 0 : rest[0], " at dim 1 (got ", t.dim() ? t.sizes()[0] : 0, ")");
        copy_raw(alias(out, rest, Dims(Ints(out.strides()).subspan(1)), int64_t(i) * out.strides()[0]), t);
    }
    return true;
}
}  // namespace

DType infer_dtype(PyObject* data) { return infer(data, 0); }

static Tensor from_sequence(PyObject* data, const OptDType& dtype) {
    check(!PyUnicode_Check(data) && !PyBytes_Check(data), Err::Type, "new(): invalid data type '", Py_TYPE(data)->tp_name, "'");
    DType t = dtype ? *dtype : infer(data, 0);
    Tensor out = empty(infer_sizes(data), t);
    if (copy_arrays(out, data)) return out;
    if (out.numel() == 0) {  // still look for ragged lists
        int8_t none, *p = &none;
        fill_elements(p, out.sizes(), 0, data);
        return out;
    }
    dispatch(t, [&](auto tag) {
        auto* p = out.data<typename decltype(tag)::type>();
        fill_elements(p, out.sizes(), 0, data);
    });
    return out;
}

Tensor tensor_from_data(PyObject* data, const OptDType& dtype, Device device) {
    Tensor r;
    NoGrad guard;
    if (is_tensor(data)) {
        const Tensor& t = Tensor::view(data);
        r = dtype && *dtype != t.dtype() ? to(t, *dtype) : clone(t);
        if (t.is_meta()) return r;
    } else if (is_ndarray(data)) {
        Tensor t = tensor_from_numpy(data, false);
        r = empty(t.sizes(), dtype.value_or(t.dtype()));
        copy_raw(r, t);
    } else r = from_sequence(data, dtype);
    return device == Device::Meta ? empty(r.sizes(), r.dtype(), Device::Meta) : r;
}

// ---------------------------------------------------------------- functions
namespace {
// Other objects that hold arrays: by the buffer protocol's relatives. Null where data is none of them.
PyObject* as_array(PyObject* data) {
    if (is_tensor(data) || is_ndarray(data) || PyList_Check(data) || PyTuple_Check(data) || PyNumber_Check(data)) return nullptr;
    if (!PyObject_HasAttrString(data, "__array_interface__") && !PyObject_HasAttrString(data, "__array__")) return nullptr;
    PyObject* np = checked(PyImport_ImportModule("numpy"));
    PyObject* a = PyObject_CallMethod(np, "asarray", "O", data);
    Py_DECREF(np);
    return checked(a);
}
PyObject* tensor(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    RL_TRY({
        static const char* const names[] = {"data", "dtype", "device", "requires_grad", "pin_memory", "names"};
        PyObject* a[6];
        take_arguments("tensor", names, 6, 1, args, n, kwnames, a);
        PyObject* data = a[0];
        OptDType dtype;
        OptDevice device;
        if ((a[1] && !to_opt_dtype(a[1], &dtype)) || (a[2] && !to_opt_device(a[2], &device))) return nullptr;
        bool requires_grad = a[3] && PyObject_IsTrue(a[3]) == 1;
        if (is_tensor(data) && PyErr_WarnEx(PyExc_UserWarning, "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).", 1) < 0) return nullptr;
        Tensor array = Tensor::steal(as_array(data));
        bool sparse = is_tensor(data) && Tensor::view(data)->wrapper;
        Tensor r = sparse ? to(clone(detach(Tensor::view(data))), dtype.value_or(Tensor::view(data).dtype()))
                          : tensor_from_data(array ? array.py() : data, dtype, device.value_or(is_tensor(data) ? Tensor::view(data).device() : Device::CPU));
        if (requires_grad) set_requires_grad(r, true);
        return r.release();
    });
}

// Shares memory where it can; a tensor keeps its history.
Tensor as_tensor_impl(PyObject* data, const OptDType& dtype, const OptDevice& device) {
    Tensor t;
    if (is_tensor(data)) t = Tensor::borrow(data);
    else if (is_ndarray(data)) t = tensor_from_numpy(data, true);
    else if (is_storage(data)) raise(Err::Type, "as_tensor(): a storage has no shape; use torch.tensor(list(storage)) or torch.frombuffer");
    else {
        PyObject* array = as_array(data);
        if (!array) return tensor_from_data(data, dtype, device.value_or(Device::CPU));
        Tensor owner = Tensor::steal(array);
        t = tensor_from_numpy(array, true);
    }
    if (dtype && *dtype != t.dtype()) t = to(t, *dtype);
    if (device && *device != t.device()) {
        check(*device == Device::Meta, Err::NotImplemented, "Cannot copy out of meta tensor; no data!");
        t = empty(t.sizes(), t.dtype(), Device::Meta);
    }
    return t;
}
PyObject* as_tensor(PyObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject* data;
        OptDType dtype;
        OptDevice device;
        static const char* names[] = {"data", "dtype", "device", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&O&:as_tensor", keywords(names), &data, to_opt_dtype, &dtype, to_opt_device, &device)) return nullptr;
        return as_tensor_impl(data, dtype, device).release();
    });
}
PyObject* asarray(PyObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *obj, *copy = Py_None;
        OptDType dtype;
        OptDevice device;
        int requires_grad = 0;
        static const char* names[] = {"obj", "dtype", "device", "copy", "requires_grad", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O&O&Op:asarray", keywords(names), &obj, to_opt_dtype, &dtype, to_opt_device, &device, &copy, &requires_grad)) return nullptr;
        Tensor shared;  // the same memory, where obj has some
        if (is_tensor(obj)) shared = Tensor::borrow(obj);
        else if (is_ndarray(obj) || is_numpy_scalar(obj)) {
            Tensor array = Tensor::steal(is_ndarray(obj) ? Py_NewRef(obj) : checked(PyObject_CallMethod(obj, "__array__", nullptr)));
            shared = tensor_from_numpy(array.py(), true);
        } else if (PyObject_HasAttrString(obj, "__dlpack__")) shared = tensor_from_dlpack(obj, Py_None, Py_None);
        else if (PyObject_CheckBuffer(obj)) {
            PyObject* r = PyObject_CallMethod(the_module, "_from_buffer", "OO", obj, dtype_to_python(dtype.value_or(default_dtype())));
            shared = Tensor::steal(checked(r));
        }
        Tensor r;
        if (!shared) {
            check(copy != Py_False, Err::Value, "can't alias arbitrary sequence objects.");
            r = tensor_from_data(obj, dtype, device.value_or(Device::CPU));
        } else {
            bool moves = (dtype && *dtype != shared.dtype()) || (device && *device != shared.device());
            check(copy != Py_False || !moves, Err::Value, "can't alias tensor with dtype '", name(shared.dtype()), "' into dtype '", name(dtype.value_or(shared.dtype())), "'.");
            r = moves ? as_tensor_impl(shared.py(), dtype, device) : copy == Py_True ? clone(shared) : shared;
            if (!requires_grad && r.requires_grad()) r = detach(r);
        }
        if (requires_grad && !r.requires_grad()) set_requires_grad(r, true);
        return r.release();
    });
}
PyObject* infer_dtype_py(PyObject*, PyObject* o) { RL_TRY(return Py_NewRef(dtype_to_python(infer_dtype(o)))); }

PyMethodDef functions[] = {{"tensor", fast(tensor), kFast, "tensor(data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor\n\nA tensor with a copy of data: a number, nested sequences of numbers, or an array."},
                           {"as_tensor", with_keywords(as_tensor), METH_VARARGS | METH_KEYWORDS, "as_tensor(data: Any, dtype: dtype | None = None, device: Any = None) -> Tensor\n\ndata as a tensor, sharing memory where possible."},
                           {"asarray", with_keywords(asarray), METH_VARARGS | METH_KEYWORDS, "asarray(obj: Any, *, dtype: dtype | None = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Tensor\n\nobj as a tensor, sharing memory where possible unless copy=True."},
                           {}};
PyMethodDef internal[] = {{"_infer_dtype", infer_dtype_py, METH_O, nullptr}, {}};
}  // namespace

void init_data(PyObject* m) {
    add_functions(m, functions);
    PyModule_AddFunctions(m, internal);
    init_storage(m);
    init_exchange(m);
    init_tensor_methods(m);
    init_varargs(m);
}

}  // namespace rl
