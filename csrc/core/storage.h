// The memory behind tensors: counted, shared by views, on the CPU or, on the meta device, a size without memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/ref.h"

namespace rl {

enum class Device : uint8_t { CPU, Meta };

struct Storage {
    int64_t refs = 1;
    char* data = nullptr;
    size_t nbytes = 0;
    Device device = Device::CPU;
    bool resizable = true;
    bool header_inside = false;              // data lies in the same block, just behind this header
    void (*release)(void* owner) = nullptr;  // set where the memory belongs to somebody else (NumPy, DLPack, a mapped file)
    void* owner = nullptr;
    void* py = nullptr;                      // the UntypedStorage object that shows this storage in Python, not counted

    static Ref<Storage> create(size_t nbytes, Device device);
    static Ref<Storage> wrap(void* data, size_t nbytes, void (*release)(void*), void* owner);
    static void destroy(Storage*);
    void resize(size_t nbytes);  // keeps the common prefix of the contents
};

}  // namespace rl
