// The small types: Size, dtype, device, layout, memory_format.
#include <Python.h>
#include <structmember.h>

#include "bind/bind.h"

namespace rl {

PyObject* the_module;
PyTypeObject *SizeType, *DTypeType, *DeviceType;

namespace {
// ---------------------------------------------------------------- Size
PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    PyObject* t = PyTuple_Type.tp_new(type, args, kwargs);
    if (!t) return nullptr;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(t); i++) {
        PyObject* v = PyTuple_GET_ITEM(t, i);
        if (PyLong_Check(v)) continue;
        PyObject* n = PyNumber_Index(v);
        if (!n) {
            PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i, Py_TYPE(v)->tp_name);
            Py_DECREF(t);
            return nullptr;
        }
        PyTuple_SET_ITEM(t, i, n);
        Py_DECREF(v);
    }
    return t;
}
PyObject* size_repr(PyObject* self) {
    PyObject* list = PySequence_List(self);
    PyObject* r = PyUnicode_FromFormat("torch.Size(%R)", list);
    Py_DECREF(list);
    return r;
}
PyObject* as_size(PyObject* t) {
    if (!t || !PyTuple_CheckExact(t)) return t;
    PyObject* r = PyObject_CallOneArg((PyObject*)SizeType, t);
    Py_DECREF(t);
    return r;
}
PyObject* size_concat(PyObject* a, PyObject* b) { return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b)); }
PyObject* size_add(PyObject* a, PyObject* b) {
    if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
    return size_concat(a, b);
}
PyObject* size_repeat(PyObject* a, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(a, n)); }
PyObject* size_subscript(PyObject* a, PyObject* i) { return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(a, i)); }
PyObject* size_numel(PyObject* self, PyObject*) {
    int64_t n = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
    return PyLong_FromLongLong(n);
}
PyObject* size_reduce(PyObject* self, PyObject*) {
    PyObject* plain = PyTuple_GetSlice(self, 0, PyTuple_GET_SIZE(self));
    PyObject* exact = PySequence_Tuple(plain);
    Py_DECREF(plain);
    if (!PyTuple_CheckExact(exact)) {
        PyObject* list = PySequence_List(exact);
        Py_DECREF(exact);
        exact = PyList_AsTuple(list);
        Py_DECREF(list);
    }
    return Py_BuildValue("O(N)", (PyObject*)SizeType, exact);
}
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "Number of elements of a tensor of this size."}, {"__reduce__", size_reduce, METH_NOARGS, nullptr}, {}};
PyType_Slot size_slots[] = {{Py_tp_new, (void*)size_new}, {Py_tp_repr, (void*)size_repr}, {Py_sq_concat, (void*)size_concat}, {Py_nb_add, (void*)size_add}, {Py_sq_repeat, (void*)size_repeat},
                            {Py_mp_subscript, (void*)size_subscript}, {Py_tp_methods, size_methods}, {Py_tp_doc, (void*)"The sizes of a tensor: a tuple of ints."}, {}};
