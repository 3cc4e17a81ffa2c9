// Products of vectors of three numbers, and matrices of powers.
#include "core/iterate.h"
#include "cpu/parallel.h"
#include "ops/linalg.h"

namespace rl {

static Tensor cross(const Tensor& a, const Tensor& b, int64_t dim);

// a and b as (outer, 3, inner)
template <class T> static void cross_lines(const T* a, const T* b, T* r, int64_t outer, int64_t inner) {
    cpu::parallel_for(outer, grain_for(8 * inner), [&](int64_t begin, int64_t end) {
        for (int64_t at = begin * 3 * inner; at < end * 3 * inner; at += 3 * inner)
            for (int64_t i = at; i < at + inner; i++) {
                T a0 = a[i], a1 = a[i + inner], a2 = a[i + 2 * inner], b0 = b[i], b1 = b[i + inner], b2 = b[i + 2 * inner];
                r[i] = T(a1 * b2 - a2 * b1);
                r[i + inner] = T(a2 * b0 - a0 * b2);
                r[i + 2 * inner] = T(a0 * b1 - a1 * b0);
            }
    });
}

// As they lie: vectors `next` apart, their numbers `step` apart.
template <class T> struct Vectors {
    T* p;
    int64_t next, step;
};
template <class T> static void cross_vectors(Vectors<const T> a, Vectors<const T> b, Vectors<T> r, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const T *x = a.p + i * a.next, *y = b.p + i * b.next;
        T* z = r.p + i * r.next;
        T a0 = x[0], a1 = x[a.step], a2 = x[2 * a.step], b0 = y[0], b1 = y[b.step], b2 = y[2 * b.step];
        z[0] = T(a1 * b2 - a2 * b1), z[r.step] = T(a2 * b0 - a0 * b2), z[2 * r.step] = T(a0 * b1 - a1 * b0);
    }
}

struct LinalgCross : Op<LinalgCross> {
    SIG("linalg::cross(Tensor self, Tensor other, *, int dim=-1, Tensor? out=None) -> Tensor");
    DOC("Cross products of the vectors of three numbers along dim; the other dimensions are broadcast.");
    FORMS(FUNCTION | OUT);
    static constexpr bool kCastsOut = true;
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& self, const Tensor& other, int64_t dim) {
        check(self.dim() == other.dim(), "linalg.cross: inputs must have the same number of dimensions.");
        check(self.dim() > 0, Err::Index, "linalg.cross: expects vectors, but got tensors without dimensions");
        check(self.size(dim) == 3 && other.size(dim) == 3, "linalg.cross: inputs dimension ", dim, " must have length 3. Got ", self.size(dim), " and ", other.size(dim));
        DType t = self.dtype(), compute = is_reduced(t) ? DType::Float32 : t;
        check(t == other.dtype(), "expected scalar type ", title(t), " but found ", title(other.dtype()), " (linalg.cross)");
        check(t != DType::Bool, Err::NotImplemented, "\"cross\" not implemented for 'Bool'");
        int64_t d = wrap_dim(dim, self.dim()), inner = 1;
        Dims sizes = broadcast(self.sizes(), other.sizes());
        if (self.is_meta() || other.is_meta()) return empty(sizes, t, Device::Meta);
        if (sizes.size() <= 2 && t == compute && product(sizes) < 3 * kGrain) return few(resolve(self), resolve(other), sizes, d);
        Tensor r = empty(sizes, compute), a = whole(self, sizes, compute), b = whole(other, sizes, compute);
        for (int64_t i = d + 1; i < r.dim(); i++) inner *= sizes[size_t(i)];
        if (r.numel())
            dispatch_compute(compute, [&](auto tag) {
                using T = typename decltype(tag)::type;
                cross_lines(a.data<T>(), b.data<T>(), r.data<T>(), r.numel() / inner / 3, inner);
            });
        return cast_raw(r, t);
    }
    static Tensor few(const Tensor& a, const Tensor& b, const Dims& sizes, int64_t d) {
        Tensor r = empty(sizes, a.dtype());
        dispatch_compute(r.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            auto vectors = [&]<class P>(const Tensor& t, P* p) {
                Dims s = broadcast_strides(t, sizes);
                return Vectors<P>{p, s.size() == 2 ? s[size_t(1 - d)] : 0, s[size_t(d)]};
            };
            cross_vectors<T>(vectors.template operator()<const T>(a, a.data<T>()), vectors.template operator()<const T>(b, b.data<T>()), vectors.template operator()<T>(r, r.data<T>()), product(sizes) / 3);
        });
        return r;
    }
    static Tensor whole(const Tensor& t, const Dims& sizes, DType compute) {
        Tensor s = resolve(t);
        return cast_raw(alias(s, sizes, broadcast_strides(s, sizes), s->offset), compute);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = sum_to_size(cross(conj(c.in<1>()), g, c.arg<2>()), c.sizes<0>());
        if (c.needs<1>()) r[1] = sum_to_size(cross(g, conj(c.in<0>()), c.arg<2>()), c.sizes<1>());
        return r;
    }
};
OP(LinalgCross);
static Tensor cross(const Tensor& a, const Tensor& b, int64_t dim) { return call<LinalgCross>(a, b, dim); }

struct Cross : Composite<Cross> {
    SIG("cross(Tensor self, Tensor other, int? dim=None, *, Tensor? out=None) -> Tensor");
    DOC("Cross products of vectors of three numbers along dim (default: the first dimension of size 3).");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other, const OptInt& dim) {
        if (dim) return cross(self, other, *dim);
        check(self.dim() == other.dim(), "linalg.cross: inputs must have the same number of dimensions.");
        for (int64_t d = 0; d < self.dim(); d++)
            if (self.sizes()[d] == 3) return cross(self, other, d);
        raise(Err::Runtime, "no dimension of size 3 in input (cross: ", self.sizes(), ")");
    }
};
OP(Cross);

struct LinalgVander : Composite<LinalgVander> {
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
OP(LinalgVander);

}  // namespace rl
