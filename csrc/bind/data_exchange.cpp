// Memory shared with others: NumPy arrays (by the buffer protocol; NumPy's C API is not needed), buffers, DLPack.
#include <memory>

#include "autograd/meta.h"
#include "bind/data.h"
#include "core/iterate.h"
#include "core/ops.h"

namespace rl {

// ---------------------------------------------------------------- NumPy
bool is_ndarray(PyObject* o) {
    static PyTypeObject* type = nullptr;
    if (!type) {
        for (PyTypeObject* t = Py_TYPE(o); t; t = t->tp_base)
            if (!strcmp(t->tp_name, "numpy.ndarray")) type = t;
        return type != nullptr;
    }
    return PyObject_TypeCheck(o, type);
}

namespace {
constexpr const char* kArrayTypes = "The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.";

DType dtype_of_format(const char* f) {
    static const std::pair<const char*, DType> map[] = {{"?", DType::Bool}, {"B", DType::UInt8}, {"b", DType::Int8}, {"h", DType::Int16}, {"H", DType::UInt16}, {"i", DType::Int32}, {"I", DType::UInt32}, {"l", DType::Int64},
                                                        {"L", DType::UInt64}, {"q", DType::Int64}, {"Q", DType::UInt64}, {"e", DType::Float16}, {"f", DType::Float32}, {"d", DType::Float64}, {"Zf", DType::Complex64}, {"Zd", DType::Complex128}};
    for (auto& [text, t] : map)
        if (!strcmp(f, text)) return t;
    return DType::Undefined;
}
[[noreturn]] void unsupported_array(PyObject* array) {
    PyErr_Clear();
    PyObject* dtype = PyObject_GetAttrString(array, "dtype");
    PyObject* type = dtype ? PyObject_GetAttrString(dtype, "type") : nullptr;
    std::string n = type && PyType_Check(type) ? ((PyTypeObject*)type)->tp_name : Py_TYPE(array)->tp_name;
    Py_XDECREF(type);
    Py_XDECREF(dtype);
    PyErr_Clear();
    raise(Err::Type, "can't convert np.ndarray of type ", n, ". ", kArrayTypes);
}
struct Buffer : Py_buffer {
    ~Buffer() { PyBuffer_Release(this); }
};
void warn_not_writable() {
    static bool warned = false;
    if (std::exchange(warned, true)) return;
    if (PyErr_WarnEx(PyExc_UserWarning, "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing to this tensor will result in undefined behavior. "
                     "You may want to copy the array to protect its data or make it writable before converting it to a tensor. This type of warning will be suppressed for the rest of this program.", 1) < 0) raise_python();
}
}  // namespace

static Dims array_strides(PyObject* array, DType t) {
    Tensor owner = Tensor::steal(checked(PyObject_GetAttrString(array, "strides")));
    Dims r = dims_from_python(owner.py(), Param());
    for (auto& s : r) s /= itemsize(t);
    return r;
}

Tensor tensor_from_numpy(PyObject* array, bool warn) {
    Py_buffer view;
    if (PyObject_GetBuffer(array, &view, PyBUF_STRIDES | PyBUF_FORMAT) < 0) unsupported_array(array);
    // NumPy's memory does not move while the array lives, so the array is kept and the view is not
    struct Release {
        Py_buffer& v;
        ~Release() { PyBuffer_Release(&v); }
    } release{view};
    const char* format = view.format ? view.format : "B";
    check(format[0] != '>' && format[0] != '!', Err::Value, "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.");
    if (strchr("<=@", format[0])) format++;
    DType t = dtype_of_format(format);
    if (t == DType::Undefined) unsupported_array(array);
    Dims sizes(size_t(view.ndim)), strides(size_t(view.ndim));
    for (int i = 0; i < view.ndim; i++) {
        sizes[i] = view.shape[i];
        check(view.strides[i] >= 0, Err::Value, "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. (You can probably work around this by making a copy of your array  with array.copy().) ");
        check(view.strides[i] % itemsize(t) == 0, Err::Value, "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.");
        strides[i] = view.strides[i] / itemsize(t);
    }
    if (product(sizes) == 0) strides = array_strides(array, t);  // the buffer protocol makes up others for empty arrays
    if (warn && view.readonly) warn_not_writable();
    size_t bytes = size_t(span(sizes, strides) * itemsize(t));
    return on_storage(Storage::wrap(view.buf, bytes, release_python, Py_NewRef(array)), t, sizes, strides, 0);
}

// What is needed of NumPy's C API: its table's entries keep their places.
struct NumpyApi {
    PyTypeObject* array;
    PyObject* (*from_descr)(PyTypeObject*, PyObject* descr, int rank, const Py_ssize_t* sizes, const Py_ssize_t* strides, void* data, int flags, PyObject*);
    int (*set_base)(PyObject* array, PyObject* base);
    PyObject* module;
};
static const NumpyApi& numpy_api() {
    static NumpyApi api = {};
    if (api.module) return api;
    PyObject* core = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (!core) PyErr_Clear(), core = checked(PyImport_ImportModule("numpy.core._multiarray_umath"));  // before NumPy 2
    PyObject* capsule = checked(PyObject_GetAttrString(core, "_ARRAY_API"));
    auto table = static_cast<void**>(PyCapsule_GetPointer(capsule, nullptr));
    if (!table) raise_python();
    constexpr int array = 2, from_descr = 94, set_base = 282;
    api.array = static_cast<PyTypeObject*>(table[array]);
    api.from_descr = reinterpret_cast<decltype(api.from_descr)>(table[from_descr]);
    api.set_base = reinterpret_cast<decltype(api.set_base)>(table[set_base]);
    api.module = checked(PyImport_ImportModule("numpy"));
    return api;
}

PyObject* tensor_to_numpy(const Tensor& given, bool force) {
    Tensor t = given;
    if (t->wrapper) t.no_memory();
    if (force) t = resolve(detach(t));
    check(!t.is_meta(), Err::Type, "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
    check(!(tls.grad && t.requires_grad()) && !t.requires_grad(), "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
    check(!t->conj, "Can't call numpy() on Tensor that has conjugate bit set. Use tensor.resolve_conj().numpy() instead.");
    check(!t->neg, "Can't call numpy() on Tensor that has negative bit set. Use tensor.resolve_neg().numpy() instead.");
    DType d = t.dtype();
    check(d != DType::BFloat16 && d != DType::Float8E4M3FN && d != DType::Float8E5M2 && d != DType::Complex32, Err::Type, "Got unsupported ScalarType ", title(d));
    static PyObject* dtypes[kDTypes];
    const NumpyApi& np = numpy_api();
    if (!dtypes[int(d)]) dtypes[int(d)] = checked(PyObject_CallMethod(np.module, "dtype", "s", name(d)));
    Dims strides = t.strides();
    for (auto& s : strides) s *= itemsize(d);
    constexpr int aligned_and_writeable = 0x0500;
    char* memory = t.numel() ? t.raw() : t->storage->data;
    static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));
    auto sizes_of = [](const Dims& s) { return reinterpret_cast<const Py_ssize_t*>(s.data()); };
    PyObject* r = checked(np.from_descr(np.array, Py_NewRef(dtypes[int(d)]), int(t.dim()), sizes_of(t.sizes()), sizes_of(strides), memory, aligned_and_writeable, nullptr));
    t->storage->resizable = false;  // the memory is known outside from now on
    if (np.set_base(r, storage_to_python(t->storage)) < 0) {
        Py_DECREF(r);
        raise_python();
    }
    return r;
}

static PyObject* list_of(const Tensor& t, const char* p, int64_t dim) {
    if (dim == t.dim()) {
        return dispatch(t.dtype(), [&](auto tag) -> PyObject* {
            using T = typename decltype(tag)::type;
            T v = *reinterpret_cast<const T*>(p);
            if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(v);
            else if constexpr (std::is_same_v<T, uint64_t>) return PyLong_FromUnsignedLongLong(v);
            else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(v);
            else if constexpr (is_complex_v<T>) {
                c128 z = convert<c128>(v);
                return PyComplex_FromDoubles(z.real(), z.imag());
            } else return PyFloat_FromDouble(convert<double>(v));
        });
    }
    int64_t n = t.sizes()[dim], step = t.strides()[dim] * itemsize(t.dtype());
    PyObject* l = PyList_New(n);
    for (int64_t i = 0; i < n; i++) PyList_SET_ITEM(l, i, list_of(t, p + i * step, dim + 1));
    return l;
}
PyObject* tensor_to_list(const Tensor& t) {
    check(!t.is_meta(), Err::NotImplemented, "Cannot copy out of meta tensor; no data!");
    Tensor r = resolve(t);
    return list_of(r, r.raw(), 0);
}

// ---------------------------------------------------------------- DLPack (version 0.x and 1.x structs)
namespace {
struct DLTensor {
    void* data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};
struct DLManaged {
    DLTensor t;
    void* context;
    void (*deleter)(DLManaged*);
};
struct DLManagedVersioned {
    uint32_t major, minor;
    void* context;
    void (*deleter)(DLManagedVersioned*);
    uint64_t flags;
    DLTensor t;
};
constexpr int kDLCpu = 1;
enum { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLComplex = 5, kDLBool = 6 };

struct Exported {  // what a managed tensor keeps alive
    Dims sizes, strides;
    Ref<Storage> storage;
};
void describe(DLTensor& d, const Tensor& t, Exported* e) {
    e->sizes = t.sizes(), e->strides = t.strides(), e->storage = t->storage;
    for (size_t i = 0; i < e->sizes.size(); i++)  // what has one element may have any stride; 1 is what others expect
        if (e->sizes[i] < 2) e->strides[i] = 1;
    DType dt = t.dtype();
    uint8_t code = dt == DType::Bool ? kDLBool : dt == DType::BFloat16 ? kDLBfloat : is_complex(dt) ? kDLComplex : is_floating(dt) ? kDLFloat : info(dt).is_signed ? kDLInt : kDLUInt;
    check(dt != DType::Float8E4M3FN && dt != DType::Float8E5M2, "float8 types are not supported by dlpack");
    d = {t.raw(), kDLCpu, 0, int32_t(t.dim()), code, uint8_t(itemsize(dt) * 8), 1, e->sizes.data(), e->strides.data(), 0};
}
template <class M> M* export_tensor(const Tensor& t) {
    auto* e = new Exported;
    auto* m = new M{};
    m->context = e;
    m->deleter = [](M* self) {
        PyGILState_STATE gil = PyGILState_Ensure();  // storages are counted under it
        delete static_cast<Exported*>(self->context);
        PyGILState_Release(gil);
        delete self;
    };
    if constexpr (std::is_same_v<M, DLManagedVersioned>) m->major = 1, m->minor = 0;
    try {
        describe(m->t, t, e);
    } catch (...) {
        m->deleter(m);
        throw;
    }
    return m;
}
template <class M> void capsule_destructor(PyObject* capsule) {
    const char* n = PyCapsule_GetName(capsule);
    if (!n || !strncmp(n, "used_", 5)) return;
    auto* m = static_cast<M*>(PyCapsule_GetPointer(capsule, n));
    if (m && m->deleter) m->deleter(m);
}
PyObject* tensor_dlpack(PyObject* self, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *stream = Py_None, *max_version = Py_None, *device = Py_None, *copy = Py_None;
        static const char* names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:__dlpack__", keywords(names), &stream, &max_version, &device, &copy)) return nullptr;
        Tensor t = Tensor::borrow(self);
        auto refuse = [](const char* text) {
            PyErr_SetString(PyExc_BufferError, text);
            raise_python();
        };
        if (t.requires_grad()) refuse("Can't export tensors that require gradient, use tensor.detach()");
        if (t->conj) refuse("Can't export tensors with the conjugate bit set");
        if (t->neg) refuse("Can't export tensors with the negative bit set");
        if (t.is_meta()) refuse("Can't export tensors on the meta device: they have no memory");
        if (device != Py_None && PyTuple_Check(device) && PyLong_AsLong(PyTuple_GET_ITEM(device, 0)) != kDLCpu) refuse("__dlpack__: tensors can be exported to the CPU only");
        if (copy == Py_True) t = clone(t);
        t->storage->resizable = false;
        bool versioned = PyTuple_Check(max_version) && PyTuple_GET_SIZE(max_version) == 2 && PyLong_AsLong(PyTuple_GET_ITEM(max_version, 0)) >= 1;
        if (versioned) return PyCapsule_New(export_tensor<DLManagedVersioned>(t), "dltensor_versioned", capsule_destructor<DLManagedVersioned>);
        return PyCapsule_New(export_tensor<DLManaged>(t), "dltensor", capsule_destructor<DLManaged>);
    });
}
PyObject* tensor_dlpack_device(PyObject* self, PyObject*) {
    RL_TRY({
        check(!Tensor::view(self).is_meta(), Err::Value, "Unknown device type meta for Dlpack");
        return Py_BuildValue("(ii)", kDLCpu, 0);
    });
}

