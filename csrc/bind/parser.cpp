// Calls of operators from Python: one table-driven parser for all of them.
#include <algorithm>
#include <map>
#include <Python.h>
#include <structmember.h>

#include "bind/bind.h"

namespace rl {

// ---------------------------------------------------------------- what a parameter accepts
bool is_number(PyObject* o) {
    if (PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o)) return true;
    return !is_tensor(o) && !strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) && strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") && PyNumber_Check(o);
}
static bool is_int(PyObject* o) {
    if (PyLong_Check(o)) return !PyBool_Check(o);
    if (is_tensor(o)) {
        auto* t = (TensorImpl*)o;
        return t->numel == 1 && t->sizes.empty() && is_integral(t->dtype) && !t->wrapper;
    }
    return PyIndex_Check(o);
}
static bool is_sequence(PyObject* o) { return PyTuple_Check(o) || PyList_Check(o); }
static bool all_of(PyObject* o, bool (*f)(PyObject*)) {
    if (!is_sequence(o)) return false;
    for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; i++)
        if (!f(PySequence_Fast_GET_ITEM(o, i))) return false;
    return true;
}
static bool is_tensor_or_none(PyObject* o) { return o == Py_None || is_tensor(o); }
static bool is_scalar(PyObject* o) {
    return is_number(o) || (is_tensor(o) && ((TensorImpl*)o)->sizes.empty());
}

static bool accepts(const Param& p, PyObject* o) {
    if (o == Py_None) return p.optional || p.kind == Kind::Any;
    switch (p.kind) {
        case Kind::Tensor: return is_tensor(o);
        case Kind::Operand: return is_tensor(o) || is_number(o);
        case Kind::TensorList: return all_of(o, p.type.starts_with("Tensor?") ? is_tensor_or_none : is_tensor);
        case Kind::Scalar: return is_scalar(o);
        case Kind::Int: return is_int(o);
        case Kind::IntList: return all_of(o, is_int) || (p.list_size > 0 && is_int(o));
        case Kind::Float: return is_scalar(o) && !PyComplex_Check(o);
        case Kind::FloatList: return all_of(o, is_scalar) || (p.list_size > 0 && is_number(o));
        case Kind::Bool: return PyBool_Check(o) || !strcmp(Py_TYPE(o)->tp_name, "numpy.bool") || !strcmp(Py_TYPE(o)->tp_name, "numpy.bool_");
        case Kind::BoolList: return all_of(o, [](PyObject* v) { return bool(PyBool_Check(v)); });
        case Kind::DType: return Py_TYPE(o) == DTypeType || o == (PyObject*)&PyFloat_Type || o == (PyObject*)&PyLong_Type || o == (PyObject*)&PyBool_Type || o == (PyObject*)&PyComplex_Type;
        case Kind::Device: return Py_TYPE(o) == DeviceType || PyUnicode_Check(o) || PyLong_Check(o);
        case Kind::Layout: return !strcmp(Py_TYPE(o)->tp_name, "torch.layout");
        case Kind::MemoryFormat: return !strcmp(Py_TYPE(o)->tp_name, "torch.memory_format");
        case Kind::Generator: return !strcmp(Py_TYPE(o)->tp_name, "torch._C.Generator") || !strcmp(Py_TYPE(o)->tp_name, "torch.Generator");
        case Kind::Str: return PyUnicode_Check(o);
        case Kind::Any: return true;
        case Kind::Dimname: return false;
    }
    return false;
}

static std::string type_text(const Param& p) {
    switch (p.kind) {
        case Kind::TensorList: return "tuple of Tensors";
        case Kind::Operand: return "Tensor or Number";
        case Kind::Scalar: return "Number";
        case Kind::IntList: return "tuple of ints";
        case Kind::FloatList: return "tuple of floats";
        case Kind::BoolList: return "tuple of bools";
        case Kind::DType: return "torch.dtype";
        case Kind::Device: return "torch.device";
        case Kind::MemoryFormat: return "torch.memory_format";
        case Kind::Layout: return "torch.layout";
        case Kind::Generator: return "torch.Generator";
        default: {
            std::string t = p.type;
            if (t.back() == '?') t.pop_back();
            if (size_t a = t.find("(a!)"); a != std::string::npos) t.erase(a, 4);
            return t;
        }
    }
}

