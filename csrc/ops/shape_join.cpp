// Joining tensors: along a dimension they have, along a new one, as blocks, as grids.
#include <algorithm>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/index_core.h"

namespace rl {

static bool skipped(const Tensor& t) { return t.dim() == 1 && t.numel() == 0; }  // torch.empty(0) joins anything
static DType common_dtype(const Tensors& ts) {
    DType t = DType::Undefined;
    for (auto& v : ts) t = promote(t, v.dtype());
    return t;
}
// The gradient of one of several joined inputs, in its dtype.
static Tensor in_dtype(const Tensor& g, const ResultMeta& m) { return g.dtype() == m.dtype ? g : to(is_complex(m.dtype) ? g : real(g), m.dtype); }

struct Cat : Op<Cat> {
    SIG("cat(Tensor[] tensors, int dim=0, *, Tensor? out=None) -> Tensor");
    DOC("Tensors one behind another along dim; other sizes must agree.");
    static constexpr bool kCastsOut = true;
    ALIASES("concat concatenate");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& ts, int64_t dim) {
        check(!ts.empty(), Err::Value, "torch.cat(): expected a non-empty list of Tensors");
        for (size_t i = 0; i < ts.size(); i++) {
            check(ts[i].defined(), Err::Type, "expected Tensor as element ", i, " in argument 0, but got NoneType");
            check(ts[i].dim() > 0, "zero-dimensional tensor (at position ", i, ") cannot be concatenated");
        }
        size_t first = 0;
        while (first + 1 < ts.size() && skipped(ts[first])) first++;
        int64_t d = wrap_dim(dim, ts[first].dim());
        Dims sizes = ts[first].sizes();
        sizes[d] = 0;
        bool meta = false;
        for (size_t i = 0; i < ts.size(); i++) {
            meta |= ts[i].is_meta();
            if (skipped(ts[i])) continue;
            check_sizes(ts[first], ts[i], d, i);
            sizes[d] += ts[i].sizes()[d];
        }
        Tensor out = make(ts, sizes, meta ? Device::Meta : Device::CPU);
        if (!meta) fill(out, ts, d);
        return out;
    }
    static void check_sizes(const Tensor& a, const Tensor& b, int64_t d, size_t i) {
        check(a.dim() == b.dim(), "Tensors must have same number of dimensions: got ", a.dim(), " and ", b.dim());
        for (int64_t k = 0; k < a.dim(); k++)
            check(k == d || a.sizes()[k] == b.sizes()[k], "Sizes of tensors must match except in dimension ", d, ". Expected size ", a.sizes()[k], " but got size ", b.sizes()[k], " for tensor number ", i, " in the list.");
    }
    // Images that are all channels-last stay so.
    static Tensor make(const Tensors& ts, const Dims& sizes, Device device) {
        DType t = common_dtype(ts);
        size_t n = sizes.size();
        if (n != 4 && n != 5) return result(sizes, t, device);
        MemoryFormat f = n == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d;
        for (auto& v : ts)
            if (v.dim() != int64_t(n) || v.is_contiguous() || !same(v.strides(), format_strides("cat", v.sizes(), f))) return empty(sizes, t, device);
        return empty_strided(sizes, format_strides("cat", sizes, f), t, device);
    }
    static void fill(const Tensor& out, const Tensors& ts, int64_t d) {
        bool plain = out.is_contiguous();
        for (auto& t : ts) plain &= t.is_contiguous() && t.dtype() == out.dtype() && !t.lazy();
        int64_t at = 0, size = itemsize(out.dtype()), outer = product(Ints(out.sizes()).first(size_t(d)));
        if (plain) return fill_rows(out.raw(), ts, outer, size);
        for (auto& t : ts) {
            if (skipped(t) || t.numel() == 0) continue;
            copy_raw(alias(out, t.sizes(), out.strides(), out->offset + at * out.strides()[d]), resolve(t));
            at += t.sizes()[d];
        }
    }
    struct Part {
        const char* from;
        int64_t bytes;  // of it in a row of the result
    };
    // Row by row, so that the result is written from its beginning to its end.
    static void fill_rows(char* out, const Tensors& ts, int64_t outer, int64_t size) {
        cpu::Buffer<Part> parts(int64_t(ts.size()));
        int64_t row = 0, count = 0;
        for (auto& t : ts) {
            if (t.numel() == 0) continue;
            parts.data[count++] = {t.raw(), t.numel() / outer * size};
            row += parts.data[count - 1].bytes;
        }
        if (count == 0) return;
        if (outer == 1) return fill_one_row(out, parts.data, count);
        if (row == count * size && size <= 8 && outer >= 16) return fill_columns(out, parts.data, count, outer, size);
        auto copy = cpu::row_copy(row / count, row * outer);
        cpu::parallel_for(outer, std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(row, 1)), [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) {
                char* to = out + i * row;
                for (int64_t k = 0; k < count; k++) {
                    const Part& p = parts.data[k];
                    copy(to, p.from + i * p.bytes, p.bytes);
                    to += p.bytes;
                }
            }
        });
    }
    static void fill_one_row(char* out, const Part* parts, int64_t count) {
        for (int64_t k = 0; k < count; out += parts[k++].bytes) {
            const char* from = parts[k].from;
            cpu::parallel_for(parts[k].bytes, 1 << 19, [&](int64_t a, int64_t b) { std::memcpy(out + a, from + a, size_t(b - a)); });
        }
    }
    // An element of every part to a row.
    static void fill_columns(char* out, const Part* parts, int64_t count, int64_t rows, int64_t size) {
        constexpr int64_t block = 256;  // rows whose part of the result stays in the first-level cache
        cpu::parallel_for(rows, grain_for(count), [&](int64_t a, int64_t b) {
            if (count == 2) return cpu::kernels().interleave(out + 2 * a * size, parts[0].from + a * size, parts[1].from + a * size, int(size), b - a);
            dispatch_size(size, [&](auto tag) {
                using T = typename decltype(tag)::type;
                T* to = reinterpret_cast<T*>(out);
                for (int64_t i = a; i < b; i += block)
                    for (int64_t k = 0; k < count; k++) {
                        const T* from = reinterpret_cast<const T*>(parts[k].from);
                        for (int64_t j = i; j < std::min(b, i + block); j++) to[j * count + k] = from[j];
                    }
            });
        });
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(c.edges.size());
        int64_t at = 0, d = wrap_dim(c.arg<1>(), g.dim());
        for (size_t i = 0; i < r.size(); i++) {
            const ResultMeta& m = c.list_metas[i];
            bool skip = m.sizes.size() == 1 && m.sizes[0] == 0;
            int64_t n = skip ? 0 : m.sizes[d];
            if (c.edges[i].node) r[i] = skip ? zeros(m.sizes, m.dtype, m.device) : in_dtype(narrow(g, d, at, n), m);
            at += n;
        }
        return r;
    }
};
OP(Cat);

