// Normal values in pairs (Box and Muller 1958), for few of them (fill_normal_strided in cpu/random.cpp).
#include "cpu/kernels/table.h"
#include "cpu/math.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {

void normal_pairs(double* cosines, double* sines, const double* turns, const double* u, int64_t n) {
    using V = Vec<double>;
    for (int64_t i = 0; i < n; i += V::size) {
        const int w = n - i < V::size ? int(n - i) : V::size;
        const V theta = V(2.0 * 3.14159265358979323846) * V::load(turns + i, w), radius = sqrt(V(-2.0) * m::log1p(-V::load(u + i, w)));
        (radius * m::cos(theta)).store(cosines + i, w);
        (radius * m::sin(theta)).store(sines + i, w);
    }
}

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
