// The convolutions that users call, with and without a batch, with padding in numbers or words.
#include "ops/conv.h"

namespace rl {

namespace {
// (C, ..) gets a batch of one.
Tensor batched(const char* op, const Tensor& input, size_t n, bool& was_single) {
    was_single = input.dim() == int64_t(n) + 1;
    check(was_single || input.dim() == int64_t(n) + 2, "Expected ", n + 1, "D (unbatched) or ", n + 2, "D (batched) input to ", op, ", but got input of size: ", input.sizes());
    return was_single ? unsqueeze(input, 0) : input;
}

Tensor conv(const char* op, size_t n, const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const Dims& padding, const Dims& dilation, int64_t groups) {
    bool single;
    Tensor x = batched(op, input, n, single);
    Tensor r = convolution(x, weight, bias, {stride, padding, dilation, Dims(n, 0), false, groups});
    return single ? squeeze(r, 0) : r;
}

// 'same' may need one more on the right: then both sides get it, and the first result is dropped.
Tensor conv_padded(const char* op, size_t n, const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const std::string& padding, const Dims& dilation, int64_t groups) {
    if (padding == "valid") return conv(op, n, input, weight, bias, stride, Dims(n, 0), dilation, groups);
    check(padding == "same", "Invalid padding string: '", padding, "'");
    for (int64_t s : stride) check(s == 1, "padding='same' is not supported for strided convolutions");
    check(weight.dim() == int64_t(n) + 2, "Expected ", n + 2, "-dimensional weight to ", op, ", but got weight of size ", weight.sizes());
    Dims both(n), wide = dilation.size() == 1 ? Dims(n, dilation[0]) : dilation;
    check(wide.size() == n, "expected dilation to be a single integer value or a list of ", n, " values to match the convolution dimensions, but got dilation=", dilation);
    for (size_t i = 0; i < n; i++) both[i] = (wide[i] * (weight.sizes()[i + 2] - 1) + 1) / 2;
    Tensor r = conv(op, n, input, weight, bias, stride, both, dilation, groups);
    for (size_t i = 0; i < n; i++) {
        bool odd = wide[i] * (weight.sizes()[i + 2] - 1) % 2;
        if (odd) r = slice(r, int64_t(i) - int64_t(n), 1, {});
    }
    return r;
}

Tensor conv_transposed(const char* op, size_t n, const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const Dims& padding, const Dims& output_padding, int64_t groups, const Dims& dilation) {
    check(is_inexact(input.dtype()) || input.dtype() == DType::Int64, Err::NotImplemented, "\"", op, "\" not implemented for '", title(input.dtype()), "'");
    bool single;
    Tensor x = batched(op, input, n, single);
    Tensor r = convolution(x, weight, bias, {stride, padding, dilation, output_padding, true, groups});
    return single ? squeeze(r, 0) : r;
}
}  // namespace

#define RL_CONV_FORM(STRUCT, PREFIX, N, D)                                                                                                                                                     \
    struct STRUCT : Composite<STRUCT> {                                                                                                                                                        \
        SIG(PREFIX "conv" D "d(Tensor input, Tensor weight, Tensor? bias=None, int[" D "] stride=1, int[" D "] padding=0, int[" D "] dilation=1, int groups=1) -> Tensor");                     \
        DOC("Cross-correlation of input (N, C, ..) or (C, ..) with weight (out, C / groups, ..), plus bias (out).");                                                                           \
        FORMS(FUNCTION);                                                                                                                                                                       \
        static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const Dims& padding, const Dims& dilation, int64_t groups) {                  \
            return conv("conv" D "d", N, input, weight, bias, stride, padding, dilation, groups);                                                                                              \
        }                                                                                                                                                                                      \
    };                                                                                                                                                                                         \
    OP(STRUCT);                                                                                                                                                                                \
    struct STRUCT##Padding : Composite<STRUCT##Padding> {                                                                                                                                      \
        SIG(PREFIX "conv" D "d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[" D "] stride=1, str padding='valid', int[" D "] dilation=1, int groups=1) -> Tensor");              \
        DOC("Cross-correlation with padding 'valid' (none) or 'same' (the result as large as the input; stride 1).");                                                                          \
        FORMS(FUNCTION);                                                                                                                                                                       \
        static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const std::string& padding, const Dims& dilation, int64_t groups) {           \
            return conv_padded("conv" D "d", N, input, weight, bias, stride, padding, dilation, groups);                                                                                       \
        }                                                                                                                                                                                      \
    };                                                                                                                                                                                         \
    OP(STRUCT##Padding);                                                                                                                                                                       \
    struct STRUCT##Transpose : Composite<STRUCT##Transpose> {                                                                                                                                  \
        SIG(PREFIX "conv_transpose" D "d.input(Tensor input, Tensor weight, Tensor? bias=None, int[" D "] stride=1, int[" D "] padding=0, int[" D "] output_padding=0, int groups=1, int[" D "] dilation=1) -> Tensor"); \
        DOC("The transpose of a convolution, its gradient with respect to the input: weight (C, out / groups, ..), plus bias (out).");                                                         \
        FORMS(FUNCTION);                                                                                                                                                                       \
        static Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride, const Dims& padding, const Dims& output_padding, int64_t groups, const Dims& dilation) { \
            return conv_transposed("conv_transpose" D "d", N, input, weight, bias, stride, padding, output_padding, groups, dilation);                                                         \
        }                                                                                                                                                                                      \
    };                                                                                                                                                                                         \
    OP(STRUCT##Transpose)

RL_CONV_FORM(Conv1d, "", 1, "1");
RL_CONV_FORM(Conv2d, "", 2, "2");
RL_CONV_FORM(Conv3d, "", 3, "3");
RL_CONV_FORM(NnConv1d, "nn::", 1, "1");
RL_CONV_FORM(NnConv2d, "nn::", 2, "2");
RL_CONV_FORM(NnConv3d, "nn::", 3, "3");

}  // namespace rl