DType dtype_of_dlpack(const DLTensor& d) {
    check(d.lanes == 1, "from_dlpack: vector types (", int64_t(d.lanes), " lanes) are not supported");
    auto pick = [&](std::initializer_list<DType> types) {
        for (DType t : types)
            if (itemsize(t) * 8 == d.bits) return t;
        raise(Err::Runtime, "from_dlpack: a type of code ", int64_t(d.code), " with ", int64_t(d.bits), " bits is not supported");
    };
    switch (d.code) {
        case kDLInt: return pick({DType::Int8, DType::Int16, DType::Int32, DType::Int64});
        case kDLUInt: return pick({DType::UInt8, DType::UInt16, DType::UInt32, DType::UInt64});
        case kDLFloat: return pick({DType::Float16, DType::Float32, DType::Float64});
        case kDLBfloat: return pick({DType::BFloat16});
        case kDLComplex: return pick({DType::Complex32, DType::Complex64, DType::Complex128});
        case kDLBool: return pick({DType::Bool});
    }
    raise(Err::Runtime, "from_dlpack: unsupported type code ", int64_t(d.code));
}
template <class M> Tensor import_tensor(PyObject* capsule, const char* name, const char* used) {
    auto* m = static_cast<M*>(PyCapsule_GetPointer(capsule, name));
    if (!m) raise_python();
    DLTensor& d = m->t;
    check(d.device_type == kDLCpu, "from_dlpack: the tensor is on a device of type ", int64_t(d.device_type), "; only CPU tensors can be imported");
    DType t = dtype_of_dlpack(d);
    Dims sizes{Ints(d.shape, size_t(d.ndim))};
    Dims strides = d.strides ? Dims{Ints(d.strides, size_t(d.ndim))} : contiguous_strides(sizes);
    for (int64_t s : strides) check(s >= 0, Err::Value, "from_dlpack: negative strides are not supported");
    PyCapsule_SetName(capsule, used);
    auto release = [](void* owner) {
        auto* managed = static_cast<M*>(owner);
        if (managed->deleter) managed->deleter(managed);
    };
    return on_storage(Storage::wrap(static_cast<char*>(d.data) + d.byte_offset, size_t(span(sizes, strides) * itemsize(t)), release, m), t, sizes, strides, 0);
}
}  // namespace

