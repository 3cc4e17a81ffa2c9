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
    if (x.is_contiguous())
        for (int64_t d = 0; d < x.dim(); d++) g.add(x.sizes()[d], x.strides()[d], mask >> d & 1);
    else
        for (int64_t d : stride_order(x.sizes(), x.strides())) g.add(x.sizes()[d], x.strides()[d], mask >> d & 1);
    if (g.sizes.empty()) g.sizes.push_back(1), g.strides.push_back(1), g.reduced = 1;
    return g;
}

Tensor with_unit_stride(const Tensor& x) {
    if (x.is_contiguous()) return x;
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
    if (x.is_contiguous()) return empty(sizes, dtype);
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

// ---------------------------------------------------------------- the engine
// A long run: blocks, joined pairwise.
static void reduce_run(char* out, const char* x, int64_t n, const Loops& f) {
    if (n <= kReduceBlock) return f.rows(out, x, 1, 0, n);
    int64_t blocks = (n + kReduceBlock - 1) / kReduceBlock;
    cpu::Buffer<char> parts(blocks * f.acc);
    cpu::parallel_for(blocks, 2, [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) f.rows(parts.data + i * f.acc, x + i * kReduceBlock * f.in, 1, 0, std::min(kReduceBlock, n - i * kReduceBlock));
    });
    for (int64_t step = 1; step < blocks; step *= 2)
        for (int64_t i = 0; i + step < blocks; i += 2 * step) f.merge(parts.data + i * f.acc, parts.data + (i + step) * f.acc);
    std::memcpy(out, parts.data, size_t(f.acc));
}

static void reduce_rows(char* out, const char* x, const Dims& sizes, const Dims& strides, int64_t n, const Loops& f) {
    int64_t count = product(sizes);
    if (count == 1) return reduce_run(out, x, n, f);
    cpu::parallel_for(count, grain_for(n), [&](int64_t a, int64_t b) {
        Walker w(sizes, strides, a);
        for (int64_t i = a, m; i < b; i += m, w.next(m)) {
            m = std::min(b - i, sizes.back() - w.index.back());
            f.rows(out + i * f.acc, x + w.offset * f.in, m, strides.back(), n);
        }
    });
}

// sizes, strides: what is outside of the rows and columns.
static void reduce_columns(char* out, const char* x, const Dims& sizes, const Dims& strides, int64_t rows, int64_t stride, int64_t n, const Loops& f) {
    int64_t count = product(sizes);
    int64_t block = std::max<int64_t>(32, 2 * kReduceBlock / n);  // rows
    if (count == 1 && rows >= 2 * block) {
        int64_t blocks = (rows + block - 1) / block;
        cpu::Buffer<char> parts(blocks * n * f.acc);
        cpu::parallel_for(blocks, 2, [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) f.columns(parts.data + i * n * f.acc, x + i * block * stride * f.in, std::min(block, rows - i * block), n, stride);
        });
        return reduce_columns(out, parts.data, sizes, strides, blocks, n, n, *f.next);
    }
    constexpr int64_t strip = 1024;
    int64_t strips = (n + strip - 1) / strip;
    cpu::parallel_for(count * strips, grain_for(rows * std::min(strip, n)), [&](int64_t a, int64_t b) {
        Walker w(sizes, strides, a / strips);
        for (int64_t i = a; i < b; i++) {
            int64_t at = i % strips * strip;
            f.columns(out + (i / strips * n + at) * f.acc, x + (w.offset + at) * f.in, rows, std::min(strip, n - at), stride);
            if ((i + 1) % strips == 0) w.next();
        }
    });
}

void reduce_groups(char* out, const char* x, const Groups& g, const Loops& f) {
    size_t last = g.sizes.size() - 1, axis = last;
    while (axis > 0 && !g.is_reduced(axis)) axis--;
    bool any = g.is_reduced(axis), rows = !any || axis == last;
    Groups rest;
    Dims outer_sizes, outer_strides;  // what one pass does not look into
    int64_t result_count = 1;
    for (size_t i = 0; i <= last; i++) {
        if (any && i == axis) continue;
        result_count *= g.sizes[i];
        if (rows || i != last) outer_sizes.push_back(g.sizes[i]), outer_strides.push_back(g.strides[i]);
    }
    bool more = g.reduced & ~(uint64_t(1) << axis);
    cpu::Buffer<char> temporary(more ? result_count * f.acc : 0);
    char* to = more ? temporary.data : out;
    if (rows) reduce_rows(to, x, outer_sizes, outer_strides, any ? g.sizes[last] : 1, f);
    else reduce_columns(to, x, outer_sizes, outer_strides, g.sizes[axis], g.strides[axis], g.sizes[last], f);
    if (!more) return;
    int64_t stride = result_count;
    for (size_t i = 0; i <= last; i++) {
        if (i == axis) continue;
        stride /= g.sizes[i];
        rest.add(g.sizes[i], stride, g.is_reduced(i));
    }
    reduce_groups(out, temporary.data, rest, *f.next);
}

Tensor reduce_with(const Loops& f, DType acc, const Tensor& x, uint64_t mask, bool keepdim) {
    Dims sizes = reduced_sizes(x.sizes(), mask, keepdim);
    if (x.is_meta()) return empty(sizes, acc, x.device());
    if (x.is_contiguous() && (mask + 1) >> x.dim() && x.numel() > 0 && !x.lazy()) {  // the whole of plain memory
        Tensor r = empty(sizes, acc);
        reduce_run(r.raw(), x.raw(), x.numel(), f);
        return r;
    }
    if (x.numel() == 0) {
        Tensor r = empty(sizes, acc);
        f.identities(r.raw(), r.numel());
        return r;
    }
    Tensor plain = with_unit_stride(resolve(x)), r = in_memory_order(plain, mask, acc);
    reduce_groups(r.raw(), plain.raw(), group_dims(plain, mask), f);
    r = contiguous(r);
    return keepdim ? alias(r, sizes, contiguous_strides(sizes), r->offset) : r;
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
