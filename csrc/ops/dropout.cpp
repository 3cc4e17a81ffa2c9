// Dropout: elements, or whole channels, are zeroed at random, and the others scaled so that the mean stays (Srivastava
// et al., 2014).
#include <cmath>

#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "ops/random.h"
#include "ops/recompute.h"

namespace rl {

namespace {
// y = x * keep * scale. As in PyTorch 0 is multiplied, so that a NaN stays where it is.
template <class T>
void mask_run(T* y, const T* x, const bool* keep, double scale, int64_t n) {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
        cpu::kernels().dropout(y, x, reinterpret_cast<const uint8_t*>(keep), T(scale), n);
    else {
        const float s = float(T(float(scale)));
        for (int64_t i = 0; i < n; i++) y[i] = T(float(x[i]) * (keep[i] ? s : 0.0f));
    }
}
void check_result_type(const Tensor& t) {
    if (t.is_complex()) no_kernel("bernoulli_scalar_cpu_", t.dtype());
    check(t.is_floating(), "result type Float can't be cast to the desired output type ", title(t.dtype()),
          " (dropout)");
}
Tensor dense(const Tensor& t) { return !t.lazy() && is_non_overlapping_and_dense(t) ? t : clone_raw(t); }
}  // namespace

// ---------------------------------------------------------------- the fused operator
// One pass draws, scales, and keeps one byte for each element.
struct FusedDropout : Op<FusedDropout> {
    SIG("_fused_dropout(Tensor self, float p, bool keep_mask) -> (Tensor, Tensor)");
    DOC("self with elements zeroed at random and the others scaled; the mask of the others, empty unless it is to be "
        "kept.");
    FORMS(FUNCTION);
    static constexpr bool kRandom = true;
    NO_GRADIENT;  // DropoutResult has it
    static std::tuple<Tensor, Tensor> forward(const Tensor& self, double p, bool keep_mask) {
        Tensor r = empty_preserved(self, self.dtype());
        Tensor mask = keep_mask ? empty_preserved(self, DType::Bool) : empty(Dims{0}, DType::Bool, self.device());
        if (r.is_meta()) return {r, mask};
        Tensor x = dense(self);
        dispatch_floats("dropout", r.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            constexpr int64_t kChunk = 2048;
            bool drawn[kChunk];
            for (int64_t i = 0; i < r.numel(); i += kChunk) {
                int64_t n = std::min(kChunk, r.numel() - i);
                bool* keep = keep_mask ? mask.data<bool>() + i : drawn;
                cpu::fill_bernoulli(stream_of(nullptr), keep, n, 1 - p);
                mask_run(r.data<T>() + i, x.data<T>() + i, keep, scale(p), n);
            }
        });
        return {r, mask};
    }
    static double scale(double p) { return p == 1 ? 0 : 1 / (1 - p); }
};
OP(FusedDropout);

struct MaskedScale : Op<MaskedScale> {
    SIG("native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor");
    DOC("Gradient of dropout: grad_output where mask is true, scaled; zero elsewhere.");
    FORMS(FUNCTION);
    using Saves = Save<In<1>>;
    static Tensor forward(const Tensor& g, const Tensor& mask, double scale) {
        check(mask.dtype() == DType::Bool, "Mask should be Bool Scalar Type, but native_dropout_backward got ",
              title(mask.dtype()));
        check(same(g.sizes(), mask.sizes()), "native_dropout_backward: the gradient's shape ", g.sizes(),
              " differs from the mask's ", mask.sizes());
        if (!mask.is_meta() && !is_non_overlapping_and_dense(mask)) return forward(g, contiguous(mask), scale);
        Tensor r = empty_strided(mask.sizes(), mask.strides(), g.dtype(), g.device());
        if (r.is_meta()) return r;
        Tensor x = resolve(g);
        if (!same(x.strides(), r.strides())) copy_raw(r, x), x = r;
        dispatch_floats("native_dropout_backward", g.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(r.numel(), kGrain, [&](int64_t a, int64_t b) {
                mask_run(r.data<T>() + a, x.data<T>() + a, mask.data<bool>() + a, scale, b - a);
            });
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(2);
        r[0] = call<MaskedScale>(g, c.in<1>(), c.arg<2>());
        return r;
    }
};
OP(MaskedScale);

// What the fused operator drew, as a function of its input.
struct DropoutResult : Op<DropoutResult> {
    SIG("_dropout(Tensor self, Tensor result, Tensor mask, float scale) -> Tensor");
    DOC("result, which is self * mask * scale.");
    FORMS(FUNCTION);
    using Saves = Save<In<2>>;
    static Tensor forward(const Tensor&, const Tensor& result, const Tensor&, double) { return result; }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(3);
        r[0] = call<MaskedScale>(g, c.in<2>(), c.arg<3>());
        return r;
    }
};
OP(DropoutResult);

