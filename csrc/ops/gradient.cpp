// The derivative of samples along dimensions: central differences, one-sided at the edges.
#include <algorithm>

#include "core/op.h"
#include "core/ops.h"

namespace rl {

namespace {
// Samples at distance 1 (Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", 1988).
Tensor along_even(const Tensor& x, int64_t dim, int64_t edge_order) {
    int64_t n = x.size(dim);
    auto at = [&](int64_t start, int64_t length) { return narrow(x, dim, start, length); };
    Tensor middle = (at(2, n - 2) - at(0, n - 2)) / 2.0;
    if (edge_order == 1) return cat({at(1, 1) - at(0, 1), middle, at(n - 1, 1) - at(n - 2, 1)}, dim);
    Tensor begin = at(0, 1) * -1.5 + at(1, 1) * 2 - at(2, 1) * 0.5;
    return cat({begin, middle, at(n - 1, 1) * 1.5 - at(n - 2, 1) * 2 + at(n - 3, 1) * 0.5}, dim);
}

// Samples at the places that a vector holds.
Tensor along_places(const Tensor& x, const Tensor& places, int64_t dim, int64_t edge_order) {
    int64_t n = x.size(dim), gaps = n - 1;
    check(places.dim() == 1 && places.sizes()[0] == n, "gradient: expected each entry in spacing to have the same length as the corresponding dim, but dimension ", dim, " has size ", n, " and its coordinates have shape ", places.sizes());
    auto at = [&](int64_t start, int64_t length) { return narrow(x, dim, start, length); };
    Tensor gap = narrow(places, 0, 1, gaps) - narrow(places, 0, 0, gaps);
    Dims shape(size_t(x.dim()), 1);
    shape[size_t(dim)] = -1;
    Tensor left = reshape(narrow(gap, 0, 0, gaps - 1), shape), right = reshape(narrow(gap, 0, 1, gaps - 1), shape), both = left + right;
    Tensor middle = at(1, n - 2) * ((right - left) / (left * right)) - at(0, n - 2) * (right / (left * both)) + at(2, n - 2) * (left / (right * both));
    Tensor first = select(gap, 0, 0), last = select(gap, 0, -1);
    if (edge_order == 1) return cat({(at(1, 1) - at(0, 1)) / first, middle, (at(n - 1, 1) - at(n - 2, 1)) / last}, dim);
    // h beside the edge, k behind it; both signs are the derivative's towards the inside
    auto edge = [&](const Tensor& h, const Tensor& k, int64_t a, int64_t b, int64_t c) {
        return at(b, 1) * ((h + k) / (h * k)) - at(a, 1) * ((h * 2 + k) / (h * (h + k))) - at(c, 1) * (h / (k * (h + k)));
    };
    return cat({edge(first, select(gap, 0, 1), 0, 1, 2), middle, neg(edge(last, select(gap, 0, -2), n - 1, n - 2, n - 3))}, dim);
}

// f(number, dimension) for each of the dimensions that are asked for, all unless told otherwise. count: of the spacings, where each dimension has its own.
template <class F> Tensors each_dim(const Tensor& self, const OptDims& dim, int64_t edge_order, std::optional<size_t> count, F&& f) {
    check(edge_order == 1 || edge_order == 2, "gradient only supports edge_order=1 and edge_order=2, got ", edge_order);
    Dims dims;
    if (!dim)
        for (int64_t d = 0; d < self.dim(); d++) dims.push_back(d);
    else
        for (int64_t d : *dim) {
            d = wrap_dim(d, self.dim(), false);
            check(std::find(dims.begin(), dims.end(), d) == dims.end(), "dim ", d, " appears multiple times in the list of dims");
            dims.push_back(d);
        }
    check(!count || *count == dims.size(), "gradient expected spacing to be unspecified, a scalar, or a list of length equal to the number of dimensions (", dims.size(), "), but got a list of length ", count.value_or(0));
    for (int64_t d : dims)
        check(self.sizes()[size_t(d)] > edge_order, "gradient expected each dimension size to be at least edge_order+1, but dimension ", d, " has size ", self.sizes()[size_t(d)]);
    Tensors r;
    for (size_t i = 0; i < dims.size(); i++) r.push_back(f(i, dims[i]));
    return r;
}
Tensor spaced(const Tensor& slope, const Scalar& spacing) { return spacing.equals(1) ? slope : slope / spacing; }
}  // namespace

#define RL_GRADIENT_TEXT(OVERLOAD, SPACING) SIG("gradient." OVERLOAD "(Tensor self, *, " SPACING ", int[1]? dim=None, int edge_order=1) -> Tensor[]")

struct GradientEven : Composite<GradientEven> {
    RL_GRADIENT_TEXT("scalarint", "Scalar? spacing=None");
    DOC("The derivative of samples along each dim, by central differences; spacing: their distance.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensor& self, const OptScalar& spacing, const OptDims& dim, int64_t edge_order) {
        return each_dim(self, dim, edge_order, {}, [&](size_t, int64_t d) { return spaced(along_even(self, d, edge_order), spacing.value_or(Scalar(int64_t(1)))); });
    }
};
struct GradientDistances : Composite<GradientDistances> {
    RL_GRADIENT_TEXT("scalarrayarray", "Scalar[] spacing");
    DOC("spacing: a distance for each dim.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensor& self, const Floats& spacing, const OptDims& dim, int64_t edge_order) {
        return each_dim(self, dim, edge_order, spacing.size(), [&](size_t i, int64_t d) { return spaced(along_even(self, d, edge_order), Scalar(spacing[i])); });
    }
};
struct GradientPlaces : Composite<GradientPlaces> {
    RL_GRADIENT_TEXT("tensorarray", "Tensor[] spacing");
    DOC("spacing: for each dim the coordinates of its samples, a vector.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensor& self, const Tensors& spacing, const OptDims& dim, int64_t edge_order) {
        return each_dim(self, dim, edge_order, spacing.size(), [&](size_t i, int64_t d) { return along_places(self, spacing[i], d, edge_order); });
    }
};
OP(GradientEven);
OP(GradientDistances);
OP(GradientPlaces);

}  // namespace rl
