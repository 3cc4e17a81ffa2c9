// Connectionist temporal classification (Graves et al., 2006): the loss, its gradient, and the gradient's gradient.
#include <algorithm>
#include <cmath>

#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/matmul.h"
#include "ops/recompute.h"

namespace rl {

namespace {
double log_add(double a, double b) {
    double m = std::max(a, b);
    return m == -INFINITY ? m : m + std::log(std::exp(a - m) + std::exp(b - m));
}

// One sequence: the labels with blanks between them, and where its values lie.
struct Sequence {
    int64_t time, labels;          // its lengths
    const int64_t* target;
    int64_t blank;
    int64_t states() const { return 2 * labels + 1; }
    int64_t label(int64_t s) const { return s % 2 ? target[s / 2] : blank; }
    // May a path step over the state before s?
    bool skips(int64_t s) const { return s % 2 && s >= 3 && target[s / 2] != target[s / 2 - 1]; }
};

struct Problem {
    int64_t time, batch, classes, states;  // states of the longest target
    Tensor log_probs, targets;             // contiguous: (time, batch, classes) in float or double, int64
    Dims input_lengths, target_lengths, starts;
    int64_t blank;
    Sequence sequence(int64_t b) const { return {input_lengths[size_t(b)], target_lengths[size_t(b)], targets.data<int64_t>() + starts[size_t(b)], blank}; }
    // f(the probabilities of a step of a sequence)
    template <class F> void with_row(int64_t t, int64_t b, F f) const {
        int64_t at = (t * batch + b) * classes;
        if (log_probs.dtype() == DType::Float32) f(log_probs.data<float>() + at);
        else f(log_probs.data<double>() + at);
    }
};

Problem problem(const Tensor& log_probs, const Tensor& targets, const Dims& input_lengths, const Dims& target_lengths, int64_t blank) {
    check(log_probs.dim() == 3 && targets.dim() >= 1 && targets.dim() <= 2, "ctc_loss: expected log_probs of 3 dimensions and targets of 1 or 2, got ", log_probs.sizes(), " and ", targets.sizes());
    check(int64_t(input_lengths.size()) == log_probs.sizes()[1] && input_lengths.size() == target_lengths.size(), "ctc_loss: input_lengths and target_lengths must be of size batch_size ", log_probs.sizes()[1]);
    Problem p{log_probs.sizes()[0], log_probs.sizes()[1], log_probs.sizes()[2], 1, log_probs.dtype() == DType::Float32 ? contiguous(log_probs) : cast_raw(log_probs, DType::Float64), cast_raw(targets, DType::Int64), {}, {}, {}, blank};
    int64_t at = 0;
    for (int64_t b = 0; b < p.batch; b++) {
        int64_t n = target_lengths[size_t(b)], steps = input_lengths[size_t(b)];
        check(steps >= 0 && steps <= p.time && n >= 0 && (targets.dim() == 2 ? b < targets.sizes()[0] && n <= targets.sizes()[1] : at + n <= targets.numel()), "ctc_loss: input length ", steps, " or target length ", n, " of sequence ", b, " is beyond the data");
        p.input_lengths.push_back(input_lengths[size_t(b)]), p.target_lengths.push_back(n);
        p.starts.push_back(targets.dim() == 2 ? b * targets.sizes()[1] : at);
        p.states = std::max(p.states, 2 * n + 1);
        at += n;
        for (int64_t i = 0; i < n; i++) {
            int64_t label = p.targets.data<int64_t>()[p.starts.back() + i];
            check(label >= 0 && label < p.classes, Err::Index, "ctc_loss: target ", label, " of sequence ", b, " is not a class, of which there are ", p.classes);
        }
    }
    return p;
}

// Sequences whose states are computed side by side, so that vectors are full: [first, last), of a number of states that
// depends on their targets alone.
std::vector<std::pair<int64_t, int64_t>> groups(const Problem& p) {
    constexpr int64_t kStates = 64;
    std::vector<std::pair<int64_t, int64_t>> r;
    int64_t states = kStates;
    for (int64_t b = 0; b < p.batch; b++) {
        if (states >= kStates) r.emplace_back(b, b), states = 0;
        r.back().second = b + 1, states += p.sequence(b).states();
    }
    return r;
}

// The logarithms of the paths that are in each state after each step: row t of `time` rows of `stride` elements, of which two
// stand before the first state of each sequence. Backwards, the steps and the states are counted from the end: the ways from a
// state to the end are the paths to it in the reversed sequence. Both hold their own step's probability. Behind a sequence's
// last step its rows mean nothing.
struct Paths {
    struct Lane {
        Sequence q;
        int64_t b, n, at;  // its number, its states, the place of the first
        double total;      // the logarithm of all paths
    };
    const Problem& p;
    bool backwards;
    std::vector<Lane> lanes;
    int64_t time, stride;
    cpu::Buffer<double> room;
    double *rows, *skip, *emitted;

