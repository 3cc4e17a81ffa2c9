// Linear systems: LU factors, determinants, inverses, solutions.
#include "ops/linalg.h"

#include <cmath>

#include "ops/linalg_blocked.h"

namespace rl {

// ---------------------------------------------------------------- shared
void check_lapack_type(const char* op, const Tensor& a, const char* kernel) {
    check(is_inexact(a.dtype()), op, ": Expected a floating point or complex tensor as input. Got ", title(a.dtype()));
    if (kernel) check_lapack_kernel(kernel, a);
    check(itemsize(to_real(a.dtype())) >= 4, op, ": Low precision dtypes not supported. Got ", title(a.dtype()));
}
void check_lapack_kernel(const char* kernel, const Tensor& a) {
    bool ok = is_inexact(a.dtype()) && itemsize(to_real(a.dtype())) >= 4;
    check(ok, Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(a.dtype()), "'");
}
void check_matrix(const char* op, const Tensor& a, const char* what) {
    check(a.dim() >= 2, op, ": The input tensor ", what, " must have at least 2 dimensions.");
}
void check_square(const char* op, const Tensor& a, const char* what) {
    check_matrix(op, a, what);
    check(rows(a) == columns(a), op, ": ", what, " must be batches of square matrices, but they are ", rows(a), " by ", columns(a), " matrices");
}

Dims batch_of(const Tensor& a) {
    check(a.dim() >= 2, "linear algebra: expected matrices of at least 2 dimensions, but got a tensor of shape ", a.sizes());
    return Dims(Ints(a.sizes()).first(size_t(a.dim() - 2)));
}
int64_t batch_count(const Tensor& a) { return product(Ints(batch_of(a))); }
Dims matrices(const Dims& batch, int64_t m, int64_t n) {
    Dims r = batch;
    r.push_back(m), r.push_back(n);
    return r;
}
Tensor turned(const Tensor& a) {
    size_t d = a.sizes().size();
    Dims sizes = a.sizes(), strides = a.strides();
    std::swap(sizes[d - 1], sizes[d - 2]), std::swap(strides[d - 1], strides[d - 2]);
    return alias(a, sizes, strides, a->offset);
}
Tensor column_major(const Tensor& a) {
    Tensor plain = resolve(a), t = turned(plain), r = empty(t.sizes(), a.dtype(), a.device());
    if (r.is_meta()) return r;
    int64_t m = rows(plain), n = columns(plain), size = m * n;
    if (std::max(m, n) > 16 || !plain.is_contiguous() || itemsize(a.dtype()) < 4) {
        copy_raw(r, t);
        return r;
    }
    // A batch of small matrices: the general loop would start anew for every row.
    dispatch_lapack(a.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* from = plain.data<T>();
        T* to = r.data<T>();
        for (int64_t b = 0; b < r.numel(); b += size)
            for (int64_t i = 0; i < m; i++)
                for (int64_t k = 0; k < n; k++) to[b + k * m + i] = from[b + i * n + k];
    });
    return r;
}
Tensor read_column_major(const Tensor& a) {
    Tensor t = turned(resolve(a));
    return t.is_contiguous() ? t : column_major(a);
}
Tensor identity(const Dims& batch, int64_t m, int64_t n, DType t, Device device) {
    Tensor r = zeros(matrices(batch, m, n), t, device);
    if (r.is_meta()) return r;
    int64_t count = product(Ints(batch));
    dispatch(t, [&](auto tag) {
        using T = typename decltype(tag)::type;
        for (int64_t b = 0; b < count; b++)
            for (int64_t i = 0; i < std::min(m, n); i++) r.data<T>()[(b * m + i) * n + i] = convert<T>(1.0);
    });
    return r;
}
Tensor identity(int64_t n, const Tensor& like) { return identity({}, n, n, like.dtype(), like.device()); }

static void check_common_batch(const char* op, const Tensor& a, const Tensor& b) {
    check_same_device(op, a, b);
    Dims x = batch_of(a), y = batch_of(b);
    for (size_t i = 1; i <= std::min(x.size(), y.size()); i++) {
        int64_t p = x[x.size() - i], q = y[y.size() - i];
        check(p == q || p == 1 || q == 1, "The size of tensor a (", p, ") must match the size of tensor b (", q, ") at non-singleton dimension ", std::max(x.size(), y.size()) - i, " (", op, " of ", a.sizes(), " and ", b.sizes(), ")");
    }
}
std::pair<Tensor, Tensor> with_common_batch(const char* op, const Tensor& a, const Tensor& b) {
    check_common_batch(op, a, b);
    Dims x = batch_of(a), y = batch_of(b);
    if (x == y) return {a, b};
    Dims batch = broadcast(x, y);
    auto wide = [&](const Tensor& t) {
        Dims sizes = matrices(batch, rows(t), columns(t));
        return same(sizes, t.sizes()) ? t : expand(t, sizes);
    };
    return {wide(a), wide(b)};
}

