// Fused training kernels, single-threaded, for the operations that dominate the run time of these
// networks in stock PyTorch. Tensors are contiguous, channels last.
//
// `conv_pool` keeps only the pooled maximum and the position it came from; its backward pass
// computes no gradient of the image. `sparse_conv_pool` does the same for inputs that are mostly 0,
// such as winners: both passes visit only non-zero inputs, and an input that is 0 gets no gradient,
// since it is not a winner. `norm_winners` is BatchNorm, ReLU and k-winners of every row in one pass.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

// Channels are multiples of two parts. A part is as wide as the vector registers of most processors;
// on a processor with narrower registers, wider parts would be spilled.
constexpr int WIDE = 8;
typedef float Part __attribute__((vector_size(4 * WIDE), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(4 * WIDE), aligned(4)));
typedef uint8_t Bytes __attribute__((vector_size(WIDE), aligned(1)));

struct Bf16 {
    uint16_t bits;
    operator float() const {
        uint32_t wide = uint32_t(bits) << 16;
        float value;
        std::memcpy(&value, &wide, 4);
        return value;
    }
    static Bf16 from(float value) {
        uint32_t wide;
        std::memcpy(&wide, &value, 4);
        return {uint16_t((wide + 0x7fff + ((wide >> 16) & 1)) >> 16)};
    }
};

inline void store(float *at, float value) { *at = value; }
inline void store(Bf16 *at, float value) { *at = Bf16::from(value); }

struct Window {
    int64_t WINDOW_FIELDS;  // names and order come from native.py, where it is compiled
    int64_t step(int64_t position) const { return position / pool * width + position % pool; }
};

// Sums of PARTS parts of channels at one position; they stay in registers.
template <int PARTS>
void dense_sum(const Window &s, const float *window, const float *weights, float *out) {
    Part sum[PARTS] = {};
    for (int64_t row = 0; row < s.rows; row++)
        for (int64_t col = 0; col < s.cols; col++) {
            const float pixel = window[row * s.width + col];
            const float *tap = weights + (row * s.cols + col) * s.channels;
            for (int part = 0; part < PARTS; part++)
                sum[part] += *(const Part *)(tap + part * WIDE) * pixel;
        }
    for (int part = 0; part < PARTS; part++) *(Part *)(out + part * WIDE) = sum[part];
}

// The largest of `count` sums [count, channels] for every channel, and its index.
void largest(const float *sums, int64_t count, int64_t channels, float *out, uint8_t *winner) {
    for (int64_t c = 0; c < channels; c += WIDE) {
        Part best = *(const Part *)(sums + c);
        Whole chosen = {};
        for (int64_t which = 1; which < count; which++) {
            const Part other = *(const Part *)(sums + which * channels + c);
            const Whole better = Whole(other > best);
            chosen = better ? Whole{} + int32_t(which) : chosen;
            best = better ? other : best;
        }
        *(Part *)(out + c) = best;
        for (int lane = 0; lane < WIDE; lane++) winner[c + lane] = uint8_t(chosen[lane]);
    }
}

// Gradient of a row of COLS taps of one part of the channels; the sums stay in registers over the
// whole batch.
template <int COLS>
void weight_gradient(const Window &s, const float *image, const float *grad, const uint8_t *winner,
                     float *out) {
    Part sum[COLS] = {};
    for (int64_t sample = 0, at = 0; sample < s.samples; sample++)
        for (int64_t y = 0; y < s.out_rows; y++)
            for (int64_t x = 0; x < s.out_cols; x++, at += s.channels) {
                const float *corner = image + (sample * s.height + y * s.pool) * s.width + x * s.pool;
                const Part arriving = *(const Part *)(grad + at);
                const Whole won = __builtin_convertvector(*(const Bytes *)(winner + at), Whole);
                for (int64_t position = 0; position < s.pool * s.pool; position++) {
                    const Part share = won == int32_t(position) ? arriving : Part{};
                    const float *window = corner + s.step(position);
                    for (int col = 0; col < COLS; col++) sum[col] += share * window[col];
                }
            }
    for (int col = 0; col < COLS; col++) *(Part *)(out + col * s.channels) += sum[col];
}

