"""What follows the logits: read for its scale, then dropped and listed.

The machine computes none of this. Operators that preserve which logit is the largest are dropped;
those that work along an axis other than the classes, or may change which is the largest, are
refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import onnx
from onnx import TensorProto

from twofold.sw.onnx.importer.graph import PASSING, Graph, attributes, label, refuse
from twofold.sw.onnx.importer.layers import scalar
from twofold.sw.onnx.importer.quantizers import activation

DEPTH_MAX = 16
FAN_MAX = 4
CASTS = (
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64
)  # fmt: skip


@dataclass
class Tail:
    """What follows the logits.

    Attributes
    ----------
    factor: between the last layer's output and the input of softmax.
    dropped: what is left out, one line each.
    """

    factor: float = 1.0
    dropped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """A value of a tail: its name, number of axes (the classes are axis 1), and classes."""

    name: str
    rank: int
    classes: int


def read_tail(graph: Graph, name: str, rank: int, classes: int) -> Tail | None:
    """What follows ``name``, of this rank, if nothing but outputs follows; else None.

    Raises OnnxError for a node whose effect on the logits cannot be left out.
    """
    nodes = _nodes(graph, name, 0)
    if nodes is None:
        return None
    tail = Tail()
    places = {name: _Place(name, rank, classes)}
    for node, source in nodes:
        if node.input[0] != source and node.op_type != "Mul":
            raise refuse(node, "logits are not its first input")
        places[node.output[0]] = READERS[node.op_type](graph, node, places[source], tail)
    unused = [output for output in graph.outputs if output not in places]
    tail.dropped.extend(f"output {output!r}: it is not made of the logits" for output in unused)
    return tail


def _nodes(graph: Graph, name: str, depth: int) -> list[tuple[onnx.NodeProto, str]] | None:
    """Nodes after ``name``, each with the value it reads; None if there are other operators."""
    nodes = graph.consumers(name)
    if depth > DEPTH_MAX or len(nodes) > FAN_MAX or not (nodes or name in graph.outputs):
        return None
    found: list[tuple[onnx.NodeProto, str]] = []
    for node in nodes:
        behind = _nodes(graph, node.output[0], depth + 1) if node.op_type in READERS else None
        if behind is None:
            return None
        found.extend([(node, name), *behind])
    return found


def _same(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    del graph, tail
    return _Place(node.output[0], place.rank, place.classes)


def _flatten(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    axis = attributes(node).get("axis", 1)
    if axis not in (1, 1 - place.rank):
        raise refuse(node, f"axis is {axis}, needs 1: one row of logits a sample")
    return _Place(_same(graph, node, place, tail).name, 2, place.classes)


def _reshape(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    del tail
    target = graph.constant(node.input[1]) if len(node.input) > 1 else None
    sizes = [] if target is None else [int(size) for size in target.reshape(-1)[:8]]
    plain = len(sizes) >= 2 and sizes[1] in (-1, place.classes) and set(sizes[2:]) <= {1}
    if not plain or sizes[0] not in (-1, 0, 1) or sizes[:2] == [-1, -1]:
        raise refuse(node, f"shape of the logits becomes {sizes}, needs [samples, {place.classes}]")
    return _Place(node.output[0], len(sizes), place.classes)


def _squeeze(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    del tail
    found = graph.constant(node.input[1]) if len(node.input) > 1 else None
    axes = attributes(node).get("axes", []) if found is None else found.reshape(-1).tolist()
    axes = {int(axis) % place.rank for axis in axes}
    if not axes or axes & {0, 1}:
        raise refuse(node, f"squeezes axes {sorted(axes)}, needs those of rows and columns")
    return _Place(node.output[0], place.rank - len(axes), place.classes)


def _scaled(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    factor = scalar(graph, node, 1 if node.input[0] == place.name else 0)
    if factor is None or not 0 < factor < float("inf"):
        raise refuse(node, "logits are multiplied by something else than one number above 0")
    tail.factor = factor if tail.factor == 1 else tail.factor
    return _same(graph, node, place, tail)


def _cast(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    to = attributes(node)["to"]
    if to not in CASTS:
        raise refuse(node, f"logits become {_kind(to)}; needs floats, int32 or int64")
    tail.dropped.append(f"{label(node)}: logits as {_kind(to)}")
    return _same(graph, node, place, tail)


def _kind(to: int) -> str:
    return TensorProto.DataType.Name(to) if to in TensorProto.DataType.values() else str(to)


def _along_classes(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    options = attributes(node)
    default = 0 if node.op_type == "ArgMax" else -1 if graph.opset >= 13 else 1
    axis = options.get("axis", default)
    if axis not in (1, 1 - place.rank):
        raise refuse(
            node, f"axis is {axis}, which is not that of the classes; export it with axis 1"
        )
    if options.get("select_last_index", 0):
        raise refuse(node, "takes the last of equal logits, the machine takes the first")
    tail.dropped.append(f"{label(node)}: along the classes; labels are those of the logits")
    keeps = node.op_type != "ArgMax" or options.get("keepdims", 1)
    return _Place(node.output[0], place.rank if keeps else place.rank - 1, place.classes)


def _quantized(graph: Graph, node: onnx.NodeProto, place: _Place, tail: Tail) -> _Place:
    found = activation(graph, node)
    if node.op_type == "QuantizeLinear":
        tail.dropped.append(
            f"{label(node)}: logits rounded to 8 bits in steps of {found.single_scale:.6g}; "
            "logits that it makes equal still differ here"
        )
    return _same(graph, node, place, tail)


READERS: dict[str, Callable[[Graph, onnx.NodeProto, _Place, Tail], _Place]] = {
    "ArgMax": _along_classes,
    "Cast": _cast,
    "DequantizeLinear": _quantized,
    "Flatten": _flatten,
    "LogSoftmax": _along_classes,
    "Mul": _scaled,
    "QuantizeLinear": _quantized,
    "Reshape": _reshape,
    "Softmax": _along_classes,
    "Squeeze": _squeeze,
    **dict.fromkeys(PASSING, _same),
}
