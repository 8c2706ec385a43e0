"""QONNX: Quant nodes, which quantize and dequantize in one, with any number of bits.

A Quant node of a constant becomes integers behind DequantizeLinear; one of activations becomes
QuantizeLinear, Clip to the integers of its bits, and DequantizeLinear (QCDQ).
"""

from collections.abc import Callable

import numpy as np
import onnx

from twofold.sw.onnx.importer.dialects.editing import Editor
from twofold.sw.onnx.importer.nodes import attributes, refuse

DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
BITS_MAX = 32
EXACT = 1 << 24
ROUNDINGS = {"ROUND": np.rint, "HALF_EVEN": np.rint, "FLOOR": np.floor, "CEIL": np.ceil,
             "ROUND_TO_ZERO": np.trunc, "DOWN": np.trunc}  # fmt: skip
"""Rounding of constants; that of activations is to the nearest, halves to even."""


def _range(node: onnx.NodeProto, bits: int) -> tuple[int, int]:
    """Lowest and highest integer."""
    options = attributes(node)
    narrow = int(bool(options.get("narrow", 0)))
    if options.get("signed", 1):
        return -(1 << bits - 1) + narrow, (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - narrow


def _number(editor: Editor, node: onnx.NodeProto, at: int, what: str) -> float:
    value = editor.array(node.input[at]) if at < len(node.input) else None
    if value is None or value.size < 1 or value.min() != value.max():
        raise refuse(node, f"its {what} is not one constant number")
    return float(value.reshape(-1)[0])


def _quant(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    scale = editor.array(node.input[1]) if len(node.input) > 3 else None
    zero_point, bits = _number(editor, node, 2, "zero point"), _number(editor, node, 3, "bit width")
    if scale is None or not np.isfinite(scale).all() or scale.min() <= 0:
        raise refuse(node, "its scale is not a constant above 0")
    if bits != int(bits) or not 2 <= bits <= BITS_MAX or zero_point != int(zero_point):
        raise refuse(node, f"{bits:g} bits, zero point {zero_point:g}: needs 2..{BITS_MAX}, whole")
    values = editor.array(node.input[0])
    if values is None:
        return _activations(editor, node, scale, int(zero_point), int(bits))
    return _constant(editor, node, (values, scale), int(zero_point), int(bits))


def _constant(
    editor: Editor,
    node: onnx.NodeProto,
    scaled: tuple[np.ndarray, np.ndarray],
    zero_point: int,
    bits: int,
) -> list[onnx.NodeProto]:
    values, scale = scaled
    low, high = _range(node, bits)
    mode = attributes(node).get("rounding_mode", b"ROUND").decode(errors="replace").upper()
    if mode not in ROUNDINGS:
        raise refuse(node, f"rounding mode {mode[:20]!r} is not supported; use ROUND")
    try:
        steps = ROUNDINGS[mode](values.astype(np.float32) / scale.astype(np.float32))
    except ValueError as error:
        raise refuse(node, f"its scale {list(scale.shape)} does not fit: {error}") from error
    if steps.shape != values.shape:
        raise refuse(node, f"its scale {list(scale.shape)} is larger than {list(values.shape)}")
    integers = np.clip(steps + zero_point, low, high) - zero_point
    kind = np.int8 if np.abs(integers).max() < 128 else np.int32
    options = {}
    if scale.size > 1:
        axes = [axis for axis, side in enumerate(_padded(scale, values)) if side > 1]
        if len(axes) != 1:
            raise refuse(node, f"a scale of shape {list(scale.shape)}, needs one for each kernel")
        options["axis"] = axes[0]
    hint = node.name or node.output[0]
    inputs = [
        editor.constant(integers.astype(kind), f"{hint}.integers"),
        editor.constant(_vector(scale), f"{hint}.scale"),
    ]
    return [editor.node("DequantizeLinear", inputs, hint, output=node.output[0], **options)]


def _padded(scale: np.ndarray, values: np.ndarray) -> tuple[int, ...]:
    return (1,) * (values.ndim - scale.ndim) + scale.shape


def _vector(scale: np.ndarray) -> np.ndarray:
    return scale.astype(np.float32).reshape(-1 if scale.size > 1 else ())


def _activations(
    editor: Editor, node: onnx.NodeProto, scale: np.ndarray, zero_point: int, bits: int
) -> list[onnx.NodeProto]:
    low, high = _range(node, bits)
    mode = attributes(node).get("rounding_mode", b"ROUND").decode(errors="replace").upper()
    if mode not in ("ROUND", "HALF_EVEN"):
        raise refuse(node, f"activations rounded by {mode[:20]!r}; train with ROUND")
    if scale.min() != scale.max():
        raise refuse(node, f"{scale.size} scales for activations, needs one")
    if bits > 8:
        raise refuse(node, f"activations of {bits} bits, at most 8; quantize them to 8 bits")
    kind = np.int8 if low < 0 else np.uint8
    limits = np.iinfo(kind)
    if not limits.min <= zero_point <= limits.max:
        raise refuse(node, f"zero point {zero_point} lies outside {limits.min}..{limits.max}")
    hint = node.name or node.output[0]
    factors = [
        editor.constant(_vector(scale.reshape(-1)[:1]), f"{hint}.scale"),
        editor.constant(np.array(zero_point, kind), f"{hint}.zero_point"),
    ]
    nodes = [editor.node("QuantizeLinear", [node.input[0], *factors], f"{hint}.quantize")]
    if (low, high) != (limits.min, limits.max):
        bounds = [
            editor.constant(np.array(value, kind), f"{hint}.{name}")
            for name, value in (("low", low), ("high", high))
        ]
        inputs = [nodes[-1].output[0], *bounds]
        nodes.append(editor.node("Clip", inputs, f"{hint}.clip"))
    inputs = [nodes[-1].output[0], *factors]
    nodes.append(editor.node("DequantizeLinear", inputs, hint, output=node.output[0]))
    return nodes


REWRITERS: dict[tuple[str, str], Callable[[Editor, onnx.NodeProto], list[onnx.NodeProto]]] = {
    (domain, kind): _quant for domain in DOMAINS for kind in ("Quant", "IntQuant")
}
"""Nodes instead of a node, by domain and operator."""
