"""From layers as they were read to a quantized network in canonical order."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twofold.hw.contract.arith import MUL_BITS, SHIFT_MAX
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import (
    Complementary,
    Conv2d,
    Dense,
    Layer,
    Linear,
    Network,
    Sparsity,
    Stage,
    Taps,
)
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.quantized import FIXED, NAME_MAX
from twofold.sw.errors import ArtefactError, OnnxError
from twofold.sw.onnx.importer.chain import read_chain
from twofold.sw.onnx.importer.graph import Graph
from twofold.sw.onnx.importer.layers import RawLayer
from twofold.sw.onnx.importer.structure import WORTH, sets_by_search, sets_in_order

MUL_MAX = (1 << MUL_BITS) - 1
EXACT = 1 << 52
ROUNDED = 0.98
"""Kernels that reach this share of an equal fan-in have it: rounding made some weights 0."""


@dataclass(frozen=True)
class Scaling:
    """Requantisation in integers: ``floor((acc * mul + add) >> shift)``.

    ``exact`` tells whether it is what the floats say, and not the nearest that 15 bits allow.
    """

    mul: np.ndarray | None
    shift: int
    add: np.ndarray
    exact: bool


def import_onnx(content: bytes, name: str | None = None) -> QuantizedNetwork:
    """Network of an ONNX model, which is untrusted.

    ``name`` is the network's; by default the graph's. Raises OnnxError.
    """
    graph = Graph(content)
    chain = read_chain(graph)
    layers = _as_machine_kinds(chain.layers)
    found: list[tuple[Layer, QuantizedLayer, dict[str, Any]]] = []
    order: np.ndarray | None = None
    for index, layer in enumerate(layers):
        layer.weight = _in_order(layer, order)
        last = index == len(layers) - 1
        sparsity, order = _sparsity(layer, index, last)
        layer = layer if order is None else _permuted(layer, order)
        scaling = _scaling(layer, chain.zero_point if index == 0 else 0)
        found.append(_finished(layer, sparsity, scaling, order is not None))
    classes = layers[-1].channels
    try:
        network = Network(
            name=_slug(name or graph.name),
            input_shape=layers[0].in_shape,
            layers=tuple(layer for layer, _, _ in found),
            labels=_labels(graph, classes),
            zero_point=chain.zero_point,
        )
        network = _roomy(network, [integers for _, integers, _ in found])
        return QuantizedNetwork(
            network,
            tuple(integers for _, integers, _ in found),
            _logit_scale(graph, float(layers[-1].gain[0]) * chain.logit_factor),
            {
                "source": "onnx",
                "image_scale": chain.scale,
                "layers": [note for _, _, note in found],
            },
            _front_end(graph),
        )
    except (NetworkError, ArtefactError) as error:
        raise OnnxError(f"does not fit the machine's family: {error}") from error


def _as_machine_kinds(layers: list[RawLayer]) -> list[RawLayer]:
    """A convolution over its whole input is a linear layer, but for the first, which is the other
    way round.

    The first engine serves convolutions, and both are the same sums.
    """
    for index, layer in enumerate(layers):
        _, height, width = layer.in_shape
        last = index == len(layers) - 1
        if layer.convolution:
            whole = layer.weight.shape[2:] == (height, width) and not layer.padding
            if whole and (index or last):
                layer.weight = layer.weight.reshape(layer.channels, -1)
        elif index == 0 and not last:
            layer.weight = layer.weight.reshape(layer.channels, -1, height, width)
    return layers


def _in_order(layer: RawLayer, order: np.ndarray | None) -> np.ndarray:
    """Weights for inputs whose channels are in another order."""
    if order is None:
        return layer.weight
    by_channel = layer.weight.reshape(layer.channels, layer.in_shape[0], -1)
    return by_channel[:, order].reshape(layer.weight.shape)


def _sparsity(layer: RawLayer, index: int, last: bool) -> tuple[Sparsity, np.ndarray | None]:
    """Structure of the weights, and the order of the kernels where it has to change."""
    used = layer.weight.reshape(layer.channels, -1) != 0
    counts = used.sum(axis=1)
    if index == 0 and layer.convolution:
        if counts.mean() > WORTH * used.shape[1]:
            return Dense(), None
        if layer.k is None and (np.diff(counts) > 0).any():
            order = np.argsort(-counts, kind="stable")
            return Taps(tuple(int(max(count, 1)) for count in counts[order])), order
        return Taps(tuple(int(max(count, 1)) for count in counts)), None
    sets, order = sets_in_order(used), None
    if last:
        if sets is None or layer.channels % sets:
            return Dense(), None
    else:
        below = int(WORTH * (sets or layer.channels))
        better = sets_by_search(used, below)
        if better is not None:
            sets, order = better
    if sets is None:
        return Dense(), None
    share = -(-used.shape[1] // -(-layer.channels // sets))
    most = int(counts.max())
    return Complementary(sets, None if ROUNDED * share <= most <= share else most), order


def _permuted(layer: RawLayer, order: np.ndarray) -> RawLayer:
    return replace(
        layer, weight=layer.weight[order], gain=layer.gain[order], offset=layer.offset[order]
    )


def _scaling(layer: RawLayer, zero_point: int) -> Scaling:
    """Integers that do what ``gain``, ``offset`` and ``step`` say."""
    sums = layer.weight.reshape(layer.channels, -1).sum(axis=1)
    if layer.step is None:
        return _logits(layer, zero_point * sums)
    gain = layer.gain / layer.step
    offset = layer.offset / layer.step - gain * zero_point * sums
    offset = offset + (0.0 if layer.floors else 0.5)
    for shift in range(SHIFT_MAX + 1):
        mul = gain * 2.0**shift
        if mul.max() > MUL_MAX:
            break
        if (mul == np.rint(mul)).all():
            add = np.floor(_bounded(layer, offset * 2.0**shift))
            whole = mul.astype(np.uint16)
            return Scaling(None if (whole == 1).all() else whole, shift, add, True)
    if gain.max() > MUL_MAX:
        raise OnnxError(f"{layer.name}: a factor of {gain.max():.3g}, at most {MUL_MAX}")
    return _nearest(layer, gain, offset)


def _nearest(layer: RawLayer, gain: np.ndarray, offset: np.ndarray) -> Scaling:
    """Factors of 15 bits, as fine as the additive constant of 32 bits lets them be."""
    for shift in range(SHIFT_MAX, -1, -1):
        mul, add = np.rint(gain * 2.0**shift), np.floor(offset * 2.0**shift)
        if mul.max() <= MUL_MAX and np.abs(add).max() < 1 << 31:
            return Scaling(mul.astype(np.uint16), shift, add, False)
    raise OnnxError(f"{layer.name}: its bias is too large for 32 bits")


def _logits(layer: RawLayer, centre: np.ndarray) -> Scaling:
    gain = layer.gain
    if not (gain == gain[0]).all() or gain[0] <= 0:
        raise OnnxError(
            f"{layer.name}: the last layer has a scale for each class, needs one: logits are not "
            "rescaled; export it with one weight scale for the tensor"
        )
    bias = layer.offset / gain[0]
    add = np.rint(_bounded(layer, bias)) - centre
    return Scaling(None, 0, add, bool((np.abs(bias - np.rint(bias)) < 1e-6).all()))


def _bounded(layer: RawLayer, values: np.ndarray) -> np.ndarray:
    if np.abs(values).max() >= EXACT:
        raise OnnxError(f"{layer.name}: its bias is too large for 32 bits")
    return values


def _finished(
    layer: RawLayer, sparsity: Sparsity, scaling: Scaling, permuted: bool
) -> tuple[Layer, QuantizedLayer, dict[str, Any]]:
    """Description, integers, and a note for the provenance."""
    limit = 1 << 31
    if np.abs(scaling.add).max() >= limit:
        raise OnnxError(f"{layer.name}: its bias is too large for 32 bits")
    integers = QuantizedLayer(
        weight=np.ascontiguousarray(layer.weight.astype(np.int8)),
        add=scaling.add.astype(np.int32),
        shift=scaling.shift,
        mul=scaling.mul,
    )
    k = None if layer.k == layer.channels else layer.k
    multiplier = scaling.mul is not None
    if layer.convolution:
        kernel = (int(layer.weight.shape[2]), int(layer.weight.shape[3]))
        described: Layer = Conv2d(
            out_channels=layer.channels, kernel=kernel, stride=layer.stride,
            padding=layer.padding, pool=layer.pool, sparsity=sparsity, k=k, multiplier=multiplier,
        )  # fmt: skip
    else:
        described = Linear(
            out_features=layer.channels, sparsity=sparsity, k=k, multiplier=multiplier
        )
    note = {"node": layer.name, "exact": scaling.exact, "permuted": permuted}
    return described, integers, note


def _roomy(network: Network, layers: list[QuantizedLayer]) -> Network:
    """Layers allowed as many weights as their additive constants have bits for.

    The constants may come from weights that have become 0 since.
    """
    described = list(network.layers)
    for index, integers in enumerate(layers):
        stage = network.stages[index]
        while not _has_room(stage, integers) and _widened(stage) is not None:
            described[index] = replace(stage.layer, sparsity=_widened(stage))
            network = replace(network, layers=tuple(described))
            stage = network.stages[index]
    return network


def _has_room(stage: Stage, integers: QuantizedLayer) -> bool:
    limit = 1 << (stage.add_bits - 1)
    return -limit <= int(integers.add.min()) and int(integers.add.max()) < limit


def _widened(stage: Stage) -> Sparsity | None:
    """Structure with room for more weights; None where there is no more."""
    if stage.fan_in >= stage.inputs:
        return None
    match stage.layer.sparsity:
        case Taps(counts):
            return Taps(tuple(min(2 * count, stage.inputs) for count in counts))
        case Complementary(sets):
            return Complementary(sets, min(2 * stage.fan_in, stage.inputs))
        case Dense():
            return None


def _slug(name: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:64].lstrip("-_.")
    return slug or "imported"


def _labels(graph: Graph, classes: int) -> tuple[str, ...]:
    """Labels that the model carries, if there is one for each class; else numbers."""
    try:
        labels = json.loads(graph.metadata.get("labels", "null"))
    except (ValueError, RecursionError):
        labels = None
    if isinstance(labels, list) and len(labels) == classes and all(map(_is_label, labels)):
        return tuple(labels)
    return tuple(str(index) for index in range(classes))


def _front_end(graph: Graph) -> str:
    """Front end that the model names; ``fixed`` where it names none that could be one."""
    name = graph.metadata.get("front_end", FIXED)
    return name if 0 < len(name) <= NAME_MAX else FIXED


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 64


def _logit_scale(graph: Graph, scale: float) -> float:
    """Scale of the logits; in full where the model carries it beside its float32."""
    try:
        stated = float(graph.metadata.get("logit_scale", "nan"))
    except ValueError:
        return scale
    return stated if np.float32(stated) == np.float32(scale) else scale
