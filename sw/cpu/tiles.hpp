// Convolutions and linear layers on AMX: tiles of 16 items by 64 input channels are multiplied with
// tiles of 64 input channels by 16 kernels. Zero activations and weights are multiplied as well: a
// tile does 16384 products in 16 cycles, which exploiting the sparsity cannot match.
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
    asm volatile("" : : "r"(&config) : "memory"); // the intrinsic declares only the first bytes
    _tile_loadconfig(&config);
}

constexpr ptrdiff_t kTile = 1024;            // bytes of a tile
constexpr ptrdiff_t kTileSums = 16 * kBlock; // accumulators of a tile of items

// Calls step(input offset, weights) for every tap and block of channels.
template <class Step>
inline void walk(const Layer &layer, const Plane &in, const int8_t *weights, Step step) {
    const int blocks = layer.channel_blocks();
    for (int y = 0; y < layer.kernel_rows; y++)
        for (int x = 0; x < layer.kernel_cols; x++)
            for (int block = 0; block < blocks; block++, weights += kTile)
                step(y * in.row + x * in.col + block * kBlock, weights);
}

// Sums of four tiles of items by 16 kernels. Tiles 0 to 3 always hold the sums; weights that are
// read more than once come from the L1 cache, so fewer reads of weights are faster.
inline void multiply_four(const Layer &layer, const Plane &in, const uint8_t *const *item,
                          const int8_t *weights, int32_t *acc) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    walk(layer, in, weights, [&](ptrdiff_t at, const int8_t *tile) {
        _tile_loadd(7, tile, 64);
        _tile_loadd(4, item[0] + at, in.sample);
        _tile_loadd(5, item[1] + at, in.sample);
        _tile_loadd(6, item[2] + at, in.sample);
        _tile_dpbusd(0, 4, 7);
        _tile_loadd(4, item[3] + at, in.sample);
        _tile_dpbusd(1, 5, 7);
        _tile_dpbusd(2, 6, 7);
        _tile_dpbusd(3, 4, 7);
    });
    _tile_stored(0, acc, 256);
    _tile_stored(1, acc + kTileSums, 256);
    _tile_stored(2, acc + 2 * kTileSums, 256);
    _tile_stored(3, acc + 3 * kTileSums, 256);
}

// Sums of two tiles of items by 32 kernels; `next` is the distance to the weights of the next 16.
inline void multiply_two(const Layer &layer, const Plane &in, const uint8_t *const *item,
                         const int8_t *weights, ptrdiff_t next, int32_t *acc) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    walk(layer, in, weights, [&](ptrdiff_t at, const int8_t *tile) {
        _tile_loadd(4, item[0] + at, in.sample);
        _tile_loadd(5, item[1] + at, in.sample);
        _tile_loadd(6, tile, 64);
        _tile_loadd(7, tile + next, 64);
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    });
    _tile_stored(0, acc, 256);
    _tile_stored(1, acc + 16, 256);
    _tile_stored(2, acc + kTileSums, 256);
    _tile_stored(3, acc + kTileSums + 16, 256);
}

// Sums of one tile of items by 64 kernels.
inline void multiply_one(const Layer &layer, const Plane &in, const uint8_t *item,
                         const int8_t *weights, ptrdiff_t next, int32_t *acc) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    walk(layer, in, weights, [&](ptrdiff_t at, const int8_t *tile) {
        _tile_loadd(4, item + at, in.sample);
        _tile_loadd(5, tile, 64);
        _tile_loadd(6, tile + next, 64);
        _tile_loadd(7, tile + 2 * next, 64);
        _tile_dpbusd(0, 4, 5);
        _tile_loadd(5, tile + 3 * next, 64);
        _tile_dpbusd(1, 4, 6);
        _tile_dpbusd(2, 4, 7);
        _tile_dpbusd(3, 4, 5);
    });
    _tile_stored(0, acc, 256);
    _tile_stored(1, acc + 16, 256);
    _tile_stored(2, acc + 32, 256);
    _tile_stored(3, acc + 48, 256);
}

// All sums of a group for one block of 64 kernels: acc[item][64].
inline void multiply_group(const Layer &layer, const Plane &in, const uint8_t *corner,
                           const Group &group, int block, int32_t *acc) {
    const ptrdiff_t next = static_cast<ptrdiff_t>(layer.taps()) * layer.channel_blocks() * kTile;
    const int8_t *weights = layer.tile_weight + 4 * block * next;
    const uint8_t *item[kMostTiles];
    for (int t = 0; t < group.tiles; t++)
        item[t] = corner + group.start[t] * in.sample;
    // The items of a linear layer do not fit in the L1 cache: use as many of them as of weights.
    const int fours = layer.out_rows * layer.out_cols == 1 ? 0 : group.tiles / 4 * 4,
              twos = fours + (group.tiles - fours) / 2 * 2;
    for (int g = 0; g < 4; g++)
        for (int t = 0; t < fours; t += 4)
            multiply_four(layer, in, item + t, weights + g * next, acc + t * kTileSums + 16 * g);
    for (int g = 0; g < 4; g += 2)
        for (int t = fours; t < twos; t += 2)
            multiply_two(layer, in, item + t, weights + g * next, next,
                         acc + t * kTileSums + 16 * g);
    if (twos < group.tiles)
        multiply_one(layer, in, item[twos], weights, next, acc + twos * kTileSums);
}

inline void run_tiles(const Layer &layer, const Call &call) {
    configure_tiles();
    run_groups(layer, call, [&](const Group &group, int y, int x, int block, int32_t *acc) {
        multiply_group(layer, call.in, call.in.at(y, x, 0), group, block, acc);
    });
    _tile_release();
}
