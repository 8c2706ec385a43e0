// The machine as a C library: drives the core's three streams cycle by cycle and records what the probes see.
//
// `ports.h`, generated per build, lists the probes: PROBES(X) expands to X(valid, payload) for each of them. It
// defines COUNTERS if the core has a port for them. Beats are passed as Verilator stores a port: 1, 2, 4 or 8 bytes,
// or 32-bit words for anything wider.

#include <cstdint>
#include <cstring>
#include <vector>

#include "Vtop.h"
#include "ports.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

constexpr int RESET_CYCLES = 4;

enum Outcome : int { RUNNING = 0, DONE = 1, STALLED = 2 };

struct Source {
    const uint8_t *beats = nullptr;
    uint64_t count = 0;
    uint64_t sent = 0;
    bool offered = false;
};

struct Sink {
    uint8_t *beats = nullptr;
    uint64_t *finished = nullptr;
    uint64_t count = 0;
    uint64_t received = 0;
    bool ready = false;
};

// Verilator looks up a model's scopes in the thread's context, not in the model's own.
struct Current {
    explicit Current(VerilatedContext *context) { Verilated::threadContextp(context); }
};

struct Machine {
    VerilatedContext context;
    Current current{&context};
    Vtop top{&context};
    uint64_t cycle = 0;
    uint64_t last_progress = 0;
    uint64_t timeout = 1000000;
    uint32_t random = 1;
    uint32_t gap = 0;    // probability of an idle cycle before an input beat, out of 65536
    uint32_t stall = 0;  // probability of a cycle in which results are not taken, out of 65536
    Source image, pixels;
    Sink results;
    uint64_t *started = nullptr;
    uint64_t beats_per_sample = 1;
    std::vector<std::vector<uint8_t>> probes;

    bool chance(uint32_t of_65536) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        return (random & 0xffff) < of_65536;
    }

    template <typename Port> void offer(Source &source, CData &valid, Port &payload) {
        if (!source.offered && source.sent < source.count && !chance(gap)) {
            source.offered = true;
            std::memcpy(&payload, source.beats + source.sent * sizeof(Port), sizeof(Port));
        }
        valid = source.offered;
    }

    bool accept(Source &source, CData ready) {
        if (!source.offered || !ready) return false;
        source.offered = false;
        source.sent++;
        last_progress = cycle;
        return true;
    }

    template <typename Port> void observe(unsigned index, CData valid, const Port &payload) {
        if (!valid) return;
        const uint8_t *bytes = reinterpret_cast<const uint8_t *>(&payload);
        probes[index].insert(probes[index].end(), bytes, bytes + sizeof(Port));
    }

    void edge() {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        cycle++;
    }

    void step() {
        if (pixels.sent == pixels.count) offer(image, top.parameters___05Fvalid, top.parameters___05Fpayload);
        offer(pixels, top.i___05Fvalid, top.i___05Fpayload);
        results.ready = results.received < results.count && !chance(stall);
        top.o___05Fready = results.ready;
        top.eval();
        accept(image, top.parameters___05Fready);
        if (accept(pixels, top.i___05Fready) && (pixels.sent - 1) % beats_per_sample == 0 && started)
            started[(pixels.sent - 1) / beats_per_sample] = cycle;
        if (results.ready && top.o___05Fvalid) {
            constexpr size_t size = sizeof(top.o___05Fpayload);
            std::memcpy(results.beats + results.received * size, &top.o___05Fpayload, size);
            results.finished[results.received++] = cycle;
            last_progress = cycle;
        }
        unsigned probe = 0;
        (void)probe;
#define OBSERVE(valid, payload) observe(probe++, top.valid, top.payload);
        PROBES(OBSERVE)
        edge();
    }

    bool done() const {
        return image.sent == image.count && pixels.sent == pixels.count &&
               results.received == results.count && !top.busy;
    }
};

}  // namespace

extern "C" {

Machine *machine_new() {
    auto *machine = new Machine;
    machine->context.randReset(0);
    unsigned probes = 0;
#define COUNT(valid, payload) probes++;
    PROBES(COUNT)
    machine->probes.resize(probes);
    machine->top.rst = 1;
    machine->top.clk = 0;
    machine->top.eval();
    for (int i = 0; i < RESET_CYCLES; i++) machine->edge();
    machine->top.rst = 0;
    return machine;
}

void machine_delete(Machine *machine) {
    Current current{&machine->context};
    machine->top.final();
    delete machine;
}

// How to drive: seed for all randomness, probabilities out of 65536, cycles without any transfer that count as a hang.
void machine_configure(Machine *machine, uint32_t seed, uint32_t gap, uint32_t stall, uint64_t timeout) {
    machine->random = seed ? seed : 1;
    machine->gap = gap;
    machine->stall = stall;
    machine->timeout = timeout;
    machine->last_progress = machine->cycle;
}

// Beats of the parameter image to send as soon as all samples are sent. The caller keeps ownership of the memory, which
// is read while stepping.
void machine_send_parameters(Machine *machine, const uint8_t *beats, uint64_t count) {
    machine->image = Source{beats, count};
}

// Beats of samples to send, and where to record the cycle in which the first beat of each sample was taken.
void machine_send_samples(Machine *machine, const uint8_t *beats, uint64_t samples, uint64_t beats_per_sample,
                        uint64_t *started) {
    machine->pixels = Source{beats, samples * beats_per_sample};
    machine->beats_per_sample = beats_per_sample;
    machine->started = started;
}

// Where to store the beats of results, and the cycle in which each was taken.
void machine_receive(Machine *machine, uint8_t *beats, uint64_t count, uint64_t *finished) {
    machine->results = Sink{beats, finished, count};
}

// Run up to `cycles` cycles, fewer if everything has been sent and received. Returns an Outcome.
int machine_step(Machine *machine, uint64_t cycles) {
    Current current{&machine->context};
    for (uint64_t i = 0; i < cycles; i++) {
        machine->step();
        if (machine->done()) return DONE;
        if (machine->cycle - machine->last_progress > machine->timeout) return STALLED;
    }
    return RUNNING;
}

uint64_t machine_cycle(const Machine *machine) { return machine->cycle; }
uint64_t machine_sent(const Machine *machine) { return machine->pixels.sent; }
uint64_t machine_received(const Machine *machine) { return machine->results.received; }
int machine_status(const Machine *machine) { return machine->top.status; }

// Value of a counter, `cycles` cycles from now; 0 in a machine without counters.
uint64_t machine_counter(Machine *machine, unsigned number, uint64_t cycles) {
#ifdef COUNTERS
    Current current{&machine->context};
    machine->top.counter_number = static_cast<CData>(number);
    for (uint64_t i = 0; i < cycles; i++) machine->step();
    return machine->top.counter_total;
#else
    (void)machine, (void)number, (void)cycles;
    return 0;
#endif
}

// Everything a probe has seen since it was last cleared.
uint64_t machine_probe(const Machine *machine, unsigned index, const uint8_t **bytes) {
    *bytes = machine->probes[index].data();
    return machine->probes[index].size();
}

void machine_clear_probes(Machine *machine) {
    for (auto &probe : machine->probes) probe.clear();
}
}
