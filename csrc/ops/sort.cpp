// sort, argsort, msort, topk. NaN is larger than everything else.
#include "ops/sort.h"

#include "cpu/clones.h"

namespace rl {

template <class T> RL_CLONES static KeyOf<T> keys_of(const T* x, int64_t n, KeyOf<T> flip, KeyOf<T>* keys) {
    KeyOf<T> least = ~KeyOf<T>(0);
    for (int64_t i = 0; i < n; i++) {
        keys[i] = sort_key(x[i]) ^ flip;
        least = keys[i] < least ? keys[i] : least;
    }
    return least;
}
template <class T> KeyOf<T> fill_keys(const T* x, int64_t n, KeyOf<T> flip, KeyOf<T>* keys) { return keys_of(x, n, flip, keys); }
#define RL_KEYS(T) template KeyOf<T> fill_keys(const T*, int64_t, KeyOf<T>, KeyOf<T>*);
RL_KEYS(int32_t)
RL_KEYS(int64_t)
RL_KEYS(uint64_t)
RL_KEYS(float)
RL_KEYS(double)
#undef RL_KEYS

// ---------------------------------------------------------------- radix sort
namespace {
constexpr int kDigit = 11;  // bits of one pass
constexpr int64_t kBins = 1 << kDigit;
constexpr int64_t kTiny = 20, kSmall = kSmallRow;
constexpr int kParts = 4;  // pieces of a long array: fixed, and the result of a stable sort depends on nothing anyway

template <class K> void insertion_sort(Keyed<K>* p, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        Keyed<K> v = p[i];
        int64_t j = i;
        for (; j > 0 && v.key < p[j - 1].key; j--) p[j] = p[j - 1];
        p[j] = v;
    }
}

// The rank of each of a few keys: how many are smaller. All pairs, but in vectors.
constexpr int64_t kBlock = 32;  // whose ranks stay in registers
template <class K> RL_CLONES void rank_keys(const K* __restrict keys, K* __restrict ranks, int64_t n) {
    for (int64_t begin = 0; begin < n; begin += kBlock) {
        K rank[kBlock] = {};
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < kBlock; j++) rank[j] += K(keys[i] < keys[begin + j]);
        for (int64_t j = 0; j < kBlock; j++) ranks[begin + j] = rank[j];
    }
}
template <class K> void rank_sort(const Keyed<K>* items, Keyed<K>* sorted, int64_t n) {
    K keys[kSmall] = {}, rank[kSmall];
    uint8_t equal[kSmall] = {};  // of those with a rank, how many have their place
    for (int64_t i = 0; i < n; i++) keys[i] = items[i].key;
    rank_keys(keys, rank, n);
    for (int64_t i = 0; i < n; i++) sorted[rank[i] + equal[rank[i]]++] = items[i];
}

// One pass: items move to room in the order of one digit. counts holds the digit's histogram for each part, and becomes
// the places.
template <class K> void scatter_digit(const Keyed<K>* items, Keyed<K>* room, int64_t n, int shift, uint32_t* counts, int parts, bool parallel) {
    int64_t size = (n + parts - 1) / parts;
    cpu::parallel_for(parts, parallel ? 2 : parts + 1, [&](int64_t a, int64_t b) {
        for (int64_t p = a; p < b; p++) {
            uint32_t* c = counts + p * kBins;
            std::fill_n(c, kBins, 0);
            for (int64_t i = p * size, e = std::min(n, i + size); i < e; i++) c[items[i].key >> shift & (kBins - 1)]++;
        }
    });
    uint32_t place = 0;
    for (int64_t bin = 0; bin < kBins; bin++)
        for (int p = 0; p < parts; p++) {
            uint32_t count = counts[p * kBins + bin];
            counts[p * kBins + bin] = place;
            place += count;
        }
    cpu::parallel_for(parts, parallel ? 2 : parts + 1, [&](int64_t a, int64_t b) {
        for (int64_t p = a; p < b; p++) {
            uint32_t* c = counts + p * kBins;
            for (int64_t i = p * size, e = std::min(n, i + size); i < e; i++) room[c[items[i].key >> shift & (kBins - 1)]++] = items[i];
        }
    });
}
}  // namespace

