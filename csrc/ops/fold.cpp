// Windows of an image as columns (unfold), and columns added up to an image (fold): each the gradient of the other.
#include <algorithm>

#include "cpu/clones.h"
#include "cpu/parallel.h"
#include "ops/conv.h"

namespace rl {

namespace {
struct FoldShape {
    int64_t image[2], kernel[2], dilation[2], padding[2], stride[2], blocks[2];
};

FoldShape fold_shape(Ints image, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
    auto two = [](const Dims& d, const char* what) {
        check(d.size() == 1 || d.size() == 2, "It is expected ", what, " equals to 2, but got size ", d.size());
        return std::pair{d[0], d[d.size() - 1]};
    };
    FoldShape s;
    s.image[0] = image[0], s.image[1] = image[1];
    std::tie(s.kernel[0], s.kernel[1]) = two(kernel, "kernel_size");
    std::tie(s.dilation[0], s.dilation[1]) = two(dilation, "dilation");
    std::tie(s.padding[0], s.padding[1]) = two(padding, "padding");
    std::tie(s.stride[0], s.stride[1]) = two(stride, "stride");
    check(s.kernel[0] > 0 && s.kernel[1] > 0, "kernel size should be greater than zero, but got kernel_height: ", s.kernel[0], " kernel_width: ", s.kernel[1]);
    check(s.dilation[0] > 0 && s.dilation[1] > 0, "dilation should be greater than zero, but got dilation_height: ", s.dilation[0], " dilation_width: ", s.dilation[1]);
    check(s.padding[0] >= 0 && s.padding[1] >= 0, "padding should be non-negative, but got pad_height: ", s.padding[0], " pad_width: ", s.padding[1]);
    check(s.stride[0] > 0 && s.stride[1] > 0, "stride should be greater than zero, but got stride_height: ", s.stride[0], " stride_width: ", s.stride[1]);
    for (int i = 0; i < 2; i++) {
        int64_t room = s.image[i] + 2 * s.padding[i] - s.dilation[i] * (s.kernel[i] - 1) - 1;
        s.blocks[i] = room < 0 ? 0 : room / s.stride[i] + 1;
    }
    return s;
}

// f(column index, image index, n) for every row of n windows that have one position of the kernel inside the image: the columns
// lie side by side, the pixels are the stride apart.
template <class F> void each_row(const FoldShape& s, F f) {
    for (int64_t kh = 0; kh < s.kernel[0]; kh++)
        for (int64_t kw = 0; kw < s.kernel[1]; kw++) {
            int64_t row = (kh * s.kernel[1] + kw) * s.blocks[0] * s.blocks[1], left = s.padding[1] - kw * s.dilation[1], room = s.image[1] - 1 + left;
            int64_t first = left > 0 ? (left + s.stride[1] - 1) / s.stride[1] : 0, last = std::min(room < 0 ? 0 : room / s.stride[1] + 1, s.blocks[1]);
            for (int64_t bh = 0; bh < s.blocks[0] && first < last; bh++) {
                int64_t h = bh * s.stride[0] - s.padding[0] + kh * s.dilation[0];
                if (h >= 0 && h < s.image[0]) f(row + bh * s.blocks[1] + first, h * s.image[1] + first * s.stride[1] - left, last - first);
            }
        }
}
// sum[i * step] += from[i]
RL_CLONES void add_run(float* sum, const float* from, int64_t n) {
    for (int64_t i = 0; i < n; i++) sum[i] += from[i];
}
template <class A, class T> void add_row(A* sum, const T* from, int64_t step, int64_t n) {
    if constexpr (std::is_same_v<T, float>)
        if (step == 1) return add_run(sum, from, n);
    for (int64_t i = 0; i < n; i++) sum[i * step] = A(sum[i * step] + A(from[i]));
}

template <class F> void dispatch_fold(const char* kernel, DType t, F&& f) {
    switch (t) {
        case DType::Bool: return f(Tag<bool>{});
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Float16: return f(Tag<Half>{});
        case DType::BFloat16: return f(Tag<BFloat16>{});
        case DType::Complex64: return f(Tag<c64>{});
        case DType::Complex128: return f(Tag<c128>{});
        default: raise(Err::NotImplemented, "\"", kernel, "\" not implemented for '", title(t), "'");
    }
}
template <class T> using Accumulated = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;
}  // namespace

struct Im2col : Op<Im2col> {
    SIG("im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor");
    DOC("Windows of images (N, C, H, W) as columns: (N, C * kernel, blocks).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
        check(self.dim() == 4, "im2col: expected a 4D input (N, C, H, W), but got input of size ", self.sizes());
        FoldShape s = fold_shape(Ints(self.sizes()).subspan(2), kernel, dilation, padding, stride);
        check(s.blocks[0] > 0 && s.blocks[1] > 0, "Given input with spatial size (", s.image[0], ", ", s.image[1], "), kernel_size=(", s.kernel[0], ", ", s.kernel[1], "), dilation=(", s.dilation[0], ", ", s.dilation[1], "), padding=(", s.padding[0], ", ", s.padding[1],
              "), calculated shape of the array of sliding blocks as (", s.blocks[0], ", ", s.blocks[1], "), but its components must be at least one.");
        int64_t window = s.kernel[0] * s.kernel[1], blocks = s.blocks[0] * s.blocks[1], area = s.image[0] * s.image[1];
        Dims sizes{self.sizes()[0], self.sizes()[1] * window, blocks};
        if (self.is_meta()) return empty(sizes, self.dtype(), Device::Meta);
        Tensor r = zeros(sizes, self.dtype()), x = contiguous(self);
        dispatch_fold("im2col_out_cpu", self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(sizes[0] * self.sizes()[1], grain_for(window * blocks), [&](int64_t begin, int64_t end) {
                for (int64_t p = begin; p < end; p++) {
                    T* to = r.data<T>() + p * window * blocks;
                    const T* from = x.data<T>() + p * area;
                    each_row(s, [&](int64_t column, int64_t pixel, int64_t n) {
                        if (s.stride[1] == 1) std::copy_n(from + pixel, n, to + column);
                        else
                            for (int64_t i = 0; i < n; i++) to[column + i] = from[pixel + i * s.stride[1]];
                    });
                }
            });
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g);
};

struct Col2im : Op<Col2im> {
    SIG("col2im(Tensor self, int[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor");
    DOC("Columns (N, C * kernel, blocks) added up to images (N, C, H, W) at the places of their windows.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& output, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
        check(self.dim() == 3, "col2im: expected a 3D input (N, C * kernel, blocks), but got input of size ", self.sizes());
        check(output.size() == 2, "It is expected output_size equals to 2, but got size ", output.size());
        FoldShape s = fold_shape(output, kernel, dilation, padding, stride);
        int64_t window = s.kernel[0] * s.kernel[1], blocks = s.blocks[0] * s.blocks[1], area = s.image[0] * s.image[1];
        check(self.sizes()[1] % window == 0, "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=", self.sizes()[1], " and kernel_size=(", s.kernel[0], ", ", s.kernel[1], ").");
        check(self.sizes()[2] == blocks && blocks > 0, "Given output_size=(", s.image[0], ", ", s.image[1], "), kernel_size=(", s.kernel[0], ", ", s.kernel[1], "), dilation=(", s.dilation[0], ", ", s.dilation[1], "), padding=(", s.padding[0], ", ", s.padding[1], "), stride=(", s.stride[0], ", ",
              s.stride[1], "), expected size of input's dimension 2 to match the calculated number of sliding blocks ", s.blocks[0], " * ", s.blocks[1], " = ", blocks, ", but got input.size(2)=", self.sizes()[2], ".");
        check(area > 0, "fold: expected output_size to be positive, but got ", output);
        Dims sizes{self.sizes()[0], self.sizes()[1] / window, s.image[0], s.image[1]};
        if (self.is_meta()) return empty(sizes, self.dtype(), Device::Meta);
        Tensor r = empty(sizes, self.dtype()), x = contiguous(self);
        dispatch_fold("col2im_out_cpu", self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            using A = Accumulated<T>;
            cpu::parallel_for(sizes[0] * sizes[1], grain_for(window * blocks), [&](int64_t begin, int64_t end) {
                constexpr bool wide = !std::is_same_v<A, T>;
                std::unique_ptr<A[]> room(wide ? new A[size_t(area)] : nullptr);
                for (int64_t p = begin; p < end; p++) {
                    T* to = r.data<T>() + p * area;
                    A* sum = room.get();
                    if constexpr (!wide) sum = to;
                    std::fill_n(sum, area, A(0));
                    const T* from = x.data<T>() + p * window * blocks;
                    each_row(s, [&](int64_t column, int64_t pixel, int64_t n) { add_row(sum + pixel, from + column, s.stride[1], n); });
                    if constexpr (wide)
                        for (int64_t i = 0; i < area; i++) to[i] = T(sum[i]);
                }
            });
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {call<Im2col>(g, c.arg<2>(), c.arg<3>(), c.arg<4>(), c.arg<5>())}; }
};
Grads Im2col::backward(Ctx& c, const Tensor& g) {
    return {call<Col2im>(g, Dims(Ints(c.sizes<0>()).subspan(2)), c.arg<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>())};
}
OP(Im2col);
OP(Col2im);

struct UnfoldImage : Composite<UnfoldImage> {
    SIG("nn::unfold(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> Tensor");
    DOC("Windows of (N, C, H, W) or (C, H, W) as columns: (N, C * kernel, blocks).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
        check(input.dim() >= 2, Err::Index, "unfold: Dimension out of range, input of ", input.sizes());
        bool ok = input.dim() == 3 || input.dim() == 4;
        for (int64_t d = input.dim() - 3; ok && d < input.dim(); d++) ok = input.sizes()[size_t(d)] > 0;
        check(ok, input.dim() < 3 ? Err::Index : Err::Runtime, "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ", input.sizes());
        if (input.dim() == 4) return call<Im2col>(input, kernel, dilation, padding, stride);
        return squeeze(call<Im2col>(unsqueeze(input, 0), kernel, dilation, padding, stride), 0);
    }
};
OP(UnfoldImage);

struct Fold : Composite<Fold> {
    SIG("nn::fold(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> Tensor");
    DOC("Columns (N, C * kernel, blocks) or (C * kernel, blocks) added up to images of output_size.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Dims& output, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
        bool ok = input.dim() == 2 || input.dim() == 3;
        for (int64_t d = input.dim() - 2; ok && d < input.dim(); d++) ok = input.sizes()[size_t(d)] > 0;
        check(ok, "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: ", input.sizes());
        if (input.dim() == 3) return call<Col2im>(input, output, kernel, dilation, padding, stride);
        return squeeze(call<Col2im>(unsqueeze(input, 0), output, kernel, dilation, padding, stride), 0);
    }
};
OP(Fold);

}  // namespace rl
