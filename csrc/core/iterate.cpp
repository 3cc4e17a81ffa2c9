#include "core/iterate.h"

#include <algorithm>
#include <memory>

#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl {

int isa_level_for_kernels() { return cpu::isa_level(); }

// ---------------------------------------------------------------- conversion of runs
namespace {
template <class D, class S>
void convert_strided(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
    D* d = reinterpret_cast<D*>(dst);
    const S* s = reinterpret_cast<const S*>(src);
    if (ds == 1 && ss == 1)
        for (int64_t i = 0; i < n; i++) d[i] = convert<D>(s[i]);
    else if (ss == 0) {
        D v = convert<D>(*s);
        for (int64_t i = 0; i < n; i++) d[i * ds] = v;
    } else
        for (int64_t i = 0; i < n; i++) d[i * ds] = convert<D>(s[i * ss]);
}
using ConvertFn = void (*)(char*, int64_t, const char*, int64_t, int64_t);

template <class D>
ConvertFn converter_to(DType s) {
    return dispatch(s, [](auto tag) -> ConvertFn { return &convert_strided<D, typename decltype(tag)::type>; });
}
ConvertFn converter(DType d, DType s) {
    return dispatch(d, [&](auto tag) { return converter_to<typename decltype(tag)::type>(s); });
}
// The kernels' number of a type, or -1.
int plain_index(DType t) { return t <= DType::Int64 ? int(t) : t == DType::Float32 ? 6 : t == DType::Float64 ? 7 : -1; }
constexpr int64_t kBlock = 1024;

void widen_to_complex(char* dst, DType dt, const char* src, DType st, int64_t n);

// Contiguous runs: between plain types directly; 16-bit floats go through float32, block by block.
bool convert_fast(char* dst, DType dt, const char* src, DType st, int64_t n) {
    const cpu::Kernels& k = cpu::kernels();
    if (dt == DType::Float32 && st == DType::BFloat16) k.bf16_to_f32((float*)dst, (const uint16_t*)src, n);
    else if (dt == DType::BFloat16 && st == DType::Float32) k.f32_to_bf16((uint16_t*)dst, (const float*)src, n);
    else if (dt == DType::Float32 && st == DType::Float16) k.f16_to_f32((float*)dst, (const uint16_t*)src, n);
    else if (dt == DType::Float16 && st == DType::Float32) k.f32_to_f16((uint16_t*)dst, (const float*)src, n);
    else if (dt == DType::Float64 && st == DType::Float32) k.f32_to_f64((double*)dst, (const float*)src, n);
    else if (dt == DType::Float32 && st == DType::Float64) k.f64_to_f32((float*)dst, (const double*)src, n);
    else if (int to = plain_index(dt), from = plain_index(st); to >= 0 && from >= 0) k.convert->to[to].from[from](dst, src, n);
    else if ((to >= 0 || is_reduced(dt)) && (from >= 0 || is_reduced(st))) {
        float wide[kBlock];
        for (int64_t i = 0; i < n; i += kBlock) {
            int64_t m = std::min(kBlock, n - i);
            convert_fast((char*)wide, DType::Float32, src + i * itemsize(st), st, m);
            convert_fast(dst + i * itemsize(dt), dt, (const char*)wide, DType::Float32, m);
        }
    } else if (is_complex(dt) && (from >= 0 || is_reduced(st))) widen_to_complex(dst, dt, src, st, n);
    else return false;
    return true;
}
// Real numbers beside zeros.
void widen_to_complex(char* dst, DType dt, const char* src, DType st, int64_t n) {
    alignas(64) static const char zeros[kBlock * 8] = {};
    alignas(64) char block[kBlock * 8];
    DType part = to_real(dt);
    for (int64_t i = 0; i < n; i += kBlock) {
        int64_t m = std::min(kBlock, n - i);
        const char* from = src + i * itemsize(st);
        if (part != st) convert_fast(block, part, from, st, m);
        cpu::kernels().interleave(dst + i * itemsize(dt), part != st ? block : from, zeros, int(itemsize(part)), m);
    }
}
// From any stride: gathered block by block first.
bool gather_fast(char* dst, DType dt, const char* src, DType st, int64_t ss, int64_t n) {
    if (ss == 1) return convert_fast(dst, dt, src, st, n);
    if (ss == 0 || (plain_index(dt) < 0 && !is_reduced(dt)) || (plain_index(st) < 0 && !is_reduced(st))) return false;
    alignas(64) char block[kBlock * 8];
    int64_t size = itemsize(st);
    for (int64_t i = 0; i < n; i += kBlock) {
        int64_t m = std::min(kBlock, n - i);
        cpu::kernels().gather(block, src + i * ss * size, ss, int(size), m);
        convert_fast(dst + i * itemsize(dt), dt, block, st, m);
    }
    return true;
}
struct Bytes16 {
    char b[16];
};
// Without conversion only the size matters.
void move_run(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n, int64_t size) {
    if (ds == 1 && ss == 1) {
        std::memcpy(dst, src, size_t(n * size));
        return;
    }
    if (ds == 1 && n >= 16) return ss == 0 ? cpu::kernels().fill(dst, src, int(size), n) : cpu::kernels().gather(dst, src, ss, int(size), n);
    auto go = [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* d = reinterpret_cast<T*>(dst);
        const T* s = reinterpret_cast<const T*>(src);
        if (ss == 0) {
            T v = *s;
            for (int64_t i = 0; i < n; i++) d[i * ds] = v;
        } else
            for (int64_t i = 0; i < n; i++) d[i * ds] = s[i * ss];
    };
    switch (size) {
        case 1: return go(Tag<uint8_t>{});
        case 2: return go(Tag<uint16_t>{});
        case 4: return go(Tag<uint32_t>{});
        case 8: return go(Tag<uint64_t>{});
        default: return go(Tag<Bytes16>{});
    }
}
}  // namespace

