// Singular values, eigenvalues, least squares.
#include <algorithm>
#include <cmath>

#include "ops/linalg.h"

namespace rl {

RL_LAPACK(gesdd)
RL_LAPACK(gebrd)
RL_LAPACK_AS(ormbr, sormbr, dormbr, cunmbr, zunmbr)
RL_LAPACK_AS(bdsdc, sbdsdc, dbdsdc, sbdsdc, dbdsdc)
RL_LAPACK_AS(heevd, ssyevd, dsyevd, cheevd, zheevd)
RL_LAPACK(gels)
RL_LAPACK(gelsy)
RL_LAPACK(gelsd)
RL_LAPACK(gelss)

namespace {
// Raises for the first matrix that holds an infinity or NaN, where LAPACK might not come back.
template <class T> void check_finite(const char* op, const Tensor& t) {
    int64_t size = rows(t) * columns(t);
    for (int64_t i = 0; i < t.numel(); i += size)
        check(all_finite(t.data<T>() + i, size), Err::LinAlg, op, ": ", t.dim() > 2 ? cat("(Batch element ", i / size, "): ") : std::string(), "The algorithm failed to converge because the input matrix contained non-finite values.");
}
[[noreturn]] void not_converged(const char* op, int64_t info) {
    raise(Err::LinAlg, op, ": The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values (error code: ", info, ").");
}

// 1 / (v_j - v_i) off the diagonal, where equal values give inf as they have no derivative; 0 on it.
Tensor inverse_gaps(const Tensor& v) {
    Tensor gaps = sub(row(v), column(v)), eye = identity(v.size(-1), v);
    return mul(reciprocal(add(gaps, eye)), sub(ones(eye.sizes(), eye.dtype()), eye));
}
Tensor diagonal_of(const Tensor& m) { return diagonal(m, 0, -2, -1); }
Tensor as_type(const Tensor& t, DType dtype) { return t.dtype() == dtype ? t : to(t, dtype); }
Tensor skew(const Tensor& x) { return sub(x, adjoint(x)); }
}  // namespace

void check_phase(const char* op, const char* vectors, const Tensor& d) {
    if (!d.is_complex() || d->wrapper || d.is_meta() || tls.modes) return;
    NoGrad guard;
    Tensor turn = cast_raw(contiguous(resolve(imag(d))), DType::Float64);
    for (int64_t i = 0; i < turn.numel(); i++)
        check(!(std::abs(turn.data<double>()[i]) > 1e-2), op, ": The ", vectors, " in the complex case are specified up to multiplication by e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined.");
}

// ---------------------------------------------------------------- singular values
struct Svd : Op<Svd> {
    SIG("linalg::svd(Tensor A, bool full_matrices=True, *, str? driver=None, Tensor[]? out=None) -> (Tensor U, Tensor S, Tensor Vh)");
    DOC("A = U diag(S) Vh with orthonormal columns in U and rows in Vh, S not increasing.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<Out<0>, Out<1>, Out<2>>;
    using Result = std::tuple<Tensor, Tensor, Tensor>;
    static Result forward(const Tensor& a, bool full, const OptStr& driver) {
        check_matrix("linalg.svd", a);
        check_lapack_type("linalg.svd", a, "linalg_svd_cpu");
        check(!driver, "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.");
        return compute(a, full ? 'A' : 'S');
    }
    // job 'N': values only
    static Result compute(const Tensor& a, char job) {
        int64_t m = rows(a), n = columns(a), k = std::min(m, n), um = job == 'A' ? m : k, vn = job == 'A' ? n : k;
        Dims s_sizes = batch_of(a);
        s_sizes.push_back(k);
        Device d = a.device();
        Tensor s = empty(s_sizes, to_real(a.dtype()), d), u, v;
        if (job != 'N') u = empty(matrices(batch_of(a), um, m), a.dtype(), d), v = empty(matrices(batch_of(a), n, vn), a.dtype(), d);
        if (!a.is_meta()) {
            if (k == 0 && u) u = identity(batch_of(a), um, m, a.dtype(), d), v = identity(batch_of(a), n, vn, a.dtype(), d);
            else if (k) fill(a, job, s, u, v, m, n, k, um, vn);
        }
        // PyTorch's meta function says contiguous rows for Vh, though its kernel gives contiguous columns.
        return {u ? turned(u) : u, s, !v ? v : a.is_meta() ? empty(matrices(batch_of(a), vn, n), a.dtype(), d) : turned(v)};
    }
    static void fill(const Tensor& a, char job, const Tensor& s, const Tensor& u, const Tensor& v, int64_t m, int64_t n, int64_t k, int64_t um, int64_t vn) {
        Tensor x = column_major(a);
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            check_finite<T>("linalg.svd", x);
            each_matrix(batch_count(a), m * n * k * 4, [&](int64_t i) {
                if constexpr (!is_complex_v<T>) {
                    T *pu = u ? u.data<T>() + i * um * m : nullptr, *pv = v ? v.data<T>() + i * n * vn : nullptr;
                    if (std::max(m, n) <= cpu::kSmallSvd && (job != 'A' || m == n) && small(int(m), int(n), x.data<T>() + i * m * n, s.data<T>() + i * k, pu, pv)) return;
                    if (job == 'A' && n > m) return wide<T>(int(m), int(n), x.data<T>() + i * m * n, s.data<T>() + i * k, pu, pv);
                }
                T none[1], *pu = u ? u.data<T>() + i * um * m : none, *pv = v ? v.data<T>() + i * n * vn : none;
                int info = gesdd<T>(LAPACK_COL_MAJOR, job, int(m), int(n), x.data<T>() + i * m * n, int(m), s.data<Real<T>>() + i * k, pu, int(m), pv, int(std::max<int64_t>(vn, 1)));
                if (info > 0) not_converged("linalg.svd", info);
            });
        });
    }
    // The thin decomposition of a small matrix, or of its transpose: u (m x k) and vh (k x n) may be null together.
    template <class T> static bool small(int m, int n, const T* a, T* s, T* u, T* vh) {
        T left[cpu::kSmallSvd * cpu::kSmallSvd], right[cpu::kSmallSvd * cpu::kSmallSvd];
        bool wide = m < n;
        int rows = std::max(m, n), k = std::min(m, n);
        for (int j = 0; j < k; j++)
            for (int i = 0; i < rows; i++) left[j * rows + i] = wide ? a[i * m + j] : a[j * m + i];
        if (!cpu::small_gesvd(rows, k, left, s, u ? right : nullptr)) return false;
        if (!u) return true;
        std::copy_n(wide ? right : left, m * k, u);
        const T* from = wide ? left : right;  // n x k
        for (int j = 0; j < n; j++)
            for (int i = 0; i < k; i++) vh[j * k + i] = from[i * n + j];
        return true;
    }
    // All vectors of a wide matrix (m < n) by way of a bidiagonal form. gesdd may take an LQ factorization first, which
    // gives another basis of the null space than PyTorch's (of complex matrices it has the same).
    template <class T> static void wide(int m, int n, T* a, T* s, T* u, T* vh) {
        size_t k = size_t(m), kk = k * k;
        std::vector<T> beside(k), left(kk), right(kk), tau_q(k), tau_p(k);
        gebrd<T>(LAPACK_COL_MAJOR, m, n, a, m, s, beside.data(), tau_q.data(), tau_p.data());
        int info = bdsdc<T>(LAPACK_COL_MAJOR, 'L', 'I', m, s, beside.data(), left.data(), m, right.data(), m, static_cast<T*>(nullptr), static_cast<int*>(nullptr));
        if (info > 0) not_converged("linalg.svd", info);
        std::copy(left.begin(), left.end(), u);
        std::fill_n(vh, size_t(n) * size_t(n), T(0));
        for (int j = 0; j < n; j++)
            if (j < m) std::copy_n(right.data() + size_t(j) * k, m, vh + size_t(j) * size_t(n));
            else vh[size_t(j) * size_t(n) + size_t(j)] = T(1);
        ormbr<T>(LAPACK_COL_MAJOR, 'Q', 'L', 'N', m, m, n, a, m, tau_q.data(), u, m);
        ormbr<T>(LAPACK_COL_MAJOR, 'P', 'R', 'T', n, n, m, a, m, tau_p.data(), vh, n);
    }
    // Townsend, Differentiating the singular value decomposition, 2016; Wan and Zhang, 2019, for complex matrices.
    static Grads backward(Ctx& c, const Grads& gs) {
        Tensor u = c.out<0>(), s = c.out<1>(), vh = c.out<2>(), gu = gs[0], g_s = gs[1], gvh = gs[2];
        int64_t k = s.size(-1), m = rows(u), n = columns(vh);
        DType t = u.dtype();
        auto trim = [&](Tensor& x, int64_t d) {
            if (x && x.size(d) > k) x = narrow(x, d, 0, k);
        };
        // The vectors beyond the first k can be turned freely: a loss has no business with them.
        trim(u, -1), trim(vh, -2), trim(gu, -1), trim(gvh, -2);
        if (!gu && !gvh) return {g_s ? matmul(mul(u, row(as_type(g_s, t))), vh) : Tensor()};
        Tensor s1 = as_type(s, t), inner, gap = as_type(inverse_gaps(mul(s, s)), t), r;
        auto plus = [](const Tensor& a, const Tensor& b) { return a ? add(a, b) : b; };
        Tensor xu = gu ? matmul(adjoint(u), gu) : gu, xv = gvh ? matmul(vh, adjoint(gvh)) : gvh;
        check_phase("svd_backward", "singular vectors", diagonal_of(xu && xv ? add(xu, xv) : xu ? xu : xv));
        if (gu) {
            Tensor x = skew(xu);
            inner = mul(mul(x, gap), row(s1));
            if (u.is_complex()) inner = add(inner, mul(identity(k, u), row(div(diagonal_of(x), mul(s1, Scalar(2))))));
        }
        if (gvh) inner = plus(inner, mul(column(s1), mul(skew(xv), gap)));
        if (g_s) inner = plus(inner, mul(identity(k, u), row(as_type(g_s, t))));
        r = matmul(u, matmul(inner, vh));
        if (gu && m > k) {
            Tensor x = div(gu, row(s1));
            r = add(r, matmul(sub(x, matmul(u, matmul(adjoint(u), x))), vh));
        }
        if (gvh && n > k) {
            Tensor x = div(gvh, column(s1));
            r = add(r, matmul(u, sub(x, matmul(matmul(x, adjoint(vh)), vh))));
        }
        return {r};
    }
};
OP(Svd);

