"""Pooling nodes with non-overlapping windows, merged into the layer before them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from twofold.hw.contract.layers.geometry import plain
from twofold.hw.contract.layers.pooling import MAX, MEAN, SUM
from twofold.sw.onnx.importer.checked import ELEMENTS_MAX
from twofold.sw.onnx.importer.graph import Graph, attributes, label, refuse
from twofold.sw.onnx.importer.layers import RawLayer

Reader = Callable[[Graph, onnx.NodeProto, RawLayer, bool], None]
"""Merges a node into a layer; the last argument says whether the layer's sums are still to be
quantized. Raises OnnxError.
"""


def window(node: onnx.NodeProto, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Window of a pooling node over an input of this shape. Raises OnnxError if unsupported."""
    options = attributes(node)
    sides, pads, dilations = (
        _integers(node, key, options.get(key, [])) for key in ("kernel_shape", "pads", "dilations")
    )
    strides = _integers(node, "strides", options.get("strides", [1] * len(sides)))
    if len(sides) == 1 and len(strides) == 1:
        sides, strides = [1, *sides], [1, *strides]
    plain = not any(pads) and set(dilations) <= {1}
    valid = options.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    if len(sides) != 2 or min(sides) < 1 or sides != strides or not plain or not valid:
        raise refuse(
            node,
            f"window {_text(sides)}, stride {_text(strides)}: needs the same, no padding, "
            "no dilation",
        )
    left = [size % side for size, side in zip(shape[1:], sides, strict=True)]
    if options.get("ceil_mode", 0) and any(left):
        raise refuse(node, f"window {_text(sides)} leaves a rest of {_text(list(shape[1:]))}")
    return sides[0], sides[1]


def _integers(node: onnx.NodeProto, key: str, values: Any) -> list[int]:
    if not isinstance(values, list) or not all(isinstance(value, int) for value in values):
        raise refuse(node, f"damaged attribute: {key} is no list of integers")
    return values


def _text(sides: list[int]) -> str:
    return "x".join(map(str, sides)) or "without a size"


def take(node: onnx.NodeProto, layer: RawLayer, pooling: str, sides: tuple[int, int]) -> None:
    """Make ``layer`` pool windows of these sides, in addition to any it already pools."""
    if layer.positions > 1 and layer.pooling != pooling:
        raise refuse(
            node, f"{pooling} pooling behind {layer.pooling} pooling: a layer has one of them"
        )
    layer.pooling = pooling
    layer.pool = layer.pool[0] * sides[0], layer.pool[1] * sides[1]
    if min(layer.out_shape) < 1:
        raise refuse(node, "leaves nothing of its input")


def _maxima(graph: Graph, node: onnx.NodeProto, layer: RawLayer, is_open: bool) -> None:
    del graph, is_open  # maxima commute with requantisation
    take(node, layer, MAX.name, window(node, layer.out_shape))


def _additive(node: onnx.NodeProto, layer: RawLayer, is_open: bool) -> None:
    """Refuse sums and means of anything but a layer's unmodified sums."""
    if not is_open:
        raise refuse(
            node,
            "adds up quantized activations; the machine pools the sums of a convolution, so this "
            "is exact only in front of QuantizeLinear",
        )
    if layer.relu or layer.floors or layer.late:
        raise refuse(
            node,
            "adds up what Relu or rounding has changed; the machine pools the sums of a "
            "convolution, so this is exact only in front of Relu",
        )


def _means(graph: Graph, node: onnx.NodeProto, layer: RawLayer, is_open: bool) -> None:
    del graph
    _additive(node, layer, is_open)
    _mean(node, layer, window(node, layer.out_shape))


def _global_mean(graph: Graph, node: onnx.NodeProto, layer: RawLayer, is_open: bool) -> None:
    del graph
    _additive(node, layer, is_open)
    _mean(node, layer, layer.out_shape[1:])


def _mean(node: onnx.NodeProto, layer: RawLayer, sides: tuple[int, int]) -> None:
    take(node, layer, MEAN.name, sides)
    positions = _add_up(layer, sides)
    layer.gain /= positions
    layer.trace.append(("multiply", np.full(layer.channels, 1 / positions)))


def _add_up(layer: RawLayer, sides: tuple[int, int]) -> int:
    """Record that sums are added, and return over how many positions."""
    positions = sides[0] * sides[1]
    layer.trace.append(("sum", np.full(layer.channels, float(positions))))
    return positions


def adds_up(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node is a depthwise convolution with ones, which is how sums are written."""
    ones = graph.constant(node.input[1]) if node.op_type == "Conv" else None
    if ones is None or ones.ndim != 4 or ones.shape[1] != 1 or ones.dtype.kind != "f":
        return False
    return attributes(node).get("group", 1) == len(ones) and bool((ones == 1).all())


def _sums(graph: Graph, node: onnx.NodeProto, layer: RawLayer, is_open: bool) -> None:
    """Read sum pooling, written as a depthwise convolution with ones."""
    _additive(node, layer, is_open)
    ones = graph.constant(node.input[1]) if len(node.input) > 1 else None
    channels = attributes(node).get("group", 1)
    plain = ones is not None and ones.ndim == 4 and ones.shape[:2] == (layer.channels, 1)
    if ones is None or not plain or channels != layer.channels or (ones != 1).any():
        raise refuse(node, "a convolution behind a convolution, before it is quantized")
    if len(node.input) > 2 and node.input[2]:
        raise refuse(node, "an offset in a sum; add it behind")
    sides = window(node, layer.out_shape)
    if sides != ones.shape[2:]:
        raise refuse(node, f"kernel_shape {list(sides)} for weights {list(ones.shape)}")
    take(node, layer, SUM.name, sides)
    layer.offset *= _add_up(layer, sides)


def mean_layer(node: onnx.NodeProto, shape: tuple[int, int, int], scale: float) -> RawLayer:
    """The mean of quantized activations, as a layer of its own: one kernel of ones for each
    channel, which sees nothing else, and a factor of 1 / positions. Raises OnnxError.
    """
    sides = shape[1:] if node.op_type == "GlobalAveragePool" else window(node, shape)
    channels, positions = shape[0], sides[0] * sides[1]
    if channels * channels * positions > ELEMENTS_MAX:
        raise refuse(node, f"means of {channels} channels over {_text(list(sides))}: too large")
    weight = np.zeros((channels, channels, *sides), dtype=np.int8)
    weight[np.arange(channels), np.arange(channels)] = 1
    gain = np.full(channels, scale / positions)
    layer = RawLayer(label(node), weight, gain, np.zeros(channels), shape, stride=plain(sides))
    layer.unit, layer.groups = np.full(channels, scale), channels
    layer.trace.append(("multiply", np.full(channels, 1 / positions)))
    return layer


MEANS = ("AveragePool", "GlobalAveragePool")
"""Poolings that are read behind a quantizer, too."""
READERS: dict[str, Reader] = {
    "MaxPool": _maxima,
    "AveragePool": _means,
    "GlobalAveragePool": _global_mean,
    "Conv": _sums,
}
"""Readers by operator."""