void convert_run(char* dst, DType dt, int64_t ds, const char* src, DType st, int64_t ss, int64_t n) {
    if (dt == st) move_run(dst, ds, src, ss, n, itemsize(dt));
    else if (ds == 1 && (n >= 16 || ss == 1) && gather_fast(dst, dt, src, st, ss, n)) return;
    else converter(dt, st)(dst, ds, src, ss, n);
}

Dims broadcast_strides(const Tensor& t, Ints sizes) {
    check(t.sizes().size() <= sizes.size(), "a tensor of shape ", t.sizes(), " cannot be expanded to the shape ", sizes);
    Dims r(sizes.size());
    size_t skip = sizes.size() - t.sizes().size();
    for (size_t i = 0; i < t.sizes().size(); i++) {
        int64_t from = t.sizes()[i], to = sizes[skip + i];
        check(from == to || from == 1, "a tensor of shape ", t.sizes(), " cannot be expanded to the shape ", sizes);
        r[skip + i] = from == 1 && to != 1 ? 0 : t.strides()[i];
    }
    return r;
}

// ---------------------------------------------------------------- loop geometry
namespace {
constexpr int kMaxOperands = 5;  // one out, four in
constexpr int64_t kChunk = 2048;

// Sizes and strides of all operands after the dimensions were ordered by the output's strides and merged.
struct Geometry {
    Dims sizes;
    Dims strides[kMaxOperands];
    int n;
};

Geometry simplify(Ints sizes, const Dims* strides, int n) {
    Dims order = stride_order(sizes, strides[0]);
    Geometry g;
    g.n = n;
    for (int64_t d : order) {
        if (sizes[d] == 1) continue;
        bool merge = !g.sizes.empty();
        for (int k = 0; merge && k < n; k++) merge = g.strides[k].back() == strides[k][d] * sizes[d];
        if (merge) {
            g.sizes[g.sizes.size() - 1] *= sizes[d];
            for (int k = 0; k < n; k++) g.strides[k][g.strides[k].size() - 1] = strides[k][d];
        } else {
            g.sizes.push_back(sizes[d]);
            for (int k = 0; k < n; k++) g.strides[k].push_back(strides[k][d]);
        }
    }
    if (g.sizes.empty()) {
        g.sizes.push_back(1);
        for (int k = 0; k < n; k++) g.strides[k].push_back(1);
    }
    return g;
}

// A position in the loop: the index of a row (all dimensions but the last) and the offsets of the operands there.
struct Cursor {
    const Geometry& g;
    Dims index;
    int64_t inner = 0;
    int64_t at[kMaxOperands] = {};
    Cursor(const Geometry& geometry, int64_t linear) : g(geometry), index(geometry.sizes.size()) {
        for (size_t d = g.sizes.size(); d-- > 0;) {
            index[d] = linear % g.sizes[d];
            linear /= g.sizes[d];
        }
        inner = index.back();
        for (int k = 0; k < g.n; k++)
            for (size_t d = 0; d < g.sizes.size(); d++) at[k] += index[d] * g.strides[k][d];
    }
    int64_t left_in_row() const { return g.sizes.back() - inner; }
    void advance(int64_t n) {  // n <= left_in_row()
        inner += n;
        for (int k = 0; k < g.n; k++) at[k] += n * g.strides[k].back();
        if (inner < g.sizes.back()) return;
        for (int k = 0; k < g.n; k++) at[k] -= inner * g.strides[k].back();
        inner = 0;
        if (g.sizes.size() > 1) advance_rows(1);
    }
    int64_t rows_left_in_plane() const { return g.sizes[g.sizes.size() - 2] - index[g.sizes.size() - 2]; }
    void advance_rows(int64_t n) {  // n <= rows_left_in_plane()
        for (size_t d = g.sizes.size() - 1; d-- > 0; n = 1) {
            index[d] += n;
            for (int k = 0; k < g.n; k++) at[k] += n * g.strides[k][d];
            if (index[d] < g.sizes[d]) return;
            for (int k = 0; k < g.n; k++) at[k] -= index[d] * g.strides[k][d];
            index[d] = 0;
        }
    }
};

struct Pointwise {
    PointwiseFn fn;
    const void* params;
    DType compute, result;
    char* out;
    DType out_type;
    const LoopInput* in;
    int n_in;
    Geometry g;

