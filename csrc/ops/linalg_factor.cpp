// Factorizations by orthogonal and triangular matrices: Cholesky, QR, triangular solvers.
#include <algorithm>

#include "ops/linalg_blocked.h"

namespace rl {

RL_LAPACK(potrs)
RL_LAPACK(potri)
RL_LAPACK_AS(orgqr, sorgqr, dorgqr, cungqr, zungqr)
RL_LAPACK_AS(ormqr, sormqr, dormqr, cunmqr, zunmqr)

// ---------------------------------------------------------------- triangular systems
struct TriangularRaw : Op<TriangularRaw> {
    SIG("_linalg_triangular(Tensor A, Tensor B, bool upper, bool unitriangular) -> Tensor");
    DOC("Solutions of A X = B for triangular matrices of the same batch sizes.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, Out<0>>;
    static Tensor forward(const Tensor& a, const Tensor& b, bool upper, bool unit) {
        check_square("linalg.solve_triangular", a);
        check_matrix("linalg.solve_triangular", b, "B");
        check(a.dtype() == b.dtype() && rows(a) == rows(b) && batch_of(a) == batch_of(b), "linalg.solve_triangular: A of shape ", a.sizes(), " and dtype ", name(a.dtype()), " does not fit B of shape ", b.sizes(), " and dtype ", name(b.dtype()));
        Tensor x = column_major(b);
        if (x.is_meta() || x.numel() == 0) return turned(x);
        // A row-major matrix is its transpose in LAPACK's eyes, so nothing is copied.
        Tensor m = contiguous(a);
        int64_t n = rows(a), k = columns(b);
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            each_side(batch_count(a), n, k, [&](int64_t i, int64_t first, int64_t count) { trsm(CblasLeft, upper ? CblasLower : CblasUpper, CblasTrans, unit ? CblasUnit : CblasNonUnit, int(n), int(count), m.data<T>() + i * n * n, int(n), x.data<T>() + (i * k + first) * n, int(n)); });
        });
        return turned(x);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        bool upper = c.arg<2>(), unit = c.arg<3>();
        Tensor gb = call<TriangularRaw>(adjoint(c.in<0>()), g, !upper, unit);
        r[1] = gb;
        if (!c.needs<0>()) return r;
        Tensor ga = neg(matmul(gb, adjoint(c.out<0>())));
        r[0] = upper ? triu(ga, unit ? 1 : 0) : tril(ga, unit ? -1 : 0);
        return r;
    }
};
OP(TriangularRaw);

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unit) {
    if (!left) return transpose(solve_triangular(transpose(a, -2, -1), transpose(b, -2, -1), !upper, true, unit), -2, -1);
    auto [x, y] = with_common_batch("linalg.solve_triangular", a, b);
    return call<TriangularRaw>(x, y, upper, unit);
}

struct SolveTriangular : Composite<SolveTriangular> {
    SIG("linalg::solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False, Tensor? out=None) -> Tensor");
    DOC("Solution X of A X = B (X A = B if not left) for a triangular A, whose other half is not read.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const Tensor& b, bool upper, bool left, bool unit) {
        check_square("linalg.solve_triangular", a);
        check_matrix("linalg.solve_triangular", b, "B");
        check_lapack_kernel("triangular_solve_cpu", a);
        check(a.dtype() == b.dtype(), "linalg.solve_triangular: Expected A and B to have the same dtype, but found A of type ", title(a.dtype()), " and B of type ", title(b.dtype()), " instead");
        check(rows(a) == (left ? rows(b) : columns(b)), "linalg.solve_triangular: Incompatible shapes of A and B for the equation ", left ? "AX = B" : "XA = B", " (", rows(a), "x", columns(a), " and ", rows(b), "x", columns(b), ")");
        return solve_triangular(a, b, upper, left, unit);
    }
};
OP(SolveTriangular);

