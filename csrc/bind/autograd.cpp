// The graph seen from Python: backward, grad, nodes, grad mode, hooks, and the parts of autograd.Function.
#include <Python.h>
#include <structmember.h>

#include "autograd/hooks.h"
#include "bind/bind.h"
#include "core/op.h"
#include "core/ops.h"

namespace rl {

PyTypeObject* NodeType;

namespace {
struct NodeObject {
    PyObject_HEAD
    Ref<Node> node;
    PyObject* weaklist;
};
Node& node_at(PyObject* o) { return *((NodeObject*)o)->node; }

// ---------------------------------------------------------------- a node written in Python (autograd.Function)
// `context` is the ctx object; its class provides _backward(*grads), which returns a tuple as long as the edges.
// The context reaches its node through a capsule that does not own it (else the two would keep each other alive, unseen by
// the garbage collector); the node empties the capsule when it goes.
constexpr const char* kNodeCapsule = "rushlight.node";
struct PythonNode final : Node {
    PyObject* context;
    PyObject* capsule = nullptr;  // counted
    std::string title;
    std::vector<std::unique_ptr<Saved>> saved;
    PythonNode(PyObject* c, std::string n) : context(Py_NewRef(c)), title(std::move(n)) {}
    ~PythonNode() override {
        if (capsule) {
            PyCapsule_SetContext(capsule, nullptr);
            Py_DECREF(capsule);
        }
        Py_DECREF(context);
    }
    const char* name() const override { return title.c_str(); }
    PyObject* python_context() override { return context; }
    void release_saved() override { saved.clear(); }
    Grads apply(Grads&& g) override {
        PyObject* args = PyTuple_New(Py_ssize_t(g.size()));
        for (size_t i = 0; i < g.size(); i++) PyTuple_SET_ITEM(args, i, g[i] ? Py_NewRef(g[i].py()) : new_none());
        PyObject* method = PyObject_GetAttrString(context, "_run_backward");
        PyObject* r = method ? PyObject_CallObject(method, args) : nullptr;
        Py_XDECREF(method);
        Py_DECREF(args);
        if (!r) raise_python();
        Grads out(edges.size());
        for (size_t i = 0; i < out.size() && Py_ssize_t(i) < PyTuple_GET_SIZE(r); i++) {
            PyObject* v = PyTuple_GET_ITEM(r, i);
            if (v != Py_None) out[i] = Tensor::borrow(v);
        }
        Py_DECREF(r);
        return out;
    }
};

PythonNode& python_node(PyObject* o) {
    check(PyCapsule_IsValid(o, kNodeCapsule), Err::Type, "a Function's node is expected, not ", Py_TYPE(o)->tp_name);
    auto* n = static_cast<PythonNode*>(PyCapsule_GetContext(o));
    check(n, "the graph of this Function's context was released");
    return *n;
}

// ---------------------------------------------------------------- the Node type
void node_dealloc(PyObject* o) {
    auto* n = (NodeObject*)o;
    if (n->weaklist) PyObject_ClearWeakRefs(o);
    if (n->node) n->node->py = nullptr;
    n->node.~Ref();
    PyTypeObject* type = Py_TYPE(o);
    type->tp_free(o);
    Py_DECREF(type);
}
PyObject* node_repr(PyObject* o) { return PyUnicode_FromFormat("<%s object at %p>", node_at(o).name(), o); }
PyObject* node_name(PyObject* o, PyObject*) { return PyUnicode_FromString(node_at(o).name()); }
PyObject* node_next(PyObject* o, void*) {
    Node& n = node_at(o);
    PyObject* t = PyTuple_New(Py_ssize_t(n.edges.size()));
    for (size_t i = 0; i < n.edges.size(); i++) PyTuple_SET_ITEM(t, i, Py_BuildValue("(Nk)", node_to_python(n.edges[i].node), (unsigned long)n.edges[i].nr));
    return t;
}
PyObject* node_variable(PyObject* o, void*) {
    Tensor t = node_at(o).variable();
    if (t) return t.release();
    PyErr_SetString(PyExc_AttributeError, "only AccumulateGrad has a variable");
    return nullptr;
}
PyObject* node_context(PyObject* o, void*) {
    PyObject* c = node_at(o).python_context();
    return c ? Py_NewRef(c) : new_none();
}
PyObject* node_hooks(PyObject* o, PyObject* which) {  // the OrderedDict of pre or post hooks
    RL_TRY({
        Hooks& h = hooks_of(node_at(o));
        PyObject*& dict = PyUnicode_CompareWithASCIIString(which, "pre") == 0 ? h.pre : h.post;
        if (!dict) dict = checked(PyODict_New());
        return Py_NewRef(dict);
    });
}
PyObject* node_sequence(PyObject* o, PyObject*) { return PyLong_FromUnsignedLongLong(node_at(o).seq); }
PyMethodDef node_methods[] = {{"name", node_name, METH_NOARGS, "Name of the operator's gradient."}, {"_hooks", node_hooks, METH_O, nullptr}, {"_sequence_nr", node_sequence, METH_NOARGS, nullptr}, {}};
PyGetSetDef node_getset[] = {{"next_functions", node_next, nullptr, "The nodes that gradients go to, with the number of their result.", nullptr}, {"variable", node_variable, nullptr, nullptr, nullptr},
                             {"_context", node_context, nullptr, nullptr, nullptr}, {}};
PyMemberDef node_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(NodeObject, weaklist), READONLY, nullptr}, {}};
PyType_Slot node_slots[] = {{Py_tp_doc, (void*)"A node of the graph: an operator that was recorded."}, {Py_tp_dealloc, (void*)node_dealloc}, {Py_tp_repr, (void*)node_repr}, {Py_tp_methods, node_methods}, {Py_tp_getset, node_getset}, {Py_tp_members, node_members}, {}};
PyType_Spec node_spec = {"torch.autograd.graph.Node", sizeof(NodeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, node_slots};

// ---------------------------------------------------------------- backward
Tensor initial_gradient(const Tensor& root, PyObject* given) {
    if (given && given != Py_None) {
        check(is_tensor(given), Err::Type, "gradients can be either Tensors or None, but got ", Py_TYPE(given)->tp_name);
        const Tensor& g = Tensor::view(given);
        check(same(g.sizes(), root.sizes()), "Mismatch in shape: grad_output has a shape of ", g.sizes(), " and output has a shape of ", root.sizes(), ".");
        check(is_complex(g.dtype()) == is_complex(root.dtype()), "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch: ", name(g.dtype()), " and ", name(root.dtype()));
        return g;
    }
    check(root.numel() == 1, "grad can be implicitly created only for scalar outputs, this one has shape ", root.sizes());
    check(is_floating(root.dtype()), "grad can be implicitly created only for real scalar outputs but got ", name(root.dtype()));
    return ones_like(root);
}

std::vector<Tensor> start_backward(PyObject* roots, PyObject* grads, std::span<const Edge> inputs, BackwardOptions options) {
    Small<Edge, 2> edges;
    Grads starts;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots); i++) {
        const Tensor root = Tensor::borrow(PyTuple_GET_ITEM(roots, i));
        Edge e = root.requires_grad() ? gradient_edge(root) : Edge{};
        check(bool(e.node), "element ", int64_t(i), " of tensors does not require grad and does not have a grad_fn");
        Guard<bool> off(tls.grad, options.create_graph);
        starts.push_back(initial_gradient(root, grads == Py_None ? nullptr : PyTuple_GET_ITEM(grads, i)));
        edges.push_back(std::move(e));
    }
    return run_backward({edges.begin(), edges.size()}, {starts.begin(), starts.size()}, inputs, options);
}

