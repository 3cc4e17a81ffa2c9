// Pooling: maximum and mean over windows, fixed or adaptive, and their gradients.
#include "ops/pool.h"

#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/pool.h"
#include "ops/recompute.h"

namespace rl {

namespace {
// A pooling's windows: a number for each of n spatial dimensions.
struct PoolOptions {
    size_t n;
    const char* op;
    const Dims &kernel, &stride, &padding, &dilation;
    bool ceil_mode;
};

// d, or in `room` a list of n numbers that it stands for.
const Dims& for_each_dim(const Dims& d, const PoolCall& o, const char* what, int64_t otherwise, Dims& room) {
    if (d.size() == o.n) return d;
    room = d.empty() ? Dims(o.n, otherwise) : d.size() == 1 ? Dims(o.n, d[0]) : d;
    check(room.size() == o.n, o.op, ": ", what, " must either be a single int, or a tuple of ", o.n, " ints, got ", d);
    return room;
}

void check_options(const PoolOptions& o) {
    for (size_t i = 0; i < o.n; i++) {
        check(o.stride[i] != 0, "stride should not be zero (", o.op, ")");
        check(o.kernel[i] > 0, "kernel size should be greater than zero, but got kernel_size ", o.kernel, " (", o.op, ")");
        check(o.stride[i] > 0, "stride should be greater than zero, but got stride ", o.stride, " (", o.op, ")");
        check(o.dilation[i] > 0, "dilation should be greater than zero, but got dilation ", o.dilation, " (", o.op, ")");
        check(o.padding[i] >= 0, "pad must be non-negative, but got pad: ", o.padding[i], " (", o.op, ")");
        int64_t reach = (o.kernel[i] - 1) * o.dilation[i] + 1;
        check(o.padding[i] <= reach / 2, "pad should be at most half of effective kernel size, but got pad=", o.padding[i], ", kernel_size=", o.kernel[i], " and dilation=", o.dilation[i], " (", o.op, ")");
    }
}

void check_input(const Tensor& input, size_t n, const char* op) {
    const Dims& s = input.sizes();
    bool ok = s.size() == n + 1 || s.size() == n + 2;
    for (size_t d = s.size() == n + 2 ? 1 : 0; d < s.size(); d++) ok = ok && s[d] > 0;
    check(ok, op, ": Expected ", n + 1, "D or ", n + 2, "D (batch mode) tensor with optional 0 dim batch size for input, but got:", s);
}

// Positions of a window along one dimension. The last one must begin inside the input or its left padding.
int64_t positions(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode) {
    int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    int64_t n = (room >= 0 ? room / stride : -((-room + stride - 1) / stride)) + 1;
    return ceil_mode && (n - 1) * stride >= size + padding ? n - 1 : n;
}

Dims output_positions(const Tensor& input, const PoolOptions& o) {
    check(o.n >= 1 && o.n <= 3 && o.stride.size() == o.n && o.padding.size() == o.n && o.dilation.size() >= o.n, o.op, ": expected kernel_size, stride, padding and dilation for 1 to 3 dimensions, got ", o.kernel, ", ", o.stride, ", ", o.padding, " and ", o.dilation);
    check_options(o);
    check_input(input, o.n, o.op);
    Dims r;
    const Dims& s = input.sizes();
    Ints spatial = Ints(s).subspan(s.size() - o.n);
    for (size_t i = 0; i < o.n; i++) r.push_back(positions(spatial[i], o.kernel[i], o.stride[i], o.padding[i], o.dilation[i], o.ceil_mode));
    for (int64_t p : r)
        if (p < 1) raise(Err::Runtime, "Given input size: ", Dims(Ints(s).subspan(s.size() - o.n - 1)), ". Calculated output size: ", r, ". Output size is too small (", o.op, ")");
    return r;
}

cpu::PoolShape pool_shape(const Dims& input, const Dims& output, size_t n) {
    cpu::PoolShape s;
    s.dims = int(n);
    s.batch = input.size() == n + 2 ? input[0] : 1;
    s.channels = input[input.size() - n - 1];
    for (size_t i = 0; i < n; i++) s.input[i] = input[input.size() - n + i], s.output[i] = output[i];
    s.adaptive = true;
    return s;
}
cpu::PoolShape pool_shape(const Dims& input, const Dims& output, const PoolOptions& o) {
    cpu::PoolShape s = pool_shape(input, output, o.n);
    s.adaptive = false;
    for (size_t i = 0; i < o.n; i++) s.kernel[i] = o.kernel[i], s.stride[i] = o.stride[i], s.padding[i] = o.padding[i], s.dilation[i] = o.dilation[i];
    return s;
}

Dims with_positions(const Dims& input, const Dims& output) {
    check(input.size() >= output.size(), "pooling over ", output.size(), " dimensions of a tensor of shape ", input);
    Dims r(Ints(input).first(input.size() - output.size()));
    for (int64_t p : output) r.push_back(p);
    return r;
}

// The sizes of the last n dimensions of a gradient, which must agree with the input in the others.
Dims positions_of(const Dims& gradient, const Dims& input, size_t n) {
    check(n < input.size() && n >= 1 && n <= 3 && gradient.size() == input.size() && Dims(Ints(gradient).first(input.size() - n)) == Dims(Ints(input).first(input.size() - n)),
          "pooling: a gradient of shape ", gradient, " does not fit an input of shape ", input);
    return Dims(Ints(gradient).subspan(gradient.size() - n));
}

// Without a batch the planes are read as they lie: a channels-last view needs four or five dimensions.
Image pool_image(const Tensor& t, size_t n) {
    if (size_t(t.dim()) == n + 2) return image_of(t);
    return {contiguous(t), cpu::Layout::Planar};
}
Tensor pool_result(const Dims& sizes, DType t, const Image& like) {
    return empty_image(sizes, t, Device::CPU, like.layout == cpu::Layout::ChannelsLast);
}
// t in the order in which `like` lies.
Tensor in_layout(const Tensor& t, const Image& like, size_t n) {
    Image i = pool_image(t, n);
    if (i.layout == like.layout || t.numel() == 0) return i.t;
    Tensor r = pool_result(t.sizes(), t.dtype(), like);
    copy_raw(r, resolve(t));
    return r;
}

template <class F> void dispatch_floats(const char* kernel, DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Float16: return f(Tag<Half>{});
        case DType::BFloat16: return f(Tag<BFloat16>{});
        default: raise(Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(t), "'");
    }
}

// One position for a whole plane: a reduction of rows.
bool whole_planes(const cpu::PoolShape& s, const Image& x, DType t) {
    bool one = s.adaptive && x.layout == cpu::Layout::Planar && (t == DType::Float32 || t == DType::Float64);
    for (int i = 0; i < s.dims; i++) one = one && s.output[i] == 1;
    return one;
}
template <class F> void each_plane(const cpu::PoolShape& s, F&& f) {
    int64_t size = 1;
    for (int i = 0; i < s.dims; i++) size *= s.input[i];
    cpu::parallel_for(s.batch * s.channels, grain_for(size), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; i++) f(i, size);
    });
}
template <class T> void plane_means(const cpu::PoolShape& s, const T* x, T* out) {
    each_plane(s, [&](int64_t i, int64_t size) { out[i] = cpu::kernels().reduce<T>().sum(x + i * size, size) / T(size); });
}
template <class T> void plane_maxima(const cpu::PoolShape& s, const T* x, T* out, int64_t* at) {
    each_plane(s, [&](int64_t i, int64_t size) {
        const T* p = x + i * size;
        int64_t k = cpu::kernels().reduce<T>().argmax(p, size);
        if (p[k] != p[k])  // of several NaN the last, as when a window is read in order
            for (int64_t j = size; j-- > k;)
                if (p[j] != p[j]) {
                    k = j;
                    break;
                }
        out[i] = p[k];
        if (at) at[i] = k;
    });
}