    DType wanted(int k) const { return in[k].as == DType::Undefined ? compute : in[k].as; }

    // Do rows go to the kernel as they lie, and are there enough of them in a plane?
    bool is_direct() const {
        bool yes = out_type == result && g.strides[0].back() == 1 && g.sizes.size() > 1 && g.sizes[g.sizes.size() - 2] >= 8;
        for (int k = 0; k < n_in; k++) yes = yes && in[k].dtype == wanted(k) && (g.strides[k + 1].back() == 1 || g.strides[k + 1].back() == 0);
        return yes;
    }
    void by_planes(int64_t begin, int64_t end) const {
        size_t last = g.sizes.size() - 1;
        int64_t row = g.sizes[last], step[kMaxOperands];
        unsigned scalars = 0;
        for (int k = 0; k <= n_in; k++) {
            step[k] = g.strides[k][last - 1] * itemsize(k ? in[k - 1].dtype : out_type);
            if (k && g.strides[k][last] == 0) scalars |= 1u << (k - 1);
        }
        for (int64_t n, rows; begin < end; begin += n * rows) {
            Cursor c(g, begin);
            n = std::min(c.left_in_row(), end - begin);
            rows = n == row ? std::min((end - begin) / row, g.sizes[last - 1] - c.index[last - 1]) : 1;
            char* o = out + c.at[0] * itemsize(out_type);
            const void* x[kMaxOperands];
            for (int k = 0; k < n_in; k++) x[k] = in[k].p + c.at[k + 1] * itemsize(in[k].dtype);
            for (int64_t i = 0; i < rows; i++, o += step[0]) {
                fn(o, x, n, scalars, params);
                for (int k = 0; k < n_in; k++) x[k] = static_cast<const char*>(x[k]) + step[k + 1];
            }
        }
    }
    // Rows are long enough to be handed to the kernel one by one.
    void by_rows(int64_t begin, int64_t end) const {
        if (is_direct()) return by_planes(begin, end);
        Cursor c(g, begin);
        alignas(64) char scratch[kMaxOperands][kChunk * 16];
        while (begin < end) {
            int64_t n = std::min({c.left_in_row(), end - begin, kChunk});
            const void* x[kMaxOperands];
            unsigned scalars = 0;
            bool direct_out = out_type == result && (g.strides[0].back() == 1 || n == 1);
            bool all_direct = direct_out;
            for (int k = 0; k < n_in; k++) all_direct &= in[k].dtype == wanted(k) && (g.strides[k + 1].back() == 1 || g.strides[k + 1].back() == 0);
            if (all_direct) n = std::min(c.left_in_row(), end - begin);
            for (int k = 0; k < n_in; k++) {
                int64_t s = g.strides[k + 1].back();
                const char* p = in[k].p + c.at[k + 1] * itemsize(in[k].dtype);
                if (s == 0) scalars |= 1u << k;
                if (in[k].dtype == wanted(k) && (s == 1 || s == 0)) x[k] = p;
                else {
                    convert_run(scratch[k + 1], wanted(k), 1, p, in[k].dtype, s, s == 0 ? 1 : n);
                    x[k] = scratch[k + 1];
                }
            }
            char* o = out + c.at[0] * itemsize(out_type);
            fn(direct_out ? o : scratch[0], x, n, scalars, params);
            if (!direct_out) convert_run(o, out_type, g.strides[0].back(), scratch[0], result, 1, n);
            c.advance(n);
            begin += n;
        }
    }
    // Short rows: several are gathered for one call of the kernel.
    void by_chunks(int64_t begin, int64_t end) const {
        alignas(64) char scratch[kMaxOperands][kChunk * 16];
        Cursor c(g, begin);
        int64_t rsize = itemsize(result);
        while (begin < end) {
            int64_t n = std::min(end - begin, kChunk);
            Cursor start = c;
            for (int64_t done = 0; done < n;) {
                int64_t m = std::min(c.left_in_row(), n - done);
                for (int k = 0; k < n_in; k++)
                    convert_run(scratch[k + 1] + done * itemsize(wanted(k)), wanted(k), 1, in[k].p + c.at[k + 1] * itemsize(in[k].dtype), in[k].dtype, g.strides[k + 1].back(), m);
                c.advance(m);
                done += m;
            }
            const void* x[kMaxOperands];
            for (int k = 0; k < n_in; k++) x[k] = scratch[k + 1];
            fn(scratch[0], x, n, 0, params);
            for (int64_t done = 0; done < n;) {
                int64_t m = std::min(start.left_in_row(), n - done);
                convert_run(out + start.at[0] * itemsize(out_type), out_type, g.strides[0].back(), scratch[0] + done * rsize, result, 1, m);
                start.advance(m);
                done += m;
            }
            begin += n;
        }
    }
};
}  // namespace

