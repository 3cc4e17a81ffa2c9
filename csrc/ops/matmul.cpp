// Products of matrices: mm, bmm and their sums with a matrix, and matmul, which chooses among them.
#include "ops/matmul.h"

#include "cpu/kernels.h"

#include <algorithm>

#include "cpu/parallel.h"

namespace rl {

// ---------------------------------------------------------------- raw products
const char* cpp_name(DType t) {
    switch (t) {
        case DType::Float32: return "float";
        case DType::Float64: return "double";
        case DType::Float16: return "c10::Half";
        case DType::BFloat16: return "c10::BFloat16";
        case DType::Complex64: return "c10::complex<float>";
        case DType::Complex128: return "c10::complex<double>";
        case DType::Int64: return "long int";
        case DType::Int32: return "int";
        case DType::Int16: return "short int";
        case DType::Int8: return "signed char";
        case DType::UInt8: return "unsigned char";
        case DType::Bool: return "bool";
        default: return name(t);
    }
}

void check_gemm_type(const char* kernel, DType t) {
    dispatch_gemm(kernel, t, [](auto) {});
}

Tensor blas_ready(const Tensor& t) {
    Tensor r = resolve(t);
    size_t d = size_t(r.dim());
    if (blas_layout(r.sizes()[d - 2], r.sizes()[d - 1], r.strides()[d - 2], r.strides()[d - 1])) return r;
    return contiguous(r);
}

static bool small_floats(DType t, int64_t work) { return work <= kSmallProduct && (t == DType::Float32 || t == DType::Float64); }

static void mm_into(const char* kernel, const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& alpha, const Scalar& beta, const Tensor& bias = {}) {
    int64_t m = c.sizes()[0], n = c.sizes()[1], k = a.sizes()[1];
    bool any = small_floats(c.dtype(), m * n * k);
    Tensor x = any ? a : blas_ready(a), y = any ? b : blas_ready(b);
    dispatch_gemm(kernel, c.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        product<T>(m, n, k, gemm_scalar<T>(alpha), matrix_view(x), matrix_view(y), gemm_scalar<T>(beta), c.data<T>(), m > 1 ? c.strides()[0] : std::max<int64_t>(n, 1), bias ? bias.data<T>() : nullptr);
    });
}

Tensor mm_raw(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b) {
    int64_t m = a.sizes()[transpose_a], k = a.sizes()[!transpose_a], n = b.sizes()[!transpose_b];
    Tensor c = empty(Dims{m, n}, a.dtype());
    bool any = small_floats(a.dtype(), m * n * k) && !a.lazy() && !b.lazy();
    Tensor x = any ? a : blas_ready(a), y = any ? b : blas_ready(b);
    dispatch_gemm("addmm_impl_cpu_", a.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        MatrixView u = matrix_view(x), v = matrix_view(y);
        product<T>(m, n, k, cpu::GemmScalar<T>(1), transpose_a ? transposed(u) : u, transpose_b ? transposed(v) : v, cpu::GemmScalar<T>(0), c.data<T>(), std::max<int64_t>(n, 1));
    });
    return c;
}

void bmm_into(const char* kernel, const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& alpha, const Scalar& beta) {
    int64_t batch = c.sizes()[0], m = c.sizes()[1], n = c.sizes()[2], k = a.sizes()[2];
    bool any = small_floats(c.dtype(), m * n * k);
    Tensor x = any ? resolve(a) : blas_ready(a), y = any ? resolve(b) : blas_ready(b);
    dispatch_gemm(kernel, c.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto al = gemm_scalar<T>(alpha), be = gemm_scalar<T>(beta);
        int64_t ldc = m > 1 ? c.strides()[1] : std::max<int64_t>(n, 1), sa = x.strides()[0], sb = y.strides()[0], sc = c.strides()[0];
        const T *pa = x.data<T>(), *pb = y.data<T>();
        T* pc = c.data<T>();
        auto some = [&](int64_t begin, int64_t end) {
            if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
                if (m == 1 && n == 1 && k > 0 && al == T(1) && be == T(0) && x.strides()[2] == 1 && y.strides()[1] == 1) {  // of vectors
                    for (int64_t i = begin; i < end; i++) pc[i * sc] = cpu::kernels().reduce<T>().dot(pa + i * sa, pb + i * sb, k);
                    return;
                }
            for (int64_t i = begin; i < end; i++)
                product<T>(m, n, k, al, {pa + i * sa, x.strides()[1], x.strides()[2]}, {pb + i * sb, y.strides()[1], y.strides()[2]}, be, pc + i * sc, ldc);
        };
        // A product of this size uses all threads well by itself.
        constexpr int64_t kLarge = int64_t(1) << 24, kSerial = 64 * 1024;
        int64_t work = m * n * std::max<int64_t>(k, 1);
        if (batch * work < kSerial || (work >= kLarge && batch % cpu::num_threads() != 0)) return some(0, batch);
        cpu::parallel_for(batch, 2, some);
    });
}

