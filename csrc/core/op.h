// How an operator is written, and the one door through which it is called.
//
//   struct Cumsum : Op<Cumsum> {
//       SIG("cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor");
//       DOC("Cumulative sum of the elements along dim.");
//       using Saves = Save<>;                                   // what backward needs: In<0>, In<0, 1>, Out<0>
//       static Tensor forward(const Tensor& self, int64_t dim, const OptDType& dtype);
//       static Grads backward(Ctx& c, const Tensor& g) { ... c.arg<1>() ... c.in<0>() ... return {gradient}; }
//   };
//   OP(Cumsum);
//
// The C++ parameter types follow the signature's: Tensor and Tensor? `const Tensor&` (undefined for None), Operand `const
// Operand&`, Tensor[] `const Tensors&`, int `int64_t`, int[] `const Dims&`, float `double`, Scalar `const Scalar&`,
// ScalarType? `const OptDType&`, and `const std::optional<T>&` for every other T?.
// Without `backward` an operator must say `static constexpr bool kNoGradient = true` (its result is a constant to
// differentiation) or derive from Composite (it is a function of other operators); otherwise a backward pass that comes to
// it raises NotImplementedError.
#pragma once
#include <array>
#include <type_traits>

#include "autograd/meta.h"
#include "core/convert.h"
#include "core/modes.h"
#include "core/ops.h"

namespace rl {

#define SIG(s) static constexpr const char* kSignature = s
#define DOC(s) static constexpr const char* kDoc = s
#define ALIASES(s) static constexpr const char* kAliases = s
#define FORMS(f) static constexpr uint32_t kForms = f
#define NO_GRADIENT static constexpr bool kNoGradient = true

// In<I>: argument I is kept. In<I, J>: kept only where argument J needs a gradient. Out<I>: result I is kept.
template <int I, int For = -1> struct In {
    static constexpr int index = I, for_ = For;
    static constexpr bool output = false;
};
template <int I = 0> struct Out {
    static constexpr int index = I, for_ = -1;
    static constexpr bool output = true;
};
template <class... S> struct Save {
    static constexpr int count = sizeof...(S);
    template <bool Output> static constexpr int find([[maybe_unused]] int i) {
        int k = 0, r = -1;
        ((S::output == Output && S::index == i && r < 0 ? (r = k, ++k) : ++k), ...);
        return r;
    }
    template <class F> static void each(F&& f) {
        int k = 0;
        (f(S{}, k++), ...);
    }
};

// ---- properties of argument types
template <class T> inline constexpr bool is_tensor_like = std::is_same_v<T, Tensor> || std::is_same_v<T, Operand> || std::is_same_v<T, Tensors>;
inline bool wants_grad(const Tensor& t) { return t && t.requires_grad(); }
inline bool wants_grad(const Operand& a) { return a.requires_grad(); }
inline bool wants_grad(const Tensors& ts) {
    for (auto& t : ts)
        if (wants_grad(t)) return true;
    return false;
}
template <class T> inline bool wants_grad(const T&) { return false; }
template <class... A> inline bool any_wants_grad(const A&... a) { return (wants_grad(a) || ...); }
inline bool counts(const Tensor& t) { return t && counts_here(t); }
inline bool counts(const Operand& a) { return a.tensor && counts_here(*a.tensor); }
inline bool counts(const Tensors& ts) {
    for (auto& t : ts)
        if (counts(t)) return true;
    return false;
}
template <class T> inline bool counts(const T&) { return false; }

template <class T> struct Stored { using type = T; static const T& keep(const T& v) { return v; } };
struct Nothing {};
template <> struct Stored<Tensor> { using type = Nothing; static Nothing keep(const Tensor&) { return {}; } };
template <> struct Stored<Tensors> { using type = Nothing; static Nothing keep(const Tensors&) { return {}; } };
template <> struct Stored<Operand> { using type = Scalar; static Scalar keep(const Operand& a) { return a.scalar; } };

template <class O> struct OpNode;  // the node of operator O, which its backward knows as Ctx

template <class O> const OpInfo*& op_info() {
    static const OpInfo* p = nullptr;
    return p;
}
const char* make_node_name(const OpInfo& op);  // "MulBackward0"
[[noreturn]] void no_derivative(const OpInfo& op);

// ---- the node of an operator
// What nodes of all operators have in common.
struct RecordedNode : Node {
    std::vector<std::unique_ptr<Saved>> lists;  // Tensor[] arguments that Saves names
    std::vector<ResultMeta> list_metas;         // of every tensor in Tensor[] arguments
    ~RecordedNode() override;