void check_info(const char* op, const Tensor& info, bool batched, InfoText text) {
    if (info.is_meta()) return;
    for (int64_t i = 0; i < info.numel(); i++) {
        int32_t v = info.data<int32_t>()[i];
        if (v > 0) raise(Err::LinAlg, op, ": ", batched ? cat("(Batch element ", i, "): ") : std::string(), text(v));
    }
}
Tensor product_m(const Tensor& a, const Tensor& b) { return matmul(a, b); }

// ---------------------------------------------------------------- LU
RL_LAPACK(getrs)

struct Factors {  // LU in column-major order, pivots from 1, and LAPACK's verdicts
    Tensor lu, pivots, info;
};
static Factors factor(const Tensor& a) {
    int64_t m = rows(a), n = columns(a), k = std::min(m, n), batch = batch_count(a);
    Dims pivot_sizes = batch_of(a);
    Factors f{column_major(a), {}, empty(batch_of(a), DType::Int32, a.device())};
    pivot_sizes.push_back(k);
    f.pivots = empty(pivot_sizes, DType::Int32, a.device());
    if (a.is_meta()) return f;
    fill_raw(f.info, 0);
    if (k == 0) return f;
    dispatch_lapack(a.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        each_matrix(batch, m * n * k, [&](int64_t i) {
            T* p = f.lu.data<T>() + i * m * n;
            int* pivots = f.pivots.data<int32_t>() + i * k;
            // OpenBLAS loses NaN and infinity on the way.
            bool own = std::max(m, n) <= cpu::kSmallLu || !all_finite(p, m * n);
            if (batch == 1 && m == n && n >= kLargeMatrix && !own) f.info.data<int32_t>()[i] = blocked_getrf(int(n), p, pivots);
            else f.info.data<int32_t>()[i] = own ? cpu::small_getrf(int(m), int(n), p, pivots) : getrf<T>(LAPACK_COL_MAJOR, int(m), int(n), p, int(m), pivots);
        });
    });
    return f;
}

// Row i of P^T A is row order[i] of A.
static std::vector<int64_t> row_order(const int32_t* pivots, int64_t k, int64_t m) {
    std::vector<int64_t> order(static_cast<size_t>(m));
    for (int64_t i = 0; i < m; i++) order[size_t(i)] = i;
    for (int64_t i = 0; i < k; i++) std::swap(order[size_t(i)], order[size_t(pivots[i] - 1)]);
    return order;
}

struct LuPermutation : Op<LuPermutation> {
    SIG("_linalg_permutation(Tensor pivots, int m, ScalarType dtype) -> Tensor");
    DOC("The m by m matrix P of A = P L U from the pivots of linalg.lu_factor.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static Tensor forward(const Tensor& pivots, int64_t m, const DType& t) {
        check(pivots.dim() >= 1 && pivots.size(-1) <= m, "torch.lu_unpack: LU_pivots of shape ", pivots.sizes(), " are more than the ", m, " rows of LU_data");
        Dims batch(Ints(pivots.sizes()).first(size_t(pivots.dim() - 1)));
        int64_t k = pivots.size(-1), count = product(Ints(batch));
        Tensor r = zeros(matrices(batch, m, m), t, pivots.device());
        if (r.is_meta()) return r;
        Tensor p = contiguous(cast_raw(pivots, DType::Int32));
        for (int64_t i = 0; i < count * k; i++) check(p.data<int32_t>()[i] >= 1 && p.data<int32_t>()[i] <= m, "Pivots given to lu_solve must all be greater or equal to 1. Did you properly pass the result of lu_factor?");
        dispatch(t, [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t b = 0; b < count; b++) {
                auto order = row_order(p.data<int32_t>() + b * k, k, m);
                for (int64_t i = 0; i < m; i++) r.data<T>()[(b * m + order[size_t(i)]) * m + i] = convert<T>(1.0);
            }
        });
        return r;
    }
};
OP(LuPermutation);
Tensor permutation(const Tensor& pivots, int64_t m, DType t) { return call<LuPermutation>(pivots, m, t); }

