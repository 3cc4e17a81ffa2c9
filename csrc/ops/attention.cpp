// Scaled dot-product attention by blocks, with memory linear in the length (Dao et al., FlashAttention, 2022; the running
// maximum and sum: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018).
#include <cmath>

#include "cpu/buffer.h"
#include "cpu/parallel.h"
#include "core/generator.h"
#include "ops/matmul.h"
#include "ops/recompute.h"

namespace rl {

namespace {
constexpr int64_t kQueries = 64, kKeys = 256;  // of a block: scores and their operands stay in the second cache

// (batch, heads, length, width) with contiguous rows.
template <class T> struct Heads {
    T* p;
    int64_t batch_stride, head_stride, row;
    T* at(int64_t b, int64_t h, int64_t i = 0) const { return p + b * batch_stride + h * head_stride + i * row; }
};
template <class T> Heads<T> heads(const Tensor& t) { return {t.data<T>(), t.strides()[0], t.strides()[1], t.strides()[2]}; }
Tensor with_rows(const Tensor& t, DType type) {
    if (t.dtype() != type) return cast_raw(t, type);
    Tensor r = resolve(t);
    bool ok = (r.strides()[3] == 1 || r.sizes()[3] <= 1) && (r.strides()[2] >= r.sizes()[3] || r.sizes()[2] <= 1);
    return ok ? r : contiguous(r);
}

// What dropout keeps of one head's probabilities: drawn row by row, all keys of a row, as PyTorch draws for the whole
// matrix, but never more than a block of rows at a time. Forward and backward start from the same state of the generator.
template <class T> class Dropper {
    cpu::Generator generator_;
    double rate_;
    int64_t keys_;
    cpu::Buffer<bool> kept_;

public:
    Dropper(const uint8_t* state, double rate, int64_t keys) : rate_(rate), keys_(keys), kept_(kQueries * keys) {
        check(generator_.set_state(state), "_attention: state is not a state of a generator");
    }
    void draw(int64_t rows) { cpu::fill_bernoulli(generator_, kept_.data, rows * keys_, 1 - rate_); }
    // row (m keys from j0 on, query i of the block) = row * kept / (1 - rate)
    void apply(T* row, int64_t i, int64_t j0, int64_t m) const { cpu::kernels().dropout(row, row, reinterpret_cast<const uint8_t*>(kept_.data + i * keys_ + j0), T(1 / (1 - rate_)), m); }
};
// The states from which heads draw, one for each; none without dropout.
struct Draws {
    const uint8_t* states;
    double rate;
    const uint8_t* of(int64_t head) const { return states + head * int64_t(cpu::kGeneratorState); }
};

// Everything that forward and backward share.
template <class T> struct Attention4 {
    int64_t batch, head_count, queries, keys, width, value_width;
    T scale;
    bool causal;
    Heads<const T> q, k, v;
    const T* mask;  // additive, or null
    Dims mask_strides;

    // Scores of queries [i0, i0 + n) and keys [j0, j0 + m), masked: s is n x kKeys.
    void scores(int64_t b, int64_t h, int64_t i0, int64_t n, int64_t j0, int64_t m, T* s) const {
        product<T>(n, m, width, scale, {q.at(b, h, i0), q.row, 1}, {k.at(b, h, j0), 1, k.row}, T(0), s, kKeys);
        for (int64_t i = 0; i < n && mask; i++) {
            const T* from = mask + b * mask_strides[0] + h * mask_strides[1] + (i0 + i) * mask_strides[2] + j0 * mask_strides[3];
            for (int64_t j = 0; j < m; j++) s[i * kKeys + j] += from[j * mask_strides[3]];
        }
        for (int64_t i = 0; i < n && causal; i++)
            for (int64_t j = std::max<int64_t>(0, i0 + i + 1 - j0); j < m; j++) s[i * kKeys + j] = -INFINITY;
    }
    // Keys that the queries below i_end may see.
    int64_t visible(int64_t i_end) const { return causal ? std::min(keys, i_end) : keys; }
};

template <class T> void attend(const Attention4<T>& a, const Draws& draws, const Heads<T>& out, T* lse) {
    int64_t blocks = (a.queries + kQueries - 1) / kQueries;
    int64_t work = a.queries * a.keys * (a.width + a.value_width) * a.batch * a.head_count;
    auto run = [&](int64_t begin, int64_t end, Dropper<T>* dropper) {
        cpu::Buffer<T> s(kQueries * kKeys), top(kQueries), total(kQueries);
        auto& reduce = cpu::kernels().reduce<T>();
        for (int64_t at = begin; at < end; at++) {
            int64_t b = at / blocks / a.head_count, h = at / blocks % a.head_count, i0 = at % blocks * kQueries, n = std::min(kQueries, a.queries - i0);
            for (int64_t i = 0; i < n; i++) {
                top.data[i] = -INFINITY, total.data[i] = 0;
                std::fill_n(out.at(b, h, i0 + i), a.value_width, T(0));
            }
            if (dropper) dropper->draw(n);
            for (int64_t j0 = 0, last = a.visible(i0 + n); j0 < last; j0 += kKeys) {
                int64_t m = std::min(kKeys, last - j0);
                a.scores(b, h, i0, n, j0, m, s.data);
                for (int64_t i = 0; i < n; i++) {
                    T *row = s.data + i * kKeys, *o = out.at(b, h, i0 + i), before = top.data[i], now = std::max(before, reduce.max(row, m));
                    if (now == -INFINITY) {
                        std::fill_n(row, m, T(0));
                        continue;
                    }
                    cpu::kernels().softmax<T>().exp_minus(row, row, m, now, T(1), T(0));
                    T shrink = before == -INFINITY ? T(0) : std::exp(before - now);
                    total.data[i] = total.data[i] * shrink + reduce.sum(row, m);
                    top.data[i] = now;
                    if (dropper) dropper->apply(row, i, j0, m);
                    if (shrink != T(1))
                        for (int64_t d = 0; d < a.value_width; d++) o[d] *= shrink;
                }
                product<T>(n, a.value_width, m, T(1), {s.data, kKeys, 1}, {a.v.at(b, h, j0), a.v.row, 1}, T(1), out.at(b, h, i0), out.row);
            }
            for (int64_t i = 0; i < n; i++) {
                T *o = out.at(b, h, i0 + i), share = total.data[i] > 0 ? 1 / total.data[i] : total.data[i] == 0 ? T(0) : T(NAN);
                for (int64_t d = 0; d < a.value_width; d++) o[d] *= share;
                lse[(b * a.head_count + h) * a.queries + i0 + i] = top.data[i] + std::log(total.data[i]);
            }
        }
    };
    int64_t n = a.batch * a.head_count;
    if (!draws.states) return cpu::parallel_for(n * blocks, work < 65536 ? n * blocks + 1 : 2, [&](int64_t begin, int64_t end) { run(begin, end, nullptr); });
    cpu::parallel_for(n, work < 65536 ? n + 1 : 2, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
            Dropper<T> dropper(draws.of(i), draws.rate, a.keys);
            run(i * blocks, (i + 1) * blocks, &dropper);
        }
    });
}