// Where the output and every input lie alike, or an input is one element, one row is all there is.
static Geometry flat_or_simplified(const Tensor& out, const Dims* strides, int n) {
    Geometry g;
    g.n = n;
    for (int k = 0; k < n; k++) {
        bool one = true;
        for (int64_t s : strides[k]) one &= s == 0;
        if (!out.is_contiguous() || !(one || strides[k] == strides[0])) return simplify(out.sizes(), strides, n);
        g.strides[k].push_back(k > 0 && one && !strides[k].empty() ? 0 : 1);
    }
    g.sizes.push_back(out.numel());
    return g;
}

// ---------------------------------------------------------------- few elements
namespace {
constexpr int64_t kFew = 64;
constexpr size_t kFewDims = 8;

bool in_order(Ints sizes, Ints strides) {
    int64_t run = 1;
    for (size_t i = sizes.size(); i-- > 0;) {
        if (sizes[i] != 1 && strides[i] != run) return false;
        run *= sizes[i];
    }
    return true;
}
bool all_zero(Ints strides) {
    for (int64_t s : strides)
        if (s) return false;
    return true;
}
// Between memory in order and memory with strides, element by element.
template <bool Gather, class T> void move_each(char* ordered, char* strided, Ints sizes, Ints strides) {
    T *flat = reinterpret_cast<T*>(ordered), *at = reinterpret_cast<T*>(strided);
    size_t last = sizes.size() - 1;
    int64_t index[kFewDims] = {}, n = sizes[last], step = strides[last];
    for (;;) {
        for (int64_t i = 0; i < n; i++, flat++) Gather ? *flat = at[i * step] : at[i * step] = *flat;
        size_t d = last;
        while (d-- > 0) {
            at += strides[d];
            if (++index[d] < sizes[d]) break;
            at -= strides[d] * sizes[d];
            index[d] = 0;
        }
        if (d == size_t(-1)) return;
    }
}
template <bool Gather> void move_few(char* ordered, char* strided, Ints sizes, Ints strides, int64_t size) {
    switch (size) {
        case 1: return move_each<Gather, uint8_t>(ordered, strided, sizes, strides);
        case 2: return move_each<Gather, uint16_t>(ordered, strided, sizes, strides);
        case 4: return move_each<Gather, uint32_t>(ordered, strided, sizes, strides);
        case 8: return move_each<Gather, uint64_t>(ordered, strided, sizes, strides);
        default: return move_each<Gather, Bytes16>(ordered, strided, sizes, strides);
    }
}

// Few elements are brought together and computed at once: a geometry would cost more than they do.
void run_few(PointwiseFn fn, const Tensor& out, const LoopInput* in, int n_in, DType compute, DType result, const void* params) {
    alignas(64) char scratch[kMaxOperands][kFew * 16], other[kFew * 16];
    const Dims& sizes = out.sizes();
    int64_t n = out.numel();
    const void* x[kMaxOperands];
    unsigned scalars = 0;
    for (int k = 0; k < n_in; k++) {
        DType wanted = in[k].as == DType::Undefined ? compute : in[k].as, have = in[k].dtype;
        const char* p = in[k].p;
        bool one = all_zero(in[k].strides);
        if (one) scalars |= unsigned(n > 1) << k;
        else if (!in_order(sizes, in[k].strides)) {
            char* to = have == wanted ? scratch[k + 1] : other;
            move_few<true>(to, const_cast<char*>(p), sizes, in[k].strides, itemsize(have));
            p = to;
        }
        if (have != wanted) {
            convert_run(scratch[k + 1], wanted, 1, p, have, 1, one ? 1 : n);
            p = scratch[k + 1];
        }
        x[k] = p;
    }
    bool direct = out.is_contiguous() && out.dtype() == result;
    fn(direct ? out.raw() : scratch[0], x, n, scalars, params);
    if (direct) return;
    if (out.is_contiguous()) return convert_run(out.raw(), out.dtype(), 1, scratch[0], result, 1, n);
    if (out.dtype() != result) convert_run(other, out.dtype(), 1, scratch[0], result, 1, n);
    move_few<false>(out.dtype() == result ? scratch[0] : other, out.raw(), sizes, out.strides(), itemsize(out.dtype()));
}
}  // namespace

