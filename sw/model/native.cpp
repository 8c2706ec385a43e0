// Fused training kernels, one thread each: where stock PyTorch spends its time on networks of this
// family.
//
// Tensors are contiguous, channels last. `conv_pool` keeps only the pooled maximum and which
// position won it; the backward pass needs no gradient of the image. `norm_winners` is BatchNorm,
// ReLU and k-winners of every row in one go.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int LANES = 16;
typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint8_t Bytes __attribute__((vector_size(LANES), aligned(1)));

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

template <int BLOCKS>
void conv_pool_block(const Window &s, const float *image, const float *weights, float *out,
                     uint8_t *winner) {
    Vector best[BLOCKS];
    Whole chosen[BLOCKS] = {};
    for (int64_t position = 0; position < s.pool * s.pool; position++) {
        const float *window = image + s.step(position);
        Vector sum[BLOCKS] = {};
        for (int64_t row = 0; row < s.rows; row++)
            for (int64_t col = 0; col < s.cols; col++) {
                const float pixel = window[row * s.width + col];
                const float *tap = weights + (row * s.cols + col) * s.channels;
                for (int block = 0; block < BLOCKS; block++)
                    sum[block] += *(const Vector *)(tap + block * LANES) * pixel;
            }
        for (int block = 0; block < BLOCKS; block++) {
            const Whole better = position == 0 ? Whole{} - 1 : Whole(sum[block] > best[block]);
            chosen[block] = better ? Whole{} + int32_t(position) : chosen[block];
            best[block] = better ? sum[block] : best[block];
        }
    }
    for (int block = 0; block < BLOCKS; block++) {
        *(Vector *)(out + block * LANES) = best[block];
        *(Bytes *)(winner + block * LANES) = __builtin_convertvector(chosen[block], Bytes);
    }
}

// Gradient of ROWS x COLS taps of one block of channels; the sums stay in registers over the whole
// batch.
template <int ROWS, int COLS>
void weight_gradient(const Window &s, const float *image, const float *grad, const uint8_t *winner,
                     float *out) {
    Vector sum[ROWS * COLS] = {};
    for (int64_t sample = 0, at = 0; sample < s.samples; sample++)
        for (int64_t y = 0; y < s.out_rows; y++)
            for (int64_t x = 0; x < s.out_cols; x++, at += s.channels) {
                const float *corner = image + (sample * s.height + y * s.pool) * s.width + x * s.pool;
                const Vector arriving = *(const Vector *)(grad + at);
                const Whole won = __builtin_convertvector(*(const Bytes *)(winner + at), Whole);
                for (int64_t position = 0; position < s.pool * s.pool; position++) {
                    const Vector part = won == int32_t(position) ? arriving : Vector{};
                    const float *window = corner + s.step(position);
                    for (int row = 0; row < ROWS; row++)
                        for (int col = 0; col < COLS; col++)
                            sum[row * COLS + col] += part * window[row * s.width + col];
                }
            }
    for (int tap = 0; tap < ROWS * COLS; tap++) *(Vector *)(out + tap * s.channels) += sum[tap];
}

// The k-th largest of `count` floats >= 0, found by halving the range of their bit patterns, which
// order as they do.
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
    for (int64_t sample = 0; sample < s.samples; sample++)
        for (int64_t y = 0; y < s.out_rows; y++)
            for (int64_t x = 0; x < s.out_cols; x++) {
                const float *corner = image + (sample * s.height + y * s.pool) * s.width + x * s.pool;
                const int64_t at = ((sample * s.out_rows + y) * s.out_cols + x) * s.channels;
                int64_t c = 0;
                for (; c + 4 * LANES <= s.channels; c += 4 * LANES)
                    conv_pool_block<4>(s, corner, weights + c, out + at + c, winner + at + c);
                for (; c < s.channels; c += LANES)
                    conv_pool_block<1>(s, corner, weights + c, out + at + c, winner + at + c);
            }
}

// grad, winner [samples, out_rows, out_cols, channels] -> grad_weights [rows * cols, channels], which
// must start at 0
void conv_pool_backward(const Window *shape, const float *image, const float *grad,
                        const uint8_t *winner, float *grad_weights) {
    const Window s = *shape;
    for (int64_t c = 0; c < s.channels; c += LANES) {
        if (s.rows == 5 && s.cols == 5)
            weight_gradient<5, 5>(s, image, grad + c, winner + c, grad_weights + c);
        else if (s.rows == 3 && s.cols == 3)
            weight_gradient<3, 3>(s, image, grad + c, winner + c, grad_weights + c);
        else
            for (int64_t row = 0; row < s.rows; row++)
                for (int64_t col = 0; col < s.cols; col++)
                    weight_gradient<1, 1>(s, image + row * s.width + col, grad + c, winner + c,
                                          grad_weights + (row * s.cols + col) * s.channels + c);
    }
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

// A round of an auction: worth [slots, sets, inputs] less price [slots, sets] decides the owner of
// every position.
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
