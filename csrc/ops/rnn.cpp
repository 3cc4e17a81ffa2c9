// Recurrent layers: all steps of one layer and direction in one operator, with the gradient of the whole sequence.
// LSTM: Hochreiter and Schmidhuber, 1997, with forget gates (Gers et al., 2000); GRU: Cho et al., 2014.
#include "ops/rnn.h"

#include <algorithm>
#include <cmath>

#include "cpu/clones.h"
#include "cpu/parallel.h"
#include "ops/recompute.h"

namespace rl {

namespace {
int64_t kept_count(RnnMode m) { return m == RnnMode::Lstm || m == RnnMode::Gru ? 4 : 1; }

// ---- elementwise functions of arrays, by one vectorized exponential
RL_CLONES void scale_clamped(float* y, const float* x, int64_t n, float a, float limit) {
    for (int64_t i = 0; i < n; i++) y[i] = std::min(std::max(a * x[i], -limit), limit);
}
RL_CLONES void scale_clamped(double* y, const double* x, int64_t n, double a, double limit) {
    for (int64_t i = 0; i < n; i++) y[i] = std::min(std::max(a * x[i], -limit), limit);
}
RL_CLONES void invert(float* y, const float* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = 1 / (1 + x[i]);
}
RL_CLONES void invert(double* y, const double* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = 1 / (1 + x[i]);
}
// (e - 1) / (e + 1) for e = exp(2 x), and its series where that cancels.
RL_CLONES void finish_tanh(float* y, const float* e, const float* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float s = x[i] * x[i], near = x[i] * (1 + s * (-1.f / 3 + s * (2.f / 15 + s * (-17.f / 315 + s * (62.f / 2835)))));
        float far = (e[i] - 1) / (e[i] + 1);
        y[i] = s < 0.04f ? near : far;
    }
}
template <class T> void sigmoid_run(T* y, const T* x, int64_t n, T* scratch) {
    constexpr T limit = std::is_same_v<T, float> ? 80 : 700;
    scale_clamped(scratch, x, n, T(-1), limit);
    cpu::kernels().softmax<T>().exp_minus(scratch, scratch, n, T(0), T(1), T(0));
    invert(y, scratch, n);
}
void tanh_run(float* y, const float* x, int64_t n, float* scratch) {
    scale_clamped(scratch, x, n, 2.f, 40.f);
    cpu::kernels().softmax<float>().exp_minus(scratch, scratch, n, 0.f, 1.f, 0.f);
    finish_tanh(y, scratch, x, n);
}
void tanh_run(double* y, const double* x, int64_t n, double*) {
    for (int64_t i = 0; i < n; i++) y[i] = std::tanh(x[i]);
}
// row[i] += other[i]
RL_CLONES void add_run(float* y, const float* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}
RL_CLONES void add_run(double* y, const double* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

// ---- some rows of one step: those of a gate side by side, (rows, hidden), as the kept values are, or in rows of all gates
template <class T> void gate_of(T* y, const T* x, int64_t rows, int64_t h, int64_t step) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < h; j++) y[i * h + j] = x[i * step + j];
}
template <class T> void sum_of_gate(T* y, const T* a, const T* b, int64_t rows, int64_t h, int64_t step) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < h; j++) y[i * h + j] = a[i * step + j] + b[i * step + j];
}
template <class T> RL_CLONES void lstm_cell_run(T* c, const T* before, const T* i, const T* f, const T* g, int64_t h) {
    for (int64_t j = 0; j < h; j++) c[j] = f[j] * before[j] + i[j] * g[j];
}
template <class T> RL_CLONES void multiply_run(T* y, const T* a, int64_t h) {
    for (int64_t j = 0; j < h; j++) y[j] *= a[j];
}
template <class T> RL_CLONES void gru_mix_run(T* y, const T* n, const T* z, const T* before, int64_t h) {
    for (int64_t j = 0; j < h; j++) y[j] = n[j] + z[j] * (before[j] - n[j]);
}
template <class T> RL_CLONES void add_product_run(T* y, const T* a, const T* b, int64_t h) {
    for (int64_t j = 0; j < h; j++) y[j] += a[j] * b[j];
}
// Gradients of the gates before their functions, from those of the new hidden state and cell; `gate` from one kept gate to the next.
template <class T> RL_CLONES void lstm_backward_run(T* d, const T* a, int64_t gate, const T* tanh_c, const T* before, const T* dh, T* dc, int64_t h) {
    const T *i = a, *f = a + gate, *g = a + 2 * gate, *o = a + 3 * gate;
    for (int64_t j = 0; j < h; j++) {
        T cell = dc[j] + dh[j] * o[j] * (1 - tanh_c[j] * tanh_c[j]);
        d[j] = cell * g[j] * i[j] * (1 - i[j]);
        d[h + j] = cell * before[j] * f[j] * (1 - f[j]);
        d[2 * h + j] = cell * i[j] * (1 - g[j] * g[j]);
        d[3 * h + j] = dh[j] * tanh_c[j] * o[j] * (1 - o[j]);
        dc[j] = cell * f[j];
    }
}
template <class T> RL_CLONES void gru_backward_run(T* d, T* dr, const T* a, int64_t gate, const T* before, T* dh, int64_t h) {
    const T *r = a, *z = a + gate, *n = a + 2 * gate, *hn = a + 3 * gate;
    for (int64_t j = 0; j < h; j++) {
        T dn = dh[j] * (1 - z[j]) * (1 - n[j] * n[j]), dz = dh[j] * (before[j] - n[j]) * z[j] * (1 - z[j]), reset = dn * hn[j] * r[j] * (1 - r[j]);
        d[j] = dr[j] = reset;
        d[h + j] = dr[h + j] = dz;
        d[2 * h + j] = dn, dr[2 * h + j] = dn * r[j];
        dh[j] *= z[j];
    }
}

