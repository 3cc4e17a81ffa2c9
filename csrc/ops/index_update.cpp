// Writing to indexed places: the loops that index_put, index_add, index_copy, index_fill and put share.
#include <algorithm>

#include "cpu/kernels.h"
#include "ops/index_core.h"

namespace rl {

// f(out element, src element) for every place in order. The work
// is divided so that a place is always met by one thread, in order: results don't depend on the number of threads.
template <class T, class F> static void update_places(T* out, const T* src, int64_t src_step, const Places& p, F f) {
    int64_t n = int64_t(p.index.size()), w = p.width, outer = int64_t(p.outer.size());
    const int64_t* index = p.index.data();
    auto row = [&](T* base, const T* s, int64_t k0, int64_t k1) {
        if (!p.run) {
            for (int64_t k = k0; k < k1; k++) f(base[p.inner[k]], s[k * src_step]);
        } else if (src_step == 1) {
#pragma omp simd
            for (int64_t k = k0; k < k1; k++) f(base[k], s[k]);
        } else {
            const T v = *s;
            for (int64_t k = k0; k < k1; k++) f(base[k], v);
        }
    };
    auto part = [&](int64_t o0, int64_t o1, int64_t k0, int64_t k1) __attribute__((noinline)) {
        for (int64_t o = o0; o < o1; o++) {
            T* base = out + p.outer[o];
            const T* s = src + o * n * w * src_step;
            if (w == 1 && p.run)
                for (int64_t i = 0; i < n; i++) f(base[index[i]], s[i * src_step]);
            else
                for (int64_t i = 0; i < n; i++) row(base + index[i], s + i * w * src_step, k0, k1);
        }
    };
    int64_t total = outer * n * w;
    if (outer >= 2) cpu::parallel_for(outer, std::max<int64_t>(2, kGrain * outer / std::max<int64_t>(total, 1)), [&](int64_t a, int64_t b) { part(a, b, 0, w); });
    else if (outer == 1 && w >= 32) cpu::parallel_for(w, std::max<int64_t>(32, kGrain * w / std::max<int64_t>(total, 1)), [&](int64_t a, int64_t b) { part(0, 1, a, b); });
    else part(0, outer, 0, w);
}

void move_places(const Tensor& out, const Tensor& src, int64_t src_step, const Places& p) {
    dispatch_size(itemsize(out.dtype()), [&](auto tag) {
        using T = typename decltype(tag)::type;
        update_places(out.data<T>(), src.data<T>(), src_step, p, [](T& a, const T& b) { a = b; });
    });
}

// out += src, run by run; a run is always added by one thread or by parts, in order.
template <class T> static void add_runs(T* out, const T* src, const Places& p) {
    int64_t n = int64_t(p.index.size()), w = p.width, outer = int64_t(p.outer.size());
    auto part = [&](int64_t o0, int64_t o1, int64_t k0, int64_t k1) {
        for (int64_t o = o0; o < o1; o++)
            for (int64_t i = 0; i < n; i++) cpu::kernels().reduce<T>().acc_sum(out + p.outer[size_t(o)] + p.index[size_t(i)] + k0, src + (o * n + i) * w + k0, k1 - k0);
    };
    if (outer > 1) cpu::parallel_for(outer, std::max<int64_t>(2, kGrain / std::max<int64_t>(n * w, 1)), [&](int64_t a, int64_t b) { part(a, b, 0, w); });
    else cpu::parallel_for(w, std::max<int64_t>(32, kGrain / std::max<int64_t>(n, 1)), [&](int64_t a, int64_t b) { part(0, outer, a, b); });
}
void add_places(const Tensor& out, const Tensor& src, int64_t src_step, const Places& p) {
    dispatch(out.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
            if (src_step == 1 && p.run && p.width >= 16) return add_runs(out.data<T>(), src.data<T>(), p);
        update_places(out.data<T>(), src.data<T>(), src_step, p, [](T& a, const T& b) { a = plus(a, b); });
    });
}

}  // namespace rl