std::pair<Tensor, Tensor> max_values(const Tensor& input, const cpu::PoolShape& shape, const Dims& sizes, size_t n, bool indices) {
    Image x = pool_image(input, n);
    Tensor r = pool_result(sizes, input.dtype(), x), at = indices ? pool_result(sizes, DType::Int64, x) : Tensor();
    if (r.numel() == 0) return {r, at};
    auto go = [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_floating_point_v<T>)
            if (whole_planes(shape, x, input.dtype())) return plane_maxima(shape, x.t.data<T>(), r.data<T>(), at ? at.data<int64_t>() : nullptr);
        cpu::max_pool_forward<T>(shape, x.layout, x.t.data<T>(), r.data<T>(), at ? at.data<int64_t>() : nullptr);
    };
    switch (input.dtype()) {
        case DType::UInt8: go(Tag<uint8_t>{}); break;
        case DType::Int8: go(Tag<int8_t>{}); break;
        case DType::Int16: go(Tag<int16_t>{}); break;
        case DType::Int32: go(Tag<int32_t>{}); break;
        case DType::Int64: go(Tag<int64_t>{}); break;
        default: dispatch_floats("max_pool2d", input.dtype(), go);
    }
    return {r, at};
}

// Means of integers, rounded towards zero.
void integer_average(const cpu::PoolShape& s, const Tensor& x, const Tensor& r) {
    int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, k[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {};
    for (int i = 0; i < s.dims; i++) {
        int to = 3 - s.dims + i;
        in[to] = s.input[i], out[to] = s.output[i], k[to] = s.kernel[i], stride[to] = s.stride[i], pad[to] = s.padding[i];
    }
    int64_t planes = s.batch * s.channels, positions = out[0] * out[1] * out[2], size = in[0] * in[1] * in[2];
    const int64_t* from = x.data<int64_t>();
    int64_t* to = r.data<int64_t>();
    cpu::parallel_for(planes * positions, 4096, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
            int64_t p = i % positions, at[3] = {p / (out[1] * out[2]), p / out[2] % out[1], p % out[2]}, lo[3], hi[3], all = 1, inside = 1;
            for (int d = 0; d < 3; d++) {
                lo[d] = at[d] * stride[d] - pad[d], hi[d] = std::min(lo[d] + k[d], in[d] + pad[d]);
                all *= hi[d] - lo[d];
                lo[d] = std::max<int64_t>(lo[d], 0), hi[d] = std::min(hi[d], in[d]);
                inside *= std::max<int64_t>(hi[d] - lo[d], 0);
            }
            int64_t sum = 0, count = s.divisor ? s.divisor : s.count_include_pad ? all : inside;
            for (int64_t a = lo[0]; a < hi[0]; a++)
                for (int64_t b = lo[1]; b < hi[1]; b++)
                    for (int64_t c = lo[2]; c < hi[2]; c++) sum += from[i / positions * size + (a * in[1] + b) * in[2] + c];
            to[i] = inside ? sum / count : 0;
        }
    });
}

