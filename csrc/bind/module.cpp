// rushlight._C
#include "bind/bind.h"

namespace rl {
void init_registry(PyObject* m);
void init_optim(PyObject* m);
void init_nn_module(PyObject* m);

static PyObject* disabled_override(PyObject*, PyObject* args) {
    PyObject *func, *types, *call_args = nullptr, *call_kwargs = nullptr;
    if (!PyArg_ParseTuple(args, "OO|OO", &func, &types, &call_args, &call_kwargs)) return nullptr;
    if (!call_args) call_args = PyTuple_New(0);
    return PyObject_Call(func, call_args, call_kwargs == Py_None ? nullptr : call_kwargs);
}
static PyMethodDef methods[] = {{"_disabled_torch_function_impl", disabled_override, METH_VARARGS, "As a class's __torch_function__: the class takes no part in overriding."}, {}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rushlight._C", "The native core of Rushlight.", -1, methods, nullptr, nullptr, nullptr, nullptr};
}  // namespace rl

PyMODINIT_FUNC PyInit__C() {
    using namespace rl;
    return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
        if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
            PyErr_SetString(PyExc_ImportError, "rushlight does not support sub-interpreters");
            return nullptr;
        }
        PyObject* m = checked(PyModule_Create(&definition));
        the_module = m;
        PyObject* linalg = PyErr_NewExceptionWithDoc("torch._C._LinAlgError", "A matrix that a solver or a decomposition cannot deal with.", PyExc_RuntimeError, nullptr);
        PyModule_AddObjectRef(m, "_LinAlgError", linalg);
        PyObject* memory = PyErr_NewExceptionWithDoc("torch.OutOfMemoryError", "Memory for a tensor that cannot be had.", PyExc_RuntimeError, nullptr);
        PyModule_AddObjectRef(m, "OutOfMemoryError", memory);
        init_types(m);
        init_tensor_type(m);
        init_operators(m);
        init_registry(m);
        init_autograd(m);
        init_modes(m);
        init_data(m);
        init_random(m);
        init_info(m);
        init_autocast(m);
        init_optim(m);
        init_nn_module(m);
        return m;
    });
}
