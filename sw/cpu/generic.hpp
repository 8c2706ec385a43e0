// Kernels for any layer, in plain C++ that compilers vectorise. Included by the file of each
// instruction set inside an anonymous namespace, so that every set has its own copy.

// Non-zero activations of one pixel.
inline int list_pixel(const uint8_t *__restrict values, int channels, Entry *__restrict entries) {
    int count = 0, c = 0;
    for (; c + 8 <= channels; c += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, values + c, 8);
        for (; eight != 0; count++) {
            const int byte = __builtin_ctzll(eight) / 8; // of a little-endian machine
            entries[count] = {static_cast<uint16_t>(c + byte), values[c + byte]};
            eight &= ~(uint64_t{255} << (8 * byte));
        }
    }
    for (; c < channels; c++)
        if (values[c] != 0)
            entries[count++] = {static_cast<uint16_t>(c), values[c]};
    return count;
}

// Non-zero activations of the whole input of word `w`, pixel by pixel.
inline void list_entries(const Layer &layer, const Plane &in, int w, const Scratch &scratch) {
    Entry *entries = scratch.entries;
    const int channels = layer.in_channels;
    for (int y = 0, pixel = 0; y < layer.in_rows; y++)
        for (int x = 0; x < layer.in_cols; x++, pixel++, entries += channels)
            scratch.counts[pixel] = list_pixel(in.at(y, x, w), channels, entries);
}

// acc[o] += value * weights[o], a multiple of 64 of them. The products fit 16 bits.
inline void add_dense_row(int32_t *__restrict acc, const int16_t *__restrict weights,
                          int16_t value, int count) {
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

// Adds the products of one position (top left corner y, x of its window) to `acc`.
inline void add_position(const Layer &layer, const Scratch &scratch, int y, int x, int32_t *acc) {
    const int width = layer.kernel_blocks() * kBlock, channels = layer.in_channels;
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

inline void take_larger(int32_t *__restrict best, const int32_t *__restrict acc, int count) {
    for (int i = 0; i < count; i++)
        best[i] = best[i] < acc[i] ? acc[i] : best[i];
}

inline void run_scatter(const Layer &layer, const Call &call) {
    const int width = layer.kernel_blocks() * kBlock;
    int32_t *best = call.scratch->acc, *acc = best + width;
    for (int w = 0; w < call.words; w++) {
        list_entries(layer, call.in, w, *call.scratch);
        for (int y = 0; y < layer.out_rows; y++) {
            for (int x = 0; x < layer.out_cols; x++) {
                for (int place = 0; place < layer.pool * layer.pool; place++) {
                    int32_t *sum = place == 0 ? best : acc;
                    for (int o = 0; o < width; o++)
                        sum[o] = 0;
                    const int conv_y = y * layer.pool + place / layer.pool;
                    const int conv_x = x * layer.pool + place % layer.pool;
                    add_position(layer, *call.scratch, conv_y * layer.stride,
                                 conv_x * layer.stride, sum);
                    if (place > 0)
                        take_larger(best, acc, width);
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

// acc[i] += weight * values[i * step] for a multiple of 16 of them. A product of uint8 and int8 fits
// 16 bits.
inline void add_taps(int32_t *__restrict acc, const int16_t *__restrict values, int16_t weight,
                     int count, int step) {
    if (step == 1) {
        for (int from = 0; from < count; from += 16)
            for (int i = from; i < from + 16; i++)
                acc[i] += static_cast<int16_t>(values[i] * weight);
    } else {
        for (int i = 0; i < count; i++)
            acc[i] += static_cast<int16_t>(values[i * step] * weight);
    }
}

// The largest of each `pool` sums that follow each other; result x goes to to[x * width].
inline void pool_row(const int32_t *__restrict sums, int cols, int pool, int32_t *__restrict to,
                     int width) {
    for (int x = 0; x < cols; x++) {
        int32_t most = sums[x * pool];
        for (int i = 1; i < pool; i++)
            most = most < sums[x * pool + i] ? sums[x * pool + i] : most;
        to[x * width] = most;
    }
}

// Dense input of few channels: a kernel's sums over a row of positions at a time. The input of a
// word is contiguous: rows, columns, channels.
inline void run_gather(const Layer &layer, const Call &call) {
    const int width = layer.kernel_blocks() * kBlock, pool = layer.pool;
    const int cols = (layer.out_cols * pool + 15) / 16 * 16; // past the last position, too
    const int pitch = layer.in_cols * layer.in_channels, size = layer.in_rows * pitch;
    const int step = layer.stride * layer.in_channels;
    int32_t *pooled = call.scratch->acc; // [column][kernel]
    int32_t *row = pooled + layer.out_cols * width, *best = row + cols;
    int16_t *wide = call.scratch->wide;
    for (int w = 0; w < call.words; w++) {
        const uint8_t *image = call.in.at(0, 0, w);
        for (int i = 0; i < size; i++)
            wide[i] = image[i];
        for (int y = 0; y < layer.out_rows; y++) {
            for (int o = 0; o < width; o++) { // kernels that only fill a block get zeros
                for (int below = 0; below < pool; below++) {
                    int32_t *sum = below == 0 ? best : row;
                    for (int i = 0; i < cols; i++)
                        sum[i] = 0;
                    const int16_t *top = wide + (y * pool + below) * layer.stride * pitch;
                    for (uint32_t at = layer.tap_start[o]; at < layer.tap_start[o + 1]; at++)
                        add_taps(sum, top + layer.tap_offset[at], layer.tap_weight[at], cols,
                                 step);
                    if (below > 0)
                        take_larger(best, row, cols);
                }
                pool_row(best, layer.out_cols, pool, pooled + o, width);
            }
            for (int x = 0; x < layer.out_cols; x++)
                finish(layer, pooled + x * width, call.out.at(y, x, w));
        }
    }
}
