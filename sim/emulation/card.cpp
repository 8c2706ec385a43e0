// The card as a C library: compute units on one clock, the memory that they share with the host, registers.
//
// Each unit is an instance of the Verilated kernel with its own memory controller: reads and writes are answered in
// order, `latency` cycles after their address, one beat per cycle. Units that have work are stepped together; the
// clocks of the others are stopped.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "Vtop.h"
#include "registers.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

constexpr int RESET_CYCLES = 16;
constexpr uint64_t BEAT = twofold::BEAT_BYTES;
constexpr uint64_t PAGE = 4096;           // which a burst may not cross
constexpr uint64_t BLOCK = 1 << 16;       // size in which memory is allocated
constexpr uint64_t REGISTER_CYCLES = 10000;  // after which a register access counts as hung
constexpr uint32_t CONTROL = twofold::REGISTER_CONTROL;
constexpr uint32_t START = twofold::CONTROL_START, IDLE = twofold::CONTROL_IDLE, CONTINUE = twofold::CONTROL_CONTINUE;

enum Response : uint8_t { OKAY = 0, SLVERR = 2, DECERR = 3 };

// Blocks are allocated on first write; memory that was never written reads as zeros.
class Memory {
  public:
    explicit Memory(uint64_t limit) : room(limit / BLOCK) {}

    bool write(uint64_t address, const uint8_t *bytes, uint64_t size) {
        while (size) {
            uint64_t part = std::min(size, BLOCK - address % BLOCK);
            uint8_t *block = find(address / BLOCK, true);
            if (!block) return false;
            std::memcpy(block + address % BLOCK, bytes, part);
            address += part, bytes += part, size -= part;
        }
        return true;
    }

    void read(uint64_t address, uint8_t *bytes, uint64_t size) {
        while (size) {
            uint64_t part = std::min(size, BLOCK - address % BLOCK);
            const uint8_t *block = find(address / BLOCK, false);
            if (block) std::memcpy(bytes, block + address % BLOCK, part);
            else std::memset(bytes, 0, part);
            address += part, bytes += part, size -= part;
        }
    }

  private:
    uint8_t *find(uint64_t index, bool make) {
        if (recent && recent_index == index) return recent;
        auto found = blocks.find(index);
        if (found == blocks.end()) {
            if (!make || blocks.size() >= room) return nullptr;
            found = blocks.emplace(index, std::make_unique<uint8_t[]>(BLOCK)).first;
        }
        recent_index = index;
        return recent = found->second.get();
    }

    uint64_t room, recent_index = 0;
    uint8_t *recent = nullptr;
    std::unordered_map<uint64_t, std::unique_ptr<uint8_t[]>> blocks;
};

struct Range {
    uint64_t base, size;
    bool holds(uint64_t address, uint64_t bytes) const {
        return address >= base && bytes <= size && address - base <= size - bytes;
    }
};

struct Burst {
    uint64_t address, due;
    uint32_t beats, id;
    Response response;
};

struct Reply {
    uint64_t due;
    uint32_t id;
    Response response;
};

// Verilator looks up a model's scopes in the thread's context, not in the model's own.
struct Current {
    explicit Current(VerilatedContext *context) { Verilated::threadContextp(context); }
};

struct Unit {
    VerilatedContext context;
    Current current{&context};
    Vtop top{&context};
    std::vector<Range> reach;
    std::deque<Burst> reads, writes;
    std::deque<Reply> replies;
    uint64_t last_work = 0;
    bool active = false;
    bool idle = true;  // according to register `control`, since the last start

    Response answer(uint64_t address, uint32_t beats) const {
        if (address % PAGE + beats * BEAT > PAGE) return SLVERR;
        for (const Range &range : reach)
            if (range.holds(address, beats * BEAT)) return OKAY;
        return DECERR;
    }
};

struct Card {
    Memory memory;
    uint64_t latency, outstanding, timeout;
    uint64_t cycle = 0, beats_read = 0, beats_written = 0;
    std::vector<std::unique_ptr<Unit>> units;

    Card(uint32_t count, uint64_t latency, uint64_t outstanding, uint64_t timeout, uint64_t limit)
        : memory(limit), latency(latency), outstanding(outstanding), timeout(timeout) {
        for (uint32_t i = 0; i < count; i++) units.push_back(std::make_unique<Unit>());
    }

