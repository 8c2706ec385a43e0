"""The candidates that can be part of a small machine, so that large layers are solved in seconds.

Multipliers are most of the area of a layer, and how many it needs at least follows from its
products and the cycles that it may take. Of the many foldings of a large layer those with hardly
more than the least are worth costing, a few for each way to look from behind (see
`twofold.hw.solve.solver`). A layer with few candidates keeps all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from twofold.hw.contract.folding import (
    GatherFolding,
    GatherPlan,
    LayerFolding,
    Plan,
    ScatterFolding,
    ScatterPlan,
)
from twofold.hw.contract.network import Conv2d, Network, Stage
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
        end = end_of(layer, stage)
        if len(kept) < ends or end in kept:
            rivals = kept.setdefault(end, [])
            if len(rivals) < effort.each:
                rivals.append(layer)
    return [layer for rivals in kept.values() for layer in rivals]


def end_of(layer: LayerFolding, stage: Stage) -> tuple[int, ...]:
    """What the layers behind see of a layer."""
    if isinstance(stage.layer, Conv2d):
        return layer.rows, layer.cols
    return (layer.drain,) if isinstance(layer, ScatterFolding) else ()


def _fast_enough(
    network: Network, stage: Stage, cycles: int, found: list[LayerFolding], slack: float
) -> Iterator[LayerFolding]:
    """Those within the cycles, by multipliers, up to a multiple of the least."""
    least: int | None = None
    source = _quickest(network, stage.index - 1) if stage.index else None
    for count, layer in sorted(
        ((_multipliers(stage, layer), layer) for layer in found), key=lambda pair: pair[0]
    ):
        if count * cycles < _products(stage):
            continue
        if least is not None and count > slack * least:
            return
        if _busy(stage, layer, source) <= cycles:
            least = least or count
            yield layer


def _multipliers(stage: Stage, layer: LayerFolding) -> int:
    wide = layer.streams if isinstance(layer, GatherFolding) else layer.engines * layer.lanes
    return layer.rows * layer.cols * stage.pool**2 * wide


def _products(stage: Stage) -> int:
    """Products of a sample at most, of positions that pooling takes."""
    positions = stage.out_shape[1] * stage.out_shape[2] * stage.pool**2
    if not stage.index:
        return positions * stage.weights
    return positions * stage.taps * stage.in_k * stage.sets


def _routes(stage: Stage) -> int:
    """Steps of all readers of a layer's input."""
    return stage.out_shape[1] * stage.out_shape[2] * stage.pool**2 * stage.taps


def _quickest(network: Network, index: int) -> Plan:
    """Plan of a layer that gives its results as fast as any."""
    plan: Plan | None = None
    for stage, layer in zip(network.stages[: index + 1], widest(network), strict=False):
        if isinstance(layer, GatherFolding) or plan is None:
            plan = GatherPlan(stage, GatherFolding())
        elif isinstance(stage.layer, Conv2d):
            plan = ScatterPlan(stage, layer, plan)
        else:
            plan = ScatterPlan(stage, replace(layer, drain=layer.lanes), plan)
    assert plan is not None
    return plan


def _busy(stage: Stage, layer: LayerFolding, source: Plan | None) -> int:
    """Cycles a sample at least, whatever is in front of the layer and behind it."""
    if isinstance(layer, GatherFolding) or source is None:
        return GatherPlan(stage, layer).cycles if isinstance(layer, GatherFolding) else 0
    if isinstance(source, ScatterPlan):
        source = replace(source, emit=layer.engines)
    plan = ScatterPlan(stage, layer, source)
    return plan.runs * plan.run_busy