Tensor average_values(const Tensor& input, const cpu::PoolShape& shape, const Dims& sizes, size_t n, const char* op) {
    bool integers = input.dtype() == DType::Int64 && !shape.adaptive;
    Image x = integers ? Image{contiguous(input), cpu::Layout::Planar} : pool_image(input, n);
    Tensor r = pool_result(sizes, input.dtype(), x);
    if (integers) {
        integer_average(shape, x.t, r);
        return r;
    }
    dispatch_floats(op, input.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_floating_point_v<T>)
            if (whole_planes(shape, x, input.dtype())) return plane_means(shape, x.t.template data<T>(), r.data<T>());
        if (r.numel()) cpu::average_pool_forward<T>(shape, x.layout, x.t.template data<T>(), r.data<T>());
    });
    return r;
}

Tensor average_gradient(const Tensor& g, const cpu::PoolShape& shape, const Dims& input, size_t n, const char* op) {
    Image y = pool_image(g, n);
    Tensor r = pool_result(input, g.dtype(), y);
    if (g.numel() == 0) fill_raw(r, 0);
    else
        dispatch_floats(op, g.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::average_pool_backward<T>(shape, y.layout, y.t.template data<T>(), r.data<T>());
        });
    return r;
}

Tensor flat_planes(const Tensor& t, size_t n) { return flatten(t, -int64_t(n), -1); }
Tensor empty_meta(const Dims& sizes, DType t) { return empty(sizes, t, Device::Meta); }
}  // namespace

