"""A bench around a scatter stage, and the law in plain Python that it is held against."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from twofold.hw.contract.arith import requantise, winners
from twofold.hw.contract.folding import Folding, LayerFolding, ScatterFolding, ScatterPlan
from twofold.hw.contract.folding import plans as plans_of
from twofold.hw.contract.network import Conv2d, Layer, Linear, Network, Stage
from twofold.hw.contract.tables import TableKind, channels_in, tables
from twofold.hw.engines.scatter.stage import ScatterStage

Pixel = tuple[int, int]
Lists = dict[Pixel, list[tuple[int, int]]]


def plan_of(
    shape: tuple[int, int], layers: list[Layer], foldings: list[LayerFolding], at: int = 1
) -> ScatterPlan:
    """Plan number ``at`` of a network whose labels and last layer follow from ``layers``."""
    if not (isinstance(layers[-1], Linear) and layers[-1].k is None):
        layers, foldings = [*layers, Linear(out_features=2)], [*foldings, ScatterFolding()]
    last = layers[-1]
    assert isinstance(last, Linear)
    network = Network(
        name="case",
        input_shape=(1, *shape),
        layers=tuple(layers),
        labels=tuple(map(str, range(last.out_features))),
    )
    plan = plans_of(network, Folding(tuple(foldings), input_bytes=shape[1]))[at]
    assert isinstance(plan, ScatterPlan)
    return plan


@dataclass
class Model:
    """A layer with random weights in canonical order, and what it makes of winner lists."""

    plan: ScatterPlan
    rng: random.Random
    kernels: list[dict[tuple[int, int], int]] = field(init=False)
    add: list[int] = field(init=False)
    mul: list[int] = field(init=False)
    shift: int = field(init=False)

    def __post_init__(self) -> None:
        stage = self.plan.stage
        self.kernels = [{} for _ in range(stage.channels)]
        places = [(t, c) for t in range(stage.taps) for c in range(stage.in_shape[0])]
        for group in range(stage.sets):
            self.rng.shuffle(places)
            members = list(range(group, stage.channels, stage.sets))
            dealt = places[: stage.fan_in * len(members)]
            for number, place in enumerate(dealt):
                weight = self.rng.choice((-128, 127, self.rng.randint(-128, 127)))
                self.kernels[members[number % len(members)]][place] = weight
        scale = 1 << stage.acc_bits - 4
        multiplied = stage.layer.multiplier
        self.mul = [self.rng.randrange(1, 9) if multiplied else 1 for _ in self.kernels]
        self.shift = max(0, stage.acc_bits - 11)
        self.add = [self.rng.randint(-scale, scale) for _ in self.kernels]

    def table(self, kind: TableKind, lane: int, address: int) -> int:
        """An element of a table, from the definitions in `twofold.hw.contract.tables`."""
        plan, stage = self.plan, self.plan.stage
        if kind == TableKind.SHIFT:
            return self.shift
        if kind in (TableKind.ADD, TableKind.MUL):
            channel = address * plan.folding.drain + lane
            values = self.add if kind == TableKind.ADD else self.mul
            return values[channel] if channel < stage.channels else self.rng.randrange(16)
        place, turn = divmod(address, plan.rounds)
        tap, channel = divmod(place, channels_in(plan))
        group = turn * plan.folding.lanes + lane
        for kernel in range(group, stage.channels, stage.sets):
            if (tap, channel) in self.kernels[kernel]:
                return self.kernels[kernel][tap, channel] & 255 | kernel // stage.sets << 8
        return 0

    def sample(self) -> Lists:
        """Random winner lists; some winners are worth nothing, one sample in five nothing at
        all.
        """
        stage = self.plan.stage
        channels, rows, cols = stage.in_shape
        zero = self.rng.random() < 0.2
        return {
            (y, x): [
                (index, 0 if zero else self.rng.choice((0, 255, self.rng.randrange(256))))
                for index in sorted(self.rng.sample(range(channels), stage.in_k))
            ]
            for y in range(rows)
            for x in range(cols)
        }

    def sums(self, lists: Lists, row: int, col: int) -> list[int]:
        """Accumulators of the convolution at a position."""
        stage = self.plan.stage
        found = []
        for kernel in self.kernels:
            total = 0
            for tap in range(stage.taps):
                y = row * stage.strides[0] + tap // stage.kernel[1] - stage.edges[0]
                x = col * stage.strides[1] + tap % stage.kernel[1] - stage.edges[1]
                pixel = lists.get((y, x), [])
                total += sum(kernel.get((tap, at), 0) * value for at, value in pixel)
            found.append(total)
        return found

    def pooled(self, lists: Lists, row: int, col: int) -> list[int]:
        """Maxima of the accumulators over a pooling window."""
        down, across = self.plan.stage.pool_window
        window = [
            self.sums(lists, row * down + y, col * across + x)
            for y in range(down)
            for x in range(across)
        ]
        return [max(values) for values in zip(*window, strict=True)]

    def activations(self, accumulators: list[int]) -> list[int]:
        constants = zip(accumulators, self.add, self.mul, strict=True)
        return [requantise(acc, add, self.shift, mul) for acc, add, mul in constants]


def blocks(stage: Stage, rows: int, cols: int) -> list[list[Pixel]]:
    """Output pixels of every tile, pass after pass."""
    _, height, width = stage.out_shape
    return [
        [(top + y, left + x) for y in range(rows) for x in range(cols)]
        for top in range(0, height, rows)
        for left in range(0, width, cols)
    ]


def expected_beats(model: Model, lists: Lists) -> list[Any]:
    """Rows or logits, or for a convolution each tile's winners above 0, pass after pass."""
    plan, stage = model.plan, model.plan.stage
    drain = plan.folding.drain
    if not isinstance(stage.layer, Conv2d):
        values = model.pooled(lists, 0, 0)
        if stage.last:
            values = [value + add for value, add in zip(values, model.add, strict=True)]
        else:
            values = model.activations(values)
        values += [0] * (-len(values) % drain)
        return [values[at : at + drain] for at in range(0, len(values), drain)]
    beats = []
    for block in blocks(stage, plan.folding.rows, plan.folding.cols):
        tiles = []
        for pixel in block:
            values = model.activations(model.pooled(lists, *pixel))
            chosen = winners(values, stage.k)
            tiles.append({index: values[index] for index in chosen if values[index]})
        beats.append(tiles)
    return beats