    Paths(const Problem& problem, std::pair<int64_t, int64_t> group, bool back)
        : p(problem), backwards(back), lanes(lanes_of(problem, group)), time(longest(lanes)), stride(lanes.back().at + lanes.back().n), room((time + 2) * stride), rows(room.data + 2 * stride), skip(room.data), emitted(skip + stride) {
        std::fill_n(skip, 2 * stride, -INFINITY);
        for (const Lane& l : lanes)
            for (int64_t s = 2; s < l.n; s++)
                if (l.q.skips(back ? l.n + 1 - s : s)) skip[l.at + s] = 0;
        for (int64_t t = 0; t < time; t++) step(t);
        for (Lane& l : lanes) {
            const double* last = l.q.time ? after(l.q.time - 1, l) : nullptr;
            l.total = !last ? l.q.labels == 0 ? 0 : -INFINITY : l.q.labels ? log_add(last[l.n - 1], last[l.n - 2]) : last[0];
        }
    }
    static std::vector<Lane> lanes_of(const Problem& p, std::pair<int64_t, int64_t> group) {
        std::vector<Lane> r;
        int64_t at = 2;
        for (int64_t b = group.first; b < group.second; b++) {
            Sequence q = p.sequence(b);
            r.push_back({q, b, q.states(), at, 0});
            at += q.states() + 2;
        }
        return r;
    }
    static int64_t longest(const std::vector<Lane>& lanes) {
        int64_t r = 0;
        for (const Lane& l : lanes) r = std::max(r, l.q.time);
        return r;
    }
    void step(int64_t t) {
        double* row = rows + t * stride;
        for (const Lane& l : lanes)
            if (t < l.q.time) emit(backwards ? l.q.time - 1 - t : t, l);
        if (t > 0) cpu::kernels().ctc_step(row + 2, row - stride + 2, skip + 2, emitted + 2, stride - 2);
        for (const Lane& l : lanes) {
            double* to = row + l.at;
            to[-2] = to[-1] = -INFINITY;  // also beside a sequence with NaN
            if (t == 0)
                for (int64_t s = 0; s < l.n; s++) to[s] = s < 2 ? emitted[l.at + s] : -INFINITY;
        }
    }
    const double* after(int64_t t, const Lane& l) const { return rows + t * stride + l.at; }
    void emit(int64_t t, const Lane& l) {  // what each state says at step t
        p.with_row(t, l.b, [&](const auto* probs) {
            for (int64_t s = 0; s < l.n; s++) emitted[l.at + s] = double(probs[l.q.label(backwards ? l.n - 1 - s : s)]);
        });
    }
};

// Adds up for each class, at step t, the share that its states have of all paths.
void shares_of_classes(double* shares, Paths& alpha, const Paths& beta, const Paths::Lane& l, int64_t t, double* each, double* reversed) {
    const double* back = beta.after(l.q.time - 1 - t, l);
    std::reverse_copy(back, back + l.n, reversed);
    alpha.emit(t, l);
    cpu::kernels().ctc_shares(each, alpha.after(t, l), reversed, alpha.emitted + l.at, l.total, l.n);
    std::fill(shares, shares + alpha.p.classes, 0.0);
    for (int64_t s = 0; s < l.n; s++) shares[l.q.label(s)] += each[s];
}

// The gradient of one sequence's steps, into r of the probabilities' dtype.
void sequence_gradient(const Tensor& r, Paths& alpha, const Paths& beta, const Paths::Lane& l, double weight) {
    const Problem& p = alpha.p;
    cpu::Buffer<double> each(l.n), reversed(l.n), shares(p.classes), probs(p.classes);
    for (int64_t t = 0; t < l.q.time; t++) {
        if (l.total == -INFINITY) std::fill(shares.data, shares.data + p.classes, NAN);  // of nothing
        else shares_of_classes(shares.data, alpha, beta, l, t, each.data, reversed.data);
        int64_t at = (t * p.batch + l.b) * p.classes;
        p.with_row(t, l.b, [&](const auto* row) {
            using T = std::remove_cvref_t<decltype(*row)>;
            if constexpr (std::is_same_v<T, double>) cpu::kernels().ctc_gradient(r.data<double>() + at, row, shares.data, weight, p.classes);
            else {
                cpu::kernels().f32_to_f64(probs.data, row, p.classes);
                cpu::kernels().ctc_gradient(probs.data, probs.data, shares.data, weight, p.classes);
                cpu::kernels().f64_to_f32(r.data<float>() + at, probs.data, p.classes);
            }
        });
    }
}

// ---- by operators, for the gradient's gradient
constexpr double kNever = -1e30;  // the logarithm of no probability: finite, as infinities that meet are NaN

// What the recursion over states looks up: (batch, states) of labels and of what is added where a path may start, step over
// the state before, or end; the step at which each sequence ends, and which have no step.
struct StateTables {
    Tensor label, start, skip, end, last, no_time;
    StateTables(const Problem& p, DType t)
        : label(full(Dims{p.batch, p.states}, p.blank, DType::Int64)), start(full(label.sizes(), kNever, DType::Float64)), skip(clone_raw(start)), end(clone_raw(start)),
          last(empty(Dims{1, p.batch, p.states}, DType::Int64)), no_time(empty(Dims{p.batch}, DType::Bool)) {
        for (int64_t b = 0; b < p.batch; b++) {
            Sequence q = p.sequence(b);
            int64_t row = b * p.states, n = q.states();
            for (int64_t s = 0; s < n; s++) {
                label.data<int64_t>()[row + s] = q.label(s);
                if (s < 2) start.data<double>()[row + s] = 0;
                if (q.skips(s)) skip.data<double>()[row + s] = 0;
                if (s >= n - 2) end.data<double>()[row + s] = 0;
            }
            std::fill_n(last.data<int64_t>() + row, p.states, std::max<int64_t>(q.time - 1, 0));
            no_time.data<bool>()[b] = q.time == 0;
        }
        start = cast_raw(start, t), skip = cast_raw(skip, t), end = cast_raw(end, t);
    }
};

// The logarithm of the probability of each target: (batch). A sequence without a step has the constant 0.
Tensor log_probability(const Tensor& log_probs, const Problem& p, const StateTables& tables) {
    auto later = [&](const Tensor& a, int64_t by) {
        Tensor none = full(Dims{p.batch, std::min(by, p.states)}, kNever, a.dtype());
        return p.states > by ? cat({none, narrow(a, 1, 0, p.states - by)}, 1) : none;
    };
    Tensors alphas;
    for (int64_t t = 0; t < p.time; t++) {
        Tensor emitted = gather(select(log_probs, 0, t), 1, tables.label);
        if (t == 0) alphas.push_back(add(emitted, tables.start));
        else {
            const Tensor& before = alphas.back();
            alphas.push_back(add(emitted, logsumexp(stack({before, later(before, 1), add(later(before, 2), tables.skip)}, 0), {0}, false)));
        }
    }
    Tensor final_states = select(gather(stack(alphas, 0), 0, tables.last), 0, 0);
    return masked_fill(logsumexp(add(final_states, tables.end), {1}, false), tables.no_time, Scalar(0.0));
}
}  // namespace

struct CtcBackward : Op<CtcBackward> {
    SIG("_ctc_loss_backward(Tensor grad, Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, bool zero_infinity) -> Tensor");
    DOC("Gradient of _ctc_loss as if log_probs came from log_softmax: grad * (softmax - the share of paths by each class).");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2>>;
    static Tensor forward(const Tensor& g, const Tensor& log_probs, const Tensor& targets, const Dims& input_lengths, const Dims& target_lengths, int64_t blank, bool zero_infinity) {
        if (g.is_meta()) return empty(log_probs.sizes(), log_probs.dtype(), Device::Meta);
        Problem p = problem(log_probs, targets, input_lengths, target_lengths, blank);
        check(g.dim() == 1 && g.numel() == p.batch, "_ctc_loss_backward: expected a gradient of shape (", p.batch, "), got ", g.sizes());
        Tensor r = zeros(log_probs.sizes(), p.log_probs.dtype()), gd = cast_raw(g, DType::Float64);
        auto each = groups(p);
        cpu::parallel_for(int64_t(each.size()), 2, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i++) {
                Paths alpha(p, each[size_t(i)], false), beta(p, each[size_t(i)], true);
                for (const Paths::Lane& l : alpha.lanes)
                    if (!zero_infinity || l.total != -INFINITY) sequence_gradient(r, alpha, beta, l, gd.data<double>()[l.b]);
            }
        });
        return cast_raw(r, log_probs.dtype());
    }
    // The gradient is grad * exp(log_probs), where a sequence has steps, less the gradient of its targets' log probability.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor log_probs = c.in<1>();
        if (log_probs.numel() == 0) return {zeros(c.sizes<0>(), g.dtype()), zeros_like(log_probs), {}};
        Problem p = problem(detach(log_probs), c.in<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>());
        StateTables tables(p, g.dtype());
        Tensor weight = cast_raw(steps(p, c.arg<6>()), g.dtype());
        Grads r = recomputed_gradients({c.in<0>(), log_probs, {}}, {g}, [&](const Tensors& in) {
            Tensor weighted = mul(reshape(in[0], Dims{1, p.batch, 1}), weight);
            Tensor each = select(select(weighted, 2, 0), 0, 0);
            Tensor shares = recomputed_gradients({in[1]}, {each}, [&](const Tensors& x) { return Tensors{log_probability(x[0], p, tables)}; })[0];
            return Tensors{sub(mul(weighted, exp(in[1])), shares)};
        });
        if (!tls.grad)
            for (Tensor& t : r)
                if (t) t = detach(t);
        return r;
    }
    // (time, batch, 1): one at the steps of a sequence, zero behind it, and everywhere where its loss was infinite and is left out.
    static Tensor steps(const Problem& p, bool zero_infinity) {
        Tensor r = zeros(Dims{p.time, p.batch, 1}, DType::Float64);
        for (auto& group : groups(p)) {
            Paths paths(p, group, false);
            for (const Paths::Lane& l : paths.lanes)
                for (int64_t t = 0; (!zero_infinity || l.total != -INFINITY) && t < l.q.time; t++) r.data<double>()[t * p.batch + l.b] = 1;
        }
        return r;
    }
};
OP(CtcBackward);

