// gather, and its opposites scatter, scatter_add and scatter_reduce; index_reduce.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/sparse.h"
#include "cpu/clones.h"
#include "ops/index_core.h"

namespace rl {

namespace {
// ---------------------------------------------------------------- arithmetic: 16-bit floats through float, bool as logic
template <class T> T times(T a, T b) {
    if constexpr (std::is_same_v<T, bool>) return a && b;
    else if constexpr (std::is_same_v<T, ComplexHalf>) return T(c64(a) * c64(b));
    else if constexpr (is_small_float_v<T>) return T(float(a) * float(b));
    else return T(a * b);
}
template <class T> bool is_nan(T a) {
    if constexpr (is_small_float_v<T>) return std::isnan(float(a));
    else if constexpr (std::is_floating_point_v<T>) return std::isnan(a);
    else return false;
}
// The choice between two numbers is an instruction and no branch, which in unordered data would be mispredicted; a NaN among
// the new ones is looked for apart, and rare.
template <class T> T larger(T a, T b) {
    if constexpr (is_complex_v<T>) raise(Err::Runtime, "amax is not defined for complex numbers");
    else if constexpr (is_small_float_v<T>) return is_nan(a) || float(a) >= float(b) ? a : b;
    else return __builtin_expect(is_nan(b), 0) && !is_nan(a) ? b : b > a ? b : a;
}
template <class T> T smaller(T a, T b) {
    if constexpr (is_complex_v<T>) raise(Err::Runtime, "amin is not defined for complex numbers");
    else if constexpr (is_small_float_v<T>) return is_nan(a) || float(a) <= float(b) ? a : b;
    else return __builtin_expect(is_nan(b), 0) && !is_nan(a) ? b : b < a ? b : a;
}

enum class Reduce : uint8_t { Assign, Sum, Prod, Mean, Amax, Amin };
// The value that a reduction starts from.
Scalar identity_of(Reduce r, DType t) {
    if (r == Reduce::Prod) return Scalar(1);
    if (r != Reduce::Amax && r != Reduce::Amin) return Scalar(0);
    bool low = r == Reduce::Amax;
    if (is_inexact(t)) return Scalar(low ? -HUGE_VAL : HUGE_VAL);
    return dispatch(t, [&](auto tag) -> Scalar {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_integral_v<T>) return Scalar(int64_t(low ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max()));
        else return Scalar(0);
    });
}
// f(Tag<T>, function of two elements that writes the first) for a reduction over elements of type t; T is of t's size alone for an assignment.
template <class F> void with_reduction(Reduce r, DType t, F&& f) {
    if (r == Reduce::Assign)
        return dispatch_size(itemsize(t), [&](auto tag) {
            using T = typename decltype(tag)::type;
            f(tag, [](T& a, const T& b) { a = b; });
        });
    dispatch(t, [&](auto tag) {
        using T = typename decltype(tag)::type;
        switch (r) {
            case Reduce::Assign:
            case Reduce::Sum:
            case Reduce::Mean: return f(tag, [](T& a, const T& b) { a = plus(a, b); });
            case Reduce::Prod: return f(tag, [](T& a, const T& b) { a = times(a, b); });
            case Reduce::Amax: return f(tag, [](T& a, const T& b) { a = larger(a, b); });
            case Reduce::Amin: return f(tag, [](T& a, const T& b) { a = smaller(a, b); });
        }
    });
}

// ---------------------------------------------------------------- places
// The index tensor of gather and scatter, row by row (a row: along its last dimension). An element k of a row that
// starts at `at` leads to place base + k * step + index[at + k] * stride of the other tensor.
struct Rows {
    bool even;     // the rows lie across dim and the index was expanded along them: one number for each
    bool shared;   // the index was expanded over the rows: all have the same
    Tensor index;  // contiguous int64; of even rows their numbers alone, of shared ones the first
    int64_t dim, limit, stride, step, length, rows;
    Dims sizes, strides;  // of the index without its last dimension; the other tensor's strides, 0 along dim

