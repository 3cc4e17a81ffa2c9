// Discrete Fourier transforms: complex to complex, real to complex, complex to real. The transforms themselves are those
// of SciPy or NumPy (rushlight/_fft_kernel.py); the public functions of rushlight.fft are made of these three.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/iterate.h"
#include "core/modes.h"
#include "core/op.h"
#include "core/ops.h"
#include "cpu/clones.h"
#include "cpu/parallel.h"

namespace rl {

namespace {
// kernel(self, dims, normalization, last argument) in rushlight._fft_kernel
Tensor transform(const char* kernel, const Tensor& self, const Dims& dims, int64_t normalization, int64_t last) {
    static PyObject* module = PyImport_ImportModule("rushlight._fft_kernel");
    if (!module) raise_python();
    InKernel plain;
    Tensor list = Tensor::steal(PyTuple_New(Py_ssize_t(dims.size())));
    for (size_t i = 0; i < dims.size(); i++) PyTuple_SET_ITEM(list.py(), Py_ssize_t(i), PyLong_FromLongLong(dims[i]));
    Tensor bare = detach(resolve(self));
    PyObject* result = PyObject_CallMethod(module, kernel, "OOLL", bare.py(), list.py(), (long long)normalization, (long long)last);
    if (!result) raise_python();
    return Tensor::steal(result);
}

// ---- few points: in double precision, here
constexpr int64_t kFewPoints = 512, kFewElements = 2048;

// exp(-2 pi i k / n) for k < n
const c128* roots_of_unity(int64_t n) {
    static std::vector<c128> tables[kFewPoints + 1];
    auto& roots = tables[n];
    for (int64_t k = int64_t(roots.size()); k < n; k++) {
        double angle = -2 * std::numbers::pi * double(k) / double(n);
        roots.push_back({std::cos(angle), std::sin(angle)});
    }
    return roots.data();
}
c128 product(c128 a, c128 b) { return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()}; }
// Transform of n points `step` apart into y: while n is even of its halves (Cooley and Tukey, 1965), then by the definition.
// `turn` roots lie between those of n.
void transform_line(const c128* x, int64_t step, c128* y, int64_t n, const c128* roots, int64_t turn) {
    if (n == 2) {
        y[0] = x[0] + x[step], y[1] = x[0] - x[step];
        return;
    }
    if (n % 2) {
        for (int64_t k = 0; k < n; k++) {
            c128 sum = 0;
            for (int64_t j = 0, r = 0; j < n; j++, r = r + k < n ? r + k : r + k - n) sum += product(x[j * step], roots[r * turn]);
            y[k] = sum;
        }
        return;
    }
    transform_line(x, 2 * step, y, n / 2, roots, 2 * turn);
    transform_line(x + step, 2 * step, y + n / 2, n / 2, roots, 2 * turn);
    for (int64_t k = 0; k < n / 2; k++) {
        c128 even = y[k], odd = product(y[k + n / 2], roots[k * turn]);
        y[k] = even + odd, y[k + n / 2] = even - odd;
    }
}
bool is_few(const Tensor& t, const Dims& sizes, const Dims& dims) {
    if (product(sizes) > kFewElements || t.numel() > kFewElements) return false;
    for (int64_t d : dims) {
        int64_t n = sizes[size_t(d)], odd = n;
        while (odd % 2 == 0) odd /= 2;
        if (n > kFewPoints || odd > 32) return false;
    }
    return true;
}
template <class F> void dispatch_inexact(DType t, F&& f) {
    switch (t) {
        case DType::Float32: return f(Tag<float>{});
        case DType::Float64: return f(Tag<double>{});
        case DType::Complex64: return f(Tag<c64>{});
        default: return f(Tag<c128>{});
    }
}
class FewPoints {
  public:
    explicit FewPoints(const Tensor& t) : sizes(t.sizes()), count_(t.numel()) {
        Tensor s = contiguous(resolve(t));
        if (is_reduced(s.dtype())) s = cast_raw(s, DType::Float32);
        dispatch_inexact(s.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t i = 0; i < count_; i++) data_[i] = c128(s.data<T>()[i]);
        });
    }
    FewPoints(const FewPoints&) = delete;
    Dims sizes;

    void transform(int64_t d, bool forward) {
        int64_t n = sizes[size_t(d)], inner = inner_of(d);
        const c128* roots = roots_of_unity(n);
        if (!forward) conjugate();
        for (int64_t begin = 0; begin < count_; begin += n * inner)
            for (int64_t i = 0; i < inner; i++) {
                transform_line(&data_[begin + i], inner, other_, n, roots, 1);
                for (int64_t k = 0; k < n; k++) data_[begin + i + k * inner] = other_[k];
            }
        if (!forward) conjugate();
    }
    // The spectrum of n real points of which the first n / 2 + 1 are here.
    void complete(int64_t d, int64_t n) {
        int64_t have = sizes[size_t(d)], inner = inner_of(d), outer = count_ / (have * inner);
        for (int64_t o = 0; o < outer; o++)
            for (int64_t k = 0; k < n; k++)
                for (int64_t i = 0; i < inner; i++) {
                    c128 v = data_[(o * have + (k < have ? k : n - k)) * inner + i];
                    other_[(o * n + k) * inner + i] = k == 0 || 2 * k == n ? c128(v.real()) : k < have ? v : std::conj(v);
                }
        sizes[size_t(d)] = n;
        count_ = outer * n * inner;
        std::copy_n(other_, count_, data_);
    }
    // The first `keep` points along d, scaled.
    Tensor result(DType t, int64_t d, int64_t keep, double scale) const {
        Dims part = sizes;
        part[size_t(d)] = keep;
        DType computed = is_reduced(t) ? DType::Float32 : t;
        Tensor r = empty(part, computed);
        int64_t n = sizes[size_t(d)], inner = inner_of(d), outer = count_ / (n * inner), row = keep * inner;
        dispatch_inexact(computed, [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (int64_t o = 0; o < outer; o++)
                for (int64_t i = 0; i < row; i++) {
                    c128 v = data_[o * n * inner + i] * scale;
                    if constexpr (std::is_floating_point_v<T>) r.data<T>()[o * row + i] = T(v.real());
                    else r.data<T>()[o * row + i] = T(v);
                }
        });
        return cast_raw(r, t);
    }

  private:
    int64_t inner_of(int64_t d) const { return rl::product(Ints(sizes).subspan(size_t(d) + 1)); }
    void conjugate() {
        for (int64_t i = 0; i < count_; i++) data_[i] = std::conj(data_[i]);
    }
    int64_t count_;
    double room_[4 * kFewElements];  // plain numbers, which nobody sets to zero first
    c128 *const data_ = reinterpret_cast<c128*>(room_), *const other_ = data_ + kFewElements;
};
double scale_of(int64_t normalization, const Dims& sizes, const Dims& dims) {
    double n = 1;
    for (int64_t d : dims) n *= double(sizes[size_t(d)]);
    return normalization == 0 ? 1 : normalization == 1 ? 1 / std::sqrt(n) : 1 / n;
}

