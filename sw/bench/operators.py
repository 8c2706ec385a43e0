"""The int8 network in integer operators, the only form that DeepSparse runs on its own kernels.

Convolutions and hidden linear layers are ``QLinearConv``, pooling is between quantizations, the
last layer is ``MatMulInteger``. A file in QDQ form would run on the ONNX Runtime bundled with
DeepSparse, which it reports only as a fraction of supported operators.
"""

import numpy as np
import onnx
from onnx import TensorProto

from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.bench.floats import integer_bias
from twofold.sw.bench.models import RESULTS
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE, Graph, weight_scale
from twofold.sw.onnx.export.pooling import pool


def operator_model(quantized: QuantizedNetwork, samples: int | str = "samples") -> onnx.ModelProto:
    """The network without winners; uint8 in, float32 logits out. Raises OnnxError."""
    graph, x, zero_point = Graph(), "image", quantized.network.zero_point
    graph.constant("step", np.float32(ACTIVATION_SCALE))
    graph.constant("nothing", np.uint8(0))
    graph.constant("centre", np.int8(0))
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        zero = graph.constant(f"{stage.name}.zero_point", np.uint8(zero_point))
        bias = integer_bias(stage, layer, zero_point).astype(np.int32)
        zero_point = 0
        if stage.last:
            _logits(graph, stage, layer, [x, zero], bias)
            break
        x = _convolution(graph, stage, layer, [x, zero], bias)
        if stage.positions > 1:
            x = graph.node("DequantizeLinear", [x, "step", "nothing"], f"{stage.name}.float")
            x = pool(graph, stage, x, stage.name)
            x = graph.node("QuantizeLinear", [x, "step", "nothing"], f"{stage.name}.pooled")
    return graph.model(quantized.network, RESULTS, samples=samples)


def _convolution(
    graph: Graph, stage: Stage, layer: QuantizedLayer, source: list[str], bias: np.ndarray
) -> str:
    """A hidden layer; a linear one is a convolution over its whole input. Saturation is ReLU."""
    name, (x, zero) = stage.name, source
    kernels = layer.weight.reshape(stage.channels, stage.in_shape[0], *stage.kernel)
    graph.constant(f"{name}.weight", kernels)
    graph.constant(f"{name}.scale", np.float32(weight_scale(stage, layer)))
    graph.constant(f"{name}.bias", bias)
    weight = [f"{name}.weight", f"{name}.scale", "centre"]
    inputs = [x, "step", zero, *weight, "step", "nothing", f"{name}.bias"]
    return graph.convolve(stage, inputs, f"{name}.product", "QLinearConv")


def _logits(
    graph: Graph, stage: Stage, layer: QuantizedLayer, source: list[str], bias: np.ndarray
) -> None:
    name, (x, zero) = stage.name, source
    x = graph.node("Flatten", [x], f"{name}.flat", axis=1)
    matrix = np.ascontiguousarray(layer.weight.reshape(stage.channels, -1).T)
    weight = graph.constant(f"{name}.weight", matrix)
    x = graph.node("MatMulInteger", [x, weight, zero, "centre"], f"{name}.product")
    x = graph.node("Add", [x, graph.constant(f"{name}.bias", bias[None])], f"{name}.sum")
    x = graph.node("Cast", [x], f"{name}.float", to=TensorProto.FLOAT)
    scale = np.float32(weight_scale(stage, layer) * ACTIVATION_SCALE)
    graph.node("Mul", [x, graph.constant(f"{name}.scale", scale)], "logits")