struct Stack : Op<Stack> {
    SIG("stack(Tensor[] tensors, int dim=0, *, Tensor? out=None) -> Tensor");
    DOC("Tensors of one shape along a new dimension.");
    static constexpr bool kCastsOut = true;
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& ts, int64_t dim) {
        check(!ts.empty(), "stack expects a non-empty TensorList");
        int64_t d = wrap_dim(dim, ts[0].dim() + 1);
        bool plain = true;
        for (size_t i = 0; i < ts.size(); i++) {
            const Tensor& t = ts[i];
            check(t.defined(), Err::Type, "expected Tensor as element ", i, " in argument 0, but got NoneType");
            check(same(t.sizes(), ts[0].sizes()), "stack expects each tensor to be equal size, but got ", ts[0].sizes(), " at entry 0 and ", t.sizes(), " at entry ", i);
            plain &= t.is_contiguous() && t.dtype() == ts[0].dtype() && !t.lazy() && !t.is_meta() && t.numel() > 0;
        }
        if (plain) {
            Dims sizes = ts[0].sizes();
            sizes.insert(size_t(d), int64_t(ts.size()));
            Tensor r = result(sizes, ts[0].dtype());
            Cat::fill_rows(r.raw(), ts, product(Ints(sizes).first(size_t(d))), itemsize(r.dtype()));
            return r;
        }
        return Cat::forward(with_new_dim(ts, d), d);
    }
    static Tensors with_new_dim(const Tensors& ts, int64_t d) {
        Tensors rows;
        for (const Tensor& t : ts) {
            Dims sizes = t.sizes(), strides = t.strides();
            sizes.insert(size_t(d), 1);
            strides.insert(size_t(d), d < t.dim() ? t.sizes()[d] * t.strides()[d] : 1);
            rows.push_back(alias(t, sizes, strides, t->offset));
        }
        return rows;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(c.edges.size());
        for (size_t i = 0; i < r.size(); i++)
            if (c.edges[i].node) r[i] = in_dtype(select(g, c.arg<1>(), int64_t(i)), c.list_metas[i]);
        return r;
    }
};
OP(Stack);

