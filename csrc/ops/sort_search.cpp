// Searching in sorted sequences: searchsorted, bucketize, isin.
#include "ops/sort.h"

#include "cpu/clones.h"

namespace rl {

// ---------------------------------------------------------------- searchsorted
struct Search {
    bool int32, right;
};
static bool goes_right(bool right, const OptStr& side) {
    check(!side || *side == "left" || *side == "right", "torch.searchsorted(): side can only be 'left' or 'right' but got ", side.value_or(""));
    check(!(side && *side == "left" && right), "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
    return right || (side && *side == "right");
}
static void check_search(const Tensor& sequence, const Tensor& values, const Tensor& sorter) {
    check(sequence.device() == values.device(), "torch.searchsorted(): boundaries and input value tensors should have same device type, but got boundaries tensor device type ",
          device_name(sequence.device()), " and input value tensor device type ", device_name(values.device()));
    if (sorter) {
        check(same(sorter.sizes(), sequence.sizes()), "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor ", sequence.sizes(), "and got sorter tensor ", sorter.sizes());
        check(sorter.dtype() == DType::Int64, "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ", title(sorter.dtype()));
    }
    check(values.dim() > 0 || sequence.dim() == 1, "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim(", sequence.dim(),
          ") and input value's dim(", values.dim(), ") numel(", values.numel(), ")");
    check(sequence.dim() != 0, "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension");
    if (sequence.dim() > 1) {
        bool fits = sequence.dim() == values.dim();
        for (int64_t d = 0; fits && d + 1 < sequence.dim(); d++) fits = sequence.sizes()[d] == values.sizes()[d];
        check(fits, "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor ",
              sequence.sizes(), " and input value tensor ", values.sizes());
    }
    for (const Tensor* t : {&sequence, &values})
        check(!t->is_complex() && t->dtype() != DType::Bool, Err::NotImplemented, "\"searchsorted_out_cpu\" not implemented for '", title(t->dtype()), "'");
}

// Many values in one sequence of n keys: all take the same steps, each a selection.
template <class K> RL_CLONES static void search_step(const K* __restrict keys, const K* __restrict wanted, int32_t* __restrict at, int32_t half, bool right, int64_t n) {
    if (right)
        for (int64_t i = 0; i < n; i++) at[i] += half & -int32_t(keys[at[i] + half - 1] <= wanted[i]);
    else
        for (int64_t i = 0; i < n; i++) at[i] += half & -int32_t(keys[at[i] + half - 1] < wanted[i]);
}
template <class T> static void search_many(const T* row, int64_t n, const T* values, int64_t count, bool right, int64_t* found) {
    using K = KeyOf<T>;
    constexpr int64_t kBlock = 512;
    cpu::Buffer<K> keys(n);
    fill_keys(row, n, K(0), keys.data);
    cpu::parallel_for(count, kGrain / 16, [&](int64_t a, int64_t b) {
        K wanted[kBlock];
        int32_t at[kBlock];
        for (int64_t begin = a; begin < b; begin += kBlock) {
            int64_t m = std::min(kBlock, b - begin), left = n;
            fill_keys(values + begin, m, K(0), wanted);
            std::fill_n(at, m, 0);
            for (; left > 1; left -= left / 2) search_step<K>(keys.data, wanted, at, int32_t(left / 2), right, m);
            search_step<K>(keys.data, wanted, at, 1, right, m);
            std::copy_n(at, m, found + begin);
        }
    });
}

static Tensor search_raw(const Tensor& sequence, const Tensor& values, const Search& how, const Tensor& sorter) {
    check_search(sequence, values, sorter);
    DType result = how.int32 ? DType::Int32 : DType::Int64;
    if (values.is_meta()) return empty(values.sizes(), result, values.device());
    DType t = ordered_type(promote(sequence.dtype(), values.dtype()));
    Tensor s = cast_raw(sequence, t), v = cast_raw(values, t), order = sorter ? contiguous(sorter) : sorter, r = empty(values.sizes(), DType::Int64);
    int64_t n = s.sizes().back(), per_row = s.dim() > 1 ? v.sizes().back() : std::max<int64_t>(v.numel(), 1);
    if (order)
        for (int64_t i = 0; i < order.numel(); i++) check(order.data<int64_t>()[i] >= 0 && order.data<int64_t>()[i] < n, Err::Index, "torch.searchsorted(): sorter index out of range");
    dispatch_ordered(s, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T *rows = s.data<T>(), *wanted = v.data<T>();
        const int64_t* orders = order ? order.data<int64_t>() : nullptr;
        int64_t* found = r.data<int64_t>();
        bool many = s.dim() > 1;
        if (!many && !orders && n > 0 && v.numel() >= 64 && n <= std::min<int64_t>(4 * v.numel(), INT32_MAX)) return search_many(rows, n, wanted, v.numel(), how.right, found);
        cpu::parallel_for(v.numel(), kGrain / 16, [=](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) {
                int64_t skip = many ? i / per_row * n : 0;
                const T* row = rows + skip;
                const int64_t* at = orders ? orders + skip : nullptr;
                T x = wanted[i];
                int64_t low = 0, high = n;
                while (low < high) {
                    int64_t middle = (low + high) / 2;
                    T m = row[at ? at[middle] : middle];
                    if (how.right ? !order_less(x, m) : order_less(m, x)) low = middle + 1;
                    else high = middle;
                }
                found[i] = low;
            }
        });
    });
    return cast_raw(r, result);
}
static Tensor number_like(const Scalar& v, const Tensor& t) { return scalar_tensor(v, is_floating(t.dtype()) ? t.dtype() : v.dtype(), t.device()); }

