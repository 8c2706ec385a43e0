"""QOperator: operators that take and give integers, as ONNX Runtime's quantizer writes them.

Each becomes DequantizeLinear, the float operator, and QuantizeLinear: what its definition says.
"""

from collections.abc import Callable, Sequence
from typing import Any

import onnx

from twofold.sw.onnx.importer.dialects.editing import Editor
from twofold.sw.onnx.importer.nodes import attributes, refuse

MICROSOFT = "com.microsoft"
Rewriter = Callable[[Editor, onnx.NodeProto], list[onnx.NodeProto]]


class _Maker:
    """Collects the nodes that stand for one."""

    def __init__(self, editor: Editor, node: onnx.NodeProto) -> None:
        self.editor, self.node = editor, node
        self.nodes: list[onnx.NodeProto] = []
        self.hint = node.name or node.output[0]

    def at(self, index: int) -> str:
        """Input of that index; empty if it is not given."""
        return self.node.input[index] if index < len(self.node.input) else ""

    def floats(self, value: int, axis: int = 0) -> str:
        """DequantizeLinear of the inputs from ``value`` on: integers, scale, zero point."""
        names = [name for name in (self.at(value + at) for at in range(3)) if name]
        scale = self.editor.array(self.at(value + 1))
        options: dict[str, Any] = {"axis": axis} if scale is not None and scale.size > 1 else {}
        return self.add("DequantizeLinear", names, f"{self.hint}.in{value}", **options)

    def bias(self, name: str, first: int, second: int) -> str:
        """A bias in steps of the product of two scales, in float."""
        left, right = (self.editor.array(self.at(at)) for at in (first, second))
        if left is None or right is None or self.editor.array(name) is None:
            raise refuse(self.node, "its scales and its bias have to be constants")
        scale = self.editor.constant((left * right).reshape(-1), f"{self.hint}.bias_scale")
        options: dict[str, Any] = {} if (left * right).size == 1 else {"axis": 0}
        return self.add("DequantizeLinear", [name, scale], f"{self.hint}.bias", **options)

    def integers(self, value: str, scale: int) -> list[onnx.NodeProto]:
        """QuantizeLinear of ``value`` with the inputs from ``scale`` on, and all nodes."""
        names = [name for name in (self.at(scale), self.at(scale + 1)) if name]
        self.add("QuantizeLinear", [value, *names], self.hint, output=self.node.output[0])
        return self.nodes

    def add(
        self, kind: str, inputs: Sequence[str], hint: str, output: str = "", **options: Any
    ) -> str:
        node = self.editor.node(kind, inputs, hint, output=output, **options)
        self.nodes.append(node)
        return node.output[0]


def _convolution(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    make = _Maker(editor, node)
    inputs = [make.floats(0), make.floats(3)]
    if make.at(8):
        inputs.append(make.bias(make.at(8), 1, 4))
    return make.integers(make.add("Conv", inputs, make.hint, **attributes(node)), 6)


def _product(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    make = _Maker(editor, node)
    inputs = [make.floats(0), make.floats(3, axis=1)]
    return make.integers(make.add("MatMul", inputs, make.hint), 6)


def _gemm(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    make, options = _Maker(editor, node), attributes(node)
    inputs = [make.floats(0), make.floats(3, axis=0 if options.get("transB", 0) else 1)]
    if make.at(6):
        inputs.append(make.bias(make.at(6), 1, 4))
    if make.at(7):
        return make.integers(make.add("Gemm", inputs, make.hint, **options), 7)
    make.add("Gemm", inputs, make.hint, output=node.output[0], **options)
    return make.nodes


def _two(kind: str) -> Rewriter:
    def rewriter(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        make = _Maker(editor, node)
        return make.integers(make.add(kind, [make.floats(0), make.floats(3)], make.hint), 6)

    return rewriter


def _one(kind: str) -> Rewriter:
    def rewriter(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        make, options = _Maker(editor, node), attributes(node)
        if options.pop("channels_last", 0):
            raise refuse(node, "channels_last; export it with channels first (NCHW)")
        options.pop("opset", None)
        return make.integers(make.add(kind, [make.floats(0)], make.hint, **options), 3)

    return rewriter


def _standard(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Quantizers of ONNX Runtime's domain, which are those of the standard."""
    return [
        editor.node(node.op_type, node.input, node.name, output=node.output[0], **attributes(node))
    ]


REWRITERS: dict[tuple[str, str], Rewriter] = {
    ("", "QLinearConv"): _convolution,
    ("", "QLinearMatMul"): _product,
    (MICROSOFT, "QGemm"): _gemm,
    (MICROSOFT, "QLinearAdd"): _two("Add"),
    (MICROSOFT, "QLinearMul"): _two("Mul"),
    (MICROSOFT, "QLinearAveragePool"): _one("AveragePool"),
    (MICROSOFT, "QLinearGlobalAveragePool"): _one("GlobalAveragePool"),
    (MICROSOFT, "QLinearLeakyRelu"): _one("LeakyRelu"),
    (MICROSOFT, "QLinearSigmoid"): _one("Sigmoid"),
    (MICROSOFT, "QLinearSoftmax"): _one("Softmax"),
    (MICROSOFT, "QuantizeLinear"): _standard,
    (MICROSOFT, "DequantizeLinear"): _standard,
}
"""Nodes instead of a node, by domain and operator."""