    Rows(const Tensor& other, int64_t d, const Tensor& i)
        : even(i.dim() >= 2 && d != i.dim() - 1 && i.strides().back() == 0 && i.sizes().back() > 1), shared(!even && is_shared(i)), index(index_values(even ? narrow(i, -1, 0, 1) : shared ? alias(i, Dims{i.sizes().back()}, Dims{i.strides().back()}, i->offset) : i)), dim(d), limit(other.dim() ? other.sizes()[d] : 1) {
        int64_t n = i.dim();
        stride = other.dim() ? other.strides()[d] : 1;
        if (n == 0) {
            step = 0, length = 1, rows = 1;
            return;
        }
        step = d == n - 1 || other.dim() == 0 ? 0 : other.strides()[n - 1];
        length = i.sizes()[n - 1];
        for (int64_t e = 0; e + 1 < n; e++) {
            sizes.push_back(i.sizes()[e]);
            strides.push_back(e == d || other.dim() == 0 ? 0 : other.strides()[e]);
        }
        rows = product(sizes);
    }
    static bool is_shared(const Tensor& i) {
        for (int64_t e = 0; e + 1 < i.dim(); e++)
            if (i.strides()[e] != 0) return false;
        return i.dim() >= 2;
    }
    const int64_t* numbers(int64_t row) const { return index.data<int64_t>() + (shared ? 0 : row * length); }
    int64_t base(int64_t row) const {
        if (sizes.size() == 1) return row * strides[0];
        int64_t b = 0;
        for (size_t i = sizes.size(); i-- > 0;) {
            b += row % sizes[i] * strides[i];
            row /= sizes[i];
        }
        return b;
    }
    bool along_rows() const { return step == 0; }  // dim is the last: rows don't meet each other's places
};

// Checks the indices and calls f(other element, position in the index tensor), every element of `out` by one thread in a fixed order.
template <class T, class F> void each_place(T* out, const Rows& r, F f) {
    const int64_t* index = r.index.data<int64_t>();
    auto part = [&](int64_t r0, int64_t r1, int64_t k0, int64_t k1) __attribute__((noinline)) {
        for (int64_t row = r0; row < r1; row++) {
            T* base = out + r.base(row);
            int64_t at = row * r.length;
            if (r.even) {
                check_range(index + row, 1, r.limit, r.dim, BadIndex::Runtime);
                T* to = base + index[row] * r.stride;
                if (r.step == 1)
                    for (int64_t k = k0; k < k1; k++) f(to[k], at + k);
                else
                    for (int64_t k = k0; k < k1; k++) f(to[k * r.step], at + k);
                continue;
            }
            const int64_t* numbers = r.numbers(row);
            if (row == r0 || !r.shared) check_range(numbers + k0, k1 - k0, r.limit, r.dim, BadIndex::Runtime);
            if (r.step == 0 && r.stride == 1)
                for (int64_t k = k0; k < k1; k++) f(base[numbers[k]], at + k);
            else
                for (int64_t k = k0; k < k1; k++) f(base[k * r.step + numbers[k] * r.stride], at + k);
        }
    };
    if (r.along_rows()) cpu::parallel_for(r.rows, grain_for(r.length), [&](int64_t a, int64_t b) { part(a, b, 0, r.length); });
    else if (r.length >= 32) cpu::parallel_for(r.length, std::max<int64_t>(32, kGrain / std::max<int64_t>(r.rows, 1)), [&](int64_t a, int64_t b) { part(0, r.rows, a, b); });
    else part(0, r.rows, 0, r.length);
}

template <class T> void read_rows(T* out, const T* in, const Rows& r) {
    cpu::parallel_for(r.rows, grain_for(r.length), [&](int64_t a, int64_t b) {
        for (int64_t row = a; row < b; row++) {
            const int64_t* index = r.numbers(row);
            check_range(index, r.length, r.limit, r.dim, BadIndex::Runtime);
            read_run(out + row * r.length, in + r.base(row), index, r.length);
        }
    });
}

// Checks of shapes; `src` undefined for gather.
void check_shapes(const Tensor& self, int64_t d, const Tensor& index, const Tensor& src) {
    auto dims = [](const Tensor& t) { return std::max<int64_t>(t.dim(), 1); };
    auto size = [](const Tensor& t, int64_t i) { return t.dim() ? t.sizes()[i] : 1; };
    check(dims(index) == dims(self), "Index tensor must have the same number of dimensions as ", src ? "self" : "input", " tensor (index ", index.sizes(), ", ", src ? "self " : "input ", self.sizes(), ")");
    check(!src || dims(src) == dims(index), "Index tensor must have the same number of dimensions as src tensor (index ", index.sizes(), ", src ", src ? src.sizes() : Dims(), ")");
    for (int64_t i = 0; i < dims(index); i++) {
        if (!src) check(i == d || size(index, i) <= size(self, i), "Size does not match at dimension ", i, " expected index ", index.sizes(), " to be no larger than self ", self.sizes(), " apart from dimension ", d);
        else check((i == d || size(index, i) <= size(self, i)) && size(index, i) <= size(src, i), "Expected index ", index.sizes(), " to be no larger than self ", self.sizes(), " apart from dimension ", d, " and to be no larger size than src ", src.sizes());
    }
}
// The part of src that the index covers, contiguous.
Tensor covered(const Tensor& src, const Tensor& index) { return contiguous(alias(src, index.sizes(), src.dim() == index.dim() ? Ints(src.strides()) : Ints(contiguous_strides(index.sizes())), src->offset)); }
// A gradient of the covered part, with zeros for the rest.
Tensor uncovered(Tensor g, const Dims& sizes) {
    if (g.dim() != int64_t(sizes.size())) return reshape(g, sizes);
    for (int64_t d = 0; d < g.dim(); d++) {
        if (g.sizes()[d] == sizes[d]) continue;
        Dims rest = g.sizes();
        rest[d] = sizes[d] - g.sizes()[d];
        g = cat(Tensors{g, zeros(rest, g.dtype(), g.device())}, d);
    }
    return g;
}
}  // namespace

