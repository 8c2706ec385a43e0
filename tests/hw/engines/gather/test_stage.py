# amaranth: UnusedElaboratable=no
"""The gather stage against a plain convolution, cycle for cycle where nothing holds it up."""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from amaranth.sim import Simulator

from twofold.hw.contract.arith import requantise, winners
from twofold.hw.contract.folding import Folding, GatherFolding, GatherPlan, ScatterFolding, plans
from twofold.hw.contract.network import Complementary, Conv2d, Dense, Linear, Network, Taps
from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.tables import Table, TableKind, tables
from twofold.hw.contract.target import Target
from twofold.hw.engines.gather.stage import GatherStage
from twofold.hw.engines.gather.tile import GatherRow, GatherTile
from twofold.hw.primitives.tile import emit

Image = list[list[int]]
Beat = list[tuple[int, int]]
"""Index and value of the entries of all tiles."""


def _plan(shape: tuple[int, ...], layer: Conv2d, folding: GatherFolding) -> GatherPlan:
    """``shape``: height and width of an image of one channel, or channels, height and width."""
    planes, height, width = shape if len(shape) == 3 else (1, *shape)
    network = Network(
        name="test",
        input_shape=(planes, height, width),
        layers=(layer, Linear(out_features=1)),
        labels=("one",),
        zero_point=93,
    )
    found = plans(network, Folding((folding, ScatterFolding()), input_bytes=width))[0]
    assert isinstance(found, GatherPlan)
    return found


def _sparse(counts: Sequence[int], *, side: int = 3, **options: Any) -> Conv2d:
    sparsity = Taps(tuple(counts))
    return Conv2d(out_channels=len(counts), kernel=(side, side), sparsity=sparsity, **options)


def _dense(channels: int, **options: Any) -> Conv2d:
    return Conv2d(out_channels=channels, sparsity=Dense(), kernel=(3, 3), **options)


def _sets(channels: int, sets: int, **options: Any) -> Conv2d:
    return Conv2d(out_channels=channels, sparsity=Complementary(sets), **options)


def _wide(channels: int, **options: Any) -> Conv2d:
    """All streams read the first row, which is overwritten first, up to the last step."""
    sparsity = Taps((4,) * channels)
    return Conv2d(out_channels=channels, kernel=(1, 4), sparsity=sparsity, **options)


CASES = {
    "one tile": ((6, 6), _sparse([4] * 4, pool=2, k=2), GatherFolding()),
    "all tiles": ((6, 6), _sparse([4] * 8, pool=2, k=3), GatherFolding(rows=2, cols=2, streams=4)),
    "row of tiles": ((8, 6), _sparse([3] * 6, pool=2, k=6), GatherFolding(cols=2, streams=3)),
    "uneven": ((7, 7), _sparse([4, 3, 2, 1, 1, 1], pool=1, k=2), GatherFolding(cols=5, streams=2)),
    "rest": ((6, 6), _sparse([4] * 7, pool=2, k=2), GatherFolding(rows=2, cols=2, streams=3)),
    "rest of one": ((5, 5), _sparse([9, 3, 1], k=3), GatherFolding(rows=3, cols=1, streams=2)),
    "many streams": ((6, 6), _sparse([2] * 6, pool=2, k=1), GatherFolding(rows=2, streams=6)),
    "stride": ((9, 9), _sparse([4] * 4, pool=2, stride=2, k=2), GatherFolding(rows=1, cols=1)),
    "stride, no pool": ((7, 7), _sparse([4] * 4, stride=2, k=4), GatherFolding(cols=3, streams=2)),
    "pool of three": ((8, 8), _sparse([5, 4], pool=3, k=1), GatherFolding(rows=2, cols=2)),
    "large stride": ((12, 11), _sparse([3] * 2, side=2, stride=3, k=1), GatherFolding(cols=2)),
    "dense": ((6, 6), _dense(4, pool=2, k=2), GatherFolding(rows=2, cols=1, streams=2)),
    "dense, streams": ((5, 5), _dense(12, pool=1, k=12), GatherFolding(rows=3, streams=12)),
    "wide kernel": ((4, 9), _wide(8, pool=2, k=2), GatherFolding(cols=3, streams=4)),
    "one tap": ((4, 4), _sparse([1] * 3, side=1, pool=2, k=3), GatherFolding(rows=2, cols=2)),
    "multiplier": (
        (6, 6), _sparse([4] * 4, pool=2, k=2, multiplier=True), GatherFolding(cols=2, streams=2),
    ),
    "one channel": ((5, 5), _sparse([9]), GatherFolding(rows=3, cols=3)),
    "padding": (
        (6, 6), _sparse([4] * 5, pool=2, k=2, padding=1), GatherFolding(cols=3, streams=2),
    ),
    "wide padding": (
        (5, 4), _sparse([9, 3, 2], stride=2, padding=3, k=3), GatherFolding(rows=5, streams=2),
    ),
    "colours": (
        (3, 7, 6), _sparse([7, 4, 4, 3], pool=2, k=3), GatherFolding(rows=2, cols=2, streams=3),
    ),
    "colours, dense": ((3, 5, 6), _dense(4, padding=1, k=2), GatherFolding(rows=5, cols=2)),
    "colours, stride": (
        (2, 9, 8), _sparse([9] * 3, padding=2, pool=2, stride=2), GatherFolding(streams=3),
    ),
    "colours, sets": (
        (3, 4, 4), _sets(6, 2, kernel=(2, 2), padding=1, k=2), GatherFolding(rows=5, streams=4),
    ),
    "edges": (
        (6, 8), _sparse([5, 4, 2], stride=(2, 1), padding=(1, 0, 2, 3), pool=(1, 3), k=2),
        GatherFolding(rows=2, cols=1, streams=2),
    ),
    "one dimension": (
        (2, 1, 14), _sets(4, 2, kernel=(1, 4), stride=(1, 3), padding=(0, 2, 0, 1)),
        GatherFolding(cols=5, streams=2),
    ),
    "emission": ((4, 4), _sparse([1] * 8, side=2, pool=3, k=8), GatherFolding(streams=4)),
}  # fmt: skip