// ---------------------------------------------------------------- overrides
bool has_override(PyObject* o) {
    PyTypeObject* t = Py_TYPE(o);
    if (t == TensorType || t == ParameterType) return false;
    static PyObject* key = PyUnicode_InternFromString("__torch_function__");
    static PyObject* disabled = PyObject_GetAttrString(the_module, "_disabled_torch_function_impl");
    PyObject* f = _PyType_Lookup(t, key);
    if (!f) return false;
    if (PyObject_TypeCheck(o, TensorType) && f == _PyType_Lookup(TensorType, key)) return t != TensorType;
    if (Py_IS_TYPE(f, &PyClassMethod_Type) || Py_IS_TYPE(f, &PyStaticMethod_Type)) {
        PyObject* inner = PyObject_GetAttrString(f, "__func__");
        bool off = inner == disabled;
        Py_XDECREF(inner);
        return !off;
    }
    return f != disabled;
}

// ---------------------------------------------------------------- binding arguments to slots
namespace {
struct Bound {
    PyObject* slots[kMaxParams] = {};
    PyObject* out = nullptr;
    PyObject* packed = nullptr;  // varargs int list made here
    PyObject* overridden = nullptr;  // first argument with an override
    ~Bound() { Py_XDECREF(packed); }
};
struct Request {
    OpSet& set;
    PyObject* const* args;
    size_t n;
    PyObject* kwnames;
    bool method, inplace;
    size_t n_kw() const { return kwnames ? size_t(PyTuple_GET_SIZE(kwnames)) : 0; }
};

bool named(const Param& p, PyObject* key) {
    if (p.key == key) return true;
    if (PyUnicode_Compare(p.key, key) == 0) return true;
    auto is = [&](const char* s) { return PyUnicode_CompareWithASCIIString(key, s) == 0; };
    if (p.name == "self") return is("input") || is("x") || is("a") || is("x1");
    if (p.name == "input") return is("x") || is("a");
    if (p.name == "dim") return is("axis");
    if (p.name == "keepdim") return is("keepdims");
    if (p.name == "other") return is("x2");
    return false;
}

std::string call_name(const Request& r) { return r.set.name + (r.inplace ? "_()" : "()"); }

// Fills b from the request. On failure the reason is left in *why (built only if why is given).
bool bind_arguments(const OpInfo& op, const Request& r, Bound& b, std::string* why) {
    auto fail = [&](auto&&... parts) {
        if (why) *why = cat(call_name(r), parts...);
        return false;
    };
    int np = int(op.params.size());
    size_t used = 0;
    int position = 0;
    if (r.method) {
        if (op.self_index < 0) return fail(": is not a method");
        b.slots[op.self_index] = r.args[used++];
    }
    // view(2, 3): the ints are one list
    int first = r.method && op.self_index == 0 ? 1 : 0;
    bool packs = op.n_positional - first == 1 && op.params[first].kind == Kind::IntList && r.n > used && !is_sequence(r.args[used]) &&
                 (r.n - used > 1 || op.params[first].list_size == 0);
    if (packs && r.n > used) {
        bool ints = true;
        for (size_t i = used; i < r.n; i++) ints &= is_int(r.args[i]);
        if (ints) {
            b.packed = PyTuple_New(Py_ssize_t(r.n - used));
            for (size_t i = used; i < r.n; i++) PyTuple_SET_ITEM(b.packed, i - used, Py_NewRef(r.args[i]));
            b.slots[first] = b.packed;
            used = r.n;
        }
    }
    for (; used < r.n; used++) {
        while (position < np && b.slots[position]) position++;
        if (position >= np || op.params[position].keyword_only)
            return fail(" takes ", int64_t(op.n_positional), " positional argument", op.n_positional == 1 ? "" : "s", " but ", r.n, r.n == 1 ? " was given" : " were given");
        b.slots[position] = r.args[used];
    }
    for (size_t k = 0; k < r.n_kw(); k++) {
        PyObject* key = PyTuple_GET_ITEM(r.kwnames, k);
        PyObject* value = r.args[r.n + k];
        int at = -1;
        for (int i = 0; i < np && at < 0; i++)
            if (op.params[i].key == key) at = i;
        for (int i = 0; i < np && at < 0; i++)
            if (named(op.params[i], key)) at = i;
        if (at < 0) {
            if (PyUnicode_CompareWithASCIIString(key, "out") == 0 && (op.forms & OUT) && !r.method) {
                if (value != Py_None) b.out = value;
                continue;
            }
            return fail(" got an unexpected keyword argument '", PyUnicode_AsUTF8(key), "'");
        }
        if (b.slots[at]) return fail(" got multiple values for argument '", op.params[at].name, "'");
        b.slots[at] = value;
    }
    for (int i = 0; i < np; i++) {
        const Param& p = op.params[i];
        PyObject* v = b.slots[i];
        if (!v) {
            if (!p.has_default) {
                if (!why) return false;
                std::string missing;
                int count = 0;
                for (int j = i; j < np; j++)
                    if (!b.slots[j] && !op.params[j].has_default) missing += (count++ ? ", \"" : "\"") + op.params[j].name + "\"";
                return fail(" missing ", count, " required positional argument", count == 1 ? "" : "s", ": ", missing);
            }
            b.slots[i] = p.default_value;
            continue;
        }
        if (!is_tensor(v) && p.kind <= Kind::Operand && v != Py_None && !accepts(p, v) && has_override(v)) {
            if (!b.overridden) b.overridden = v;
            continue;
        }
        if (!accepts(p, v)) return fail(": argument '", p.name == "self" && !r.method ? "input" : p.name, "' (position ", i + 1, ") must be ", type_text(p), ", not ", Py_TYPE(v)->tp_name);
        if (v == Py_None && p.kind != Kind::Any) b.slots[i] = nullptr;
        else if (p.kind <= Kind::Operand) {
            if (Py_TYPE(v) != TensorType && !b.overridden && has_override(v)) b.overridden = v;
        } else if (p.kind == Kind::TensorList) {
            for (Py_ssize_t j = 0; j < PySequence_Fast_GET_SIZE(v) && !b.overridden; j++)
                if (PyObject* e = PySequence_Fast_GET_ITEM(v, j); has_override(e)) b.overridden = e;
        }
    }
    return true;
}

// ---- plain calls: values of exactly the kinds that the signature names, keywords by its own names. They are most calls, and
// are bound in one pass over what was given. Anything else is left to bind_arguments.
bool all_exact(PyObject* o, bool (*f)(PyTypeObject*)) {
    for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; i++)
        if (!f(Py_TYPE(PySequence_Fast_GET_ITEM(o, i)))) return false;
    return true;
}
bool is_plain_tensor(PyTypeObject* t) { return t == TensorType || t == ParameterType; }
bool is_plain_int(PyTypeObject* t) { return t == &PyLong_Type; }
bool fits_plainly(const Param& p, PyObject* o) {
    PyTypeObject* t = Py_TYPE(o);
    if (is_plain_tensor(t)) return p.kind <= Kind::Operand;
    switch (p.kind) {
        case Kind::Operand:
        case Kind::Scalar:
        case Kind::Float: return t == &PyFloat_Type || t == &PyLong_Type;
        case Kind::Int: return t == &PyLong_Type;
        case Kind::Bool: return t == &PyBool_Type;
        case Kind::DType: return t == DTypeType;
        case Kind::Str: return t == &PyUnicode_Type;
        case Kind::IntList: return t == &PyTuple_Type || t == &PyList_Type ? all_exact(o, is_plain_int) : t == &PyLong_Type && p.list_size > 0;
        case Kind::TensorList: return (t == &PyTuple_Type || t == &PyList_Type) && all_exact(o, is_plain_tensor);
        default: return false;
    }
}
bool bind_plain(const OpInfo& op, const Request& r, PyObject** slots) {
    size_t np = op.params.size();
    if (int(r.n) > op.n_positional || ((r.method || r.inplace) && op.self_index != 0)) return false;
    const Param* p = op.params.data();
    auto put = [&](size_t i, PyObject* o) {
        if (fits_plainly(p[i], o)) slots[i] = o;
        else if (o == Py_None && p[i].optional && p[i].kind != Kind::Any) slots[i] = nullptr;
        // view(6): the only ints that there can be are a list
        else if (Py_TYPE(o) == &PyLong_Type && p[i].kind == Kind::IntList && int(i) + 1 == op.n_positional && i == (r.method ? 1 : 0)) slots[i] = o;
        else return false;
        return true;
    };
    for (size_t i = 0; i < r.n; i++)
        if (!put(i, r.args[i])) return false;
    uint32_t given = 0;
    for (size_t k = 0; k < r.n_kw(); k++) {
        PyObject* key = PyTuple_GET_ITEM(r.kwnames, k);
        size_t i = r.n;
        while (i < np && p[i].key != key) i++;
        if (i == np || !put(i, r.args[r.n + k])) return false;
        given |= 1u << i;
    }
    for (size_t i = r.n; i < np; i++) {
        if (given >> i & 1) continue;
        if (!p[i].has_default) return false;
        slots[i] = p[i].default_value;
    }
    return true;
}