struct LuFactorEx : Op<LuFactorEx> {
    SIG("linalg::lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False, Tensor[]? out=None) -> (Tensor LU, Tensor pivots, Tensor info)");
    DOC("LU factors of A with partial pivoting in one matrix, the rows exchanged, and where a pivot is zero.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0>, Out<0>>;
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& a, bool pivot, bool check_errors) {
        check_matrix("linalg.lu_factor_ex", a);
        check_lapack_kernel("lu_cpu", a);
        check(pivot, "linalg.lu_factor: LU without pivoting is not implemented on the CPU");
        Factors f = factor(a);
        if (check_errors) check_info("torch.linalg.lu_factor_ex", f.info, a.dim() > 2, [](int64_t i) { return cat("U[", i, ",", i, "] is zero"); });
        return {turned(f.lu), f.pivots, f.info};
    }
    // Square: P^T gA = L^-H (tril(L^H gL, -1) + triu(gU U^H)) U^-H. A wide or tall matrix has a block that is solved for.
    static Grads backward(Ctx& c, const Grads& gs) {
        if (!gs[0]) return Grads(1);
        Tensor lu = c.out<0>(), g = gs[0];
        int64_t m = rows(lu), n = columns(lu), k = std::min(m, n);
        Tensor square = narrow(narrow(lu, -2, 0, k), -1, 0, k), l = add(tril(square, -1), identity(k, lu)), u = triu(square);
        Tensor head = narrow(narrow(g, -2, 0, k), -1, 0, k), gl = tril(head, -1), gu = triu(head), rest;
        if (m < n) {
            Tensor u2 = narrow(lu, -1, k, n - k);
            rest = solve_triangular(adjoint(l), narrow(g, -1, k, n - k), true, true, true);
            gl = sub(gl, matmul(rest, adjoint(u2)));
        } else if (m > n) {
            Tensor l2 = narrow(lu, -2, k, m - k);
            rest = solve_triangular(adjoint(u), narrow(g, -2, k, m - k), false, false);
            gu = sub(gu, matmul(adjoint(l2), rest));
        }
        Tensor w = add(tril(matmul(adjoint(l), gl), -1), triu(matmul(gu, adjoint(u))));
        Tensor r = solve_triangular(adjoint(u), solve_triangular(adjoint(l), w, true, true, true), false, false);
        if (m < n) r = cat(Tensors{r, rest}, int64_t(-1));
        if (m > n) r = cat(Tensors{r, rest}, int64_t(-2));
        // The graph keeps no integers, so the pivots are found again.
        return {matmul(permutation(std::get<1>(call<LuFactorEx>(detach(c.in<0>()), true, false)), m, g.dtype()), r)};
    }
};
OP(LuFactorEx);

struct LuFactor : Composite<LuFactor> {
    SIG("linalg::lu_factor(Tensor A, *, bool pivot=True, Tensor[]? out=None) -> (Tensor LU, Tensor pivots)");
    DOC("LU factors of A with partial pivoting in one matrix, and the rows exchanged. Raises where a pivot is zero.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, bool pivot) {
        auto [lu, pivots, info] = call<LuFactorEx>(a, pivot, false);
        for (int64_t i = 0; i < info.numel() && !info.is_meta() && !info->wrapper; i++) {
            int64_t at = info.data<int32_t>()[i];
            check(at <= 0, "torch.linalg.lu_factor: ", a.dim() > 2 ? cat("(Batch element ", i, "): ") : std::string(), "U[", at, ",", at,
                  "] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)");
        }
        return {lu, pivots};
    }
};
OP(LuFactor);

struct LuWithInfo : Composite<LuWithInfo> {
    SIG("_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor info)");
    DOC("LU factors under the names that torch.lu gives them.");
    FORMS(FUNCTION);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& a, bool pivot, bool check_errors) { return call<LuFactorEx>(a, pivot, check_errors); }
};
OP(LuWithInfo);

