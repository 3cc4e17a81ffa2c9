// Products of vectors of three numbers, and matrices of powers.
#include "ops/linalg.h"

namespace rl {

static Tensor component(const Tensor& t, int64_t dim, int64_t i) { return narrow(t, dim, i, 1); }

struct LinalgCross : Composite<LinalgCross> {
    SIG("linalg::cross(Tensor self, Tensor other, *, int dim=-1, Tensor? out=None) -> Tensor");
    DOC("Cross products of the vectors of three numbers along dim; the other dimensions are broadcast.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other, int64_t dim) {
        check(self.dim() == other.dim(), "linalg.cross: inputs must have the same number of dimensions.");
        check(self.dim() > 0, Err::Index, "linalg.cross: expects vectors, but got tensors without dimensions");
        check(self.size(dim) == 3 && other.size(dim) == 3, "linalg.cross: inputs dimension ", dim, " must have length 3. Got ", self.size(dim), " and ", other.size(dim));
        int64_t d = wrap_dim(dim, self.dim());
        Dims sizes = broadcast(self.sizes(), other.sizes());
        Tensor a = expand(self, sizes), b = expand(other, sizes), parts[3];
        for (int64_t i = 0; i < 3; i++) {
            int64_t j = (i + 1) % 3, k = (i + 2) % 3;
            parts[i] = sub(mul(component(a, d, j), component(b, d, k)), mul(component(a, d, k), component(b, d, j)));
        }
        return cat(Tensors{parts[0], parts[1], parts[2]}, d);
    }
};
OP(LinalgCross);

struct Cross : Composite<Cross> {
    SIG("cross(Tensor self, Tensor other, int? dim=None, *, Tensor? out=None) -> Tensor");
    DOC("Cross products of vectors of three numbers along dim (default: the first dimension of size 3).");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other, const OptInt& dim) {
        if (dim) return LinalgCross::forward(self, other, *dim);
        check(self.dim() == other.dim(), "linalg.cross: inputs must have the same number of dimensions.");
        for (int64_t d = 0; d < self.dim(); d++)
            if (self.sizes()[d] == 3) return LinalgCross::forward(self, other, d);
        raise(Err::Runtime, "no dimension of size 3 in input (cross: ", self.sizes(), ")");
    }
};
OP(Cross);

struct Vander : Composite<Vander> {
    SIG("linalg::vander(Tensor x, *, int? N=None) -> Tensor");
    DOC("Powers 0 .. N - 1 (default: as many as numbers) of each number along the last dimension, in a new last one.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const OptInt& N) {
        check(x.dtype() != DType::Bool, "linalg.vander supports floating point, complex, and integer tensors, but got Bool");
        int64_t n = N ? *N : x.dim() ? x.size(-1) : 1;
        check(n > 1, "N must be greater than 1. (linalg.vander: N is ", n, ")");
        Tensor t = is_integral(x.dtype()) || x.dtype() == DType::Bool ? to(x, DType::Int64) : x;
        Dims column = t.dim() ? t.sizes() : Dims{1};
        column.push_back(1);
        Dims repeated = column;
        repeated[repeated.size() - 1] = n - 1;
        return cat({ones(column, t.dtype(), t.device()), cumprod(expand(reshape(t, column), repeated), -1)}, int64_t(-1));
    }
};
OP(Vander);

}  // namespace rl
