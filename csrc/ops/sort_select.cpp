// Order statistics: median, kthvalue, mode, quantile.
#include <cmath>

#include "cpu/kernels.h"
#include "ops/sort.h"

namespace rl {

// ---------------------------------------------------------------- one element of each row
// pick(x, n, items) gives the index of the element chosen from a row; items is room.
template <class T> using Items = std::vector<Keyed<KeyOf<T>>>;
template <class T> static void fill_items(const T* x, int64_t n, Items<T>& items) {
    items.resize(size_t(n));
    for (int64_t i = 0; i < n; i++) items[size_t(i)] = {sort_key(x[i]), uint32_t(i)};
}
// Hoare's selection with the middle of three as the pivot, in place (Sedgewick, Algorithms in C). Which of equal elements
// comes out is PyTorch's choice, too.
template <class K> static int64_t quick_select(Keyed<K>* a, int64_t n, int64_t k) {
    int64_t low = 0, high = n - 1;
    while (high > low + 1) {
        std::swap(a[(low + high) / 2], a[low + 1]);
        if (a[low + 1].key > a[high].key) std::swap(a[low + 1], a[high]);
        if (a[low].key > a[high].key) std::swap(a[low], a[high]);
        if (a[low + 1].key > a[low].key) std::swap(a[low + 1], a[low]);
        K pivot = a[low].key;
        int64_t i = low + 1, j = high;
        for (;;) {
            do i++;
            while (a[i].key < pivot);
            do j--;
            while (a[j].key > pivot);
            if (j < i) break;
            std::swap(a[i], a[j]);
        }
        std::swap(a[low], a[j]);
        if (j <= k) low = i;
        if (j >= k) high = j - 1;
    }
    if (high == low + 1 && a[low].key > a[high].key) std::swap(a[low], a[high]);
    return a[k].at;
}
template <class T> static int64_t kth(const T* x, int64_t n, int64_t k, Items<T>& items) {
    fill_items(x, n, items);
    return quick_select(items.data(), n, k);
}
// The place of the k-th smallest element in a stable order: its key is found digit by digit, then the place among equals.
template <class T> static int64_t kth_stable(const T* x, int64_t n, int64_t k) {
    using K = KeyOf<T>;
    constexpr int kDigit = 11, kBins = 1 << kDigit, kFew = 128;
    cpu::Buffer<K> keys(n), rest(n);
    fill_keys(x, n, K(0), keys.data);
    const K* from = keys.data;
    int64_t left = n;
    for (int shift = int(8 * sizeof(K)) - kDigit;; shift = std::max(0, shift - kDigit)) {
        uint32_t counts[2][kBins] = {};  // in turns: neighbours often have the same digit
        for (int64_t i = 0; i < left; i++) counts[i & 1][from[i] >> shift & (kBins - 1)]++;
        K digit = 0;
        for (int64_t count; k >= (count = int64_t(counts[0][digit]) + counts[1][digit]); digit++) k -= count;
        int64_t kept = 0;
        for (int64_t i = 0; i < left; i++) {
            K key = from[i];
            rest.data[kept] = key;
            kept += (key >> shift & (kBins - 1)) == digit;
        }
        from = rest.data, left = kept;
        if (shift == 0 || left <= kFew) break;
    }
    std::nth_element(rest.data, rest.data + k, rest.data + left);
    K key = rest.data[k];
    k -= std::count_if(rest.data, rest.data + left, [key](K other) { return other < key; });
    for (int64_t i = 0;; i++)
        if (keys.data[i] == key && k-- == 0) return i;
}
// The lower of the two middle elements. A NaN is the median of its row, or is left out.
template <class T> static int64_t median_of(const T* x, int64_t n, bool skip_nan, Items<T>& items) {
    int64_t nans = 0, first = -1;
    if constexpr (std::is_floating_point_v<T>)
        if (is_nan(cpu::kernels().reduce<T>().max(x, n)))
            for (int64_t i = n; i-- > 0;)
                if (is_nan(x[i])) nans++, first = i;
    if (nans && !skip_nan) return first;
    int64_t count = n - nans;
    if (count == 0) return first;
    if (n >= 256) return kth_stable(x, n, (count - 1) / 2);
    if (n > 16 && n <= kSmallRow) {
        KeyOf<T> keys[kSmallRow] = {};
        fill_keys(x, n, KeyOf<T>(0), keys);
        return kth_of_few(keys, n, (count - 1) / 2);
    }
    fill_items(x, n, items);
    std::nth_element(items.begin(), items.begin() + (count - 1) / 2, items.end());  // of equal ones the one that a stable sort has there, as in PyTorch
    return items[size_t(count - 1) / 2].at;
}
// The most frequent value, the smallest of several; the place that is last of its run after PyTorch's sort.
template <class T> static int64_t mode_of(const T* x, int64_t n, Items<T>& items) {
    fill_items(x, n, items);
    if (n >= 64) {  // where all are different any order shows it
        cpu::Buffer<Keyed<KeyOf<T>>> room(n);
        const auto* in_order = sort_keyed(items.data(), room.data, n, false);
        int64_t equal = 0;
        for (int64_t i = 1; i < n; i++) equal += in_order[i].key == in_order[i - 1].key;
        if (!equal) return in_order[0].at;
        fill_items(x, n, items);
    }
    std::sort(items.begin(), items.end(), ByKey());
    int64_t best = 0, best_count = 0;
    for (int64_t i = 0; i < n;) {
        int64_t e = i + 1;
        while (e < n && items[size_t(e)].key == items[size_t(i)].key) e++;
        if (e - i > best_count) best_count = e - i, best = e - 1;
        i = e;
    }
    return items[size_t(best)].at;
}

template <class Pick> static ValuesIndices pick_rows(const Tensor& self, int64_t dim, bool keepdim, Pick&& pick) {
    int64_t d = wrap_dim(dim, self.dim());
    Dims sizes = self.dim() ? reduced_sizes(self.sizes(), uint64_t(1) << d, keepdim) : Dims();
    if (self.is_meta() || self.numel() == 0) return {empty(sizes, self.dtype(), self.device()), empty(sizes, DType::Int64, self.device())};
    Tensor x = to_ordered(self);
    Lanes l = lanes(x, d);
    Tensor values = lane_result(l, 1, x.dtype()), indices = lane_result(l, 1, DType::Int64);
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        cpu::parallel_for(l.count, grain_for(8 * l.n), [&](int64_t a, int64_t b) {
            Items<T> items;
            for (int64_t i = a; i < b; i++) {
                const T* row = l.memory.data<T>() + i * l.n;
                int64_t at = pick(row, l.n, items);
                indices.data<int64_t>()[i] = at, values.data<T>()[i] = row[at];
            }
        });
    });
    return {finish_reduced(l, cast_raw(values, self.dtype()), keepdim), finish_reduced(l, indices, keepdim)};
}
static void check_ordered(const char* kernel, const Tensor& t, bool bools) {
    check(!t.is_complex() && (bools || t.dtype() != DType::Bool), Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(t.dtype()), "'");
}