Tensor tensor_from_dlpack(PyObject* source, PyObject* device, PyObject* copy) {
    PyObject* capsule = PyCapsule_CheckExact(source) ? Py_NewRef(source) : nullptr;
    if (!capsule) {
        check(PyObject_HasAttrString(source, "__dlpack__"), Err::Type, "from_dlpack(): an object with __dlpack__ or a capsule is expected, not ", Py_TYPE(source)->tp_name);
        PyObject* method = checked(PyObject_GetAttrString(source, "__dlpack__"));
        PyObject* none = PyTuple_New(0);
        PyObject* kwargs = Py_BuildValue("{s:(ii)}", "max_version", 1, 0);
        if (copy != Py_None) PyDict_SetItemString(kwargs, "copy", copy);
        if (device != Py_None) {
            PyObject* cpu = Py_BuildValue("(ii)", kDLCpu, 0);
            PyDict_SetItemString(kwargs, "dl_device", cpu);
            Py_DECREF(cpu);
        }
        capsule = PyObject_Call(method, none, kwargs);
        if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {  // written before max_version existed
            PyErr_Clear();
            capsule = PyObject_Call(method, none, nullptr);
        }
        Py_DECREF(kwargs);
        Py_DECREF(none);
        Py_DECREF(method);
        checked(capsule);
    }
    Tensor owner = Tensor::steal(capsule);
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) return import_tensor<DLManagedVersioned>(capsule, "dltensor_versioned", "used_dltensor_versioned");
    check(PyCapsule_IsValid(capsule, "dltensor"), "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have already constructed a tensor from it once.");
    return import_tensor<DLManaged>(capsule, "dltensor", "used_dltensor");
}