    void add_input(ResultMeta& m, const Tensor& t);
    void add_input(ResultMeta& m, const Operand& a);
    void add_input(ResultMeta& m, const Tensors& ts);
    template <class T> void add_input(ResultMeta&, const T&) {}
    void save_list(const Tensors& ts);
    Tensors saved_list() const;
    void attach(const Ref<Node>& self, int i, const Tensor& result);
};

template <class F> struct Signature;
template <class R, class... A> struct Signature<R (*)(A...)> {
    using Kept = std::tuple<typename Stored<std::decay_t<A>>::type...>;
    static constexpr size_t count = sizeof...(A);
};

template <class O> struct OpNode final : RecordedNode {
    using S = Signature<decltype(&O::forward)>;
    typename S::Kept args;
    std::array<Saved, O::Saves::count> kept;
    std::array<ResultMeta, S::count> metas;  // of tensor arguments: sizes, dtype
    std::array<uint16_t, S::count + 1> first_edge{};

    const char* name() const override {
        static const char* n = make_node_name(*op_info<O>());
        return n;
    }

    // What backward formulas ask.
    template <int I> bool needs() const { return Node::needs(first_edge[I]); }
    template <int I> Tensor in() const {
        constexpr int k = O::Saves::template find<false>(I);
        static_assert(k >= 0, "this input is not in Saves");
        return kept[k].get(*this);
    }
    template <int I = 0> Tensor out() const {
        constexpr int k = O::Saves::template find<true>(I);
        static_assert(k >= 0, "this output is not in Saves");
        return kept[k].get(*this, I);
    }
    template <int I> const auto& arg() const { return std::get<I>(args); }
    template <int I> const Dims& sizes() const { return metas[I].sizes; }
    template <int I> DType dtype() const { return metas[I].dtype; }
    template <int I> bool given() const { return metas[I].dtype != DType::Undefined; }
    template <int I> Tensors list() const { return saved_list(); }

    Grads apply(Grads&& g) override {
        if constexpr (requires(const Tensor& t) { O::backward(*this, t); }) {
            if (!g[0]) return Grads(edges.size());
            return O::backward(*this, g[0]);
        } else if constexpr (requires(const Grads& gs) { O::backward(*this, gs); }) {
            return O::backward(*this, static_cast<const Grads&>(g));
        } else no_derivative(*op_info<O>());
    }
    void release_saved() override {
        for (auto& s : kept) s.clear();
        lists.clear();
    }

    template <size_t... I, class... A> void set_inputs(std::index_sequence<I...>, const A&... a) {
        ((first_edge[I] = uint16_t(edges.size()), add_input(metas[I], a)), ...);
        first_edge[S::count] = uint16_t(edges.size());
    }
    // `original`: of an in-place call, a copy of self as it was (else self itself)
    template <class Tuple> void save_inputs(const Tuple& a, const Tensor* original) {
        O::Saves::each([&](auto spec, int k) {
            using S = decltype(spec);
            if constexpr (!S::output) {
                if constexpr (S::for_ >= 0)
                    if (!Node::needs(first_edge[S::for_])) return;
                const auto& v = std::get<S::index>(a);
                using V = std::decay_t<decltype(v)>;
                if constexpr (std::is_same_v<V, Tensors>) save_list(v);
                else if (S::index == 0 && original) kept[k].save(*original, false);
                else if constexpr (std::is_same_v<V, Operand>) {
                    if (v.tensor) kept[k].save(*v.tensor, false);
                } else if constexpr (std::is_same_v<V, Tensor>) kept[k].save(v, false);
            }
        });
    }
    void save_output(int i, const Tensor& t) {
        O::Saves::each([&](auto spec, int k) {
            if (decltype(spec)::output && decltype(spec)::index == i && t) kept[k].save(t, true);
        });
    }

    // ---- attaching results
    void attach_result(const Ref<Node>& self, int i, const Tensor& t) { attach(self, i, t), save_output(i, t); }
    void attach_all(const Ref<Node>& self, const Tensor& t) { attach_result(self, 0, t); }
    void attach_all(const Ref<Node>& self, const Tensors& ts) {
        int i = 0;
        for (auto& t : ts) attach_result(self, i++, t);
    }
    template <class... T> void attach_all(const Ref<Node>& self, const std::tuple<T...>& ts) {
        std::apply([&](auto&... t) {
            int i = 0;
            ([&](auto& v) {
                if constexpr (std::is_same_v<std::decay_t<decltype(v)>, Tensor>) attach_result(self, i, v);
                i++;
            }(t), ...);
        }, ts);
    }
};

// ---- base of every operator
template <class O> struct Op {
    using Saves = Save<>;
    static constexpr const char* kAliases = "";
    static constexpr const char* kCategory = "Op";
    static constexpr uint32_t kForms = FUNCTION | METHOD;
    static constexpr bool kNoGradient = false;
    static constexpr bool kComposite = false;
    static constexpr bool kRandom = false;
    static constexpr bool kView = false;
    static constexpr bool kManyViews = false;
    static constexpr bool kCastsOut = false;  // out= may have any dtype that the result can be cast to, else only the result's own
    using Ctx = OpNode<O>;
};
// A function of other operators: has no backward of its own, modes see what it is made of.
template <class O> struct Composite : Op<O> {
    static constexpr const char* kCategory = "Composite";
    static constexpr bool kComposite = true;
    static constexpr bool kCastsOut = true;
};
// Its results share memory with its first argument (or are that argument's values where sharing is impossible).
template <class O> struct View : Op<O> {
    static constexpr const char* kCategory = "View";
    static constexpr bool kView = true;
};

// Asks the innermost interpreter; the boxes are released.
Tensor interpret_boxed(const OpInfo& op, PyObject** boxed, size_t n, bool inplace);
[[noreturn]] void out_with_grad(const OpInfo& op);
void copy_into(const OpInfo& op, const char* form, const Tensor& dst, const Tensor& src);  // in-place result: checks dtype and shape
void write_out(const OpInfo& op, const Tensor& out, const Tensor& result, bool casts);  // out=: resizes, checks dtype
Tensor clone_raw(const Tensor& t);
// A tensor for the result of a forward, which writes all of it after its last look at the inputs' sizes: the one that out= names,
// where that fits and shares no memory with an input, else a new one. So out= costs no copy.
Tensor result(Ints sizes, DType dtype, Device device = Device::CPU);
struct OutOffer {
    explicit OutOffer(const Tensor* out);
    ~OutOffer();
    OutOffer(const OutOffer&) = delete;
};
inline bool shares_storage(const Tensor& out, const Tensor& t) { return t && t->storage.get() == out->storage.get(); }
inline bool shares_storage(const Tensor& out, const Operand& a) { return a.tensor && shares_storage(out, *a.tensor); }
inline bool shares_storage(const Tensor& out, const Tensors& ts) {
    for (auto& t : ts)
        if (shares_storage(out, t)) return true;
    return false;
}
template <class T> inline bool shares_storage(const Tensor&, const T&) { return false; }


template <class O, class F> struct Call;
template <class O, class R, class... A>
struct Call<O, R (*)(A...)> {
    using NodeT = OpNode<O>;
    static constexpr auto kIndex = std::index_sequence_for<A...>{};
    template <class N> static constexpr bool has_backward_for =
        requires(N& c, const Tensor& t) { O::backward(c, t); } || requires(N& c, const Grads& g) { O::backward(c, g); };

