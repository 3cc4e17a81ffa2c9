#include <cstdlib>
#include <cstring>

#include "cpu/kernels.h"

#ifndef RL_ISA_LEVELS  // how many levels the build has: 3 on x86-64, else 1
#ifdef __x86_64__
#define RL_ISA_LEVELS 3
#else
#define RL_ISA_LEVELS 1
#endif
#endif

namespace rl::cpu {

inline namespace isa_base {
extern const Kernels kernel_table;
}
namespace isa_v3 {
extern const Kernels kernel_table;
}
namespace isa_v4 {
extern const Kernels kernel_table;
}

namespace {

int machine_level() {
#if RL_ISA_LEVELS == 3
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return 2;
    if (__builtin_cpu_supports("x86-64-v3")) return 1;
#endif
    return 0;
}

int find_level() {
    const int machine = machine_level();
    const char* wish = std::getenv("RUSHLIGHT_ISA");
    if (!wish) return machine;
    const int wished = !std::strcmp(wish, "base") ? 0 : !std::strcmp(wish, "v3") ? 1 : 2;
    return wished < machine ? wished : machine;
}

}  // namespace

int isa_level() {
    static const int level = find_level();
    return level;
}

const Kernels& kernels() {
#if RL_ISA_LEVELS == 3
    static const Kernels* const tables[] = {&isa_base::kernel_table, &isa_v3::kernel_table, &isa_v4::kernel_table};
    static const Kernels& table = *tables[isa_level()];
    return table;
#else
    return isa_base::kernel_table;
#endif
}

}  // namespace rl::cpu