struct TriangularSolveOld : Composite<TriangularSolveOld> {
    SIG("triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False, *, Tensor[]? out=None) -> (Tensor solution, Tensor cloned_coefficient)");
    DOC("Solution X of A X = self for a triangular A, and a copy of A.");
    FORMS(FUNCTION | METHOD | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& b, const Tensor& a, bool upper, bool transposed, bool unit) {
        check_square("triangular_solve", a);
        check(b.dim() >= 2, "triangular_solve: Expected b to have at least 2 dimensions, but it has ", b.dim(), " dimensions instead");
        check_lapack_kernel("triangular_solve_cpu", a);
        check(rows(a) == rows(b), "triangular_solve: Incompatible matrix sizes for triangular_solve: each A matrix is ", rows(a), " by ", columns(a), " but each b matrix is ", rows(b), " by ", columns(b));
        check(a.dtype() == b.dtype(), "Expected b and A to have the same dtype, but found b of type ", title(b.dtype()), " and A of type ", title(a.dtype()), " instead (triangular_solve)");
        auto [m, x] = with_common_batch("triangular_solve", a, b);
        Tensor copy = transpose(contiguous_op(transpose(m, -2, -1)), -2, -1);
        return {solve_triangular(transposed ? transpose(m, -2, -1) : m, x, upper != transposed, true, unit), copy.is(m) ? clone(m) : copy};
    }
};
OP(TriangularSolveOld);

// ---------------------------------------------------------------- Cholesky
static std::string not_definite(int64_t i) { return cat("The factorization could not be completed because the input is not positive-definite (the leading minor of order ", i, " is not positive-definite)."); }

struct CholeskyEx : Op<CholeskyEx> {
    SIG("linalg::cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False, Tensor[]? out=None) -> (Tensor L, Tensor info)");
    DOC("Triangular L with self = L L^H (upper: U with U^H U), and the order of the first minor that isn't positive.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<Out<0>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, bool upper, bool check_errors) {
        check_square("linalg.cholesky", a);
        check_lapack_type("linalg.cholesky", a, "cholesky_cpu");
        Tensor l = column_major(a), info = empty(batch_of(a), DType::Int32, a.device());
        if (l.is_meta()) return {turned(l), info};
        int64_t n = rows(a);
        fill_raw(info, 0);
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            if (n == 0) return;
            int64_t batch = batch_count(a);
            each_matrix(batch, n * n * n / 3, [&](int64_t i) {
                T* p = l.data<T>() + i * n * n;
                int verdict = n <= cpu::kSmallCholesky ? cpu::small_potrf(upper, int(n), p) : batch == 1 && n >= kLargeMatrix ? blocked_potrf(upper, int(n), p) : potrf<T>(LAPACK_COL_MAJOR, upper ? 'U' : 'L', int(n), p, int(n));
                for (int64_t j = 0; j < n && verdict == 0; j++)  // OpenBLAS takes NaN for positive
                    if (!(std::real(p[j * n + j]) > 0)) verdict = int(j) + 1;
                info.data<int32_t>()[i] = verdict;
                for (int64_t col = 0; col < n; col++)
                    for (int64_t row = upper ? col + 1 : 0; row < (upper ? n : col); row++) p[col * n + row] = T(0);
            });
        });
        if (check_errors) check_info("linalg.cholesky", info, a.dim() > 2, not_definite);
        return {turned(l), info};
    }
    // Murray, Differentiation of the Cholesky decomposition, 2016.
    static Grads backward(Ctx& c, const Grads& gs) {
        if (!gs[0]) return Grads(1);
        bool upper = c.arg<1>();
        Tensor l = upper ? adjoint(c.out<0>()) : c.out<0>(), g = upper ? adjoint(gs[0]) : gs[0];
        // The lower triangle of L^H g, mirrored: what a Hermitian change of self can be answered for.
        Tensor p = tril(matmul(adjoint(l), g)), sym = mul(add(p, adjoint(tril(p, -1))), Scalar(0.5));
        return {solve_triangular(adjoint(l), solve_triangular(l, sym, false, false), true)};
    }
};
OP(CholeskyEx);

