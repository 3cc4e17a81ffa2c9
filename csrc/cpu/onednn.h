// What the wrappers of oneDNN share: a cache of its primitives and a short way to run one. Included only where
// RL_HAVE_ONEDNN is 1.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>

#include <dnnl.hpp>

namespace rl::cpu::onednn {

// Everything that a primitive depends on. The number of threads is part of it: a primitive made for two threads hangs
// where only one is to be had.
struct Key {
    static constexpr int kCapacity = 48;
    int64_t values[kCapacity];
    int count = 0;

    void add(int64_t v) { values[count++] = v; }
    void add(std::initializer_list<int64_t> list) {
        for (int64_t v : list) add(v);
    }
    void add(float v) {
        int32_t bits;
        std::memcpy(&bits, &v, sizeof bits);
        add(int64_t(bits));
    }
    bool operator==(const Key& o) const {
        return count == o.count && std::memcmp(values, o.values, size_t(count) * sizeof(int64_t)) == 0;
    }
};

struct Primitive {
    dnnl::primitive primitive;
    dnnl::memory::desc source, weights, bias, destination, scratchpad;  // of the operands as the primitive wants them
    // Weights lie in the caller's order; where the primitive prefers another, this copies them there (or back).
    dnnl::primitive reorder;
    dnnl::memory::desc callers_weights;
    int threads = 1;
};

// Multiplications (of float) from which on a second thread is worth waking.
inline constexpr int64_t kParallelWork = 2 * 1024 * 1024;

const dnnl::engine& engine();

// The cached primitive of this key, or nullptr; store() keeps one, and returns it.
struct Entry {
    Primitive primitive;
    mutable std::atomic<int64_t> fastest{0};  // nanoseconds that a run has taken
};
std::shared_ptr<const Entry> find(const Key& key);
std::shared_ptr<const Entry> store(const Key& key, Primitive p);

// An operand: its role (DNNL_ARG_SRC ...), how it lies in memory, and where. The destination is not const in fact.
struct Argument {
    int role;
    const dnnl::memory::desc* layout;
    const void* data;
};
void run(const dnnl::primitive& p, std::initializer_list<Argument> arguments);
// With a scratchpad from our allocator, and telling parallel.h when the machine is busy.
void run(const Entry& e, std::initializer_list<Argument> arguments);

dnnl::primitive_attr user_scratchpad();

}  // namespace rl::cpu::onednn
