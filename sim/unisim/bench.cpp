// Runs a pair of models that stimulates and compares itself, and prints what it counted.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

int main(int argc, char **argv) {
    VerilatedContext context;
    context.commandArgs(argc, argv);
    context.randSeed(argc > 2 ? std::atoi(argv[2]) : 1);
    Vtop top{&context};
    top.clk = 0;
    top.eval();
    for (uint64_t cycle = 0, cycles = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0; cycle < cycles; cycle++) {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
    }
    std::printf("%u %u %u\n", unsigned(top.compared), unsigned(top.mismatches), unsigned(top.changes));
    return 0;
}