    [[gnu::noinline, gnu::cold]] static R interpreted(A... a) {
        PyObject* boxed[kMaxParams] = {To<std::decay_t<A>>::box(a)...};
        Tensor owner = interpret_boxed(*op_info<O>(), boxed, sizeof...(A), false);
        return Back<R>::get(owner.py());
    }
    static R below(A... a) {
        if (__builtin_expect(tls.modes != 0, 0)) return interpreted(a...);
        return O::forward(a...);
    }
    static NodeT* new_node(const Tensor* original, A... a) {
        auto* node = new NodeT;
        node->set_inputs(kIndex, a...);
        node->save_inputs(std::tuple<const std::decay_t<A>&...>(a...), original);
        node->args = typename NodeT::S::Kept(Stored<std::decay_t<A>>::keep(a)...);
        return node;
    }
    // Run in the caller's grad mode, which a view remembers.
    static R as_view(R out, [[maybe_unused]] A... a) {
        if constexpr (O::kView && std::is_same_v<R, Tensor>) view_of(out, first(a...), ViewKind::Normal);
        else if constexpr (O::kView)
            for (auto& t : out) view_of(t, first(a...), ViewKind::Multi);
        return out;
    }
    static void view_of(const Tensor& out, const Tensor& self, ViewKind kind) {
        if (out->storage.get() == self->storage.get() && !out.is(self)) become_view(out, self, kind);
    }