// ---------------------------------------------------------------- median
static ValuesIndices median_dim(const char* op, const Tensor& self, int64_t dim, bool keepdim, bool skip_nan) {
    check_ordered("median_out_impl", self, false);
    check_reducible(op, self, {dim}, true);
    return pick_rows(self, dim, keepdim, [=](auto* x, int64_t n, auto& items) { return median_of(x, n, skip_nan, items); });
}
static Tensor median_all(const Tensor& self, bool skip_nan) {
    check_ordered("median_cpu", self, false);
    if (self.numel() == 0) {  // NaN, converted
        Scalar none = is_floating(self.dtype()) ? Scalar(std::nan("")) : Scalar(self.dtype() == DType::Int64 ? INT64_MIN : self.dtype() == DType::Int32 ? int64_t(INT32_MIN) : 0);
        return full(Ints(), none, self.dtype(), self.device());
    }
    if (self.is_meta()) return empty(Dims(), self.dtype(), self.device());
    Tensor x = contiguous(to_ordered(self)), r = empty(Dims(), x.dtype());
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        Items<T> items;
        const T* p = x.data<T>();
        *r.data<T>() = p[median_of(p, x.numel(), skip_nan, items)];
    });
    return cast_raw(r, self.dtype());
}
struct MedianDim : Op<MedianDim> {
    SIG("median.dim(Tensor self, int dim, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The lower middle element (NaN if there is one) along dim, and where it is.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool keepdim) { return median_dim("median", self, dim, keepdim, false); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.out<1>())}; }
};
struct Median : Op<Median> {
    SIG("median(Tensor self) -> Tensor");
    DOC("The lower middle element (NaN if there is one) of all; equal ones share the gradient.");
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self) { return median_all(self, false); }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_over_all(g, c.in<0>(), c.out())}; }
};
OP(Median);
OP(MedianDim);
struct NanmedianDim : Op<NanmedianDim> {
    SIG("nanmedian.dim(Tensor self, int dim, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The lower middle one of the elements that are not NaN along dim, and where it is.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool keepdim) { return median_dim("nanmedian", self, dim, keepdim, true); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.out<1>())}; }
};
struct Nanmedian : Op<Nanmedian> {
    SIG("nanmedian(Tensor self) -> Tensor");
    DOC("The lower middle one of the elements that are not NaN of all; equal ones share the gradient.");
    using Saves = Save<In<0>, Out<>>;
    static Tensor forward(const Tensor& self) { return median_all(self, true); }
    static Grads backward(Ctx& c, const Tensor& g) { return {share_over_all(g, c.in<0>(), c.out())}; }
};
OP(Nanmedian);
OP(NanmedianDim);

// ---------------------------------------------------------------- mode, kthvalue
struct Mode : Op<Mode> {
    SIG("mode(Tensor self, int dim=-1, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The most frequent value along dim (the smallest of several) and its last place.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool keepdim) {
        check_ordered("mode_cpu", self, true);
        check_reducible("mode", self, {dim}, true);
        return pick_rows(self, dim, keepdim, [](auto* x, int64_t n, auto& items) { return mode_of(x, n, items); });
    }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.out<1>())}; }
};
OP(Mode);

