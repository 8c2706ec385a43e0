# amaranth: UnusedElaboratable=no
"""Result gives every sample's logits and its label, whatever the rows and the sink do."""

import random
import struct
from functools import cache

import pytest

from twofold.hw.contract.arith import argmax
from twofold.hw.contract.results import ResultRow
from twofold.hw.machine.result import Result, WideResult, result_of
from twofold.sim.testbenches.simulation import Simulation

LOW, HIGH = -(1 << 31), (1 << 31) - 1
SHAPES = [(1, 1), (2, 1), (10, 10), (12, 1), (12, 4), (7, 3), (5, 8), (15, 15)]
RAW = [(1, 1), (5, 8), (12, 4), (16, 1), (16, 16)]
WIDE = [
    (16, 1, True),
    (16, 4, True),
    (16, 16, True),
    (31, 31, True),
    (32, 32, False),
    (33, 11, True),
    (35, 5, True),
    (35, 7, False),
    (48, 24, True),
    (64, 64, True),
    (100, 20, True),
    (640, 4, False),
    (640, 80, True),
]
"""Outputs, drain, labelled: whole and broken last beats, queues in LUTs and in block memory."""


def _samples(rng: random.Random, classes: int) -> list[list[int]]:
    """Samples with ties, with both extremes, all alike, rising and falling."""
    found = [[rng.randint(LOW, HIGH) for _ in range(classes)] for _ in range(10)]
    found += [[rng.randint(-2, 1) for _ in range(classes)] for _ in range(20)]
    found += [[rng.choice([LOW, -1, HIGH]) for _ in range(classes)] for _ in range(10)]
    found += [[level] * classes for level in (LOW, -1, 0, HIGH)]
    found += [list(range(classes)), list(range(0, -classes, -1))]
    rng.shuffle(found)
    return found


@cache
def _simulated(
    outputs: int, drain: int, *, labelled: bool
) -> tuple[Result | WideResult, Simulation]:
    """Compiled once for all tests of the shape."""
    dut = result_of(ResultRow(outputs, labelled), drain)
    return dut, Simulation(dut)


class _Bench:
    """A result component between a driver and a sink, both with random waits.

    Attributes
    ----------
    results: bytes of each result.
    lasts, ends: cycles of each sample's last row, and of the last beat of its result.
    """

    def __init__(
        self,
        dut: Result | WideResult,
        samples: list[list[int]],
        gap: float,
        stall: float,
        seed: int,
    ) -> None:
        self.dut, self.samples, self.gap, self.stall = dut, samples, gap, stall
        self.rng = random.Random(seed)
        self.credits, self.cycle = dut.samples, 0
        self.results: list[bytes] = []
        self.lasts: list[int] = []
        self.ends: list[int] = []

    async def drive(self, ctx):
        for sample in self.samples:
            while self.credits == 0:
                await self._tick(ctx)
            self.credits -= 1
            await self._send(ctx, sample)
            self.lasts.append(self.cycle - 1)
        for _ in range(5000):
            if len(self.results) == len(self.samples):
                break
            await ctx.tick()
        await ctx.tick().repeat(20)

    async def _tick(self, ctx):
        await ctx.tick()
        self.cycle += 1

    async def _send(self, ctx, sample: list[int]):
        """The rows of a sample; what a broken last row lacks is random."""
        dut, rng = self.dut, self.rng
        padded = sample + [rng.choice([LOW, 0, HIGH]) for _ in range(-len(sample) % dut.drain)]
        for at in range(0, len(padded), dut.drain):
            while rng.random() < self.gap:
                ctx.set(dut.i.values, [HIGH] * dut.drain)
                await self._tick(ctx)
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.values, padded[at : at + dut.drain])
            await self._tick(ctx)
            ctx.set(dut.i.valid, 0)

    async def take(self, ctx):
        dut, cycle, waiting, row = self.dut, 0, None, b""
        while True:
            ready = self.rng.random() >= self.stall
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload, release = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.i.release
            )
            self.credits += release
            beat, last = _beat(dut, payload)
            found = beat, last
            assert waiting is None or (valid and found == waiting), "result changed while it waited"
            waiting = found if valid and not ready else None
            if valid and ready:
                row += beat
                if last:
                    self.results.append(row)
                    self.ends.append(cycle)
                    row = b""
            cycle += 1


def _run(
    dut: Result | WideResult,
    simulation: Simulation,
    samples: list[list[int]],
    *,
    gap: float,
    stall: float,
    seed=1,
):
    """Results in bytes, cycles of their samples' last rows, and cycles of the results."""
    bench = _Bench(dut, samples, gap, stall, seed)
    simulation.run(bench.drive, background=(bench.take,))
    assert bench.credits == dut.samples
    return bench.results, bench.lasts, bench.ends


