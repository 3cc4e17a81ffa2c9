// The loops over raw memory, compiled for each ISA level and reached through one table of function pointers:
//
//     kernels().reduce<float>().sum(x, n)
//
// Every kernel is serial; who calls it decides how to share ranges among threads. Pointers need no alignment. Unless
// said otherwise `y` may be `x` but ranges do not overlap in part, and n = 0 is allowed.
#pragma once

#include <cstdint>
#include <type_traits>

namespace rl::cpu {

// ---- reductions of a contiguous run (kernels/reduce.cpp)

template <class T>
struct ReduceKernels {
    // Blocks of 4096 elements, added pairwise: the order depends on n only. To share one long sum among threads cut it
    // at multiples of kSumBlock and add the parts pairwise.
    T (*sum)(const T* x, int64_t n);
    T (*sum_squares)(const T* x, int64_t n);
    T (*sum_abs)(const T* x, int64_t n);
    T (*sum_numbers)(const T* x, int64_t n);  // without NaN
    T (*sum_squared_differences)(const T* x, const T* y, int64_t n);
    T (*sum_absolute_differences)(const T* x, const T* y, int64_t n);
    T (*dot)(const T* x, const T* y, int64_t n);
    T (*prod)(const T* x, int64_t n);
    // NaN wins. max of nothing is -inf, min of nothing +inf.
    T (*max)(const T* x, int64_t n);
    T (*min)(const T* x, int64_t n);
    // The first index of the largest (smallest) element; the first NaN wins. n > 0.
    int64_t (*argmax)(const T* x, int64_t n);
    int64_t (*argmin)(const T* x, int64_t n);
    // The mean and the sum of squared deviations from it. Parts are merged by merge_moments.
    void (*moments)(const T* x, int64_t n, double* mean, double* squares);
    T (*logsumexp)(const T* x, int64_t n);
    // acc[i] = acc[i] op x[i]: a reduction over an outer dimension, row by row.
    void (*acc_sum)(T* acc, const T* x, int64_t n);
    void (*acc_prod)(T* acc, const T* x, int64_t n);
    void (*acc_max)(T* acc, const T* x, int64_t n);
    void (*acc_min)(T* acc, const T* x, int64_t n);
    // y[i] = the sum of x[r * stride + i] over r < rows, pairwise over blocks of rows.
    void (*sum_rows)(T* y, const T* x, int64_t rows, int64_t n, int64_t stride);
    // y += a x
    void (*axpy)(T* y, T a, const T* x, int64_t n);
};
inline constexpr int64_t kSumBlock = 4096;

// Chan, Golub and LeVeque (1979): the moments of two samples together. n, mean, squares become those of the union.
[[gnu::always_inline]] inline void merge_moments(double& n, double& mean, double& squares, double n2, double mean2,
                                                 double squares2) {
    if (n2 == 0) return;
    const double total = n + n2, delta = mean2 - mean;
    mean += delta * (n2 / total);
    squares += squares2 + delta * delta * (n * n2 / total);
    n = total;
}

// ---- softmax and its relatives (kernels/softmax.cpp)

template <class T>
struct SoftmaxKernels {
    // One contiguous row.
    void (*softmax)(T* y, const T* x, int64_t n);
    void (*log_softmax)(T* y, const T* x, int64_t n);
    void (*softmax_backward)(T* gx, const T* gy, const T* y, int64_t n);
    void (*log_softmax_backward)(T* gx, const T* gy, const T* y, int64_t n);
    // `count` columns of d elements each, `stride` apart: one outer index of shape (outer, d, inner), stride = inner,
    // and any range of its columns.
    void (*softmax_columns)(T* y, const T* x, int64_t d, int64_t stride, int64_t count);
    void (*log_softmax_columns)(T* y, const T* x, int64_t d, int64_t stride, int64_t count);
    void (*softmax_backward_columns)(T* gx, const T* gy, const T* y, int64_t d, int64_t stride, int64_t count);
    void (*log_softmax_backward_columns)(T* gx, const T* gy, const T* y, int64_t d, int64_t stride, int64_t count);
    // y[i] = scale * exp(x[i] - lse) + shift: the gradient of a cross entropy, but for its target's element.
    void (*exp_minus)(T* y, const T* x, int64_t n, T lse, T scale, T shift);
    // The same two of `count` columns: y[j] = the logarithm of the sum of a column's exponentials, and y = scale[j] * exp(x - lse[j]).
    void (*logsumexp_columns)(T* y, const T* x, int64_t d, int64_t stride, int64_t count);
    void (*exp_minus_columns)(T* y, const T* x, const T* lse, const T* scale, int64_t d, int64_t stride, int64_t count);
};

// ---- normalisation (kernels/norm.cpp)

template <class T>
struct NormKernels {
    // y = (x - mean) * rstd * weight + bias over one row; weight and bias may be null.
    void (*layer_norm)(T* y, const T* x, const T* weight, const T* bias, int64_t n, T eps, T* mean, T* rstd);
    void (*layer_norm_backward)(T* gx, const T* gy, const T* x, const T* weight, int64_t n, T mean, T rstd);
    // gweight += gy * (x - mean) * rstd, gbias += gy; either may be null.
    void (*layer_norm_params)(T* gweight, T* gbias, const T* gy, const T* x, int64_t n, T mean, T rstd);
    // y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps); its backward, and gweight += gy * x * rstd.
    void (*rms_norm)(T* y, const T* x, const T* weight, int64_t n, T eps, T* rstd);
    void (*rms_norm_backward)(T* gx, const T* gy, const T* x, const T* weight, int64_t n, T rstd);
    // One channel is a contiguous run (NCHW): y = x*a + b; gx = gy*a + x*b + c;
    // sum += sum of gy, dot += sum of gy * (x - mean).
    void (*scale_shift)(T* y, const T* x, int64_t n, T a, T b);
    void (*combine)(T* gx, const T* gy, const T* x, int64_t n, T a, T b, T c);
    void (*sum_and_dot)(const T* gy, const T* x, int64_t n, T mean, double* sum, double* dot);
    // The channel is the last dimension (NHWC): the same on `rows` rows of `channels` elements, with one a, b, c, mean
    // for each channel. sums: sum[j] += x, squares[j] += (x - shift[j])^2 after subtracting a shift near the mean.
    void (*scale_shift_rows)(T* y, const T* x, int64_t rows, int64_t channels, const T* a, const T* b);
    void (*combine_rows)(T* gx, const T* gy, const T* x, int64_t rows, int64_t channels, const T* a, const T* b,
                         const T* c);
    void (*sums_rows)(const T* x, int64_t rows, int64_t channels, const T* shift, T* sum, T* squares);
    void (*sum_and_dot_rows)(const T* gy, const T* x, int64_t rows, int64_t channels, const T* mean, T* sum, T* dot);
};

// ---- optimisers (kernels/optim.cpp): one step over n parameters, with the roundings of PyTorch's formulas

struct SgdOptions {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
    bool first;  // the momentum buffer is to be set, not updated
};
struct AdamOptions {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled;  // AdamW
    bool amsgrad, maximize;
    double step;  // counted from 1
};
struct RmspropOptions {
    double lr, alpha, eps, weight_decay, momentum;
    bool centered, maximize;
};
struct AdagradOptions {
    double lr, lr_decay, eps, weight_decay;
    bool maximize;
    double step;  // counted from 1
};
struct AdadeltaOptions {
    double lr, rho, eps, weight_decay;
    bool maximize;
};
template <class T>
struct OptimKernels {
    // Buffers that the options do not ask for may be null.
    void (*sgd)(T* p, const T* g, T* momentum, int64_t n, const SgdOptions& o);
    void (*adam)(T* p, const T* g, T* mean, T* square, T* max_square, int64_t n, const AdamOptions& o);
    void (*rmsprop)(T* p, const T* g, T* square, T* mean, T* momentum, int64_t n, const RmspropOptions& o);
    void (*adagrad)(T* p, const T* g, T* sum, int64_t n, const AdagradOptions& o);
    void (*adadelta)(T* p, const T* g, T* square, T* delta, int64_t n, const AdadeltaOptions& o);
};

// ---- small matrix products (kernels/gemm.cpp)

template <class T>
struct GemmKernels {
    // C[i, j] = alpha * sum over p of A[i, p] B[p, j] + beta * C[i, j] + bias[j]. A and B have any strides (a
    // transposed matrix is its strides exchanged), C has contiguous rows ldc apart. bias may be null; beta = 0 does not
    // read C. Good for products of up to about 64 x 64 x 64; above, the libraries are better.
    void (*small)(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t a_row, int64_t a_col, const T* b,
                  int64_t b_row, int64_t b_col, T beta, T* c, int64_t ldc, const T* bias);
};

// ---- sums over shifted copies of a run (kernels/shift.cpp)

template <class T>
struct ShiftKernels {
    // y[i] = start + the sum over t < taps of w[t] * x[i + shift[t]], i < n
    void (*weighted_sum)(T* y, const T* x, const T* w, const int64_t* shift, int64_t taps, T start, int64_t n);
    // sums[t] += the sum over i < n of g[i] * x[i + shift[t]]
    void (*products)(T* sums, const T* g, const T* x, const int64_t* shift, int64_t taps, int64_t n);
};

// ---- conversions (kernels/convert.cpp): y[i] = x[i] between the plain types

inline constexpr int kPlainTypes = 8;  // bool, uint8, int8, int16, int32, int64, float, double
using ConvertRun = void (*)(void* y, const void* x, int64_t n);
struct ConvertRow {
    ConvertRun from[kPlainTypes];
};
struct ConvertTable {
    ConvertRow to[kPlainTypes];
};

// ---- everything

// Of a uniform number u: log(u), log(1 - u), tan(pi (u - 1/2)); of any number: exp.
enum class DrawMap : uint8_t { Log, LogOfRest, Tan, Exp };

struct Kernels {
    const ReduceKernels<float>* reduce_f32;
    const ReduceKernels<double>* reduce_f64;
    const SoftmaxKernels<float>* softmax_f32;
    const SoftmaxKernels<double>* softmax_f64;
    const NormKernels<float>* norm_f32;
    const NormKernels<double>* norm_f64;
    const OptimKernels<float>* optim_f32;
    const OptimKernels<double>* optim_f64;
    const GemmKernels<float>* gemm_f32;
    const GemmKernels<double>* gemm_f64;
    const ShiftKernels<float>* shift_f32;
    const ShiftKernels<double>* shift_f64;

