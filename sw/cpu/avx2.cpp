// Kernels for AVX2 with BMI2: the generic ones, compiled for it, and one for first layers.
#include "layer.hpp"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,popcnt")
#endif
#include <immintrin.h>

#define LEVEL 2

namespace twofold {
namespace {
#include "winners.hpp"
#include "pooling.hpp"
#include "generic.hpp"
#include "rows.hpp"
} // namespace

extern const Kernels kAvx2 = {run_rows, run_scatter, nullptr, nullptr, nullptr, nullptr, nullptr};

} // namespace twofold

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