std::string given_types(const Request& r) {
    std::string s;
    for (size_t i = r.method ? 1 : 0; i < r.n; i++) s += (s.empty() ? "" : ", ") + std::string(Py_TYPE(r.args[i])->tp_name);
    for (size_t k = 0; k < r.n_kw(); k++)
        s += (s.empty() ? "" : ", ") + std::string(PyUnicode_AsUTF8(PyTuple_GET_ITEM(r.kwnames, k))) + "=" + Py_TYPE(r.args[r.n + k])->tp_name;
    return s;
}

std::string signature_text(const OpInfo& op, bool method) {
    std::string s = "(";
    bool star = false;
    for (auto& p : op.params) {
        if (method && p.name == "self") continue;
        if (p.keyword_only && !star) s += s.size() > 1 ? ", *" : "*", star = true;
        s += (s.size() > 1 ? ", " : "") + type_text(p) + " " + (p.name == "self" ? "input" : p.name) + (p.has_default ? " = " + p.default_text : "");
    }
    return s + ")";
}

[[noreturn, gnu::cold]] void no_overload(const Request& r) {
    if (r.set.overloads.size() == 1) {
        Bound b;
        std::string why;
        bind_arguments(*r.set.overloads[0], r, b, &why);
        raise(Err::Type, why, ". Its signature is ", r.set.name, signature_text(*r.set.overloads[0], r.method));
    }
    std::string text = cat(call_name(r), " received an invalid combination of arguments - got (", given_types(r), "), but expected one of:");
    for (auto* op : r.set.overloads)
        if (!r.method || op->self_index >= 0) text += "\n * " + signature_text(*op, r.method);
    Bound b;
    std::string why;
    if (bind_arguments(*r.set.overloads[0], r, b, &why)) why.clear();
    raise(Err::Type, text, why.empty() ? "" : "\nThe first does not fit because: ", why);
}

