// Distinct elements: unique and its relatives.
#include "ops/sort.h"

namespace rl {

using Triple = std::tuple<Tensor, Tensor, Tensor>;

// ---------------------------------------------------------------- rows that differ from the one before
// order: positions in which equal ones are neighbours; same(i, j): are the elements at positions i and j equal. Fills the
// position of the first of each run, inverse (by position) and counts.
struct Runs {
    std::vector<int64_t> first, count, inverse;
};
template <class At, class Same> static Runs find_runs(int64_t n, At&& at, Same&& same) {
    Runs r;
    r.inverse.resize(size_t(n));
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || !same(at(i - 1), at(i))) r.first.push_back(at(i)), r.count.push_back(0);
        r.count.back()++;
        r.inverse[size_t(at(i))] = int64_t(r.first.size()) - 1;
    }
    return r;
}
static Tensor from_list(const std::vector<int64_t>& v, const Dims& sizes) {
    Tensor t = empty(sizes, DType::Int64);
    std::copy(v.begin(), v.end(), t.data<int64_t>());
    return t;
}
static Tensor nothing() { return empty(Dims{0}, DType::Int64); }
static void check_data(const char* op, const Tensor& t) {
    check(!t.is_meta(), Err::NotImplemented, op, ": the shape of the result depends on data, which a meta tensor does not have");
    check(!t.is_complex(), Err::NotImplemented, "\"", op, "\" not implemented for '", title(t.dtype()), "'");
}
// The first n elements of t, in memory of their own where t has much more.
static Tensor trimmed(const Tensor& t, int64_t n) {
    Tensor part = alias(t, Dims{n}, Dims{1}, 0);
    return n * 2 < t.numel() ? clone_raw(part) : part;
}
// The first of each run. What is written for an element that is no first, the next one overwrites.
template <class T> static Triple runs_of(const Tensor& x, const Dims& sizes, bool want_inverse, bool want_counts) {
    int64_t n = x.numel(), k = 0;
    Tensor values = empty(Dims{n}, x.dtype()), inverse = want_inverse ? empty(sizes, DType::Int64) : nothing(), starts = want_counts ? empty(Dims{n}, DType::Int64) : nothing();
    const T* p = x.data<T>();
    T* v = values.data<T>();
    int64_t *to = want_inverse ? inverse.data<int64_t>() : nullptr, *start = want_counts ? starts.data<int64_t>() : nullptr;
    auto loop = [&](auto also) {
        for (int64_t i = 0; i < n; i++) {
            v[k] = p[i];
            bool fresh = i == 0 || !(p[i - 1] == p[i]);
            also(i, fresh);
            k += fresh;
        }
    };
    if (!to && !start) loop([](int64_t, bool) {});
    else
        loop([&](int64_t i, bool fresh) {
            if (start) start[k] = i;
            if (to) to[i] = k - 1 + fresh;
        });
    if (start)
        for (int64_t i = 0; i < k; i++) start[i] = (i + 1 < k ? start[i + 1] : n) - start[i];
    return {trimmed(values, k), inverse, want_counts ? trimmed(starts, k) : starts};
}
// Integers from a narrow range, low..low + range - 1, are counted.
template <class T> static Triple counted(const Tensor& x, const Dims& sizes, T low, int64_t range, bool want_inverse, bool want_counts) {
    int64_t n = x.numel(), found = 0;
    const T* p = x.data<T>();
    std::vector<int64_t> table(static_cast<size_t>(range));
    for (int64_t i = 0; i < n; i++) table[size_t(p[i]) - size_t(low)]++;
    for (int64_t c : table) found += c != 0;
    Tensor values = empty(Dims{found}, x.dtype()), inverse = want_inverse ? empty(sizes, DType::Int64) : nothing(), counts = want_counts ? empty(Dims{found}, DType::Int64) : nothing();
    int64_t k = 0;
    for (size_t i = 0; i < table.size(); i++) {
        if (!table[i]) continue;
        values.data<T>()[k] = T(size_t(low) + i);
        if (want_counts) counts.data<int64_t>()[k] = table[i];
        table[i] = k++;  // from now on the place in the result
    }
    if (want_inverse)
        for (int64_t i = 0; i < n; i++) inverse.data<int64_t>()[i] = table[size_t(p[i]) - size_t(low)];
    return {values, inverse, counts};
}
template <class T> static int64_t range_of(const T* p, int64_t n, T& low) {
    T high = low = n ? p[0] : T(0);
    for (int64_t i = 0; i < n; i++) low = std::min(low, p[i]), high = std::max(high, p[i]);
    uint64_t range = uint64_t(high) - uint64_t(low);
    return range < uint64_t(1) << 20 ? int64_t(range) + 1 : INT64_MAX;
}

template <bool Sort> static Triple unique_flat(const char* op, const Tensor& self, bool want_inverse, bool want_counts) {
    check_data(op, self);
    Tensor flat = contiguous(self), x = to_ordered(flat);
    int64_t n = x.numel();
    Triple r;
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* p = x.data<T>();
        if constexpr (Sort) {
            if constexpr (std::is_integral_v<T>) {
                T low;
                if (int64_t range = range_of(p, n, low); range <= 2 * n + 256) return void(r = counted<T>(x, self.sizes(), low, range, want_inverse, want_counts));
            }
            auto [values, order] = sort_raw(alias(x, Dims{n}, Dims{1}, x->offset), 0, false, true);
            r = runs_of<T>(values, Dims{n}, want_inverse, want_counts);
            if (!want_inverse) return;
            Tensor inverse = empty(self.sizes(), DType::Int64);
            const int64_t *at = order.data<int64_t>(), *run = std::get<1>(r).data<int64_t>();
            for (int64_t i = 0; i < n; i++) inverse.data<int64_t>()[at[i]] = run[i];
            std::get<1>(r) = inverse;
        } else r = runs_of<T>(x, self.sizes(), want_inverse, want_counts);
    });
    std::get<0>(r) = cast_raw(std::get<0>(r), self.dtype());
    return r;
}

