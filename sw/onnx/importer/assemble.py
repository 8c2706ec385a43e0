"""Assemble the layers as read into a quantized network in canonical order."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twofold.hw.contract.arith import MUL_BITS, SHIFT_MAX
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import (
    Complementary,
    Dense,
    Grouped,
    Layer,
    Network,
    Sparsity,
    Stage,
    Taps,
)
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.input import ARRAY, INPUT_PROPERTY
from twofold.sw.errors import ArtefactError, OnnxError
from twofold.sw.onnx.importer.chain import Chain
from twofold.sw.onnx.importer.exactness import doubt
from twofold.sw.onnx.importer.graph import Graph, Scale
from twofold.sw.onnx.importer.layers import RawLayer, by_source
from twofold.sw.onnx.importer.logits import with_one_scale
from twofold.sw.onnx.importer.structure import WORTH, sets_by_search, sets_in_order
from twofold.sw.onnx.importer.survey import survey

MUL_MAX = (1 << MUL_BITS) - 1
EXACT = 1 << 52
ROUNDED = 0.99
"""Kernels with at least this share of an equal fan-in count as having it: quantization may round
some weights to 0.
"""


@dataclass(frozen=True)
class Scaling:
    """Requantisation in integers: ``floor((acc * mul + add) >> shift)``.

    Equal to the model's float scaling, or the nearest that 15 bits allow.
    """

    mul: np.ndarray | None
    shift: int
    add: np.ndarray


@dataclass(frozen=True, eq=False)
class Imported:
    """A network, and where in the model its layers come from.

    Attributes
    ----------
    quantized: the network.
    chain: the layers as read.
    orders: for each layer, the model's index of each kernel; None if the order is the same.
    graph: the model in standard QDQ.
    """

    quantized: QuantizedNetwork
    chain: Chain
    orders: tuple[np.ndarray | None, ...]
    graph: Graph


def import_onnx(
    content: bytes,
    name: str | None = None,
    *,
    raw: bool = False,
    stated: Mapping[str, Any] | None = None,
    scale: Scale | None = None,
) -> QuantizedNetwork:
    """Network of an ONNX model, which is untrusted input.

    ``name`` is the network's name; by default the graph's. With ``raw``, its outputs are numbers,
    not logits of classes. ``stated`` says what its input is, as `twofold.sw.artefacts.input`
    describes it; by default what the model's metadata states, else an array. ``scale`` is that of
    the input of a model that does not quantize it. Raises OnnxError, listing all obstacles.
    """
    return import_with_origin(content, name, raw=raw, stated=stated, scale=scale).quantized


def import_with_origin(
    content: bytes,
    name: str | None = None,
    *,
    raw: bool = False,
    stated: Mapping[str, Any] | None = None,
    scale: Scale | None = None,
) -> Imported:
    """As `import_onnx`, but with the origin of the layers."""
    graph = Graph(content, scale)
    chain = survey(graph)
    with_one_scale(chain)
    layers = _as_machine_kinds(chain.layers)
    described: list[Layer] = []
    integers: list[QuantizedLayer] = []
    orders: list[np.ndarray | None] = [None]
    fixed = {source for layer in layers if layer.adds for source in layer.sources}
    for index, layer in enumerate(layers):
        before = orders[layer.sources[0] + 1]
        layer.weight = _in_order(layer, before)
        place = _Place(index, index == len(layers) - 1, index not in fixed and not layer.adds)
        sparsity, order = _structure(layer, place, before)
        if order is not None:
            layer = layers[index] = _permuted(layer, order)
        if before is not None:
            layer.parts = []
        read = layer.sources[0]
        scaling = _scaling(layer, layers[read].zero if read >= 0 else chain.zero_point)
        orders.append(order)
        kind, found = _finished(layer, index, sparsity, scaling)
        described.append(kind)
        integers.append(found)
    try:
        network = Network(
            name=_slug(name or graph.name),
            input_shape=layers[0].in_shape,
            layers=tuple(described),
            labels=() if raw else _labels(graph, layers[-1].channels),
            zero_point=chain.zero_point,
        )
        network = _roomy(network, integers)
        quantized = QuantizedNetwork(
            network,
            tuple(integers),
            _logit_scale(graph, float(layers[-1].gain[0]) * chain.logit_factor),
            {
                "source": "onnx",
                "dialect": graph.dialect,
                **_provenance(network, integers, layers, chain, orders[1:]),
            },
            _input(graph, chain, stated),
        )
    except (NetworkError, ArtefactError) as error:
        raise OnnxError(f"does not fit the machine's family: {error}") from error
    return Imported(quantized, chain, tuple(orders[1:]), graph)


def _provenance(
    network: Network,
    integers: list[QuantizedLayer],
    layers: list[RawLayer],
    chain: Chain,
    orders: list[np.ndarray | None],
) -> dict[str, Any]:
    """Where the integers come from, which of them provably equal the model's, what is dropped."""
    notes = []
    for stage, found, layer, order in zip(network.stages, integers, layers, orders, strict=True):
        why = doubt(stage, found, layer, stage.zero)
        notes.append(
            {"node": layer.name, "exact": not why, "doubt": why, "permuted": order is not None}
        )
    return {
        "image_scale": chain.scale,
        "image": chain.image,
        "exact": all(note["exact"] for note in notes),
        "dropped": list(chain.dropped),
        "layers": notes,
    }


