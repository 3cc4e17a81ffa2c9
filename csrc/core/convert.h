// Between Python objects and the C++ types that operators are written in. The parser has checked the types before
// (bind/parser.cpp), so Arg<T>::get only converts; To<T>::box makes a new reference.
#pragma once
#include <optional>
#include <string>
#include <tuple>

#include "core/registry.h"

namespace rl {

// A tensor or a number, as the operands of arithmetic are.
struct Operand {
    const Tensor* tensor = nullptr;
    Scalar scalar;
    Operand(const Tensor& t) : tensor(&t) {}
    Operand(const Scalar& s) : scalar(s) {}
    Operand(double v) : scalar(v) {}
    Operand(int64_t v) : scalar(v) {}
    Operand(int v) : scalar(v) {}
    bool is_tensor() const { return tensor != nullptr; }
    bool requires_grad() const { return tensor && tensor->requires_grad(); }
};

enum class MemoryFormat : uint8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };
struct Generator;  // core/generator.h
using OptInt = std::optional<int64_t>;
using OptFloat = std::optional<double>;
using OptBool = std::optional<bool>;
using OptDims = std::optional<Dims>;
using OptScalar = std::optional<Scalar>;
using OptDType = std::optional<DType>;
using OptDevice = std::optional<Device>;
using OptFormat = std::optional<MemoryFormat>;
using OptStr = std::optional<std::string>;
using Floats = std::vector<double>;

Scalar scalar_from_python(PyObject* o);
PyObject* scalar_to_python(const Scalar& s);
int64_t int_from_python(PyObject* o, const Param& p);
double float_from_python(PyObject* o, const Param& p);
Dims dims_from_python(PyObject* o, const Param& p);
Floats floats_from_python(PyObject* o, const Param& p);
Tensors tensors_from_python(PyObject* o);
DType dtype_from_python(PyObject* o);
Device device_from_python(PyObject* o);
MemoryFormat format_from_python(PyObject* o);
Generator* generator_from_python(PyObject* o);
PyObject* dtype_to_python(DType t);             // borrowed
PyObject* device_to_python(Device d);           // new
PyObject* size_to_python(Ints s);               // new torch.Size
PyObject* dims_to_python(Ints s);               // new tuple
PyObject* format_to_python(MemoryFormat f);     // new
PyObject* generator_to_python(Generator* g);    // new
PyObject* tensors_to_python(const Tensors& ts); // new tuple
PyObject* named_result(const OpInfo& op, PyObject** items, int n);  // new; steals items

template <class T> struct Arg;
#define RL_ARG(T, EXPR) \
    template <> struct Arg<T> { static T get([[maybe_unused]] PyObject* const& o, [[maybe_unused]] const Param& p) { return EXPR; } }
RL_ARG(Scalar, scalar_from_python(o));
RL_ARG(int64_t, int_from_python(o, p));
RL_ARG(double, float_from_python(o, p));
RL_ARG(bool, o == Py_True || (o != Py_False && PyObject_IsTrue(o) == 1));
RL_ARG(Dims, dims_from_python(o, p));
RL_ARG(Floats, floats_from_python(o, p));
RL_ARG(Tensors, tensors_from_python(o));
RL_ARG(DType, dtype_from_python(o));
RL_ARG(Device, device_from_python(o));
RL_ARG(MemoryFormat, format_from_python(o));
RL_ARG(Generator*, o ? generator_from_python(o) : nullptr);
RL_ARG(PyObject*, o);
RL_ARG(std::string, PyUnicode_AsUTF8(o));
#undef RL_ARG
template <> struct Arg<Tensor> {
    static const Tensor& get(PyObject* const& o, const Param&) { return Tensor::view(o); }
};
template <> struct Arg<Operand> {
    static Operand get(PyObject* const& o, const Param&) {
        if (is_tensor(o)) return Operand(Tensor::view(o));
        return Operand(scalar_from_python(o));
    }
};
template <class T> struct Arg<std::optional<T>> {
    static std::optional<T> get(PyObject* const& o, const Param& p) {
        if (!o) return std::nullopt;
        return Arg<T>::get(o, p);
    }
};

inline PyObject* new_none() { return Py_NewRef(Py_None); }
template <class T> struct To;
template <> struct To<Tensor> { static PyObject* box(Tensor t) { return t ? t.release() : new_none(); } };
template <> struct To<Tensors> { static PyObject* box(const Tensors& t) { return tensors_to_python(t); } };
template <> struct To<Operand> { static PyObject* box(const Operand& a) { return a.tensor ? Py_NewRef(a.tensor->py()) : scalar_to_python(a.scalar); } };
template <> struct To<Scalar> { static PyObject* box(const Scalar& s) { return scalar_to_python(s); } };
template <> struct To<int64_t> { static PyObject* box(int64_t v) { return PyLong_FromLongLong(v); } };
template <> struct To<double> { static PyObject* box(double v) { return PyFloat_FromDouble(v); } };
template <> struct To<bool> { static PyObject* box(bool v) { return PyBool_FromLong(v); } };
template <> struct To<Dims> { static PyObject* box(const Dims& v) { return dims_to_python(v); } };
template <> struct To<DType> { static PyObject* box(DType t) { return Py_NewRef(dtype_to_python(t)); } };
template <> struct To<Device> { static PyObject* box(Device d) { return device_to_python(d); } };
template <> struct To<MemoryFormat> { static PyObject* box(MemoryFormat f) { return format_to_python(f); } };
template <> struct To<Generator*> { static PyObject* box(Generator* g) { return g ? generator_to_python(g) : new_none(); } };
template <> struct To<PyObject*> { static PyObject* box(PyObject* o) { return Py_XNewRef(o); } };
template <> struct To<std::string> { static PyObject* box(const std::string& s) { return PyUnicode_FromStringAndSize(s.data(), Py_ssize_t(s.size())); } };
template <> struct To<Floats> {
    static PyObject* box(const Floats& v) {
        PyObject* t = PyTuple_New(Py_ssize_t(v.size()));
        for (size_t i = 0; i < v.size(); i++) PyTuple_SET_ITEM(t, i, PyFloat_FromDouble(v[i]));
        return t;
    }
};
template <class T> struct To<std::optional<T>> { static PyObject* box(const std::optional<T>& v) { return v ? To<T>::box(*v) : new_none(); } };

// Results that come back from an interpreter.
template <class R> struct Back {
    static R get(PyObject* o) {
        Param p;
        return Arg<R>::get(o, p);
    }
};
template <> struct Back<Tensor> {
    static Tensor get(PyObject* o) {
        check(is_tensor(o), Err::Type, "an interpreter of operators returned ", Py_TYPE(o)->tp_name, " where a Tensor is expected");
        return Tensor::borrow(o);
    }
};
template <class... R> struct Back<std::tuple<R...>> {
    template <size_t... I> static std::tuple<R...> go(PyObject* o, std::index_sequence<I...>) { return {Back<R>::get(PyTuple_GET_ITEM(o, I))...}; }
    static std::tuple<R...> get(PyObject* o) {
        check(PyTuple_Check(o) && PyTuple_GET_SIZE(o) == sizeof...(R), Err::Type, "an interpreter of operators returned ", Py_TYPE(o)->tp_name, " where a tuple of ", sizeof...(R), " is expected");
        return go(o, std::index_sequence_for<R...>{});
    }
};

}  // namespace rl
