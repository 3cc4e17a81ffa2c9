// Activation functions. Each has its gradient as an operator of its own, one pass over gradient and input, whose own
// gradient is written with public operators.
#include "core/pointwise.h"

namespace rl {

using cpu::where;
namespace m = cpu::m;

// An activation on floats; `nn::name(input, ..., inplace)` is made by NN below.
template <class O, class... P> struct Activation : Unary<O, P...> {
    static constexpr uint32_t kForms = INPLACE | FUNCTION;
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>>;
};
// The gradient of an activation: a function of the incoming gradient (linear in it) and the input.
template <class O, class... P> struct ActivationGrad : Binary<O, P...> {
    static constexpr uint32_t kForms = FUNCTION;
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0, 1>, In<1>>;
};

// ---------------------------------------------------------------- relu and threshold
struct ThresholdBackward : ActivationGrad<ThresholdBackward, Scalar> {
    SIG("threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor");
    DOC("grad_output where self exceeds threshold, else 0.");
    static constexpr uint32_t kDtypes = kFloats | kInts;
    template <class V> RL_F V f(V g, V x, const auto* p) { return where(x <= V(p[0]), V(0), g); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<ThresholdBackward>(g, c.in<1>(), c.arg<2>()); }
    static Tensor dother(Ctx&, const Tensor&) { return {}; }
    static Tensor forward_op(const Tensor& g, const Tensor& x, const Scalar& threshold) { return call_consuming<ThresholdBackward>(g, x, threshold); }
};
POINTWISE(ThresholdBackward);

struct Relu : Unary<Relu> {
    SIG("relu(Tensor self) -> Tensor");
    DOC("max(self, 0) elementwise.");
    FORMS(FUNCTION | METHOD | INPLACE);
    static constexpr uint32_t kDtypes = kFloats | kInts;
    using Saves = Save<Out<0>>;
    static void validate(const Operand*, DType common, const Scalar*) { check(common != DType::Bool, "Boolean inputs not supported for relu"); }
    template <class V> RL_F V f(V x) { return where(x <= V(0), V(0), x); }
    static Tensor dself(Ctx& c, const Tensor& g) { return ThresholdBackward::forward_op(g, c.out(), Scalar(0)); }
};
POINTWISE(Relu);

struct Threshold : Unary<Threshold, Scalar, Scalar> {
    SIG("threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor");
    DOC("self where it exceeds threshold, else value.");
    FORMS(FUNCTION | INPLACE);
    static constexpr uint32_t kDtypes = kFloats | kInts;
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x, const auto* p) { return where(x <= V(p[0]), V(p[1]), x); }
    static Tensor dself(Ctx& c, const Tensor& g) { return ThresholdBackward::forward_op(g, c.in<0>(), c.arg<1>()); }
};
POINTWISE(Threshold);