static Tensor cholesky_checked(const char* op, const Tensor& a, bool upper) {
    check_square(op, a);
    auto [l, info] = call<CholeskyEx>(a, upper, false);
    if (!info->wrapper) check_info(op, info, a.dim() > 2, not_definite);
    return l;
}
struct Cholesky : Composite<Cholesky> {
    SIG("linalg::cholesky(Tensor self, *, bool upper=False, Tensor? out=None) -> Tensor");
    DOC("Triangular L with self = L L^H (upper: U with U^H U). Raises LinAlgError where self is not positive definite.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, bool upper) { return cholesky_checked("linalg.cholesky", self, upper); }
};
OP(Cholesky);
struct CholeskyOld : Composite<CholeskyOld> {
    SIG("cholesky(Tensor self, bool upper=False, *, Tensor? out=None) -> Tensor");
    DOC("Triangular L with self = L L^H (upper: U with U^H U).");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, bool upper) {
        check_lapack_kernel("cholesky_cpu", self);
        return cholesky_checked("cholesky", self, upper);
    }
};
OP(CholeskyOld);

// The gradient of a factor of A from that of A. As in PyTorch the half that isn't read gets a gradient too.
static Tensor factor_gradient(const Tensor& factor, const Tensor& ga, bool upper) {
    Tensor both = add(ga, adjoint(ga));
    return upper ? matmul(factor, both) : matmul(both, factor);
}

struct CholeskySolveRaw : Op<CholeskySolveRaw> {
    SIG("_cholesky_solve_helper(Tensor self, Tensor A, bool upper) -> Tensor");
    DOC("Solutions of A X = self from Cholesky factors, for matrices of the same batch sizes.");
    FORMS(FUNCTION);
    using Saves = Save<In<1>, Out<0>>;
    static Tensor forward(const Tensor& b, const Tensor& factor, bool upper) {
        check_square("cholesky_solve", factor);
        check_matrix("cholesky_solve", b, "B");
        check(factor.dtype() == b.dtype() && rows(factor) == rows(b) && batch_of(factor) == batch_of(b), "cholesky_solve: A of shape ", factor.sizes(), " and dtype ", name(factor.dtype()), " does not fit B of shape ", b.sizes(), " and dtype ", name(b.dtype()));
        Tensor x = column_major(b);
        if (x.is_meta() || x.numel() == 0) return turned(x);
        Tensor f = read_column_major(factor);
        int64_t n = rows(b), k = columns(b);
        dispatch_lapack(b.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            each_side(batch_count(b), n, k, [&](int64_t i, int64_t first, int64_t count) { potrs<T>(LAPACK_COL_MAJOR, upper ? 'U' : 'L', int(n), int(count), f.data<T>() + i * n * n, int(n), x.data<T>() + (i * k + first) * n, int(n)); });
        });
        return turned(x);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        bool upper = c.arg<2>();
        Tensor factor = c.in<1>(), gb = call<CholeskySolveRaw>(g, factor, upper);
        r[0] = gb;
        if (c.needs<1>()) r[1] = factor_gradient(factor, neg(matmul(gb, adjoint(c.out<0>()))), upper);
        return r;
    }
};
OP(CholeskySolveRaw);

struct CholeskySolve : Composite<CholeskySolve> {
    SIG("cholesky_solve(Tensor self, Tensor input2, bool upper=False, *, Tensor? out=None) -> Tensor");
    DOC("Solution X of A X = self from the Cholesky factor of A.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& b, const Tensor& factor, bool upper) {
        check(b.dim() >= 2, "b should have at least 2 dimensions, but has ", b.dim(), " dimensions instead (cholesky_solve)");
        check(factor.dim() >= 2, "u should have at least 2 dimensions, but has ", factor.dim(), " dimensions instead (cholesky_solve)");
        check_square("cholesky_solve", factor);
        check(rows(factor) == rows(b), "Incompatible matrix sizes for cholesky_solve: each A matrix is ", rows(factor), " by ", columns(factor), " but each b matrix is ", rows(b), " by ", columns(b));
        check(factor.dtype() == b.dtype(), "Expected b and A to have the same dtype, but found b of type ", title(b.dtype()), " and A of type ", title(factor.dtype()), " instead (cholesky_solve)");
        check_lapack_kernel("cholesky_solve_cpu", factor);
        auto [f, x] = with_common_batch("cholesky_solve", factor, b);
        return call<CholeskySolveRaw>(x, f, upper);
    }
};
OP(CholeskySolve);