// _run_backward(tensors, grads or None, retain_graph, create_graph, inputs, allow_unreachable, accumulate)
PyObject* backward(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *roots, *grads, *inputs;
        int retain, create, allow_unused, accumulate;
        if (!PyArg_ParseTuple(args, "O!OppO!pp", &PyTuple_Type, &roots, &grads, &retain, &create, &PyTuple_Type, &inputs, &allow_unused, &accumulate)) return nullptr;
        std::vector<Edge> targets;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); i++) {
            Tensor t = Tensor::borrow(PyTuple_GET_ITEM(inputs, i));
            check(t.requires_grad(), "One of the differentiated Tensors does not require grad");
            Edge e = gradient_edge(t);
            if (accumulate && !is_leaf(t)) retain_grad(t);
            targets.push_back(std::move(e));
        }
        auto got = start_backward(roots, grads, targets, {bool(retain), bool(create), bool(accumulate)});
        if (accumulate) Py_RETURN_NONE;
        PyObject* r = PyTuple_New(Py_ssize_t(got.size()));
        for (size_t i = 0; i < got.size(); i++) {
            if (!got[i] && !allow_unused) {
                Py_DECREF(r);
                raise(Err::Runtime, "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior. (input ", i, ")");
            }
            PyTuple_SET_ITEM(r, i, got[i] ? got[i].release() : new_none());
        }
        return r;
    });
}