// One head: adds to gq, gk, gv. The sum over a row of its probabilities by their gradients is that of out by go, with
// dropout as without.
template <class T>
void attend_backward_head(const Attention4<T>& a, Dropper<T>* dropper, int64_t b, int64_t h, const Heads<const T>& go, const Heads<const T>& out, const T* lse, const Heads<T>& gq, const Heads<T>& gk, const Heads<T>& gv) {
    cpu::Buffer<T> p(kQueries * kKeys), d(kQueries * kKeys), dots(a.queries);
    auto& reduce = cpu::kernels().reduce<T>();
    for (int64_t i = 0; i < a.queries; i++) dots.data[i] = reduce.dot(go.at(b, h, i), out.at(b, h, i), a.value_width);
    for (int64_t i0 = 0; i0 < a.queries; i0 += kQueries) {
        int64_t n = std::min(kQueries, a.queries - i0);
        if (dropper) dropper->draw(n);
        for (int64_t j0 = 0, last = a.visible(i0 + n); j0 < last; j0 += kKeys) {
            int64_t m = std::min(kKeys, last - j0);
            a.scores(b, h, i0, n, j0, m, p.data);
            product<T>(n, m, a.value_width, T(1), {go.at(b, h, i0), go.row, 1}, {a.v.at(b, h, j0), 1, a.v.row}, T(0), d.data, kKeys);
            for (int64_t i = 0; i < n; i++) {
                T *row = p.data + i * kKeys, *dr = d.data + i * kKeys, l = lse[i0 + i], dot = dots.data[i0 + i];
                if (l == -INFINITY) std::fill_n(row, m, T(0));
                else cpu::kernels().softmax<T>().exp_minus(row, row, m, l, T(1), T(0));
                if (dropper) dropper->apply(dr, i, j0, m);
                for (int64_t j = 0; j < m; j++) dr[j] = row[j] * (dr[j] - dot) * a.scale;
                if (dropper) dropper->apply(row, i, j0, m);
            }
            product<T>(m, a.value_width, n, T(1), {p.data, 1, kKeys}, {go.at(b, h, i0), go.row, 1}, T(1), gv.at(b, h, j0), gv.row);
            product<T>(n, a.width, m, T(1), {d.data, kKeys, 1}, {a.k.at(b, h, j0), a.k.row, 1}, T(1), gq.at(b, h, i0), gq.row);
            product<T>(m, a.width, n, T(1), {d.data, 1, kKeys}, {a.q.at(b, h, i0), a.q.row, 1}, T(1), gk.at(b, h, j0), gk.row);
        }
    }
}