    static R run(A... a) {
        if constexpr (O::kComposite) return O::forward(a...);
        else {
            bool wants = recording(a...);
            if constexpr (O::kNoGradient) return as_view(below(a...), a...);
            else return wants ? record(a...) : as_view(below(a...), a...);
        }
    }
    static bool recording(A... a) {
        bool wants = tls.grad && any_wants_grad(a...);
        if (__builtin_expect(wants && tls.modes != 0, 0)) return (counts(a) || ...);
        return wants;
    }
    static R record(A... a) {
        R out = as_view([&] {
            NoGrad guard;
            return below(a...);
        }(), a...);
        NodeT* node = new_node(nullptr, a...);
        Ref<Node> ref = Ref<Node>::steal(node);
        node->attach_all(ref, out);
        return out;
    }

    // a.f_(...): the result is written into the first argument.
    static Tensor inplace(A... a) {
        const OpInfo& op = *op_info<O>();
        const Tensor& self = first(a...);
        if constexpr (O::kComposite) {
            if constexpr (std::is_same_v<R, Tensor>) {
                Tensor r = O::forward(a...);
                check((O::kCastsOut ? can_cast(r.dtype(), self.dtype()) : r.dtype() == self.dtype()) && same(r.sizes(), self.sizes()), op.name, "_: the result, ", name(r.dtype()), " of shape ", r.sizes(),
                      ", can't be stored in a ", name(self.dtype()), " tensor of shape ", self.sizes());
                copy_(self, r);
            }
            return self;
        } else {
            bool wants = recording(a...);
            check_inplace(op.name.c_str(), self, wants, !O::kView);
            NodeT* node = nullptr;
            Ref<Node> ref;
            if constexpr (!O::kNoGradient) {
                if (wants) {
                    Tensor original;
                    if (O::Saves::template find<false>(0) >= 0) original = clone(self);  // with its history, for second derivatives
                    node = new_node(original ? &original : nullptr, a...);
                    ref = Ref<Node>::steal(node);
                }
            }
            write_over(self, a...);
            if constexpr (!O::kNoGradient) {
                if (node) {
                    node->add_result(self);
                    rebase_history(self, ref);
                    node->save_output(0, self);
                }
            }
            return self;
        }
    }
    static void write_over(const Tensor& self, A... a) {
        const OpInfo& op = *op_info<O>();
        NoGrad guard;
        if (__builtin_expect(tls.modes != 0, 0)) {
            PyObject* boxed[kMaxParams] = {To<std::decay_t<A>>::box(a)...};
            interpret_boxed(op, boxed, sizeof...(A), true);
        } else {
            if constexpr (requires { O::into(self, true, a...); }) O::into(self, true, a...);
            else copy_into(op, "in-place", self, only_tensor(O::forward(a...)));
            self.bump_version();
        }
    }

