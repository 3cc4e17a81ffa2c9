#include "cpu/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include "cpu/clones.h"
#include "cpu/kernels.h"

namespace rl::cpu {
namespace {

constexpr int kN = 624, kM = 397;
constexpr int kChunk = 2048;  // draws made at a time

constexpr double k24 = 1.0 / (1 << 24), k53 = 1.0 / (int64_t(1) << 53);
constexpr uint32_t kMask24 = (1 << 24) - 1;
constexpr uint64_t kMask53 = (uint64_t(1) << 53) - 1;

inline uint32_t twist(uint32_t far, uint32_t here, uint32_t after) {
    uint32_t y = (here & 0x80000000u) | (after & 0x7fffffffu);
    return far ^ (y >> 1) ^ (-(after & 1u) & 0x9908b0dfu);
}

RL_CLONES void twist_block(uint32_t* s) {
#pragma GCC ivdep
    for (int i = 0; i < kN - kM; ++i) s[i] = twist(s[i + kM], s[i], s[i + 1]);
#pragma GCC ivdep
    for (int i = kN - kM; i < kN - 1; ++i) s[i] = twist(s[i + kM - kN], s[i], s[i + 1]);
    s[kN - 1] = twist(s[kM - 1], s[kN - 1], s[0]);
}

inline uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

RL_CLONES void temper_block(const uint32_t* in, uint32_t* out, int64_t n) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = temper(in[i]);
}

// The saved state: PyTorch's layout, little-endian.
struct SavedState {
    uint64_t seed;
    int32_t left;
    int32_t seeded;
    uint64_t next;
    uint64_t state[kN];
    double normal_x;
    double normal_y;  // the normal value that waits
    double normal_rho;
    int32_t normal_is_valid;
    int32_t padding;
    float next_float_normal;
    uint8_t next_float_normal_is_valid;
    uint8_t padding_end[3];
};
static_assert(sizeof(SavedState) == kGeneratorState);

}  // namespace

