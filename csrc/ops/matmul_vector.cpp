// Products with vectors: dot, vdot, mv, outer, inner, and their sums with a tensor.
#include "ops/matmul.h"

namespace rl {

// ---------------------------------------------------------------- dot
static void check_dot(const char* op, const Tensor& a, const Tensor& b) {
    check(a.dim() == 1 && b.dim() == 1, "1D tensors expected, but got ", a.dim(), "D and ", b.dim(), "D tensors (", op, ")");
    check(a.dtype() == b.dtype(), op, " : expected both vectors to have same dtype, but found ", title(a.dtype()), " and ", title(b.dtype()));
    check(a.numel() == b.numel(), "inconsistent tensor size, expected tensor [", a.numel(), "] and src [", b.numel(), "] to have the same number of elements, but got ", a.numel(), " and ", b.numel(), " elements respectively (", op, ")");
    check_gemm_type("dot", a.dtype());
}

static Tensor dot_raw(const Tensor& a, const Tensor& b) {
    Tensor r = empty(Dims{}, a.dtype(), common_device(a, b));
    if (r.is_meta()) return r;
    Tensor x = resolve(a), y = resolve(b);
    dispatch_gemm("dot", a.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
            if (x.is_contiguous() && y.is_contiguous() && x.numel() < 4096) {
                *r.data<T>() = cpu::kernels().reduce<T>().dot(x.data<T>(), y.data<T>(), x.numel());
                return;
            }
        auto plain = [](const Tensor& t) { return t.strides()[0] > 0 ? t : contiguous(t); };
        Tensor u = plain(x), v = plain(y);
        *r.data<T>() = cpu::dot<T>(u.numel(), u.data<T>(), u.strides()[0], v.data<T>(), v.strides()[0]);
    });
    return r;
}

struct Dot : Op<Dot> {
    SIG("dot(Tensor self, Tensor tensor, *, Tensor? out=None) -> Tensor");
    DOC("Sum of the products of two vectors' elements.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& self, const Tensor& tensor) {
        check_dot("dot", self, tensor);
        return dot_raw(self, tensor);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = mul(g, conj(c.in<1>()));
        if (c.needs<1>()) r[1] = mul(g, conj(c.in<0>()));
        return r;
    }
};
OP(Dot);

struct Vdot : Op<Vdot> {
    SIG("vdot(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("Sum of the products of conj(self)'s and other's elements.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& self, const Tensor& other) {
        check_dot("vdot", self, other);
        return dot_raw(conj(self), other);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = mul(conj(g), c.in<1>());
        if (c.needs<1>()) r[1] = mul(g, c.in<0>());
        return r;
    }
};
OP(Vdot);

// ---------------------------------------------------------------- mv
static void mv_into(const Tensor& out, const Tensor& mat, const Tensor& vec, const Scalar& alpha, const Scalar& beta) {
    int64_t m = mat.sizes()[0], k = mat.sizes()[1];
    Tensor v = resolve(vec);
    if (v.strides()[0] <= 0) v = contiguous(v);
    bool small = m * k <= 4096 && (out.dtype() == DType::Float32 || out.dtype() == DType::Float64);
    Tensor a = small ? resolve(mat) : blas_ready(mat);
    dispatch_gemm("addmv_impl_cpu", out.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto al = gemm_scalar<T>(alpha), be = gemm_scalar<T>(beta);
        if (small || k == 0 || m == 0) return product<T>(m, 1, k, al, matrix_view(a), {v.raw(), v.strides()[0], 1}, be, out.data<T>(), 1);
        bool turned = !((a.strides()[1] == 1 || k <= 1) && (a.strides()[0] >= k || m <= 1));
        if (turned) cpu::gemv<T>(true, k, m, al, a.data<T>(), std::max(a.strides()[1], m), v.data<T>(), v.strides()[0], be, out.data<T>(), 1);
        else cpu::gemv<T>(false, m, k, al, a.data<T>(), std::max(a.strides()[0], k), v.data<T>(), v.strides()[0], be, out.data<T>(), 1);
    });
}