PyType_Spec size_spec = {"torch.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, size_slots};

// ---------------------------------------------------------------- dtype
struct DTypeObject {
    PyObject_HEAD
    DType t;
};
PyObject* dtype_objects[kDTypes];

DType dtype_at(PyObject* o) { return ((DTypeObject*)o)->t; }
PyObject* dtype_repr(PyObject* o) { return PyUnicode_FromFormat("torch.%s", name(dtype_at(o))); }
PyObject* dtype_reduce(PyObject* o, PyObject*) { return PyUnicode_FromString(name(dtype_at(o))); }
PyObject* dtype_to_real(PyObject* o, PyObject*) { return Py_NewRef(dtype_to_python(to_real(dtype_at(o)))); }
PyObject* dtype_to_complex(PyObject* o, PyObject*) { RL_TRY(return Py_NewRef(dtype_to_python(to_complex(dtype_at(o))))); }
#define GET(NAME, EXPR) \
    PyObject* NAME(PyObject* o, void*) { DType t = dtype_at(o); return EXPR; }
GET(dtype_floating, PyBool_FromLong(is_floating(t)))
GET(dtype_complex, PyBool_FromLong(is_complex(t)))
GET(dtype_signed, PyBool_FromLong(info(t).is_signed))
GET(dtype_itemsize, PyLong_FromLongLong(itemsize(t)))
PyGetSetDef dtype_getset[] = {{"is_floating_point", dtype_floating, nullptr, nullptr, nullptr}, {"is_complex", dtype_complex, nullptr, nullptr, nullptr},
                              {"is_signed", dtype_signed, nullptr, nullptr, nullptr}, {"itemsize", dtype_itemsize, nullptr, nullptr, nullptr}, {}};
PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr}, {"to_real", dtype_to_real, METH_NOARGS, nullptr}, {"to_complex", dtype_to_complex, METH_NOARGS, nullptr}, {}};
PyMemberDef dtype_members[] = {{nullptr}};
PyType_Slot dtype_slots[] = {{Py_tp_doc, (void*)"The type of a tensor's elements."}, {Py_tp_repr, (void*)dtype_repr}, {Py_tp_getset, dtype_getset}, {Py_tp_methods, dtype_methods}, {}};
PyType_Spec dtype_spec = {"torch.dtype", sizeof(DTypeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, dtype_slots};

// ---------------------------------------------------------------- device
struct DeviceObject {
    PyObject_HEAD
    char type[16];
    int64_t index;  // -1: none
};
PyObject* new_device(const char* type, int64_t index) {
    auto* d = PyObject_New(DeviceObject, DeviceType);
    snprintf(d->type, sizeof d->type, "%s", type);
    d->index = index;
    return (PyObject*)d;
}
// "cuda:1" as PyTorch writes it. Every device that PyTorch knows can be named; tensors live on cpu and meta only.
PyObject* parse_device(const char* text) {
    static const char* known[] = {"cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone"};
    std::string s = text;
    int64_t index = -1;
    if (size_t colon = s.find(':'); colon != std::string::npos) {
        std::string digits = s.substr(colon + 1);
        check(!digits.empty() && digits.size() < 5 && digits.find_first_not_of("0123456789") == std::string::npos && (digits.size() == 1 || digits[0] != '0'), "Invalid device string: '", text, "'");
        index = atoll(digits.c_str());
        s = s.substr(0, colon);
    }
    for (auto* k : known)
        if (s == k) return new_device(k, index);
    raise(Err::Runtime, "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string: ", text);
}
PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *type = nullptr, *index = nullptr;
        static const char* names[] = {"type", "index", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", const_cast<char**>(names), &type, &index)) return nullptr;
        if (Py_TYPE(type) == DeviceType) return Py_NewRef(type);
        if (PyLong_Check(type)) raise(Err::Runtime, "Cannot access accelerator device when none is available. (device ", int64_t(PyLong_AsLongLong(type)), "; use 'cpu')");
        check(PyUnicode_Check(type), Err::Type, "device(): argument 'type' (position 1) must be str, not ", Py_TYPE(type)->tp_name);
        PyObject* d = parse_device(PyUnicode_AsUTF8(type));
        if (index && index != Py_None) {
            auto* o = (DeviceObject*)d;
            check(o->index < 0, "type (string) must not include an index because index was passed explicitly: ", PyUnicode_AsUTF8(type));
            o->index = PyLong_AsLongLong(index);
            if (PyErr_Occurred()) raise_python();
        }
        return d;
    });
}
PyObject* device_str(PyObject* o) {
    auto* d = (DeviceObject*)o;
    return d->index < 0 ? PyUnicode_FromString(d->type) : PyUnicode_FromFormat("%s:%lld", d->type, (long long)d->index);
}
PyObject* device_repr(PyObject* o) {
    auto* d = (DeviceObject*)o;
    return d->index < 0 ? PyUnicode_FromFormat("device(type='%s')", d->type) : PyUnicode_FromFormat("device(type='%s', index=%lld)", d->type, (long long)d->index);
}
PyObject* device_compare(PyObject* a, PyObject* b, int op) {
    if (Py_TYPE(b) != DeviceType || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    auto *x = (DeviceObject*)a, *y = (DeviceObject*)b;
    bool same = !strcmp(x->type, y->type) && x->index == y->index;
    return PyBool_FromLong(same == (op == Py_EQ));
}
Py_hash_t device_hash(PyObject* o) {
    PyObject* s = device_str(o);
    Py_hash_t h = PyObject_Hash(s);
    Py_DECREF(s);
    return h;
}
PyObject* device_type(PyObject* o, void*) { return PyUnicode_FromString(((DeviceObject*)o)->type); }
PyObject* device_index(PyObject* o, void*) { return ((DeviceObject*)o)->index < 0 ? new_none() : PyLong_FromLongLong(((DeviceObject*)o)->index); }
PyObject* device_reduce(PyObject* o, PyObject*) {
    auto* d = (DeviceObject*)o;
    return d->index < 0 ? Py_BuildValue("O(s)", DeviceType, d->type) : Py_BuildValue("O(sL)", DeviceType, d->type, (long long)d->index);
}
PyObject* device_enter(PyObject* self, PyObject*) {
    PyObject* m = PyImport_ImportModule("rushlight.overrides");
    if (!m) return nullptr;
    PyObject* r = PyObject_CallMethod(m, "_push_device", "O", self);
    Py_DECREF(m);
    return r;
}
PyObject* device_exit(PyObject*, PyObject*) {
    PyObject* m = PyImport_ImportModule("rushlight.overrides");
    if (!m) return nullptr;
    PyObject* r = PyObject_CallMethod(m, "_pop_device", nullptr);
    Py_DECREF(m);
    return r;
}
PyGetSetDef device_getset[] = {{"type", device_type, nullptr, nullptr, nullptr}, {"index", device_index, nullptr, nullptr, nullptr}, {}};
PyMethodDef device_methods[] = {{"__reduce__", device_reduce, METH_NOARGS, nullptr}, {"__enter__", device_enter, METH_NOARGS, nullptr}, {"__exit__", device_exit, METH_VARARGS, nullptr}, {}};
PyType_Slot device_slots[] = {{Py_tp_doc, (void*)"Where a tensor's memory is: device('cpu'), or device('meta') for one without memory."}, {Py_tp_new, (void*)device_new}, {Py_tp_str, (void*)device_str}, {Py_tp_repr, (void*)device_repr}, {Py_tp_richcompare, (void*)device_compare},
                              {Py_tp_hash, (void*)device_hash}, {Py_tp_getset, device_getset}, {Py_tp_methods, device_methods}, {}};
PyType_Spec device_spec = {"torch.device", sizeof(DeviceObject), 0, Py_TPFLAGS_DEFAULT, device_slots};

// ---------------------------------------------------------------- layout, memory_format: names
struct NameObject {
    PyObject_HEAD
    const char* text;
    int value;
};
PyObject* name_repr(PyObject* o) { return PyUnicode_FromFormat("torch.%s", ((NameObject*)o)->text); }
PyObject* name_reduce(PyObject* o, PyObject*) { return PyUnicode_FromString(((NameObject*)o)->text); }
PyMethodDef name_methods[] = {{"__reduce__", name_reduce, METH_NOARGS, nullptr}, {}};
PyType_Slot name_slots[] = {{Py_tp_doc, (void*)"How a tensor's elements lie in memory, by name."}, {Py_tp_repr, (void*)name_repr}, {Py_tp_methods, name_methods}, {}};
PyType_Spec layout_spec = {"torch.layout", sizeof(NameObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, name_slots};
PyType_Spec format_spec = {"torch.memory_format", sizeof(NameObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, name_slots};
PyObject* formats[4];

PyObject* add_name(PyObject* m, PyTypeObject* type, const char* text, int value) {
    auto* o = PyObject_New(NameObject, type);
    o->text = text;
    o->value = value;
    PyModule_AddObjectRef(m, text, (PyObject*)o);
    return (PyObject*)o;
}
}  // namespace

DType dtype_from_python(PyObject* o) {
    if (Py_TYPE(o) == DTypeType) return dtype_at(o);
    if (o == (PyObject*)&PyFloat_Type) return DType::Float64;
    if (o == (PyObject*)&PyLong_Type) return DType::Int64;
    if (o == (PyObject*)&PyComplex_Type) return DType::Complex128;
    check(o == (PyObject*)&PyBool_Type, Err::Type, "a torch.dtype is expected, not ", Py_TYPE(o)->tp_name);
    return DType::Bool;
}
PyObject* dtype_to_python(DType t) { return dtype_objects[int(t)]; }

Device device_from_python(PyObject* o) {
    if (PyLong_Check(o)) raise(Err::Runtime, "Cannot access accelerator device when none is available. (device ", int64_t(PyLong_AsLongLong(o)), "; use 'cpu')");
    PyObject* parsed = PyUnicode_Check(o) ? parse_device(PyUnicode_AsUTF8(o)) : Py_NewRef(o);
    auto* d = (DeviceObject*)parsed;
    std::string type = d->type;
    Py_DECREF(parsed);
    if (type == "cpu") return Device::CPU;
    if (type == "meta") return Device::Meta;
    if (type == "cuda") {
        PyErr_SetString(PyExc_AssertionError, "Torch not compiled with CUDA enabled");
        raise_python();
    }
    raise(Err::NotImplemented, "device '", type, "' is not available: Rushlight's tensors live on 'cpu' and 'meta'");
}
PyObject* device_to_python(Device d) {
    static PyObject* cpu = new_device("cpu", -1);
    static PyObject* meta = new_device("meta", -1);
    return Py_NewRef(d == Device::CPU ? cpu : meta);
}
MemoryFormat format_from_python(PyObject* o) { return MemoryFormat(((NameObject*)o)->value); }
PyObject* format_to_python(MemoryFormat f) { return Py_NewRef(formats[int(f)]); }

void init_types(PyObject* m) {
    PyObject* bases = PyTuple_Pack(1, (PyObject*)&PyTuple_Type);
    SizeType = (PyTypeObject*)checked(PyType_FromSpecWithBases(&size_spec, bases));
    Py_DECREF(bases);
    DTypeType = (PyTypeObject*)checked(PyType_FromSpec(&dtype_spec));
    DeviceType = (PyTypeObject*)checked(PyType_FromSpec(&device_spec));
    auto* layout = (PyTypeObject*)checked(PyType_FromSpec(&layout_spec));
    auto* format = (PyTypeObject*)checked(PyType_FromSpec(&format_spec));
    PyModule_AddObjectRef(m, "Size", (PyObject*)SizeType);
    PyModule_AddObjectRef(m, "dtype", (PyObject*)DTypeType);
    PyModule_AddObjectRef(m, "device", (PyObject*)DeviceType);
    PyModule_AddObjectRef(m, "layout", (PyObject*)layout);
    PyModule_AddObjectRef(m, "memory_format", (PyObject*)format);
    for (int i = 0; i < kDTypes; i++) {
        auto* o = PyObject_New(DTypeObject, DTypeType);
        o->t = DType(i);
        dtype_objects[i] = (PyObject*)o;
        PyModule_AddObjectRef(m, name(DType(i)), (PyObject*)o);
    }
    static const std::pair<const char*, DType> short_names[] = {{"half", DType::Float16}, {"float", DType::Float32}, {"double", DType::Float64}, {"short", DType::Int16}, {"int", DType::Int32},
                                                               {"long", DType::Int64}, {"cfloat", DType::Complex64}, {"cdouble", DType::Complex128}, {"chalf", DType::Complex32}};
    for (auto& [n, t] : short_names) PyModule_AddObjectRef(m, n, dtype_objects[int(t)]);
    const char* layouts[] = {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"};
    for (int i = 0; i < 7; i++) add_name(m, layout, layouts[i], i);
    const char* names[] = {"contiguous_format", "preserve_format", "channels_last", "channels_last_3d"};
    for (int i = 0; i < 4; i++) formats[i] = add_name(m, format, names[i], i);
}

}  // namespace rl
