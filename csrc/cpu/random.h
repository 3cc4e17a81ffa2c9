// Random numbers: mt19937, and every distribution drawn from it in the order and by the formulas that PyTorch uses on
// the CPU, so that a seed gives the same numbers. Found by comparing results; docs and tests hold the cases.
// T is float, double, Half or BFloat16 unless said. A generator is used by one thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace rl::cpu {

inline constexpr uint64_t kDefaultSeed = 67280421310721;
inline constexpr size_t kGeneratorState = 5056;  // bytes of a saved state, in PyTorch's layout

// Mersenne twister (Matsumoto and Nishimura 1998), seeded with the low 32 bits of the seed.
class Generator {
  public:
    explicit Generator(uint64_t seed = kDefaultSeed) { manual_seed(seed); }

    void manual_seed(uint64_t seed);
    uint64_t initial_seed() const { return seed_; }
    uint64_t seed_from_system();  // seeds with entropy of the system and returns the seed

    void get_state(uint8_t* out) const;  // kGeneratorState bytes
    bool set_state(const uint8_t* in);   // false, and nothing changed, when the bytes are no valid state

    uint32_t random();     // 32 bits
    uint64_t random64();                  // 64 bits
    double uniform();                     // 53 bits, in [0, 1)
    bool has_normal() const { return has_normal_; }
    double normal();                      // Box-Muller in pairs; the second value waits for the next call
    void fill(uint32_t* out, int64_t n);  // n times random()
    void skip(int64_t n);

  private:
    void next_block();

    uint64_t seed_ = 0;
    int32_t left_ = 1;
    uint32_t next_ = 0;
    bool has_normal_ = false;
    double normal_ = 0;
    alignas(64) uint32_t state_[624];
};

template <class T>
void fill_uniform(Generator& g, T* out, int64_t n, double low, double high);
// PyTorch fills contiguous tensors of 16 elements or more by another scheme than smaller or strided ones.
template <class T>
void fill_normal(Generator& g, T* out, int64_t n, double mean, double std);
template <class T>
void fill_normal_strided(Generator& g, T* out, int64_t n, double mean, double std);
template <class T>
void fill_log_normal(Generator& g, T* out, int64_t n, double mean, double std);
template <class T>
void fill_exponential(Generator& g, T* out, int64_t n, double rate);
template <class T>
void fill_cauchy(Generator& g, T* out, int64_t n, double median, double sigma);
// T: also the integers from uint8 to int64.
template <class T>
void fill_geometric(Generator& g, T* out, int64_t n, double p);

// random_() without bounds. T: every real dtype and bool.
template <class T>
void fill_random(Generator& g, T* out, int64_t n);
// base + an integer below range; range 0 stands for all 2^64 values, without base. T as fill_random.
template <class T>
void fill_random_range(Generator& g, T* out, int64_t n, uint64_t range, int64_t base);
void fill_randperm(Generator& g, int64_t* out, int64_t n);

void fill_bernoulli(Generator& g, bool* out, int64_t n, double p);
template <class T>
void bernoulli(Generator& g, const T* p, bool* out, int64_t n);
template <class T>
void poisson(Generator& g, const T* rate, T* out, int64_t n);
template <class T>
void binomial(Generator& g, const T* count, const T* p, T* out, int64_t n);
template <class T>
void standard_gamma(Generator& g, const T* alpha, T* out, int64_t n);
// `samples` category indices for each row of weights, which must be nonnegative, finite and not all zero; with
// replacement.
template <class T>
void multinomial(Generator& g, const T* weights, int64_t rows, int64_t categories, int64_t samples, int64_t* out);
// The same without replacement: the categories of the largest weight / exponential, given an exponentially distributed
// number for each weight.
template <class T>
void multinomial_distinct(const T* weights, const T* exponentials, int64_t rows, int64_t categories, int64_t samples,
                          int64_t* out);

}  // namespace rl::cpu
