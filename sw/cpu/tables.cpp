#include "tables.hpp"

#include <algorithm>

namespace twofold {

namespace {

// Weight of a kernel at (tap, channel); 0 for padding kernels and channels.
int8_t weight_at(const LayerDescription &from, int kernel, int tap, int channel) {
    if (kernel >= from.kernels || channel >= from.in_channels)
        return 0;
    const size_t taps = static_cast<size_t>(from.kernel_rows) * from.kernel_cols;
    return from.weight[(static_cast<size_t>(kernel) * from.in_channels + channel) * taps + tap];
}

// Kernel in lane `lane` of group `group` of block `block`; see Layer::packed_add.
int packed_kernel(int block, int group, int lane) {
    return block * kBlock + 16 * (lane / 4) + 4 * group + lane % 4;
}

} // namespace

void make_constants(const LayerDescription &from, PlannedLayer &to) {
    const size_t width = static_cast<size_t>(to.view.kernel_blocks()) * kBlock;
    to.add.assign(width, 0);
    std::copy(from.add, from.add + from.kernels, to.add.begin());
    to.view.add = to.add.data();
    if (from.mul) {
        to.mul.assign(width, 0);
        std::copy(from.mul, from.mul + from.kernels, to.mul.begin());
        to.view.mul = to.mul.data();
    }
    to.packed_add.resize(width);
    for (size_t i = 0; i < width; i++) {
        const int at = static_cast<int>(i);
        to.packed_add[i] = to.add[packed_kernel(at / kBlock, at % kBlock / 16, at % 16)];
    }
    to.view.packed_add = to.packed_add.data();
}

void make_rows(const LayerDescription &from, PlannedLayer &to, bool pairs) {
    const int taps = to.view.taps(), width = to.view.kernel_blocks() * kBlock;
    to.row_start.push_back(0);
    for (int tap = 0; tap < taps; tap++)
        for (int channel = 0; channel < from.in_channels; channel++) {
            for (int kernel = 0; kernel < from.kernels; kernel++) {
                const int8_t weight = weight_at(from, kernel, tap, channel);
                if (weight == 0)
                    continue;
                to.row_kernel.push_back(static_cast<uint16_t>(kernel));
                to.row_weight.push_back(weight);
            }
            to.row_start.push_back(static_cast<uint32_t>(to.row_weight.size()));
        }
    to.view.row_start = to.row_start.data();
    to.view.row_kernel = to.row_kernel.data();
    to.view.row_weight = to.row_weight.data();
    const size_t positions = static_cast<size_t>(to.view.positions());
    const bool small = pairs && positions * width <= (size_t{1} << 19);
    if (to.row_weight.size() < positions * width / (small ? 32 : 8))
        return; // one product at a time is faster
    to.dense_rows.assign(positions * width, 0);
    for (size_t row = 0; row < positions; row++)
        for (uint32_t at = to.row_start[row]; at < to.row_start[row + 1]; at++)
            to.dense_rows[row * width + to.row_kernel[at]] = to.row_weight[at];
    to.view.dense_rows = to.dense_rows.data();
}

void make_taps(const LayerDescription &from, PlannedLayer &to) {
    const int width = to.view.kernel_blocks() * kBlock;
    to.tap_start.push_back(0);
    for (int kernel = 0; kernel < width; kernel++) {
        for (int tap = 0; tap < to.view.taps(); tap++)
            for (int channel = 0; channel < from.in_channels; channel++) {
                const int8_t weight = weight_at(from, kernel, tap, channel);
                if (weight == 0)
                    continue;
                const int pixel = tap / from.kernel_cols * to.view.in_cols + tap % from.kernel_cols;
                to.tap_offset.push_back(pixel * from.in_channels + channel);
                to.tap_weight.push_back(weight);
            }
        to.tap_start.push_back(static_cast<uint32_t>(to.tap_weight.size()));
    }
    to.view.tap_start = to.tap_start.data();
    to.view.tap_offset = to.tap_offset.data();
    to.view.tap_weight = to.tap_weight.data();
}

void make_patches(const LayerDescription &from, PlannedLayer &to) {
    struct Tap {
        uint8_t at; // byte in the patch, at the first position of the pooling window
        int8_t weight;
    };
    const int width = to.view.kernel_blocks() * kBlock;
    std::vector<std::vector<Tap>> taps(static_cast<size_t>(width));
    size_t longest = 1;
    for (int kernel = 0; kernel < from.kernels; kernel++) {
        for (int tap = 0; tap < to.view.taps(); tap++)
            for (int channel = 0; channel < from.in_channels; channel++)
                if (const int8_t weight = weight_at(from, kernel, tap, channel)) {
                    const int y = tap / from.kernel_cols, x = tap % from.kernel_cols;
                    const int at = 8 * (x * from.in_channels + channel) + y;
                    taps[kernel].push_back({static_cast<uint8_t>(at), weight});
                }
        longest = std::max(longest, taps[kernel].size());
    }
    const int steps = static_cast<int>(longest + 3) / 4, places = to.view.places();
    for (int block = 0; block < width / kBlock; block++)
        for (int place = 0; place < places; place++) {
            const int y = place / from.pool_cols * from.stride_rows;
            const int x = place % from.pool_cols * from.stride_cols;
            const int corner = 8 * x * from.in_channels + y;
            for (int byte = 0; byte < steps * 256; byte++) {
                const int step = byte / 256, group = byte / 64 % 4, lane = byte / 4 % 16;
                const auto &list = taps[packed_kernel(block, group, lane)];
                const size_t at = static_cast<size_t>(4 * step + byte % 4);
                const Tap tap = at < list.size() ? list[at] : Tap{0, 0};
                to.patch_index.push_back(static_cast<uint8_t>(corner + tap.at));
                if (place == 0)
                    to.patch_weight.push_back(tap.weight);
            }
        }
    to.view.patch_steps = steps;
    to.view.patch_index = to.patch_index.data();
    to.view.patch_weight = to.patch_weight.data();
}

void make_lookups(const LayerDescription &from, PlannedLayer &to) {
    const int width = to.view.kernel_blocks() * kBlock;
    for (int lane = 0; lane < width; lane++) {
        const int kernel = packed_kernel(lane / kBlock, lane % kBlock / 16, lane % 16);
        for (int tap = 0; tap < to.view.taps(); tap++)
            for (int channel = 0; channel < kBlock; channel++)
                to.lookup_weight.push_back(weight_at(from, kernel, tap, channel));
    }
    to.view.lookup_weight = to.lookup_weight.data();
}

void make_sets(const LayerDescription &from, PlannedLayer &to) {
    const int sets = from.sets, blocks = blocks_of(sets), slots = (from.kernels + sets - 1) / sets;
    const size_t size = static_cast<size_t>(blocks) * 2 * kBlock;
    to.set_rows.assign(static_cast<size_t>(to.view.positions()) * size, 0);
    for (int kernel = 0; kernel < from.kernels; kernel++)
        for (int tap = 0; tap < to.view.taps(); tap++)
            for (int channel = 0; channel < from.in_channels; channel++)
                if (const int8_t weight = weight_at(from, kernel, tap, channel)) {
                    const int set = kernel % sets;
                    const size_t row = static_cast<size_t>(tap) * from.in_channels + channel;
                    int8_t *at = to.set_rows.data() + row * size + set / kBlock * 2 * kBlock;
                    at[set % kBlock] = weight;
                    at[kBlock + set % kBlock] = static_cast<int8_t>(kernel / sets);
                }
    for (int slot = 0; slot < slots; slot++)
        for (int lane = 0; lane < blocks * kBlock; lane++) {
            const int set = packed_kernel(lane / kBlock, lane % kBlock / 16, lane % 16);
            const int kernel = slot * sets + set;
            to.set_add.push_back(set < sets && kernel < from.kernels ? from.add[kernel] : 0);
        }
    to.view.set_rows = to.set_rows.data();
    to.view.set_add = to.set_add.data();
}

void make_tiles(const LayerDescription &from, PlannedLayer &to) {
    const int groups = 4 * to.view.kernel_blocks(), taps = to.view.taps();
    for (int group = 0; group < groups; group++)
        for (int tap = 0; tap < taps; tap++)
            for (int channel = 0; channel < to.view.channel_blocks() * kBlock; channel += 4)
                for (int byte = 0; byte < 64; byte++) {
                    const int kernel = packed_kernel(group / 4, group % 4, byte / 4);
                    to.tile_weight.push_back(weight_at(from, kernel, tap, channel + byte % 4));
                }
    to.view.tile_weight = to.tile_weight.data();
}

void make_units(const LayerDescription &from, PlannedLayer &to) {
    for (int kernel = 0; kernel < from.kernels; kernel++)
        for (int tap = 0; tap < to.view.taps(); tap++)
            for (int channel = 0; channel < to.view.channel_blocks() * kBlock; channel++)
                to.unit_weight.push_back(weight_at(from, kernel, tap, channel));
    to.view.unit_weight = to.unit_weight.data();
}

} // namespace twofold
