// A network prepared for an instruction set: layers with their tables, and the kernel of each.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "layer.hpp"

namespace twofold {

// Fields of a layer's description in order, as X(type, name). `library.py` must have the same;
// twofold_cpu_layout is used to check this when the library is loaded.
#define TWOFOLD_LAYER_FIELDS(X) \
    X(int32_t, linear) X(int32_t, in_channels) X(int32_t, in_rows) X(int32_t, in_cols) \
    X(int32_t, kernels) X(int32_t, kernel_rows) X(int32_t, kernel_cols) X(int32_t, stride_rows) \
    X(int32_t, stride_cols) X(int32_t, top) X(int32_t, left) X(int32_t, bottom) X(int32_t, right) \
    X(int32_t, pool_rows) X(int32_t, pool_cols) X(int32_t, pooling) \
    X(int32_t, winners) X(int32_t, shift) X(int32_t, last) X(int32_t, narrow) \
    X(int32_t, most_active) X(int32_t, sets) X(int32_t, zero) X(int32_t, source) X(int32_t, other) \
    X(const int8_t *, weight) X(const int32_t *, add) X(const uint16_t *, mul)

// A layer as Python describes it; `weight` is [kernel][channel][tap] for every kind of layer. `mul`
// is null without multipliers. `source` is the layer that it reads, -1 for the network's input;
// `other` the second one of an addition, -1 for none. The input of an addition is one image, whose
// rows are those of the two layers by turns, and its window a pixel of each.
struct LayerDescription {
#define TWOFOLD_FIELD(type, name) type name;
    TWOFOLD_LAYER_FIELDS(TWOFOLD_FIELD)
#undef TWOFOLD_FIELD
};

// Allocates on 64-byte boundaries, so that std::vector can hold tables of vector registers.
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

// Padded pixels around an input.
struct Edges {
    int top, left, bottom, right;

    bool any() const { return top > 0 || left > 0 || bottom > 0 || right > 0; }
};

// A layer, the tables it points to, and the kernel that runs it.
struct PlannedLayer {
    Layer view = {};
    bool linear = false;
    Edges padding = {};
    int zero = 0; // input value that stands for 0
    int source = -1, other = -1; // layers that it reads, see LayerDescription
    Run run = nullptr;
    Run few = nullptr; // for fewer than kFewSamples samples; may be null
    const char *kernel = "";

    // Of its input without the padding.
    int rows() const { return view.in_rows - padding.top - padding.bottom; }
    int cols() const { return view.in_cols - padding.left - padding.right; }

    Table<int32_t> add, mul, packed_add, set_add, tap_offset;
    Table<uint32_t> row_start, tap_start;
    Table<uint16_t> row_kernel;
    Table<int8_t> row_weight, patch_weight, lookup_weight, set_rows, tile_weight, unit_weight;
    Table<int16_t> dense_rows, tap_weight;
    Table<uint8_t> patch_index;
};

enum class Isa { portable, avx2, avx512, amx };

// Their names, in this order.
constexpr const char *kIsaNames = "portable,avx2,avx512,amx";

// Names of the instruction sets that this CPU and operating system support, slowest first.
std::vector<std::string> available_isas();

using Layers = std::vector<std::unique_ptr<PlannedLayer>>;

// Prepares every layer. Throws std::bad_alloc.
Layers plan_network(const LayerDescription *layers, int count, Isa isa);

} // namespace twofold
