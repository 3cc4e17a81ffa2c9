// Gamma distributed numbers that can be differentiated by their shape.
#include <cmath>

#include "cpu/parallel.h"
#include "cpu/special.h"
#include "ops/random.h"

namespace rl {

namespace {
// A sample x of shape a lies at the quantile u = P(a, x), the regularised incomplete gamma function. With u held,
// dx/da = -(dP/da) / p(x), p being the density (Figurnov, Mohamed and Mnih, 2018).

// P = p x / a * S, S = sum of t_k, t_k = x^k / ((a+1) ... (a+k)): good for x up to a little above a.
double derivative_by_series(double a, double x) {
    double term = 1, harmonic = 0, sum = 1, weighted = 0;
    for (int k = 1; k < 100000; k++) {
        term *= x / (a + k);
        harmonic += 1 / (a + k);
        sum += term;
        weighted += term * harmonic;
        if (x < a + k && term * (1 + harmonic) < 1e-17 * sum) break;
    }
    return -x / a * (sum * (std::log(x) - cpu::special::digamma(a + 1)) - weighted);
}
// 1 - P = p x F, F = 1 / (x+1-a - 1(1-a) / (x+3-a - 2(2-a) / ...)): good for x above a. F and dF/da from the inside
// out.
double derivative_by_fraction(double a, double x) {
    constexpr int kTerms = 200;
    double d = x + 2 * kTerms + 1 - a, slope = -1;  // the denominator and its derivative
    for (int k = kTerms; k > 0; k--) {
        double n = k * (k - a);
        double next = x + 2 * k - 1 - a - n / d;
        slope = -1 + (k * d + n * slope) / (d * d);
        d = next;
    }
    double f = 1 / d, df = -slope / (d * d);
    return x * (f * (std::log(x) - cpu::special::digamma(a)) + df);
}
double gamma_derivative(double a, double x) {
    if (!(x > 0)) return 0;
    return x > a + 3 + 3 * std::sqrt(a) ? derivative_by_fraction(a, x) : derivative_by_series(a, x);
}
}  // namespace

struct StandardGammaGrad : Op<StandardGammaGrad> {
    SIG("_standard_gamma_grad(Tensor self, Tensor output) -> Tensor");
    DOC("Derivative of gamma distributed samples by their shapes self, each at its quantile.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Tensor& output) {
        check(same(self.sizes(), output.sizes()) && self.dtype() == output.dtype(),
              "_standard_gamma_grad: shape and sample differ in shape or dtype: ", self.sizes(), " ",
              title(self.dtype()), " and ", output.sizes(), " ", title(output.dtype()));
        Tensor r = empty(self.sizes(), self.dtype(), self.device());
        if (r.is_meta()) return r;
        Tensor a = contiguous(self), x = contiguous(output);
        dispatch_floats("_standard_gamma_grad_cpu", self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::parallel_for(r.numel(), 64, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; i++)
                    r.data<T>()[i] = convert<T>(gamma_derivative(double(a.data<T>()[i]), double(x.data<T>()[i])));
            });
        });
        return r;
    }
};
OP(StandardGammaGrad);

struct StandardGamma : Op<StandardGamma> {
    SIG("_standard_gamma(Tensor self, Generator? generator=None) -> Tensor");
    DOC("Gamma distributed numbers with the shapes that self holds and scale 1.");
    static constexpr const char* kCategory = "Random";
    static constexpr bool kRandom = true;
    FORMS(FUNCTION);
    using Saves = Save<In<0>, Out<0>>;
    static Tensor forward(const Tensor& self, Generator* g) {
        dispatch_floats("gamma_cpu", self.dtype(), [](auto) {});
        Tensor r = empty(self.sizes(), self.dtype(), self.device());
        if (r.is_meta()) return r;
        Tensor shapes = contiguous(self);
        dispatch_floats("gamma_cpu", self.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            cpu::standard_gamma(stream_of(g), shapes.data<T>(), r.data<T>(), r.numel());
        });
        return r;
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {mul(g, call<StandardGammaGrad>(c.in<0>(), c.out()))}; }
};
OP(StandardGamma);

}  // namespace rl