struct LeakyReluBackward : ActivationGrad<LeakyReluBackward, Scalar> {
    SIG("leaky_relu_backward(Tensor grad_output, Tensor self, Scalar negative_slope) -> Tensor");
    DOC("Gradient of leaky_relu.");
    template <class V> RL_F V f(V g, V x, const auto* p) { return where(x > V(0), g, V(g * V(p[0]))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<LeakyReluBackward>(g, c.in<1>(), c.arg<2>()); }
    static Tensor dother(Ctx&, const Tensor&) { return {}; }
};
POINTWISE(LeakyReluBackward);
struct LeakyRelu : Activation<LeakyRelu, Scalar> {
    SIG("_leaky_relu(Tensor self, Scalar negative_slope) -> Tensor");
    DOC("self where positive, else negative_slope * self (Maas et al., 2013).");
    template <class V> RL_F V f(V x, const auto* p) { return where(x > V(0), x, V(x * V(p[0]))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<LeakyReluBackward>(g, c.in<0>(), c.arg<1>()); }
};
POINTWISE(LeakyRelu);

// prelu with the weight broadcast to the input
struct PreluBackward : Ternary<PreluBackward> {
    SIG("_prelu_backward(Tensor grad_output, Tensor self, Tensor weight) -> Tensor");
    DOC("Gradient of prelu with respect to its input.");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0, 2>, In<1>, In<2, 0>>;
    template <class V> RL_F V f(V g, V x, V w) { return where(x > V(0), g, V(w * g)); }
    static Tensor d0(Ctx& c, const Tensor& g) { return call<PreluBackward>(g, c.in<1>(), c.in<2>()); }
    static Tensor d1(Ctx&, const Tensor&) { return {}; }
    static Tensor d2(Ctx& c, const Tensor& g) { return rl::where(gt(c.in<1>(), 0), Scalar(0.0), g * c.in<0>()); }
};
POINTWISE(PreluBackward);
struct Prelu : Binary<Prelu> {
    SIG("_prelu_kernel(Tensor self, Tensor weight) -> Tensor");
    DOC("self where positive, else weight * self.");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>, In<1, 0>>;
    template <class V> RL_F V f(V x, V w) { return where(x > V(0), x, V(w * x)); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<PreluBackward>(g, c.in<0>(), c.in<1>()); }
    static Tensor dother(Ctx& c, const Tensor& g) { return rl::where(gt(c.in<0>(), 0), Scalar(0.0), g * c.in<0>()); }
};
POINTWISE(Prelu);

// ---------------------------------------------------------------- exponential units
// scale * (x > 0 ? x : alpha * (exp(input_scale * x) - 1)): elu, selu and celu
struct EluBackward : ActivationGrad<EluBackward, Scalar, Scalar, Scalar> {
    SIG("elu_backward(Tensor grad_output, Tensor self, Scalar alpha, Scalar scale, Scalar input_scale) -> Tensor");
    DOC("Gradient of elu with respect to its input.");
    template <class V> RL_F V f(V g, V x, const auto* p) {
        return where(x > V(0), V(g * V(p[1])), V(g * V(p[0] * p[1] * p[2]) * m::exp(V(x * V(p[2])))));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<EluBackward>(g, c.in<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>()); }
    static Tensor dother(Ctx& c, const Tensor& g) {
        double k = c.arg<2>().to<double>() * c.arg<3>().to<double>() * c.arg<4>().to<double>() * c.arg<4>().to<double>();
        Tensor x = c.in<1>();
        return g * c.in<0>() * rl::where(gt(x, 0), Scalar(0.0), exp(x * c.arg<4>()) * k);
    }
};
POINTWISE(EluBackward);
struct Elu : Activation<Elu, Scalar, Scalar, Scalar> {
    SIG("_elu(Tensor self, Scalar alpha, Scalar scale, Scalar input_scale) -> Tensor");
    DOC("Exponential linear unit (Clevert et al., 2016), with the scales of selu and celu.");
    template <class V> RL_F V f(V x, const auto* p) { return where(x > V(0), V(x * V(p[1])), V(V(p[0] * p[1]) * m::expm1(V(x * V(p[2]))))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<EluBackward>(g, c.in<0>(), c.arg<1>(), c.arg<2>(), c.arg<3>()); }
};
POINTWISE(Elu);

// ---------------------------------------------------------------- smooth gates
struct SiluBackward : ActivationGrad<SiluBackward> {
    SIG("silu_backward(Tensor grad_output, Tensor self) -> Tensor");
    DOC("Gradient of silu.");
    template <class V> RL_F V f(V g, V x) {
        V s = m::sigmoid(x);
        return V(g * s * (V(1) + x * (V(1) - s)));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<SiluBackward>(g, c.in<1>()); }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor x = c.in<1>(), s = sigmoid(x);
        return g * c.in<0>() * s * (1 - s) * (2 + x * (1 - 2 * s));
    }
};
POINTWISE(SiluBackward);
struct Silu : Activation<Silu> {
    SIG("_silu(Tensor self) -> Tensor");
    DOC("self * sigmoid(self) (Hendrycks and Gimpel, 2016).");
    template <class V> RL_F V f(V x) { return V(x * m::sigmoid(x)); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<SiluBackward>(g, c.in<0>()); }
};
POINTWISE(Silu);

struct Gate : Binary<Gate> {
    SIG("_gate(Tensor self, Tensor gate) -> Tensor");
    DOC("self times the sigmoid of gate.");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0, 1>, In<1>>;
    template <class V> RL_F V f(V x, V y) { return V(x * m::sigmoid(y)); }
    static Tensor dself(Ctx& c, const Tensor& g) { return g * sigmoid(c.in<1>()); }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor s = sigmoid(c.in<1>());
        return g * c.in<0>() * (s * (1 - s));
    }
};
POINTWISE(Gate);

// The normal distribution function with an absolute error of 2e-7 for floats, whose relative error in the lower tail
// does not matter here: erf(t) / t as a quotient of polynomials in t^2, fitted on [0, 4].
template <class V> RL_F V normal_cdf(V x) {
    if constexpr (sizeof(cpu::lane_t<V>) == 8) return V(0.5) * (V(1) + m::erf(V(x * V(0.70710678118654752440))));
    else {
        const V t = V(x * V(0.70710678f)), z = t * t;
        const V p = m::detail::poly(z, 1.128379141, 0.1929985916, 0.05303711693, 0.003862011378, 0.0002844502539, 1.995744637e-6);
        const V q = m::detail::poly(z, 1.0, 0.5043731595, 0.1151310525, 0.01516423282, 0.001181078061, 3.750702009e-5);
        const V half = V(0.5f) * t * p / q;
        return V(0.5f) + where(z < V(15.5f), half, m::copysign(V(0.5f), t));
    }
}

// Gaussian error linear unit (Hendrycks and Gimpel, 2016): x times the normal distribution function, or its tanh form.
struct GeluBackward : ActivationGrad<GeluBackward> {
    SIG("_gelu_backward(Tensor grad_output, Tensor self) -> Tensor");
    DOC("Gradient of gelu.");
    template <class V> RL_F V f(V g, V x) {
        V cdf = normal_cdf(x);
        V pdf = V(0.39894228040143267794) * m::exp(V(x * x * V(-0.5)));
        return V(g * (cdf + x * pdf));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<GeluBackward>(g, c.in<1>()); }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor x = c.in<1>(), x2 = x * x;
        return g * c.in<0>() * exp(x2 * -0.5) * 0.39894228040143267794 * (2 - x2);
    }
};
POINTWISE(GeluBackward);
struct Gelu : Activation<Gelu> {
    SIG("_gelu(Tensor self) -> Tensor");
    DOC("self times the normal distribution function.");
    template <class V> RL_F V f(V x) { return V(x * normal_cdf(x)); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<GeluBackward>(g, c.in<0>()); }
};
POINTWISE(Gelu);