template <class K> int64_t kth_of_few(const K* keys, int64_t n, int64_t k) {
    K rank[kSmall];
    rank_keys(keys, rank, n);
    K best = 0;  // equal keys have the rank of their first: the largest that is not above k
    for (int64_t i = 0; i < n; i++) best = int64_t(rank[i]) <= k && rank[i] > best ? rank[i] : best;
    for (int64_t equals = k - int64_t(best), i = 0;; i++)
        if (rank[i] == best && equals-- == 0) return i;
}
template int64_t kth_of_few(const uint32_t*, int64_t, int64_t);
template int64_t kth_of_few(const uint64_t*, int64_t, int64_t);

template <class K> Keyed<K>* sort_keyed(Keyed<K>* items, Keyed<K>* room, int64_t n, bool parallel) {
    if (n < kTiny) {
        insertion_sort(items, n);
        return items;
    }
    if (n <= kSmall) {
        rank_sort(items, room, n);
        return room;
    }
    K all = 0, common = ~K(0);  // bits that are set somewhere, and everywhere
    for (int64_t i = 0; i < n; i++) all |= items[i].key, common &= items[i].key;
    K varies = all ^ common;
    int64_t passes = 0;
    for (int shift = 0; shift < int(8 * sizeof(K)); shift += kDigit) passes += (varies >> shift & (kBins - 1)) != 0;
    if (n < 100 * passes) {  // a pass costs as much as sorting some hundred items
        std::sort(items, items + n);
        return items;
    }
    int parts = parallel && n >= 2 * kGrain ? kParts : 1;
    cpu::Buffer<uint32_t> counts(parts * kBins);
    for (int shift = 0; shift < int(8 * sizeof(K)); shift += kDigit) {
        if (!(varies >> shift & (kBins - 1))) continue;  // one digit for all
        scatter_digit(items, room, n, shift, counts.data, parts, parallel);
        std::swap(items, room);
    }
    return items;
}
template Keyed<uint32_t>* sort_keyed(Keyed<uint32_t>*, Keyed<uint32_t>*, int64_t, bool);
template Keyed<uint64_t>* sort_keyed(Keyed<uint64_t>*, Keyed<uint64_t>*, int64_t, bool);

// ---------------------------------------------------------------- sort
template <class T> static void sort_lanes(const Lanes& l, bool descending, bool like_torch, const Tensor& values, const Tensor& indices) {
    auto write = [&](const Sorted<T>& s, int64_t lane, int64_t a, int64_t b) {
        const T* x = l.memory.data<T>() + lane * l.n;
        T* v = values.data<T>() + lane * l.n;
        int64_t* at = indices.data<int64_t>() + lane * l.n;
        for (int64_t i = a; i < b; i++) at[i] = s.items[i].at, v[i] = x[s.items[i].at];
    };
    if (l.count == 1) {
        Sorted<T> s(l.n);
        s.run(l.memory.data<T>(), l.n, descending, true, like_torch);
        cpu::parallel_for(l.n, kGrain, [&](int64_t a, int64_t b) { write(s, 0, a, b); });
        return;
    }
    cpu::parallel_for(l.count, grain_for(8 * l.n), [&](int64_t a, int64_t b) {
        Sorted<T> s(l.n);
        for (int64_t i = a; i < b; i++) s.run(l.memory.data<T>() + i * l.n, l.n, descending, false, like_torch), write(s, i, 0, l.n);
    });
}

ValuesIndices sort_raw(const Tensor& self, int64_t dim, bool descending, bool stable) {
    int64_t d = wrap_dim(dim, self.dim());
    check(!self.is_complex(), " Sort does not support complex dtypes on CPU");
    if (self.is_meta() || self.numel() == 0) return {empty(self.sizes(), self.dtype(), self.device()), empty(self.sizes(), DType::Int64, self.device())};
    Tensor x = to_ordered(self);
    Lanes l = lanes(x, d);
    Tensor values = lane_result(l, l.n, x.dtype()), indices = lane_result(l, l.n, DType::Int64);
    bool radix = is_integral(self.dtype()) && self.dim() == 1 && self.numel() >= kGrain && !descending;  // stable in PyTorch, too
    bool like_torch = !stable && itemsize(self.dtype()) <= 2 && !radix;
    dispatch_ordered(x, [&](auto tag) { sort_lanes<typename decltype(tag)::type>(l, descending, like_torch, values, indices); });
    return {cast_raw(finish_lanes(l, values, l.n), self.dtype()), finish_lanes(l, indices, l.n)};
}

