// The type of tensors: life cycle, attributes, number protocol. Methods come from the registry (operators.cpp) and from
// rushlight/_tensor.py, which attaches those written in Python.
#include <Python.h>
#include <structmember.h>

#include "autograd/hooks.h"
#include "bind/bind.h"
#include "bind/indexing.h"
#include "core/op.h"
#include "core/ops.h"
#include "core/sparse.h"

namespace rl {

namespace {
const Tensor& T(PyObject* const& o) { return Tensor::view(o); }

// ---------------------------------------------------------------- life cycle
int traverse_node(Node* n, visitproc visit, void* arg) {
    if (PyObject* context = n->python_context()) Py_VISIT(context);
    if (n->hooks) {
        for (auto& h : n->hooks->tensor) Py_VISIT(h.dict);
        Py_VISIT(n->hooks->pre);
        Py_VISIT(n->hooks->post);
    }
    return 0;
}
int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
    auto* t = (TensorImpl*)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(t->dict);
    Py_VISIT(t->base);
    if (!t->meta) return 0;
    Py_VISIT(t->meta->grad.py());
    Py_VISIT(t->meta->hooks);
    Py_VISIT(t->meta->post_hooks);
    // a node that others hold too keeps its Python objects alive by itself
    if (Node* n = t->meta->grad_fn.get(); n && n->refs == 1) return traverse_node(n, visit, arg);
    return 0;
}
int tensor_clear(PyObject* self) {
    auto* t = (TensorImpl*)self;
    Py_CLEAR(t->dict);
    if (t->meta) {
        t->meta->grad = Tensor();
        t->meta->grad_fn = Ref<Node>();
        Py_CLEAR(t->meta->hooks);
        Py_CLEAR(t->meta->post_hooks);
    }
    return 0;
}
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    static PyObject* legacy = nullptr;
    if (!legacy) {
        PyObject* m = PyImport_ImportModule("rushlight._tensor");
        if (!m) return nullptr;
        legacy = PyObject_GetAttrString(m, "_legacy_new");
        Py_DECREF(m);
        if (!legacy) return nullptr;
    }
    PyObject* head = PyTuple_Pack(1, (PyObject*)type);
    PyObject* all = PySequence_Concat(head, args);
    PyObject* r = PyObject_Call(legacy, all, kwargs);
    Py_DECREF(head);
    Py_DECREF(all);
    return r;
}
int tensor_init(PyObject*, PyObject*, PyObject*) { return 0; }
int tensor_setattro(PyObject* self, PyObject* name, PyObject* value) {
    int r = PyObject_GenericSetAttr(self, name, value);
    if (((TensorImpl*)self)->dict) track(T(self));
    return r;
}
PyObject* get_dict(PyObject* self, void* context) {
    PyObject* d = PyObject_GenericGetDict(self, context);
    track(T(self));
    return d;
}
Py_hash_t tensor_hash(PyObject* o) { return _Py_HashPointer(o); }

// ---------------------------------------------------------------- attributes
#define ATTR(NAME, ...) \
    PyObject* NAME(PyObject* self, void*) { RL_TRY(const Tensor& t = T(self); (void)t; __VA_ARGS__); }
ATTR(get_shape, return size_to_python(t.sizes()))
ATTR(get_dtype, return Py_NewRef(dtype_to_python(t.dtype())))
ATTR(get_device, return device_to_python(t->wrapper ? t->wrapper->inner.device() : t.device()))
ATTR(get_layout, static PyObject* strided = PyObject_GetAttrString(the_module, "strided"); return Py_NewRef(strided))
ATTR(get_requires_grad, return PyBool_FromLong(t.requires_grad()))
ATTR(get_is_leaf, return PyBool_FromLong(is_leaf(t)))
ATTR(get_ndim, return PyLong_FromLongLong(t.dim()))
ATTR(get_version, return PyLong_FromLong(long(t.version())))
ATTR(get_base, return t->base ? Py_NewRef(t->base) : new_none())
ATTR(get_grad_fn, return node_to_python(grad_fn(t)))
ATTR(get_output_nr, return PyLong_FromLong(t->meta ? long(t->meta->output_nr) : 0))
ATTR(get_retains_grad, return PyBool_FromLong(t->meta && t->meta->retains_grad))
ATTR(get_itemsize, return PyLong_FromLongLong(itemsize(t.dtype())))
ATTR(get_nbytes, return PyLong_FromLongLong(itemsize(t.dtype()) * t.numel()))
ATTR(get_is_cpu, return PyBool_FromLong(!t.is_meta()))
ATTR(get_is_meta, return PyBool_FromLong(t.is_meta()))
ATTR(get_false, Py_RETURN_FALSE)
ATTR(get_none, Py_RETURN_NONE)
ATTR(get_hooks, return t->meta && t->meta->hooks ? Py_NewRef(t->meta->hooks) : new_none())
ATTR(get_data, Tensor r = detach(t); r->version = Ref<VersionCell>(); r->own_version = 0; return r.release())

