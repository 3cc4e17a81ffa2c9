// Padding: with a constant, or with values of the tensor itself.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "core/iterate.h"
#include "core/op.h"
#include "core/ops.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/factory.h"

namespace rl {

enum class Padding { Constant, Reflect, Replicate, Circular };
static Padding padding_of(const std::string& mode) {
    constexpr std::string_view names[] = {"constant", "reflect", "replicate", "circular"};
    for (int i = 0; i < 4; i++)
        if (mode.size() == names[i].size() && mode[2] == names[i][2] && mode == names[i]) return Padding(i);
    raise(Err::NotImplemented, "Unrecognised padding mode ", mode);
}

static int64_t padded_size(int64_t n, int64_t before, int64_t behind) {
    constexpr int64_t most = int64_t(1) << 60;  // so that sums of places do not overflow
    check(before >= -most && before <= most && behind >= -most && behind <= most && n <= most, "pad: padding ", before, " and ", behind, " of a dimension of size ", n, " is beyond what a tensor can have");
    return n + before + behind;
}

// Writes where the before + n + behind places of a padded dimension take their values from: the index in a dimension of size n,
// or -1 for none. Circular padding repeats what cutting leaves.
static void pad_places(int64_t* r, Padding mode, int64_t n, int64_t before, int64_t behind) {
    int64_t size = before + n + behind, first = std::max<int64_t>(-before, 0), left = n - first - std::max<int64_t>(-behind, 0);
    auto fill = [&](auto&& place) {
        for (int64_t i = 0; i < size; i++) r[i] = place(i - before);
    };
    if (mode == Padding::Constant) fill([&](int64_t at) { return at < 0 || at >= n ? -1 : at; });
    else if (mode == Padding::Reflect) fill([&](int64_t at) { return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at; });
    else if (mode == Padding::Replicate) fill([&](int64_t at) { return std::clamp<int64_t>(at, 0, n - 1); });
    else fill([&](int64_t at) { return first + ((at + before - std::max<int64_t>(before, 0)) % left + left) % left; });
}

// Rows of `width` places, `step` apart in x: those before and behind the part that is copied as it stands are taken one by one.
template <class T> static void pad_block(T* to, const T* from, int64_t rows, int64_t step, const int64_t* places, int64_t head, int64_t tail, int64_t width, const T& value) {
    if (tail > head) cpu::kernels().copy_plane(to + head, from + places[head], rows, tail - head, width, step, 1, sizeof(T));
    for (int64_t r = 0; r < rows; r++, to += width, from += step) {
        for (int64_t i = 0; i < head; i++) to[i] = places[i] < 0 ? value : from[places[i]];
        for (int64_t i = tail; i < width; i++) to[i] = places[i] < 0 ? value : from[places[i]];
    }
}

// Fills the contiguous r from the contiguous x by rows; value stands where a dimension has no place for an index.
template <class T> static void pad_rows(const Tensor& r, const Tensor& x, const Dims& pad, Padding mode, const T& value) {
    // The padded dimensions, and before them all others as one. A dimension's places begin at starts[d] of `places`.
    int64_t padded = int64_t(pad.size()) / 2, first = r.dim() - padded, ndim = padded + 1;
    size_t total = size_t(std::accumulate(r.sizes().begin() + first, r.sizes().end(), int64_t(0)));
    int64_t few[64];
    std::vector<int64_t> many(total > std::size(few) ? total : 0);
    int64_t* places = many.empty() ? few : many.data();
    Dims sizes{product(Ints(r.sizes()).first(size_t(first)))}, strides{product(Ints(x.sizes()).subspan(size_t(first)))}, starts{0, 0};
    for (int64_t d = first; d < r.dim(); d++) {
        size_t k = size_t(2 * (r.dim() - 1 - d));
        pad_places(places + starts.back(), mode, x.sizes()[d], pad[k], pad[k + 1]);
        sizes.push_back(r.sizes()[d]), strides.push_back(x.strides()[d]), starts.push_back(starts.back() + r.sizes()[d]);
    }
    int64_t before = pad[0], n = x.sizes().back(), width = r.sizes().back();
    const int64_t* last = places + starts[size_t(ndim - 1)];
    int64_t head = std::clamp<int64_t>(before, 0, width), tail = std::clamp<int64_t>(before + n, head, width);
    if (tail - head < 8) head = tail = width;  // a call would cost more
    T* out = reinterpret_cast<T*>(r.raw());
    const T* in = reinterpret_cast<const T*>(x.raw());
    cpu::parallel_for(r.numel() / width, grain_for(width), [&](int64_t a, int64_t b) {
        Dims index(size_t(ndim), 0);
        int64_t rest = a;
        for (size_t d = size_t(ndim - 1); d-- > 0; rest /= sizes[d]) index[d] = rest % sizes[d];
        constexpr int64_t together = 8;  // rows, so that a block is still in the cache when its edges are written
        size_t inner = size_t(ndim - 2);
        for (int64_t row = a, run; row < b; row += run) {
            int64_t from = index[0] * strides[0];
            bool outside = false;
            for (size_t d = inner; d > 0; d--) {
                int64_t at = places[size_t(starts[d] + index[d])];
                outside |= at < 0;
                from += at * strides[d];
            }
            // Rows that follow each other in x as they do here are written together.
            int64_t limit = outside ? 1 : std::min({b - row, sizes[inner] - index[inner], together});
            const int64_t* at = inner ? places + starts[inner] + index[inner] : nullptr;
            for (run = 1; run < limit && (!at || at[run] == at[0] + run);) run++;
            if (outside) cpu::kernels().fill(out + row * width, &value, int(sizeof(T)), width);
            else pad_block(out + row * width, in + from, run, strides[inner], last, head, tail, width, value);
            index[inner] += run;
            for (size_t d = inner; d > 0 && index[d] == sizes[d]; d--) index[d] = 0, index[d - 1]++;
        }
    });
}
static void pad_into(const Tensor& r, const Tensor& x, const Dims& pad, Padding mode, const Scalar& value) {
    Tensor plain = contiguous(x);
    dispatch(r.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        pad_rows<T>(r, plain, pad, mode, value.to<T>());
    });
}

