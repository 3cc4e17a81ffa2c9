// Functions of matrices that are made of factorizations: pseudo-inverse, rank, powers, exponential, condition.
#include <algorithm>
#include <cmath>

#include "ops/linalg.h"

namespace rl {

Tensor pinv(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian);  // ops/linalg_spectrum.cpp

namespace {
double eps_of(const Tensor& a) { return to_real(a.dtype()) == DType::Float32 ? 1.1920928955078125e-07 : 2.220446049250313e-16; }

// A tolerance as a tensor of the batch's sizes, from None, a number or a tensor.
Tensor tolerance_part(PyObject* o, double otherwise, DType t, Device device) {
    if (!o || o == Py_None) return scalar_tensor(Scalar(otherwise), t);
    if (is_tensor(o)) {
        Tensor given = Tensor::borrow(o);
        check(given.device() == device, "Tensor on device ", device_name(given.device()), " is not on the expected device ", device_name(device), "! (tolerance)");
        check(!given.is_complex(), "Expected the tolerance to be of a real dtype, but got ", title(given.dtype()));
        return to(given, t);
    }
    return scalar_tensor(scalar_from_python(o), t);
}
bool given(PyObject* o) { return o && o != Py_None; }

// atol and rtol, which is eps * max(m, n) unless a positive atol is given.
std::pair<Tensor, Tensor> tolerances(const Tensor& a, PyObject* atol, PyObject* rtol) {
    DType t = to_real(a.dtype());
    bool absolute_only = given(atol) && !given(rtol);
    if (absolute_only && !is_tensor(atol)) absolute_only = scalar_from_python(atol).real() > 0;
    double relative = absolute_only ? 0 : eps_of(a) * double(std::max(rows(a), columns(a)));
    return {tolerance_part(atol, 0, t, a.device()), tolerance_part(rtol, relative, t, a.device())};
}
Tensor pinv_with(const Tensor& a, PyObject* atol, PyObject* rtol, bool hermitian) {
    check_matrix("linalg.pinv", a);
    check_lapack_type("linalg.pinv", a);
    auto [absolute, relative] = tolerances(a, atol, rtol);
    return pinv(a, absolute, relative, hermitian);
}

Tensor rank_with(const Tensor& a, PyObject* atol, PyObject* rtol, bool hermitian) {
    check_matrix("linalg.matrix_rank", a, "input");
    check_lapack_type("linalg.matrix_rank", a);
    Tensor s = hermitian ? abs(std::get<0>(eigh(detach(a)))) : svdvals(detach(a));
    if (a.numel() == 0) return zeros(batch_of(a), DType::Int64, a.device());
    auto [absolute, relative] = tolerances(a, atol, rtol);
    return sum(gt(s, column(maximum(absolute, mul(relative, amax(s, {-1}, false))))), {-1});
}
}  // namespace

Tensor pinv(const Tensor& a) { return pinv_with(a, nullptr, nullptr, false); }

struct PinvTolerances : Composite<PinvTolerances> {
    SIG("linalg::pinv.atol_rtol_tensor(Tensor self, *, Any atol=None, Any rtol=None, bool hermitian=False, Tensor? out=None) -> Tensor");
    DOC("Moore and Penrose's pseudo-inverse; singular values up to max(atol, rtol * the largest) count as zero.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, PyObject* atol, PyObject* rtol, bool hermitian) { return pinv_with(self, atol, rtol, hermitian); }
};
OP(PinvTolerances);
struct Pinv : Composite<Pinv> {
    SIG("linalg::pinv(Tensor self, Any rcond, bool hermitian=False, *, Tensor? out=None) -> Tensor");
    DOC("Moore and Penrose's pseudo-inverse; singular values up to rcond * the largest count as zero.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, PyObject* rcond, bool hermitian) { return pinv_with(self, nullptr, rcond, hermitian); }
};
OP(Pinv);
struct Pinverse : Composite<Pinverse> {
    SIG("pinverse(Tensor self, Any rcond=1e-15) -> Tensor");
    DOC("Moore and Penrose's pseudo-inverse.");
    static Tensor forward(const Tensor& self, PyObject* rcond) { return pinv_with(self, nullptr, rcond, false); }
};
OP(Pinverse);

struct MatrixRankTolerances : Composite<MatrixRankTolerances> {
    SIG("linalg::matrix_rank.atol_rtol_tensor(Tensor input, *, Any atol=None, Any rtol=None, bool hermitian=False, Tensor? out=None) -> Tensor");
    DOC("Number of singular values above max(atol, rtol * the largest).");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, PyObject* atol, PyObject* rtol, bool hermitian) { return rank_with(self, atol, rtol, hermitian); }
};
OP(MatrixRankTolerances);
struct MatrixRank : Composite<MatrixRank> {
    SIG("linalg::matrix_rank(Tensor input, Any tol, bool hermitian=False, *, Tensor? out=None) -> Tensor");
    DOC("Number of singular values above tol.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, PyObject* tol, bool hermitian) {
        if (is_inexact(self.dtype())) check_lapack_kernel("linalg_svd_cpu", self);
        PyObject* zero = PyFloat_FromDouble(0);
        Tensor r = rank_with(self, tol, given(tol) ? zero : nullptr, hermitian);
        Py_DECREF(zero);
        return r;
    }
};
OP(MatrixRank);

// ---------------------------------------------------------------- powers and the exponential
static Tensor power(const Tensor& a, int64_t n) {
    check_square("linalg.matrix_power", a);
    if (n < 0) return power(inv(a), -n);
    if (n == 0) return where(full({}, Scalar(true), DType::Bool, a.device()), identity(batch_of(a), rows(a), rows(a), a.dtype(), a.device()), a);
    Tensor r, square = a;
    for (int64_t k = n; k; k >>= 1) {
        if (k & 1) r = r ? matmul(r, square) : square;
        if (k > 1) square = matmul(square, square);
    }
    return n == 1 ? clone(r) : r;
}
struct MatrixPower : Composite<MatrixPower> {
    SIG("linalg::matrix_power(Tensor self, int n, *, Tensor? out=None) -> Tensor");
    DOC("The n-th power of a square matrix; of its inverse if n is negative.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, int64_t n) { return power(self, n); }
};
OP(MatrixPower);
struct MatrixPowerOld : Composite<MatrixPowerOld> {
    SIG("matrix_power(Tensor self, int n, *, Tensor? out=None) -> Tensor");
    DOC("The n-th power of a square matrix.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, int64_t n) { return power(self, n); }
};
OP(MatrixPowerOld);

struct MatrixExp : Op<MatrixExp> {
    SIG("linalg::matrix_exp(Tensor self) -> Tensor");
    DOC("Exponential of a square matrix.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>>;
    // Higham, The scaling and squaring method for the matrix exponential revisited, 2005: the Pade approximant of degree 13.
    static Tensor forward(const Tensor& a) {
        check_square("linalg.matrix_exp", a);
        check(is_inexact(a.dtype()), "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got ", title(a.dtype()));
        if (a.is_meta() || a.numel() == 0) return empty(a.sizes(), a.dtype(), a.device());
        NoGrad guard;
        if (itemsize(to_real(a.dtype())) < 4) return to(forward(to(a, DType::Float32)), a.dtype());
        static constexpr double b[14] = {64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1};
        int squarings = 0;
        Tensor norms = cast_raw(to(amax(sum(abs(a), {-2}), {-1}, false), DType::Float64), DType::Float64);
        for (int64_t i = 0; i < norms.numel(); i++) {
            double n = norms.data<double>()[i] / 5.371920351148152;
            if (std::isfinite(n) && n > 1) squarings = std::max(squarings, int(std::ceil(std::log2(n))));
        }
        Tensor x = mul(a, Scalar(std::ldexp(1.0, -squarings))), x2 = matmul(x, x), x4 = matmul(x2, x2), x6 = matmul(x4, x2), eye = identity(rows(a), a);
        auto sum4 = [&](double c6, double c4, double c2, double c0) { return add(add(mul(x6, Scalar(c6)), mul(x4, Scalar(c4))), add(mul(x2, Scalar(c2)), mul(eye, Scalar(c0)))); };
        // divided by b[0], to stay within the range of single precision
        auto q = [&](int i) { return b[i] / b[0]; };
        Tensor u = matmul(x, add(matmul(x6, sum4(q(13), q(11), q(9), 0)), sum4(q(7), q(5), q(3), q(1))));
        Tensor v = add(matmul(x6, sum4(q(12), q(10), q(8), 0)), sum4(q(6), q(4), q(2), q(0)));
        Tensor r = solve(sub(v, u), add(v, u));
        for (int i = 0; i < squarings; i++) r = matmul(r, r);
        return contiguous(r);
    }
    // The upper right block of exp([[A^H, G], [0, A^H]]): Najfeld and Havel, 1995.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor h = adjoint(c.in<0>());
        int64_t n = rows(h);
        Tensor top = cat(Tensors{h, g}, int64_t(-1)), bottom = cat(Tensors{zeros_like(g), h}, int64_t(-1));
        Tensor e = call<MatrixExp>(cat(Tensors{top, bottom}, int64_t(-2)));
        return {narrow(narrow(e, -2, 0, n), -1, n, n)};
    }
};
OP(MatrixExp);
struct MatrixExpOld : Composite<MatrixExpOld> {
    SIG("matrix_exp(Tensor self) -> Tensor");
    DOC("Exponential of a square matrix.");
    static Tensor forward(const Tensor& self) { return call<MatrixExp>(self); }
};
OP(MatrixExpOld);

// ---------------------------------------------------------------- condition
struct Cond : Composite<Cond> {
    SIG("linalg::cond(Tensor self, Any p=None, *, Tensor? out=None) -> Tensor");
    DOC("Condition of a matrix with respect to inversion in the norm p: 2 if not given, -2, 1, -1, inf, -inf, 'fro' or 'nuc'.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& a, PyObject* p) {
        check(a.dim() >= 2, "linalg.cond: The input tensor A must have at least 2 dimensions.");
        std::string text = p && PyUnicode_Check(p) ? PyUnicode_AsUTF8(p) : "";
        double order = !p || p == Py_None ? 2 : text.empty() ? scalar_from_python(p).real() : 0;
        check(text.empty() || text == "fro" || text == "nuc", "linalg.cond got an invalid norm type: ", text);
        if (a.numel() == 0) return zeros(batch_of(a), to_real(a.dtype()), a.device());
        if (text.empty() && std::abs(order) == 2) {
            Tensor s = svdvals(a), largest = select(s, -1, 0), smallest = select(s, -1, -1);
            return order > 0 ? div(largest, smallest) : div(smallest, largest);
        }
        check(std::abs(order) == 1 || std::isinf(order) || !text.empty(), "linalg.cond got an invalid norm type: ", order);
        std::string name = cat("linalg.cond(ord=", text.empty() ? str(order) : text, ")");
        check(rows(a) == columns(a), name.c_str(), ": A must be batches of square matrices, but they are ", rows(a), " by ", columns(a), " matrices");
        check_lapack_type("linalg.inv", a);
        auto [lu, pivots, info] = lu_factor_ex(detach(a));
        Tensor singular = gt(info, Scalar(0));
        Tensor safe = where(column(column(singular)), identity(rows(a), a), a);
        return masked_fill(mul(norm(a, order, text), norm(inv(safe), order, text)), singular, Scalar(INFINITY));
    }
    static Tensor norm(const Tensor& a, double order, const std::string& text) {
        if (text == "nuc") return sum(svdvals(a), {-1});
        Tensor size = abs(a);
        if (text == "fro") return sqrt(sum(mul(size, size), {-2, -1}));
        Tensor sums = sum(size, {std::isinf(order) ? -1 : -2});
        return order > 0 ? amax(sums, {-1}, false) : neg(amax(neg(sums), {-1}, false));
    }
};
OP(Cond);

// ---------------------------------------------------------------- tensors as matrices
struct TensorInv : Composite<TensorInv> {
    SIG("linalg::tensorinv(Tensor self, int ind=2, *, Tensor? out=None) -> Tensor");
    DOC("Inverse of self as a map from its last dimensions to its first ind.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, int64_t ind) {
        check(ind > 0, "Expected a strictly positive integer for 'ind', but got ", ind);
        Ints s = self.sizes();
        size_t k = std::min(size_t(ind), s.size());
        Dims result(s.subspan(k));
        int64_t n = product(s.subspan(k)), m = product(s.first(k));
        for (int64_t v : s.first(k)) result.push_back(v);
        check(n == m, "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got ", n, " != ", m);
        return reshape(inv(reshape(self, {m, n})), result);
    }
};
OP(TensorInv);

struct TensorSolve : Composite<TensorSolve> {
    SIG("linalg::tensorsolve(Tensor self, Tensor other, int[]? dims=None, *, Tensor? out=None) -> Tensor");
    DOC("X for which the sum of products of self and X over X's dimensions is other; dims of self go to the end before.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other, const OptDims& dims) {
        Tensor a = self;
        if (dims) {
            Dims order, last;
            for (int64_t d : *dims) last.push_back(wrap_dim(d, self.dim()));
            for (int64_t d = 0; d < self.dim(); d++)
                if (std::find(last.begin(), last.end(), d) == last.end()) order.push_back(d);
            for (int64_t d : last) order.push_back(d);
            a = permute(self, order);
        }
        Ints s = a.sizes();
        size_t k = std::min(size_t(other.dim()), s.size());
        int64_t n = product(s.subspan(k)), m = product(s.first(k));
        check(n == m, "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got ", n, " != ", m);
        Tensor x = squeeze(solve(reshape(a, {m, n}), reshape(other, {m, 1})), -1);
        return reshape(x, Dims(s.subspan(k)));
    }
};
OP(TensorSolve);

}  // namespace rl