struct Layer {
    int64_t time, batch, hidden, gates, kept;
    RnnMode mode;
    bool reverse;
    int64_t step(int64_t k) const { return reverse ? time - 1 - k : k; }  // the k-th step in the order of time
};

// The numbers of a gate that are computed together: a few vectors at least where the hidden state is small.
int64_t rows_together(const Layer& l) { return std::max<int64_t>(1, 1024 / std::max<int64_t>(l.hidden, 1)); }
int64_t grain_of(const Layer& l) { return l.batch * l.gates < 8192 ? l.batch + 1 : 2; }

// x and hidden_part: rows of all gates. kept: the first of four gates. scratch: room for three.
template <class T> void activate(const Layer& l, int64_t rows, const T* x, const T* hidden_part, const T* before_h, const T* before_c, T* kept, T* c, T* h, T* scratch) {
    int64_t n = rows * l.hidden, gate = l.batch * l.hidden;
    T *sums = scratch, *more = scratch + n;
    auto sum = [&](int64_t g) { sum_of_gate(sums, x + g * l.hidden, hidden_part + g * l.hidden, rows, l.hidden, l.gates); };
    auto sigmoid_gate = [&](int64_t g) { sum(g), sigmoid_run(kept + g * gate, sums, n, more); };
    switch (l.mode) {
        case RnnMode::Tanh: sum(0), tanh_run(h, sums, n, more); return;
        case RnnMode::Relu:
            sum(0);
            for (int64_t j = 0; j < n; j++) h[j] = sums[j] > 0 || std::isnan(sums[j]) ? sums[j] : T(0);
            return;
        case RnnMode::Lstm:
            sigmoid_gate(0), sigmoid_gate(1), sigmoid_gate(3);
            sum(2), tanh_run(kept + 2 * gate, sums, n, more);
            lstm_cell_run(c, before_c, kept, kept + gate, kept + 2 * gate, n);
            tanh_run(h, c, n, more);
            multiply_run(h, kept + 3 * gate, n);
            return;
        case RnnMode::Gru:
            sigmoid_gate(0), sigmoid_gate(1);
            gate_of(kept + 3 * gate, hidden_part + 2 * l.hidden, rows, l.hidden, l.gates);
            gate_of(sums, x + 2 * l.hidden, rows, l.hidden, l.gates);
            add_product_run(sums, kept, kept + 3 * gate, n);
            tanh_run(kept + 2 * gate, sums, n, more);
            gru_mix_run(h, kept + 2 * gate, kept + gate, before_h, n);
    }
}