// ---------------------------------------------------------------- with dimensions added where they are missing
struct Atleast1d : Composite<Atleast1d> {
    SIG("atleast_1d(Tensor self) -> Tensor");
    DOC("self, a tensor without dimensions as a vector.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& t) { return t.dim() ? t : reshape(t, {1}); }
};
struct Atleast2d : Composite<Atleast2d> {
    SIG("atleast_2d(Tensor self) -> Tensor");
    DOC("self as a matrix at least; a vector becomes a row.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& t) { return t.dim() == 0 ? reshape(t, {1, 1}) : t.dim() == 1 ? unsqueeze(t, 0) : t; }
};
struct Atleast3d : Composite<Atleast3d> {
    SIG("atleast_3d(Tensor self) -> Tensor");
    DOC("self with three dimensions at least.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& t) {
        if (t.dim() == 0) return reshape(t, {1, 1, 1});
        if (t.dim() == 1) return unsqueeze(unsqueeze(t, 0), -1);
        return t.dim() == 2 ? unsqueeze(t, -1) : t;
    }
};
template <class O> static Tensors each(const Tensors& ts) {
    Tensors r;
    r.reserve(ts.size());
    for (auto& t : ts) r.push_back(call<O>(t));
    return r;
}
struct Atleast1dList : Composite<Atleast1dList> {
    SIG("atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]");
    DOC("Each tensor with one dimension at least.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensors& ts) { return each<Atleast1d>(ts); }
};
struct Atleast2dList : Composite<Atleast2dList> {
    SIG("atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]");
    DOC("Each tensor with two dimensions at least.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensors& ts) { return each<Atleast2d>(ts); }
};
struct Atleast3dList : Composite<Atleast3dList> {
    SIG("atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]");
    DOC("Each tensor with three dimensions at least.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensors& ts) { return each<Atleast3d>(ts); }
};
OP(Atleast1d);
OP(Atleast1dList);
OP(Atleast2d);
OP(Atleast2dList);
OP(Atleast3d);
OP(Atleast3dList);

struct Hstack : Composite<Hstack> {
    SIG("hstack(Tensor[] tensors, *, Tensor? out=None) -> Tensor");
    DOC("Tensors side by side: along the second dimension, vectors along the first.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& ts) {
        check(!ts.empty(), "hstack expects a non-empty TensorList");
        Tensors r = each<Atleast1d>(ts);
        return cat(r, int64_t(r[0].dim() == 1 ? 0 : 1));
    }
};
struct Vstack : Composite<Vstack> {
    SIG("vstack(Tensor[] tensors, *, Tensor? out=None) -> Tensor");
    DOC("Tensors one below another; vectors are rows.");
    ALIASES("row_stack");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& ts) {
        check(!ts.empty(), "vstack expects a non-empty TensorList");
        return cat(each<Atleast2d>(ts), int64_t(0));
    }
};
struct Dstack : Composite<Dstack> {
    SIG("dstack(Tensor[] tensors, *, Tensor? out=None) -> Tensor");
    DOC("Tensors one behind another along the third dimension.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& ts) {
        check(!ts.empty(), "dstack expects a non-empty TensorList");
        return cat(each<Atleast3d>(ts), int64_t(2));
    }
};
struct ColumnStack : Composite<ColumnStack> {
    SIG("column_stack(Tensor[] tensors, *, Tensor? out=None) -> Tensor");
    DOC("Tensors side by side; vectors are columns.");
    FORMS(FUNCTION | OUT);
    static Tensor forward(const Tensors& ts) {
        check(!ts.empty(), "column_stack expects a non-empty TensorList");
        Tensors r;
        for (auto& t : ts) r.push_back(t.dim() <= 1 ? reshape(t, {t.numel(), 1}) : t);
        return call<Hstack>(r);
    }
};
OP(Hstack);
OP(Vstack);
OP(Dstack);
OP(ColumnStack);

struct BlockDiag : Op<BlockDiag> {
    SIG("block_diag(Tensor[] tensors) -> Tensor");
    DOC("A matrix of zeros with the given matrices along its diagonal; vectors are rows.");
    FORMS(FUNCTION);
    static Dims block(const Dims& s) { return s.empty() ? Dims{1, 1} : s.size() == 1 ? Dims{1, s[0]} : s; }
    static Tensor forward(const Tensors& ts) {
        int64_t rows = 0, cols = 0;
        if (ts.empty()) return empty(Dims{1, 0}, default_dtype());
        for (size_t i = 0; i < ts.size(); i++) {
            check(ts[i].dim() <= 2, "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ", i, " has ", ts[i].dim(), " dimensions");
            Dims b = block(ts[i].sizes());
            rows += b[0], cols += b[1];
        }
        Tensor r = zeros(Dims{rows, cols}, common_dtype(ts), ts[0].device());
        if (r.is_meta()) return r;
        int64_t at = 0;
        for (auto& t : ts) {
            Dims b = block(t.sizes());
            Tensor v = contiguous(t);
            copy_raw(alias(r, b, r.strides(), at), alias(v, b, contiguous_strides(b), v->offset));
            at += b[0] * cols + b[1];
        }
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(c.edges.size());
        int64_t row = 0, col = 0;
        for (size_t i = 0; i < r.size(); i++) {
            const ResultMeta& m = c.list_metas[i];
            Dims b = block(m.sizes);
            if (c.edges[i].node) r[i] = in_dtype(reshape(narrow(narrow(g, 0, row, b[0]), 1, col, b[1]), m.sizes), m);
            row += b[0], col += b[1];
        }
        return r;
    }
};
OP(BlockDiag);

// ---------------------------------------------------------------- grids
struct Meshgrid : Composite<Meshgrid> {
    SIG("meshgrid.indexing(Tensor[] tensors, *, str? indexing=None) -> Tensor[]");
    DOC("Coordinates of the grid that vectors span, one tensor for each; 'ij' keeps their order, 'xy' exchanges the first two.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensors& given, const OptStr& indexing) {
        check(!given.empty(), "meshgrid expects a non-empty TensorList");
        Tensors ts = given;
        for (auto& t : ts) {
            check(t.dim() <= 1, "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got one of shape ", t.sizes());
            check(t.dtype() == ts[0].dtype(), "meshgrid expects all tensors to have the same dtype");
            check(t.device() == ts[0].device(), "meshgrid expects all tensors to have the same device");
        }
        std::string how = indexing.value_or("ij");
        check(how == "ij" || how == "xy", "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", how);
        bool swap = how == "xy" && ts.size() >= 2;
        if (swap) std::swap(ts[0], ts[1]);
        Dims sizes;
        for (auto& t : ts) sizes.push_back(t.numel());
        Tensors r;
        for (size_t i = 0; i < ts.size(); i++) {
            Dims own(ts.size(), 1);
            own[i] = sizes[i];
            r.push_back(expand(view(ts[i], own), sizes));
        }
        if (swap) std::swap(r[0], r[1]);
        return r;
    }
};
OP(Meshgrid);

struct CartesianProd : Composite<CartesianProd> {
    SIG("cartesian_prod(Tensor[] tensors) -> Tensor");
    DOC("Every combination of one element of each vector, a row each.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensors& ts) {
        for (auto& t : ts) check(t.dim() == 1, "Expect a 1D vector, but got shape ", t.sizes());
        if (ts.size() == 1) return ts[0];
        Tensors flat;
        for (auto& t : call<Meshgrid>(ts, OptStr("ij"))) flat.push_back(reshape(t, {-1}));
        return call<Stack>(flat, int64_t(1));
    }
};
OP(CartesianProd);

struct Combinations : Composite<Combinations> {
    SIG("combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor");
    DOC("Every choice of r elements of a vector in order, a row each.");
    static Tensor forward(const Tensor& self, int64_t r, bool with_replacement) {
        check(self.dim() == 1, "Expect a 1D vector, but got shape ", self.sizes());
        check(r >= 0, "Expect a non-negative number, but got ", r);
        if (r == 0) return empty(Dims{0}, self.dtype(), self.device());
        Dims sizes{choices(self.numel(), r, with_replacement), r};
        if (self.is_meta()) return empty(sizes, self.dtype(), self.device());
        Tensor index = empty(sizes, DType::Int64);
        std::vector<int64_t> chosen(static_cast<size_t>(r));
        int64_t* to = index.data<int64_t>();
        auto choose = [&](auto& again, int64_t place, int64_t from) -> void {
            for (int64_t i = from; i < self.numel(); i++) {
                chosen[size_t(place)] = i;
                if (place + 1 < r) again(again, place + 1, with_replacement ? i : i + 1);
                else to = std::copy(chosen.begin(), chosen.end(), to);
            }
        };
        if (index.numel()) choose(choose, 0, 0);
        return view(index_select(self, 0, view(index, {-1})), sizes);
    }
    // n over r, or n + r - 1 over r
    static int64_t choices(int64_t n, int64_t r, bool with_replacement) {
        if (with_replacement && n > 0) check(!__builtin_add_overflow(n, r - 1, &n), "combinations: r = ", r, " is too large");
        if (r > n) return 0;
        r = std::max(r, int64_t(1));
        __int128 count = 1;
        for (int64_t i = 1; i <= std::min(r, n - r); i++) {
            count = count * (n - i + 1) / i;
            check(count <= INT64_MAX / r, "combinations: the choices of ", r, " out of ", n, " elements are too many");
        }
        return int64_t(count);
    }
};
OP(Combinations);

struct BroadcastTensors : Composite<BroadcastTensors> {
    SIG("broadcast_tensors(Tensor[] tensors) -> Tensor[]");
    DOC("The tensors expanded to the shape that they broadcast to.");
    FORMS(FUNCTION);
    static Tensors forward(const Tensors& ts) {
        Dims sizes;
        for (auto& t : ts) sizes = broadcast(sizes, t.sizes());
        Tensors r;
        for (auto& t : ts) r.push_back(expand(t, sizes));
        return r;
    }
};
OP(BroadcastTensors);

Tensor cat(const Tensors& ts, int64_t dim) { return call<Cat>(ts, dim); }
Tensor stack(const Tensors& ts, int64_t dim) { return call<Stack>(ts, dim); }

}  // namespace rl
