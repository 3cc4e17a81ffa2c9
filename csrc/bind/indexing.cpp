#include "bind/indexing.h"

#include "bind/bind.h"
#include "core/ops.h"

namespace rl {
PyObject* tensor_getitem(PyObject*, PyObject*) {
    PyErr_SetString(PyExc_NotImplementedError, "indexing");
    return nullptr;
}
int tensor_setitem(PyObject*, PyObject*, PyObject*) {
    PyErr_SetString(PyExc_NotImplementedError, "indexed assignment");
    return -1;
}
}  // namespace rl
