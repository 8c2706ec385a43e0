// First layers with a small window, with AVX-512 VBMI and VNNI: the input of a whole pooling window
// fits in one register, a byte permutation fetches four taps for each of 16 kernels, and one
// instruction multiplies and adds them. Included like winners.hpp.

// Turns eight rows (padded with zeros if fewer) into columns: byte 8 x + y of `strip`. A patch, the
// input of a whole pooling window, is then a single load from the strip.
inline void make_strip(const uint8_t *image, ptrdiff_t row, int rows, uint8_t *strip) {
    const __m512i turn = _mm512_load_si512(kRegroup.from);
    for (ptrdiff_t x = 0; x < row; x += 8, strip += 64) {
        const auto load = [&](int y) {
            return _mm_loadl_epi64(reinterpret_cast<const __m128i *>(image + y * row + x));
        };
        __m512i square = _mm512_castsi128_si512(load(0));
        square = _mm512_maskz_mov_epi64(1, square);
#pragma GCC unroll 7
        for (int y = 1; y < 8; y++)
            if (y < rows)
                square =
                    _mm512_mask_broadcastq_epi64(square, static_cast<__mmask8>(1 << y), load(y));
        _mm512_storeu_si512(strip, _mm512_permutexvar_epi8(turn, square));
    }
}

// Sums of one position for 64 kernels; `index` and `weight` point to its first step.
template <int STEPS>
inline Sums patch_sums(const Layer &layer, __m512i patch, const uint8_t *index,
                       const int8_t *weight, const int32_t *add) {
    Sums sums = load_sums(add);
    const int steps = STEPS ? STEPS : layer.patch_steps;
    for (int step = 0; step < steps; step++)
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            const int at = (step * 4 + g) * 64;
            const __m512i taps = _mm512_permutexvar_epi8(_mm512_load_si512(index + at), patch);
            sums.group[g] =
                _mm512_dpbusd_epi32(sums.group[g], taps, _mm512_load_si512(weight + at));
        }
    return sums;
}

// STEPS and PLACES of the pooling window if known at compile time, else 0.
template <int STEPS, int PLACES>
inline void patch_row(const Layer &layer, const uint8_t *strip, uint8_t *out, ptrdiff_t out_col,
                      WinnerQueue &queue) {
    const int places = PLACES ? PLACES : layer.places(), blocks = layer.kernel_blocks();
    const int move = 8 * layer.pool_cols * layer.stride_cols * layer.in_channels;
    const int size = (STEPS ? STEPS : layer.patch_steps) * 256, cols = layer.out_cols;
    const __m128i shift = _mm_cvtsi32_si128(layer.shift);
    for (int x = 0; x < cols; x++, strip += move, out += out_col) {
        const __m512i patch = _mm512_loadu_si512(strip);
        const uint8_t *index = layer.patch_index;
        const int8_t *weight = layer.patch_weight;
        for (int block = 0; block < blocks; block++, weight += size) {
            const int32_t *add = layer.packed_add + block * kBlock;
            Sums best = patch_sums<STEPS>(layer, patch, index, weight, add);
            index += size;
#pragma GCC unroll 3
            for (int place = 1; place < places; place++, index += size)
                take_larger(best, patch_sums<STEPS>(layer, patch, index, weight, add));
            if (blocks == 1)
                queue.push(out, pack(best, shift));
            else
                _mm512_storeu_si512(out + block * kBlock, pack(best, shift));
        }
        if (blocks > 1)
            keep_winners(layer, out);
    }
}

inline void run_patch(const Layer &layer, const Call &call) {
    const ptrdiff_t down = layer.pool_rows * layer.stride_rows * call.in.row;
    const int rows = (layer.pool_rows - 1) * layer.stride_rows + layer.kernel_rows;
    WinnerQueue queue(layer.winners);
    const ptrdiff_t size = 8 * ((call.in.row + 7) / 8 * 8);
    uint8_t *strips = call.scratch->lists;
    for (int w = 0; w < call.samples; w++) {
        // All strips first: a load that spans two stores cannot be forwarded and waits for both.
        const uint8_t *image = call.in.at(0, 0, w);
        for (int y = 0; y < layer.out_rows; y++)
            make_strip(image + y * down, call.in.row, rows, strips + y * size);
        for (int y = 0; y < layer.out_rows; y++) {
            const uint8_t *strip = strips + y * size;
            uint8_t *out = call.out.at(y, 0, w);
            if (layer.patch_steps == 1 && layer.places() == 4)
                patch_row<1, 4>(layer, strip, out, call.out.col, queue);
            else
                patch_row<0, 0>(layer, strip, out, call.out.col, queue);
        }
    }
    queue.flush();
}
