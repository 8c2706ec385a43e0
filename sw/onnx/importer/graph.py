"""An ONNX model as an untrusted source: parsed, bounded, and asked by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from twofold.sw.errors import OnnxError

BYTES_MAX = 1 << 28
NODES_MAX = 1 << 12
PASSING = ("Identity", "Dropout")
"""Operators that change nothing at inference."""


class Graph:
    """Nodes, constants and the one input of a model.

    Parameters
    ----------
    content: the file.

    Members
    -------
    name: of the graph; metadata: properties of the model, by key.
    input: name of the input that is not a constant; input_shape: its channels, height, width;
        input_flat: it has no such axes; input_kind: its type.
    outputs: names of the outputs.

    Raises OnnxError when it is not an ONNX model, refers to other files, or is too large.
    """

    def __init__(self, content: bytes) -> None:
        model = _parsed(content)
        graph = model.graph
        if len(graph.node) > NODES_MAX:
            raise OnnxError(f"model has {len(graph.node)} nodes, at most {NODES_MAX} are read")
        self.name = graph.name
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
        """Value of a constant, through nodes that change nothing; None for anything else."""
        for _ in range(NODES_MAX):
            if name in self._constants:
                return _array(self._constants[name])
            node = self.producer(name)
            if node is None:
                return None
            if node.op_type == "Constant":
                value = attributes(node).get("value")
                return _array(value) if isinstance(value, onnx.TensorProto) else None
            if node.op_type not in PASSING:
                return None
            name = node.input[0]
        return None


def _parsed(content: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError) as error:
        raise OnnxError(f"not an ONNX model: {error}") from error
    if not model.graph.node:
        raise OnnxError("not an ONNX model, or one without nodes")
    return model


def _image_shape(value: onnx.ValueInfoProto) -> tuple[int, int, int]:
    sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    if len(sizes) == 2:
        sizes = [sizes[0], 1, 1, sizes[1]]
    if len(sizes) != 4 or min(sizes[1:]) < 1:
        raise OnnxError(
            f"input {value.name} has shape {sizes}, needs [samples, channels, height, width] with "
            "fixed sizes behind the samples"
        )
    channels, height, width = sizes[1:]
    return channels, height, width


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise OnnxError(f"constant {tensor.name} lies in another file; save the model as one file")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise OnnxError(f"constant {tensor.name} is damaged: {error}") from error


def label(node: onnx.NodeProto) -> str:
    """How messages call a node."""
    name = node.name or (node.output[0] if node.output else "?")
    return f"node {name[:80]!r} ({node.op_type[:40]})"


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
    """The one value that all ``values`` of an attribute have; ``default`` where there are none."""
    found = set(values)
    if len(found) > 1:
        raise refuse(node, f"{key} is {list(values)}, needs one value in all directions")
    return int(found.pop()) if found else default
