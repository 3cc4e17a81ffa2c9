// Views: results that share memory with their argument.
#include <algorithm>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"

namespace rl {

// ---------------------------------------------------------------- sizes
// Sizes with at most one -1 made definite.
static Dims infer_sizes(const char* op, const Dims& sizes, int64_t numel) {
    Dims r = sizes;
    int64_t known = 1, at = -1;
    for (size_t i = 0; i < r.size(); i++) {
        if (r[i] == -1) {
            check(at < 0, "only one dimension can be inferred (", op, ")");
            at = int64_t(i);
        } else {
            check(r[i] >= 0, "invalid shape dimension ", r[i], " (", op, " to ", sizes, ")");
            known *= r[i];
        }
    }
    if (at >= 0) {
        check(known != 0, "cannot reshape tensor of ", numel, " elements into shape ", sizes, " because the unspecified dimension size -1 can be any value and is ambiguous");
        check(numel % known == 0, "shape '", sizes, "' is invalid for input of size ", numel, " (", op, ")");
        r[at] = numel / known;
    } else check(known == numel, "shape '", sizes, "' is invalid for input of size ", numel, " (", op, ")");
    return r;
}

// Strides by which the memory can be read in the new sizes; false where there are none.
static bool view_strides(const Tensor& t, const Dims& sizes, Dims& strides) {
    if (t.numel() == 0) {
        strides = contiguous_strides(sizes);
        if (same(t.sizes(), sizes)) strides = t.strides();
        return true;
    }
    strides = Dims(sizes.size());
    int64_t view_d = int64_t(sizes.size()) - 1;
    int64_t chunk_base = t.dim() ? t.strides().back() : 1, t_numel = 1, v_numel = 1;
    for (int64_t d = t.dim() - 1; d >= 0; d--) {
        t_numel *= t.sizes()[d];
        bool ends = d == 0 || (t.sizes()[d - 1] != 1 && t.strides()[d - 1] != t_numel * chunk_base);
        if (!ends) continue;
        while (view_d >= 0 && (v_numel < t_numel || sizes[view_d] == 1)) {
            strides[view_d] = v_numel * chunk_base;
            v_numel *= sizes[view_d--];
        }
        if (v_numel != t_numel) return false;
        if (d > 0) chunk_base = t.strides()[d - 1], t_numel = v_numel = 1;
    }
    while (view_d >= 0) strides[view_d--] = t.dim() ? chunk_base : 1;
    return true;
}

struct ViewOp : View<ViewOp> {
    SIG("view(Tensor self, int[] size) -> Tensor");
    DOC("The same memory under other sizes; raises where strides don't allow it.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Dims& size) {
        Dims sizes = infer_sizes("view", size, self.numel()), strides;
        check(view_strides(self, sizes, strides), "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead. (view of ",
              self.sizes(), " with strides ", self.strides(), " as ", size, ")");
        return alias(self, sizes, strides, self->offset);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {reshape(g, c.sizes<0>())}; }
};
OP(ViewOp);

struct Reshape : Composite<Reshape> {
    SIG("reshape(Tensor self, int[] shape) -> Tensor");
    DOC("The elements under other sizes: a view where possible, else a copy.");
    static Tensor forward(const Tensor& self, const Dims& shape) {
        Dims sizes = infer_sizes("reshape", shape, self.numel()), strides;
        if (self->wrapper || view_strides(self, sizes, strides)) return call<ViewOp>(self, sizes);
        return call<ViewOp>(contiguous_op(self), sizes);
    }
};
OP(Reshape);

// The gradient needs where the input lay, not its values: its geometry is an argument of the operator that is recorded,
// so that a later in-place operator on the input does no harm.
struct AsStridedFrom : View<AsStridedFrom> {
    SIG("_as_strided(Tensor self, int[] size, int[] stride, int storage_offset, int[] from_size, int[] from_stride, int from_offset) -> Tensor");
    DOC("as_strided, told the geometry of self.");
    FORMS(FUNCTION | INPLACE);
    static Tensor forward(const Tensor& self, const Dims& size, const Dims& stride, int64_t offset, const Dims&, const Dims&, int64_t) {
        check_storage_bounds("as_strided", self->storage, self.dtype(), size, stride, offset);
        return alias(self, size, stride, offset);
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Dims& size, const Dims& stride, int64_t offset, const Dims&, const Dims&, int64_t) {
        check_storage_bounds("as_strided_", self->storage, self.dtype(), size, stride, offset);
        out.set_geometry(Dims(size), Dims(stride), offset);
    }
    // Every element of the result adds its gradient at its place in memory; an input that overlaps itself shares it evenly.
    static Grads backward(Ctx& c, const Tensor& g) {
        const Dims &size = c.arg<1>(), &stride = c.arg<2>(), &from_size = c.arg<4>(), &from_stride = c.arg<5>();
        int64_t at = c.arg<3>(), from = c.arg<6>(), low = std::min(from, at);
        int64_t length = std::max(from + span(from_size, from_stride), at + span(size, stride)) - low;
        Tensor memory = zeros(Dims{length}, g.dtype()), places = arange(length);
        memory = index_add(memory, 0, reshape(taken(places, size, stride, at - low), {-1}), reshape(g, {-1}));
        if (may_overlap_itself(on_storage(Storage::create(0, Device::Meta), g.dtype(), from_size, from_stride, 0))) {
            Tensor inside = reshape(taken(places, from_size, from_stride, from - low), {-1});
            memory = memory / maximum(index_add(zeros(Dims{length}, g.dtype()), 0, inside, ones(Dims{inside.numel()}, g.dtype())), Scalar(1));
        }
        return {as_strided(memory, from_size, from_stride, from - low)};
    }
    static Tensor taken(const Tensor& t, const Dims& sizes, const Dims& strides, int64_t offset) { return contiguous(alias(t, sizes, strides, offset)); }
};
OP(AsStridedFrom);

struct AsStrided : Composite<AsStrided> {
    SIG("as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor");
    DOC("A view with given sizes, strides and offset into the storage, in elements.");
    static Tensor forward(const Tensor& self, const Dims& size, const Dims& stride, const OptInt& offset) {
        return call<AsStridedFrom>(self, size, stride, offset.value_or(self->offset), Dims(self.sizes()), Dims(self.strides()), self->offset);
    }
};
OP(AsStrided);
struct AsStridedInplace : Composite<AsStridedInplace> {
    SIG("as_strided_(Tensor(a!) self, int[] size, int[] stride, int? storage_offset=None) -> Tensor(a!)");
    DOC("self itself gets the given sizes, strides and offset into the storage, in elements.");
    static Tensor forward(const Tensor& self, const Dims& size, const Dims& stride, const OptInt& offset) {
        return call_inplace<AsStridedFrom>(self, size, stride, offset.value_or(self->offset), Dims(self.sizes()), Dims(self.strides()), self->offset);
    }
};
OP(AsStridedInplace);

struct Expand : View<Expand> {
    SIG("expand(Tensor self, int[] size, *, bool implicit=False) -> Tensor");
    DOC("Dimensions of size 1 repeated to the given sizes without copying; -1 keeps a size.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Dims& size, bool) {
        int64_t skip = int64_t(size.size()) - self.dim();
        check(skip >= 0, "expand(", name(self.dtype()), "{", self.sizes(), "}, size=", size, "): the number of sizes provided (", size.size(), ") must be greater or equal to the number of dimensions in the tensor (", self.dim(), ")");
        Dims sizes = size, strides(size.size());
        for (size_t i = 0; i < size.size(); i++) {
            int64_t d = int64_t(i) - skip;
            if (d < 0) {
                check(size[i] >= 0, "The expanded size of the tensor (", size[i], ") isn't allowed in a leading, non-existing dimension ", i);
                continue;
            }
            if (sizes[i] == -1) sizes[i] = self.sizes()[d];
            strides[i] = self.strides()[d];
            if (sizes[i] == self.sizes()[d]) continue;
            check(self.sizes()[d] == 1 && sizes[i] >= 0, "The expanded size of the tensor (", sizes[i], ") must match the existing size (", self.sizes()[d], ") at non-singleton dimension ", i, ".  Target sizes: ", size, ".  Tensor sizes: ", self.sizes());
            strides[i] = 0;
        }
        return alias(self, sizes, strides, self->offset);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {sum_to_size(g, c.sizes<0>())}; }
};
OP(Expand);

struct ExpandAs : Composite<ExpandAs> {
    SIG("expand_as(Tensor self, Tensor other) -> Tensor");
    DOC("Expands self to other's sizes.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Tensor& other) { return expand(self, other.sizes()); }
};
OP(ExpandAs);

struct BroadcastTo : Composite<BroadcastTo> {
    SIG("broadcast_to(Tensor self, int[] size) -> Tensor");
    DOC("Expands self to the given sizes.");
    static Tensor forward(const Tensor& self, const Dims& size) { return expand(self, size); }
};
OP(BroadcastTo);

struct Permute : View<Permute> {
    SIG("permute(Tensor self, int[] dims) -> Tensor");
    DOC("The dimensions in another order.");
    static Tensor forward(const Tensor& self, const Dims& dims) {
        check(int64_t(dims.size()) == self.dim(), "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ", self.dim(), " is not equal to len(dims) = ", dims.size());
        Dims sizes(dims.size()), strides(dims.size());
        uint64_t seen = 0;
        for (size_t i = 0; i < dims.size(); i++) {
            int64_t d = wrap_dim(dims[i], self.dim());
            check(!(seen >> d & 1), "permute(): duplicate dims are not allowed.");
            seen |= uint64_t(1) << d;
            sizes[i] = self.sizes()[d], strides[i] = self.strides()[d];
        }
        return alias(self, sizes, strides, self->offset);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        const Dims& dims = c.arg<1>();
        Dims inverse(dims.size());
        for (size_t i = 0; i < dims.size(); i++) inverse[wrap_dim(dims[i], int64_t(dims.size()))] = int64_t(i);
        return {permute(g, inverse)};
    }
};
OP(Permute);

struct Transpose : View<Transpose> {
    SIG("transpose.int(Tensor self, int dim0, int dim1) -> Tensor");
    DOC("Two dimensions exchanged.");
    ALIASES("swapaxes swapdims");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self, int64_t dim0, int64_t dim1) {
        int64_t a = wrap_dim(dim0, self.dim()), b = wrap_dim(dim1, self.dim());
        Dims sizes = self.sizes(), strides = self.strides();
        if (self.dim()) std::swap(sizes[a], sizes[b]), std::swap(strides[a], strides[b]);
        return alias(self, sizes, strides, self->offset);
    }
    static void into(const Tensor& out, bool, const Tensor& self, int64_t dim0, int64_t dim1) { regeometry(out, forward(self, dim0, dim1)); }
    static void regeometry(const Tensor& out, const Tensor& as) { out.set_geometry(Dims(as.sizes()), Dims(as.strides()), as->offset); }
    static Grads backward(Ctx& c, const Tensor& g) { return {transpose(g, c.arg<1>(), c.arg<2>())}; }
};
OP(Transpose);

struct TransposeT : View<TransposeT> {
    SIG("t(Tensor self) -> Tensor");
    DOC("A matrix transposed; vectors and scalars as they are.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self) {
        check(self.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", self.dim(), "D");
        return self.dim() < 2 ? alias(self) : Transpose::forward(self, 0, 1);
    }
    static void into(const Tensor& out, bool, const Tensor& self) { Transpose::regeometry(out, forward(self)); }
    static Grads backward(Ctx& c, const Tensor& g) { return {c.sizes<0>().size() < 2 ? g : transpose(g, 0, 1)}; }
};
OP(TransposeT);

struct Squeeze : View<Squeeze> {
    SIG("squeeze(Tensor self) -> Tensor");
    DOC("Without the dimensions of size 1.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self) {
        Dims sizes, strides;
        for (int64_t d = 0; d < self.dim(); d++)
            if (self.sizes()[d] != 1) sizes.push_back(self.sizes()[d]), strides.push_back(self.strides()[d]);
        return alias(self, sizes, strides, self->offset);
    }
    static void into(const Tensor& out, bool, const Tensor& self) { Transpose::regeometry(out, forward(self)); }
    static Grads backward(Ctx& c, const Tensor& g) { return {reshape(g, c.sizes<0>())}; }
};
OP(Squeeze);

struct SqueezeDim : View<SqueezeDim> {
    SIG("squeeze.dim(Tensor self, int dim) -> Tensor");
    DOC("Without dimension dim, if its size is 1.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self, int64_t dim) {
        int64_t d = wrap_dim(dim, self.dim());
        Dims sizes = self.sizes(), strides = self.strides();
        if (self.dim() && sizes[d] == 1) sizes.erase(d), strides.erase(d);
        return alias(self, sizes, strides, self->offset);
    }
    static void into(const Tensor& out, bool, const Tensor& self, int64_t dim) { Transpose::regeometry(out, forward(self, dim)); }
    static Grads backward(Ctx& c, const Tensor& g) { return {reshape(g, c.sizes<0>())}; }
};
OP(SqueezeDim);

struct SqueezeDims : View<SqueezeDims> {
    SIG("squeeze.dims(Tensor self, int[] dim) -> Tensor");
    DOC("Without those of the given dimensions whose size is 1.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self, const Dims& dim) {
        uint64_t drop = 0;
        for (int64_t d : dim) {
            int64_t w = wrap_dim(d, self.dim());
            check(!(drop >> w & 1), "dim ", w, " appears multiple times in the list of dims (squeeze)");
            drop |= uint64_t(1) << w;
        }
        Dims sizes, strides;
        for (int64_t d = 0; d < self.dim(); d++)
            if (!(drop >> d & 1) || self.sizes()[d] != 1) sizes.push_back(self.sizes()[d]), strides.push_back(self.strides()[d]);
        return alias(self, sizes, strides, self->offset);
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Dims& dim) { Transpose::regeometry(out, forward(self, dim)); }
    static Grads backward(Ctx& c, const Tensor& g) { return {reshape(g, c.sizes<0>())}; }
};
OP(SqueezeDims);

struct Unsqueeze : View<Unsqueeze> {
    SIG("unsqueeze(Tensor self, int dim) -> Tensor");
    DOC("With a dimension of size 1 put in at dim.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static Tensor forward(const Tensor& self, int64_t dim) {
        int64_t d = wrap_dim(dim, self.dim() + 1);
        Dims sizes = self.sizes(), strides = self.strides();
        int64_t stride = d < self.dim() ? sizes[d] * strides[d] : 1;
        sizes.insert(d, 1), strides.insert(d, stride);
        return alias(self, sizes, strides, self->offset);
    }
    static void into(const Tensor& out, bool, const Tensor& self, int64_t dim) { Transpose::regeometry(out, forward(self, dim)); }
    static Grads backward(Ctx& c, const Tensor& g) {
        int64_t d = wrap_dim(c.arg<1>(), int64_t(c.sizes<0>().size()) + 1);
        return {squeeze(g, d)};
    }
};
OP(Unsqueeze);

struct Select : View<Select> {
    SIG("select.int(Tensor self, int dim, int index) -> Tensor");
    DOC("The slice at index along dim, without that dimension.");
    static Tensor forward(const Tensor& self, int64_t dim, int64_t index) {
        check(self.dim() > 0, Err::Index, "select() cannot be applied to a 0-dim tensor.");
        int64_t d = wrap_dim(dim, self.dim()), n = self.sizes()[d];
        check(index >= -n && index < n, Err::Index, "select(): index ", index, " out of range for tensor of size ", self.sizes(), " at dimension ", d);
        Dims sizes = self.sizes(), strides = self.strides();
        int64_t offset = self->offset + (index < 0 ? index + n : index) * strides[d];
        sizes.erase(d), strides.erase(d);
        return alias(self, sizes, strides, offset);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call_backward(g, c.sizes<0>(), c.arg<1>(), c.arg<2>())}; }
    // zeros with the gradient written at its place; linear, so its own gradient is the selection again
    struct Backward : Op<Backward> {
        SIG("select_backward(Tensor grad_output, int[] input_sizes, int dim, int index) -> Tensor");
        DOC("Gradient of select.");
        FORMS(FUNCTION);
        static Tensor forward(const Tensor& g, const Dims& sizes, int64_t dim, int64_t index) {
            Tensor r = zeros(sizes, g.dtype(), g.device());
            if (!r.is_meta()) copy_raw(Select::forward(r, dim, index), resolve(g));
            return r;
        }
        static Grads backward(Ctx& c, const Tensor& g) { return {select(g, c.arg<2>(), c.arg<3>())}; }
    };
    static Tensor call_backward(const Tensor& g, const Dims& sizes, int64_t dim, int64_t index) { return call<Backward>(g, sizes, dim, index); }
};
OP(Select);
static const Registrar<Select::Backward> register_select_backward;

struct Slice : View<Slice> {
    SIG("slice.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor");
    DOC("Every step-th index from start to before end along dim.");
    FORMS(0);
    static Tensor forward(const Tensor& self, int64_t dim, const OptInt& start, const OptInt& end, int64_t step) {
        check(self.dim() > 0, Err::Index, "slice() cannot be applied to a 0-dim tensor.");
        int64_t d = wrap_dim(dim, self.dim()), n = self.sizes()[d];
        check(step > 0, "slice step must be positive");
        auto clip = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + n : v, 0, n); };
        int64_t a = clip(start.value_or(0)), b = std::max(a, clip(end.value_or(n)));
        Dims sizes = self.sizes(), strides = self.strides();
        int64_t offset = self->offset + a * strides[d];
        sizes[d] = (b - a + step - 1) / step;
        strides[d] *= step;
        return alias(self, sizes, strides, offset);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call_backward(g, c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>())}; }
    struct Backward : Op<Backward> {
        SIG("slice_backward(Tensor grad_output, int[] input_sizes, int dim, int? start, int? end, int step) -> Tensor");
        DOC("Gradient of slice.");
        FORMS(FUNCTION);
        static Tensor forward(const Tensor& g, const Dims& sizes, int64_t dim, const OptInt& start, const OptInt& end, int64_t step) {
            Tensor r = zeros(sizes, g.dtype(), g.device());
            if (!r.is_meta()) copy_raw(Slice::forward(r, dim, start, end, step), resolve(g));
            return r;
        }
        static Grads backward(Ctx& c, const Tensor& g) { return {slice(g, c.arg<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>())}; }
    };
    static Tensor call_backward(const Tensor& g, const Dims& sizes, int64_t dim, const OptInt& start, const OptInt& end, int64_t step) { return call<Backward>(g, sizes, dim, start, end, step); }
};
OP(Slice);
static const Registrar<Slice::Backward> register_slice_backward;

