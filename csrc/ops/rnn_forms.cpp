// The recurrent functions that users call: networks of several layers and directions, on padded or packed sequences,
// and single steps.
#include "ops/rnn.h"

namespace rl {

namespace {
struct Network {
    RnnMode mode;
    bool biases;
    int64_t layers;
    double dropout;
    bool train, bidirectional;
};

// Rows of packed sequences, the longest first: row first[t] + b is step t of sequence b.
struct Packing {
    int64_t time, batch, total;
    Dims first, lengths;
    explicit Packing(const Tensor& batch_sizes) {
        check(batch_sizes.dim() == 1 && batch_sizes.dtype() == DType::Int64 && !batch_sizes.is_meta(), "batch_sizes of packed sequences must be a vector of int64 in memory, got ", title(batch_sizes.dtype()), " of shape ", batch_sizes.sizes());
        Tensor s = contiguous(batch_sizes);
        time = s.numel(), batch = time ? s.data<int64_t>()[0] : 0, total = 0;
        check(batch >= 0, "batch_sizes of packed sequences must be positive and must not rise");
        lengths = Dims(size_t(batch), 0);
        for (int64_t t = 0; t < time; t++) {
            int64_t n = s.data<int64_t>()[t];
            check(n >= 1 && n <= (t ? s.data<int64_t>()[t - 1] : batch), "batch_sizes of packed sequences must be positive and must not rise");
            first.push_back(total), total += n;
            for (int64_t b = 0; b < n; b++) lengths[size_t(b)]++;
        }
    }
    // For each place (t, b) of the padded sequences the row that belongs there; behind the end, any.
    Tensor padded(bool reverse) const {
        Tensor r = zeros(Dims{time * batch}, DType::Int64);
        for (int64_t t = 0; t < time; t++)
            for (int64_t b = 0; b < batch; b++) {
                int64_t n = lengths[size_t(b)];
                if (t < n) r.data<int64_t>()[t * batch + b] = first[size_t(reverse ? n - 1 - t : t)] + b;
            }
        return r;
    }
    // For each row the place where its output is found.
    Tensor packed(bool reverse) const {
        Tensor r = empty(Dims{total}, DType::Int64);
        for (int64_t b = 0; b < batch; b++)
            for (int64_t t = 0, n = lengths[size_t(b)]; t < n; t++) r.data<int64_t>()[first[size_t(t)] + b] = (reverse ? n - 1 - t : t) * batch + b;
        return r;
    }
    Tensor last() const {
        Tensor r = empty(Dims{batch}, DType::Int64);
        for (int64_t b = 0; b < batch; b++) r.data<int64_t>()[b] = (lengths[size_t(b)] - 1) * batch + b;
        return r;
    }
};

Tensor dropped(const Tensor& x, double p) {
    OpInfo* op = find_op("", "dropout");
    check(op, Err::NotImplemented, "dropout between recurrent layers needs the operator dropout, which this build lacks");
    PyObject* rate = PyFloat_FromDouble(p);
    PyObject* slots[kMaxParams] = {x.py(), rate, Py_True};
    PyObject* r = op->invoke(slots);
    Py_DECREF(rate);
    return Tensor::steal(r);
}

struct States {
    Tensor output, h, c;
};

// One layer in one direction. params: w_ih, w_hh, b_ih, b_hh, w_hr, of which the last three may be undefined.
States run_direction(RnnMode mode, const Tensor& input, const Packing* packing, const Tensor& h0, const Tensor& c0, const Tensor* params, bool reverse) {
    Tensor x = input;
    if (packing) {
        x = reshape(index_select(input, 0, packing->padded(reverse)), {packing->time, packing->batch, input.size(-1)});
    }
    bool backwards = reverse && !packing;
    Tensor gates = linear(x, params[0], params[2]);
    auto [out, cells] = params[4] ? rnn_layer_by_steps(mode, gates, h0, c0, params[1], params[3], backwards, params[4]) : rnn_layer(mode, gates, h0, c0, params[1], params[3], backwards);
    if (!packing) {
        int64_t end = backwards ? 0 : -1;
        return {out, select(out, 0, end), cells ? select(cells, 0, end) : Tensor()};
    }
    auto rows = [](const Tensor& t) { return reshape(t, {t.size(0) * t.size(1), t.size(2)}); };
    Tensor last = packing->last();
    return {index_select(rows(out), 0, packing->packed(reverse)), index_select(rows(out), 0, last), cells ? index_select(rows(cells), 0, last) : Tensor()};
}

void check_states(const Network& n, const Tensor& input, int64_t batch, const Tensor& h, const Tensor& c, size_t params, size_t each) {
    int64_t directions = n.bidirectional ? 2 : 1;
    check(n.layers > 0, "RNN: expected at least one layer, got num_layers=", n.layers);
    check(params == each * size_t(n.layers * directions), "got an incorrect number of RNN parameters: ", params, " for ", n.layers, " layers and ", directions, " directions");
    check(h.dim() == 3 && h.size(0) == n.layers * directions && h.size(1) == batch, "Expected hidden size (", n.layers * directions, ", ", batch, ", hidden), got ", h.sizes());
    check(!c || (c.dim() == 3 && c.size(0) == h.size(0) && c.size(1) == batch), "Expected cell size (", n.layers * directions, ", ", batch, ", hidden), got ", c ? c.sizes() : Dims());
    check(h.dtype() == input.dtype(), "Input and hidden tensors are not the same dtype, found input tensor with ", title(input.dtype()), " and hidden tensor with ", title(h.dtype()));
}

std::tuple<Tensor, Tensor, Tensor> run_network(const Network& n, const Tensor& input, const Packing* packing, const Tensor& h0, const Tensor& c0, const Tensors& params) {
    bool projected = c0 && h0.dim() == 3 && c0.dim() == 3 && h0.size(2) != c0.size(2);
    size_t each = (n.biases ? 4 : 2) + projected;
    int64_t directions = n.bidirectional ? 2 : 1;
    check(packing || input.dim() == 3, "RNN: expected input (time, batch, features), got ", input.sizes());
    check_states(n, input, packing ? packing->batch : input.size(1), h0, c0, params.size(), each);
    check(!packing || (input.dim() == 2 && input.size(0) == packing->total), "RNN: expected packed input of ", packing ? packing->total : 0, " rows, got ", input.sizes());
    for (auto& p : params) check(bool(p), Err::Type, "RNN: expected tensors as parameters, but got None");
    Tensor x = input;
    Tensors hs, cs;
    for (int64_t layer = 0; layer < n.layers; layer++) {
        Tensors outs;
        for (int64_t d = 0; d < directions; d++) {
            int64_t k = layer * directions + d;
            const Tensor* p = &params[size_t(k) * each];
            Tensor five[5] = {p[0], p[1], n.biases ? p[2] : Tensor(), n.biases ? p[3] : Tensor(), projected ? p[each - 1] : Tensor()};
            States s = run_direction(n.mode, x, packing, select(h0, 0, k), c0 ? select(c0, 0, k) : Tensor(), five, d == 1);
            outs.push_back(s.output), hs.push_back(s.h);
            if (s.c) cs.push_back(s.c);
        }
        x = directions == 1 ? outs[0] : cat(outs, int64_t(-1));
        if (n.dropout > 0 && n.train && layer + 1 < n.layers) x = dropped(x, n.dropout);
    }
    return {x, stack(hs, 0), cs.empty() ? Tensor() : stack(cs, 0)};
}

std::tuple<Tensor, Tensor, Tensor> run_padded(const Network& n, const Tensor& input, const Tensor& h0, const Tensor& c0, const Tensors& params, bool batch_first) {
    auto [out, h, c] = run_network(n, batch_first ? transpose(input, 0, 1) : input, nullptr, h0, c0, params);
    return {batch_first ? transpose(out, 0, 1) : out, h, c};
}

// One step is a layer of one step.
std::pair<Tensor, Tensor> run_cell(RnnMode mode, const Tensor& input, const Tensor& h, const Tensor& c, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {
    check(w_ih.dim() == 2 && w_hh.dim() == 2, "RNN cell: expected weights (gates, I) and (gates, H), got ", w_ih.sizes(), " and ", w_hh.sizes());
    check(input.dim() == 2 && h.dim() == 2 && input.size(0) == h.size(0), "RNN cell: expected input (N, I) and hidden (N, H), got ", input.sizes(), " and ", h.sizes());
    check(input.size(1) == w_ih.size(1), "input has inconsistent input_size: got ", input.size(1), " expected ", w_ih.size(1));
    check(h.size(1) == w_hh.size(1), "hidden has inconsistent hidden_size: got ", h.size(1), ", expected ", w_hh.size(1));
    Tensor gates = linear(input, w_ih, b_ih);
    auto [out, cells] = rnn_layer(mode, unsqueeze(gates, 0), h, c, w_hh, b_hh, false);
    return {squeeze(out, 0), cells ? squeeze(cells, 0) : Tensor()};
}
void check_pair(const char* op, const Tensors& hx) { check(hx.size() == 2 && hx[0] && hx[1], op, " expects two hidden states, got ", hx.size()); }
}  // namespace

#define RL_NETWORK "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional"
#define RL_NETWORK_ARGUMENTS const Tensors &params, bool biases, int64_t layers, double dropout, bool train, bool bidirectional
#define RL_NETWORK_OF(MODE) {RnnMode::MODE, biases, layers, dropout, train, bidirectional}

struct Lstm : Composite<Lstm> {
    SIG("lstm.input(Tensor input, Tensor[] hx, " RL_NETWORK ", bool batch_first) -> (Tensor, Tensor, Tensor)");
    DOC("Long short-term memory over (T, N, I): outputs, last hidden states, last cells.");
    FORMS(FUNCTION);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& input, const Tensors& hx, RL_NETWORK_ARGUMENTS, bool batch_first) {
        check_pair("lstm", hx);
        return run_padded(RL_NETWORK_OF(Lstm), input, hx[0], hx[1], params, batch_first);
    }
};
OP(Lstm);
struct LstmPacked : Composite<LstmPacked> {
    SIG("lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, " RL_NETWORK ") -> (Tensor, Tensor, Tensor)");
    DOC("Long short-term memory over packed sequences.");
    FORMS(FUNCTION);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& data, const Tensor& batch_sizes, const Tensors& hx, RL_NETWORK_ARGUMENTS) {
        check_pair("lstm", hx);
        Packing packing(batch_sizes);
        return run_network(RL_NETWORK_OF(Lstm), data, &packing, hx[0], hx[1], params);
    }
};
OP(LstmPacked);

