// Inner loops of the generic kernels with AVX2: a multiply-add does two 16-bit products per lane.
// Included by generic.hpp.

// Sums of 16 kernels or positions in the order that unpacking leaves: 0..3, 8..11 and 4..7, 12..15.
struct Pair {
    __m256i low, high;
};

inline __m256i load16(const int16_t *from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
}

// Adds first[i] * factor's lower half + second[i] * its upper half.
inline void add_products(Pair &sum, const int16_t *first, const int16_t *second, __m256i factor) {
    const __m256i a = load16(first), b = load16(second);
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factor));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factor));
}

// Stores 16 sums in order.
inline void store_pair(int32_t *to, const Pair &sum) {
    auto *at = reinterpret_cast<__m256i *>(to);
    _mm256_storeu_si256(at, _mm256_permute2x128_si256(sum.low, sum.high, 0x20));
    _mm256_storeu_si256(at + 1, _mm256_permute2x128_si256(sum.low, sum.high, 0x31));
}

inline __m256i two_factors(int first, int second) {
    return _mm256_set1_epi32((first & 0xffff) |
                             static_cast<int>(static_cast<unsigned>(second) << 16));
}

// Sums of one position over the dense rows of its non-zero activations, 64 kernels at a time.
inline void sum_dense_rows(const Layer &layer, const Scratch &scratch, int y, int x, int32_t *acc) {
    const int width = layer.kernel_blocks() * kBlock, channels = layer.in_channels;
    for (int from = 0; from < width; from += kBlock) {
        Pair sum[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            sum[j].low = sum[j].high = _mm256_setzero_si256();
        for (int tap_y = 0; tap_y < layer.kernel_rows; tap_y++)
            for (int tap_x = 0; tap_x < layer.kernel_cols; tap_x++) {
                const int pixel = (y + tap_y) * layer.in_cols + x + tap_x;
                const int count = scratch.counts[pixel];
                const Entry *entry = scratch.entries + static_cast<size_t>(pixel) * channels;
                const int tap = tap_y * layer.kernel_cols + tap_x;
                const int16_t *rows =
                    layer.dense_rows + static_cast<size_t>(tap) * channels * width + from;
                for (int i = 0; i < count; i += 2) {
                    const bool single = i + 1 == count;
                    const Entry a = entry[i], b = single ? Entry{a.channel, 0} : entry[i + 1];
                    const __m256i factor = two_factors(a.value, b.value);
                    const int16_t *first = rows + static_cast<size_t>(a.channel) * width;
                    const int16_t *second = rows + static_cast<size_t>(b.channel) * width;
#pragma GCC unroll 4
                    for (int j = 0; j < 4; j++)
                        add_products(sum[j], first + 16 * j, second + 16 * j, factor);
                }
            }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            store_pair(acc + from + 16 * j, sum[j]);
    }
}

// Sums of one kernel over `count` (a multiple of 16) neighbouring positions of the first layer.
inline void sum_taps(const Layer &layer, int kernel, const int16_t *values, int count,
                     int32_t *sums) {
    const uint32_t begin = layer.tap_start[kernel], end = layer.tap_start[kernel + 1];
    for (int from = 0; from < count; from += 16) {
        Pair sum = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (uint32_t at = begin; at < end; at += 2) {
            const uint32_t next = at + 1 < end ? at + 1 : at;
            const int second = next == at ? 0 : layer.tap_weight[next];
            add_products(sum, values + layer.tap_offset[at] + from,
                         values + layer.tap_offset[next] + from,
                         two_factors(layer.tap_weight[at], second));
        }
        store_pair(sums + from, sum);
    }
}
