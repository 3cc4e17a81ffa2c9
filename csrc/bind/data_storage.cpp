// UntypedStorage: the bytes behind tensors as a Python object.
#include <Python.h>
#include <structmember.h>

#include "bind/data.h"
#include "core/ops.h"

namespace rl {

namespace {
struct StorageObject {
    PyObject_HEAD
    Ref<Storage> storage;
    PyObject* dict;
    PyObject* weaklist;
};
PyTypeObject* StorageType;
Storage& at(PyObject* o) { return *((StorageObject*)o)->storage; }

PyObject* wrap_storage(PyTypeObject* type, Ref<Storage> s) {
    auto* o = (StorageObject*)type->tp_alloc(type, 0);
    if (!o) raise_python();
    new (&o->storage) Ref<Storage>(std::move(s));
    o->storage->py = o;
    return (PyObject*)o;
}
// UntypedStorage(), (nbytes), (sequence of bytes)
PyObject* storage_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject* what = nullptr;
        OptDevice device;
        static const char* names[] = {"size", "device", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO&:UntypedStorage", keywords(names), &what, to_opt_device, &device)) return nullptr;
        Device d = device.value_or(Device::CPU);
        if (!what) return wrap_storage(type, Storage::create(0, d));
        if (PyLong_Check(what)) {
            int64_t n = PyLong_AsLongLong(what);
            if (n == -1 && PyErr_Occurred()) return nullptr;
            check(n >= 0, "UntypedStorage(): negative size ", n);
            return wrap_storage(type, Storage::create(size_t(n), d));
        }
        check(PySequence_Check(what), Err::Type, "UntypedStorage(): an int or a sequence of bytes is expected, not ", Py_TYPE(what)->tp_name);
        Tensor bytes = tensor_from_data(what, DType::UInt8, Device::CPU);
        return wrap_storage(type, bytes->storage);
    });
}
void storage_dealloc(PyObject* o) {
    auto* s = (StorageObject*)o;
    PyTypeObject* type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (s->weaklist) PyObject_ClearWeakRefs(o);
    Py_CLEAR(s->dict);
    if (s->storage && s->storage->py == o) s->storage->py = nullptr;
    s->storage.~Ref();
    type->tp_free(o);
    Py_DECREF(type);
}
int storage_traverse(PyObject* o, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(((StorageObject*)o)->dict);
    return 0;
}
int storage_clear(PyObject* o) {
    Py_CLEAR(((StorageObject*)o)->dict);
    return 0;
}
int storage_buffer(PyObject* o, Py_buffer* view, int flags) {
    Storage& s = at(o);
    if (s.device == Device::Meta) {
        PyErr_SetString(PyExc_BufferError, "a storage on the meta device has no memory");
        return -1;
    }
    s.resizable = false;  // the memory is known outside from now on
    return PyBuffer_FillInfo(view, o, s.data, Py_ssize_t(s.nbytes), 0, flags);
}
Py_ssize_t storage_length(PyObject* o) { return Py_ssize_t(at(o).nbytes); }
Py_ssize_t checked_index(PyObject* o, Py_ssize_t i) {
    auto n = Py_ssize_t(at(o).nbytes);
    check(i >= -n && i < n, Err::Index, "index ", int64_t(i), " out of range for storage of size ", int64_t(n));
    check(at(o).device == Device::CPU, Err::NotImplemented, "Not available for 'meta' device type");
    return i < 0 ? i + n : i;
}
PyObject* storage_getitem(PyObject* o, PyObject* key) {
    RL_TRY({
        if (PySlice_Check(key)) {
            Py_ssize_t a, b, step;
            if (PySlice_Unpack(key, &a, &b, &step) < 0) return nullptr;
            Py_ssize_t n = PySlice_AdjustIndices(Py_ssize_t(at(o).nbytes), &a, &b, step);
            check(step == 1, "Trying to slice with a step of ", int64_t(step), ", but only a step of 1 is supported");
            // shares the memory, and keeps the whole alive
            Storage& s = at(o);
            s.resizable = false;
            return wrap_storage(Py_TYPE(o), Storage::wrap(s.data + a, size_t(n), release_python, Py_NewRef(o)));
        }
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) return nullptr;
        return PyLong_FromLong(uint8_t(at(o).data[checked_index(o, i)]));
    });
}
int storage_setitem(PyObject* o, PyObject* key, PyObject* value) {
    return guarded<int>(-1, [&] {
        check(value, Err::Type, "bytes of a storage cannot be deleted");
        long v = PyLong_AsLong(value);
        if (v == -1 && PyErr_Occurred()) raise_python();
        check(at(o).device == Device::CPU, Err::NotImplemented, "Not available for 'meta' device type");
        if (PySlice_Check(key)) {
            Py_ssize_t a, b, step;
            if (PySlice_Unpack(key, &a, &b, &step) < 0) raise_python();
            Py_ssize_t n = PySlice_AdjustIndices(Py_ssize_t(at(o).nbytes), &a, &b, step);
            check(step == 1, "Trying to slice with a step of ", int64_t(step), ", but only a step of 1 is supported");
            memset(at(o).data + a, int(v), size_t(n));
            return 0;
        }
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) raise_python();
        at(o).data[checked_index(o, i)] = char(v);
        return 0;
    });
}
PyObject* storage_item(PyObject* o, Py_ssize_t i) { RL_TRY(return PyLong_FromLong(uint8_t(at(o).data[checked_index(o, i)]))); }  // makes it iterable
PyObject* storage_nbytes(PyObject* o, PyObject*) { return PyLong_FromSize_t(at(o).nbytes); }
PyObject* storage_data_ptr(PyObject* o, PyObject*) { return PyLong_FromVoidPtr(at(o).data); }
PyObject* storage_resizable(PyObject* o, PyObject*) { return PyBool_FromLong(at(o).resizable); }
PyObject* storage_resize(PyObject* o, PyObject* n) {
    RL_TRY({
        int64_t size = PyLong_AsLongLong(n);
        if (size == -1 && PyErr_Occurred()) return nullptr;
        check(size >= 0, "resize_(): negative size ", size);
        check(at(o).resizable, "Trying to resize storage that is not resizable");
        at(o).resize(size_t(size));
        return Py_NewRef(o);
    });
}
PyObject* storage_fill(PyObject* o, PyObject* v) {
    RL_TRY({
        long value = PyLong_AsLong(v);
        if (value == -1 && PyErr_Occurred()) return nullptr;
        if (at(o).device == Device::CPU) memset(at(o).data, int(value), at(o).nbytes);
        return Py_NewRef(o);
    });
}
PyObject* storage_copy(PyObject* o, PyObject* args) {
    RL_TRY({
        PyObject *src, *non_blocking = nullptr;
        if (!PyArg_ParseTuple(args, "O!|O:copy_", StorageType, &src, &non_blocking)) return nullptr;
        check(at(o).nbytes == at(src).nbytes, "size mismatch: copy_ of a storage of ", at(src).nbytes, " bytes into one of ", at(o).nbytes);
        if (at(o).device == Device::CPU) memmove(at(o).data, at(src).data, at(o).nbytes);
        return Py_NewRef(o);
    });
}
PyObject* storage_clone(PyObject* o, PyObject*) {
    RL_TRY({
        Ref<Storage> s = Storage::create(at(o).nbytes, at(o).device);
        if (s->device == Device::CPU) memcpy(s->data, at(o).data, s->nbytes);
        return wrap_storage(Py_TYPE(o), std::move(s));
    });
}
// For copy.deepcopy: storages that tensors share are copied once, which the memo remembers by identity.
PyObject* storage_deepcopy(PyObject* o, PyObject* memo) {
    RL_TRY({
        Tensor key = Tensor::steal(checked(PyLong_FromVoidPtr(o)));  // an owner of any object
        if (PyObject* known = PyDict_Check(memo) ? PyDict_GetItemWithError(memo, key.py()) : nullptr) return Py_NewRef(known);
        PyObject* copy = storage_clone(o, nullptr);
        if (copy && PyObject_SetItem(memo, key.py(), copy) < 0) Py_CLEAR(copy);
        return copy;
    });
}
PyObject* storage_tolist(PyObject* o, PyObject*) {
    PyObject* l = PyList_New(Py_ssize_t(at(o).nbytes));
    for (size_t i = 0; i < at(o).nbytes; i++) PyList_SET_ITEM(l, i, PyLong_FromLong(uint8_t(at(o).data[i])));
    return l;
}
PyObject* storage_element_size(PyObject*, PyObject*) { return PyLong_FromLong(1); }
PyObject* storage_device(PyObject* o, void*) { return device_to_python(at(o).device); }
PyObject* storage_cdata(PyObject* o, void*) { return PyLong_FromVoidPtr(&at(o)); }
PyObject* storage_false(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* storage_self(PyObject* o, PyObject*) { return Py_NewRef(o); }
PyObject* storage_compare(PyObject* a, PyObject* b, int op) {
    if (!is_storage(b) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((&at(a) == &at(b)) == (op == Py_EQ));
}
Py_hash_t storage_hash(PyObject* o) { return _Py_HashPointer(&at(o)); }

PyMethodDef methods[] = {{"nbytes", storage_nbytes, METH_NOARGS, "Size in bytes."}, {"size", storage_nbytes, METH_NOARGS, "Size in bytes."}, {"data_ptr", storage_data_ptr, METH_NOARGS, "Address of the memory."},
                         {"resizable", storage_resizable, METH_NOARGS, "Whether resize_ is possible."}, {"resize_", storage_resize, METH_O, "Changes the size, keeping the common part of the contents."},
                         {"fill_", storage_fill, METH_O, "Sets every byte."}, {"copy_", storage_copy, METH_VARARGS, "Copies the bytes of another storage of the same size."}, {"clone", storage_clone, METH_NOARGS, "A copy."},
                         {"__deepcopy__", storage_deepcopy, METH_O, nullptr},
                         {"tolist", storage_tolist, METH_NOARGS, "The bytes as a list of ints."}, {"element_size", storage_element_size, METH_NOARGS, "1."}, {"is_shared", storage_false, METH_NOARGS, nullptr},
                         {"is_pinned", storage_false, METH_NOARGS, nullptr}, {"cpu", storage_self, METH_NOARGS, nullptr}, {"untyped", storage_self, METH_NOARGS, nullptr}, {}};
PyGetSetDef getset[] = {{"device", storage_device, nullptr, nullptr, nullptr}, {"_cdata", storage_cdata, nullptr, nullptr, nullptr}, {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
PyMemberDef members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(StorageObject, dict), READONLY, nullptr}, {"__weaklistoffset__", T_PYSSIZET, offsetof(StorageObject, weaklist), READONLY, nullptr}, {}};
PyType_Slot slots[] = {{Py_tp_new, (void*)storage_new}, {Py_tp_dealloc, (void*)storage_dealloc}, {Py_tp_traverse, (void*)storage_traverse}, {Py_tp_clear, (void*)storage_clear}, {Py_tp_methods, methods},
                       {Py_tp_getset, getset}, {Py_tp_members, members}, {Py_bf_getbuffer, (void*)storage_buffer}, {Py_mp_length, (void*)storage_length}, {Py_sq_length, (void*)storage_length}, {Py_sq_item, (void*)storage_item},
                       {Py_mp_subscript, (void*)storage_getitem}, {Py_mp_ass_subscript, (void*)storage_setitem}, {Py_tp_richcompare, (void*)storage_compare}, {Py_tp_hash, (void*)storage_hash},
                       {Py_tp_doc, (void*)"The bytes behind tensors, shared by views."}, {}};
PyType_Spec spec = {"torch.storage.UntypedStorage", sizeof(StorageObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
}  // namespace

bool is_storage(PyObject* o) { return PyObject_TypeCheck(o, StorageType); }
const Ref<Storage>& storage_at(PyObject* o) { return ((StorageObject*)o)->storage; }
PyObject* storage_to_python(const Ref<Storage>& s) {
    if (s->py) return Py_NewRef((PyObject*)s->py);
    return wrap_storage(StorageType, s);
}

void init_storage(PyObject* m) {
    StorageType = (PyTypeObject*)checked(PyType_FromSpec(&spec));
    PyModule_AddObjectRef(m, "UntypedStorage", (PyObject*)StorageType);
}

}  // namespace rl
