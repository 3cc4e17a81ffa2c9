// A node of the graph: one recorded operator. Its edges lead to the nodes that produced its inputs.
#pragma once
#include <memory>

#include "core/tensor.h"
#include "cpu/alloc.h"

namespace rl {

// A vector of a few elements inside the object.
template <class T, int N>
class Small {
    uint32_t n_ = 0, cap_ = N;
    T* p_ = reinterpret_cast<T*>(room_);
    alignas(T) char room_[N * sizeof(T)];

public:
    Small() = default;
    explicit Small(size_t n) { resize(n); }
    Small(std::initializer_list<T> l) {
        reserve(l.size());
        for (auto& v : l) push_back(v);
    }
    Small(Small&& o) noexcept { take(std::move(o)); }
    Small(const Small& o) {
        reserve(o.n_);
        for (auto& v : o) push_back(v);
    }
    Small& operator=(Small o) noexcept {
        clear();
        if (cap_ > N) ::operator delete(p_);
        p_ = reinterpret_cast<T*>(room_), cap_ = N;
        take(std::move(o));
        return *this;
    }
    ~Small() {
        clear();
        if (cap_ > N) ::operator delete(p_);
    }
    void reserve(size_t n) {
        if (n <= cap_) return;
        cap_ = uint32_t(n > 2 * size_t(cap_) ? n : 2 * size_t(cap_));
        T* q = static_cast<T*>(::operator new(cap_ * sizeof(T)));
        for (uint32_t i = 0; i < n_; i++) new (q + i) T(std::move(p_[i])), p_[i].~T();
        if (p_ != reinterpret_cast<T*>(room_)) ::operator delete(p_);
        p_ = q;
    }
    void push_back(T v) {
        reserve(n_ + 1);
        new (p_ + n_++) T(std::move(v));
    }
    void resize(size_t n) {
        reserve(n);
        while (n_ < n) new (p_ + n_++) T();
        while (n_ > n) p_[--n_].~T();
    }
    void clear() { resize(0); }
    size_t size() const { return n_; }
    bool empty() const { return n_ == 0; }
    T& operator[](size_t i) { return p_[i]; }
    const T& operator[](size_t i) const { return p_[i]; }
    T* begin() { return p_; }
    T* end() { return p_ + n_; }
    const T* begin() const { return p_; }
    const T* end() const { return p_ + n_; }

private:
    void take(Small&& o) {
        if (o.cap_ > N) {
            p_ = std::exchange(o.p_, reinterpret_cast<T*>(o.room_));
            cap_ = std::exchange(o.cap_, N);
            n_ = std::exchange(o.n_, 0);
        } else {
            for (auto& v : o) push_back(std::move(v));
            o.clear();
        }
    }
};

using Grads = Small<Tensor, 4>;

struct Edge {
    Ref<Node> node;
    uint32_t nr = 0;
};
// What the node knows of each forward result: enough to make a zero gradient and to check one.
struct ResultMeta {
    Dims sizes;
    DType dtype = DType::Undefined;
    Device device = Device::CPU;
};

// Python callables that run around a node (autograd/hooks.cpp).
struct Hooks {
    struct TensorHook {
        uint32_t nr;
        PyObject* dict;  // id -> callable, shared with the handles
        bool keep_grad;  // retain_grad(): runs last, writes `.grad`
        PyObject* weak_tensor;
    };
    std::vector<TensorHook> tensor;
    PyObject* pre = nullptr;   // node.register_prehook
    PyObject* post = nullptr;  // node.register_hook
    ~Hooks();
};

struct Node {
    int64_t refs = 1;
    uint64_t seq = 0;
    uint32_t hint = 0;  // where the running engine call keeps this node's state: a guess that it checks
    bool released = false;
    Small<Edge, 2> edges;
    Small<ResultMeta, 1> results;
    std::unique_ptr<Hooks> hooks;
    PyObject* py = nullptr;  // the object that shows this node in Python, not counted
    PyObject* forward_trace = nullptr;  // anomaly mode: where the operator was called

    Node();
    virtual ~Node();
    virtual Grads apply(Grads&& grads) = 0;
    virtual const char* name() const = 0;
    virtual void release_saved() {}  // after a backward that does not retain the graph
    virtual PyObject* python_context() { return nullptr; }  // of a Python Function: its context object, borrowed
    virtual Tensor variable() const { return {}; }          // of AccumulateGrad: the leaf
    static void destroy(Node* n);  // iterative: see Note [ Long chains ]
    void* operator new(size_t n) { return cpu::alloc(n); }
    void operator delete(void* p) { cpu::free(p); }

    // Adds the edge that leads to `t`'s producer (none if t needs no gradient).
    void add_edge(const Tensor& t);
    void add_result(const Tensor& t) { results.push_back({t.sizes(), t.dtype(), t.device()}); }
    bool needs(size_t i) const { return i < edges.size() && edges[i].node; }
};

// A tensor kept for the backward pass, with the version it had. An output is kept as an alias, else the node would own
// itself. Unpacking checks the version; a pair of saved_tensors_hooks replaces the tensor by what pack() returned.
class Saved {
    Tensor tensor_;
    PyObject* packed_ = nullptr;
    PyObject* unpack_ = nullptr;
    uint32_t version_ = 0;
    bool output_ = false, any_ = false;

public:
    Saved() = default;
    Saved(Saved&&) = delete;
    ~Saved() { clear(); }
    void save(const Tensor& t, bool is_output);
    Tensor get(const Node& owner, uint32_t nr = 0) const;
    bool saved() const { return any_; }
    void clear();
};

}  // namespace rl
