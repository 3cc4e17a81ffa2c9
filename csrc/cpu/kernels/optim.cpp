#include "cpu/kernels/table.h"

// One step of an optimiser in one pass over the parameters. The formulas are written with the roundings of the chain of
// tensor operators that PyTorch runs: one fma for add(alpha=), addcmul and lerp, separate roundings elsewhere; scalars
// are rounded to T where they meet a tensor. (PyTorch's square root is not always correctly rounded; ours is.)

namespace rl::cpu {
inline namespace RL_ISA_NS {
namespace {

template <class T>
RL_INLINE Vec<T> lerp(Vec<T> a, Vec<T> b, T weight) {
    const bool near = weight < T(0.5) && weight > T(-0.5);  // interpolate from the nearer end
    return fma(Vec<T>(near ? weight : weight - T(1)), b - a, near ? a : b);
}

// Calls body(index, load, store) for every vector; load(p) and store(p, v) know how many lanes are there.
template <class T, class Body>
RL_INLINE void over(int64_t n, Body body) {
    using V = Vec<T>;
    int64_t i = 0;
    for (; i + V::size <= n; i += V::size)
        body([i](const T* p) __attribute__((always_inline)) { return V::load(p + i); },
             [i](T* p, V v) __attribute__((always_inline)) { v.store(p + i); });
    if (i == n) return;
    const int rest = int(n - i);
    body([=](const T* p) __attribute__((always_inline)) { return V::load(p + i, rest); },
         [=](T* p, V v) __attribute__((always_inline)) { v.store(p + i, rest); });
}

// The gradient with `maximize` and an L2 penalty applied.
template <class T>
RL_INLINE Vec<T> full_gradient(Vec<T> g, Vec<T> p, bool maximize, T weight_decay) {
    if (maximize) g = -g;
    return weight_decay != T(0) ? fma(p, Vec<T>(weight_decay), g) : g;
}

template <class T>
void sgd(T* p, const T* g, T* momentum, int64_t n, const SgdOptions& o) {
    using V = Vec<T>;
    const T decay = T(o.weight_decay), mu = T(o.momentum), keep = T(1 - o.dampening), step = T(-o.lr);
    over<T>(n, [=, maximize = o.maximize, nesterov = o.nesterov, first = o.first](auto load, auto store)
                   __attribute__((always_inline)) {
                       const V w = load(p);
                       V d = full_gradient(load(g), w, maximize, decay);
                       if (mu != T(0)) {
                           const V m = first ? d : fma(d, V(keep), load(momentum) * mu);
                           store(momentum, m);
                           d = nesterov ? fma(m, V(mu), d) : m;
                       }
                       store(p, fma(d, V(step), w));
                   });
}

template <class T>
void adam(T* p, const T* g, T* mean, T* square, T* max_square, int64_t n, const AdamOptions& o) {
    using V = Vec<T>;
    const double correction1 = 1 - __builtin_pow(o.beta1, o.step), correction2 = 1 - __builtin_pow(o.beta2, o.step);
    const T shrink = T(1 - o.lr * o.weight_decay), decay = o.decoupled ? T(0) : T(o.weight_decay);
    const T weight = T(1 - o.beta1), beta2 = T(o.beta2), rest2 = T(1 - o.beta2), eps = T(o.eps);
    const T root2 = T(__builtin_sqrt(correction2)), step = T(-(o.lr / correction1));
    const bool shrinks = o.decoupled && o.weight_decay != 0;
    over<T>(n, [=, maximize = o.maximize, amsgrad = o.amsgrad](auto load, auto store) __attribute__((always_inline)) {
        V w = load(p);
        const V d = full_gradient(load(g), w, maximize, decay);
        if (shrinks) w *= shrink;
        const V m = lerp(load(mean), d, weight);
        const V s = fma(V(rest2) * d, d, load(square) * beta2);
        store(mean, m);
        store(square, s);
        V scale = s;
        if (amsgrad) {
            scale = maximum(load(max_square), s);
            store(max_square, scale);
        }
        const V denominator = sqrt(scale) / root2 + eps;
        store(p, w + V(step) * m / denominator);
    });
}

template <class T>
void rmsprop(T* p, const T* g, T* square, T* mean, T* momentum, int64_t n, const RmspropOptions& o) {
    using V = Vec<T>;
    const T decay = T(o.weight_decay), alpha = T(o.alpha), rest = T(1 - o.alpha), eps = T(o.eps), mu = T(o.momentum);
    const T step = T(-o.lr);
    over<T>(n, [=, maximize = o.maximize, centered = o.centered](auto load, auto store) __attribute__((always_inline)) {
        const V w = load(p), d = full_gradient(load(g), w, maximize, decay);
        const V s = fma(V(rest) * d, d, load(square) * alpha);
        store(square, s);
        V variance = s;
        if (centered) {
            const V m = lerp(load(mean), d, rest);
            store(mean, m);
            variance = fma(-m, m, s);
        }
        const V denominator = sqrt(variance) + eps;
        if (mu != T(0)) {
            const V b = load(momentum) * mu + d / denominator;
            store(momentum, b);
            store(p, fma(b, V(step), w));
        } else {
            store(p, w + V(step) * d / denominator);
        }
    });
}

template <class T>
void adagrad(T* p, const T* g, T* sum, int64_t n, const AdagradOptions& o) {
    using V = Vec<T>;
    const T decay = T(o.weight_decay), eps = T(o.eps), step = T(-(o.lr / (1 + (o.step - 1) * o.lr_decay)));
    over<T>(n, [=, maximize = o.maximize](auto load, auto store) __attribute__((always_inline)) {
        const V w = load(p), d = full_gradient(load(g), w, maximize, decay), s = fma(d, d, load(sum));
        store(sum, s);
        store(p, w + V(step) * d / (sqrt(s) + eps));
    });
}

template <class T>
void adadelta(T* p, const T* g, T* square, T* delta, int64_t n, const AdadeltaOptions& o) {
    using V = Vec<T>;
    const T decay = T(o.weight_decay), rho = T(o.rho), rest = T(1 - o.rho), eps = T(o.eps), step = T(-o.lr);
    over<T>(n, [=, maximize = o.maximize](auto load, auto store) __attribute__((always_inline)) {
        const V w = load(p), d = full_gradient(load(g), w, maximize, decay);
        const V s = fma(V(rest) * d, d, load(square) * rho), old = load(delta);
        const V change = sqrt(old + eps) / sqrt(s + eps) * d;
        store(square, s);
        store(delta, fma(V(rest) * change, change, old * rho));
        store(p, fma(change, V(step), w));
    });
}

template <class T>
constexpr OptimKernels<T> table = {sgd<T>, adam<T>, rmsprop<T>, adagrad<T>, adadelta<T>};

}  // namespace

constinit const OptimKernels<float> optim_f32 = table<float>;
constinit const OptimKernels<double> optim_f64 = table<double>;

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