struct Gather : Op<Gather> {
    SIG("gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False, Tensor? out=None) -> Tensor");
    DOC("For each element of index the element of self at that place along dim and at the same place in other dimensions.");
    FORMS(FUNCTION | METHOD | OUT);
    using Saves = Save<In<2>>;
    static Tensor forward(const Tensor& self, int64_t dim, const Tensor& index, bool) {
        int64_t d = wrap_dim(dim, self.dim());
        check(index.numel() == 0 || index.dtype() == DType::Int64 || index.dtype() == DType::Int32, "gather(): Expected dtype int32/int64 for index");
        Tensor r = empty(index.sizes(), self.dtype(), self.device());
        if (index.numel() == 0) return r;
        check_shapes(self, d, index, Tensor());
        if (r.is_meta()) return r;
        Tensor s = resolve(self);
        Rows rows(s, d, index);
        dispatch_size(itemsize(s.dtype()), [&](auto tag) {
            using T = typename decltype(tag)::type;
            T* out = r.data<T>();
            if (rows.along_rows() && rows.stride == 1) return read_rows(out, s.data<T>(), rows);
            each_place(s.data<T>(), rows, [out](const T& v, int64_t i) { out[i] = v; });
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        if (c.in<2>().numel() == 0) return {zeros(c.sizes<0>(), g.dtype(), g.device())};
        if (c.arg<3>()) return {call_sparse("gather_gradient", Py_BuildValue("(OLON)", g.py(), (long long)c.arg<1>(), c.in<2>().py(), dims_to_python(c.sizes<0>())))};
        return {scatter_add(zeros(c.sizes<0>(), g.dtype(), g.device()), c.arg<1>(), c.in<2>(), g)};
    }
};
OP(Gather);

// ---------------------------------------------------------------- scatter
// A row of floats met by a row.
template <class T> RL_CLONES static void reduce_row(Reduce how, T* __restrict y, const T* __restrict x, int64_t n) {
    switch (how) {
        case Reduce::Prod:
            for (int64_t i = 0; i < n; i++) y[i] *= x[i];
            return;
        case Reduce::Amax:  // a NaN stays
            for (int64_t i = 0; i < n; i++) y[i] = int(x[i] > y[i]) | int(x[i] != x[i]) ? x[i] : y[i];
            return;
        case Reduce::Amin:
            for (int64_t i = 0; i < n; i++) y[i] = int(x[i] < y[i]) | int(x[i] != x[i]) ? x[i] : y[i];
            return;
        default:
            for (int64_t i = 0; i < n; i++) y[i] += x[i];
    }
}
template <class T> static void reduce_rows(T* out, const Rows& r, const T* values, Reduce how) {
    const int64_t* index = r.index.data<int64_t>();
    check_range(index, r.rows, r.limit, r.dim, BadIndex::Runtime);
    cpu::parallel_for(r.length, std::max<int64_t>(32, kGrain / std::max<int64_t>(r.rows, 1)), [&](int64_t a, int64_t b) {
        for (int64_t row = 0; row < r.rows; row++) reduce_row(how, out + r.base(row) + index[row] * r.stride + a, values + row * r.length + a, b - a);
    });
}

static void scatter_into(const char* op, const Tensor& r, int64_t dim, const Tensor& index, const Operand& src, Reduce reduce) {
    int64_t d = wrap_dim(dim, r.dim());
    check(index.numel() == 0 || index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op, "(): Expected dtype int32/int64 for index");
    check(!src.tensor || src.tensor->dtype() == r.dtype(), op, "(): Expected self.dtype to be equal to src.dtype");
    if (index.numel() == 0) return;
    check_shapes(r, d, index, src.tensor ? *src.tensor : Tensor());
    if (r.is_meta()) return;
    Rows rows(r, d, index);
    Tensor values = src.tensor ? covered(apart_from(r, *src.tensor), index) : scalar_tensor(src.scalar, r.dtype());
    if (rows.even && rows.step == 1 && src.tensor && reduce != Reduce::Assign) {
        if (r.dtype() == DType::Float32) return reduce_rows(r.data<float>(), rows, values.data<float>(), reduce);
        if (r.dtype() == DType::Float64) return reduce_rows(r.data<double>(), rows, values.data<double>(), reduce);
    }
    with_reduction(reduce, r.dtype(), [&](auto tag, auto f) {
        using T = typename decltype(tag)::type;
        const T* v = values.data<T>();
        int64_t step = src.tensor ? 1 : 0;
        each_place(r.data<T>(), rows, [v, step, f](T& place, int64_t i) { f(place, v[i * step]); });
    });
}
static Reduce old_reduce(const std::string& name) {
    check(name == "add" || name == "multiply", "reduce argument must be either add or multiply.");
    return name == "add" ? Reduce::Sum : Reduce::Prod;
}

struct Scatter : Update<Scatter, int64_t, Tensor, Operand> {
    SIG("scatter.src(Tensor self, int dim, Tensor index, Operand src, *, Tensor? out=None) -> Tensor");
    DOC("self with the elements of src, or one number, written to the places that index names along dim.");
    using Saves = Save<In<2>>;
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Operand& src) { scatter_into("scatter", r, dim, index, src, Reduce::Assign); }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = scatter(g, c.arg<1>(), c.in<2>(), Scalar(0));
        if (c.needs<3>()) r[2] = uncovered(gather(g, c.arg<1>(), c.in<2>()), c.sizes<3>());
        return r;
    }
};
struct ScatterValue : Composite<ScatterValue> {  // the number by its own name
    SIG("scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor");
    DOC("self with a number written to the places that index names along dim.");
    static Tensor forward(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) { return call<Scatter>(self, dim, index, value); }
};
struct ScatterOld : Update<ScatterOld, int64_t, Tensor, Operand, std::string> {
    SIG("scatter.reduce(Tensor self, int dim, Tensor index, Operand src, *, str reduce, Tensor? out=None) -> Tensor");
    DOC("self with the elements of src, or one number, added to or multiplied into the places that index names.");
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Operand& src, const std::string& reduce) { scatter_into("scatter", r, dim, index, src, old_reduce(reduce)); }
};
struct ScatterOldValue : Update<ScatterOldValue, int64_t, Tensor, Scalar, std::string> {
    SIG("scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce, Tensor? out=None) -> Tensor");
    DOC("self with a number added to or multiplied into the places that index names.");
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Scalar& value, const std::string& reduce) { scatter_into("scatter", r, dim, index, value, old_reduce(reduce)); }
};
OP(Scatter);
OP(ScatterValue);
OP(ScatterOld);
OP(ScatterOldValue);

