# amaranth: UnusedElaboratable=no
"""Cutting beats into pieces and putting them together, under random waits."""

import random

import pytest

from twofold.hw.kernel.widths import Narrow, Widen
from twofold.sim.testbenches.simulation import simulate

BEAT_BITS = 512


def run(dut, packets, *, wait, seed=0):
    """Send packets of beats; the packets of pieces that come out, and the cycles it took."""
    rng = random.Random(seed)
    got, cycles = [[]], 0

    async def source(ctx):
        for packet in packets:
            for index, beat in enumerate(packet):
                while rng.random() < wait:
                    await ctx.tick()
                ctx.set(dut.i.payload.data, beat)
                ctx.set(dut.i.payload.last, index == len(packet) - 1)
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        nonlocal cycles
        while len(got) <= len(packets):
            ready = rng.random() >= wait
            ctx.set(dut.o.ready, ready)
            *_, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            cycles += 1
            assert cycles < 10_000
            if valid and ready:
                got[-1].append(payload.data)
                if payload.last:
                    got.append([])

    simulate(dut, source, sink)
    return got[:-1], cycles


def packets(beats, seed):
    rng = random.Random(seed)
    return [[rng.getrandbits(BEAT_BITS) for _ in range(beats)] for _ in range(12)]


@pytest.mark.parametrize("wait", [0, 0.5])
@pytest.mark.parametrize(("bits", "final"), [(32, 16), (512, 1), (64, 3), (8, 1)])
def test_beats_are_cut_low_bits_first(bits, final, wait):
    sent = packets(3, bits)
    pieces = BEAT_BITS // bits
    wanted = [
        [beat >> bits * at & (1 << bits) - 1 for beat in packet for at in range(pieces)][
            : 2 * pieces + final
        ]
        for packet in sent
    ]
    got, cycles = run(Narrow(bits, final=final), sent, wait=wait)
    assert got == wanted
    if not wait:
        assert cycles == sum(map(len, wanted)) + 1


@pytest.mark.parametrize("wait", [0, 0.5])
@pytest.mark.parametrize("beats", [1, 2, 3])
def test_beats_are_put_side_by_side(beats, wait):
    sent = packets(2 * beats, beats)
    wanted = [
        [
            sum(beat << BEAT_BITS * at for at, beat in enumerate(packet[start : start + beats]))
            for start in (0, beats)
        ]
        for packet in sent
    ]
    got, cycles = run(Widen(beats), sent, wait=wait)
    assert got == wanted
    if not wait:
        assert cycles == sum(map(len, sent)) + 1


def test_impossible_widths_are_refused():
    with pytest.raises(ValueError, match="pieces of 48"):
        Narrow(48)
    with pytest.raises(ValueError, match="no 17 pieces of 32"):
        Narrow(32, final=17)
    with pytest.raises(ValueError, match="at least 1"):
        Widen(0)