struct CtcLossEach : Op<CtcLossEach> {
    SIG("_ctc_loss_each(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, bool zero_infinity) -> Tensor");
    DOC("Negative logarithm of the probability of each target: (batch).");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& log_probs, const Tensor& targets, const Dims& input_lengths, const Dims& target_lengths, int64_t blank, bool zero_infinity) {
        Dims sizes{log_probs.sizes()[1]};
        if (log_probs.is_meta()) return empty(sizes, log_probs.dtype(), Device::Meta);
        Problem p = problem(log_probs, targets, input_lengths, target_lengths, blank);
        Tensor r = empty(sizes, p.log_probs.dtype());
        auto put = [&](int64_t b, double loss) {
            if (r.dtype() == DType::Float32) r.data<float>()[b] = float(loss);
            else r.data<double>()[b] = loss;
        };
        auto each = groups(p);
        cpu::parallel_for(int64_t(each.size()), 2, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i++) {
                Paths paths(p, each[size_t(i)], false);
                for (const Paths::Lane& l : paths.lanes) put(l.b, zero_infinity && l.total == -INFINITY ? 0 : -l.total);
            }
        });
        return cast_raw(r, log_probs.dtype());
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<CtcBackward>(g, c.in<0>(), c.in<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>())}; }
};
OP(CtcLossEach);

