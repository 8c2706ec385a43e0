// Kernels for any layer, in plain C++ that compilers vectorise. Included by the source file of each
// instruction set inside an anonymous namespace, so that each has its own copy.

#if LEVEL >= 2
#include "pairs.hpp"
#endif

// Mask of the non-zero values among `count` <= 64. With a single mask, a loop over its bits has the
// same trip count for every pixel with k winners, which branch predictors learn.
inline uint64_t nonzero_mask(const uint8_t *values, int count) {
#if LEVEL >= 2
    if (count == 64) {
        const auto *at = reinterpret_cast<const __m256i *>(values);
        const __m256i zero = _mm256_setzero_si256();
        const uint64_t low = static_cast<uint32_t>(
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(at), zero)));
        const uint64_t high = static_cast<uint32_t>(
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(at + 1), zero)));
        return ~(high << 32 | low);
    }
#endif
    uint64_t mask = 0;
    for (int i = 0; i < count; i++)
        mask |= static_cast<uint64_t>(values[i] != 0) << i;
    return mask;
}

// Lists the non-zero activations of one pixel; returns how many.
inline int list_pixel(const uint8_t *__restrict values, int channels, Entry *__restrict entries) {
    int count = 0;
    for (int c = 0; c < channels; c += kBlock) {
        const int here = channels - c < kBlock ? channels - c : kBlock;
        for (uint64_t mask = nonzero_mask(values + c, here); mask != 0; mask &= mask - 1) {
            const int at = c + __builtin_ctzll(mask);
            entries[count++] = {static_cast<uint16_t>(at), values[at]};
        }
    }
    return count;
}

// Lists the non-zero activations of the whole input of sample `w`, pixel by pixel.
inline void list_entries(const Layer &layer, const Plane &in, int w, const Scratch &scratch) {
    Entry *entries = scratch.entries;
    const int channels = layer.in_channels;
    for (int y = 0, pixel = 0; y < layer.in_rows; y++)
        for (int x = 0; x < layer.in_cols; x++, pixel++, entries += channels)
            scratch.counts[pixel] = list_pixel(in.at(y, x, w), channels, entries);
}

// acc[o] += value * weights[o] for `count` kernels, a multiple of 64. The products fit in 16 bits.
inline void add_dense_row(int32_t *__restrict acc, const int16_t *__restrict weights, int16_t value,
                          int count) {
    for (int o = 0; o < count; o++)
        acc[o] += static_cast<int16_t>(value * weights[o]);
}

// acc[kernel[i]] += value * weights[i].
inline void add_sparse_row(int32_t *__restrict acc, const uint16_t *__restrict kernel,
                           const int8_t *__restrict weights, int32_t value, size_t count) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        acc[kernel[i]] += value * weights[i];
        acc[kernel[i + 1]] += value * weights[i + 1];
        acc[kernel[i + 2]] += value * weights[i + 2];
        acc[kernel[i + 3]] += value * weights[i + 3];
    }
    for (; i < count; i++)
        acc[kernel[i]] += value * weights[i];
}

// Sums of one position (top left corner of its window at y, x) for all kernels.
inline void sum_position(const Layer &layer, const Scratch &scratch, int y, int x, int32_t *acc) {
    const int width = layer.kernel_blocks() * kBlock, channels = layer.in_channels;
#if LEVEL >= 2
    if (layer.dense_rows)
        return sum_dense_rows(layer, scratch, y, x, acc);
#endif
    for (int o = 0; o < width; o++)
        acc[o] = 0;
    for (int tap_y = 0, tap = 0; tap_y < layer.kernel_rows; tap_y++)
        for (int tap_x = 0; tap_x < layer.kernel_cols; tap_x++, tap++) {
            const int pixel = (y + tap_y) * layer.in_cols + x + tap_x;
            const int count = scratch.counts[pixel];
            const Entry *entries = scratch.entries + static_cast<size_t>(pixel) * channels;
            const size_t first = static_cast<size_t>(tap) * channels;
            if (layer.dense_rows) {
                const int16_t *weights = layer.dense_rows + first * width;
                for (int i = 0; i < count; i++)
                    add_dense_row(acc, weights + static_cast<size_t>(entries[i].channel) * width,
                                  static_cast<int16_t>(entries[i].value), width);
                continue;
            }
            const uint32_t *start = layer.row_start + first;
            const uint16_t *kernel = layer.row_kernel;
            const int8_t *weight = layer.row_weight;
            for (int i = 0; i < count; i++) {
                const uint32_t at = start[entries[i].channel], end = start[entries[i].channel + 1];
                add_sparse_row(acc, kernel + at, weight + at, entries[i].value, end - at);
            }
        }
}