// (batch, heads, length, width) in the order of `like`: contiguous, or the heads' rows side by side, (B, L, H, E) seen as
// (B, H, L, E), as the projections before and after attention want them.
Tensor empty_heads(const Tensor& like, int64_t l, int64_t e, DType t, Device device) {
    int64_t b = like.sizes()[0], h = like.sizes()[1];
    if (like.is_contiguous()) return empty(Dims{b, h, l, e}, t, device);
    return empty_strided(Dims{b, h, l, e}, Dims{l * h * e, e, h * e, 1}, t, device);
}

DType attention_type(DType t) { return t == DType::Float64 ? t : DType::Float32; }

struct Operands {
    Tensor q, k, v, mask;
    DType type;
    Operands(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& given_mask) : type(attention_type(query.dtype())) {
        q = with_rows(query, type), k = with_rows(key, type), v = with_rows(value, type);
        if (!given_mask) return;
        if (given_mask.dtype() != DType::Bool) {
            mask = resolve(given_mask);
            if (mask.dtype() != type) mask = cast_raw(mask, type);
            return;
        }
        Tensor keep = contiguous(given_mask);
        mask = empty(keep.sizes(), type);
        const bool* from = keep.data<bool>();
        auto fill = [&](auto* to) {
            for (int64_t i = 0; i < keep.numel(); i++) to[i] = from[i] ? 0 : -INFINITY;
        };
        if (type == DType::Float32) fill(mask.data<float>());
        else fill(mask.data<double>());
    }
    template <class T> Attention4<T> geometry(double scale, bool causal) const {
        const Dims &s = q.sizes(), &ks = k.sizes();
        Attention4<T> a{s[0], s[1], s[2], ks[2], s[3], v.sizes()[3], T(scale), causal, heads<const T>(q), heads<const T>(k), heads<const T>(v), nullptr, {}};
        if (mask) a.mask = mask.data<T>(), a.mask_strides = broadcast_strides(mask, Dims{s[0], s[1], s[2], ks[2]});
        return a;
    }
};

