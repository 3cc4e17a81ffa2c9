// Python callables around the graph: hooks of tensors and nodes, saved_tensors_hooks, traces of anomaly mode.
#pragma once
#include "autograd/node.h"

namespace rl {

PyObject* capture_trace();  // formatted call stack, new reference
void pack_saved(const Tensor& t, PyObject** packed, PyObject** unpack);  // leaves *packed null where no pair is in force
Tensor unpack_saved(PyObject* packed, PyObject* unpack);
void push_saved_hooks(PyObject* pack, PyObject* unpack);
void pop_saved_hooks();

// Run before a node's apply, over the gradients that reached it; may replace them.
void run_pre_hooks(Node& node, Grads& grads);
// After it, over the gradients that it passes on.
void run_post_hooks(Node& node, Grads& inputs, const Grads& outputs);
// Results of calling each value of the dict with a gradient; a hook's None keeps the gradient.
Tensor call_hooks(PyObject* dict, Tensor grad);
Hooks& hooks_of(Node& node);
void retain_grad(const Tensor& t);

}  // namespace rl
