#include "cpu/small_lapack.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "cpu/clones.h"

namespace rl::cpu {

namespace {
#define RL_BODY inline __attribute__((always_inline))
template <class T>
RL_BODY T magnitude(T v) {
    return std::abs(v);
}
template <class R>
RL_BODY R magnitude(std::complex<R> v) {  // as LAPACK chooses pivots
    return std::abs(v.real()) + std::abs(v.imag());
}
template <class T>
RL_BODY T conjugated(T v) {
    return v;
}
template <class R>
RL_BODY std::complex<R> conjugated(std::complex<R> v) {
    return {v.real(), -v.imag()};
}
template <class T>
RL_BODY T times(T a, T b) {
    return a * b;
}
template <class R>
RL_BODY std::complex<R> times(std::complex<R> a,
                              std::complex<R> b) {  // without the library's search for lost infinities
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}
// y -= f x
template <class T>
RL_BODY void subtract(int n, T f, const T* __restrict x, T* __restrict y) {
    for (int i = 0; i < n; i++) y[i] -= times(f, x[i]);
}
// The sum of products, in eight parts that a vector unit adds side by side.
template <class T>
RL_BODY T dot(int n, const T* x, const T* y) {
    T part[8] = {};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) part[l] += x[i + l] * y[i + l];
    T sum = ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
    for (; i < n; i++) sum += x[i] * y[i];
    return sum;
}

template <class T>
RL_BODY int getrf(int m, int n, T* a, int* pivots) {
    using R = decltype(magnitude(T()));
    int info = 0;
    for (int j = 0; j < std::min(m, n); j++) {
        T* c = a + j * m;
        int at = j;
        R best = magnitude(c[j]);
        for (int i = j + 1; i < m; i++) {
            R size = magnitude(c[i]);
            bool larger = !(size <= best) & (best == best);
            best = larger ? size : best, at = larger ? i : at;
        }
        pivots[j] = at + 1;
        if (best == 0) {
            if (!info) info = j + 1;
            continue;
        }
        for (int l = 0; l < n; l++) std::swap(a[l * m + j], a[l * m + at]);
        if (best < std::numeric_limits<R>::min()) {
            for (int i = j + 1; i < m; i++) c[i] /= c[j];
        } else {
            T inverse = T(1) / c[j];
            for (int i = j + 1; i < m; i++) c[i] = times(c[i], inverse);
        }
        for (int l = j + 1; l < n; l++) subtract(m - j - 1, a[l * m + j], c + j + 1, a + l * m + j + 1);
    }
    return info;
}

// Right-hand sides go side by side, kLanes of them at a time, so that a vector unit works on all of them.
constexpr int kLanes = 8;
template <class T>
RL_BODY void getrs(int n, int k, const T* lu, const int* pivots, T* b) {
    T inverse[kSmallLu], x[kSmallLu][kLanes];
    int order[kSmallLu];
    bool exact = true;  // no reciprocal of a number too small to have one
    for (int j = 0; j < n; j++) {
        inverse[j] = T(1) / lu[j * n + j];
        exact &= !(std::isinf(std::real(inverse[j])) && lu[j * n + j] != T(0));
        order[j] = j;
    }
    for (int j = 0; j < n; j++) std::swap(order[j], order[pivots[j] - 1]);
    auto remove = [&](int from, int to) {
        T f = lu[from * n + to];
        for (int l = 0; l < kLanes; l++) x[to][l] -= times(f, x[from][l]);
    };
    for (int start = 0; start < k; start += kLanes) {
        int width = std::min(kLanes, k - start);
        T* at = b + start * n;
        for (int i = 0; i < n; i++)
            for (int l = 0; l < kLanes; l++) x[i][l] = l < width ? at[l * n + order[i]] : T(0);
        for (int j = 0; j < n; j++)
            for (int i = j + 1; i < n; i++) remove(j, i);
        for (int j = n; j-- > 0;) {
            for (int l = 0; l < kLanes; l++) x[j][l] = exact ? times(x[j][l], inverse[j]) : x[j][l] / lu[j * n + j];
            for (int i = 0; i < j; i++) remove(j, i);
        }
        for (int l = 0; l < width; l++)
            for (int i = 0; i < n; i++) at[l * n + i] = x[i][l];
    }
}

template <class T>
RL_BODY void mirror(int n, T* a) {  // the conjugate transpose
    for (int j = 0; j < n; j++) {
        a[j * n + j] = conjugated(a[j * n + j]);
        for (int i = 0; i < j; i++) {
            T v = conjugated(a[j * n + i]);
            a[j * n + i] = conjugated(a[i * n + j]), a[i * n + j] = v;
        }
    }
}
template <class T>
RL_BODY int potrf(bool upper, int n, T* a) {
    if (upper) mirror(n, a);
    int info = 0;
    for (int j = 0; j < n && !info; j++) {
        T* c = a + j * n;
        auto d = std::real(c[j]);
        if (!(d > 0)) {
            info = j + 1;
            break;
        }
        d = std::sqrt(d);
        c[j] = d;
        auto inverse = 1 / d;
        if (std::isfinite(inverse))
            for (int i = j + 1; i < n; i++) c[i] *= inverse;
        else
            for (int i = j + 1; i < n; i++) c[i] /= d;
        for (int l = j + 1; l < n; l++) subtract(n - l, conjugated(c[l]), c + l, a + l * n + l);
    }
    if (upper) mirror(n, a);
    return info;
}

// (I - tau v v^T) c, with 1 in place of v's first element
template <class T>
RL_BODY void reflect(int m, T tau, const T* v, T* c) {
    T f = tau * (c[0] + dot(m - 1, v + 1, c + 1));
    c[0] -= f;
    subtract(m - 1, f, v + 1, c + 1);
}
template <class T>
RL_BODY bool geqrf(int m, int n, T* a, T* tau) {
    for (int j = 0; j < std::min(m, n); j++) {
        T* c = a + j * m + j;
        double square = 0, head = c[0];
        for (int i = 1; i < m - j; i++) square += double(c[i]) * double(c[i]);
        tau[j] = 0;
        if (square == 0) {  // nothing to reflect, or too small to tell
            if (std::any_of(c + 1, c + m - j, [](T v) { return v != 0; })) return false;
            continue;
        }
        double length = square + head * head;
        if (!(square > 1e-280) || !(length < 1e300)) return false;
        double beta = -std::copysign(std::sqrt(length), head);
        tau[j] = T((beta - head) / beta);
        T scale = T(1 / (head - beta));
        for (int i = 1; i < m - j; i++) c[i] *= scale;
        c[0] = T(beta);
        for (int l = j + 1; l < n; l++) reflect(m - j, tau[j], c, a + l * m + j);
    }
    return true;
}
template <class T>
RL_BODY void orgqr(int m, int columns, int k, const T* v, const T* tau, T* q) {
    std::fill_n(q, int64_t(m) * columns, T(0));
    for (int i = 0; i < columns; i++) q[i * m + i] = T(1);
    for (int i = std::min(k, columns); i-- > 0;)
        for (int l = i; l < columns; l++) reflect(m - i, tau[i], v + i * m + i, q + l * m + i);
}

// ---- symmetric eigenvalues: a tridiagonal form by Householder's reflections, then implicit QL steps with Wilkinson's
// shift (Golub and Van Loan, Matrix Computations, 8.3). The tridiagonal numbers are double for float, too.

// a (both triangles) to diagonal d and subdiagonal e; reflector j stays below the subdiagonal of column j, tau beside
// it.
template <class T>
RL_BODY void tridiagonal(int n, T* a, double* d, double* e, T* tau) {
    T p[kSmallEigh];
    for (int j = 0; j + 2 < n; j++) {
        T *v = a + j * n + j + 1, *rest = a + (j + 1) * n + j + 1;
        int m = n - j - 1;
        double square = 0, head = v[0];
        for (int i = 1; i < m; i++) square += double(v[i]) * double(v[i]);
        tau[j] = 0, e[j] = head;
        if (square == 0) continue;
        double beta = -std::copysign(std::sqrt(square + head * head), head);
        e[j] = beta, tau[j] = T((beta - head) / beta);
        T scale = T(1 / (head - beta));
        for (int i = 1; i < m; i++) v[i] *= scale;
        v[0] = 1;
        std::fill_n(p, m, T(0));
        for (int l = 0; l < m; l++) subtract(m, -v[l] * tau[j], rest + l * n, p);
        subtract(m, tau[j] / 2 * dot(m, p, v), v, p);
        for (int l = 0; l < m; l++) {  // rest -= v p^T + p v^T
            T *column = rest + l * n, x = p[l], y = v[l];
            for (int i = 0; i < m; i++) column[i] -= v[i] * x + p[i] * y;
        }
    }
    for (int j = 0; j < n; j++) d[j] = a[j * n + j];
    if (n > 1) e[n - 2] = a[(n - 2) * n + n - 1];
    e[n - 1] = 0;
}
template <class T>
RL_BODY void rotate(int n, T c, T s, T* __restrict x, T* __restrict y) {
    for (int i = 0; i < n; i++) {
        T f = y[i];
        y[i] = s * x[i] + c * f;
        x[i] = c * x[i] - s * f;
    }
}
template <class T>
RL_BODY bool ql_steps(int n, double* d, double* e, T* q) {
    constexpr double eps = std::numeric_limits<double>::epsilon();
    for (int l = 0; l < n; l++)
        for (int round = 0;; round++) {
            int m = l;
            while (m + 1 < n && std::abs(e[m]) > eps * (std::abs(d[m]) + std::abs(d[m + 1]))) m++;
            if (m == l) break;
            if (round == 60) return false;
            double g = (d[l + 1] - d[l]) / (2 * e[l]), r = std::sqrt(g * g + 1);
            g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
            double s = 1, c = 1, p = 0;
            int i = m - 1;
            for (; i >= l; i--) {
                double f = s * e[i], b = c * e[i];
                r = std::sqrt(f * f + g * g);
                e[i + 1] = r;
                if (r == 0) {  // the chase ends early
                    d[i + 1] -= p, e[m] = 0;
                    break;
                }
                r = 1 / r, s = f * r, c = g * r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                rotate(n, T(c), T(s), q + i * n, q + (i + 1) * n);
            }
            if (i >= l) continue;
            d[l] -= p, e[l] = g, e[m] = 0;
        }
    return true;
}
// The same without vectors and without roots, on the squares of e (Parlett, The Symmetric Eigenvalue Problem, 8.15).
RL_BODY bool ql_values(int n, double* d, double* e) {
    constexpr double eps = std::numeric_limits<double>::epsilon();
    for (int j = 0; j < n; j++) e[j] *= e[j];
    for (int l = 0; l < n; l++)
        for (int round = 0;; round++) {
            int m = l;
            while (m + 1 < n && e[m] > eps * eps * std::abs(d[m] * d[m + 1])) m++;
            if (m == l) break;
            if (round == 60) return false;
            double root = std::sqrt(e[l]), shift = (d[l + 1] - d[l]) / (2 * root);
            shift = d[l] - root / (shift + std::copysign(std::sqrt(shift * shift + 1), shift));
            double c = 1, s = 0, gamma = d[m] - shift, p = gamma * gamma;
            for (int i = m - 1; i >= l; i--) {
                double square = e[i], r = p + square, inverse = 1 / r, before = c, last = gamma;
                if (i != m - 1) e[i + 1] = s * r;
                c = p * inverse, s = square * inverse;
                gamma = c * (d[i] - shift) - s * last;
                d[i + 1] = last + (d[i] - gamma);
                p = c != 0 ? gamma * gamma / c : before * square;
            }
            e[l] = s * p, d[l] = shift + gamma;
        }
    return true;
}
template <class T>
RL_BODY bool syev(bool upper, bool vectors, int n, T* a, T* w) {
    T work[kSmallEigh * kSmallEigh], tau[kSmallEigh], q[kSmallEigh * kSmallEigh];
    double d[kSmallEigh], e[kSmallEigh], largest = 0;
    for (int j = 0; j < n; j++)
        for (int i = 0; i <= j; i++) {
            T v = upper ? a[j * n + i] : a[i * n + j];
            work[j * n + i] = work[i * n + j] = v;
            largest = std::max(largest, double(std::abs(v)));
        }
    constexpr double limit = sizeof(T) == 4 ? 1e15 : 1e120;
    if (largest != 0 && !(largest > 1 / limit && largest < limit)) return false;
    tridiagonal(n, work, d, e, tau);
    if (vectors) {
        std::fill_n(q, n * n, T(0));
        for (int j = 0; j < n; j++) q[j * n + j] = 1;
        for (int j = n - 2; j-- > 0;)
            for (int l = j + 1; l < n; l++) reflect(n - j - 1, tau[j], work + j * n + j + 1, q + l * n + j + 1);
    }
    if (vectors ? !ql_steps(n, d, e, q) : !ql_values(n, d, e)) return false;
    int order[kSmallEigh];
    for (int j = 0; j < n; j++) order[j] = j;
    std::stable_sort(order, order + n, [&](int x, int y) { return d[x] < d[y]; });
    for (int j = 0; j < n; j++) {
        w[j] = T(d[order[j]]);
        if (vectors) std::copy_n(q + order[j] * n, n, a + j * n);
    }
    return true;
}

// One-sided Jacobi rotations make the columns of a orthogonal: their lengths are the singular values (Demmel and
// Veselic, Jacobi's method is more accurate than QR, 1992).
template <class T>
RL_BODY bool gesvd(int m, int n, T* a, T* s, T* v) {
    constexpr T eps = std::numeric_limits<T>::epsilon(), limit = sizeof(T) == 4 ? T(1e15) : T(1e120);
    T square[kSmallSvd], largest = 0;
    for (int i = 0; i < m * n; i++) largest = std::max(largest, std::abs(a[i]));
    if (!(largest > 1 / limit && largest < limit)) return false;
    if (v) {
        std::fill_n(v, n * n, T(0));
        for (int j = 0; j < n; j++) v[j * n + j] = 1;
    }
    bool turned = true;
    for (int sweep = 0; turned; sweep++) {
        if (sweep == 30) return false;
        turned = false;
        for (int j = 0; j < n; j++) square[j] = dot(m, a + j * m, a + j * m);
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                T g = dot(m, a + p * m, a + q * m);
                if (!(g * g > 4 * eps * eps * square[p] * square[q])) continue;
                turned = true;
                T zeta = (square[q] - square[p]) / (2 * g);
                T t = std::copysign(1 / (std::abs(zeta) + std::sqrt(1 + zeta * zeta)), zeta);
                T c = 1 / std::sqrt(1 + t * t);
                rotate(m, c, c * t, a + p * m, a + q * m);
                if (v) rotate(n, c, c * t, v + p * n, v + q * n);
                square[p] -= t * g, square[q] += t * g;
            }
    }
    int order[kSmallSvd];
    for (int j = 0; j < n; j++) square[j] = dot(m, a + j * m, a + j * m), order[j] = j;
    std::stable_sort(order, order + n, [&](int x, int y) { return square[x] > square[y]; });
    if (!(square[order[n - 1]] > eps * eps * square[order[0]])) return false;
    T u[kSmallSvd * kSmallSvd], sorted[kSmallSvd * kSmallSvd];
    for (int j = 0; j < n; j++) {
        int from = order[j];
        s[j] = std::sqrt(square[from]);
        for (int i = 0; i < m; i++) u[j * m + i] = a[from * m + i] / s[j];
        if (v) std::copy_n(v + from * n, n, sorted + j * n);
    }
    std::copy_n(u, m * n, a);
    if (v) std::copy_n(sorted, n * n, v);
    return true;
}
}  // namespace