struct Svdvals : Composite<Svdvals> {
    SIG("linalg::svdvals(Tensor A, *, str? driver=None, Tensor? out=None) -> Tensor");
    DOC("Singular values, not increasing.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const OptStr& driver) {
        bool recorded = tls.modes || a->wrapper || (tls.grad && a.requires_grad());
        if (recorded || a.dim() < 2 || driver) return std::get<1>(call<Svd>(a, false, driver));
        check_lapack_type("linalg.svd", a, "linalg_svd_cpu");
        return std::get<1>(Svd::compute(a, 'N'));
    }
};
OP(Svdvals);

struct SvdOld : Composite<SvdOld> {
    SIG("svd(Tensor self, bool some=True, bool compute_uv=True, *, Tensor[]? out=None) -> (Tensor U, Tensor S, Tensor V)");
    DOC("self = U diag(S) V^H; without compute_uv only S is computed, U and V are zero.");
    FORMS(FUNCTION | METHOD | OUT);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& self, bool some, bool uv) {
        check(self.dim() >= 2, "linalg.svd: The input tensor A must have at least 2 dimensions.");
        if (uv) {
            auto [u, s, vh] = call<Svd>(self, !some, OptStr());
            return {u, s, adjoint(vh)};
        }
        int64_t m = rows(self), n = columns(self);
        return {zeros(matrices(batch_of(self), m, m), self.dtype(), self.device()), svdvals(self), zeros(matrices(batch_of(self), n, n), self.dtype(), self.device())};
    }
};
OP(SvdOld);