struct CholeskyInverse : Op<CholeskyInverse> {
    SIG("cholesky_inverse(Tensor self, bool upper=False, *, Tensor? out=None) -> Tensor");
    DOC("Inverse of A from its Cholesky factor.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, Out<0>>;
    static Tensor forward(const Tensor& self, bool upper) {
        check_square("cholesky_inverse", self);
        check_lapack_kernel("cholesky_inverse_out_cpu", self);
        Tensor x = column_major(self);
        if (x.is_meta() || x.numel() == 0) return turned(x);
        int64_t n = rows(self);
        dispatch_lapack(self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            each_matrix(batch_count(self), n * n * n, [&](int64_t i) {
                T* p = x.data<T>() + i * n * n;
                int info = potri<T>(LAPACK_COL_MAJOR, upper ? 'U' : 'L', int(n), p, int(n));
                check(info <= 0, Err::LinAlg, "cholesky_inverse: ", self.dim() > 2 ? cat("(Batch element ", i, "): ") : std::string(), "The diagonal element ", info, " is zero, the inversion could not be completed because the input matrix is singular.");
                for (int64_t a = 0; a < n; a++)
                    for (int64_t b = 0; b < a; b++) upper ? p[b * n + a] = conjugate(p[a * n + b]) : p[a * n + b] = conjugate(p[b * n + a]);
            });
        });
        return turned(x);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor inverse = c.out<0>();
        return {factor_gradient(c.in<0>(), neg(matmul(inverse, matmul(g, inverse))), c.arg<1>())};
    }
};
OP(CholeskyInverse);

// ---------------------------------------------------------------- QR
struct Reflectors {  // column-major R with Householder's vectors below, and their factors
    Tensor a, tau;
};
static Reflectors reflectors(const Tensor& a) {
    int64_t m = rows(a), n = columns(a), k = std::min(m, n);
    Dims sizes = batch_of(a);
    sizes.push_back(k);
    Reflectors r{column_major(a), empty(sizes, a.dtype(), a.device())};
    if (a.is_meta() || k == 0) return r;
    dispatch_lapack(a.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        [[maybe_unused]] bool small = std::max(m, n) <= cpu::kSmallQr;
        int64_t batch = batch_count(a);
        if (batch == 1 && k >= kLargeMatrix) return blocked_geqrf(int(m), int(n), r.a.data<T>(), r.tau.data<T>());
        each_matrix(batch, m * n * k, [&](int64_t i) {
            T *p = r.a.data<T>() + i * m * n, *tau = r.tau.data<T>() + i * k;
            if constexpr (!is_complex_v<T>) {
                if (small) {
                    T kept[cpu::kSmallQr * cpu::kSmallQr];
                    std::copy_n(p, m * n, kept);
                    if (cpu::small_geqrf(int(m), int(n), p, tau)) return;
                    std::copy_n(kept, m * n, p);
                }
            }
            geqrf<T>(LAPACK_COL_MAJOR, int(m), int(n), p, int(m), tau);
        });
    });
    return r;
}

// The first `columns` columns of the product of reflectors stored in the columns of v (column-major, m rows).
static Tensor product_of_reflectors(const Tensor& v, const Tensor& tau, int64_t m, int64_t count) {
    int64_t have = v.sizes()[size_t(v.dim() - 2)], k = tau.size(-1);
    Dims batch(Ints(v.sizes()).first(size_t(v.dim() - 2)));
    Tensor q = identity(batch, count, m, v.dtype(), v.device());
    if (q.is_meta() || q.numel() == 0) return q;
    dispatch_lapack(v.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (q.dim() == 2 && std::min(k, count) >= kLargeMatrix) return blocked_orgqr(int(m), int(count), int(std::min(k, count)), v.data<T>(), tau.data<T>(), q.data<T>());
        each_matrix(product(Ints(batch)), m * count * k, [&](int64_t i) {
            T* to = q.data<T>() + i * m * count;
            if (k == 0) return;
            if constexpr (!is_complex_v<T>)
                if (m <= cpu::kSmallQr) return cpu::small_orgqr(int(m), int(count), int(std::min(k, count)), v.data<T>() + i * m * have, tau.data<T>() + i * k, to);
            std::copy_n(v.data<T>() + i * m * have, m * std::min(have, count), to);
            orgqr<T>(LAPACK_COL_MAJOR, int(m), int(count), int(std::min(k, count)), to, int(m), tau.data<T>() + i * k);
        });
    });
    return q;
}

