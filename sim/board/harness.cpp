// A Verilated station and the serial line in front of it, bit by bit.
// board.h defines BIT_CYCLES.
#include "Vtop.h"
#include "board.h"
#include <cstdint>
#include <memory>

namespace {

constexpr int BITS = 10;  // start, eight of data, stop

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vtop> top;
    int to_bits = 0, to_left = 0;      // the byte on its way to the board: bits, and cycles of one
    unsigned to_shift = 0;
    int from_bits = 0, from_wait = 0;  // the byte on its way from it
    unsigned from_shift = 0;

    Board() : top(std::make_unique<Vtop>(&context)) {
        top->rx = 1;
        top->rst = 1;
        for (int cycle = 0; cycle < 8; ++cycle) clock();
        top->rst = 0;
    }
    ~Board() { top->final(); }

    void clock() {
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
    }

    // Whether the line is free for another byte.
    bool send() {
        if (to_bits == 0) return true;
        top->rx = to_shift & 1;
        if (--to_left == 0) {
            to_shift = to_shift >> 1 | 1u << BITS;
            to_left = BIT_CYCLES;
            --to_bits;
        }
        return false;
    }

    void begin(uint8_t byte) {
        to_shift = static_cast<unsigned>(byte) << 1 | 1u << (BITS - 1);
        to_bits = BITS;
        to_left = BIT_CYCLES;
    }

    // Whether a byte is complete, which `from_shift` then holds.
    bool receive() {
        if (from_bits == 0) {
            if (top->tx) return false;
            from_bits = BITS;
            from_wait = BIT_CYCLES / 2;
        }
        if (--from_wait > 0) return false;
        from_wait = BIT_CYCLES;
        from_shift = from_shift >> 1 | (top->tx ? 1u << (BITS - 1) : 0);
        return --from_bits == 0;
    }
};

}  // namespace

extern "C" {

void* board_new() { return new Board; }

void board_delete(void* board) { delete static_cast<Board*>(board); }

// Runs for some cycles; bytes of `in` go to the board as the line takes them, and what it says goes
// to `out`, which has room for a byte for every cycle. Returns the number of bytes taken in the lower
// half, and of those said in the upper.
uint64_t board_run(void* pointer, uint64_t cycles, const uint8_t* in, uint64_t size, uint8_t* out) {
    auto& board = *static_cast<Board*>(pointer);
    uint64_t taken = 0, said = 0;
    for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
        if (board.send() && taken < size) board.begin(in[taken++]);
        board.clock();
        if (board.receive()) out[said++] = board.from_shift >> 1 & 0xff;
    }
    return said << 32 | taken;
}
}
