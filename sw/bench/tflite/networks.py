"""Networks as LiteRT's files, in float32 or int8, for one batch size.

Input: float32 (from `twofold.sw.bench.floats.float_inputs`) or uint8, ``[samples, height, width,
channels]``; output: float32 logits ``[samples, classes]``.

In int8, activations are int8 with -128 for 0, and weights have a scale for each kernel, the form
for which XNNPACK has its best kernels. It rounds halves to even, so the integers are those of
`twofold.sw.bench.reference.even_logits`. The last layer, on the integers of the one before, is in
float32: LiteRT's int8 layers have 8-bit outputs, too coarse for logits that are compared.
"""

import numpy as np

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_layers, integer_bias
from twofold.sw.bench.tflite.graph import LiteGraph
from twofold.sw.bench.tflite.layers import FLOAT, INT8, LOWEST, LayerWriter
from twofold.sw.bench.tflite.winners import winners
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE, weight_scale


def float_file(quantized: QuantizedNetwork, samples: int, *, sparse: bool = False) -> bytes:
    """The network in float32, without winners, for ``samples`` per call.

    ``sparse``: whether linear layers keep their weights in blocks where enough of them are zero.
    Raises OnnxError for a network that the benchmark does not take.
    """
    graph = LiteGraph()
    write = LayerWriter(graph, samples, FLOAT, sparse=sparse)
    image = x = write.pixels("image", quantized.network.input_shape)
    layers = float_layers(quantized)
    for stage, (weight, bias) in zip(quantized.network.stages, layers, strict=True):
        x = write.layer(stage, x, weight, bias)
    return graph.file([image], [x])


def int8_file(quantized: QuantizedNetwork, samples: int) -> bytes:
    """The network in int8, with its winners, if any, for ``samples`` per call. Raises OnnxError."""
    graph, zero = LiteGraph(), quantized.network.zero_point
    write = LayerWriter(graph, samples, INT8)
    channels, height, width = quantized.network.input_shape
    shape = samples, height, width, channels
    image = graph.tensor("image", shape, "uint8", ACTIVATION_SCALE, zero)
    x = graph.tensor("centred", shape, "int8", ACTIVATION_SCALE, zero + LOWEST)
    graph.operator("QUANTIZE", [image], [x], 2, "Quantize")
    *hidden, last = quantized.network.stages
    for stage in hidden:
        layer = quantized.layers[stage.index]
        bias = integer_bias(stage, layer, zero).astype(np.int32)
        x = write.layer(stage, x, layer.weight, bias, weight_scale(stage, layer))
        x, zero = winners(graph, stage, x, samples), 0
    real = LayerWriter(graph, samples, FLOAT)
    y = real.pixels("features", last.in_shape)
    graph.operator("DEQUANTIZE", [x], [y], 2, "Dequantize")
    return graph.file([image], [real.layer(last, y, *float_layers(quantized)[-1])])