struct GeluTanhBackward : ActivationGrad<GeluTanhBackward> {
    SIG("_gelu_tanh_backward(Tensor grad_output, Tensor self) -> Tensor");
    DOC("Gradient of gelu's tanh form.");
    static constexpr double k = 0.79788456080286535588, c3 = 0.044715;
    template <class V> RL_F V f(V g, V x) {
        V t = m::tanh(V(V(k) * (x + V(c3) * x * x * x)));
        V du = V(k) * (V(1) + V(3 * c3) * x * x);
        return V(g * (V(0.5) * (V(1) + t) + V(0.5) * x * (V(1) - t * t) * du));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<GeluTanhBackward>(g, c.in<1>()); }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor x = c.in<1>(), x2 = x * x;
        Tensor t = tanh((x + x2 * x * c3) * k), s = 1 - t * t, du = (x2 * (3 * c3) + Scalar(1.0)) * k;
        return g * c.in<0>() * (s * du + x * 0.5 * (s * x * (6 * c3 * k) - 2 * t * s * du * du));
    }
};
POINTWISE(GeluTanhBackward);
struct GeluTanh : Activation<GeluTanh> {
    SIG("_gelu_tanh(Tensor self) -> Tensor");
    DOC("gelu with the normal distribution function approximated by tanh.");
    template <class V> RL_F V f(V x) { return V(x * V(0.5) * (V(1) + m::tanh(V(V(GeluTanhBackward::k) * (x + V(GeluTanhBackward::c3) * x * x * x))))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<GeluTanhBackward>(g, c.in<0>()); }
};
POINTWISE(GeluTanh);

struct SoftplusBackward : ActivationGrad<SoftplusBackward, Scalar, Scalar> {
    SIG("softplus_backward(Tensor grad_output, Tensor self, Scalar beta, Scalar threshold) -> Tensor");
    DOC("Gradient of softplus.");
    template <class V> RL_F V f(V g, V x, const auto* p) {
        V z = V(x * V(p[0]));
        return where(z > V(p[1]), g, V(g * m::sigmoid(z)));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<SoftplusBackward>(g, c.in<1>(), c.arg<2>(), c.arg<3>()); }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor z = c.in<1>() * c.arg<2>(), s = sigmoid(z);
        return g * c.in<0>() * rl::where(gt(z, c.arg<3>()), Scalar(0.0), s * (1 - s) * c.arg<2>());
    }
};
POINTWISE(SoftplusBackward);
struct Softplus : Activation<Softplus, Scalar, Scalar> {
    SIG("_softplus(Tensor self, Scalar beta, Scalar threshold) -> Tensor");
    DOC("log(1 + exp(beta * self)) / beta; self itself where beta * self exceeds threshold.");
    template <class V> RL_F V f(V x, const auto* p) {
        V z = V(x * V(p[0]));
        return where(z > V(p[1]), x, V(m::log1p(m::exp(z)) / V(p[0])));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<SoftplusBackward>(g, c.in<0>(), c.arg<1>(), c.arg<2>()); }
};
POINTWISE(Softplus);

