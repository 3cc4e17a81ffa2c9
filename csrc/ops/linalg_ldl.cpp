// LDL factors of symmetric and Hermitian matrices that needn't be definite, by Bunch and Kaufman's pivots.
#include "ops/linalg.h"

namespace rl {

RL_LAPACK(sytrf)
RL_LAPACK(sytrs)
RL_LAPACK_AS(hetrf, ssytrf, dsytrf, chetrf, zhetrf)
RL_LAPACK_AS(hetrs, ssytrs, dsytrs, chetrs, zhetrs)

struct LdlFactorEx : Op<LdlFactorEx> {
    SIG("linalg::ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False, Tensor[]? out=None) -> "
        "(Tensor LD, Tensor pivots, Tensor info)");
    DOC("L and block-diagonal D of self = L D L^T (L D L^H if hermitian) in one matrix, the pivots, and where D is "
        "singular.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& a, bool hermitian, bool check_errors) {
        return factor("torch.linalg.ldl_factor_ex", a, hermitian, check_errors);
    }

    static std::tuple<Tensor, Tensor, Tensor> factor(const char* op, const Tensor& a, bool hermitian,
                                                     bool check_errors) {
        check_square(op, a);
        check_lapack_type("torch.linalg.ldl_factor_ex", a, "ldl_factor_kernel_cpu");
        int64_t n = rows(a);
        Dims sizes = batch_of(a);
        Tensor ld = column_major(tril(a)), info = zeros(sizes, DType::Int32, a.device());
        sizes.push_back(n);
        Tensor pivots = empty(sizes, DType::Int32, a.device());
        if (ld.is_meta() || n == 0) return {turned(ld), pivots, info};
        dispatch_lapack(a.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            each_matrix(batch_count(a), n * n * n / 3, [&](int64_t i) {
                T* p = ld.data<T>() + i * n * n;
                int* to = pivots.data<int32_t>() + i * n;
                info.data<int32_t>()[i] = hermitian ? hetrf<T>(LAPACK_COL_MAJOR, 'L', int(n), p, int(n), to)
                                                    : sytrf<T>(LAPACK_COL_MAJOR, 'L', int(n), p, int(n), to);
            });
        });
        if (check_errors)
            check_info(op, info, a.dim() > 2, [](int64_t i) {
                return cat("The factorization has been completed, but D[", i, ",", i,
                           "] is zero: D is singular and can't be divided by.");
            });
        return {turned(ld), pivots, info};
    }
};
OP(LdlFactorEx);

struct LdlFactor : Op<LdlFactor> {
    SIG("linalg::ldl_factor(Tensor self, *, bool hermitian=False, Tensor[]? out=None) -> (Tensor LD, Tensor pivots)");
    DOC("L and block-diagonal D of self = L D L^T (L D L^H if hermitian) in one matrix, and the pivots. Raises where D "
        "is singular.");
    FORMS(FUNCTION | OUT);
    static std::tuple<Tensor, Tensor> forward(const Tensor& a, bool hermitian) {
        auto [ld, pivots, info] = LdlFactorEx::factor("torch.linalg.ldl_factor", a, hermitian, true);
        return {ld, pivots};
    }
};
OP(LdlFactor);

struct LdlSolve : Op<LdlSolve> {
    SIG("linalg::ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False, Tensor? out=None) -> Tensor");
    DOC("Solution X of A X = B from the LDL factors of A.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& ld, const Tensor& pivots, const Tensor& b, bool hermitian) {
        const char* op = "torch.linalg.ldl_solve";
        check_square(op, ld);
        check(pivots.dim() == ld.dim() - 1 && same(pivots.sizes(), Ints(ld.sizes()).first(size_t(ld.dim() - 1))), op,
              ": Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape ", pivots.sizes(),
              " instead");
        check(is_integral(pivots.dtype()), op, ": Expected pivots to be integers. Got ", title(pivots.dtype()));
        check(ld.dtype() == b.dtype(), "Expected b and A to have the same dtype, but found b of type ",
              title(b.dtype()), " and A of type ", title(ld.dtype()), " instead (linalg.ldl_solve)");
        check_matrix(op, b, "B");
        check(rows(ld) == rows(b), "Incompatible matrix sizes for ", op, ": each A matrix is ", rows(ld), " by ",
              columns(ld), " but each b matrix is ", rows(b), " by ", columns(b));
        check(is_inexact(ld.dtype()), op, ": Expected a floating point or complex tensor as input. Got ", title(ld.dtype()));
        check_lapack_kernel("ldl_solve_kernel_cpu", ld);
        check_same_device(op, ld, pivots);
        auto [factors, rhs] = with_common_batch("linalg.ldl_solve", ld, b);
        Tensor x = column_major(rhs);
        if (x.is_meta() || x.numel() == 0) return turned(x);
        Tensor f = read_column_major(factors),
               order =
                   contiguous(expand(cast_raw(resolve(pivots), DType::Int32), vectors(batch_of(factors), rows(ld))));
        check_pivots(op, order);
        int64_t n = rows(ld), k = columns(rhs);
        dispatch_lapack(b.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            each_matrix(batch_count(rhs), 2 * n * n * k, [&](int64_t i) {
                const T* p = f.data<T>() + i * n * n;
                const int* from = order.data<int32_t>() + i * n;
                T* to = x.data<T>() + i * n * k;
                if (hermitian)
                    hetrs<T>(LAPACK_COL_MAJOR, 'L', int(n), int(k), p, int(n), from, to, int(n));
                else
                    sytrs<T>(LAPACK_COL_MAJOR, 'L', int(n), int(k), p, int(n), from, to, int(n));
            });
        });
        return turned(x);
    }
    static Dims vectors(Dims batch, int64_t n) {
        batch.push_back(n);
        return batch;
    }
    // LAPACK would follow a wrong pivot out of memory: a negative one stands for half of a block of two.
    static void check_pivots(const char* op, const Tensor& order) {
        int64_t n = order.size(-1);
        for (int64_t i = 0; i < order.numel(); i++) {
            int64_t p = order.data<int32_t>()[i], at = i % n;
            bool pair = p > 0 || (at + 1 < n && order.data<int32_t>()[i + 1] < 0);
            check(p != 0 && std::abs(p) <= n && pair, op, ": pivots must be between 1 and ", n,
                  ", or come in pairs of negative ones between -1 and ", -n,
                  ". Did you properly pass the result of ldl_factor?");
            if (p < 0) i++;
        }
    }
};
OP(LdlSolve);

}  // namespace rl
