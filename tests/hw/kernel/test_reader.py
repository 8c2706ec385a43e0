# amaranth: UnusedElaboratable=no
"""The reader against a plain memory: any range, any latency, any waits of its neighbours."""

import random
from typing import Any

import pytest
from amaranth.hdl import *
from amaranth.sim import Simulator

from twofold.hw.kernel.axi import Response
from twofold.hw.kernel.bursts import BurstCursor
from twofold.hw.kernel.reader import Reader

BEAT = 64


def run(dut, memory, requests, *, stall=0.0, seed=0, stop_after=None):
    """Read ``requests`` (address, beats, and of further pieces, if there are any, their number and
    distance) one after the other; what came, errors, cycles of each.
    """
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    memory.attach(sim, dut.axi)
    rng = random.Random(seed)
    outcomes = []

    async def bench(ctx):
        for address, beats, *pieces in requests:
            more, stride = pieces or (0, 0)
            ctx.set(dut.address, address)
            ctx.set(dut.beats, beats)
            ctx.set(dut.more, more)
            ctx.set(dut.stride, stride)
            ctx.set(dut.start, 1)
            ctx.set(dut.stop, 0)
            await ctx.tick()
            ctx.set(dut.start, 0)
            got, cycles = [], 0
            while ctx.get(dut.busy):
                ready = rng.random() >= stall
                ctx.set(dut.o.ready, ready)
                if stop_after is not None and (len(got) >= stop_after or ctx.get(dut.error)):
                    ctx.set(dut.stop, 1)
                *_, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                if valid and ready:
                    got.append(payload.to_bytes(BEAT, "little"))
                cycles += 1
                assert cycles < 50_000
            outcomes.append((b"".join(got), ctx.get(dut.error), cycles))

    sim.add_testbench(bench)
    sim.run()
    return outcomes


@pytest.mark.parametrize(("latency", "busy", "stall"), [(0, 0, 0), (40, 0.3, 0.5), (3, 0.7, 0)])
@pytest.mark.parametrize(("burst", "depth"), [(64, 128), (16, 64), (1, 4)])
def test_every_range_arrives_in_order(axi_memory, latency, busy, stall, burst, depth):
    rng = random.Random(burst)
    memory = axi_memory(latency=latency, busy=busy)
    ranges = [(BEAT * rng.randrange(600), rng.randrange(1, 200)) for _ in range(4)] + [(4032, 2)]
    outcomes = run(Reader(unit=16, burst=burst, depth=depth), memory, ranges, stall=stall)
    for (address, beats), (got, error, _) in zip(ranges, outcomes, strict=True):
        assert got == memory.bytes[address : address + BEAT * beats]
        assert error == Response.OKAY
    assert max(beats for _, beats in memory.reads) == burst


def pieces_of(memory, address, unit, more, stride):
    starts = range(address, address + (more + 1) * stride, stride) if stride else [address]
    return b"".join(memory.bytes[at : at + BEAT * unit] for at in starts)


@pytest.mark.parametrize(("latency", "busy", "stall"), [(0, 0, 0), (40, 0.3, 0.5), (3, 0.7, 0)])
@pytest.mark.parametrize(("unit", "burst", "depth"), [(16, 64, 128), (5, 4, 8), (1, 1, 4)])
def test_pieces_are_read_where_they_start(axi_memory, latency, busy, stall, unit, burst, depth):
    """Overlapping, back to back, apart; across pages; and one run after the other."""
    memory = axi_memory(latency=latency, busy=busy)
    runs = [
        (BEAT * start, unit, more, BEAT * stride)
        for start, more, stride in ((3, 30, 1), (50, 9, unit), (60, 12, unit + 40), (7, 20, 2))
    ]
    runs.append((BEAT * 9, 40, 0, 0))
    dut = Reader(unit=unit, burst=burst, depth=depth)
    for run_, (got, error, _) in zip(runs, run(dut, memory, runs, stall=stall), strict=True):
        assert (got, error) == (pieces_of(memory, *run_), Response.OKAY)


def test_overlapping_pieces_arrive_at_a_beat_a_cycle_behind_300_cycles(axi_memory):
    memory = axi_memory(size=1 << 18, latency=300)
    unit, more = 16, 199
    ((got, _, cycles),) = run(Reader(unit=unit), memory, [(0, unit, more, 2 * BEAT)])
    assert got == pieces_of(memory, 0, unit, more, 2 * BEAT)
    assert unit * (more + 1) / (cycles - 300) > 0.99, cycles