static bool copy_transposed(const Geometry& g, char* dst, const char* src, int64_t size);

// An operand that lies across the loop is turned first, by tiles, into memory that `turned` owns: element by element each
// would be fetched from another line.
static void turn(Geometry& g, int k, LoopInput& in, std::vector<std::unique_ptr<cpu::Buffer<char>>>& turned) {
    Geometry copy;
    copy.n = 2, copy.sizes = g.sizes, copy.strides[0] = contiguous_strides(g.sizes), copy.strides[1] = g.strides[k];
    int64_t size = itemsize(in.dtype);
    auto room = std::make_unique<cpu::Buffer<char>>(product(g.sizes) * size);
    if (!copy_transposed(copy, room->data, in.p, size)) return;
    g.strides[k] = copy.strides[0], in.p = room->data;
    turned.push_back(std::move(room));
}

// Where the innermost rows are a few elements, the longest dimension whose rows lie close by takes their place.
static void lengthen_rows(Geometry& g) {
    size_t last = g.sizes.size() - 1, longest = last;
    if (last == 0 || g.sizes[last] >= 8) return;
    auto near = [&](size_t d) {
        for (int k = 0; k < g.n; k++)
            if (std::abs(g.strides[k][d]) > 16) return false;
        return true;
    };
    for (size_t d = 0; d < last; d++)
        if (g.sizes[d] >= 64 && g.sizes[d] > g.sizes[longest] && near(d)) longest = d;
    std::swap(g.sizes[longest], g.sizes[last]);
    for (int k = 0; k < g.n; k++) std::swap(g.strides[k][longest], g.strides[k][last]);
}

