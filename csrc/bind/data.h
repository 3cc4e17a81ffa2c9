// Values in and out: what the files bind/data*.cpp share.
#pragma once
#include "bind/bind.h"

namespace rl {

// The core of torch.tensor: a copy of numbers, nested sequences, arrays or tensors.
Tensor tensor_from_data(PyObject* data, const OptDType& dtype, Device device);
// Type that a nested sequence of numbers gets.
DType infer_dtype(PyObject* data);

// A tensor over an array's memory (zero copy); `warn`: about one that may not be written.
Tensor tensor_from_numpy(PyObject* array, bool warn);
bool is_ndarray(PyObject* o);
PyObject* tensor_to_numpy(const Tensor& t, bool force);
PyObject* tensor_to_list(const Tensor& t);
Tensor tensor_from_dlpack(PyObject* source, PyObject* device, PyObject* copy);

PyObject* storage_to_python(const Ref<Storage>& s);  // new reference; the same object as long as one lives
bool is_storage(PyObject* o);
const Ref<Storage>& storage_at(PyObject* o);

void add_methods(PyTypeObject* type, PyMethodDef* methods);
void add_functions(PyObject* m, PyMethodDef* methods);  // to _C and its namespace of public functions
// Arguments of a METH_FASTCALL | METH_KEYWORDS function by position or name; null where absent. Raises TypeError.
void take_arguments(const char* function, const char* const* names, size_t count, size_t required, PyObject* const* args, Py_ssize_t n, PyObject* kwnames, PyObject** into);
using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
inline PyCFunction fast(FastFunction f) { return (PyCFunction)(void*)f; }
inline constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;
using KwFunction = PyObject* (*)(PyObject*, PyObject*, PyObject*);
inline PyCFunction with_keywords(KwFunction f) { return (PyCFunction)(void*)f; }
template <size_t N> char** keywords(const char* (&names)[N]) { return const_cast<char**>(names); }
// argument of O& converters: None or absent leaves the optional empty
int to_opt_dtype(PyObject* o, void* out);
int to_opt_device(PyObject* o, void* out);

// Let memory of `owner` (a Python object, counted) go when the storage does.
void release_python(void* owner);

void init_storage(PyObject* m);
void init_exchange(PyObject* m);  // numpy, buffers, DLPack
void init_tensor_methods(PyObject* m);
void init_varargs(PyObject* m);
}  // namespace rl
