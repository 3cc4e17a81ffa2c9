// Losses that compare input and target element by element.
#include "core/pointwise.h"
#include "ops/loss.h"

namespace rl {

using cpu::where;
namespace m = cpu::m;

// f(input, target), symmetric in the sense that the derivative with respect to target is minus that to input.
template <class O, class... P> struct DifferenceLoss : Binary<O, P...> {
    static constexpr uint32_t kForms = FUNCTION;
    static constexpr uint32_t kDtypes = kFloats | kInts;
    using Saves = Save<In<0>, In<1>>;
    template <class C> static Tensor dother(C& c, const Tensor& g) { return neg(O::dself(c, g)); }
};

// scale * g * (input - target): the gradient of the squared error, in one pass
struct SquaredErrorGrad : Ternary<SquaredErrorGrad, Scalar> {
    SIG("_squared_error_backward(Tensor grad_output, Tensor input, Tensor target, Scalar scale) -> Tensor");
    DOC("scale * grad_output * (input - target).");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats | kComplexes;
    using Saves = Save<In<0>, In<1, 0>, In<2, 0>>;
    template <class V> RL_F V f(V g, V x, V y, const auto* p) { return V(g * V(p[0]) * V(x - y)); }
    static Tensor d0(Ctx& c, const Tensor& g) { return g * conj(sub(c.in<1>(), c.in<2>())) * c.arg<3>(); }
    static Tensor d1(Ctx& c, const Tensor& g) { return g * conj(c.in<0>()) * c.arg<3>(); }
    static Tensor d2(Ctx& c, const Tensor& g) { return neg(g * conj(c.in<0>()) * c.arg<3>()); }
};
POINTWISE(SquaredErrorGrad);

struct SmoothL1 : DifferenceLoss<SmoothL1, Scalar> {
    SIG("_smooth_l1(Tensor input, Tensor target, Scalar beta) -> Tensor");
    DOC("(x - y)^2 / (2 beta) where |x - y| < beta, else |x - y| - beta / 2 (Girshick, 2015).");
    static constexpr uint32_t kDtypes = kFloats;
    template <class V> RL_F V f(V x, V y, const auto* p) {
        V z = m::abs(V(x - y));
        return where(z < V(p[0]), V(V(0.5) * z * z / V(p[0])), V(z - V(0.5) * V(p[0])));
    }
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor d = sub(c.in<0>(), c.in<1>());
        double beta = c.arg<2>().to<double>();
        return g * (beta == 0 ? sign(d) : clamp(d / beta, Scalar(-1.0), Scalar(1.0)));
    }
};
POINTWISE(SmoothL1);

struct Huber : DifferenceLoss<Huber, Scalar> {
    SIG("_huber(Tensor input, Tensor target, Scalar delta) -> Tensor");
    DOC("(x - y)^2 / 2 where |x - y| < delta, else delta (|x - y| - delta / 2) (Huber, 1964).");
    static constexpr uint32_t kDtypes = kFloats;
    template <class V> RL_F V f(V x, V y, const auto* p) {
        V z = m::abs(V(x - y));
        return where(z < V(p[0]), V(V(0.5) * z * z), V(V(p[0]) * (z - V(0.5) * V(p[0]))));
    }
    static Tensor dself(Ctx& c, const Tensor& g) {
        double delta = c.arg<2>().to<double>();
        return g * clamp(sub(c.in<0>(), c.in<1>()), Scalar(-delta), Scalar(delta));
    }
};
POINTWISE(Huber);

struct BinaryCrossEntropy : Binary<BinaryCrossEntropy> {
    SIG("_binary_cross_entropy(Tensor input, Tensor target) -> Tensor");
    DOC("-(y log x + (1 - y) log(1 - x)), logarithms at least -100.");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V x, V y) {
        V a = m::log(x), b = m::log1p(V(-x));
        a = where(a < V(-100), V(-100), a);
        b = where(b < V(-100), V(-100), b);
        return V((y - V(1)) * b - y * a);
    }
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>();
        return g * (x - c.in<1>()) / clamp((1 - x) * x, Scalar(1e-12), {});
    }
    static Tensor dother(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>();
        return g * (log(1 - x) - log(x));
    }
};
POINTWISE(BinaryCrossEntropy);

