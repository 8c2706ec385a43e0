"""An untrusted ONNX model: parsed within bounds, with lookups by name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.checked import NODES_MAX, STANDARD, label, require_sound, shown
from twofold.sw.onnx.importer.dialects import canonical, dialect_of, inferred_shapes
from twofold.sw.onnx.importer.nodes import PASSING, array_of, attributes, refuse, same, value_of
from twofold.sw.onnx.importer.wire import require_bounded

__all__ = [
    "BYTES_MAX", "NODES_MAX", "PASSING", "Graph", "attributes", "label", "refuse", "same", "shown",
]  # fmt: skip

BYTES_MAX = 1 << 27
SIDE_MAX = 1 << 16
PIXELS_MAX = 1 << 24
CASTS = {
    onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.INT32: "int32", onnx.TensorProto.INT64: "int64",
}  # fmt: skip
"""Types that constants are cast to."""


@dataclass(frozen=True)
class Scale:
    """Real value of a step of the input's bytes, and the byte that stands for 0.

    Raises OnnxError for anything else than a finite number above 0, and 0..255.
    """

    step: float
    zero_point: int = 0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.step) and self.step > 0 and 0 <= self.zero_point <= 255):
            raise OnnxError(
                f"scale {self.step:g}, zero point {self.zero_point}: needs a number above 0, and "
                "0..255"
            )


class Graph:
    """Nodes, constants and the single input of a model, in standard QDQ with constants folded.

    Parameters
    ----------
    content: of the file.
    scale: of its input, for a model that takes floats and does not quantize them.

    Members
    -------
    name: of the graph; metadata: properties of the model, by key.
    dialect: what the file is written in; model: the same in standard QDQ.
    input: name of the input that is not a constant; input_dims: its sizes behind the samples;
        input_kind: its type.
    outputs: names of the outputs.
    opset: version of the operator set.

    Raises OnnxError if it is not an ONNX model, refers to other files, is too large, or has
    nodes, constants or an input that break the rules of `twofold.sw.onnx.importer.checked`.
    """

    def __init__(self, content: bytes, scale: "Scale | None" = None) -> None:
        self.scale = scale
        model = _parsed(content)
        require_sound(model)
        self.dialect = dialect_of(model)
        with in_dialect(self.dialect):
            self._read(canonical(model))

    def _read(self, model: onnx.ModelProto) -> None:
        self.model, graph = model, model.graph
        self._shapes: dict[str, list[int]] | None = None
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
        self.input_dims = _input_dims(inputs[0])
        self.input_kind = int(inputs[0].type.tensor_type.elem_type)
        self.outputs = tuple(value.name for value in graph.output)

    def consumers(self, name: str) -> list[onnx.NodeProto]:
        """Nodes that read a value."""
        return self._consumers.get(name, [])

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Node that makes a value; None for inputs and constants."""
        return self._producers.get(name)

    def is_constant(self, name: str) -> bool:
        """Whether a value depends on constants alone."""
        reached = [name]
        for entry in reached:
            node = self.producer(entry)
            if entry == self.input or (node is None and entry not in self._constants):
                return False
            reached.extend(other for other in (node.input if node else ()) if other not in reached)
        return True

    def shape(self, name: str) -> list[int] | None:
        """Shape of a value for a batch of 1, by ONNX's shape inference; None if it is unknown."""
        if self._shapes is None:
            self._shapes = inferred_shapes(self.model)
        return self._shapes.get(name)

    def constant(self, name: str) -> np.ndarray | None:
        """Value of a constant, through nodes that change nothing or only its type; None if ``name``
        is not a constant.
        """
        casts: list[onnx.NodeProto] = []
        for _ in range(NODES_MAX):
            node = self.producer(name)
            if name in self._constants:
                return _cast(array_of(self._constants[name]), casts)
            if node is None:
                return None
            if node.op_type == "Constant":
                value = value_of(node)
                return None if value is None else _cast(value, casts)
            if node.op_type == "Cast":
                casts.append(node)
            elif node.op_type not in PASSING:
                return None
            name = node.input[0]
        return None


@contextmanager
def in_dialect(dialect: str) -> Iterator[None]:
    """Errors name the dialect first."""
    try:
        yield
    except OnnxError as error:
        raise OnnxError(f"{dialect}: {error}") from error


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


def _input_dims(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Sizes of the input behind the samples."""
    sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim[:8]]
    if len(sizes) not in (2, 3, 4) or min(sizes[1:]) < 1:
        raise OnnxError(
            f"input {shown(value.name)} has shape {sizes}, needs [samples, features], [samples, "
            "channels, length] or [samples, channels, height, width] with fixed sizes behind the "
            "samples"
        )
    if max(sizes[1:]) > SIDE_MAX or prod(sizes[1:]) > PIXELS_MAX:
        raise OnnxError(
            f"input {shown(value.name)} has shape {sizes}, at most {SIDE_MAX} each and "
            f"{PIXELS_MAX} together"
        )
    return tuple(sizes[1:])
