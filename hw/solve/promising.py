"""The candidates that can be part of a small machine, so that large layers are solved in seconds.

Multipliers are most of the area of a layer, and how many it needs at least follows from its
products and the cycles that it may take. Of the many foldings of a large layer those with hardly
more than the least are worth costing, a few for each way to look from behind (see
`twofold.hw.solve.solver`). A layer with few candidates keeps all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from twofold.hw.contract.folding import (
    LayerFolding,
    Plan,
)
from twofold.hw.contract.network import Network, Stage
from twofold.hw.solve.candidates import candidates, widest

FEW = 160
"""Candidates of a layer that are all tried, unless its input takes long to route."""
ROUTED_MAX = 40_000
"""Steps of readers in all of them up to which routing is quick."""


@dataclass(frozen=True)
class Effort:
    """How many candidates are costed.

    Attributes
    ----------
    slack: multipliers at most, as a multiple of the least.
    ends: ways to look from behind, at most.
    each: candidates for each of them, at most.
    """

    slack: float
    ends: int
    each: int


QUICK = Effort(2, 4, 3)
EFFORTS = (QUICK, Effort(6, 8, 6))
"""One after the other, until a machine is found."""


def promising(network: Network, stage: Stage, cycles: int, effort: Effort) -> list[LayerFolding]:
    """Candidates of a layer that may take ``cycles`` a sample, and are worth costing."""
    found = list(candidates(network, stage))
    if len(found) <= FEW and len(found) * _routes(stage) <= ROUTED_MAX:
        return found
    ends = max(2, effort.ends // (1 + _routes(stage) // ROUTED_MAX))
    kept: dict[tuple[int, ...], list[LayerFolding]] = {}
    for layer in _fast_enough(network, stage, cycles, found, effort.slack):
        end = layer.end(stage)
        if len(kept) < ends or end in kept:
            rivals = kept.setdefault(end, [])
            if len(rivals) < effort.each:
                rivals.append(layer)
    return [layer for rivals in kept.values() for layer in rivals]


def _fast_enough(
    network: Network, stage: Stage, cycles: int, found: list[LayerFolding], slack: float
) -> Iterator[LayerFolding]:
    """Those within the cycles, by multipliers, up to a multiple of the least."""
    least: int | None = None
    sources: dict[int, Plan | None] = {}
    for count, layer in sorted(
        ((stage.positions * layer.multipliers, layer) for layer in found), key=lambda pair: pair[0]
    ):
        if count * cycles < _products(stage):
            continue
        if least is not None and count > slack * least:
            return
        if layer.takes not in sources:
            sources[layer.takes] = _quickest(network, stage.index, layer.takes)
        if layer.plan(stage, sources[layer.takes]).busy <= cycles:
            least = least or count
            yield layer


def _products(stage: Stage) -> int:
    """Products of a sample at most, of positions that pooling takes."""
    positions = stage.out_shape[1] * stage.out_shape[2] * stage.positions
    if not stage.index:
        return positions * stage.weights
    return positions * stage.taps * stage.in_k * stage.sets


def _routes(stage: Stage) -> int:
    """Steps of all readers of a layer's input."""
    return stage.out_shape[1] * stage.out_shape[2] * stage.positions * stage.taps


def _quickest(network: Network, index: int, emit: int) -> Plan | None:
    """Plan of what is in front of layer ``index``, as fast as any; None in front of the first.

    ``emit`` global winners leave it a cycle.
    """
    plan: Plan | None = None
    for stage, layer in zip(network.stages[:index], widest(network), strict=False):
        plan = layer.quickest(stage).plan(stage, plan, emit=emit if stage.index == index - 1 else 1)
    return plan
