"""Find all obstacles to importing a model in one run."""

from collections.abc import Iterator

import onnx

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.chain import Chain, operators, read_chain
from twofold.sw.onnx.importer.checked import STANDARD, report
from twofold.sw.onnx.importer.dialects.naming import NOT_QUANTIZED
from twofold.sw.onnx.importer.graph import Graph, in_dialect, refuse
from twofold.sw.onnx.importer.handlers import MULTIPLYING
from twofold.sw.onnx.importer.layers import check_options
from twofold.sw.onnx.importer.pooling import adds_up
from twofold.sw.onnx.importer.quantizers import activation, quantizer

DYNAMIC = (
    "scales that are computed anew for every input; quantize with quantize_static and calibration "
    "data"
)
SMOOTH = "the machine has Relu and upper limits only; train with Relu"
REMEDIES = {
    "ConvInteger": DYNAMIC,
    "MatMulInteger": DYNAMIC,
    "DynamicQuantizeLinear": DYNAMIC,
    "BipolarQuant": "weights of 1 bit; train with Quant nodes of 2 bits or more",
    "Trunc": "give the pooling behind it a Quant node instead",
    "LeakyRelu": SMOOTH,
    "PRelu": SMOOTH,
    "Sigmoid": SMOOTH,
    "HardSigmoid": SMOOTH,
    "HardSwish": SMOOTH,
    "Tanh": SMOOTH,
    "Gelu": SMOOTH,
    "Resize": "scale inputs before the network",
    "Upsample": "scale inputs before the network",
    "ConvTranspose": "there is no layer that widens an image",
    "Concat": "the machine has one chain of layers; add branches up",
    "LSTM": "there is no state between samples; use convolutions over time",
    "GRU": "there is no state between samples; use convolutions over time",
}
"""Nearest supported form, by operator."""
ELSEWHERE = (
    "the machine takes chains of Conv, Gemm and MatMul between QuantizeLinear and "
    "DequantizeLinear, with Relu, pooling and TopK"
)
FLOAT = (
    "nothing in it is quantized; quantize it with onnxruntime.quantization.quantize_static "
    "(QuantFormat.QDQ, activations QUInt8, weights QInt8), or export a network trained with fake "
    "quantization"
)


def survey(graph: Graph) -> Chain:
    """The graph's layers. Raises OnnxError, naming the dialect and listing every obstacle."""
    with in_dialect(graph.dialect):
        if graph.dialect.startswith(NOT_QUANTIZED):
            raise OnnxError(FLOAT)
        found = list(_obstacles(graph))
        chain, met = read_chain(graph)
        found.extend(text for text in met if not _is_said(text, found))
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
    if node.op_type in MULTIPLYING and not adds_up(graph, node):
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