struct LuUnpack : Composite<LuUnpack> {
    SIG("lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True, *, Tensor[]? out=None) -> (Tensor P, Tensor L, Tensor U)");
    DOC("The factors P, L, U of a result of linalg.lu_factor; those not asked for are empty.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& lu, const Tensor& pivots, bool data, bool with_pivots) {
        check_matrix("torch.lu_unpack", lu, "LU_data");
        check(!with_pivots || pivots.dtype() == DType::Int32, "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype. Note: this function is intended to be used with the output produced by torch.linalg.lu_factor");
        check_same_device("lu_unpack", lu, pivots);
        int64_t m = rows(lu), n = columns(lu), k = std::min(m, n);
        Tensor none = empty(Dims{0}, lu.dtype(), lu.device());
        Tensor p = with_pivots ? permutation(pivots, m, lu.dtype()) : none;
        if (!data) return {p, none, none};
        Tensor l = add(tril(narrow(lu, -1, 0, k), -1), identity({}, m, k, lu.dtype(), lu.device()));
        return {p, l, triu(narrow(lu, -2, 0, k))};
    }
};
OP(LuUnpack);

struct Lu : Composite<Lu> {
    SIG("linalg::lu(Tensor A, *, bool pivot=True, Tensor[]? out=None) -> (Tensor P, Tensor L, Tensor U)");
    DOC("A = P L U with a permutation P, L lower triangular with ones on its diagonal, U upper triangular.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& a, bool pivot) {
        check_matrix("linalg.lu", a);
        check_lapack_kernel("lu_cpu", a);
        auto [lu, pivots, info] = call<LuFactorEx>(a, pivot, false);
        return call<LuUnpack>(lu, pivots, true, true);
    }
};
OP(Lu);

struct LuSolve : Composite<LuSolve> {
    SIG("linalg::lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False, Tensor? out=None) -> Tensor");
    DOC("Solution X of A X = B (X A = B if not left) from the LU factors of A, or of its conjugate transpose.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& lu, const Tensor& pivots, const Tensor& b, bool left, bool adjoint) {
        check_square("torch.linalg.lu_solve", lu, "LU");
        check_matrix("torch.linalg.lu_solve", b, "B");
        check_lapack_type("torch.linalg.lu_solve", lu, "lu_solve_cpu");
        check(lu.dtype() == b.dtype(), "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type ", title(lu.dtype()), " and B of type ", title(b.dtype()), " instead");
        check(pivots.dtype() == DType::Int32, "linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32. Got ", title(pivots.dtype()));
        check(columns(lu) == (left ? rows(b) : columns(b)), "linalg.lu_solve: Incompatible shapes of LU and B for the equation ", left ? "AX = B" : "XA = B", " (", rows(lu), "x", columns(lu), " and ", rows(b), "x", columns(b), ")");
        check(pivots.dim() >= 1 && pivots.size(-1) == rows(lu), "linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix");
        check_same_device("linalg.lu_solve", lu, pivots);
        if (!left) return rl::adjoint(forward(lu, pivots, rl::adjoint(b), true, !adjoint));
        Tensor p = permutation(pivots, rows(lu), lu.dtype());
        if (!adjoint) return solve_triangular(lu, solve_triangular(lu, matmul(transpose(p, -2, -1), b), false, true, true), true);
        Tensor h = rl::adjoint(lu);
        return matmul(p, solve_triangular(h, solve_triangular(h, b, false), true, true, true));
    }
};
OP(LuSolve);

