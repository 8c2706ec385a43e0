"""QuantizeLinear and DequantizeLinear: scales, zero points, and the weights they quantize."""

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto

from twofold.sw.onnx.importer.graph import PASSING, Graph, attributes, refuse

LIMITS = {
    "int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255),
    "int16": (-(1 << 15), (1 << 15) - 1), "uint16": (0, (1 << 16) - 1),
    "int32": (-(1 << 31), (1 << 31) - 1),
}  # fmt: skip
"""Types of quantized constants, and their ranges."""
ACTIVATIONS = ("uint8", "int8")
SCALE_MIN = float(np.finfo(np.float32).tiny)
"""Runtimes treat smaller float32 values as 0."""


@dataclass(frozen=True, eq=False)
class Quantizer:
    """Parameters of a quantizing or dequantizing node.

    Attributes
    ----------
    scale: float64, one value or one per channel.
    zero_point: int64, one value.
    kind: name of the integers' type; None if a dequantizer leaves it to its input.
    """

    scale: np.ndarray
    zero_point: int
    kind: str | None

    @property
    def offset(self) -> int:
        """What to add to the integers so that their lowest value is 0."""
        return 128 if self.kind == "int8" else 0

    @property
    def single_scale(self) -> float:
        """The scale of a whole array."""
        return float(self.scale.reshape(-1)[0])


def quantizer(graph: Graph, node: onnx.NodeProto) -> Quantizer:
    """Parameters of ``node``. Raises OnnxError unless they are constants of a supported form."""
    options = attributes(node)
    if options.get("block_size"):
        raise refuse(node, "scales for blocks are not supported; use one a channel")
    scale = graph.constant(node.input[1]) if len(node.input) > 1 else None
    if scale is None or scale.dtype.kind != "f":
        raise refuse(node, "its scale is not a constant")
    scale = np.asarray(scale, dtype=np.float64)
    if not np.isfinite(scale).all() or scale.min() <= 0:
        raise refuse(node, "its scale is not finite and above 0")
    if scale.min() < SCALE_MIN:
        raise refuse(node, f"its scale {scale.min():.3g} is 0 for most runtimes; scale the model")
    stated = _stated(node) if node.op_type == "QuantizeLinear" else None
    if len(node.input) < 3 or not node.input[2]:
        kind = stated or ("uint8" if node.op_type == "QuantizeLinear" else None)
        return Quantizer(scale.reshape(-1), 0, kind)
    zero_point = graph.constant(node.input[2])
    if zero_point is None or zero_point.dtype.name not in LIMITS:
        raise refuse(node, "its zero point is not a constant integer")
    if stated not in (None, zero_point.dtype.name):
        raise refuse(node, f"output_dtype {stated} for a zero point of {zero_point.dtype.name}")
    if zero_point.size not in (1, scale.size):
        raise refuse(node, f"{zero_point.size} zero points for {scale.size} scales")
    if zero_point.min() != zero_point.max():
        raise refuse(node, "zero points differ from channel to channel")
    return Quantizer(scale.reshape(-1), int(zero_point.reshape(-1)[0]), zero_point.dtype.name)


def _stated(node: onnx.NodeProto) -> str | None:
    """Type that a quantizer's attribute names; None if it is left to the zero point."""
    kind = attributes(node).get("output_dtype", 0)
    if not kind:
        return None
    name = TensorProto.DataType.Name(kind).lower() if kind in TensorProto.DataType.values() else ""
    if name not in LIMITS:
        raise refuse(node, f"output_dtype {name or kind}, needs {', '.join(LIMITS)}")
    return name


def activation(graph: Graph, node: onnx.NodeProto, kind: str | None = None) -> Quantizer:
    """Parameters of a node that (de)quantizes activations: one scale, 8 bits.

    ``kind`` is the type of the integers that it dequantizes, if known.
    """
    found = quantizer(graph, node)
    if found.scale.size != 1:
        raise refuse(node, f"{found.scale.size} scales for activations, needs one")
    if None not in (kind, found.kind) and kind != found.kind:
        raise refuse(node, f"zero point of {found.kind} for values of {kind}")
    found = replace(found, kind=found.kind or kind)
    if found.kind not in (*ACTIVATIONS, None):
        raise refuse(
            node, f"activations are {found.kind}; quantize them to uint8 "
            "(quantize_static: activation_type=QuantType.QUInt8)"
        )  # fmt: skip
    return found


