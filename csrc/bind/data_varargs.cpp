// Functions that take their tensors one by one as well as in a list: torch.meshgrid(x, y).
#include <Python.h>

#include "bind/data.h"

namespace rl {

// `self` is the operator's own callable, which wants one sequence.
static PyObject* pack_and_call(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    bool listed = n == 1 && (PyTuple_Check(args[0]) || PyList_Check(args[0]));
    if (listed || (n == 0 && kwnames && PyTuple_GET_SIZE(kwnames))) return PyObject_Vectorcall(self, args, size_t(n), kwnames);
    PyObject* packed = PyTuple_New(n);
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(packed, i, Py_NewRef(args[i]));
    std::vector<PyObject*> stack{packed};
    if (kwnames) stack.insert(stack.end(), args + n, args + n + PyTuple_GET_SIZE(kwnames));
    PyObject* r = PyObject_Vectorcall(self, stack.data(), 1, kwnames);
    Py_DECREF(packed);
    return r;
}

static PyMethodDef definitions[] = {{"meshgrid", (PyCFunction)(void*)pack_and_call, METH_FASTCALL | METH_KEYWORDS, "Coordinates of the grid that vectors span."},
                                    {"block_diag", (PyCFunction)(void*)pack_and_call, METH_FASTCALL | METH_KEYWORDS, "Matrices along the diagonal of a matrix of zeros."},
                                    {"cartesian_prod", (PyCFunction)(void*)pack_and_call, METH_FASTCALL | METH_KEYWORDS, "Every combination of one element of each vector."},
                                    {"broadcast_tensors", (PyCFunction)(void*)pack_and_call, METH_FASTCALL | METH_KEYWORDS, "Tensors expanded to their common shape."},
                                    {}};
// atleast_*: a single tensor goes to the overload for one.
static PyObject* one_or_many(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    return n == 1 ? PyObject_Vectorcall(self, args, 1, kwnames) : pack_and_call(self, args, n, kwnames);
}
static PyMethodDef at_least[] = {{"atleast_1d", (PyCFunction)(void*)one_or_many, METH_FASTCALL | METH_KEYWORDS, "Tensors with one dimension at least."},
                                 {"atleast_2d", (PyCFunction)(void*)one_or_many, METH_FASTCALL | METH_KEYWORDS, "Tensors with two dimensions at least."},
                                 {"atleast_3d", (PyCFunction)(void*)one_or_many, METH_FASTCALL | METH_KEYWORDS, "Tensors with three dimensions at least."},
                                 {}};

void init_varargs(PyObject* m) {
    PyObject* functions = PyObject_GetAttrString(m, "_functions");
    for (auto* list : {definitions, at_least})
        for (auto* d = list; d->ml_name; d++) {
            PyObject* op = PyObject_GetAttrString(functions, d->ml_name);
            if (!op) raise_python();
            PyObject* f = checked(PyCFunction_New(d, op));
            Py_DECREF(op);
            if (PyObject_SetAttrString(functions, d->ml_name, f) < 0) raise_python();
            Py_DECREF(f);
        }
    Py_DECREF(functions);
}

}  // namespace rl
