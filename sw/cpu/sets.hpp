// Linear layers with complementary sets whose inputs are winners, with AVX-512 VBMI2 and VNNI: uses
// both weight and activation sparsity. A set has at most one weight at an input position, so the
// row of a winner is a weight and a slot (the index of the weight's kernel in its set) per set, one
// lane each. Four rows are interleaved once; then each slot selects its own weights, multiplies
// them by the four values and adds them up in one instruction. Included like winners.hpp.

constexpr int kMostSlots = 13; // slots whose sums fit in the registers at a time

// The winners of the whole input of a sample: rows of the table and values, padded to groups of
// four with values of 0.
struct Winners {
    uint16_t *row;
    uint8_t *value;
    int groups;
};

inline Winners list_winners(const Layer &layer, const Plane &in, int w, const Scratch &scratch) {
    const size_t most = static_cast<size_t>(layer.positions()) + 2 * kBlock;
    Winners found = {reinterpret_cast<uint16_t *>(scratch.lists), scratch.lists + 2 * most, 0};
    const __m512i low = _mm512_cvtepi8_epi16(
        _mm256_load_si256(reinterpret_cast<const __m256i *>(kChannels.channel)));
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(32));
    int count = 0, first = 0;
    for (int y = 0; y < layer.in_rows; y++)
        for (int x = 0; x < layer.in_cols; x++, first += layer.in_channels) {
            const uint8_t *values = in.at(y, x, w);
            for (int c = 0; c < layer.in_channels; c += kBlock) {
                const __m512i all = _mm512_loadu_si512(values + c);
                const uint64_t active = _mm512_test_epi8_mask(all, all);
                const __m512i base = _mm512_set1_epi16(static_cast<int16_t>(first + c));
                const auto half = static_cast<__mmask32>(active);
                const int middle = count + __builtin_popcount(half);
                _mm512_storeu_si512(found.value + count, _mm512_maskz_compress_epi8(active, all));
                _mm512_storeu_si512(found.row + count,
                                    _mm512_maskz_compress_epi16(half, _mm512_add_epi16(base, low)));
                _mm512_storeu_si512(found.row + middle, _mm512_maskz_compress_epi16(
                                                            static_cast<__mmask32>(active >> 32),
                                                            _mm512_add_epi16(base, high)));
                count += __builtin_popcountll(active);
            }
        }
    for (int i = 0; i < 4; i++) {
        found.row[count + i] = 0;
        found.value[count + i] = 0;
    }
    found.groups = (count + 3) / 4;
    return found;
}

// Interleaves four rows of 64 bytes into dwords; part g holds the sets of packed group g.
inline void interleave(const int8_t *const *row, size_t at, __m512i *part) {
    __m512i a[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        a[i] = _mm512_load_si512(row[i] + at);
    const __m512i low = _mm512_unpacklo_epi8(a[0], a[1]), low2 = _mm512_unpacklo_epi8(a[2], a[3]);
    const __m512i high = _mm512_unpackhi_epi8(a[0], a[1]), high2 = _mm512_unpackhi_epi8(a[2], a[3]);
    part[0] = _mm512_unpacklo_epi16(low, low2);
    part[1] = _mm512_unpackhi_epi16(low, low2);
    part[2] = _mm512_unpacklo_epi16(high, high2);
    part[3] = _mm512_unpackhi_epi16(high, high2);
}

// Rows of the winners for 64 sets: [packed group][winners / 4][weights, slots].
inline void interleave_rows(const Layer &layer, const Winners &winners, int block, __m512i *rows) {
    const size_t size = static_cast<size_t>(blocks_of(layer.sets)) * 2 * kBlock;
    const size_t at = static_cast<size_t>(block) * 2 * kBlock;
    for (int n = 0; n < winners.groups; n++) {
        const int8_t *row[4];
        __m512i weights[4], slots[4];
        for (int i = 0; i < 4; i++)
            row[i] = layer.set_rows + winners.row[4 * n + i] * size;
        interleave(row, at, weights);
        interleave(row, at + kBlock, slots);
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            rows[2 * (g * winners.groups + n)] = weights[g];
            rows[2 * (g * winners.groups + n) + 1] = slots[g];
        }
    }
}

