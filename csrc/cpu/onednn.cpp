#if RL_HAVE_ONEDNN
#include "cpu/onednn.h"

#include <pthread.h>

#include <mutex>
#include <unordered_map>

#include "cpu/buffer.h"
#include "cpu/parallel.h"

namespace rl::cpu::onednn {
namespace {

struct Hash {
    size_t operator()(const Key& k) const {
        uint64_t h = 1469598103934665603u;
        for (int i = 0; i < k.count; ++i) h = (h ^ uint64_t(k.values[i])) * 1099511628211u, h ^= h >> 29;
        return size_t(h);
    }
};

struct Cache {
    static constexpr size_t kLimit = 1024;  // then it starts anew: programs with ever new shapes must not grow forever
    std::mutex lock;
    std::unordered_map<Key, std::shared_ptr<const Entry>, Hash> map;
};

Cache* current = nullptr;

// A child of fork() gets an empty cache: the parent's primitives wait for threads that do not exist in the child, even
// when they are destroyed, so they are left alone.
Cache& cache() {
    static Cache* first = [] {
        pthread_atfork(nullptr, nullptr, [] { current = new Cache; });
        return current = new Cache;
    }();
    (void)first;
    return *current;
}

dnnl::stream& stream() {
    thread_local dnnl::stream s(engine());
    return s;
}

constexpr int kMostArguments = 8;

// Memory objects of the C interface: the C++ one counts references and fills a hash map for each call.
struct Operands {
    dnnl_exec_arg_t list[kMostArguments];
    int count = 0;

    void add(int role, const dnnl::memory::desc& layout, void* data) {
        dnnl_memory_t m = nullptr;
        dnnl::error::wrap_c_api(dnnl_memory_create(&m, layout.get(), engine().get(), data),
                                "could not create a memory");
        list[count++] = {role, m};
    }
    ~Operands() {
        for (int i = 0; i < count; ++i) dnnl_memory_destroy(list[i].memory);
    }
};

void execute(const dnnl::primitive& p, const Operands& o) {
    dnnl::error::wrap_c_api(dnnl_primitive_execute(p.get(), stream().get(), o.count, o.list),
                            "could not run a primitive");
}

}  // namespace

const dnnl::engine& engine() {
    static auto* e = new dnnl::engine(dnnl::engine::kind::cpu, 0);
    return *e;
}

std::shared_ptr<const Entry> find(const Key& key) {
    Cache& c = cache();
    std::lock_guard guard(c.lock);
    auto it = c.map.find(key);
    return it == c.map.end() ? nullptr : it->second;
}

std::shared_ptr<const Entry> store(const Key& key, Primitive p) {
    auto made = std::make_shared<Entry>();
    made->primitive = std::move(p);
    Cache& c = cache();
    std::lock_guard guard(c.lock);
    if (c.map.size() >= Cache::kLimit) c.map.clear();
    c.map[key] = made;
    return made;
}

void run(const dnnl::primitive& p, std::initializer_list<Argument> arguments) {
    Operands o;
    for (const Argument& a : arguments) o.add(a.role, *a.layout, const_cast<void*>(a.data));
    execute(p, o);
}

void run(const Entry& e, std::initializer_list<Argument> arguments) {
    const Primitive& p = e.primitive;
    Operands o;
    for (const Argument& a : arguments)
        if (a.data) o.add(a.role, *a.layout, const_cast<void*>(a.data));
    Buffer<char> scratch(int64_t(p.scratchpad.get_size()));
    if (scratch.data) o.add(DNNL_ARG_SCRATCHPAD, p.scratchpad, scratch.data);
    int64_t fastest = e.fastest.load(std::memory_order_relaxed);
    RegionTimer timer(p.threads);
    execute(p.primitive, o);
    int64_t took = timer.finish(fastest * p.threads);
    if (took && (!fastest || took < fastest)) e.fastest.store(took, std::memory_order_relaxed);
}

dnnl::primitive_attr user_scratchpad() {
    dnnl::primitive_attr a;
    a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return a;
}

}  // namespace rl::cpu::onednn
#endif