// ---------------------------------------------------------------- maximum
// The gradient goes to where the maximum came from; its own gradient is gathered from there.
struct MaxPoolBackward : Op<MaxPoolBackward> {
    SIG("_max_pool_backward(Tensor grad_output, Tensor self, Tensor indices, int n) -> Tensor");
    DOC("Gradient of max pooling over the last n dimensions: grad_output added up at the indices.");
    FORMS(FUNCTION);
    using Saves = Save<In<2>>;
    static Tensor forward(const Tensor& g, const Tensor& self, const Tensor& indices, int64_t n) {
        const Dims& input = self.sizes();
        if (g.is_meta()) return empty_meta(input, g.dtype());
        size_t k = size_t(n);
        positions_of(g.sizes(), input, k);
        check(indices.sizes() == g.sizes() && indices.dtype() == DType::Int64, "_max_pool_backward: indices of shape ", indices.sizes(), " and dtype ", name(indices.dtype()), " for a gradient of shape ", g.sizes());
        Image at = pool_image(indices, k);
        Tensor y = in_layout(g, at, k), r = pool_result(input, g.dtype(), at);
        if (y.numel() == 0) {
            fill_raw(r, 0);
            return r;
        }
        cpu::PoolShape shape = pool_shape(input, Dims(Ints(g.sizes()).subspan(g.sizes().size() - k)), k);
        dispatch_floats("max_pool2d", g.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::max_pool_backward<T>(shape, at.layout, y.data<T>(), at.t.template data<int64_t>(), r.data<T>());
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor at = c.in<2>();
        size_t n = size_t(c.arg<3>());
        return {reshape(gather(flat_planes(g, n), -1, flat_planes(at, n)), at.sizes()), Tensor(), Tensor()};
    }
};
OP(MaxPoolBackward);

// What max pooling found, as a function of its input: the values pass, the gradient goes by the indices.
struct PooledMaximum : Op<PooledMaximum> {
    SIG("_pooled_maximum(Tensor self, Tensor values, Tensor indices, int n) -> Tensor");
    DOC("values, which max pooling took from self at the indices.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<2>>;
    static Tensor forward(const Tensor&, const Tensor& values, const Tensor&, int64_t) { return values; }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        r[0] = call<MaxPoolBackward>(g, c.in<0>(), c.in<2>(), c.arg<3>());
        return r;
    }
};
OP(PooledMaximum);

struct MaxPool : Op<MaxPool> {
    SIG("_max_pool(Tensor self, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode, bool return_indices) -> (Tensor, Tensor)");
    DOC("Largest element of each window over the last len(kernel_size) dimensions, and its index in the plane.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, const Dims& kernel, const Dims& stride, const Dims& padding, const Dims& dilation, bool ceil_mode, bool indices) {
        PoolOptions o{kernel.size(), "max_pool", kernel, stride, padding, dilation, ceil_mode};
        Dims positions = output_positions(self, o), sizes = with_positions(self.sizes(), positions);
        if (self.is_meta()) return {empty_meta(sizes, self.dtype()), empty_meta(sizes, DType::Int64)};
        auto [r, at] = max_values(self, pool_shape(self.sizes(), positions, o), sizes, o.n, indices);
        return {r, at};
    }
};
OP(MaxPool);

std::pair<Tensor, Tensor> max_pool(const Tensor& input, const PoolCall& o, const Dims& dilation, bool indices) {
    Dims room[4];
    const Dims& kernel = for_each_dim(o.kernel, o, "kernel_size", 0, room[0]);
    const Dims& stride = o.stride && !o.stride->empty() ? for_each_dim(*o.stride, o, "stride", 1, room[1]) : kernel;
    bool keep = is_recorded(input);
    const Dims &padding = for_each_dim(o.padding, o, "padding", 0, room[2]), &apart = for_each_dim(dilation, o, "dilation", 1, room[3]);
    if (!keep) {
        auto [r, at] = MaxPool::forward(input, kernel, stride, padding, apart, o.ceil_mode, indices);
        return {r, at};
    }
    auto [r, at] = call<MaxPool>(input, kernel, stride, padding, apart, o.ceil_mode, true);
    return {call<PooledMaximum>(input, r, at, int64_t(o.n)), at};
}

static void check_adaptive(const Tensor& input, const Dims& output, const char* op) {
    size_t n = output.size();
    const Dims& s = input.sizes();
    check(n >= 1 && n <= 3, op, "(): output_size must have 1 to 3 elements, got ", output);
    check(s.size() == n + 1 || s.size() == n + 2, op, "(): Expected ", n + 1, "D or ", n + 2, "D tensor, but got ", s);
    for (size_t d = s.size() - n; d < s.size(); d++)
        check(s[d] > 0, op, "(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ", s, " with dimension ", d, " being empty");
    for (int64_t p : output) check(p >= 0, op, ": elements of output_size must be greater than or equal to 0 but received ", output);
}

struct AdaptiveMaxPool : Op<AdaptiveMaxPool> {
    SIG("_adaptive_max_pool(Tensor self, int[] output_size) -> (Tensor, Tensor)");
    DOC("Largest element of each of output_size windows that divide the input evenly, and its index in the plane.");
    FORMS(FUNCTION);
    NO_GRADIENT;
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, const Dims& output) {
        check_adaptive(self, output, "adaptive_max_pool");
        Dims sizes = with_positions(self.sizes(), output);
        if (self.is_meta()) return {empty_meta(sizes, self.dtype()), empty_meta(sizes, DType::Int64)};
        dispatch_floats("adaptive_max_pool2d", self.dtype(), [](auto) {});
        auto [r, at] = max_values(self, pool_shape(self.sizes(), output, output.size()), sizes, output.size(), true);
        return {r, at};
    }
};
OP(AdaptiveMaxPool);

