// Indexing by tensors: x[i, j], x[mask] and their assignments.
#include "ops/index_core.h"

namespace rl {

namespace {
// Masks become the integer indices of their true elements, each of their dimensions one index.
Tensors without_masks(const Tensor& self, const Tensors& indices) {
    Tensors r;
    for (auto& t : indices) {
        if (!t) {
            r.push_back(t);
            continue;
        }
        DType d = t.dtype();
        check(d == DType::Int64 || d == DType::Int32 || d == DType::Bool || d == DType::UInt8, Err::Index, "tensors used as indices must be long, int, byte or bool tensors");
        if (d == DType::Int64 || d == DType::Int32) {
            r.push_back(t);
            continue;
        }
        check(!t.is_meta(), Err::NotImplemented, "index(): the shape of a result by a mask depends on the mask's values, which a meta tensor has not");
        for (int64_t k = 0; k < t.dim(); k++) {
            int64_t at = int64_t(r.size()) + k;
            check(at < self.dim() && self.sizes()[at] == t.sizes()[k], Err::Index, "The shape of the mask ", t.sizes(), " at index ", k, " does not match the shape of the indexed tensor ", self.sizes(), " at index ", at);
        }
        Tensor places = nonzero_raw(t);
        for (int64_t k = 0; k < t.dim(); k++) r.push_back(alias(places, Dims{places.sizes()[1]}, Dims{1}, k * places.sizes()[1]));
    }
    check(int64_t(r.size()) <= self.dim(), Err::Index, "too many indices for tensor of dimension ", self.dim(), " (got ", r.size(), ")");
    return r;
}

// How indices lead from self to the result: [dimensions before][the indices' shape][dimensions behind], where the
// indexed dimensions are neighbours, else the indices' shape comes first.
struct Plan {
    Tensors indices;
    Dims shape;  // of the indices, broadcast
    Dims sizes;  // of the result
    Dims before, between;  // dimensions of self that are not indexed
    bool any = false;

