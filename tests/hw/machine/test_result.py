# amaranth: UnusedElaboratable=no
"""Result gives every sample's logits and its label, whatever the rows and the sink do."""

import random

import pytest
from amaranth.sim import Simulator

from twofold.hw.contract.arith import argmax
from twofold.hw.machine.result import Result

LOW, HIGH = -(1 << 31), (1 << 31) - 1
SHAPES = [(1, 1), (2, 1), (10, 10), (12, 1), (12, 4), (7, 3), (5, 8), (33, 16)]


def _samples(rng: random.Random, classes: int) -> list[list[int]]:
    """Samples with ties, with both extremes, all alike, rising and falling."""
    found = [[rng.randint(LOW, HIGH) for _ in range(classes)] for _ in range(10)]
    found += [[rng.randint(-2, 1) for _ in range(classes)] for _ in range(20)]
    found += [[rng.choice([LOW, -1, HIGH]) for _ in range(classes)] for _ in range(10)]
    found += [[level] * classes for level in (LOW, -1, 0, HIGH)]
    found += [list(range(classes)), list(range(0, -classes, -1))]
    rng.shuffle(found)
    return found


def _run(dut: Result, samples: list[list[int]], *, gap: float, stall: float, seed: int = 1):
    """Results, cycles of their samples' last rows, and cycles of the results."""
    rng = random.Random(seed)
    state = {"credits": Result.SAMPLES}
    results: list[tuple[list[int], int]] = []
    lasts: list[int] = []
    ends: list[int] = []

    async def drive(ctx):
        cycle = 0
        for sample in samples:
            while state["credits"] == 0:
                await ctx.tick()
                cycle += 1
            state["credits"] -= 1
            padded = sample + [rng.choice([LOW, 0, HIGH]) for _ in range(-len(sample) % dut.drain)]
            for at in range(0, len(padded), dut.drain):
                while rng.random() < gap:
                    ctx.set(dut.i.values, [HIGH] * dut.drain)
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.values, padded[at : at + dut.drain])
                await ctx.tick()
                cycle += 1
                ctx.set(dut.i.valid, 0)
            lasts.append(cycle - 1)
        for _ in range(5000):
            if len(results) == len(samples):
                break
            await ctx.tick()
        await ctx.tick().repeat(20)

    async def take(ctx):
        cycle, waiting = 0, None
        while True:
            ready = rng.random() >= stall
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload, release = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.i.release
            )
            state["credits"] += release
            found = [payload.logits[at] for at in range(dut.classes)], payload.label
            assert waiting is None or (valid and found == waiting), "result changed while it waited"
            waiting = found if valid and not ready else None
            if valid and ready:
                results.append(found)
                ends.append(cycle)
            cycle += 1

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(drive)
    sim.add_testbench(take, background=True)
    sim.run()
    assert state["credits"] == Result.SAMPLES
    return results, lasts, ends


@pytest.mark.parametrize(("classes", "drain"), SHAPES)
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.4, 0.3), (0.0, 0.9)])
def test_equals_the_law(classes: int, drain: int, gap: float, stall: float) -> None:
    samples = _samples(random.Random(f"{classes} {drain}"), classes)
    results, _, _ = _run(Result(classes, drain), samples, gap=gap, stall=stall)
    assert results == [(sample, argmax(sample)) for sample in samples]


@pytest.mark.parametrize(("classes", "drain"), SHAPES)
def test_latency_and_rate(classes: int, drain: int) -> None:
    dut = Result(classes, drain)
    samples = _samples(random.Random(2), classes)
    _, lasts, ends = _run(dut, samples, gap=0.0, stall=0.0)
    assert [end - last for end, last in zip(ends, lasts, strict=True)] == [dut.latency] * len(
        samples
    )
    assert ends[-1] - ends[0] == dut.rows * (len(samples) - 1)


@pytest.mark.parametrize(("classes", "drain"), [(0, 1), (4, 0)])
def test_arguments_are_checked(classes: int, drain: int) -> None:
    with pytest.raises(ValueError, match=f"{classes} classes, {drain} of them"):
        Result(classes, drain)