inline void run_scatter(const Layer &layer, const Call &call) {
    const int width = layer.kernel_blocks() * kBlock;
    int32_t *best = call.scratch->acc, *acc = best + width;
    for (int w = 0; w < call.samples; w++) {
        list_entries(layer, call.in, w, *call.scratch);
        for (int y = 0; y < layer.out_rows; y++) {
            for (int x = 0; x < layer.out_cols; x++) {
                for (int place = 0; place < layer.places(); place++) {
                    int32_t *sum = place == 0 ? best : acc;
                    const int conv_y = y * layer.pool_rows + place / layer.pool_cols;
                    const int conv_x = x * layer.pool_cols + place % layer.pool_cols;
                    sum_position(layer, *call.scratch, conv_y * layer.stride_rows,
                                 conv_x * layer.stride_cols, sum);
                    if (place > 0)
                        pool_rows(layer, best, acc, width);
                }
                if (!layer.last) {
                    finish(layer, best, call.out.at(y, x, w));
                    continue;
                }
                int32_t *logits = call.logits + static_cast<size_t>(w) * layer.kernels;
                for (int o = 0; o < layer.kernels; o++)
                    logits[o] = best[o] + layer.add[o];
            }
        }
    }
}

// Sums of one kernel at `count` positions, a multiple of 16, whose windows are `step` apart. The
// products fit in 16 bits.
inline void sum_positions(const Layer &layer, int kernel, const int16_t *values, int count,
                          int step, int32_t *__restrict sums) {
#if LEVEL >= 2
    if (step == 1)
        return sum_taps(layer, kernel, values, count, sums);
#endif
    for (int i = 0; i < count; i++)
        sums[i] = 0;
    for (uint32_t at = layer.tap_start[kernel]; at < layer.tap_start[kernel + 1]; at++) {
        const int16_t *__restrict from = values + layer.tap_offset[at];
        const int16_t weight = layer.tap_weight[at];
        if (step == 1)
            for (int i = 0; i < count; i++)
                sums[i] += static_cast<int16_t>(from[i] * weight);
        else
            for (int i = 0; i < count; i++)
                sums[i] += static_cast<int16_t>(from[i * step] * weight);
    }
}

// For dense inputs with few channels: a kernel's sums for a row of positions at a time. The input
// of a sample is contiguous: rows, columns, channels.
inline void run_gather(const Layer &layer, const Call &call) {
    const int width = layer.kernel_blocks() * kBlock, down = layer.pool_rows;
    const int cols = (layer.out_cols * layer.pool_cols + 15) / 16 * 16; // past the last position
    const int pitch = layer.in_cols * layer.in_channels, size = layer.in_rows * pitch;
    const int step = layer.stride_cols * layer.in_channels;
    int32_t *pooled = call.scratch->acc; // [column][kernel]
    int32_t *row = pooled + layer.out_cols * width, *best = row + cols;
    int16_t *wide = call.scratch->wide;
    for (int w = 0; w < call.samples; w++) {
        const uint8_t *image = call.in.at(0, 0, w);
        for (int i = 0; i < size; i++)
            wide[i] = image[i];
        for (int y = 0; y < layer.out_rows; y++) {
            for (int o = 0; o < width; o++) { // kernels that only pad a block get zeros
                for (int below = 0; below < down; below++) {
                    const int16_t *top = wide + (y * down + below) * layer.stride_rows * pitch;
                    sum_positions(layer, o, top, cols, step, below == 0 ? best : row);
                    if (below > 0)
                        pool_rows(layer, best, row, cols);
                }
                pool_cols(layer, best, row, pooled + o, width);
            }
            for (int x = 0; x < layer.out_cols; x++)
                finish(layer, pooled + x * width, call.out.at(y, x, w));
        }
    }
}