void Generator::manual_seed(uint64_t seed) {
    seed_ = seed;
    left_ = 1;
    next_ = 0;
    has_normal_ = false;
    normal_ = 0;
    state_[0] = uint32_t(seed);
    for (uint32_t i = 1; i < kN; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
}

uint64_t Generator::seed_from_system() {
    std::random_device device;
    uint64_t high = device();
    // 53 bits, as PyTorch: the seed must survive a trip through a double.
    manual_seed((high << 32 | device()) & kMask53);
    return seed_;
}

void Generator::get_state(uint8_t* out) const {
    SavedState s{};
    s.seed = seed_;
    s.left = left_;
    s.seeded = 1;
    s.next = next_;
    std::copy(state_, state_ + kN, s.state);
    s.normal_y = normal_;
    s.normal_is_valid = has_normal_;
    std::memcpy(out, &s, sizeof(s));
}

bool Generator::set_state(const uint8_t* in) {
    SavedState s;
    std::memcpy(&s, in, sizeof(s));
    if (s.left < 1 || s.left > kN || s.next > kN || s.seeded != 1) return false;
    if (s.left != 1 && int64_t(s.next) + s.left != kN + 1) return false;
    seed_ = s.seed;
    left_ = s.left;
    next_ = uint32_t(s.next);
    std::copy(s.state, s.state + kN, state_);
    has_normal_ = s.normal_is_valid != 0;
    normal_ = s.normal_y;
    return true;
}

void Generator::next_block() {
    twist_block(state_);
    left_ = kN;
    next_ = 0;
}

uint32_t Generator::random() {
    if (--left_ == 0) next_block();
    return temper(state_[next_++]);
}
// The upper half first.
uint64_t Generator::random64() {
    if (__builtin_expect(left_ <= 2, 0)) {
        uint64_t high = random();
        return high << 32 | random();
    }
    left_ -= 2, next_ += 2;
    return uint64_t(temper(state_[next_ - 2])) << 32 | temper(state_[next_ - 1]);
}

void Generator::fill(uint32_t* out, int64_t n) {
    while (n > 0) {
        if (left_ == 1) {  // the block is used up; left_ counts one more than there is
            next_block();
            ++left_;
        }
        int64_t take = std::min<int64_t>(n, left_ - 1);
        temper_block(state_ + next_, out, take);
        next_ += uint32_t(take);
        left_ -= int32_t(take);
        out += take;
        n -= take;
    }
}

void Generator::skip(int64_t n) {
    while (n > 0) {
        if (left_ == 1) next_block(), ++left_;
        int64_t take = std::min<int64_t>(n, left_ - 1);
        next_ += uint32_t(take);
        left_ -= int32_t(take);
        n -= take;
    }
}

double Generator::uniform() { return double(random64() & kMask53) * k53; }

// Two normal values from two uniform ones.
static std::pair<double, double> normal_pair(double turns, double u) {
    double radius = std::sqrt(-2.0 * std::log1p(-u)), theta = 2.0 * std::numbers::pi * turns;
    return {radius * std::cos(theta), radius * std::sin(theta)};
}
double Generator::normal() {
    if (has_normal_) {
        has_normal_ = false;
        return std::exchange(normal_, 0.0);
    }
    double turns = uniform(), u = uniform();
    auto [now, later] = normal_pair(turns, u);
    normal_ = later;
    has_normal_ = true;
    return now;
}

namespace {

// The type in which a T is computed: 16-bit types in float.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline double uniform53(const uint32_t* draw) { return double((uint64_t(draw[0]) << 32 | draw[1]) & kMask53) * k53; }

// Computed in double: the product is exact, so that one rounding is left whether or not the machine fuses the
// operations.
RL_CLONES void uniform_float(const uint32_t* draw, float* out, int64_t n, float range, float low) {
    for (int64_t i = 0; i < n; ++i) out[i] = float(double(int32_t(draw[i] & kMask24)) * (k24 * range) + low);
}
RL_CLONES void uniform_double(const uint32_t* draw, double* out, int64_t n, double range, double low) {
    for (int64_t i = 0; i < n; ++i) out[i] = uniform53(draw + 2 * i) * range + low;
}

// A uniform number is k / 2^53, so that it lies below p where k lies below p * 2^53, rounded up.
RL_CLONES void below(const uint32_t* draw, bool* out, int64_t n, int64_t limit) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = int64_t((uint64_t(draw[2 * i]) << 32 | draw[2 * i + 1]) & kMask53) < limit;
}

using Lanes = float __attribute__((vector_size(32)));
using Ints = int32_t __attribute__((vector_size(32)));

// Natural logarithm of positive normal floats (polynomial: Cephes logf, Moshier 1989).
[[gnu::always_inline]] inline void log_lanes(const Lanes& x, Lanes& result) {
    Ints bits = (Ints)x;
    Ints e = (bits >> 23) - 126;
    Lanes m = (Lanes)((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
    Ints low = m < 0.707106781186547524f;
    e += low;
    m = m - 1.0f + (Lanes)((Ints)m & low);
    Lanes z = m * m;
    Lanes p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    Lanes ef = __builtin_convertvector(e, Lanes);
    result = ef * 0.693359375f + (m + (p * m * z - 0.5f * z + ef * -2.12194440e-4f));
}

// Sine and cosine of 2 pi b for b in [0, 1): the nearest quarter turn, and polynomials for the rest.
[[gnu::always_inline]] inline void sincos_turns(const Lanes& b, Lanes& sine, Lanes& cosine) {
    Ints quarter = __builtin_convertvector(b * 4.0f + 0.5f, Ints);
    Lanes x = (b - __builtin_convertvector(quarter, Lanes) * 0.25f) * float(2 * std::numbers::pi);
    Lanes z = x * x;
    Lanes s = x + x * z * ((z * -1.9515295891e-4f + 8.3321608736e-3f) * z - 1.6666654611e-1f);
    Lanes c =
        1.0f - 0.5f * z + z * z * ((z * 2.443315711809948e-5f - 1.388731625493765e-3f) * z + 4.166664568298827e-2f);
    Ints swap = (quarter & 1) != 0;
    Ints a = ((Ints)s & ~swap) | ((Ints)c & swap), d = ((Ints)c & ~swap) | ((Ints)s & swap);
    sine = (Lanes)(a ^ ((quarter & 2) << 30));
    cosine = (Lanes)(d ^ (((quarter + 1) & 2) << 30));
}

// Groups of 16 draws to 16 normal values (Box and Muller 1958): eight radii, eight angles.
RL_CLONES void normal_groups(const uint32_t* draw, float* out, int64_t n, float mean, float std) {
    for (int64_t i = 0; i < n; i += 16) {
        Ints a, b;
        std::memcpy(&a, draw + i, sizeof a);
        std::memcpy(&b, draw + i + 8, sizeof b);
        Lanes u = 1.0f - __builtin_convertvector(a & int32_t(kMask24), Lanes) * float(k24);
        Lanes turns = __builtin_convertvector(b & int32_t(kMask24), Lanes) * float(k24);
        Lanes square, radius, sine, cosine;
        log_lanes(u, square);
        square *= -2.0f;
        for (int j = 0; j < 8; ++j) radius[j] = std::sqrt(square[j]);
        sincos_turns(turns, sine, cosine);
        cosine = radius * cosine * std + mean;
        sine = radius * sine * std + mean;
        std::memcpy(out + i, &cosine, sizeof cosine);
        std::memcpy(out + i + 8, &sine, sizeof sine);
    }
}

void normal_groups(const uint32_t* draw, double* out, int64_t n, double mean, double std) {
    for (int64_t i = 0; i < n; i += 16)
        for (int64_t j = i; j < i + 8; ++j) {
            double radius = std::sqrt(-2.0 * std::log(1.0 - uniform53(draw + 2 * j)));
            double theta = 2.0 * std::numbers::pi * uniform53(draw + 2 * (j + 8));
            out[j] = radius * std::cos(theta) * std + mean;
            out[j + 8] = radius * std::sin(theta) * std + mean;
        }
}

// Calls f(draws, offset, count) over [0, n) in pieces; each element has Words 32-bit draws.
template <int Words, class F>
void in_chunks(Generator& g, int64_t n, F f) {
    alignas(64) uint32_t draws[kChunk];
    for (int64_t i = 0; i < n; i += kChunk / Words) {
        int64_t count = std::min<int64_t>(kChunk / Words, n - i);
        g.fill(draws, count * Words);
        f(draws, i, count);
    }
}

template <class T>
inline constexpr int words_of = std::is_same_v<T, double> ? 2 : 1;

// Each element is f of a 53-bit uniform number, computed in double.
template <class T, class F>
void fill_from_uniform(Generator& g, T* out, int64_t n, F f) {
    in_chunks<2>(g, n, [&](const uint32_t* draws, int64_t at, int64_t count) {
        for (int64_t i = 0; i < count; ++i) out[at + i] = static_cast<T>(f(uniform53(draws + 2 * i)));
    });
}

}  // namespace

template <class T>
void fill_uniform(Generator& g, T* out, int64_t n, double low, double high) {
    using C = Compute<T>;
    C from = C(T(low)), to = C(T(high)), range = C(T(to - from));
    in_chunks<words_of<T>>(g, n, [&](const uint32_t* draws, int64_t at, int64_t count) {
        C wide[kChunk / words_of<T>];
        if constexpr (std::is_same_v<T, double>)
            uniform_double(draws, wide, count, range, from);
        else
            uniform_float(draws, wide, count, range, from);
        // The upper bound is not part of the interval, but rounding may give it.
        for (int64_t i = 0; i < count; ++i) out[at + i] = C(T(wide[i])) == to ? T(from) : T(wide[i]);
    });
}

// Vectors compute functions of draws a little less accurately than the library does; where that could change a result,
// once in millions, the library computes it again. `off` is more than they can differ by.
inline bool sure(double v, double off) { return float(v - off) == float(v + off); }
constexpr double kDifference = 0x1p-48;  // of a function's value, relatively
constexpr int kPairs = 64;  // of normal values, made at a time

// What normal() gives, pair by pair: f(at, count, pairs, exact), where exact(i) is the library's pair i of these.
template <class F>
int64_t in_normal_pairs(Generator& g, int64_t n, F f) {
    double turns[kPairs], u[kPairs], pair[2][kPairs];
    uint32_t draws[4 * kPairs];
    int64_t done = 0;
    for (int64_t count; (count = std::min<int64_t>((n - done) / 2, kPairs)) > 0; done += 2 * count) {
        g.fill(draws, 4 * count);
        for (int64_t i = 0; i < count; ++i) turns[i] = uniform53(draws + 4 * i), u[i] = uniform53(draws + 4 * i + 2);
        kernels().normal_pairs(pair[0], pair[1], turns, u, count);
        f(done, count, pair, [&](int64_t i) { return normal_pair(turns[i], u[i]); });
    }
    return done;
}
template <class T>
int64_t fill_normal_pairs(Generator& g, T* out, int64_t n, double mean, double std) {
    auto safe = [=](double v) {
        double w = v * std + mean;
        return sure(w, (std::abs(v * std) + std::abs(w)) * kDifference);
    };
    return in_normal_pairs(g, n, [&](int64_t at, int64_t count, const auto& pair, auto exact) {
        for (int64_t i = 0; i < count; ++i) {
            std::pair p{pair[0][i], pair[1][i]};
            if (!safe(p.first) || !safe(p.second)) p = exact(i);
            out[at + 2 * i] = T(float(std::fma(p.first, std, mean)));
            out[at + 2 * i + 1] = T(float(std::fma(p.second, std, mean)));
        }
    });
}

template <class T>
void fill_normal_strided(Generator& g, T* out, int64_t n, double mean, double std) {
    int64_t done = 0;
    if constexpr (!std::is_same_v<T, double>) {
        if (g.has_normal() && n > 0) out[done++] = T(float(std::fma(g.normal(), std, mean)));
        done += fill_normal_pairs(g, out + done, n - done, mean, std);
    }
    for (; done < n; ++done) out[done] = T(Compute<T>(std::fma(g.normal(), std, mean)));
}

template <class T>
void fill_normal(Generator& g, T* out, int64_t n, double mean, double std) {
    if (n < 16) return fill_normal_strided(g, out, n, mean, std);
    using C = Compute<T>;
    constexpr int words = words_of<T>;
    auto groups = [&](const uint32_t* draws, int64_t at, int64_t count) {
        if constexpr (std::is_same_v<T, C>) {
            normal_groups(draws, out + at, count, C(mean), C(std));
        } else {
            float wide[kChunk];
            normal_groups(draws, wide, count, C(mean), C(std));
            for (int64_t i = 0; i < count; ++i) out[at + i] = T(wide[i]);
        }
    };
    int64_t whole = n / 16 * 16;
    in_chunks<words>(g, whole, groups);
    if (whole == n) return;
    // A rest is filled by drawing the last 16 elements anew. The draws for the rest itself are made, and lost, except
    // in the 16-bit types.
    if constexpr (std::is_same_v<T, C>) g.skip((n - whole) * words);
    uint32_t draws[32];
    g.fill(draws, 16 * words);
    groups(draws, n - 16, 16);
}

template <class T>
void fill_log_normal(Generator& g, T* out, int64_t n, double mean, double std) {
    auto exact = [=](double normal) { return T(Compute<T>(std::exp(std::fma(normal, std, mean)))); };
    int64_t done = 0;
    if constexpr (!std::is_same_v<T, double>) {
        if (g.has_normal() && n > 0) out[done++] = exact(g.normal());
        T* rest = out + done;
        done += in_normal_pairs(g, n - done, [&](int64_t at, int64_t count, const auto& pair, auto exact_pair) {
            double exponent[2 * kPairs], value[2 * kPairs];
            for (int64_t i = 0; i < 2 * count; ++i) exponent[i] = pair[i & 1][i / 2] * std + mean;
            kernels().draw_map(value, exponent, DrawMap::Exp, 2 * count);
            for (int64_t i = 0; i < 2 * count; ++i) {
                double scaled = exponent[i] - mean, v = value[i];
                const bool good = sure(v, (1 + std::abs(scaled) + std::abs(mean)) * kDifference * v);
                rest[at + i] = good ? T(float(v)) : exact(i & 1 ? exact_pair(i / 2).second : exact_pair(i / 2).first);
            }
        });
    }
    for (; done < n; ++done) out[done] = exact(g.normal());
}

// Each element is exact(u), u a 53-bit uniform number: near(f(u)) for the function of vectors where its second value says
// that it is sure.
template <class T, class Near, class Exact>
static void fill_by_map(Generator& g, T* out, int64_t n, DrawMap f, Near near, Exact exact) {
    in_chunks<2>(g, n, [&](const uint32_t* draws, int64_t at, int64_t count) {
        double u[kChunk / 2], value[kChunk / 2];
        for (int64_t i = 0; i < count; ++i) u[i] = uniform53(draws + 2 * i);
        kernels().draw_map(value, u, f, count);
        for (int64_t i = 0; i < count; ++i) {
            auto [v, good] = near(value[i]);
            out[at + i] = static_cast<T>(good ? v : exact(u[i]));
        }
    });
}

template <class T>
void fill_exponential(Generator& g, T* out, int64_t n, double rate) {
    auto exact = [=](double u) { return Compute<T>(std::log1p(-u) * (-1 / rate)); };
    if constexpr (std::is_same_v<T, double>) return fill_from_uniform(g, out, n, exact);
    auto near = [=](double v) {
        double w = v * (-1 / rate);
        return std::pair{Compute<T>(w), sure(w, w * kDifference)};
    };
    fill_by_map(g, out, n, DrawMap::LogOfRest, near, exact);
}

template <class T>
void fill_cauchy(Generator& g, T* out, int64_t n, double median, double sigma) {
    auto exact = [=](double u) { return Compute<T>(std::fma(sigma, std::tan(std::numbers::pi * (u - 0.5)), median)); };
    if constexpr (std::is_same_v<T, double>) return fill_from_uniform(g, out, n, exact);
    auto near = [=](double v) {
        double scaled = sigma * v, w = scaled + median;
        return std::pair{Compute<T>(w), sure(w, (std::abs(scaled) + std::abs(w)) * kDifference)};
    };
    fill_by_map(g, out, n, DrawMap::Tan, near, exact);
}

template <class T>
void fill_geometric(Generator& g, T* out, int64_t n, double p) {
    double scale = std::log1p(-p);
    using C = std::conditional_t<std::is_integral_v<T>, double, Compute<T>>;
    auto near = [=](double v) {
        double w = v / scale, off = w * kDifference, up = std::ceil(w);
        return std::pair{C(up), std::ceil(w - off) == up && std::ceil(w + off) == up};
    };
    fill_by_map(g, out, n, DrawMap::Log, near, [=](double u) { return C(std::ceil(std::log(u) / scale)); });
}

template <class T>
void fill_random(Generator& g, T* out, int64_t n) {
    constexpr bool is_int = std::is_integral_v<T> && !std::is_same_v<T, bool>;
    // The number of values: those of the integer type, or the integers that a floating type represents exactly.
    constexpr uint64_t values = std::is_same_v<T, bool>       ? 2
                                : is_int                      ? uint64_t(std::numeric_limits<T>::max()) + 1
                                : std::is_same_v<T, double>   ? (uint64_t(1) << 53) + 1
                                : std::is_same_v<T, float>    ? (uint64_t(1) << 24) + 1
                                : std::is_same_v<T, BFloat16> ? (uint64_t(1) << 8) + 1
                                                              : (uint64_t(1) << 11) + 1;
    for (int64_t i = 0; i < n; ++i) {
        uint64_t v = sizeof(T) == 8 ? g.random64() % values : g.random() % values;
        if constexpr (is_int)
            out[i] = T(v);
        else if constexpr (std::is_same_v<T, bool>)
            out[i] = v != 0;
        else
            out[i] = T(Compute<T>(v));
    }
}

template <class T>
void fill_random_range(Generator& g, T* out, int64_t n, uint64_t range, int64_t base) {
    constexpr uint64_t kNarrow = uint64_t(1) << 28;  // from here on PyTorch draws 64 bits
    if (range == 0) base = 0;
    auto store = [&](int64_t i, uint64_t v) {
        int64_t value = int64_t(v + uint64_t(base));
        if constexpr (std::is_same_v<T, bool>)
            out[i] = value != 0;
        else if constexpr (std::is_integral_v<T>)
            out[i] = T(value);
        else
            out[i] = T(Compute<T>(value));
    };
    if (range == 0 || range >= kNarrow) {
        for (int64_t i = 0; i < n; ++i) store(i, range == 0 ? g.random64() : g.random64() % range);
        return;
    }
    in_chunks<1>(g, n, [&](const uint32_t* draws, int64_t at, int64_t count) {
        for (int64_t i = 0; i < count; ++i) store(at + i, draws[i] % uint32_t(range));
    });
}

void fill_randperm(Generator& g, int64_t* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = i;
    for (int64_t i = 0; i < n - 1; ++i) std::swap(out[i], out[i + int64_t(g.random() % uint64_t(n - i))]);
}

void fill_bernoulli(Generator& g, bool* out, int64_t n, double p) {
    auto limit = int64_t(std::ceil(std::clamp(p, 0.0, 1.0) * double(uint64_t(1) << 53)));
    in_chunks<2>(g, n, [&](const uint32_t* draws, int64_t at, int64_t count) { below(draws, out + at, count, limit); });
}

template <class T>
void bernoulli(Generator& g, const T* p, bool* out, int64_t n) {
    in_chunks<words_of<T>>(g, n, [&](const uint32_t* draws, int64_t at, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
            double u = std::is_same_v<T, double> ? uniform53(draws + 2 * i) : double(draws[i] & kMask24) * k24;
            out[at + i] = u < double(p[at + i]);
        }
    });
}

namespace {

// Transformed rejection PTRS (Hormann 1993) for large rates, multiplication of uniforms (Knuth) for small ones.
double poisson_one(Generator& g, double rate) {
    if (!(rate > 0)) return 0;
    if (rate < 10) {
        double limit = std::exp(-rate), product = g.uniform();
        int64_t k = 0;
        for (; product > limit; ++k) product *= g.uniform();
        return double(k);
    }
    double root = std::sqrt(rate), log_rate = std::log(rate);
    double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = g.uniform() - 0.5, v = g.uniform(), us = 0.5 - std::fabs(u);
        double k = std::floor((2 * a / us + b) * u + rate + 0.43);
        if (us >= 0.07 && v <= v_r) return k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
            -rate + k * log_rate - std::lgamma(k + 1))
            return k;
    }
}

