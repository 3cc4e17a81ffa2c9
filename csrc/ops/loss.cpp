// Losses over classes: cross entropy, negative log-likelihood, Kullback-Leibler divergence; the reduction of losses.
#include "ops/loss.h"

#include "core/iterate.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace rl {

Reduction reduction_of(const char* op, const std::string& text, const OptBool& size_average, const OptBool& reduce) {
    if (size_average || reduce) {
        std::string now = !reduce.value_or(true) ? "none" : size_average.value_or(true) ? "mean" : "sum";
        warn("size_average and reduce args will be deprecated, please use reduction='", now, "' instead.");
        return now == "none" ? Reduction::None : now == "mean" ? Reduction::Mean : Reduction::Sum;
    }
    if (text == "mean") return Reduction::Mean;
    if (text == "sum") return Reduction::Sum;
    check(text == "none", Err::Value, text, " is not a valid value for reduction (", op, ": use 'none', 'mean' or 'sum')");
    return Reduction::None;
}

Tensor reduce_loss(const Tensor& loss, Reduction r) { return r == Reduction::None ? loss : r == Reduction::Mean ? mean(loss) : sum(loss); }

void warn_sizes(const char* op, const Tensor& input, const Tensor& target) {
    if (input.sizes() == target.sizes()) return;
    warn("Using a target size (torch.Size(", target.sizes(), ")) that is different to the input size (torch.Size(", input.sizes(),
         ")). This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size. (", op, ")");
}

// ---------------------------------------------------------------- mean squared and absolute error
// Differences are added in blocks of a fixed size, so the result does not depend on the number of threads.
template <class T> static double sum_of_differences(const T* x, const T* y, int64_t n, bool squared) {
    constexpr int64_t block = 2048;
    int64_t blocks = (n + block - 1) / block;
    const auto& k = cpu::kernels().reduce<T>();
    auto* kernel = squared ? k.sum_squared_differences : k.sum_absolute_differences;
    auto one = [&](int64_t b) { return double(kernel(x + b * block, y + b * block, std::min(block, n - b * block))); };
    if (blocks == 1) return one(0);
    std::vector<double> parts(static_cast<size_t>(blocks));
    cpu::parallel_for(blocks, 16, [&](int64_t a, int64_t e) {
        for (int64_t b = a; b < e; b++) parts[size_t(b)] = one(b);
    });
    double total = 0;
    for (double p : parts) total += p;
    return total;
}

// The fused forwards of _mse_reduced and _l1_reduced, whose structs are in pointwise_loss.cpp.
Tensor difference_loss(const Tensor& input, const Tensor& target, bool squared, bool average) {
    check(input.sizes() == target.sizes() && is_floating(input.dtype()) && input.device() == target.device(), "a reduced loss: input ", input.sizes(), " and target ", target.sizes(), " must have one shape and a floating-point dtype");
    DType t = input.dtype(), compute = t == DType::Float64 ? DType::Float64 : DType::Float32;
    if (input.is_meta()) return empty({}, t, Device::Meta);
    Tensor x = cast_raw(input, compute), y = cast_raw(target, compute);
    int64_t n = x.numel();
    double total = n == 0 ? 0.0 : compute == DType::Float64 ? sum_of_differences(x.data<double>(), y.data<double>(), n, squared) : sum_of_differences(x.data<float>(), y.data<float>(), n, squared);
    return scalar_tensor(Scalar(average ? total / double(n) : total), t);
}