// The non-zero values of a batch of pixels; those of pixel p are entries first[p] to first[p + 1].
struct Entries {
    std::vector<int32_t> first, channel;
    std::vector<float> value;
    Entries(const float *x, int64_t pixels, int64_t inputs) : first(pixels + 1, 0) {
        int64_t count = 0;
        for (int64_t p = 0; p < pixels; p++) {
            channel.resize(count + inputs);
            value.resize(count + inputs);
            for (int64_t i = 0; i < inputs; i++) {  // branch-free: a branch would be unpredictable
                channel[count] = int32_t(i);
                value[count] = x[p * inputs + i];
                count += value[count] != 0.0f;
            }
            first[p + 1] = int32_t(count);
        }
    }
};

// Sums of PARTS parts of channels at one position; they stay in registers.
template <int PARTS>
void sparse_sum(const Window &s, const Entries &entries, int64_t corner, int64_t inputs,
                const float *weights, float *out) {
    Part sum[PARTS] = {};
    for (int64_t row = 0; row < s.rows; row++)
        for (int64_t col = 0; col < s.cols; col++) {
            const int64_t pixel = corner + row * s.width + col;
            const float *tap = weights + (row * s.cols + col) * inputs * s.channels;
            for (int32_t e = entries.first[pixel]; e < entries.first[pixel + 1]; e++) {
                const float *kernel = tap + entries.channel[e] * s.channels;
                const float value = entries.value[e];
                for (int part = 0; part < PARTS; part++)
                    sum[part] += *(const Part *)(kernel + part * WIDE) * value;
            }
        }
    for (int part = 0; part < PARTS; part++) *(Part *)(out + part * WIDE) = sum[part];
}

// Sums of all channels at one position.
void sparse_sums(const Window &s, const Entries &entries, int64_t corner, int64_t inputs,
                 const float *weights, float *out) {
    int64_t c = 0;
    for (; c + 8 * WIDE <= s.channels; c += 8 * WIDE)
        sparse_sum<8>(s, entries, corner, inputs, weights + c, out + c);
    for (; c < s.channels; c += 2 * WIDE)
        sparse_sum<2>(s, entries, corner, inputs, weights + c, out + c);
}

// Gradient of one tap for PARTS parts of channels: outer products of entries and output gradients.
template <int PARTS>
void sparse_weight_gradient(const Entries &entries, int64_t pixel, const float *arriving,
                            int64_t channels, float *out) {
    Part grad[PARTS];
    for (int part = 0; part < PARTS; part++) grad[part] = *(const Part *)(arriving + part * WIDE);
    for (int32_t e = entries.first[pixel]; e < entries.first[pixel + 1]; e++) {
        float *kernel = out + entries.channel[e] * channels;
        const float value = entries.value[e];
        for (int part = 0; part < PARTS; part++)
            *(Part *)(kernel + part * WIDE) += grad[part] * value;
    }
}

// Gradients of pooled maxima back at the positions that won them: [samples, rows, cols, channels].
std::vector<float> unpooled(const Window &s, const float *grad, const uint8_t *winner) {
    const int64_t height = s.out_rows * s.pool, width = s.out_cols * s.pool;
    std::vector<float> out(s.samples * height * width * s.channels, 0.0f);
    std::vector<int64_t> step(s.pool * s.pool);
    for (int64_t position = 0; position < s.pool * s.pool; position++)
        step[position] = (position / s.pool * width + position % s.pool) * s.channels;
    for (int64_t sample = 0, at = 0; sample < s.samples; sample++)
        for (int64_t y = 0; y < s.out_rows; y++)
            for (int64_t x = 0; x < s.out_cols; x++, at += s.channels) {
                const int64_t corner = (sample * height + y * s.pool) * width + x * s.pool;
                for (int64_t c = 0; c < s.channels; c++)
                    out[corner * s.channels + step[winner[at + c]] + c] = grad[at + c];
            }
    return out;
}