PyObject* get_grad(PyObject* self, void*) {
    RL_TRY({
        const Tensor& t = T(self);
        if (t->meta && t->meta->grad) return Py_NewRef(t->meta->grad.py());
        if (t.requires_grad() && !(t->meta && t->meta->retains_grad) && !is_leaf(t))
            PyErr_WarnEx(PyExc_UserWarning, "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during "
                         "autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.", 1);
        if (PyErr_Occurred()) raise_python();
        Py_RETURN_NONE;
    });
}
int set_grad(PyObject* self, PyObject* value, void*) {
    return guarded<int>(-1, [&] {
        const Tensor& t = T(self);
        if (!value || value == Py_None) {
            if (t->meta) t->meta->grad = Tensor();
            return 0;
        }
        check(is_tensor(value), Err::Type, "assigned grad expected to be a Tensor or None but got grad of type \"", Py_TYPE(value)->tp_name, "\"");
        check(value != self, "can't assign Tensor as its own grad");
        const Tensor& g = T(value);
        check(g.dtype() == t.dtype(), "assigned grad has data of a different type: ", name(g.dtype()), " where ", name(t.dtype()), " is expected");
        check(same(g.sizes(), t.sizes()), "assigned grad has data of a different size: ", g.sizes(), " where ", t.sizes(), " is expected");
        check(g.device() == t.device(), "assigned grad has data located on a different device");
        meta_of(t).grad = g;
        if (PyObject_GC_IsTracked(value)) track(t);
        return 0;
    });
}
int set_requires_grad_attr(PyObject* self, PyObject* value, void*) {
    return guarded<int>(-1, [&] {
        check(value && PyBool_Check(value), "requires_grad must be a bool");
        set_requires_grad(T(self), value == Py_True);
        return 0;
    });
}
// x.data = y: x takes y's values and geometry, keeps its identity, history and version family.
int set_data(PyObject* self, PyObject* value, void*) {
    return guarded<int>(-1, [&] {
        check(value && is_tensor(value), Err::Type, "Variable data has to be a tensor, but got ", value ? Py_TYPE(value)->tp_name : "nothing");
        const Tensor &t = T(self), &v = T(value);
        if (t->wrapper || v->wrapper) (t->wrapper ? t : v).no_memory();
        check(!t.requires_grad() || is_inexact(v.dtype()), "data set to a tensor that requires gradients must be floating point or complex dtype");
        t->storage = v->storage;
        t->dtype = v.dtype();
        t->conj = v->conj, t->neg = v->neg;
        t.set_geometry(Dims(v.sizes()), Dims(v.strides()), v->offset);
        // the accumulator knows the old shape
        if (t->meta && t->meta->accumulator) t->meta->accumulator->results[0] = {t.sizes(), t.dtype(), t.device()};
        return 0;
    });
}
int set_hooks(PyObject* self, PyObject* value, void*) {
    return guarded<int>(-1, [&] {
        auto& m = meta_of(T(self));
        Py_XSETREF(m.hooks, value == Py_None ? nullptr : Py_XNewRef(value));
        track(T(self));
        return 0;
    });
}

