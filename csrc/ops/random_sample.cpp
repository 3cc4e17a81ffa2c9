// Samples whose distributions have tensors as parameters. They are drawn in the order of the indices and are
// contiguous, whatever the order of the parameters in memory.
#include <cmath>

#include "ops/random.h"

namespace rl {

// Of every result here the gradient is zero: it is a constant but for its distribution.
template <class C>
static Grads zero_gradients(C& c) {
    Grads r(2);
    if (c.template needs<0>()) r[0] = zeros(c.template sizes<0>(), c.template dtype<0>());
    if (c.template needs<1>()) r[1] = zeros(c.template sizes<1>(), c.template dtype<1>());
    return r;
}
template <class O>
struct Sample : Op<O> {
    static constexpr const char* kCategory = "Random";
    static constexpr uint32_t kForms = FUNCTION | OUT;
    static constexpr bool kCastsOut = true;
    static constexpr bool kRandom = true;
};

// ---------------------------------------------------------------- normal
static void check_deviation(double std) { check(std >= 0, "normal expects std >= 0.0, but found std ", std); }
static void check_deviations(const Tensor& std) {
    check(!std.is_complex(), "normal expects standard deviation to be non-complex");
    if (std.is_meta() || std->wrapper) return;
    Tensor s = cast_raw(std, DType::Float64);
    for (int64_t i = 0; i < s.numel(); i++)
        check(!(s.data<double>()[i] < 0), "normal expects all elements of std >= 0.0");
}
static Tensor normal_numbers(const Dims& sizes, const Tensor& like, double std, Generator* g) {
    Tensor r = empty(sizes, like.dtype(), like.device());
    draw_normal(r, 0, std, g);
    return r;
}

struct NormalTensors : Sample<NormalTensors> {
    SIG("normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None, Tensor? out=None) -> Tensor");
    DOC("Normally distributed numbers, each with a mean and standard deviation of its own.");
    static Tensor forward(const Tensor& mean, const Tensor& std, Generator* g) {
        check_deviations(std);
        Tensor r = normal_numbers(broadcast(mean.sizes(), std.sizes()), mean, 1, g);
        return add_(mul_(r, std), mean);
    }
    static Grads backward(Ctx& c, const Tensor&) { return zero_gradients(c); }
};
struct NormalMean : Sample<NormalMean> {
    SIG("normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None, Tensor? out=None) -> Tensor");
    DOC("Normally distributed numbers, each with a mean of its own.");
    static Tensor forward(const Tensor& mean, double std, Generator* g) {
        check_deviation(std);
        return add_(normal_numbers(mean.sizes(), mean, std, g), mean);
    }
    static Grads backward(Ctx& c, const Tensor&) { return zero_gradients(c); }
};
struct NormalDeviation : Sample<NormalDeviation> {
    SIG("normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None, Tensor? out=None) -> Tensor");
    DOC("Normally distributed numbers, each with a standard deviation of its own.");
    static Tensor forward(double mean, const Tensor& std, Generator* g) {
        check_deviations(std);
        return add_(mul_(normal_numbers(std.sizes(), std, 1, g), std), mean);
    }
    static Grads backward(Ctx& c, const Tensor&) { return {Tensor(), zeros(c.sizes<1>(), c.dtype<1>())}; }
};
struct Normal : RandomFactory<Normal, double, double, Dims, Generator*> {
    SIG("normal.float_float(float mean, float std, int[] size, *, Generator? generator=None, " RL_OPTIONS
        ", Tensor? out=None) -> Tensor");
    DOC("Normally distributed numbers.");
    static const Dims& shape(double, double std, const Dims& size, Generator*) {
        check_deviation(std);
        return size;
    }
    static DType dtype(double, double, const Dims&, Generator*) { return default_dtype(); }
    static void fill(const Tensor& r, double mean, double std, const Dims&, Generator* g) {
        draw_normal(r, mean, std, g);
    }
};
OP(NormalTensors);
OP(NormalMean);
OP(NormalDeviation);
OP(Normal);

// ---------------------------------------------------------------- bernoulli
struct Bernoulli : Sample<Bernoulli> {
    SIG("bernoulli(Tensor self, *, Generator? generator=None, Tensor? out=None) -> Tensor");
    DOC("1 with the probability that self holds, else 0.");
    FORMS(FUNCTION | METHOD | OUT);
    static Tensor forward(const Tensor& self, Generator* g) {
        Tensor r = empty(self.sizes(), self.dtype(), self.device());
        draw_bernoulli(r, self, g);
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor& self, Generator* g) {
        resize_output("bernoulli", out, self.sizes());
        draw_bernoulli(out, self, g);
    }
    static Grads backward(Ctx& c, const Tensor&) { return {zeros(c.sizes<0>(), c.dtype<0>())}; }
};
struct BernoulliNumber : Sample<BernoulliNumber> {
    SIG("bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor");
    DOC("1 with probability p, else 0, in self's shape and dtype.");
    FORMS(FUNCTION | METHOD);
    static Tensor forward(const Tensor& self, double p, Generator* g) {
        Tensor r = empty(self.sizes(), self.dtype(), self.device());
        draw_bernoulli(r, p, g);
        return r;
    }
    static Grads backward(Ctx& c, const Tensor&) { return {zeros(c.sizes<0>(), c.dtype<0>())}; }
};
OP(Bernoulli);
OP(BernoulliNumber);
Tensor bernoulli(const Tensor& like, double p) { return call<BernoulliNumber>(like, p, nullptr); }

// ---------------------------------------------------------------- counts
struct Poisson : Sample<Poisson> {
    SIG("poisson(Tensor self, Generator? generator=None) -> Tensor");
    DOC("Numbers of the Poisson distribution with the rates that self holds.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, Generator* g) {
        dispatch_floats("poisson_cpu", self.dtype(), [](auto) {});
        Tensor r = empty(self.sizes(), self.dtype(), self.device());
        if (r.is_meta()) return r;
        Tensor rates = contiguous(self);
        dispatch_floats("poisson_cpu", self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            const T* p = rates.data<T>();
            for (int64_t i = 0; i < r.numel(); i++)
                check(double(p[i]) >= 0, "invalid Poisson rate, expected rate to be non-negative, but got ",
                      double(p[i]));
            cpu::poisson(stream_of(g), p, r.data<T>(), r.numel());
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor&) { return {zeros(c.sizes<0>(), c.dtype<0>())}; }
};
OP(Poisson);

struct Binomial : Sample<Binomial> {
    SIG("binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor");
    DOC("Numbers of successes in `count` trials, each of probability `prob`.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& count, const Tensor& prob, Generator* g) {
        check(count.is_floating(), Err::Value,
              "binomial only supports floating-point dtypes for count, got: ", title(count.dtype()));
        check(prob.is_floating(), Err::Value,
              "binomial only supports floating-point dtypes for prob, got: ", title(prob.dtype()));
        check(count.dtype() == prob.dtype(), "Found dtype ", title(prob.dtype()), " but expected ",
              title(count.dtype()), " (binomial)");
        Dims sizes = broadcast(count.sizes(), prob.sizes());
        Tensor r = empty(sizes, count.dtype(), count.device());
        if (r.is_meta()) return r;
        auto spread = [&](const Tensor& t) { return contiguous(same(t.sizes(), sizes) ? t : expand(t, sizes)); };
        Tensor n = spread(count), p = spread(prob);
        dispatch_floats("binomial_cpu", r.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::binomial(stream_of(g), n.data<T>(), p.data<T>(), r.data<T>(), r.numel());
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor&) { return zero_gradients(c); }
};
OP(Binomial);

// ---------------------------------------------------------------- multinomial
struct Multinomial : Sample<Multinomial> {
    SIG("multinomial(Tensor self, int num_samples, bool replacement=False, *, Generator? generator=None, Tensor? "
        "out=None) -> Tensor");
    DOC("Indices of categories, drawn with the weights in each row of self.");
    FORMS(FUNCTION | METHOD | OUT);
    NO_GRADIENT;
    static Tensor forward(const Tensor& self, int64_t samples, bool replacement, Generator* g) {
        check_arguments(self, samples, replacement);
        Dims sizes = self.dim() == 2 ? Dims{self.sizes()[0], samples} : Dims{samples};
        Tensor r = empty(sizes, DType::Int64, self.device());
        if (r.is_meta() || r.numel() == 0) return r;
        Tensor weights = contiguous(self);
        int64_t categories = self.size(-1), rows = self.numel() / categories;
        dispatch_floats("multinomial", self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t i = 0; i < rows; i++) check_weights(weights.data<T>() + i * categories, categories);
            if (replacement && samples > 1)
                return cpu::multinomial(stream_of(g), weights.data<T>(), rows, categories, samples, r.data<int64_t>());
            Tensor q = empty_preserved(self, self.dtype());  // drawn in the order of self's memory
            cpu::fill_exponential(stream_of(g), q.data<T>(), q.numel(), 1);
            cpu::multinomial_distinct(weights.data<T>(), contiguous(q).data<T>(), rows, categories, samples,
                                      r.data<int64_t>());
        });
        return r;
    }
    static void into(const Tensor& out, bool, const Tensor& self, int64_t samples, bool replacement, Generator* g) {
        check(out.dtype() == DType::Int64, "multinomial expects Long tensor out, got: ", title(out.dtype()));
        Tensor r = forward(self, samples, replacement, g);
        resize_output("multinomial", out, r.sizes());
        if (!out.is_meta()) copy_raw(out, r);
    }
    static void check_arguments(const Tensor& self, int64_t samples, bool replacement) {
        check(self.dim() == 1 || self.dim() == 2, "prob_dist must be 1 or 2 dim, but multinomial got the shape ",
              self.sizes());
        check(self.is_floating(),
              "multinomial only supports floating-point dtypes for input, got: ", title(self.dtype()));
        check(samples > 0, "cannot sample n_sample <= 0 samples");
        check(replacement || samples <= self.size(-1),
              "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
        check(self.size(-1) <= int64_t(1) << 24, "number of categories cannot exceed 2^24");
        check(self.size(-1) > 0, "multinomial(): there is no category to draw from in the shape ", self.sizes());
    }
    template <class T>
    static void check_weights(const T* w, int64_t n) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            double v = double(w[i]);
            check(std::isfinite(v) && v >= 0, "probability tensor contains either `inf`, `nan` or element < 0");
            sum += v;
        }
        check(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
};
OP(Multinomial);

}  // namespace rl