void sparse_weights_backward(const Window &s, const Entries &entries, int64_t inputs,
                             const std::vector<float> &arriving, float *grad_weights) {
    const int64_t height = s.out_rows * s.pool, width = s.out_cols * s.pool;
    for (int64_t tap = 0; tap < s.rows * s.cols; tap++) {
        const float *grad = arriving.data();
        float *out = grad_weights + tap * inputs * s.channels;
        for (int64_t sample = 0; sample < s.samples; sample++)
            for (int64_t y = 0; y < height; y++)
                for (int64_t x = 0; x < width; x++, grad += s.channels) {
                    const int64_t row = sample * s.height + y + tap / s.cols;
                    const int64_t pixel = row * s.width + x + tap % s.cols;
                    int64_t c = 0;
                    for (; c + 8 * WIDE <= s.channels; c += 8 * WIDE)
                        sparse_weight_gradient<8>(entries, pixel, grad + c, s.channels, out + c);
                    for (; c < s.channels; c += 2 * WIDE)
                        sparse_weight_gradient<2>(entries, pixel, grad + c, s.channels, out + c);
                }
    }
}

void sparse_inputs_backward(const Window &s, const Entries &entries, int64_t inputs,
                            const std::vector<float> &arriving, const float *weights,
                            float *grad_x) {
    const int64_t height = s.out_rows * s.pool, width = s.out_cols * s.pool;
    for (int64_t pixel = 0; pixel < s.samples * s.height * s.width; pixel++) {
        const int64_t sample = pixel / (s.height * s.width);
        const int64_t y = pixel / s.width % s.height, x = pixel % s.width;
        for (int32_t e = entries.first[pixel]; e < entries.first[pixel + 1]; e++) {
            Part sum[2] = {};
            for (int64_t row = std::max<int64_t>(0, y - height + 1); row < std::min(s.rows, y + 1);
                 row++)
                for (int64_t col = std::max<int64_t>(0, x - width + 1);
                     col < std::min(s.cols, x + 1); col++) {
                    const float *grad =
                        &arriving[((sample * height + y - row) * width + x - col) * s.channels];
                    const float *kernel =
                        weights +
                        ((row * s.cols + col) * inputs + entries.channel[e]) * s.channels;
                    for (int64_t c = 0; c < s.channels; c += 2 * WIDE)
                        for (int part = 0; part < 2; part++)
                            sum[part] += *(const Part *)(grad + c + WIDE * part) *
                                         *(const Part *)(kernel + c + WIDE * part);
                }
            float total = 0.0f;
            for (int lane = 0; lane < WIDE; lane++) total += sum[0][lane] + sum[1][lane];
            grad_x[pixel * inputs + entries.channel[e]] = total;
        }
    }
}

// The k-th largest of `count` floats >= 0, by binary search over their bit patterns, which have the
// same order as the values.
float kth_largest(const float *values, int64_t count, int64_t k) {
    const int32_t *bits = reinterpret_cast<const int32_t *>(values);
    int32_t low = 0, high = 1;
    for (int64_t i = 0; i < count; i++) high = std::max(high, bits[i] + 1);
    while (high - low > 1) {
        const int32_t middle = low + (high - low) / 2;
        int32_t above = 0;
        for (int64_t i = 0; i < count; i++) above += bits[i] >= middle;
        if (above >= k)
            low = middle;
        else
            high = middle;
        if (above == k) break;
    }
    float value;
    std::memcpy(&value, &low, 4);
    return value;
}

template <typename T>
void norm_winners(const float *x, int64_t rows, int64_t channels, const float *scale,
                  const float *shift, int64_t k, T *out) {
    std::vector<float> row(channels);
    for (int64_t r = 0; r < rows; r++, x += channels, out += channels) {
        for (int64_t c = 0; c < channels; c++) row[c] = std::max(x[c] * scale[c] + shift[c], 0.0f);
        const float least = k < channels ? kth_largest(row.data(), channels, k) : 0.0f;
        for (int64_t c = 0; c < channels; c++) store(out + c, row[c] >= least ? row[c] : 0.0f);
    }
}