@pytest.mark.parametrize("stop_after", [0, 1, 4, 17, 60])
def test_stopping_ends_at_the_end_of_a_piece(axi_memory, stop_after):
    memory = axi_memory(size=1 << 18, latency=30)
    dut = Reader(unit=4, burst=16, depth=64)
    again = (BEAT * 100, 4, 3, BEAT)
    first, second = run(dut, memory, [(BEAT * 5, 4, 200, BEAT), again], stop_after=stop_after)
    assert len(first[0]) % (BEAT * 4) == 0
    assert BEAT * stop_after <= len(first[0]) < BEAT * 200
    assert first[0] == pieces_of(memory, BEAT * 5, 4, 200, BEAT)[: len(first[0])]
    assert second[0] == pieces_of(memory, *again)[: len(second[0])]


@pytest.mark.parametrize("latency", [20, 300])
def test_beats_from_before_a_reset_are_dropped(axi_memory, latency):
    """The memory goes on answering; the next range is whole, and nothing else arrives."""
    memory = axi_memory(size=1 << 16, latency=latency)
    dut = Reader(unit=16, burst=16, depth=256)
    top = Module()
    domain: Any = ClockDomain("sync")
    top.domains += domain
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-8)
    memory.attach(sim, dut.axi)
    rng = random.Random(latency)

    async def begin(ctx, address, beats):
        ctx.set(dut.address, address)
        ctx.set(dut.beats, beats)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for turn in range(8):
            await begin(ctx, 0, 200)
            await ctx.tick().repeat(rng.randrange(4, 80))
            assert memory.reads, "nothing is on its way"
            ctx.set(domain.rst, 1)
            for _ in range(rng.choice((1, 5, 200))):
                await ctx.tick()
            ctx.set(domain.rst, 0)
            await ctx.tick()
            assert not ctx.get(dut.busy)
            address, got = BEAT * (300 + turn), b""
            await begin(ctx, address, 40)
            while ctx.get(dut.busy):
                *_, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                got += payload.to_bytes(BEAT, "little") if valid else b""
            assert got == memory.bytes[address : address + BEAT * 40]

    sim.add_testbench(bench)
    sim.run()


def test_latency_of_300_cycles_is_hidden(axi_memory):
    beats = 3000
    memory = axi_memory(size=1 << 18, latency=300)
    ((got, _, cycles),) = run(Reader(unit=16), memory, [(0, beats)])
    assert len(got) == BEAT * beats
    assert beats / (cycles - 300) > 0.99, cycles


def test_enough_bursts_are_outstanding(axi_memory):
    memory = axi_memory(size=1 << 18, latency=2000)
    run(Reader(unit=16), memory, [(0, 1024)])
    assert len(memory.reads) == 16


@pytest.mark.parametrize("unit", [1, 4, 13, 16, 100])
def test_stopping_ends_at_the_end_of_a_unit(axi_memory, unit):
    memory = axi_memory(size=1 << 18, latency=30)
    beats = 20 * unit + 320 // unit * unit
    dut = Reader(unit=unit, burst=16, depth=64)
    ((got, _, _),) = run(dut, memory, [(BEAT * 5, beats)], stop_after=unit + 1)
    assert len(got) % (BEAT * unit) == 0
    assert BEAT * 2 * unit <= len(got) < BEAT * beats
    assert got == memory.bytes[BEAT * 5 : BEAT * 5 + len(got)]


def test_stopping_between_two_units_begins_no_other(axi_memory):
    memory = axi_memory(latency=30)
    ((got, _, _),) = run(Reader(unit=3, burst=4, depth=8), memory, [(0, 81)], stop_after=0)
    assert got == b""
    assert memory.reads == []


@pytest.mark.parametrize("code", [Response.SLVERR, Response.DECERR])
def test_errors_are_told_and_forgotten_at_the_next_start(axi_memory, code):
    memory = axi_memory(
        latency=30, response=lambda address: code if address >= 8192 else Response.OKAY
    )
    dut = Reader(unit=4, burst=16, depth=32)
    bad, good = run(dut, memory, [(8192 - 20 * BEAT, 400), (0, 50)], stop_after=10_000)
    assert bad[1] == code
    assert len(bad[0]) < 400 * BEAT and len(bad[0]) % (4 * BEAT) == 0
    assert good[:2] == (memory.bytes[: 50 * BEAT], Response.OKAY)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="burst is 48 beats"):
        BurstCursor(48)
    with pytest.raises(ValueError, match="depth >= burst"):
        Reader(unit=16, depth=32)