namespace {
std::pair<Tensor, Tensor> fused_dropout(const Tensor& x, double p, bool with_mask) {
    check_result_type(x);
    bool keep = is_recorded(x);
    auto [r, mask] = call<FusedDropout>(x, p, with_mask || keep);
    return {keep ? call<DropoutResult>(x, r, mask, FusedDropout::scale(p)) : r, mask};
}

// Zeros and ones, in x's dtype: one for each element, or for each of x's channels.
Tensor draw_noise(const Tensor& x, double keep, bool channels) {
    check_result_type(x);
    if (x->wrapper) {  // each example of a batch has draws of its own
        Tensor like = x;
        for (int64_t d = 2; channels && d < x.dim(); d++) like = narrow(like, d, 0, 1);
        return bernoulli(like, keep);
    }
    Tensor noise;
    if (channels) {
        Dims sizes(size_t(x.dim()), 1);
        sizes[0] = x.sizes()[0], sizes[1] = x.sizes()[1];
        noise = empty(sizes, x.dtype(), x.device());
    } else
        noise = empty_preserved(x, x.dtype());
    draw_bernoulli(noise, keep, nullptr);
    return noise;
}

// The four forms of dropout: p is in [0, 1].
struct Form {
    bool channels, alpha, inplace;
};
// Klambauer et al. (2017): what is dropped becomes the value -1.758 that SELU saturates at; an affine map then restores
// mean and variance.
Tensor alpha_dropout(const Tensor& x, double p, Form f) {
    constexpr double kSaturation = 1.7580993408473766;
    const double a = 1 / std::sqrt((kSaturation * kSaturation * p + 1) * (1 - p));
    Tensor noise = draw_noise(x, 1 - p, f.channels);
    Tensor shift = add(mul(add(noise, Scalar(-1)), Scalar(kSaturation * a)), Scalar(kSaturation * a * p));
    noise = mul(noise, Scalar(a));
    return add_(f.inplace ? mul_(x, noise) : mul(x, noise), shift);
}
Tensor drop(const Tensor& x, double p, bool train, Form f) {
    if (p == 0 || !train || x.numel() == 0) return x;
    check(!f.channels || x.dim() >= 2,
          "Feature dropout requires at least 2 dimensions in the input, but got the shape ", x.sizes());
    if (p == 1) {
        Tensor zero = zeros({}, x.dtype(), x.device());
        return f.inplace ? mul_(x, zero) : mul(x, zero);
    }
    if (f.alpha) return alpha_dropout(x, p, f);
    if (!f.channels && !f.inplace) return fused_dropout(x, p, false).first;
    Tensor noise = draw_noise(x, 1 - p, f.channels);
    mul_(noise, Scalar(FusedDropout::scale(p)));
    return f.inplace ? mul_(x, noise) : mul(x, noise);
}

void check_probability(Err kind, double p) {
    check(p >= 0 && p <= 1, kind, "dropout probability has to be between 0 and 1, but got ", p);
}

template <class O>
struct RandomComposite : Composite<O> {
    static constexpr uint32_t kForms = FUNCTION;
    static constexpr bool kRandom = true;
};
}  // namespace

