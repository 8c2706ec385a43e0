// Positions that are computed together, 16 items per tile, and how their sums are finished. Shared
// by `tiles` and `lookup`; included like winners.hpp.
//
// An item is a position of a sample. The items of a tile are equally spaced in the input: samples
// side by side, then the columns of the input; so a full tile needs 16 samples or neighbouring
// columns.

constexpr int kMostTiles = 32; // in a group
constexpr int kGroupItems = 16 * kMostTiles;

// Output pixels that are computed together: where their tiles start, in items from the group's
// corner, and the accumulator row of each position.
struct Group {
    int tiles = 0, rows = 0, cols = 0; // rows and columns of the output, after pooling
    int start[kMostTiles];
    int item[kGroupItems]; // [output row][output column][place in its pooling window][sample]
};

// Plans groups of rows x cols outputs; false if they need too many tiles.
inline bool plan_group(const Layer &layer, int samples, int rows, int cols, Group &group) {
    const int down = layer.pool_rows, across = layer.pool_cols;
    const int places = layer.places(), line = layer.in_cols * samples;
    if (rows * cols * places * samples > kGroupItems)
        return false;
    group.tiles = 0;
    group.rows = rows;
    group.cols = cols;
    for (int y = 0; y < rows * down; y++) {
        int *to = group.item + (y / down * cols * places + y % down * across) * samples;
        int at = y * layer.stride_rows * line;
        for (int col = 0; col < cols; col++, to += places * samples)
            for (int x = 0; x < across; x++, at += layer.stride_cols * samples)
                for (int w = 0; w < samples; w++) {
                    if (group.tiles == 0 || at + w >= group.start[group.tiles - 1] + 16) {
                        if (group.tiles == kMostTiles)
                            return false;
                        group.start[group.tiles++] = at + w;
                    }
                    const int tile = group.tiles - 1;
                    to[x * samples + w] = 16 * tile + at + w - group.start[tile];
                }
    }
    return true;
}

// Pools, requantises and stores the sums of a group for one block of kernels.
inline void finish_group(const Layer &layer, const Call &call, const Group &group, int y, int x,
                         int block, const int32_t *acc, WinnerQueue &queue) {
    const __m128i shift = _mm_cvtsi32_si128(layer.shift);
    const Sums add = load_sums(layer.packed_add + block * kBlock);
    const int places = layer.places(), samples = call.samples;
    const bool single = layer.kernel_blocks() == 1;
    const int *item = group.item;
    for (int row = 0; row < group.rows; row++)
        for (int col = 0; col < group.cols; col++, item += places * samples) {
            uint8_t *out = call.out.at(y + row, x + col, 0) + block * kBlock;
            for (int w = 0; w < samples; w++, out += call.out.sample) {
                Sums best = load_sums(acc + item[w] * kBlock);
                for (int place = 1; place < places; place++)
                    pool_sums(layer, best, load_sums(acc + item[place * samples + w] * kBlock));
#pragma GCC unroll 4
                for (int g = 0; g < 4; g++)
                    best.group[g] = _mm512_add_epi32(best.group[g], add.group[g]);
                if (single)
                    queue.push(out, pack(best, shift));
                else
                    _mm512_storeu_si512(out, pack(best, shift));
            }
        }
}

// Iterates over the output in groups: compute(group, corner_y, corner_x, block, acc) must leave the
// sums of a block of 64 kernels in acc[item][64], in packed order.
template <class Compute>
inline void run_groups(const Layer &layer, const Call &call, Compute compute) {
    const int blocks = layer.kernel_blocks();
    const int down = layer.pool_rows * layer.stride_rows;
    const int across = layer.pool_cols * layer.stride_cols;
    int32_t *acc = call.scratch->acc;
    WinnerQueue queue(layer.winners);
    Group group;
    const bool full = call.samples >= 16; // one position fills its tiles without neighbours
    int rows = full ? 1 : layer.out_rows, cols = full ? 1 : layer.out_cols;
    while (!plan_group(layer, call.samples, rows, cols, group))
        (rows > 1 ? rows : cols) = ((rows > 1 ? rows : cols) + 1) / 2;
    for (int y = 0; y < layer.out_rows; y += rows)
        for (int x = 0; x < layer.out_cols; x += cols) {
            const int high = layer.out_rows - y < rows ? layer.out_rows - y : rows;
            const int wide = layer.out_cols - x < cols ? layer.out_cols - x : cols;
            if (high != group.rows || wide != group.cols)
                plan_group(layer, call.samples, high, wide, group);
            for (int block = 0; block < blocks; block++) {
                compute(group, y * down, x * across, block, acc);
                finish_group(layer, call, group, y, x, block, acc, queue);
            }
        }
    queue.flush();
    if (blocks == 1)
        return;
    for (int y = 0; y < layer.out_rows; y++)
        for (int x = 0; x < layer.out_cols; x++)
            for (int w = 0; w < call.samples; w++)
                keep_winners(layer, call.out.at(y, x, w));
}
