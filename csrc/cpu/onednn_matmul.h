// Matrix products by oneDNN.
#pragma once
#include <cstdint>

namespace rl::cpu::onednn {

enum class Type : uint8_t { F32, BF16 };

struct MatmulShape {
    int64_t m, n, k;
    int64_t a_row, a_column, b_row, b_column, c_row;  // distances between neighbours in a column and in a row
    float alpha, beta;
};

bool has_bf16();  // this machine multiplies bfloat16 without widening it first
void matmul(const MatmulShape& shape, Type type, const void* a, const void* b, void* c);
void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
           int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

}  // namespace rl::cpu::onednn