struct Narrow : Composite<Narrow> {
    SIG("narrow(Tensor self, int dim, int start, int length) -> Tensor");
    DOC("length indices from start along dim.");
    static Tensor forward(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
        check(self.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
        check(length >= 0, "narrow(): length must be non-negative.");
        int64_t n = self.size(dim);
        check(start >= -n && start <= n, Err::Index, "start out of range (expected to be in range of [", -n, ", ", n, "], but got ", start, ")");
        if (start < 0) start += n;
        check(start + length <= n, "start (", start, ") + length (", length, ") exceeds dimension size (", n, ").");
        return slice(self, dim, start, start + length);
    }
};
OP(Narrow);

struct Flatten : Composite<Flatten> {
    SIG("flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor");
    DOC("The dimensions from start_dim to end_dim made one.");
    static Tensor forward(const Tensor& self, int64_t start_dim, int64_t end_dim) {
        int64_t a = wrap_dim(start_dim, self.dim()), b = wrap_dim(end_dim, self.dim());
        check(a <= b, "flatten() has invalid args: start_dim cannot come after end_dim");
        if (self.dim() == 0) return reshape(self, {1});
        if (a == b) return self;
        Dims sizes;
        int64_t n = 1;
        for (int64_t d = a; d <= b; d++) n *= self.sizes()[d];
        for (int64_t d = 0; d < self.dim(); d++)
            if (d < a || d > b) sizes.push_back(self.sizes()[d]);
            else if (d == a) sizes.push_back(n);
        return reshape(self, sizes);
    }
};
OP(Flatten);

struct Detach : View<Detach> {
    SIG("detach(Tensor self) -> Tensor");
    DOC("The same memory without history.");
    FORMS(FUNCTION | METHOD);
    static constexpr bool kView = false;
    NO_GRADIENT;
    static Tensor forward(const Tensor& self) { return rl::detach(self); }
};
OP(Detach);

Tensor view(const Tensor& a, const Dims& sizes) { return call<ViewOp>(a, sizes); }
Tensor reshape(const Tensor& a, const Dims& sizes) { return call<Reshape>(a, sizes); }
Tensor as_strided(const Tensor& a, const Dims& sizes, const Dims& strides, const OptInt& offset) { return call<AsStrided>(a, sizes, strides, offset); }
Tensor expand(const Tensor& a, const Dims& sizes) { return call<Expand>(a, sizes, false); }
Tensor permute(const Tensor& a, const Dims& dims) { return call<Permute>(a, dims); }
Tensor transpose(const Tensor& a, int64_t d0, int64_t d1) { return call<Transpose>(a, d0, d1); }
Tensor squeeze(const Tensor& a, int64_t dim) { return call<SqueezeDim>(a, dim); }
Tensor unsqueeze(const Tensor& a, int64_t dim) { return call<Unsqueeze>(a, dim); }
Tensor select(const Tensor& a, int64_t dim, int64_t index) { return call<Select>(a, dim, index); }
Tensor slice(const Tensor& a, int64_t dim, const OptInt& start, const OptInt& end, int64_t step) { return call<Slice>(a, dim, start, end, step); }
Tensor narrow(const Tensor& a, int64_t dim, int64_t start, int64_t length) { return call<Narrow>(a, dim, start, length); }
Tensor flatten(const Tensor& a, int64_t start, int64_t end) { return call<Flatten>(a, start, end); }

}  // namespace rl