@dataclass
class Weights:
    """Random contents of the tables of a gather layer."""

    plan: GatherPlan
    rng: random.Random
    kernels: list[dict[int, int]] = field(init=False)
    add: list[int] = field(init=False)
    mul: list[int] = field(init=False)
    shift: int = field(init=False)

    def __post_init__(self) -> None:
        stage, rng = self.plan.stage, self.rng
        self.kernels = [
            {
                tap: rng.choice((-128, 127, rng.randrange(-128, 128)))
                for tap in sorted(rng.sample(range(stage.inputs), count))
            }
            for count in self.plan.counts
        ]
        self.add = [rng.randrange(-8000, 16000) for _ in range(stage.channels)]
        self.mul = [rng.randrange(1, 8) for _ in range(stage.channels)]
        self.shift = rng.randrange(7, 11)
        if not stage.layer.multiplier:
            self.mul = [1] * stage.channels

    def elements(self, table: Table, lane: int) -> list[int]:
        """Elements of a lane, as the parameter image holds them."""
        match table.kind:
            case TableKind.WEIGHTS:
                return self._taps(lane)
            case TableKind.ADD:
                return self.add
            case TableKind.MUL:
                return self.mul
            case _:
                return [self.shift]

    def _taps(self, lane: int) -> list[int]:
        found: list[int] = []
        for group, steps in enumerate(self.plan.groups):
            number = group * self.plan.folding.streams + lane
            kernel = self.kernels[number] if number < len(self.kernels) else {}
            row = [(weight & 255) | tap << 8 for tap, weight in kernel.items()]
            found += row + [0] * (steps - len(row))
        return found

    def padded(self, image: Image) -> list[Image]:
        """The channels of the image, each with the zero point around it."""
        (top, left, bottom, right), (_, height, width) = (
            self.plan.stage.edges,
            self.plan.stage.in_shape,
        )
        full = [93] * (left + width + right)
        return [
            [full] * top
            + [[93] * left + row + [93] * right for row in image[at : at + height]]
            + [full] * bottom
            for at in range(0, len(image), height)
        ]

    def at(self, planes: list[Image], tap: int, row: int, column: int) -> int:
        """What a tap sees from a position of the convolution."""
        stage = self.plan.stage
        plane, place = divmod(tap, stage.taps)
        y, x = divmod(place, stage.kernel[1])
        return planes[plane][row * stage.strides[0] + y][column * stage.strides[1] + x]

    def pixel(self, planes: list[Image], row: int, column: int) -> list[int]:
        """All channels of a pooled pixel."""
        stage = self.plan.stage
        down, across = stage.pool_window
        values: list[int] = []
        for kernel, add, mul in zip(self.kernels, self.add, self.mul, strict=True):
            sums = [
                sum(
                    weight * self.at(planes, tap, row * down + y, column * across + x)
                    for tap, weight in kernel.items()
                )
                for y in range(down)
                for x in range(across)
            ]
            values.append(requantise(max(sums), add, self.shift, mul))
        return values

    def passes(self, image: Image) -> list[list[list[int]]]:
        """Channels of every tile, pass after pass."""
        folding, (_, rows, columns) = self.plan.folding, self.plan.stage.out_shape
        planes = self.padded(image)
        return [
            [
                self.pixel(planes, top + y, left + x)
                for y in range(folding.rows)
                for x in range(folding.cols)
            ]
            for top in range(0, rows, folding.rows)
            for left in range(0, columns, folding.cols)
        ]