    void reset() {
        for (auto &unit : units) {
            Current current{&unit->context};
            unit->context.randReset(0);
            unit->top.ap_rst_n = 0;
            unit->top.ap_clk = 0;
            unit->top.eval();
            for (int i = 0; i < 2 * RESET_CYCLES; i++) {
                unit->top.ap_rst_n = i >= RESET_CYCLES;
                step(*unit);
            }
        }
    }

    void offer(Unit &unit) {
        Vtop &top = unit.top;
        top.m_axi_gmem_arready = unit.reads.size() < outstanding;
        top.m_axi_gmem_awready = unit.writes.size() < outstanding;
        top.m_axi_gmem_wready = !unit.writes.empty();
        bool data = !unit.reads.empty() && unit.reads.front().due <= cycle;
        top.m_axi_gmem_rvalid = data;
        if (data) {
            const Burst &burst = unit.reads.front();
            if (burst.response == OKAY)
                memory.read(burst.address, reinterpret_cast<uint8_t *>(&top.m_axi_gmem_rdata), BEAT);
            top.m_axi_gmem_rresp = burst.response;
            top.m_axi_gmem_rid = burst.id;
            top.m_axi_gmem_rlast = burst.beats == 1;
        }
        bool reply = !unit.replies.empty() && unit.replies.front().due <= cycle;
        top.m_axi_gmem_bvalid = reply;
        if (reply) {
            top.m_axi_gmem_bresp = unit.replies.front().response;
            top.m_axi_gmem_bid = unit.replies.front().id;
        }
    }

    void accept(Unit &unit) {
        Vtop &top = unit.top;
        bool work = false;
        if (top.m_axi_gmem_rvalid && top.m_axi_gmem_rready) {
            Burst &burst = unit.reads.front();
            burst.address += BEAT;
            beats_read++;
            work = true;
            if (!--burst.beats) unit.reads.pop_front();
        }
        if (top.m_axi_gmem_bvalid && top.m_axi_gmem_bready) {
            unit.replies.pop_front();
            work = true;
        }
        if (top.m_axi_gmem_wvalid && top.m_axi_gmem_wready) {
            store(unit);
            work = true;
        }
        if (top.m_axi_gmem_arvalid && top.m_axi_gmem_arready) {
            uint32_t beats = top.m_axi_gmem_arlen + 1;
            uint64_t address = top.m_axi_gmem_araddr;
            uint32_t id = top.m_axi_gmem_arid;
            unit.reads.push_back({address, cycle + latency, beats, id, unit.answer(address, beats)});
            work = true;
        }
        if (top.m_axi_gmem_awvalid && top.m_axi_gmem_awready) {
            uint32_t beats = top.m_axi_gmem_awlen + 1;
            uint64_t address = top.m_axi_gmem_awaddr;
            uint32_t id = top.m_axi_gmem_awid;
            unit.writes.push_back({address, 0, beats, id, unit.answer(address, beats)});
            work = true;
        }
        if (work) unit.last_work = cycle;
    }

    void store(Unit &unit) {
        Vtop &top = unit.top;
        Burst &burst = unit.writes.front();
        const uint8_t *data = reinterpret_cast<const uint8_t *>(&top.m_axi_gmem_wdata);
        for (uint64_t from = 0, to; from < BEAT && burst.response == OKAY; from = to + 1) {
            for (to = from; to < BEAT && top.m_axi_gmem_wstrb >> to & 1; to++) {}
            if (to > from && !memory.write(burst.address + from, data + from, to - from)) burst.response = SLVERR;
        }
        burst.address += BEAT;
        beats_written++;
        if (--burst.beats) return;
        unit.replies.push_back({cycle + latency, burst.id, burst.response});
        unit.writes.pop_front();
    }

    void step(Unit &unit) {
        offer(unit);
        unit.top.eval();
        accept(unit);
        unit.top.ap_clk = 1;
        unit.top.eval();
        unit.top.ap_clk = 0;
    }

