// Taking tensors apart: splits, chunks, slices along a dimension. All results are views of the argument.
#include <algorithm>
#include <numeric>

#include "core/op.h"
#include "core/ops.h"

namespace rl {

// Joins the gradients of parts; one that is missing is zero.
static Tensor join(const Node& n, const Grads& g, int64_t dim, bool stacked) {
    Tensors parts;
    for (size_t i = 0; i < n.results.size(); i++) {
        const ResultMeta& m = n.results[i];
        parts.push_back(i < g.size() && g[i] ? g[i] : zeros(m.sizes, m.dtype, m.device));
    }
    return stacked ? stack(parts, dim) : cat(parts, dim);
}
static Tensors cut(const Tensor& self, int64_t dim, const Dims& lengths) {
    Tensors r;
    int64_t at = 0;
    for (int64_t n : lengths) {
        Dims sizes = self.sizes();
        sizes[dim] = n;
        r.push_back(alias(self, sizes, self.strides(), self->offset + at * self.strides()[dim]));
        at += n;
    }
    return r;
}

struct SplitWithSizes : View<SplitWithSizes> {
    SIG("split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]");
    DOC("Parts of the given lengths along dim.");
    static Tensors forward(const Tensor& self, const Dims& sizes, int64_t dim) {
        check(self.dim() != 0, "split expects at least a 1-dimensional tensor");
        int64_t d = wrap_dim(dim, self.dim()), sum = 0;
        for (int64_t n : sizes) {
            check(n >= 0, "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", sizes);
            sum += n;
        }
        check(sum == self.sizes()[d], "split_with_sizes expects split_sizes to sum exactly to ", self.sizes()[d], " (input tensor's size at dimension ", d, "), but got split_sizes=", sizes);
        return cut(self, d, sizes);
    }
    static Grads backward(Ctx& c, const Grads& g) { return {join(c, g, c.arg<2>(), false)}; }
};

static Dims equal_lengths(const Tensor& self, int64_t split_size, int64_t dim) {
    check(self.dim() != 0, "split expects at least a 1-dimensional tensor");
    check(split_size >= 0, "split expects split_size be non-negative, but got split_size=", split_size);
    int64_t n = self.size(dim);
    check(split_size > 0 || n == 0, "split_size can only be 0 if dimension size is 0, but got dimension size of ", n);
    if (n == 0) return {0};
    Dims r;
    for (int64_t at = 0; at < n; at += split_size) r.push_back(std::min(split_size, n - at));
    return r;
}
struct Split : View<Split> {
    SIG("split.Tensor(Tensor self, int split_size, int dim=0) -> Tensor[]");
    DOC("Parts of length split_size along dim, the last one possibly shorter.");
    static Tensors forward(const Tensor& self, int64_t split_size, int64_t dim) {
        Dims lengths = equal_lengths(self, split_size, dim);
        return cut(self, wrap_dim(dim, self.dim()), lengths);
    }
    static Grads backward(Ctx& c, const Grads& g) { return {join(c, g, c.arg<2>(), false)}; }
};
struct SplitSizes : Composite<SplitSizes> {
    SIG("split.sizes(Tensor self, int[] split_size, int dim=0) -> Tensor[]");
    DOC("Parts of the given lengths along dim.");
    static Tensors forward(const Tensor& self, const Dims& sizes, int64_t dim) { return call<SplitWithSizes>(self, sizes, dim); }
};
struct SplitFunction : Composite<SplitFunction> {  // the function's own parameter names
    SIG("split.function(Tensor tensor, Any split_size_or_sections, int dim=0) -> Tensor[]");
    DOC("Parts of one length, or of given lengths, along dim.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensor& tensor, PyObject* sizes, int64_t dim) {
        Param p;
        if (PyTuple_Check(sizes) || PyList_Check(sizes)) return call<SplitWithSizes>(tensor, dims_from_python(sizes, p), dim);
        check(PyIndex_Check(sizes), Err::Type, "split(): argument 'split_size_or_sections' must be int or a tuple of ints, not ", Py_TYPE(sizes)->tp_name);
        return call<Split>(tensor, int_from_python(sizes, p), dim);
    }
};
OP(Split);
OP(SplitSizes);
OP(SplitFunction);
OP(SplitWithSizes);

struct Chunk : Composite<Chunk> {
    SIG("chunk(Tensor self, int chunks, int dim=0) -> Tensor[]");
    DOC("At most `chunks` parts of equal length along dim, the last one possibly shorter.");
    static Tensors forward(const Tensor& self, int64_t chunks, int64_t dim) {
        check(self.dim() > 0, "chunk expects at least a 1-dimensional tensor");
        check(chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
        int64_t n = self.size(dim);
        if (n == 0) return call<SplitWithSizes>(self, Dims(size_t(chunks), 0), dim);
        return call<Split>(self, (n + chunks - 1) / chunks, dim);
    }
};
OP(Chunk);

// ---------------------------------------------------------------- results that own their memory
struct UnsafeSplit : Composite<UnsafeSplit> {
    SIG("unsafe_split.Tensor(Tensor self, int split_size, int dim=0) -> Tensor[]");
    DOC("As split; the parts may be changed in place.");
    static Tensors forward(const Tensor& self, int64_t split_size, int64_t dim) {
        Tensors r;
        for (int64_t n = 0; int64_t v : equal_lengths(self, split_size, dim)) r.push_back(narrow(self, dim, n, v)), n += v;
        return r;
    }
};
struct UnsafeChunk : Composite<UnsafeChunk> {
    SIG("unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]");
    DOC("As chunk; the parts may be changed in place.");
    static Tensors forward(const Tensor& self, int64_t chunks, int64_t dim) {
        check(self.dim() > 0, "chunk expects at least a 1-dimensional tensor");
        check(chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
        int64_t n = self.size(dim);
        if (n == 0) return call<SplitWithSizes>(self, Dims(size_t(chunks), 0), dim);
        return call<UnsafeSplit>(self, (n + chunks - 1) / chunks, dim);
    }
};
struct UnsafeSplitSizes : Composite<UnsafeSplitSizes> {
    SIG("unsafe_split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]");
    DOC("As split_with_sizes; the parts may be changed in place.");
    static Tensors forward(const Tensor& self, const Dims& sizes, int64_t dim) {
        check(self.dim() > 0, "split expects at least a 1-dimensional tensor");
        check(std::accumulate(sizes.begin(), sizes.end(), int64_t(0)) == self.size(dim), "split_with_sizes expects split_sizes to sum exactly to ", self.size(dim), " (input tensor's size at dimension ", dim, "), but got split_sizes=", sizes);
        Tensors r;
        for (int64_t n = 0; int64_t v : sizes) r.push_back(narrow(self, dim, n, v)), n += v;
        return r;
    }
};
OP(UnsafeSplit);
OP(UnsafeChunk);
OP(UnsafeSplitSizes);

// ---------------------------------------------------------------- splits at indices
static Tensors split_at(const Tensor& self, const Dims& indices, int64_t dim) {
    Tensors r;
    int64_t from = 0, n = self.size(dim);
    for (size_t i = 0; i <= indices.size(); i++) {
        int64_t to = i < indices.size() ? indices[i] : n;
        r.push_back(slice(self, dim, OptInt(from), OptInt(to)));
        from = to;
    }
    return r;
}
static Tensors split_evenly(const Tensor& self, int64_t sections, int64_t dim) {
    check(sections > 0, "number of sections must be larger than 0, got ", sections);
    check(sections < int64_t(1) << 30, "tensor_split: ", sections, " views are more than memory can hold");
    int64_t n = self.size(dim), at = 0;
    Tensors r;
    for (int64_t i = 0; i < sections; i++) {
        int64_t length = n / sections + (i < n % sections);
        r.push_back(slice(self, dim, OptInt(at), OptInt(at + length)));
        at += length;
    }
    return r;
}
static void check_splittable(const Tensor& self) { check(self.dim() > 0, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", self.dim(), " dims"); }

struct TensorSplit : Composite<TensorSplit> {
    SIG("tensor_split.sections(Tensor self, int sections, int dim=0) -> Tensor[]");
    DOC("That many parts along dim, as equal as possible.");
    static Tensors forward(const Tensor& self, int64_t sections, int64_t dim) {
        check_splittable(self);
        return split_evenly(self, sections, dim);
    }
};
struct TensorSplitIndices : Composite<TensorSplitIndices> {
    SIG("tensor_split.indices(Tensor self, int[] indices, int dim=0) -> Tensor[]");
    DOC("Parts that end before each of the indices along dim.");
    static Tensors forward(const Tensor& self, const Dims& indices, int64_t dim) {
        check_splittable(self);
        return split_at(self, indices, dim);
    }
};
struct TensorSplitTensor : Composite<TensorSplitTensor> {
    SIG("tensor_split.tensor_indices_or_sections(Tensor self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]");
    DOC("As tensor_split with the number of parts or the indices in a tensor.");
    static Tensors forward(const Tensor& self, const Tensor& which, int64_t dim) {
        check_splittable(self);
        check(which.dtype() == DType::Int64, "tensor_split expected tensor_indices_or_sections to have dtype of long, but got ", title(which.dtype()));
        check(which.dim() <= 1, "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with ", which.dim(), " dims");
        check(!which.is_meta() && !which->wrapper, "tensor_split requires tensor_indices_or_sections to be on cpu, where its values are, but it's on ", which.is_meta() ? "meta" : "a level of vmap");
        if (which.dim() == 0) return split_evenly(self, item(which).to<int64_t>(), dim);
        Dims at;
        for (int64_t i = 0; i < which.numel(); i++) at.push_back(which.data<int64_t>()[i * which.strides()[0]]);
        return split_at(self, at, dim);
    }
};
OP(TensorSplitTensor);
OP(TensorSplit);
OP(TensorSplitIndices);

// hsplit, vsplit, dsplit: along the dimension of that direction.
static int64_t direction(const char* op, const Tensor& self, int64_t least, int64_t dim) {
    check(self.dim() >= least, "torch.", op, " requires a tensor with at least ", least, " dimension, but got a tensor with ", self.dim(), " dimensions!");
    return self.dim() == 1 ? 0 : dim;
}
static Tensors split_direction(const char* op, const Tensor& self, int64_t sections, int64_t least, int64_t dim) {
    int64_t d = direction(op, self, least, dim);
    check(sections != 0 && self.sizes()[d] % sections == 0, "torch.", op, " attempted to split along dimension ", d, ", but the size of the dimension ", self.sizes()[d], " is not divisible by the split_size ", sections, "!");
    return split_evenly(self, sections, d);
}
#define RL_DIRECTION(NAME, OP_NAME, LEAST, DIM)                                                                                             \
    struct NAME : Composite<NAME> {                                                                                                         \
        SIG(OP_NAME ".int(Tensor self, int sections) -> Tensor[]");                                                                         \
        DOC("Equal parts along the dimension of this direction.");                                                                          \
        static Tensors forward(const Tensor& self, int64_t sections) { return split_direction(OP_NAME, self, sections, LEAST, DIM); }       \
    };                                                                                                                                      \
    struct NAME##At : Composite<NAME##At> {                                                                                                 \
        SIG(OP_NAME ".array(Tensor self, int[] indices) -> Tensor[]");                                                                      \
        DOC("Parts that end before each of the indices along the dimension of this direction.");                                            \
        static Tensors forward(const Tensor& self, const Dims& at) { return split_at(self, at, direction(OP_NAME, self, LEAST, DIM)); }     \
    };                                                                                                                                      \
    OP(NAME);                                                                                                                               \
    OP(NAME##At)
RL_DIRECTION(Hsplit, "hsplit", 1, 1);
RL_DIRECTION(Vsplit, "vsplit", 2, 0);
RL_DIRECTION(Dsplit, "dsplit", 3, 2);

struct Unbind : View<Unbind> {
    SIG("unbind.int(Tensor self, int dim=0) -> Tensor[]");
    DOC("All slices along dim, without that dimension.");
    static Tensors forward(const Tensor& self, int64_t dim) {
        int64_t d = wrap_dim(dim, self.dim(), false);
        Dims sizes = self.sizes(), strides = self.strides();
        sizes.erase(size_t(d)), strides.erase(size_t(d));
        Tensors r;
        for (int64_t i = 0; i < self.sizes()[d]; i++) r.push_back(alias(self, sizes, strides, self->offset + i * self.strides()[d]));
        return r;
    }
    static Grads backward(Ctx& c, const Grads& g) {
        if (c.results.empty()) return {zeros(c.sizes<0>(), c.dtype<0>())};
        return {join(c, g, wrap_dim(c.arg<1>(), int64_t(c.sizes<0>().size())), true)};
    }
};
OP(Unbind);

}  // namespace rl