struct Mish : Activation<Mish> {
    SIG("_mish(Tensor self) -> Tensor");
    DOC("self * tanh(softplus(self)) (Misra, 2019).");
    template <class V> RL_F V f(V x) { return V(x * m::tanh(where(x > V(20), x, m::log1p(m::exp(x))))); }
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), t = tanh(call<Softplus>(x, Scalar(1.0), Scalar(20.0)));
        return g * (t + x * sigmoid(x) * (1 - t * t));
    }
};
POINTWISE(Mish);

struct LogSigmoid : Activation<LogSigmoid> {
    SIG("_log_sigmoid(Tensor self) -> Tensor");
    DOC("log(sigmoid(self)), without overflow.");
    template <class V> RL_F V f(V x) { return V(where(x < V(0), x, V(0)) - m::log1p(m::exp(V(-m::abs(x))))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return g * sigmoid(neg(c.in<0>())); }
};
POINTWISE(LogSigmoid);

struct Softsign : Activation<Softsign> {
    SIG("_softsign(Tensor self) -> Tensor");
    DOC("self / (1 + |self|).");
    template <class V> RL_F V f(V x) { return V(x / (V(1) + m::abs(x))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return g / square(abs(c.in<0>()) + Scalar(1.0)); }
};
POINTWISE(Softsign);

// ---------------------------------------------------------------- piecewise linear
// The gradient passes strictly between two bounds, scaled: hardtanh, hardsigmoid
struct BandBackward : ActivationGrad<BandBackward, Scalar, Scalar, Scalar> {
    SIG("_band_backward(Tensor grad_output, Tensor self, Scalar low, Scalar high, Scalar scale) -> Tensor");
    DOC("grad_output * scale where low < self < high, else 0.");
    template <class V> RL_F V f(V g, V x, const auto* p) { return where((x > V(p[0])) & (x < V(p[1])), V(g * V(p[2])), V(0)); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<BandBackward>(g, c.in<1>(), c.arg<2>(), c.arg<3>(), c.arg<4>()); }
    static Tensor dother(Ctx&, const Tensor&) { return {}; }
};
POINTWISE(BandBackward);
struct Hardtanh : Activation<Hardtanh, Scalar, Scalar> {
    SIG("_hardtanh(Tensor self, Scalar min_val, Scalar max_val) -> Tensor");
    DOC("self limited to min_val .. max_val.");
    static constexpr uint32_t kDtypes = kFloats | kInts;
    template <class V> RL_F V f(V x, const auto* p) { return where(x < V(p[0]), V(p[0]), where(x > V(p[1]), V(p[1]), x)); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<BandBackward>(g, c.in<0>(), c.arg<1>(), c.arg<2>(), Scalar(1.0)); }
};
POINTWISE(Hardtanh);
struct Hardsigmoid : Activation<Hardsigmoid> {
    SIG("_hardsigmoid(Tensor self) -> Tensor");
    DOC("self / 6 + 1/2 limited to 0 .. 1.");
    template <class V> RL_F V f(V x) {
        V y = V(x + V(3));
        return V(where(y < V(0), V(0), where(y > V(6), V(6), y)) / V(6));
    }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<BandBackward>(g, c.in<0>(), Scalar(-3.0), Scalar(3.0), Scalar(1.0 / 6)); }
};
POINTWISE(Hardsigmoid);
struct Hardswish : Activation<Hardswish> {
    SIG("_hardswish(Tensor self) -> Tensor");
    DOC("self * hardsigmoid(self) (Howard et al., 2019).");
    template <class V> RL_F V f(V x) {
        V y = V(x + V(3));
        return V(x * where(y < V(0), V(0), where(y > V(6), V(6), y)) / V(6));
    }
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>();
        return g * rl::where(le(x, -3), Scalar(0.0), rl::where(lt(x, 3), x / 3 + Scalar(0.5), Scalar(1.0)));
    }
};
POINTWISE(Hardswish);