PyObject* call_override(PyObject* callable, const Request& r) {
    static PyObject* helper = nullptr;
    if (!helper) {
        PyObject* m = checked(PyImport_ImportModule("rushlight.overrides"));
        helper = checked(PyObject_GetAttrString(m, "_call_override"));
        Py_DECREF(m);
    }
    PyObject* args = PyTuple_New(Py_ssize_t(r.n));
    for (size_t i = 0; i < r.n; i++) PyTuple_SET_ITEM(args, i, Py_NewRef(r.args[i]));
    PyObject* kwargs = PyDict_New();
    for (size_t k = 0; k < r.n_kw(); k++) PyDict_SetItem(kwargs, PyTuple_GET_ITEM(r.kwnames, k), r.args[r.n + k]);
    PyObject* result = PyObject_CallFunctionObjArgs(helper, callable, args, kwargs, nullptr);
    Py_DECREF(args);
    Py_DECREF(kwargs);
    return result;
}

PyObject* with_out(const OpInfo& op, Bound& b) {
    if (!op.return_names.empty() || op.returns[0] == '(' || op.returns_list) {
        check(PyTuple_Check(b.out) || PyList_Check(b.out), Err::Type, op.name, "(): argument 'out' must be tuple of Tensors, not ", Py_TYPE(b.out)->tp_name);
        PyObject* outs = PySequence_Tuple(b.out);
        Py_ssize_t expected = op.returns_list ? PyTuple_GET_SIZE(outs) : Py_ssize_t(std::max<size_t>(op.return_names.size(), std::count(op.returns.begin(), op.returns.end(), ',') + 1));
        bool ok = PyTuple_GET_SIZE(outs) == expected && all_of(outs, [](PyObject* o) { return is_tensor(o); });
        if (!ok) Py_DECREF(outs);
        check(ok, Err::Type, op.name, "(): argument 'out' must be a tuple of ", int64_t(expected), " Tensors");
        PyObject* r = op.invoke_out(b.slots, outs);
        Py_DECREF(r);
        if (op.returns_list) return outs;
        PyObject* items[8];
        for (Py_ssize_t i = 0; i < expected; i++) items[i] = Py_NewRef(PyTuple_GET_ITEM(outs, i));
        Py_DECREF(outs);
        return named_out_result(op, items, int(expected));
    }
    check(is_tensor(b.out), Err::Type, op.name, "(): argument 'out' must be Tensor, not ", Py_TYPE(b.out)->tp_name);
    return op.invoke_out(b.slots, b.out);
}
}  // namespace

