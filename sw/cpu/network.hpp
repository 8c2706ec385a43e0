// A network prepared for an instruction set: layers with their tables, and the kernel of each.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "layer.hpp"

namespace twofold {

// A layer as Python describes it; `weight` is [kernel][channel][tap], whatever the kind.
struct LayerDescription {
    int32_t linear, in_channels, in_rows, in_cols, kernels, kernel_rows, kernel_cols, stride,
        padding, pool_rows, pool_cols, pooling, winners, shift, last, narrow, most_active, sets;
    const int8_t *weight;
    const int32_t *add;
    const uint16_t *mul; // null without multipliers
};

// Allocates on 64-byte boundaries, so that vectors can hold tables of registers.
template <class T>
struct Aligned {
    using value_type = T;
    Aligned() = default;
    template <class U>
    Aligned(const Aligned<U> &) {}
    T *allocate(size_t count) {
        return static_cast<T *>(::operator new(count * sizeof(T), std::align_val_t{64}));
    }
    void deallocate(T *at, size_t) { ::operator delete(at, std::align_val_t{64}); }
    template <class U>
    bool operator==(const Aligned<U> &) const {
        return true;
    }
    template <class U>
    bool operator!=(const Aligned<U> &) const {
        return false;
    }
};

template <class T>
using Table = std::vector<T, Aligned<T>>;

// A layer, what it points to, and how it is run.
struct PlannedLayer {
    Layer view = {};
    bool linear = false;
    int padding = 0;
    Run run = nullptr;
    Run few = nullptr; // for fewer than kFewSamples samples; may be null
    const char *kernel = "";

    Table<int32_t> add, mul, packed_add, set_add, tap_offset;
    Table<uint32_t> row_start, tap_start;
    Table<uint16_t> row_kernel;
    Table<int8_t> row_weight, patch_weight, lookup_weight, set_rows, tile_weight, unit_weight;
    Table<int16_t> dense_rows, tap_weight;
    Table<uint8_t> patch_index;
};

enum class Isa { portable, avx2, avx512, amx };

// Names of the instruction sets that this processor and system offer, slowest first.
std::vector<std::string> available_isas();

using Layers = std::vector<std::unique_ptr<PlannedLayer>>;

// Prepares every layer. Throws std::bad_alloc.
Layers plan_network(const LayerDescription *layers, int count, Isa isa);

} // namespace twofold
