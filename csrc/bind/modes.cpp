// Interpreters and torch-function modes, as rushlight/overrides.py and rushlight/func push them.
#include "bind/bind.h"
#include "core/sparse.h"

namespace rl {

namespace {
struct OverloadObject {  // what an interpreter is handed: an operator's overload, callable
    PyObject_HEAD
    const OpInfo* op;
    bool inplace;
};
PyTypeObject* OverloadType;

const OpInfo& op_at(PyObject* o) { return *((OverloadObject*)o)->op; }
std::string overload_name(PyObject* o) {
    auto& op = op_at(o);
    return (op.ns.empty() || op.ns == "nn" ? "" : op.ns + "_") + op.name + (((OverloadObject*)o)->inplace ? "_" : "") + "." + (op.overload.empty() ? "default" : op.overload);
}
PyObject* overload_repr(PyObject* o) { return PyUnicode_FromFormat("<OpOverload(op='aten.%s')>", overload_name(o).c_str()); }
PyObject* overload_str(PyObject* o) { return PyUnicode_FromFormat("aten.%s", overload_name(o).c_str()); }
PyObject* overload_get_name(PyObject* o, void*) { return PyUnicode_FromString(overload_name(o).c_str()); }
PyObject* overload_get_category(PyObject* o, void*) { return PyUnicode_FromString(op_at(o).category); }
PyObject* overload_get_op(PyObject* o, void*) { return PyUnicode_FromString(op_at(o).name.c_str()); }
PyObject* overload_get_overload(PyObject* o, void*) { return PyUnicode_FromString(op_at(o).overload.empty() ? "default" : op_at(o).overload.c_str()); }
PyObject* overload_get_params(PyObject* o, void*) {
    auto& op = op_at(o);
    PyObject* t = PyTuple_New(Py_ssize_t(op.params.size()));
    for (size_t i = 0; i < op.params.size(); i++)
        PyTuple_SET_ITEM(t, i, Py_BuildValue("(ssOO)", op.params[i].name.c_str(), op.params[i].type.c_str(), op.params[i].keyword_only ? Py_True : Py_False, op.params[i].default_value ? op.params[i].default_value : Py_None));
    return t;
}
PyObject* overload_call(PyObject* o, PyObject* args, PyObject* kwargs) {
    auto* v = (OverloadObject*)o;
    OpSet set{v->op->ns, v->op->name, {const_cast<OpInfo*>(v->op)}};
    std::vector<PyObject*> stack;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) stack.push_back(PyTuple_GET_ITEM(args, i));
    PyObject* names = nullptr;
    if (kwargs && PyDict_Size(kwargs)) {
        names = PySequence_Tuple(kwargs);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) stack.push_back(PyDict_GetItem(kwargs, PyTuple_GET_ITEM(names, i)));
    }
    PyObject* r = call_set(set, o, stack.data(), size_t(PyTuple_GET_SIZE(args)), names, false, v->inplace);
    Py_XDECREF(names);
    return r;
}
PyGetSetDef overload_getset[] = {{"__name__", overload_get_name, nullptr, nullptr, nullptr}, {"_category", overload_get_category, nullptr, nullptr, nullptr}, {"_opname", overload_get_op, nullptr, nullptr, nullptr},
                                 {"_overloadname", overload_get_overload, nullptr, nullptr, nullptr}, {"_params", overload_get_params, nullptr, nullptr, nullptr}, {}};
