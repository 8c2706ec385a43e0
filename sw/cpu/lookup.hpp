// Layers whose inputs are winners, with AVX-512 VBMI and VNNI. A register holds four winners of
// each of 16 items; for every kernel and tap, the weights of all 64 input channels fill another, in
// which the winners look up theirs by a byte permutation. So the work is proportional to the number
// of winners, and zero weights cost nothing extra. Included like winners.hpp.

// Winners of the whole input, regrouped: for `items` pixels of samples, four channels and four
// values at a time. Group g of item i is at 4 * (g * pitch + i).
struct Lists {
    uint8_t *channels, *values;
    ptrdiff_t pitch;
    int groups;
};

// The channels 0..63 in order.
struct Channels {
    alignas(64) uint8_t channel[64] = {};
    constexpr Channels() {
        for (int i = 0; i < 64; i++)
            channel[i] = static_cast<uint8_t>(i);
    }
};

constexpr Channels kChannels;

// Items are ordered by pixel, row by row, then by sample.
inline Lists make_lists(const Layer &layer, const Call &call) {
    Lists lists;
    lists.groups = (layer.most_active + 3) / 4;
    lists.pitch = static_cast<ptrdiff_t>(layer.in_rows) * layer.in_cols * call.samples + 16;
    lists.channels = call.scratch->lists;
    lists.values = lists.channels + 4 * lists.groups * lists.pitch;
    const __m512i numbers = _mm512_load_si512(kChannels.channel);
    alignas(64) uint32_t channels[16], values[16];
    ptrdiff_t item = 0;
    for (int y = 0; y < layer.in_rows; y++)
        for (int x = 0; x < layer.in_cols; x++)
            for (int w = 0; w < call.samples; w++, item++) {
                const __m512i all = _mm512_loadu_si512(call.in.at(y, x, w));
                const __mmask64 active = _mm512_test_epi8_mask(all, all);
                _mm512_store_si512(channels, _mm512_maskz_compress_epi8(active, numbers));
                _mm512_store_si512(values, _mm512_maskz_compress_epi8(active, all));
                for (int g = 0; g < lists.groups; g++) {
                    const ptrdiff_t at = 4 * (g * lists.pitch + item);
                    __builtin_memcpy(lists.channels + at, channels + g, 4);
                    __builtin_memcpy(lists.values + at, values + g, 4);
                }
            }
    return lists;
}

// Sums of four kernels for TILES tiles: sums[tile][kernel][16 items].
template <int TILES>
inline void look_up(const Layer &layer, const Lists &lists, const ptrdiff_t *first, int samples,
                    const int8_t *weights, int32_t *sums) {
    __m512i sum[TILES][4];
#pragma GCC unroll 4
    for (int t = 0; t < TILES; t++)
#pragma GCC unroll 4
        for (int o = 0; o < 4; o++)
            sum[t][o] = _mm512_setzero_si512();
    const ptrdiff_t taps = layer.taps();
    for (int y = 0; y < layer.kernel_rows; y++)
        for (int x = 0; x < layer.kernel_cols; x++, weights += kBlock) {
            const ptrdiff_t move = (static_cast<ptrdiff_t>(y) * layer.in_cols + x) * samples;
            __m512i table[4];
#pragma GCC unroll 4
            for (int o = 0; o < 4; o++)
                table[o] = _mm512_load_si512(weights + o * taps * kBlock);
            for (int g = 0; g < lists.groups; g++)
#pragma GCC unroll 4
                for (int t = 0; t < TILES; t++) {
                    const ptrdiff_t at = 4 * (g * lists.pitch + first[t] + move);
                    const __m512i channels = _mm512_loadu_si512(lists.channels + at);
                    const __m512i values = _mm512_loadu_si512(lists.values + at);
#pragma GCC unroll 4
                    for (int o = 0; o < 4; o++)
                        sum[t][o] = _mm512_dpbusd_epi32(
                            sum[t][o], values, _mm512_permutexvar_epi8(channels, table[o]));
                }
        }
#pragma GCC unroll 4
    for (int t = 0; t < TILES; t++)
#pragma GCC unroll 4
        for (int o = 0; o < 4; o++)
            _mm512_storeu_si512(sums + (t * kBlock + o) * 16, sum[t][o]);
}

// [16 kernels][16 items] to [16 items][64 kernels].
inline void transpose_sums(const int32_t *from, int32_t *to) {
    __m512i a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_si512(from + 16 * i);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) { // pairs of kernels
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { // a[i + j]: kernels i..i + 3 of items j, j + 4, j + 8, j + 12
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512i low = _mm512_shuffle_i32x4(a[j], a[j + 4], 0x88);  // items j, j + 8
        const __m512i low2 = _mm512_shuffle_i32x4(a[j], a[j + 4], 0xdd); // items j + 4, j + 12
        const __m512i high = _mm512_shuffle_i32x4(a[j + 8], a[j + 12], 0x88);
        const __m512i high2 = _mm512_shuffle_i32x4(a[j + 8], a[j + 12], 0xdd);
        int32_t *row = to + j * kBlock;
        _mm512_storeu_si512(row, _mm512_shuffle_i32x4(low, high, 0x88));
        _mm512_storeu_si512(row + 4 * kBlock, _mm512_shuffle_i32x4(low2, high2, 0x88));
        _mm512_storeu_si512(row + 8 * kBlock, _mm512_shuffle_i32x4(low, high, 0xdd));
        _mm512_storeu_si512(row + 12 * kBlock, _mm512_shuffle_i32x4(low2, high2, 0xdd));
    }
}

// All sums of a group for one block of 64 kernels: acc[item][64].
inline void look_up_group(const Layer &layer, const Lists &lists, ptrdiff_t corner, int samples,
                          const Group &group, int block, int32_t *acc) {
    const ptrdiff_t size = static_cast<ptrdiff_t>(layer.taps()) * kBlock;
    alignas(64) int32_t sums[4 * kBlock * 16];
    for (int t = 0; t < group.tiles; t += 4) {
        const int tiles = group.tiles - t < 4 ? group.tiles - t : 4;
        ptrdiff_t first[4];
        for (int i = 0; i < tiles; i++)
            first[i] = corner + group.start[t + i];
        for (int o = 0; o < kBlock; o += 4) {
            const int8_t *weights = layer.lookup_weight + (block * kBlock + o) * size;
            int32_t *to = sums + o * 16;
            switch (tiles) {
            case 1: look_up<1>(layer, lists, first, samples, weights, to); break;
            case 2: look_up<2>(layer, lists, first, samples, weights, to); break;
            case 3: look_up<3>(layer, lists, first, samples, weights, to); break;
            default: look_up<4>(layer, lists, first, samples, weights, to);
            }
        }
        for (int i = 0; i < tiles; i++)
            for (int g = 0; g < 4; g++)
                transpose_sums(sums + (i * kBlock + 16 * g) * 16,
                               acc + (t + i) * 16 * kBlock + 16 * g);
    }
}

inline void run_lookup(const Layer &layer, const Call &call) {
    const Lists lists = make_lists(layer, call);
    run_groups(layer, call, [&](const Group &group, int y, int x, int block, int32_t *acc) {
        const ptrdiff_t corner = (static_cast<ptrdiff_t>(y) * layer.in_cols + x) * call.samples;
        look_up_group(layer, lists, corner, call.samples, group, block, acc);
    });
}
