# amaranth: UnusedElaboratable=no
"""Credits count, and say so when the rules are broken."""

import random

import pytest
from amaranth.sim import Simulator

from twofold.hw.contract.target import Target
from twofold.hw.engines.links import Credits
from twofold.hw.primitives.tile import emit


def _run(dut: Credits, bench) -> None:
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize(("frames", "initial"), [(1, None), (2, 0), (5, None), (4, 3)])
def test_counts(frames: int, initial: int | None) -> None:
    dut, rng = Credits(frames, initial=initial), random.Random(frames)

    async def bench(ctx) -> None:
        count = frames if initial is None else initial
        for _ in range(500):
            assert ctx.get(dut.available) == (count > 0)
            take, release = count > 0 and rng.random() < 0.5, count < frames and rng.random() < 0.5
            ctx.set(dut.take, take)
            ctx.set(dut.release, release)
            count += release - take
            await ctx.tick()

    _run(dut, bench)


@pytest.mark.parametrize(
    ("port", "message"),
    [("take", "without a credit"), ("release", "more frames released")],
)
def test_broken_rules_fail_the_simulation(port: str, message: str) -> None:
    dut = Credits(2, initial=0 if port == "take" else 2)

    async def bench(ctx) -> None:
        ctx.set(getattr(dut, port), 1)
        await ctx.delay(5e-8)

    with pytest.raises(AssertionError, match=message):
        _run(dut, bench)


def test_no_assertions_in_synthesis() -> None:
    assert "assert" in emit(Credits(2), "credits")
    assert "assert" not in emit(Credits(2), "credits", target=Target.XCUP)


def test_arguments() -> None:
    with pytest.raises(ValueError, match="at least 1 frame, not 0"):
        Credits(0)
    with pytest.raises(ValueError, match=r"start at 3, needs 0\.\.2"):
        Credits(2, initial=3)