// Tensor.backward(). Without arguments and modes, the way of every training loop, it starts here; else in Python.
PyObject* tensor_backward(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
    RL_TRY({
        if (n > 0 || names || tls.functions || !interpreters().empty() || (Py_TYPE(self) != TensorType && has_override(self))) {
            Tensor module = Tensor::steal(checked(PyImport_ImportModule("rushlight._tensor")));
            Tensor general = Tensor::steal(checked(PyObject_GetAttrString(module.py(), "_backward")));
            std::vector<PyObject*> all{self};
            all.insert(all.end(), args, args + n + (names ? PyTuple_GET_SIZE(names) : 0));
            return PyObject_Vectorcall(general.py(), all.data(), size_t(n) + 1, names);
        }
        PyObject* roots = PyTuple_Pack(1, self);
        Tensor owner = Tensor::steal(roots);
        start_backward(roots, Py_None, {}, {});
        Py_RETURN_NONE;
    });
}

// ---------------------------------------------------------------- grad mode
template <bool State::*Field> PyObject* get_mode(PyObject*, PyObject*) { return PyBool_FromLong(tls.*Field); }
template <bool State::*Field> PyObject* set_mode(PyObject*, PyObject* v) {
    int on = PyObject_IsTrue(v);
    if (on < 0) return nullptr;
    tls.*Field = on;
    Py_RETURN_NONE;
}