// ---------------------------------------------------------------- functions
namespace {
PyObject* from_numpy(PyObject*, PyObject* o) {
    RL_TRY({
        check(is_ndarray(o), Err::Type, "expected np.ndarray (got ", Py_TYPE(o)->tp_name, ")");
        return tensor_from_numpy(o, true).release();
    });
}
Tensor from_buffer(PyObject* buffer, DType t, int64_t count, int64_t offset, bool empty_ok) {
    check(PyObject_CheckBuffer(buffer), Err::Value, "object does not implement Python buffer protocol.");
    auto* view = new Buffer{};
    std::unique_ptr<Buffer> owner(view);
    if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        if (PyObject_GetBuffer(buffer, view, PyBUF_SIMPLE) < 0) raise_python();
        static bool warned = false;
        if (!std::exchange(warned, true) && PyErr_WarnEx(PyExc_UserWarning, "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can write to the underlying (supposedly non-writable) buffer using the tensor. "
                         "You may want to copy the buffer to protect its data or make it writable before converting it to a tensor. This type of warning will be suppressed for the rest of this program.", 1) < 0) raise_python();
    }
    int64_t n = view->len, size = itemsize(t);
    if (!(empty_ok && n == 0)) {
        check(n > 0 && count != 0, Err::Value, "both buffer length (", n, ") and count (", count, ") must not be 0");
        check(offset >= 0 && offset < n, Err::Value, "offset (", offset, " bytes) must be non-negative and no greater than buffer length (", n, " bytes) minus 1");
        check(count > 0 || (n - offset) % size == 0, Err::Value, "buffer length (", n - offset, " bytes) after offset (", offset, " bytes) must be a multiple of element size (", size, ")");
    }
    int64_t elements = count > 0 ? count : (n - offset) / size;
    check(elements <= (n - offset) / size, Err::Value, "requested buffer length (", elements, " * ", size, " bytes) after offset (", offset, " bytes) must not be greater than actual buffer length (", n, " bytes)");
    auto release = [](void* o) {
        PyGILState_STATE gil = PyGILState_Ensure();
        delete static_cast<Buffer*>(o);
        PyGILState_Release(gil);
    };
    Ref<Storage> s = Storage::wrap(static_cast<char*>(view->buf) + offset, size_t(elements * size), release, owner.release());
    return on_storage(std::move(s), t, Dims{elements}, Dims{1}, 0);
}
PyObject* frombuffer(PyObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject* buffer;
        OptDType dtype;
        long long count = -1, offset = 0;
        int requires_grad = 0;
        static const char* names[] = {"buffer", "dtype", "count", "offset", "requires_grad", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O&LLp:frombuffer", keywords(names), &buffer, to_opt_dtype, &dtype, &count, &offset, &requires_grad)) return nullptr;
        check(dtype.has_value(), Err::Type, "frombuffer() missing 1 required positional arguments: \"dtype\"");
        Tensor t = from_buffer(buffer, *dtype, count, offset, false);
        if (requires_grad) set_requires_grad(t, true);
        return t.release();
    });
}
PyObject* from_buffer_py(PyObject*, PyObject* args) {  // a whole buffer, which may be empty
    RL_TRY({
        PyObject *buffer, *dtype;
        if (!PyArg_ParseTuple(args, "OO", &buffer, &dtype)) return nullptr;
        return from_buffer(buffer, dtype_from_python(dtype), -1, 0, true).release();
    });
}
PyObject* from_dlpack(PyObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *source, *device = Py_None, *copy = Py_None;
        static const char* names[] = {"ext_tensor", "device", "copy", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OO:from_dlpack", keywords(names), &source, &device, &copy)) return nullptr;
        return tensor_from_dlpack(source, device, copy).release();
    });
}
PyObject* to_dlpack(PyObject*, PyObject* o) {
    RL_TRY({
        check(is_tensor(o), Err::Type, "to_dlpack(): argument must be Tensor, not ", Py_TYPE(o)->tp_name);
        return PyObject_CallMethod(o, "__dlpack__", nullptr);
    });
}
PyObject* numpy(PyObject* self, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        int force = 0;
        static const char* names[] = {"force", nullptr};
        if ((kwargs || PyTuple_GET_SIZE(args)) && !PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:numpy", keywords(names), &force)) return nullptr;
        return tensor_to_numpy(Tensor::view(self), force);
    });
}
// __array__(dtype=None, copy=None)
PyObject* array(PyObject* self, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *dtype = Py_None, *copy = Py_None;
        static const char* names[] = {"dtype", "copy", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:__array__", keywords(names), &dtype, &copy)) return nullptr;
        PyObject* a = tensor_to_numpy(Tensor::view(self), false);
        if (dtype == Py_None && copy != Py_True) return a;
        PyObject* options = Py_BuildValue("{s:O}", "copy", copy == Py_True ? Py_True : Py_False);
        PyObject* method = PyObject_GetAttrString(a, copy == Py_True && dtype == Py_None ? "copy" : "astype");
        PyObject* positional = dtype == Py_None ? PyTuple_New(0) : PyTuple_Pack(1, dtype);
        PyObject* r = PyObject_Call(method, positional, dtype == Py_None ? nullptr : options);
        Py_DECREF(positional);
        Py_DECREF(method);
        Py_DECREF(options);
        Py_DECREF(a);
        return r;
    });
}
PyObject* tolist(PyObject* self, PyObject*) { RL_TRY(return tensor_to_list(Tensor::view(self))); }

