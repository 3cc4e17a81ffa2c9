// rushlight._C._ModuleBase: those parts of an nn.Module that a model of small layers spends its time in. The usual call,
// of a module without hooks, goes straight to `forward`; the usual assignment, of a number or a text, straight to the
// attribute; both without a frame of Python. Everything else is Python: `_call_impl` and `_set_attribute`.
#include "bind/bind.h"

namespace rl {
namespace {
PyObject *hooked_name, *call_impl_name, *forward_name, *set_attribute_name, *training_name, *owner_name;
PyObject* table_names[3];  // of the members: parameters, buffers, submodules
PyObject* global_hooks;  // a list, not empty while a hook of all modules may exist

bool may_have_hooks(PyObject* self) {
    if (PyList_GET_SIZE(global_hooks) > 0) return true;
    PyObject* hooked = PyObject_GetAttr(self, hooked_name);
    if (!hooked) {  // Module.__init__ was not called: the attribute that is looked for next says so
        PyErr_Clear();
        return false;
    }
    Py_DECREF(hooked);
    return hooked == Py_True;
}

PyObject* module_call(PyObject* self, PyObject* args, PyObject* kwargs) {
    constexpr Py_ssize_t kOnStack = 6;
    PyObject* method = may_have_hooks(self) ? call_impl_name : forward_name;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject* function = PyObject_GetAttr(self, method);
    if (!function) return nullptr;
    PyObject* result;
    if (kwargs || n > kOnStack) result = PyObject_Call(function, args, kwargs);
    else {
        PyObject* stack[kOnStack + 1];  // the first is room for the callee's self
        for (Py_ssize_t i = 0; i < n; i++) stack[i + 1] = PyTuple_GET_ITEM(args, i);
        result = PyObject_Vectorcall(function, stack + 1, size_t(n) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    }
    Py_DECREF(function);
    return result;
}

bool is_plain(PyObject* value) {
    PyTypeObject* type = Py_TYPE(value);
    return type == &PyBool_Type || type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type || type == &PyTuple_Type;
}

// Is `name` no member of any kind? One that is there as a plain value is none, nor is one that neither the module nor its
// class knows: members are attributes, too, but for those that an attribute of the class hides.
bool is_no_member(PyObject* self, PyObject* name) {
    PyObject* attributes = PyObject_GenericGetDict(self, nullptr);
    if (!attributes) {
        PyErr_Clear();
        return false;
    }
    PyObject* held = PyDict_GetItemWithError(attributes, name);
    bool plain = held ? is_plain(held) : !PyErr_Occurred() && !_PyType_Lookup(Py_TYPE(self), name);
    PyErr_Clear();  // a name that can't be looked up: the general way says so
    Py_DECREF(attributes);
    return plain;
}

// A method and not the type's slot: programs use object.__setattr__(module, name, value) to get around registration, which
// Python refuses where a type has a slot of its own.
PyObject* module_setattr(PyObject* self, PyObject* const* args, Py_ssize_t n) {
    if (n != 2 || !PyUnicode_Check(args[0])) return PyErr_Format(PyExc_TypeError, "__setattr__() takes a name and a value");
    if (!is_plain(args[1]) || !is_no_member(self, args[0])) return PyObject_CallMethodObjArgs(self, set_attribute_name, args[0], args[1], nullptr);
    return PyObject_GenericSetAttr(self, args[0], args[1]) < 0 ? nullptr : new_none();
}

// _begin(table type): what every module has from the start: the flags, and a table for each kind of member.
PyObject* begin(PyObject* self, PyObject* table_type) {
    if (PyObject_GenericSetAttr(self, training_name, Py_True) < 0 || PyObject_GenericSetAttr(self, hooked_name, Py_False) < 0) return nullptr;
    PyObject* owner = PyWeakref_NewRef(self, nullptr);
    if (!owner) return nullptr;
    int failed = 0;
    for (PyObject* name : table_names) {
        PyObject* table = PyObject_CallNoArgs(table_type);
        failed = !table || PyObject_SetAttr(table, owner_name, owner) < 0 || PyObject_GenericSetAttr(self, name, table) < 0;
        Py_XDECREF(table);
        if (failed) break;
    }
    Py_DECREF(owner);
    return failed ? nullptr : new_none();
}

PyMethodDef base_methods[] = {{"__setattr__", (PyCFunction)(void*)module_setattr, METH_FASTCALL, "Sets an attribute: a parameter, a buffer, a submodule or anything else."},
                              {"_begin", begin, METH_O, "Gives a new module its flags and its tables of members."}, {}};
PyType_Slot slots[] = {{Py_tp_call, (void*)module_call}, {Py_tp_methods, base_methods},
                       {Py_tp_doc, (void*)"What calls an nn.Module: `forward` between the hooks."}, {}};
PyType_Spec spec = {"rushlight._C._ModuleBase", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
}  // namespace

void init_nn_module(PyObject* m) {
    hooked_name = checked(PyUnicode_InternFromString("_hooked"));
    call_impl_name = checked(PyUnicode_InternFromString("_call_impl"));
    forward_name = checked(PyUnicode_InternFromString("forward"));
    set_attribute_name = checked(PyUnicode_InternFromString("_set_attribute"));
    training_name = checked(PyUnicode_InternFromString("training"));
    owner_name = checked(PyUnicode_InternFromString("_owner"));
    const char* tables[] = {"_parameters", "_buffers", "_modules"};
    for (int i = 0; i < 3; i++) table_names[i] = checked(PyUnicode_InternFromString(tables[i]));
    global_hooks = checked(PyList_New(0));
    PyModule_AddObjectRef(m, "_global_module_hooks", global_hooks);
    PyObject* type = checked(PyType_FromSpec(&spec));
    PyModule_AddObjectRef(m, "_ModuleBase", type);
    Py_DECREF(type);
}
}  // namespace rl
