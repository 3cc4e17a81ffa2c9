// The one way to run a loop on several threads. libgomp's team is shared with oneDNN, so switching costs nothing.
#pragma once
#include <cstdint>
#include <type_traits>

namespace rl::cpu {

int num_threads();  // what set_num_threads() said, else min(affinity, the container's CPU quota, OMP_NUM_THREADS)
void set_num_threads(int n);  // n >= 1; has no effect in a forked child, which stays serial

// How many threads the next region would use: 1 inside a region, in a forked child, while another Python thread runs a
// region, and for some milliseconds after threads turned out to gain nothing, as on a busy machine.
int region_threads();

// Makes libgomp's own default, by which oneDNN chooses, n for this thread. Cheap when nothing changes.
void set_region_threads(int n);

// Times a region that a library runs by itself with region_threads() threads, for the same back-off as our own.
class RegionTimer {
  public:
    explicit RegionTimer(int threads);
    // Returns the nanoseconds it took; `serial` is what one thread would have needed, 0 if unknown.
    int64_t finish(int64_t serial) const;

  private:
    int64_t start_;  // 0: one thread, nothing to learn
};

namespace region_detail {
using Body = void (*)(const void* f, int64_t begin, int64_t end);
void run_region(int threads, int64_t n, Body body, const void* f);
}  // namespace region_detail

// Calls f(begin, end) so that the calls together cover [0, n): in one call on this thread when n < grain or no other
// thread may be used, else in one call per thread on equal parts. The first exception thrown by f is thrown here.
template <class F>
inline void parallel_for(int64_t n, int64_t grain, F&& f) {
    if (n <= 0) return;
    if (n < grain || n == 1) return f(int64_t(0), n);
    int threads = region_threads();
    if (threads == 1) return f(int64_t(0), n);
    region_detail::run_region(
        threads, n,
        [](const void* g, int64_t b, int64_t e) {
            (*static_cast<std::remove_reference_t<F>*>(const_cast<void*>(g)))(b, e);
        },
        &f);
}

}  // namespace rl::cpu