struct Qr : Op<Qr> {
    SIG("linalg::qr(Tensor A, str mode='reduced', *, Tensor[]? out=None) -> (Tensor Q, Tensor R)");
    DOC("A = Q R with orthonormal columns in Q and an upper triangular R; mode 'complete' makes Q square, 'r' leaves it out.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<Out<0>, Out<1>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, const std::string& mode) {
        check(mode == "reduced" || mode == "complete" || mode == "r", "qr received unrecognized mode '", mode, "' but expected one of 'reduced' (default), 'r', or 'complete'");
        check_matrix("linalg.qr", a);
        check_lapack_type("linalg.qr", a, "geqrf_cpu");
        int64_t m = rows(a), n = columns(a), k = mode == "complete" ? m : std::min(m, n);
        Reflectors f = reflectors(a);
        Tensor r = empty(matrices(batch_of(a), n, k), a.dtype(), a.device());
        if (!r.is_meta())
            dispatch_lapack(a.dtype(), [&](auto tag) {
                using T = typename decltype(tag)::type;
                int64_t lines = batch_count(a) * n;
                for (int64_t j = 0; j < lines; j++)
                    for (int64_t i = 0; i < k; i++) r.data<T>()[j * k + i] = i <= j % n ? f.a.data<T>()[j * m + i] : T(0);
            });
        Tensor q = mode == "r" ? empty(Dims{0}, a.dtype(), a.device()) : turned(product_of_reflectors(f.a, f.tau, m, k));
        return {q, turned(r)};
    }
    // Walter and Lehmann, Algorithmic differentiation of linear algebra functions, 2010; a wide matrix by its square part.
    static Grads backward(Ctx& c, const Grads& gs) {
        check(c.arg<1>() != "r", "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr.");
        int64_t m = c.sizes<0>()[c.sizes<0>().size() - 2], n = c.sizes<0>().back();
        check(c.arg<1>() != "complete" || m <= n, "The QR decomposition is not differentiable when mode='complete' and nrows > ncols.");
        Tensor q = c.out<0>(), r = c.out<1>();
        Tensor gq = gs[0] ? gs[0] : zeros_like(q), gr = gs[1] ? gs[1] : zeros_like(r);
        if (m >= n) return {tall(q, r, gq, gr)};
        // A = [X Y], R = [U V]: Y = Q V
        Tensor u = narrow(r, -1, 0, m), gu = narrow(gr, -1, 0, m), gv = narrow(gr, -1, m, n - m), v = narrow(r, -1, m, n - m);
        Tensor y = matmul(q, v);
        return {cat(Tensors{tall(q, u, add(gq, matmul(y, adjoint(gv))), gu), matmul(q, gv)}, int64_t(-1))};
    }
    static Tensor tall(const Tensor& q, const Tensor& r, const Tensor& gq, const Tensor& gr) {
        Tensor m = sub(matmul(r, adjoint(gr)), matmul(adjoint(gq), q)), lower = tril(m, -1);
        Tensor diagonal_part = mul(m.is_complex() ? mul(add(m, conj(m)), Scalar(0.5)) : m, identity(rows(m), m));
        return solve_triangular(adjoint(r), add(gq, matmul(q, add(add(lower, adjoint(lower)), diagonal_part))), false, false);
    }
};
OP(Qr);

struct QrOld : Composite<QrOld> {
    SIG("qr(Tensor self, bool some=True, *, Tensor[]? out=None) -> (Tensor Q, Tensor R)");
    DOC("self = Q R with orthonormal columns in Q and an upper triangular R.");
    FORMS(FUNCTION | METHOD | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, bool some) { return call<Qr>(self, std::string(some ? "reduced" : "complete")); }
};
OP(QrOld);

