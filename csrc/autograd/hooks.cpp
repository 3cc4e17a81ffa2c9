#include "autograd/hooks.h"

#include "autograd/meta.h"
#include "core/convert.h"
#include "core/modes.h"

namespace rl {

namespace {
struct Held {  // a new reference for a scope
    PyObject* o;
    explicit Held(PyObject* p) : o(p) {
        if (!o) raise_python();
    }
    ~Held() { Py_DECREF(o); }
    Held(const Held&) = delete;
};
thread_local std::vector<std::pair<PyObject*, PyObject*>> saved_hook_stack;

PyObject* grads_tuple(const Grads& g) {
    PyObject* t = PyTuple_New(Py_ssize_t(g.size()));
    for (size_t i = 0; i < g.size(); i++) PyTuple_SET_ITEM(t, i, g[i] ? Py_NewRef(g[i].py()) : new_none());
    return t;
}

void replace_from(PyObject* result, Grads& grads, const char* what) {
    if (result == Py_None) return;
    PyObject* items = is_tensor(result) ? PyTuple_Pack(1, result) : PySequence_Tuple(result);
    Held held(items);
    check(size_t(PyTuple_GET_SIZE(items)) == grads.size(), what, " has returned an incorrect number of values (got ", int64_t(PyTuple_GET_SIZE(items)), ", but expected ", grads.size(), ")");
    for (size_t i = 0; i < grads.size(); i++) {
        PyObject* v = PyTuple_GET_ITEM(items, i);
        check(v == Py_None || is_tensor(v), Err::Type, what, " must return tensors or None, not ", Py_TYPE(v)->tp_name);
        grads[i] = v == Py_None ? Tensor() : Tensor::borrow(v);
    }
}
}  // namespace

Hooks::~Hooks() {
    for (auto& h : tensor) {
        Py_XDECREF(h.dict);
        Py_XDECREF(h.weak_tensor);
    }
    Py_XDECREF(pre);
    Py_XDECREF(post);
}

Hooks& hooks_of(Node& node) {
    if (!node.hooks) node.hooks = std::make_unique<Hooks>();
    return *node.hooks;
}

PyObject* capture_trace() {
    Held traceback(PyImport_ImportModule("traceback"));
    return PyObject_CallMethod(traceback.o, "format_stack", nullptr);
}

void push_saved_hooks(PyObject* pack, PyObject* unpack) {
    saved_hook_stack.emplace_back(Py_NewRef(pack), Py_NewRef(unpack));
    tls.saved_hooks++;
}

void pop_saved_hooks() {
    check(!saved_hook_stack.empty(), "saved_tensors_hooks: none is in force");
    auto [a, b] = saved_hook_stack.back();
    saved_hook_stack.pop_back();
    tls.saved_hooks--;
    Py_DECREF(a);
    Py_DECREF(b);
}

void pack_saved(const Tensor& t, PyObject** packed, PyObject** unpack) {
    if (saved_hook_stack.empty()) return;
    auto [pack, un] = saved_hook_stack.back();
    NoGrad guard;
    Guard<int64_t> off(tls.saved_hooks, 0);
    *packed = PyObject_CallOneArg(pack, t.py());
    if (!*packed) raise_python();
    *unpack = Py_NewRef(un);
}

Tensor unpack_saved(PyObject* packed, PyObject* unpack) {
    PyObject* r = PyObject_CallOneArg(unpack, packed);
    if (!r) raise_python();
    if (!is_tensor(r)) {
        Held held(r);
        raise(Err::Type, "saved_tensors_hooks: unpack_hook must return a Tensor, not ", Py_TYPE(r)->tp_name);
    }
    return Tensor::steal(r);
}

Tensor call_hooks(PyObject* dict, Tensor grad) {
    Held values(PyMapping_Values(dict));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values.o); i++) {
        Held r(PyObject_CallOneArg(PyList_GET_ITEM(values.o, i), grad.py()));
        if (r.o == Py_None) continue;
        check(is_tensor(r.o), Err::Type, "expected hook to return a Tensor or None, but it returned ", Py_TYPE(r.o)->tp_name);
        Tensor fresh = Tensor::borrow(r.o);
        check(same(fresh.sizes(), grad.sizes()), "hook has changed the size of value: ", fresh.sizes(), " where ", grad.sizes(), " is expected");
        grad = fresh;
    }
    return grad;
}

void run_pre_hooks(Node& node, Grads& grads) {
    for (auto& h : node.hooks->tensor) {
        if (h.keep_grad || h.nr >= grads.size() || !grads[h.nr]) continue;
        grads[h.nr] = call_hooks(h.dict, grads[h.nr]);
    }
    if (node.hooks->pre) {
        Held values(PyMapping_Values(node.hooks->pre));
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values.o); i++) {
            Held args(grads_tuple(grads));
            Held r(PyObject_CallOneArg(PyList_GET_ITEM(values.o, i), args.o));
            replace_from(r.o, grads, "a node's pre-hook");
        }
    }
    for (auto& h : node.hooks->tensor) {
        if (!h.keep_grad || h.nr >= grads.size() || !grads[h.nr]) continue;
        PyObject* t = PyWeakref_GetObject(h.weak_tensor);
        if (t == Py_None) continue;
        auto& m = meta_of(Tensor::borrow(t));
        m.grad = grads[h.nr];
    }
}

void run_post_hooks(Node& node, Grads& inputs, const Grads& outputs) {
    if (!node.hooks->post) return;
    Held values(PyMapping_Values(node.hooks->post));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values.o); i++) {
        Held a(grads_tuple(inputs)), b(grads_tuple(outputs));
        Held r(PyObject_CallFunctionObjArgs(PyList_GET_ITEM(values.o, i), a.o, b.o, nullptr));
        replace_from(r.o, inputs, "a node's hook");
    }
}

void retain_grad(const Tensor& t) {
    check(t.requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
    if (is_leaf(t) || meta_of(t).retains_grad) return;
    meta_of(t).retains_grad = true;
    Ref<Node> fn = grad_fn(t);
    PyObject* weak = PyWeakref_NewRef(t.py(), nullptr);
    if (!weak) raise_python();
    hooks_of(*fn).tensor.push_back({meta_of(t).output_nr, nullptr, true, weak});
}

}  // namespace rl
