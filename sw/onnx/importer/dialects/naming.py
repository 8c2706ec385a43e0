"""Which dialect a model is written in."""

import onnx

from twofold.sw.onnx.importer.dialects import qoperator, quant
from twofold.sw.onnx.importer.nodes import printable

NOT_QUANTIZED = "not quantized"
DYNAMIC = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul")


def dialect_of(model: onnx.ModelProto) -> str:
    """Name of the dialect and of the tool that wrote the model, if it says so."""
    producer = printable(model.producer_name)
    return f"{_dialect(model)}{f', written by {producer}' if producer else ''}"


def _dialect(model: onnx.ModelProto) -> str:
    nodes = list(model.graph.node)
    kinds = {(node.domain, node.op_type) for node in nodes}
    names = {kind for _, kind in kinds}
    if kinds & quant.REWRITERS.keys():
        return "QONNX (Quant nodes)"
    if kinds & qoperator.REWRITERS.keys():
        return "QOperator (QLinear nodes)"
    if names & set(DYNAMIC):
        return "dynamic quantization"
    if "QuantizeLinear" not in names and "DequantizeLinear" not in names:
        return NOT_QUANTIZED
    quantized = {node.output[0] for node in nodes if node.op_type == "QuantizeLinear"}
    clipped = any(node.op_type == "Clip" and node.input[0] in quantized for node in nodes)
    return "QCDQ (QuantizeLinear, Clip, DequantizeLinear)" if clipped else "QDQ"