// ---------------------------------------------------------------- eigenvalues of Hermitian matrices
struct Eigh : Op<Eigh> {
    SIG("linalg::eigh(Tensor self, str UPLO='L', *, Tensor[]? out=None) -> (Tensor eigenvalues, Tensor eigenvectors)");
    DOC("Eigenvalues, rising, and orthonormal eigenvectors of a symmetric or Hermitian matrix, of which one triangle is read.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<Out<0>, Out<1>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, const std::string& uplo) { return compute("linalg.eigh", a, uplo, 'V'); }
    static std::tuple<Tensor, Tensor> compute(const char* op, const Tensor& a, const std::string& uplo, char job) {
        check_square(op, a);
        check_lapack_kernel("linalg_eigh_cpu", a);
        char side = uplo.size() == 1 ? char(std::toupper(uplo[0])) : ' ';
        check(side == 'L' || side == 'U', "Expected UPLO argument to be 'L' or 'U', but got ", uplo);
        int64_t n = rows(a);
        Dims sizes = batch_of(a);
        sizes.push_back(n);
        Tensor v = column_major(a), w = empty(sizes, to_real(a.dtype()), a.device());
        if (a.is_meta() || n == 0) return {w, turned(v)};
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            check_finite<T>(op, v);
            each_matrix(batch_count(a), n * n * n * 4, [&](int64_t i) {
                if constexpr (!is_complex_v<T>)
                    if (n <= cpu::kSmallEigh && cpu::small_syev(side == 'U', job == 'V', int(n), v.data<T>() + i * n * n, w.data<T>() + i * n)) return;
                int info = heevd<T>(LAPACK_COL_MAJOR, job, side, int(n), v.data<T>() + i * n * n, int(n), w.data<Real<T>>() + i * n);
                if (info > 0) not_converged(op, info);
            });
        });
        return {w, turned(v)};
    }
    static Grads backward(Ctx& c, const Grads& gs) {
        Tensor w = c.out<0>(), v = c.out<1>(), inner;
        if (gs[1]) {
            Tensor x = matmul(adjoint(v), gs[1]);
            check_phase("linalg_eigh_backward", "eigenvectors", diagonal_of(x));
            inner = mul(mul(skew(x), Scalar(0.5)), as_type(inverse_gaps(w), v.dtype()));
        }
        if (!inner) return {matmul(mul(v, row(as_type(gs[0], v.dtype()))), adjoint(v))};
        if (gs[0]) inner = add(inner, mul(identity(rows(v), v), row(as_type(gs[0], v.dtype()))));
        return {matmul(v, matmul(inner, adjoint(v)))};
    }
};
OP(Eigh);

