// A tensor's place in the graph, made when it first needs one, and what in-place operators and views do to it.
#pragma once
#include "autograd/node.h"

namespace rl {

struct AutogradMeta {
    Tensor grad;
    Ref<Node> grad_fn;
    uint32_t output_nr = 0;
    Node* accumulator = nullptr;    // of a leaf, not counted: the node's destructor clears it
    PyObject* hooks = nullptr;      // a leaf's or result's register_hook dict
    PyObject* post_hooks = nullptr; // register_post_accumulate_grad_hook
    bool retains_grad = false;
    ~AutogradMeta();
};
inline AutogradMeta& meta_of(const Tensor& t) {
    if (!t->meta) t->meta = new AutogradMeta;
    return *t->meta;
}
void delete_meta(AutogradMeta* m);

// The producer of t, brought up to date if t is a view whose base was changed in place; null for a leaf.
Ref<Node> grad_fn(const Tensor& t);
// Where gradients of t go: its producer, or the leaf's accumulator; empty if it needs none.
Edge gradient_edge(const Tensor& t);
void set_history(const Tensor& t, const Ref<Node>& node, uint32_t nr);
// After an in-place operator: t's (and, for a view, its base's) history now goes through node.
void rebase_history(const Tensor& t, const Ref<Node>& node);
// `writes`: elements, of which none may share memory; false for changes of shape.
void check_inplace(const char* op, const Tensor& t, bool will_record, bool writes = true);
// Makes `view` a view of `of` (root base is found); called by the View category and nowhere else.
void become_view(const Tensor& view, const Tensor& of, ViewKind kind = ViewKind::Normal);
Tensor detach(const Tensor& t);  // shares memory and version, no history
bool is_leaf(const Tensor& t);
void set_requires_grad(const Tensor& t, bool on);

// ---- engine
struct BackwardOptions {
    bool retain_graph = false;
    bool create_graph = false;
    bool accumulate = true;  // into leaves; false: collect `inputs` and return them
};
// Runs the graph from `roots` with `grads`. inputs empty: accumulate into every leaf. Otherwise accumulate only into
// these, or return their gradients. The gradients of the roots are moved from.
std::vector<Tensor> run_backward(std::span<const Edge> roots, std::span<Tensor> grads, std::span<const Edge> inputs, BackwardOptions options);

}  // namespace rl