// The gradient vanishes within -lambda .. lambda
struct ShrinkBackward : ActivationGrad<ShrinkBackward, Scalar> {
    SIG("_shrink_backward(Tensor grad_output, Tensor self, Scalar lambd) -> Tensor");
    DOC("grad_output where |self| > lambd, else 0.");
    template <class V> RL_F V f(V g, V x, const auto* p) { return where((x >= V(-p[0])) & (x <= V(p[0])), V(0), g); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call<ShrinkBackward>(g, c.in<1>(), c.arg<2>()); }
    static Tensor dother(Ctx&, const Tensor&) { return {}; }
};
POINTWISE(ShrinkBackward);
struct Hardshrink : Unary<Hardshrink, Scalar> {
    SIG("hardshrink(Tensor self, Scalar lambd=0.5, *, Tensor? out=None) -> Tensor");
    DOC("self where |self| > lambd, else 0.");
    FORMS(FUNCTION | METHOD | OUT);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x, const auto* p) { return where((x >= V(-p[0])) & (x <= V(p[0])), V(0), x); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<ShrinkBackward>(g, c.in<0>(), c.arg<1>()); }
};
POINTWISE(Hardshrink);
struct Softshrink : Unary<Softshrink, Scalar> {
    SIG("nn::softshrink(Tensor input, Scalar lambd=0.5, *, Tensor? out=None) -> Tensor");
    DOC("input moved towards 0 by lambd, 0 where it would pass it.");
    FORMS(FUNCTION | OUT);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x, const auto* p) { return where(x > V(p[0]), V(x - V(p[0])), where(x < V(-p[0]), V(x + V(p[0])), V(x * V(0)))); }
    static Tensor into(const Tensor& out, bool inplace, const Tensor& self, const Scalar& lambd) {
        check(lambd.to<double>() >= 0, "lambda must be greater or equal to 0, but found to be ", lambd.to<double>(), " (softshrink)");
        return Unary<Softshrink, Scalar>::into(out, inplace, self, lambd);
    }
    static Tensor forward(const Tensor& self, const Scalar& lambd) { return into(Tensor(), false, self, lambd); }
    static Tensor dself(Ctx& c, const Tensor& g) { return call_consuming<ShrinkBackward>(g, c.in<0>(), c.arg<1>()); }
};
POINTWISE(Softshrink);

// ---------------------------------------------------------------- the functions of nn.functional
#ifndef RL_ISA
namespace {
template <class O, class... P> Tensor apply(const Tensor& x, bool inplace, const P&... p) { return inplace ? call_inplace<O>(x, p...) : call<O>(x, p...); }
constexpr double kSeluAlpha = 1.6732632423543772848170429916717, kSeluScale = 1.0507009873554804934193349852946;
}  // namespace