void run_pointwise(PointwiseFn fn, const Tensor& out, const LoopInput* in, int n_in, DType compute, DType result, const void* params, int64_t grain) {
    int64_t numel = out.numel();
    if (numel == 0) return;
    if (numel <= kFew && out.sizes().size() <= kFewDims) return run_few(fn, out, in, n_in, compute, result, params);
    Dims strides[kMaxOperands];
    strides[0] = out.strides();
    for (int k = 0; k < n_in; k++) strides[k + 1] = in[k].strides;
    Pointwise job{fn, params, compute, result, out.raw(), out.dtype(), in, n_in, flat_or_simplified(out, strides, n_in + 1)};
    std::vector<LoopInput> own;
    std::vector<std::unique_ptr<cpu::Buffer<char>>> turned;
    for (int k = 0; k < n_in && numel >= kChunk && job.g.sizes.size() > 1; k++) {
        int64_t step = job.g.strides[k + 1].back();
        if (step == 0 || step == 1) continue;
        if (own.empty()) own.assign(in, in + n_in), job.in = own.data();
        turn(job.g, k + 1, own[size_t(k)], turned);
    }
    in = job.in;
    lengthen_rows(job.g);
    bool direct = out.dtype() == result && job.g.strides[0].back() == 1;  // no conversion and no gaps: no chunks needed
    for (int k = 0; k < n_in; k++) direct &= in[k].dtype == job.wanted(k) && job.g.strides[k + 1].back() <= 1 && job.g.strides[k + 1].back() >= 0;
    if (job.g.sizes.back() >= (direct ? 16 : 64) || job.g.sizes.size() == 1)
        cpu::parallel_for(numel, grain, [&](int64_t a, int64_t b) { job.by_rows(a, b); });
    else
        cpu::parallel_for(numel, grain, [&](int64_t a, int64_t b) { job.by_chunks(a, b); });
}

// ---------------------------------------------------------------- copy and fill
// Copies between two orders of dimensions where the inner one of the source is not the destination's: by tiles.
static bool copy_transposed(const Geometry& g, char* dst, const char* src, int64_t size) {
    size_t n = g.sizes.size();
    if (n < 2 || g.strides[0][n - 1] != 1 || g.strides[1][n - 1] == 1) return false;
    size_t r = n;
    for (size_t d = 0; d + 1 < n; d++)
        if (g.strides[1][d] == 1) r = d;
    if (r == n || g.sizes[r] < 8 || g.sizes[n - 1] < 8) return false;
    // every pair (r, last) is a plain matrix transposition; the other dimensions are batches
    Geometry outer;
    outer.n = 2;
    for (size_t d = 0; d + 1 < n; d++) {
        if (d == r) continue;
        outer.sizes.push_back(g.sizes[d]);
        for (int k = 0; k < 2; k++) outer.strides[k].push_back(g.strides[k][d]);
    }
    int64_t batches = product(outer.sizes), rows = g.sizes[r], cols = g.sizes[n - 1];
    if (outer.sizes.empty()) {
        outer.sizes.push_back(1);
        for (int k = 0; k < 2; k++) outer.strides[k].push_back(0);
    }
    constexpr int64_t band = 64;
    int64_t bands = (rows + band - 1) / band;
    bool stream = batches * rows * cols * size >= (int64_t(32) << 20);
    cpu::parallel_for(batches * bands, grain_for(cols * std::min(rows, band)), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            Cursor c(outer, i / bands);
            int64_t r0 = i % bands * band, h = std::min(band, rows - r0);
            cpu::kernels().transpose(dst + (c.at[0] + r0 * g.strides[0][r]) * size, src + (c.at[1] + r0) * size, cols, h, g.strides[1][n - 1], g.strides[0][r], int(size), stream);
        }
    });
    return true;
}

// Rows of at most 32 bytes that both sides have without gaps.
static void move_rows(char* to, int64_t to_next, const char* from, int64_t from_next, int64_t bytes, int64_t count) {
    auto move = [&](auto size) {
        for (int64_t i = 0; i < count; i++) std::memcpy(to + i * to_next, from + i * from_next, size_t(size));
    };
    using std::integral_constant;
    if (bytes == 4) move(integral_constant<int, 4>());
    else if (bytes == 8) move(integral_constant<int, 8>());
    else if (bytes == 16) move(integral_constant<int, 16>());
    else move(bytes);
}