Dims wrapped(const Dims& dims, int64_t rank) {
    Dims r;
    for (int64_t d : dims) r.push_back(wrap_dim(d, rank));
    return r;
}

// ---- of half a spectrum, in order, the other half or the conjugates
// y[i] = x[-i] or, where sign is -1, its conjugate: pairs of numbers.
template <class T> RL_CLONES void copy_backwards(T* __restrict y, const T* __restrict x, T sign, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[2 * i] = x[-2 * i], y[2 * i + 1] = sign * x[1 - 2 * i];
}
template <class T> RL_CLONES void conjugate(T* __restrict y, const T* __restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[2 * i] = x[2 * i], y[2 * i + 1] = -x[2 * i + 1];
}
template <class T> RL_CLONES void conjugate_imaginary(T* y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[2 * i + 1] = -y[2 * i + 1];
}
// The spectrum of n points along d whose first n / 2 + 1 are given, or the conjugate of the whole.
template <class T> Tensor whole_spectrum(const Tensor& half, int64_t d, int64_t n, bool conjugated) {
    Dims sizes = half.sizes();
    int64_t given = sizes[size_t(d)], inner = rl::product(Ints(sizes).subspan(size_t(d) + 1)), outer = rl::product(Ints(sizes).first(size_t(d)));
    sizes[size_t(d)] = n;
    Tensor r = empty(sizes, half.dtype());
    T* to = reinterpret_cast<T*>(r.raw());
    const T* from = reinterpret_cast<const T*>(half.raw());
    auto row = [&](T* y, const T* x, int64_t count, bool conj) { conj ? conjugate(y, x, count) : void(std::copy_n(x, 2 * count, y)); };
    cpu::parallel_for(outer, grain_for(n * inner), [&](int64_t a, int64_t b) {
        for (int64_t o = a; o < b; o++) {
            T* y = to + 2 * o * n * inner;
            const T* x = from + 2 * o * given * inner;
            row(y, x, given * inner, conjugated);
            if (inner == 1) copy_backwards(y + 2 * given, x + 2 * (n - given), T(conjugated ? 1 : -1), n - given);
            else
                for (int64_t k = given; k < n; k++) row(y + 2 * k * inner, x + 2 * (n - k) * inner, inner, !conjugated);
        }
    });
    return r;
}
void conjugate_in_place(const Tensor& t) {
    cpu::parallel_for(t.numel(), kGrain, [&](int64_t a, int64_t b) {
        if (t.dtype() == DType::Complex64) conjugate_imaginary(reinterpret_cast<float*>(t.raw()) + 2 * a, b - a);
        else conjugate_imaginary(reinterpret_cast<double*>(t.raw()) + 2 * a, b - a);
    });
}