struct Eigvalsh : Composite<Eigvalsh> {
    SIG("linalg::eigvalsh(Tensor self, str UPLO='L', *, Tensor? out=None) -> Tensor");
    DOC("Eigenvalues of a symmetric or Hermitian matrix, rising.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, const std::string& uplo) {
        bool recorded = tls.modes || self->wrapper || (tls.grad && self.requires_grad());
        return std::get<0>(recorded ? call<Eigh>(self, uplo) : Eigh::compute("linalg.eigh", self, uplo, 'N'));
    }
};
OP(Eigvalsh);

// ---------------------------------------------------------------- eigenvalues of any matrix
namespace {
// Real matrices have pairs of conjugated vectors, of which LAPACK gives the real and the imaginary part. v may be null: no vectors.
template <class T> int geev_one(int n, T* a, std::complex<Real<T>>* w, std::complex<Real<T>>* v) {
    using C = std::complex<Real<T>>;
    char job = v ? 'V' : 'N';
    if constexpr (std::is_same_v<T, c64>) return scipy_LAPACKE_cgeev(LAPACK_COL_MAJOR, 'N', job, n, a, n, w, nullptr, 1, v, n);
    else if constexpr (std::is_same_v<T, c128>) return scipy_LAPACKE_zgeev(LAPACK_COL_MAJOR, 'N', job, n, a, n, w, nullptr, 1, v, n);
    else {
        std::vector<T> re(static_cast<size_t>(n)), im(re), x(v ? size_t(n) * size_t(n) : 1);
        int info;
        if constexpr (std::is_same_v<T, float>) info = scipy_LAPACKE_sgeev(LAPACK_COL_MAJOR, 'N', job, n, a, n, re.data(), im.data(), nullptr, 1, x.data(), n);
        else info = scipy_LAPACKE_dgeev(LAPACK_COL_MAJOR, 'N', job, n, a, n, re.data(), im.data(), nullptr, 1, x.data(), n);
        for (int j = 0; j < n; j++) {
            w[j] = C(re[size_t(j)], im[size_t(j)]);
            if (!v) continue;
            const T* p = x.data() + size_t(j) * size_t(n);
            int pair = im[size_t(j)] == 0 ? 0 : im[size_t(j)] > 0 ? 1 : -1;
            for (int i = 0; i < n; i++) v[j * n + i] = pair == 0 ? C(p[i]) : pair > 0 ? C(p[i], p[i + n]) : C(p[i - n], -p[i]);
        }
        return info;
    }
}
}  // namespace

