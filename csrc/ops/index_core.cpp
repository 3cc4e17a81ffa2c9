#include "ops/index_core.h"

#include <cmath>
#include <limits>

namespace rl {

Tensor index_values(const Tensor& index) { return cast_raw(index, DType::Int64); }

[[noreturn]] static void out_of_range(int64_t v, int64_t size, int64_t dim, BadIndex kind) {
    if (kind == BadIndex::RangeInSelf) raise(Err::Index, "index out of range in self: index ", v, " is out of bounds for dimension ", dim, " with size ", size);
    if (kind == BadIndex::Tried) raise(Err::Index, "out of range: tried to access index ", v, " on a tensor of ", size, " elements.");
    raise(kind == BadIndex::Index ? Err::Index : Err::Runtime, "index ", v, " is out of bounds for dimension ", dim, " with size ", size);
}

Tensor checked_indices(const Tensor& index, int64_t size, int64_t dim, bool wrap, BadIndex kind) {
    Tensor t = index_values(index);
    const int64_t* p = t.data<int64_t>();
    int64_t n = t.numel();
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
std::vector<int64_t> offsets_before(const Tensor& t, int64_t dim) { return offsets_of(Ints(t.sizes()).first(size_t(dim)), Ints(t.strides()).first(size_t(dim))); }
std::vector<int64_t> offsets_behind(const Tensor& t, int64_t dim) { return offsets_of(Ints(t.sizes()).subspan(size_t(dim + 1)), Ints(t.strides()).subspan(size_t(dim + 1))); }

Places places_along(const Tensor& t, int64_t dim, const Tensor& checked) {
    Places p;
    const int64_t* v = checked.data<int64_t>();
    p.index.assign(v, v + checked.numel());
    if (t.dim() == 0) p.outer = p.inner = {0};
    else {
        int64_t s = t.strides()[dim];
        for (auto& i : p.index) i *= s;
        p.outer = offsets_before(t, dim);
        p.inner = offsets_behind(t, dim);
    }
    p.find_run();
    return p;
}

void read_places(char* out, const char* in, const Places& p, int64_t size) {
    int64_t n = int64_t(p.index.size()), w = p.width();
    if (w == 0) return;
    int64_t grain = std::max<int64_t>(1, kGrain / w);
    dispatch_size(size, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* o = reinterpret_cast<T*>(out);
        const T* s = reinterpret_cast<const T*>(in);
        cpu::parallel_for(p.rows(), grain, [&](int64_t a, int64_t b) {
            for (int64_t r = a; r < b; r++) {
                const T* from = s + p.outer[r / n] + p.index[r % n];
                T* to = o + r * w;
                if (w == 1) *to = *from;
                else if (p.run) std::memcpy(to, from, size_t(w) * sizeof(T));
                else
                    for (int64_t k = 0; k < w; k++) to[k] = from[p.inner[k]];
            }
        });
    });
}

Scalar identity_of(Reduce r, DType t) {
    if (r == Reduce::Prod) return Scalar(1);
    if (r != Reduce::Amax && r != Reduce::Amin) return Scalar(0);
    bool low = r == Reduce::Amax;
    if (is_inexact(t)) return Scalar(low ? -HUGE_VAL : HUGE_VAL);
    return dispatch(t, [&](auto tag) -> Scalar {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_integral_v<T>) return Scalar(int64_t(low ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max()));
        else return Scalar(0);
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

void masked_fill_raw(const Tensor& out, const Tensor& mask, const Scalar& value) {
    if (out.numel() == 0) return;
    Tensor m = contiguous(alias(mask, out.sizes(), broadcast_strides(mask, out.sizes()), mask->offset));
    Tensor v = scalar_tensor(value, out.dtype());
    dispatch_size(itemsize(out.dtype()), [&](auto tag) {
        using T = typename decltype(tag)::type;
        T fill = *v.data<T>();
        T* p = out.data<T>();
        const bool* b = m.data<bool>();
        if (out.is_contiguous()) {
            cpu::parallel_for(out.numel(), kGrain, [&](int64_t a, int64_t e) {
                for (int64_t i = a; i < e; i++)
                    if (b[i]) p[i] = fill;
            });
            return;
        }
        std::vector<int64_t> at = offsets_of(out.sizes(), out.strides());
        for (size_t i = 0; i < at.size(); i++)
            if (b[i]) p[at[i]] = fill;
    });
}

Tensor nonzero_raw(const Tensor& t) {
    Tensor c = contiguous(t);
    return dispatch(c.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* p = c.data<T>();
        auto set = [](const T& v) { return convert<bool>(v); };
        int64_t n = 0, total = c.numel(), dims = c.dim();
        for (int64_t i = 0; i < total; i++) n += set(p[i]);
        Tensor r = empty(Dims{dims, n}, DType::Int64);
        int64_t* q = r.data<int64_t>();
        int64_t k = 0;
        for (int64_t i = 0; i < total && dims; i++) {
            if (!set(p[i])) continue;
            int64_t rest = i;
            for (int64_t d = dims; d-- > 0;) {
                q[d * n + k] = rest % c.sizes()[d];
                rest /= c.sizes()[d];
            }
            k++;
        }
        return r;
    });
}

}  // namespace rl
