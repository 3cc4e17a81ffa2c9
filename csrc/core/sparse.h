// Tensors with a sparse layout, as the core sees them.
//
// Note [ Sparse tensors ]
// A sparse tensor is an object of a Python subclass of Tensor (rushlight/sparse/_tensor.py) that holds its indices and
// values. Here it is a wrapper without memory of its own, so that every access to memory raises by itself. Calls of
// operators reach its rules in rushlight/sparse/ through the argument parser, as those of any subclass that overrides
// them: a program without sparse tensors pays nothing. What is called from C++ is handed over by call_sparse; the engine
// does so with gradients. A node whose formula is written for dense gradients gets a dense one.
#pragma once
#include "core/modes.h"

namespace rl {

inline constexpr int kSparseLevel = -1;  // Wrapper::level of a sparse tensor
inline bool is_sparse(const Tensor& t) { return t && t->wrapper && t->wrapper->level == kSparseLevel; }

// An object of `type` without indices; `values` lends its dtype and device.
Tensor make_sparse(PyTypeObject* type, const Tensor& values, Ints sizes);
// It takes other values, sizes and dtype.
void become_sparse(const Tensor& t, const Tensor& values, Ints sizes);
// Calls a function of rushlight.sparse._core with `args`, a new tuple which is released.
Tensor call_sparse(const char* function, PyObject* args);
inline Tensor sparse_add(const Tensor& a, const Tensor& b) { return call_sparse("add", Py_BuildValue("(OO)", a.py(), b.py())); }

}  // namespace rl
