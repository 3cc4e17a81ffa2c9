// What indexing operators share: integer indices, the places in memory they lead to, and loops over those.
#pragma once
#include <vector>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "cpu/parallel.h"

namespace rl {

// Contiguous int64 values of an index tensor of an integral dtype.
Tensor index_values(const Tensor& index);
// Brings every value to 0..size-1 (negative ones count from the end if `wrap`), raising where one is out of range.
enum class BadIndex : uint8_t { Index, Runtime, RangeInSelf, Tried };
Tensor checked_indices(const Tensor& index, int64_t size, int64_t dim, bool wrap, BadIndex kind);
// Raises where one of n values is not in 0..size-1.
void check_range(const int64_t* index, int64_t n, int64_t size, int64_t dim, BadIndex kind);
// Offsets, in elements, of all elements of the given geometry in order.
std::vector<int64_t> offsets_of(Ints sizes, Ints strides);

// Every combination of an outer, an indexed and an inner place, in this order. `run`: the inner places are 0..width-1,
// and not listed.
struct Places {
    std::vector<int64_t> outer, index, inner;
    bool run = false;
    int64_t width = 0;
    int64_t rows() const { return int64_t(outer.size() * index.size()); }
    void set_inner(Ints sizes, Ints strides);
};
Places places_along(const Tensor& t, int64_t dim, const Tensor& checked);

struct Bytes16 {
    uint64_t a, b;
};
// f(Tag<U>) with an unsigned type of the element's size: for moves, which don't care what the bits mean.
template <class F> void dispatch_size(int64_t size, F&& f) {
    switch (size) {
        case 1: return f(Tag<uint8_t>{});
        case 2: return f(Tag<uint16_t>{});
        case 4: return f(Tag<uint32_t>{});
        case 8: return f(Tag<uint64_t>{});
        default: return f(Tag<Bytes16>{});
    }
}

// out[i] = base[index[i]]
template <class T> void read_run(T* out, const T* base, const int64_t* index, int64_t n);
extern template void read_run(uint8_t*, const uint8_t*, const int64_t*, int64_t);
extern template void read_run(uint16_t*, const uint16_t*, const int64_t*, int64_t);
extern template void read_run(uint32_t*, const uint32_t*, const int64_t*, int64_t);
extern template void read_run(uint64_t*, const uint64_t*, const int64_t*, int64_t);
extern template void read_run(Bytes16*, const Bytes16*, const int64_t*, int64_t);
// out[i] = mask[i] ? value : in[i]; out may be in
void masked_run(char* out, const char* in, const bool* mask, const char* value, int64_t n, int64_t itemsize);
// out (contiguous) = the elements of `in` at the places.
void read_places(char* out, const char* in, const Places& p, int64_t itemsize);

// The elements of out at the places, in order, = src or += src, which is contiguous, or one element where src_step is 0.
void move_places(const Tensor& out, const Tensor& src, int64_t src_step, const Places& p);
void add_places(const Tensor& out, const Tensor& src, int64_t src_step, const Places& p);

// The sum as kernels form it: 16-bit floats through float, bool as logic.
template <class T> inline T plus(T a, T b) {
    if constexpr (std::is_same_v<T, bool>) return a || b;
    else if constexpr (std::is_same_v<T, ComplexHalf>) return T(c64(a) + c64(b));
    else if constexpr (is_small_float_v<T>) return T(float(a) + float(b));
    else return T(a + b);
}

// Raises where src lies in memory that is written to; where that is hard to say a copy is returned.
Tensor apart_from(const Tensor& out, const Tensor& src);

// An operator whose result is self with some places changed: O::apply(r, arguments...) checks the arguments and changes r
// (of any strides, without lazy bits); it must not touch memory where r is meta.
template <class O, class... P> struct Update : Op<O> {
    static constexpr const char* kCategory = "Update";
    static constexpr uint32_t kForms = FUNCTION | METHOD | INPLACE | OUT;
    static Tensor forward(const Tensor& self, const P&... p) {
        Tensor r = clone_raw(self);
        O::apply(r, p...);
        return r;
    }
    static void into(const Tensor& out, bool inplace, const Tensor& self, const P&... p) {
        const char* name = op_info<O>()->name.c_str();
        if (!inplace && !out.is(self)) {
            check(out.dtype() == self.dtype(), name, "(): Expected out tensor to have dtype ", rl::name(self.dtype()), ", but got ", rl::name(out.dtype()), " instead");
            check(!may_overlap_itself(out), "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation. (", name, ")");
            resize_output(name, out, self.sizes());
            if (!out.is_meta()) copy_raw(out, resolve(self));
        }
        if (!out.lazy()) return O::apply(out, p...);
        Tensor t = clone_raw(out);
        O::apply(t, p...);
        NoGrad guard;
        copy_(out, t);
    }
};

void masked_fill_raw(const Tensor& out, const Tensor& mask, const Scalar& value);  // mask broadcasts to out
Tensor nonzero_raw(const Tensor& t);  // (dimensions, count), int64
int64_t count_true(const bool* p, int64_t n);
Tensor select_raw(const Tensor& t, const Tensor& mask);  // a vector of t's elements where the mask is true; broadcast
}  // namespace rl