struct Kthvalue : Op<Kthvalue> {
    SIG("kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The k-th smallest element along dim (k from 1) and where it is.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t k, int64_t dim, bool keepdim) {
        int64_t d = wrap_dim(dim, self.dim());
        check_ordered("kthvalue_cpu", self, false);
        check_reducible("kthvalue", self, {dim}, true);
        check(k > 0 && k <= (self.dim() ? self.sizes()[d] : 1), "kthvalue(): selected number k out of range for dimension ", d);
        return pick_rows(self, dim, keepdim, [=](auto* x, int64_t n, auto& items) { return kth(x, n, k - 1, items); });
    }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<2>(), c.arg<3>(), c.out<1>())}; }
};
OP(Kthvalue);

// ---------------------------------------------------------------- quantile
static void check_quantile(const char* op, const Tensor& self, const Tensor& q, const std::string& how) {
    check(self.numel() > 0, op, "() input tensor must be non-empty");
    check(q.dim() <= 1, op, "() q must be a scalar or 1D tensor");
    check(self.dtype() == DType::Float32 || self.dtype() == DType::Float64, op, "() input tensor must be either float or double dtype");
    check(self.dtype() == q.dtype(), op, "() q tensor must be same dtype as the input tensor");
    check(self.device() == q.device(), op, "() q tensor must be on the same device as the input tensor");
    check(how == "linear" || how == "lower" || how == "higher" || how == "midpoint" || how == "nearest", op, "() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ", how);
    if (q.is_meta() || q->wrapper) return;
    Tensor values = cast_raw(q, DType::Float64);
    for (int64_t i = 0; i < values.numel(); i++) {
        double v = values.data<double>()[i];
        check(v >= 0 && v <= 1, op, "() q values must be in the range [0, 1]");
    }
}
// Rounded towards what the interpolation asks for, as a float tensor; a constant to differentiation.
static Tensor round_ranks(const Tensor& ranks, bool up, bool nearest) {
    if (ranks.is_meta()) return detach(ranks);
    Tensor t = clone_raw(detach(ranks));
    dispatch_compute(t.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_floating_point_v<T>)
            for (int64_t i = 0; i < t.numel(); i++) {
                T& v = t.data<T>()[i];
                v = nearest ? std::nearbyint(v) : up ? std::ceil(v) : std::floor(v);
            }
    });
    return t;
}
static Tensor quantile(const char* op, const Tensor& self, const Tensor& q, const OptInt& dim, bool keepdim, const std::string& how, bool skip_nan) {
    check_quantile(op, self, q, how);
    int64_t n = self.dim(), d = dim ? wrap_dim(*dim, n) : 0;
    Tensor x = !dim ? reshape(self, {-1}) : n == 0 ? self : transpose(self, d, n - 1);
    if (x.dim() == 0) x = reshape(x, {1});
    int64_t size = x.sizes()[x.dim() - 1], count = q.numel();
    Tensor order = std::get<0>(sorted(x, -1, false)), bad = isnan(x), flat_q = reshape(q, {count});
    Dims rank_sizes = x.sizes();
    rank_sizes[rank_sizes.size() - 1] = count;
    // the rank of each quantile in each row; NaN is sorted last
    Tensor ranks;
    if (skip_nan) {
        Tensor last = to(sum(logical_not(bad), {-1}, true), x.dtype()) - Scalar(1);
        ranks = clamp(flat_q * last, Scalar(0), {});
    } else {
        Tensor any = gt(sum(bad, {-1}, true), Scalar(0));
        ranks = masked_fill(expand(flat_q * Scalar(double(size - 1)), rank_sizes), any, Scalar(double(size - 1)));
    }
    bool nearest = how == "nearest";
    Tensor below = how == "higher" ? round_ranks(ranks, true, false) : round_ranks(ranks, false, nearest);
    Tensor r = gather(order, -1, to(below, DType::Int64));
    if (how == "linear" || how == "midpoint") {
        Tensor above = gather(order, -1, to(round_ranks(ranks, true, false), DType::Int64));
        Tensor weight = how == "midpoint" ? full(Ints(), Scalar(0.5), x.dtype(), x.device()) : ranks - below;
        // from the nearer end, so that equal neighbours give themselves
        r = where(lt(weight, Scalar(0.5)), r + weight * (above - r), above - (above - r) * (Scalar(1.0) - weight));
    }
    // (rows.., quantiles) to (quantiles, rows..) with the reduced dimension back in its place, of size 1
    Dims order_back{r.dim() - 1};
    for (int64_t i = 0; i + 1 < r.dim(); i++) order_back.push_back(i);
    r = unsqueeze(permute(r, order_back), -1);
    Dims sizes{count};
    for (int64_t i = 0; i < n; i++)
        if (dim && i != d) sizes.push_back(self.sizes()[i]);
        else if (keepdim) sizes.push_back(1);
    if (dim && n > 0) r = transpose(r, d + 1, n);
    r = reshape(r, sizes);
    return q.dim() == 0 ? squeeze(r, 0) : r;
}
static Tensor one_quantile(const char* op, const Tensor& self, double q, const OptInt& dim, bool keepdim, const std::string& how, bool skip_nan) {
    check(q >= 0 && q <= 1, op, "() q must be in the range [0, 1] but got ", q);
    return quantile(op, self, full(Ints(), Scalar(q), self.dtype(), self.device()), dim, keepdim, how, skip_nan);
}