def _as_machine_kinds(layers: list[RawLayer]) -> list[RawLayer]:
    """Turn convolutions over their whole input into linear layers, except for a first one, as the
    engine of first convolutions takes taps anywhere, and for those in front of an addition, which
    is one of images.
    """
    images = max((index for index, layer in enumerate(layers) if layer.adds), default=-1)
    for index, layer in enumerate(layers):
        _, height, width = layer.in_shape
        last = index == len(layers) - 1
        if layer.convolution and not layer.adds:
            whole = layer.weight.shape[2:] == (height, width) and not layer.padding
            if whole and index > images and (index or last):
                layer.weight = layer.weight.reshape(layer.channels, -1)
    return layers


def _in_order(layer: RawLayer, order: np.ndarray | None) -> np.ndarray:
    """Weights permuted for inputs whose channels are in ``order``."""
    if order is None:
        return layer.weight
    by_channel = layer.weight.reshape(layer.channels, layer.in_shape[0], -1)
    return by_channel[:, order].reshape(layer.weight.shape)


@dataclass(frozen=True)
class _Place:
    """Where a layer is: its index, whether it is the last, and whether its kernels may change
    places; those of layers that are added may not, since a channel meets the same channel.
    """

    index: int
    last: bool
    free: bool


def _structure(
    layer: RawLayer, place: _Place, order: np.ndarray | None
) -> tuple[Sparsity, np.ndarray | None]:
    """As `_sparsity`, with groups kept where the model has them. Where the layer before is in
    another ``order``, a depthwise layer takes that over; other groups are no longer in order.
    """
    depthwise = layer.groups == layer.channels == layer.in_shape[0]
    moves = depthwise and layer.k is None and place.free
    if layer.groups == 1 or not (order is None or moves):
        return _sparsity(layer, place)
    return Grouped(layer.groups), order


def _sparsity(layer: RawLayer, place: _Place) -> tuple[Sparsity, np.ndarray | None]:
    """Structure of the weights, and the new order of the kernels if it must change."""
    used = layer.weight.reshape(layer.channels, -1) != 0
    counts = used.sum(axis=1)
    if place.index == 0 and layer.convolution:
        if counts.mean() > WORTH * used.shape[1]:
            return Dense(), None
        if place.free and layer.k is None and (np.diff(counts) > 0).any():
            order = np.argsort(-counts, kind="stable")
            return Taps(tuple(int(max(count, 1)) for count in counts[order])), order
        return Taps(tuple(int(max(count, 1)) for count in counts)), None
    sets, order = sets_in_order(used), None
    if place.last:
        if sets is None or layer.channels % sets:
            return Dense(), None
    elif place.free:
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
        layer,
        weight=layer.weight[order],
        gain=layer.gain[order],
        offset=layer.offset[order],
        unit=layer.unit[order],
        trace=[(operation, values[order]) for operation, values in layer.trace],
    )


