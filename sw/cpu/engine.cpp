// The library's C interface for ctypes, and the threads that share the samples of a call.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>

#include "worker.hpp"

namespace twofold {

// Workers that take chunks of a call until none is left; the caller's thread is the first of them.
class Engine {
public:
    Engine(const LayerDescription *layers, int count, Isa isa, int threads)
        : layers_(plan_network(layers, count, isa)),
          size_(static_cast<int64_t>(layers[0].in_channels) * layers[0].in_rows *
                layers[0].in_cols),
          classes_(layers[count - 1].kernels) {
        for (int i = 0; i < threads; i++)
            workers_.push_back(std::make_unique<Worker>(layers_));
        try {
            for (int i = 1; i < threads; i++)
                threads_.emplace_back([this, i] { serve(*workers_[i]); });
        } catch (...) { // a thread failed to start; join those that did before rethrowing
            stop();
            throw;
        }
    }

    ~Engine() { stop(); }

    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    // Not thread-safe: one call at a time. `labels` may be null.
    void infer(const uint8_t *inputs, int64_t samples, int32_t *logits, int64_t *labels) {
        const int64_t threads = static_cast<int64_t>(workers_.size());
        int64_t share = (samples + threads - 1) / threads;
        if (share > kBlockSamples)
            share = (share + kBlockSamples - 1) / kBlockSamples * kBlockSamples;
        inputs_ = inputs;
        logits_ = logits;
        labels_ = labels;
        samples_ = samples;
        chunk_ = std::clamp<int64_t>(share, 1, kChunkSamples);
        next_ = 0;
        const bool shared = samples > chunk_ && threads > 1;
        if (shared) {
            const std::lock_guard<std::mutex> lock(mutex_);
            call_++;
            busy_ = static_cast<int>(threads_.size());
        }
        if (shared)
            start_.notify_all();
        work(*workers_[0]);
        if (shared) {
            std::unique_lock<std::mutex> lock(mutex_);
            done_.wait(lock, [this] { return busy_ == 0; });
        }
    }

    void time_layers(bool on) {
        for (auto &worker : workers_)
            worker->timed = on;
    }

    int64_t nanoseconds(size_t layer) const {
        int64_t sum = 0;
        for (const auto &worker : workers_)
            sum += worker->nanoseconds[layer];
        return sum;
    }

    const char *kernel(size_t layer) const { return layers_[layer]->kernel; }

private:
    void work(Worker &worker) {
        for (int64_t at; (at = next_.fetch_add(chunk_)) < samples_;) {
            const int64_t count = std::min(chunk_, samples_ - at);
            worker.run(inputs_ + at * size_, static_cast<int>(count), logits_ + at * classes_);
            for (int64_t w = at; labels_ && w < at + count; w++) {
                const int32_t *first = logits_ + w * classes_;
                labels_[w] = std::max_element(first, first + classes_) - first;
            }
        }
    }

    void serve(Worker &worker) {
        std::unique_lock<std::mutex> lock(mutex_);
        for (uint64_t seen = 0;;) {
            start_.wait(lock, [this, seen] { return call_ != seen || stopping_; });
            if (stopping_)
                return;
            seen = call_;
            lock.unlock();
            work(worker);
            lock.lock();
            if (--busy_ == 0)
                done_.notify_one();
        }
    }

    void stop() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
        }
        start_.notify_all();
        for (auto &thread : threads_)
            thread.join();
    }

    const Layers layers_;
    const int64_t size_, classes_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::thread> threads_;

    const uint8_t *inputs_ = nullptr;
    int32_t *logits_ = nullptr;
    int64_t *labels_ = nullptr;
    int64_t samples_ = 0, chunk_ = 1;
    std::atomic<int64_t> next_{0};

    std::mutex mutex_;
    std::condition_variable start_, done_;
    uint64_t call_ = 0;
    int busy_ = 0;
    bool stopping_ = false;
};

} // namespace twofold

extern "C" {

// What this library and its caller must agree on: every field of a layer's description with its
// offset, the size of the description, and the order of the instruction sets.
const char *twofold_cpu_layout() {
    using twofold::LayerDescription;
    static const std::string layout = [] {
        std::string text;
#define TWOFOLD_FIELD(type, name) \
    text += #name ":" + std::to_string(offsetof(LayerDescription, name)) + ",";
        TWOFOLD_LAYER_FIELDS(TWOFOLD_FIELD)
#undef TWOFOLD_FIELD
        return text + "size:" + std::to_string(sizeof(LayerDescription)) + ";" + twofold::kIsaNames;
    }();
    return layout.c_str();
}

// Names of the available instruction sets, comma-separated.
const char *twofold_cpu_isas() {
    static const std::string names = [] {
        std::string all;
        for (const std::string &name : twofold::available_isas())
            all += (all.empty() ? "" : ",") + name;
        return all;
    }();
    return names.c_str();
}

// Returns null if out of memory or threads; `isa` is a twofold::Isa and must be available.
void *twofold_cpu_create(const twofold::LayerDescription *layers, int count, int isa,
                         int threads) {
    try {
        return new twofold::Engine(layers, count, static_cast<twofold::Isa>(isa), threads);
    } catch (const std::exception &) {
        return nullptr;
    }
}

void twofold_cpu_destroy(void *engine) {
    delete static_cast<twofold::Engine *>(engine);
}

// `labels` may be null.
void twofold_cpu_infer(void *engine, const uint8_t *inputs, int64_t samples, int32_t *logits,
                       int64_t *labels) {
    static_cast<twofold::Engine *>(engine)->infer(inputs, samples, logits, labels);
}

void twofold_cpu_time_layers(void *engine, int on) {
    static_cast<twofold::Engine *>(engine)->time_layers(on != 0);
}

int64_t twofold_cpu_nanoseconds(void *engine, int layer) {
    return static_cast<twofold::Engine *>(engine)->nanoseconds(static_cast<size_t>(layer));
}

const char *twofold_cpu_kernel(void *engine, int layer) {
    return static_cast<twofold::Engine *>(engine)->kernel(static_cast<size_t>(layer));
}

} // extern "C"
