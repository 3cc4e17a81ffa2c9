// Gradients of gradients for a fused operator: its formula once more by other operators, and the graph of that.
#pragma once
#include "autograd/meta.h"
#include "core/op.h"
#include "core/ops.h"

namespace rl {

// Does anything but values come of an operator on t: a graph, or what a mode or a transformation makes of the call?
inline bool is_recorded(const Tensor& t) { return tls.modes || t->wrapper || (tls.grad && t.requires_grad()); }

// A copy of t that is a function of inputs to the graph, with derivatives of zero: a gradient that happens to be constant
// in some mode of its operator can still be differentiated.
Tensor constant_in(const Tensor& t, const Tensors& inputs);

// The gradients of f(inputs), a list of tensors, for those inputs that need one, as functions that can be differentiated
// again. f is given views of the inputs, so that these are where its graph ends. `grads` are of f's results and may hold
// undefined ones; undefined inputs stay so.
template <class F>
Grads recomputed_gradients(Tensors inputs, const Tensors& grads, F f) {
    Guard<bool> record(tls.grad, true);
    Tensors originals;
    for (auto& t : inputs)
        if (t && is_inexact(t.dtype()) && t.requires_grad()) originals.push_back(t);
    std::vector<Edge> ends, roots;
    std::vector<size_t> which;
    for (size_t i = 0; i < inputs.size(); i++) {
        if (!inputs[i] || !is_inexact(inputs[i].dtype()) || !inputs[i].requires_grad()) continue;
        inputs[i] = view(inputs[i], inputs[i].sizes());
        ends.push_back(gradient_edge(inputs[i])), which.push_back(i);
    }
    Grads r(inputs.size());
    Tensors results = f(inputs), given;
    for (size_t i = 0; i < results.size(); i++)
        if (results[i] && grads[i] && results[i].requires_grad()) roots.push_back(gradient_edge(results[i])), given.push_back(grads[i]);
    if (roots.empty() || ends.empty()) return r;
    BackwardOptions options;
    options.retain_graph = options.create_graph = true, options.accumulate = false;
    Tensors found = run_backward(roots, given, ends, options);
    for (size_t i = 0; i < which.size(); i++) {
        const Tensor& g = found[i] ? found[i] : zeros_like(detach(inputs[which[i]]));
        r[which[i]] = g.requires_grad() ? g : constant_in(g, originals);
    }
    return r;
}

}  // namespace rl
