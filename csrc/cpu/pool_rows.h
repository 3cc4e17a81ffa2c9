// Pooling of planes of floats a row of results at a time: each element of the kernel is one pass over a run that fits the
// first cache, so that vectors serve where the windows lie in the plane as a whole; and adaptive pooling of long windows.
#pragma once
#include "cpu/pool.h"

namespace rl::cpu {

bool has_long_rows(const PoolShape& s);  // fixed windows, and rows that are worth it
bool has_long_windows(const PoolShape& s);  // adaptive windows of which each line is a long run

// Of planar images. Values, indices and the order of sums are those of cpu/pool.h (long adaptive windows: of pairwise sums).
void max_pool_rows(const PoolShape& s, const float* source, float* destination, int64_t* indices);
void average_pool_rows(const PoolShape& s, const float* source, float* destination);
void max_pool_runs(const PoolShape& s, const float* source, float* destination, int64_t* indices);
void average_pool_runs(const PoolShape& s, const float* source, float* destination);

}  // namespace rl::cpu