struct ScatterAdd : Update<ScatterAdd, int64_t, Tensor, Tensor> {
    SIG("scatter_add(Tensor self, int dim, Tensor index, Tensor src, *, Tensor? out=None) -> Tensor");
    DOC("self with the elements of src added to the places that index names along dim.");
    using Saves = Save<In<2>>;
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Tensor& src) { scatter_into("scatter_add", r, dim, index, src, Reduce::Sum); }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        if (c.needs<0>()) r[0] = g;
        if (c.needs<3>()) r[2] = uncovered(gather(g, c.arg<1>(), c.in<2>()), c.sizes<3>());
        return r;
    }
};
OP(ScatterAdd);

// ---------------------------------------------------------------- scatter_reduce and index_reduce
namespace {
Reduce reduction_named(const std::string& name, bool with_sum) {
    if (name == "prod") return Reduce::Prod;
    if (name == "mean") return Reduce::Mean;
    if (name == "amax") return Reduce::Amax;
    if (name == "amin") return Reduce::Amin;
    check(with_sum, "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", name, ".");
    check(name == "sum", "reduce argument must be either sum, prod, mean, amax or amin, got ", name);
    return Reduce::Sum;
}
// r / count, where an integer mean is rounded down.
void divide_raw(const Tensor& r, const Tensor& count) {
    Tensor q = contiguous(r), n = contiguous(count);
    dispatch(r.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* p = q.data<T>();
        const T* d = n.data<T>();
        for (int64_t i = 0; i < q.numel(); i++) {
            if constexpr (std::is_same_v<T, bool>) p[i] = p[i] && d[i];
            else if constexpr (std::is_same_v<T, ComplexHalf>) p[i] = T(c64(p[i]) / c64(d[i]));
            else if constexpr (is_small_float_v<T>) p[i] = T(float(p[i]) / float(d[i]));
            else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) p[i] = T(p[i] / d[i] - (p[i] % d[i] != 0 && (p[i] < 0) != (d[i] < 0)));
            else p[i] = T(p[i] / d[i]);
        }
    });
    if (!q.is(r)) copy_raw(r, q);
}