// Sums of SLOTS slots, starting at `slot`, for 16 sets.
template <int SLOTS>
inline void add_slots(const __m512i *rows, const uint8_t *values, int groups, int slot,
                      int32_t *sums) {
    __m512i sum[SLOTS], number[SLOTS];
#pragma GCC unroll 16
    for (int i = 0; i < SLOTS; i++) {
        sum[i] = _mm512_setzero_si512();
        number[i] = _mm512_set1_epi8(static_cast<char>(slot + i));
    }
    for (int n = 0; n < groups; n++) {
        int32_t four;
        __builtin_memcpy(&four, values + 4 * n, 4);
        const __m512i weights = _mm512_load_si512(rows + 2 * n);
        const __m512i slots = _mm512_load_si512(rows + 2 * n + 1), value = _mm512_set1_epi32(four);
#pragma GCC unroll 16
        for (int i = 0; i < SLOTS; i++) {
            const __mmask64 mine = _mm512_cmpeq_epi8_mask(slots, number[i]);
            sum[i] = _mm512_dpbusd_epi32(sum[i], value, _mm512_maskz_mov_epi8(mine, weights));
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < SLOTS; i++)
        _mm512_storeu_si512(sums + i * kBlock, sum[i]);
}

using AddSlots = void (*)(const __m512i *, const uint8_t *, int, int, int32_t *);

constexpr AddSlots kAddSlots[kMostSlots + 1] = {
    nullptr,       add_slots<1>,  add_slots<2>,  add_slots<3>,  add_slots<4>,
    add_slots<5>,  add_slots<6>,  add_slots<7>,  add_slots<8>,  add_slots<9>,
    add_slots<10>, add_slots<11>, add_slots<12>, add_slots<13>,
};

// Requantises one slot of 64 sets. Kernels are ordered by slot, so the bytes after the last set
// belong to the next slot, which is stored later.
inline void store_slot(const Layer &layer, const int32_t *sums, int slot, int block, uint8_t *out) {
    const int at = slot * layer.sets + block * kBlock;
    Sums total = load_sums(sums);
    const Sums add = load_sums(layer.set_add + (slot * blocks_of(layer.sets) + block) * kBlock);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        total.group[g] = _mm512_add_epi32(total.group[g], add.group[g]);
    const __m512i values = pack(total, _mm_cvtsi32_si128(layer.shift));
    const int left = layer.sets - block * kBlock, room = layer.kernels - at;
    const int count = left < room ? left : room;
    const __mmask64 here =
        count >= 64 ? ~uint64_t{0} : (uint64_t{1} << (count > 0 ? count : 0)) - 1;
    _mm512_mask_storeu_epi8(out + at, here, values);
}

inline void run_sets(const Layer &layer, const Call &call) {
    const int slots = (layer.kernels + layer.sets - 1) / layer.sets;
    const int rounds = (slots + kMostSlots - 1) / kMostSlots, most = (slots + rounds - 1) / rounds;
    int32_t *sums = call.scratch->acc; // [slot][64 sets]
    auto *rows = reinterpret_cast<__m512i *>(sums + static_cast<ptrdiff_t>(slots) * kBlock);
    for (int w = 0; w < call.samples; w++) {
        const Winners winners = list_winners(layer, call.in, w, *call.scratch);
        uint8_t *out = call.out.at(0, 0, w);
        for (int block = 0; block < blocks_of(layer.sets); block++) {
            interleave_rows(layer, winners, block, rows);
            for (int g = 0; g < 4; g++)
                for (int slot = 0; slot < slots; slot += most) {
                    const int count = slots - slot < most ? slots - slot : most;
                    kAddSlots[count](rows + 2 * g * winners.groups, winners.value, winners.groups,
                                     slot, sums + slot * kBlock + 16 * g);
                }
            for (int slot = 0; slot < slots; slot++)
                store_slot(layer, sums + slot * kBlock, slot, block, out);
        }
        for (int i = layer.kernels; i < layer.kernel_blocks() * kBlock; i++)
            out[i] = 0;
        keep_winners(layer, out);
    }
}
