"""Scatter stages against the law in plain Python: values, order, credits and cycles."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from hw.contract.arith import requantise, winners
from hw.contract.folding import Folding, GatherFolding, LayerFolding, ScatterFolding, ScatterPlan
from hw.contract.folding import plans as plans_of
from hw.contract.network import Complementary, Conv2d, Dense, Layer, Linear, Network, Stage
from hw.contract.tables import TableKind, channels_in, tables
from hw.scatter.stage import ScatterStage

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
        """An element of a table, from the definitions in `hw.contract.tables`."""
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

    def word(self) -> Lists:
        """Random winner lists; some winners are worth nothing, one word in five nothing at all."""
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
                y = row * stage.stride + tap // stage.kernel[1]
                x = col * stage.stride + tap % stage.kernel[1]
                total += sum(kernel.get((tap, at), 0) * value for at, value in lists[y, x])
            found.append(total)
        return found

    def pooled(self, lists: Lists, row: int, col: int) -> list[int]:
        """Maxima of the accumulators over a pooling window."""
        pool = self.plan.stage.pool
        window = [
            self.sums(lists, row * pool + y, col * pool + x)
            for y in range(pool)
            for x in range(pool)
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


class Bench:
    """Drives a stage from all sides; ``gaps`` is the share of cycles in which a side waits."""

    def __init__(self, plan: ScatterPlan, *, words: int, gaps: float, seed: int) -> None:
        self.plan, self.gaps, self.rng = plan, gaps, random.Random(seed)
        self.frames, self.credits = (2, 1) if gaps else (4, 6)
        self.dut = ScatterStage(plan, frames=self.frames, credits=self.credits)
        self.model = Model(plan, self.rng)
        self.words = [self.model.word() for _ in range(words)]
        self.expected = [beat for word in self.words for beat in expected_beats(self.model, word)]
        self.pixels = isinstance(plan.stage.layer, Conv2d)
        self.beats: list[Any] = []
        self.beat_cycles: list[int] = []
        self.free = self.frames
        self.cycle = 0
        self.reset = Signal()

    @property
    def beats_a_word(self) -> int:
        """Beats that leave the stage for a word."""
        stage = self.plan.stage
        if self.pixels:
            return self.plan.passes * stage.k
        return -(-stage.channels // self.plan.folding.drain)

    @property
    def word_cycles(self) -> list[int]:
        """Cycle of the last beat of every word."""
        return self.beat_cycles[self.beats_a_word - 1 :: self.beats_a_word]

    def run(self, *, reset_after: int = 0) -> None:
        """Configure, run all words, compare. With ``reset_after`` cycles the whole run is begun,
        reset in the middle, and done again.
        """
        sim = Simulator(ResetInserter(self.reset)(self.dut))
        sim.add_clock(1e-8)
        limit = 60 * len(self.words) * max(self.plan.cycles, 60) + 4000

        async def count(ctx) -> None:
            async for _ in ctx.tick():
                self.cycle += 1
                assert self.cycle < limit, "the stage hangs"

        async def drive(ctx) -> None:
            await self._configure(ctx)
            if reset_after:
                await self._interrupted(ctx, reset_after)
                await self._configure(ctx)
            await (self._stream if self.plan.streamed else self._lists)(ctx, self.words)

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
        for cycle in range(cycles):
            ctx.set(link.valid, cycle < beats)
            ctx.set(link.payload.as_value(), self.rng.getrandbits(len(link.payload.as_value())))
            if self.plan.streamed:
                ctx.set(link.payload.last, 0)
            await ctx.tick()
        assert not self.beats, "the reset should come before the first word is out"
        ctx.set(link.valid, 0)
        ctx.set(self.reset, 1)
        await ctx.tick()
        ctx.set(self.reset, 0)
        self.free = self.frames

    async def _lists(self, ctx, words: list[Lists]) -> None:
        source, link = self.plan.source, self.dut.i
        for lists in words:
            while not self.free:
                await ctx.tick()
            self.free -= 1
            for block in blocks(source.stage, source.folding.rows, source.folding.cols):
                for entry in range(self.plan.stage.in_k):
                    while self.rng.random() < self.gaps:
                        await ctx.tick()
                    for tile, pixel in enumerate(block):
                        index, value = lists[pixel][entry]
                        ctx.set(link.payload[tile].index, index)
                        ctx.set(link.payload[tile].value, value)
                    ctx.set(link.valid, 1)
                    await ctx.tick()
                    ctx.set(link.valid, 0)

    async def _stream(self, ctx, words: list[Lists]) -> None:
        engines, link = self.plan.folding.engines, self.dut.i
        for lists in words:
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
        """Take beats; give a credit back for each whole word, late if there are gaps."""
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
            owed += len(self.beats) % self.beats_a_word == 0

    async def _finish(self, ctx) -> None:
        wanted = len(self.words) * self.beats_a_word
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


CONV1 = {"kernel": (1, 1), "sparsity": Dense()}
SETS = Complementary


def conv_cases() -> Iterator[Any]:
    """Convolutions: every folding and shape that takes another path."""
    producer = Conv2d(out_channels=5, k=2, **CONV1)
    square = {"kernel": (3, 3), "pool": 2}
    yield pytest.param(
        plan_of(
            (6, 6),
            [producer, Conv2d(out_channels=8, k=3, sparsity=SETS(4), **square)],
            [GatherFolding(rows=2, cols=3), ScatterFolding(cols=2, engines=2, lanes=2)],
        ),
        id="rounds, engines with uneven taps, pool, producer folded otherwise",
    )
    yield pytest.param(
        plan_of(
            (4, 6),
            [producer, Conv2d(out_channels=8, k=3, sparsity=SETS(4), **square)],
            [GatherFolding(rows=4, cols=6), ScatterFolding(cols=2, engines=4, lanes=4)],
        ),
        id="a bank a pixel, fewer engines than asked for",
    )
    yield pytest.param(
        plan_of(
            (5, 5),
            [
                Conv2d(out_channels=3, **CONV1),
                Conv2d(out_channels=10, kernel=(3, 1), stride=2, sparsity=SETS(6), k=10),
            ],
            [GatherFolding(), ScatterFolding(rows=2, lanes=2)],
        ),
        id="all channels win, three rounds, stride, channels missing in a set",
    )
    yield pytest.param(
        plan_of(
            (7, 4),
            [
                Conv2d(out_channels=1, **CONV1),
                Conv2d(out_channels=6, kernel=(2, 2), pool=3, sparsity=SETS(2), k=1),
            ],
            [GatherFolding(rows=7), ScatterFolding(rows=2, engines=3, lanes=1)],
        ),
        id="one channel, pool of 3, one winner, more drain than steps",
    )
    yield pytest.param(
        plan_of(
            (8, 8),
            [
                Conv2d(out_channels=4, k=3, **CONV1),
                Conv2d(out_channels=3, kernel=(2, 2), stride=2, pool=2, multiplier=True, k=2),
            ],
            [GatherFolding(rows=4, cols=2), ScatterFolding(cols=2, lanes=3)],
        ),
        id="dense weights, stride and pool, multipliers",
    )
    third = Conv2d(out_channels=6, kernel=(2, 2), sparsity=SETS(3), k=2)
    yield pytest.param(
        plan_of(
            (6, 5),
            [producer, Conv2d(out_channels=4, kernel=(2, 2), sparsity=SETS(2), k=3), third],
            [GatherFolding(), ScatterFolding(rows=5, cols=2), ScatterFolding(rows=2, lanes=3)],
            at=2,
        ),
        id="behind a scatter convolution",
    )


def linear_cases() -> Iterator[Any]:
    """Linear layers: hidden and last, behind pixels and behind winners."""
    pixels = Conv2d(out_channels=6, k=2, **CONV1)
    hidden = Linear(out_features=14, sparsity=SETS(8), k=4)
    fold = GatherFolding(rows=3)
    yield pytest.param(
        plan_of((3, 3), [pixels, hidden], [fold, ScatterFolding(engines=2, lanes=4, drain=4)]),
        id="hidden, pixels, channels missing in the last row",
    )
    yield pytest.param(
        plan_of(
            (3, 3),
            [pixels, Linear(out_features=10, sparsity=SETS(8), k=4, multiplier=True)],
            [fold, ScatterFolding(engines=3, lanes=8, drain=2)],
        ),
        id="hidden, pixels, whole rows missing, multipliers",
    )
    yield pytest.param(
        plan_of(
            (3, 3),
            [pixels, hidden, Linear(out_features=9, sparsity=SETS(6), k=3)],
            [fold, ScatterFolding(lanes=8), ScatterFolding(engines=3, lanes=2, drain=1)],
            at=2,
        ),
        id="hidden, winners, three rounds",
    )
    yield pytest.param(
        plan_of(
            (3, 3),
            [pixels, hidden, Linear(out_features=7)],
            [fold, ScatterFolding(lanes=8), ScatterFolding(engines=3, lanes=7)],
            at=2,
        ),
        id="last, winners, drain longer than the stream",
    )
    yield pytest.param(
        plan_of(
            (2, 3),
            [pixels, Linear(out_features=5)],
            [GatherFolding(rows=2), ScatterFolding(lanes=5, drain=5)],
        ),
        id="last, pixels, one row",
    )


CASES = [*conv_cases(), *linear_cases()]


@pytest.mark.parametrize("plan", CASES)
def test_words_under_random_waits(plan: ScatterPlan) -> None:
    Bench(plan, words=4, gaps=0.4, seed=1).run()


@pytest.mark.parametrize("plan", CASES)
def test_words_back_to_back_at_the_planned_interval(plan: ScatterPlan) -> None:
    bench = Bench(plan, words=6, gaps=0.0, seed=2)
    bench.run()
    beats = -(-plan.stage.in_k // plan.folding.engines)
    if plan.streamed:
        interval = max(beats * plan.rounds, plan.drain_steps)
    else:
        interval = max(plan.cycles, plan.source.passes * plan.stage.in_k)
    ends = bench.word_cycles
    assert [after - before for before, after in pairwise(ends[2:])] == [interval] * 3


def random_plan(rng: random.Random) -> ScatterPlan:
    """A small layer of any kind, behind any kind, folded at random."""

    def divisor(number: int) -> int:
        return rng.choice([each for each in range(1, number + 1) if number % each == 0])

    def sets(channels: int, *, last: bool = False) -> Complementary | Dense:
        count = divisor(channels) if last else rng.randint(1, channels)
        return rng.choice((Dense(), Complementary(count)))

    def fold(rows: int, cols: int, sparsity: Complementary | Dense, channels: int, taps: int):
        lanes = divisor(sparsity.sets if isinstance(sparsity, Complementary) else channels)
        engines, drain = rng.randint(1, min(4, taps)), divisor(lanes)
        return ScatterFolding(
            rows=divisor(rows), cols=divisor(cols), engines=engines, lanes=lanes, drain=drain
        )

    height, width, channels = rng.randint(1, 5), rng.randint(1, 5), rng.randint(1, 6)
    k = rng.choice((None, rng.randint(1, channels)))
    layers: list[Layer] = [Conv2d(out_channels=channels, k=k, **CONV1)]
    foldings: list[LayerFolding] = [GatherFolding(rows=divisor(height), cols=divisor(width))]
    features, multiplier = rng.randint(1, 9), rng.random() < 0.3
    sparsity, k = sets(features), rng.choice((None, rng.randint(1, features)))
    if rng.random() < 0.5:
        kernel = rng.randint(1, min(3, height)), rng.randint(1, min(3, width))
        stride, pool = rng.randint(1, 2), rng.randint(1, 3)
        rows, cols = (
            ((size - window) // stride + 1)
            for size, window in zip((height, width), kernel, strict=True)
        )
        pool = min(pool, rows, cols)
        shape = {"kernel": kernel, "stride": stride, "pool": pool, "multiplier": multiplier}
        layers.append(Conv2d(out_channels=features, k=k, sparsity=sparsity, **shape))
        taps = kernel[0] * kernel[1]
        folding = fold(rows // pool, cols // pool, sparsity, features, taps)
        return plan_of((height, width), layers, [*foldings, replace(folding, drain=1)])
    if rng.random() < 0.3:
        sparsity = sets(features, last=True)
        layers.append(Linear(out_features=features, sparsity=sparsity))
        foldings.append(fold(1, 1, sparsity, features, height * width))
        return plan_of((height, width), layers, foldings)
    layers.append(Linear(out_features=features, k=k, sparsity=sparsity, multiplier=multiplier))
    foldings.append(fold(1, 1, sparsity, features, height * width))
    if k is not None and rng.random() < 0.5:
        return plan_of((height, width), layers, foldings)
    classes = rng.randint(1, 7)
    sparsity = sets(classes, last=True)
    layers.append(Linear(out_features=classes, sparsity=sparsity))
    foldings.append(fold(1, 1, sparsity, classes, 4))
    return plan_of((height, width), layers, foldings, at=2)


@pytest.mark.parametrize("seed", range(20))
def test_random_layers_under_random_waits(seed: int) -> None:
    rng = random.Random(seed)
    Bench(random_plan(rng), words=3, gaps=rng.choice((0.0, 0.2, 0.6)), seed=seed).run()


@pytest.mark.parametrize("plan", [CASES[0], CASES[8]])
def test_reset_in_the_middle_of_a_word_leaves_nothing_behind(plan: ScatterPlan) -> None:
    Bench(plan, words=2, gaps=0.0, seed=3).run(reset_after=20)