class Bench:
    """A stage with its surroundings: loads tables, sends images, takes lists, gives credits."""

    def __init__(self, plan: GatherPlan, seed: int, *, input_bytes: int, credits: int) -> None:
        self.plan, self.rng, self.credits = plan, random.Random(seed), credits
        self.input_bytes = input_bytes
        self.dut = GatherStage(plan, input_bytes=input_bytes, credits=credits)
        self.weights = Weights(plan, self.rng)
        planes, height, self.width = plan.stage.in_shape
        self.rows = planes * height
        self.beats: list[Beat] = []
        self.times: list[int] = []
        self.held = 0

    def run(self, images: list[Image], *, gaps: float, waits: float) -> None:
        """Process ``images``; ``gaps`` and ``waits`` are chances of idle input and late credits."""
        samples = len(images)
        beats = self.plan.passes * self.plan.stage.k * samples
        cycle = 0
        sim = Simulator(self.dut)
        sim.add_clock(1e-8)
        loaded = False

        async def source(ctx) -> None:
            nonlocal loaded
            await self._load(ctx)
            loaded = True
            for image in images:
                await self._send(ctx, image, gaps)

        async def sink(ctx) -> None:
            nonlocal cycle
            dut = self.dut
            while len(self.beats) < beats:
                release = self.held > 0 and self.rng.random() >= waits
                ctx.set(dut.o.release, release)
                self.held -= release
                await ctx.tick()
                cycle += 1
                assert cycle < 40 * samples * (self.plan.cycles + 200) + 4000, "no progress"
                if ctx.get(dut.o.valid):
                    payload = ctx.get(dut.o.payload)
                    self.beats.append([(int(one.index), int(one.value)) for one in payload])
                    self.times.append(cycle)
                    if len(self.beats) % (beats // samples) == 0:
                        self.held += 1
            ctx.set(dut.o.release, 0)
            await ctx.tick().repeat(40)
            assert not ctx.get(dut.o.valid)

        sim.add_testbench(source)
        sim.add_testbench(sink)
        sim.run()

    async def _load(self, ctx) -> None:
        bus = self.dut.config
        for table in tables(self.plan):
            for lane in range(table.lanes):
                elements = self.weights.elements(table, lane)
                assert len(elements) == table.depth
                for address, element in enumerate(elements):
                    await self._write(ctx, table, lane, address, element)
        await self._write(ctx, Table(1, TableKind.ADD, 1, 1, 8), 0, 0, 77)
        ctx.set(bus.valid, 0)

    async def _write(self, ctx, table: Table, lane: int, address: int, element: int) -> None:
        bus = self.dut.config
        values = (1, table.stage, table.kind, lane, address, element & 0xFFFF_FFFF)
        names = ("valid", "stage", "kind", "lane", "address", "data")
        for name, value in zip(names, values, strict=True):
            ctx.set(getattr(bus, name), value)
        await ctx.tick()

    async def _send(self, ctx, image: Image, gaps: float) -> None:
        i, size = self.dut.i, self.input_bytes
        pixels = bytes(pixel for row in image for pixel in row)
        for at in range(0, len(pixels), size):
            while self.rng.random() < gaps:
                await ctx.tick()
            ctx.set(i.payload, int.from_bytes(pixels[at : at + size], "little"))
            ctx.set(i.valid, 1)
            await ctx.tick().until(i.ready)
            ctx.set(i.valid, 0)

    def image(self) -> Image:
        """A random image with extremes, its channels below each other."""
        return [
            [self.rng.choice((0, 255, self.rng.randrange(256))) for _ in range(self.width)]
            for _ in range(self.rows)
        ]

    def check(self, images: list[Image]) -> None:
        """Compare every list with the oracle."""
        stage, k = self.plan.stage, self.plan.stage.k
        expected = [tiles for image in images for tiles in self.weights.passes(image)]
        assert len(self.beats) == len(expected) * k
        for number, tiles in enumerate(expected):
            beats = self.beats[number * k : (number + 1) * k]
            for tile, values in enumerate(tiles):
                found = {index: value for index, value in (beat[tile] for beat in beats) if value}
                chosen = winners(values, k)
                assert found == {index: values[index] for index in chosen if values[index]}
                if k == stage.channels:
                    assert [beat[tile][0] for beat in beats] == list(range(k))


@pytest.mark.parametrize("name", CASES)
def test_random_gaps_and_credits(name: str) -> None:
    plan = _plan(*CASES[name])
    rng = random.Random(name)
    width = plan.stage.in_shape[2]
    divisors = [size for size in range(1, width + 1) if width % size == 0]
    bench = Bench(
        plan,
        rng.randrange(1 << 30),
        input_bytes=rng.choice([*divisors, 2 * width, 3 * width]),
        credits=rng.choice((2, 3, 4)),
    )
    images = [bench.image() for _ in range(4)]
    bench.run(images, gaps=rng.choice((0.0, 0.3, 0.8)), waits=rng.choice((0.5, 0.9, 0.98)))
    bench.check(images)


@pytest.mark.parametrize("name", CASES)
def test_interval_is_the_plans(name: str) -> None:
    """Samples follow each other every ``plan.cycles`` cycles when nothing holds them up."""
    plan = _plan(*CASES[name])
    bench = Bench(plan, 7, input_bytes=math.prod(plan.stage.in_shape), credits=8)
    images = [bench.image() for _ in range(6)]
    bench.run(images, gaps=0.0, waits=0.0)
    bench.check(images)
    sample = plan.passes * plan.stage.k
    starts = bench.times[::sample]
    assert [late - early for early, late in pairwise(starts[2:])] == [plan.cycles] * 3


def _divisor(rng: random.Random, number: int) -> int:
    return rng.choice([size for size in range(1, number + 1) if number % size == 0])


def _random_plan(rng: random.Random) -> GatherPlan:
    """A small layer of any shape with any folding."""
    kernel, stride = (rng.randrange(1, 4), rng.randrange(1, 4)), rng.choice((1, 1, 2))
    pool = rng.randrange(1, 4 if stride == 1 else 3)
    rows, cols = rng.randrange(1, 4), rng.randrange(1, 5)
    height, width = (
        side + (size * pool - 1) * stride + rng.randrange(stride)
        for side, size in zip(kernel, (rows, cols), strict=True)
    )
    channels, taps = rng.randrange(1, 9), kernel[0] * kernel[1]
    counts = [rng.randrange(1, taps + 1) for _ in range(channels)]
    layer = Conv2d(
        out_channels=channels,
        kernel=kernel,
        stride=stride,
        pool=pool,
        sparsity=rng.choice((Dense(), Taps(tuple(counts)))),
        k=rng.randrange(1, channels + 1),
        multiplier=rng.random() < 0.3,
    )
    folding = GatherFolding(
        rows=_divisor(rng, rows), cols=_divisor(rng, cols), streams=rng.randrange(1, channels + 1)
    )
    return _plan((height, width), layer, folding)


@pytest.mark.parametrize("seed", range(8))
def test_any_layer(seed: int) -> None:
    rng = random.Random(seed)
    plan = _random_plan(rng)
    _, height, width = plan.stage.in_shape
    bench = Bench(plan, seed, input_bytes=height * width, credits=2 + plan.passes * 8)
    images = [bench.image() for _ in range(6)]
    bench.run(images, gaps=0.0, waits=0.0)
    bench.check(images)
    starts = bench.times[:: plan.passes * plan.stage.k]
    assert [late - early for early, late in pairwise(starts[2:])] == [plan.cycles] * 3


def test_arguments() -> None:
    plan = _plan(*CASES["one tile"])
    with pytest.raises(ValueError, match="a beat of 4 pixels, needs a divisor or multiple of 6"):
        GatherStage(plan, input_bytes=4, credits=2)
    with pytest.raises(ValueError, match="0 credits, needs >= 1"):
        GatherStage(plan, input_bytes=6, credits=0)


def test_tiles_are_written_once() -> None:
    plan = plans(network("gsc"), folding("gsc", size="full"))[0]
    assert isinstance(plan, GatherPlan)
    text = emit(GatherStage(plan, input_bytes=64, credits=4), "gather", target=Target.XCUP)
    tile, row = GatherTile(plan).module_name, GatherRow(plan).module_name
    assert re.findall(r"^module (\w+)", text, re.M) == [tile, row, "gather"]
    assert len(re.findall(rf"^  {tile} tile\d+ \(", text, re.M)) == plan.folding.cols
    assert len(re.findall(rf"^  {row} row\d+ \(", text, re.M)) == plan.folding.rows