def _beat(dut: Result | WideResult, payload) -> tuple[bytes, bool]:
    """Bytes of a beat of memory, and whether it is the last one of its result."""
    if isinstance(dut, WideResult):
        return payload.data.to_bytes(64, "little"), bool(payload.last)
    logits = struct.pack(f"<{dut.classes}i", *(payload.logits[at] for at in range(dut.classes)))
    if not dut.labelled:
        return logits.ljust(64, b"\0"), True
    return logits.ljust(60, b"\0") + struct.pack("<I", payload.label), True


def _wanted(sample: list[int], labelled: bool) -> bytes:
    """A result as it lies in memory, by its description and not by its code."""
    numbers = len(sample) + labelled
    size = 64 * -(-numbers // 16)
    row = struct.pack(f"<{len(sample)}i", *sample)
    if labelled:
        return row.ljust(size - 4, b"\0") + struct.pack("<I", argmax(sample))
    return row.ljust(size, b"\0")


@pytest.mark.parametrize(("classes", "drain"), SHAPES)
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.4, 0.3), (0.0, 0.9)])
def test_equals_the_law(classes: int, drain: int, gap: float, stall: float) -> None:
    samples = _samples(random.Random(f"{classes} {drain}"), classes)
    dut, simulation = _simulated(classes, drain, labelled=True)
    assert isinstance(dut, Result)
    results, _, _ = _run(dut, simulation, samples, gap=gap, stall=stall)
    assert results == [_wanted(sample, True) for sample in samples]


@pytest.mark.parametrize(("classes", "drain"), RAW)
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.4, 0.3)])
def test_raw_outputs_have_no_label(classes: int, drain: int, gap: float, stall: float) -> None:
    samples = _samples(random.Random(f"{classes} {drain}"), classes)
    dut, simulation = _simulated(classes, drain, labelled=False)
    assert isinstance(dut, Result)
    assert "label" not in dut.o.payload.shape().members
    results, lasts, ends = _run(dut, simulation, samples, gap=gap, stall=stall)
    assert results == [_wanted(sample, False) for sample in samples]
    if not stall:
        assert {end - last for end, last in zip(ends, lasts, strict=True)} == {dut.latency}


@pytest.mark.parametrize(("outputs", "drain", "labelled"), WIDE)
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.4, 0.3), (0.0, 0.9)])
def test_wide_results_are_rows_of_beats(
    outputs: int, drain: int, labelled: bool, gap: float, stall: float
) -> None:
    samples = _samples(random.Random(f"{outputs} {drain}"), outputs)[: max(8, 1200 // outputs)]
    dut, simulation = _simulated(outputs, drain, labelled=labelled)
    assert isinstance(dut, WideResult)
    results, _, _ = _run(dut, simulation, samples, gap=gap, stall=stall)
    assert results == [_wanted(sample, labelled) for sample in samples]


@pytest.mark.parametrize(("outputs", "drain", "labelled"), WIDE)
def test_wide_results_keep_pace_with_any_plan(outputs: int, drain: int, labelled: bool) -> None:
    """A layer is planned to take a cycle for each output at least."""
    dut, simulation = _simulated(outputs, drain, labelled=labelled)
    samples = _samples(random.Random(2), outputs)[:40]
    _, _, ends = _run(dut, simulation, samples, gap=0.0, stall=0.0)
    assert (ends[-1] - ends[4]) / (len(ends) - 5) <= outputs


def test_memory_of_wide_results_is_bounded() -> None:
    assert [WideResult.samples_of(outputs) for outputs in (16, 640, 1024, 1025, 4096, 8192)] == [
        16, 16, 16, 8, 4, 2,
    ]  # fmt: skip


@pytest.mark.parametrize(("classes", "drain"), SHAPES)
def test_latency_and_rate(classes: int, drain: int) -> None:
    dut, simulation = _simulated(classes, drain, labelled=True)
    assert isinstance(dut, Result)
    samples = _samples(random.Random(2), classes)
    _, lasts, ends = _run(dut, simulation, samples, gap=0.0, stall=0.0)
    assert [end - last for end, last in zip(ends, lasts, strict=True)] == [dut.latency] * len(
        samples
    )
    assert ends[-1] - ends[0] == dut.rows * (len(samples) - 1)


@pytest.mark.parametrize(("classes", "drain"), [(0, 1), (4, 0)])
def test_arguments_are_checked(classes: int, drain: int) -> None:
    with pytest.raises(ValueError, match=f"{classes} classes, {drain} of them"):
        Result(classes, drain)


@pytest.mark.parametrize(
    ("outputs", "drain", "why"),
    [(32, 0, "rows of 0"), (33, 2, "33 outputs in rows of 2"), (15, 5, "take one beat")],
)
def test_arguments_of_wide_results_are_checked(outputs: int, drain: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WideResult(outputs, drain)