struct Geqrf : Op<Geqrf> {
    SIG("geqrf(Tensor self, *, Tensor[]? out=None) -> (Tensor a, Tensor tau)");
    DOC("R of the QR factorization with Householder's vectors below its diagonal, and their factors.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | METHOD | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& self) {
        check_matrix("torch.geqrf", self);
        check_lapack_kernel("geqrf_cpu", self);
        Reflectors r = reflectors(self);
        return {turned(r.a), r.tau};
    }
};
OP(Geqrf);

static void check_reflectors(const char* op, const Tensor& v, const Tensor& tau) {
    check_matrix(op, v, "input");
    check_lapack_type(op, v);
    check_same_device(op, v, tau);
    check(rows(v) >= columns(v), op, ": input.shape[-2] must be greater than or equal to input.shape[-1]");
    check(tau.dim() == v.dim() - 1, op, ": Expected tau to have one dimension less than input, but got tau.ndim equal to ", tau.dim(), " and input.ndim is equal to ", v.dim());
    check(columns(v) >= tau.size(-1), op, ": input.shape[-1] must be greater than or equal to tau.shape[-1]");
    check(tau.dtype() == v.dtype(), op, ": tau dtype ", title(tau.dtype()), " does not match input dtype ", title(v.dtype()));
    check(same(batch_of(v), Ints(tau.sizes()).first(size_t(tau.dim() - 1))), op, ": Expected batch dimensions of tau to be equal to input.shape[:-2]: ", batch_of(v), ", but got ", tau.sizes());
}

// Gradients of (I - tau_1 v_1 v_1^H) ... (I - tau_k v_k v_k^H) E, E the first columns of the identity, for the vectors
// below the diagonal of input and for tau, from g of the product: the parts right of each reflector are built up first.
static Grads reflector_gradients(const Tensor& input, const Tensor& tau, const Tensor& g) {
    int64_t m = rows(input), k = tau.size(-1);
    Tensor v = add(tril(narrow(input, -1, 0, k), -1), identity({}, m, k, input.dtype(), input.device()));
    auto vector = [&](int64_t i) { return narrow(v, -1, i, 1); };
    auto factor = [&](int64_t i) { return column(narrow(tau, -1, i, 1)); };
    Tensors right(static_cast<size_t>(k)), gv, gt;
    Tensor r = identity(batch_of(input), m, columns(g), input.dtype(), input.device()), left = g;
    for (int64_t i = k; i-- > 0;) {
        right[size_t(i)] = r;
        r = sub(r, mul(matmul(vector(i), matmul(adjoint(vector(i)), r)), factor(i)));
    }
    for (int64_t i = 0; i < k; i++) {  // left right^H is the gradient of reflector i
        Tensor vi = vector(i), t = factor(i), s = right[size_t(i)], row_part = matmul(adjoint(vi), left);
        Tensor x = matmul(left, matmul(adjoint(s), vi)), y = matmul(s, adjoint(row_part));
        gt.push_back(neg(squeeze(matmul(adjoint(vi), x), -1)));
        gv.push_back(neg(add(mul(x, conj(t)), mul(y, t))));
        left = sub(left, mul(matmul(vi, row_part), conj(t)));
    }
    if (k == 0) return {zeros_like(input), zeros_like(tau)};
    if (k < columns(input)) gv.push_back(zeros_like(narrow(input, -1, k, columns(input) - k)));
    return {tril(cat(gv, int64_t(-1)), -1), cat(gt, int64_t(-1))};
}

struct HouseholderProduct : Op<HouseholderProduct> {
    SIG("linalg::householder_product(Tensor input, Tensor tau, *, Tensor? out=None) -> Tensor");
    DOC("First columns of the product of Householder's reflectors I - tau v v^H, v below the diagonal of input.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& input, const Tensor& tau) {
        check_lapack_kernel("orgqr_cpu", input);
        check_reflectors("torch.linalg.householder_product", input, tau);
        return turned(product_of_reflectors(column_major(input), contiguous(tau), rows(input), columns(input)));
    }
    static Grads backward(Ctx& c, const Tensor& g) { return g.numel() == 0 || c.sizes<1>().back() == 0 ? Grads(2) : reflector_gradients(c.in<0>(), c.in<1>(), g); }
};
OP(HouseholderProduct);

