#include "autograd/node.h"

#include "autograd/hooks.h"
#include "autograd/meta.h"
#include "core/modes.h"

namespace rl {

static uint64_t next_seq = 0;

Node::Node() : seq(++next_seq) {
    if (__builtin_expect(tls.anomaly, 0)) forward_trace = capture_trace();
}
Node::~Node() { Py_XDECREF(forward_trace); }

// Note [ Long chains ]
// Releasing a node releases its edges and saved tensors, and through them more nodes: a chain of a million operators
// must not recurse. The outermost release takes nodes from a list; the inner ones only add to it.
void Node::destroy(Node* n) {
    static std::vector<Node*> dead;
    static bool busy = false;
    dead.push_back(n);
    if (busy) return;
    busy = true;
    while (!dead.empty()) {
        Node* d = dead.back();
        dead.pop_back();
        delete d;
    }
    busy = false;
}

void Node::add_edge(const Tensor& t) { edges.push_back(t && t.requires_grad() ? gradient_edge(t) : Edge{}); }

// ---------------------------------------------------------------- saved tensors
void Saved::save(const Tensor& t, bool is_output) {
    any_ = t.defined();
    if (!any_) return;
    output_ = is_output;
    version_ = t.version();
    if (__builtin_expect(tls.saved_hooks > 0, 0)) {
        pack_saved(is_output ? detach(t) : t, &packed_, &unpack_);
        if (packed_) return;
    }
    if (!is_output) tensor_ = t;
    else {
        // an alias: keeping the result itself would make the node own itself
        tensor_ = detach(t);
        tensor_->requires_grad = false;
    }
}

Tensor Saved::get(const Node& owner, uint32_t nr) const {
    if (!any_) {
        check(!owner.released, "Trying to backward through the graph a second time (or directly access saved tensors after they have "
              "already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
              "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved "
              "tensors after calling backward. (The operator is ", owner.name(), ")");
        return {};
    }
    if (packed_) {
        Tensor t = unpack_saved(packed_, unpack_);
        if (!output_) return t;
        t = detach(t);
        if (is_inexact(t.dtype())) set_history(t, Ref<Node>(const_cast<Node*>(&owner)), nr);
        return t;
    }
    check(tensor_.version() == version_, "one of the variables needed for gradient computation has been modified by an inplace operation: [",
          "torch.", title(tensor_.dtype()), "Tensor ", tensor_.sizes(), "], which is ", output_ ? "output " : "an input", output_ ? str(int64_t(nr)) : std::string(),
          " of ", owner.name(), ", is at version ", int64_t(tensor_.version()), "; expected version ", int64_t(version_),
          " instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
          "torch.autograd.set_detect_anomaly(True).");
    if (!output_) return tensor_;
    Tensor t = detach(tensor_);
    if (is_inexact(t.dtype())) set_history(t, Ref<Node>(const_cast<Node*>(&owner)), nr);
    return t;
}

void Saved::clear() {
    any_ = false;
    tensor_ = Tensor();
    Py_CLEAR(packed_);
    Py_CLEAR(unpack_);
}

}  // namespace rl