PyMethodDef functions[] = {{"from_numpy", from_numpy, METH_O, "from_numpy(ndarray: Any) -> Tensor\n\nA tensor that shares an array's memory."},
                           {"frombuffer", with_keywords(frombuffer), METH_VARARGS | METH_KEYWORDS, "frombuffer(buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor\n\nA vector over the memory of an object with the buffer protocol."},
                           {"from_dlpack", with_keywords(from_dlpack), METH_VARARGS | METH_KEYWORDS, "from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor\n\nA tensor over the memory of another library's tensor."},
                           {"to_dlpack", to_dlpack, METH_O, "to_dlpack(tensor: Tensor) -> Any\n\nA capsule for other libraries."},
                           {}};
PyMethodDef internal[] = {{"_from_buffer", from_buffer_py, METH_VARARGS, nullptr}, {}};
PyMethodDef methods[] = {{"numpy", with_keywords(numpy), METH_VARARGS | METH_KEYWORDS, "numpy(*, force: bool = False) -> Any\n\nAn array that shares the tensor's memory; force=True detaches and resolves first."},
                         {"__array__", with_keywords(array), METH_VARARGS | METH_KEYWORDS, "__array__(dtype: Any = None, copy: bool | None = None) -> Any\n\nA NumPy array of the values."},
                         {"tolist", tolist, METH_NOARGS, "tolist() -> Any\n\nThe elements as nested lists of numbers."},
                         {"__dlpack__", with_keywords(tensor_dlpack), METH_VARARGS | METH_KEYWORDS, "__dlpack__(*, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None) -> Any\n\nA capsule for other libraries."},
                         {"__dlpack_device__", tensor_dlpack_device, METH_NOARGS, "__dlpack_device__() -> tuple[int, int]\n\nWhere the memory is, in DLPack's numbers."},
                         {}};
}  // namespace

void init_exchange(PyObject* m) {
    add_functions(m, functions);
    PyModule_AddFunctions(m, internal);
    add_methods(TensorType, methods);
}

}  // namespace rl