// ---------------------------------------------------------------- hooks
// The dict of a tensor's hooks, made and connected on first use.
PyObject* tensor_hooks(PyObject*, PyObject* o) {
    RL_TRY({
        const Tensor& t = Tensor::view(o);
        check(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
        auto& m = meta_of(t);
        Ref<Node> fn = grad_fn(t);
        if (!fn) {
            if (!m.hooks) m.hooks = checked(PyODict_New());
            track(t);
            return Py_NewRef(m.hooks);
        }
        for (auto& h : hooks_of(*fn).tensor)
            if (h.nr == m.output_nr && !h.keep_grad) return Py_NewRef(h.dict);
        PyObject* dict = checked(PyODict_New());
        hooks_of(*fn).tensor.push_back({m.output_nr, dict, false, nullptr});
        track(t);
        return Py_NewRef(dict);
    });
}
PyObject* post_hooks(PyObject*, PyObject* o) {
    RL_TRY({
        const Tensor& t = Tensor::view(o);
        check(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
        check(is_leaf(t), "post accumulate grad hooks cannot be registered on non-leaf tensors");
        auto& m = meta_of(t);
        if (!m.post_hooks) m.post_hooks = checked(PyODict_New());
        track(t);
        return Py_NewRef(m.post_hooks);
    });
}
PyObject* retain_grad_of(PyObject*, PyObject* o) { RL_TRY(retain_grad(Tensor::view(o)); Py_RETURN_NONE); }
PyObject* push_hooks(PyObject*, PyObject* args) {
    PyObject *pack, *unpack;
    if (!PyArg_ParseTuple(args, "OO", &pack, &unpack)) return nullptr;
    push_saved_hooks(pack, unpack);
    Py_RETURN_NONE;
}
PyObject* pop_hooks(PyObject*, PyObject*) { RL_TRY(pop_saved_hooks(); Py_RETURN_NONE); }

// ---------------------------------------------------------------- parts of autograd.Function
// _function_node(context, name, inputs): a capsule of a node with an edge for each tensor of inputs. The node lives until
// _function_done, then as long as the graph needs it.
PyObject* function_node(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *context, *inputs;
        const char* name;
        if (!PyArg_ParseTuple(args, "OsO!", &context, &name, &PyTuple_Type, &inputs)) return nullptr;
        auto* n = new PythonNode(context, name);
        Ref<Node> ref = Ref<Node>::steal(n);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); i++) {
            PyObject* v = PyTuple_GET_ITEM(inputs, i);
            n->add_edge(is_tensor(v) ? Tensor::borrow(v) : Tensor());
        }
        static int token;  // a capsule must hold a pointer; the node is its context, which may become null
        n->capsule = checked(PyCapsule_New(&token, kNodeCapsule, nullptr));
        PyCapsule_SetContext(n->capsule, n);
        ref.release();
        return Py_NewRef(n->capsule);
    });
}
// _function_save(node, tensors, outputs): saves each tensor, as an output where it is one of `outputs`
PyObject* function_save(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *o, *tensors, *outputs;
        if (!PyArg_ParseTuple(args, "OO!O!", &o, &PyTuple_Type, &tensors, &PyTuple_Type, &outputs)) return nullptr;
        auto& n = python_node(o);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tensors); i++) {
            PyObject* v = PyTuple_GET_ITEM(tensors, i);
            check(v == Py_None || is_tensor(v), Err::Type, "save_for_backward can only save variables, but argument ", int64_t(i), " is of type ", Py_TYPE(v)->tp_name);
            bool output = false;
            for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(outputs); k++) output |= PyTuple_GET_ITEM(outputs, k) == v;
            n.saved.push_back(std::make_unique<Saved>());
            if (v != Py_None) n.saved.back()->save(Tensor::borrow(v), output);
        }
        Py_RETURN_NONE;
    });
}
PyObject* function_saved(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *o, *outputs;  // outputs: for each saved tensor the number of the result that it is, or -1
        if (!PyArg_ParseTuple(args, "OO!", &o, &PyTuple_Type, &outputs)) return nullptr;
        auto& n = python_node(o);
        if (n.released) Saved().get(n);  // raises
        PyObject* r = PyTuple_New(Py_ssize_t(n.saved.size()));
        Tensor owner = Tensor::steal(r);
        for (size_t i = 0; i < n.saved.size(); i++) {
            long nr = PyLong_AsLong(PyTuple_GET_ITEM(outputs, i));
            Tensor t = n.saved[i]->saved() ? n.saved[i]->get(n, nr < 0 ? 0 : uint32_t(nr)) : Tensor();
            PyTuple_SET_ITEM(r, i, t ? t.release() : new_none());
        }
        return owner.release();
    });
}
// _function_output(node, tensor, nr, mode): 0 the tensor is a fresh result; 1 it was changed in place
PyObject* function_output(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *o, *v;
        int nr, inplace;
        if (!PyArg_ParseTuple(args, "OO!ip", &o, TensorType, &v, &nr, &inplace)) return nullptr;
        Ref<Node> ref(&python_node(o));
        const Tensor& t = Tensor::view(v);
        while (ref->results.size() <= size_t(nr)) ref->results.push_back({});
        ref->results[nr] = {t.sizes(), t.dtype(), t.device()};
        if (inplace) {
            if (nr == 0) rebase_history(t, ref);
            else set_history(t, ref, uint32_t(nr));
        } else set_history(t, ref, uint32_t(nr));
        track(t);
        Py_RETURN_NONE;
    });
}
// _function_constant(node, tensor, nr): a result that is constant to differentiation; backward gets zeros for it
PyObject* function_constant(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *o, *v;
        int nr;
        if (!PyArg_ParseTuple(args, "OO!i", &o, TensorType, &v, &nr)) return nullptr;
        Node& n = python_node(o);
        const Tensor& t = Tensor::view(v);
        while (n.results.size() <= size_t(nr)) n.results.push_back({});
        n.results[nr] = {t.sizes(), t.dtype(), t.device()};
        Py_RETURN_NONE;
    });
}
PyObject* function_done(PyObject*, PyObject* o) { RL_TRY(Ref<Node> last = Ref<Node>::steal(&python_node(o)); Py_RETURN_NONE); }
PyObject* function_check_dirty(PyObject*, PyObject* o) { RL_TRY(check_inplace("Function", Tensor::view(o), tls.grad); Tensor::view(o).bump_version(); Py_RETURN_NONE); }
PyObject* function_results(PyObject*, PyObject* o) {  // shapes and dtypes, to make zeros of
    RL_TRY({
        Node& n = python_node(o);
        PyObject* r = PyTuple_New(Py_ssize_t(n.results.size()));
        for (size_t i = 0; i < n.results.size(); i++) {
            auto& m = n.results[i];
            PyTuple_SET_ITEM(r, i, m.dtype == DType::Undefined ? new_none() : Py_BuildValue("(NO)", size_to_python(m.sizes), dtype_to_python(m.dtype)));
        }
        return r;
    });
}
PyObject* make_subclass_py(PyObject*, PyObject* args, PyObject* kwargs) {
    RL_TRY({
        PyObject *cls, *data;
        int requires_grad = 0;
        static const char* names[] = {"cls", "data", "require_grad", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!|p", const_cast<char**>(names), &PyType_Type, &cls, TensorType, &data, &requires_grad)) return nullptr;
        return make_subclass((PyTypeObject*)cls, Tensor::view(data), requires_grad).release();
    });
}
// as_subclass keeps the history: an alias in the same place of the graph
PyObject* as_subclass(PyObject*, PyObject* args) {
    RL_TRY({
        PyObject *cls, *data;
        if (!PyArg_ParseTuple(args, "O!O!", &PyType_Type, &cls, TensorType, &data)) return nullptr;
        const Tensor& t = Tensor::view(data);
        Tensor r = make_subclass((PyTypeObject*)cls, t, false);
        share_version(t, r);
        if (t.requires_grad()) {
            Edge e = gradient_edge(t);
            set_history(r, e.node, e.nr);
        }
        return r.release();
    });
}
PyObject* set_parameter_type(PyObject*, PyObject* o) {
    ParameterType = (PyTypeObject*)Py_NewRef(o);
    Py_RETURN_NONE;
}
PyObject* bump_version(PyObject*, PyObject* o) { RL_TRY(check(is_tensor(o), Err::Type, "a Tensor is expected"); Tensor::view(o).bump_version(); Py_RETURN_NONE); }
PyObject* forget_history(PyObject* self, PyObject*) {
    auto* t = (TensorImpl*)self;
    if (t->meta) t->meta->grad_fn = Ref<Node>();
    t->requires_grad = false;
    Py_RETURN_NONE;
}
PyObject* detach_py(PyObject*, PyObject* o) { RL_TRY(return detach(Tensor::view(o)).release()); }
PyObject* requires_grad_py(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
    RL_TRY({
        bool on = true;
        if (n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) > 0) on = PyObject_IsTrue(args[0]) == 1;
        set_requires_grad(Tensor::view(self), on);
        return Py_NewRef(self);
    });
}
PyMethodDef tensor_methods[] = {{"requires_grad_", (PyCFunction)(void*)requires_grad_py, METH_FASTCALL | METH_KEYWORDS, "requires_grad_(requires_grad: bool = True) -> Tensor\n\nSets requires_grad of a leaf, in place."}, {"backward", (PyCFunction)(void*)tensor_backward, METH_FASTCALL | METH_KEYWORDS,
                                 "backward($self, gradient=None, retain_graph=None, create_graph=False, inputs=None)\n--\n\n"
                                 "backward(gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None) -> None\n\n"
                                 "Adds the gradients of self with respect to the graph's leaves to their `.grad`."},
                                {"_forget_history", forget_history, METH_NOARGS, nullptr},
                                {}};
