#include "cpu/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#include <time.h>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace rl::cpu {
namespace {

using Nanoseconds = int64_t;

// A region should last about as long as the caller's own share. When it lasts much longer, another program holds a
// processor that a member of the team waits for, and each region may cost a scheduler's time slice. Then loops run
// serially for a while: shortly at first, since it may be another library's threads that spin once after their work, and
// longer each time that it happens again within kBusyMemory.
constexpr double kBusyRatio = 2.5;
constexpr Nanoseconds kBusyMargin = 200'000, kBackOffFirst = 2'000'000, kBackOffLongest = 160'000'000,
                      kBusyMemory = 500'000'000;

Nanoseconds now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return Nanoseconds(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// CPUs that the container may use by its quota, from one cgroup folder; 0 when it sets none.
double quota_of(const std::string& folder) {
    std::ifstream v2(folder + "/cpu.max");
    std::string quota;
    double period = 0;
    if (v2 >> quota >> period) return quota == "max" || period <= 0 ? 0 : std::atof(quota.c_str()) / period;
    std::ifstream q(folder + "/cpu.cfs_quota_us"), p(folder + "/cpu.cfs_period_us");
    double value = 0;
    if (q >> value && p >> period && value > 0 && period > 0) return value / period;
    return 0;
}

// The smallest quota among this process's cgroup and its parents.
double cpu_quota() {
    double best = 0;
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                    path = line.substr(second + 1);
        bool v2 = controllers == ",,";
        if (!v2 && controllers.find(",cpu,") == std::string::npos) continue;
        static const char* const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
        for (const char* root : roots)
            for (std::string at = path;; at.erase(at.rfind('/'))) {
                double q = quota_of(root + (at == "/" ? "" : at));
                if (q > 0 && (best == 0 || q < best)) best = q;
                if (at.empty() || at == "/" || at.rfind('/') == std::string::npos) break;
            }
    }
    return best;
}

int default_threads() {
    int n = int(std::max(1u, std::thread::hardware_concurrency()));
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) n = std::min(n, std::max(1, CPU_COUNT(&set)));
    if (double quota = cpu_quota(); quota > 0) n = std::min(n, std::max(1, int(std::ceil(quota))));
    if (const char* e = std::getenv("OMP_NUM_THREADS"))
        if (int wanted = std::atoi(e); wanted > 0) n = std::min(n, wanted);
    return n;
}

struct State {
    std::atomic<int> threads{default_threads()};
    std::atomic<bool> forked{false}, active{false};
    std::atomic<Nanoseconds> serial_until{0}, back_off{kBackOffFirst}, last_busy{-kBusyMemory};
};

State& state() {
    static State* s = [] {
        static State* made = new State;
        // The team's other threads do not exist in a child; a region would wait for them forever.
        pthread_atfork(nullptr, nullptr, [] {
            made->forked = true;
            made->active = false;
            omp_set_num_threads(1);
        });
        return made;
    }();
    return *s;
}

thread_local bool in_region = false;
thread_local int omp_threads = 0;

struct InRegion {
    InRegion() { in_region = true; }
    ~InRegion() { in_region = false; }
};

void note_duration(State& s, Nanoseconds region, Nanoseconds own, Nanoseconds end) {
    if (double(region) > kBusyRatio * double(own) + double(kBusyMargin)) {
        bool again = end - s.last_busy.exchange(end, std::memory_order_relaxed) < kBusyMemory;
        Nanoseconds wait = again ? std::min(2 * s.back_off.load(std::memory_order_relaxed), kBackOffLongest) : kBackOffFirst;
        s.back_off.store(wait, std::memory_order_relaxed);
        s.serial_until.store(end + wait, std::memory_order_relaxed);
    } else if (s.serial_until.load(std::memory_order_relaxed) != 0) {
        s.serial_until.store(0, std::memory_order_relaxed);
    }
}

}  // namespace

int num_threads() { return state().threads.load(std::memory_order_relaxed); }

void set_num_threads(int n) { state().threads.store(std::clamp(n, 1, 1024), std::memory_order_relaxed); }

int region_threads() {
    State& s = state();
    int n = s.threads.load(std::memory_order_relaxed);
    if (n == 1 || in_region || s.forked.load(std::memory_order_relaxed) || s.active.load(std::memory_order_relaxed))
        return 1;
    Nanoseconds until = s.serial_until.load(std::memory_order_relaxed);
    return until != 0 && now() < until ? 1 : n;
}

void set_region_threads(int n) {
    if (omp_threads == n) return;
    omp_set_num_threads(state().forked.load(std::memory_order_relaxed) ? 1 : n);
    omp_threads = n;
}

RegionTimer::RegionTimer(int threads) : start_(threads > 1 ? now() : 0) {}

int64_t RegionTimer::finish(int64_t expected) const {
    if (!start_) return 0;
    Nanoseconds end = now();
    if (expected) note_duration(state(), end - start_, expected, end);
    return end - start_;
}

void region_detail::run_region(int threads, int64_t n, Body body, const void* f) {
    State& s = state();
    if (s.active.exchange(true, std::memory_order_acquire)) return body(f, 0, n);
    int parts = int(std::min<int64_t>(threads, n));
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    Nanoseconds start = now(), own = 0;
#pragma omp parallel num_threads(parts)
    {
        InRegion inside;
        int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        int64_t chunk = n / team, extra = n % team;
        int64_t begin = me * chunk + std::min(me, extra), end = begin + chunk + (me < extra ? 1 : 0);
        try {
            if (begin < end) body(f, begin, end);
        } catch (...) {
            if (!failed.exchange(true)) error = std::current_exception();
        }
        if (me == 0) own = now() - start;
    }
    Nanoseconds end = now();
    s.active.store(false, std::memory_order_release);
    note_duration(s, end - start, own, end);
    if (error) std::rethrow_exception(error);
}

}  // namespace rl::cpu
