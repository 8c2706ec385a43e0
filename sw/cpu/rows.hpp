// First layers over one channel with AVX2: a kernel at 16 positions of a row at a time, pooled,
// requantised and turned into pixels in registers. Included after generic.hpp.

// Whether run_rows computes a layer: neighbouring positions are neighbouring inputs, and windows are
// pooled by their maximum, at most two by two.
inline bool fits_rows(const Layer &layer) {
    return layer.stride_cols * layer.in_channels == 1 && layer.narrow && !layer.last &&
           layer.pooling == kMaximum && layer.pool_rows <= 2 && layer.pool_cols <= 2;
}

// max(a, b) of 16 sums each.
inline Pair larger(const Pair &a, const Pair &b) {
    return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
}

// The larger of every two neighbours among 16 sums, in order.
inline __m256i larger_of_two(const Pair &sum) {
    const __m256i low = _mm256_max_epi32(sum.low, _mm256_shuffle_epi32(sum.low, 0xb1));
    const __m256i high = _mm256_max_epi32(sum.high, _mm256_shuffle_epi32(sum.high, 0xb1));
    return _mm256_castps_si256(
        _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), 0x88));
}

// clamp((sum + add) >> shift, 0, 255) of 8 + 8 sums; narrowing saturates twice, which clamps.
inline __m128i requantised(__m256i first, __m256i second, __m256i add, __m128i shift) {
    first = _mm256_sra_epi32(_mm256_add_epi32(first, add), shift);
    second = _mm256_sra_epi32(_mm256_add_epi32(second, add), shift);
    const __m256i order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
    const __m256i words =
        _mm256_permutevar8x32_epi32(_mm256_packs_epi32(first, second), order);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// 16 outputs of one kernel, whose windows begin at `values`.
template <int ROWS, int COLS>
inline __m128i outputs_of(const Layer &layer, int kernel, const int16_t *values, ptrdiff_t down,
                          __m128i shift) {
    const uint32_t begin = layer.tap_start[kernel], end = layer.tap_start[kernel + 1];
    Pair sum[ROWS][COLS];
#pragma GCC unroll 2
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
        for (int c = 0; c < COLS; c++)
            sum[r][c].low = sum[r][c].high = _mm256_setzero_si256();
    for (uint32_t at = begin; at < end; at += 2) {
        const bool single = at + 1 == end;
        const int16_t *first = values + layer.tap_offset[at];
        const int16_t *second = single ? first : values + layer.tap_offset[at + 1];
        const __m256i factor =
            two_factors(layer.tap_weight[at], single ? 0 : layer.tap_weight[at + 1]);
#pragma GCC unroll 2
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
            for (int c = 0; c < COLS; c++)
                add_products(sum[r][c], first + r * down + 16 * c, second + r * down + 16 * c,
                             factor);
    }
    if (ROWS == 2)
#pragma GCC unroll 2
        for (int c = 0; c < COLS; c++)
            sum[0][c] = larger(sum[0][c], sum[ROWS - 1][c]);
    const __m256i add = _mm256_set1_epi32(layer.add[kernel]);
    if (COLS == 2)
        return requantised(larger_of_two(sum[0][0]), larger_of_two(sum[0][COLS - 1]), add, shift);
    const Pair &one = sum[0][0];
    return requantised(_mm256_permute2x128_si256(one.low, one.high, 0x20),
                       _mm256_permute2x128_si256(one.low, one.high, 0x31), add, shift);
}

// Interleaves rows i and i + 8 of 16 rows of 16 bytes.
inline void interleave_bytes(const __m128i *from, __m128i *to) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        to[2 * i] = _mm_unpacklo_epi8(from[i], from[i + 8]);
        to[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + 8]);
    }
}

// 16 rows of 16 bytes to columns.
inline void transpose_bytes(const __m128i *from, __m128i *to) {
    __m128i a[16], b[16];
    interleave_bytes(from, a);
    interleave_bytes(a, b);
    interleave_bytes(b, a);
    interleave_bytes(a, to);
}

template <int ROWS, int COLS>
inline void run_rows_by(const Layer &layer, const Call &call) {
    const ptrdiff_t pitch = static_cast<ptrdiff_t>(layer.in_cols) * layer.in_channels;
    const ptrdiff_t down = layer.stride_rows * pitch, size = layer.in_rows * pitch;
    const __m128i shift = _mm_cvtsi32_si128(layer.shift);
    int16_t *wide = call.scratch->wide;
    for (int w = 0; w < call.samples; w++) {
        const uint8_t *image = call.in.at(0, 0, w);
        for (ptrdiff_t i = 0; i < size; i++)
            wide[i] = image[i];
        for (int y = 0; y < layer.out_rows; y++) {
            const int16_t *top = wide + y * ROWS * down;
            for (int x = 0; x < layer.out_cols; x += 16) {
                const int here = layer.out_cols - x < 16 ? layer.out_cols - x : 16;
                for (int group = 0; group < 4 * layer.kernel_blocks(); group++) {
                    __m128i rows[16], pixels[16]; // kernels that only pad a block get zeros
                    for (int o = 0; o < 16; o++)
                        rows[o] = outputs_of<ROWS, COLS>(layer, 16 * group + o, top + x * COLS,
                                                         down, shift);
                    transpose_bytes(rows, pixels);
                    for (int i = 0; i < here; i++)
                        _mm_storeu_si128(
                            reinterpret_cast<__m128i *>(call.out.at(y, x + i, w) + 16 * group),
                            pixels[i]);
                }
            }
            for (int x = 0; x < layer.out_cols; x++)
                keep_winners(layer, call.out.at(y, x, w));
        }
    }
}

inline void run_rows(const Layer &layer, const Call &call) {
    if (!fits_rows(layer))
        return run_gather(layer, call);
    if (layer.pool_rows == 2)
        return layer.pool_cols == 2 ? run_rows_by<2, 2>(layer, call)
                                    : run_rows_by<2, 1>(layer, call);
    return layer.pool_cols == 2 ? run_rows_by<1, 2>(layer, call) : run_rows_by<1, 1>(layer, call);
}