struct Quantile : Composite<Quantile> {
    SIG("quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear', Tensor? out=None) -> Tensor");
    DOC("The q-th quantiles along dim, or of all: q in [0, 1], a scalar or a vector, whose dimension comes first in the result.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& q, const OptInt& dim, bool keepdim, const std::string& how) { return quantile("quantile", self, q, dim, keepdim, how, false); }
};
OP(Quantile);
struct QuantileScalar : Composite<QuantileScalar> {
    SIG("quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear', Tensor? out=None) -> Tensor");
    DOC("The q-th quantile along dim, or of all.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, double q, const OptInt& dim, bool keepdim, const std::string& how) { return one_quantile("quantile", self, q, dim, keepdim, how, false); }
};
OP(QuantileScalar);
struct Nanquantile : Composite<Nanquantile> {
    SIG("nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear', Tensor? out=None) -> Tensor");
    DOC("quantile of the elements that are not NaN.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& q, const OptInt& dim, bool keepdim, const std::string& how) { return quantile("nanquantile", self, q, dim, keepdim, how, true); }
};
OP(Nanquantile);
struct NanquantileScalar : Composite<NanquantileScalar> {
    SIG("nanquantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear', Tensor? out=None) -> Tensor");
    DOC("quantile of the elements that are not NaN.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, double q, const OptInt& dim, bool keepdim, const std::string& how) { return one_quantile("nanquantile", self, q, dim, keepdim, how, true); }
};
OP(NanquantileScalar);

}  // namespace rl