def may_wait(plan: ScatterPlan, entry: int) -> bool:
    """Whether there may be a gap in front of an entry; lists of chosen winners have none inside."""
    return entry == 0 or plan.stage.in_k == plan.stage.in_shape[0]


class Bench:
    """Drives a stage from all sides; ``gaps`` is the share of cycles in which a side waits."""

    def __init__(self, plan: ScatterPlan, *, samples: int, gaps: float, seed: int) -> None:
        self.plan, self.gaps, self.rng = plan, gaps, random.Random(seed)
        self.frames, self.credits = (2, 1) if gaps else (4, 6)
        self.dut = ScatterStage(plan, frames=self.frames, credits=self.credits)
        self.model = Model(plan, self.rng)
        self.samples = [self.model.sample() for _ in range(samples)]
        self.expected = [
            beat for sample in self.samples for beat in expected_beats(self.model, sample)
        ]
        self.pixels = isinstance(plan.stage.layer, Conv2d)
        self.beats: list[Any] = []
        self.beat_cycles: list[int] = []
        self.free = self.frames
        self.cycle = 0
        self.reset = Signal()

    @property
    def beats_a_sample(self) -> int:
        """Beats that leave the stage for a sample."""
        stage = self.plan.stage
        if self.pixels:
            return self.plan.passes * stage.k
        return -(-stage.channels // self.plan.folding.drain)

    @property
    def sample_cycles(self) -> list[int]:
        """Cycle of the last beat of every sample."""
        return self.beat_cycles[self.beats_a_sample - 1 :: self.beats_a_sample]

    def run(self, *, reset_after: int = 0) -> None:
        """Configure, run all samples, compare. With ``reset_after`` cycles the whole run is begun,
        reset in the middle, and done again.
        """
        sim = Simulator(ResetInserter(self.reset)(self.dut))
        sim.add_clock(1e-8)
        limit = 60 * len(self.samples) * max(self.plan.cycles, 60) + 4000

        async def count(ctx) -> None:
            async for _ in ctx.tick():
                self.cycle += 1
                assert self.cycle < limit, "the stage hangs"

        async def drive(ctx) -> None:
            await self._configure(ctx)
            if reset_after:
                await self._interrupted(ctx, reset_after)
                await self._configure(ctx)
            await (self._stream if self.plan.streamed else self._lists)(ctx, self.samples)

        async def take(ctx) -> None:
            await self._collect(ctx)

        async def release(ctx) -> None:
            await self._watch(ctx)

        sim.add_testbench(count, background=True)
        sim.add_testbench(drive)
        sim.add_testbench(take, background=True)
        sim.add_testbench(release, background=True)
        sim.add_testbench(self._finish)
        sim.run()
        self._compare()

    async def _configure(self, ctx) -> None:
        config = self.dut.config
        for table in tables(self.plan):
            for lane in range(table.lanes):
                for address in range(table.depth):
                    ctx.set(config.valid, 1)
                    ctx.set(config.stage, table.stage)
                    ctx.set(config.kind, table.kind)
                    ctx.set(config.lane, lane)
                    ctx.set(config.address, address)
                    value = self.model.table(table.kind, lane, address)
                    ctx.set(config.data, value & 0xFFFFFFFF)
                    await ctx.tick()
        for stage, kind in ((self.plan.stage.index + 1, 0), (self.plan.stage.index, 9)):
            ctx.set(config.stage, stage)
            ctx.set(config.kind, kind)
            ctx.set(config.lane, 0)
            ctx.set(config.address, 0)
            ctx.set(config.data, 0xFFFFFFFF)
            await ctx.tick()
        ctx.set(config.valid, 0)
        await ctx.tick().repeat(4)

    async def _interrupted(self, ctx, cycles: int) -> None:
        """Something for ``cycles`` cycles, then a reset, and all sides begin anew."""
        link = self.dut.i
        beats = cycles if self.plan.streamed else self.plan.source.passes * self.plan.stage.in_k
        self.free -= 1
        for cycle in range(cycles):
            ctx.set(link.valid, cycle < beats)
            ctx.set(link.payload.as_value(), self.rng.getrandbits(len(link.payload.as_value())))
            if self.plan.streamed:
                ctx.set(link.payload.last, 0)
            await ctx.tick()
        assert not self.beats, "the reset should come before the first sample is out"
        ctx.set(link.valid, 0)
        ctx.set(self.reset, 1)
        await ctx.tick().repeat(2)  # a release in the cycle of the reset belongs to the lost sample
        ctx.set(self.reset, 0)
        self.free = self.frames

    async def _lists(self, ctx, samples: list[Lists]) -> None:
        source, link = self.plan.source, self.dut.i
        for lists in samples:
            while not self.free:
                await ctx.tick()
            self.free -= 1
            for block in blocks(source.stage, source.folding.rows, source.folding.cols):
                for entry in range(self.plan.stage.in_k):
                    while may_wait(self.plan, entry) and self.rng.random() < self.gaps:
                        await ctx.tick()
                    for tile, pixel in enumerate(block):
                        index, value = lists[pixel][entry]
                        ctx.set(link.payload[tile].index, index)
                        ctx.set(link.payload[tile].value, value)
                    ctx.set(link.valid, 1)
                    await ctx.tick()
                    ctx.set(link.valid, 0)

    async def _stream(self, ctx, samples: list[Lists]) -> None:
        engines, link = self.plan.folding.engines, self.dut.i
        for lists in samples:
            flat = lists[0, 0]
            for at in range(0, len(flat), engines):
                while self.rng.random() < self.gaps:
                    await ctx.tick()
                beat = flat[at : at + engines]
                beat += [(self.rng.randrange(len(flat)), 0)] * (engines - len(beat))
                for engine, (index, value) in enumerate(beat):
                    ctx.set(link.payload.winners[engine].index, index)
                    ctx.set(link.payload.winners[engine].value, value)
                ctx.set(link.payload.last, at + engines >= len(flat))
                ctx.set(link.valid, 1)
                await ctx.tick().until(link.ready)
                ctx.set(link.valid, 0)

    async def _watch(self, ctx) -> None:
        """Frames that the stage has freed."""
        if not self.plan.streamed:
            async for _, _, release in ctx.tick().sample(self.dut.i.release):
                self.free += release
                assert self.free <= self.frames, "freed more frames than there are"

    async def _collect(self, ctx) -> None:
        """Take beats; give a credit back for each whole sample, late if there are gaps."""
        link, owed = self.dut.o, 0
        payload = link.payload if self.pixels else link.values
        while True:
            given = owed > 0 and self.rng.random() >= self.gaps
            ctx.set(link.release, given)
            owed -= given
            _, _, valid, beat = await ctx.tick().sample(link.valid, payload)
            if not valid:
                continue
            self.beat_cycles.append(self.cycle)
            if self.pixels:
                self.beats.append([(entry["index"], entry["value"]) for entry in beat])
            else:
                self.beats.append(list(beat))
            owed += len(self.beats) % self.beats_a_sample == 0

    async def _finish(self, ctx) -> None:
        wanted = len(self.samples) * self.beats_a_sample
        while len(self.beats) < wanted:
            await ctx.tick()
        await ctx.tick().repeat(2 * self.plan.cycles + 60)

    def _compare(self) -> None:
        """All beats, and not one more; lists of a convolution without regard to their order."""
        found = self.beats
        if self.pixels:
            k = self.plan.stage.k
            passes = [found[at : at + k] for at in range(0, len(found), k)]
            found = [
                [above_zero(column) for column in zip(*beats, strict=True)] for beats in passes
            ]
        assert found == self.expected


def above_zero(entries: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Winners of a list that are worth something; none may be there twice."""
    kept = [(index, value) for index, value in entries if value]
    assert len(dict(kept)) == len(kept), kept
    return dict(kept)


@pytest.fixture
def make_plan():
    """`plan_of`."""
    return plan_of


@pytest.fixture
def make_bench():
    """`Bench`."""
    return Bench