// Probabilities by operators, for gradients of gradients and for dropout. A row without any key is all zeros.
Tensor probabilities(const Tensor& q, const Tensor& k, const Tensor& mask, bool causal, double scale) {
    Tensor s = mul(matmul(q, transpose(k, -2, -1)), Scalar(scale));
    if (causal) {
        Tensor keep = tril(ones(Dims{q.size(-2), k.size(-2)}, DType::Bool, q.device()));
        s = masked_fill(s, logical_not(keep), Scalar(-INFINITY));
    }
    if (mask) s = mask.dtype() == DType::Bool ? masked_fill(s, logical_not(mask), Scalar(-INFINITY)) : add(s, mask.dtype() == s.dtype() ? mask : to(mask, s.dtype()));
    if (s.size(-1) == 0) return s;
    Tensor top = amax(detach(s), {-1}, true);
    Tensor none = eq(top, Scalar(-INFINITY));
    Tensor e = exp(sub(s, masked_fill(top, none, Scalar(0))));
    return div(e, masked_fill(sum(e, {-1}, true), none, Scalar(1)));
}
}  // namespace

struct Attention : Op<Attention> {
    SIG("_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask, bool is_causal, float scale, float dropout_p=0.0, Tensor? states=None) -> (Tensor, Tensor)");
    DOC("softmax(query @ key.T * scale + mask) @ value for (batch, heads, length, width), and the logarithms of the sums. states: of the generator, where each head's draws for dropout begin.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2>, In<3>, In<7>, Out<0>, Out<1>>;
    static Draws draws_of(const Tensor& states, double dropout, int64_t heads) {
        if (!states) return {nullptr, 0};
        check(states.is_contiguous() && states.dtype() == DType::UInt8 && states.numel() == heads * int64_t(cpu::kGeneratorState), "_attention: states must be one state of a generator for each of ", heads, " heads");
        return {states.data<uint8_t>(), dropout};
    }
    static std::tuple<Tensor, Tensor> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool causal, double scale, double dropout, const Tensor& states) {
        const Dims &s = q.sizes(), &ks = k.sizes(), &vs = v.sizes();
        check(s.size() == 4 && ks.size() == 4 && vs.size() == 4 && s[0] == ks[0] && s[0] == vs[0] && s[1] == ks[1] && s[1] == vs[1] && s[3] == ks[3] && ks[2] == vs[2] && is_floating(q.dtype()) && q.dtype() == k.dtype() && q.dtype() == v.dtype(),
              "_attention: query ", s, ", key ", ks, " and value ", vs, " must be (batch, heads, length, width) of one floating-point dtype");
        Draws draws = draws_of(states, dropout, s[0] * s[1]);
        DType t = attention_type(q.dtype());
        Device device = common_device(q, k);
        Tensor out = empty_heads(q, s[2], v.sizes()[3], t, device), lse = empty(Dims{s[0], s[1], s[2]}, t, device);
        if (device == Device::CPU && lse.numel()) {
            Operands o(q, k, v, mask);
            if (t == DType::Float64) attend<double>(o.geometry<double>(scale, causal), draws, heads<double>(out), lse.data<double>());
            else attend<float>(o.geometry<float>(scale, causal), draws, heads<float>(out), lse.data<float>());
        }
        if (t == q.dtype()) return {out, lse};
        Tensor narrow = empty_heads(q, s[2], v.sizes()[3], q.dtype(), device);
        if (device == Device::CPU) copy_raw(narrow, out);
        return {narrow, lse};
    }
    static Grads backward(Ctx& c, const Grads& gs) {
        const Tensor& g = gs[0];
        if (!g) return Grads(5);
        if (tls.grad || tls.modes || g->wrapper || c.needs<3>()) return recorded_backward(c, g);
        Tensor q = c.in<0>(), k = c.in<1>(), v = c.in<2>();
        Operands o(q, k, v, c.given<3>() ? c.in<3>() : Tensor());
        Tensor go = with_rows(g, o.type), out = with_rows(c.out<0>(), o.type), lse = c.out<1>();
        auto zero_heads = [&](const Tensor& like) {
            Tensor r = empty_heads(like, like.sizes()[2], like.sizes()[3], o.type, Device::CPU);
            fill_raw(r, 0);
            return r;
        };
        Tensor gq = zero_heads(q), gk = zero_heads(k), gv = zero_heads(v), states = c.given<7>() ? c.in<7>() : Tensor();
        Draws draws = draws_of(states, c.arg<6>(), q.sizes()[0] * q.sizes()[1]);
        auto run = [&](auto tag) {
            using T = typename decltype(tag)::type;
            Attention4<T> a = o.template geometry<T>(c.arg<5>(), c.arg<4>());
            int64_t n = a.batch * a.head_count, work = n * a.queries * a.keys * (a.width + a.value_width);
            cpu::parallel_for(n, work < 65536 ? n + 1 : 2, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++) {
                    std::optional<Dropper<T>> dropper;
                    if (draws.states) dropper.emplace(draws.of(i), draws.rate, a.keys);
                    attend_backward_head<T>(a, dropper ? &*dropper : nullptr, i / a.head_count, i % a.head_count, heads<const T>(go), heads<const T>(out), lse.data<T>() + i * a.queries, heads<T>(gq), heads<T>(gk), heads<T>(gv));
                }
            });
        };
        if (o.type == DType::Float64) run(Tag<double>{});
        else run(Tag<float>{});
        DType t = q.dtype();
        return {cast_raw_heads(gq, t), cast_raw_heads(gk, t), cast_raw_heads(gv, t), Tensor(), Tensor()};
    }
    static Tensor cast_raw_heads(const Tensor& t, DType type) { return t.dtype() == type ? t : cast_raw(t, type); }
    static Grads recorded_backward(Ctx& c, const Tensor& g) {
        Tensor q = c.in<0>(), k = c.in<1>(), v = c.in<2>(), mask = c.given<3>() ? c.in<3>() : Tensor();
        double scale = c.arg<5>();
        Tensor p = probabilities(q, k, mask, c.arg<4>(), scale), dropped = p;
        Tensor d = matmul(g, transpose(v, -2, -1));
        if (c.given<7>()) {
            Tensor kept = to(drawn(c.in<7>(), c.arg<6>(), p.sizes()), p.dtype());
            d = mul(d, kept), dropped = mul(p, kept);
        }
        Tensor ds = mul(p, sub(d, sum(mul(p, d), {-1}, true)));
        Grads r(5);
        if (c.needs<0>()) r[0] = mul(matmul(ds, k), Scalar(scale));
        if (c.needs<1>()) r[1] = mul(matmul(transpose(ds, -2, -1), q), Scalar(scale));
        if (c.needs<2>()) r[2] = matmul(transpose(dropped, -2, -1), g);
        if (c.needs<3>()) r[3] = sum_grad(ds, c.metas[3]);
        return r;
    }
    // All draws at once: 0 or 1 / (1 - dropout) for each probability.
    static Tensor drawn(const Tensor& states, double dropout, const Dims& sizes) {
        Tensor kept = empty(sizes, DType::Bool);
        int64_t heads = sizes[0] * sizes[1], n = sizes[2] * sizes[3];
        for (int64_t i = 0; i < heads; i++) {
            cpu::Generator g;
            g.set_state(states.data<uint8_t>() + i * int64_t(cpu::kGeneratorState));
            cpu::fill_bernoulli(g, kept.data<bool>() + i * n, n, 1 - dropout);
        }
        return mul(to(kept, DType::Float64), Scalar(1 / (1 - dropout)));
    }
};
OP(Attention);

