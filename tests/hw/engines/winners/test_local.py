# amaranth: UnusedElaboratable=no
"""LocalWinners keeps exactly the winners of the law, pass after pass."""

import random

import pytest

from twofold.hw.contract.arith import ACT_MAX, winners
from twofold.hw.engines.winners import LocalWinners
from twofold.sim.testbenches.simulation import simulate

SHAPES = [(1, 1), (2, 1), (3, 2), (8, 8), (16, 5), (64, 6), (64, 63), (20, 20)]


def _passes(rng: random.Random, channels: int) -> list[list[int]]:
    """Passes with many ties, with few values above 0, with all equal, ascending and descending."""
    spread = [0, 1, 3, ACT_MAX]
    found = [[rng.randint(0, most) for _ in range(channels)] for most in spread * 3]
    found.append([rng.choice([0, 0, 0, ACT_MAX]) for _ in range(channels)])
    found.append([ACT_MAX - channel for channel in range(channels)])
    found.append(list(range(channels)))
    rng.shuffle(found)
    return found


def _run(dut: LocalWinners, passes: list[list[int]], gaps: random.Random | None):
    """Cycle of every ``last``, and cycle, index and value of every entry."""
    lasts: list[int] = []
    entries: list[tuple[int, int, int]] = []

    async def drive(ctx):
        cycle = 0
        for values in passes:
            for index, value in enumerate(values):
                while gaps is not None and gaps.random() < 0.4:
                    # What lies on the wires between two channels is nobody's business.
                    ctx.set(dut.valid, 0)
                    ctx.set(dut.value, gaps.randint(0, ACT_MAX))
                    ctx.set(dut.last, gaps.randint(0, 1))
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.valid, 1)
                ctx.set(dut.value, value)
                ctx.set(dut.index, index)
                ctx.set(dut.last, index == dut.channels - 1)
                if index == dut.channels - 1:
                    lasts.append(cycle)
                await ctx.tick()
                cycle += 1
        ctx.set(dut.valid, 0)
        await ctx.tick().repeat(dut.k + dut.LATENCY + 2)

    async def watch(ctx):
        cycle = 0
        async for _, _, valid, entry in ctx.tick().sample(dut.o_valid, dut.o):
            if valid:
                entries.append((cycle, entry.index, entry.value))
            cycle += 1

    simulate(dut, drive, background=(watch,))
    return lasts, entries


@pytest.mark.parametrize(("channels", "k"), SHAPES)
@pytest.mark.parametrize("with_gaps", [False, True])
def test_equals_the_law(channels: int, k: int, with_gaps: bool) -> None:
    rng = random.Random(f"{channels} {k} {with_gaps}")
    passes = _passes(rng, channels)
    lasts, entries = _run(LocalWinners(channels, k), passes, rng if with_gaps else None)
    assert len(entries) == len(passes) * k
    for number, values in enumerate(passes):
        listed = entries[number * k : (number + 1) * k]
        kept = sorted((index, value) for _, index, value in listed if value)
        assert kept == [(index, values[index]) for index in winners(values, k) if values[index]]
        if k < channels:
            assert [cycle - lasts[number] for cycle, _, _ in listed] == [
                LocalWinners.LATENCY + beat for beat in range(k)
            ]


def test_all_channels_pass_straight_on() -> None:
    lasts, entries = _run(LocalWinners(4, 4), [[7, 0, 7, 255], [1, 2, 3, 4]], None)
    first = lasts[0] - 3 + LocalWinners.PASS_LATENCY
    values = [7, 0, 7, 255, 1, 2, 3, 4]
    assert entries == [(first + at, at % 4, value) for at, value in enumerate(values)]


@pytest.mark.parametrize("k", [0, 5])
def test_k_is_checked(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k is {k}, needs 1\.\.4"):
        LocalWinners(4, k)