// Rows too short for a call each: for every place in the row, that place of many rows at once, along that of the other
// dimensions, if long enough, whose neighbours lie closest.
static bool copy_short_rows(const Geometry& g, char* dst, DType dt, const char* src, DType st) {
    size_t n = g.sizes.size(), along = 0;
    if (n < 2 || g.sizes[n - 1] > 8) return false;
    auto far = [&](size_t d) { return std::abs(g.strides[0][d]) + std::abs(g.strides[1][d]); };
    for (size_t d = 1; d + 1 < n; d++)
        if (g.sizes[along] < 16 || (g.sizes[d] >= 16 && far(d) <= far(along))) along = d;
    if (g.sizes[along] < 16) return false;
    constexpr int64_t most = 1024;  // rows, so that what is written stays in the cache
    int64_t row = g.sizes[n - 1], rows = g.sizes[along], parts = (rows + most - 1) / most;
    int64_t dsize = itemsize(dt), ssize = itemsize(st);
    Geometry outer;
    outer.n = 2;
    for (size_t d = 0; d + 1 < n; d++) {
        if (d == along) continue;
        outer.sizes.push_back(g.sizes[d]);
        for (int k = 0; k < 2; k++) outer.strides[k].push_back(g.strides[k][d]);
    }
    if (n == 2) {
        outer.sizes.push_back(1);
        for (int k = 0; k < 2; k++) outer.strides[k].push_back(0);
    }
    int64_t to_next = g.strides[0][along], from_next = g.strides[1][along];
    bool pairs = dt == st && row == 2 && dsize <= 8 && to_next == 2 && from_next == 1 && g.strides[0][n - 1] == 1;
    bool whole = dt == st && g.strides[0][n - 1] == 1 && g.strides[1][n - 1] == 1 && row * dsize <= 32;
    cpu::parallel_for(product(outer.sizes) * parts, grain_for(row * std::min(rows, most)), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) {
            Cursor c(outer, i / parts);
            int64_t first = i % parts * most, count = std::min(most, rows - first);
            int64_t to = c.at[0] + first * to_next, from = c.at[1] + first * from_next;
            if (whole) move_rows(dst + to * dsize, to_next * dsize, src + from * dsize, from_next * dsize, row * dsize, count);
            else if (pairs) cpu::kernels().interleave(dst + to * dsize, src + from * dsize, src + (from + g.strides[1][n - 1]) * dsize, int(dsize), count);
            else for (int64_t j = 0; j < row; j++)
                convert_run(dst + (to + j * g.strides[0][n - 1]) * dsize, dt, to_next, src + (from + j * g.strides[1][n - 1]) * ssize, st, from_next, count);
        }
    });
    return true;
}

// Few elements, where one of the two is in order.
static bool copy_few(const Tensor& dst, const Tensor& src) {
    int64_t size = itemsize(src.dtype()), n = dst.numel();
    bool same_type = dst.dtype() == src.dtype(), flat = src.is_contiguous() && same(dst.sizes(), src.sizes());
    if (dst.is_contiguous()) {
        if (flat) return convert_run(dst.raw(), dst.dtype(), 1, src.raw(), src.dtype(), 1, n), true;
        alignas(16) char own[kFew * 16];
        char* to = same_type ? dst.raw() : own;
        if (dst.sizes().empty()) return false;
        move_few<true>(to, src.raw(), dst.sizes(), broadcast_strides(src, dst.sizes()), size);
        if (!same_type) convert_run(dst.raw(), dst.dtype(), 1, own, src.dtype(), 1, n);
        return true;
    }
    if (!flat || !same_type) return false;
    move_few<false>(src.raw(), dst.raw(), dst.sizes(), dst.strides(), size);
    return true;
}

// Rows of the result without gaps: a plane of them for each call.
static bool copy_planes(const Geometry& g, char* d, const char* s, int64_t size) {
    size_t last = g.sizes.size() - 1;
    if (last == 0 || g.strides[0][last] != 1) return false;
    int64_t n = g.sizes[last], rows = product(Ints(g.sizes).first(last)), step = g.strides[1][last], to_next = g.strides[0][last - 1], from_next = g.strides[1][last - 1];
    bool far = step == 1 && from_next != 0 && n * size >= 2048 && rows * n * size > (2 << 20);  // see cpu::row_copy; a row that is repeated is at hand
    cpu::parallel_for(rows, grain_for(n), [&](int64_t a, int64_t b) {
        Cursor c(g, a * n);
        for (int64_t m; a < b; a += m, c.advance_rows(m)) {
            m = std::min(b - a, c.rows_left_in_plane());
            char* to = d + c.at[0] * size;
            const char* from = s + c.at[1] * size;
            if (far)
                for (int64_t i = 0; i < m; i++) cpu::copy_far_row(to + i * to_next * size, from + i * from_next * size, n * size);
            else cpu::kernels().copy_plane(to, from, m, n, to_next, from_next, step, int(size));
        }
    });
    return true;
}