struct Eig : Op<Eig> {
    SIG("linalg::eig(Tensor self, *, Tensor[]? out=None) -> (Tensor eigenvalues, Tensor eigenvectors)");
    DOC("Eigenvalues and eigenvectors (columns of length 1) of a square matrix, always complex.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<Out<0>, Out<1>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a) { return compute(a, true); }
    static std::tuple<Tensor, Tensor> compute(const Tensor& a, bool vectors) {
        check_square("linalg.eig", a);
        check_lapack_type("linalg.eig", a, "linalg_eig_out_cpu");
        int64_t n = rows(a);
        Dims sizes = batch_of(a);
        sizes.push_back(n);
        DType t = a.is_complex() ? a.dtype() : to_complex(a.dtype());
        Tensor w = empty(sizes, t, a.device()), v = empty(vectors ? matrices(batch_of(a), n, n) : Dims{0, 0}, t, a.device());
        if (a.is_meta()) return {w, v};
        if (n == 0) return {w, turned(v)};
        Tensor x = column_major(a);
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            using C = std::complex<Real<T>>;
            check(all_finite(x.data<T>(), x.numel()), "torch.linalg.eig: input tensor should not contain infs or NaNs.");
            each_matrix(batch_count(a), n * n * n * 10, [&](int64_t i) {
                int info = geev_one<T>(int(n), x.data<T>() + i * n * n, w.data<C>() + i * n, vectors ? v.data<C>() + i * n * n : nullptr);
                if (info > 0) raise(Err::LinAlg, "linalg.eig: The algorithm failed to converge; ", info, " off-diagonal elements of an intermediate tridiagonal form did not converge to zero.");
            });
        });
        return {w, turned(v)};
    }
    // Giles, Collected matrix derivative results, 2008, with vectors of length 1.
    static Grads backward(Ctx& c, const Grads& gs) {
        Tensor w = c.out<0>(), v = c.out<1>(), vh = adjoint(v), inner;
        if (gs[1]) {
            Tensor p = matmul(vh, gs[1]), d = diagonal_of(p);
            check_phase("linalg_eig_backward", "eigenvectors", d);
            Tensor scale = as_type(real(d), v.dtype());
            inner = mul(sub(p, mul(matmul(vh, v), row(scale))), conj(inverse_gaps(w)));
        }
        if (gs[0]) {
            Tensor d = mul(identity(rows(v), v), row(gs[0]));
            inner = inner ? add(inner, d) : d;
        }
        Tensor r = solve(vh, matmul(inner, vh));
        return {is_complex(c.dtype<0>()) ? r : real(r)};
    }
};
OP(Eig);

struct Eigvals : Composite<Eigvals> {
    SIG("linalg::eigvals(Tensor self, *, Tensor? out=None) -> Tensor");
    DOC("Eigenvalues of a square matrix, always complex.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self) {
        check_square("linalg.eigvals", self);
        bool recorded = tls.modes || self->wrapper || (tls.grad && self.requires_grad());
        return std::get<0>(recorded ? call<Eig>(self) : Eig::compute(self, false));
    }
};
OP(Eigvals);