struct LogitsGrad : Binary<LogitsGrad> {
    SIG("_sigmoid_minus(Tensor input, Tensor target) -> Tensor");
    DOC("sigmoid(input) - target.");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>>;
    template <class V> RL_F V f(V x, V y) { return V(m::sigmoid(x) - y); }
    static Tensor dself(Ctx& c, const Tensor& g) {
        Tensor s = sigmoid(c.in<0>());
        return g * s * (1 - s);
    }
    static Tensor dother(Ctx&, const Tensor& g) { return neg(g); }
};
POINTWISE(LogitsGrad);
struct BinaryCrossEntropyLogits : Binary<BinaryCrossEntropyLogits> {
    SIG("_binary_cross_entropy_logits(Tensor input, Tensor target) -> Tensor");
    DOC("Binary cross entropy of sigmoid(input), without overflow.");
    FORMS(FUNCTION);
    static constexpr uint32_t kDtypes = kFloats;
    using Saves = Save<In<0>, In<1>>;
    template <class V> RL_F V f(V x, V y) { return V((V(1) - y) * x + m::log1p(m::exp(V(-m::abs(x)))) + where(x < V(0), V(-x), V(0))); }
    static Tensor dself(Ctx& c, const Tensor& g) { return g * call<LogitsGrad>(c.in<0>(), c.in<1>()); }
    static Tensor dother(Ctx& c, const Tensor& g) { return neg(g * c.in<0>()); }
};
POINTWISE(BinaryCrossEntropyLogits);

#ifndef RL_ISA
// ---------------------------------------------------------------- squared and absolute errors, fused
struct MseReduced : Op<MseReduced> {
    SIG("_mse_reduced(Tensor input, Tensor target, int reduction) -> Tensor");
    DOC("Mean (1) or sum (2) of the squared differences of two tensors of one shape and float dtype.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& input, const Tensor& target, int64_t reduction) { return difference_loss(input, target, true, reduction == int64_t(Reduction::Mean)); }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>();
        double scale = c.arg<2>() == int64_t(Reduction::Mean) ? 2.0 / double(std::max<int64_t>(x.numel(), 1)) : 2.0;
        Grads r(2);
        Tensor d = call<SquaredErrorGrad>(g, x, c.in<1>(), Scalar(scale));
        if (c.needs<0>()) r[0] = d;
        if (c.needs<1>()) r[1] = neg(d);
        return r;
    }
};
OP(MseReduced);
struct L1Reduced : Op<L1Reduced> {
    SIG("_l1_reduced(Tensor input, Tensor target, int reduction) -> Tensor");
    DOC("Mean (1) or sum (2) of the absolute differences of two tensors of one shape and float dtype.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>>;
    static Tensor forward(const Tensor& input, const Tensor& target, int64_t reduction) { return difference_loss(input, target, false, reduction == int64_t(Reduction::Mean)); }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor x = c.in<0>(), scaled = c.arg<2>() == int64_t(Reduction::Mean) ? g / double(std::max<int64_t>(x.numel(), 1)) : g;
        Grads r(2);
        Tensor d = scaled * sign(sub(x, c.in<1>()));
        if (c.needs<0>()) r[0] = d;
        if (c.needs<1>()) r[1] = neg(d);
        return r;
    }
};
OP(L1Reduced);

// May the loss be computed together with its mean or sum?
static bool fusible(const Tensor& x, const Tensor& y, const Tensor& weight, Reduction r) {
    return r != Reduction::None && !weight && is_floating(x.dtype()) && x.dtype() == y.dtype() && x.sizes() == y.sizes();
}

// Of one shape, before their types are promoted: a 0-dim tensor counts as much as the other.
static std::pair<Tensor, Tensor> spread(const char* op, const Tensor& x, const Tensor& y) {
    warn_sizes(op, x, y);
    if (x.sizes() == y.sizes()) return {x, y};
    Dims sizes = broadcast(x.sizes(), y.sizes());
    return {expand(x, sizes), expand(y, sizes)};
}

static Tensor weighted(const Tensor& loss, const Tensor& weight) { return weight ? mul(loss, weight) : loss; }

struct MseLoss : Composite<MseLoss> {
    SIG("nn::mse_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? weight=None) -> Tensor");
    DOC("Squared difference of input and target, its mean or its sum.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const Tensor& y, const OptBool& average, const OptBool& reduce, const std::string& text, const Tensor& weight) {
        Reduction r = reduction_of("mse_loss", text, average, reduce);
        check(is_floating(promote(x.dtype(), y.dtype())), Err::NotImplemented, "\"mse_cpu\" not implemented for '", title(promote(x.dtype(), y.dtype())), "'");
        if (fusible(x, y, weight, r)) return call<MseReduced>(x, y, int64_t(r));
        auto [a, b] = spread("mse_loss", x, y);
        Tensor loss = square(sub(a, b));
        if (!weight || r != Reduction::Mean) return reduce_loss(weighted(loss, weight), r);
        return div(sum(weighted(loss, weight)), sum(expand(weight, loss.sizes())));
    }
};
OP(MseLoss);

