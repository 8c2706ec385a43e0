// One thread's scratch memory, and running samples through the layers in it.
#pragma once

#include <vector>

#include "network.hpp"

namespace twofold {

class Worker {
public:
    explicit Worker(const Layers &layers);

    // Runs `samples` <= kChunkSamples inputs, [sample][channel][row][column].
    void run(const uint8_t *inputs, int samples, int32_t *logits);

    // CPU time spent in each layer since the start, while `timed` is set.
    bool timed = false;
    std::vector<int64_t> nanoseconds;

private:
    void run_convolutions(const uint8_t *inputs, int first, int samples, int chunk);
    void load_inputs(const uint8_t *inputs, int samples);
    void run_layer(size_t index, const Call &call);
    Plane input_of(size_t index, int samples);
    Plane inner(size_t index, Plane plane) const;

    // Where a layer's output goes: a layer that reads it, and as which of those that it reads.
    struct Target {
        size_t reader;
        int side;
    };
    Plane plane_of(const Target &target, int first, int samples, int chunk);
    void copy(size_t index, const Plane &from, const Plane &to, int samples);

    const Layers &layers_;
    size_t convolutions_ = 0;
    std::vector<Table<uint8_t>> inputs_; // of each layer
    std::vector<std::vector<Target>> targets_; // of each layer
    Table<int32_t> acc_, counts_;
    Table<Entry> entries_;
    Table<uint8_t> lists_;
    Table<int16_t> wide_;
    Scratch scratch_ = {};
};

} // namespace twofold