// What scatter_reduce and index_reduce do alike. An Along reads, adds, erases and reduces at the indexed places.
template <class Along> void reduce_into(const Along& along, const Tensor& r, const Tensor& src, Reduce reduce, bool include_self) {
    Tensor count;
    bool mean = reduce == Reduce::Mean && !r.is_meta();
    if (mean) {
        count = include_self ? ones(r.sizes(), r.dtype()) : zeros(r.sizes(), r.dtype());
        along.write(count, ones(src.sizes(), r.dtype()), Reduce::Sum);
        if (!include_self) masked_fill_raw(count, logical_not(to(count, DType::Bool)), Scalar(1));
    }
    if (!include_self) along.write(r, identity_of(reduce, r.dtype()), Reduce::Assign);
    along.write(r, src, reduce);
    if (mean) divide_raw(r, count);
}

// Derivatives with respect to self and src. Places share the gradient of a maximum evenly; the derivative of a product
// is the product of the others, which where a factor is zero can't be had by division.
template <class Along> std::pair<Tensor, Tensor> reduce_backward(const Along& along, const Tensor& g, const Tensor& self, const Tensor& src, const Tensor& result, Reduce reduce, bool include_self) {
    Tensor gs, gr;
    switch (reduce) {
        case Reduce::Sum: gs = g, gr = along.read(g); break;
        case Reduce::Mean: {
            Tensor n = include_self ? ones_like(g) : zeros_like(g);
            n = along.add(n, ones(src.sizes(), g.dtype(), g.device()));
            n = masked_fill(n, eq(n, Scalar(0)), Scalar(1));
            gs = g / n, gr = along.read(gs);
            break;
        }
        case Reduce::Prod: {
            Tensor kept = masked_fill(self, eq(self, Scalar(0)), Scalar(1));
            gs = g * conj(along.reduce(kept, src, reduce, include_self) / kept);
            Tensor zero = eq(src, Scalar(0));
            Tensor zeros_at = along.read(along.add(zeros_like(self), to(zero, self.dtype())));
            Tensor only = logical_and(zero, eq(zeros_at, Scalar(1)));
            Tensor without = along.reduce(self, masked_fill(src, only, Scalar(1)), reduce, include_self);
            gr = where(only, along.read(g * conj(without)), along.read(g * conj(result)) / conj(masked_fill(src, zero, Scalar(1))));
            break;
        }
        default: {
            Tensor mine = to(eq(self, result), g.dtype()), theirs = to(eq(src, along.read(result)), g.dtype());
            Tensor share = g / along.add(include_self ? mine : along.erase(mine), theirs);
            gs = mine * share, gr = theirs * along.read(share);
        }
    }
    if (!include_self) gs = along.erase(gs);
    return {gs, gr};
}
}  // namespace