#define NN_FORMS(NAME, SIGNATURE, TEXT, FORM, PARAMETERS, CALL) \
    struct NAME : Composite<NAME> {                             \
        SIG(SIGNATURE);                                         \
        DOC(TEXT);                                              \
        FORMS(FORM);                                            \
        static constexpr bool kCastsOut = false;                \
        static Tensor forward PARAMETERS { return CALL; }       \
    };                                                          \
    OP(NAME)
#define NN(NAME, SIGNATURE, TEXT, PARAMETERS, CALL) NN_FORMS(NAME, SIGNATURE, TEXT, FUNCTION, PARAMETERS, CALL)
#define NN_OUT(NAME, SIGNATURE, TEXT, PARAMETERS, CALL) NN_FORMS(NAME, SIGNATURE, TEXT, FUNCTION | OUT, PARAMETERS, CALL)

NN(NnRelu, "nn::relu(Tensor input, bool inplace=False) -> Tensor", "max(input, 0) elementwise.", (const Tensor& x, bool inplace), apply<Relu>(x, inplace));
NN(NnReluInplace, "nn::relu_(Tensor input) -> Tensor", "relu in place.", (const Tensor& x), apply<Relu>(x, true));
NN(NnThreshold, "nn::threshold(Tensor input, Scalar threshold, Scalar value, bool inplace=False) -> Tensor", "input where it exceeds threshold, else value.",
   (const Tensor& x, const Scalar& t, const Scalar& v, bool inplace), apply<Threshold>(x, inplace, t, v));
NN(NnThresholdInplace, "nn::threshold_(Tensor input, Scalar threshold, Scalar value) -> Tensor", "threshold in place.", (const Tensor& x, const Scalar& t, const Scalar& v), apply<Threshold>(x, true, t, v));
NN(NnLeakyRelu, "nn::leaky_relu(Tensor input, Scalar negative_slope=0.01, bool inplace=False) -> Tensor", "input where positive, else negative_slope * input.",
   (const Tensor& x, const Scalar& slope, bool inplace), apply<LeakyRelu>(x, inplace, slope));
NN(NnLeakyReluInplace, "nn::leaky_relu_(Tensor input, Scalar negative_slope=0.01) -> Tensor", "leaky_relu in place.", (const Tensor& x, const Scalar& slope), apply<LeakyRelu>(x, true, slope));
NN(NnElu, "nn::elu(Tensor input, Scalar alpha=1.0, bool inplace=False) -> Tensor", "Exponential linear unit.", (const Tensor& x, const Scalar& alpha, bool inplace),
   apply<Elu>(x, inplace, alpha, Scalar(1.0), Scalar(1.0)));
NN(NnEluInplace, "nn::elu_(Tensor input, Scalar alpha=1.0) -> Tensor", "elu in place.", (const Tensor& x, const Scalar& alpha), apply<Elu>(x, true, alpha, Scalar(1.0), Scalar(1.0)));
NN(NnSelu, "nn::selu(Tensor input, bool inplace=False) -> Tensor", "Scaled exponential linear unit (Klambauer et al., 2017).", (const Tensor& x, bool inplace),
   apply<Elu>(x, inplace, Scalar(kSeluAlpha), Scalar(kSeluScale), Scalar(1.0)));
NN(NnSeluInplace, "nn::selu_(Tensor input) -> Tensor", "selu in place.", (const Tensor& x), apply<Elu>(x, true, Scalar(kSeluAlpha), Scalar(kSeluScale), Scalar(1.0)));
NN(TorchSelu, "selu(Tensor self) -> Tensor", "Scaled exponential linear unit (Klambauer et al., 2017).", (const Tensor& x), apply<Elu>(x, false, Scalar(kSeluAlpha), Scalar(kSeluScale), Scalar(1.0)));
NN(TorchSeluInplace, "selu_(Tensor self) -> Tensor", "selu in place.", (const Tensor& x), apply<Elu>(x, true, Scalar(kSeluAlpha), Scalar(kSeluScale), Scalar(1.0)));

