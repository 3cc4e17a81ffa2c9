// The backward pass: iterative, latest node first. All of its state belongs to the call, so that a backward inside a
// backward, and from several threads, works. `Node::hint` only remembers where a call keeps a node's state; every use
// checks it, and falls back to a map when another call has overwritten it.
#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "autograd/hooks.h"
#include "autograd/meta.h"
#include "core/modes.h"
#include "core/convert.h"
#include "core/ops.h"
#include "core/sparse.h"

namespace rl {

namespace {
struct Visit {
    Ref<Node> node;
    Grads buffer;
    uint32_t waiting = 0;
    bool needed = true;
    bool captured = false;
};

// The lists that a call needs. They are lent for its time and their memory is kept for the next call (under the GIL): a
// small graph costs less than asking for them anew.
struct Frame {
    uint32_t visit;
    uint32_t edge;
};
struct Lists {
    std::vector<Visit> visits;
    std::vector<Frame> stack;
    std::vector<uint32_t> done, starts;
    std::vector<std::pair<uint64_t, uint32_t>> heap;
};
class LentLists {
    static constexpr size_t kKeptVisits = 4096;
    static std::vector<std::unique_ptr<Lists>>& spare() {
        static std::vector<std::unique_ptr<Lists>> lists;
        return lists;
    }
    std::unique_ptr<Lists> lists_;

public:
    LentLists() {
        if (spare().empty()) lists_ = std::make_unique<Lists>();
        else lists_ = std::move(spare().back()), spare().pop_back();
    }
    ~LentLists() {
        if (lists_->visits.capacity() > kKeptVisits) return;
        // what this releases may run a backward of its own, which takes other lists
        lists_->visits.clear(), lists_->stack.clear(), lists_->done.clear(), lists_->starts.clear(), lists_->heap.clear();
        spare().push_back(std::move(lists_));
    }
    Lists* operator->() const { return lists_.get(); }
};

struct Run {
    LentLists lists;
    std::vector<Visit>& visits = lists->visits;
    std::unordered_map<Node*, uint32_t> map;  // filled when a hint was found overwritten
    std::span<const Edge> inputs;
    BackwardOptions options;
    std::vector<Tensor> captured;
    std::vector<std::pair<uint64_t, uint32_t>>& heap = lists->heap;

    Run(std::span<const Edge> in, BackwardOptions o) : inputs(in), options(o), captured(in.size()) {}

    uint32_t known(Node* n) {  // index of n's visit, or size() where it has none
        if (n->hint < visits.size() && visits[n->hint].node.get() == n) return n->hint;
        if (!map.empty()) {
            auto it = map.find(n);
            return it == map.end() ? uint32_t(visits.size()) : it->second;
        }
        return uint32_t(visits.size());
    }
    // During the run another engine call may have overwritten hints: look the node up for good.
    uint32_t index(Node* n) {
        uint32_t i = known(n);
        if (i < visits.size()) return i;
        for (uint32_t k = 0; k < visits.size(); k++) map[visits[k].node.get()] = k;
        return map.at(n);
    }
    uint32_t enter(const Ref<Node>& n) {
        uint32_t i = known(n.get());
        if (i < visits.size()) return i;
        n->hint = i;
        visits.emplace_back();
        visits.back().node = n;
        return i;
    }

    void explore(std::span<const Edge> roots) {
        auto& stack = lists->stack;
        auto& done = lists->done;
        for (auto& r : roots) {
            size_t before = visits.size();
            uint32_t i = enter(r.node);
            if (visits.size() > before) stack.push_back({i, 0});
            while (!stack.empty()) {
                auto& [v, e] = stack.back();
                Node& n = *visits[v].node;
                if (e == n.edges.size()) {
                    done.push_back(v);
                    stack.pop_back();
                    continue;
                }
                const Edge& edge = n.edges[e++];
                if (!edge.node) continue;
                size_t size = visits.size();
                uint32_t child = enter(edge.node);
                if (visits.size() > size) stack.push_back({child, 0});
            }
        }
        if (!inputs.empty()) mark_needed(done);
        for (auto& v : visits) {
            if (!v.needed) continue;
            for (auto& e : v.node->edges)
                if (e.node) visits[known(e.node.get())].waiting++;
        }
    }
    // Only nodes on a way to an input run. `done` lists children before parents.
    void mark_needed(const std::vector<uint32_t>& done) {
        for (auto& v : visits) v.needed = false;
        for (auto& in : inputs) {
            if (!in.node) continue;
            uint32_t i = known(in.node.get());
            if (i < visits.size()) visits[i].captured = true;
        }
        for (uint32_t i : done) {
            auto& v = visits[i];
            for (auto& e : v.node->edges) {
                if (!e.node) continue;
                auto& child = visits[known(e.node.get())];
                v.needed |= child.needed || child.captured;
            }
            if (options.accumulate && v.captured) v.needed = true;
        }
    }

    void push(uint32_t i) {
        heap.emplace_back(visits[i].node->seq, i);
        std::push_heap(heap.begin(), heap.end());
    }
    void run(std::span<const Edge> roots, std::span<Tensor> grads) {
        auto& starts = lists->starts;
        for (size_t i = 0; i < roots.size(); i++) {
            uint32_t v = index(roots[i].node.get());
            add_to(v, roots[i].nr, std::move(grads[i]));
            if (visits[v].waiting == 0 && std::find(starts.begin(), starts.end(), v) == starts.end()) starts.push_back(v);
        }
        for (uint32_t v : starts) push(v);
        while (!heap.empty()) {
            std::pop_heap(heap.begin(), heap.end());
            uint32_t i = heap.back().second;
            heap.pop_back();
            step(i);
        }
    }