std::pair<Tensor, Tensor> adaptive_max_pool(const Tensor& input, const Dims& output, const char* op) {
    check_adaptive(input, output, op);
    if (!is_recorded(input)) {
        auto [r, at] = AdaptiveMaxPool::forward(input, output);
        return {r, at};
    }
    auto [r, at] = call<AdaptiveMaxPool>(input, output);
    return {call<PooledMaximum>(input, r, at, int64_t(output.size())), at};
}

// ---------------------------------------------------------------- mean: linear, so gradients are each other's gradients.
// They take the input for its sizes and, as PyTorch's do, as a constant: so that they can always be differentiated again.
struct AveragePool : Op<AveragePool> {
    SIG("_average_pool(Tensor self, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, int divisor) -> Tensor");
    DOC("Mean of each window over the last len(kernel_size) dimensions; divisor 0: the number of elements.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>>;
    static PoolOptions options(const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode) {
        static const Dims ones(3, 1);
        return {kernel.size(), "avg_pool", kernel, stride, padding, ones, ceil_mode};
    }
    static cpu::PoolShape shape(const Dims& input, const Dims& positions, const PoolOptions& o, bool include_pad, int64_t divisor) {
        cpu::PoolShape s = pool_shape(input, positions, o);
        s.count_include_pad = include_pad, s.divisor = divisor;
        return s;
    }
    static const char* kernel_name(size_t n) { return n == 3 ? "avg_pool3d_out_frame" : "avg_pool2d"; }
    static Tensor forward(const Tensor& self, const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode, bool include_pad, int64_t divisor) {
        PoolOptions o = options(kernel, stride, padding, ceil_mode);
        Dims positions = output_positions(self, o), sizes = with_positions(self.sizes(), positions);
        if (self.is_meta()) return empty_meta(sizes, self.dtype());
        return average_values(self, shape(self.sizes(), positions, o, include_pad, divisor), sizes, o.n, kernel_name(o.n));
    }
    static Grads backward(Ctx& c, const Tensor& g);
};

struct AveragePoolBackward : Op<AveragePoolBackward> {
    SIG("_average_pool_backward(Tensor grad_output, Tensor self, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, int divisor) -> Tensor");
    DOC("Gradient of _average_pool.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& g, const Tensor& self, const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode, bool include_pad, int64_t divisor) {
        const Dims& input = self.sizes();
        if (g.is_meta()) return empty_meta(input, g.dtype());
        PoolOptions o = AveragePool::options(kernel, stride, padding, ceil_mode);
        Dims positions = positions_of(g.sizes(), input, o.n);
        check(positions == output_positions(self, o), "_average_pool_backward: a gradient of shape ", g.sizes(), " does not fit an input of shape ", input);
        return average_gradient(g, AveragePool::shape(input, positions, o, include_pad, divisor), input, o.n, AveragePool::kernel_name(o.n));
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<AveragePool>(g, c.arg<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>(), c.arg<6>(), c.arg<7>()), Tensor()}; }
};
Grads AveragePool::backward(Ctx& c, const Tensor& g) {
    return {call<AveragePoolBackward>(g, c.in<0>(), c.arg<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>(), c.arg<6>())};
}
OP(AveragePool);
OP(AveragePoolBackward);