namespace {
Dims lengths_of(const char* what, PyObject* o) {
    Tensor t;
    if (is_tensor(o)) {
        t = Tensor::borrow(o);
        check(is_integral(t.dtype()), what, " must be integral");
        Tensor v = cast_raw(t, DType::Int64);
        return Dims(Ints(v.data<int64_t>(), size_t(v.numel())));
    }
    check(PyTuple_Check(o) || PyList_Check(o), Err::Type, "ctc_loss(): ", what, " must be a Tensor or a tuple of ints, not ", Py_TYPE(o)->tp_name);
    Param p;
    return dims_from_python(o, p);
}

// The mean of losses, each divided by its target's length; r is overwritten.
Tensor mean_by_length(const Tensor& r, const Dims& lengths) {
    Tensor m = empty(Dims{}, r.dtype());
    auto go = [&](auto* loss) {
        for (size_t i = 0; i < lengths.size(); i++) loss[i] /= std::remove_pointer_t<decltype(loss)>(std::max<int64_t>(lengths[i], 1));
        using T = std::remove_pointer_t<decltype(loss)>;
        *m.data<T>() = cpu::kernels().reduce<T>().sum(loss, r.numel()) / T(r.numel());
    };
    if (r.dtype() == DType::Float32) go(r.data<float>());
    else go(r.data<double>());
    return m;
}

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, PyObject* input_lengths, PyObject* target_lengths, int64_t blank, int64_t reduction, bool zero_infinity) {
    Dims in = lengths_of("input_lengths", input_lengths), out = lengths_of("target_lengths", target_lengths);
    bool single = log_probs.dim() == 2;
    check(single || log_probs.dim() == 3, "ctc_loss: log_probs must have 2 or 3 dimensions, got ", log_probs.sizes());
    Tensor lp = single ? unsqueeze(log_probs, 1) : log_probs, at = single && targets.dim() == 1 ? unsqueeze(targets, 0) : targets;
    check(lp.dtype() == DType::Float32 || lp.dtype() == DType::Float64, Err::NotImplemented, "\"ctc_loss_cpu\" not implemented for '", title(lp.dtype()), "'");
    int64_t batch = lp.sizes()[1], time = lp.sizes()[0], total = 0, longest = 0;
    check(blank >= 0 && blank < lp.sizes()[2], "blank must be in label range");
    check(int64_t(in.size()) == batch, "input_lengths must be of size batch_size");
    check(int64_t(out.size()) == batch, "target_lengths must be of size batch_size");
    for (int64_t n : in)
        if (n < 0 || n > time) raise(Err::Runtime, "Expected input_lengths to have value at ", n < 0 ? "least 0" : "most " + str(time), ", but got value ", n, " (while checking arguments for ctc_loss_allocate_outputs)");
    for (int64_t n : out) {
        check(n >= 0, "Expected target_lengths to have value at least 0, but got value ", n, " (while checking arguments for ctc_loss_allocate_outputs)");
        total += n, longest = std::max(longest, n);
    }
    if (at.dim() == 1) check(at.numel() == total, "Expected tensor to have size ", total, " at dimension 0, but got size ", at.numel(), " for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)");
    else check(at.dim() == 2 && at.sizes()[0] == batch && at.sizes()[1] >= longest, "Expected tensor to have size at least ", longest, " at dimension 1, but got size ", at.dim() == 2 ? at.sizes()[1] : 0, " for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)");
    bool recorded = is_recorded(lp) || is_recorded(at);
    Tensor r = recorded ? call<CtcLossEach>(lp, at, in, out, blank, zero_infinity) : CtcLossEach::forward(lp, at, in, out, blank, zero_infinity);
    if (reduction == 1) {
        if (!recorded && !r.is_meta()) return mean_by_length(r, out);
        Tensor lengths = empty(Dims{batch}, lp.dtype());
        auto fill = [&](auto* p) {
            for (size_t i = 0; i < out.size(); i++) p[i] = std::max<int64_t>(out[i], 1);
        };
        if (lp.dtype() == DType::Float32) fill(lengths.data<float>());
        else fill(lengths.data<double>());
        return mean(div(r, lengths));
    }
    if (reduction == 2) return sum(r);
    return single ? squeeze(r, 0) : r;
}
}  // namespace