    // Bytes (bool tensors): any and all.
    bool (*any)(const uint8_t* x, int64_t n);
    bool (*all)(const uint8_t* x, int64_t n);
    int64_t (*count_nonzero)(const uint8_t* x, int64_t n);
    // Sums of integers, which wrap, and of bfloat16 in float32, block by block as sum does.
    int64_t (*sum_i64)(const int64_t* x, int64_t n);
    int64_t (*sum_i32)(const int32_t* x, int64_t n);
    float (*sum_bf16)(const uint16_t* x, int64_t n);
    // y[i] = base + step * (first + i)
    void (*ramp_f32)(float* y, float base, float step, int64_t first, int64_t n);
    void (*ramp_f64)(double* y, double base, double step, int64_t first, int64_t n);
    void (*ramp_i64)(int64_t* y, int64_t base, int64_t step, int64_t first, int64_t n);

    const ConvertTable* convert;
    // Conversions, rounding to nearest even; 16-bit numbers are their bits. x and y do not overlap.
    void (*f32_to_bf16)(uint16_t* y, const float* x, int64_t n);
    void (*bf16_to_f32)(float* y, const uint16_t* x, int64_t n);
    void (*f32_to_f16)(uint16_t* y, const float* x, int64_t n);
    void (*f16_to_f32)(float* y, const uint16_t* x, int64_t n);
    void (*f32_to_f64)(double* y, const float* x, int64_t n);
    void (*f64_to_f32)(float* y, const double* x, int64_t n);