// ---------------------------------------------------------------- classes
namespace {
// Input (N, C, d1, ...) or (C), target (N, d1, ...) or (): as rows of classes.
struct Classes {
    int64_t batch, classes, inner;
    int64_t rows() const { return batch * inner; }
};

Classes check_classes(const char* op, const Tensor& input, const Tensor& target, const Tensor& weight) {
    check(input.dim() >= 1, op, "(): input must have at least one dimension, got shape ", input.sizes());
    check(target.dtype() == DType::Int64 || target.dtype() == DType::UInt8, "\"", op, "_out_frame\" not implemented for target dtype: expected scalar type Long but found ", title(target.dtype()));
    if (input.dim() == 1) {
        check(target.dim() == 0 || (target.dim() == 1 && target.numel() == 1), "size mismatch (got input: ", input.sizes(), ", target: ", target.sizes(), ") (", op, ")");
        Classes s{1, input.sizes()[0], 1};
        check(!weight || (weight.dim() == 1 && weight.numel() == s.classes), "weight tensor should be defined either for all ", s.classes, " classes or no classes but got weight tensor of shape: ", weight ? weight.sizes() : Dims());
        return s;
    }
    check(input.sizes()[0] == (target.dim() ? target.sizes()[0] : 1), Err::Value, "Expected input batch_size (", input.sizes()[0], ") to match target batch_size (", target.dim() ? target.sizes()[0] : 1, ").");
    Dims expected = input.sizes();
    expected.erase(1);
    check(expected == target.sizes(), "Expected target size ", expected, ", got ", target.sizes(), " (", op, ")");
    Classes s{input.sizes()[0], input.sizes()[1], 1};
    for (int64_t d = 2; d < input.dim(); d++) s.inner *= input.sizes()[d];
    check(!weight || (weight.dim() == 1 && weight.numel() == s.classes), "weight tensor should be defined either for all ", s.classes, " classes or no classes but got weight tensor of shape: ", weight ? weight.sizes() : Dims());
    return s;
}

void check_target(const char* op, int64_t t, int64_t classes) { check(t >= 0 && t < classes, Err::Index, "Target ", t, " is out of bounds. (", op, " with ", classes, " classes)"); }
DType loss_type(DType t) { return t == DType::Float64 ? t : DType::Float32; }
}  // namespace