struct SortStable : Op<SortStable> {
    SIG("sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The elements in order along dim and where they were. NaN is the largest; equal ones keep their order if stable.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, const OptBool& stable, int64_t dim, bool descending) { return sort_raw(self, dim, descending, stable.value_or(false)); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<2>(), true, c.out<1>())}; }
};

struct Sort : Op<Sort> {
    SIG("sort(Tensor self, int dim=-1, bool descending=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The elements in order along dim and where they were. NaN is the largest; the order of equal ones is free.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool descending) { return sort_raw(self, dim, descending, false); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<1>(), true, c.out<1>())}; }
};
ValuesIndices sorted(const Tensor& self, int64_t dim, bool descending, bool stable) { return stable ? call<SortStable>(self, OptBool(true), dim, descending) : call<Sort>(self, dim, descending); }

struct SortStableLast : Composite<SortStableLast> {
    SIG("sort.stable_last(Tensor self, int dim=-1, bool descending=False, bool? stable=None, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("sort with all arguments by position.");
    FORMS(FUNCTION | METHOD | OUT);
    static constexpr bool kCastsOut = false;
    static ValuesIndices forward(const Tensor& self, int64_t dim, bool descending, const OptBool& stable) { return sorted(self, dim, descending, stable.value_or(false)); }
};
OP(Sort);
OP(SortStable);
OP(SortStableLast);

struct Argsort : Op<Argsort> {
    SIG("argsort(Tensor self, int dim=-1, bool descending=False, bool stable=False) -> Tensor");
    DOC("Where the elements of the sorted tensor are, along dim; equal ones in their order if stable.");
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, int64_t dim, bool descending, bool stable) { return std::get<1>(sort_raw(self, dim, descending, stable)); }
};
OP(Argsort);

struct Msort : Composite<Msort> {
    SIG("msort(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("The elements in order along the first dimension.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self) { return std::get<0>(sorted(self, 0, false)); }
};
OP(Msort);

// ---------------------------------------------------------------- topk
// A few of many: a list of the best k + 1 so far, which few elements get into. False where some of them are equal.
template <class T> static bool top_few(const T* x, int64_t n, int64_t k, KeyOf<T> flip, T* values, int64_t* indices) {
    constexpr int64_t kFew = 16, kBlock = 128, kShort = 64;  // a short row needs no memory here
    using K = KeyOf<T>;
    if (k > kFew || n <= k || (n < 8 * (k + 1) && n > kShort)) return false;
    Keyed<K> best[kFew + 1];
    K keys[kBlock];
    int64_t have = 0;
    auto add = [&](K key, int64_t at) {
        int64_t i = have <= k ? have++ : k;
        for (; i > 0 && key < best[i - 1].key; i--) best[i] = best[i - 1];
        best[i] = {key, uint32_t(at)};
    };
    for (int64_t begin = 0; begin < n; begin += kBlock) {
        int64_t count = std::min(kBlock, n - begin);
        K least = fill_keys(x + begin, count, flip, keys);
        if (have > k && least >= best[k].key) continue;
        for (int64_t i = 0; i < count; i++)
            if (have <= k || keys[i] < best[k].key) add(keys[i], begin + i);
    }
    for (int64_t i = 0; i < k; i++)
        if (best[i].key == best[i + 1].key) return false;
    for (int64_t i = 0; i < k; i++) indices[i] = best[i].at, values[i] = x[best[i].at];
    return true;
}
RL_CLONES static int64_t count_equal(const float* x, int64_t n, float v) {
    int32_t r = 0;
    for (int64_t i = 0; i < n; i++) r += x[i] == v;
    return r;
}
RL_CLONES static int64_t count_equal(const double* x, int64_t n, double v) {
    int64_t r = 0;
    for (int64_t i = 0; i < n; i++) r += x[i] == v;
    return r;
}
// The best one of many. False where another equals it, or it is NaN.
template <class T> static bool top_one(const T* x, int64_t n, bool largest, T* value, int64_t* index) {
    if constexpr (std::is_floating_point_v<T>) {
        if (n < 64 || n > std::numeric_limits<int32_t>::max()) return false;
        int64_t at = largest ? cpu::kernels().reduce<T>().argmax(x, n) : cpu::kernels().reduce<T>().argmin(x, n);
        if (count_equal(x, n, x[at]) != 1) return false;
        *index = at, *value = x[at];
        return true;
    }
    return false;
}
// The k best of a row. Keys alone are compared, so which of equal elements come out is the library's choice, as in PyTorch.
template <class T> static void top_of_row(const T* x, int64_t n, int64_t k, bool largest, bool in_order, std::vector<Keyed<KeyOf<T>>>& items, T* values, int64_t* indices) {
    using K = KeyOf<T>;
    K flip = largest ? ~K(0) : K(0);
    if (k == 1 && top_one(x, n, largest, values, indices)) return;
    if ((in_order || k * 64 <= n) && top_few(x, n, k, flip, values, indices)) return;
    items.resize(size_t(n));
    for (int64_t i = 0; i < n; i++) items[size_t(i)] = {K(sort_key(x[i]) ^ flip), uint32_t(i)};
    if (k * 64 <= n) std::partial_sort(items.begin(), items.begin() + k, items.end(), ByKey());
    else {
        std::nth_element(items.begin(), items.begin() + k - 1, items.end(), ByKey());
        if (in_order) std::sort(items.begin(), items.begin() + k - 1, ByKey());
    }
    for (int64_t i = 0; i < k; i++) indices[i] = items[size_t(i)].at, values[i] = x[items[size_t(i)].at];
}
static ValuesIndices topk_raw(const Tensor& self, int64_t k, int64_t dim, bool largest, bool in_order) {
    int64_t d = wrap_dim(dim, self.dim());
    check(!self.is_complex(), " topk does not support complex dtypes on CPU");
    check(self.dtype() != DType::Bool, "topk does not support bool dtypes on CPU");
    check(k >= 0 && k <= (self.dim() ? self.sizes()[d] : 1), "selected index k out of range (topk: k = ", k, " for a dimension of ", self.dim() ? self.sizes()[d] : 1, ")");
    Dims sizes = self.sizes();
    if (self.dim()) sizes[d] = k;
    else k = 1;  // the one element, also of none
    if (self.is_meta() || product(sizes) == 0) return {empty(sizes, self.dtype(), self.device()), empty(sizes, DType::Int64, self.device())};
    Tensor x = to_ordered(self);
    Lanes l = lanes(x, d);
    Tensor values = lane_result(l, k, x.dtype()), indices = lane_result(l, k, DType::Int64);
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        cpu::parallel_for(l.count, grain_for(8 * l.n), [&](int64_t a, int64_t b) {
            std::vector<Keyed<KeyOf<T>>> items;
            for (int64_t i = a; i < b; i++) top_of_row(l.memory.data<T>() + i * l.n, l.n, k, largest, in_order, items, values.data<T>() + i * k, indices.data<int64_t>() + i * k);
        });
    });
    return {cast_raw(finish_lanes(l, values, k), self.dtype()), finish_lanes(l, indices, k)};
}

struct Topk : Op<Topk> {
    SIG("topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)");
    DOC("The k largest (or smallest) elements along dim, in order, and where they are.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<Out<1>>;
    static ValuesIndices forward(const Tensor& self, int64_t k, int64_t dim, bool largest, bool sorted) { return topk_raw(self, k, dim, largest, sorted); }
    static Grads backward(Ctx& c, const Grads& g) { return {selection_gradient(g[0], c.sizes<0>(), c.arg<2>(), true, c.out<1>())}; }
};
OP(Topk);

}  // namespace rl
