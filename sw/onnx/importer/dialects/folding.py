"""Constants that a graph computes, computed: by ONNX's shape inference and reference evaluator.

Exporters leave scales, masked weights and shapes as small graphs of constants. Whatever depends on
constants and on fixed sizes alone is replaced by its value. Sizes of the batch are not fixed; they
count as 1, and a shape that starts with one is written as 0, "as in the input".
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from twofold.sw.onnx.importer.checked import ELEMENTS_MAX, STANDARD
from twofold.sw.onnx.importer.dialects.editing import Editor
from twofold.sw.onnx.importer.nodes import attributes, refuse

ROUNDS_MAX = 16
"""A shape may depend on another; each round resolves at least one."""
Size = Callable[[onnx.NodeProto, Sequence[np.ndarray]], int]


def _broadcast(node: onnx.NodeProto, values: Sequence[np.ndarray]) -> int:
    try:
        return math.prod(np.broadcast_shapes(*(value.shape for value in values)))
    except ValueError as error:
        raise refuse(node, f"its constants do not fit each other: {error}") from error


def _all(node: onnx.NodeProto, values: Sequence[np.ndarray]) -> int:
    del node
    return sum(value.size for value in values)


def _gathered(node: onnx.NodeProto, values: Sequence[np.ndarray]) -> int:
    del node
    return values[0].size * max(values[1].size, 1)


SIZES: dict[str, Size] = {
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "Equal", "Less", "Greater"),
        _broadcast,
    ),
    **dict.fromkeys(
        ("Abs", "Neg", "Sqrt", "Reciprocal", "Exp", "Floor", "Ceil", "Round", "Clip", "Relu",
         "Sign", "Concat", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice",
         "ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean", "ReduceProd", "Cast"),
        _all,
    ),
    "Gather": _gathered,
}  # fmt: skip
"""Operators that are folded, and a bound on the elements that each makes."""


def fold(editor: Editor) -> None:
    """Replace constants of nodes, fixed shapes and computed constants by their values.

    Raises OnnxError if one cannot be computed or is too large.
    """
    editor.constants_of_nodes()
    room = ELEMENTS_MAX
    for _ in range(ROUNDS_MAX):
        left, known = [], 0
        for node in editor.in_order():
            value = _value(editor, node, room)
            if value is None:
                left.append(node)
                continue
            room -= value.size
            known += 1
            editor.store(numpy_helper.from_array(value, node.output[0]))
        if not known:
            break
        editor.set_nodes(left)
    _keep_batches(editor)


def _value(editor: Editor, node: onnx.NodeProto, room: int) -> np.ndarray | None:
    """What a node computes from constants; None if it is not constant, or not folded."""
    if node.domain not in STANDARD or len(node.output) != 1:
        return None
    if node.op_type == "Shape":
        found = editor.shape(node.input[0])
        options = attributes(node)
        cut = slice(options.get("start", 0), options.get("end"))
        return None if found is None else np.array(found, dtype=np.int64)[cut]
    size = SIZES.get(node.op_type)
    if size is None or not node.input:
        return None
    values = [editor.array(name) if name else np.zeros(0) for name in node.input]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or (node.op_type == "Cast" and not _fits(node, known[0])):
        return None
    if size(node, [value for value in known if value.size]) > room:
        raise refuse(node, f"makes a constant of more than {ELEMENTS_MAX} elements")
    return _evaluated(editor, node, dict(zip(node.input, known, strict=True)))


def _fits(node: onnx.NodeProto, values: np.ndarray) -> bool:
    """Whether a cast loses nothing but precision of floats."""
    to = attributes(node)["to"]
    plain = {TensorProto.FLOAT: "f", TensorProto.DOUBLE: "f", TensorProto.INT64: "i"}.get(to)
    if plain == "i":
        return bool((np.abs(values.astype(np.float64)) < 1 << 53).all())
    return plain == "f" and bool((np.abs(values.astype(np.float64)) < 3e38).all())


def _evaluated(
    editor: Editor, node: onnx.NodeProto, feeds: dict[str, np.ndarray]
) -> np.ndarray | None:
    """Value of the node's output, by ONNX's reference evaluator; None if it is empty."""
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in feeds.items() if name}
    graph = helper.make_graph(
        [node], "constant",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in feeds.items()
        ],
        [onnx.ValueInfoProto(name=node.output[0])],
    )  # fmt: skip
    imports = [helper.make_opsetid("", editor.opset)]
    try:
        with np.errstate(all="ignore"):
            model = helper.make_model(graph, opset_imports=imports)
            value = np.asarray(next(iter(ReferenceEvaluator(model).run(None, feeds))))
    except Exception as error:  # the evaluator's errors have no other base
        raise refuse(node, f"its constant cannot be computed: {str(error)[:200]}") from error
    return np.array(value, order="C") if value.size and value.dtype.kind in "fiub" else None


def _keep_batches(editor: Editor) -> None:
    """Reshapes to a constant batch of 1 keep the batch of their input."""

    def kept(node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        target = editor.array(node.input[1]) if node.op_type == "Reshape" else None
        if target is None or target.ndim != 1 or len(target) < 2 or target[0] != 1:
            return None
        if target.dtype != np.int64 or attributes(node).get("allowzero", 0):
            return None
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[1] = editor.constant(np.array([0, *target[1:]]), f"{node.output[0]}.shape")
        return [copy]

    editor.rewrite(kept)
