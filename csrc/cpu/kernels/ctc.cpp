// Steps of connectionist temporal classification (ops/ctc.cpp), on logarithms of probabilities.
#include "cpu/kernels/table.h"
#include "cpu/math.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {

namespace {
using V = Vec<double>;
// a becomes the larger of the two, b the other: also of NaN both stay.
RL_INLINE void order(V& a, V& b) {
    const V larger = where(a > b, a, b);
    b = where(a > b, b, a), a = larger;
}
}  // namespace

void ctc_step(double* next, const double* before, const double* skip, const double* emitted, int64_t n) {
    const V never = -__builtin_inf(), zero = 0.0;
    map<double>(
        n, next,
        [=](V stay, V one, V two, V may_skip, V e) __attribute__((always_inline)) {
            V most = two + may_skip;
            order(stay, one), order(most, stay);
            const V shift = where(most == never, zero, most);
            return e + (most + m::log(V(1.0) + m::exp(stay - shift) + m::exp(one - shift)));
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
