// Steps of connectionist temporal classification (ops/ctc.cpp), on logarithms of probabilities.
#include "cpu/kernels/table.h"
#include "cpu/math.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {

namespace {
using V = Vec<double>;
RL_INLINE V larger(V a, V b) { return where(a > b, a, b); }
}  // namespace

void ctc_step(double* next, const double* before, const double* skip, const double* emitted, int64_t n) {
    const V never = -__builtin_inf(), zero = 0.0;
    map<double>(
        n, next,
        [=](V stay, V one, V two, V may_skip, V e) __attribute__((always_inline)) {
            two = two + may_skip;
            const V most = larger(larger(stay, one), two), shift = where(most == never, zero, most);
            return e + (shift + m::log(m::exp(stay - shift) + m::exp(one - shift) + m::exp(two - shift)));
        },
        before, before - 1, before - 2, skip, emitted);
}

void ctc_shares(double* y, const double* alpha, const double* beta, const double* emitted, double total, int64_t n) {
    const V never = -__builtin_inf(), zero = 0.0, all = total;
    map<double>(
        n, y,
        [=](V a, V b, V e) __attribute__((always_inline)) {
            const V both = a + b;
            return where(both == never, zero, m::exp(both - e - all));
        },
        alpha, beta, emitted);
}

void ctc_gradient(double* y, const double* log_probs, const double* shares, double weight, int64_t n) {
    const V w = weight;
    map<double>(n, y, [=](V p, V share) __attribute__((always_inline)) { return w * (m::exp(p) - share); }, log_probs, shares);
}

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
