// Memory for tensors and graph nodes: blocks of fixed size classes that are kept and handed out again.
// A fresh large block costs a page fault per page, ten times the arithmetic done on it; a kept one costs nanoseconds.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rl::cpu {

// At least n bytes aligned to 64, for any n including 0; nullptr only when the system has no memory left.
// Safe from any thread, and in a forked child.
void* alloc(size_t n);
void free(void* p);  // nullptr is allowed

// Bytes are those of the size classes: what the program occupies, not what it asked for.
struct MemoryStats {
    int64_t allocated;      // in use now
    int64_t peak;           // most in use since the start or reset_peak()
    int64_t reserved;       // taken from the system: in use, kept, and not yet handed out parts of slabs
    int64_t peak_reserved;  // most taken since the start or reset_peak()
    int64_t allocations;    // calls of alloc()
    int64_t frees;          // calls of free()
    int64_t system_calls;   // allocations that the kept blocks could not serve
};
MemoryStats memory_stats();
void reset_peak();
void empty_cache();  // gives kept blocks back to the system

}  // namespace rl::cpu
