"""Scatter stages against the law in plain Python: values, order, credits and cycles."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from twofold.hw.contract.folding import GatherFolding, LayerFolding, ScatterFolding
from twofold.hw.contract.network import Complementary, Conv2d, Dense, Layer, Linear

Case = tuple[tuple[int, int], list[Layer], list[LayerFolding], int]


def case(
    shape: tuple[int, int], layers: list[Layer], foldings: list[LayerFolding], at: int = 1
) -> Case:
    """What the plan of a layer is made from."""
    return shape, layers, foldings, at


CONV1 = {"kernel": (1, 1), "sparsity": Dense()}
SETS = Complementary


PRODUCER = Conv2d(out_channels=5, k=2, **CONV1)


def folding_cases() -> Iterator[Any]:
    """Convolutions of 3 x 3 with pooling, folded so that each takes another path."""
    square = {"kernel": (3, 3), "pool": 2}
    yield pytest.param(
        case(
            (5, 4),
            [PRODUCER, Conv2d(out_channels=4, k=2, sparsity=SETS(2), padding=1, **square)],
            [GatherFolding(rows=5, cols=2), ScatterFolding(rows=2, engines=2, lanes=2)],
        ),
        id="padding",
    )
    yield pytest.param(
        case(
            (6, 6),
            [PRODUCER, Conv2d(out_channels=8, k=3, sparsity=SETS(4), **square)],
            [GatherFolding(rows=2, cols=3), ScatterFolding(cols=2, engines=2, lanes=2)],
        ),
        id="rounds, engines with uneven taps, pool, producer folded otherwise",
    )
    yield pytest.param(
        case(
            (4, 6),
            [PRODUCER, Conv2d(out_channels=4, k=3, sparsity=SETS(2), **square)],
            [GatherFolding(rows=4, cols=6), ScatterFolding(cols=2, engines=4, lanes=2)],
        ),
        id="a bank a pixel, fewer engines than asked for",
    )


def shape_cases() -> Iterator[Any]:
    """Convolutions of unusual shapes: strides, windows, pools, numbers of channels."""
    yield pytest.param(
        case(
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
        case(
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
        case(
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
        case(
            (6, 5),
            [PRODUCER, Conv2d(out_channels=4, kernel=(2, 2), sparsity=SETS(2), k=3), third],
            [GatherFolding(), ScatterFolding(rows=5, cols=2), ScatterFolding(rows=2, lanes=3)],
            at=2,
        ),
        id="behind a scatter convolution",
    )


def linear_cases() -> Iterator[Any]:
    """Linear layers: hidden and last, behind pixels and behind winners."""
    pixels = Conv2d(out_channels=6, k=2, **CONV1)
    hidden = Linear(out_features=14, sparsity=SETS(8), k=4)
    first = GatherFolding(rows=3)
    yield pytest.param(
        case((3, 3), [pixels, hidden], [first, ScatterFolding(engines=2, lanes=4, drain=4)]),
        id="hidden, pixels, channels missing in the last row",
    )
    yield pytest.param(
        case(
            (3, 3),
            [pixels, Linear(out_features=10, sparsity=SETS(8), k=4, multiplier=True)],
            [first, ScatterFolding(engines=3, lanes=8, drain=2)],
        ),
        id="hidden, pixels, whole rows missing, multipliers",
    )
    yield pytest.param(
        case(
            (3, 3),
            [pixels, hidden, Linear(out_features=9, sparsity=SETS(6), k=3)],
            [first, ScatterFolding(lanes=8), ScatterFolding(engines=3, lanes=2, drain=1)],
            at=2,
        ),
        id="hidden, winners, three rounds",
    )
    yield pytest.param(
        case(
            (3, 3),
            [pixels, hidden, Linear(out_features=7)],
            [first, ScatterFolding(lanes=8), ScatterFolding(engines=3, lanes=7)],
            at=2,
        ),
        id="last, winners, drain longer than the stream",
    )
    yield pytest.param(
        case(
            (2, 3),
            [pixels, Linear(out_features=5)],
            [GatherFolding(rows=2), ScatterFolding(lanes=5, drain=5)],
        ),
        id="last, pixels, one row",
    )


CASES = [*folding_cases(), *shape_cases(), *linear_cases()]


@pytest.mark.parametrize("case", CASES)
def test_samples_under_random_waits(make_bench, make_plan, case: Case) -> None:
    make_bench(make_plan(*case), samples=4, gaps=0.4, seed=1).run()


@pytest.mark.parametrize("case", CASES)
def test_samples_back_to_back_at_the_planned_interval(make_bench, make_plan, case: Case) -> None:
    plan = make_plan(*case)
    bench = make_bench(plan, samples=6, gaps=0.0, seed=2)
    bench.run()
    beats = -(-plan.stage.in_k // plan.folding.engines)
    if plan.streamed:
        interval = max(beats * plan.rounds, plan.drain_steps)
    else:
        interval = max(plan.cycles, plan.source.passes * plan.stage.in_k)
    ends = bench.sample_cycles
    assert [after - before for before, after in pairwise(ends[2:])] == [interval] * 3


def random_case(rng: random.Random) -> Case:
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
        return case((height, width), layers, [*foldings, replace(folding, drain=1)])
    if rng.random() < 0.3:
        sparsity = sets(features, last=True)
        layers.append(Linear(out_features=features, sparsity=sparsity))
        foldings.append(fold(1, 1, sparsity, features, height * width))
        return case((height, width), layers, foldings)
    layers.append(Linear(out_features=features, k=k, sparsity=sparsity, multiplier=multiplier))
    foldings.append(fold(1, 1, sparsity, features, height * width))
    if k is not None and rng.random() < 0.5:
        return case((height, width), layers, foldings)
    classes = rng.randint(1, 7)
    sparsity = sets(classes, last=True)
    layers.append(Linear(out_features=classes, sparsity=sparsity))
    foldings.append(fold(1, 1, sparsity, classes, 4))
    return case((height, width), layers, foldings, at=2)


@pytest.mark.parametrize("seed", range(20))
def test_random_layers_under_random_waits(make_bench, make_plan, seed: int) -> None:
    rng = random.Random(seed)
    plan = make_plan(*random_case(rng))
    make_bench(plan, samples=3, gaps=rng.choice((0.0, 0.2, 0.6)), seed=seed).run()


@pytest.mark.parametrize("case", [CASES[0], CASES[8]])
def test_reset_in_the_middle_of_a_sample_leaves_nothing_behind(
    make_bench, make_plan, case: Case
) -> None:
    make_bench(make_plan(*case), samples=2, gaps=0.0, seed=3).run(reset_after=20)