Tensor scaled(const Tensor& t, const Scalar& s) {
    if (s.equals(1)) return t;
    return mul(t, s.is_complex() ? Scalar(c128(s.d, -s.im)) : s);
}

Tensor adjoint(const Tensor& t) { return conj(transpose(t, -2, -1)); }

// ---------------------------------------------------------------- out= and in-place
Tensor result_target(const char* op, const Tensor& out, DType t, const Dims& sizes, std::initializer_list<const Tensor*> inputs) {
    check(out.dtype() == t, "Expected out tensor to have dtype ", cpp_name(t), ", but got ", cpp_name(out.dtype()), " instead (", op, ")");
    if (!same(out.sizes(), sizes)) resize_output(op, out, sizes);
    check(!may_overlap_itself(out), "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation. (", op, ")");
    if (out.is_meta()) return out;
    bool direct = out.is_contiguous() && !out.lazy();
    for (const Tensor* in : inputs) direct = direct && (*in)->storage.get() != out->storage.get();
    return direct ? out : empty(sizes, t);
}

void store_result(const Tensor& out, const Tensor& target) {
    if (!target.is(out)) copy_(out, target);
}

// ---------------------------------------------------------------- mm
void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
    check(a.device() == b.device(), "Tensor on device ", device_name(b.device()), " is not on the expected device ", device_name(a.device()), "! (", op, ")");
}

