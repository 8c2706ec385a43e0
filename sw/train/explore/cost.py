"""Cost of a network on the machine, from its description alone."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twofold.hw.contract import presets
from twofold.hw.contract.engines import engine_of
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    JoinFolding,
    LayerFolding,
    ScatterFolding,
    VectorFolding,
    plans,
)
from twofold.hw.contract.network import Network, Stage


def products(network: Network) -> int:
    """Upper bound of the multiplications per sample: every winner meets a weight of every set.

    Positions that pooling drops are not computed; the input counts as dense.
    """
    total = 0
    for stage in network.stages:
        positions = stage.out_shape[1] * stage.out_shape[2] * stage.positions
        total += positions * _products_at(stage)
    return total


def _products_at(stage: Stage) -> int:
    if stage.index == 0:
        return stage.weights
    return stage.taps * stage.in_k * stage.sets


def shipped_folding(name: str) -> Folding:
    """Folding of the fastest shipped machine for a task."""
    return presets.folding(name, "fast", "full")


def cycles(network: Network, folding: Folding) -> int:
    """Cycles per sample on a machine with this ``folding``.

    The machine keeps its multipliers. If a layer has fewer sets than the one it was folded for,
    lanes become engines; if it has more, or dense weights, each winner takes more rounds.
    """
    layers = tuple(
        _fitted(stage, layer) for stage, layer in zip(network.stages, folding.layers, strict=True)
    )
    return max(plan.cycles for plan in plans(network, Folding(layers, folding.input_bytes)))


def _fitted(stage: Stage, layer: LayerFolding) -> LayerFolding:
    return _FITS[engine_of(stage)](stage, layer)


def _fitted_scatter(stage: Stage, layer: ScatterFolding) -> ScatterFolding:
    lanes = math.gcd(stage.sets, layer.lanes)
    if stage.slots == 1:
        lanes = max(n for n in range(1, layer.lanes + 1) if stage.sets % n == 0)
    engines = max(1, layer.engines * layer.lanes // lanes)
    return replace(layer, lanes=lanes, engines=engines, drain=math.gcd(layer.drain, lanes))


def _fitted_vector(stage: Stage, layer: VectorFolding) -> VectorFolding:
    """The same engines: they follow from the beats of the input."""
    lanes = max(n for n in range(1, layer.lanes + 1) if stage.sets % n == 0)
    return replace(layer, lanes=lanes, drain=math.gcd(layer.drain, lanes))


_FITS: dict[type[LayerFolding], Callable[[Stage, Any], LayerFolding]] = {
    GatherFolding: lambda _, layer: layer,
    ScatterFolding: _fitted_scatter,
    JoinFolding: lambda stage, layer: replace(layer, lanes=math.gcd(stage.sets, layer.lanes)),
    VectorFolding: _fitted_vector,
}
