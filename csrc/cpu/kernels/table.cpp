#include "cpu/kernels/table.h"

namespace rl::cpu {
inline namespace RL_ISA_NS {

// Constant data: no code of a newer ISA may run before the machine was asked for it.
constinit const Kernels kernel_table = {
    &reduce_f32, &reduce_f64, &softmax_f32, &softmax_f64, &norm_f32,     &norm_f64,      &optim_f32,  &optim_f64,
    &gemm_f32,   &gemm_f64,   &shift_f32,   &shift_f64,   any,          all,          count_nonzero, sum_i64, sum_i32, sum_bf16, ramp_f32, ramp_f64, ramp_i64, &convert_table, f32_to_bf16, bf16_to_f32,
    f32_to_f16,  f16_to_f32,  f32_to_f64,   f64_to_f32,   transpose,     gather,         copy_plane, copy_row,    gather_rows, interleave,  fill,
    ctc_step,    ctc_shares,  ctc_gradient, normal_pairs, draw_map,    dropout_f32, dropout_f64,
};

}  // namespace RL_ISA_NS
}  // namespace rl::cpu