struct ScaledDotProductAttention : Composite<ScaledDotProductAttention> {
    SIG("nn::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor");
    DOC("softmax(query @ key.T * scale + attn_mask) @ value: (.., L, E), (.., S, E), (.., S, Ev) to (.., L, Ev). scale is 1 / sqrt(E) if not given.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask, double dropout, bool causal, const OptFloat& scale, bool gqa) {
        check_arguments(query, key, value, mask, dropout, causal);
        Tensor k = key, v = value;
        if (gqa) {
            int64_t h = query.size(-3), g = key.size(-3);
            check(g > 0 && h % g == 0 && value.size(-3) > 0 && h % value.size(-3) == 0, "Number of heads in key and value must divide the number of heads in query (got ", g, ", ", value.size(-3), " and ", h, ")");
            k = repeated(key, h), v = repeated(value, h);
        }
        double factor = scale.value_or(query.size(-1) ? 1 / std::sqrt(double(query.size(-1))) : 1);
        if (dropout > 0 && !drawn_by_block(query, k, v, mask, dropout)) {  // by matrices; those of 16-bit numbers in float32, as the blocks are
            DType t = compute_type(query.dtype());
            Tensor m = mask && mask.dtype() != DType::Bool ? to(mask, t) : mask;
            return to(matmul(dropped(probabilities(to(query, t), to(k, t), m, causal, factor), dropout), to(v, t)), query.dtype());
        }
        return blocked(query, k, v, mask, causal, factor, dropout);
    }
    // May dropout draw for a block at a time? Not where interpreters have a say in what is random, and where the whole
    // matrix of probabilities is smaller than the states of a generator that blocks need.
    static bool drawn_by_block(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout) {
        bool same_batch = q.dim() == k.dim() && q.dim() == v.dim() && (!mask || mask.dim() <= q.dim());
        for (int64_t d = 0; same_batch && d < q.dim() - 2; d++) same_batch = q.size(d) == k.size(d) && q.size(d) == v.size(d);
        for (int64_t d = 1; same_batch && mask && d <= mask.dim() - 2; d++) same_batch = mask.size(-2 - d) == 1 || mask.size(-2 - d) == q.size(-2 - d);
        bool plain = !tls.modes && !q.is_meta() && !q->wrapper && !k->wrapper && !v->wrapper && !(mask && mask->wrapper);
        return plain && same_batch && dropout < 1 && q.size(-2) * k.size(-2) > 2 * int64_t(cpu::kGeneratorState);
    }
    static Tensor states_for(int64_t heads, int64_t draws) {
        Tensor states = empty(Dims{heads, int64_t(cpu::kGeneratorState)}, DType::UInt8);
        cpu::Generator& g = stream_of(nullptr);
        for (int64_t i = 0; i < heads; i++) g.get_state(states.data<uint8_t>() + i * int64_t(cpu::kGeneratorState)), g.skip(2 * draws);
        return states;
    }
    // Every head of key and value `heads / n` times in a row.
    static Tensor repeated(const Tensor& t, int64_t heads) {
        int64_t n = t.size(-3);
        if (n == heads) return t;
        Dims wide = t.sizes();
        wide.insert(wide.size() - 2, heads / n);
        Dims flat = t.sizes();
        flat[flat.size() - 3] = heads;
        return reshape(expand(unsqueeze(t, -3), wide), flat);
    }
    static Tensor dropped(const Tensor& p, double dropout) {
        OpInfo* op = find_op("", "dropout");
        check(op, Err::NotImplemented, "scaled_dot_product_attention: dropout_p > 0 needs the operator dropout, which this build lacks");
        PyObject* rate = PyFloat_FromDouble(dropout);
        PyObject* slots[kMaxParams] = {p.py(), rate, Py_True};
        PyObject* r = op->invoke(slots);
        Py_DECREF(rate);
        return Tensor::steal(r);
    }
    // Four dimensions with one batch for all.
    static Tensor blocked(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool causal, double scale, double dropout) {
        auto batch_of = [](const Tensor& t) { return Dims(Ints(t.sizes()).first(size_t(t.dim() - 2))); };
        Dims batch = broadcast(broadcast(batch_of(q), batch_of(k)), batch_of(v)), four = batch;
        if (mask && mask.dim() > 2) {
            Dims wider = broadcast(batch, batch_of(mask));
            batch = wider, four = wider;
        }
        while (four.size() < 2) four.insert(0, 1);
        bool flat = four.size() > 2;
        int64_t heads = four.back(), outer = heads ? product(Ints(four)) / heads : product(Ints(four).first(four.size() - 1));
        auto shaped = [&](const Tensor& t) {
            Dims sizes = batch;
            sizes.push_back(t.size(-2)), sizes.push_back(t.size(-1));
            Tensor e = same(sizes, t.sizes()) ? t : expand(t, sizes);
            return e.dim() == 4 ? e : reshape(e, {outer, heads, t.size(-2), t.size(-1)});
        };
        Tensor m = mask;
        if (m && flat && m.dim() > 2) m = shaped(m);
        Tensor states = dropout > 0 ? states_for(outer * heads, q.size(-2) * k.size(-2)) : Tensor();
        bool recorded = is_recorded(q) || is_recorded(k) || is_recorded(v) || (m && is_recorded(m));
        Tensor r = std::get<0>(recorded ? call<Attention>(shaped(q), shaped(k), shaped(v), m, causal, scale, dropout, states) : Attention::forward(shaped(q), shaped(k), shaped(v), m, causal, scale, dropout, states));
        Dims sizes = batch;
        sizes.push_back(q.size(-2)), sizes.push_back(v.size(-1));
        return sizes.size() == 4 ? r : reshape(r, sizes);
    }
    static void check_arguments(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout, bool causal) {
        check(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2, "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ", q.dim(), " key.dim: ", k.dim(), " and value.dim: ", v.dim(), " instead.");
        check(q.dtype() == k.dtype() && q.dtype() == v.dtype(), "Expected query, key, and value to have the same dtype, but got query.dtype: ", cpp_name(q.dtype()), " key.dtype: ", cpp_name(k.dtype()), " and value.dtype: ", cpp_name(v.dtype()), " instead.");
        check(!q.is_complex(), Err::NotImplemented, "\"softmax_lastdim_kernel_impl\" not implemented for '", title(q.dtype()), "' (scaled_dot_product_attention)");
        check(is_floating(q.dtype()), "expected scalar type Float but found ", title(q.dtype()), " (scaled_dot_product_attention)");
        check(!causal || !mask, "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
        check(!mask || mask.dtype() == DType::Bool || mask.dtype() == DType::Float32 || mask.dtype() == q.dtype(), "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ", cpp_name(mask ? mask.dtype() : q.dtype()), " and  query.dtype: ", cpp_name(q.dtype()), " instead.");
        check(dropout >= 0 && dropout <= 1, "dropout probability has to be between 0 and 1, but got ", dropout);
        check(q.size(-1) == k.size(-1), "scaled_dot_product_attention: query and key must have the same last dimension, got ", q.sizes(), " and ", k.sizes());
        check(k.size(-2) == v.size(-2), "scaled_dot_product_attention: key and value must have the same length, got ", k.sizes(), " and ", v.sizes());
        if (mask) check(mask.dim() >= 1 && (mask.size(-1) == k.size(-2) || mask.size(-1) == 1) && (mask.dim() < 2 || mask.size(-2) == q.size(-2) || mask.size(-2) == 1), "The size of tensor a (", k.size(-2), ") must match the size of tensor b (", mask.size(-1), ") at non-singleton dimension 3 (scaled_dot_product_attention: attn_mask of ", mask.sizes(), ")");
    }
};
OP(ScaledDotProductAttention);

}  // namespace rl