    // y[c * y_stride + r] = x[r * x_stride + c] for r < rows, c < columns; strides in elements, element size 1, 2, 4, 8
    // or 16. `stream` bypasses the cache where the rows of y are aligned to 64 bytes: two to five times faster for
    // results of 4 MB and more.
    void (*transpose)(void* y, const void* x, int64_t rows, int64_t columns, int64_t x_stride, int64_t y_stride,
                      int element_size, bool stream);
    // y[i] = x[i * stride], elements of size 1, 2, 4, 8 or 16.
    void (*gather)(void* y, const void* x, int64_t stride, int element_size, int64_t n);
    // y[r * y_step + i] = x[r * x_step + i * stride] for r < rows, i < n, elements of size 1, 2, 4, 8 or 16.
    void (*copy_plane)(void* y, const void* x, int64_t rows, int64_t n, int64_t y_step, int64_t x_step, int64_t stride, int element_size);
    // memcpy, for one of many rows.
    void (*copy_row)(void* y, const void* x, int64_t bytes);
    // Rows of y = the rows of x that begin at index[i] * step, in bytes.
    void (*gather_rows)(void* y, const void* x, const int64_t* index, int64_t step, int64_t bytes, int64_t n);
    // y[2 i] = a[i], y[2 i + 1] = b[i], elements of size 1, 2, 4 or 8.
    void (*interleave)(void* y, const void* a, const void* b, int element_size, int64_t n);
    // n elements of size 1, 2, 4, 8 or 16, each a copy of *value.
    void (*fill)(void* y, const void* value, int element_size, int64_t n);

