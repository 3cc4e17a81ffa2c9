// What cpu/random.cpp makes of uniform numbers, in double: normal values in pairs (Box and Muller 1958), for few of them
// (fill_normal_strided), and the functions of other distributions.
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

template <class F>
static void map_draws(double* y, const double* x, int64_t n, F f) {
    using V = Vec<double>;
    for (int64_t i = 0; i < n; i += V::size) {
        const int w = n - i < V::size ? int(n - i) : V::size;
        f(V::load(x + i, w)).store(y + i, w);
    }
}
#define RL_MAP(f) map_draws(y, x, n, [](Vec<double> v) __attribute__((always_inline)) { return f; })
void draw_map(double* y, const double* x, DrawMap f, int64_t n) {
    switch (f) {
        case DrawMap::Log:
            return RL_MAP(m::log(v));
        case DrawMap::LogOfRest:
            return RL_MAP(m::log1p(-v));
        case DrawMap::Tan:
            return RL_MAP(m::tan(Vec<double>(3.14159265358979323846) * (v - 0.5)));
        case DrawMap::Exp:
            return RL_MAP(m::exp(v));
    }
}
#undef RL_MAP

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
