#include "worker.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace twofold {

namespace {

constexpr size_t kSlack = 4096;            // kernels may read whole tiles past the last pixel
constexpr size_t kGroupAcc = 32 * 16 * 64; // accumulators of a group of tiles

int samples_of(const PlannedLayer &layer) {
    return layer.linear ? kChunkSamples : kBlockSamples;
}

// Bytes of an input pixel: the network's input is unpadded, activations are in whole blocks.
size_t pixel_bytes(const PlannedLayer &layer, size_t index) {
    return static_cast<size_t>(index == 0 ? layer.view.in_channels
                                          : layer.view.channel_blocks() * kBlock);
}

// CPU time of this thread: other programs do not count.
int64_t thread_nanoseconds() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

} // namespace

Worker::Worker(const Layers &layers) : nanoseconds(layers.size(), 0), layers_(layers) {
    size_t acc = kGroupAcc, pixels = 0, entries = 0, wide = 0, lists = 0;
    for (size_t i = 0; i < layers.size(); i++) {
        const PlannedLayer &layer = *layers[i];
        const Layer &view = layer.view;
        const size_t count = static_cast<size_t>(view.in_rows) * view.in_cols;
        const size_t width = static_cast<size_t>(view.kernel_blocks()) * kBlock;
        const size_t row = static_cast<size_t>(view.out_cols) * view.pool_cols + 16;
        convolutions_ += !layer.linear;
        pixels = std::max(pixels, count);
        entries = std::max(entries, count * view.in_channels);
        wide = std::max(wide, (count + 32 * view.stride_cols) * view.in_channels);
        if (view.patch_index)
            lists = std::max(lists, 8 * (static_cast<size_t>(view.in_cols) * view.in_channels + 7) *
                                        view.out_rows);
        if (view.lookup_weight)
            lists = std::max(lists, (count * samples_of(layer) + 16) * 2 * kBlock);
        if (view.set_rows) {
            lists = std::max(lists, 3 * (count * view.in_channels + 2 * kBlock));
            const size_t slots = static_cast<size_t>(view.kernels / view.sets + 1);
            acc = std::max(acc, slots * kBlock + (count * view.in_channels + 4) / 4 * 8 * 16);
        }
        acc = std::max({acc, 2 * width, (view.out_cols + 1) * width + 2 * row,
                        row * view.pool_rows * kBlockSamples * kBlock});
        targets_.emplace_back();
        if (layer.source >= 0)
            targets_[layer.source].push_back({i, 0});
        if (layer.other >= 0)
            targets_[layer.other].push_back({i, 1});
        inputs_.emplace_back(count * samples_of(layer) * pixel_bytes(layer, i) + kSlack);
    }
    acc_.resize(acc);
    counts_.resize(pixels);
    entries_.resize(entries);
    wide_.resize(wide + kBlock);
    lists_.resize(lists + kSlack);
    scratch_ = {acc_.data(), entries_.data(), counts_.data(), lists_.data(), wide_.data()};
}

// Samples are side by side, so that a tile can load them; but the kernels of first layers need the
// input of each sample to be contiguous.
Plane Worker::input_of(size_t index, int samples) {
    const PlannedLayer &layer = *layers_[index];
    const ptrdiff_t bytes = static_cast<ptrdiff_t>(pixel_bytes(layer, index));
    const ptrdiff_t cols = layer.view.in_cols, rows = layer.view.in_rows;
    if (index == 0)
        return {inputs_[index].data(), cols * bytes, bytes, rows * cols * bytes};
    return {inputs_[index].data(), cols * samples * bytes, samples * bytes, bytes};
}

// The same plane without the padding.
Plane Worker::inner(size_t index, Plane plane) const {
    plane.data = plane.at(layers_[index]->padding.top, layers_[index]->padding.left, 0);
    return plane;
}