// Cross entropy with class indices, without weights and smoothing: one pass over the logits forward, one backward.
struct CrossEntropyFused : Op<CrossEntropyFused> {
    SIG("_cross_entropy(Tensor input, Tensor target, int reduction, int ignore_index) -> (Tensor loss, Tensor logsumexp, Tensor count)");
    DOC("Cross entropy of logits and class indices, with the rows' log-sum-exp and the number of rows that count.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, Out<1>, Out<2>>;
    using Result = std::tuple<Tensor, Tensor, Tensor>;

    static Result forward(const Tensor& input, const Tensor& target, int64_t reduction, int64_t ignore) {
        Classes s = check_classes("cross_entropy_loss", input, target, {});
        DType t = input.dtype(), compute = loss_type(t);
        Dims out_sizes = reduction ? Dims{} : Dims(target.sizes());
        if (input.is_meta()) return {empty(out_sizes, t, Device::Meta), empty(target.sizes(), compute, Device::Meta), empty({}, DType::Int64, Device::Meta)};
        Tensor losses = empty(Dims{s.rows()}, compute), lse = empty(target.sizes(), compute), y = cast_raw(target, DType::Int64);
        int64_t count = compute == DType::Float64 ? rows<double>(input, s, y, ignore, losses, lse) : rows<float>(input, s, y, ignore, losses, lse);
        Tensor counted = scalar_tensor(Scalar(count), DType::Int64);
        if (!reduction) return {cast_raw(alias(losses, out_sizes, contiguous_strides(out_sizes), 0), t), lse, counted};
        double total = compute == DType::Float64 ? cpu::kernels().reduce<double>().sum(losses.data<double>(), s.rows()) : double(cpu::kernels().reduce<float>().sum(losses.data<float>(), s.rows()));
        return {scalar_tensor(Scalar(reduction == int64_t(Reduction::Mean) ? total / double(count) : total), t), lse, counted};
    }
    // f(image, first column, columns) for parts of the planes of logits whose classes lie apart.
    template <class F> static void each_part(const Classes& s, F f) {
        int64_t parts = (s.inner + kPart - 1) / kPart;
        cpu::parallel_for(s.batch * parts, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, s.classes * std::min(s.inner, kPart))), [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) f(i / parts, i % parts * kPart, std::min(kPart, s.inner - i % parts * kPart));
        });
    }
    static constexpr int64_t kPart = 512;

    template <class T> static int64_t rows(const Tensor& input, const Classes& s, const Tensor& target, int64_t ignore, const Tensor& losses, const Tensor& lse) {
        Tensor x = cast_raw(input, dtype_of<T>());
        const T* p = x.data<T>();
        const int64_t* y = target.data<int64_t>();
        T *out = losses.data<T>(), *sums = lse.data<T>();
        int64_t count = 0;
        for (int64_t i = 0; i < s.rows(); i++) {
            if (y[i] == ignore) continue;
            check_target("cross_entropy", y[i], s.classes);
            count++;
        }
        if (s.inner != 1) {
            each_part(s, [&](int64_t image, int64_t first, int64_t n) {
                int64_t i = image * s.inner + first;
                const T* from = p + image * s.classes * s.inner + first;
                cpu::kernels().softmax<T>().logsumexp_columns(sums + i, from, s.classes, s.inner, n);
                for (int64_t j = 0; j < n; j++) out[i + j] = y[i + j] == ignore ? T(0) : sums[i + j] - from[y[i + j] * s.inner + j];
            });
            return count;
        }
        cpu::parallel_for(s.rows(), std::max<int64_t>(1, 8192 / std::max<int64_t>(s.classes, 1)), [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) {
                sums[i] = cpu::kernels().reduce<T>().logsumexp(p + i * s.classes, s.classes);
                out[i] = y[i] == ignore ? T(0) : sums[i] - p[i * s.classes + y[i]];
            }
        });
        return count;
    }

    static Grads backward(Ctx& c, const Grads& g) {
        Grads r(2);
        if (!g[0]) return r;
        Tensor x = c.in<0>(), target = c.in<1>();
        int64_t reduction = c.arg<2>(), count = item(c.out<2>()).to<int64_t>();
        double scale = reduction == int64_t(Reduction::Mean) ? 1.0 / double(count) : 1.0;
        r[0] = tls.grad ? recorded(x, target, g[0], scale, c.arg<3>()) : fused(x, target, rl::detach(c.out<1>()), g[0], scale, c.arg<3>());
        return r;
    }
    // The same gradient of public operators, for create_graph.
    static Tensor recorded(const Tensor& x, const Tensor& target, const Tensor& g, double scale, int64_t ignore) {
        int64_t dim = x.dim() == 1 ? 0 : 1;
        Tensor counts = ne(target, ignore);
        Tensor index = unsqueeze(where(counts, target, Scalar(0)), dim);
        Tensor onehot = scatter(zeros_like(rl::detach(x)), dim, x.dim() == 1 ? reshape(index, {1}) : index, Scalar(1));
        Tensor p = exp(sub(x, logsumexp(x, {dim}, true)));
        Tensor per_row = mul(g, to(counts, x.dtype())) * scale;
        return (p - onehot) * (x.dim() == 1 ? reshape(per_row, {1}) : unsqueeze(per_row, dim));
    }
    static Tensor fused(const Tensor& x, const Tensor& target, const Tensor& lse, const Tensor& g, double scale, int64_t ignore) {
        Classes s = check_classes("cross_entropy_loss", x, target, {});
        return loss_type(x.dtype()) == DType::Float64 ? fused_rows<double>(x, s, target, lse, g, scale, ignore) : fused_rows<float>(x, s, target, lse, g, scale, ignore);
    }
    template <class T> static Tensor fused_rows(const Tensor& input, const Classes& s, const Tensor& target, const Tensor& lse, const Tensor& g, double scale, int64_t ignore) {
        Tensor x = cast_raw(input, dtype_of<T>()), out = empty(input.sizes(), dtype_of<T>()), y = cast_raw(target, DType::Int64), gs = cast_raw(g, dtype_of<T>());
        const T *p = x.data<T>(), *sums = lse.data<T>(), *gp = gs.data<T>();
        T* o = out.data<T>();
        const int64_t* t = y.data<int64_t>();
        int64_t step = gs.numel() == 1 ? 0 : 1;
        if (s.inner != 1) {
            each_part(s, [&](int64_t image, int64_t first, int64_t n) {
                int64_t i = image * s.inner + first, at = image * s.classes * s.inner + first;
                T k[kPart];
                for (int64_t j = 0; j < n; j++) k[j] = gp[(i + j) * step] * T(scale);
                cpu::kernels().softmax<T>().exp_minus_columns(o + at, p + at, sums + i, k, s.classes, s.inner, n);
                for (int64_t j = 0; j < n; j++) {
                    if (t[i + j] != ignore) o[at + t[i + j] * s.inner + j] -= k[j];
                    else
                        for (int64_t c = 0; c < s.classes; c++) o[at + c * s.inner + j] = T(0);
                }
            });
            return cast_raw(out, input.dtype());
        }
        cpu::parallel_for(s.rows(), std::max<int64_t>(1, 8192 / std::max<int64_t>(s.classes, 1)), [&](int64_t a, int64_t b) {
            for (int64_t i = a; i < b; i++) {
                T* row = o + i * s.classes;
                if (t[i] == ignore) {
                    std::fill(row, row + s.classes, T(0));
                    continue;
                }
                T k = gp[i * step] * T(scale);
                cpu::kernels().softmax<T>().exp_minus(row, p + i * s.classes, s.classes, sums[i], k, T(0));
                row[t[i]] -= k;
            }
        });
        return cast_raw(out, input.dtype());
    }
};
OP(CrossEntropyFused);