struct LuSolveOld : Composite<LuSolveOld> {
    SIG("lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots, *, Tensor? out=None) -> Tensor");
    DOC("Solution of A X = self from the LU factors of A.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& b, const Tensor& lu, const Tensor& pivots) { return call<LuSolve>(lu, pivots, b, true, false); }
};
OP(LuSolveOld);

// ---------------------------------------------------------------- determinants
struct Det : Op<Det> {
    SIG("linalg::det(Tensor A, *, Tensor? out=None) -> Tensor");
    DOC("Determinant of a square matrix.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0>, Out<0>>;
    static Tensor forward(const Tensor& a) {
        check_square("linalg.det", a);
        check_lapack_type("linalg.det", a, "lu_cpu");
        Factors f = factor(a);
        Tensor r = empty(batch_of(a), a.dtype(), a.device());
        if (r.is_meta()) return r;
        int64_t n = rows(a);
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t b = 0; b < r.numel(); b++) {
                T d = 1;
                for (int64_t i = 0; i < n; i++) d *= f.lu.data<T>()[(b * n + i) * n + i] * T(f.pivots.data<int32_t>()[b * n + i] != i + 1 ? -1 : 1);
                r.data<T>()[b] = d;
            }
        });
        return r;
    }
    // conj(det) A^-H, and where A is singular the conjugated cofactors from its singular values.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor a = c.in<0>(), d = c.out<0>(), seed = column(column(mul(g, conj(d))));
        if (!any_zero(d)) return {solve(adjoint(a), mul(seed, identity(rows(a), a)))};
        auto [u, s, vh] = svd(a, false);
        int64_t n = rows(a);
        // the product of all other singular values
        Tensor others = ones(s.sizes(), s.dtype());
        for (int64_t k = 1; k < n; k++) others = mul(others, index_select(s, -1, rolled(n, k)));
        Tensor phase = conj(mul(det(u), det(vh)));
        return {mul(matmul(mul(u, row(others)), vh), column(column(mul(g, phase))))};
    }
    static Tensor rolled(int64_t n, int64_t by) {
        Tensor r = empty(Dims{n}, DType::Int64);
        for (int64_t i = 0; i < n; i++) r.data<int64_t>()[i] = (i + by) % n;
        return r;
    }
    static bool any_zero(const Tensor& d) {
        if (d->wrapper || d.is_meta()) return false;
        Tensor x = contiguous(d);
        bool zero = false;
        dispatch_lapack(d.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t i = 0; i < x.numel(); i++) zero |= std::abs(x.template data<T>()[i]) < std::numeric_limits<Real<T>>::min();
        });
        return zero;
    }
};
OP(Det);

struct Slogdet : Op<Slogdet> {
    SIG("linalg::slogdet(Tensor A, *, Tensor[]? out=None) -> (Tensor sign, Tensor logabsdet)");
    DOC("Sign (or phase) of the determinant and the logarithm of its absolute value.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<In<0>, Out<0>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a) {
        check_square("linalg.slogdet", a);
        check_lapack_type("linalg.slogdet", a);
        Factors f = factor(a);
        Tensor sign = empty(batch_of(a), a.dtype(), a.device()), log = empty(batch_of(a), to_real(a.dtype()), a.device());
        if (sign.is_meta()) return {sign, log};
        int64_t n = rows(a);
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t b = 0; b < sign.numel(); b++) {
                T s = 1;
                Real<T> sum = 0;
                for (int64_t i = 0; i < n; i++) {
                    T d = f.lu.data<T>()[(b * n + i) * n + i];
                    Real<T> size = std::abs(d);
                    s *= unit(d, size) * T(f.pivots.data<int32_t>()[b * n + i] != i + 1 ? -1 : 1);
                    sum += std::log(size);
                }
                sign.data<T>()[b] = s, log.data<Real<T>>()[b] = sum;
            }
        });
        return {sign, log};
    }
    template <class T> static T unit(T d, Real<T> size) {
        if constexpr (is_complex_v<T>) return size == 0 ? T(0) : d / size;
        else return T((d > 0) - (d < 0));
    }
    static Grads backward(Ctx& c, const Grads& gs) {
        Tensor a = c.in<0>(), sign = c.out<0>();
        Tensor seed = gs[1] ? (a.is_complex() ? to(gs[1], a.dtype()) : gs[1]) : Tensor();
        if (a.is_complex() && gs[0]) {  // the phase turns with the imaginary part of the trace of A^-1 dA
            Tensor turn = imag(mul(gs[0], conj(sign)));
            Tensor part = view_as_complex(stack(Tensors{zeros_like(turn), turn}, -1));
            seed = seed ? add(seed, part) : part;
        }
        if (!seed) return Grads(1);
        return {solve(adjoint(a), mul(column(column(seed)), identity(rows(a), a)))};
    }
};
OP(Slogdet);

#define RL_OLD_NAME(STRUCT, TEXT, WHAT, RESULT, NEW)                         struct STRUCT : Composite<STRUCT> {                                          SIG(TEXT);                                                               DOC(WHAT);                                                               FORMS(FUNCTION | METHOD | OUT);                                          static RESULT forward(const Tensor& self) { return NEW; }            };                                                                       OP(STRUCT)
using TwoTensors = std::tuple<Tensor, Tensor>;
RL_OLD_NAME(DetOld, "det(Tensor self) -> Tensor", "Determinant of a square matrix.", Tensor, call<Det>(self));
RL_OLD_NAME(SlogdetOld, "slogdet(Tensor self, *, Tensor[]? out=None) -> (Tensor sign, Tensor logabsdet)", "Sign and logarithm of the absolute value of the determinant.", TwoTensors, call<Slogdet>(self));