    void add_to(uint32_t i, uint32_t nr, Tensor g) {
        Grads& b = visits[i].buffer;
        if (b.size() <= nr) b.resize(std::max<size_t>(nr + 1, visits[i].node->results.size()));
        if (!b[nr]) {
            b[nr] = std::move(g);
            return;
        }
        Tensor& have = b[nr];
        bool sole = !tls.grad && Py_REFCNT(have.py()) == 1 && have->storage && have->storage->refs == 1 && !have->wrapper && have.is_contiguous() &&
                    have.dtype() == g.dtype() && same(have.sizes(), g.sizes()) && !have.requires_grad();
        if (is_sparse(have) || is_sparse(g)) have = sparse_add(g, have);
        else if (sole) add_(have, g);
        else have = add(have, g);
    }

    // A gradient must have its result's shape and dtype; one that broadcasting enlarged is summed back.
    void validate(Node& n, Grads& g) {
        for (size_t k = 0; k < g.size() && k < n.results.size(); k++) {
            auto& m = n.results[k];
            if (!g[k] || m.dtype == DType::Undefined) continue;
            if (!same(g[k].sizes(), m.sizes)) g[k] = sum_to_size(g[k], m.sizes);
            if (g[k].dtype() != m.dtype && is_sparse(g[k])) g[k] = call_sparse("to", Py_BuildValue("(OO)", g[k].py(), dtype_to_python(m.dtype)));
            if (g[k].dtype() != m.dtype) g[k] = is_complex(g[k].dtype()) && !is_complex(m.dtype) ? to(real(g[k]), m.dtype) : to(g[k], m.dtype);
        }
    }

    void step(uint32_t i) {
        Ref<Node> node = visits[i].node;
        Grads g = std::move(visits[i].buffer);
        if (g.size() < node->results.size()) g.resize(node->results.size());
        if (g.empty()) g.resize(1);
        validate(*node, g);
        if (node->hooks) run_pre_hooks(*node, g);
        if (Tensor leaf = node->variable(); leaf && leaf->meta && leaf->meta->hooks && g[0]) g[0] = call_hooks(leaf->meta->hooks, g[0]);
        if (visits[i].captured && !options.accumulate) {
            for (size_t k = 0; k < inputs.size(); k++)
                if (inputs[k].node == node && inputs[k].nr < g.size()) captured[k] = g[inputs[k].nr];
        }
        if (!visits[i].needed) return;
        Grads kept;
        if (node->hooks && node->hooks->post) kept = g;
        Grads out = passes_on(*node, g) ? std::move(g) : node->apply(make_dense(*node, std::move(g)));
        if (tls.anomaly) check_nan(*node, out);
        if (!options.retain_graph) {
            node->release_saved();
            node->released = true;
        }
        if (node->hooks && node->hooks->post) run_post_hooks(*node, out, kept);
        for (size_t e = 0; e < node->edges.size(); e++) {
            Node* child = node->edges[e].node.get();
            if (!child) continue;
            uint32_t c = index(child);
            if (e < out.size() && out[e]) add_to(c, node->edges[e].nr, std::move(out[e]));
            if (--visits[c].waiting == 0 && (visits[c].needed || visits[c].captured)) push(c);
        }
    }

    // Formulas in C++ are written for dense gradients (Note [ Sparse tensors ]).
    static Grads make_dense(Node& n, Grads g) {
        for (auto& t : g)
            if (is_sparse(t) && !n.variable() && !n.python_context()) t = call_sparse("to_dense", Py_BuildValue("(O)", t.py()));
        return g;
    }
    // Copies hand a sparse gradient on as it is; validate() gives it the dtype of the one before.
    static bool passes_on(Node& n, const Grads& g) {
        return g.size() == 1 && is_sparse(g[0]) && (!strcmp(n.name(), "CloneBackward0") || !strcmp(n.name(), "ToCopyBackward0"));
    }

    void check_nan(Node& n, const Grads& out) {
        for (size_t k = 0; k < out.size(); k++) {
            if (!out[k] || !is_inexact(out[k].dtype()) || !has_nan(out[k])) continue;
            std::string where;
            if (n.forward_trace) {
                PyObject* joined = PyUnicode_Join(PyUnicode_FromString(""), n.forward_trace);
                if (joined) where = PyUnicode_AsUTF8(joined);
                Py_XDECREF(joined);
            }
            raise(Err::Runtime, "Function '", n.name(), "' returned nan values in its ", k, "th output.", where.empty() ? "" : " The forward call was made here:\n", where);
        }
    }
};
}  // namespace

std::vector<Tensor> run_backward(std::span<const Edge> roots, std::span<Tensor> grads, std::span<const Edge> inputs, BackwardOptions options) {
    Guard<bool> mode(tls.grad, options.create_graph);
    Run run(inputs, options);
    run.explore(roots);
    run.run(roots, grads);
    return std::move(run.captured);
}

}  // namespace rl
