#include "cpu/alloc.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>

namespace rl::cpu {
namespace {

// Every block lies in a region whose address is a multiple of kRegion and whose first bytes say what is in it, so that
// free() finds the size class by rounding the pointer down. A region is either a slab of small blocks or one large
// block.
constexpr size_t kRegion = size_t(1) << 20;
constexpr size_t kHugePage = size_t(2) << 20;
constexpr size_t kSlabBlock = size_t(128) << 10;  // larger blocks have a region of their own
constexpr size_t kPage = 4096;
constexpr int kClasses = 16 + 4 * 37;

struct Region {
    size_t length;  // of the mapping
    int klass;
    int live;  // blocks in use, of a slab
    Region *next, *previous;
};
static_assert(sizeof(Region) <= 64);

struct Free {
    Free* next;
};

struct Class {
    Free* free = nullptr;
    char *fresh = nullptr, *end = nullptr;  // the part of the newest slab that was never handed out
};

// Classes 0-15 are the multiples of 64 up to 1 KB; then four to each power of two.
inline int class_of(size_t n) {
    if (n <= 1024) return n ? int((n - 1) >> 6) : 0;
    int log = 63 - std::countl_zero(n - 1);
    return 16 + (log - 10) * 4 + int(((n - 1) >> (log - 2)) & 3);
}
inline size_t class_size(int c) {
    if (c < 16) return size_t(c + 1) << 6;
    int log = (c - 16) / 4 + 10;
    return size_t((c - 16) % 4 + 5) << (log - 2);
}

class SpinLock {
  public:
    void lock() {
        for (int spins = 0; flag_.exchange(true, std::memory_order_acquire); ++spins)
            if (spins > 64) sched_yield();
    }
    void unlock() { flag_.store(false, std::memory_order_release); }

  private:
    std::atomic<bool> flag_{false};
};

struct Guard {
    SpinLock& l;
    explicit Guard(SpinLock& lock) : l(lock) { l.lock(); }
    ~Guard() { l.unlock(); }
};

// What the machine could hold at all. A larger mapping would be given, as nothing is touched yet, and end the process later.
size_t all_memory() {
    struct sysinfo info;
    if (sysinfo(&info) != 0) return size_t(1) << 46;
    return (size_t(info.totalram) + size_t(info.totalswap)) * info.mem_unit;
}
size_t physical_memory() { return size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGE_SIZE)); }

struct Heap {
    SpinLock lock;
    Class classes[kClasses];
    MemoryStats stats{};
    int64_t highest = 0;  // like stats.peak, but never reset
    size_t largest = all_memory();
    int64_t kept = 0;     // bytes of large blocks waiting to be used again
    int64_t keep_limit = int64_t(std::min(physical_memory() / 4, size_t(2) << 30));
    unsigned colour = 0;

    void* take(int c);
    void put(void* p);
    void note_peak();
    void* map_large(int c);
    bool map_slab(int c);
    void release_kept(int64_t until);
    void release_slabs();
    Region* map(size_t length, size_t alignment, int c);
    void unmap(Region* r);
};

Heap& heap() {
    // Never destroyed: tensors of other static objects may be freed after it would have been.
    static Heap* h = [] {
        static Heap* made = new Heap;
        pthread_atfork([] { made->lock.lock(); }, [] { made->lock.unlock(); }, [] { made->lock.unlock(); });
        return made;
    }();
    return *h;
}

// ---- small blocks of the thread that loaded the library
// That thread, the main one, makes nearly every call, and a lock costs as much as all the rest of it. So some blocks of
// the smallest classes pass through lists of its own. For the heap they are in use. Statistics are exact but for the peak,
// which may lack what these lists hold: 20 KB at most.
constexpr int kOwnClasses = 4, kOwnBlocks = 32;

struct Own {
    Free* free[kOwnClasses] = {};
    int count[kOwnClasses] = {};
    std::atomic<int64_t> bytes{0}, allocations{0}, frees{0};  // written by the owner alone, read by all
};
Own own;
thread_local bool owner __attribute__((tls_model("initial-exec"))) = false;
struct MakeOwner {
    MakeOwner() { owner = true; }
} make_owner;

