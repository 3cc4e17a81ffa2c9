// x[...] and x[...] = v.
#pragma once
#include "core/tensor.h"

namespace rl {
PyObject* tensor_getitem(PyObject* self, PyObject* key);
int tensor_setitem(PyObject* self, PyObject* key, PyObject* value);  // value null: deletion, refused
}  // namespace rl
