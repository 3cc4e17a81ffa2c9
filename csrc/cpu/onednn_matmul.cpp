#if RL_HAVE_ONEDNN
#include "cpu/onednn_matmul.h"

#include <algorithm>

#include "cpu/onednn.h"
#include "cpu/parallel.h"

namespace rl::cpu::onednn {
namespace {

using dnnl::memory;

// oneDNN wants the distance between rows to be a row's length at least, also where there is only one row.
memory::desc matrix(memory::data_type type, int64_t rows, int64_t columns, int64_t row, int64_t column) {
    if (rows == 1) row = std::max(row, columns * column);
    if (columns == 1) column = std::max(column, rows * row);
    return {{rows, columns}, type, memory::dims{row, column}};
}

Primitive make_matmul(const MatmulShape& s, Type t, int threads) {
    auto type = t == Type::F32 ? memory::data_type::f32 : memory::data_type::bf16;
    memory::desc a = matrix(type, s.m, s.k, s.a_row, s.a_column), b = matrix(type, s.k, s.n, s.b_row, s.b_column);
    memory::desc c = matrix(type, s.m, s.n, s.c_row, 1);
    dnnl::primitive_attr attributes = user_scratchpad();
    dnnl::post_ops after;
    if (s.alpha != 1) after.append_eltwise(dnnl::algorithm::eltwise_linear, s.alpha, 0);
    if (s.beta != 0) after.append_sum(s.beta);
    attributes.set_post_ops(after);
    dnnl::matmul::primitive_desc d(engine(), a, b, c, attributes);
    return {dnnl::matmul(d), a, b, {}, c, d.scratchpad_desc(), {}, {}, threads};
}

}  // namespace

bool has_bf16() {
    static const bool has = [] {
        auto isa = dnnl::get_effective_cpu_isa();
        return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_fp16 ||
               isa == dnnl::cpu_isa::avx512_core_amx || isa == dnnl::cpu_isa::avx512_core_amx_fp16;
    }();
    return has;
}

void matmul(const MatmulShape& s, Type type, const void* a, const void* b, void* c) {
    int threads = s.m * s.n * s.k < kParallelWork ? 1 : region_threads();
    set_region_threads(threads);
    Key key;
    key.add({1, int64_t(type), threads, s.m, s.n, s.k, s.a_row, s.a_column, s.b_row, s.b_column, s.c_row});
    key.add(s.alpha);
    key.add(s.beta);
    auto e = find(key);
    if (!e) e = store(key, make_matmul(s, type, threads));
    const Primitive& p = e->primitive;
    run(*e, {{DNNL_ARG_SRC, &p.source, a}, {DNNL_ARG_WEIGHTS, &p.weights, b}, {DNNL_ARG_DST, &p.destination, c}});
}

void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
           int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
    constexpr int64_t kWorkPerNanosecond = 25;  // of one slow thread
    int64_t work = m * n * k;
    int threads = work < kParallelWork ? 1 : region_threads();
    set_region_threads(threads);
    RegionTimer timer(threads);
    dnnl::error::wrap_c_api(
        dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc),
        "could not multiply matrices");
    timer.finish(work / kWorkPerNanosecond);
}

}  // namespace rl::cpu::onednn
#endif