void Worker::load_inputs(const uint8_t *inputs, int samples) {
    const PlannedLayer &layer = *layers_[0];
    const int channels = layer.view.in_channels, rows = layer.rows(), cols = layer.cols();
    if (layer.padding.any())
        std::fill(inputs_[0].begin(), inputs_[0].end(), static_cast<uint8_t>(layer.zero));
    const Plane to = inner(0, input_of(0, samples));
    for (int w = 0; w < samples; w++)
        for (int c = 0; c < channels; c++)
            for (int y = 0; y < rows; y++, inputs += cols) {
                uint8_t *row = to.at(y, 0, w) + c;
                if (channels == 1)
                    std::memcpy(row, inputs, static_cast<size_t>(cols));
                else
                    for (int x = 0; x < cols; x++)
                        row[x * channels] = inputs[x];
            }
}

void Worker::run_layer(size_t index, const Call &call) {
    const PlannedLayer &layer = *layers_[index];
    const Run run = call.samples < kFewSamples && layer.few ? layer.few : layer.run;
    if (!timed)
        return run(layer.view, call);
    const int64_t start = thread_nanoseconds();
    run(layer.view, call);
    nanoseconds[index] += thread_nanoseconds() - start;
}

// Where a block of samples goes in the input of a reader: samples from `first` on of a chunk, if
// that is a linear layer. The rows of the layers that are added take turns.
Plane Worker::plane_of(const Target &target, int first, int samples, int chunk) {
    const PlannedLayer &reader = *layers_[target.reader];
    Plane plane = inner(target.reader, input_of(target.reader, reader.linear ? chunk : samples));
    if (reader.linear)
        plane.data += first * plane.sample;
    if (reader.other >= 0) {
        plane.data += target.side * plane.row;
        plane.row *= 2;
    }
    return plane;
}

// Copies the output of a layer from the input of one reader to that of another.
void Worker::copy(size_t index, const Plane &from, const Plane &to, int samples) {
    const Layer &view = layers_[index]->view;
    const size_t bytes = static_cast<size_t>(view.kernel_blocks()) * kBlock;
    for (int y = 0; y < view.out_rows; y++)
        for (int x = 0; x < view.out_cols; x++)
            for (int w = 0; w < samples; w++)
                std::memcpy(to.at(y, x, w), from.at(y, x, w), bytes);
}

// Runs a block of samples through the convolutions, up to the input of the first linear layer,
// where they become the samples from `first` on of a chunk.
void Worker::run_convolutions(const uint8_t *inputs, int first, int samples, int chunk) {
    load_inputs(inputs, samples);
    for (size_t i = 0; i < convolutions_; i++) {
        for (const Target &target : targets_[i])
            if (layers_[target.reader]->padding.any())
                std::fill(inputs_[target.reader].begin(), inputs_[target.reader].end(),
                          static_cast<uint8_t>(layers_[target.reader]->zero));
        const Plane out = plane_of(targets_[i][0], first, samples, chunk);
        run_layer(i, {input_of(i, samples), out, nullptr, samples, &scratch_});
        for (size_t at = 1; at < targets_[i].size(); at++)
            copy(i, out, plane_of(targets_[i][at], first, samples, chunk), samples);
    }
}

void Worker::run(const uint8_t *inputs, int samples, int32_t *logits) {
    const PlannedLayer &layer = *layers_[0];
    const size_t size = static_cast<size_t>(layer.rows()) * layer.cols() * layer.view.in_channels;
    if (convolutions_ == 0)
        load_inputs(inputs, samples);
    else
        for (int first = 0; first < samples; first += kBlockSamples)
            run_convolutions(inputs + first * size, first, std::min(kBlockSamples, samples - first),
                             samples);
    for (size_t i = convolutions_; i < layers_.size(); i++) {
        const Plane out = i + 1 < layers_.size() ? input_of(i + 1, samples) : Plane{};
        run_layer(i, {input_of(i, samples), out, logits, samples, &scratch_});
    }
}

} // namespace twofold