// ---------------------------------------------------------------- negative log-likelihood
namespace {
// f(lane, row, place of its target in the input, weight) for the rows that count. Sums of the four lanes do not wait for each other.
template <class T, class F> [[gnu::always_inline]] inline void each_target(const char* op, const Classes& s, const Tensor& target, const Tensor& weight, int64_t ignore, F f) {
    const int64_t *y = target.data<int64_t>(), n = s.rows(), classes = s.classes, inner = s.inner;
    const T* w = weight ? weight.data<T>() : nullptr;
    auto row = [=](int lane, int64_t i, const F& f) {
        if (y[i] == ignore) return;
        if (y[i] < 0 || y[i] >= classes) check_target(op, y[i], classes);
        int64_t at = inner == 1 ? i * classes + y[i] : (i / inner * classes + y[i]) * inner + i % inner;
        f(lane, i, at, w ? w[y[i]] : T(1));
    };
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) row(0, i, f), row(1, i + 1, f), row(2, i + 2, f), row(3, i + 3, f);
    for (; i < n; i++) row(0, i, f);
}
}  // namespace

// Linear in the input, so the gradient's gradient is the loss of it.
struct NllFused : Op<NllFused> {
    SIG("_nll_loss(Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index) -> (Tensor loss, Tensor total_weight)");
    DOC("Negative log-likelihood of class indices, and the sum of their weights; weight is a constant.");
    FORMS(FUNCTION);
    using Saves = Save<In<0>, In<1>, In<2>, Out<1>>;
    using Result = std::tuple<Tensor, Tensor>;
    static Result forward(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore) {
        Classes s = check_classes("nll_loss", input, target, weight);
        DType t = input.dtype(), compute = loss_type(t);
        Dims sizes = reduction ? Dims{} : Dims(target.sizes());
        if (input.is_meta()) return {empty(sizes, t, Device::Meta), empty({}, compute, Device::Meta)};
        Tensor x = contiguous(input);
        if (t == DType::Float64) return rows<double, double>(x, s, target, weight, reduction, ignore, sizes);
        if (t == DType::Float16) return rows<float, Half>(x, s, target, weight, reduction, ignore, sizes);
        if (t == DType::BFloat16) return rows<float, BFloat16>(x, s, target, weight, reduction, ignore, sizes);
        return rows<float, float>(cast_raw(x, DType::Float32), s, target, weight, reduction, ignore, sizes);
    }
    template <class T, class Element> static Result rows(const Tensor& x, const Classes& s, const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore, const Dims& sizes) {
        DType compute = dtype_of<T>();
        Tensor y = cast_raw(target, DType::Int64), w = weight ? cast_raw(weight, compute) : weight;
        const Element* p = x.data<Element>();
        Tensor out = empty(sizes, compute);
        T* o = out.data<T>();
        double losses[4] = {}, weights[4] = {};
        if (reduction)
            each_target<T>("nll_loss", s, y, w, ignore, [&](int lane, int64_t, int64_t at, T scale) { losses[lane] -= double(T(p[at]) * scale), weights[lane] += double(scale); });
        else {
            std::fill_n(o, s.rows(), T(0));
            each_target<T>("nll_loss", s, y, w, ignore, [&](int, int64_t row, int64_t at, T scale) { o[row] = -T(p[at]) * scale; });
        }
        double loss = losses[0] + losses[1] + losses[2] + losses[3], total = weights[0] + weights[1] + weights[2] + weights[3];
        if (reduction) *o = T(reduction == int64_t(Reduction::Mean) ? loss / total : loss);
        return {cast_raw(out, x.dtype()), scalar_tensor(Scalar(total), compute)};
    }
    static Grads backward(Ctx& c, const Grads& g);
};
struct NllFusedBackward : Op<NllFusedBackward> {
    SIG("_nll_loss_backward(Tensor grad_output, Tensor input, Tensor target, Tensor? weight, Tensor total_weight, int reduction, int ignore_index) -> Tensor");
    DOC("Gradient of _nll_loss: zeros but for the targets' classes.");
    FORMS(FUNCTION);
    using Saves = Save<In<2>, In<3>>;
    static Tensor forward(const Tensor& g, const Tensor& input, const Tensor& target, const Tensor& weight, const Tensor& total, int64_t reduction, int64_t ignore) {
        if (g.is_meta()) return empty(input.sizes(), input.dtype(), Device::Meta);
        Classes s = check_classes("nll_loss", input, target, weight);
        return loss_type(input.dtype()) == DType::Float64 ? rows<double>(g, input, s, target, weight, total, reduction, ignore) : rows<float>(g, input, s, target, weight, total, reduction, ignore);
    }
    template <class T> static Tensor rows(const Tensor& g, const Tensor& input, const Classes& s, const Tensor& target, const Tensor& weight, const Tensor& total, int64_t reduction, int64_t ignore) {
        DType compute = dtype_of<T>();
        Tensor gs = cast_raw(g, compute), y = cast_raw(target, DType::Int64), w = weight ? cast_raw(weight, compute) : weight, r = zeros(input.sizes(), compute);
        const T* gp = gs.data<T>();
        T *o = r.data<T>(), scale = reduction == int64_t(Reduction::Mean) ? T(1 / double(*total.data<T>())) : T(1);
        int64_t step = reduction ? 0 : 1;
        each_target<T>("nll_loss", s, y, w, ignore, [&](int, int64_t row, int64_t at, T weight_of) { o[at] = -gp[row * step] * weight_of * scale; });
        return cast_raw(r, input.dtype());
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Grads r(5);
        r[0] = std::get<0>(call<NllFused>(g, c.in<2>(), c.in<3>(), c.arg<5>(), c.arg<6>()));
        return r;
    }
};
Grads NllFused::backward(Ctx& c, const Grads& g) {
    Grads r(3);
    if (g[0]) r[0] = call<NllFusedBackward>(g[0], c.in<0>(), c.in<1>(), c.in<2>(), rl::detach(c.out<1>()), c.arg<3>(), c.arg<4>());
    return r;
}
OP(NllFused);
OP(NllFusedBackward);

