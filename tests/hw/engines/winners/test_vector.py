# amaranth: UnusedElaboratable=no
"""GlobalWinners streams exactly the winners of the law, at the promised rate."""

import random
from dataclasses import dataclass, field
from functools import cache

import pytest

from twofold.hw.contract.arith import ACT_MAX, winners
from twofold.hw.engines.winners import GlobalWinners
from twofold.sim.testbenches.simulation import Simulation

SHAPES = [
    (1, 1, 1, 1),
    (5, 5, 2, 1),
    (7, 3, 3, 2),
    (12, 1, 4, 1),
    (16, 16, 5, 3),
    (20, 4, 20, 2),
    (33, 8, 32, 1),
    (40, 13, 9, 2),
    (64, 16, 16, 2),
    (30, 6, 1, 4),
]
Beat = tuple[int, list[tuple[int, int]], bool]
"""Cycle, winners with a value above 0, last."""


@cache
def simulated(*shape: int) -> tuple[GlobalWinners, Simulation]:
    """Of channels, drain, k and emit: compiled once for all tests of the shape."""
    dut = GlobalWinners(*shape)
    return dut, Simulation(dut)


@dataclass
class Bench:
    """Sends samples as rows while there are credits, takes beats, and notes when."""

    dut: GlobalWinners
    simulation: Simulation
    samples: list[list[int]]
    row_gap: float = 0.0
    stall: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    beats: list[Beat] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    credits: int = GlobalWinners.SAMPLES

    def run(self) -> list[list[Beat]]:
        """Beats of each sample."""
        self.simulation.run(self._drive, background=(self._take, self._count))
        found: list[list[Beat]] = [[]]
        for beat in self.beats:
            found[-1].append(beat)
            if beat[2]:
                found.append([])
        assert found.pop() == [], "beats behind the last sample"
        return found

    async def _drive(self, ctx):
        dut = self.dut
        cycle = 0
        for sample in self.samples:
            while self.credits == 0:
                await ctx.tick()
                cycle += 1
            self.credits -= 1
            padded = sample + [0] * (dut.rows * dut.drain - len(sample))
            self.starts.append(cycle)
            for row in range(dut.rows):
                while self.rng.random() < self.row_gap:
                    ctx.set(dut.i.values, [self.rng.randint(0, ACT_MAX)] * dut.drain)
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.values, padded[row * dut.drain : (row + 1) * dut.drain])
                await ctx.tick()
                cycle += 1
                ctx.set(dut.i.valid, 0)
        for _ in range(100_000):
            if sum(beat[2] for beat in self.beats) >= len(self.samples):
                break
            await ctx.tick()
        await ctx.tick().repeat(40)

    async def _take(self, ctx):
        dut, cycle, waiting = self.dut, 0, None
        while True:
            ready = self.rng.random() >= self.stall
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            assert waiting is None or (valid and payload == waiting), "beat changed while it waited"
            waiting = payload if valid and not ready else None
            if valid and ready:
                kept = [(entry.index, entry.value) for entry in payload.winners if entry.value]
                self.beats.append((cycle, kept, bool(payload.last)))
            cycle += 1

    async def _count(self, ctx):
        async for _, _, release in ctx.tick().sample(self.dut.i.release):
            self.credits += release
            assert self.credits <= GlobalWinners.SAMPLES, "more samples released than sent"


def _samples(rng: random.Random, channels: int) -> list[list[int]]:
    """Samples with ties on every level, few values above 0, all equal, rising and falling."""
    found = [[rng.randint(0, most) for _ in range(channels)] for most in (0, 1, 3, 20, ACT_MAX) * 2]
    found += [[rng.choice([0, 0, 0, 0, 17, ACT_MAX]) for _ in range(channels)] for _ in range(2)]
    found += [[16 * rng.randint(0, 15) for _ in range(channels)]]
    found += [[rng.randint(96, 111) for _ in range(channels)] for _ in range(2)]
    found += [[channel % 256 for channel in range(channels)]]
    found += [[ACT_MAX - channel % 256 for channel in range(channels)]]
    found += [[0] * (channels - 1) + [5], [5] + [0] * (channels - 1), [ACT_MAX] * channels]
    rng.shuffle(found)
    return found


def _expected(sample: list[int], k: int) -> list[tuple[int, int]]:
    return [(index, sample[index]) for index in winners(sample, k) if sample[index]]


@pytest.mark.parametrize(("channels", "drain", "k", "emit"), SHAPES)
@pytest.mark.parametrize(("row_gap", "stall"), [(0.0, 0.0), (0.3, 0.6), (0.8, 0.1)])
def test_equals_the_law(channels, drain, k, emit, row_gap, stall) -> None:
    rng = random.Random(f"{channels} {drain} {k} {emit} {stall}")
    samples = _samples(rng, channels)
    bench = Bench(*simulated(channels, drain, k, emit), samples, row_gap, stall, rng)
    found = bench.run()
    assert len(found) == len(samples)
    for sample, beats in zip(samples, found, strict=True):
        assert [winner for _, kept, _ in beats for winner in kept] == _expected(sample, k)
        assert all(kept for _, kept, _ in beats[:-1]), "beat without winners"
        assert len(beats) <= _emission(bench.dut)
    assert bench.credits == GlobalWinners.SAMPLES


def _emission(dut: GlobalWinners) -> int:
    return min(-(-dut.k // dut.emit) + dut.rows, dut.rows * -(-dut.drain // dut.emit))


@pytest.mark.parametrize(("channels", "drain", "k", "emit"), [*SHAPES, (200, 8, 20, 2)])
def test_no_cycle_is_lost_between_samples(channels, drain, k, emit) -> None:
    dut, simulation = simulated(channels, drain, k, emit)
    rng = random.Random(2)
    samples = [[rng.randint(0, ACT_MAX) for _ in range(channels)] for _ in range(40)]
    found = Bench(dut, simulation, samples).run()
    ends = [beats[-1][0] for beats in found]
    interval = max(dut.rows, _emission(dut))
    # Eight samples hide the way through the passes, as long as that is no longer than a few
    # samples.
    through = 40 + 2 * dut.rows
    assert ends[-1] - ends[9] <= max(30 * interval, 30 * through // GlobalWinners.SAMPLES)


def test_the_shipped_size() -> None:
    rng = random.Random(3)
    samples = [[max(0, int(rng.gauss(20, 40))) % 256 for _ in range(1500)] for _ in range(3)]
    dut, simulation = simulated(1500, 60, 150, 2)
    found = Bench(dut, simulation, samples).run()
    for sample, beats in zip(samples, found, strict=True):
        assert [winner for _, kept, _ in beats for winner in kept] == _expected(sample, 150)
        assert len(beats) <= _emission(dut)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, 2, 5, 1), r"k is 5, needs 1\.\.4"),
        ((4, 2, 0, 1), r"k is 0, needs 1\.\.4"),
        ((4, 0, 1, 1), "drain 0"),
    ],
)
def test_arguments_are_checked(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        GlobalWinners(*arguments)