struct Orgqr : Composite<Orgqr> {
    SIG("orgqr(Tensor self, Tensor input2, *, Tensor? out=None) -> Tensor");
    DOC("First columns of the product of Householder's reflectors.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& tau) { return call<HouseholderProduct>(self, tau); }
};
OP(Orgqr);

struct Ormqr : Op<Ormqr> {
    SIG("ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False, *, Tensor? out=None) -> Tensor");
    DOC("input3 times the product of the reflectors in self with the factors input2, from the left or the right.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0>, In<1>, In<2>>;
    static Tensor forward(const Tensor& self, const Tensor& tau, const Tensor& other, bool left, bool transposed) {
        check_ormqr(self, tau, other, left);
        Tensor r = column_major(other);
        int64_t m = rows(other), n = columns(other), k = tau.size(-1), length = rows(self), count = columns(self);
        if (r.is_meta() || r.numel() == 0 || k == 0) return turned(r);
        Tensor v = read_column_major(self), t = contiguous(tau);
        dispatch_lapack(self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            char trans = !transposed ? 'N' : is_complex_v<T> ? 'C' : 'T';
            each_matrix(batch_count(other), 4 * m * n * k, [&](int64_t i) {
                ormqr<T>(LAPACK_COL_MAJOR, left ? 'L' : 'R', trans, int(m), int(n), int(k), v.data<T>() + i * length * count, int(length), t.data<T>() + i * k, r.data<T>() + i * m * n, int(m));
            });
        });
        return turned(r);
    }
    static void check_ormqr(const Tensor& self, const Tensor& tau, const Tensor& other, bool left) {
        const char* side = left ? "-2" : "-1";
        check_matrix("torch.ormqr", self, "input");
        check_matrix("torch.ormqr", other, "other");
        int64_t k = tau.dim() ? tau.size(-1) : 0, m = left ? rows(other) : columns(other);
        check(m >= k, "torch.ormqr: other.shape[", side, "] must be greater than or equal to tau.shape[-1]");
        check(rows(self) == m, "torch.ormqr: other.shape[", side, "] must be equal to input.shape[-2]");
        check(columns(self) >= k, "torch.ormqr: tau.shape[-1] must be less than or equal to input.shape[-1]");
        check(tau.dim() == self.dim() - 1, "torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim equal to ", tau.dim(), " and input.ndim is equal to ", self.dim());
        check(self.dim() == other.dim(), "torch.ormqr: Expected other to have the same number of dimensions as input, but got other.ndim equal to ", other.dim(), " and input.ndim is equal to ", self.dim());
        check(same(batch_of(self), Ints(tau.sizes()).first(size_t(tau.dim() - 1))), "torch.ormqr: Expected batch dimensions of tau to be equal to input.shape[:-2], but got ", tau.sizes());
        check(same(batch_of(self), batch_of(other)), "torch.ormqr: Expected batch dimensions of other to be equal to input.shape[:-2], but got ", other.sizes());
        check(tau.dtype() == self.dtype(), "torch.ormqr: Expected input and tau to have the same dtype, but input has dtype ", title(self.dtype()), " and tau has dtype ", title(tau.dtype()));
        check(other.dtype() == self.dtype(), "torch.ormqr: Expected input and other to have the same dtype, but input has dtype ", title(self.dtype()), " and other has dtype ", title(other.dtype()));
        check_same_device("ormqr", self, tau), check_same_device("ormqr", self, other);
        check_lapack_kernel("ormqr_cpu", self);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        Tensor self = c.in<0>(), tau = c.in<1>(), other = c.in<2>();
        bool left = c.arg<3>(), transposed = c.arg<4>();
        r[2] = call<Ormqr>(self, tau, g, left, !transposed);
        if (g.numel() == 0 || !(c.needs<0>() || c.needs<1>())) return r;
        Tensor x = transposed ? adjoint(g) : adjoint(other), y = transposed ? other : g;
        Grads v = reflector_gradients(self, tau, left ? matmul(y, x) : matmul(x, y));
        r[0] = v[0], r[1] = v[1];
        return r;
    }
};
OP(Ormqr);

}  // namespace rl
