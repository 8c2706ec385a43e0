"""Convert integers from the artefact's order to the machine's order, and back.

The machine's order is defined by `twofold.hw.contract.tables`. An artefact orders the inputs of a
kernel channel by channel (``channel * taps + tap``; a linear layer's taps are the pixels of its
input); in a row address of the machine the tap is more significant than the channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twofold.hw.contract import parameters
from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import (
    Folding,
    GatherPlan,
    JoinPlan,
    Plan,
    ScatterPlan,
    VectorPlan,
    plans,
)
from twofold.hw.contract.network import Network, Stage
from twofold.hw.contract.tables import Table, TableKind, channels_in, tables
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork

WEIGHT_MASK = 0xFF


def pack(quantized: QuantizedNetwork, folding: Folding) -> bytes:
    """Parameter image of ``quantized`` for a machine with this folding.

    Raises FoldingError if the folding does not divide the network, and ParameterError if the image
    becomes too long.
    """
    network = quantized.network
    sections = []
    for plan, layer in zip(plans(network, folding), quantized.layers, strict=True):
        for table in tables(plan):
            lanes = _lanes(plan, layer, table)
            sections += [
                parameters.Section(table, lane, values)
                for lane, values in enumerate(lanes.tolist())
            ]
    return parameters.pack(sections, fingerprint(network, folding))


def unpack(content: bytes, network: Network, folding: Folding) -> tuple[QuantizedLayer, ...]:
    """Layers of a parameter image, which is untrusted input.

    Raises ParameterError if it is damaged or not meant for this network and folding.
    """
    machine = plans(network, folding)
    found: dict[tuple[int, TableKind], list[np.ndarray]] = {}
    for section in parameters.unpack(content, machine, fingerprint(network, folding)):
        lanes = found.setdefault((section.table.stage, section.table.kind), [])
        lanes.append(np.array(section.values, dtype=np.int64))
    layers = []
    for plan in machine:
        arrays = {
            table.kind: np.stack(found[plan.stage.index, table.kind]) for table in tables(plan)
        }
        layers.append(_layer(plan, arrays))
    return tuple(layers)


def _lanes(plan: Plan, layer: QuantizedLayer, table: Table) -> np.ndarray:
    """Elements of a table: int64 ``[lanes, depth]``."""
    if table.kind is TableKind.WEIGHTS:
        return _ORDERS[type(plan)].rows(plan, layer.weight)
    if table.kind is TableKind.SHIFT:
        return np.array([[layer.shift]])
    values = layer.add if table.kind is TableKind.ADD else layer.mul
    return _per_channel(np.asarray(values), table)


def _per_channel(values: np.ndarray, table: Table) -> np.ndarray:
    padded = np.zeros(table.depth * table.lanes, dtype=np.int64)
    padded[: len(values)] = values
    return padded.reshape(table.depth, table.lanes).T


def _tap_list(weights: np.ndarray, count: int) -> np.ndarray:
    """Taps that a gather engine walks for a kernel of at most ``count`` taps."""
    return np.arange(len(weights)) if count == len(weights) else np.flatnonzero(weights)


def _gather_rows(plan: GatherPlan, weight: np.ndarray) -> np.ndarray:
    kernels = weight.reshape(plan.stage.channels, plan.stage.inputs).astype(np.int64)
    streams = plan.folding.streams
    rows = np.zeros((streams, plan.steps), dtype=np.int64)
    start = 0
    for group, steps in enumerate(plan.groups):
        first = group * streams
        for stream, kernel in enumerate(kernels[first : first + streams]):
            taps = _tap_list(kernel, plan.counts[first + stream])
            rows[stream, start : start + len(taps)] = kernel[taps] & WEIGHT_MASK | taps << 8
        start += steps
    return rows


def _by_set(stage: Stage, weight: np.ndarray) -> np.ndarray:
    """Weights as int64 ``[slots, sets, channels, taps]``; missing kernels are zero."""
    kernels = np.zeros((stage.slots * stage.sets, stage.inputs), dtype=np.int64)
    kernels[: stage.channels] = weight.reshape(stage.channels, stage.inputs)
    return kernels.reshape(stage.slots, stage.sets, stage.in_shape[0], stage.taps)


def _elements(stage: Stage, weight: np.ndarray) -> np.ndarray:
    """Weight and slot of every set and input position: int64 ``[sets, channels, taps]``."""
    kernels = _by_set(stage, weight)
    slots = (kernels != 0).argmax(axis=0)
    return kernels.sum(axis=0) & WEIGHT_MASK | slots << 8


def _vector_rows(plan: VectorPlan, weight: np.ndarray) -> np.ndarray:
    stage, lanes, engines = plan.stage, plan.folding.lanes, plan.folding.engines
    chunks = plan.winner_beats
    whole = np.zeros((stage.sets, chunks * engines), dtype=np.int64)
    whole[:, : stage.inputs] = _elements(stage, weight).reshape(stage.sets, -1)
    rows = np.zeros((lanes, engines, channels_in(plan), plan.rounds), dtype=np.int64)
    by_round = whole.reshape(plan.rounds, lanes, chunks, engines)
    rows[:, :, :chunks] = by_round.transpose(1, 3, 2, 0)
    return rows.reshape(lanes, -1)


def _scatter_rows(plan: ScatterPlan, weight: np.ndarray) -> np.ndarray:
    stage, lanes = plan.stage, plan.folding.lanes
    elements = _elements(stage, weight)
    by_round = elements.reshape(plan.rounds, lanes, stage.in_shape[0], stage.taps)
    rows = np.zeros((lanes, stage.taps, channels_in(plan), plan.rounds), dtype=np.int64)
    rows[:, :, : stage.in_shape[0], :] = by_round.transpose(1, 3, 2, 0)
    return rows.reshape(lanes, -1)


def _layer(plan: Plan, arrays: dict[TableKind, np.ndarray]) -> QuantizedLayer:
    stage, rows = plan.stage, arrays[TableKind.WEIGHTS]
    weight = _ORDERS[type(plan)].weights(plan, rows).reshape(stage.weight_shape)
    channels = {kind: arrays[kind].T.reshape(-1)[: stage.channels] for kind in arrays}
    mul = channels.get(TableKind.MUL)
    return QuantizedLayer(
        weight=weight,
        add=channels[TableKind.ADD].astype(np.int32),
        shift=0 if stage.last else int(arrays[TableKind.SHIFT][0, 0]),
        mul=None if mul is None else mul.astype(np.uint16),
    )


def _check_range(stage: Stage, what: str, values: np.ndarray, limit: int) -> None:
    highest = int(values.max())
    if highest >= limit:
        raise ParameterError(
            f"parameter image: {stage.name}: {what} {highest}, needs 0..{limit - 1}"
        )


def _signed_weights(elements: np.ndarray) -> np.ndarray:
    return (elements & WEIGHT_MASK).astype(np.uint8).view(np.int8)


def _weights_of_gather(plan: GatherPlan, rows: np.ndarray) -> np.ndarray:
    weight = np.zeros((plan.stage.channels, plan.stage.inputs), dtype=np.int8)
    values, taps = _signed_weights(rows), rows >> 8
    group_of_step = np.repeat(np.arange(len(plan.groups)), plan.groups)
    _check_range(plan.stage, "tap", taps, plan.stage.inputs)
    stream, step = np.nonzero(values)
    kernels = group_of_step[step] * plan.folding.streams + stream
    if kernels.size:
        _check_range(plan.stage, "kernel", kernels, plan.stage.channels)
    weight[kernels, taps[stream, step]] = values[stream, step]
    return weight


def _weights_of_scatter(plan: ScatterPlan, rows: np.ndarray) -> np.ndarray:
    stage, lanes = plan.stage, plan.folding.lanes
    shape = (lanes, stage.taps, channels_in(plan), plan.rounds)
    elements = rows.reshape(shape)[:, :, : stage.in_shape[0], :].transpose(3, 0, 2, 1)
    return _weights_of(stage, elements.reshape(stage.sets, stage.inputs))


def _weights_of_vector(plan: VectorPlan, rows: np.ndarray) -> np.ndarray:
    stage, lanes, engines = plan.stage, plan.folding.lanes, plan.folding.engines
    elements = rows.reshape(lanes, engines, channels_in(plan), plan.rounds)[:, :, : plan.indices]
    elements = elements.transpose(3, 0, 2, 1).reshape(stage.sets, -1)
    return _weights_of(stage, elements[:, : stage.inputs])


def _weights_of(stage: Stage, elements: np.ndarray) -> np.ndarray:
    """Weights ``[out, inputs]`` of the elements of every set and input position."""
    values, slots = _signed_weights(np.ascontiguousarray(elements)), elements >> 8
    _check_range(stage, "slot", slots, stage.slots)
    weight = np.zeros((stage.slots, *elements.shape), dtype=np.int8)
    np.put_along_axis(weight, slots[np.newaxis], values[np.newaxis], axis=0)
    return weight.reshape(-1, stage.inputs)[: stage.channels]


@dataclass(frozen=True)
class _Order:
    """Weight order of an engine: from weights ``[out, ...]`` to rows, and back."""

    rows: Callable[[Any, np.ndarray], np.ndarray]
    weights: Callable[[Any, np.ndarray], np.ndarray]


_ORDERS: dict[type[Plan], _Order] = {
    GatherPlan: _Order(_gather_rows, _weights_of_gather),
    ScatterPlan: _Order(_scatter_rows, _weights_of_scatter),
    JoinPlan: _Order(_scatter_rows, _weights_of_scatter),
    VectorPlan: _Order(_vector_rows, _weights_of_vector),
}
