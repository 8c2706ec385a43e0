// Kernels for any layer, in plain C++ that compilers vectorise. Included by the file of each
// instruction set inside an anonymous namespace, so that every set has its own copy.

// Non-zero activations of the whole input of word `w`, pixel by pixel.
inline void list_entries(const Layer &layer, const Plane &in, int w, const Scratch &scratch) {
    Entry *entries = scratch.entries;
    for (int y = 0, pixel = 0; y < layer.in_rows; y++) {
        for (int x = 0; x < layer.in_cols; x++, pixel++, entries += layer.in_channels) {
            const uint8_t *values = in.at(y, x, w);
            int count = 0;
            for (int c = 0; c < layer.in_channels; c++) { // without branches
                entries[count].channel = static_cast<uint16_t>(c);
                entries[count].value = values[c];
                count += values[c] != 0;
            }
            scratch.counts[pixel] = count;
        }
    }
}

// Adds the products of one position (top left corner y, x of its window) to `acc`.
inline void add_position(const Layer &layer, const Scratch &scratch, int y, int x, int32_t *acc) {
    const int width = layer.kernel_blocks() * kBlock;
    for (int tap = 0; tap < layer.taps(); tap++) {
        const int pixel = (y + tap / layer.kernel_cols) * layer.in_cols + x + tap % layer.kernel_cols;
        const Entry *entries = scratch.entries + static_cast<size_t>(pixel) * layer.in_channels;
        for (int i = 0; i < scratch.counts[pixel]; i++) {
            const size_t row = static_cast<size_t>(tap) * layer.in_channels + entries[i].channel;
            const int32_t value = entries[i].value;
            if (layer.dense_rows) {
                const int16_t *weights = layer.dense_rows + row * width;
                for (int o = 0; o < width; o++)
                    acc[o] += value * weights[o];
            } else {
                for (uint32_t at = layer.row_start[row]; at < layer.row_start[row + 1]; at++)
                    acc[layer.row_kernel[at]] += value * layer.row_weight[at];
            }
        }
    }
}

inline void take_larger(int32_t *best, const int32_t *acc, int count) {
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

// acc[i] += weight * values[i * step]. A product of uint8 and int8 fits 16 bits.
inline void add_row(int32_t *acc, const int16_t *values, int16_t weight, int count, int step) {
    if (step == 1) {
        for (int i = 0; i < count; i++)
            acc[i] += static_cast<int16_t>(values[i] * weight);
    } else {
        for (int i = 0; i < count; i++)
            acc[i] += values[i * step] * weight;
    }
}

// Dense input of few channels: a kernel's sums over a row of positions at a time. The input of a
// word is contiguous: rows, columns, channels.
inline void run_gather(const Layer &layer, const Call &call) {
    const int width = layer.kernel_blocks() * kBlock, cols = layer.out_cols * layer.pool;
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
            for (int o = 0; o < width; o++) {
                for (int below = 0; below < layer.pool; below++) {
                    int32_t *sum = below == 0 ? best : row;
                    for (int i = 0; i < cols; i++)
                        sum[i] = 0;
                    const int16_t *top = wide + (y * layer.pool + below) * layer.stride * pitch;
                    for (uint32_t at = layer.tap_start[o]; at < layer.tap_start[o + 1]; at++)
                        add_row(sum, top + layer.tap_offset[at], layer.tap_weight[at], cols, step);
                    if (below > 0)
                        take_larger(best, row, cols);
                }
                for (int x = 0; x < layer.out_cols; x++) {
                    int32_t most = best[x * layer.pool];
                    for (int i = 1; i < layer.pool; i++)
                        most = most < best[x * layer.pool + i] ? best[x * layer.pool + i] : most;
                    pooled[x * width + o] = most;
                }
            }
            for (int x = 0; x < layer.out_cols; x++)
                finish(layer, pooled + x * width, call.out.at(y, x, w));
        }
    }
}