    // Run one cycle of every unit that has work, and of `also`. Returns how many have work.
    unsigned tick(Unit *also = nullptr) {
        unsigned busy = 0;
        for (auto &unit : units) {
            if (!unit->active && unit.get() != also) continue;
            Current current{&unit->context};
            step(*unit);
            if (unit->active && cycle - unit->last_work > timeout) unit->active = false;
            busy += unit->active;
        }
        cycle++;
        return busy;
    }

    void wake(Unit &unit) {
        unit.active = true;
        unit.last_work = cycle;
    }
};

}  // namespace

extern "C" {

// Number of units, memory latency in cycles, maximum bursts in flight per memory, cycles without any transfer after
// which a unit counts as done, maximum bytes of all memory together.
Card *card_new(uint32_t units, uint64_t latency, uint64_t outstanding, uint64_t timeout, uint64_t limit) {
    Card *card = new Card(units, latency, outstanding, timeout, limit);
    card->reset();
    return card;
}

void card_delete(Card *card) {
    for (auto &unit : card->units) {
        Current current{&unit->context};
        unit->top.final();
    }
    delete card;
}

// Let a unit reach a range of memory. Reads and writes elsewhere are answered with DECERR.
void card_connect(Card *card, uint32_t unit, uint64_t base, uint64_t size) {
    card->units[unit]->reach.push_back({base, size});
}

// The host's transfers. Writing returns 0 if memory is exhausted.
int card_write(Card *card, uint64_t address, const uint8_t *bytes, uint64_t size) {
    return card->memory.write(address, bytes, size);
}

void card_read(Card *card, uint64_t address, uint8_t *bytes, uint64_t size) {
    card->memory.read(address, bytes, size);
}

// Register accesses over the units' AXI4-Lite ports. They return 0 if the unit does not answer.
int card_set_register(Card *card, uint32_t index, uint32_t offset, uint32_t value) {
    Unit &unit = *card->units[index];
    Vtop &top = unit.top;
    top.s_axi_control_awaddr = offset;
    top.s_axi_control_wdata = value;
    top.s_axi_control_wstrb = 0xf;
    top.s_axi_control_awvalid = top.s_axi_control_wvalid = top.s_axi_control_bready = 1;
    if (offset == CONTROL && (value & START)) unit.idle = false;
    if (offset == CONTROL && (value & (START | CONTINUE)) && !unit.idle) card->wake(unit);
    bool done = false;
    for (uint64_t i = 0; i < REGISTER_CYCLES && !done; i++) {
        Current current{&unit.context};
        top.eval();
        bool addressed = top.s_axi_control_awready, filled = top.s_axi_control_wready;
        done = top.s_axi_control_bvalid;
        card->tick(&unit);
        if (addressed) top.s_axi_control_awvalid = 0;
        if (filled) top.s_axi_control_wvalid = 0;
    }
    top.s_axi_control_awvalid = top.s_axi_control_wvalid = top.s_axi_control_bready = 0;
    return done;
}

int card_get_register(Card *card, uint32_t index, uint32_t offset, uint32_t *value) {
    Unit &unit = *card->units[index];
    Vtop &top = unit.top;
    top.s_axi_control_araddr = offset;
    top.s_axi_control_arvalid = top.s_axi_control_rready = 1;
    bool done = false;
    for (uint64_t i = 0; i < REGISTER_CYCLES && !done; i++) {
        Current current{&unit.context};
        top.eval();
        bool addressed = top.s_axi_control_arready;
        done = top.s_axi_control_rvalid;
        if (done) *value = top.s_axi_control_rdata;
        card->tick(&unit);
        if (addressed) top.s_axi_control_arvalid = 0;
    }
    top.s_axi_control_arvalid = top.s_axi_control_rready = 0;
    if (done && offset == CONTROL && (*value & IDLE)) unit.idle = true, unit.active = false;
    return done;
}

// Run up to `cycles` cycles, fewer if no unit has work. Returns how many have work.
unsigned card_step(Card *card, uint64_t cycles) {
    unsigned busy = 1;
    for (uint64_t i = 0; i < cycles && busy; i++) busy = card->tick();
    return busy;
}

uint64_t card_cycles(const Card *card) { return card->cycle; }
uint64_t card_beats_read(const Card *card) { return card->beats_read; }
uint64_t card_beats_written(const Card *card) { return card->beats_written; }
}