#define RL_RNN(STRUCT, NAME, MODE, WHAT)                                                                                                                    \
    struct STRUCT : Composite<STRUCT> {                                                                                                                     \
        SIG(NAME ".input(Tensor input, Tensor hx, " RL_NETWORK ", bool batch_first) -> (Tensor, Tensor)");                                                  \
        DOC(WHAT " over (T, N, I): outputs and last hidden states.");                                                                                       \
        FORMS(FUNCTION);                                                                                                                                    \
        static std::tuple<Tensor, Tensor> forward(const Tensor& input, const Tensor& hx, RL_NETWORK_ARGUMENTS, bool batch_first) {                          \
            auto [out, h, c] = run_padded(RL_NETWORK_OF(MODE), input, hx, {}, params, batch_first);                                                         \
            return {out, h};                                                                                                                                \
        }                                                                                                                                                   \
    };                                                                                                                                                      \
    OP(STRUCT);                                                                                                                                             \
    struct STRUCT##Packed : Composite<STRUCT##Packed> {                                                                                                     \
        SIG(NAME ".data(Tensor data, Tensor batch_sizes, Tensor hx, " RL_NETWORK ") -> (Tensor, Tensor)");                                                  \
        DOC(WHAT " over packed sequences.");                                                                                                                \
        FORMS(FUNCTION);                                                                                                                                    \
        static std::tuple<Tensor, Tensor> forward(const Tensor& data, const Tensor& batch_sizes, const Tensor& hx, RL_NETWORK_ARGUMENTS) {                  \
            Packing packing(batch_sizes);                                                                                                                   \
            auto [out, h, c] = run_network(RL_NETWORK_OF(MODE), data, &packing, hx, {}, params);                                                            \
            return {out, h};                                                                                                                                \
        }                                                                                                                                                   \
    };                                                                                                                                                      \
    OP(STRUCT##Packed);                                                                                                                                     \
    struct STRUCT##Cell : Composite<STRUCT##Cell> {                                                                                                         \
        SIG(NAME "_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor");                               \
        DOC(WHAT ", one step: input (N, I) and hidden state (N, H) to the next.");                                                                          \
        FORMS(FUNCTION);                                                                                                                                    \
        static Tensor forward(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {      \
            return run_cell(RnnMode::MODE, input, hx, {}, w_ih, w_hh, b_ih, b_hh).first;                                                                    \
        }                                                                                                                                                   \
    };                                                                                                                                                      \
    OP(STRUCT##Cell)

RL_RNN(Gru, "gru", Gru, "Gated recurrent unit");
RL_RNN(RnnTanh, "rnn_tanh", Tanh, "Elman's network with tanh");
RL_RNN(RnnRelu, "rnn_relu", Relu, "Elman's network with relu");

struct LstmCell : Composite<LstmCell> {
    SIG("lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)");
    DOC("Long short-term memory, one step: input (N, I), hidden state and cell (N, H) to the next two.");
    FORMS(FUNCTION);
    static std::tuple<Tensor, Tensor> forward(const Tensor& input, const Tensors& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {
        check_pair("lstm_cell", hx);
        auto [h, c] = run_cell(RnnMode::Lstm, input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh);
        return {h, c};
    }
};
OP(LstmCell);

}  // namespace rl