struct ConstantPad : Op<ConstantPad> {
    SIG("constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor");
    DOC("value before and behind each dimension; pad counts from the last dimension, negative numbers cut off.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& pad, const Scalar& value) {
        check_fits(value, self.dtype());
        check(pad.size() % 2 == 0, "Length of pad must be even but instead it equals ", pad.size());
        check(int64_t(pad.size()) <= 2 * self.dim(), "Length of pad should be no more than twice the number of dimensions of the input. Pad length is ", pad.size(), " while the input has ", self.dim(), " dimensions.");
        Dims sizes = self.sizes();
        for (size_t k = 0; k < pad.size() / 2; k++) {
            int64_t d = self.dim() - 1 - int64_t(k);
            sizes[d] = padded_size(sizes[d], pad[2 * k], pad[2 * k + 1]);
            check(sizes[d] >= 0, "The input size ", self.sizes()[d], ", plus negative padding ", pad[2 * k], " and ", pad[2 * k + 1], " resulted in a negative output size, which is invalid. Check dimension ", d, " of your input.");
        }
        Tensor r = make(self, sizes);
        if (r.is_meta() || r.numel() == 0) return r;
        // Row by row, each written once; many short rows are copied faster into a filled tensor.
        bool by_rows = r.numel() <= 4096 || r.sizes().back() >= 256;
        if (by_rows && !pad.empty() && self.numel() > 0 && self.is_contiguous() && r.is_contiguous()) {
            pad_into(r, self, pad, Padding::Constant, value);
            return r;
        }
        fill_raw(r, value);
        // the part of self that stays, and its place in the result
        Tensor s = resolve(self);
        Dims kept = self.sizes();
        int64_t from = s->offset, to = 0;
        for (size_t k = 0; k < pad.size() / 2; k++) {
            int64_t d = self.dim() - 1 - int64_t(k), before = pad[2 * k], behind = pad[2 * k + 1];
            kept[d] += std::min<int64_t>(before, 0) + std::min<int64_t>(behind, 0);
            if (kept[d] <= 0) return r;
            from += std::max<int64_t>(-before, 0) * s.strides()[d];
            to += std::max<int64_t>(before, 0) * r.strides()[d];
        }
        copy_raw(alias(r, kept, r.strides(), to), alias(s, kept, s.strides(), from));
        return r;
    }
    static Tensor make(const Tensor& self, const Dims& sizes) {
        if (self.dim() == 4 && !self.is_contiguous() && same(self.strides(), format_strides("pad", self.sizes(), MemoryFormat::ChannelsLast)))
            return empty_strided(sizes, format_strides("pad", sizes, MemoryFormat::ChannelsLast), self.dtype(), self.device());
        return empty(sizes, self.dtype(), self.device());
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Dims back = c.arg<1>();
        for (auto& n : back) n = -n;
        return {call<ConstantPad>(g, back, Scalar(0))};
    }
};
OP(ConstantPad);

static Tensor pad_indices(Padding mode, int64_t n, int64_t before, int64_t behind) {
    Tensor r = empty(Dims{before + n + behind}, DType::Int64);
    pad_places(r.data<int64_t>(), mode, n, before, behind);
    return r;
}

static void check_amount(const Tensor& t, Padding mode, int64_t d, int64_t before, int64_t behind, int64_t k) {
    int64_t n = t.sizes()[d];
    if (mode == Padding::Reflect) check(before < n && behind < n, "Argument #", 4 + 2 * k, ": Padding size should be less than the corresponding input dimension, but got: padding (", before, ", ", behind, ") at dimension ", d, " of input ", t.sizes());
    if (mode == Padding::Circular) check(before <= n && behind <= n, "Padding value causes wrapping around more than once.");
    check(padded_size(n, before, behind) >= (mode == Padding::Circular ? 0 : 1), mode == Padding::Circular ? "Negative padding value is resulting in an empty dimension" : "pad: the input is too small", " (padding (", before, ", ", behind, ") at dimension ", d, " of input ", t.sizes(), ")");
}
static void check_padding(const Tensor& self, const Dims& pad, Padding mode) {
    int64_t spatial = int64_t(pad.size()) / 2;
    check(spatial >= 1 && spatial <= 3 && (self.dim() == spatial + 1 || self.dim() == spatial + 2), Err::NotImplemented, "Padding size ", pad.size(), " is not supported for ", self.dim(), "D input tensor.");
    for (int64_t d = self.dim() == spatial + 1 ? 0 : 1; d < self.dim(); d++)
        check(self.sizes()[d] != 0, "Expected ", spatial + 1, "D or ", spatial + 2, "D tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ", self.sizes(), " (pad)");
    for (int64_t k = 0; k < spatial; k++) check_amount(self, mode, self.dim() - 1 - k, pad[2 * k], pad[2 * k + 1], k);
}