struct Searchsorted : Op<Searchsorted> {
    SIG("searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None, Tensor? out=None) -> Tensor");
    DOC("Where each value belongs in the sorted last dimension: before equal elements, or after them with right.");
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& sequence, const Tensor& self, bool int32, bool right, const OptStr& side, const Tensor& sorter) { return search_raw(sequence, self, {int32, goes_right(right, side)}, sorter); }
};
OP(Searchsorted);
struct SearchsortedScalar : Op<SearchsortedScalar> {
    SIG("searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None, Tensor? out=None) -> Tensor");
    DOC("Where a number belongs in a sorted vector.");
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& sequence, const Scalar& self, bool int32, bool right, const OptStr& side, const Tensor& sorter) {
        return search_raw(sequence, number_like(self, sequence), {int32, goes_right(right, side)}, sorter);
    }
};
OP(SearchsortedScalar);

static void check_boundaries(const Tensor& b) { check(b.dim() == 1, "boundaries tensor must be 1 dimension, but got dim(", b.dim(), ")"); }
struct Bucketize : Op<Bucketize> {
    SIG("bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False, Tensor? out=None) -> Tensor");
    DOC("The bucket of each element: boundaries[i-1] < x <= boundaries[i], or with right boundaries[i-1] <= x < boundaries[i].");
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, const Tensor& boundaries, bool int32, bool right) {
        check_boundaries(boundaries);
        return search_raw(boundaries, self, {int32, right}, {});
    }
};
OP(Bucketize);
struct BucketizeScalar : Op<BucketizeScalar> {
    SIG("bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor");
    DOC("The bucket of a number.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensor forward(const Scalar& self, const Tensor& boundaries, bool int32, bool right) {
        check_boundaries(boundaries);
        return search_raw(boundaries, number_like(self, boundaries), {int32, right}, {});
    }
};
OP(BucketizeScalar);

