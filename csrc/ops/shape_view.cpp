// Views with other names for their dimensions, or over other types; sliding windows.
#include <algorithm>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"

namespace rl {

struct ViewAs : Composite<ViewAs> {
    SIG("view_as(Tensor self, Tensor other) -> Tensor");
    DOC("self viewed in other's sizes.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Tensor& other) { return view(self, other.sizes()); }
};
struct ReshapeAs : Composite<ReshapeAs> {
    SIG("reshape_as(Tensor self, Tensor other) -> Tensor");
    DOC("self reshaped to other's sizes.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, const Tensor& other) { return reshape(self, other.sizes()); }
};
struct Ravel : Composite<Ravel> {
    SIG("ravel(Tensor self) -> Tensor");
    DOC("self as a vector: a view where possible.");
    static Tensor forward(const Tensor& self) { return reshape(contiguous_op(self), {-1}); }
};

// ---------------------------------------------------------------- transposes that are written like attributes
// Of a number these are the identity, which PyTorch gives up.
static bool is_number(const Tensor& self, const char* name, const char* instead = "This function is the identity in these cases.") {
    if (self.dim() == 0) warn("Tensor.", name, " is deprecated on 0-D tensors. ", instead);
    return self.dim() == 0;
}
static void check_matrices(const Tensor& self, const char* name) {
    check(self.dim() >= 2, "tensor.", name, " is only supported on matrices or batches of matrices. Got ", self.dim(), "-D tensor.");
}
struct Reversed : Composite<Reversed> {
    SIG("T(Tensor self) -> Tensor");
    DOC("The dimensions in reverse order.");
    FORMS(PROPERTY);
    static Tensor forward(const Tensor& self) {
        if (is_number(self, "T")) return self;
        if (self.dim() != 2)
            warn("The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated (shape ", self.sizes(), "). Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.");
        if (self.dim() == 2) return transpose(self, 0, 1);
        Dims order;
        for (int64_t d = self.dim(); d-- > 0;) order.push_back(d);
        return permute(self, order);
    }
};
struct MatrixTransposed : Composite<MatrixTransposed> {
    SIG("mT(Tensor self) -> Tensor");
    DOC("The last two dimensions exchanged.");
    FORMS(PROPERTY);
    static Tensor forward(const Tensor& self) {
        if (is_number(self, "mT")) return self;
        check_matrices(self, "mT");
        return transpose(self, -2, -1);
    }
};
struct Hermitian : Composite<Hermitian> {
    SIG("H(Tensor self) -> Tensor");
    DOC("A matrix transposed and conjugated.");
    FORMS(PROPERTY);
    static Tensor forward(const Tensor& self) {
        if (is_number(self, "H", "Consider using x.conj().")) return conj(self);
        check(self.dim() == 2, "tensor.H is only supported on matrices (2-D tensors). Got ", self.dim(), "-D tensor.", self.dim() > 2 ? " For batches of matrices, consider using tensor.mH" : "");
        return conj(transpose(self, 0, 1));
    }
};
struct MatrixHermitian : Composite<MatrixHermitian> {
    SIG("mH(Tensor self) -> Tensor");
    DOC("The last two dimensions exchanged, conjugated.");
    FORMS(PROPERTY);
    static Tensor forward(const Tensor& self) {
        if (is_number(self, "mH", "Consider using x.conj().")) return conj(self);
        check_matrices(self, "mH");
        return conj(transpose(self, -2, -1));
    }
};
OP(Reversed);
OP(MatrixTransposed);
OP(Hermitian);
OP(MatrixHermitian);

struct Unflatten : Composite<Unflatten> {
    SIG("unflatten.int(Tensor self, int dim, int[] sizes) -> Tensor");
    DOC("One dimension made into several; one of the sizes may be -1.");
    static Tensor forward(const Tensor& self, int64_t dim, const Dims& sizes) {
        int64_t d = wrap_dim(dim, self.dim());
        check(!sizes.empty(), "unflatten: sizes must be non-empty");
        int64_t n = self.dim() ? self.sizes()[d] : 1, known = 1;
        Dims r = self.sizes();
        if (self.dim()) r.erase(size_t(d));
        check(std::count(sizes.begin(), sizes.end(), -1) <= 1, "only one dimension can be inferred (unflatten to ", sizes, ")");
        for (int64_t s : sizes) check(s >= -1, "invalid shape dimension ", s, " (unflatten to ", sizes, ")");
        bool open = std::count(sizes.begin(), sizes.end(), -1) == 1;
        for (int64_t s : sizes) known *= s == -1 ? 1 : s;
        check(open ? known != 0 && n % known == 0 : known == n, "unflatten: Provided sizes ", sizes, " don't multiply up to the size of dim ", d, " (", n, ") in the input tensor");
        for (size_t i = 0; i < sizes.size(); i++) r.insert(size_t(d) + i, sizes[i] == -1 ? n / known : sizes[i]);
        return view(self, r);
    }
};
OP(ViewAs);
OP(ReshapeAs);
OP(Ravel);
OP(Unflatten);

struct Movedim : Composite<Movedim> {
    SIG("movedim.intlist(Tensor self, int[] source, int[] destination) -> Tensor");
    DOC("Dimensions moved to other places, the others keeping their order.");
    ALIASES("moveaxis");
    static Tensor forward(const Tensor& self, const Dims& source, const Dims& destination) {
        check(source.size() == destination.size(), "movedim: Invalid source or destination dims: source (", source, " dims) should contain the same number of dims as destination (", destination, " dims)");
        size_t n = size_t(self.dim());
        Dims order(n, -1);
        uint64_t used = 0, filled = 0;
        for (size_t i = 0; i < source.size(); i++) {
            int64_t from = wrap_dim(source[i], self.dim()), to = wrap_dim(destination[i], self.dim());
            check(!(used >> from & 1), "movedim: repeated dim in `source` (", source, ")");
            check(!(filled >> to & 1), "movedim: repeated dim in `destination` (", destination, ")");
            used |= uint64_t(1) << from, filled |= uint64_t(1) << to;
            if (n) order[to] = from;
        }
        if (n == 0) return view(self, {});
        for (size_t at = 0, d = 0; d < n; d++) {
            if (used >> d & 1) continue;
            while (order[at] >= 0) at++;
            order[at] = int64_t(d);
        }
        return permute(self, order);
    }
};
struct MovedimInt : Composite<MovedimInt> {
    SIG("movedim.int(Tensor self, int source, int destination) -> Tensor");
    DOC("One dimension moved to another place.");
    ALIASES("moveaxis");
    static Tensor forward(const Tensor& self, int64_t source, int64_t destination) { return call<Movedim>(self, Dims{source}, Dims{destination}); }
};
OP(MovedimInt);
OP(Movedim);

struct Adjoint : Composite<Adjoint> {
    SIG("adjoint(Tensor self) -> Tensor");
    DOC("The matrices of the last two dimensions transposed and conjugated.");
    static Tensor forward(const Tensor& self) {
        check(self.dim() >= 2, "tensor.adjoint() is only supported on matrices or batches of matrices. Got ", self.dim(), "-D tensor.");
        Tensor t = transpose(self, -2, -1);
        return t.is_complex() ? conj(t) : t;
    }
};
struct NarrowTensor : Composite<NarrowTensor> {
    SIG("narrow.Tensor(Tensor self, int dim, Tensor start, int length) -> Tensor");
    DOC("length indices from start along dim.");
    static Tensor forward(const Tensor& self, int64_t dim, const Tensor& start, int64_t length) {
        check(start.dim() == 0 && is_integral(start.dtype()), "start must be an 0-dim integral Tensor.");
        return narrow(self, dim, item(start).to<int64_t>(), length);
    }
};
OP(Adjoint);
OP(NarrowTensor);

struct Unfold : View<Unfold> {
    SIG("unfold(Tensor self, int dimension, int size, int step) -> Tensor");
    DOC("All windows of a size along a dimension, `step` apart, as the last dimension of a view.");
    FORMS(METHOD);
    static Tensor forward(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
        int64_t d = wrap_dim(dimension, self.dim()), n = self.dim() ? self.sizes()[d] : 1;
        check(size >= 0, "size is ", size, " but must be >= 0");
        check(size <= n, "maximum size for tensor at dimension ", d, " is ", n, " but size is ", size);
        check(step > 0, "step is ", step, " but must be > 0");
        Dims sizes = self.sizes(), strides = self.strides();
        int64_t s = self.dim() ? strides[d] : 1;
        if (self.dim()) sizes[d] = (n - size) / step + 1, strides[d] = step * s;
        sizes.push_back(size), strides.push_back(s);
        return alias(self, sizes, strides, self->offset);
    }
    // Windows that overlap add up: every element is sent to its place along the dimension.
    static Grads backward(Ctx& c, const Tensor& g) {
        const Dims& sizes = c.sizes<0>();
        if (sizes.empty()) return {reshape(g, {})};
        int64_t d = wrap_dim(c.arg<1>(), int64_t(sizes.size())), windows = g.sizes()[d], size = c.arg<2>(), step = c.arg<3>();
        Tensor index = empty(Dims{windows * size}, DType::Int64);
        for (int64_t i = 0; i < windows * size; i++) index.data<int64_t>()[i] = i / size * step + i % size;
        Dims order;
        for (int64_t i = 0; i < g.dim() - 1; i++) {
            order.push_back(i);
            if (i == d) order.push_back(g.dim() - 1);
        }
        Dims flat = sizes;
        flat[d] = windows * size;
        return {index_add(zeros(sizes, g.dtype(), g.device()), d, index, reshape(permute(g, order), flat))};
    }
};
OP(Unfold);

// ---------------------------------------------------------------- other types over the same memory

struct ViewDType : Op<ViewDType> {
    SIG("view.dtype(Tensor self, ScalarType dtype) -> Tensor");
    DOC("The same bytes as elements of another type; the last dimension grows or shrinks with the element's size.");
    FORMS(METHOD);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, DType dtype) {
        check(!self.lazy(), "torch.Tensor.view is not supported for ", self->conj ? "conjugate" : "negative", " view tensors when converting to a different dtype.");
        if (dtype == self.dtype()) return become(alias(self), self);
        int64_t from = itemsize(self.dtype()), to = itemsize(dtype), offset = self->offset * from;
        Dims sizes = self.sizes(), strides = self.strides();
        if (from != to) {
            size_t last = sizes.size() - 1;
            auto text = cat("to view ", title(self.dtype()), " as ", title(dtype), " (different element sizes)");
            check(self.dim() != 0, "self.dim() cannot be 0 ", text);
            check(self.stride(-1) == 1, "self.stride(-1) must be 1 ", text, ", but got ", self.stride(-1));
            int64_t ratio = from > to ? from / to : to / from;
            if (from < to) {
                check(sizes[last] % ratio == 0, "self.size(-1) must be divisible by ", ratio, " ", text, ", but got ", sizes[last]);
                check(offset % to == 0, "self.storage_offset() must be divisible by ", ratio, " ", text, ", but got ", self->offset);
                for (size_t i = 0; i < last; i++) check(strides[i] % ratio == 0, "self.stride(", i, ") must be divisible by ", ratio, " ", text, ", but got ", strides[i]);
            }
            sizes[last] = from > to ? sizes[last] * ratio : sizes[last] / ratio;
            for (size_t i = 0; i < last; i++) strides[i] = from > to ? strides[i] * ratio : strides[i] / ratio;
        }
        Tensor r = alias(self);
        r->dtype = dtype;
        r.set_geometry(sizes, strides, offset / to);
        return become(r, self);
    }
    static Tensor become(const Tensor& r, const Tensor& self) {
        become_view(r, self, ViewKind::NoGrad);
        return r;
    }
};
OP(ViewDType);


// ---------------------------------------------------------------- pixels and channels
struct PixelShuffle : Op<PixelShuffle> {
    SIG("nn::pixel_shuffle(Tensor input, int upscale_factor) -> Tensor");
    DOC("Channels to pixels: (*, C * r * r, H, W) to (*, C, H * r, W * r) (Shi et al., 2016).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, int64_t r) {
        check(x.dim() >= 3, "pixel_shuffle expects input to have at least 3 dimensions, but got input with ", x.dim(), " dimension(s)");
        check(r > 0, "pixel_shuffle expects a positive upscale_factor, but got ", r);
        int64_t c = x.size(-3), h = x.size(-2), w = x.size(-1);
        check(c % (r * r) == 0, "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=", c, " is not divisible by ", r * r);
        return rearranged(x, {c / (r * r), r, r, h, w}, {0, 3, 1, 4, 2}, {c / (r * r), h * r, w * r});
    }
    // The last three dimensions split into `parts`, permuted, and joined as `sizes`.
    static Tensor rearranged(const Tensor& x, const Dims& parts, const Dims& order, const Dims& sizes) {
        Dims split = parts, joined(Ints(x.sizes()).first(size_t(x.dim() - 3)));
        split[0] *= product(joined);  // the first part stays where it is, so those before can be one with it
        for (int64_t v : sizes) joined.push_back(v);
        Tensor r = empty(joined, x.dtype(), x.device());
        if (r.is_meta() || r.numel() == 0) return r;
        Tensor from = contiguous(x);
        Dims lie = contiguous_strides(split), moved = split, strides = lie;
        for (size_t i = 0; i < order.size(); i++) moved[i] = split[size_t(order[i])], strides[i] = lie[size_t(order[i])];
        copy_raw(alias(r, moved, contiguous_strides(moved), 0), alias(from, moved, strides, from->offset));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g);
};
OP(PixelShuffle);

struct PixelUnshuffle : Op<PixelUnshuffle> {
    SIG("nn::pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor");
    DOC("Pixels to channels, the inverse of pixel_shuffle: (*, C, H * r, W * r) to (*, C * r * r, H, W).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, int64_t r) {
        check(x.dim() >= 3, "pixel_unshuffle expects input to have at least 3 dimensions, but got input with ", x.dim(), " dimension(s)");
        check(r > 0, "pixel_unshuffle expects a positive downscale_factor, but got ", r);
        int64_t c = x.size(-3), h = x.size(-2), w = x.size(-1);
        check(h % r == 0, "pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=", h, " is not divisible by ", r);
        check(w % r == 0, "pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=", w, " is not divisible by ", r);
        return PixelShuffle::rearranged(x, {c, h / r, r, w / r, r}, {0, 2, 4, 1, 3}, {c * r * r, h / r, w / r});
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<PixelShuffle>(g, c.arg<1>())}; }
};
OP(PixelUnshuffle);
Grads PixelShuffle::backward(Ctx& c, const Tensor& g) { return {call<PixelUnshuffle>(g, c.arg<1>())}; }

}  // namespace rl
