// Orders of elements as unsigned integers: sorting by these keys is sorting by value, -0 equal to 0 and NaN last.
#pragma once
#include "ops/reduce.h"

namespace rl {

template <class T> using KeyOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> inline KeyOf<T> sort_key(T v) {
    using K = KeyOf<T>;
    constexpr K top = K(1) << (8 * sizeof(K) - 1);
    if constexpr (std::is_floating_point_v<T>) {
        K u = std::bit_cast<K>(v + T(0));  // -0 becomes 0
        if (v != v) return ~K(0);
        return u & top ? ~u : u | top;
    } else if constexpr (std::is_signed_v<T>) return K(std::conditional_t<sizeof(T) == 8, int64_t, int32_t>(v)) ^ top;
    else return K(v);
}

// The keys of n elements, with the bits of flip inverted. The result is the smallest of them.
template <class T> KeyOf<T> fill_keys(const T* x, int64_t n, KeyOf<T> flip, KeyOf<T>* keys);

// The place of the k-th smallest of at most kSmallRow keys in a stable order; the array has room for so many.
constexpr int64_t kSmallRow = 128;
template <class K> int64_t kth_of_few(const K* keys, int64_t n, int64_t k);
extern template int64_t kth_of_few(const uint32_t*, int64_t, int64_t);
extern template int64_t kth_of_few(const uint64_t*, int64_t, int64_t);

// An element to be sorted: its key and where it was.
template <class K> struct Keyed {
    K key;
    uint32_t at;
    bool operator<(const Keyed& o) const { return key != o.key ? key < o.key : at < o.at; }
};
struct ByKey {
    template <class K> bool operator()(const Keyed<K>& a, const Keyed<K>& b) const { return a.key < b.key; }
};

// Sorts items by key, equal ones in the order of `at`, which is theirs on entry. room: as many items. The result is where
// the return value points: items or room. Several threads where `parallel`.
template <class K> Keyed<K>* sort_keyed(Keyed<K>* items, Keyed<K>* room, int64_t n, bool parallel);
extern template Keyed<uint32_t>* sort_keyed(Keyed<uint32_t>*, Keyed<uint32_t>*, int64_t, bool);
extern template Keyed<uint64_t>* sort_keyed(Keyed<uint64_t>*, Keyed<uint64_t>*, int64_t, bool);

// The order of n elements by value.
template <class T> struct Sorted {
    using K = KeyOf<T>;
    cpu::Buffer<Keyed<K>> a, b;
    Keyed<K>* items = nullptr;
    explicit Sorted(int64_t n) : a(n), b(n) {}
    // Where the order of equal elements is free, `like_torch` has them as std::sort leaves them, which PyTorch uses.
    void run(const T* x, int64_t n, bool descending = false, bool parallel = false, bool like_torch = false) {
        check(n <= int64_t(UINT32_MAX), Err::NotImplemented, "sorting more than 2^32 - 1 elements along one dimension is not supported");
        K flip = descending ? ~K(0) : K(0);
        cpu::parallel_for(n, parallel ? kGrain : n + 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i++) a.data[i] = {K(sort_key(x[i]) ^ flip), uint32_t(i)};
        });
        if (like_torch) std::sort(a.data, a.data + n, ByKey()), items = a.data;
        else items = sort_keyed(a.data, b.data, n, parallel);
    }
};

// The type in which elements of type t are put in order: five for all, and the loops are compiled for these alone.
inline DType ordered_type(DType t) {
    t = compute_type(t);
    if (t == DType::UInt32) return DType::Int64;
    return !is_inexact(t) && itemsize(t) < 4 ? DType::Int32 : t;
}
inline Tensor to_ordered(const Tensor& t) { return !is_inexact(t.dtype()) ? cast_raw(t, ordered_type(t.dtype())) : to_compute(t); }
// f(Tag<T>) for a type that ordered_type gives.
template <class F> void dispatch_ordered(const Tensor& t, F&& f) {
    switch (t.dtype()) {
        case DType::Int32: return f(Tag<int32_t>{});
        case DType::Int64: return f(Tag<int64_t>{});
        case DType::UInt64: return f(Tag<uint64_t>{});
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        default: raise(Err::NotImplemented, "'", title(t.dtype()), "' has no order");
    }
}

// The stable sort is the faster one and the default. Elements of 8 and 16 bits have so many equals that an order of them is
// seen in results: unless `stable` is asked for, it is PyTorch's.
ValuesIndices sort_raw(const Tensor& self, int64_t dim, bool descending, bool stable);
ValuesIndices sorted(const Tensor& self, int64_t dim, bool descending, bool stable = false);  // recorded

}  // namespace rl
