// The two products that sparse matrices are computed with. Entry e of a matrix in coordinate form stands at
// (rows[e], columns[e]); entries may come in any order and more than once.
#include "core/op.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/matmul.h"

namespace rl {

namespace {
constexpr int64_t kEntriesAtOnce = 1 << 14;  // multiply-adds that are worth a thread

// Indices as contiguous int64, each known to be inside [0, size).
Tensor checked_places(const char* op, const Tensor& indices, int64_t size, int64_t n) {
    check(indices.dim() == 1 && indices.numel() == n, op, ": ", n, " indices are expected, got a tensor of ", indices.sizes());
    Tensor r = cast_raw(indices, DType::Int64);
    bool ok = true;
    for (int64_t i = 0; i < n; i++) ok &= uint64_t(r.data<int64_t>()[i]) < uint64_t(size);
    check(ok, Err::Index, op, ": an index of the sparse matrix is outside [0, ", size, ")");
    return r;
}
DType computed_in(const char* op, DType t) {
    check(t != DType::Bool, Err::NotImplemented, op, ": not implemented for 'Bool'");
    return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t;
}
template <class T> void axpy(T* to, T a, const T* from, int64_t n) {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) cpu::kernels().reduce<T>().axpy(to, a, from, n);
    else
        for (int64_t j = 0; j < n; j++) to[j] = T(to[j] + a * from[j]);
}
template <class F> void with_number(DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Complex64: return f(Tag<c64>{});
        case DType::Complex128: return f(Tag<c128>{});
        case DType::UInt8: return f(Tag<uint8_t>{});
        case DType::Int8: return f(Tag<int8_t>{});
        case DType::Int16: return f(Tag<int16_t>{});
        case DType::Int32: return f(Tag<int32_t>{});
        case DType::Int64: return f(Tag<int64_t>{});
        default: raise(Err::NotImplemented, "products of sparse matrices are not implemented for ", name(t));
    }
}
}  // namespace

Tensor coo_mm(const Tensor& rows, const Tensor& columns, const Tensor& values, const Tensor& dense, int64_t m);
Tensor coo_dot(const Tensor& rows, const Tensor& columns, const Tensor& a, const Tensor& b);

struct CooMm : Op<CooMm> {
    SIG("_coo_mm(Tensor rows, Tensor columns, Tensor values, Tensor dense, int m) -> Tensor");
    DOC("The (m, n) matrix of entries values at (rows, columns) times a dense (n, k) matrix.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2, 3>, In<3, 2>>;
    static Tensor forward(const Tensor& rows, const Tensor& columns, const Tensor& values, const Tensor& dense, int64_t m) {
        check(dense.dim() == 2 && values.dim() == 1 && values.dtype() == dense.dtype(), "_coo_mm: values ", values.sizes(), " of ", name(values.dtype()), " and a dense matrix ", dense.sizes(), " of ", name(dense.dtype()));
        int64_t n = values.numel(), k = dense.sizes()[1];
        DType t = computed_in("_coo_mm", dense.dtype());
        Tensor at = checked_places("_coo_mm", rows, m, n), from = checked_places("_coo_mm", columns, dense.sizes()[0], n);
        Tensor v = cast_raw(values, t), d = cast_raw(dense, t), r = zeros(Dims{m, k}, t);
        with_number(t, [&](auto tag) {
            using T = typename decltype(tag)::type;
            // each thread owns a range of columns of the result
            cpu::parallel_for(k, std::max<int64_t>(16, kEntriesAtOnce / std::max<int64_t>(n, 1)), [&](int64_t begin, int64_t end) {
                for (int64_t e = 0; e < n; e++)
                    axpy<T>(r.data<T>() + at.data<int64_t>()[e] * k + begin, v.data<T>()[e], d.data<T>() + from.data<int64_t>()[e] * k + begin, end - begin);
            });
        });
        return cast_raw(r, dense.dtype());
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(5);
        if (c.needs<2>()) r[2] = coo_dot(c.in<0>(), c.in<1>(), g, conj(c.in<3>()));
        if (c.needs<3>()) r[3] = coo_mm(c.in<1>(), c.in<0>(), conj(c.in<2>()), g, c.sizes<3>()[0]);
        return r;
    }
};
OP(CooMm);

struct CooDot : Op<CooDot> {
    SIG("_coo_dot(Tensor rows, Tensor columns, Tensor a, Tensor b) -> Tensor");
    DOC("The elements at (rows, columns) of the product of a (m, k) and the transpose of b (n, k).");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2, 3>, In<3, 2>>;
    static Tensor forward(const Tensor& rows, const Tensor& columns, const Tensor& a, const Tensor& b) {
        check(a.dim() == 2 && b.dim() == 2 && a.sizes()[1] == b.sizes()[1] && a.dtype() == b.dtype(), "_coo_dot: matrices ", a.sizes(), " of ", name(a.dtype()), " and ", b.sizes(), " of ", name(b.dtype()));
        int64_t n = rows.numel(), k = a.sizes()[1];
        DType t = computed_in("_coo_dot", a.dtype());
        Tensor i = checked_places("_coo_dot", rows, a.sizes()[0], n), j = checked_places("_coo_dot", columns, b.sizes()[0], n);
        Tensor x = cast_raw(a, t), y = cast_raw(b, t), r = empty(Dims{n}, t);
        with_number(t, [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(n, std::max<int64_t>(16, kEntriesAtOnce / std::max<int64_t>(k, 1)), [&](int64_t begin, int64_t end) {
                for (int64_t e = begin; e < end; e++) {
                    const T *p = x.data<T>() + i.data<int64_t>()[e] * k, *q = y.data<T>() + j.data<int64_t>()[e] * k;
                    T s(0);
                    for (int64_t l = 0; l < k; l++) s = T(s + p[l] * q[l]);
                    r.data<T>()[e] = s;
                }
            });
        });
        return cast_raw(r, a.dtype());
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(4);
        if (c.needs<2>()) r[2] = coo_mm(c.in<0>(), c.in<1>(), g, conj(c.in<3>()), c.sizes<2>()[0]);
        if (c.needs<3>()) r[3] = coo_mm(c.in<1>(), c.in<0>(), g, conj(c.in<2>()), c.sizes<3>()[0]);
        return r;
    }
};
OP(CooDot);

Tensor coo_mm(const Tensor& rows, const Tensor& columns, const Tensor& values, const Tensor& dense, int64_t m) { return call<CooMm>(rows, columns, values, dense, m); }
Tensor coo_dot(const Tensor& rows, const Tensor& columns, const Tensor& a, const Tensor& b) { return call<CooDot>(rows, columns, a, b); }

}  // namespace rl