    static void out(const Tensor& out, A... a) {
        const OpInfo& op = *op_info<O>();
        if (tls.grad && (any_wants_grad(a...) || out.requires_grad())) out_with_grad(op);
        if constexpr (requires { O::into(out, false, a...); }) {
            if (!tls.modes) {
                O::into(out, false, a...);
                out.bump_version();
                return;
            }
        }
        if constexpr (std::is_same_v<R, Tensor>) {
            bool free = !tls.modes && !(shares_storage(out, a) || ...);
            write_out(op, out, [&] {
                OutOffer offer(free ? &out : nullptr);
                return run(a...);
            }(), O::kCastsOut);
        }
    }
    static void outs(PyObject* outs, A... a) {
        const OpInfo& op = *op_info<O>();
        bool outs_want = false;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outs); i++) outs_want |= Tensor::borrow(PyTuple_GET_ITEM(outs, i)).requires_grad();
        if (tls.grad && (any_wants_grad(a...) || outs_want)) out_with_grad(op);
        auto each = [&](Py_ssize_t i, const Tensor& r) { write_out(op, Tensor::borrow(PyTuple_GET_ITEM(outs, i)), r, O::kCastsOut); };
        R r = run(a...);
        if constexpr (std::is_same_v<R, Tensors>) {
            for (size_t i = 0; i < r.size(); i++) each(Py_ssize_t(i), r[i]);
        } else if constexpr (!std::is_same_v<R, Tensor>) {
            std::apply([&](auto&... t) {
                Py_ssize_t i = 0;
                ((each(i++, t)), ...);
            }, r);
        }
    }

    template <class T, class... X> static const Tensor& first(const T& t, const X&...) {
        if constexpr (std::is_same_v<T, Tensor>) return t;
        else if constexpr (std::is_same_v<T, Operand>) return *t.tensor;
        else return *static_cast<const Tensor*>(nullptr);
    }
    template <class T> static Tensor only_tensor(T&& t) {
        if constexpr (std::is_same_v<std::decay_t<T>, Tensor>) return t;
        else return {};
    }

    // ---- entries for the registry: from Python's slots
    template <size_t... I> static PyObject* invoke_at(PyObject** s, std::index_sequence<I...>) {
        const OpInfo& op = *op_info<O>();
        return box(op, run(Arg<std::decay_t<A>>::get(s[I], op.params[I])...));
    }
    static PyObject* invoke(PyObject** s) { return invoke_at(s, kIndex); }
    template <size_t... I> static PyObject* inplace_at(PyObject** s, std::index_sequence<I...>) {
        const OpInfo& op = *op_info<O>();
        return Tensor(inplace(Arg<std::decay_t<A>>::get(s[I], op.params[I])...)).release();
    }
    static PyObject* invoke_inplace(PyObject** s) { return inplace_at(s, kIndex); }
    template <size_t... I> static PyObject* out_at(PyObject** s, PyObject* o, std::index_sequence<I...>) {
        const OpInfo& op = *op_info<O>();
        if constexpr (std::is_same_v<R, Tensor>) out(Tensor::borrow(o), Arg<std::decay_t<A>>::get(s[I], op.params[I])...);
        else outs(o, Arg<std::decay_t<A>>::get(s[I], op.params[I])...);
        return Py_NewRef(o);
    }
    static PyObject* invoke_out(PyObject** s, PyObject* o) { return out_at(s, o, kIndex); }

    template <class T> static PyObject* box(const OpInfo&, T&& r) { return To<std::decay_t<T>>::box(std::forward<T>(r)); }
    template <class... T> static PyObject* box(const OpInfo& op, std::tuple<T...>&& r) {
        PyObject* items[sizeof...(T)];
        std::apply([&](auto&... v) {
            int i = 0;
            ((items[i++] = To<std::decay_t<decltype(v)>>::box(std::move(v))), ...);
        }, r);
        return named_result(op, items, sizeof...(T));
    }
};

template <class O, class... A> decltype(auto) call(A&&... a) { return Call<O, decltype(&O::forward)>::run(std::forward<A>(a)...); }
template <class O, class... A> void call_out(const Tensor& out, A&&... a) { Call<O, decltype(&O::forward)>::out(out, std::forward<A>(a)...); }
template <class O, class... A> Tensor call_inplace(A&&... a) { return Call<O, decltype(&O::forward)>::inplace(std::forward<A>(a)...); }

// ---- registration
template <class O, class F> struct FirstArg { using type = void; };
template <class O, class R, class A0, class... A> struct FirstArg<O, R (*)(A0, A...)> { using type = std::decay_t<A0>; };

template <class O> struct Registrar {
    Registrar() {
        using C = Call<O, decltype(&O::forward)>;
        using A0 = typename FirstArg<O, decltype(&O::forward)>::type;
        auto* op = new OpInfo;
        op->category = O::kCategory;
        op->forms = O::kForms;
        op->composite = O::kComposite;
        op->random = O::kRandom;
        op->differentiable = C::template has_backward_for<typename C::NodeT>;
        op->invoke = &C::invoke;
        if constexpr ((O::kForms & INPLACE) && (std::is_same_v<A0, Tensor> || std::is_same_v<A0, Operand>)) op->invoke_inplace = &C::invoke_inplace;
        if constexpr (O::kForms & OUT) op->invoke_out = &C::invoke_out;
        add_op(op, O::kSignature, O::kDoc, O::kAliases);
        op_info<O>() = op;
    }
};
#define OP(O) static const Registrar<O> register_##O

}  // namespace rl