Tensor average_pool(const Tensor& input, const PoolCall& o, bool count_include_pad, const OptInt& divisor) {
    Dims room[3];
    const Dims& kernel = for_each_dim(o.kernel, o, "kernel_size", 0, room[0]);
    const Dims& stride = o.stride && !o.stride->empty() ? for_each_dim(*o.stride, o, "stride", 1, room[1]) : kernel;
    check(!divisor || *divisor != 0, "divisor must be not zero (", o.op, ")");
    const Dims& padding = for_each_dim(o.padding, o, "padding", 0, room[2]);
    if (!is_recorded(input)) return AveragePool::forward(input, kernel, stride, padding, o.ceil_mode, count_include_pad, divisor.value_or(0));
    return call<AveragePool>(input, kernel, stride, padding, o.ceil_mode, count_include_pad, divisor.value_or(0));
}

struct AdaptiveAveragePool : Op<AdaptiveAveragePool> {
    SIG("_adaptive_average_pool(Tensor self, int[] output_size) -> Tensor");
    DOC("Mean of each of output_size windows that divide the input evenly.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>>;
    static Tensor forward(const Tensor& self, const Dims& output) {
        check_adaptive(self, output, "adaptive_avg_pool");
        Dims sizes = with_positions(self.sizes(), output);
        if (self.is_meta()) return empty_meta(sizes, self.dtype());
        return average_values(self, pool_shape(self.sizes(), output, output.size()), sizes, output.size(), "adaptive_avg_pool2d");
    }
    static Grads backward(Ctx& c, const Tensor& g);
};
struct AdaptiveAveragePoolBackward : Op<AdaptiveAveragePoolBackward> {
    SIG("_adaptive_average_pool_backward(Tensor grad_output, Tensor self, int n) -> Tensor");
    DOC("Gradient of _adaptive_average_pool.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& g, const Tensor& self, int64_t n) {
        const Dims& input = self.sizes();
        if (g.is_meta()) return empty_meta(input, g.dtype());
        Dims positions = positions_of(g.sizes(), input, size_t(n));
        return average_gradient(g, pool_shape(input, positions, size_t(n)), input, size_t(n), "adaptive_avg_pool2d");
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        const Dims& s = c.sizes<0>();
        return {call<AdaptiveAveragePool>(g, Dims(Ints(s).subspan(s.size() - size_t(c.arg<2>())))), Tensor()};
    }
};
Grads AdaptiveAveragePool::backward(Ctx& c, const Tensor& g) { return {call<AdaptiveAveragePoolBackward>(g, c.in<0>(), int64_t(c.arg<1>().size()))}; }
OP(AdaptiveAveragePool);
OP(AdaptiveAveragePoolBackward);

Tensor adaptive_average_pool(const Tensor& input, const Dims& output, const char* op) {
    check_adaptive(input, output, op);
    return call<AdaptiveAveragePool>(input, output);
}

}  // namespace rl