// ---------------------------------------------------------------- least squares
struct LstsqRaw : Op<LstsqRaw> {
    SIG("_linalg_lstsq(Tensor A, Tensor B, float rcond, str driver) -> (Tensor solution, Tensor rank, Tensor singular_values)");
    DOC("Least-squares solutions of A X = B for matrices of the same batch sizes.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& a, const Tensor& b, double rcond, const std::string& driver) {
        int64_t m = rows(a), n = columns(a), k = columns(b), l = std::max(m, n), least = std::min(m, n), batch = batch_count(a);
        bool has_rank = driver != "gels", has_values = driver == "gelsd" || driver == "gelss";
        Dims value_sizes = batch_of(a);
        value_sizes.push_back(least);
        Tensor x = zeros(matrices(batch_of(a), k, l), a.dtype(), a.device());
        Tensor rank = empty(has_rank ? batch_of(a) : Dims{0}, DType::Int64, a.device()), values = empty(has_values ? value_sizes : Dims{0}, to_real(a.dtype()), a.device());
        auto solution = [&] { return turned(alias(x, matrices(batch_of(a), k, n), x.strides(), x->offset)); };
        if (a.is_meta()) return {solution(), rank, values};
        if (has_rank) fill_raw(rank, 0);
        if (least == 0 || k == 0) return {solution(), rank, values};
        Tensor start = alias(x, matrices(batch_of(a), k, m), x.strides(), x->offset), f = column_major(a);
        copy_raw(start, turned(resolve(b)));
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            using R = Real<T>;
            check_finite<T>("torch.linalg.lstsq", f);
            each_matrix(batch, m * n * least * 2, [&](int64_t i) {
                T *pa = f.data<T>() + i * m * n, *px = x.data<T>() + i * k * l;
                std::vector<R> s(static_cast<size_t>(least));
                std::vector<int> pivots(size_t(n), 0);
                int r = 0, info = 0;
                if (driver == "gels") info = gels<T>(LAPACK_COL_MAJOR, 'N', int(m), int(n), int(k), pa, int(m), px, int(l));
                else if (driver == "gelsy") info = gelsy<T>(LAPACK_COL_MAJOR, int(m), int(n), int(k), pa, int(m), px, int(l), pivots.data(), R(rcond), &r);
                else if (driver == "gelsd") info = gelsd<T>(LAPACK_COL_MAJOR, int(m), int(n), int(k), pa, int(m), px, int(l), s.data(), R(rcond), &r);
                else info = gelss<T>(LAPACK_COL_MAJOR, int(m), int(n), int(k), pa, int(m), px, int(l), s.data(), R(rcond), &r);
                if (info > 0) raise(Err::LinAlg, "torch.linalg.lstsq: (Batch element ", i, "): The least squares solution could not be computed because the input matrix does not have full rank (error code: ", info, ").");
                if (has_rank) rank.data<int64_t>()[i] = r;
                if (has_values) std::copy(s.begin(), s.end(), values.data<R>() + i * least);
            });
        });
        return {solution(), rank, values};
    }
    // X = pinv(A) B
    static Grads backward(Ctx& c, const Grads& gs) {
        Grads r(2);
        if (!gs[0]) return r;
        Tensor a = c.in<0>(), b = c.in<1>(), p = pinv(a), ph = adjoint(p);
        if (c.needs<1>()) r[1] = matmul(ph, gs[0]);
        if (c.needs<0>()) r[0] = pinv_gradient(a, p, matmul(gs[0], adjoint(b)));
        return r;
    }
    // Golub and Pereyra, The differentiation of pseudo-inverses, 1973.
    static Tensor pinv_gradient(const Tensor& a, const Tensor& p, const Tensor& g) {
        Tensor ph = adjoint(p), gh = adjoint(g);
        Tensor r = neg(matmul(ph, matmul(g, ph)));
        Tensor left = matmul(gh, matmul(p, ph)), right = matmul(matmul(ph, p), gh);
        r = add(r, sub(left, matmul(a, matmul(p, left))));
        return add(r, sub(right, matmul(matmul(right, p), a)));
    }
};
OP(LstsqRaw);

