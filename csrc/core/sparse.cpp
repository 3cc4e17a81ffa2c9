#include "core/sparse.h"

#include "core/convert.h"

namespace rl {

Tensor make_sparse(PyTypeObject* type, const Tensor& values, Ints sizes) {
    check(PyType_IsSubtype(type, TensorType), Err::Type, "_make_sparse(): ", type->tp_name, " is not a subclass of Tensor");
    Tensor t = Tensor::steal(tensor_alloc(type));
    t->storage = Storage::create(0, values.device());
    t->wrapper = new Wrapper{Tensor(), -1, kSparseLevel};
    t->inference = tls.inference;
    become_sparse(t, values, sizes);
    return t;
}

void become_sparse(const Tensor& t, const Tensor& values, Ints sizes) {
    check(is_sparse(t), Err::Type, "a sparse tensor is expected");
    for (int64_t s : sizes) check(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
    t->dtype = values.dtype();
    t->wrapper->inner = values;
    t.set_geometry(sizes, contiguous_strides(sizes), 0);
}

Tensor call_sparse(const char* function, PyObject* args) {
    if (!args) raise_python();
    Tensor holder = Tensor::steal(args);
    PyObject* m = PyImport_ImportModule("rushlight.sparse._core");
    PyObject* f = m ? PyObject_GetAttrString(m, function) : nullptr;
    PyObject* r = f ? PyObject_CallObject(f, args) : nullptr;
    Py_XDECREF(f);
    Py_XDECREF(m);
    if (!r) raise_python();
    return Back<Tensor>::get(Tensor::steal(r).py());
}

}  // namespace rl