// The commonest orders of real matrices are compiled apart, without loops.
#define RL_BY_ORDER(N, T, CALL)                  \
    if constexpr (std::is_floating_point_v<T>) { \
        if (N == 2) return CALL(2);              \
        if (N == 3) return CALL(3);              \
        if (N == 4) return CALL(4);              \
    }                                            \
    return CALL(N)
#define RL_GETRF(N) getrf(N, N, a, pivots)
#define RL_GETRS(N) getrs(N, k, lu, pivots, b)
#define RL_POTRF(N) potrf(upper, N, a)
#define RL_SMALL_LAPACK(T)                                                                                             \
    RL_CLONES_V3 int small_getrf(int m, int n, T* a, int* pivots) {                                                    \
        if (m != n) return getrf(m, n, a, pivots);                                                                     \
        RL_BY_ORDER(n, T, RL_GETRF);                                                                                   \
    }                                                                                                                  \
    RL_CLONES_V3 void small_getrs(int n, int k, const T* lu, const int* pivots, T* b) { RL_BY_ORDER(n, T, RL_GETRS); } \
    RL_CLONES_V3 int small_potrf(bool upper, int n, T* a) { RL_BY_ORDER(n, T, RL_POTRF); }
RL_SMALL_LAPACK(float)
RL_SMALL_LAPACK(double)
RL_SMALL_LAPACK(std::complex<float>)
RL_SMALL_LAPACK(std::complex<double>)

#define RL_SMALL_EIGH(T) \
    RL_CLONES_V3 bool small_syev(bool upper, bool vectors, int n, T* a, T* w) { return syev(upper, vectors, n, a, w); }
RL_SMALL_EIGH(float)
RL_SMALL_EIGH(double)

#define RL_SMALL_SVD(T) \
    RL_CLONES_V3 bool small_gesvd(int m, int n, T* a, T* s, T* v) { return gesvd(m, n, a, s, v); }
RL_SMALL_SVD(float)
RL_SMALL_SVD(double)

#define RL_SMALL_QR(T)                                                                         \
    RL_CLONES_V3 bool small_geqrf(int m, int n, T* a, T* tau) { return geqrf(m, n, a, tau); }  \
    RL_CLONES_V3 void small_orgqr(int m, int columns, int k, const T* v, const T* tau, T* q) { \
        orgqr(m, columns, k, v, tau, q);                                                       \
    }
RL_SMALL_QR(float)
RL_SMALL_QR(double)

}  // namespace rl::cpu