struct ScatterReduce : Update<ScatterReduce, int64_t, Tensor, Tensor, std::string, bool> {
    SIG("scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True, Tensor? out=None) -> Tensor");
    DOC("Sums, products, means or extrema of the elements of src that index sends to the same place of self.");
    using Saves = Save<In<0>, In<2>, In<3>, Out<0>>;
    struct Along {
        int64_t dim;
        Tensor index;
        void write(const Tensor& r, const Operand& src, Reduce reduce) const { scatter_into("scatter_reduce", r, dim, index, src, reduce); }
        Tensor read(const Tensor& t) const { return gather(t, dim, index); }
        Tensor add(const Tensor& t, const Tensor& src) const { return scatter_add(t, dim, index, src); }
        Tensor erase(const Tensor& t) const { return scatter(t, dim, index, Scalar(0)); }
        Tensor reduce(const Tensor& t, const Tensor& src, Reduce r, bool include_self) const {
            static const char* names[] = {"", "sum", "prod", "mean", "amax", "amin"};
            return call<ScatterReduce>(t, dim, index, src, std::string(names[int(r)]), include_self);
        }
    };
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Tensor& src, const std::string& reduce, bool include_self) {
        Reduce how = reduction_named(reduce, true);
        check(!r.is_complex() || (how != Reduce::Amax && how != Reduce::Amin), "scatter_reduce(): ", reduce, " is not defined for complex numbers");
        reduce_into(Along{dim, index}, r, src, how, include_self);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor index = c.in<2>(), src = c.in<3>();
        if (index.numel() == 0) return {g, Tensor(), zeros(c.sizes<3>(), g.dtype(), g.device())};
        for (int64_t d = 0; d < index.dim() && src.dim() == index.dim(); d++) src = slice(src, d, 0, index.sizes()[d]);
        auto [gs, gr] = reduce_backward(Along{c.arg<1>(), index}, g, c.in<0>(), src, c.out(), reduction_named(c.arg<4>(), true), c.arg<5>());
        Grads r(3);
        if (c.needs<0>()) r[0] = gs;
        if (c.needs<3>()) r[2] = uncovered(gr, c.sizes<3>());
        return r;
    }
};
OP(ScatterReduce);