    // Connectionist temporal classification, of logarithms: a step of all paths, y[i] = emitted[i] + log(exp(x[i]) + exp(x[i - 1]) +
    // exp(x[i - 2] + skip[i])), x having two elements before its first; the share that each state has of the total,
    // exp(alpha + beta - emitted - total), 0 where there is no path; and weight * (exp(log_probs) - shares).
    void (*ctc_step)(double* y, const double* x, const double* skip, const double* emitted, int64_t n);
    void (*ctc_shares)(double* y, const double* alpha, const double* beta, const double* emitted, double total, int64_t n);
    void (*ctc_gradient)(double* y, const double* log_probs, const double* shares, double weight, int64_t n);

    // radius cos(2 pi turns) and radius sin(2 pi turns), radius = sqrt(-2 log(1 - u)), to a few units in the last place.
    void (*normal_pairs)(double* cosines, double* sines, const double* turns, const double* u, int64_t n);
    // y = f(x), as accurately.
    void (*draw_map)(double* y, const double* x, DrawMap f, int64_t n);

    // y = x * mask * scale, mask being 0 or 1.
    void (*dropout_f32)(float* y, const float* x, const uint8_t* mask, float scale, int64_t n);
    void (*dropout_f64)(double* y, const double* x, const uint8_t* mask, double scale, int64_t n);

    template <class T>
    const ReduceKernels<T>& reduce() const {
        return pick<T>(reduce_f32, reduce_f64);
    }
    template <class T>
    const SoftmaxKernels<T>& softmax() const {
        return pick<T>(softmax_f32, softmax_f64);
    }
    template <class T>
    const NormKernels<T>& norm() const {
        return pick<T>(norm_f32, norm_f64);
    }
    template <class T>
    const OptimKernels<T>& optim() const {
        return pick<T>(optim_f32, optim_f64);
    }
    template <class T>
    const GemmKernels<T>& gemm() const {
        return pick<T>(gemm_f32, gemm_f64);
    }
    template <class T>
    const ShiftKernels<T>& shift() const {
        return pick<T>(shift_f32, shift_f64);
    }
    void dropout(float* y, const float* x, const uint8_t* mask, float scale, int64_t n) const {
        dropout_f32(y, x, mask, scale, n);
    }
    void dropout(double* y, const double* x, const uint8_t* mask, double scale, int64_t n) const {
        dropout_f64(y, x, mask, scale, n);
    }

  private:
    template <class T, class F, class D>
    static const auto& pick(const F* f, const D* d) {
        static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
        if constexpr (std::is_same_v<T, float>)
            return *f;
        else
            return *d;
    }
};

// 0: baseline, 1: x86-64-v3, 2: x86-64-v4. The machine's, or lower if the environment's RUSHLIGHT_ISA (base, v3, v4)
// says so; found once.
int isa_level();
const Kernels& kernels();

// How rows of so many bytes are copied, `total` bytes in all. What the caches don't hold goes faster by the library's string
// instruction, which need not read a line that it will write over; its start costs too much for shorter rows, or where the
// lines are at hand.
inline void copy_far_row(void* y, const void* x, int64_t bytes) { __builtin_memcpy(y, x, std::size_t(bytes)); }
inline auto row_copy(int64_t bytes, int64_t total) { return bytes >= 2048 && total > (2 << 20) ? copy_far_row : kernels().copy_row; }

}  // namespace rl::cpu
