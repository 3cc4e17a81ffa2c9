// RL_CLONES before a function that is not in kernels/: it is compiled for newer instruction sets too, and the loader
// picks one. For plain loops over arrays that the compiler vectorizes by itself. RL_CLONES_V3: the same where vectors of
// 512 bits gain nothing.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define RL_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#define RL_CLONES_V3 __attribute__((target_clones("default", "arch=x86-64-v3"), optimize("O3")))
#else
#define RL_CLONES
#define RL_CLONES_V3
#endif
