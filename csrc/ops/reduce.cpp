// Geometry of reductions.
#include "ops/reduce.h"

namespace rl {

uint64_t reduced_dims(const Dims& dims, int64_t ndim) {
    check(ndim <= 64, "only tensors with up to 64 dims are supported");
    uint64_t mask = 0;
    if (dims.empty()) return ndim == 64 ? ~uint64_t(0) : (uint64_t(1) << ndim) - 1;
    for (int64_t d : dims) {
        int64_t w = wrap_dim(d, ndim);
        check(!(mask >> w & 1), "dim ", w, " appears multiple times in the list of dims");
        mask |= uint64_t(1) << w;
    }
    return mask;
}

Dims reduced_sizes(Ints sizes, uint64_t mask, bool keepdim) {
    Dims r;
    for (size_t d = 0; d < sizes.size(); d++)
        if (!(mask >> d & 1)) r.push_back(sizes[d]);
        else if (keepdim) r.push_back(1);
    return r;
}

Tensor restore_dims(const Tensor& t, const Dims& dims, int64_t ndim, bool keepdim) {
    if (keepdim || ndim == 0) return t;
    uint64_t mask = reduced_dims(dims, ndim);
    Dims sizes;
    size_t at = 0;
    for (int64_t d = 0; d < ndim; d++) sizes.push_back(mask >> d & 1 ? 1 : t.sizes()[at++]);
    return reshape(t, sizes);
}

int64_t reduced_count(Ints sizes, uint64_t mask) {
    int64_t n = 1;
    for (size_t d = 0; d < sizes.size(); d++)
        if (mask >> d & 1) n *= sizes[d];
    return n;
}

void check_reducible(const char* op, const Tensor& self, const Dims& dims, bool named) {
    if (self.numel() > 0) return;
    check(named && !dims.empty(), op, "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
    for (int64_t d : dims) {
        int64_t w = wrap_dim(d, self.dim());
        check(self.dim() == 0 || self.sizes()[w] != 0, Err::Index, op, "(): Expected reduction dim ", w, " to have non-zero size.");
    }
}

// ---------------------------------------------------------------- groups
void Groups::add(int64_t size, int64_t stride, bool reduced_one) {
    if (size == 1) return;
    size_t n = sizes.size();
    if (n && is_reduced(n - 1) == reduced_one && strides[n - 1] == stride * size) {
        sizes[n - 1] *= size, strides[n - 1] = stride;
        return;
    }
    sizes.push_back(size), strides.push_back(stride);
    if (reduced_one) reduced |= uint64_t(1) << n;
}

Groups group_dims(const Tensor& x, uint64_t mask) {
    Groups g;
    for (int64_t d : stride_order(x.sizes(), x.strides())) g.add(x.sizes()[d], x.strides()[d], mask >> d & 1);
    if (g.sizes.empty()) g.sizes.push_back(1), g.strides.push_back(1), g.reduced = 1;
    return g;
}

Tensor with_unit_stride(const Tensor& x) {
    int64_t innermost = 1;
    for (int64_t d : stride_order(x.sizes(), x.strides()))
        if (x.sizes()[d] != 1) innermost = x.strides()[d];
    if (innermost == 1) return x;
    Tensor r = empty_preserved(x, x.dtype());
    copy_raw(r, x);
    return is_non_overlapping_and_dense(r) ? r : contiguous(x);
}

Tensor in_memory_order(const Tensor& x, uint64_t mask, DType dtype) {
    Dims sizes = reduced_sizes(x.sizes(), mask, false), strides(sizes.size());
    Dims order = stride_order(x.sizes(), x.strides());
    int64_t stride = 1;
    for (size_t i = order.size(); i-- > 0;) {
        int64_t d = order[i];
        if (mask >> d & 1) continue;
        int64_t at = 0;
        for (int64_t k = 0; k < d; k++) at += !(mask >> k & 1);
        strides[at] = stride;
        stride *= sizes[at];
    }
    return empty_strided(sizes, strides, dtype);
}

// ---------------------------------------------------------------- types
Tensor to_compute(const Tensor& t) {
    DType c = compute_type(t.dtype());
    if (c == t.dtype()) return t;
    if (!is_reduced(t.dtype()) || t.lazy() || t.is_meta() || !is_non_overlapping_and_dense(t)) return cast_raw(t, c);
    Tensor r = empty_preserved(t, c);  // the same order in memory
    float* to = r.data<float>();
    cpu::parallel_for(t.numel(), kGrain, [&](int64_t a, int64_t b) {
        if (t.dtype() == DType::Float16) cpu::widen(to + a, t.data<Half>() + a, b - a);
        else cpu::widen(to + a, t.data<BFloat16>() + a, b - a);
    });
    return r;
}

// ---------------------------------------------------------------- lanes
Lanes lanes(const Tensor& t, int64_t dim) {
    Lanes l;
    l.dim = wrap_dim(dim, t.dim());
    l.sizes = t.sizes();
    if (t.dim() == 0) {
        l.memory = contiguous(t), l.count = l.n = 1;
        return l;
    }
    Tensor plain = resolve(t);
    Dims sizes = plain.sizes(), strides = plain.strides();
    int64_t n = sizes[l.dim], stride = strides[l.dim];
    sizes.erase(l.dim), strides.erase(l.dim);
    sizes.push_back(n), strides.push_back(stride);
    l.memory = contiguous(alias(plain, sizes, strides, plain->offset));
    l.n = n;
    l.count = n ? t.numel() / n : product(Ints(sizes).first(sizes.size() - 1));
    return l;
}

Tensor lane_result(const Lanes& l, int64_t n, DType dtype) {
    Dims sizes = l.sizes;
    if (!sizes.empty()) sizes.erase(l.dim), sizes.push_back(n);
    return empty(sizes, dtype);
}

Tensor finish_lanes(const Lanes& l, const Tensor& memory, int64_t n) {
    if (l.sizes.empty() || l.dim + 1 == int64_t(l.sizes.size())) return memory;
    Dims sizes = memory.sizes(), strides = memory.strides();
    int64_t stride = strides.back();
    sizes.resize(sizes.size() - 1), strides.resize(strides.size() - 1);
    sizes.insert(l.dim, n), strides.insert(l.dim, stride);
    return contiguous(alias(memory, sizes, strides, memory->offset));
}

Tensor finish_reduced(const Lanes& l, const Tensor& memory, bool keepdim) {
    Dims sizes = l.sizes;
    if (!sizes.empty()) {
        if (keepdim) sizes[l.dim] = 1;
        else sizes.erase(l.dim);
    }
    return alias(memory, sizes, contiguous_strides(sizes), memory->offset);
}

}  // namespace rl