// What Stirling's formula for log k! leaves out.
double stirling_rest(double k) {
    static constexpr double table[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                                       0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                                       0.00925546218271273, 0.00833056343336287};
    if (k <= 9) return table[int(k)];
    double q = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / q) / q) / (k + 1);
}

// Transformed rejection BTRS (Hormann 1993), for p <= 0.5 and n p >= 10.
double binomial_rejection(Generator& g, double n, double p) {
    double deviation = std::sqrt(n * p * (1 - p));
    double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5;
    double v_r = 0.92 - 4.2 / b, r = p / (1 - p), alpha = (2.83 + 5.1 / b) * deviation, m = std::floor((n + 1) * p);
    for (;;) {
        double u = g.uniform() - 0.5, v = g.uniform(), us = 0.5 - std::fabs(u);
        double k = std::floor((2 * a / us + b) * u + c);
        if (us >= 0.07 && v <= v_r) return k;
        if (k < 0 || k > n) continue;
        v = std::log(v * alpha / (a / (us * us) + b));
        double bound = (m + 0.5) * std::log((m + 1) / (r * (n - m + 1))) +
                       (n + 1) * std::log((n - m + 1) / (n - k + 1)) + (k + 0.5) * std::log(r * (n - k + 1) / (k + 1)) +
                       stirling_rest(m) + stirling_rest(n - m) - stirling_rest(k) - stirling_rest(n - k);
        if (v <= bound) return k;
    }
}