// The distinct slices along dim, in lexicographic order or as they follow each other.
template <bool Sort> static Triple unique_slices(const char* op, const Tensor& self, int64_t dim, bool want_inverse, bool want_counts) {
    check_data(op, self);
    int64_t d = wrap_dim(dim, self.dim());
    if (self.dim() == 0) return unique_flat<Sort>(op, self, want_inverse, want_counts);
    int64_t n = self.sizes()[d];
    for (int64_t i = 0; i < self.dim(); i++) check(i == d || self.sizes()[i] != 0 || n == 0, "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
    Dims order{d};
    for (int64_t i = 0; i < self.dim(); i++)
        if (i != d) order.push_back(i);
    Dims sizes, strides;
    for (int64_t i : order) sizes.push_back(self.sizes()[i]), strides.push_back(self.strides()[i]);
    Tensor plain = resolve(self), slices = contiguous(alias(plain, sizes, strides, plain->offset)), x = to_ordered(slices);
    int64_t width = n ? x.numel() / n : 0;
    Runs r;
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* p = x.data<T>();
        std::vector<int64_t> at(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; i++) at[size_t(i)] = i;
        if (Sort)
            std::stable_sort(at.begin(), at.end(), [&](int64_t i, int64_t j) { return std::lexicographical_compare(p + i * width, p + (i + 1) * width, p + j * width, p + (j + 1) * width, order_less<T>); });
        r = find_runs(n, [&](int64_t i) { return at[size_t(i)]; }, [&](int64_t i, int64_t j) { return std::equal(p + i * width, p + (i + 1) * width, p + j * width); });
    });
    int64_t found = int64_t(r.first.size()), bytes = width * itemsize(slices.dtype());
    sizes[0] = found;
    Tensor t = empty(sizes, slices.dtype());
    for (int64_t i = 0; i < found; i++) std::memcpy(t.raw() + i * bytes, slices.raw() + r.first[size_t(i)] * bytes, size_t(bytes));
    Dims back(static_cast<size_t>(self.dim()));
    for (size_t i = 0; i < order.size(); i++) back[size_t(order[i])] = int64_t(i);
    Dims out_sizes, out_strides;
    for (int64_t i : back) out_sizes.push_back(t.sizes()[i]), out_strides.push_back(t.strides()[i]);
    return {contiguous(alias(t, out_sizes, out_strides, t->offset)), want_inverse ? from_list(r.inverse, Dims{n}) : nothing(), want_counts ? from_list(r.count, Dims{found}) : nothing()};
}

// ---------------------------------------------------------------- operators with all three results
struct Unique2 : Op<Unique2> {
    SIG("_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)");
    DOC("Distinct elements in order, where each element went, and how often each occurs.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Triple forward(const Tensor& self, bool, bool inverse, bool counts) { return unique_flat<true>("unique", self, inverse, counts); }
};
OP(Unique2);
struct UniqueDim : Op<UniqueDim> {
    SIG("unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)");
    DOC("Distinct slices along dim in lexicographic order, where each slice went, and how often each occurs.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Triple forward(const Tensor& self, int64_t dim, bool, bool inverse, bool counts) { return unique_slices<true>("unique_dim", self, dim, inverse, counts); }
};
OP(UniqueDim);
struct UniqueRuns : Op<UniqueRuns> {
    SIG("_unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)");
    DOC("The first element (or slice along dim) of each run of equal ones, where each went, and how long each run is.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Triple forward(const Tensor& self, bool inverse, bool counts, const OptInt& dim) {
        return dim ? unique_slices<false>("unique_consecutive", self, *dim, inverse, counts) : unique_flat<false>("unique_consecutive", self, inverse, counts);
    }
};
OP(UniqueRuns);

// ---------------------------------------------------------------- functions with as many results as were asked for
struct AsAsked {
    Triple all;
    bool inverse, counts;
};
template <> struct To<AsAsked> {
    static PyObject* box(const AsAsked& a) {
        auto& [values, inverse, counts] = a.all;
        if (!a.inverse && !a.counts) return To<Tensor>::box(values);
        Tensors list{values};
        if (a.inverse) list.push_back(inverse);
        if (a.counts) list.push_back(counts);
        return tensors_to_python(list);
    }
};
struct Unique : Composite<Unique> {
    SIG("unique(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Any");
    DOC("Distinct elements (or slices along dim) in order; on demand where each element went and how often each occurs.");
    static AsAsked forward(const Tensor& self, bool sorted, bool inverse, bool counts, const OptInt& dim) {
        return {dim ? call<UniqueDim>(self, *dim, sorted, inverse, counts) : call<Unique2>(self, sorted, inverse, counts), inverse, counts};
    }
};
OP(Unique);
struct UniqueConsecutive : Composite<UniqueConsecutive> {
    SIG("unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Any");
    DOC("The first of each run of equal elements (or slices along dim); on demand where each went and how long each run is.");
    static AsAsked forward(const Tensor& self, bool inverse, bool counts, const OptInt& dim) { return {call<UniqueRuns>(self, inverse, counts, dim), inverse, counts}; }
};
OP(UniqueConsecutive);

}  // namespace rl