// Reflection and replication; the gradient goes back to the places that values came from.
struct PadEdge : Op<PadEdge> {
    SIG("_pad_edge(Tensor self, int[] pad, str mode) -> Tensor");
    DOC("The last dimensions padded with values of self.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>>;
    static Dims padded_sizes(const Tensor& self, const Dims& pad, Padding mode) {
        check((mode == Padding::Reflect || mode == Padding::Replicate) && pad.size() % 2 == 0, "_pad_edge: reflection and replication of an even number of sides, but got padding ", pad);
        check_padding(self, pad, mode);
        Dims sizes = self.sizes();
        for (size_t k = 0; k < pad.size() / 2; k++) sizes[self.dim() - 1 - int64_t(k)] += pad[2 * k] + pad[2 * k + 1];  // checked above
        return sizes;
    }
    static Tensor forward(const Tensor& self, const Dims& pad, const std::string& mode) {
        Padding kind = padding_of(mode);
        Tensor r = empty(padded_sizes(self, pad, kind), self.dtype(), self.device());
        if (!r.is_meta() && r.numel()) pad_into(r, self, pad, kind, Scalar(0));
        return r;
    }
    struct Backward : Op<Backward> {
        SIG("_pad_edge_backward(Tensor grad_output, Tensor self, int[] pad, str mode) -> Tensor");
        DOC("Gradient of _pad_edge.");
        FORMS(FUNCTION);
        static Tensor forward(const Tensor& g, const Tensor& self, const Dims& pad, const std::string& mode) {
            Padding kind = padding_of(mode);
            Dims expected = padded_sizes(self, pad, kind);
            check(g.sizes() == expected, "_pad_edge_backward: a gradient of shape ", g.sizes(), " where ", expected, " is expected");
            NoGrad guard;
            Tensor r = g;
            for (size_t k = pad.size() / 2; k-- > 0;) {
                int64_t d = self.dim() - 1 - int64_t(k);
                if (!pad[2 * k] && !pad[2 * k + 1]) continue;
                Dims sizes = r.sizes();
                sizes[d] = self.sizes()[d];
                r = index_add(zeros(sizes, r.dtype(), r.device()), d, pad_indices(kind, sizes[d], pad[2 * k], pad[2 * k + 1]), r);
            }
            return r.is(g) ? clone_raw(g) : r;
        }
        static Grads backward(Ctx& c, const Tensor& g) {
            Grads r(2);
            if (c.needs<0>()) r[0] = call<PadEdge>(g, c.arg<2>(), c.arg<3>());
            if (c.needs<1>()) r[1] = zeros(c.sizes<1>(), g.dtype(), g.device());
            return r;
        }
    };
    static Grads backward(Ctx& c, const Tensor& g);
};
OP(PadEdge);
static const Registrar<PadEdge::Backward> register_pad_edge_backward;
Grads PadEdge::backward(Ctx& c, const Tensor& g) { return {call<Backward>(g, c.in<0>(), c.arg<1>(), c.arg<2>())}; }

struct PadMode : Composite<PadMode> {
    SIG("nn::pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor");
    DOC("The last dimensions padded, two numbers for each from the last one on; mode constant, reflect, replicate or circular.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& pad, const std::string& mode, const OptFloat& value) {
        check(pad.size() % 2 == 0, "Padding length must be divisible by 2");
        check(int64_t(pad.size()) <= 2 * self.dim(), "Padding length should be less than or equal to two times the input dimension but got padding length ", pad.size(), " and input of dimension ", self.dim());
        Padding kind = padding_of(mode);
        if (kind == Padding::Constant) return call<ConstantPad>(self, pad, Scalar(value.value_or(0)));
        check(!value || *value == 0, "Padding mode \"", mode, "\" doesn't take in value argument");
        if (kind != Padding::Circular) return call<PadEdge>(self, pad, mode);
        check_padding(self, pad, kind);
        Tensor r = self;
        for (int64_t k = 0; k < int64_t(pad.size()) / 2; k++)
            if (pad[2 * k] || pad[2 * k + 1]) r = index_select(r, r.dim() - 1 - k, pad_indices(kind, self.sizes()[r.dim() - 1 - k], pad[2 * k], pad[2 * k + 1]));
        return r.is(self) ? clone(self) : r;
    }
};
OP(PadMode);

}  // namespace rl
