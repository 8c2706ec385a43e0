// Kernels that run on every CPU.
#include "layer.hpp"

#define LEVEL 0

namespace twofold {
namespace {
#include "winners.hpp"
#include "pooling.hpp"
#include "generic.hpp"
} // namespace

const Kernels kPortable = {run_gather, run_scatter, nullptr, nullptr, nullptr, nullptr, nullptr};

} // namespace twofold
