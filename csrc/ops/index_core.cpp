#include "ops/index_core.h"

#include <cmath>
#include <limits>

#include "cpu/clones.h"
#include "cpu/kernels.h"

namespace rl {

Tensor index_values(const Tensor& index) { return cast_raw(index, DType::Int64); }

[[noreturn]] static void out_of_range(int64_t v, int64_t size, int64_t dim, BadIndex kind) {
    if (kind == BadIndex::RangeInSelf) raise(Err::Index, "index out of range in self: index ", v, " is out of bounds for dimension ", dim, " with size ", size);
    if (kind == BadIndex::Tried) raise(Err::Index, "out of range: tried to access index ", v, " on a tensor of ", size, " elements.");
    raise(kind == BadIndex::Index ? Err::Index : Err::Runtime, "index ", v, " is out of bounds for dimension ", dim, " with size ", size);
}

RL_CLONES static bool all_below(const int64_t* p, int64_t n, uint64_t size) {
    uint64_t bad = 0;  // its sign: one of the values, or size - 1 less one, is negative
    for (int64_t i = 0; i < n; i++) bad |= uint64_t(p[i]) | (size - 1 - uint64_t(p[i]));
    return int64_t(bad) >= 0;
}
void check_range(const int64_t* index, int64_t n, int64_t size, int64_t dim, BadIndex kind) {
    if (all_below(index, n, uint64_t(size))) return;
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= size) out_of_range(index[i], size, dim, kind);
}

Tensor checked_indices(const Tensor& index, int64_t size, int64_t dim, bool wrap, BadIndex kind) {
    Tensor t = index_values(index);
    const int64_t* p = t.data<int64_t>();
    int64_t n = t.numel();
    if (all_below(p, n, uint64_t(size))) return t;
    bool negative = false;
    for (int64_t i = 0; i < n; i++) {
        if (p[i] >= size || p[i] < (wrap ? -size : 0)) out_of_range(p[i], size, dim, kind);
        negative |= p[i] < 0;
    }
    if (!negative) return t;
    Tensor r = empty(t.sizes(), DType::Int64);
    int64_t* q = r.data<int64_t>();
    for (int64_t i = 0; i < n; i++) q[i] = p[i] < 0 ? p[i] + size : p[i];
    return r;
}

std::vector<int64_t> offsets_of(Ints sizes, Ints strides) {
    std::vector<int64_t> r(1, 0);
    for (size_t d = 0; d < sizes.size(); d++) {
        std::vector<int64_t> next;
        next.reserve(r.size() * size_t(sizes[d]));
        for (int64_t o : r)
            for (int64_t i = 0; i < sizes[d]; i++) next.push_back(o + i * strides[d]);
        r = std::move(next);
    }
    return r;
}

void Places::set_inner(Ints sizes, Ints strides) {
    width = 1, run = true;
    for (size_t d = sizes.size(); d-- > 0;) {
        run = run && (sizes[d] == 1 || strides[d] == width);
        width *= sizes[d];
    }
    if (!run) inner = offsets_of(sizes, strides);
}

Places places_along(const Tensor& t, int64_t dim, const Tensor& checked) {
    Places p;
    const int64_t* v = checked.data<int64_t>();
    p.index.assign(v, v + checked.numel());
    size_t d = size_t(dim);
    if (t.dim() == 0) {
        p.outer = {0};
        p.set_inner({}, {});
        return p;
    }
    if (int64_t s = t.strides()[d]; s != 1)
        for (auto& i : p.index) i *= s;
    p.outer = offsets_of(Ints(t.sizes()).first(d), Ints(t.strides()).first(d));
    p.set_inner(Ints(t.sizes()).subspan(d + 1), Ints(t.strides()).subspan(d + 1));
    return p;
}

// Eight plain loads at a time, as the gather instructions of most processors are slower.
template <class T> void read_run(T* __restrict out, const T* __restrict base, const int64_t* __restrict index, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) out[i + k] = base[index[i + k]];
    }
    for (; i < n; i++) out[i] = base[index[i]];
}
template void read_run(uint8_t*, const uint8_t*, const int64_t*, int64_t);
template void read_run(uint16_t*, const uint16_t*, const int64_t*, int64_t);
template void read_run(uint32_t*, const uint32_t*, const int64_t*, int64_t);
template void read_run(uint64_t*, const uint64_t*, const int64_t*, int64_t);
template void read_run(Bytes16*, const Bytes16*, const int64_t*, int64_t);

void read_places(char* out, const char* in, const Places& p, int64_t size) {
    int64_t n = int64_t(p.index.size()), w = p.width;
    if (w == 0 || n == 0) return;
    int64_t grain = grain_for(w);
    dispatch_size(size, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* o = reinterpret_cast<T*>(out);
        const T* s = reinterpret_cast<const T*>(in);
        cpu::parallel_for(p.rows(), grain, [&](int64_t a, int64_t b) {
            for (int64_t r = a; r < b;) {  // an outer place, or what of it belongs to this part
                int64_t first = r % n, count = std::min(n - first, b - r);
                const T* base = s + p.outer[size_t(r / n)];
                const int64_t* index = p.index.data() + first;
                T* to = o + r * w;
                if (w == 1 && p.run)
                    read_run(to, base, index, count);
                else if (p.run)
                    cpu::kernels().gather_rows(to, base, index, int64_t(sizeof(T)), w * int64_t(sizeof(T)), count);
                else
                    for (int64_t i = 0; i < count; i++)
                        for (int64_t k = 0; k < w; k++) to[i * w + k] = base[index[i] + p.inner[size_t(k)]];
                r += count;
            }
        });
    });
}

