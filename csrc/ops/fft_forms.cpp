// The public transforms, made of those of fft.cpp: sizes, dimensions and normalizations ("backward": inverse by n, "forward":
// forward by n, "ortho": both by its root).
#include "core/modes.h"
#include "core/op.h"
#include "core/ops.h"

namespace rl {

Tensor fft_c2c(const Tensor& self, const Dims& dim, int64_t normalization, bool forward);
Tensor fft_r2c(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided, bool forward);
Tensor fft_c2r(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size);

namespace {
enum Normalization : int64_t { None, Root, All };  // what _fft_c2c and the others take

Normalization normalization(const OptStr& norm, bool forward) {
    if (!norm || *norm == "backward") return forward ? None : All;
    if (*norm == "forward") return forward ? All : None;
    check(*norm == "ortho", "Invalid normalization mode: \"", *norm, "\" (use \"backward\", \"forward\" or \"ortho\")");
    return Root;
}

Tensor inexact(const char* op, const Tensor& x, bool complex) {
    DType t = is_inexact(x.dtype()) ? x.dtype() : default_dtype();
    check(t == DType::Float32 || t == DType::Float64 || t == DType::Complex64 || t == DType::Complex128, "Unsupported dtype ", title(x.dtype()), " (", op, ")");
    if (complex) t = to_complex(t);
    return t == x.dtype() ? x : to(x, t);
}
Tensor real_only(const char* op, const Tensor& x) {
    check(!x.is_complex(), op, " expects a real input tensor, but got ", title(x.dtype()));
    return inexact(op, x, false);
}

// Sizes and dimensions of a transform.
struct Grid {
    Dims sizes, dims;

    // `half`: the last size is that of the real numbers behind half a spectrum.
    Grid(const Tensor& x, const OptDims& s, const OptDims& dim, bool half) {
        int64_t rank = x.dim();
        if (dim) set_dims(*dim, rank);
        else {
            int64_t count = s ? int64_t(s->size()) : rank;
            check(count <= rank, "Got shape with ", count, " values but input tensor only has ", rank, " dimensions.");
            for (int64_t d = rank - count; d < rank; d++) dims.push_back(d);
        }
        check(!s || s->size() == dims.size(), "When given, dim and shape arguments must have the same length");
        for (int64_t d : dims) sizes.push_back(x.sizes()[size_t(d)]);
        if (half && !dims.empty()) sizes[sizes.size() - 1] = 2 * (sizes.back() - 1);
        for (size_t i = 0; i < dims.size(); i++) {
            if (s && (*s)[i] != -1) sizes[i] = (*s)[i];
            check(sizes[i] >= 1, "Invalid number of data points (", sizes[i], ") specified");
        }
    }
    // x cut, or filled up with zeros, to the sizes.
    Tensor resized(Tensor x) const {
        for (size_t i = 0; i < dims.size(); i++) {
            int64_t have = x.sizes()[size_t(dims[i])];
            if (have > sizes[i]) x = narrow(x, dims[i], 0, sizes[i]);
            else if (have < sizes[i]) {
                Dims more = x.sizes();
                more[size_t(dims[i])] = sizes[i] - have;
                x = cat({x, zeros(more, x.dtype(), x.device())}, dims[i]);
            }
        }
        return x;
    }