static Dims mv_sizes(const Tensor& self, const Tensor& mat, const Tensor& vec) {
    check_same_device("addmv", mat, vec), check_same_device("addmv", mat, self);
    check(mat.dim() == 2 && vec.dim() == 1 && self.dim() <= 1, "vector + matrix @ vector expected, got ", self.dim(), ", ", mat.dim(), ", ", vec.dim());
    int64_t m = mat.sizes()[0], n = self.dim() == 0 ? 1 : self.sizes()[0];
    check(mat.sizes()[1] == vec.sizes()[0] && (n == m || n == 1), "size mismatch, got input (", n, "), mat (", m, "x", mat.sizes()[1], "), vec (", vec.sizes()[0], ")");
    check(mat.dtype() == vec.dtype() && self.dtype() == mat.dtype(), "addmv input tensors must have the same dtype, but got ", title(self.dtype()), ", ", title(mat.dtype()), ", and ", title(vec.dtype()));
    check_gemm_type("addmv_impl_cpu", mat.dtype());
    return {m};
}

struct Mv : Op<Mv> {
    SIG("mv(Tensor self, Tensor vec, *, Tensor? out=None) -> Tensor");
    DOC("Product of a matrix and a vector.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& self, const Tensor& vec) {
        check(self.dim() == 2 && vec.dim() == 1, "vector + matrix @ vector expected, got 1, ", self.dim(), ", ", vec.dim());
        check(self.sizes()[1] == vec.sizes()[0], "size mismatch, got input (", self.sizes()[0], "), mat (", self.sizes()[0], "x", self.sizes()[1], "), vec (", vec.sizes()[0], ")");
        check(self.dtype() == vec.dtype(), "addmv input tensors must have the same dtype, but got ", title(vec.dtype()), ", ", title(self.dtype()), ", and ", title(vec.dtype()));
        check_gemm_type("addmv_impl_cpu", self.dtype());
        Tensor r = empty(Dims{self.sizes()[0]}, self.dtype(), common_device(self, vec));
        if (!r.is_meta()) mv_into(r, self, vec, 1, 0);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Tensor& vec) {
        Tensor r = forward(self, vec);
        result_target("mv", out, r.dtype(), r.sizes(), {});
        store_result(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = outer(g, conj(c.in<1>()));
        if (c.needs<1>()) r[1] = mv(adjoint(c.in<0>()), g);
        return r;
    }
};
OP(Mv);

struct Addmv : Op<Addmv> {
    SIG("addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("beta * self + alpha * (mat @ vec). beta = 0 ignores self.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    using Saves = Save<In<1, 2>, In<2, 1>>;
    static Tensor forward(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha) {
        Tensor r = empty(mv_sizes(self, mat, vec), self.dtype(), common_device(self, mat));
        if (r.is_meta()) return r;
        if (!beta.equals(0)) copy_(r, self);
        mv_into(r, mat, vec, alpha, beta);
        return r;
    }
    static void into(const Tensor& out, bool inplace, const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha) {
        Dims sizes = mv_sizes(self, mat, vec);
        check(!inplace || same(self.sizes(), sizes), "output with shape ", self.sizes(), " doesn't match the broadcast shape ", sizes, " (addmv_)");
        Tensor r = result_target("addmv", out, self.dtype(), sizes, {&mat, &vec});
        if (r.is_meta()) return;
        if ((!inplace || !r.is(out)) && !beta.equals(0)) copy_(r, self);
        mv_into(r, mat, vec, alpha, beta);
        store_result(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = sum_grad(scaled(g, c.arg<3>()), c.metas[0]);
        if (c.needs<1>()) r[1] = scaled(outer(g, conj(c.in<2>())), c.arg<4>());
        if (c.needs<2>()) r[2] = scaled(mv(adjoint(c.in<1>()), g), c.arg<4>());
        return r;
    }
};
OP(Addmv);

// ---------------------------------------------------------------- outer and inner
struct Outer : Composite<Outer> {
    SIG("outer(Tensor self, Tensor vec2, *, Tensor? out=None) -> Tensor");
    DOC("Every product of an element of self with one of vec2: (n) and (m) to (n, m).");
    ALIASES("ger");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& vec2) {
        check(self.dim() == 1, "outer: Expected 1-D argument self, but got ", self.dim(), "-D");
        check(vec2.dim() == 1, "outer: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
        return mul(unsqueeze(self, 1), vec2);
    }
};
OP(Outer);

struct Inner : Composite<Inner> {
    SIG("inner(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("Sum of products along the last dimension of both; with a 0-dim tensor, the product.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other) {
        if (self.dim() == 0 || other.dim() == 0) return mul(self, other);
        int64_t k = self.size(-1);
        check(k == other.size(-1), "inner() the last dimension must match on both input tensors but got shapes ", self.sizes(), " and ", other.sizes());
        if (self.dim() == 1 && other.dim() == 1) return dot(self, other);
        Dims sizes(Ints(self.sizes()).first(size_t(self.dim() - 1)));
        for (int64_t s : Ints(other.sizes()).first(size_t(other.dim() - 1))) sizes.push_back(s);
        auto rows = [&](const Tensor& t) { return reshape(t, {k ? t.numel() / k : product(Ints(t.sizes()).first(size_t(t.dim() - 1))), k}); };
        return reshape(mm(rows(self), transpose(rows(other), 0, 1)), sizes);
    }
};
OP(Inner);

struct Addr : Composite<Addr> {
    SIG("addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("beta * self + alpha * outer(vec1, vec2), with self broadcast. beta = 0 ignores self.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, const Tensor& vec1, const Tensor& vec2, const Scalar& beta, const Scalar& alpha) {
        check(vec1.dim() == 1, "addr: Expected 1-D argument vec1, but got ", vec1.dim(), "-D");
        check(vec2.dim() == 1, "addr: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
        DType t = promote(self.dtype(), promote(vec1.dtype(), vec2.dtype()));
        for (auto [what, value] : {std::pair{"beta", &beta}, {"alpha", &alpha}}) {
            check(value->is_integral() || is_inexact(t), "For integral input tensors, argument ", what, " must not be a floating point number.");
            check(!value->is_complex() || is_complex(t), "For non-complex input tensors, argument ", what, " must not be a complex number.");
        }
        auto number = [&](const Scalar& s) { return t == DType::Bool ? Scalar(!s.equals(0)) : s; };
        Dims sizes{vec1.sizes()[0], vec2.sizes()[0]};
        Tensor start = expand(self, sizes);
        bool alike = self.dtype() == t && vec1.dtype() == t && vec2.dtype() == t;
        if (alike && is_inexact(t) && beta.equals(1)) return addcmul(start, unsqueeze(vec1, 1), vec2, alpha);  // in one pass
        Tensor scaled_outer = mul(outer(vec1, vec2), number(alpha));
        return to(beta.equals(0) ? scaled_outer : add(mul(start, number(beta)), scaled_outer), t);
    }
};
OP(Addr);

struct Vecdot : Composite<Vecdot> {
    SIG("linalg::vecdot(Tensor x, Tensor y, *, int dim=-1, Tensor? out=None) -> Tensor");
    DOC("Sum of conj(x) * y along dim, the other dimensions broadcast.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& x, const Tensor& y, int64_t dim) {
        check(is_inexact(x.dtype()), "linalg.vecdot: Expected a floating point or complex tensor as input. Got ", title(x.dtype()));
        check(x.dtype() == y.dtype(), "linalg.vecdot: Expected x and y to have the same dtype, but found x of type ", title(x.dtype()), " and y of type ", title(y.dtype()), " instead");
        return sum(mul(conj(x), y), {dim});
    }
};
OP(Vecdot);

Tensor dot(const Tensor& a, const Tensor& b) { return call<Dot>(a, b); }
Tensor mv(const Tensor& a, const Tensor& b) { return call<Mv>(a, b); }
Tensor outer(const Tensor& a, const Tensor& b) { return call<Outer>(a, b); }

}  // namespace rl
