"""Networks in the form that engines optimise best: plain ONNX, in float32 or in the usual int8 QDQ.

`twofold.sw.onnx.export` reproduces the machine's exact arithmetic, including the half step of
rounding, which keeps engines from fusing layers. Here a layer is what their optimisers look for:
convolution or ``Gemm``, ReLU, quantization, pooling between quantizations. Halves round to even
instead of up, so int8 logits differ slightly from the exact ones; `twofold.sw.bench.reference`
computes them with either rule.

Input ``image``: float32 (``fp32``; from `twofold.sw.bench.floats.float_inputs`) or uint8
(``int8``), ``[samples, channels, height, width]``; output ``logits``: float32
``[samples, classes]``.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from twofold.hw.contract.network import Network, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.bench.floats import float_layers, integer_bias
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE, Graph, weight_scale
from twofold.sw.onnx.export.pooling import pool

RESULTS = (("logits", TensorProto.FLOAT),)
SAMPLES = "samples"
"""Name of the batch size in a model for any."""


def float_model(
    quantized: QuantizedNetwork,
    samples: int | str = SAMPLES,
    layers: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> onnx.ModelProto:
    """The network in floating point, without winners.

    Parameters
    ----------
    samples: batch size, or a name if dynamic.
    layers: weights and bias of every layer, float32 or all float16, as then are the input and the
        logits; those of `float_layers` if None.
    """
    graph, x = Graph(), "image"
    layers = float_layers(quantized) if layers is None else layers
    kind = helper.np_dtype_to_tensor_dtype(layers[0][0].dtype)
    for stage, (weight, bias) in zip(quantized.network.stages, layers, strict=True):
        name = stage.name
        x = _flat(graph, quantized.network, stage, x)
        inputs = [graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", bias)]
        x = _product(graph, stage, [x, *inputs])
        if not stage.last:
            x = pool(graph, stage, graph.node("Relu", [x], f"{name}.relu"), name)
    return graph.model(quantized.network, [("logits", kind)], image=kind, samples=samples)


def int8_model(quantized: QuantizedNetwork, samples: int | str = SAMPLES) -> onnx.ModelProto:
    """The network with uint8 activations and int8 weights, and with its winners, if any."""
    graph, zero_point = Graph(), quantized.network.zero_point
    x = graph.dequantize("image", "image", ACTIVATION_SCALE, np.uint8(zero_point))
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        name, before = stage.name, x
        x = _flat(graph, quantized.network, stage, before)
        if x != before:
            x = _requantised(graph, f"{name}.in", x)
        x = _product(graph, stage, [x, *_integers(graph, stage, layer, zero_point)])
        zero_point = 0
        if stage.last:
            break
        x = _requantised(graph, f"{name}.out", x)  # saturates at 0, which is the ReLU
        if stage.positions > 1:
            x = _requantised(graph, f"{name}.pooled", pool(graph, stage, x, name))
        if stage.k < stage.channels:
            x = _requantised(graph, f"{name}.chosen", graph.winners(stage, x))
    return graph.model(quantized.network, RESULTS, samples=samples)


def _integers(graph: Graph, stage: Stage, layer: QuantizedLayer, zero_point: int) -> list[str]:
    name, scale = stage.name, weight_scale(stage, layer)
    weight = graph.constant(f"{name}.weight", layer.weight)
    bias = integer_bias(stage, layer, zero_point).astype(np.int32)
    graph.constant(f"{name}.bias", bias)
    return [
        graph.dequantize(weight, weight, scale, np.int8(0)),
        graph.dequantize(f"{name}.bias", f"{name}.bias", scale * ACTIVATION_SCALE, np.int32(0)),
    ]


def _requantised(graph: Graph, name: str, x: str) -> str:
    quantized = graph.quantize(name, x, ACTIVATION_SCALE)
    return graph.dequantize(f"{name}.again", quantized, ACTIVATION_SCALE, np.uint8(0))


def _flat(graph: Graph, network: Network, stage: Stage, x: str) -> str:
    """Flatten the input of a linear layer that follows a convolution."""
    before = network.stages[max(stage.index - 1, 0)]
    if not (stage.layer.FLATTENS and before.per_pixel):
        return x
    return graph.node("Flatten", [x], f"{stage.name}.flat", axis=1)


def _product(graph: Graph, stage: Stage, inputs: list[str]) -> str:
    name = "logits" if stage.last else f"{stage.name}.product"
    if stage.layer.FLATTENS:
        return graph.node("Gemm", inputs, name, transB=1)
    return graph.convolve(stage, inputs, name)