static Dims mm_sizes(const Tensor& a, const Tensor& b) {
    check_same_device("mm", a, b);
    check(a.dim() == 2, "self must be a matrix (mm of ", a.sizes(), " and ", b.sizes(), ")");
    check(b.dim() == 2, "mat2 must be a matrix (mm of ", a.sizes(), " and ", b.sizes(), ")");
    check(a.sizes()[1] == b.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (", a.sizes()[0], "x", a.sizes()[1], " and ", b.sizes()[0], "x", b.sizes()[1], ")");
    check(a.dtype() == b.dtype(), "expected m1 and m2 to have the same dtype, but got: ", cpp_name(a.dtype()), " != ", cpp_name(b.dtype()));
    return {a.sizes()[0], b.sizes()[1]};
}

struct Mm : Op<Mm> {
    SIG("mm(Tensor self, Tensor mat2, *, Tensor? out=None) -> Tensor");
    DOC("Product of two matrices.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& self, const Tensor& mat2) {
        Dims sizes = mm_sizes(self, mat2);
        if (common_device(self, mat2) == Device::CPU) return mm_raw(self, false, mat2, false);
        check_gemm_type("addmm_impl_cpu_", self.dtype());
        return empty(sizes, self.dtype(), Device::Meta);
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Tensor& mat2) {
        Tensor r = result_target("mm", out, self.dtype(), mm_sizes(self, mat2), {&self, &mat2});
        if (r.is_meta()) return;
        mm_into("addmm_impl_cpu_", r, resolve(self), resolve(mat2), 1, 0);
        store_result(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = mm(g, adjoint(c.in<1>()));
        if (c.needs<1>()) r[1] = mm(adjoint(c.in<0>()), g);
        return r;
    }
};
OP(Mm);

// ---------------------------------------------------------------- bmm
static Dims bmm_sizes(const Tensor& a, const Tensor& b) {
    check_same_device("bmm", a, b);
    check(a.dim() == 3, "batch1 must be a 3D tensor (got ", a.sizes(), ")");
    check(b.dim() == 3, "batch2 must be a 3D tensor (got ", b.sizes(), ")");
    check(a.sizes()[0] == b.sizes()[0] && a.sizes()[2] == b.sizes()[1], "Expected size for first two dimensions of batch2 tensor to be: [", a.sizes()[0], ", ", a.sizes()[2], "] but got: [", b.sizes()[0], ", ", b.sizes()[1], "].");
    check(a.dtype() == b.dtype(), "expected scalar type ", title(a.dtype()), " but found ", title(b.dtype()), " (bmm)");
    return {a.sizes()[0], a.sizes()[1], b.sizes()[2]};
}

struct Bmm : Op<Bmm> {
    SIG("bmm(Tensor self, Tensor mat2, *, Tensor? out=None) -> Tensor");
    DOC("Products of the matrices of two batches.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<0, 1>, In<1, 0>>;
    static Tensor forward(const Tensor& self, const Tensor& mat2) {
        Dims sizes = bmm_sizes(self, mat2);
        check_gemm_type("bmm", self.dtype());
        Tensor r = empty(sizes, self.dtype(), common_device(self, mat2));
        if (!r.is_meta()) bmm_into("bmm", r, self, mat2, 1, 0);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Tensor& mat2) {
        Tensor r = result_target("bmm", out, self.dtype(), bmm_sizes(self, mat2), {&self, &mat2});
        if (r.is_meta()) return;
        bmm_into("bmm", r, self, mat2, 1, 0);
        store_result(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        if (c.needs<0>()) r[0] = bmm(g, adjoint(c.in<1>()));
        if (c.needs<1>()) r[1] = bmm(adjoint(c.in<0>()), g);
        return r;
    }
};
OP(Bmm);

// ---------------------------------------------------------------- beta * self + alpha * product
// The result starts as self, broadcast, unless beta is 0, when self is not read.
static void start_from(const Tensor& r, const Tensor& self, const Scalar& beta) {
    if (!beta.equals(0)) Tensor(copy_(r, self));
}

static void check_broadcast(const Tensor& self, const Dims& sizes) {
    size_t n = sizes.size(), skip = n - self.sizes().size();
    check(self.sizes().size() <= n, "expand(", name(self.dtype()), "{", self.sizes(), "}, size=", sizes, "): the number of sizes provided (", n, ") must be greater or equal to the number of dimensions in the tensor (", self.dim(), ")");
    for (size_t i = skip; i < n; i++)
        check(self.sizes()[i - skip] == sizes[i] || self.sizes()[i - skip] == 1, "The expanded size of the tensor (", sizes[i], ") must match the existing size (", self.sizes()[i - skip], ") at non-singleton dimension ", i, ".  Target sizes: ", sizes,
              ".  Tensor sizes: ", self.sizes());
}

static void check_inplace_sizes(bool inplace, const Tensor& self, const Dims& sizes) {
    check(!inplace || same(self.sizes(), sizes), "Bad in-place call: input tensor size ", self.sizes(), " and output tensor size ", sizes, " should match");
}

struct Addmm : Op<Addmm> {
    SIG("addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("beta * self + alpha * (mat1 @ mat2), with self broadcast. beta = 0 ignores self.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    using Saves = Save<In<1, 2>, In<2, 1>>;
    static Dims sizes(const Tensor& self, const Tensor& a, const Tensor& b) {
        check(a.dim() == 2, "mat1 must be a matrix, got ", a.dim(), "-D tensor");
        check(b.dim() == 2, "mat2 must be a matrix, got ", b.dim(), "-D tensor");
        check(a.sizes()[1] == b.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (", a.sizes()[0], "x", a.sizes()[1], " and ", b.sizes()[0], "x", b.sizes()[1], ")");
        check(self.dtype() == a.dtype() && self.dtype() == b.dtype(), "self and mat2 must have the same dtype, but got ", title(self.dtype()), " and ", title(b.dtype()), " (addmm; mat1 is ", title(a.dtype()), ")");
        Dims r{a.sizes()[0], b.sizes()[1]};
        check_broadcast(self, r);
        check_gemm_type("addmm_impl_cpu_", self.dtype());
        return r;
    }
    static Tensor forward(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta, const Scalar& alpha) {
        Dims s = sizes(self, mat1, mat2);
        Tensor r = empty(s, self.dtype(), common_device(common_device(mat1, mat2) == Device::Meta ? mat1 : self, mat2));
        if (r.is_meta()) return r;
        Tensor a = resolve(mat1), b = resolve(mat2);
        bool as_bias = beta.equals(1) && self.dim() == 1 && self.sizes()[0] == s[1] && self.strides()[0] == 1 && !self.lazy();
        if (as_bias) {
            mm_into("addmm_impl_cpu_", r, a, b, alpha, 0, self);
            return r;
        }
        start_from(r, self, beta);
        mm_into("addmm_impl_cpu_", r, a, b, alpha, beta);
        return r;
    }
    static void into(const Tensor& out, bool inplace, const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta, const Scalar& alpha) {
        check(mat1.dim() == 2 && mat2.dim() == 2, "addmm: mat1 and mat2 must be matrices, got ", mat1.sizes(), " and ", mat2.sizes());
        check_inplace_sizes(inplace, self, {mat1.sizes()[0], mat2.sizes()[1]});
        Tensor r = result_target("addmm", out, self.dtype(), sizes(self, mat1, mat2), {&mat1, &mat2});
        if (r.is_meta()) return;
        if (!inplace || !r.is(out)) start_from(r, self, beta);
        mm_into("addmm_impl_cpu_", r, resolve(mat1), resolve(mat2), alpha, beta);
        store_result(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = sum_grad(scaled(g, c.arg<3>()), c.metas[0]);
        if (c.needs<1>()) r[1] = scaled(mm(g, adjoint(c.in<2>())), c.arg<4>());
        if (c.needs<2>()) r[2] = scaled(mm(adjoint(c.in<1>()), g), c.arg<4>());
        return r;
    }
};
OP(Addmm);

struct Baddbmm : Op<Baddbmm> {
    SIG("baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("beta * self + alpha * bmm(batch1, batch2), with self broadcast. beta = 0 ignores self.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    using Saves = Save<In<1, 2>, In<2, 1>>;
    static Dims sizes(const Tensor& self, const Tensor& a, const Tensor& b) {
        check(a.dim() == 3, "batch1 must be a 3D tensor (got ", a.sizes(), ")");
        check(b.dim() == 3, "batch2 must be a 3D tensor (got ", b.sizes(), ")");
        check(self.dtype() == a.dtype() && self.dtype() == b.dtype(), "Input dtypes must be the same, got: input ", cpp_name(self.dtype()), ", batch1: ", cpp_name(a.dtype()), ", batch2: ", cpp_name(b.dtype()));
        Dims r = bmm_sizes(a, b);
        check_same_device("baddbmm", self, a);
        check_broadcast(self, r);
        check_gemm_type("baddbmm", self.dtype());
        return r;
    }
    static Tensor forward(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta, const Scalar& alpha) {
        Tensor r = empty(sizes(self, batch1, batch2), self.dtype(), common_device(self, batch1));
        if (r.is_meta()) return r;
        start_from(r, self, beta);
        bmm_into("baddbmm", r, batch1, batch2, alpha, beta);
        return r;
    }
    static void into(const Tensor& out, bool inplace, const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta, const Scalar& alpha) {
        Dims s = sizes(self, batch1, batch2);
        check_inplace_sizes(inplace, self, s);
        Tensor r = result_target("baddbmm", out, self.dtype(), s, {&batch1, &batch2});
        if (r.is_meta()) return;
        if (!inplace || !r.is(out)) start_from(r, self, beta);
        bmm_into("baddbmm", r, batch1, batch2, alpha, beta);
        store_result(out, r);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = sum_grad(scaled(g, c.arg<3>()), c.metas[0]);
        if (c.needs<1>()) r[1] = scaled(bmm(g, adjoint(c.in<2>())), c.arg<4>());
        if (c.needs<2>()) r[2] = scaled(bmm(adjoint(c.in<1>()), g), c.arg<4>());
        return r;
    }
};
OP(Baddbmm);

// The sum over the batch is one product: (n, b * m) times (b * m, p).
struct Addbmm : Composite<Addbmm> {
    SIG("addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None) -> Tensor");
    DOC("beta * self + alpha * the sum of bmm(batch1, batch2) over the batch, with self broadcast.");
    FORMS(FUNCTION | METHOD | INPLACE | OUT);
    static Tensor forward(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta, const Scalar& alpha) {
        check(batch1.dim() == 3, "batch1 must be a 3D tensor (got ", batch1.sizes(), ")");
        check(batch2.dim() == 3, "batch2 must be a 3D tensor (got ", batch2.sizes(), ")");
        const Dims &s1 = batch1.sizes(), &s2 = batch2.sizes();
        check(s1[0] == s2[0], "batch1 and batch2 must have same number of batches, got ", s1[0], " and ", s2[0]);
        check(s1[2] == s2[1], "Incompatible matrix sizes for bmm (", s1[1], "x", s1[2], " and ", s2[1], "x", s2[2], ")");
        Tensor a = reshape(transpose(batch1, 0, 1), {s1[1], s1[0] * s1[2]}), b = reshape(batch2, {s2[0] * s2[1], s2[2]});
        return call<Addmm>(self, a, b, beta, alpha);
    }
};
OP(Addbmm);

// ---------------------------------------------------------------- matmul
// Both as batches (b, m, k) and (b, k, n) over the broadcast of what stands before the matrices.
static Tensor batched_matmul(const Tensor& a, const Tensor& b) {
    Dims left(Ints(a.sizes()).first(size_t(a.dim() - 2))), right(Ints(b.sizes()).first(size_t(b.dim() - 2)));
    for (size_t i = 1; i <= std::min(left.size(), right.size()); i++) {
        int64_t x = left[left.size() - i], y = right[right.size() - i];
        check(x == y || x == 1 || y == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y, ") at non-singleton dimension ", std::max(left.size(), right.size()) - i, " (matmul of ", a.sizes(), " and ", b.sizes(), ")");
    }
    Dims batch = broadcast(left, right), sa = batch, sb = batch, sr = batch;
    int64_t m = a.sizes()[size_t(a.dim() - 2)], k = a.sizes()[size_t(a.dim() - 1)], n = b.sizes()[size_t(b.dim() - 1)], count = product(Ints(batch));
    sa.push_back(m), sa.push_back(k), sr.push_back(m), sr.push_back(n);
    sb.push_back(b.sizes()[size_t(b.dim() - 2)]), sb.push_back(n);
    auto flat = [&](const Tensor& t, const Dims& sizes) {
        Tensor e = t.sizes() == sizes ? t : expand(t, sizes);
        return sizes.size() == 3 ? e : reshape(e, {count, sizes[sizes.size() - 2], sizes.back()});
    };
    Tensor r = bmm(flat(a, sa), flat(b, sb));
    return sr.size() == 3 ? r : view(r, sr);
}

struct Matmul : Composite<Matmul> {
    SIG("matmul(Tensor self, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("Product of vectors, matrices or batches of matrices, by their numbers of dimensions; batches broadcast.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& other) {
        int64_t p = self.dim(), q = other.dim();
        check(p > 0 && q > 0, "both arguments to matmul need to be at least 1D, but they are ", p, "D and ", q, "D");
        if (p == 2 && q == 2) return mm(self, other);
        if (p == 1 && q == 1) return dot(self, other);
        if (p == 2 && q == 1) return mv(self, other);
        if (p == 1 && q == 2) return squeeze(mm(unsqueeze(self, 0), other), 0);
        if (q <= 2) {  // many rows, one matrix or vector: the rows are one long matrix
            Dims sizes(Ints(self.sizes()).first(size_t(p - 1)));
            int64_t k = self.sizes()[size_t(p - 1)];
            Tensor rows = reshape(self, {product(Ints(sizes)), k});
            if (q == 1) return view(mv(rows, other), sizes);
            sizes.push_back(other.sizes()[1]);
            return view(mm(rows, other), sizes);
        }
        if (p == 1) return squeeze(batched_matmul(unsqueeze(self, 0), other), -2);
        return batched_matmul(self, other);
    }
    static void into(const Tensor& out, bool, const Tensor& self, const Tensor& other) {
        Tensor r = forward(self, other);
        store_result(out, out.dtype() == r.dtype() && same(out.sizes(), r.sizes()) ? r : (result_target("matmul", out, r.dtype(), r.sizes(), {}), r));
    }
};
OP(Matmul);

struct LinalgMatmul : Composite<LinalgMatmul> {
    SIG("linalg::matmul(Tensor input, Tensor other, *, Tensor? out=None) -> Tensor");
    DOC("Product of vectors, matrices or batches of matrices: torch.matmul.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensor& input, const Tensor& other) { return matmul(input, other); }
    static void into(const Tensor& out, bool inplace, const Tensor& input, const Tensor& other) { Matmul::into(out, inplace, input, other); }
};
OP(LinalgMatmul);

Tensor mm(const Tensor& a, const Tensor& b) { return call<Mm>(a, b); }
Tensor bmm(const Tensor& a, const Tensor& b) { return call<Bmm>(a, b); }
Tensor matmul(const Tensor& a, const Tensor& b) { return call<Matmul>(a, b); }

Tensor addmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) { return call<Addmm>(self, a, b, beta, alpha); }

}  // namespace rl
