# amaranth: UnusedElaboratable=no
"""Memories against lists, for every shape of use, and as cells for Yosys."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from amaranth.sim import Simulator

from twofold.hw.contract.target import Target
from twofold.hw.primitives.memory import LutRam, SharedRam, TableRam
from twofold.hw.primitives.tile import emit
from twofold.hw.tools.yosys import run_yosys


@pytest.mark.parametrize(("depth", "reads"), [(1, 1), (5, 2), (64, 3)])
def test_lut_ram_answers_at_once(depth: int, reads: int) -> None:
    dut, rng = LutRam(signed(9), depth, reads), random.Random(depth)
    expected = [0] * depth

    async def bench(ctx) -> None:
        for _ in range(400):
            write, to, value = rng.random() < 0.5, rng.randrange(depth), rng.randrange(-256, 256)
            ctx.set(dut.write_en, write)
            ctx.set(dut.write_address, to)
            ctx.set(dut.write_data, value)
            for port in range(reads):
                address = rng.randrange(depth)
                ctx.set(dut.address[port], address)
                assert ctx.get(dut.data[port]) == expected[address]
            await ctx.tick()
            if write:
                expected[to] = value

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("style", ["block", "ultra", "distributed"])
@pytest.mark.parametrize(("depth", "reads"), [(1, 1), (37, 2)])
def test_table_ram_answers_after_its_latency(style: Any, depth: int, reads: int) -> None:
    shape = data.StructLayout({"weight": signed(8), "slot": 5})
    dut, rng = TableRam(shape, depth, reads, style), random.Random(depth)
    table = [{"weight": rng.randrange(-128, 128), "slot": rng.randrange(32)} for _ in range(depth)]

    async def bench(ctx) -> None:
        ctx.set(dut.write_en, 1)
        for address, element in enumerate(table):
            ctx.set(dut.write_address, address)
            ctx.set(dut.write_data, element)
            await ctx.tick()
        ctx.set(dut.write_en, 0)
        await ctx.tick().repeat(TableRam.LATENCY)
        asked: list[list[int]] = []
        for _ in range(200):
            asked.append([rng.randrange(depth) for _ in range(reads)])
            for port, address in enumerate(asked[-1]):
                ctx.set(dut.address[port], address)
            if len(asked) > TableRam.LATENCY:
                for port, address in enumerate(asked[-1 - TableRam.LATENCY]):
                    found = ctx.get(dut.data[port])
                    assert {"weight": found.weight, "slot": found.slot} == table[address]
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def test_lanes_are_written_separately() -> None:
    lanes, depth = 3, 5
    dut = TableRam(data.ArrayLayout(unsigned(7), lanes), depth, lanes=lanes)
    rng = random.Random(1)
    expected = [[0] * lanes for _ in range(depth)]

    async def bench(ctx) -> None:
        for _ in range(100):
            en, address = rng.randrange(1 << lanes), rng.randrange(depth)
            row = [rng.randrange(128) for _ in range(lanes)]
            ctx.set(dut.write_en, en)
            ctx.set(dut.writing, en != 0)
            ctx.set(dut.write_address, address)
            ctx.set(dut.write_data, row)
            await ctx.tick()
            for lane in range(lanes):
                if en >> lane & 1:
                    expected[address][lane] = row[lane]
        ctx.set(dut.write_en, 0)
        for address, row in enumerate(expected):
            ctx.set(dut.address[0], address)
            await ctx.tick().repeat(TableRam.LATENCY)
            found = ctx.get(dut.data[0])
            assert [found[lane] for lane in range(lanes)] == row

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def test_lanes_of_ultra_cells_have_bytes_of_their_own() -> None:
    """Four lanes of 12 bits take 16 each, so that one URAM288 holds them all."""
    row = data.ArrayLayout(unsigned(12), 4)
    text = emit(TableRam(row, 4096, 2, "ultra", lanes=4), "dut", target=Target.XCUP)
    assert text.count("URAM288 ") == 1


@pytest.mark.parametrize(
    ("bits", "depth", "reads", "cells"),
    [(13, 1600, 2, 1), (13, 100, 1, 1), (72, 4096, 1, 1), (80, 4097, 2, 4)],
)
def test_ultra_cells(tmp_path: Path, bits: int, depth: int, reads: int, cells: int) -> None:
    """Yosys knows every port and parameter of the cells, and counts as many as the size needs."""
    text = emit(TableRam(bits, depth, reads, "ultra"), "dut", target=Target.XCUP)
    (tmp_path / "dut.v").write_text(text)
    script = (
        "read_verilog -lib +/xilinx/cells_xtra.v; read_verilog dut.v; hierarchy -check -top dut;"
        f" select -assert-count {cells} dut/t:URAM288"
    )
    done = run_yosys("-q", "-p", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("bits", "memories", "reads", "cells"), [(8, 4, 3, 7), (3, 2, 1, 1), (5, 1, 3, 2)]
)
def test_shared_cells(tmp_path: Path, bits: int, memories: int, reads: int, cells: int) -> None:
    """As many cells as it takes for their ports, with pins that the device's library knows."""
    text = emit(SharedRam(bits, 8, memories, reads), "dut", target=Target.XCUP)
    (tmp_path / "dut.v").write_text(text)
    script = (
        "read_verilog -lib +/xilinx/cells_sim.v; read_verilog dut.v; hierarchy -check -top dut;"
        f" select -assert-count {cells} dut/t:RAM32M16"
    )
    done = run_yosys("-q", "-p", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Every cell is written at the same address, and reads where a port asks.
    assert text.count(".ADDRH({ 2'h0, write_address })") == cells
    for memory in range(memories):
        for port in range(reads):
            asked = rf"\.ADDR[A-G]\({{ 2'h0, address__{memory}__{port} }}\)"
            assert len(re.findall(asked, text)) == -(-bits // 2)


@pytest.mark.parametrize(
    ("bits", "memories", "reads", "cells"), [(3, 2, 1, 1), (8, 1, 2, 2), (5, 2, 2, 2)]
)
def test_shared_cells_are_the_memories(
    prove_equal, bits: int, memories: int, reads: int, cells: int
) -> None:
    size = bits, 4, memories, reads
    text = emit(SharedRam(*size), "cells", target=Target.XCUP)
    behaviour = emit(SharedRam(*size), "behaviour")
    done = prove_equal(text, behaviour, f"select -assert-count {cells} cells/t:RAM32M16;")
    assert done.returncode == 0, done.stdout + done.stderr
    # And a pair of bits on the wrong pin of the right cell is found.
    wrong = text.replace(".DOA(", ".DO?(").replace(".DOB(", ".DOA(").replace(".DO?(", ".DOB(")
    assert "proof did fail" in prove_equal(wrong, behaviour).stderr


def test_shared_memories() -> None:
    """All are written at once, and each is read where its ports look."""
    dut = SharedRam(8, 4, 2, 2)
    rng = random.Random(1)

    async def bench(ctx) -> None:
        known = [[0] * 4, [0] * 4]
        for _ in range(60):
            at, enabled = rng.randrange(4), rng.randrange(2)
            new = [rng.randrange(256), rng.randrange(256)]
            ctx.set(dut.write_en, enabled)
            ctx.set(dut.write_address, at)
            for memory in range(2):
                ctx.set(dut.write_data[memory], new[memory])
                lookups = [rng.randrange(4), rng.randrange(4)]
                for port, lookup in enumerate(lookups):
                    ctx.set(dut.address[memory][port], lookup)
                for port, lookup in enumerate(lookups):
                    assert ctx.get(dut.data[memory][port]) == known[memory][lookup]
            await ctx.tick()
            if enabled:
                known[0][at], known[1][at] = new

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (LutRam, {"depth": 0}, "depth is 0"),
        (LutRam, {"depth": 4, "reads": 0}, "0 read ports"),
        (TableRam, {"depth": 4, "reads": 3}, "3 read ports"),
        (TableRam, {"depth": 4, "style": "huge"}, "style is 'huge'"),
        (TableRam, {"depth": 4, "lanes": 3}, "3 lanes do not divide an element of 8 bits"),
    ],
)
def test_arguments(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(8, **arguments)