// ---------------------------------------------------------------- torch.dropout and its relatives
#define RL_DROPOUT(NAME, OP_NAME, TEXT, CHANNELS, ALPHA)                      \
    struct NAME : RandomComposite<NAME> {                                     \
        SIG(OP_NAME "(Tensor input, float p, bool train) -> Tensor");         \
        DOC(TEXT);                                                            \
        static Tensor forward(const Tensor& input, double p, bool train) {    \
            check_probability(Err::Runtime, p);                               \
            return drop(input, p, train, {CHANNELS, ALPHA, false});           \
        }                                                                     \
    };                                                                        \
    struct NAME##InPlace : RandomComposite<NAME##InPlace> {                   \
        SIG(OP_NAME "_(Tensor(a!) self, float p, bool train) -> Tensor(a!)"); \
        DOC(TEXT " In place.");                                               \
        static Tensor forward(const Tensor& self, double p, bool train) {     \
            check_probability(Err::Runtime, p);                               \
            return drop(self, p, train, {CHANNELS, ALPHA, true});             \
        }                                                                     \
    };                                                                        \
    OP(NAME);                                                                 \
    OP(NAME##InPlace)
RL_DROPOUT(Dropout, "dropout", "Elements zeroed with probability p, the others scaled by 1 / (1 - p).", false, false);
RL_DROPOUT(FeatureDropout, "feature_dropout", "Channels zeroed with probability p, the others scaled by 1 / (1 - p).",
           true, false);
RL_DROPOUT(AlphaDropout, "alpha_dropout", "Dropout that keeps mean and variance of SELU's outputs.", false, true);
RL_DROPOUT(FeatureAlphaDropout, "feature_alpha_dropout",
           "Dropout of channels that keeps mean and variance of SELU's outputs.", true, true);

struct NativeDropout : RandomComposite<NativeDropout> {
    SIG("native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)");
    DOC("Dropout, and the mask of the elements that are kept.");
    static std::tuple<Tensor, Tensor> forward(const Tensor& input, double p, const OptBool& train) {
        if (!train.value_or(true) || input.numel() == 0)
            return {input, ones(input.sizes(), DType::Bool, input.device())};
        check(p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", 1 - p, " (native_dropout)");
        auto [r, mask] = fused_dropout(input, p, true);
        return {r, mask};
    }
};
OP(NativeDropout);

// ---------------------------------------------------------------- nn.functional
namespace {
// Of dropout2d and dropout3d: an input of unusual rank.
void warn_rank(const char* op, const Tensor& x, int64_t n) {
    if (x.dim() == n + 1 || x.dim() == n + 2) return;
    warn(op, ": Received a ", x.dim(), "-D input to ", op,
         ", which is deprecated and will result in an error in a future release. To retain the behavior and "
         "silence this warning, please use dropout instead. Note that ",
         op, " exists to provide channel-wise dropout on inputs with ", n,
         " spatial dimensions, a channel dimension, and an optional batch dimension (i.e. ", n + 1, "D or ", n + 2,
         "D inputs).");
}
// x's channels are its first dimension: they are dropped as those of a batch of one.
Tensor drop_unbatched(const Tensor& x, double p, bool training, bool inplace) {
    Tensor r = drop(unsqueeze(x, 0), p, training, {true, false, inplace});
    return inplace ? x : squeeze(r, 0);
}
}  // namespace

#define RL_NN_OPTIONS(TRAINING) "(Tensor input, float p=0.5, bool training=" TRAINING ", bool inplace=False) -> Tensor"

struct NnDropout : RandomComposite<NnDropout> {
    SIG("nn::dropout" RL_NN_OPTIONS("True"));
    DOC("In training, elements zeroed with probability p, the others scaled by 1 / (1 - p).");
    static Tensor forward(const Tensor& input, double p, bool training, bool inplace) {
        check_probability(Err::Value, p);
        return drop(input, p, training, {false, false, inplace});
    }
};
struct NnAlphaDropout : RandomComposite<NnAlphaDropout> {
    SIG("nn::alpha_dropout" RL_NN_OPTIONS("False"));
    DOC("In training, dropout that keeps mean and variance of SELU's outputs (Klambauer et al., 2017).");
    static Tensor forward(const Tensor& input, double p, bool training, bool inplace) {
        check_probability(Err::Value, p);
        return drop(input, p, training, {false, true, inplace});
    }
};
struct NnFeatureAlphaDropout : RandomComposite<NnFeatureAlphaDropout> {
    SIG("nn::feature_alpha_dropout" RL_NN_OPTIONS("False"));
    DOC("In training, alpha dropout of whole channels.");
    static Tensor forward(const Tensor& input, double p, bool training, bool inplace) {
        check_probability(Err::Value, p);
        return drop(input, p, training, {true, true, inplace});
    }
};
struct NnDropout1d : RandomComposite<NnDropout1d> {
    SIG("nn::dropout1d" RL_NN_OPTIONS("True"));
    DOC("In training, channels of (N, C, L) or (C, L) zeroed with probability p.");
    static Tensor forward(const Tensor& input, double p, bool training, bool inplace) {
        check_probability(Err::Value, p);
        check(input.dim() == 2 || input.dim() == 3, "dropout1d: Expected 2D or 3D input, but received a ", input.dim(),
              "D input. Note that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
              "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).");
        return input.dim() == 2 ? drop_unbatched(input, p, training, inplace)
                                : drop(input, p, training, {true, false, inplace});
    }
};
struct NnDropout2d : RandomComposite<NnDropout2d> {
    SIG("nn::dropout2d" RL_NN_OPTIONS("True"));
    DOC("In training, channels of (N, C, H, W) zeroed with probability p (Tompson et al., 2015).");
    static Tensor forward(const Tensor& input, double p, bool training, bool inplace) {
        check_probability(Err::Value, p);
        warn_rank("dropout2d", input, 2);
        if (input.dim() == 3)
            warn(
                "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
                "desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will "
                "change in a future "
                "release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
                "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.");
        return drop(input, p, training, {true, false, inplace});
    }
};
struct NnDropout3d : RandomComposite<NnDropout3d> {
    SIG("nn::dropout3d" RL_NN_OPTIONS("True"));
    DOC("In training, channels of (N, C, D, H, W) or (C, D, H, W) zeroed with probability p.");
    static Tensor forward(const Tensor& input, double p, bool training, bool inplace) {
        check_probability(Err::Value, p);
        warn_rank("dropout3d", input, 3);
        return input.dim() == 5 ? drop(input, p, training, {true, false, inplace})
                                : drop_unbatched(input, p, training, inplace);
    }
};
OP(NnDropout);
OP(NnAlphaDropout);
OP(NnFeatureAlphaDropout);
OP(NnDropout1d);
OP(NnDropout2d);
OP(NnDropout3d);

}  // namespace rl