PyObject* call_set(OpSet& set, PyObject* callable, PyObject* const* args, size_t n, PyObject* kwnames, bool method, bool inplace) {
    return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
        Request r{set, args, n, kwnames, method, inplace};
        bool plain = !tls.functions && !tls.autocast;
        for (OpInfo* op : set.overloads) {
            auto entry = inplace ? op->invoke_inplace : op->invoke;
            if (!entry) continue;
            if (PyObject* slots[kMaxParams]; plain && bind_plain(*op, r, slots) && (!inplace || is_tensor(slots[0]))) return entry(slots);
            Bound b;
            if (!bind_arguments(*op, r, b, nullptr)) continue;
            if (__builtin_expect(b.overridden || tls.functions || (b.out && !PyTuple_Check(b.out) && has_override(b.out)), 0)) return call_override(callable, r);
            if (inplace) {
                check(b.slots[op->self_index] && is_tensor(b.slots[op->self_index]), Err::Type, call_name(r), ": self must be a Tensor");
                return op->invoke_inplace(b.slots);
            }
            if (b.out) return with_out(*op, b);
            if (__builtin_expect(tls.autocast, 0)) return invoke_autocast(*op, b.slots);
            return op->invoke(b.slots);
        }
        no_overload(r);
    });
}

// ---------------------------------------------------------------- callables
namespace {
struct OpCallable {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    OpSet* set;
    bool method, inplace;
};
PyTypeObject *FunctionType, *MethodType;

PyObject* callable_vectorcall(PyObject* self, PyObject* const* args, size_t nf, PyObject* kwnames) {
    auto* c = (OpCallable*)self;
    size_t n = size_t(PyVectorcall_NARGS(nf));
    if (c->method) {
        if (n == 0 || (!is_tensor(args[0]))) {
            PyErr_Format(PyExc_TypeError, "descriptor '%s' for 'torch._C.TensorBase' objects doesn't apply to a '%s' object", c->set->name.c_str(), n ? Py_TYPE(args[0])->tp_name : "missing");
            return nullptr;
        }
    }
    return call_set(*c->set, self, args, n, kwnames, c->method, c->inplace);
}
std::string callable_name(OpCallable* c) { return c->set->name + (c->inplace ? "_" : ""); }
PyObject* callable_repr(PyObject* self) {
    auto* c = (OpCallable*)self;
    if (c->method) return PyUnicode_FromFormat("<method '%s' of 'torch._C.TensorBase' objects>", callable_name(c).c_str());
    return PyUnicode_FromFormat("<built-in method %s of type object>", callable_name(c).c_str());
}
PyObject* method_get(PyObject* self, PyObject* obj, PyObject*) {
    if (!obj || obj == Py_None) return Py_NewRef(self);
    return PyMethod_New(self, obj);
}
PyObject* get_name(PyObject* self, void*) { return PyUnicode_FromString(callable_name((OpCallable*)self).c_str()); }
PyObject* get_qualname(PyObject* self, void*) {
    auto* c = (OpCallable*)self;
    return PyUnicode_FromString(((c->method ? "Tensor." : "") + callable_name(c)).c_str());
}
PyObject* get_module(PyObject* self, void*) {
    auto* c = (OpCallable*)self;
    const std::string& ns = c->set->ns;
    if (c->method) return PyUnicode_FromString("torch._C");
    PyObject* package = PyObject_GetAttrString((PyObject*)TensorType, "__module__");  // pickles name functions by it: "rushlight", or "torch" under the alias
    if (!package) return nullptr;
    PyObject* r = PyUnicode_FromFormat(ns.empty() ? "%U" : ns == "nn" ? "%U.nn.functional" : "%U.%s", package, ns.c_str());
    Py_DECREF(package);
    return r;
}
PyObject* get_doc(PyObject* self, void*) {
    auto* c = (OpCallable*)self;
    std::string text;
    for (auto* op : c->set->overloads) text += callable_name(c) + signature_text(*op, c->method) + " -> " + op->returns + "\n";
    return PyUnicode_FromString((text + "\n" + c->set->overloads[0]->doc).c_str());
}
PyObject* get_text_signature(PyObject* self, void*) {
    auto* c = (OpCallable*)self;
    std::string s = "(";
    auto* op = c->set->overloads.back();
    bool star = false;
    for (auto& p : op->params) {
        if (p.keyword_only && !star) s += s.size() > 1 ? ", *" : "*", star = true;
        std::string d = p.default_text == "inf" ? "None" : p.default_text;
        s += (s.size() > 1 ? ", " : "") + (p.name == "self" && !c->method ? std::string("input") : p.name) + (p.has_default ? "=" + d : "");
    }
    if ((op->forms & OUT) && !c->method) s += std::string(star ? "" : ", *") + ", out=None";
    return PyUnicode_FromString((s + ")").c_str());
}
PyObject* get_signature(PyObject* self, void*) {  // for inspect.signature
    PyObject* inspect = PyImport_ImportModule("inspect");
    PyObject* type = inspect ? PyObject_GetAttrString(inspect, "Signature") : nullptr;
    PyObject* text = type ? get_text_signature(self, nullptr) : nullptr;
    PyObject* r = text ? PyObject_CallMethod(inspect, "_signature_fromstr", "OOO", type, self, text) : nullptr;
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(inspect);
    return r;
}
PyObject* callable_reduce(PyObject* self, PyObject*) {
    auto* c = (OpCallable*)self;
    if (c->method) {
        PyObject* get = PyObject_GetAttrString(PyEval_GetBuiltins() ? PyImport_AddModule("builtins") : nullptr, "getattr");
        return Py_BuildValue("N(Os)", get, (PyObject*)TensorType, callable_name(c).c_str());
    }
    return PyUnicode_FromString(callable_name(c).c_str());
}
PyGetSetDef getset[] = {{"__name__", get_name, nullptr, nullptr, nullptr}, {"__qualname__", get_qualname, nullptr, nullptr, nullptr},
                        {"__module__", get_module, nullptr, nullptr, nullptr}, {"__doc__", get_doc, nullptr, nullptr, nullptr},
                        {"__text_signature__", get_text_signature, nullptr, nullptr, nullptr}, {"__signature__", get_signature, nullptr, nullptr, nullptr}, {}};
PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(OpCallable, vectorcall), READONLY, nullptr}, {}};
PyMethodDef methods[] = {{"__reduce__", callable_reduce, METH_NOARGS, nullptr}, {}};