// Counts how many geometric waiting times fit into n trials.
double binomial_waiting(Generator& g, double n, double p) {
    double scale = std::log1p(-p), trials = 0;
    for (int64_t k = 0;; ++k) {
        trials += std::ceil(std::log(g.uniform()) / scale);
        if (!(trials <= n)) return double(k);
    }
}

template <class C>
double binomial_one(Generator& g, C n, C p) {
    if (n <= 0 || p <= 0) return 0;
    if (p >= 1) return double(n);
    if (p > C(0.5)) return double(n) - binomial_one<C>(g, n, C(1) - p);
    return n * p >= C(10) ? binomial_rejection(g, double(n), double(p)) : binomial_waiting(g, double(n), double(p));
}

// Marsaglia and Tsang 2000; the third is rounded to float because PyTorch's is.
double gamma_one(Generator& g, double alpha) {
    if (alpha == 0) return 0;
    double scale = 1;
    if (alpha < 1) {
        scale = std::pow(1 - g.uniform(), 1 / alpha);
        alpha += 1;
    }
    double d = alpha - double(1.0f / 3.0f), c = 1 / std::sqrt(9 * d);
    for (;;) {
        double x, y;
        do {
            x = g.normal();
            y = 1 + c * x;
        } while (y <= 0);
        double v = y * y * y, u = 1 - g.uniform(), square = x * x;
        if (u < 1 - 0.0331 * square * square || std::log(u) < 0.5 * square + d * (1 - v + std::log(v)))
            return scale * d * v;
    }
}

}  // namespace

