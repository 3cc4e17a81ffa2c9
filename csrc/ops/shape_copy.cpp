// The views once more, as operators whose results have memory of their own.
#include <algorithm>

#include "core/op.h"
#include "core/ops.h"

namespace rl {

#define RL_COPY(NAME, SIGNATURE, PARAMS, EXPR)                                     \
    struct NAME : Composite<NAME> {                                                \
        SIG(SIGNATURE);                                                            \
        DOC("As the view of the same name, in memory of its own.");                \
        FORMS(FUNCTION | OUT);                                                     \
        static constexpr bool kCastsOut = false;                                   \
        static Tensor forward PARAMS { return clone(EXPR); }                       \
    };                                                                             \
    OP(NAME)
#define RL_COPIES(NAME, SIGNATURE, PARAMS, EXPR)                                   \
    struct NAME : Composite<NAME> {                                                \
        SIG(SIGNATURE);                                                            \
        DOC("As the views of the same name, in memory of their own.");             \
        FORMS(FUNCTION | OUT);                                                     \
        static constexpr bool kCastsOut = false;                                   \
        static Tensors forward PARAMS {                                            \
            Tensors r;                                                             \
            for (auto& t : EXPR) r.push_back(clone(t));                            \
            return r;                                                              \
        }                                                                          \
    };                                                                             \
    OP(NAME)

// Calls a view that has no C++ function by its registered name.
template <class... A> static Tensor by_name(const char* name, const char* overload, const A&... a) {
    const OpInfo* op = find_op("", name, overload);
    PyObject* slots[kMaxParams] = {To<std::decay_t<A>>::box(a)...};
    Tensor r = Tensor::steal(op->invoke(slots));
    for (size_t i = 0; i < sizeof...(A); i++) Py_XDECREF(slots[i]);
    return r;
}
static Tensor turned(const Tensor& self) {
    check(self.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", self.dim(), "D (t_copy)");
    return self.dim() == 2 ? transpose(self, 0, 1) : self;
}
static Tensors parts(const Tensor& self, int64_t dim, const Dims& lengths) {
    Tensors r;
    int64_t at = 0;
    for (int64_t n : lengths) r.push_back(narrow(self, dim, at, n)), at += n;
    check(at == self.size(dim), "split_with_sizes expects split_sizes to sum exactly to ", self.size(dim), " (input tensor's size at dimension ", dim, "), but got split_sizes=", lengths);
    return r;
}
static Dims equal_parts(const Tensor& self, int64_t split_size, int64_t dim) {
    int64_t n = self.size(dim);
    check(split_size > 0 || (split_size == 0 && n == 0), "split_size can only be 0 if dimension size is 0, but got dimension size of ", n, " (split_size ", split_size, ")");
    Dims r;
    for (int64_t at = 0; at < n; at += split_size) r.push_back(std::min(split_size, n - at));
    return r.empty() ? Dims{0} : r;
}
static Tensors slices(const Tensor& self, int64_t dim) {
    Tensors r;
    for (int64_t i = 0; i < self.size(dim); i++) r.push_back(select(self, dim, i));
    return r;
}
static Tensor squeezed(const Tensor& self, const Dims& dims) {
    Tensor r = self;
    uint64_t drop = 0;
    for (int64_t d : dims) {
        int64_t w = wrap_dim(d, self.dim());
        check(!(drop >> w & 1), "dim ", w, " appears multiple times in the list of dims (squeeze_copy)");
        drop |= uint64_t(1) << w;
    }
    for (int64_t d = self.dim() - 1; d >= 0; d--)
        if (drop >> d & 1) r = squeeze(r, d);
    return r;
}
static Dims all_dims(const Tensor& t) {
    Dims r;
    for (int64_t d = 0; d < t.dim(); d++) r.push_back(d);
    return r;
}

RL_COPY(AliasCopy, "alias_copy(Tensor self, *, Tensor? out=None) -> Tensor", (const Tensor& self), self);
RL_COPY(DetachCopy, "detach_copy(Tensor self, *, Tensor? out=None) -> Tensor", (const Tensor& self), detach(self));
RL_COPY(AsStridedCopy, "as_strided_copy(Tensor self, int[] size, int[] stride, int? storage_offset=None, *, Tensor? out=None) -> Tensor",
        (const Tensor& self, const Dims& size, const Dims& stride, const OptInt& offset), as_strided(self, size, stride, offset));
RL_COPY(DiagonalCopy, "diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1, *, Tensor? out=None) -> Tensor", (const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2), diagonal(self, offset, dim1, dim2));
struct ExpandCopy : Composite<ExpandCopy> {
    SIG("expand_copy(Tensor self, int[] size, *, bool implicit=False, Tensor? out=None) -> Tensor");
    DOC("As expand, in memory of its own.");
    FORMS(FUNCTION | OUT);
    static constexpr bool kCastsOut = false;
    static Tensor forward(const Tensor& self, const Dims& size, bool) {
        Tensor view = expand(self, size);
        return view.is_contiguous() ? clone(view) : contiguous_op(view);  // clone would keep the order of repeated elements' strides
    }
};
OP(ExpandCopy);
RL_COPY(PermuteCopy, "permute_copy(Tensor self, int[] dims, *, Tensor? out=None) -> Tensor", (const Tensor& self, const Dims& dims), permute(self, dims));
struct NarrowCopy : Composite<NarrowCopy> {
    SIG("narrow_copy(Tensor self, int dim, int start, int length, *, Tensor? out=None) -> Tensor");
    DOC("As narrow, in memory of its own.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
        check(self.dim() > 0, "narrow() cannot be applied to a 0-dim tensor. (narrow_copy)");
        check(dim < self.dim(), "narrow_copy(): dim ", dim, " is not below the number of dimensions, ", self.dim());
        narrow(self, dim, start, 0);  // says where dim or start is out of range
        int64_t n = self.size(dim), first = start < 0 ? start + n : start;
        check(length >= 0 && first + length <= n, "start (", start, ") + length (", length, ") exceeds dimension size (", n, "). (narrow_copy)");
        return clone(narrow(self, dim, start, length));
    }
};
OP(NarrowCopy);
RL_COPY(SelectCopy, "select_copy.int(Tensor self, int dim, int index, *, Tensor? out=None) -> Tensor", (const Tensor& self, int64_t dim, int64_t index), select(self, dim, index));
RL_COPY(SliceCopy, "slice_copy.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1, *, Tensor? out=None) -> Tensor",
        (const Tensor& self, int64_t dim, const OptInt& start, const OptInt& end, int64_t step), slice(self, dim, start, end, step));
RL_COPY(SqueezeCopy, "squeeze_copy(Tensor self, *, Tensor? out=None) -> Tensor", (const Tensor& self), squeezed(self, all_dims(self)));
RL_COPY(SqueezeDimCopy, "squeeze_copy.dim(Tensor self, int dim, *, Tensor? out=None) -> Tensor", (const Tensor& self, int64_t dim), squeeze(self, dim));
RL_COPY(SqueezeDimsCopy, "squeeze_copy.dims(Tensor self, int[] dim, *, Tensor? out=None) -> Tensor", (const Tensor& self, const Dims& dim), squeezed(self, dim));
RL_COPY(UnsqueezeCopy, "unsqueeze_copy(Tensor self, int dim, *, Tensor? out=None) -> Tensor", (const Tensor& self, int64_t dim), unsqueeze(self, dim));
RL_COPY(TCopy, "t_copy(Tensor self, *, Tensor? out=None) -> Tensor", (const Tensor& self), turned(self));
RL_COPY(TransposeCopy, "transpose_copy.int(Tensor self, int dim0, int dim1, *, Tensor? out=None) -> Tensor", (const Tensor& self, int64_t dim0, int64_t dim1), transpose(self, dim0, dim1));
RL_COPY(UnfoldCopy, "unfold_copy(Tensor self, int dimension, int size, int step, *, Tensor? out=None) -> Tensor", (const Tensor& self, int64_t dimension, int64_t size, int64_t step), by_name("unfold", "", self, dimension, size, step));
RL_COPY(ViewCopy, "view_copy(Tensor self, int[] size, *, Tensor? out=None) -> Tensor", (const Tensor& self, const Dims& size), view(self, size));
RL_COPY(ViewDTypeCopy, "view_copy.dtype(Tensor self, ScalarType dtype, *, Tensor? out=None) -> Tensor", (const Tensor& self, DType dtype), by_name("view", "dtype", self, dtype));
RL_COPY(ViewAsRealCopy, "view_as_real_copy(Tensor self, *, Tensor? out=None) -> Tensor", (const Tensor& self), view_as_real(self));
RL_COPY(ViewAsComplexCopy, "view_as_complex_copy(Tensor self, *, Tensor? out=None) -> Tensor", (const Tensor& self), view_as_complex(self));
RL_COPIES(SplitCopy, "split_copy.Tensor(Tensor self, int split_size, int dim=0, *, Tensor[]? out=None) -> Tensor[]", (const Tensor& self, int64_t split_size, int64_t dim), parts(self, dim, equal_parts(self, split_size, dim)));
RL_COPIES(SplitSizesCopy, "split_with_sizes_copy(Tensor self, int[] split_sizes, int dim=0, *, Tensor[]? out=None) -> Tensor[]", (const Tensor& self, const Dims& sizes, int64_t dim), parts(self, dim, sizes));
RL_COPIES(UnbindCopy, "unbind_copy.int(Tensor self, int dim=0, *, Tensor[]? out=None) -> Tensor[]", (const Tensor& self, int64_t dim), slices(self, dim));

}  // namespace rl
