// Discrete Fourier transforms: complex to complex, real to complex, complex to real. The transforms themselves are those
// of SciPy or NumPy (rushlight/_fft_kernel.py); the public functions of rushlight.fft are made of these three.
#include "core/iterate.h"
#include "core/modes.h"
#include "core/op.h"
#include "core/ops.h"

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

Dims wrapped(const Dims& dims, int64_t rank) {
    Dims r;
    for (int64_t d : dims) r.push_back(wrap_dim(d, rank));
    return r;
}

void check_complex(const char* op, const Tensor& t) { check(t.is_complex(), op, "(): expected a complex tensor, but got ", title(t.dtype())); }
}  // namespace

Tensor fft_c2c(const Tensor& self, const Dims& dim, int64_t normalization, bool forward);
Tensor fft_r2c(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided);
Tensor fft_c2r(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size);

struct FftComplex : Op<FftComplex> {
    SIG("_fft_c2c(Tensor self, int[] dim, int normalization, bool forward) -> Tensor");
    DOC("Transform over dim; normalization 0: none, 1: by the root of the number of points, 2: by their number.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& dim, int64_t normalization, bool forward) {
        check_complex("_fft_c2c", self);
        if (self.is_meta() || self.numel() == 0) return empty(self.sizes(), self.dtype(), self.device());
        if (dim.empty()) return clone(self);
        return transform("c2c", self, wrapped(dim, self.dim()), normalization, forward);
    }
    static Grads backward(Ctx& c, const Tensor& g) { return {fft_c2c(g, c.arg<1>(), c.arg<2>(), !c.arg<3>())}; }
};
OP(FftComplex);

struct FftOfReal : Op<FftOfReal> {
    SIG("_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor");
    DOC("Transform of real numbers over dim; onesided leaves out the half of the last dimension that follows by symmetry.");
    FORMS(FUNCTION);
    static Tensor forward(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided) {
        check(self.is_floating(), "_fft_r2c(): expected a tensor of real floating-point numbers, but got ", title(self.dtype()));
        check(!dim.empty(), "_fft_r2c(): needs at least one dimension");
        Dims sizes = self.sizes(), dims = wrapped(dim, self.dim());
        if (onesided) sizes[dims.back()] = sizes[dims.back()] / 2 + 1;
        if (self.is_meta() || self.numel() == 0) return empty(sizes, to_complex(self.dtype()), self.device());
        return transform("r2c", self, dims, normalization, onesided);
    }
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor full = g;
        int64_t last = wrap_dim(c.arg<1>().back(), g.dim()), n = c.sizes<0>()[last];
        if (g.sizes()[last] < n) {
            Dims rest = g.sizes();
            rest[last] = n - g.sizes()[last];
            full = cat({g, zeros(rest, g.dtype(), g.device())}, last);
        }
        return {real(fft_c2c(full, c.arg<1>(), c.arg<2>(), false))};
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
        return transform("c2r", self, dims, normalization, last_dim_size);
    }
    // Points of the half spectrum that stand for two count twice.
    static Grads backward(Ctx& c, const Tensor& g) {
        Tensor half = fft_r2c(g, c.arg<1>(), c.arg<2>(), true);
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
Tensor fft_r2c(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided) { return call<FftOfReal>(self, dim, normalization, onesided); }
Tensor fft_c2r(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size) { return call<FftToReal>(self, dim, normalization, last_dim_size); }

}  // namespace rl