struct IndexReduce : Update<IndexReduce, int64_t, Tensor, Tensor, std::string, bool> {
    SIG("index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True, Tensor? out=None) -> Tensor");
    DOC("Products, means or extrema of the slices of source that index sends to the same slice of self.");
    using Saves = Save<In<0>, In<2>, In<3>, Out<0>>;
    // As scatter_reduce with the index repeated over the other dimensions.
    struct Along {
        int64_t dim;
        Tensor index;
        ScatterReduce::Along full(const Tensor& like) const {
            int64_t d = wrap_dim(dim, like.dim());
            Dims sizes = like.sizes(), strides(sizes.size());
            if (sizes.empty()) return {0, reshape(index, {})};
            sizes[d] = index.numel();
            strides[d] = index.dim() ? index.strides()[0] : 1;
            return {d, alias(index, sizes, strides, index->offset)};
        }
        void write(const Tensor& r, const Operand& src, Reduce reduce) const { full(r).write(r, src, reduce); }
        Tensor read(const Tensor& t) const { return index_select(t, dim, index); }
        Tensor add(const Tensor& t, const Tensor& src) const { return index_add(t, dim, index, src); }
        Tensor erase(const Tensor& t) const { return full(t).erase(t); }
        Tensor reduce(const Tensor& t, const Tensor& src, Reduce r, bool include_self) const {
            static const char* names[] = {"", "", "prod", "mean", "amax", "amin"};
            return call<IndexReduce>(t, dim, index, src, std::string(names[int(r)]), include_self);
        }
    };
    static void apply(const Tensor& r, int64_t dim, const Tensor& index, const Tensor& source, const std::string& reduce, bool include_self) {
        check(!r.is_complex() || (reduce != "amax" && reduce != "amin"), Err::NotImplemented, "\"index_reduce_func_", reduce, "_cpu\" not implemented for '", title(r.dtype()), "'");
        Reduce how = reduction_named(reduce, false);
        int64_t d = wrap_dim(dim, r.dim());
        check(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, "index_reduce(): Expected dtype int32/int64 for index");
        check(index.dim() <= 1, Err::Index, "index_reduce(): Index is supposed to be a vector");
        check(r.dtype() == source.dtype(), "index_reduce(): self (", title(r.dtype()), ") and source (", title(source.dtype()), ") must have the same scalar type");
        check(index.numel() == (source.dim() ? source.size(d) : 1), "index_reduce(): Number of indices (", index.numel(), ") should be equal to source.size(dim): (", source.dim() ? source.size(d) : 1, "), for dim: ", d);
        bool fits = r.dim() == source.dim();
        for (int64_t i = 0; fits && i < source.dim(); i++) fits = i == d || r.sizes()[i] == source.sizes()[i];
        check(fits, "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ", r.sizes(), " source.shape = ", source.sizes());
        reduce_into(Along{dim, index}, r, source, how, include_self);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        auto [gs, gr] = reduce_backward(Along{c.arg<1>(), c.in<2>()}, g, c.in<0>(), c.in<3>(), c.out(), reduction_named(c.arg<4>(), false), c.arg<5>());
        Grads r(3);
        if (c.needs<0>()) r[0] = gs;
        if (c.needs<3>()) r[2] = gr;
        return r;
    }
};
OP(IndexReduce);

struct TakeAlongDim : Composite<TakeAlongDim> {
    SIG("take_along_dim(Tensor self, Tensor indices, int? dim=None, *, Tensor? out=None) -> Tensor");
    DOC("gather with self and indices broadcast against each other in all dimensions but dim, where indices count from the end if negative; of the flattened self without dim.");
    static constexpr bool kCastsOut = false;
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, const Tensor& indices, const OptInt& dim) {
        check(indices.dtype() == DType::Int64, "torch.take_along_dim(): dtype of indices should be Long but got ", title(indices.dtype()));
        if (!dim) return gather(reshape(self, {-1}), 0, reshape(indices, {-1}));
        check(self.dim() == indices.dim(), "torch.take_along_dim(): input and indices should have the same number of dimensions, but got ", self.dim(), " dimensions for input, and ", indices.dim(), " dimensions for indices");
        int64_t d = wrap_dim(*dim, self.dim());
        Dims a = self.sizes(), b = indices.sizes();
        int64_t na = a.empty() ? 1 : a[d], nb = b.empty() ? 1 : b[d];
        if (!a.empty()) a[d] = b[d] = 1;
        Dims sa = broadcast(a, b), sb = sa;
        if (!sa.empty()) sa[d] = na, sb[d] = nb;
        Tensor from = same(sa, self.sizes()) ? self : expand(self, sa), at = from_front(indices, na);
        return gather(from, d, same(sb, at.sizes()) ? at : expand(at, sb));
    }
    // Indices that count from the end as ones that count from the front.
    static Tensor from_front(const Tensor& indices, int64_t n) {
        if (!tls.modes && !indices.is_meta() && !indices->wrapper) {
            Tensor t = index_values(indices);
            const int64_t* p = t.data<int64_t>();
            int64_t signs = 0;
            for (int64_t i = 0; i < t.numel(); i++) signs |= p[i];
            if (signs >= 0) return indices;
        }
        return where(lt(indices, 0), indices + Scalar(n), indices);
    }
};
OP(TakeAlongDim);

Tensor gather(const Tensor& a, int64_t dim, const Tensor& index) { return call<Gather>(a, dim, index, false); }
Tensor scatter(const Tensor& a, int64_t dim, const Tensor& index, const Operand& src) { return call<Scatter>(a, dim, index, src); }
Tensor scatter_add(const Tensor& a, int64_t dim, const Tensor& index, const Tensor& src) { return call<ScatterAdd>(a, dim, index, src); }

}  // namespace rl
