#include "autograd/meta.h"

#include "autograd/hooks.h"
#include "core/modes.h"
#include "core/ops.h"
#include "core/sparse.h"

namespace rl {

AutogradMeta::~AutogradMeta() {
    Py_XDECREF(hooks);
    Py_XDECREF(post_hooks);
}
void delete_meta(AutogradMeta* m) { delete m; }

// ---------------------------------------------------------------- leaves
namespace {
struct AccumulateGrad final : Node {
    Tensor leaf;
    explicit AccumulateGrad(const Tensor& t) : leaf(t) {
        seq = UINT64_MAX;  // runs as soon as its gradient is complete
        add_result(t);
    }
    ~AccumulateGrad() override {
        if (leaf->meta) leaf->meta->accumulator = nullptr;
    }
    const char* name() const override { return "AccumulateGrad"; }
    Tensor variable() const override { return leaf; }
    Grads apply(Grads&& g) override {
        if (g[0]) accumulate(std::move(g[0]));
        return {};
    }
    void accumulate(Tensor g) {
        auto& m = meta_of(leaf);
        if (!m.grad) m.grad = first_gradient(std::move(g));
        else if (is_sparse(m.grad) || is_sparse(g)) m.grad = call_sparse("accumulate", Py_BuildValue("(OO)", m.grad.py(), g.py()));
        else if (tls.grad || m.grad.requires_grad()) m.grad = add(m.grad, g);
        else add_(m.grad, g);
        if (!m.post_hooks) return;
        PyObject* values = PyMapping_Values(m.post_hooks);
        if (!values) raise_python();
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++) {
            PyObject* r = PyObject_CallOneArg(PyList_GET_ITEM(values, i), leaf.py());
            if (!r) {
                Py_DECREF(values);
                raise_python();
            }
            Py_DECREF(r);
        }
        Py_DECREF(values);
    }
    // A gradient that nobody else holds becomes `.grad` itself; any other is copied.
    Tensor first_gradient(Tensor g) {
        if (is_sparse(g)) return call_sparse("first_gradient", Py_BuildValue("(O)", g.py()));
        if (tls.grad) return clone(g);
        bool sole = Py_REFCNT(g.py()) == 1 && g->storage && g->storage->refs == 1 && !g->wrapper;
        if (sole && !g.lazy() && same(g.strides(), leaf.strides()) && is_non_overlapping_and_dense(g)) return g.requires_grad() ? detach(g) : std::move(g);
        if (g->wrapper) return g;
        Tensor copy = empty_preserved(leaf, leaf.dtype());
        copy_(copy, g);
        return copy;
    }
};
}  // namespace

Edge gradient_edge(const Tensor& t) {
    if (Ref<Node> fn = grad_fn(t)) return {fn, meta_of(t).output_nr};
    if (!t->requires_grad) return {};
    auto& m = meta_of(t);
    if (m.accumulator) return {Ref<Node>(m.accumulator), 0};
    Ref<Node> node = Ref<Node>::steal(new AccumulateGrad(t));
    m.accumulator = node.get();
    return {node, 0};
}

void set_history(const Tensor& t, const Ref<Node>& node, uint32_t nr) {
    auto& m = meta_of(t);
    m.grad_fn = node;
    m.output_nr = nr;
    t->requires_grad = true;
    t->attr_version = t.version();
    if (node->py) track(t);
}

Ref<Node> grad_fn(const Tensor& t) {
    if (t->view_kind == ViewKind::Normal && t->base && t->attr_version != t.version() && t.base()->requires_grad) {
        // the base changed since this view was taken: the view is now a view of the changed base
        Tensor base = t.base();
        check(base.dtype() == t.dtype() && base->conj == t->conj && base->neg == t->neg, Err::NotImplemented,
              "the history of a view with another dtype or conjugation than its base cannot be rebuilt after the base was "
              "changed in place; take the view again");
        Guard<bool> on(tls.grad, true);
        Tensor again = as_strided(base, t.sizes(), t.strides(), t->offset);
        auto& m = meta_of(t);
        m.grad_fn = again->meta ? again->meta->grad_fn : Ref<Node>();
        m.output_nr = 0;
        t->requires_grad = true;
        t->attr_version = t.version();
    }
    return t->meta ? t->meta->grad_fn : Ref<Node>();
}

bool is_leaf(const Tensor& t) { return !t.requires_grad() || !grad_fn(t); }