template <typename T>
void norm_winners_backward(const T *grad, const T *out, const float *x, int64_t rows,
                           int64_t channels, const float *mean, const float *deviation,
                           const float *gain, float *grad_x, float *grad_gain, float *grad_shift) {
    std::fill(grad_gain, grad_gain + channels, 0.0f);
    std::fill(grad_shift, grad_shift + channels, 0.0f);
    std::vector<float> inverse(channels);
    for (int64_t c = 0; c < channels; c++) inverse[c] = 1.0f / deviation[c];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < channels; c++) {
            const int64_t i = r * channels + c;
            const float g = float(out[i]) > 0.0f ? float(grad[i]) : 0.0f;
            grad_shift[c] += g;
            grad_gain[c] += g * (x[i] - mean[c]) * inverse[c];
        }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < channels; c++) {
            const int64_t i = r * channels + c;
            const float g = float(out[i]) > 0.0f ? float(grad[i]) : 0.0f;
            const float normal = (x[i] - mean[c]) * inverse[c];
            grad_x[i] =
                gain[c] * inverse[c] * (g - (grad_shift[c] + normal * grad_gain[c]) / float(rows));
        }
}

}  // namespace

extern "C" {

// image [samples, height, width], weights [rows * cols, channels] -> out, winner [samples, out_rows,
// out_cols, channels]
void conv_pool_forward(const Window *shape, const float *image, const float *weights, float *out,
                       uint8_t *winner) {
    const Window s = *shape;
    std::vector<float> sums(s.pool * s.pool * s.channels);
    for (int64_t sample = 0; sample < s.samples; sample++)
        for (int64_t y = 0; y < s.out_rows; y++)
            for (int64_t x = 0; x < s.out_cols; x++) {
                const float *corner = image + (sample * s.height + y * s.pool) * s.width + x * s.pool;
                const int64_t at = ((sample * s.out_rows + y) * s.out_cols + x) * s.channels;
                for (int64_t position = 0; position < s.pool * s.pool; position++) {
                    const float *window = corner + s.step(position);
                    int64_t c = 0;
                    float *sum = &sums[position * s.channels];
                    for (; c + 8 * WIDE <= s.channels; c += 8 * WIDE)
                        dense_sum<8>(s, window, weights + c, sum + c);
                    for (; c < s.channels; c += 2 * WIDE)
                        dense_sum<2>(s, window, weights + c, sum + c);
                }
                largest(sums.data(), s.pool * s.pool, s.channels, out + at, winner + at);
            }
}

// grad, winner [samples, out_rows, out_cols, channels] -> grad_weights [rows * cols, channels], which
// must start at 0
void conv_pool_backward(const Window *shape, const float *image, const float *grad,
                        const uint8_t *winner, float *grad_weights) {
    const Window s = *shape;
    for (int64_t c = 0; c < s.channels; c += WIDE)
        for (int64_t row = 0; row < s.rows; row++) {
            const float *shifted = image + row * s.width;
            float *out = grad_weights + row * s.cols * s.channels + c;
            if (s.cols == 5)
                weight_gradient<5>(s, shifted, grad + c, winner + c, out);
            else if (s.cols == 3)
                weight_gradient<3>(s, shifted, grad + c, winner + c, out);
            else
                for (int64_t col = 0; col < s.cols; col++)
                    weight_gradient<1>(s, shifted + col, grad + c, winner + c,
                                       out + col * s.channels);
        }
}

// x [samples, height, width, inputs], weights [rows * cols, inputs, channels] -> out, winner [samples,
// out_rows, out_cols, channels]
void sparse_conv_pool_forward(const Window *shape, int64_t inputs, const float *x,
                              const float *weights, float *out, uint8_t *winner) {
    const Window s = *shape;
    const Entries entries(x, s.samples * s.height * s.width, inputs);
    std::vector<float> sums(s.pool * s.pool * s.channels);
    for (int64_t sample = 0, at = 0; sample < s.samples; sample++)
        for (int64_t row = 0; row < s.out_rows; row++)
            for (int64_t col = 0; col < s.out_cols; col++, at += s.channels) {
                const int64_t corner = (sample * s.height + row * s.pool) * s.width + col * s.pool;
                for (int64_t position = 0; position < s.pool * s.pool; position++) {
                    sparse_sums(s, entries, corner + s.step(position), inputs, weights,
                                &sums[position * s.channels]);
                }
                largest(sums.data(), s.pool * s.pool, s.channels, out + at, winner + at);
            }
}

// -> grad_x as x, grad_weights as weights; both must start at 0
void sparse_conv_pool_backward(const Window *shape, int64_t inputs, const float *x,
                               const float *weights, const float *grad, const uint8_t *winner,
                               float *grad_x, float *grad_weights) {
    const Window s = *shape;
    const Entries entries(x, s.samples * s.height * s.width, inputs);
    const std::vector<float> arriving = unpooled(s, grad, winner);
    sparse_weights_backward(s, entries, inputs, arriving, grad_weights);
    sparse_inputs_backward(s, entries, inputs, arriving, weights, grad_x);
}

// x [rows, channels] -> mean, variance [channels]
void column_moments(const float *x, int64_t rows, int64_t channels, float *mean, float *variance) {
    std::vector<float> sum(channels, 0.0f), square(channels, 0.0f);
    const float *first = x;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < channels; c++) {
            const float value = x[r * channels + c] - first[c];
            sum[c] += value;
            square[c] += value * value;
        }
    for (int64_t c = 0; c < channels; c++) {
        const float centre = sum[c] / rows;
        mean[c] = centre + first[c];
        variance[c] = std::max(square[c] / rows - centre * centre, 0.0f);
    }
}