static Tensor celu(const Tensor& x, const Scalar& alpha, bool inplace) {
    check(alpha.to<double>() != 0, Err::ZeroDivision, "ZeroDivisionError: alpha cannot be 0 for CELU");
    return apply<Elu>(x, inplace, alpha, Scalar(1.0), Scalar(1.0 / alpha.to<double>()));
}
NN(NnCelu, "nn::celu(Tensor input, Scalar alpha=1.0, bool inplace=False) -> Tensor", "Continuously differentiable exponential linear unit (Barron, 2017).",
   (const Tensor& x, const Scalar& alpha, bool inplace), celu(x, alpha, inplace));
NN(NnCeluInplace, "nn::celu_(Tensor input, Scalar alpha=1.0) -> Tensor", "celu in place.", (const Tensor& x, const Scalar& alpha), celu(x, alpha, true));
NN(TorchCelu, "celu(Tensor self, Scalar alpha=1.0) -> Tensor", "Continuously differentiable exponential linear unit (Barron, 2017).", (const Tensor& x, const Scalar& alpha), celu(x, alpha, false));
NN(TorchCeluInplace, "celu_(Tensor self, Scalar alpha=1.0) -> Tensor", "celu in place.", (const Tensor& x, const Scalar& alpha), celu(x, alpha, true));

static Tensor gelu(const Tensor& x, const std::string& approximate) {
    check(approximate == "none" || approximate == "tanh", "approximate argument must be either none or tanh, not ", approximate, " (gelu)");
    return approximate == "tanh" ? call<GeluTanh>(x) : call<Gelu>(x);
}
NN_OUT(NnGelu, "nn::gelu(Tensor input, *, str approximate='none', Tensor? out=None) -> Tensor", "input times the normal distribution function, or its tanh form.", (const Tensor& x, const std::string& approximate),
   gelu(x, approximate));
// Complex numbers and integers go by operators that have them.
static Tensor silu(const Tensor& x, bool inplace) {
    if (!x.is_complex()) return apply<Silu>(x, inplace);
    Tensor r = x * sigmoid(x);
    return inplace ? copy_(x, r) : r;
}
static Tensor softsign(const Tensor& x) { return x.is_floating() ? call<Softsign>(x) : x / (abs(x) + Scalar(1)); }
NN(NnSilu, "nn::silu(Tensor input, bool inplace=False) -> Tensor", "input * sigmoid(input).", (const Tensor& x, bool inplace), silu(x, inplace));
NN(NnMish, "nn::mish(Tensor input, bool inplace=False) -> Tensor", "input * tanh(softplus(input)).", (const Tensor& x, bool inplace), apply<Mish>(x, inplace));
NN_OUT(NnSoftplus, "nn::softplus(Tensor input, Scalar beta=1, Scalar threshold=20, *, Tensor? out=None) -> Tensor", "log(1 + exp(beta * input)) / beta.", (const Tensor& x, const Scalar& beta, const Scalar& threshold),
   call<Softplus>(x, beta, threshold));
NN(NnSoftsign, "nn::softsign(Tensor input) -> Tensor", "input / (1 + |input|).", (const Tensor& x), softsign(x));
NN_OUT(NnLogSigmoid, "nn::logsigmoid(Tensor input, *, Tensor? out=None) -> Tensor", "log(sigmoid(input)).", (const Tensor& x), call<LogSigmoid>(x));

static Tensor hardtanh(const Tensor& x, const Scalar& low, const Scalar& high, bool inplace) {
    check(low.real() <= high.real(), Err::Value, "min_val cannot be greater than max_val: ", low.real(), " > ", high.real(), " (hardtanh)");
    check(is_floating(x.dtype()) || info(x.dtype()).is_signed || low.real() >= 0, "cannot do hardtanh on an unsigned type with negative limits");
    return apply<Hardtanh>(x, inplace, low, high);
}
NN(NnHardtanh, "nn::hardtanh(Tensor input, Scalar min_val=-1.0, Scalar max_val=1.0, bool inplace=False) -> Tensor", "input limited to min_val .. max_val.",
   (const Tensor& x, const Scalar& low, const Scalar& high, bool inplace), hardtanh(x, low, high, inplace));
