"""Candidates that can be part of a small machine, so that large layers are solved in seconds.

Multipliers are most of a layer's area, and the minimum number follows from its products and the
cycles that it may take. Of the many foldings of a large layer, those close to that minimum are
worth costing, a few for each end that later layers can see (see `twofold.hw.solve.solver`). A layer
with few candidates keeps all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from twofold.hw.contract.folding import (
    LayerFolding,
    Plan,
    plan_behind,
)
from twofold.hw.contract.network import Network, Stage
from twofold.hw.solve.candidates import candidates, widest

FEW = 160
"""Number of candidates up to which all are tried, unless the layer's input is slow to route."""
ROUTED_MAX = 40_000
"""Total reader steps of all candidates up to which routing is fast."""


@dataclass(frozen=True)
class Effort:
    """How many candidates are costed.

    Attributes
    ----------
    slack: maximum number of multipliers, as a multiple of the minimum.
    ends: maximum number of distinct ends that later layers can see.
    each: maximum number of candidates for each of them.
    """

    slack: float
    ends: int
    each: int


QUICK = Effort(2, 4, 3)
EFFORTS = (QUICK, Effort(6, 8, 6))
"""Tried one after another until a machine is found."""


def promising(
    network: Network, stage: Stage, cycles: int, effort: Effort, input_bytes: int
) -> list[LayerFolding]:
    """Candidates of a layer that may take ``cycles`` per sample and are worth costing, in a machine
    that takes ``input_bytes`` per cycle.
    """
    found = list(candidates(network, stage, input_bytes))
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
    """Candidates within the cycles, by number of multipliers, up to a multiple of the minimum."""
    least: int | None = None
    sources: dict[int, list[Plan]] = {}
    for count, layer in sorted(
        ((stage.positions * layer.multipliers, layer) for layer in found), key=lambda pair: pair[0]
    ):
        if count * cycles < _products(stage):
            continue
        if least is not None and count > slack * least:
            return
        if layer.takes not in sources:
            sources[layer.takes] = _quickest(network, stage.index, layer.takes)
        if plan_behind(sources[layer.takes], stage, layer).busy <= cycles:
            least = least or count
            yield layer


def _products(stage: Stage) -> int:
    """Maximum number of products per sample, of the positions that pooling uses."""
    positions = stage.out_shape[1] * stage.out_shape[2] * stage.positions
    if not stage.index:
        return positions * stage.weights
    return positions * stage.taps * stage.in_k * stage.sets


def _routes(stage: Stage) -> int:
    """Total steps of all readers of a layer's input."""
    return stage.out_shape[1] * stage.out_shape[2] * stage.positions * stage.taps


def _quickest(network: Network, index: int, emit: int) -> list[Plan]:
    """The fastest plans of the layers before layer ``index``.

    The last of them emits ``emit`` global winners per cycle.
    """
    found: list[Plan] = []
    for stage, layer in zip(network.stages[:index], widest(network), strict=False):
        takes = emit if stage.index == index - 1 else 1
        found.append(plan_behind(found, stage, layer.quickest(stage), emit=takes))
    return found
