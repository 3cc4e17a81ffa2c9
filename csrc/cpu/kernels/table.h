// The parts of this ISA level's table, each defined in the source of its theme.
#pragma once

#include "cpu/kernels.h"
#include "cpu/vec.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {

extern const ReduceKernels<float> reduce_f32;
extern const ReduceKernels<double> reduce_f64;
extern const SoftmaxKernels<float> softmax_f32;
extern const SoftmaxKernels<double> softmax_f64;
extern const NormKernels<float> norm_f32;
extern const NormKernels<double> norm_f64;
extern const OptimKernels<float> optim_f32;
extern const OptimKernels<double> optim_f64;
extern const GemmKernels<float> gemm_f32;
extern const GemmKernels<double> gemm_f64;
extern const ShiftKernels<float> shift_f32;
extern const ShiftKernels<double> shift_f64;

extern const ConvertTable convert_table;

bool any(const uint8_t* x, int64_t n);
bool all(const uint8_t* x, int64_t n);
int64_t count_nonzero(const uint8_t* x, int64_t n);
int64_t sum_i64(const int64_t* x, int64_t n);
int64_t sum_i32(const int32_t* x, int64_t n);
float sum_bf16(const uint16_t* x, int64_t n);
void ramp_f32(float* y, float base, float step, int64_t first, int64_t n);
void ramp_f64(double* y, double base, double step, int64_t first, int64_t n);
void ramp_i64(int64_t* y, int64_t base, int64_t step, int64_t first, int64_t n);
void f32_to_bf16(uint16_t* y, const float* x, int64_t n);
void bf16_to_f32(float* y, const uint16_t* x, int64_t n);
void f32_to_f16(uint16_t* y, const float* x, int64_t n);
void f16_to_f32(float* y, const uint16_t* x, int64_t n);
void f32_to_f64(double* y, const float* x, int64_t n);
void f64_to_f32(float* y, const double* x, int64_t n);
void transpose(void* y, const void* x, int64_t rows, int64_t columns, int64_t x_stride, int64_t y_stride,
               int element_size, bool stream);
void gather(void* y, const void* x, int64_t stride, int element_size, int64_t n);
void copy_plane(void* y, const void* x, int64_t rows, int64_t n, int64_t y_step, int64_t x_step, int64_t stride, int element_size);
void copy_row(void* y, const void* x, int64_t bytes);
void gather_rows(void* y, const void* x, const int64_t* index, int64_t step, int64_t bytes, int64_t n);
void interleave(void* y, const void* a, const void* b, int element_size, int64_t n);
void fill(void* y, const void* value, int element_size, int64_t n);
void ctc_step(double* y, const double* x, const double* skip, const double* emitted, int64_t n);
void ctc_shares(double* y, const double* alpha, const double* beta, const double* emitted, double total, int64_t n);
void ctc_gradient(double* y, const double* log_probs, const double* shares, double weight, int64_t n);
void normal_pairs(double* cosines, double* sines, const double* turns, const double* u, int64_t n);
void draw_map(double* y, const double* x, DrawMap f, int64_t n);
void dropout_f32(float* y, const float* x, const uint8_t* mask, float scale, int64_t n);
void dropout_f64(double* y, const double* x, const uint8_t* mask, double scale, int64_t n);

extern const Kernels kernel_table;

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