void set_requires_grad(const Tensor& t, bool on) {
    check(!on || is_inexact(t.dtype()), "only Tensors of floating point and complex dtype can require gradients, this one has dtype ", name(t.dtype()));
    if (!is_leaf(t)) {
        check(on, "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph "
              "that doesn't require differentiation use var_no_grad = var.detach().");
        return;
    }
    check(!on || !t->inference || tls.inference, "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
    t->requires_grad = on;
}

// ---------------------------------------------------------------- views and in-place
void become_view(const Tensor& view, const Tensor& of, ViewKind kind) {
    if (tls.inference || view->wrapper) return;
    if (!tls.grad && of.requires_grad() && kind == ViewKind::Normal) kind = ViewKind::NoGrad;
    if (of.is_view() && of->view_kind != ViewKind::Normal && kind == ViewKind::Normal) kind = of->view_kind;
    Tensor root = of.is_view() && of->base ? of.base() : of;
    view->base = root.release();
    view->view_kind = kind;
    view->attr_version = view.version();
}

Tensor detach(const Tensor& t) {
    if (is_sparse(t)) return call_sparse("detach", Py_BuildValue("(O)", t.py()));
    if (t->wrapper) return wrap(t->wrapper->inner, t->wrapper->dim, t->wrapper->level);
    return alias(t);
}

void check_inplace(const char* op, const Tensor& t, bool will_record, bool writes) {
    check(!t->inference || tls.inference, "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone "
          "to get a normal tensor before doing inplace update. (", op, "_)");
    if (tls.grad && t.requires_grad()) {
        if (t.is_view() && t->base) {
            check(!is_leaf(t.base()) || !t.base()->requires_grad, "a view of a leaf Variable that requires grad is being used in an in-place operation. (", op, "_)");
            check(t->view_kind != ViewKind::Multi, "Output of a function that returns multiple views is being modified inplace by ", op,
                  "_. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.");
        } else {
            check(!is_leaf(t), "a leaf Variable that requires grad is being used in an in-place operation. (", op, "_; use torch.no_grad() to change parameters)");
        }
    }
    check(!will_record || t->view_kind != ViewKind::NoGrad, "A view was created in no_grad mode and is being modified inplace with grad mode enabled. (", op,
          "_) This view was created inside a no_grad() block, so its history is unknown: make the view and the change in the same mode.");
    check(!will_record || t->view_kind != ViewKind::Multi, "Output of a function that returns multiple views is being modified inplace by ", op,
          "_. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.");
    check(!writes || !may_overlap_itself(t), "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
          "Please clone() the tensor before performing the operation. (", op, "_)");
}

namespace {
// The history of a base after an in-place operator `fn` on one of its views: the gradient outside of the view passes
// unchanged, inside it goes through fn.
struct CopySlices final : Node {
    Ref<Node> fn;
    Dims base_sizes, base_strides, sizes, strides;
    int64_t offset;
    CopySlices(const Tensor& base, const Tensor& view, const Ref<Node>& f)
        : fn(f), base_sizes(base.sizes()), base_strides(base.strides()), sizes(view.sizes()), strides(view.strides()), offset(view->offset - base->offset) {
        add_edge(base);
        for (size_t i = 1; i < fn->edges.size(); i++) edges.push_back(fn->edges[i]);
        add_result(base);
    }
    const char* name() const override { return "CopySlices"; }
    Grads apply(Grads&& g) override {
        Grads r(edges.size());
        if (!g[0]) return r;
        Tensor whole = empty_strided(base_sizes, base_strides, g[0].dtype());
        copy_(whole, g[0]);
        Tensor slice = as_strided(whole, sizes, strides, offset);
        Grads inner = fn->apply(Grads{clone(slice)});
        if (inner.size() && inner[0]) copy_(slice, inner[0]);
        else zero_(slice);
        r[0] = whole;
        for (size_t i = 1; i < inner.size() && i < r.size(); i++) r[i] = inner[i];
        return r;
    }
    void release_saved() override {
        fn->release_saved();
        fn->released = true;
    }
};
}  // namespace

void rebase_history(const Tensor& t, const Ref<Node>& node) {
    if (t->view_kind == ViewKind::Normal && t->base) {
        Tensor base = t.base();
        check(base.dtype() == t.dtype() && base->conj == t->conj && base->neg == t->neg && is_non_overlapping_and_dense(base), Err::NotImplemented,
              "an in-place operator on a view whose base has another dtype or conjugation, or overlaps itself, cannot be recorded; "
              "use the operator's out-of-place form");
        Ref<Node> slices = Ref<Node>::steal(new CopySlices(base, t, node));
        set_history(base, slices, 0);
        t->requires_grad = true;
        t->attr_version = t.version() - 1;
        grad_fn(t);
        return;
    }
    set_history(t, node, 0);
}

}  // namespace rl