struct Lstsq : Composite<Lstsq> {
    SIG("linalg::lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None, Tensor[]? out=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)");
    DOC("X for which the norm of self X - b is least; the squared norms, the rank and the singular values where they are known.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor, Tensor, Tensor> forward(const Tensor& a, const Tensor& b, const OptFloat& rcond, const OptStr& driver) {
        check(a.dim() >= 2, "torch.linalg.lstsq: input must have at least 2 dimensions.");
        check(b.dim() >= 1, "torch.linalg.lstsq: other must have at least 1 dimension.");
        check_lapack_type("linalg.lstsq", a);
        check(a.dtype() == b.dtype(), "torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype ", title(a.dtype()), " and other's dtype ", title(b.dtype()));
        std::string name = driver.value_or("gelsy");
        check(name == "gels" || name == "gelsy" || name == "gelsd" || name == "gelss", "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
        check(a.dim() - b.dim() <= 1, "torch.linalg.lstsq: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1");
        bool vector = a.dim() - 1 == b.dim() && same(b.sizes(), Ints(a.sizes()).first(size_t(a.dim() - 1)));
        Tensor rhs = vector ? column(b) : b;
        check(rhs.dim() >= 2 && rows(rhs) == rows(a), "torch.linalg.lstsq: input.size(-2) should match other.size(", vector ? -1 : -2, ")");
        auto [x, y] = with_common_batch("linalg.lstsq", a, rhs);
        int64_t m = rows(a), n = columns(a);
        double eps = to_real(a.dtype()) == DType::Float32 ? 1.1920928955078125e-07 : 2.220446049250313e-16;
        auto [solution, rank, values] = call<LstsqRaw>(x, y, rcond.value_or(eps * double(std::max(m, n))), name);
        bool full = m > n;
        for (int64_t i = 0; full && name != "gels" && !rank->wrapper && !rank.is_meta() && i < rank.numel(); i++) full = rank.data<int64_t>()[i] == n;
        Tensor residuals = empty(Dims{0}, to_real(a.dtype()), a.device());
        if (full && name != "gelsy") {
            Tensor size = abs(sub(matmul(x, solution), y));
            residuals = sum(mul(size, size), {-2});
        }
        return {vector ? squeeze(solution, -1) : solution, residuals, rank, values};
    }
};
OP(Lstsq);

struct PinvRaw : Op<PinvRaw> {
    SIG("_linalg_pinv(Tensor A, Tensor atol, Tensor rtol, bool hermitian) -> Tensor");
    DOC("Pseudo-inverse of A; singular values (sizes of eigenvalues if hermitian) up to max(atol, rtol * the largest) count as zero.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, Out<0>>;
    static Tensor forward(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) {
        if (a.is_meta() || a.numel() == 0) return empty(matrices(batch_of(a), columns(a), rows(a)), a.dtype(), a.device());
        NoGrad guard;
        auto reciprocals = [&](const Tensor& values, const Tensor& sizes) {
            Tensor zero = le(sizes, column(maximum(atol, mul(rtol, amax(sizes, {-1}, false)))));
            return row(as_type(masked_fill(reciprocal(values), zero, Scalar(0)), a.dtype()));
        };
        if (hermitian) {
            auto [w, v] = Eigh::compute("linalg.eigh", a, "L", 'V');
            return matmul(mul(v, reciprocals(w, abs(w))), adjoint(v));
        }
        auto [u, s, vh] = Svd::compute(a, 'S');
        return matmul(mul(adjoint(vh), reciprocals(s, s)), adjoint(u));
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {LstsqRaw::pinv_gradient(c.in<0>(), c.out<0>(), g)}; }
};
OP(PinvRaw);

std::tuple<Tensor, Tensor> eigh(const Tensor& a, const std::string& uplo) { return call<Eigh>(a, uplo); }
std::tuple<Tensor, Tensor, Tensor> svd(const Tensor& a, bool full_matrices) { return call<Svd>(a, full_matrices, OptStr()); }
Tensor svdvals(const Tensor& a) { return call<Svdvals>(a, OptStr()); }
Tensor pinv(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) { return call<PinvRaw>(a, atol, rtol, hermitian); }

}  // namespace rl