struct NnCtcLoss : Composite<NnCtcLoss> {
    SIG("nn::ctc_loss(Tensor log_probs, Tensor targets, Any input_lengths, Any target_lengths, int blank=0, str reduction='mean', bool zero_infinity=False) -> Tensor");
    DOC("Connectionist temporal classification: log_probs (time, batch, classes), targets (batch, labels) or all in a row.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& log_probs, const Tensor& targets, PyObject* input_lengths, PyObject* target_lengths, int64_t blank, const std::string& reduction, bool zero_infinity) {
        int64_t kind = reduction == "mean" ? 1 : reduction == "sum" ? 2 : 0;
        check(kind || reduction == "none", Err::Value, reduction, " is not a valid value for reduction");
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, kind, zero_infinity);
    }
};
OP(NnCtcLoss);
struct CtcLoss : Composite<CtcLoss> {
    SIG("ctc_loss(Tensor log_probs, Tensor targets, Any input_lengths, Any target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor");
    DOC("Connectionist temporal classification; reduction 0 none, 1 mean, 2 sum.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& log_probs, const Tensor& targets, PyObject* input_lengths, PyObject* target_lengths, int64_t blank, int64_t reduction, bool zero_infinity) {
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity);
    }
};
OP(CtcLoss);

}  // namespace rl
