// Convolutions and linear layers on AMX: tiles of 16 items by 64 input channels meet tiles of 64
// input channels by 16 kernels. Zero activations and weights are multiplied as well; a tile does
// 16384 products in 16 cycles, which no use of their sparsity reaches.
//
// An item is a pixel of a word. The items of a tile lie at equal distances in memory: words side by
// side, then the columns of the input, so a full tile needs 16 words or neighbouring positions.
// Included like winners.hpp.

struct alignas(64) TileConfig {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

inline void configure_tiles() {
    TileConfig config = {};
    config.palette = 1;
    for (int t = 0; t < 8; t++) {
        config.bytes[t] = 64;
        config.rows[t] = 16;
    }
    asm volatile("" : : "r"(&config) : "memory"); // the intrinsic declares only its first bytes
    _tile_loadconfig(&config);
}

constexpr ptrdiff_t kTile = 1024;       // bytes of a tile
constexpr int kMostTiles = 64;          // in a group
constexpr int kGroupItems = 16 * kMostTiles;

// Output pixels that are computed together: where their tiles start, in items from the group's
// corner, and which row of the accumulators each position has.
struct Group {
    int tiles = 0, cols = 0; // cols: output columns, after pooling
    int start[kMostTiles];
    int item[kGroupItems];   // [output column][place in the pooling window][word]
};

// Plans groups of `cols` output columns; false when they need too many tiles.
inline bool plan_group(const Layer &layer, int words, int cols, Group &group) {
    const int pool = layer.pool, line = layer.in_cols * words;
    if (cols * pool * pool * words > kGroupItems)
        return false;
    group.tiles = 0;
    group.cols = cols;
    for (int y = 0; y < pool; y++)
        for (int x = 0; x < cols * pool; x++)
            for (int w = 0; w < words; w++) {
                const int at = y * layer.stride * line + x * layer.stride * words + w;
                if (group.tiles == 0 || at >= group.start[group.tiles - 1] + 16) {
                    if (group.tiles == kMostTiles)
                        return false;
                    group.start[group.tiles++] = at;
                }
                const int item = 16 * (group.tiles - 1) + at - group.start[group.tiles - 1];
                const int place = y * pool + x % pool;
                group.item[(x / pool * pool * pool + place) * words + w] = item;
            }
    return true;
}

// Sums of two (or one) tiles of items by 32 kernels into rows of 64 accumulators.
template <bool PAIR>
inline void multiply(const Layer &layer, const Plane &in, const uint8_t *first,
                     const uint8_t *second, const int8_t *weights, int32_t *acc, int32_t *acc2) {
    const int blocks = layer.channel_blocks();
    const ptrdiff_t next = static_cast<ptrdiff_t>(layer.taps()) * blocks * kTile;
    _tile_zero(0);
    _tile_zero(1);
    if (PAIR) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int y = 0; y < layer.kernel_rows; y++)
        for (int x = 0; x < layer.kernel_cols; x++)
            for (int block = 0; block < blocks; block++, weights += kTile) {
                const ptrdiff_t at = y * in.row + x * in.col + block * kBlock;
                _tile_loadd(6, weights, 64);
                _tile_loadd(4, first + at, in.word);
                _tile_dpbusd(0, 4, 6);
                _tile_loadd(7, weights + next, 64);
                _tile_dpbusd(1, 4, 7);
                if (PAIR) {
                    _tile_loadd(5, second + at, in.word);
                    _tile_dpbusd(2, 5, 6);
                    _tile_dpbusd(3, 5, 7);
                }
            }
    _tile_stored(0, acc, 256);
    _tile_stored(1, acc + 16, 256);
    if (PAIR) {
        _tile_stored(2, acc2, 256);
        _tile_stored(3, acc2 + 16, 256);
    }
}

// All sums of a group for one block of 64 kernels: acc[item][64].
inline void multiply_group(const Layer &layer, const Plane &in, const uint8_t *corner,
                           const Group &group, int block, int32_t *acc) {
    const ptrdiff_t size = static_cast<ptrdiff_t>(layer.taps()) * layer.channel_blocks() * kTile;
    for (int half = 0; half < 2; half++) {
        const int8_t *weights = layer.tile_weight + (4 * block + 2 * half) * size;
        for (int t = 0; t < group.tiles; t += 2) {
            const uint8_t *first = corner + group.start[t] * in.word;
            int32_t *sums = acc + t * 16 * kBlock + 32 * half;
            if (t + 1 < group.tiles)
                multiply<true>(layer, in, first, corner + group.start[t + 1] * in.word, weights,
                               sums, sums + 16 * kBlock);
            else
                multiply<false>(layer, in, first, first, weights, sums, sums);
        }
    }
}

// Pools, requantises and stores the sums of a group for one block of kernels.
inline void finish_group(const Layer &layer, const Call &call, const Group &group, int y, int x,
                         int block, const int32_t *acc, WinnerQueue &queue) {
    const __m128i shift = _mm_cvtsi32_si128(layer.shift);
    const Sums add = load_sums(layer.packed_add + block * kBlock);
    const int places = layer.pool * layer.pool, words = call.words;
    const bool single = layer.kernel_blocks() == 1;
    const int *item = group.item;
    for (int col = 0; col < group.cols; col++, item += places * words)
        for (int w = 0; w < words; w++) {
            Sums best = load_sums(acc + item[w] * kBlock);
            for (int place = 1; place < places; place++)
                take_larger(best, load_sums(acc + item[place * words + w] * kBlock));
#pragma GCC unroll 4
            for (int g = 0; g < 4; g++)
                best.group[g] = _mm512_add_epi32(best.group[g], add.group[g]);
            uint8_t *out = call.out.at(y, x + col, w);
            if (single)
                queue.push(out, pack(best, shift));
            else
                _mm512_storeu_si512(out + block * kBlock, pack(best, shift));
        }
}

inline void run_tiles(const Layer &layer, const Call &call) {
    const int blocks = layer.kernel_blocks(), step = layer.pool * layer.stride;
    Group group;
    int cols = call.words < 16 ? layer.out_cols : 1;
    while (!plan_group(layer, call.words, cols, group))
        cols = cols > 1 ? (cols + 1) / 2 : 1;
    WinnerQueue queue(layer.winners);
    configure_tiles();
    for (int y = 0; y < layer.out_rows; y++)
        for (int x = 0; x < layer.out_cols; x += cols) {
            if (x + cols > layer.out_cols) // the last group of a row may be narrower
                plan_group(layer, call.words, layer.out_cols - x, group);
            const uint8_t *corner = call.in.at(y * step, x * step, 0);
            for (int block = 0; block < blocks; block++) {
                multiply_group(layer, call.in, corner, group, block, call.scratch->acc);
                finish_group(layer, call, group, y, x, block, call.scratch->acc, queue);
            }
            if (group.cols != cols)
                plan_group(layer, call.words, cols, group);
        }
    _tile_release();
    queue.flush();
    if (blocks == 1)
        return;
    for (int y = 0; y < layer.out_rows; y++)
        for (int x = 0; x < layer.out_cols; x++)
            for (int w = 0; w < call.words; w++)
                keep_winners(layer, call.out.at(y, x, w));
}
