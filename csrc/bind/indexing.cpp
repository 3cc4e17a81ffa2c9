// x[...] and x[...] = v. Integers, slices, None, Ellipsis and booleans are made of views; tensors go to index and
// index_put. The rules are NumPy's, with PyTorch's exceptions.
#include "bind/indexing.h"

#include "bind/data.h"
#include "core/iterate.h"
#include "core/ops.h"
#include "ops/factory.h"

namespace rl {
Tensor index_put_(const Tensor& a, const Tensors& indices, const Tensor& values, bool accumulate);

namespace {

// A list that holds more than numbers stands for a tuple of indices, a habit of old NumPy that PyTorch keeps.
bool stands_for_tuple(PyObject* o) {
    if (PyTuple_Check(o)) return true;
    if (is_tensor(o) || is_ndarray(o) || !PySequence_Check(o) || PyUnicode_Check(o) || PyBytes_Check(o)) return false;
    if (!PyList_Check(o) || PyList_GET_SIZE(o) >= 32) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) {
        PyObject* e = PyList_GET_ITEM(o, i);
        if (is_tensor(e) || PySequence_Check(e) || PySlice_Check(e) || e == Py_Ellipsis || e == Py_None) return true;
    }
    return false;
}

int64_t integer(PyObject* o) {
    PyObject* index = PyLong_Check(o) ? Py_NewRef(o) : checked(PyNumber_Index(o));
    int64_t v = PyLong_AsLongLong(index);
    Py_DECREF(index);
    if (v == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        raise(Err::Value, "Overflow when unpacking long long");
    }
    return v;
}
// As select, with the messages of indexing.
Tensor pick(const Tensor& t, int64_t dim, int64_t i) {
    check(t.dim() > 0, Err::Index, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
    check(dim < t.dim(), Err::Index, "too many indices for tensor of dimension ", t.dim());
    int64_t n = t.sizes()[dim];
    check(i >= -n && i < n, Err::Index, "index ", i, " is out of bounds for dimension ", dim, " with size ", n);
    return select(t, dim, i);
}
Tensor cut(const Tensor& t, int64_t dim, PyObject* o) {
    auto* s = (PySliceObject*)o;
    if (s->start == Py_None && s->stop == Py_None && s->step == Py_None && t.dim() > dim && !tls.modes) return t;
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(o, &start, &stop, &step) < 0) raise_python();
    check(step > 0, Err::Value, "step must be greater than zero");
    check(t.dim() > 0, Err::Index, "slice() cannot be applied to a 0-dim tensor.");
    check(dim < t.dim(), Err::Index, "too many indices for tensor of dimension ", t.dim());
    return slice(t, dim, OptInt(start), stop == PY_SSIZE_T_MAX ? OptInt() : OptInt(stop), step);
}
// A boolean without dimensions puts in a dimension of size 1 and takes all or nothing of it.
Tensor all_or_nothing(bool all) { return all ? zeros(Dims{1}, DType::Int64) : empty(Dims{0}, DType::Int64); }
Tensor tensor_of_list(PyObject* o) {
    Tensor t = is_ndarray(o) ? tensor_from_numpy(o, false) : tensor_from_data(o, {}, Device::CPU);
    if (t.numel() == 0 && t.is_floating()) t = to(t, DType::Int64);  // an empty list
    return t;
}

// How many dimensions of the tensor an item uses up.
int64_t used_dims(PyObject* o) {
    if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
    if (is_tensor(o)) {
        const Tensor& t = Tensor::view(o);
        return t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
    }
    return 1;
}
[[noreturn]] void bad_index(PyObject* o) {
    raise(Err::Index, "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got ", Py_TYPE(o)->tp_name, ")");
}

// The part of self that the views lead to, and for what remains an index tensor for each dimension.
struct Walk {
    Tensor result;
    Tensors indices;
    int64_t dim = 0;
    bool advanced = false;