void norm_winners_float(const float *x, int64_t rows, int64_t channels, const float *scale,
                        const float *shift, int64_t k, float *out) {
    norm_winners(x, rows, channels, scale, shift, k, out);
}

void norm_winners_bf16(const float *x, int64_t rows, int64_t channels, const float *scale,
                       const float *shift, int64_t k, Bf16 *out) {
    norm_winners(x, rows, channels, scale, shift, k, out);
}

void norm_winners_backward_float(const float *grad, const float *out, const float *x, int64_t rows,
                                 int64_t channels, const float *mean, const float *deviation,
                                 const float *gain, float *grad_x, float *grad_gain,
                                 float *grad_shift) {
    norm_winners_backward(grad, out, x, rows, channels, mean, deviation, gain, grad_x, grad_gain,
                          grad_shift);
}

void norm_winners_backward_bf16(const Bf16 *grad, const Bf16 *out, const float *x, int64_t rows,
                                int64_t channels, const float *mean, const float *deviation,
                                const float *gain, float *grad_x, float *grad_gain,
                                float *grad_shift) {
    norm_winners_backward(grad, out, x, rows, channels, mean, deviation, gain, grad_x, grad_gain,
                          grad_shift);
}

// weights, mask [count] -> their products in bfloat16
void mask_weights(const float *weights, const float *mask, int64_t count, Bf16 *out) {
    for (int64_t i = 0; i < count; i++) out[i] = Bf16::from(weights[i] * mask[i]);
}

// One round of an auction: every position goes to the slot with the largest worth [slots, sets,
// inputs] minus price [slots, sets].
// -> owner [sets, inputs], count [slots, sets] of positions owned
void auction_round(const float *worth, const float *price, int64_t slots, int64_t sets,
                   int64_t inputs, int32_t *owner, float *count) {
    std::vector<float> best(inputs);
    std::fill(count, count + slots * sets, 0.0f);
    for (int64_t set = 0; set < sets; set++) {
        int32_t *owned = owner + set * inputs;
        std::fill(best.begin(), best.end(), -1e30f);
        for (int64_t slot = 0; slot < slots; slot++) {
            const float *row = worth + (slot * sets + set) * inputs;
            const float fee = price[slot * sets + set];
            for (int64_t i = 0; i < inputs; i++) {
                const float offer = row[i] - fee;
                owned[i] = offer > best[i] ? int32_t(slot) : owned[i];
                best[i] = std::max(offer, best[i]);
            }
        }
        for (int64_t i = 0; i < inputs; i++) count[owned[i] * sets + set] += 1.0f;
    }
}
}