void add(std::atomic<int64_t>& a, int64_t n) {
    a.store(a.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

inline Region* region_of(void* p) { return reinterpret_cast<Region*>(reinterpret_cast<uintptr_t>(p) & ~(kRegion - 1)); }

// A mapping of the given length whose start is aligned: more is asked for, and the rest given back.
Region* Heap::map(size_t length, size_t alignment, int c) {
    length = (length + kPage - 1) & ~(kPage - 1);
    void* m =
        mmap(nullptr, length + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) return nullptr;
    uintptr_t start = reinterpret_cast<uintptr_t>(m), aligned = (start + alignment - 1) & ~(alignment - 1);
    if (aligned > start) munmap(m, aligned - start);
    if (size_t rest = start + alignment - aligned) munmap(reinterpret_cast<void*>(aligned + length), rest);
#ifdef MADV_HUGEPAGE
    if (alignment == kHugePage) madvise(reinterpret_cast<void*>(aligned), length, MADV_HUGEPAGE);
#endif
    auto* r = reinterpret_cast<Region*>(aligned);
    *r = Region{length, c, 0, nullptr, nullptr};
    stats.reserved += int64_t(length);
    stats.peak_reserved = std::max(stats.peak_reserved, stats.reserved);
    ++stats.system_calls;
    return r;
}

void Heap::unmap(Region* r) {
    stats.reserved -= int64_t(r->length);
    munmap(r, r->length);
}

// Gives large kept blocks back, the largest classes first, until no more than `until` bytes are kept.
void Heap::release_kept(int64_t until) {
    for (int c = kClasses - 1; c >= 0 && kept > until && class_size(c) > kSlabBlock; --c)
        while (classes[c].free && kept > until) {
            Free* f = classes[c].free;
            classes[c].free = f->next;
            kept -= int64_t(class_size(c));
            unmap(region_of(f));
        }
}

// Gives back the slabs in which no block is in use.
void Heap::release_slabs() {
    for (int c = 0; c < kClasses && class_size(c) <= kSlabBlock; ++c) {
        Class& k = classes[c];
        Region* current = k.fresh ? region_of(k.fresh - 1) : nullptr;
        Region* empty = nullptr;
        Free** link = &k.free;
        while (Free* f = *link) {
            Region* r = region_of(f);
            if (r->live != 0 || r == current) {
                link = &f->next;
                continue;
            }
            *link = f->next;
            if (!r->previous) {  // the first block seen of this slab; `previous` marks it as listed
                r->previous = r;
                r->next = empty;
                empty = r;
            }
        }
        while (empty) {
            Region* r = empty;
            empty = r->next;
            unmap(r);
        }
    }
}

void* Heap::map_large(int c) {
    size_t size = class_size(c);
    // What is kept but does not fit should not pile up on top of what is needed: memory taken stays near the highest
    // use.
    int64_t room = highest + highest / 4 + (int64_t(128) << 20);
    if (kept && stats.reserved + int64_t(size) > room)
        release_kept(std::max<int64_t>(0, room - stats.allocated - int64_t(size)));
    size_t alignment = size >= kHugePage ? kHugePage : kRegion;
    // Blocks that start at the same place in their pages compete for the same cache lines: begin a little differently.
    size_t offset = 64 + (colour++ & 7) * 320;
    Region* r = map(size + offset, alignment, c);
    if (!r && kept) {
        release_kept(0);
        r = map(size + offset, alignment, c);
    }
    return r ? reinterpret_cast<char*>(r) + offset : nullptr;
}

bool Heap::map_slab(int c) {
    Region* r = map(kRegion, kRegion, c);
    if (!r && kept) {
        release_kept(0);
        r = map(kRegion, kRegion, c);
    }
    if (!r) return false;
    size_t size = class_size(c);
    classes[c].fresh = reinterpret_cast<char*>(r) + 64;
    classes[c].end = classes[c].fresh + (kRegion - 64) / size * size;
    return true;
}

void* Heap::take(int c) {
    Class& k = classes[c];
    size_t size = class_size(c);
    bool small = size <= kSlabBlock;
    void* p;
    if (Free* f = k.free) {
        k.free = f->next;
        if (!small) kept -= int64_t(size);
        p = f;
    } else if (small) {
        if (k.fresh == k.end && !map_slab(c)) return nullptr;
        p = k.fresh;
        k.fresh += size;
    } else {
        p = map_large(c);
        if (!p) return nullptr;
    }
    region_of(p)->live++;
    ++stats.allocations;
    stats.allocated += int64_t(size);
    note_peak();
    return p;
}

void Heap::note_peak() {
    int64_t in_use = stats.allocated - own.bytes.load(std::memory_order_relaxed);
    if (in_use > stats.peak) {
        stats.peak = in_use;
        highest = std::max(highest, stats.peak);
    }
}

void Heap::put(void* p) {
    Region* r = region_of(p);
    size_t size = class_size(r->klass);
    Class& k = classes[r->klass];
    r->live--;
    ++stats.frees;
    stats.allocated -= int64_t(size);
    if (size > kSlabBlock) {
        if (kept + int64_t(size) > keep_limit) return unmap(r);
        kept += int64_t(size);
    }
    auto* f = static_cast<Free*>(p);
    f->next = k.free;
    k.free = f;
}

}  // namespace

void* alloc(size_t n) {
    int c = class_of(n);
    if (c < kOwnClasses && owner)
        if (Free* f = own.free[c]) {
            own.free[c] = f->next;
            --own.count[c];
            add(own.bytes, -int64_t(class_size(c)));
            add(own.allocations, 1);
            return f;
        }
    Heap& h = heap();
    if (n > h.largest) return nullptr;
    Guard g(h.lock);
    return h.take(c);
}

void free(void* p) {
    if (!p) return;
    if (owner)
        if (int c = region_of(p)->klass; c < kOwnClasses && own.count[c] < kOwnBlocks) {
            auto* f = static_cast<Free*>(p);
            f->next = own.free[c];
            own.free[c] = f;
            ++own.count[c];
            add(own.bytes, int64_t(class_size(c)));
            add(own.frees, 1);
            return;
        }
    Heap& h = heap();
    Guard g(h.lock);
    h.put(p);
}

MemoryStats memory_stats() {
    Heap& h = heap();
    Guard g(h.lock);
    MemoryStats s = h.stats;
    s.allocated -= own.bytes.load(std::memory_order_relaxed);
    s.allocations += own.allocations.load(std::memory_order_relaxed);
    s.frees += own.frees.load(std::memory_order_relaxed);
    return s;
}

void reset_peak() {
    Heap& h = heap();
    Guard g(h.lock);
    h.stats.peak = h.stats.allocated - own.bytes.load(std::memory_order_relaxed);
    h.stats.peak_reserved = h.stats.reserved;
}

void empty_cache() {
    Heap& h = heap();
    Guard g(h.lock);
    h.release_kept(0);
    h.release_slabs();
}

}  // namespace rl::cpu