template <class T>
void poisson(Generator& g, const T* rate, T* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = T(Compute<T>(poisson_one(g, double(rate[i]))));
}

template <class T>
void binomial(Generator& g, const T* count, const T* p, T* out, int64_t n) {
    using C = Compute<T>;
    for (int64_t i = 0; i < n; ++i) out[i] = T(C(binomial_one<C>(g, C(count[i]), C(p[i]))));
}

template <class T>
void standard_gamma(Generator& g, const T* alpha, T* out, int64_t n) {
    // Tiny shapes underflow to 0; the smallest normal number keeps logarithms finite.
    constexpr double tiny = std::is_same_v<T, double> ? std::numeric_limits<double>::min()
                            : std::is_same_v<T, Half> ? 6.103515625e-05
                                                      : double(std::numeric_limits<float>::min());
    for (int64_t i = 0; i < n; ++i) out[i] = T(Compute<T>(std::max(tiny, gamma_one(g, double(alpha[i])))));
}

template <class T>
void multinomial(Generator& g, const T* weights, int64_t rows, int64_t categories, int64_t samples, int64_t* out) {
    using C = Compute<T>;
    std::vector<C> cumulative(static_cast<size_t>(categories));
    for (int64_t row = 0; row < rows; ++row) {
        C sum = 0;
        for (int64_t i = 0; i < categories; ++i) cumulative[i] = sum += C(weights[row * categories + i]);
        for (C& c : cumulative) c /= sum;
        for (int64_t i = 0; i < samples; ++i) {
            double u = g.uniform();
            auto at = std::lower_bound(cumulative.begin(), cumulative.end() - 1, u,
                                       [](C c, double v) { return double(c) < v; });
            out[row * samples + i] = at - cumulative.begin();
        }
    }
}