  private:
    void set_dims(const Dims& dim, int64_t rank) {
        for (int64_t v : dim) {
            check(rank > 0, Err::Index, "Dimension specified as ", v, " but tensor has no dimensions");
            int64_t d = wrap_dim(v, rank);
            for (int64_t before : dims) check(before != d, "FFT dims must be unique");
            dims.push_back(d);
        }
    }
};

Tensor complex_transform(const char* op, bool forward, const Tensor& input, const OptDims& s, const OptDims& dim, const OptStr& norm) {
    Tensor x = inexact(op, input, false);
    Grid grid(x, s, dim, false);
    Normalization scale = normalization(norm, forward);
    if (grid.dims.empty()) return clone(inexact(op, x, true));
    x = grid.resized(x);
    return x.is_complex() ? fft_c2c(x, grid.dims, scale, forward) : fft_r2c(x, grid.dims, scale, false, forward);
}
Tensor from_real(const char* op, bool forward, const Tensor& input, const OptDims& s, const OptDims& dim, const OptStr& norm) {
    Tensor x = real_only(op, input);
    Grid grid(x, s, dim, false);
    check(!grid.dims.empty(), op, " must transform at least one axis");
    return fft_r2c(grid.resized(x), grid.dims, normalization(norm, forward), true, forward);
}
Tensor to_real(const char* op, bool forward, const Tensor& input, const OptDims& s, const OptDims& dim, const OptStr& norm) {
    Tensor x = inexact(op, input, true);
    Grid grid(x, s, dim, true);
    check(!grid.dims.empty(), op, " must transform at least one axis");
    int64_t last = grid.sizes.back();
    grid.sizes[grid.sizes.size() - 1] = last / 2 + 1;
    x = grid.resized(x);
    return fft_c2r(forward ? conj(x) : x, grid.dims, normalization(norm, forward), last);
}
}  // namespace

#define RL_FFT_FORM(STRUCT, NAME, TRANSFORM, FORWARD, ARGUMENTS, TEXT, FIRST, SECOND, S, DIM) \
    struct STRUCT : Composite<STRUCT> {                                                       \
        SIG("fft::" NAME "(Tensor input, " ARGUMENTS ", str? norm=None, *, Tensor? out=None) -> Tensor"); \
        DOC(TEXT);                                                                            \
        FORMS(FUNCTION | OUT);                                                                \
        static constexpr bool kCastsOut = true;                                               \
        static Tensor forward(const Tensor& input, FIRST, SECOND, const OptStr& norm) { return TRANSFORM(NAME, FORWARD, input, S, DIM, norm); } \
    };                                                                                        \
    OP(STRUCT)
// Over one dimension, over several, over the last two.
#define RL_FFT_ONE(STRUCT, NAME, TRANSFORM, FORWARD, TEXT) \
    RL_FFT_FORM(STRUCT, NAME, TRANSFORM, FORWARD, "int? n=None, int dim=-1", TEXT, const OptInt& n, int64_t dim, n ? OptDims(Dims{*n}) : OptDims(), OptDims(Dims{dim}))
#define RL_FFT_ALL(STRUCT, NAME, TRANSFORM, FORWARD, TEXT) \
    RL_FFT_FORM(STRUCT, NAME, TRANSFORM, FORWARD, "int[1]? s=None, int[1]? dim=None", TEXT, const OptDims& s, const OptDims& dim, s, dim)
#define RL_FFT_TWO(STRUCT, NAME, TRANSFORM, FORWARD, TEXT) \
    RL_FFT_FORM(STRUCT, NAME, TRANSFORM, FORWARD, "int[1]? s=None, int[1]? dim=[-2, -1]", TEXT, const OptDims& s, const OptDims& dim, s, dim)

RL_FFT_ONE(Fft, "fft", complex_transform, true, "Transform of n points along dim: X[k] = sum over j of x[j] exp(-2 pi i j k / n).");
RL_FFT_ONE(Ifft, "ifft", complex_transform, false, "The inverse of `fft`.");
RL_FFT_ONE(Rfft, "rfft", from_real, true, "The first n // 2 + 1 points of `fft` of real numbers; the others are their conjugates.");
RL_FFT_ONE(Irfft, "irfft", to_real, false, "The inverse of `rfft`: n real points (default: 2 (points - 1)).");
RL_FFT_ONE(Hfft, "hfft", to_real, true, "`fft` of n points (default: 2 (points - 1)) that are conjugate-symmetric, of which input is the first half.");
RL_FFT_ONE(Ihfft, "ihfft", from_real, false, "The inverse of `hfft`: the first half of the conjugate-symmetric `ifft` of real numbers.");

RL_FFT_ALL(FftN, "fftn", complex_transform, true, "`fft` over several dimensions (default: all, or the last of as many as s has sizes).");
RL_FFT_ALL(IfftN, "ifftn", complex_transform, false, "The inverse of `fftn`.");
RL_FFT_ALL(RfftN, "rfftn", from_real, true, "`fftn` of real numbers; of the last dimension the first half.");
RL_FFT_ALL(IrfftN, "irfftn", to_real, false, "The inverse of `rfftn`.");
RL_FFT_ALL(HfftN, "hfftn", to_real, true, "`fftn` of conjugate-symmetric points, of which input is the first half along the last dimension.");
RL_FFT_ALL(IhfftN, "ihfftn", from_real, false, "The inverse of `hfftn`.");

RL_FFT_TWO(Fft2, "fft2", complex_transform, true, "`fftn` over the last two dimensions.");
RL_FFT_TWO(Ifft2, "ifft2", complex_transform, false, "`ifftn` over the last two dimensions.");
RL_FFT_TWO(Rfft2, "rfft2", from_real, true, "`rfftn` over the last two dimensions.");
RL_FFT_TWO(Irfft2, "irfft2", to_real, false, "`irfftn` over the last two dimensions.");
RL_FFT_TWO(Hfft2, "hfft2", to_real, true, "`hfftn` over the last two dimensions.");
RL_FFT_TWO(Ihfft2, "ihfft2", from_real, false, "`ihfftn` over the last two dimensions.");

}  // namespace rl