NN(NnHardtanhInplace, "nn::hardtanh_(Tensor input, Scalar min_val=-1.0, Scalar max_val=1.0) -> Tensor", "hardtanh in place.", (const Tensor& x, const Scalar& low, const Scalar& high), hardtanh(x, low, high, true));
NN(NnRelu6, "nn::relu6(Tensor input, bool inplace=False) -> Tensor", "input limited to 0 .. 6.", (const Tensor& x, bool inplace), hardtanh(x, Scalar(0), Scalar(6), inplace));
NN(NnHardsigmoid, "nn::hardsigmoid(Tensor input, bool inplace=False) -> Tensor", "input / 6 + 1/2 limited to 0 .. 1.", (const Tensor& x, bool inplace), apply<Hardsigmoid>(x, inplace));
NN(NnHardswish, "nn::hardswish(Tensor input, bool inplace=False) -> Tensor", "input * hardsigmoid(input).", (const Tensor& x, bool inplace), apply<Hardswish>(x, inplace));
NN_OUT(NnHardshrink, "nn::hardshrink(Tensor input, Scalar lambd=0.5, *, Tensor? out=None) -> Tensor", "input where |input| > lambd, else 0.", (const Tensor& x, const Scalar& lambd), call<Hardshrink>(x, lambd));
NN(NnSigmoid, "nn::sigmoid(Tensor input) -> Tensor", "1 / (1 + exp(-input)).", (const Tensor& x), sigmoid(x));
NN(NnTanh, "nn::tanh(Tensor input) -> Tensor", "Hyperbolic tangent.", (const Tensor& x), tanh(x));

static Tensor prelu(const Tensor& x, const Tensor& weight) {
    check(x.dtype() == weight.dtype(), "prelu: Type promoting not supported. Got ", title(x.dtype()), " and ", title(weight.dtype()));
    check(weight.dim() <= 1, "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.dim());
    Tensor w = weight;
    if (weight.numel() != 1) {
        check(x.dim() > 0, "Not allow zero-dim input tensor. (prelu)");
        int64_t channels = x.dim() > 1 ? x.sizes()[1] : 1;
        check(channels == weight.numel(), "Mismatch of parameter numbers and input channel size. Found parameter numbers = ", weight.numel(), " and channel size = ", channels, ".");
        Dims shape(size_t(x.dim()), 1);
        shape[1] = channels;
        w = reshape(weight, shape);
    } else if (weight.dim() == 1) w = reshape(weight, Dims());
    return call<Prelu>(x, w);
}
NN(NnPrelu, "nn::prelu(Tensor input, Tensor weight) -> Tensor", "input where positive, else weight of the channel times input (He et al., 2015).", (const Tensor& x, const Tensor& weight), prelu(x, weight));
struct TorchPrelu : Composite<TorchPrelu> {
    SIG("prelu(Tensor self, Tensor weight) -> Tensor");
    DOC("self where positive, else weight of the channel times self (He et al., 2015).");
    static Tensor forward(const Tensor& self, const Tensor& weight) { return prelu(self, weight); }
};
OP(TorchPrelu);

static Tensor glu(const Tensor& x, int64_t dim) {
    check(x.dim() > 0, "glu does not support 0-dimensional tensors");
    check(!x.is_complex(), Err::NotImplemented, "\"glu_cpu\" not implemented for '", title(x.dtype()), "'");
    int64_t n = x.size(dim);
    check(n % 2 == 0, "Halving dimension must be even, but dimension ", dim, " is size ", n);
    return call<Gate>(narrow(x, dim, 0, n / 2), narrow(x, dim, n / 2, n / 2));
}
NN(NnGlu, "nn::glu(Tensor input, int dim=-1) -> Tensor", "The first half along dim gated by the sigmoid of the second (Dauphin et al., 2017).", (const Tensor& x, int64_t dim), glu(x, dim));
#endif

}  // namespace rl