struct L1Loss : Composite<L1Loss> {
    SIG("nn::l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? weight=None) -> Tensor");
    DOC("Absolute difference of input and target, its mean or its sum.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const Tensor& y, const OptBool& average, const OptBool& reduce, const std::string& text, const Tensor& weight) {
        Reduction r = reduction_of("l1_loss", text, average, reduce);
        if (fusible(x, y, weight, r)) return call<L1Reduced>(x, y, int64_t(r));
        auto [a, b] = spread("l1_loss", x, y);
        Tensor loss = abs(sub(a, b));
        if (!weight || r != Reduction::Mean) return reduce_loss(weighted(loss, weight), r);
        return div(sum(weighted(loss, weight)), sum(expand(weight, loss.sizes())));
    }
};
OP(L1Loss);

struct SmoothL1Loss : Composite<SmoothL1Loss> {
    SIG("nn::smooth_l1_loss(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', float beta=1.0) -> Tensor");
    DOC("Squared difference below beta, absolute difference above.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const Tensor& y, const OptBool& average, const OptBool& reduce, const std::string& text, double beta) {
        Reduction r = reduction_of("smooth_l1_loss", text, average, reduce);
        check(beta >= 0, "smooth_l1_loss does not support negative values for beta.");
        auto [a, b] = spread("smooth_l1_loss", x, y);
        return reduce_loss(beta == 0 ? abs(sub(a, b)) : call<SmoothL1>(a, b, Scalar(beta)), r);
    }
};
OP(SmoothL1Loss);

struct HuberLoss : Composite<HuberLoss> {
    SIG("nn::huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0, Tensor? weight=None) -> Tensor");
    DOC("Squared difference below delta, scaled absolute difference above.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const Tensor& y, const std::string& text, double delta, const Tensor& weight) {
        Reduction r = reduction_of("huber_loss", text, {}, {});
        check(delta > 0, "huber_loss does not support non-positive values for delta.");
        auto [a, b] = spread("huber_loss", x, y);
        Tensor loss = call<Huber>(a, b, Scalar(delta));
        if (!weight || r != Reduction::Mean) return reduce_loss(weighted(loss, weight), r);
        return div(sum(weighted(loss, weight)), sum(expand(weight, loss.sizes())));
    }
};
OP(HuberLoss);

struct BceLoss : Composite<BceLoss> {
    SIG("nn::binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean') -> Tensor");
    DOC("Cross entropy of probabilities input with targets in 0 .. 1.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const Tensor& y, const Tensor& weight, const OptBool& average, const OptBool& reduce, const std::string& text) {
        Reduction r = reduction_of("binary_cross_entropy", text, average, reduce);
        check(is_floating(x.dtype()), Err::NotImplemented, "\"binary_cross_entropy\" not implemented for '", title(x.dtype()), "'");
        check(x.sizes() == y.sizes(), Err::Value, "Using a target size (torch.Size(", y.sizes(), ")) that is different to the input size (torch.Size(", x.sizes(), ")) is deprecated. Please ensure they have the same size.");
        check(x.dtype() == y.dtype(), "Found dtype ", title(y.dtype()), " but expected ", title(x.dtype()), " (binary_cross_entropy)");
        if (!x.is_meta() && x.numel()) {
            double low = item(amax(neg(rl::detach(x)), {}, false)).real(), high = item(amax(rl::detach(x), {}, false)).real();
            check(!(low > 0) && !(high > 1), "all elements of input should be between 0 and 1 (binary_cross_entropy)");
        }
        return reduce_loss(weighted(call<BinaryCrossEntropy>(x, y), weight), r);
    }
};
OP(BceLoss);

struct BceLogitsLoss : Composite<BceLogitsLoss> {
    SIG("nn::binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, bool? reduce=None, str reduction='mean', Tensor? pos_weight=None) -> Tensor");
    DOC("Cross entropy of the sigmoid of logits input with targets in 0 .. 1.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& x, const Tensor& y, const Tensor& weight, const OptBool& average, const OptBool& reduce, const std::string& text, const Tensor& pos_weight) {
        Reduction r = reduction_of("binary_cross_entropy_with_logits", text, average, reduce);
        check(!weight || !weight.requires_grad() || !tls.grad, "The function 'binary_cross_entropy_with_logits' is not differentiable with respect to argument 'weight'. This input cannot have requires_grad True.");
        check(x.sizes() == y.sizes(), Err::Value, "Target size (torch.Size(", y.sizes(), ")) must be the same as input size (torch.Size(", x.sizes(), "))");
        Tensor loss;
        if (pos_weight) {
            Tensor factor = (pos_weight - Scalar(1.0)) * y + Scalar(1.0);
            loss = (1 - y) * x + factor * call<BinaryCrossEntropyLogits>(x, ones_like(x));
        } else loss = call<BinaryCrossEntropyLogits>(x, y);
        return reduce_loss(weighted(loss, weight), r);
    }
};
OP(BceLogitsLoss);
#endif

}  // namespace rl
