"""Primitives as cells of the ECP5 beside their models, cycle by cycle, with the same inputs."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import memory, wiring

from twofold.hw.contract.target import Target
from twofold.hw.primitives.dsp import PackedMac, PackedMultiply, PackedSum
from twofold.hw.primitives.ecp5 import BLOCK_DEPTHS, block_rams, block_width
from twofold.hw.primitives.memory import LutRam, SharedRam, TableRam
from twofold.hw.primitives.registered_ram import RegisteredRam
from twofold.hw.primitives.tile import emit
from twofold.hw.primitives.update_ram import UpdateRam
from twofold.hw.verilog.writer import ports_of
from twofold.sim.netlist import CELLS
from twofold.sim.rtl.verilate import Program, verilate

CYCLES = 20_000
HARNESS = """
#include "Vtop.h"
#include <cstdint>
#include <cstdio>
int main() {
    Vtop top;
    uint64_t wrong = 0;
    for (int cycle = 0; cycle < CYCLES; ++cycle) {
        top.rst = cycle < 4;
        top.clk = 0; top.eval();
        if (cycle > 8) wrong |= top.wrong;
        top.clk = 1; top.eval();
    }
    printf("%llx\\n", (unsigned long long)wrong);
}
"""


def parts() -> dict[str, wiring.Component]:
    """Products and sums, and memories of every shape that the machines have."""
    return {
        "mac": PackedMac(),
        "multiply": PackedMultiply(),
        "sum": PackedSum(300),
        "update": UpdateRam(20, 40),
        "lut": LutRam(13, 24, 2),
        "shared": SharedRam(5, 12, 3, 2),
        "registered": RegisteredRam(26, 60),
        "deep": RegisteredRam(26, 70),
        **{f"table{depth}": TableRam(21, depth) for depth in (40, 1500, 3000, 5000, 9000)},
        "two": TableRam(26, 1200, 2, "ultra", lanes=2),
    }


class Parts(wiring.Component):
    """All of them side by side, so that they are written at once."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = parts()
        super().__init__({name: wiring.Out(part.signature) for name, part in self.parts.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, part in self.parts.items():
            m.submodules[name] = part
            wiring.connect(m, part, wiring.flipped(getattr(self, name)))
        return m


FORMS = (Target.MODEL, Target.ECP5)
GATED, GATE = "two__write_en", "two__writing"
"""An input that is set only together with another; while it is, the first of the outputs behind the
memory's one port is not known.
"""


def bench() -> tuple[str, list[str]]:
    """Verilog of all parts in both forms with the same random inputs, and the parts' names;
    ``wrong`` has a bit for each whose outputs differ.
    """
    tops = [Parts() for _ in FORMS]
    ports, names = list(ports_of(tops[0])), list(tops[0].parts)
    texts = [emit(top, form.value, target=form) for top, form in zip(tops, FORMS, strict=True)]
    lines, unequal = [], {name: ["1'b0"] for name in names}
    for port in ports:
        if port.into:
            words = -(-port.bits // 32)
            random = ", ".join(["$random"] * words)
            value = f"drawn_{port.name}"
            if "address" in port.name:  # beyond its depth, a memory is not defined
                part = tops[0].parts[port.name.partition("__")[0]]
                value += f" % {part.depth}"
            if port.name == GATED:
                value += f" & {{32{{drawn_{GATE}[0]}}}}"
            lines += [
                f"reg [{32 * words - 1}:0] drawn_{port.name}, {port.name};",
                f"always @(posedge clk) drawn_{port.name} <= {{{random}}};",
                f"always @(posedge clk) {port.name} <= {value};",
            ]
        else:
            pair = [f"{form.value}_{port.name}" for form in FORMS]
            lines.append(f"wire [{port.bits - 1}:0] {', '.join(pair)};")
            unequal[port.name.partition("__")[0]].append(f"({pair[0]} !== {pair[1]})")
    lines.append(f"reg [1:0] free; always @(posedge clk) free <= {{free[0], ~{GATE}[0]}};")
    for form, text in zip(FORMS, texts, strict=True):
        header = text[text.index(f"module {form.value}(") :].split(";")[0]
        bound = [f".{name}({name})" for name in ("clk", "rst") if f"{name}" in header]
        bound += [
            f".{port.name}({port.name}[{port.bits - 1}:0])"
            if port.into
            else f".{port.name}({form.value}_{port.name})"
            for port in ports
        ]
        lines.append(f"{form.value} {form.value}_dut ({', '.join(bound)});")
    for at, name in enumerate(names):
        known = "free[1]" if name == GATED.partition("__")[0] else "1'b1"
        lines.append(f"assign wrong[{at}] = {known} & ({' | '.join(unequal[name])});")
    head = f"module pairs(input clk, input rst, output [{len(names) - 1}:0] wrong);"
    return "\n".join([CELLS.read_text(), *texts, head, *lines, "endmodule", ""]), names


def test_cells_behave_as_their_models(tmp_path: Path, build_cache: Path) -> None:
    """Cycle by cycle, with random inputs in every cycle."""
    text, names = bench()
    (tmp_path / "pairs.v").write_text(text)
    (tmp_path / "main.cpp").write_text(HARNESS.replace("CYCLES", str(CYCLES)))
    program = Program(sources=(tmp_path / "main.cpp",), output="pairs", top="pairs")
    binary = verilate(tmp_path / "pairs.v", tmp_path / "work", program, build_cache / "library")
    done = subprocess.run([binary], capture_output=True, text=True, check=True, timeout=120)
    wrong = int(done.stdout, 16)
    assert [name for at, name in enumerate(names) if wrong >> at & 1] == []


def test_primitives_are_cells() -> None:
    """Each product has a multiplier of its own; registers of the cells are used."""
    text = emit(PackedMac(), "dut", target=Target.ECP5)
    assert text.count("MULT18X18D ") == 2
    assert text.count('.REG_OUTPUT_CLK("CLK0")') == 2
    text = emit(TableRam(26, 1200, 2, "ultra", lanes=2), "dut", target=Target.ECP5)
    assert text.count("DP16KD ") == block_rams(13, 1200, 2) == 4
    assert text.count('.REGMODE_B("OUTREG")') == 4
    assert "initial" not in emit(UpdateRam(20, 40), "dut", target=Target.ECP5)


@pytest.mark.parametrize(
    "depth, width",
    [(1, 18), (1024, 18), (1025, 9), (4096, 4), (8192, 2), (16_384, 1), (16_385, None)],
)
def test_words_of_a_block_memory(depth: int, width: int | None) -> None:
    assert block_width(depth) == width
    assert block_rams(36, depth, 1) == (None if width is None else 36 // width)
    assert BLOCK_DEPTHS == (1024, 2048, 4096, 8192, 16_384)


class Tables(wiring.Component):
    """A memory, and a table that is never written."""

    at: Any
    found: Any
    known: Any

    def __init__(self) -> None:
        ports = {"at": wiring.In(2), "found": wiring.Out(4), "known": wiring.Out(4)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = LutRam(4, 4)
        m.submodules.table = table = memory.Memory(shape=4, depth=4, init=[0, 5, 0, 9])
        read = table.read_port(domain="comb")
        m.d.comb += [
            ram.write_en.eq(self.at[0]),
            ram.write_address.eq(self.at),
            ram.address[0].eq(self.at),
            self.found.eq(ram.data[0]),
            read.addr.eq(self.at),
            self.known.eq(read.data),
        ]
        return m


def test_only_zeros_are_left_out() -> None:
    text = emit(Tables(), "dut", target=Target.ECP5)
    assert text.count("initial begin") == 1 and "= 4'h5;" in text and "= 4'h9;" in text
    assert emit(Tables(), "dut", target=Target.XCUP).count("initial begin") == 2