PyGetSetDef getset[] = {
    {"__dict__", get_dict, PyObject_GenericSetDict, nullptr, nullptr},
    {"shape", get_shape, nullptr, "shape: Size\n\nSizes of the dimensions.", nullptr}, {"dtype", get_dtype, nullptr, "dtype: dtype\n\nType of the elements.", nullptr}, {"device", get_device, nullptr, "device: device\n\nWhere the memory is.", nullptr},
    {"layout", get_layout, nullptr, "layout: layout\n\nstrided, or of a sparse tensor its layout.", nullptr}, {"requires_grad", get_requires_grad, set_requires_grad_attr, "requires_grad: bool\n\nWhether gradients with respect to this tensor are wanted.", nullptr},
    {"is_leaf", get_is_leaf, nullptr, "is_leaf: bool\n\nWhether no operator made it that is to be differentiated.", nullptr}, {"ndim", get_ndim, nullptr, "ndim: int\n\nNumber of dimensions.", nullptr}, {"_version", get_version, nullptr, "_version: int\n\nHow often it was written to.", nullptr}, {"_base", get_base, nullptr, "_base: Tensor | None\n\nThe tensor that it is a view of.", nullptr},
    {"grad", get_grad, set_grad, "grad: Tensor | None\n\nThe gradient that backward() accumulated, or None.", nullptr}, {"_grad", get_grad, set_grad, nullptr, nullptr}, {"grad_fn", get_grad_fn, nullptr, "grad_fn: Any\n\nThe node of the graph that made it.", nullptr}, {"_grad_fn", get_grad_fn, nullptr, nullptr, nullptr},
    {"output_nr", get_output_nr, nullptr, "output_nr: int\n\nIts place among the results of grad_fn.", nullptr}, {"retains_grad", get_retains_grad, nullptr, "retains_grad: bool\n\nWhether its gradient is kept though it is not a leaf.", nullptr}, {"itemsize", get_itemsize, nullptr, "itemsize: int\n\nBytes of an element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "nbytes: int\n\nBytes of the elements.", nullptr}, {"is_cpu", get_is_cpu, nullptr, "is_cpu: bool\n\nWhether it has memory, on the CPU.", nullptr}, {"is_meta", get_is_meta, nullptr, "is_meta: bool\n\nWhether it has no memory.", nullptr},
    {"is_cuda", get_false, nullptr, "is_cuda: bool\n\nFalse.", nullptr}, {"is_mps", get_false, nullptr, "is_mps: bool\n\nFalse.", nullptr}, {"is_xpu", get_false, nullptr, "is_xpu: bool\n\nFalse.", nullptr}, {"is_xla", get_false, nullptr, "is_xla: bool\n\nFalse.", nullptr},
    {"is_quantized", get_false, nullptr, "is_quantized: bool\n\nFalse.", nullptr}, {"is_sparse", get_false, nullptr, "is_sparse: bool\n\nFalse.", nullptr}, {"is_sparse_csr", get_false, nullptr, "is_sparse_csr: bool\n\nFalse.", nullptr},
    {"is_mkldnn", get_false, nullptr, "is_mkldnn: bool\n\nFalse.", nullptr}, {"is_nested", get_false, nullptr, "is_nested: bool\n\nFalse.", nullptr}, {"is_vulkan", get_false, nullptr, "is_vulkan: bool\n\nFalse.", nullptr}, {"is_ipu", get_false, nullptr, "is_ipu: bool\n\nFalse.", nullptr}, {"is_mtia", get_false, nullptr, "is_mtia: bool\n\nFalse.", nullptr},
    {"name", get_none, nullptr, "name: None\n\nNone.", nullptr}, {"_backward_hooks", get_hooks, set_hooks, nullptr, nullptr}, {"data", get_data, set_data, "data: Tensor\n\nThe values without history, over the same memory.", nullptr}, {}};

// ---------------------------------------------------------------- number protocol
struct SlotOp {
    const char* name;
    OpSet* set = nullptr;
    PyObject* function = nullptr;
    PyObject* method = nullptr;
    PyObject* inplace_method = nullptr;
    void find() {
        set = op_set("", name);
        check(set, Err::NotImplemented, "operator ", name, " is not there");
        function = make_callable(set, false, false);
        method = make_callable(set, true, false);
        inplace_method = make_callable(set, true, true);
    }
};
enum { ADD, SUB, MUL, DIV, FLOORDIV, MOD, POW, MATMUL, AND, OR, XOR, LSHIFT, RSHIFT, EQ, NE, LT, LE, GT, GE, NEG, ABS, INVERT, SLOTS };
SlotOp slot_ops[SLOTS] = {{"add"}, {"sub"}, {"mul"}, {"div"}, {"floor_divide"}, {"remainder"}, {"pow"}, {"matmul"}, {"bitwise_and"}, {"bitwise_or"}, {"bitwise_xor"},
                          {"bitwise_left_shift"}, {"bitwise_right_shift"}, {"eq"}, {"ne"}, {"lt"}, {"le"}, {"gt"}, {"ge"}, {"neg"}, {"abs"}, {"bitwise_not"}};

bool plain(PyObject* o) {
    PyTypeObject* t = Py_TYPE(o);
    return t == TensorType || t == ParameterType || t == &PyFloat_Type || t == &PyLong_Type || t == &PyBool_Type;
}

template <int S> PyObject* binary(PyObject* a, PyObject* b) {
    RL_TRY({
        SlotOp& s = slot_ops[S];
        if (!s.set) s.find();
        OpInfo* op = s.set->overloads[0];
        if (S != MATMUL && plain(a) && plain(b) && !tls.functions) {
            PyObject* slots[kMaxParams];
            slots[0] = a, slots[1] = b;
            for (size_t i = 2; i < op->params.size(); i++) slots[i] = op->params[i].default_value;
            return op->invoke(slots);
        }
        auto fits = [](PyObject* o) { return is_tensor(o) || (S != MATMUL && is_number(o)); };
        bool other = has_override(is_tensor(a) ? b : a) && !is_tensor(is_tensor(a) ? b : a);
        if ((!fits(a) || !fits(b)) && !other) {
            // an ndarray on the other side counts as a tensor, as in PyTorch
            if (S >= EQ && S <= NE) Py_RETURN_NOTIMPLEMENTED;
            if (!strcmp(Py_TYPE(b)->tp_name, "numpy.ndarray") && is_tensor(a)) {
                PyObject* as = checked(PyObject_CallMethod(the_module, "from_numpy", "O", b));
                PyObject* r = binary<S>(a, as);
                Py_DECREF(as);
                if (!r) raise_python();
                return r;
            }
            Py_RETURN_NOTIMPLEMENTED;
        }
        PyObject* args[] = {a, b};
        PyObject* r = is_tensor(a) ? call_set(*s.set, s.method, args, 2, nullptr, true, false) : call_set(*s.set, s.function, args, 2, nullptr, false, false);
        if (!r) raise_python();
        return r;
    });
}
PyObject* power(PyObject* a, PyObject* b, PyObject*) { return binary<POW>(a, b); }
template <int S> PyObject* inplace(PyObject* a, PyObject* b) {
    RL_TRY({
        SlotOp& s = slot_ops[S];
        if (!s.set) s.find();
        if (!is_tensor(b) && !is_number(b)) Py_RETURN_NOTIMPLEMENTED;
        PyObject* args[] = {a, b};
        PyObject* r = call_set(*s.set, s.inplace_method, args, 2, nullptr, true, true);
        if (!r) raise_python();
        return r;
    });
}
PyObject* inplace_power(PyObject* a, PyObject* b, PyObject*) { return inplace<POW>(a, b); }
template <int S> PyObject* unary(PyObject* a) {
    RL_TRY({
        SlotOp& s = slot_ops[S];
        if (!s.set) s.find();
        PyObject* r = call_set(*s.set, s.method, &a, 1, nullptr, true, false);
        if (!r) raise_python();
        return r;
    });
}
PyObject* positive(PyObject* a) { return Py_NewRef(a); }
PyObject* richcompare(PyObject* a, PyObject* b, int op) {
    switch (op) {
        case Py_EQ: return binary<EQ>(a, b);
        case Py_NE: return binary<NE>(a, b);
        case Py_LT: return binary<LT>(a, b);
        case Py_LE: return binary<LE>(a, b);
        case Py_GT: return binary<GT>(a, b);
        default: return binary<GE>(a, b);
    }
}
int tensor_bool(PyObject* a) {
    return guarded<int>(-1, [&] {
        const Tensor& t = T(a);
        check(t.numel() != 0, "Boolean value of Tensor with no values is ambiguous");
        check(t.numel() == 1, "Boolean value of Tensor with more than one value is ambiguous");
        return item(t).to<bool>() ? 1 : 0;
    });
}
PyObject* tensor_float(PyObject* a) {
    RL_TRY({
        Scalar s = item(T(a));
        check(!s.is_complex() || s.im == 0, "value cannot be converted to type double without overflow");
        return PyFloat_FromDouble(s.real());
    });
}
PyObject* tensor_int(PyObject* a) {
    RL_TRY({
        Scalar s = item(T(a));
        if (s.is_integral()) return PyLong_FromLongLong(s.i);
        PyObject* f = PyFloat_FromDouble(s.real());
        PyObject* r = PyNumber_Long(f);
        Py_DECREF(f);
        return checked(r);
    });
}
PyObject* tensor_index(PyObject* a) {
    RL_TRY({
        const Tensor& t = T(a);
        check(t.numel() == 1 && !is_inexact(t.dtype()), Err::Type, "only integer tensors of a single element can be converted to an index");
        return PyLong_FromLongLong(item(t).to<int64_t>());
    });
}
Py_ssize_t tensor_length(PyObject* a) {
    return guarded<Py_ssize_t>(-1, [&] {
        check(T(a).dim() > 0, Err::Type, "len() of a 0-d tensor");
        return Py_ssize_t(T(a).sizes()[0]);
    });
}

PyMemberDef members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(TensorImpl, dict), READONLY, nullptr}, {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorImpl, weaklist), READONLY, nullptr}, {}};
PyType_Slot slots[] = {
    {Py_tp_new, (void*)tensor_new}, {Py_tp_init, (void*)tensor_init}, {Py_tp_dealloc, (void*)tensor_dealloc}, {Py_tp_traverse, (void*)tensor_traverse}, {Py_tp_clear, (void*)tensor_clear},
    {Py_tp_getset, getset}, {Py_tp_members, members}, {Py_tp_setattro, (void*)tensor_setattro}, {Py_tp_hash, (void*)tensor_hash}, {Py_tp_richcompare, (void*)richcompare},
    {Py_nb_add, (void*)binary<ADD>}, {Py_nb_subtract, (void*)binary<SUB>}, {Py_nb_multiply, (void*)binary<MUL>}, {Py_nb_true_divide, (void*)binary<DIV>}, {Py_nb_floor_divide, (void*)binary<FLOORDIV>},
    {Py_nb_remainder, (void*)binary<MOD>}, {Py_nb_power, (void*)power}, {Py_nb_matrix_multiply, (void*)binary<MATMUL>}, {Py_nb_and, (void*)binary<AND>}, {Py_nb_or, (void*)binary<OR>}, {Py_nb_xor, (void*)binary<XOR>},
    {Py_nb_lshift, (void*)binary<LSHIFT>}, {Py_nb_rshift, (void*)binary<RSHIFT>}, {Py_nb_inplace_add, (void*)inplace<ADD>}, {Py_nb_inplace_subtract, (void*)inplace<SUB>}, {Py_nb_inplace_multiply, (void*)inplace<MUL>},
    {Py_nb_inplace_true_divide, (void*)inplace<DIV>}, {Py_nb_inplace_floor_divide, (void*)inplace<FLOORDIV>}, {Py_nb_inplace_remainder, (void*)inplace<MOD>}, {Py_nb_inplace_power, (void*)inplace_power},
    {Py_nb_inplace_and, (void*)inplace<AND>}, {Py_nb_inplace_or, (void*)inplace<OR>}, {Py_nb_inplace_xor, (void*)inplace<XOR>}, {Py_nb_inplace_lshift, (void*)inplace<LSHIFT>}, {Py_nb_inplace_rshift, (void*)inplace<RSHIFT>},
    {Py_nb_negative, (void*)unary<NEG>}, {Py_nb_positive, (void*)positive}, {Py_nb_absolute, (void*)unary<ABS>}, {Py_nb_invert, (void*)unary<INVERT>}, {Py_nb_bool, (void*)tensor_bool}, {Py_nb_float, (void*)tensor_float},
    {Py_nb_int, (void*)tensor_int}, {Py_nb_index, (void*)tensor_index}, {Py_mp_length, (void*)tensor_length}, {Py_sq_length, (void*)tensor_length}, {Py_mp_subscript, (void*)tensor_getitem}, {Py_mp_ass_subscript, (void*)tensor_setitem},
    {Py_tp_doc, (void*)"A multi-dimensional array of elements of one dtype, with a place in the graph of differentiation."}, {}};
PyType_Spec spec = {"torch.Tensor", sizeof(TensorImpl), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
}  // namespace

Tensor make_subclass(PyTypeObject* type, const Tensor& data, bool requires_grad) {
    check(PyType_IsSubtype(type, TensorType), Err::Type, "_make_subclass(): ", type->tp_name, " is not a subclass of Tensor");
    if (is_sparse(data)) data.no_memory();
    Tensor r = Tensor::steal(tensor_alloc(type));
    r->storage = data->storage;
    r->dtype = data.dtype();
    r->conj = data->conj, r->neg = data->neg;
    if (data->wrapper) r->wrapper = new Wrapper(*data->wrapper);
    r.set_geometry(data.sizes(), data.strides(), data->offset);
    if (requires_grad) set_requires_grad(r, true);
    return r;
}

void init_tensor_type(PyObject* m) {
    TensorType = (PyTypeObject*)checked(PyType_FromSpec(&spec));
    PyModule_AddObjectRef(m, "Tensor", (PyObject*)TensorType);
}

}  // namespace rl
