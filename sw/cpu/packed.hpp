// Sums of 64 kernels to uint8 activations with AVX-512. Included like winners.hpp.

// The sums of 64 kernels in the order of Layer::packed_add.
struct Sums {
    __m512i group[4];
};

inline Sums load_sums(const int32_t *from) {
    Sums sums;
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        sums.group[g] = _mm512_loadu_si512(from + 16 * g);
    return sums;
}

inline void take_larger(Sums &best, const Sums &other) {
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        best.group[g] = _mm512_max_epi32(best.group[g], other.group[g]);
}

// Shift, clamp to 0..255 and bring into kernel order: both packs saturate.
inline __m512i pack(const Sums &sums, __m128i shift) {
    const __m512i low = _mm512_packs_epi32(_mm512_sra_epi32(sums.group[0], shift),
                                           _mm512_sra_epi32(sums.group[1], shift));
    const __m512i high = _mm512_packs_epi32(_mm512_sra_epi32(sums.group[2], shift),
                                            _mm512_sra_epi32(sums.group[3], shift));
    return _mm512_packus_epi16(low, high);
}

// Stores one pixel of a layer of a single block, winners only.
inline void store_winners(uint8_t *out, __m512i values, int k) {
    if (k != 0)
        values = _mm512_maskz_mov_epi8(select_values(values, k), values);
    _mm512_storeu_si512(out, values);
}
