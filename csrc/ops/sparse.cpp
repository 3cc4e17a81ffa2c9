// What sparse matrices are computed with: two products, groups of entries at the same place, pairs of entries that meet. Entry e of a matrix in
// coordinate form stands at (rows[e], columns[e]); entries may come in any order and more than once.
#include <algorithm>

#include "core/op.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/matmul.h"
#include "ops/sort.h"

namespace rl {

namespace {
constexpr int64_t kEntriesAtOnce = 1 << 14;  // multiply-adds that are worth a thread

// Indices as contiguous int64, each known to be inside [0, size).
Tensor checked_places(const char* op, const Tensor& indices, int64_t size, int64_t n) {
    check(indices.dim() == 1 && indices.numel() == n, op, ": ", n, " indices are expected, got a tensor of ", indices.sizes());
    Tensor r = cast_raw(indices, DType::Int64);
    const int64_t* p = r.data<int64_t>();
    int64_t sign = 0;  // negative as soon as one index or its distance to the last one is
    for (int64_t i = 0; i < n; i++) sign |= p[i] | (size - 1 - p[i]);
    check(sign >= 0, Err::Index, op, ": an index of the sparse matrix is outside [0, ", size, ")");
    return r;
}
DType computed_in(const char* op, DType t) {
    check(t != DType::Bool, Err::NotImplemented, op, ": not implemented for 'Bool'");
    return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t;
}
template <class T> void axpy(T* to, T a, const T* from, int64_t n) {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
        if (n >= 8) return cpu::kernels().reduce<T>().axpy(to, a, from, n);
    }
    for (int64_t j = 0; j < n; j++) to[j] = T(to[j] + a * from[j]);
}

// A sparse matrix times columns [begin, end) of a dense one with k columns.
template <class T> struct Entries {
    const int64_t *rows, *columns;
    const T *values, *dense;
    T* result;
    int64_t n, k;
    void add(int64_t first, int64_t last, int64_t begin, int64_t end) const {
        if (k == 1)
            for (int64_t e = first; e < last; e++) result[rows[e]] = T(result[rows[e]] + values[e] * dense[columns[e]]);
        else
            for (int64_t e = first; e < last; e++) axpy<T>(result + rows[e] * k + begin, values[e], dense + columns[e] * k + begin, end - begin);
    }
    // The first entry from e on that begins a row.
    int64_t row_start(int64_t e) const {
        while (e > 0 && e < n && rows[e] == rows[e - 1]) e++;
        return e;
    }
    // Each thread owns rows where entries are in their order, else columns: sums don't depend on the number of threads.
    void run() const {
        int64_t grain = std::max<int64_t>(16, kEntriesAtOnce / std::max<int64_t>(k, 1));
        if (std::is_sorted(rows, rows + n)) cpu::parallel_for(n, grain, [&](int64_t a, int64_t b) { add(row_start(a), row_start(b), 0, k); });
        else cpu::parallel_for(k, std::max<int64_t>(16, kEntriesAtOnce / std::max<int64_t>(n, 1)), [&](int64_t a, int64_t b) { add(0, n, a, b); });
    }
};
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
        if (values.is_meta() || dense.is_meta()) return empty(Dims{m, k}, dense.dtype(), Device::Meta);
        DType t = computed_in("_coo_mm", dense.dtype());
        Tensor at = checked_places("_coo_mm", rows, m, n), from = checked_places("_coo_mm", columns, dense.sizes()[0], n);
        Tensor v = cast_raw(values, t), d = cast_raw(dense, t), r = zeros(Dims{m, k}, t);
        with_number(t, [&](auto tag) {
            using T = typename decltype(tag)::type;
            Entries<T>{at.data<int64_t>(), from.data<int64_t>(), v.data<T>(), d.data<T>(), r.data<T>(), n, k}.run();
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
        if (a.is_meta() || b.is_meta()) return empty(Dims{n}, a.dtype(), Device::Meta);
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

static const int64_t* vector_of_int64(const char* op, const Tensor& t, Tensor& holder) {
    check(!t.is_meta(), Err::NotImplemented, op, ": the result depends on data, which a meta tensor does not have");
    check(t.dim() == 1 && t.dtype() == DType::Int64, op, ": an int64 vector is expected, got ", name(t.dtype()), " of shape ", t.sizes());
    holder = contiguous(t);
    return holder.data<int64_t>();
}

struct CooGroup : Op<CooGroup> {
    SIG("_coo_group(Tensor keys) -> (Tensor first, Tensor group)");
    DOC("Groups of equal elements of keys, an int64 vector, in their order: where the first of each is, and each element's group.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static std::tuple<Tensor, Tensor> forward(const Tensor& keys) {
        Tensor holder;
        const int64_t* p = vector_of_int64("_coo_group", keys, holder);
        int64_t n = keys.numel(), count = 0;
        Tensor first = empty(Dims{n}, DType::Int64), group = empty(Dims{n}, DType::Int64);
        int64_t *to = first.data<int64_t>(), *of = group.data<int64_t>();
        auto visit = [&, last = int64_t(0)](int64_t at) mutable {
            if (count == 0 || last != p[at]) to[count++] = at, last = p[at];
            of[at] = count - 1;
        };
        if (std::is_sorted(p, p + n)) {
            for (int64_t i = 0; i < n; i++) visit(i);
        } else {
            Sorted<int64_t> s(n);
            s.run(p, n, false, true);
            for (int64_t i = 0; i < n; i++) visit(int64_t(s.items[i].at));
        }
        return {clone_raw(narrow(first, 0, 0, count)), group};
    }
};
OP(CooGroup);

struct CooJoin : Op<CooJoin> {
    SIG("_coo_join(Tensor wanted, Tensor keys, int n) -> (Tensor left, Tensor right)");
    DOC("All pairs (i, j) with wanted[i] == keys[j], int64 vectors of numbers in [0, n): i in order, and for one i j in order.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static std::tuple<Tensor, Tensor> forward(const Tensor& wanted, const Tensor& keys, int64_t n) {
        check(n >= 0 && !wanted.is_meta() && !keys.is_meta(), Err::NotImplemented, "_coo_join: data and n >= 0 are expected, got n = ", n);
        Tensor w = checked_places("_coo_join", wanted, n, wanted.numel()), k = checked_places("_coo_join", keys, n, keys.numel());
        const int64_t *want = w.data<int64_t>(), *have = k.data<int64_t>();
        std::vector<int64_t> start(size_t(n) + 1), order(size_t(k.numel()));
        for (int64_t j = 0; j < k.numel(); j++) start[size_t(have[j]) + 1]++;
        for (int64_t i = 0; i < n; i++) start[size_t(i) + 1] += start[size_t(i)];
        std::vector<int64_t> next(start.begin(), start.end() - 1);
        for (int64_t j = 0; j < k.numel(); j++) order[size_t(next[size_t(have[j])]++)] = j;
        int64_t total = 0;
        for (int64_t i = 0; i < w.numel(); i++) total += start[size_t(want[i]) + 1] - start[size_t(want[i])];
        Tensor left = empty(Dims{total}, DType::Int64), right = empty(Dims{total}, DType::Int64);
        int64_t *l = left.data<int64_t>(), *r = right.data<int64_t>();
        for (int64_t i = 0; i < w.numel(); i++)
            for (int64_t s = start[size_t(want[i])], e = start[size_t(want[i]) + 1]; s < e; s++) *l++ = i, *r++ = order[size_t(s)];
        return {left, right};
    }
};
OP(CooJoin);

Tensor coo_mm(const Tensor& rows, const Tensor& columns, const Tensor& values, const Tensor& dense, int64_t m) { return call<CooMm>(rows, columns, values, dense, m); }
Tensor coo_dot(const Tensor& rows, const Tensor& columns, const Tensor& a, const Tensor& b) { return call<CooDot>(rows, columns, a, b); }

}  // namespace rl