// ---------------------------------------------------------------- isin
template <class T> RL_CLONES static void mark_equal(const T* __restrict x, const T* set, int64_t count, uint8_t invert, uint8_t* __restrict found, int64_t n) {
    for (int64_t i = 0; i < n; i++) found[i] = invert;
    for (int64_t k = 0; k < count; k++)
        for (int64_t i = 0; i < n; i++) found[i] = invert ? found[i] & (x[i] != set[k]) : found[i] | (x[i] == set[k]);
}
// Among a few values: compared with each of them.
template <class T> static void find_few(const T* x, const std::vector<T>& set, bool invert, uint8_t* found, int64_t begin, int64_t end) {
    constexpr int64_t kBlock = 1024;
    for (; begin < end; begin += kBlock) mark_equal(x + begin, set.data(), int64_t(set.size()), uint8_t(invert), found + begin, std::min(kBlock, end - begin));
}
// Many among many: both in order, side by side.
template <class T> static void find_merging(const T* x, int64_t n, const T* y, int64_t count, bool invert, uint8_t* found) {
    Sorted<T> elements(n), set(count);
    elements.run(x, n, false, true), set.run(y, count, false, true);
    auto *a = elements.items, *b = set.items, *end = b + count;
    for (int64_t i = 0; i < n; i++) {
        while (b != end && b->key < a[i].key) b++;
        bool equal = b != end && b->key == a[i].key && !is_nan(x[a[i].at]);  // NaN equals nothing
        found[a[i].at] = equal != invert;
    }
}

static Tensor isin_raw(const Tensor& elements, const Tensor& test, bool invert) {
    for (const Tensor* t : {&elements, &test})
        check(!t->is_complex() && t->dtype() != DType::Bool, "Unsupported input type encountered for isin(): ", title(t->dtype()));
    for (auto* t : {&elements, &test}) check(!t->is_complex(), "Unsupported input type encountered for isin(): ", title(t->dtype()));
    if (elements.is_meta() || test.is_meta()) return empty(elements.sizes(), DType::Bool, Device::Meta);
    DType type = ordered_type(promote(elements.dtype(), test.dtype()));
    Tensor x = cast_raw(elements, type), y = cast_raw(test, type), r = empty(elements.sizes(), DType::Bool);
    dispatch_ordered(x, [&](auto tag) {
        using T = typename decltype(tag)::type;
        std::vector<T> set;
        const T *p = x.data<T>(), *q = y.data<T>();
        uint8_t* found = r.data<uint8_t>();
        if (y.numel() > 1024 && x.numel() > y.numel() / 8 && std::max(x.numel(), y.numel()) < int64_t(UINT32_MAX)) return find_merging(p, x.numel(), q, y.numel(), invert, found);
        if (x.numel() <= 8) {  // few among many: the set is looked through, not put in order
            for (int64_t i = 0; i < x.numel(); i++) found[i] = (std::find(q, q + y.numel(), p[i]) != q + y.numel()) != invert;
            return;
        }
        std::copy_if(q, q + y.numel(), std::back_inserter(set), [](T v) { return !is_nan(v); });  // NaN equals nothing
        std::sort(set.begin(), set.end());
        cpu::parallel_for(x.numel(), kGrain / 16, [&](int64_t a, int64_t b) {
            if (set.size() <= 32) return find_few(p, set, invert, found, a, b);
            for (int64_t i = a; i < b; i++) found[i] = (!is_nan(p[i]) && std::binary_search(set.begin(), set.end(), p[i])) != invert;
        });
    });
    return r;
}
struct Isin : Op<Isin> {
    SIG("isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False, Tensor? out=None) -> Tensor");
    DOC("Whether each element is among test_elements, or with invert is not.");
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& elements, const Tensor& test, bool, bool invert) { return isin_raw(elements, test, invert); }
};
OP(Isin);
struct IsinTensorScalar : Op<IsinTensorScalar> {
    SIG("isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False, Tensor? out=None) -> Tensor");
    DOC("Whether each element equals a number.");
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& elements, const Scalar& test, bool, bool invert) { return isin_raw(elements, number_like(test, elements), invert); }
};
OP(IsinTensorScalar);
struct IsinScalarTensor : Op<IsinScalarTensor> {
    SIG("isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False, Tensor? out=None) -> Tensor");
    DOC("Whether a number is among test_elements.");
    FORMS(FUNCTION | OUT);
    NO_GRADIENT;
    static Tensor forward(const Scalar& element, const Tensor& test, bool, bool invert) { return isin_raw(number_like(element, test), test, invert); }
};
OP(IsinScalarTensor);

}  // namespace rl