PyType_Slot overload_slots[] = {{Py_tp_repr, (void*)overload_repr}, {Py_tp_str, (void*)overload_str}, {Py_tp_call, (void*)overload_call}, {Py_tp_getset, overload_getset}, {}};
PyType_Spec overload_spec = {"torch._ops.OpOverload", sizeof(OverloadObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, overload_slots};

PyObject* push(PyObject*, PyObject* args) {
    PyObject* handler;
    int level;
    if (!PyArg_ParseTuple(args, "Oi", &handler, &level)) return nullptr;
    push_interpreter(handler, level);
    Py_RETURN_NONE;
}
PyObject* pop(PyObject*, PyObject*) { RL_TRY(pop_interpreter(); Py_RETURN_NONE); }
PyObject* depth(PyObject*, PyObject*) { return PyLong_FromLong(long(tls.modes)); }
PyObject* vmap_level(PyObject*, PyObject*) {  // of the innermost vmap in force, 0 for none
    auto& stack = interpreters();
    for (size_t i = stack.size(); i-- > 0;)
        if (stack[i].level > 0) return PyLong_FromLong(stack[i].level);
    return PyLong_FromLong(0);
}
PyObject* function_modes(PyObject*, PyObject* n) {  // sets how many torch-function modes are in force; returns the old number
    long old = long(tls.functions), now = PyLong_AsLong(n);
    if (now == -1 && PyErr_Occurred()) return nullptr;
    tls.functions = uint32_t(now);
    return PyLong_FromLong(old);
}
PyObject* wrap_py(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject* inner;
        long long dim;
        int level;
        if (!PyArg_ParseTuple(args, "O!Li", TensorType, &inner, &dim, &level)) return nullptr;
        return wrap(Tensor::view(inner), dim, level).release();
    });
}
PyObject* unwrap_py(PyObject*, PyObject* o) {  // (inner, dim, level) or None
    RL_TRY({
        if (!is_tensor(o)) Py_RETURN_NONE;
        Wrapper* w = Tensor::view(o)->wrapper;
        if (!w || is_sparse(Tensor::view(o))) Py_RETURN_NONE;
        return Py_BuildValue("(OLi)", w->inner.py(), (long long)w->dim, w->level);
    });
}
// _make_sparse(type, values, size), _become_sparse(tensor, values, size)
PyObject* make_sparse_py(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *type, *values, *size;
        if (!PyArg_ParseTuple(args, "O!O!O", &PyType_Type, &type, TensorType, &values, &size)) return nullptr;
        return make_sparse((PyTypeObject*)type, Tensor::view(values), dims_from_python(size, Param())).release();
    });
}
PyObject* become_sparse_py(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *t, *values, *size;
        if (!PyArg_ParseTuple(args, "O!O!O", TensorType, &t, TensorType, &values, &size)) return nullptr;
        become_sparse(Tensor::view(t), Tensor::view(values), dims_from_python(size, Param()));
        Tensor::view(t).bump_version();
        Py_RETURN_NONE;
    });
}
PyObject* overload_of(PyObject*, PyObject* args) {
    RL_TRY({
        const char *ns, *name, *overload;
        if (!PyArg_ParseTuple(args, "sss", &ns, &name, &overload)) return nullptr;
        OpInfo* op = find_op(ns, name, overload);
        check(op, Err::Attribute, "no operator ", name, " with overload '", overload, "'");
        return Py_NewRef(op_overload(*op, false));
    });
}
PyMethodDef methods[] = {{"_push_interpreter", push, METH_VARARGS, nullptr}, {"_pop_interpreter", pop, METH_NOARGS, nullptr}, {"_interpreters", depth, METH_NOARGS, nullptr},
                         {"_vmap_level", vmap_level, METH_NOARGS, nullptr}, {"_set_function_modes", function_modes, METH_O, nullptr}, {"_wrap", wrap_py, METH_VARARGS, nullptr}, {"_unwrap", unwrap_py, METH_O, nullptr}, {"_make_sparse", make_sparse_py, METH_VARARGS, nullptr}, {"_become_sparse", become_sparse_py, METH_VARARGS, nullptr}, {"_overload", overload_of, METH_VARARGS, nullptr}, {}};
}  // namespace

PyObject* op_overload(const OpInfo& op, bool inplace) {
    auto& slot = inplace ? const_cast<OpInfo&>(op).py_inplace : const_cast<OpInfo&>(op).py;
    if (!slot) {
        auto* o = PyObject_New(OverloadObject, OverloadType);
        o->op = &op;
        o->inplace = inplace;
        slot = (PyObject*)o;
    }
    return slot;
}

void init_modes(PyObject* m) {
    OverloadType = (PyTypeObject*)checked(PyType_FromSpec(&overload_spec));
    PyModule_AddObjectRef(m, "OpOverload", (PyObject*)OverloadType);
    PyModule_AddFunctions(m, methods);
}

}  // namespace rl
