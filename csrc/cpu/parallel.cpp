#include "cpu/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

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

// Whether threads gain anything shows only in the running: another program may hold the processor that a member of the team
// waits for, or the calls come so far apart that the team sleeps and each region costs the time to wake it. So time gained
// (against one thread doing all parts) is credited up to kMostCredit, and when what was lost exceeds it by kLossAllowed,
// loops run serially for a while: at first for some times what was lost, longer each time that trying threads again has
// gained nothing.
// kLossAllowed is more than what waking the team once costs.
constexpr Nanoseconds kMostCredit = 300'000, kLossAllowed = 600'000, kBackOffFirst = 2'000'000, kBackOffLongest = 160'000'000;

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
    std::atomic<bool> forked{false}, active{false}, lost{false};
    std::atomic<Nanoseconds> credit{0}, serial_until{0}, back_off{kBackOffFirst};
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

// The kernel may wake a member on the processor of another one, beside an idle processor, and as both sleep often it may
// leave them there for long. So after a region that lost time each member looks whether one before it had the same
// processor, and if so leaves those processors to them.
constexpr int kMostApart = 256;
std::atomic<int> processor_of[kMostApart];

void keep_apart(int me) {
    if (me >= kMostApart) return;
    int mine = sched_getcpu();
    processor_of[me].store(mine, std::memory_order_relaxed);
    cpu_set_t allowed;
    bool shared = false;
    if (me == 0 || sched_getaffinity(getpid(), sizeof allowed, &allowed) != 0) return;
    for (int i = 0; i < me; i++) {
        int other = processor_of[i].load(std::memory_order_relaxed);
        shared |= other == mine;
        if (other >= 0 && other < CPU_SETSIZE) CPU_CLR(other, &allowed);
    }
    if (shared && CPU_COUNT(&allowed) > 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

// A region lasted `took`, where one thread would have needed about `serial`.
void note_duration(State& s, Nanoseconds took, Nanoseconds serial, Nanoseconds end) {
    s.lost.store(took > serial, std::memory_order_relaxed);
    Nanoseconds credit = s.credit.load(std::memory_order_relaxed) + serial - took;
    if (credit >= kMostCredit) {
        credit = kMostCredit;
        s.back_off.store(kBackOffFirst, std::memory_order_relaxed);
    } else if (credit < -kLossAllowed) {
        Nanoseconds wait = s.back_off.load(std::memory_order_relaxed);
        s.serial_until.store(end + std::max(wait, -8 * credit), std::memory_order_relaxed);
        s.back_off.store(std::min(2 * wait, kBackOffLongest), std::memory_order_relaxed);
        credit = 0;
    }
    s.credit.store(credit, std::memory_order_relaxed);
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

int64_t RegionTimer::finish(int64_t serial) const {
    if (!start_) return 0;
    Nanoseconds end = now();
    if (serial) note_duration(state(), end - start_, serial, end);
    return end - start_;
}

void region_detail::run_region(int threads, int64_t n, Body body, const void* f) {
    State& s = state();
    if (s.active.exchange(true, std::memory_order_acquire)) return body(f, 0, n);
    int parts = int(std::min<int64_t>(threads, n));
    bool lost = s.lost.load(std::memory_order_relaxed);
    if (lost) keep_apart(0);
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    Nanoseconds start = now(), own = 0;
#pragma omp parallel num_threads(parts)
    {
        InRegion inside;
        if (lost && omp_get_thread_num() > 0) keep_apart(omp_get_thread_num());
        int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        int64_t chunk = n / team, extra = n % team;
        int64_t begin = me * chunk + std::min(me, extra), end = begin + chunk + (me < extra ? 1 : 0);
        Nanoseconds begun = me == 0 ? now() : 0;
        try {
            if (begin < end) body(f, begin, end);
        } catch (...) {
            if (!failed.exchange(true)) error = std::current_exception();
        }
        if (me == 0) own = now() - begun;
    }
    Nanoseconds end = now();
    s.active.store(false, std::memory_order_release);
    note_duration(s, end - start, own * parts, end);
    if (error) std::rethrow_exception(error);
}

}  // namespace rl::cpu
