// Indexing by one vector along one dimension, and by positions in the flattened tensor.
#include "ops/index_core.h"

namespace rl {

// ---------------------------------------------------------------- reading
struct IndexSelect : Op<IndexSelect> {
    SIG("index_select(Tensor self, int dim, Tensor index, *, Tensor? out=None) -> Tensor");
    DOC("The slices of self along dim that index names, in its order.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<2>>;
    static Tensor forward(const Tensor& self, int64_t dim, const Tensor& index) {
        int64_t d = wrap_dim(dim, self.dim());
        check(index.dim() <= 1, Err::Index, "index_select(): Index is supposed to be a vector");
        check(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, "index_select(): Expected dtype int32 or int64 for index");
        check(self.dim() > 0 || index.numel() == 1, "index_select(): Index to scalar can have only 1 value, got ", index.numel(), " value(s)");
        Dims sizes = self.sizes();
        if (self.dim()) sizes[d] = index.numel();
        Tensor r = result(sizes, self.dtype(), self.device());
        if (r.is_meta()) return r;
        Tensor s = resolve(self);
        Tensor v = checked_indices(index, self.dim() ? self.sizes()[d] : 1, d, false, BadIndex::RangeInSelf);
        if (r.numel()) read_places(r.raw(), s.raw(), places_along(s, d, v), itemsize(s.dtype()));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor index = c.in<2>();
        return {index_add(zeros(c.sizes<0>(), g.dtype(), g.device()), c.arg<1>(), index, g)};
    }
};
OP(IndexSelect);

struct Take : Op<Take> {
    SIG("take(Tensor self, Tensor index, *, Tensor? out=None) -> Tensor");
    DOC("The elements of the flattened self at index, in index's shape.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& self, const Tensor& index) {
        check(index.dtype() == DType::Int64, "take(): Expected a long tensor for index, but got ", title(index.dtype()));
        check(self.numel() > 0 || index.numel() == 0, Err::Index, "take(): tried to take from an empty tensor");
        Tensor r = result(index.sizes(), self.dtype(), self.device());
        if (r.is_meta() || r.numel() == 0) return r;
        Tensor s = resolve(self);
        Tensor v = checked_indices(index, self.numel(), 0, true, BadIndex::Tried);
        if (!s.is_contiguous()) {  // places in memory for places in the order of the elements
            v = clone_raw(contiguous(v));
            for (int64_t *p = v.data<int64_t>(), *end = p + v.numel(); p < end; p++) {
                int64_t rest = *p;
                *p = 0;
                for (size_t d = s.sizes().size(); d-- > 0; rest /= s.sizes()[d]) *p += rest % s.sizes()[d] * s.strides()[d];
            }
        }
        Places p = places_along(alias(s, Dims{s.numel()}, Dims{1}, s->offset), 0, v);
        read_places(r.raw(), s.raw(), p, itemsize(s.dtype()));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g);
};
OP(Take);

// ---------------------------------------------------------------- writing
namespace {
// Checks index and source of index_add and its relatives, and gives the places.
struct Rows {
    int64_t dim;
    Tensor source;  // contiguous, apart from r's memory
    Places places;
    Rows(const char* op, const Tensor& r, int64_t d, const Tensor& index, const Tensor& src, BadIndex kind, Err size_error) : dim(wrap_dim(d, r.dim())) {
        check(index.dim() <= 1, Err::Index, op, "(): Index is supposed to be a vector, but got dim: ", index.dim(), " with type: ", title(index.dtype()), " and size: ", index.sizes());
        int64_t n = src.dim() ? src.sizes()[wrap_dim(d, src.dim())] : 1;
        if (r.dim() == src.dim() || src.dim() == 0) check(index.numel() == n, size_error, op, "(): Number of indices (", index.numel(), ") should be equal to source.size(dim): (", n, "), for dim: ", dim);
        bool fits = r.dim() == src.dim() || (src.dim() == 0 && r.numel() == 1);
        for (int64_t i = 0; fits && i < src.dim(); i++) fits = i == dim || r.sizes()[i] == src.sizes()[i];
        check(fits, "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ", r.sizes(), " source.shape = ", src.sizes());
        if (r.is_meta()) return;
        source = contiguous(apart_from(r, src));
        places = places_along(r, dim, checked_indices(index, r.dim() ? r.sizes()[dim] : 1, dim, false, kind));
    }
};
void check_index_type(const char* op, const Tensor& index) {
    check(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op, "(): Expected dtype int32/int64 for index but got: ", title(index.dtype()));
}
}  // namespace

struct IndexAdd : Update<IndexAdd, int64_t, Tensor, Tensor, Scalar> {
    SIG("index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("self with alpha times the slices of source added to those that index names.");
    using Saves = Save<In<2>>;
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha) {
        check_index_type("index_add_", index);
        check(r.dtype() == source.dtype(), "index_add_(): self (", title(r.dtype()), ") and source (", title(source.dtype()), ") must have the same scalar type");
        check(r.dtype() != DType::Bool || alpha.kind == Scalar::Bool || alpha.is_integral(), "For integral input tensors, argument alpha must not be a floating point number.");
        Rows rows("index_add_", r, dim, index, source, BadIndex::Runtime, Err::Runtime);
        if (r.is_meta() || !rows.source.numel()) return;
        InKernel guard;
        add_places(r, alpha.equals(1) ? rows.source : contiguous(mul(rows.source, scalar_tensor(alpha, r.dtype()))), 1, rows.places);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = g;
        if (c.needs<3>()) r[2] = reshape(mul(index_select(g, c.arg<1>(), c.in<2>()), conj_of(c.arg<4>())), c.sizes<3>());
        return r;
    }
    static Scalar conj_of(const Scalar& s) { return s.is_complex() ? Scalar(c128(s.d, -s.im)) : s; }
};
OP(IndexAdd);

static Tensor index_fill(const Tensor& a, int64_t dim, const Tensor& index, const Operand& value);

struct IndexCopy : Update<IndexCopy, int64_t, Tensor, Tensor> {
    SIG("index_copy(Tensor self, int dim, Tensor index, Tensor source, *, Tensor? out=None) -> Tensor");
    DOC("self with the slices of source in place of those that index names.");
    using Saves = Save<In<2>>;
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Tensor& source) {
        check(index.dtype() == DType::Int64, "index_copy_(): Expected a long tensor for index, but got ", title(index.dtype()));
        check(r.dtype() == source.dtype(), "index_copy_(): self and source expected to have the same dtype, but got (self) ", title(r.dtype()), " and (source) ", title(source.dtype()));
        bool same_dims = r.dim() == source.dim() || source.dim() == 0 || r.dim() == 0;
        check(same_dims, Err::Index, "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality (", source.dim(), "), destination dimensionality (", r.dim(), ")");
        Rows rows("index_copy_", r, dim, index, r.dim() == 0 ? reshape(source, {}) : source, BadIndex::Index, Err::Index);
        if (r.is_meta() || !rows.source.numel()) return;
        move_places(r, rows.source, 1, rows.places);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = index_fill(g, c.arg<1>(), c.in<2>(), Scalar(0));
        if (c.needs<3>()) r[2] = reshape(index_select(g, c.arg<1>(), c.in<2>()), c.sizes<3>());
        return r;
    }
};
OP(IndexCopy);

struct IndexFill : Op<IndexFill> {
    SIG("index_fill.int_Scalar(Tensor self, int dim, Tensor index, Operand value) -> Tensor");
    DOC("self with the slices that index names filled with value, a number or a tensor without dimensions.");
    FORMS(FUNCTION | METHOD | INPLACE);
    using Saves = Save<In<2>>;
    static Tensor forward(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value) {
        Tensor r = clone_raw(self);
        into(r, true, r, dim, index, value);
        return r;
    }
    static void into(const Tensor& r, bool, const Tensor&, int64_t dim, const Tensor& index, const Operand& value) {
        int64_t d = wrap_dim(dim, r.dim());
        check(index.dtype() == DType::Int64, Err::Index, "index_fill_(): Expected dtype int64 for index.");
        check(index.dim() <= 1, "Index has to be a vector/scalar");
        check(!value.tensor || value.tensor->dim() == 0, "index_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.tensor ? value.tensor->dim() : 0, " dimension(s).");
        bool complex = value.tensor ? value.tensor->is_complex() : value.scalar.is_complex();
        check(!complex || r.is_complex(), "index_fill_(): Converting complex ", value.tensor ? "value" : "Scalar", " to non-complex type is not supported");
        if (r.is_meta()) return;
        Scalar v = value.tensor ? item(*value.tensor) : value.scalar;
        Places p = places_along(r, d, checked_indices(index, r.dim() ? r.sizes()[d] : 1, d, true, BadIndex::Index));
        move_places(r, scalar_tensor(v, r.dtype()), 0, p);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = index_fill(g, c.arg<1>(), c.in<2>(), Scalar(0));
        if (c.needs<3>()) {  // a place that is named twice counts once
            Tensor filled = index_fill(zeros(g.sizes(), DType::Bool, g.device()), c.arg<1>(), c.in<2>(), Scalar(true));
            r[2] = sum(where(filled, g, Scalar(0)));
        }
        return r;
    }
};
OP(IndexFill);
static Tensor index_fill(const Tensor& a, int64_t dim, const Tensor& index, const Operand& value) { return call<IndexFill>(a, dim, index, value); }

struct Put : Update<Put, Tensor, Tensor, bool> {
    SIG("put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor");
    DOC("self with source written, or added with accumulate=True, at positions of the flattened tensor.");
    FORMS(FUNCTION | METHOD | INPLACE);
    using Saves = Save<In<1>>;
    static void apply(const Tensor& r, const Tensor& index, const Tensor& source, bool accumulate) {
        check(index.dtype() == DType::Int64, "put_(): Expected a long tensor for index, but got ", title(index.dtype()));
        check(r.dtype() == source.dtype(), "put_(): self and source expected to have the same dtype, but got self.dtype = ", title(r.dtype()), " and source.dtype = ", title(source.dtype()));
        check(index.numel() == source.numel(), Err::Index, "put_(): Expected source and index to have the same number of elements, but got source.numel() = ", source.numel(), ", index.numel() = ", index.numel());
        check(r.numel() > 0 || index.numel() == 0, Err::Index, "put_(): tried to put elements into an empty tensor");
        if (r.is_meta() || index.numel() == 0) return;
        Tensor v = checked_indices(index, r.numel(), 0, true, BadIndex::Tried), s = contiguous(apart_from(r, source));
        Places p;
        p.outer = {0}, p.run = true, p.width = 1;
        p.index.assign(v.data<int64_t>(), v.data<int64_t>() + v.numel());
        if (!r.is_contiguous()) {
            std::vector<int64_t> at = offsets_of(r.sizes(), r.strides());
            for (auto& i : p.index) i = at[size_t(i)];
        }
        (accumulate ? add_places : move_places)(r, s, 1, p);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        Tensor index = c.in<1>();
        if (c.needs<0>()) r[0] = c.arg<3>() ? g : call<Put>(g, index, zeros(index.sizes(), g.dtype(), g.device()), false);
        if (c.needs<2>()) r[2] = reshape(call<Take>(g, index), c.sizes<2>());
        return r;
    }
};
OP(Put);
Grads Take::backward(Ctx& c, const Tensor& g) { return {call<Put>(zeros(c.sizes<0>(), g.dtype(), g.device()), c.in<1>(), g, true)}; }

Tensor index_select(const Tensor& a, int64_t dim, const Tensor& index) { return call<IndexSelect>(a, dim, index); }
Tensor index_add(const Tensor& a, int64_t dim, const Tensor& index, const Tensor& src) { return call<IndexAdd>(a, dim, index, src, Scalar(1)); }

}  // namespace rl
