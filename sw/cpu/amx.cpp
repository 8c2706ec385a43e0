// Kernels for AMX (int8), used in addition to those for AVX-512.
#include "layer.hpp"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx2,amx-tile,amx-int8,"                        \
               "avx512vbmi,avx512vbmi2,avx512vnni,avx512vpopcntdq,gfni,bmi,bmi2,popcnt"))),        \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,bmi,bmi2,popcnt")
#pragma GCC target("avx512vbmi,avx512vbmi2,avx512vnni,avx512vpopcntdq,gfni,amx-tile,amx-int8")
#endif
#include <immintrin.h>

#define LEVEL 512

namespace twofold {
namespace {
#include "winners.hpp"
#include "pooling.hpp"
#include "packed.hpp"
#include "groups.hpp"
#include "tiles.hpp"
} // namespace

extern const Kernels kAmx = {nullptr, nullptr, nullptr, nullptr, nullptr, run_tiles, nullptr};

} // namespace twofold

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
