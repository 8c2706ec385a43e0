// Requantises the sums of 64 kernels to uint8 activations with AVX-512. Included like winners.hpp.

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

inline void pool_sums(const Layer &layer, Sums &best, const Sums &other) {
    with_rule(layer.pooling, [&](auto rule) {
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++)
            best.group[g] = rule(best.group[g], other.group[g]);
    });
}

// Shifts, clamps to 0..255 (both packs saturate) and restores kernel order.
inline __m512i pack(const Sums &sums, __m128i shift) {
    const __m512i low = _mm512_packs_epi32(_mm512_sra_epi32(sums.group[0], shift),
                                           _mm512_sra_epi32(sums.group[1], shift));
    const __m512i high = _mm512_packs_epi32(_mm512_sra_epi32(sums.group[2], shift),
                                            _mm512_sra_epi32(sums.group[3], shift));
    return _mm512_packus_epi16(low, high);
}

// Byte 8 q + b goes to 8 b + q.
struct Regroup {
    alignas(64) uint8_t from[64] = {};
    constexpr Regroup() {
        for (int i = 0; i < 64; i++)
            from[i] = static_cast<uint8_t>(i % 8 * 8 + i / 8);
    }
};

constexpr Regroup kRegroup;
constexpr int64_t kDiagonal = static_cast<int64_t>(0x8040201008040201);

// Selects the winners of pixels with 64 channels, eight pixels at a time: bit planes of all values,
// then the radix selection of winners.hpp with one pixel per 64-bit lane.
class WinnerQueue {
public:
    explicit WinnerQueue(int k) : k_(k) {}

    // Stores the values of a pixel; its losers are set to 0 at the latest by `flush`.
    void push(uint8_t *out, __m512i values) {
        _mm512_storeu_si512(out, values);
        if (k_ == 0)
            return;
        pixel_[count_++] = out;
        if (count_ == 8)
            flush();
    }

    // Finishes the pixels still in the queue.
    void flush() {
        if (count_ == 0)
            return;
        for (int i = count_; i < 8; i++)
            pixel_[i] = pixel_[0];
        count_ = 0;
        __m512i plane[8];
        load_planes(plane);
        select(plane);
    }

private:
    // plane[b]: bit b of the 64 values of each pixel, the bits of each byte in reverse order.
    void load_planes(__m512i *plane) const {
        const __m512i identity = _mm512_set1_epi64(kDiagonal);
        const __m512i regroup = _mm512_load_si512(kRegroup.from);
        __m512i row[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) { // transposes the bits of every eight values
            const __m512i values = _mm512_loadu_si512(pixel_[i]);
            row[i] = _mm512_permutexvar_epi8(regroup,
                                             _mm512_gf2p8affine_epi64_epi8(identity, values, 0));
        }
        transpose(row, plane);
    }

    // Transposes 8 x 8 lanes of 64 bits.
    static void transpose(const __m512i *row, __m512i *col) {
        __m512i pair[8], quad[8];
#pragma GCC unroll 4
        for (int i = 0; i < 8; i += 2) {
            pair[i] = _mm512_unpacklo_epi64(row[i], row[i + 1]);
            pair[i + 1] = _mm512_unpackhi_epi64(row[i], row[i + 1]);
        }
#pragma GCC unroll 2
        for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
            for (int j = 0; j < 2; j++) { // lanes 0, 2 and 1, 3 of both
                quad[i + j] = _mm512_shuffle_i64x2(pair[i + j], pair[i + j + 2], 0x88);
                quad[i + j + 2] = _mm512_shuffle_i64x2(pair[i + j], pair[i + j + 2], 0xdd);
            }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            col[j] = _mm512_shuffle_i64x2(quad[j], quad[j + 4], 0x88);
            col[j + 4] = _mm512_shuffle_i64x2(quad[j], quad[j + 4], 0xdd);
        }
    }

    void select(const __m512i *plane) const {
        __m512i open = _mm512_set1_epi64(-1), chosen = _mm512_setzero_si512();
        __m512i wanted = _mm512_set1_epi64(k_);
#pragma GCC unroll 8
        for (int b = 7; b >= 0; b--) {
            const __m512i set = _mm512_and_si512(open, plane[b]);
            const __m512i count = _mm512_popcnt_epi64(set);
            const __mmask8 few = _mm512_cmplt_epi64_mask(count, wanted);
            chosen = _mm512_mask_or_epi64(chosen, few, chosen, set);
            wanted = _mm512_mask_sub_epi64(wanted, few, wanted, count);
            open = _mm512_mask_xor_epi64(set, few, open, set);
        }
        const __m512i reverse = _mm512_set1_epi64(kDiagonal);
        alignas(64) uint64_t first[8], tied[8], left[8];
        _mm512_store_si512(first, _mm512_gf2p8affine_epi64_epi8(chosen, reverse, 0));
        _mm512_store_si512(tied, _mm512_gf2p8affine_epi64_epi8(open, reverse, 0));
        _mm512_store_si512(left, wanted);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            const uint64_t mask = first[i] | lowest_bits(tied[i], static_cast<int>(left[i]));
            const __m512i values = _mm512_loadu_si512(pixel_[i]);
            _mm512_storeu_si512(pixel_[i], _mm512_maskz_mov_epi8(mask, values));
        }
    }

    const int k_;
    int count_ = 0;
    uint8_t *pixel_[8];
};
