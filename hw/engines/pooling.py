"""Pooling in hardware: a tree that combines the sums of a window in pairs, registered per level.

It is the same for both engines, which compute all positions of a window in parallel.
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
    """How a kind of pooling is built.

    Attributes
    ----------
    combine: combines two accumulators.
    luts: LUTs per bit, relative to those of a maximum.
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

    It is valid ``tree_levels(stage.positions)`` cycles after ``values``, the accumulators of all
    positions. ``name`` names the registers (see `tree_of`).
    """
    combine = COMBINERS[stage.pooling.name].combine
    return tree_of(m, values, combine, lambda count: signed(_bits(stage, count)), name)


def pool_bits(stage: Stage) -> int:
    """Total width of all combinations of a window, in bits."""
    total, left, count = 0, stage.positions, 1
    while left > 1:
        count *= 2
        total += left // 2 * _bits(stage, count)
        left -= left // 2
    return total


def pool_luts(stage: Stage) -> float:
    """LUTs of the combinations of a window, in units of one bit of a maximum."""
    return pool_bits(stage) * COMBINERS[stage.pooling.name].luts


def _bits(stage: Stage, count: int) -> int:
    """Width of a combination of ``count`` accumulators, capped at the positions of a window."""
    terms = stage.pooling.terms(min(count, stage.positions))
    return accumulator_bits(stage.products * terms)