    Plan(const Tensor& self, const Tensors& given) : indices(without_masks(self, given)) {
        indices.resize(size_t(self.dim()));
        int64_t first = -1, last = -1;
        bool neighbours = true;
        for (int64_t d = 0; d < self.dim(); d++) {
            if (!indices[d]) continue;
            shape = any ? join(shape, indices[d].sizes()) : indices[d].sizes();
            if (any && last != d - 1) neighbours = false;
            if (!any) first = d;
            last = d, any = true;
        }
        for (int64_t d = 0; d < self.dim(); d++)
            if (!indices[d]) (neighbours && d < first ? before : between).push_back(d);
        for (int64_t d : before) sizes.push_back(self.sizes()[d]);
        for (int64_t n : shape) sizes.push_back(n);
        for (int64_t d : between) sizes.push_back(self.sizes()[d]);
    }
    Dims join(const Dims& a, const Dims& b) const {
        try {
            return broadcast(a, b);
        } catch (const Error&) {
            std::string shapes;
            for (auto& t : indices)
                if (t) shapes += (shapes.empty() ? "" : ", ") + str(Ints(t.sizes()));
            raise(Err::Index, "shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
        }
    }
    Places places(const Tensor& self) const {
        Places p;
        p.index.assign(size_t(product(shape)), 0);
        Dims sizes_b, strides_b, sizes_a, strides_a;
        for (int64_t d : before) sizes_b.push_back(self.sizes()[d]), strides_b.push_back(self.strides()[d]);
        for (int64_t d : between) sizes_a.push_back(self.sizes()[d]), strides_a.push_back(self.strides()[d]);
        for (int64_t d = 0; d < self.dim(); d++) {
            if (!indices[d]) continue;
            Tensor v = checked_indices(indices[d], self.sizes()[d], d, true, BadIndex::Index);
            if (!same(v.sizes(), shape)) v = contiguous(alias(v, shape, broadcast_strides(v, shape), v->offset));
            const int64_t* q = v.data<int64_t>();
            int64_t s = self.strides()[d];
            for (size_t i = 0; i < p.index.size(); i++) p.index[i] += q[i] * s;
        }
        p.outer = offsets_of(sizes_b, strides_b);
        p.set_inner(sizes_a, strides_a);
        return p;
    }
};
}  // namespace

struct IndexTensor : Op<IndexTensor> {
    SIG("index.Tensor(Tensor self, Tensor?[] indices) -> Tensor");
    DOC("The elements at integer indices or where masks are true; an absent index takes its whole dimension.");
    FORMS(0);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& self, const Tensors& indices) {
        if (indices.size() == 1 && indices[0] && indices[0].dtype() == DType::Bool && same(indices[0].sizes(), self.sizes()) && self.dim() && !self.is_meta() && !indices[0].is_meta()) return select_raw(self, indices[0]);
        Plan plan(self, indices);
        Tensor r = empty(plan.sizes, self.dtype(), self.device());
        if (r.is_meta()) return r;
        Tensor s = resolve(self);
        Places p = plan.places(s);
        if (r.numel()) read_places(r.raw(), s.raw(), p, itemsize(s.dtype()));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(c.edges.size());
        r[0] = index_put(zeros(c.sizes<0>(), g.dtype(), g.device()), c.list<1>(), g, true);
        return r;
    }
};
OP(IndexTensor);

struct IndexPut : Update<IndexPut, Tensors, Tensor, bool> {
    SIG("index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor");
    DOC("self with values written, or added with accumulate=True, at the places that indices name.");
    FORMS(FUNCTION | METHOD | INPLACE);
    using Saves = Save<In<1>>;
    static void apply(const Tensor& r, const Tensors& indices, const Tensor& values, bool accumulate) {
        if (!accumulate && !r.is_meta() && values.numel() == 1 && indices.size() == 1 && indices[0] && indices[0].dtype() == DType::Bool && indices[0].dim() <= r.dim()) return fill_mask(r, indices[0], values);
        Plan plan(r, indices);
        if (r.is_meta()) return;
        Places p = plan.places(r);
        check(values.dtype() == r.dtype(), "Index put requires the source and destination dtypes match, got ", title(r.dtype()), " for the destination and ", title(values.dtype()), " for the source.");
        Tensor v = contiguous(apart_from(r, fit(values, plan.sizes)));
        if (!v.numel()) return;
        int64_t step = v.numel() == 1 ? 0 : 1;
        (accumulate ? add_places : move_places)(r, v, step, p);
    }
    // values as the result's shape, or as they are where they are one element
    static Tensor fit(const Tensor& values, const Dims& sizes) {
        if (values.numel() == 1 && values.dim() <= int64_t(sizes.size())) return product(sizes) == 0 ? empty(Dims{0}, values.dtype()) : values;
        bool fits = values.dim() <= int64_t(sizes.size());
        for (int64_t i = 0; fits && i < values.dim(); i++) {
            int64_t n = values.sizes()[values.dim() - 1 - i];
            fits = n == 1 || n == sizes[sizes.size() - 1 - size_t(i)];
        }
        check(fits, "shape mismatch: value tensor of shape ", values.sizes(), " cannot be broadcast to indexing result of shape ", sizes);
        Tensor s = resolve(values);
        return alias(s, sizes, broadcast_strides(s, sizes), s->offset);
    }
    static void fill_mask(const Tensor& r, const Tensor& mask, const Tensor& value) {
        for (int64_t k = 0; k < mask.dim(); k++)
            check(r.sizes()[k] == mask.sizes()[k], Err::Index, "The shape of the mask ", mask.sizes(), " at index ", k, " does not match the shape of the indexed tensor ", r.sizes(), " at index ", k);
        Dims sizes = mask.sizes(), strides = mask.strides();
        while (int64_t(sizes.size()) < r.dim()) sizes.push_back(1), strides.push_back(0);
        Scalar v = item(reshape(value, {}));
        masked_fill_raw(r, alias(mask, sizes, strides, mask->offset), v);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(c.edges.size());
        Tensors indices = c.list<1>();
        if (c.needs<0>()) r[0] = c.arg<3>() ? g : index_put(g, indices, zeros({}, g.dtype(), g.device()), false);
        if (c.needs<2>()) r[c.first_edge[2]] = sum_to_size(index(g, indices), c.sizes<2>());
        return r;
    }
};
OP(IndexPut);

Tensor index(const Tensor& a, const Tensors& indices) { return call<IndexTensor>(a, indices); }
Tensor index_put(const Tensor& a, const Tensors& indices, const Tensor& values, bool accumulate) { return call<IndexPut>(a, indices, values, accumulate); }
Tensor index_put_(const Tensor& a, const Tensors& indices, const Tensor& values, bool accumulate) { return call_inplace<IndexPut>(a, indices, values, accumulate); }

}  // namespace rl