// gates (T, N, G); out (T, N, H), cells (T, N, H) and kept (T, 4, N, H) are written.
template <class T> void run_layer(const Layer& l, const T* gates, const T* h0, const T* c0, const T* weight_t, const T* bias, T* out, T* cells, T* kept) {
    int64_t rows = l.batch, h = l.hidden, g = l.gates, together = rows_together(l);
    cpu::Buffer<T> part(rows * g);
    const T *before_h = h0, *before_c = c0;
    for (int64_t k = 0; k < l.time; k++) {
        int64_t t = l.step(k);
        product<T>(rows, g, h, T(1), {before_h, h, 1}, {weight_t, g, 1}, T(0), part.data, g, bias);
        const T* x = gates + t * rows * g;
        T *y = out + t * rows * h, *c = cells ? cells + t * rows * h : nullptr, *a = kept ? kept + t * rows * l.kept * h : nullptr;
        cpu::parallel_for(rows, grain_of(l), [&](int64_t begin, int64_t end) {
            cpu::Buffer<T> scratch(3 * std::min(together, rows) * h);
            for (int64_t i = begin; i < end; i += together)
                activate<T>(l, std::min(together, end - i), x + i * g, part.data + i * g, before_h + i * h, before_c ? before_c + i * h : nullptr, a ? a + i * h : nullptr, c ? c + i * h : nullptr, y + i * h, scratch.data);
        });
        before_h = y, before_c = c;
    }
}

// Writes dgates (T, N, G): of the input's part; dparts (T, N, G): of the hidden state's part, which may be the same array.
template <class T>
void run_layer_backward(const Layer& l, const T* out, const T* cells, const T* kept, const T* h0, const T* c0, const T* weight, const T* gout, const T* gcells, T* dgates, T* dparts, T* dh, T* dc) {
    int64_t rows = l.batch, h = l.hidden, g = l.gates;
    std::fill(dh, dh + rows * h, T(0));
    if (dc) std::fill(dc, dc + rows * h, T(0));
    for (int64_t k = l.time; k-- > 0;) {
        int64_t t = l.step(k), p = k ? l.step(k - 1) : 0;
        const T *before_h = k ? out + p * rows * h : h0, *before_c = k && cells ? cells + p * rows * h : c0;
        if (gout) add_run(dh, gout + t * rows * h, rows * h);
        if (gcells && dc) add_run(dc, gcells + t * rows * h, rows * h);
        T *d = dgates + t * rows * g, *dp = dparts + t * rows * g;
        cpu::parallel_for(rows, grain_of(l), [&](int64_t begin, int64_t end) {
            cpu::Buffer<T> tanh_c(l.mode == RnnMode::Lstm ? 3 * (end - begin) * h : 0);
            if (l.mode == RnnMode::Lstm) tanh_run(tanh_c.data, cells + (t * rows + begin) * h, (end - begin) * h, tanh_c.data + (end - begin) * h);
            for (int64_t i = begin; i < end; i++) {
                const T *y = out + (t * rows + i) * h, *a = kept ? kept + (t * rows * l.kept + i) * h : nullptr;
                if (l.mode == RnnMode::Lstm) lstm_backward_run(d + i * g, a, rows * h, tanh_c.data + (i - begin) * h, before_c + i * h, dh + i * h, dc + i * h, h);
                else if (l.mode == RnnMode::Gru) gru_backward_run(d + i * g, dp + i * g, a, rows * h, before_h + i * h, dh + i * h, h);
                else
                    for (int64_t j = 0; j < h; j++) d[i * g + j] = dh[i * h + j] * (l.mode == RnnMode::Tanh ? 1 - y[j] * y[j] : T(y[j] > 0));
            }
        });
        // Only the GRU's hidden state also passes by itself.
        product<T>(rows, h, g, T(1), {dp, g, 1}, {weight, h, 1}, T(l.mode == RnnMode::Gru ? 1 : 0), dh, h);
    }
}

Layer layer_of(const Tensor& gates, const Tensor& h0, int64_t mode, bool reverse) {
    check(mode >= 0 && mode <= 3, "_rnn_layer: mode is 0 to 3, but got ", mode);
    RnnMode m = RnnMode(mode);
    check(gates.dim() == 3 && h0.dim() == 2 && h0.sizes()[0] == gates.sizes()[1], "RNN: expected gates (time, batch, gates) and hidden (batch, hidden), got ", gates.sizes(), " and ", h0.sizes());
    int64_t parts = m == RnnMode::Lstm ? 4 : m == RnnMode::Gru ? 3 : 1;
    check(gates.sizes()[2] == parts * h0.sizes()[1], "RNN: expected ", parts, " gates for each of ", h0.sizes()[1], " hidden numbers, but the weights give ", gates.sizes()[2]);
    return {gates.sizes()[0], gates.sizes()[1], h0.sizes()[1], gates.sizes()[2], kept_count(m), m, reverse};
}
}  // namespace

