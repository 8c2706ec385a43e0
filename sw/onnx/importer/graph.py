"""An untrusted ONNX model: parsed within bounds, with lookups by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.checked import NODES_MAX, STANDARD, label, require_sound, shown
from twofold.sw.onnx.importer.wire import require_bounded

__all__ = ["BYTES_MAX", "NODES_MAX", "PASSING", "Graph", "attributes", "label", "refuse", "same"]

BYTES_MAX = 1 << 27
SIDE_MAX = 1 << 16
PIXELS_MAX = 1 << 24
PASSING = ("Identity", "Dropout")
"""Operators that do nothing at inference."""
CASTS = {
    onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.INT32: "int32", onnx.TensorProto.INT64: "int64",
}  # fmt: skip
"""Types that constants are cast to."""


class Graph:
    """Nodes, constants and the single input of a model whose structure has been checked.

    Parameters
    ----------
    content: of the file.

    Members
    -------
    name: of the graph; metadata: properties of the model, by key.
    input: name of the input that is not a constant; input_shape: its channels, height, width;
        input_flat: whether it is flat, without these axes; input_kind: its type.
    outputs: names of the outputs.
    opset: version of the operator set.

    Raises OnnxError if it is not an ONNX model, refers to other files, is too large, or has
    nodes, constants or an input that break the rules of `twofold.sw.onnx.importer.checked`.
    """

    def __init__(self, content: bytes) -> None:
        model = _parsed(content)
        require_sound(model)
        graph = model.graph
        self.name = graph.name
        self.opset = max(entry.version for entry in model.opset_import if entry.domain in STANDARD)
        self.metadata = {prop.key: prop.value for prop in model.metadata_props}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._producers = {name: node for node in graph.node for name in node.output if name}
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self._consumers.setdefault(name, []).append(node)
        inputs = [value for value in graph.input if value.name not in self._constants]
        if len(inputs) != 1:
            raise OnnxError(f"model has {len(inputs)} inputs, needs one: the image")
        self.input = inputs[0].name
        self.input_shape = _image_shape(inputs[0])
        self.input_flat = len(inputs[0].type.tensor_type.shape.dim) == 2
        self.input_kind = int(inputs[0].type.tensor_type.elem_type)
        self.outputs = tuple(value.name for value in graph.output)

    def consumers(self, name: str) -> list[onnx.NodeProto]:
        """Nodes that read a value."""
        return self._consumers.get(name, [])

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Node that makes a value; None for inputs and constants."""
        return self._producers.get(name)

    def constant(self, name: str) -> np.ndarray | None:
        """Value of a constant, through nodes that change nothing or only its type; None if ``name``
        is not a constant.
        """
        casts: list[onnx.NodeProto] = []
        for _ in range(NODES_MAX):
            node = self.producer(name)
            if name in self._constants:
                return _cast(_array(self._constants[name]), casts)
            if node is None:
                return None
            if node.op_type == "Constant":
                value = _value(node)
                return None if value is None else _cast(value, casts)
            if node.op_type == "Cast":
                casts.append(node)
            elif node.op_type not in PASSING:
                return None
            name = node.input[0]
        return None


def _cast(values: np.ndarray, casts: Sequence[onnx.NodeProto]) -> np.ndarray:
    """``values`` cast by these nodes, of which the last is applied first."""
    for node in reversed(casts):
        to = attributes(node)["to"]
        if to not in CASTS or not np.isfinite(values.astype(np.float64)).all():
            raise refuse(node, "gives a constant another type than plain integers or floats")
        kind = np.dtype(CASTS[to])
        if kind.kind in "iu":
            limits = np.iinfo(kind)
            if values.min() < limits.min or values.max() > limits.max:
                raise refuse(node, f"a constant does not fit {kind}")
        with np.errstate(over="ignore"):
            values = values.astype(kind)
    return values


def _parsed(content: bytes) -> onnx.ModelProto:
    if len(content) > BYTES_MAX:
        raise OnnxError(f"model has {len(content)} bytes, at most {BYTES_MAX} are read")
    require_bounded(content)
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError) as error:
        raise OnnxError(f"not an ONNX model: {error}") from error
    if not model.graph.node:
        raise OnnxError("not an ONNX model, or one without nodes")
    return model


def _image_shape(value: onnx.ValueInfoProto) -> tuple[int, int, int]:
    sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim[:8]]
    if len(sizes) == 2:
        sizes = [sizes[0], 1, 1, sizes[1]]
    if len(sizes) != 4 or min(sizes[1:]) < 1:
        raise OnnxError(
            f"input {shown(value.name)} has shape {sizes}, needs [samples, channels, height, "
            "width] with fixed sizes behind the samples"
        )
    channels, height, width = sizes[1:]
    if max(sizes[1:]) > SIDE_MAX or channels * height * width > PIXELS_MAX:
        raise OnnxError(
            f"input {shown(value.name)} has shape {sizes}, at most {SIDE_MAX} each and "
            f"{PIXELS_MAX} together"
        )
    return channels, height, width


def _value(node: onnx.NodeProto) -> np.ndarray | None:
    """Value of a Constant node; None for text."""
    for key, value in attributes(node).items():
        match key:
            case "value":
                return _array(value)
            case "value_int" | "value_ints":
                return np.asarray(value, dtype=np.int64)
            case "value_float" | "value_floats":
                return np.asarray(value, dtype=np.float32)
    return None


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise OnnxError(f"constant {shown(tensor.name)} is damaged: {error}") from error
    if not values.size:
        raise OnnxError(f"constant {shown(tensor.name)} is empty: shape {list(values.shape)}")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise OnnxError(f"constant {shown(tensor.name)} holds NaN; export the model again")
    return values


def refuse(node: onnx.NodeProto, why: str) -> OnnxError:
    """Error about a node."""
    return OnnxError(f"{label(node)}: {why}")


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes of a node as Python values. Raises OnnxError for a damaged one."""
    try:
        return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    except (ValueError, TypeError) as error:
        raise refuse(node, f"damaged attribute: {error}") from error


def same(node: onnx.NodeProto, key: str, values: Sequence[int], default: int) -> int:
    """The common value of an attribute's ``values``; ``default`` if empty. Raises OnnxError if they
    differ.
    """
    found = set(values)
    if len(found) > 1:
        raise refuse(node, f"{key} is {list(values)}, needs one value in all directions")
    return int(found.pop()) if found else default