Tensor apart_from(const Tensor& out, const Tensor& src) {
    Tensor s = resolve(src);
    if (s->storage.get() != out->storage.get() || s.numel() == 0 || out.numel() == 0) return s;
    int64_t a0 = out->offset, a1 = a0 + span(out.sizes(), out.strides()), b0 = s->offset, b1 = b0 + span(s.sizes(), s.strides());
    bool dense = is_non_overlapping_and_dense(out) && is_non_overlapping_and_dense(s);
    check(!dense || a1 <= b0 || b1 <= a0, "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.");
    return a1 <= b0 || b1 <= a0 ? s : clone_raw(s);
}

// Without a branch, which for an unordered mask would be mispredicted.
template <class T> RL_CLONES static void masked_loop(T* out, const T* in, const uint8_t* mask, T value, int64_t n) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        T m = T(-T(mask[i]));
        out[i] = T((value & m) | (in[i] & T(~m)));
    }
}
void masked_run(char* out, const char* in, const bool* mask, const char* value, int64_t n, int64_t size) {
    dispatch_size(size, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T *to = reinterpret_cast<T*>(out), v;
        const T* from = reinterpret_cast<const T*>(in);
        std::memcpy(&v, value, sizeof v);
        if constexpr (std::is_same_v<T, Bytes16>)
            for (int64_t i = 0; i < n; i++) to[i] = mask[i] ? v : from[i];
        else masked_loop(to, from, reinterpret_cast<const uint8_t*>(mask), v, n);
    });
}

void masked_fill_raw(const Tensor& out, const Tensor& mask, const Scalar& value) {
    if (out.numel() == 0) return;
    Tensor m = contiguous(alias(mask, out.sizes(), broadcast_strides(mask, out.sizes()), mask->offset));
    Tensor v = scalar_tensor(value, out.dtype());
    const bool* b = m.data<bool>();
    int64_t size = itemsize(out.dtype());
    if (out.is_contiguous()) {
        char* p = out.raw();
        cpu::parallel_for(out.numel(), kGrain, [&](int64_t a, int64_t e) { masked_run(p + a * size, p + a * size, b + a, v.raw(), e - a, size); });
        return;
    }
    dispatch_size(size, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T fill = *v.data<T>();
        T* p = out.data<T>();
        std::vector<int64_t> at = offsets_of(out.sizes(), out.strides());
        for (size_t i = 0; i < at.size(); i++)
            if (b[i]) p[at[i]] = fill;
    });
}

// Bytes of 0 and 1, eight at a time, in as many words as a byte can count.
RL_CLONES static uint64_t add_words(const uint64_t* p, int64_t n) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += p[i];
    return sum;
}
int64_t count_true(const bool* p, int64_t n) {
    constexpr uint64_t low = 0x00ff00ff00ff00ff;
    int64_t count = 0, i = 0;
    if (reinterpret_cast<uintptr_t>(p) % 8 == 0)
        for (; i + 8 <= n;) {
            int64_t words = std::min<int64_t>((n - i) / 8, 255);
            uint64_t sum = add_words(reinterpret_cast<const uint64_t*>(p + i), words);
            count += int64_t(((sum & low) + (sum >> 8 & low)) * 0x0001000100010001 >> 48);
            i += words * 8;
        }
    for (; i < n; i++) count += p[i];
    return count;
}

// The index of each element that is set and what it is, without a branch: what is written for one that is not set is
// overwritten by the next. At most `room` are written; how many is returned.
template <class T, class F> static int64_t compact(const T* p, int64_t n, int64_t room, F write) {
    int64_t k = 0;
    for (int64_t i = 0; i < n && k < room; i++) {
        write(k, i);
        k += convert<bool>(p[i]);
    }
    return k;
}

Tensor select_raw(const Tensor& t, const Tensor& mask) {
    Dims sizes = broadcast(t.sizes(), mask.sizes());
    Tensor s = resolve(t);
    s = contiguous(alias(s, sizes, broadcast_strides(s, sizes), s->offset));
    Tensor m = contiguous(alias(mask, sizes, broadcast_strides(mask, sizes), mask->offset));
    const bool* b = m.data<bool>();
    int64_t total = m.numel(), n = count_true(b, total);
    Tensor r = empty(Dims{n}, t.dtype());
    dispatch_size(itemsize(t.dtype()), [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* o = r.data<T>();
        const T* p = s.data<T>();
        compact(b, total, n, [o, p](int64_t k, int64_t i) { o[k] = p[i]; });
    });
    return r;
}

template <class T> RL_CLONES static int64_t count_set(const T* p, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += convert<bool>(p[i]);
    return count;
}

Tensor nonzero_raw(const Tensor& t) {
    Tensor c = contiguous(t);
    return dispatch(c.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* p = c.data<T>();
        int64_t total = c.numel(), dims = c.dim(), n;
        if constexpr (std::is_same_v<T, bool>) n = count_true(p, total);
        else n = count_set(p, total);
        Tensor r = empty(Dims{dims, n}, DType::Int64);
        if (!dims || !n) return r;
        int64_t *q = r.data<int64_t>(), *last = q + (dims - 1) * n, length = c.sizes()[dims - 1], k = 0;
        for (int64_t row = 0; k < n; row++) {
            int64_t found = compact(p + row * length, length, n - k, [at = last + k](int64_t j, int64_t i) { at[j] = i; }), rest = row;
            for (int64_t d = dims - 1; d-- > 0; rest /= c.sizes()[d]) std::fill_n(q + d * n + k, found, rest % c.sizes()[d]);
            k += found;
        }
        return r;
    });
}

}  // namespace rl
