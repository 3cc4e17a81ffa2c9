// Contractions of several tensors: einsum, tensordot, and chains of matrices.
#include <algorithm>
#include <map>

#include "ops/matmul.h"

namespace rl {

// ---------------------------------------------------------------- einsum
namespace {
// A subscript: 0 to 51 for A-Z and a-z; from 52 the dimensions that "..." stands for, the last of them being 52.
constexpr int kFirstOfEllipsis = 52;
using Labels = std::vector<int>;

struct Labelled {
    Tensor t;
    Labels labels;  // of each dimension, no two the same
};

struct Equation {
    std::vector<Labels> operands;  // -1 stands for "..."
    Labels output;
    bool has_output = false;
};

int label_of(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1; }
char letter_of(int label) { return label < 26 ? char('A' + label) : char('a' + label - 26); }
bool contains(const Labels& l, int v) { return std::find(l.begin(), l.end(), v) != l.end(); }

Equation parse(const std::string& text) {
    Equation e;
    size_t arrow = text.find("->");
    std::string inputs = text.substr(0, arrow);
    auto read = [&](size_t i, Labels& to, bool output) {
        if (text[i] == '.') {
            if (text.compare(i, 3, "...") != 0 || contains(to, -1))
                raise(Err::Runtime, "einsum(): found '.' for ", output ? std::string("the output") : cat("operand ", e.operands.size() - 1), contains(to, -1) ? " for which an ellipsis was already found" : " that is not part of any ellipsis");
            to.push_back(-1);
            return size_t(3);
        }
        int label = label_of(text[i]);
        check(label >= 0, "einsum(): invalid subscript given at index ", i, " in the equation string, subscripts must be in [a-zA-Z]");
        to.push_back(label);
        return size_t(1);
    };
    e.operands.emplace_back();
    for (size_t i = 0; i < inputs.size();) {
        if (text[i] == ' ') i++;
        else if (text[i] == ',') e.operands.emplace_back(), i++;
        else i += read(i, e.operands.back(), false);
    }
    if (arrow == std::string::npos) return e;
    e.has_output = true;
    for (size_t i = arrow + 2; i < text.size();) {
        if (text[i] == ' ') {
            i++;
            continue;
        }
        size_t n = read(i, e.output, true);
        int label = e.output.back();
        check(label < 0 || std::count(e.output.begin(), e.output.end(), label) == 1, "einsum(): output subscript ", std::string(1, text[i]), " appears more than once in the output");
        i += n;
    }
    return e;
}

// The operand's dimensions get labels; a label that is repeated takes the diagonal.
Labelled attach_labels(const Tensor& operand, const Labels& subscripts, size_t number) {
    bool ellipsis = contains(subscripts, -1);
    int64_t named = int64_t(subscripts.size()) - ellipsis, hidden = operand.dim() - named;
    check(ellipsis ? hidden >= 0 : hidden == 0, "einsum(): the number of subscripts in the equation (", named, ") ", ellipsis ? "is more than" : "does not match", " the number of dimensions (", operand.dim(), ") for operand ", number,
          ellipsis ? "" : " and no ellipsis was given");
    Labelled r{operand, {}};
    for (int s : subscripts) {
        if (s >= 0) r.labels.push_back(s);
        else
            for (int64_t i = hidden; i-- > 0;) r.labels.push_back(kFirstOfEllipsis + int(i));
    }
    for (size_t i = 0; i < r.labels.size(); i++)
        for (size_t j = i + 1; j < r.labels.size();) {
            if (r.labels[j] != r.labels[i]) {
                j++;
                continue;
            }
            int64_t a = r.t.sizes()[i], b = r.t.sizes()[j];
            check(a == b, "einsum(): subscript ", std::string(1, letter_of(r.labels[i])), " is repeated for operand ", number, " but the sizes don't match, ", b, " != ", a);
            int label = r.labels[i];
            r.t = diagonal(r.t, 0, int64_t(i), int64_t(j));
            r.labels.erase(r.labels.begin() + int64_t(j));
            r.labels.erase(r.labels.begin() + int64_t(i));
            r.labels.push_back(label);  // the diagonal is the last dimension
            return attach_labels(r.t, r.labels, number);
        }
    return r;
}

// Sums over the labels that nobody asks for.
Labelled sum_out(const Labelled& a, const Labels& keep, const Labels& partner) {
    Labelled r{a.t, {}};
    Dims gone;
    for (size_t i = 0; i < a.labels.size(); i++)
        if (contains(keep, a.labels[i]) || contains(partner, a.labels[i])) r.labels.push_back(a.labels[i]);
        else gone.push_back(int64_t(i));
    if (!gone.empty()) r.t = sum(a.t, gone);
    return r;
}

// t's dimensions in the order of these labels.
Tensor arranged(const Labelled& a, const Labels& order) {
    Dims dims;
    bool moved = false;
    for (size_t i = 0; i < order.size(); i++) {
        int64_t d = std::find(a.labels.begin(), a.labels.end(), order[i]) - a.labels.begin();
        moved |= d != int64_t(i);
        dims.push_back(d);
    }
    return moved ? permute(a.t, dims) : a.t;
}

int64_t volume(const Labelled& a, const Labels& labels) {
    int64_t n = 1;
    for (int l : labels) n *= a.t.sizes()[size_t(std::find(a.labels.begin(), a.labels.end(), l) - a.labels.begin())];
    return n;
}

Labels joined(std::initializer_list<const Labels*> parts) {
    Labels r;
    for (auto* p : parts) r.insert(r.end(), p->begin(), p->end());
    return r;
}

// Product of two operands, summed over the labels that both have and nobody keeps.
Labelled contract(Labelled a, Labelled b, const Labels& keep) {
    check(a.t.dtype() == b.t.dtype(), "expected scalar type ", title(a.t.dtype()), " but found ", title(b.t.dtype()), " (einsum)");
    a = sum_out(a, keep, b.labels), b = sum_out(b, keep, a.labels);
    Labels batch, left, right, summed;
    for (int l : a.labels) (!contains(b.labels, l) ? left : contains(keep, l) ? batch : summed).push_back(l);
    for (int l : b.labels)
        if (!contains(a.labels, l)) right.push_back(l);
    Labelled r{{}, joined({&batch, &left, &right})};
    Dims sizes;
    for (int l : r.labels) sizes.push_back(volume(contains(a.labels, l) ? a : b, {l}));
    if (summed.empty()) {  // elementwise
        Tensor x = arranged(a, joined({&batch, &left})), y = arranged(b, joined({&batch, &right}));
        Dims shape(Ints(x.sizes()));
        for (size_t i = 0; i < right.size(); i++) shape.push_back(1);
        Dims other(Ints(y.sizes()).first(batch.size()));
        for (size_t i = 0; i < left.size(); i++) other.push_back(1);
        for (size_t i = batch.size(); i < y.sizes().size(); i++) other.push_back(y.sizes()[i]);
        r.t = mul(reshape(x, shape), reshape(y, other));
        return r;
    }
    int64_t nb = volume(a, batch), m = volume(a, left), k = volume(a, summed), n = volume(b, right);
    Tensor x = arranged(a, joined({&batch, &left, &summed})), y = arranged(b, joined({&batch, &summed, &right}));
    Tensor p = batch.empty() ? mm(reshape(x, {m, k}), reshape(y, {k, n})) : bmm(reshape(x, {nb, m, k}), reshape(y, {nb, k, n}));
    r.t = reshape(p, sizes);
    return r;
}

// Without "->" the output has the labels that occur once, in alphabetical order, behind the dimensions of "...".
Labels default_output(const std::vector<Labels>& subscripts, int hidden) {
    std::map<int, int> count;
    for (auto& s : subscripts)
        for (int l : s) count[l]++;
    Labels r;
    for (int i = hidden; i-- > 0;) r.push_back(kFirstOfEllipsis + i);
    for (auto [l, n] : count)
        if (l >= 0 && n == 1) r.push_back(l);
    return r;
}
}  // namespace

struct Einsum : Composite<Einsum> {
    SIG("einsum(str equation, Tensor[] tensors) -> Tensor");
    DOC("Products of the operands' elements, summed over the subscripts that the output lacks (Einstein's notation).");
    FORMS(FUNCTION);
    static Tensor forward(const std::string& equation, const Tensors& tensors) {
        check(!tensors.empty(), "einsum(): must provide at least one operand");
        Equation e = parse(equation);
        check(e.operands.size() <= tensors.size(), "einsum(): fewer operands were provided than specified in the equation");
        check(e.operands.size() >= tensors.size(), "einsum(): more operands were provided than specified in the equation");
        std::vector<Labelled> operands;
        std::map<int, int64_t> size;
        int hidden = 0;
        for (size_t i = 0; i < tensors.size(); i++) {
            operands.push_back(attach_labels(tensors[i], e.operands[i], i));
            for (size_t d = 0; d < operands[i].labels.size(); d++) {
                int label = operands[i].labels[d];
                if (label >= kFirstOfEllipsis) hidden = std::max(hidden, label - kFirstOfEllipsis + 1);
                int64_t n = operands[i].t.sizes()[d];
                auto [at, fresh] = size.try_emplace(label, n);
                check(fresh || n == 1 || at->second == 1 || at->second == n, "einsum(): subscript ", label < kFirstOfEllipsis ? std::string(1, letter_of(label)) : std::string("..."), " has size ", n, " for operand ", i, " which does not broadcast with previously seen size ",
                      at->second);
                if (!fresh && at->second == 1) at->second = n;
            }
        }
        Labels output = e.has_output ? Labels() : default_output(e.operands, hidden);
        for (int l : e.output) {
            if (l >= 0) {
                check(size.count(l), "einsum(): output subscript ", std::string(1, letter_of(l)), " does not appear in the equation for any input operand");
                output.push_back(l);
            } else
                for (int i = hidden; i-- > 0;) output.push_back(kFirstOfEllipsis + i);
        }
        for (auto& o : operands) drop_broadcast(o, size);
        return arranged(evaluate(operands, output), output);
    }
    // A dimension of size 1 whose label is larger elsewhere broadcasts: it is left away.
    static void drop_broadcast(Labelled& o, const std::map<int, int64_t>& size) {
        for (size_t d = o.labels.size(); d-- > 0;)
            if (o.t.sizes()[d] == 1 && size.at(o.labels[d]) != 1) {
                o.t = squeeze(o.t, int64_t(d));
                o.labels.erase(o.labels.begin() + int64_t(d));
            }
    }
    // From left to right.
    static Labelled evaluate(const std::vector<Labelled>& operands, const Labels& output) {
        Labelled r = operands[0];
        for (size_t i = 1; i < operands.size(); i++) {
            Labels keep = output;
            for (size_t j = i + 1; j < operands.size(); j++) keep.insert(keep.end(), operands[j].labels.begin(), operands[j].labels.end());
            r = contract(r, operands[i], keep);
        }
        return sum_out(r, output, {});
    }
};
OP(Einsum);

// ---------------------------------------------------------------- tensordot
struct Tensordot : Composite<Tensordot> {
    SIG("tensordot(Tensor a, Tensor b, Any dims=2, *, Tensor? out=None) -> Tensor");
    DOC("Sum of products over the last dims dimensions of self and the first of other, or over two lists of dimensions.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const Tensor& b, PyObject* dims) {
        Dims da, db;
        read_dims(dims, a, b, da, db);
        check(a.dtype() == b.dtype(), "both inputs should have same dtype (tensordot of ", name(a.dtype()), " and ", name(b.dtype()), ")");
        check(da.size() == db.size(), "both dimension lists should have same length");
        int64_t k = 1;
        Tensor x = a, y = b;
        for (size_t i = 0; i < da.size(); i++) {
            int64_t p = wrap_dim(da[i], a.dim()), q = wrap_dim(db[i], b.dim());
            int64_t m = x.sizes()[size_t(p)], n = y.sizes()[size_t(q)];
            if (n == 1 && m != 1) x = sum(x, {p}, true, x.dtype()), m = 1;
            else if (m == 1 && n != 1) y = sum(y, {q}, true, y.dtype()), n = 1;
            check(m == n, "contracted dimensions need to match, but first has size ", m, " in dim ", da[i], " and second has size ", n, " in dim ", db[i]);
            da[i] = p, db[i] = q;
            k *= m;
        }
        Dims pa, pb, sizes;
        int64_t m = rest(x, da, pa, sizes), n = rest(y, db, pb, sizes);
        Dims order_b(Ints(db.data(), db.size()));
        for (int64_t d : da) pa.push_back(d);
        for (int64_t d : pb) order_b.push_back(d);
        return reshape(mm(reshape(permute(x, pa), {m, k}), reshape(permute(y, order_b), {k, n})), sizes);
    }
    static int64_t rest(const Tensor& t, const Dims& gone, Dims& order, Dims& sizes) {
        int64_t n = 1;
        for (int64_t d = 0; d < t.dim(); d++) {
            if (std::find(gone.begin(), gone.end(), d) != gone.end()) continue;
            order.push_back(d);
            sizes.push_back(t.sizes()[size_t(d)]);
            n *= t.sizes()[size_t(d)];
        }
        return n;
    }
    static void read_dims(PyObject* dims, const Tensor& a, const Tensor& b, Dims& da, Dims& db) {
        Param p;
        PyObject* given = dims;
        Tensor owner;
        if (is_tensor(dims)) {
            PyObject* list = PyObject_CallMethod(dims, "tolist", nullptr);
            if (!list) raise_python();
            owner = Tensor::steal(list);
            given = list;
        }
        if (PyLong_Check(given)) {
            int64_t n = PyLong_AsLongLong(given);
            check(n >= 0, "tensordot expects dims >= 0, but got dims=", n);
            check(n <= std::min(a.dim(), b.dim()), "tensordot expects dims < ndim_a or ndim_b, but got dims=", n);
            for (int64_t i = 0; i < n; i++) da.push_back(i - n), db.push_back(i);
            return;
        }
        bool two = (PyTuple_Check(given) || PyList_Check(given)) && PySequence_Fast_GET_SIZE(given) == 2;
        check(two, Err::Type, "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, but got ", Py_TYPE(dims)->tp_name);
        auto list = [&](PyObject* o) { return PyLong_Check(o) ? Dims{PyLong_AsLongLong(o)} : dims_from_python(o, p); };
        da = list(PySequence_Fast_GET_ITEM(given, 0)), db = list(PySequence_Fast_GET_ITEM(given, 1));
    }
};
OP(Tensordot);

// ---------------------------------------------------------------- chains of matrices
// The order of products with the fewest multiplications (Cormen et al., Introduction to Algorithms, 15.2).
static Tensor multiply_chain(const Tensors& ms) {
    size_t n = ms.size();
    std::vector<int64_t> p;
    for (auto& m : ms) p.push_back(m.sizes()[0]);
    p.push_back(ms.back().sizes()[1]);
    std::vector<std::vector<int64_t>> cost(n, std::vector<int64_t>(n)), cut(n, std::vector<int64_t>(n));
    for (size_t length = 1; length < n; length++)
        for (size_t i = 0; i + length < n; i++) {
            size_t j = i + length;
            cost[i][j] = INT64_MAX;
            for (size_t s = i; s < j; s++) {
                int64_t c = cost[i][s] + cost[s + 1][j] + p[i] * p[s + 1] * p[j + 1];
                if (c < cost[i][j]) cost[i][j] = c, cut[i][j] = int64_t(s);
            }
        }
    auto build = [&](auto&& self, size_t i, size_t j) -> Tensor {
        if (i == j) return ms[i];
        size_t s = size_t(cut[i][j]);
        return mm(self(self, i, s), self(self, s + 1, j));
    };
    return build(build, 0, n - 1);
}

struct ChainMatmul : Composite<ChainMatmul> {
    SIG("chain_matmul(Tensor[] matrices, *, Tensor? out=None) -> Tensor");
    DOC("Product of matrices in the cheapest order.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& matrices) {
        check(!matrices.empty(), "chain_matmul(): Expected one or more matrices");
        for (auto& m : matrices) check(m.dim() == 2, "Tensor dimension is ", m.dim(), ", expected 2 instead. (chain_matmul)");
        return multiply_chain(matrices);
    }
};
OP(ChainMatmul);

struct MultiDot : Composite<MultiDot> {
    SIG("linalg::multi_dot(Tensor[] tensors, *, Tensor? out=None) -> Tensor");
    DOC("Product of two or more matrices in the cheapest order; the first and the last may be vectors.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& tensors) {
        size_t n = tensors.size();
        check(n >= 2, "multi_dot(): expected at least 2 tensors but got ", n);
        Tensors ms = tensors;
        Tensor &first = ms.front(), &last = ms.back();
        check(first.dim() == 1 || first.dim() == 2, "multi_dot(): the first tensor must be 1D or 2D but got ", first.dim(), "D");
        check(last.dim() == 1 || last.dim() == 2, "multi_dot(): the last tensor must be 1D or 2D but got ", last.dim(), "D");
        bool row = first.dim() == 1, column = last.dim() == 1;
        if (row) first = unsqueeze(first, 0);
        if (column) last = unsqueeze(last, 1);
        for (size_t i = 1; i < n; i++) {
            check(ms[i].dim() == 2, "multi_dot(): tensor ", i, " must be 2D but got ", ms[i].dim(), "D");
            check(ms[i].dtype() == ms[0].dtype(), "multi_dot(): all tensors must have be the same dtype but tensor 0 is ", cpp_name(ms[0].dtype()), " and tensor ", i, " ", cpp_name(ms[i].dtype()));
            check(ms[i].sizes()[0] == ms[i - 1].sizes()[1], "multi_dot(): tensors ", i - 1, " and ", i, " with shapes ", tensors[i - 1].sizes(), " and ", tensors[i].sizes(), " cannot be multiplied");
        }
        Tensor r = multiply_chain(ms);
        if (column) r = squeeze(r, -1);
        return row ? squeeze(r, 0) : r;
    }
};
OP(MultiDot);

}  // namespace rl