PyTypeObject* make_type(bool method) {
    static PyType_Slot function_slots[] = {{Py_tp_call, (void*)PyVectorcall_Call}, {Py_tp_repr, (void*)callable_repr}, {Py_tp_getset, getset}, {Py_tp_members, members}, {Py_tp_methods, methods}, {}};
    static PyType_Slot method_slots[] = {{Py_tp_call, (void*)PyVectorcall_Call}, {Py_tp_repr, (void*)callable_repr}, {Py_tp_getset, getset}, {Py_tp_members, members}, {Py_tp_methods, methods}, {Py_tp_descr_get, (void*)method_get}, {}};
    unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION | (method ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0);
    static PyType_Spec spec[2] = {{"rushlight._C.builtin_function", sizeof(OpCallable), 0, 0, function_slots}, {"rushlight._C.method_descriptor", sizeof(OpCallable), 0, 0, method_slots}};
    spec[method].flags = flags;
    return (PyTypeObject*)checked(PyType_FromSpec(&spec[method]));
}
}  // namespace

PyObject* make_callable(OpSet* set, bool method, bool inplace) {
    auto*& type = method ? MethodType : FunctionType;
    if (!type) type = make_type(method);
    auto* c = PyObject_New(OpCallable, type);
    if (!c) raise_python();
    c->vectorcall = callable_vectorcall;
    c->set = set;
    c->method = method;
    c->inplace = inplace;
    return (PyObject*)c;
}

}  // namespace rl
