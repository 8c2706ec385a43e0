// A layer as the kernels see it: shapes, constants and the tables derived from its weights. Plain
// data, so that files compiled for different instruction sets can share it.
//
// A linear layer is a convolution whose window is its whole input. In an input position (tap,
// channel), taps are numbered row by row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace twofold {

constexpr int kBlock = 64;       // channels are stored in blocks of one AVX-512 register
constexpr int kBlockSamples = 16;  // samples that convolutions process at a time
constexpr int kChunkSamples = 128; // samples that linear layers process at a time
constexpr int kFewSamples = 48;    // below this, streaming a linear layer's weights does not pay
constexpr int kMaxBlocks = 128;  // maximum channel blocks of a layer with winners
constexpr int kMaximum = 0;      // max-pooling among the kinds of pooling, see pooling.hpp

inline int blocks_of(int channels) {
    return (channels + kBlock - 1) / kBlock;
}

// Activations, uint8. The channels of a pixel are contiguous; strides are in bytes.
struct Plane {
    uint8_t *data;
    ptrdiff_t row, col, sample;

    uint8_t *at(int y, int x, int w) const { return data + y * row + x * col + w * sample; }
};

// A non-zero activation of a pixel.
struct Entry {
    uint16_t channel, value;
};

struct Layer {
    int in_channels, in_rows, in_cols; // rows and columns include the padding
    int kernels, kernel_rows, kernel_cols, stride_rows, stride_cols, pool_rows, pool_cols;
    int pooling;            // kind
    int out_rows, out_cols; // after pooling
    int winners;            // kept per pixel; 0 keeps all
    int shift;
    bool last;          // its outputs are logits
    bool narrow;        // no multiplier, and accumulator plus `add` fit 32 bits
    int most_active;    // maximum non-zero activations of an input pixel
    int sets;           // complementary sets; 0 if the weights have no such structure
    const int32_t *add; // padded with zeros to whole blocks, as is `mul`
    const int32_t *mul; // null without multipliers
    // For AVX-512 and AMX: `add` in the order in which sums of 16 kernels are packed to bytes: lane
    // 4 l + i of group g is kernel 16 l + 4 g + i of its block.
    const int32_t *packed_add;

    // Rows of weights by input position, for `scatter`: only the non-zero weights...
    const uint32_t *row_start;
    const uint16_t *row_kernel;
    const int8_t *row_weight;
    // ...or, if there are many, all of them, padded with zeros to whole blocks; else null.
    const int16_t *dense_rows;

    // Non-zero weights by kernel, for `gather`: byte offset in a window of the first layer.
    const uint32_t *tap_start;
    const int32_t *tap_offset;
    const int16_t *tap_weight;

    // For `patch` (AVX-512): per block of kernels, pooling position, step and group of 16 kernels,
    // which 64 bytes of a patch the group uses; and the weights per block, step and group.
    // A patch is the input of all positions of a pooling window: 8 columns of 8 bytes.
    int patch_steps;
    const uint8_t *patch_index;
    const int8_t *patch_weight;

    // For `lookup` (AVX-512): per kernel (in packed order) and tap, the weights of all 64 channels.
    const int8_t *lookup_weight;

    // For `sets` (AVX-512): per input position and block of 64 sets, the weights, then the slots of
    // their kernels in the sets; and `add` by slot and block of sets, in packed order.
    const int8_t *set_rows;
    const int32_t *set_add;

    // For `tiles` (AMX): per 16 kernels, tap and block of channels, a tile of 16 rows (4 channels
    // each) by 16 kernels by 4 channels.
    const int8_t *tile_weight;

    // For `logits` (AVX-512): all weights of a unit, in the order of the activations.
    const int8_t *unit_weight;

    int taps() const { return kernel_rows * kernel_cols; }
    int positions() const { return taps() * in_channels; }
    int places() const { return pool_rows * pool_cols; } // in a pooling window
    int channel_blocks() const { return blocks_of(in_channels); }
    int kernel_blocks() const { return blocks_of(kernels); }
};

// Scratch memory of one thread; every area is aligned to 64 bytes.
struct Scratch {
    int32_t *acc;    // accumulators of one pixel, or of a block of samples
    Entry *entries;  // non-zero activations of the inputs of one sample
    int32_t *counts; // number of entries of each pixel
    uint8_t *lists;  // winners of a block of samples, regrouped
    int16_t *wide;   // the input of one sample, widened
};

// What a kernel needs besides its layer.
struct Call {
    Plane in, out;
    int32_t *logits; // of the first sample; only for the last layer
    int samples;
    Scratch *scratch;
};

using Run = void (*)(const Layer &, const Call &);

// The kernels of an instruction set; null if it has no version of its own.
struct Kernels {
    Run gather;  // every position loops over the weights: for dense inputs
    Run scatter; // every non-zero activation loops over its row of weights
    Run patch;   // all kernels of a small window at once
    Run lookup;  // winners look up their weights in registers
    Run sets;    // winners scatter their rows, one weight per set, to the kernels
    Run tiles;   // dense matrix tiles
    Run logits;  // dense, for few units
};

extern const Kernels kPortable;
#if defined(__x86_64__)
extern const Kernels kAvx2;
extern const Kernels kAvx512;
extern const Kernels kAmx;
#endif

} // namespace twofold
