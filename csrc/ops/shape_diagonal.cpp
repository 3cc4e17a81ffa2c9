// Triangles and diagonals, and results with one part of a tensor replaced.
#include <algorithm>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "cpu/parallel.h"

namespace rl {

// Fills the contiguous r with what x, contiguous too, has on the diagonal of every matrix and below it (Upper: above it), and zeros.
template <bool Upper> static void triangles(const Tensor& r, const Tensor& x, int64_t diagonal) {
    int64_t rows = r.size(-2), cols = r.size(-1), size = itemsize(r.dtype());
    char* to = r.raw();
    const char* from = x.raw();
    diagonal = std::clamp(diagonal, -rows, cols);
    cpu::parallel_for(r.numel() / cols, grain_for(cols), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            int64_t edge = std::clamp<int64_t>(i % rows + diagonal + (Upper ? 0 : 1), 0, cols), row = i * cols * size, cut = row + edge * size, end = row + cols * size;
            int64_t kept = Upper ? cut : row, zero = Upper ? row : cut;
            std::memcpy(to + kept, from + kept, size_t(Upper ? end - cut : cut - row));
            std::memset(to + zero, 0, size_t(Upper ? cut - row : end - cut));
        }
    });
}
template <class O, bool Upper> struct Triangle : Op<O> {
    static constexpr uint32_t kForms = FUNCTION | METHOD | INPLACE | OUT;
    static Tensor forward(const Tensor& self, int64_t diagonal) {
        check(self.dim() >= 2, op_info<O>()->name.c_str(), ": input tensor must have at least 2 dimensions");
        Tensor r = result(self.sizes(), self.dtype(), self.device());
        if (!r.is_meta() && r.numel() > 0) triangles<Upper>(r, contiguous(self), diagonal);
        return r;
    }
    template <class C> static Grads backward(C& c, const Tensor& g) { return {call<O>(g, c.template arg<1>())}; }
};
struct Tril : Triangle<Tril, false> {
    SIG("tril(Tensor self, int diagonal=0, *, Tensor? out=None) -> Tensor");
    DOC("The elements on and below a diagonal; zeros above it.");
};
struct Triu : Triangle<Triu, true> {
    SIG("triu(Tensor self, int diagonal=0, *, Tensor? out=None) -> Tensor");
    DOC("The elements on and above a diagonal; zeros below it.");
};
OP(Tril);
OP(Triu);

