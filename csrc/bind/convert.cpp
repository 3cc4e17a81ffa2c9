// Python objects to C++ values and back (core/convert.h).
#include <cmath>
#include <map>

#include "bind/bind.h"
#include "core/ops.h"

namespace rl {

Scalar scalar_from_python(PyObject* o) {
    if (PyBool_Check(o)) return Scalar(o == Py_True);
    if (PyLong_Check(o)) {
        int overflow = 0;
        int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow > 0) {  // up to 2^64 - 1 for unsigned tensors
            uint64_t u = PyLong_AsUnsignedLongLong(o);
            if (!PyErr_Occurred()) return Scalar(int64_t(u));
            PyErr_Clear();
        }
        check(!overflow, Err::Runtime, "value cannot be converted to type int64_t without overflow");
        return Scalar(v);
    }
    if (PyFloat_Check(o)) return Scalar(PyFloat_AS_DOUBLE(o));
    if (PyComplex_Check(o)) return Scalar(c128(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
    if (is_tensor(o)) return item(Tensor::borrow(o));
    PyObject* plain = checked(PyObject_CallMethod(o, "item", nullptr));  // a NumPy number
    Tensor owner = Tensor::steal(plain);
    check(PyNumber_Check(plain), Err::Type, "a number is expected, not ", Py_TYPE(o)->tp_name);
    return scalar_from_python(plain);
}

PyObject* scalar_to_python(const Scalar& s) {
    switch (s.kind) {
        case Scalar::Bool:
            return PyBool_FromLong(s.i);
        case Scalar::Int:
            return PyLong_FromLongLong(s.i);
        case Scalar::Float:
            return PyFloat_FromDouble(s.d);
        default:
            return PyComplex_FromDoubles(s.d, s.im);
    }
}

static int64_t plain_int(PyObject* o) {
    if (PyLong_CheckExact(o)) {
        int64_t v = PyLong_AsLongLong(o);
        if (v == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            raise(Err::Overflow, "Overflow when unpacking long long");
        }
        return v;
    }
    if (is_tensor(o)) return item(Tensor::borrow(o)).to<int64_t>();
    PyObject* i = checked(PyNumber_Index(o));
    int64_t v = PyLong_AsLongLong(i);
    Py_DECREF(i);
    if (v == -1 && PyErr_Occurred()) raise_python();
    return v;
}
int64_t int_from_python(PyObject* o, const Param&) { return plain_int(o); }
double float_from_python(PyObject* o, const Param&) {
    return PyFloat_Check(o) ? PyFloat_AS_DOUBLE(o) : scalar_from_python(o).to<double>();
}

Dims dims_from_python(PyObject* o, const Param& p) {
    if (!o) return {};
    if (!PyTuple_Check(o) && !PyList_Check(o)) return Dims(size_t(std::max<int64_t>(p.list_size, 1)), plain_int(o));
    Dims r(size_t(PySequence_Fast_GET_SIZE(o)));
    for (size_t i = 0; i < r.size(); i++) r[i] = plain_int(PySequence_Fast_GET_ITEM(o, i));
    return r;
}
Floats floats_from_python(PyObject* o, const Param& p) {
    if (!PyTuple_Check(o) && !PyList_Check(o))
        return Floats(size_t(std::max<int64_t>(p.list_size, 1)), scalar_from_python(o).to<double>());
    Floats r;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++)
        r.push_back(scalar_from_python(PySequence_Fast_GET_ITEM(o, i)).to<double>());
    return r;
}
Tensors tensors_from_python(PyObject* o) {
    Tensors r;
    if (!o) return r;
    if (is_tensor(o)) return {Tensor::borrow(o)};
    check(PyTuple_Check(o) || PyList_Check(o), Err::Type, "a sequence of tensors is expected, not ",
          Py_TYPE(o)->tp_name);
    r.reserve(size_t(PySequence_Fast_GET_SIZE(o)));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++) {
        PyObject* e = PySequence_Fast_GET_ITEM(o, i);
        r.push_back(e == Py_None ? Tensor() : Tensor::borrow(e));
    }
    return r;
}
PyObject* tensors_to_python(const Tensors& ts) {
    PyObject* t = PyTuple_New(Py_ssize_t(ts.size()));
    for (size_t i = 0; i < ts.size(); i++) PyTuple_SET_ITEM(t, i, ts[i] ? Py_NewRef(ts[i].py()) : new_none());
    return t;
}
PyObject* dims_to_python(Ints s) {
    PyObject* t = PyTuple_New(Py_ssize_t(s.size()));
    for (size_t i = 0; i < s.size(); i++) PyTuple_SET_ITEM(t, i, PyLong_FromLongLong(s[i]));
    return t;
}
PyObject* size_to_python(Ints s) {
    PyObject* t = SizeType->tp_alloc(SizeType, Py_ssize_t(s.size()));
    for (size_t i = 0; i < s.size(); i++) PyTuple_SET_ITEM(t, i, PyLong_FromLongLong(s[i]));
    return t;
}

