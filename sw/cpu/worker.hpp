// One thread's working memory, and the way of words through the layers in it.
#pragma once

#include <vector>

#include "network.hpp"

namespace twofold {

class Worker {
public:
    Worker(const Layers &layers, int zero_point);

    // Runs `words` <= kChunkWords images through; images [word][channel][row][column].
    void run(const uint8_t *images, int words, int32_t *logits);

    // Processor time spent in each layer since the start, while `timed` is set.
    bool timed = false;
    std::vector<int64_t> nanoseconds;

private:
    void run_convolutions(const uint8_t *images, int first, int words, int chunk);
    void load_images(const uint8_t *images, int words);
    void run_layer(size_t index, const Call &call);
    Plane input_of(size_t index, int words);
    Plane inner(size_t index, Plane plane) const;

    const Layers &layers_;
    const int zero_point_;
    size_t convolutions_ = 0;
    std::vector<Table<uint8_t>> inputs_; // of each layer
    Table<int32_t> acc_, counts_;
    Table<Entry> entries_;
    Table<uint8_t> lists_;
    Table<int16_t> wide_;
    Scratch scratch_ = {};
};

} // namespace twofold