@dataclass(frozen=True, eq=False)
class Weights:
    """Integers minus their zero point, and their scales: one value, or one per kernel.

    ``values`` are int8 if they fit.
    """

    values: np.ndarray
    scale: np.ndarray


def weights(graph: Graph, name: str, node: onnx.NodeProto, axis: int) -> Weights:
    """Quantized constant ``name`` that ``node`` reads, with one scale or one per ``axis`` index.

    Raises OnnxError unless it is an integer constant followed by DequantizeLinear, or a float
    constant followed by QuantizeLinear and DequantizeLinear; a transposition may follow.
    """
    source, turned = _behind_passing(graph, name), False
    if source is not None and source.op_type == "Transpose":
        order = attributes(source).get("perm", [1, 0])
        if list(order) != [1, 0]:
            raise refuse(source, f"transposition {list(order)} of weights, needs [1, 0]")
        source, turned = _behind_passing(graph, source.input[0]), True
    if source is None or source.op_type != "DequantizeLinear":
        raise refuse(node, f"{name!r} is not quantized: no constant behind DequantizeLinear")
    (values, kind), found = _integers(graph, source), quantizer(graph, source)
    if found.kind not in (None, kind):
        raise refuse(source, f"zero point of {found.kind} for values of {kind}")
    values = values.astype(np.int64 if values.dtype.itemsize > 1 else np.int16) - found.zero_point
    if values.ndim > 1 and values.min() >= -128 and values.max() <= 127:
        values = values.astype(np.int8)
    along = int(attributes(source).get("axis", 1)) % max(values.ndim, 1)
    if turned and values.ndim != 2:
        raise refuse(source, f"transposes weights {list(values.shape)}, needs two axes")
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


def _integers(graph: Graph, node: onnx.NodeProto) -> tuple[np.ndarray, str]:
    """Integers that ``node`` dequantizes, and their type."""
    values = graph.constant(node.input[0])
    if values is None:
        source = _behind_passing(graph, node.input[0])
        floats = graph.constant(source.input[0]) if source is not None else None
        if source is None or source.op_type != "QuantizeLinear" or floats is None:
            raise refuse(node, "what it dequantizes is not a constant")
        return _quantized(graph, source, floats)
    if values.dtype.name not in LIMITS:
        raise refuse(node, f"dequantizes {values.dtype.name}, needs {', '.join(LIMITS)}")
    return values, values.dtype.name


def _quantized(graph: Graph, node: onnx.NodeProto, floats: np.ndarray) -> tuple[np.ndarray, str]:
    """Weights that the graph itself quantizes, computed as in ONNX: in float32, halves to even."""
    found = quantizer(graph, node)
    if found.kind is None or found.kind == "int32" or not np.isfinite(floats).all():
        raise refuse(node, "weights are not finite, or not of 8 bits")
    scale = found.scale.astype(np.float32)
    if scale.size > 1:
        axis = int(attributes(node).get("axis", 1)) % max(floats.ndim, 1)
        if floats.shape[axis : axis + 1] != (scale.size,):
            raise refuse(node, f"{scale.size} scales for axis {axis} of {list(floats.shape)}")
        scale = scale.reshape([-1 if at == axis else 1 for at in range(floats.ndim)])
    with np.errstate(over="ignore"):
        steps = np.rint(floats.astype(np.float32) / scale)
    low, high = LIMITS[found.kind]
    values = np.clip(steps, low - found.zero_point, high - found.zero_point)
    return (values + found.zero_point).astype(_dtype(found.kind)), found.kind


def _dtype(kind: str) -> np.dtype:
    """NumPy's type of this name; 8 bits for the 4-bit types, which NumPy lacks."""
    return np.dtype({"int4": "int8", "uint4": "uint8"}.get(kind, kind))