static PyObject* replaced(PyObject* old, PyObject* text) {
    Py_DECREF(old);
    return text;
}
// One field a line, as tensors take many.
static PyObject* result_repr(PyObject* o) {
    PyObject* names = PyObject_GetAttrString((PyObject*)Py_TYPE(o), "__match_args__");
    PyObject* text = PyUnicode_FromFormat("%s(", Py_TYPE(o)->tp_name);
    for (Py_ssize_t i = 0; names && text && i < PyTuple_GET_SIZE(names); i++)
        text = replaced(text, PyUnicode_FromFormat("%U%s\n%U=%R", text, i ? "," : "", PyTuple_GET_ITEM(names, i),
                                                   PyStructSequence_GET_ITEM(o, i)));
    if (text) text = replaced(text, PyUnicode_FromFormat("%U)", text));
    Py_XDECREF(names);
    return text;
}
// torch.return_types.max and its like: struct sequences, one for all overloads of a name, and one for out= (max_out).
static PyObject* result_type(const OpInfo& op, bool out) {
    static std::map<std::string, PyObject*> made;
    std::string name = (op.ns == "linalg" ? "linalg_" : std::string()) + op.name + (out ? "_out" : "");
    PyObject*& type = made[name];
    if (type) return type;
    size_t n = op.return_names.size();
    auto* fields = new PyStructSequence_Field[n + 1]{};
    for (size_t i = 0; i < n; i++) fields[i].name = strdup(op.return_names[i].c_str());
    PyStructSequence_Desc desc{strdup(("torch.return_types." + name).c_str()), nullptr, fields, int(n)};
    type = (PyObject*)PyStructSequence_NewType(&desc);
    if (type) ((PyTypeObject*)type)->tp_repr = result_repr;
    PyObject* home = PyUnicode_FromString("rushlight.return_types");  // where pickles find it; the alias renames it
    if (!type || !home || PyObject_SetAttrString(type, "__module__", home) < 0) raise_python();
    Py_DECREF(home);
    return type;
}
static PyObject* filled_result(PyObject* type, PyObject** items, int n) {
    PyObject* t = type ? PyStructSequence_New((PyTypeObject*)type) : PyTuple_New(n);
    if (!t) raise_python();
    for (int i = 0; i < n; i++) type ? PyStructSequence_SET_ITEM(t, i, items[i]) : PyTuple_SET_ITEM(t, i, items[i]);
    return t;
}
PyObject* named_result(const OpInfo& op, PyObject** items, int n) {
    if (!op.return_names.empty() && !op.return_type) const_cast<OpInfo&>(op).return_type = result_type(op, false);
    return filled_result(op.return_type, items, n);
}
PyObject* named_out_result(const OpInfo& op, PyObject** items, int n) {
    return filled_result(op.return_names.empty() ? nullptr : result_type(op, true), items, n);
}
PyObject* return_types() {
    PyObject* types = PyDict_New();
    for (OpInfo* op : registry()) {
        if (op->return_names.empty() || op->name[0] == '_') continue;
        for (bool out : {false, true})
            if (!out || op->invoke_out)
                PyDict_SetItemString(
                    types, ((PyTypeObject*)result_type(*op, out))->tp_name + sizeof("torch.return_types.") - 1,
                    result_type(*op, out));
    }
    return types;
}

// ---------------------------------------------------------------- exceptions
static PyObject* python_type(Err kind) {
    auto ours = [](const char* name) {
        PyObject* o = PyObject_GetAttrString(the_module, name);
        Py_XDECREF(o);  // the module keeps it
        return o;
    };
    switch (kind) {
        case Err::Value:
            return PyExc_ValueError;
        case Err::Type:
            return PyExc_TypeError;
        case Err::Index:
            return PyExc_IndexError;
        case Err::NotImplemented:
            return PyExc_NotImplementedError;
        case Err::LinAlg:
            return ours("_LinAlgError");
        case Err::OutOfMemory:
            return ours("OutOfMemoryError");
        case Err::Attribute:
            return PyExc_AttributeError;
        case Err::Overflow:
            return PyExc_OverflowError;
        case Err::ZeroDivision:
            return PyExc_ZeroDivisionError;
        default:
            return PyExc_RuntimeError;
    }
}
void set_python_error() {
    try {
        throw;
    } catch (const Error& e) {
        if (e.kind == Err::Python && PyErr_Occurred()) return;
        PyErr_SetString(python_type(e.kind), e.text.c_str());
    } catch (const std::bad_alloc&) {
        PyErr_SetString(PyExc_MemoryError, "out of memory");
    } catch (const std::exception& e) { PyErr_SetString(PyExc_RuntimeError, e.what()); }
}

}  // namespace rl