// ---------------------------------------------------------------- by operators
// One step, as formulas of other operators: cells, and what is differentiated twice.
std::pair<Tensor, Tensor> rnn_step(RnnMode mode, const Tensor& gates, const Tensor& hidden, const Tensor& h, const Tensor& c) {
    int64_t n = gates.size(-1) / (mode == RnnMode::Lstm ? 4 : mode == RnnMode::Gru ? 3 : 1);
    auto part = [&](const Tensor& t, int64_t i) { return narrow(t, -1, i * n, n); };
    if (mode == RnnMode::Gru) {
        Tensor r = sigmoid(add(part(gates, 0), part(hidden, 0))), z = sigmoid(add(part(gates, 1), part(hidden, 1)));
        Tensor fresh = tanh(add(part(gates, 2), mul(r, part(hidden, 2))));
        return {add(fresh, mul(z, sub(h, fresh))), {}};
    }
    Tensor x = add(gates, hidden);
    if (mode == RnnMode::Tanh) return {tanh(x), {}};
    if (mode == RnnMode::Relu) return {clamp(x, OptScalar(Scalar(0)), {}), {}};
    Tensor cell = add(mul(sigmoid(part(x, 1)), c), mul(sigmoid(part(x, 0)), tanh(part(x, 2))));
    return {mul(sigmoid(part(x, 3)), tanh(cell)), cell};
}

std::pair<Tensor, Tensor> rnn_layer_by_steps(RnnMode mode, const Tensor& gates, const Tensor& h0, const Tensor& c0, const Tensor& w, const Tensor& b, bool reverse, const Tensor& projection) {
    int64_t time = gates.size(0);
    Tensors out(static_cast<size_t>(time)), cells(static_cast<size_t>(time));
    Tensor h = h0, c = c0;
    for (int64_t k = 0; k < time; k++) {
        int64_t t = reverse ? time - 1 - k : k;
        std::tie(h, c) = rnn_step(mode, select(gates, 0, t), linear(h, w, b), h, c);
        if (projection) h = linear(h, projection, {});
        out[size_t(t)] = h, cells[size_t(t)] = c;
    }
    return {stack(out, 0), mode == RnnMode::Lstm ? stack(cells, 0) : Tensor()};
}