void check_complex(const char* op, const Tensor& t) { check(t.is_complex(), op, "(): expected a complex tensor, but got ", title(t.dtype())); }
}  // namespace

Tensor fft_c2c(const Tensor& self, const Dims& dim, int64_t normalization, bool forward);
Tensor fft_r2c(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided, bool forward);
Tensor fft_c2r(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size);

struct FftComplex : Op<FftComplex> {
    SIG("_fft_c2c(Tensor self, int[] dim, int normalization, bool forward) -> Tensor");
    DOC("Transform over dim; normalization 0: none, 1: by the root of the number of points, 2: by their number.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& dim, int64_t normalization, bool forward) {
        check_complex("_fft_c2c", self);
        if (self.is_meta() || self.numel() == 0) return empty(self.sizes(), self.dtype(), self.device());
        if (dim.empty()) return clone(self);
        Dims dims = wrapped(dim, self.dim());
        if (!is_few(self, self.sizes(), dims)) return transform("c2c", self, dims, normalization, forward);
        FewPoints points(self);
        for (int64_t d : dims) points.transform(d, forward);
        return points.result(self.dtype(), dims.back(), points.sizes[size_t(dims.back())], scale_of(normalization, points.sizes, dims));
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {fft_c2c(g, c.arg<1>(), c.arg<2>(), !c.arg<3>())}; }
};
OP(FftComplex);

