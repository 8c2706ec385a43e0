"""Ways of writing the same arithmetic, turned into one: Sub and Div by constants,
BatchNormalization, means over rows and columns.
"""

import numpy as np
import onnx

from twofold.sw.onnx.importer.checked import STANDARD
from twofold.sw.onnx.importer.dialects.editing import Editor
from twofold.sw.onnx.importer.nodes import attributes, refuse


def plain(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    """Nodes instead of ``node``; None if it is plain already, or nothing that is known here."""
    maker = MAKERS.get(node.op_type) if node.domain in STANDARD else None
    return None if maker is None else maker(editor, node)


def _subtraction(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    values = _floats(editor, node.input[1])
    if values is None:
        return None
    negated = editor.constant(-values, f"{node.output[0]}.negated")
    return [editor.node("Add", [node.input[0], negated], node.name, output=node.output[0])]


def _division(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    values = _floats(editor, node.input[1])
    if values is None or not values.all():
        return None
    inverse = editor.constant((1 / values).astype(values.dtype), f"{node.output[0]}.inverse")
    return [editor.node("Mul", [node.input[0], inverse], node.name, output=node.output[0])]


def _floats(editor: Editor, name: str) -> np.ndarray | None:
    values = editor.array(name)
    return values if values is not None and values.dtype.kind == "f" else None


def _normalisation(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` as one factor and one offset."""
    if attributes(node).get("training_mode", 0) or len(node.output) > 1:
        raise refuse(node, "in training mode; export the model in evaluation mode")
    found = [dequantized(editor, name) for name in node.input[1:5]]
    known = [values for values in found if values is not None]
    if len(known) < 4:
        raise refuse(node, "its parameters are not constants")
    gamma, beta, mean, variance = (values.astype(np.float64).reshape(-1) for values in known)
    spread = variance + attributes(node).get("epsilon", 1e-5)
    sizes = {values.size for values in (gamma, beta, mean, variance)}
    if len(sizes) != 1 or spread.min() <= 0:
        raise refuse(node, "its parameters are not one for each channel, with variances above 0")
    factor = gamma / np.sqrt(spread)
    names = [
        editor.constant(_beside_pixels(editor, node, values), f"{node.output[0]}.{what}")
        for what, values in (("factor", factor), ("offset", beta - mean * factor))
    ]
    scaled = editor.node("Mul", [node.input[0], names[0]], node.name or node.output[0])
    inputs = [scaled.output[0], names[1]]
    return [scaled, editor.node("Add", inputs, node.name, output=node.output[0])]


def _beside_pixels(editor: Editor, node: onnx.NodeProto, values: np.ndarray) -> np.ndarray:
    """One value a channel, shaped for the axes of the node's input."""
    shape = editor.shape(node.input[0])
    if shape is None:
        raise refuse(node, "the shape of its input is unknown; run onnx.shape_inference first")
    return values.astype(np.float32).reshape(-1, *(1,) * (len(shape) - 2))


def dequantized(editor: Editor, name: str) -> np.ndarray | None:
    """Value of a constant, also behind DequantizeLinear with one scale; None if it is none."""
    values = editor.array(name)
    if values is not None:
        return values
    node = editor.producer(name)
    if node is None or node.op_type != "DequantizeLinear":
        return None
    found = [editor.array(entry) for entry in node.input]
    known = [entry.astype(np.float64) for entry in found if entry is not None]
    if len(known) < len(found) or known[1].size not in (1, known[0].size):
        return None
    zero_point = known[2] if len(known) > 2 else np.zeros(1)
    return (known[0].reshape(-1) - zero_point.reshape(-1)) * known[1].reshape(-1)


def _mean(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    """The mean over rows and columns of an image, which is global average pooling."""
    options = attributes(node)
    axes = options.get("axes")
    if axes is None and len(node.input) > 1:
        found = editor.array(node.input[1])
        axes = None if found is None else [int(axis) for axis in found.reshape(-1)]
    shape = editor.shape(node.input[0])
    if axes is None or shape is None or len(shape) != 4:
        return None
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        return None
    keeps = options.get("keepdims", 1)
    output = node.output[0]
    pooled = editor.node(
        "GlobalAveragePool", node.input[:1], node.name, output=output if keeps else ""
    )
    if keeps:
        return [pooled]
    return [pooled, editor.node("Flatten", pooled.output, f"{output}.flat", output=output, axis=1)]


MAKERS = {
    "BatchNormalization": _normalisation,
    "Div": _division,
    "ReduceMean": _mean,
    "Sub": _subtraction,
}
