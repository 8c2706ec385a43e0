// Kernels for AVX-512 with VBMI, VBMI2, VNNI, VPOPCNTDQ and GFNI (Ice Lake, Zen 4 and later).
#include "layer.hpp"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(                                                                      \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx2,"                                          \
               "avx512vbmi,avx512vbmi2,avx512vnni,avx512vpopcntdq,gfni,bmi,bmi2,popcnt"))),        \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,bmi,bmi2,popcnt")
#pragma GCC target("avx512vbmi,avx512vbmi2,avx512vnni,avx512vpopcntdq,gfni")
#endif
#include <immintrin.h>

#define LEVEL 512

namespace twofold {
namespace {
#include "winners.hpp"
#include "pooling.hpp"
#include "generic.hpp"
#include "packed.hpp"
#include "patch.hpp"
#include "groups.hpp"
#include "lookup.hpp"
#include "sets.hpp"
#include "logits.hpp"
} // namespace

extern const Kernels kAvx512 = {run_gather, run_scatter, run_patch, run_lookup,
                                run_sets,   nullptr,     run_logits};

} // namespace twofold

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
