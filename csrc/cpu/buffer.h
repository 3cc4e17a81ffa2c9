// A temporary array from our allocator, not initialized.
#pragma once
#include <cstdint>
#include <new>

#include "cpu/alloc.h"

namespace rl::cpu {

template <class T>
struct Buffer {
    T* data = nullptr;
    explicit Buffer(int64_t n) {  // nothing for 0 elements
        if (n && !(data = static_cast<T*>(alloc(size_t(n) * sizeof(T))))) throw std::bad_alloc();
    }
    ~Buffer() { cpu::free(data); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
};

}  // namespace rl::cpu