// ---------------------------------------------------------------- diagonals
struct Diagonal : View<Diagonal> {
    SIG("diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor");
    DOC("The diagonal of the matrices in two dimensions, as the last dimension of a view.");
    static Tensor forward(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
        int64_t a = wrap_dim(dim1, self.dim()), b = wrap_dim(dim2, self.dim());
        check(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
        int64_t rows = self.sizes()[a], cols = self.sizes()[b];
        int64_t n = std::max<int64_t>(0, offset >= 0 ? std::min(rows, cols - offset) : std::min(rows + offset, cols));
        int64_t at = self->offset;
        if (n) at += offset >= 0 ? offset * self.strides()[b] : -offset * self.strides()[a];
        Dims sizes, strides;
        for (int64_t d = 0; d < self.dim(); d++)
            if (d != a && d != b) sizes.push_back(self.sizes()[d]), strides.push_back(self.strides()[d]);
        sizes.push_back(n), strides.push_back(self.strides()[a] + self.strides()[b]);
        return alias(self, sizes, strides, at);
    }
    // zeros with the gradient on the diagonal
    struct Backward : Op<Backward> {
        SIG("diagonal_backward(Tensor grad_output, int[] input_sizes, int offset, int dim1, int dim2) -> Tensor");
        DOC("Gradient of diagonal.");
        FORMS(FUNCTION);
        static Tensor forward(const Tensor& g, const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2) {
            Tensor r = zeros(sizes, g.dtype(), g.device());
            if (!r.is_meta()) copy_raw(Diagonal::forward(r, offset, dim1, dim2), resolve(g));
            return r;
        }
        static Grads backward(Ctx& c, const Tensor& g) { return {diagonal(g, c.arg<2>(), c.arg<3>(), c.arg<4>())}; }
    };
    static Grads backward(Ctx& c, const Tensor& g) { return {call_backward(g, c.sizes<0>(), c.arg<1>(), c.arg<2>(), c.arg<3>())}; }
    static Tensor call_backward(const Tensor& g, const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2) { return call<Backward>(g, sizes, offset, dim1, dim2); }
};
OP(Diagonal);
static const Registrar<Diagonal::Backward> register_diagonal_backward;

struct LinalgDiagonal : Composite<LinalgDiagonal> {
    SIG("linalg::diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor");
    DOC("The diagonal of each matrix.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& a, int64_t offset, int64_t dim1, int64_t dim2) { return diagonal(a, offset, dim1, dim2); }
};
OP(LinalgDiagonal);

struct DiagEmbed : Op<DiagEmbed> {
    SIG("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor");
    DOC("Matrices of zeros with the vectors of the last dimension on a diagonal.");
    static Tensor forward(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
        check(self.dim() >= 1, Err::Index, "Dimension specified as -1 but tensor has no dimensions");
        int64_t n = self.dim() + 1, a = wrap_dim(dim1, n), b = wrap_dim(dim2, n);
        check(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
        int64_t side = self.size(-1) + std::abs(offset);
        Dims sizes = self.sizes();
        sizes.resize(sizes.size() - 1);
        sizes.insert(size_t(std::min(a, b)), side);
        sizes.insert(size_t(std::max(a, b)), side);
        Tensor r = zeros(sizes, self.dtype(), self.device());
        if (!r.is_meta()) copy_raw(Diagonal::forward(r, offset, a, b), resolve(self));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {diagonal(g, c.arg<1>(), c.arg<2>(), c.arg<3>())}; }
};
OP(DiagEmbed);

struct Diag : Composite<Diag> {
    SIG("diag(Tensor self, int diagonal=0, *, Tensor? out=None) -> Tensor");
    DOC("A copy of a matrix's diagonal, or a matrix with a vector on its diagonal.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, int64_t offset) {
        check(self.dim() == 1 || self.dim() == 2, "diag(): Supports 1D or 2D tensors. Got ", self.dim(), "D");
        return self.dim() == 1 ? call<DiagEmbed>(self, offset, int64_t(0), int64_t(1)) : clone(diagonal(self, offset));
    }
};
struct Diagflat : Composite<Diagflat> {
    SIG("diagflat(Tensor self, int offset=0) -> Tensor");
    DOC("A matrix with the flattened self on a diagonal.");
    static Tensor forward(const Tensor& self, int64_t offset) { return call<Diag>(reshape(self, {-1}), offset); }
};
struct Trace : Op<Trace> {
    SIG("trace(Tensor self) -> Tensor");
    DOC("Sum of a matrix's diagonal.");
    static Tensor forward(const Tensor& self) {
        check(self.dim() == 2, "trace: expected a matrix, but got tensor with dim ", self.dim());
        check(self.dtype() != DType::Bool, Err::NotImplemented, "\"trace\" not implemented for 'Bool'");
        InKernel guard;
        int64_t n = std::min(self.sizes()[0], self.sizes()[1]);
        Tensor on = empty(Dims{n}, self.dtype(), self.device()), x = self.is_meta() ? self : resolve(self);
        if (n && !self.is_meta()) convert_run(on.raw(), on.dtype(), 1, x.raw(), x.dtype(), x.strides()[0] + x.strides()[1], n);
        return sum(on);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        const Dims& s = c.sizes<0>();
        return {Diagonal::call_backward(expand(g, {std::min(s[0], s[1])}), s, 0, 0, 1)};
    }
};
OP(Diag);
OP(Diagflat);
OP(Trace);

// ---------------------------------------------------------------- a part replaced
// Part says which view of the result takes src; backward: src gets that part of the gradient, self the rest.
template <class O> struct Scatterer : Op<O> {
    static constexpr const char* kCategory = "Update";
    template <class... P> static Tensor replaced(const Tensor& self, const Tensor& src, const P&... p) {
        check(self.dtype() == src.dtype() || op_info<O>()->name != "as_strided_scatter", op_info<O>()->name.c_str(), "(): expected src to have dtype ", name(self.dtype()), ", but got ", name(src.dtype()));
        Tensor r = clone_raw(self), part = O::part(r, p...);
        check(same(part.sizes(), src.sizes()), "expected src to have a size equal to the slice of self. src size = ", src.sizes(), ", slice size = ", part.sizes(), " (", op_info<O>()->name, ")");
        if (!r.is_meta()) copy_raw(part, resolve(src));
        return r;
    }
    template <class C, class... P> static Grads grads(C& c, const Tensor& g, const P&... p) {
        Grads r(2);
        if (c.template needs<0>()) r[0] = call<O>(g, zeros(c.template sizes<1>(), g.dtype(), g.device()), p...);
        if (c.template needs<1>()) r[1] = O::part(g, p...);
        return r;
    }
};
struct SelectScatter : Scatterer<SelectScatter> {
    SIG("select_scatter(Tensor self, Tensor src, int dim, int index) -> Tensor");
    DOC("self with src in place of the slice at index along dim.");
    static Tensor part(const Tensor& t, int64_t dim, int64_t index) { return select(t, dim, index); }
    static Tensor forward(const Tensor& self, const Tensor& src, int64_t dim, int64_t index) { return replaced(self, src, dim, index); }
    static Grads backward(Ctx& c, const Tensor& g) { return grads(c, g, c.arg<2>(), c.arg<3>()); }
};
struct SliceScatter : Scatterer<SliceScatter> {
    FORMS(FUNCTION | METHOD | OUT);
    SIG("slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, int step=1, *, Tensor? out=None) -> Tensor");
    DOC("self with src in place of the indices from start to before end along dim.");
    static Tensor part(const Tensor& t, int64_t dim, const OptInt& start, const OptInt& end, int64_t step) { return slice(t, dim, start, end, step); }
    static Tensor forward(const Tensor& self, const Tensor& src, int64_t dim, const OptInt& start, const OptInt& end, int64_t step) { return replaced(self, src, dim, start, end, step); }
    static Grads backward(Ctx& c, const Tensor& g) { return grads(c, g, c.arg<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>()); }
};
struct DiagonalScatter : Scatterer<DiagonalScatter> {
    SIG("diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor");
    DOC("self with src in place of a diagonal.");
    static Tensor part(const Tensor& t, int64_t offset, int64_t dim1, int64_t dim2) { return diagonal(t, offset, dim1, dim2); }
    static Tensor forward(const Tensor& self, const Tensor& src, int64_t offset, int64_t dim1, int64_t dim2) { return replaced(self, src, offset, dim1, dim2); }
    static Grads backward(Ctx& c, const Tensor& g) { return grads(c, g, c.arg<2>(), c.arg<3>(), c.arg<4>()); }
};
struct AsStridedScatter : Scatterer<AsStridedScatter> {
    SIG("as_strided_scatter(Tensor self, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor");
    DOC("self with src in the places of an as_strided view.");
    static Tensor part(const Tensor& t, const Dims& size, const Dims& stride, const OptInt& offset) { return as_strided(t, size, stride, offset); }
    static Tensor forward(const Tensor& self, const Tensor& src, const Dims& size, const Dims& stride, const OptInt& offset) {
        // strides are about the memory of self, so the result has its geometry
        Tensor r = empty_strided(self.sizes(), self.strides(), self.dtype(), self.device());
        if (!r.is_meta()) copy_raw(r, resolve(self));
        Tensor p = as_strided(r, size, stride, OptInt(offset.value_or(self->offset) - self->offset));
        check(same(p.sizes(), src.sizes()), "expected src to have a size equal to the slice of self. src size = ", src.sizes(), ", slice size = ", p.sizes(), " (as_strided_scatter)");
        if (!r.is_meta()) copy_raw(p, resolve(src));
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) { return grads(c, contiguous_op(g), c.arg<2>(), c.arg<3>(), c.arg<4>()); }
};
OP(SelectScatter);
OP(SliceScatter);
OP(DiagonalScatter);
OP(AsStridedScatter);

Tensor tril(const Tensor& a, int64_t diagonal) { return call<Tril>(a, diagonal); }
Tensor triu(const Tensor& a, int64_t diagonal) { return call<Triu>(a, diagonal); }
Tensor diagonal(const Tensor& a, int64_t offset, int64_t d0, int64_t d1) { return call<Diagonal>(a, offset, d0, d1); }

}  // namespace rl
