// Repeating, rolling, flipping and turning; matrices made of vectors.
#include <algorithm>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "ops/linalg.h"

namespace rl {

struct Repeat : Op<Repeat> {
    SIG("repeat(Tensor self, int[] repeats) -> Tensor");
    DOC("self repeated along each dimension; further repeats add dimensions in front.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Dims& repeats) {
        int64_t extra = int64_t(repeats.size()) - self.dim();
        check(extra >= 0, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor (", repeats, " for a tensor of shape ", self.sizes(), ")");
        Dims sizes(repeats.size()), pairs, in_strides, out_strides;
        for (size_t i = 0; i < repeats.size(); i++) sizes[i] = repeats[i] * (int64_t(i) < extra ? 1 : self.sizes()[i - extra]);
        Tensor r = empty(sizes, self.dtype(), self.device());
        if (r.is_meta() || r.numel() == 0) return r;
        for (size_t i = 0; i < repeats.size(); i++) {  // each dimension as (repeats, size), the first read with stride 0
            int64_t n = int64_t(i) < extra ? 1 : self.sizes()[i - extra], s = int64_t(i) < extra ? 0 : self.strides()[i - extra];
            pairs.push_back(repeats[i]), in_strides.push_back(0), out_strides.push_back(n * r.strides()[i]);
            pairs.push_back(n), in_strides.push_back(s), out_strides.push_back(r.strides()[i]);
        }
        Tensor s = resolve(self);
        if (!s.is(self)) return forward(s, repeats);
        copy_raw(alias(r, pairs, out_strides, 0), alias(s, pairs, in_strides, s->offset));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        const Dims &repeats = c.arg<1>(), &sizes = c.sizes<0>();
        if (g.numel() == 0) return {zeros(sizes, g.dtype(), g.device())};
        size_t extra = repeats.size() - sizes.size();
        Dims pairs, over;
        for (size_t i = 0; i < repeats.size(); i++) {
            over.push_back(int64_t(pairs.size()));
            pairs.push_back(repeats[i]);
            if (i >= extra) pairs.push_back(sizes[i - extra]);
        }
        return {over.empty() ? g : sum(reshape(g, pairs), over)};
    }
};
OP(Repeat);

struct Tile : Composite<Tile> {
    SIG("tile(Tensor self, int[] dims) -> Tensor");
    DOC("self repeated along each dimension; missing repeats are 1.");
    static Tensor forward(const Tensor& self, const Dims& dims) {
        Dims full = dims;
        while (int64_t(full.size()) < self.dim()) full.insert(0, 1);
        return call<Repeat>(self, full);
    }
};
OP(Tile);

// Index i as often as repeats[i] says.
struct RepeatIndices : Op<RepeatIndices> {
    SIG("repeat_interleave.Tensor(Tensor repeats, *, int? output_size=None) -> Tensor");
    DOC("The number i as often as repeats[i].");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensor forward(const Tensor& repeats, const OptInt& output_size) {
        check(repeats.dim() == 1, "repeat_interleave only accept 1D vector as repeat");
        check(repeats.dtype() == DType::Int64 || repeats.dtype() == DType::Int32, "repeats has to be Long or Int tensor");
        if (repeats.is_meta()) {
            check(output_size.has_value(), Err::NotImplemented, "repeat_interleave(): the result's shape depends on values, which a meta tensor has not; give output_size");
            return empty(Dims{*output_size}, DType::Int64, Device::Meta);
        }
        Tensor n = cast_raw(repeats, DType::Int64);
        int64_t total = 0;
        for (int64_t i = 0; i < n.numel(); i++) {
            check(n.data<int64_t>()[i] >= 0, "repeats can not be negative");
            total += n.data<int64_t>()[i];
        }
        check(!output_size || *output_size == total, "allocated size does not match required size (repeat_interleave: output_size ", output_size.value_or(0), ", repeats sum to ", total, ")");
        Tensor r = empty(Dims{total}, DType::Int64);
        int64_t* p = r.data<int64_t>();
        for (int64_t i = 0; i < n.numel(); i++) p = std::fill_n(p, n.data<int64_t>()[i], i);
        return r;
    }
};
struct RepeatInterleaveTensor : Composite<RepeatInterleaveTensor> {
    SIG("repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor");
    DOC("Each slice of self along dim as often as repeats says; of the flattened self without dim.");
    static Tensor forward(const Tensor& given, const Tensor& repeats, const OptInt& dim, const OptInt& output_size) {
        Tensor self = dim ? given : reshape(given, {-1});
        int64_t d = dim.value_or(0), n = self.dim() ? self.size(d) : 1;
        if (self.dim() == 0) self = reshape(self, {1});
        Tensor counts = repeats;
        if (repeats.dim() == 0 || (repeats.dim() == 1 && repeats.numel() == 1)) counts = expand(reshape(repeats, {1}), {n});
        check(counts.dim() == 1, "repeats must be 0-dim or 1-dim tensor");
        check(counts.numel() == n, "repeats must have the same size as input along dim, but got repeats.size(0) = ", counts.numel(), " and input.size(", d, ") = ", n);
        return index_select(self, d, call<RepeatIndices>(counts, output_size));
    }
};
struct RepeatInterleave : Composite<RepeatInterleave> {
    SIG("repeat_interleave.self_int(Tensor self, int repeats, int? dim=None, *, int? output_size=None) -> Tensor");
    DOC("Each slice of self along dim so many times; of the flattened self without dim.");
    static Tensor forward(const Tensor& given, int64_t repeats, const OptInt& dim, const OptInt& output_size) {
        check(repeats >= 0, "Repeats must be non-negative");
        Tensor self = dim ? given : reshape(given, {-1});
        if (self.dim() == 0) self = reshape(self, {1});
        int64_t d = wrap_dim(dim.value_or(0), self.dim());
        check(!output_size || *output_size == self.sizes()[d] * repeats, "repeat_interleave: Invalid output_size, expected ", self.sizes()[d] * repeats, " but got ", output_size.value_or(0));
        Dims wide = self.sizes(), sizes = self.sizes();
        wide.insert(size_t(d + 1), repeats);
        sizes[d] *= repeats;
        return reshape(clone(expand(unsqueeze(self, d + 1), wide)), sizes);
    }
};
OP(RepeatInterleaveTensor);
OP(RepeatInterleave);
OP(RepeatIndices);

// ---------------------------------------------------------------- rolling and flipping
struct Roll : Op<Roll> {
    SIG("roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor");
    DOC("Elements moved along dims by shifts, those pushed out coming in at the other end; of the flattened self without dims.");
    static Tensor forward(const Tensor& self, const Dims& shifts, const Dims& dims) {
        check(!shifts.empty(), "`shifts` required");
        if (dims.empty() && shifts.size() == 1) {
            Tensor flat = alias_of(contiguous(self), Dims{self.numel()});
            return alias_of(forward(flat, shifts, Dims{0}), self.sizes());
        }
        check(shifts.size() == dims.size(), "shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
        for (int64_t d : dims) wrap_dim(d, self.dim(), false);
        Tensor r = resolve(self);
        for (size_t i = 0; i < dims.size(); i++) r = once(r, shifts[i], dims[i]);
        return r.is(self) ? clone_raw(self) : r;
    }
    static Tensor alias_of(const Tensor& t, const Dims& sizes) { return alias(t, sizes, contiguous_strides(sizes), t->offset); }
    static Tensor once(const Tensor& t, int64_t shift, int64_t dim) {
        int64_t d = wrap_dim(dim, t.dim());
        Tensor r = empty(t.sizes(), t.dtype(), t.device());
        if (r.is_meta() || r.numel() == 0) return r;
        if (t.dim() == 0) {
            copy_raw(r, t);
            return r;
        }
        int64_t n = t.sizes()[d], k = (shift % n + n) % n;
        auto move = [&](int64_t from, int64_t to, int64_t length) {
            Dims sizes = t.sizes();
            sizes[d] = length;
            copy_raw(alias(r, sizes, r.strides(), to * r.strides()[d]), alias(t, sizes, t.strides(), t->offset + from * t.strides()[d]));
        };
        move(0, k, n - k);
        move(n - k, 0, k);
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Dims back = c.arg<1>();
        for (auto& s : back) s = -s;
        return {call<Roll>(g, back, c.arg<2>())};
    }
};
OP(Roll);

struct Flip : Op<Flip> {
    SIG("flip(Tensor self, int[] dims) -> Tensor");
    DOC("The order of elements along dims reversed, in a copy.");
    static Tensor forward(const Tensor& self, const Dims& dims) {
        uint64_t seen = 0;
        Tensor s = resolve(self), r = empty_preserved(self, self.dtype());
        Dims strides = s.strides();
        int64_t offset = s->offset;
        for (int64_t v : dims) {
            int64_t d = wrap_dim(v, self.dim());
            check(!(seen >> d & 1), "dim ", d, " appears multiple times in the list of dims (flip)");
            seen |= uint64_t(1) << d;
            if (self.dim() == 0) continue;
            offset += (s.sizes()[d] - 1) * strides[d];
            strides[d] = -strides[d];
        }
        if (!r.is_meta() && r.numel()) copy_raw(r, alias(s, s.sizes(), strides, offset));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {flip(g, c.arg<1>())}; }
};
OP(Flip);

struct Fliplr : Composite<Fliplr> {
    SIG("fliplr(Tensor self) -> Tensor");
    DOC("Columns in reverse order.");
    static Tensor forward(const Tensor& self) {
        check(self.dim() >= 2, "Input must be >= 2-d. (fliplr of shape ", self.sizes(), ")");
        return flip(self, {1});
    }
};
struct Flipud : Composite<Flipud> {
    SIG("flipud(Tensor self) -> Tensor");
    DOC("Rows in reverse order.");
    static Tensor forward(const Tensor& self) {
        check(self.dim() >= 1, "Input must be >= 1-d. (flipud of shape ", self.sizes(), ")");
        return flip(self, {0});
    }
};
struct Rot90 : Composite<Rot90> {
    SIG("rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor");
    DOC("k quarter turns in the plane of two dimensions, from the first towards the second.");
    static Tensor forward(const Tensor& self, int64_t k, const Dims& dims) {
        check(dims.size() == 2, "expected total rotation dims == 2, but got dims = ", dims.size());
        check(self.dim() >= 2, "expected total dims >= 2, but got total dims = ", self.dim());
        check(dims[0] != dims[1] && std::abs(dims[0] - dims[1]) != self.dim(), "expected rotation dims to be different, but got dim0 = ", dims[0], " and dim1 = ", dims[1]);
        for (int i = 0; i < 2; i++) check(dims[i] < self.dim() && dims[i] >= -self.dim(), "Rotation dim", i, " out of range, dim", i, " = ", dims[i]);
        switch ((k % 4 + 4) % 4) {
            case 1: return transpose(flip(self, {dims[1]}), dims[0], dims[1]);
            case 2: return flip(self, dims);
            case 3: return transpose(flip(self, {dims[0]}), dims[0], dims[1]);
            default: return clone(self);
        }
    }
};
OP(Fliplr);
OP(Flipud);
OP(Rot90);

// ---------------------------------------------------------------- products of shapes
struct Kron : Composite<Kron> {
    SIG("kron(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("Kronecker product: every element of self times all of other.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other) {
        size_t n = size_t(std::max(self.dim(), other.dim()));
        Dims a(2 * n, 1), b(2 * n, 1), sizes(n, 1);
        for (size_t i = 0; i < n; i++) {
            int64_t ka = int64_t(i) - (int64_t(n) - self.dim()), kb = int64_t(i) - (int64_t(n) - other.dim());
            if (ka >= 0) a[2 * i] = self.sizes()[ka];
            if (kb >= 0) b[2 * i + 1] = other.sizes()[kb];
            sizes[i] = a[2 * i] * b[2 * i + 1];
        }
        return reshape(mul(reshape(self, a), reshape(other, b)), sizes);
    }
};
OP(Kron);

struct Vander : Composite<Vander> {
    SIG("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor");
    DOC("Powers of the elements of a vector, a row for each, from the highest unless increasing.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const OptInt& n, bool increasing) {
        check(x.dim() == 1, "x must be a one-dimensional tensor. (vander of shape ", x.sizes(), ")");
        int64_t columns = n.value_or(x.numel());
        check(columns >= 0, "N must be non-negative. (vander)");
        DType t = is_inexact(x.dtype()) ? x.dtype() : DType::Int64;
        if (columns == 0) return empty(Dims{x.numel(), 0}, t, x.device());
        Tensor first = ones(Dims{x.numel(), 1}, t, x.device());
        Tensor powers = columns == 1 ? first : cat({first, cumprod(expand(unsqueeze(to(x, t), 1), Dims{x.numel(), columns - 1}), 1)}, 1);
        return increasing ? powers : flip(powers, Dims{1});
    }
};
OP(Vander);

struct OneHot : Composite<OneHot> {
    SIG("nn::one_hot(Tensor self, int num_classes=-1) -> Tensor");
    DOC("A vector for each class index, 1 at the index and 0 elsewhere; as many classes as the largest index asks for by default.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, int64_t num_classes) {
        check(self.dtype() == DType::Int64, "one_hot is only applicable to index tensor of type LongTensor.");
        check(self.numel() > 0 || num_classes > 0, "Can not infer total number of classes from empty tensor.");
        if (!self.is_meta() && !self->wrapper) {
            Tensor v = contiguous(self);
            const int64_t* p = v.data<int64_t>();
            int64_t top = -1;
            for (int64_t i = 0; i < v.numel(); i++) {
                check(p[i] >= 0, "Class values must be non-negative. (one_hot got ", p[i], ")");
                top = std::max(top, p[i]);
            }
            if (num_classes == -1) num_classes = top + 1;
            check(num_classes >= 1, "num_classes should be positive (one_hot got ", num_classes, ")");
            check(top < num_classes, "Class values must be smaller than num_classes. (one_hot got ", top, " with num_classes=", num_classes, ")");
        }
        check(num_classes >= 0, "one_hot(): num_classes must be given where values can't be looked at");
        Dims sizes = self.sizes();
        sizes.push_back(num_classes);
        if (tls.modes || self->wrapper || self.is_meta()) return scatter(zeros(sizes, DType::Int64, self.device()), -1, unsqueeze(self, -1), Scalar(1));
        Tensor r = empty(sizes, DType::Int64), v = contiguous(self);
        int64_t* o = r.data<int64_t>();
        const int64_t* p = v.data<int64_t>();
        cpu::parallel_for(v.numel(), grain_for(num_classes), [&](int64_t a, int64_t b) {
            for (; a < b; a++) {
                std::fill_n(o + a * num_classes, num_classes, 0);
                o[a * num_classes + p[a]] = 1;
            }
        });
        return r;
    }
};
OP(OneHot);

Tensor flip(const Tensor& a, const Dims& dims) { return call<Flip>(a, dims); }

}  // namespace rl