    void put(const Tensor& index) {
        indices.resize(size_t(dim + 1));
        indices[size_t(dim++)] = index;
        advanced = true;
    }
    void take(PyObject* o, int64_t rest) {
        if (PyLong_CheckExact(o)) result = pick(result, dim, integer(o));
        else if (PySlice_Check(o)) result = cut(result, dim++, o);
        else if (o == Py_Ellipsis) dim += rest;
        else if (o == Py_None) result = unsqueeze(result, dim++);
        else if (PyBool_Check(o)) insert(o == Py_True);
        else if (is_tensor(o)) take_tensor(Tensor::view(o));
        else if (is_ndarray(o)) take_tensor(tensor_of_list(o));
        else if (PySequence_Check(o)) take_tensor(tensor_of_list(o));
        else if (PyIndex_Check(o)) result = pick(result, dim, integer(o));
        else if (!strcmp(Py_TYPE(o)->tp_name, "numpy.bool") || !strcmp(Py_TYPE(o)->tp_name, "numpy.bool_")) insert(PyObject_IsTrue(o) == 1);
        else bad_index(o);
    }
    void insert(bool all) {
        result = unsqueeze(result, dim);
        put(all_or_nothing(all));
    }
    void take_tensor(const Tensor& t) {
        bool mask = t.dtype() == DType::Bool || t.dtype() == DType::UInt8;
        if (t.dim() == 0 && !t->wrapper && !t.is_meta()) {
            if (mask) return insert(item(t).to<bool>());
            if (is_integral(t.dtype())) {
                result = pick(result, dim, item(t).to<int64_t>());
                return;
            }
        }
        put(t);
        if (mask && t.dim() > 1) dim += t.dim() - 1;
    }
};

// Index lists are as long as needed: a mask stands for several dimensions at once, so the places behind it are dropped.
Tensors packed(const Walk& w) {
    Tensors r;
    for (size_t i = 0; i < w.indices.size(); i++) {
        r.push_back(w.indices[i]);
        if (!w.indices[i]) continue;
        DType d = w.indices[i].dtype();
        if ((d == DType::Bool || d == DType::UInt8) && w.indices[i].dim() > 1) i += size_t(w.indices[i].dim() - 1);
    }
    return r;
}

Walk walk(const Tensor& self, PyObject* key) {
    Walk w;
    w.result = self;
    if (!stands_for_tuple(key)) {
        check(used_dims(key) <= self.dim() || PyLong_Check(key) || PySlice_Check(key), Err::Index, "too many indices for tensor of dimension ", self.dim());
        w.take(key, self.dim());
        return w;
    }
    PyObject* items = PySequence_Fast(key, "an index is expected");
    if (!items) raise_python();
    Tensor owner = Tensor::steal(items);
    Py_ssize_t n = PySequence_Fast_GET_SIZE(items);
    int64_t used = 0;
    for (Py_ssize_t i = 0; i < n; i++) used += used_dims(PySequence_Fast_GET_ITEM(items, i));
    if (n == 1 && self.dim() == 0 && used) check(false, Err::Index, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
    check(used <= self.dim(), Err::Index, "too many indices for tensor of dimension ", self.dim());
    for (Py_ssize_t i = 0; i < n; i++) w.take(PySequence_Fast_GET_ITEM(items, i), self.dim() - used);
    return w;
}

// `self[key]` of a subclass or inside a torch-function mode.
bool overridden(PyObject* self) { return __builtin_expect(tls.functions != 0, 0) || (Py_TYPE(self) != TensorType && has_override(self)); }
PyObject* call_override(const char* method, PyObject* args) {
    PyObject* m = checked(PyImport_ImportModule("rushlight.overrides"));
    PyObject* f = PyObject_GetAttrString((PyObject*)TensorType, method);
    PyObject* r = PyObject_CallMethod(m, "_call_override", "OO{}", f, args);
    Py_XDECREF(f);
    Py_DECREF(m);
    Py_DECREF(args);
    return r;
}

// A number that is assigned, checked to fit.
Scalar assigned_number(const Tensor& self, PyObject* value) {
    check(PyFloat_Check(value) || PyLong_Check(value) || PyComplex_Check(value) || is_number(value), Err::Type, "can't assign a ", Py_TYPE(value)->tp_name, " to a torch.", title(self.dtype()), "Tensor");
    Scalar s = scalar_from_python(value);
    check_fits(s, self.dtype());
    return s;
}
// Leading dimensions of size 1 that the place has not.
Tensor without_prefix(const Tensor& v, int64_t dims) {
    Dims sizes = v.sizes();
    while (int64_t(sizes.size()) > dims && sizes[0] == 1) sizes.erase(0);
    return int64_t(sizes.size()) == v.dim() ? v : reshape(v, sizes);
}
void assign_part(const Tensor& part, const Tensor& value) {
    Tensor v = without_prefix(value, part.dim());
    if (!same(v.sizes(), part.sizes())) {
        check(v.dim() <= part.dim(), "expand(torch.", title(v.dtype()), "Tensor{", v.sizes(), "}, size=", part.sizes(), "): the number of sizes provided (", part.dim(), ") must be greater or equal to the number of dimensions in the tensor (", v.dim(), ")");
        for (int64_t i = 0; i < v.dim(); i++) {
            int64_t d = part.dim() - v.dim() + i;
            check(v.sizes()[i] == 1 || v.sizes()[i] == part.sizes()[d], "The expanded size of the tensor (", part.sizes()[d], ") must match the existing size (", v.sizes()[i], ") at non-singleton dimension ", d, ".  Target sizes: ", part.sizes(), ".  Tensor sizes: ", v.sizes());
        }
    }
    copy_(part, v);
}
}  // namespace

PyObject* tensor_getitem(PyObject* self, PyObject* key) {
    RL_TRY({
        if (overridden(self)) return call_override("__getitem__", PyTuple_Pack(2, self, key));
        const Tensor& t = Tensor::view(self);
        if (PyLong_CheckExact(key)) return pick(t, 0, integer(key)).release();
        Walk w = walk(t, key);
        if (!w.advanced) {
            // every result of indexing is a tensor of its own
            if (w.result.is(t)) return (t->wrapper ? view(t, t.sizes()) : t.dim() ? slice(t, 0, OptInt(), OptInt()) : view(t, {})).release();
            return w.result.release();
        }
        return index(w.result, packed(w)).release();
    });
}

int tensor_setitem(PyObject* self, PyObject* key, PyObject* value) {
    return guarded<int>(-1, [&] {
        check(value, Err::Type, "Tensor does not support deleting items");
        if (overridden(self)) {
            PyObject* r = call_override("__setitem__", PyTuple_Pack(3, self, key, value));
            if (!r) raise_python();
            Py_DECREF(r);
            return 0;
        }
        const Tensor& t = Tensor::view(self);
        if (PyBool_Check(key) && key == Py_False) return 0;
        if (!is_tensor(value)) {
            Scalar v = assigned_number(t, value);
            Walk w = walk(t, key);
            if (w.advanced) index_put_(w.result, packed(w), scalar_tensor(v, t.dtype(), t.device()), false);
            else fill_(w.result, v);
            return 0;
        }
        Walk w = walk(t, key);
        if (w.advanced) index_put_(w.result, packed(w), without_prefix(Tensor::view(value), 0), false);
        else assign_part(w.result, Tensor::view(value));
        return 0;
    });
}

}  // namespace rl
