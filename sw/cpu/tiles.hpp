// Convolutions and linear layers on AMX: tiles of 16 items by 64 input channels meet tiles of 64
// input channels by 16 kernels. Zero activations and weights are multiplied as well; a tile does
// 16384 products in 16 cycles, which no use of their sparsity reaches.
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
                _tile_loadd(4, first + at, in.word);
                if (PAIR)
                    _tile_loadd(5, second + at, in.word);
                _tile_loadd(6, weights, 64);
                _tile_loadd(7, weights + next, 64);
                _tile_dpbusd(0, 4, 6);
                _tile_dpbusd(1, 4, 7);
                if (PAIR) {
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

inline void run_tiles(const Layer &layer, const Call &call) {
    configure_tiles();
    run_groups(layer, call, [&](const Group &group, int y, int x, int block, int32_t *acc) {
        multiply_group(layer, call.in, call.in.at(y, x, 0), group, block, acc);
    });
    _tile_release();
}
