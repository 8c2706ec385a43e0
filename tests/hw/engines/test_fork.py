# amaranth: UnusedElaboratable=no
"""A fork frees a frame when all readers have, whatever room each of them has."""

import random

import pytest
from amaranth.sim import Simulator

from twofold.hw.engines.fork import Fork


@pytest.mark.parametrize("frames", [(2, 2), (2, 4), (5, 3), (3, 2, 4)])
def test_frames_are_freed_by_the_slowest(frames: tuple[int, ...]) -> None:
    dut, rng = Fork(tiles=1, channels=3, frames=frames), random.Random(1)

    async def bench(ctx) -> None:
        credits, held, sent, freed = min(frames), [0] * len(frames), 0, 0
        for _ in range(600):
            start = credits > 0 and rng.random() < 0.5
            ctx.set(dut.i.valid, start)
            releases = [holds > 0 and rng.random() < 0.4 for holds in held]
            for link, release in zip(dut.outputs, releases, strict=True):
                ctx.set(link.release, release)
            assert all(ctx.get(link.valid) == start for link in dut.outputs)
            credits += ctx.get(dut.i.release) - start
            sent, freed = sent + start, freed + ctx.get(dut.i.release)
            held = [holds + start - gone for holds, gone in zip(held, releases, strict=True)]
            # The layer may start as many samples as the reader with the least room left can take.
            assert credits == min(room - holds for room, holds in zip(frames, held, strict=True))
            await ctx.tick()
        assert sent > 100 and freed > 100

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def test_a_single_reader_needs_no_fork() -> None:
    with pytest.raises(ValueError, match="1 readers, needs at least 2"):
        Fork(tiles=1, channels=1, frames=(2,))
