"""Find all obstacles to importing a model in one run."""

from collections.abc import Iterator

import onnx

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.chain import LAYERS, Chain, operators, read_chain
from twofold.sw.onnx.importer.checked import STANDARD, report
from twofold.sw.onnx.importer.graph import Graph, refuse
from twofold.sw.onnx.importer.layers import check_options
from twofold.sw.onnx.importer.pooling import adds_up
from twofold.sw.onnx.importer.quantizers import activation, quantizer

REMEDIES = {
    "BatchNormalization": "fuse it into the layer in front of it (quant_pre_process of ONNX "
    "Runtime, fuse_modules of PyTorch) before quantizing",
    "QLinearConv": "quantize with quant_format=QuantFormat.QDQ",
    "QLinearMatMul": "quantize with quant_format=QuantFormat.QDQ",
    "QGemm": "quantize with quant_format=QuantFormat.QDQ",
    "Quant": "convert QONNX to QCDQ first (QONNXtoQCDQ of the package qonnx)",
    "Transpose": "export with channels in front of rows and columns (NCHW)",
    "Resize": "scale inputs before the network",
    "Pad": "export it as pads of the convolution behind it",
}
"""Nearest supported form, by operator."""
ELSEWHERE = (
    "the machine takes chains of Conv, Gemm and MatMul between QuantizeLinear and "
    "DequantizeLinear, with Relu, pooling and TopK"
)


def survey(graph: Graph) -> Chain:
    """The graph's layers. Raises OnnxError, listing every obstacle that can be found."""
    found = list(_obstacles(graph))
    try:
        chain = read_chain(graph)
    except OnnxError as error:
        raise report([*found, *([] if _is_said(str(error), found) else [str(error)])]) from error
    if found:
        raise report(found)
    return chain


def _is_said(text: str, found: list[str]) -> bool:
    """Whether an obstacle at the same node is already listed."""
    return any(text.split(": ")[0] == other.split(": ")[0] for other in found)


def _obstacles(graph: Graph) -> Iterator[str]:
    """What is unsupported about nodes that depend on the input, each checked on its own."""
    for node in _behind(graph):
        try:
            _require_supported(graph, node)
        except OnnxError as error:
            yield str(error)


def _require_supported(graph: Graph, node: onnx.NodeProto) -> None:
    if node.op_type not in operators() or node.domain not in STANDARD:
        remedy = REMEDIES.get(node.op_type, ELSEWHERE)
        raise refuse(node, f"not supported; {remedy}")
    if node.op_type in LAYERS and not adds_up(graph, node):
        check_options(graph, node)
    elif node.op_type == "QuantizeLinear":
        activation(graph, node)
    elif node.op_type == "DequantizeLinear":
        quantizer(graph, node)


def _behind(graph: Graph) -> Iterator[onnx.NodeProto]:
    """Nodes that depend on the input, in breadth-first order."""
    reached, at = [graph.input], 0
    seen = set(reached)
    while at < len(reached):
        for node in graph.consumers(reached[at]):
            fresh = [name for name in node.output if name not in seen]
            if fresh:
                seen.update(fresh)
                reached.extend(fresh)
                yield node
        at += 1
