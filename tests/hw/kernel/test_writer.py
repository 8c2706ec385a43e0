"""The writer against a plain memory: every beat lands once, in bursts that keep to their pages."""

import random

import pytest
from amaranth.sim import Simulator

from twofold.hw.kernel.axi import Response
from twofold.hw.kernel.writer import Writer

BEAT = 64


def run(dut, memory, jobs, *, gap=0.0, seed=0):
    """Write ``jobs`` (address, beats) one after the other; error of each."""
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    memory.attach(sim, dut.axi)
    rng = random.Random(seed)
    errors = []

    async def bench(ctx):
        for address, beats in jobs:
            assert ctx.get(dut.idle)
            ctx.set(dut.address, address)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for beat in beats:
                while rng.random() < gap:
                    await ctx.tick()
                ctx.set(dut.i.payload, int.from_bytes(beat, "little"))
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)
            ctx.set(dut.flush, 1)
            await ctx.tick().until(dut.idle)
            ctx.set(dut.flush, 0)
            errors.append(ctx.get(dut.error))

    sim.add_testbench(bench)
    sim.run()
    return errors


def jobs(seed):
    """Ranges that do not touch each other, some across pages."""
    rng = random.Random(seed)
    starts = {0: 1, 60: 4, 64: 50, 127: 2, 300: 60, 437: 75}
    return [
        (BEAT * at, [rng.randbytes(BEAT) for _ in range(beats)]) for at, beats in starts.items()
    ]


@pytest.mark.parametrize(("latency", "busy", "gap"), [(0, 0, 0), (40, 0.3, 0.5), (3, 0.8, 0)])
@pytest.mark.parametrize("burst", [1, 16, 64])
def test_everything_is_written_once(axi_memory, burst, latency, busy, gap):
    memory = axi_memory(latency=latency, busy=busy, seed=burst)
    untouched = bytearray(memory.bytes)
    todo = jobs(burst)
    assert run(Writer(burst=burst), memory, todo, gap=gap) == [Response.OKAY] * len(todo)
    for address, beats in todo:
        untouched[address : address + BEAT * len(beats)] = b"".join(beats)
    assert memory.bytes == untouched
    assert max(beats for _, beats in memory.writes) <= burst


def test_whole_bursts_are_formed(axi_memory):
    memory = axi_memory(latency=10)
    beats = [bytes([index]) * BEAT for index in range(40)]
    run(Writer(burst=16), memory, [(BEAT * 10, beats)])
    assert memory.writes == [(640, 6), (1024, 16), (2048, 16), (3072, 2)]


@pytest.mark.parametrize("code", [Response.SLVERR, Response.DECERR])
def test_errors_are_told_and_forgotten_at_the_next_start(axi_memory, code):
    memory = axi_memory(
        latency=20, response=lambda address: code if 1024 <= address < 2048 else Response.OKAY
    )
    beats = [bytes([index]) * BEAT for index in range(40)]
    assert run(Writer(burst=16), memory, [(0, beats), (8192, beats)]) == [code, Response.OKAY]