struct Logdet : Composite<Logdet> {
    SIG("logdet(Tensor self) -> Tensor");
    DOC("Logarithm of the determinant: nan where it is negative.");
    static Tensor forward(const Tensor& self) {
        check_square("logdet", self);
        check_lapack_type("logdet", self);
        auto [sign, log_size] = call<Slogdet>(self);
        return add(log_size, log(sign));
    }
};
OP(Logdet);

// ---------------------------------------------------------------- solutions
static std::string singular_solver(int64_t) { return "The solver failed because the input matrix is singular."; }
static std::string singular_inverse(int64_t i) { return cat("The diagonal element ", i, " is zero, the inversion could not be completed because the input matrix is singular."); }

// For every matrix of a batch of these sizes, which one of t (whose batch broadcasts to it) belongs to it.
static std::vector<int64_t> matrix_order(const Tensor& t, const Dims& batch) {
    Dims own = batch_of(t), strides(batch.size(), 0);
    int64_t step = 1;
    for (size_t i = 1; i <= own.size(); i++) {
        strides[batch.size() - i] = own[own.size() - i] == 1 ? 0 : step;
        step *= own[own.size() - i];
    }
    std::vector<int64_t> order(size_t(product(Ints(batch))), 0);
    for (size_t i = 0; i < order.size(); i++) {
        auto rest = int64_t(i);
        for (size_t d = batch.size(); d-- > 0; rest /= batch[d]) order[i] += rest % batch[d] * strides[d];
    }
    return order;
}

struct SolveRaw : Op<SolveRaw> {
    SIG("_linalg_solve(Tensor A, Tensor B) -> (Tensor result, Tensor info)");
    DOC("Solutions of A X = B, batch sizes broadcast, and which matrices of A are singular.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, Out<0>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, const Tensor& b) {
        check_square("linalg.solve", a);
        check_matrix("linalg.solve", b, "B");
        check_lapack_type("linalg.solve", a, "lu_cpu");
        check(a.dtype() == b.dtype() && rows(a) == rows(b), "linalg.solve: A of shape ", a.sizes(), " and dtype ", name(a.dtype()), " does not fit B of shape ", b.sizes(), " and dtype ", name(b.dtype()));
        Dims batch = broadcast(batch_of(a), batch_of(b)), wide = matrices(batch, rows(b), columns(b));
        Tensor x = column_major(same(wide, b.sizes()) ? b : expand(b, wide));
        Factors f = factor(a);
        int64_t n = rows(a), k = columns(b);
        if (x.is_meta() || n == 0 || k == 0) return {turned(x), f.info};
        substitute(f, matrix_order(a, batch), x);
        return {turned(x), f.info};
    }
    // x = A^-1 x for every matrix of x, A being the one of the factors that `order` says.
    static void substitute(const Factors& f, const std::vector<int64_t>& order, const Tensor& x) {
        int64_t n = rows(f.lu), k = rows(x);
        dispatch_lapack(x.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            each_side(int64_t(order.size()), n, k, [&](int64_t i, int64_t first, int64_t count) {
                T *lu = f.lu.data<T>() + order[size_t(i)] * n * n, *to = x.data<T>() + (i * k + first) * n;
                const int* pivots = f.pivots.data<int32_t>() + order[size_t(i)] * n;
                if (n <= cpu::kSmallLu) cpu::small_getrs(int(n), int(count), lu, pivots, to);
                else getrs<T>(LAPACK_COL_MAJOR, 'N', int(n), int(count), lu, int(n), pivots, to, int(n));
            });
        });
    }
    static Grads backward(Ctx& c, const Grads& gs) {
        Grads r(2);
        if (!gs[0]) return r;
        Tensor gb = solve(adjoint(c.in<0>()), gs[0]);
        r[1] = sum_to_size(gb, c.sizes<1>());
        if (c.needs<0>()) r[0] = sum_to_size(neg(matmul(gb, adjoint(c.out<0>()))), c.sizes<0>());
        return r;
    }
};
OP(SolveRaw);

