"""Pooling in hardware: the sums of a window combined two by two, with a register behind each level.

The same for both engines, which compute all positions of a window at the same time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import *

from twofold.hw.contract.arith import accumulator_bits
from twofold.hw.contract.layers.pooling import MAX, MEAN, SUM
from twofold.hw.contract.network import Stage
from twofold.hw.primitives.tree import tree_of


@dataclass(frozen=True)
class Combiner:
    """What a kind of pooling is built of.

    Attributes
    ----------
    combine: two accumulators.
    luts: for each bit, next to a maximum.
    """

    combine: Callable[[Value, Value], Value]
    luts: float


_SUM = Combiner(lambda first, second: first + second, luts=0.65)

COMBINERS = {
    MAX.name: Combiner(lambda first, second: Mux(first > second, first, second), luts=1.0),
    SUM.name: _SUM,
    MEAN.name: _SUM,
}
"""Combiners by the name of the pooling (see `twofold.hw.contract.layers.pooling`)."""


def pooled(m: Module, values: Sequence[Value], stage: Stage, name: str = "level") -> Value:
    """Pooled accumulator of a window: signed, ``stage.pooled_bits`` wide.

    It is ``tree_levels(stage.positions)`` cycles behind ``values``, the accumulators of all
    positions. ``name`` is that of the registers (see `tree_of`).
    """
    combine = COMBINERS[stage.pooling.name].combine
    return tree_of(m, values, combine, lambda count: signed(_bits(stage, count)), name)


def pool_bits(stage: Stage) -> int:
    """Bits of all combinations of a window."""
    total, left, count = 0, stage.positions, 1
    while left > 1:
        count *= 2
        total += left // 2 * _bits(stage, count)
        left -= left // 2
    return total


def pool_luts(stage: Stage) -> float:
    """LUTs of the combinations of a window, next to those of a bit of a maximum."""
    return pool_bits(stage) * COMBINERS[stage.pooling.name].luts


def _bits(stage: Stage, count: int) -> int:
    """Width of a combination of so many accumulators, at most all of a window."""
    terms = stage.pooling.terms(min(count, stage.positions))
    return accumulator_bits(stage.products * terms)
