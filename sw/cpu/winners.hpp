// Requantisation and k-winners of one pixel. Included by each instruction set's source file inside
// an anonymous namespace, after <cstdint> and layer.hpp; LEVEL says which instructions may be used.

#if LEVEL >= 512
using Values = __m512i; // 64 values
inline Values load_values(const uint8_t *values) {
    return _mm512_loadu_si512(values);
}
#else
using Values = const uint8_t *;
inline Values load_values(const uint8_t *values) {
    return values;
}
#endif

// Bit planes of 64 values: bit i of plane[b] is bit b of value i.
inline void bit_planes(Values values, uint64_t *plane) {
#if LEVEL >= 512
#pragma GCC unroll 8
    for (int b = 0; b < 8; b++)
        plane[b] = _mm512_test_epi8_mask(values, _mm512_set1_epi8(static_cast<char>(1 << b)));
#elif LEVEL >= 2
    __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(values));
    __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(values + 32));
    for (int b = 7; b >= 0; b--) {
        plane[b] = static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
                   static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
        low = _mm256_add_epi8(low, low);
        high = _mm256_add_epi8(high, high);
    }
#else
    for (int b = 0; b < 8; b++)
        plane[b] = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t eight = 0;
        for (int j = 0; j < 8; j++)
            eight |= static_cast<uint64_t>(values[8 * i + j]) << (8 * j);
        for (int b = 0; b < 8; b++) // the product gathers the eight lowest bits in the top byte
            plane[b] |= ((eight >> b & 0x0101010101010101) * 0x0102040810204080 >> 56) << (8 * i);
    }
#endif
}

// The `count` lowest set bits of `bits`; count <= 63 or the number of set bits.
inline uint64_t lowest_bits(uint64_t bits, int count) {
#if LEVEL >= 2
    return _pdep_u64((uint64_t{1} << count) - 1, bits);
#else
    uint64_t chosen = 0;
    for (; count > 0; count--) {
        chosen |= bits & (~bits + 1);
        bits &= bits - 1;
    }
    return chosen;
#endif
}

// Mask of the k largest of 64 values, ties to the lower index. A radix selection from the top bit
// down: `open` marks the values that equal the k-th largest in the bits seen so far. 1 <= k < 64.
inline uint64_t select_values(Values values, int k) {
    uint64_t plane[8];
    bit_planes(values, plane);
    uint64_t open = ~uint64_t{0}, chosen = 0;
#pragma GCC unroll 8
    for (int b = 7; b >= 0; b--) {
        const uint64_t set = open & plane[b];
        const int64_t count = __builtin_popcountll(set);
        const int64_t few = (count - k) >> 63; // all ones if there are not enough; branch-free
        chosen |= set & few;
        k -= static_cast<int>(count & few);
        open = (open & few) ^ set;
    }
    return chosen | lowest_bits(open, k);
}

// The same over several blocks, k < 64 * blocks; `mask` gets one word per block.
inline void select_blocks(const uint8_t *values, int blocks, int k, uint64_t *mask) {
    uint64_t plane[kMaxBlocks][8], open[kMaxBlocks];
    for (int i = 0; i < blocks; i++) {
        bit_planes(load_values(values + kBlock * i), plane[i]);
        open[i] = ~uint64_t{0};
        mask[i] = 0;
    }
    for (int b = 7; b >= 0; b--) {
        int count = 0;
        for (int i = 0; i < blocks; i++)
            count += __builtin_popcountll(open[i] & plane[i][b]);
        const uint64_t few = count >= k ? 0 : ~uint64_t{0};
        k -= count & static_cast<int>(few);
        for (int i = 0; i < blocks; i++) {
            const uint64_t set = open[i] & plane[i][b];
            mask[i] |= set & few;
            open[i] = (open[i] & few) ^ set;
        }
    }
    for (int i = 0; i < blocks && k > 0; i++) {
        const int count = __builtin_popcountll(open[i]);
        mask[i] |= count <= k ? open[i] : lowest_bits(open[i], k);
        k -= count;
    }
}

// Sets the values outside `mask` to 0.
inline void keep(uint8_t *values, uint64_t mask) {
#if LEVEL >= 512
    _mm512_storeu_si512(values, _mm512_maskz_loadu_epi8(mask, values));
#elif LEVEL >= 2
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                            0x0303030303030303); // byte of the mask per value
    const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    for (int half = 0; half < 2; half++) {
        auto *at = reinterpret_cast<__m256i *>(values + 32 * half);
        const __m256i all = _mm256_set1_epi32(static_cast<int>(mask >> (32 * half)));
        const __m256i own = _mm256_and_si256(_mm256_shuffle_epi8(all, byte), bit);
        const __m256i kept = _mm256_cmpeq_epi8(own, bit);
        _mm256_storeu_si256(at, _mm256_and_si256(kept, _mm256_loadu_si256(at)));
    }
#else
    for (int i = 0; i < kBlock; i++)
        values[i] &= static_cast<uint8_t>(-static_cast<int>(mask >> i & 1));
#endif
}

// Keeps the layer's winners among the channels of one pixel, stored in whole blocks. Padding
// channels hold 0 and come last, so they never win over a real one.
inline void keep_winners(const Layer &layer, uint8_t *values) {
    if (layer.winners == 0)
        return;
    const int blocks = layer.kernel_blocks();
    if (blocks == 1) {
        keep(values, select_values(load_values(values), layer.winners));
        return;
    }
    uint64_t mask[kMaxBlocks];
    select_blocks(values, blocks, layer.winners, mask);
    for (int i = 0; i < blocks; i++)
        keep(values + kBlock * i, mask[i]);
}

// clamp((acc + add) >> shift, 0, 255) of `count` channels, if nothing needs more than 32 bits.
inline void requantise(const int32_t *__restrict acc, const int32_t *__restrict add, int shift,
                       int count, uint8_t *__restrict out) {
    for (int i = 0; i < count; i++) {
        const int32_t value = (acc[i] + add[i]) >> shift;
        const int32_t low = value < 0 ? 0 : value;
        out[i] = static_cast<uint8_t>(low > 255 ? 255 : low);
    }
}

// Converts accumulators (whole blocks) to uint8 activations, then keeps the winners.
inline void finish(const Layer &layer, const int32_t *acc, uint8_t *out) {
    const int count = layer.kernel_blocks() * kBlock;
    if (layer.narrow) {
        requantise(acc, layer.add, layer.shift, count, out);
    } else {
        for (int i = 0; i < count; i++) {
            const int64_t scaled = layer.mul ? int64_t{acc[i]} * layer.mul[i] : acc[i];
            const int64_t value = (scaled + layer.add[i]) >> layer.shift;
            out[i] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
    keep_winners(layer, out);
}