struct SolveEx : Composite<SolveEx> {
    SIG("linalg::solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False, Tensor[]? out=None) -> (Tensor result, Tensor info)");
    DOC("Solution X of A X = B (X A = B if not left), and where A is singular.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, const Tensor& b, bool left, bool check_errors) {
        check_square("linalg.solve", a);
        check_lapack_type("linalg.solve", a, "lu_cpu");
        check(a.dtype() == b.dtype(), "linalg.solve: Expected A and B to have the same dtype, but found A of type ", title(a.dtype()), " and B of type ", title(b.dtype()), " instead");
        // B is one vector for each matrix if it is a vector, or has the sizes of A without its last dimension.
        bool vector = b.dim() == 1 || (a.dim() - 1 == b.dim() && same(b.sizes(), Ints(a.sizes()).first(size_t(a.dim() - 1))));
        check(left || !vector, "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)");
        Tensor rhs = vector ? column(b) : b;
        int64_t n = rows(a);
        check(rhs.dim() >= 2 && n == (left ? rows(rhs) : columns(rhs)), "linalg.solve: Incompatible shapes of A and B for the equation ", left ? "AX = B" : "XA = B", " (", n, "x", n, " and ", rhs.dim() >= 2 ? rows(rhs) : 0, "x", rhs.dim() >= 2 ? columns(rhs) : 0, ")");
        check_common_batch("linalg.solve", a, rhs);
        auto [r, info] = call<SolveRaw>(left ? a : transpose(a, -2, -1), left ? rhs : transpose(rhs, -2, -1));
        if (check_errors && !info->wrapper) check_info("torch.linalg.solve", info, a.dim() > 2, singular_solver);
        if (!left) r = transpose(r, -2, -1);
        return {vector ? squeeze(r, -1) : r, info};
    }
};
OP(SolveEx);

struct Solve : Composite<Solve> {
    SIG("linalg::solve(Tensor A, Tensor B, *, bool left=True, Tensor? out=None) -> Tensor");
    DOC("Solution X of A X = B (X A = B if not left). Raises LinAlgError where A is singular.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, const Tensor& b, bool left) { return std::get<0>(call<SolveEx>(a, b, left, true)); }
};
OP(Solve);

struct InvEx : Op<InvEx> {
    SIG("linalg::inv_ex(Tensor A, *, bool check_errors=False, Tensor[]? out=None) -> (Tensor inverse, Tensor info)");
    DOC("Inverse of a square matrix, and the first zero pivot where it has none.");
    FORMS(FUNCTION | OUT);
    using Saves = Save<Out<0>>;
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, bool check_errors) {
        check_square("linalg.inv", a);
        check_lapack_type("linalg.inv", a);
        Tensor x = identity(batch_of(a), rows(a), rows(a), a.dtype(), a.device());
        Factors f = factor(a);
        if (!x.is_meta() && x.numel() > 0) SolveRaw::substitute(f, matrix_order(a, batch_of(a)), x);
        if (check_errors) check_info("linalg.inv", f.info, a.dim() > 2, singular_inverse);
        return {turned(x), f.info};
    }
    static Grads backward(Ctx& c, const Grads& gs) {
        if (!gs[0]) return Grads(1);
        Tensor h = adjoint(c.out<0>());
        return {neg(matmul(h, matmul(gs[0], h)))};
    }
};
OP(InvEx);

struct Inv : Composite<Inv> {
    SIG("linalg::inv(Tensor A, *, Tensor? out=None) -> Tensor");
    DOC("Inverse of a square matrix. Raises LinAlgError where it has none.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a) { return std::get<0>(call<InvEx>(a, true)); }
};
OP(Inv);
RL_OLD_NAME(InverseOld, "inverse(Tensor self, *, Tensor? out=None) -> Tensor", "Inverse of a square matrix.", Tensor, call<Inv>(self));

Tensor solve(const Tensor& a, const Tensor& b) {
    check_lapack_type("linalg.solve", a, "lu_cpu");
    check(a.dtype() == b.dtype(), "linalg.solve: Expected A and B to have the same dtype, but found A of type ", title(a.dtype()), " and B of type ", title(b.dtype()), " instead");
    check_common_batch("linalg.solve", a, b);
    return std::get<0>(call<SolveRaw>(a, b));
}
Tensor inv(const Tensor& a) { return call<Inv>(a); }
Tensor det(const Tensor& a) { return call<Det>(a); }
std::tuple<Tensor, Tensor, Tensor> lu_factor_ex(const Tensor& a, bool pivot) { return call<LuFactorEx>(a, pivot, false); }

}  // namespace rl