template <class T>
void multinomial_distinct(const T* weights, const T* exponentials, int64_t rows, int64_t categories, int64_t samples,
                          int64_t* out) {
    using C = Compute<T>;
    std::vector<std::pair<C, int64_t>> keys(static_cast<size_t>(categories));
    auto greater = [](const auto& a, const auto& b) {
        return a.first > b.first || (a.first == b.first && a.second < b.second);
    };
    for (int64_t row = 0; row < rows; ++row) {
        const T *w = weights + row * categories, *q = exponentials + row * categories;
        for (int64_t i = 0; i < categories; ++i) keys[i] = {C(T(C(w[i]) / C(q[i]))), i};
        std::partial_sort(keys.begin(), keys.begin() + samples, keys.end(), greater);
        for (int64_t i = 0; i < samples; ++i) out[row * samples + i] = keys[i].second;
    }
}

#define RL_FLOATING(T)                                                                       \
    template void fill_uniform<T>(Generator&, T*, int64_t, double, double);                  \
    template void fill_normal<T>(Generator&, T*, int64_t, double, double);                   \
    template void fill_normal_strided<T>(Generator&, T*, int64_t, double, double);           \
    template void fill_log_normal<T>(Generator&, T*, int64_t, double, double);               \
    template void fill_exponential<T>(Generator&, T*, int64_t, double);                      \
    template void fill_cauchy<T>(Generator&, T*, int64_t, double, double);                   \
    template void bernoulli<T>(Generator&, const T*, bool*, int64_t);                        \
    template void poisson<T>(Generator&, const T*, T*, int64_t);                             \
    template void binomial<T>(Generator&, const T*, const T*, T*, int64_t);                  \
    template void standard_gamma<T>(Generator&, const T*, T*, int64_t);                      \
    template void multinomial<T>(Generator&, const T*, int64_t, int64_t, int64_t, int64_t*); \
    template void multinomial_distinct<T>(const T*, const T*, int64_t, int64_t, int64_t, int64_t*);
#define RL_ANY(T)                                                     \
    template void fill_geometric<T>(Generator&, T*, int64_t, double); \
    template void fill_random<T>(Generator&, T*, int64_t);            \
    template void fill_random_range<T>(Generator&, T*, int64_t, uint64_t, int64_t);

RL_FLOATING(float)
RL_FLOATING(double)
RL_FLOATING(Half)
RL_FLOATING(BFloat16)
RL_ANY(float)
RL_ANY(double)
RL_ANY(Half)
RL_ANY(BFloat16) RL_ANY(uint8_t) RL_ANY(int8_t) RL_ANY(int16_t) RL_ANY(int32_t) RL_ANY(int64_t) RL_ANY(bool)

}  // namespace rl::cpu