def _scaling(layer: RawLayer, zero_point: int) -> Scaling:
    """Integers equivalent to ``gain``, ``offset`` and ``step``."""
    weight, zeros = by_source(layer, zero_point)
    centre = layer.terms * (weight * zeros).sum(axis=(1, 2))
    if layer.step is None:
        return _logits(layer, centre)
    gain = layer.gain / layer.step
    offset = layer.offset / layer.step - gain * centre
    offset = offset + (0.0 if layer.floors else layer.zero + 0.5)
    for shift in range(SHIFT_MAX + 1):
        mul = gain * 2.0**shift
        if mul.max() > MUL_MAX:
            break
        if (mul == np.rint(mul)).all():
            add = np.floor(_bounded(layer, offset * 2.0**shift))
            whole = mul.astype(np.uint16)
            return Scaling(None if (whole == 1).all() else whole, shift, add)
    if gain.max() > MUL_MAX:
        raise OnnxError(f"{layer.name}: a factor of {gain.max():.3g}, at most {MUL_MAX}")
    return _nearest(layer, gain, offset)


def _nearest(layer: RawLayer, gain: np.ndarray, offset: np.ndarray) -> Scaling:
    """15-bit factors, as precise as the 32-bit additive constant allows."""
    for shift in range(SHIFT_MAX, -1, -1):
        mul, add = np.rint(gain * 2.0**shift), np.floor(offset * 2.0**shift)
        if mul.max() <= MUL_MAX and np.abs(add).max() < 1 << 31:
            return Scaling(mul.astype(np.uint16), shift, add)
    raise OnnxError(f"{layer.name}: its bias is too large for 32 bits")


def _logits(layer: RawLayer, centre: np.ndarray) -> Scaling:
    bias = layer.offset / layer.gain[0]
    add = np.rint(_bounded(layer, bias)) - centre
    return Scaling(None, 0, add)


def _bounded(layer: RawLayer, values: np.ndarray) -> np.ndarray:
    if np.abs(values).max() >= EXACT:
        raise OnnxError(f"{layer.name}: its bias is too large for 32 bits")
    return values


def _finished(
    layer: RawLayer, index: int, sparsity: Sparsity, scaling: Scaling
) -> tuple[Layer, QuantizedLayer]:
    """Description and integers of a layer."""
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
    return layer.described(index, sparsity, k=k, multiplier=multiplier), integers


def _roomy(network: Network, layers: list[QuantizedLayer]) -> Network:
    """Widen the sparsity of layers whose additive constants need more bits than it allows.

    The constants may come from weights that quantization has rounded to 0.
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
    """Structure with room for more weights; None if it is already at the maximum."""
    if stage.fan_in >= stage.inputs:
        return None
    return stage.layer.sparsity.widened(stage.channels, stage.inputs)


def _slug(name: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:64].lstrip("-_.")
    return slug or "imported"


def _input(graph: Graph, chain: Chain, stated: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What the input is: as stated, else as the metadata of one of our exports says, else an array.

    Includes the model's type and scale if bytes can represent real values.
    """
    if stated is None and (carried := graph.metadata.get(INPUT_PROPERTY)):
        try:
            return json.loads(carried)
        except (ValueError, RecursionError) as error:
            raise OnnxError(f"its property {INPUT_PROPERTY} is not JSON") from error
    if stated is not None and stated.get("kind") == "audio":
        return stated
    return {**(stated or ARRAY), "dtype": chain.dtype, "scale": chain.scale}


def _labels(graph: Graph, classes: int) -> tuple[str, ...]:
    """Labels from the model's metadata if there is one per class, or if it states that there are
    none; else numbers.
    """
    try:
        labels = json.loads(graph.metadata.get("labels", "null"))
    except (ValueError, RecursionError):
        labels = None
    if isinstance(labels, list) and len(labels) in (0, classes) and all(map(_is_label, labels)):
        return tuple(labels)
    return tuple(str(index) for index in range(classes))


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 64


def _logit_scale(graph: Graph, scale: float) -> float:
    """Scale of the logits; in full precision if the model's metadata states it."""
    try:
        stated = float(graph.metadata.get("logit_scale", "nan"))
    except ValueError:
        return scale
    return stated if np.float32(stated) == np.float32(scale) else scale