PyMethodDef methods[] = {{"_run_backward", backward, METH_VARARGS, nullptr},
                         {"is_grad_enabled", get_mode<&State::grad>, METH_NOARGS, "is_grad_enabled() -> bool\n\nWhether operators are recorded in this thread."},
                         {"_set_grad_enabled", set_mode<&State::grad>, METH_O, nullptr},
                         {"is_inference_mode_enabled", get_mode<&State::inference>, METH_NOARGS, "is_inference_mode_enabled() -> bool\n\nWhether inference mode is on in this thread."},
                         {"_set_inference_mode", set_mode<&State::inference>, METH_O, nullptr},
                         {"is_anomaly_enabled", get_mode<&State::anomaly>, METH_NOARGS, nullptr},
                         {"_set_anomaly", set_mode<&State::anomaly>, METH_O, nullptr},
                         {"_tensor_hooks", tensor_hooks, METH_O, nullptr},
                         {"_post_accumulate_hooks", post_hooks, METH_O, nullptr},
                         {"_retain_grad", retain_grad_of, METH_O, nullptr},
                         {"_push_saved_hooks", push_hooks, METH_VARARGS, nullptr},
                         {"_pop_saved_hooks", pop_hooks, METH_NOARGS, nullptr},
                         {"_function_node", function_node, METH_VARARGS, nullptr},
                         {"_function_save", function_save, METH_VARARGS, nullptr},
                         {"_function_saved", function_saved, METH_VARARGS, nullptr},
                         {"_function_output", function_output, METH_VARARGS, nullptr},
                         {"_function_constant", function_constant, METH_VARARGS, nullptr},
                         {"_function_done", function_done, METH_O, nullptr},
                         {"_function_dirty", function_check_dirty, METH_O, nullptr},
                         {"_function_results", function_results, METH_O, nullptr},
                         {"_make_subclass", (PyCFunction)(void*)make_subclass_py, METH_VARARGS | METH_KEYWORDS, nullptr},
                         {"_as_subclass", as_subclass, METH_VARARGS, nullptr},
                         {"_set_parameter_type", set_parameter_type, METH_O, nullptr},
                         {"_detach", detach_py, METH_O, nullptr},
                         {"_bump_version", bump_version, METH_O, nullptr},
                         {}};
}  // namespace

PyObject* node_to_python(const Ref<Node>& n) {
    if (!n) return new_none();
    if (n->py) return Py_NewRef(n->py);
    auto* o = (NodeObject*)NodeType->tp_alloc(NodeType, 0);
    if (!o) raise_python();
    new (&o->node) Ref<Node>(n);
    n->py = (PyObject*)o;
    return (PyObject*)o;
}

void init_autograd(PyObject* m) {
    NodeType = (PyTypeObject*)checked(PyType_FromSpec(&node_spec));
    PyModule_AddObjectRef(m, "Node", (PyObject*)NodeType);
    PyModule_AddFunctions(m, methods);
    for (auto* d = tensor_methods; d->ml_name; d++) {
        PyObject* f = PyDescr_NewMethod(TensorType, d);
        PyObject_SetAttrString((PyObject*)TensorType, d->ml_name, f);
        Py_DECREF(f);
    }
}

}  // namespace rl