struct FftOfReal : Op<FftOfReal> {
    SIG("_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided, bool forward=True) -> Tensor");
    DOC("Transform of real numbers over dim; onesided leaves out the half of the last dimension that follows by symmetry.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided, bool forward) {
        check(self.is_floating(), "_fft_r2c(): expected a tensor of real floating-point numbers, but got ", title(self.dtype()));
        check(!dim.empty(), "_fft_r2c(): needs at least one dimension");
        Dims sizes = self.sizes(), dims = wrapped(dim, self.dim());
        if (onesided) sizes[dims.back()] = sizes[dims.back()] / 2 + 1;
        if (self.is_meta() || self.numel() == 0) return empty(sizes, to_complex(self.dtype()), self.device());
        if (!is_few(self, self.sizes(), dims)) return many(self, dims, normalization, onesided, forward);
        FewPoints points(self);
        for (int64_t d : dims) points.transform(d, forward);
        return points.result(to_complex(self.dtype()), dims.back(), sizes[size_t(dims.back())], scale_of(normalization, points.sizes, dims));
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor full = g;
        int64_t last = wrap_dim(c.arg<1>().back(), g.dim()), n = c.sizes<0>()[last];
        if (g.sizes()[last] < n) {
            Dims rest = g.sizes();
            rest[last] = n - g.sizes()[last];
            full = cat({g, zeros(rest, g.dtype(), g.device())}, last);
        }
        return {real(fft_c2c(full, c.arg<1>(), c.arg<2>(), !c.arg<4>()))};
    }
    static Tensor many(const Tensor& self, const Dims& dims, int64_t normalization, bool onesided, bool forward) {
        bool expand = !onesided && dims.size() == 1;  // over several dimensions the other half is not a row's
        Tensor r = transform("r2c", self, dims, normalization, onesided || expand);
        int64_t d = dims.back(), n = self.sizes()[size_t(d)];
        if (expand) return r.dtype() == DType::Complex64 ? whole_spectrum<float>(r, d, n, !forward) : whole_spectrum<double>(r, d, n, !forward);
        if (!forward) conjugate_in_place(r);
        return r;
    }
};
OP(FftOfReal);

struct FftToReal : Op<FftToReal> {
    SIG("_fft_c2r(Tensor self, int[] dim, int normalization, int last_dim_size) -> Tensor");
    DOC("Inverse transform over dim of the half of a symmetric spectrum; its last dimension gets last_dim_size points.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size) {
        check_complex("_fft_c2r", self);
        check(!dim.empty(), "_fft_c2r(): needs at least one dimension");
        Dims sizes = self.sizes(), dims = wrapped(dim, self.dim());
        sizes[dims.back()] = last_dim_size;
        if (self.is_meta() || self.numel() == 0) return empty(sizes, to_real(self.dtype()), self.device());
        if (!is_few(self, sizes, dims) || self.sizes()[size_t(dims.back())] != last_dim_size / 2 + 1) return transform("c2r", self, dims, normalization, last_dim_size);
        FewPoints points(self);
        for (size_t i = 0; i + 1 < dims.size(); i++) points.transform(dims[i], false);
        points.complete(dims.back(), last_dim_size);
        points.transform(dims.back(), false);
        return points.result(to_real(self.dtype()), dims.back(), last_dim_size, scale_of(normalization, sizes, dims));
    }
    // Points of the half spectrum that stand for two count twice.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor half = fft_r2c(g, c.arg<1>(), c.arg<2>(), true, true);
        int64_t last = wrap_dim(c.arg<1>().back(), g.dim()), points = half.sizes()[last], twice = g.sizes()[last] - points;
        Dims shape(size_t(g.dim()), 1);
        shape[last] = points;
        Tensor weights = ones(Dims{points}, g.dtype(), g.device());
        if (twice > 0) fill_(narrow(weights, 0, 1, twice), Scalar(2));
        return {mul(half, reshape(weights, shape))};
    }
};
OP(FftToReal);

Tensor fft_c2c(const Tensor& self, const Dims& dim, int64_t normalization, bool forward) { return call<FftComplex>(self, dim, normalization, forward); }
Tensor fft_r2c(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided, bool forward) { return call<FftOfReal>(self, dim, normalization, onesided, forward); }
Tensor fft_c2r(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size) { return call<FftToReal>(self, dim, normalization, last_dim_size); }

}  // namespace rl