struct NllLoss : Composite<NllLoss> {
    SIG("nn::nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean') -> Tensor");
    DOC("Minus the log-probability in input of each target class; input (N, C, ...), target (N, ...).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& target, const Tensor& weight, const OptBool& average, int64_t ignore, const OptBool& reduce, const std::string& text) {
        check(is_floating(input.dtype()), Err::NotImplemented, "\"nll_loss_out_frame\" not implemented for '", title(input.dtype()), "'");
        return compute(input, target, weight, ignore, reduction_of("nll_loss", text, average, reduce));
    }
    // -weight[target] * input[target], its sum over the rows that count, or that divided by the sum of their weights
    static Tensor compute(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore, Reduction r) {
        check(!weight || !weight.requires_grad() || !tls.grad, "The function 'nll_loss_forward' is not differentiable with respect to argument 'weight'. This input cannot have requires_grad True.");
        return std::get<0>(call<NllFused>(input, target, weight, int64_t(r), ignore));
    }
};
OP(NllLoss);

// ---------------------------------------------------------------- cross entropy
struct CrossEntropyLoss : Composite<CrossEntropyLoss> {
    SIG("nn::cross_entropy(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, int ignore_index=-100, bool? reduce=None, str reduction='mean', float label_smoothing=0.0) -> Tensor");
    DOC("Cross entropy of logits input (N, C, ...) with class indices (N, ...) or class probabilities (N, C, ...).");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& target, const Tensor& weight, const OptBool& average, int64_t ignore, const OptBool& reduce, const std::string& text, double smoothing) {
        Reduction r = reduction_of("cross_entropy", text, average, reduce);
        check(smoothing >= 0 && smoothing <= 1, "label_smoothing must be between 0.0 and 1.0. Got: ", smoothing);
        check(input.dim() >= 1, "cross_entropy(): input must have at least one dimension");
        check(is_floating(input.dtype()), Err::NotImplemented, "\"log_softmax_lastdim_kernel_impl\" not implemented for '", title(input.dtype()), "' (cross_entropy)");
        int64_t dim = input.dim() == 1 ? 0 : 1;
        if (input.sizes() == target.sizes() && is_floating(target.dtype())) return probabilities(input, target, weight, r, smoothing, dim);
        if (input.sizes() == target.sizes()) check(is_floating(target.dtype()) || input.dim() == 1, "Expected floating point type for target with class probabilities, got ", title(target.dtype()));
        if (!weight && smoothing == 0) return std::get<0>(call<CrossEntropyFused>(input, target, int64_t(r), ignore));
        Tensor logp = log_softmax(input, dim);
        Tensor nll = NllLoss::compute(logp, target, weight, ignore, r);
        if (smoothing == 0) return nll;
        return (1 - smoothing) * nll + smoothed(logp, target, weight, ignore, r, dim) * (smoothing / double(input.sizes()[dim]));
    }
    // The part of the loss that label smoothing spreads over all classes.
    static Tensor smoothed(const Tensor& logp, const Tensor& target, const Tensor& weight, int64_t ignore, Reduction r, int64_t dim) {
        Tensor all = neg(sum(weight ? mul(logp, per_class(weight, logp.dim(), dim)) : logp, {dim}));
        Tensor counts = ne(target, ignore), zero = zeros({}, logp.dtype(), logp.device());
        Tensor loss = where(counts, all, zero);
        if (r != Reduction::Mean) return reduce_loss(loss, r);
        if (!weight) return sum(loss) / to(sum(counts), logp.dtype());
        Tensor safe = where(counts, target, Scalar(0));
        return sum(loss) / sum(where(counts, reshape(index_select(weight, 0, reshape(safe, {-1})), Dims(target.sizes())), zero));
    }
    static Tensor probabilities(const Tensor& input, const Tensor& target, const Tensor& weight, Reduction r, double smoothing, int64_t dim) {
        int64_t classes = input.sizes()[dim];
        check(!weight || (weight.dim() == 1 && weight.numel() == classes), "cross_entropy: weight tensor should be defined either for all ", classes, " classes or no classes but got weight tensor of shape: ", weight ? weight.sizes() : Dims());
        Tensor q = smoothing > 0 ? target * (1 - smoothing) + Scalar(smoothing / double(classes)) : target;
        Tensor logp = log_softmax(input, dim);
        Tensor terms = mul(logp, q);
        if (weight) terms = mul(terms, per_class(weight, input.dim(), dim));
        if (r == Reduction::None) return neg(sum(terms, {dim}));
        Tensor total = neg(sum(terms));
        return r == Reduction::Sum ? total : total / (double(input.numel()) / double(std::max<int64_t>(classes, 1)));
    }
    static Tensor per_class(const Tensor& weight, int64_t rank, int64_t dim) {
        Dims shape(size_t(rank), 1);
        shape[dim] = weight.numel();
        return reshape(weight, shape);
    }
};
OP(CrossEntropyLoss);