// ---------------------------------------------------------------- the operator
struct RnnLayer : Op<RnnLayer> {
    SIG("_rnn_layer(Tensor gates, Tensor h0, Tensor? c0, Tensor weight_hh, Tensor? bias_hh, int mode, bool reverse) -> (Tensor output, Tensor cells, Tensor kept)");
    DOC("All steps of a recurrent layer from the input's part of its gates (T, N, G): outputs and cells (T, N, H). mode 0 tanh, 1 relu, 2 LSTM, 3 GRU.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2>, In<3>, In<4>, Out<0>, Out<1>, Out<2>>;
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& gates, const Tensor& h0, const Tensor& c0, const Tensor& w, const Tensor& b, int64_t mode, bool reverse) {
        Layer l = layer_of(gates, h0, mode, reverse);
        check(is_floating(gates.dtype()) && h0.dtype() == gates.dtype() && w.dtype() == gates.dtype() && (!c0 || c0.dtype() == gates.dtype()) && (!b || b.dtype() == gates.dtype()), "RNN: input, states and weights must have the same floating-point dtype; the gates have ", title(gates.dtype()));
        check(w.dim() == 2 && w.sizes()[0] == l.gates && w.sizes()[1] == l.hidden, "RNN: expected recurrent weights of shape (", l.gates, ", ", l.hidden, "), got ", w.sizes());
        check(!b || (b.dim() == 1 && b.numel() == l.gates), "RNN: expected a recurrent bias of ", l.gates, " numbers, got shape ", b ? b.sizes() : Dims());
        check(l.mode != RnnMode::Lstm || (c0 && c0.sizes() == h0.sizes()), "RNN: an LSTM needs a cell state of the hidden state's shape ", h0.sizes());
        bool has_kept = l.mode == RnnMode::Lstm || l.mode == RnnMode::Gru;
        DType t = gates.dtype();
        Device d = gates.device();
        Tensor out = empty(Dims{l.time, l.batch, l.hidden}, t, d), cells = l.mode == RnnMode::Lstm ? empty(out.sizes(), t, d) : Tensor(), kept = has_kept ? empty(Dims{l.time, 4, l.batch, l.hidden}, t, d) : Tensor();
        if (d == Device::Meta || out.numel() == 0) return {out, cells, kept};
        Tensor x = contiguous(gates), h = contiguous(h0), c = c0 ? contiguous(c0) : c0, wt = contiguous(alias(w, Dims{l.hidden, l.gates}, Dims{w.strides()[1], w.strides()[0]}, w->offset)), bias = b ? contiguous(b) : b;
        auto run = [&](auto tag) {
            using T = typename decltype(tag)::type;
            run_layer<T>(l, x.data<T>(), h.data<T>(), c ? c.data<T>() : nullptr, wt.data<T>(), bias ? bias.data<T>() : nullptr, out.data<T>(), cells ? cells.data<T>() : nullptr, kept ? kept.data<T>() : nullptr);
        };
        if (t == DType::Float64) run(Tag<double>{});
        else run(Tag<float>{});
        return {out, cells, kept};
    }
    static Grads backward(Ctx& c, const Grads& gs) {
        Tensor gout = gs[0], gcells = gs.size() > 1 ? gs[1] : Tensor();
        if (!gout && !gcells) return Grads(5);
        Tensor gates = c.in<0>(), h0 = c.in<1>(), c0 = c.given<2>() ? c.in<2>() : Tensor(), w = c.in<3>(), b = c.given<4>() ? c.in<4>() : Tensor();
        if (tls.grad || tls.modes || gates->wrapper) 
            return recomputed_gradients({gates, h0, c0, w, b}, {gout, gcells}, [&](const Tensors& in) {
                auto [out, cells] = rnn_layer_by_steps(RnnMode(c.arg<5>()), in[0], in[1], in[2], in[3], in[4], c.arg<6>(), {});
                return Tensors{out, cells};
            });
        Layer l = layer_of(gates, h0, c.arg<5>(), c.arg<6>());
        Tensor out = c.out<0>(), cells = l.mode == RnnMode::Lstm ? c.out<1>() : Tensor(), kept = l.kept == 4 ? c.out<2>() : Tensor();
        Tensor dg = empty(gates.sizes(), gates.dtype()), dp = l.mode == RnnMode::Gru ? empty(gates.sizes(), gates.dtype()) : dg;
        Tensor dh = empty(h0.sizes(), gates.dtype()), dc = cells ? empty(h0.sizes(), gates.dtype()) : Tensor();
        Tensor h = contiguous(h0), cc = c0 ? contiguous(c0) : c0, ww = contiguous(w), go = gout ? contiguous(gout) : gout, gc = gcells ? contiguous(gcells) : gcells;
        auto run = [&](auto tag) {
            using T = typename decltype(tag)::type;
            auto at = [](const Tensor& t) { return t ? t.data<T>() : nullptr; };
            run_layer_backward<T>(l, out.data<T>(), at(cells), at(kept), h.data<T>(), at(cc), ww.data<T>(), at(go), at(gc), dg.data<T>(), dp.data<T>(), dh.data<T>(), at(dc));
        };
        if (gates.dtype() == DType::Float64) run(Tag<double>{});
        else run(Tag<float>{});
        Grads r(5);
        r[0] = dg, r[1] = dh, r[2] = dc;
        Tensor rows = view(dp, {l.time * l.batch, l.gates});
        if (c.needs<3>()) r[3] = mm_raw(rows, true, view(states_before(l, out, h), {l.time * l.batch, l.hidden}), false);
        if (c.needs<4>()) r[4] = sum(rows, {0});
        return r;
    }
    // The hidden state that each step began with.
    static Tensor states_before(const Layer& l, const Tensor& out, const Tensor& h0) {
        Tensor r = empty(out.sizes(), out.dtype());
        int64_t bytes = l.batch * l.hidden * itemsize(out.dtype());
        for (int64_t k = 0; k < l.time; k++) std::memcpy(r.raw() + l.step(k) * bytes, k ? out.raw() + l.step(k - 1) * bytes : h0.raw(), size_t(bytes));
        return r;
    }
};
OP(RnnLayer);

std::pair<Tensor, Tensor> rnn_layer(RnnMode mode, const Tensor& gates, const Tensor& h0, const Tensor& c0, const Tensor& w, const Tensor& b, bool reverse) {
    bool plain = gates.dtype() == DType::Float32 || gates.dtype() == DType::Float64;
    if (!plain || gates.size(0) == 0) return rnn_layer_by_steps(mode, gates, h0, c0, w, b, reverse, {});
    auto [out, cells, kept] = call<RnnLayer>(gates, h0, c0, w, b, int64_t(mode), reverse);
    return {out, cells};
}

}  // namespace rl
