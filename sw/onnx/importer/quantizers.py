"""QuantizeLinear and DequantizeLinear: scales, zero points, and weights behind them."""

from dataclasses import dataclass

import numpy as np
import onnx

from twofold.sw.onnx.importer.graph import PASSING, Graph, attributes, refuse

KINDS = ("int8", "uint8", "int32")


@dataclass(frozen=True, eq=False)
class Quantizer:
    """Parameters of a quantizing or dequantizing node.

    Attributes
    ----------
    scale: float64, one value or one a channel.
    zero_point: int64, one value.
    kind: name of the integers' type; None where a dequantizer leaves it to its input.
    """

    scale: np.ndarray
    zero_point: int
    kind: str | None

    @property
    def offset(self) -> int:
        """What has to be added to the integers so that their lowest value is 0."""
        return 128 if self.kind == "int8" else 0

    @property
    def single_scale(self) -> float:
        """The scale of a whole array."""
        return float(self.scale.reshape(-1)[0])


def quantizer(graph: Graph, node: onnx.NodeProto) -> Quantizer:
    """Parameters of ``node``. Raises OnnxError unless they are constant, 8 bits and plain."""
    if attributes(node).get("block_size"):
        raise refuse(node, "scales for blocks are not supported; use one a channel")
    scale = graph.constant(node.input[1]) if len(node.input) > 1 else None
    if scale is None or scale.dtype.kind != "f":
        raise refuse(node, "its scale is not a constant")
    scale = np.asarray(scale, dtype=np.float64)
    if scale.size < 1 or not np.isfinite(scale).all() or scale.min() <= 0:
        raise refuse(node, "its scale is not finite and above 0")
    if len(node.input) < 3 or not node.input[2]:
        kind = "uint8" if node.op_type == "QuantizeLinear" else None
        return Quantizer(scale.reshape(-1), 0, kind)
    zero_point = graph.constant(node.input[2])
    if zero_point is None or zero_point.dtype.name not in KINDS or zero_point.size < 1:
        raise refuse(node, "its zero point is not a constant of 8 bits (int32 for a bias)")
    if zero_point.min() != zero_point.max():
        raise refuse(node, "zero points differ from channel to channel")
    return Quantizer(scale.reshape(-1), int(zero_point.reshape(-1)[0]), zero_point.dtype.name)


def activation(graph: Graph, node: onnx.NodeProto) -> Quantizer:
    """Parameters of a node on the way of the activations: one scale, 8 bits."""
    found = quantizer(graph, node)
    if found.scale.size != 1:
        raise refuse(node, f"{found.scale.size} scales for activations, needs one")
    if found.kind == "int32":
        raise refuse(node, "activations of 32 bits, needs 8")
    return found


@dataclass(frozen=True, eq=False)
class Weights:
    """Integers without zero point, and their scales: one value, or one for each of ``axis``."""

    values: np.ndarray
    scale: np.ndarray


def weights(graph: Graph, name: str, node: onnx.NodeProto, axis: int) -> Weights:
    """Quantized constant ``name`` that ``node`` reads, with at most one scale along ``axis``.

    Raises OnnxError unless it is a constant of integers behind DequantizeLinear, or of floats
    behind QuantizeLinear and DequantizeLinear; a transposition may follow.
    """
    source, turned = _behind_passing(graph, name), False
    if source is not None and source.op_type == "Transpose":
        order = attributes(source).get("perm", [1, 0])
        if list(order) != [1, 0]:
            raise refuse(source, f"transposition {list(order)} of weights, needs [1, 0]")
        source, turned = _behind_passing(graph, source.input[0]), True
    if source is None or source.op_type != "DequantizeLinear":
        raise refuse(node, f"{name!r} is not quantized: no constant behind DequantizeLinear")
    values, found = _integers(graph, source), quantizer(graph, source)
    values = values.astype(np.int64) - found.zero_point
    along = int(attributes(source).get("axis", 1)) % max(values.ndim, 1)
    if turned:
        values, along = values.T, 1 - along
    if found.scale.size > 1 and (
        along != axis or values.shape[axis : axis + 1] != (found.scale.size,)
    ):
        raise refuse(
            source,
            f"{found.scale.size} scales along axis {along} of weights {list(values.shape)}, needs "
            f"one for each kernel (axis {axis})",
        )
    return Weights(values, found.scale)


def _behind_passing(graph: Graph, name: str) -> onnx.NodeProto | None:
    node = graph.producer(name)
    while node is not None and node.op_type in PASSING:
        node = graph.producer(node.input[0])
    return node


def _integers(graph: Graph, node: onnx.NodeProto) -> np.ndarray:
    """Integers that ``node`` dequantizes."""
    values = graph.constant(node.input[0])
    if values is None:
        source = _behind_passing(graph, node.input[0])
        floats = graph.constant(source.input[0]) if source is not None else None
        if source is None or source.op_type != "QuantizeLinear" or floats is None:
            raise refuse(node, "what it dequantizes is not a constant")
        return _quantized(graph, source, np.asarray(floats, dtype=np.float64))
    if values.dtype.name not in KINDS:
        raise refuse(node, f"dequantizes {values.dtype.name}, needs {', '.join(KINDS)}")
    return values


def _quantized(graph: Graph, node: onnx.NodeProto, floats: np.ndarray) -> np.ndarray:
    found = quantizer(graph, node)
    if found.kind not in ("int8", "uint8") or not np.isfinite(floats).all():
        raise refuse(node, "weights are not finite, or not of 8 bits")
    scale = found.scale
    if scale.size > 1:
        axis = int(attributes(node).get("axis", 1)) % floats.ndim
        if floats.shape[axis] != scale.size:
            raise refuse(node, f"{scale.size} scales for axis {axis} of {list(floats.shape)}")
        scale = scale.reshape([-1 if at == axis else 1 for at in range(floats.ndim)])
    limits = np.iinfo(np.dtype(found.kind))
    return np.clip(np.rint(floats / scale) + found.zero_point, limits.min, limits.max)