// ---------------------------------------------------------------- divergence
struct KlDiv : Composite<KlDiv> {
    SIG("nn::kl_div(Tensor input, Tensor target, bool? size_average=None, bool? reduce=None, str reduction='mean', bool log_target=False) -> Tensor");
    DOC("Kullback-Leibler divergence of target from log-probabilities input (Kullback and Leibler, 1951); 'batchmean' is its definition.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& input, const Tensor& target, const OptBool& average, const OptBool& reduce, const std::string& text, bool log_target) {
        check(!input.is_complex() && !target.is_complex(), "kl_div: Complex inputs not supported.");
        check(is_floating(input.dtype()) && is_floating(target.dtype()), "kl_div: Integral inputs not supported. (input is ", name(input.dtype()), ", target ", name(target.dtype()), ")");
        bool batch = text == "batchmean" && !average && !reduce;
        Reduction r = batch ? Reduction::Sum : reduction_of("kl_div", text, average, reduce);
        if (text == "mean" && !average && !reduce)
            warn("reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only by the batch size, and aligns with the KL div math definition.");
        Tensor loss;
        if (log_target) loss = exp(target) * (target - input);
        else loss = xlogy(target, target) - target * input;
        Tensor total = reduce_loss(loss, r);
        return batch && input.dim() ? total / double(input.sizes()[0]) : total;
    }
};
OP(KlDiv);

}  // namespace rl