void copy_raw(const Tensor& dst, const Tensor& src) {
    if (dst.numel() == 0) return;
    int64_t size = itemsize(dst.dtype());
    if (dst.dtype() == src.dtype() && dst.is_contiguous() && src.is_contiguous() && same(dst.sizes(), src.sizes())) {
        char* d = dst.raw();
        const char* s = src.raw();
        if (d != s) cpu::parallel_for(dst.numel() * size, 1 << 18, [&](int64_t a, int64_t b) { std::memmove(d + a, s + a, size_t(b - a)); });
        return;
    }
    char* d = dst.raw();
    const char* s = src.raw();
    if (dst.numel() <= kFew && dst.sizes().size() <= kFewDims && copy_few(dst, src)) return;
    Dims strides[2] = {dst.strides(), broadcast_strides(src, dst.sizes())};
    Geometry g = simplify(dst.sizes(), strides, 2);
    if (dst.dtype() == src.dtype() && copy_transposed(g, d, s, size)) return;
    DType dt = dst.dtype(), st = src.dtype();
    bool runs = dt == st && g.strides[1].back() == 1 && g.sizes.back() >= 4;
    if (runs && copy_planes(g, d, s, size)) return;
    if (copy_short_rows(g, d, dt, s, st)) return;
    if (dt == st && copy_planes(g, d, s, size)) return;
    cpu::parallel_for(dst.numel(), kGrain, [&](int64_t a, int64_t b) {
        Cursor c(g, a);
        while (a < b) {
            int64_t n = std::min(c.left_in_row(), b - a);
            convert_run(d + c.at[0] * size, dt, g.strides[0].back(), s + c.at[1] * itemsize(st), st, g.strides[1].back(), n);
            c.advance(n);
            a += n;
        }
    });
}

void fill_raw(const Tensor& dst, const Scalar& value) {
    if (dst.numel() == 0) return;
    if (is_non_overlapping_and_dense(dst)) {
        char v[16];
        dispatch(dst.dtype(), [&](auto tag) {
            auto x = value.to<typename decltype(tag)::type>();
            std::memcpy(v, &x, sizeof x);
        });
        char* p = dst.raw();
        int64_t size = itemsize(dst.dtype());
        cpu::parallel_for(dst.numel(), 2 * kGrain, [&](int64_t a, int64_t b) { cpu::kernels().fill(p + a * size, v, int(size), b - a); });
        return;
    }
    copy_raw(dst, scalar_tensor(value, dst.dtype()));
}

// ---------------------------------------------------------------- lazy bits
Tensor resolve(const Tensor& t) {
    if (!t.lazy()) return t;
    Tensor plain = alias(t);
    plain->conj = plain->neg = false;
    Tensor r = empty_preserved(t, t.dtype());
    copy_raw(r, plain);
    dispatch(t.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (!std::is_same_v<T, bool>) {
            using W = std::conditional_t<std::is_same_v<T, ComplexHalf>, c64, std::conditional_t<is_small_float_v<T>, float, T>>;  // in which it is negated
            T* p = r.data<T>();
            int64_t n = r.numel();
            if constexpr (is_complex_v<W>)
                if (t->conj)
                    for (int64_t i = 0; i < n; i++) p[i] = T(std::conj(W(p[i])));
            if (t->neg)
                for (int64_t i = 0; i < n; i++) p[i] = T(-W(p[i]));
        }
    });
    return r;
}

Tensor contiguous(const Tensor& t) {
    if (t.is_contiguous() && !t.lazy()) return t;
    if (t.lazy()) return contiguous(resolve(t));
    Tensor r = empty(t.sizes(), t.dtype(), t.device());
    if (!t.is_meta()) copy_raw(r, t);
    return r;
}

Tensor cast_raw(const Tensor& t, DType dtype) {
    if (t.dtype() == dtype) return contiguous(t);
    Tensor r = empty(t.sizes(), dtype, t.device());
    if (!t.is_meta()) copy_raw(r, resolve(t));
    return r;
}

}  // namespace rl
