#include "core/storage.h"

#include <cstring>
#include <new>

#include "core/error.h"
#include "cpu/alloc.h"

namespace rl {

static constexpr size_t kHeader = (sizeof(Storage) + 63) / 64 * 64;
static constexpr size_t kInside = 4096;  // up to here header and data share one block

[[noreturn]] static void out_of_memory(size_t n) {
    raise(Err::OutOfMemory, "not enough memory: you tried to allocate ", n, " bytes");
}

Ref<Storage> Storage::create(size_t nbytes, Device device) {
    bool inside = nbytes <= kInside && device == Device::CPU;
    void* block = cpu::alloc(inside ? kHeader + nbytes : sizeof(Storage));
    if (!block) out_of_memory(nbytes);
    auto* s = new (block) Storage;
    s->nbytes = nbytes;
    s->device = device;
    if (inside) {
        s->header_inside = true;
        s->data = static_cast<char*>(block) + kHeader;
    } else if (device == Device::CPU) {
        s->data = static_cast<char*>(cpu::alloc(nbytes));
        if (!s->data) {
            cpu::free(block);
            out_of_memory(nbytes);
        }
    }
    return Ref<Storage>::steal(s);
}

Ref<Storage> Storage::wrap(void* data, size_t nbytes, void (*release)(void*), void* owner) {
    auto r = create(0, Device::CPU);
    r->header_inside = false;
    r->data = static_cast<char*>(data);
    r->nbytes = nbytes;
    r->resizable = false;
    r->release = release;
    r->owner = owner;
    return r;
}

void Storage::destroy(Storage* s) {
    if (s->release) s->release(s->owner);
    else if (!s->header_inside && s->data) cpu::free(s->data);
    cpu::free(s);
}

void Storage::resize(size_t n) {
    check(resizable, "resize_(): this tensor's storage is not resizable (it belongs to another library or is shared)");
    if (device == Device::CPU) {
        char* fresh = static_cast<char*>(cpu::alloc(n ? n : 1));
        if (!fresh) out_of_memory(n);
        std::memcpy(fresh, data, n < nbytes ? n : nbytes);
        if (!header_inside && data) cpu::free(data);
        header_inside = false;
        data = fresh;
    }
    nbytes = n;
}

}  // namespace rl
