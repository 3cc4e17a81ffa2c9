// rushlight._C._ModuleBase: the call of an nn.Module. A model of small layers spends much of its time here, so that the
// usual call, of a module without hooks, goes straight to `forward` without a frame of Python.
#include "bind/bind.h"

namespace rl {
namespace {
PyObject *hooked_name, *call_impl_name, *forward_name;
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

PyType_Slot slots[] = {{Py_tp_call, (void*)module_call}, {Py_tp_doc, (void*)"What calls an nn.Module: `forward` between the hooks."}, {}};
PyType_Spec spec = {"rushlight._C._ModuleBase", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
}  // namespace

void init_nn_module(PyObject* m) {
    hooked_name = checked(PyUnicode_InternFromString("_hooked"));
    call_impl_name = checked(PyUnicode_InternFromString("_call_impl"));
    forward_name = checked(PyUnicode_InternFromString("forward"));
    global_hooks = checked(PyList_New(0));
    PyModule_AddObjectRef(m, "_global_module_hooks", global_hooks);
    PyObject* type = checked(PyType_FromSpec(&spec));
    PyModule_AddObjectRef(m, "_ModuleBase", type);
    Py_DECREF(type);
}
}  // namespace rl
