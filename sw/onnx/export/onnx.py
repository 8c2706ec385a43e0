"""Standard ONNX out of a quantized network, with the same integers.

The graph is of the quantize/dequantize (QDQ) kind: every array of integers passes through
``DequantizeLinear``, every layer ends in ``QuantizeLinear``. All scales are powers of two, so the
float32 arithmetic between the two is exact as long as sums stay below 2**24 accumulator steps.
Whether they do follows from the weights; a layer for which they do not, or which has a multiplier,
is added up in parts and requantised in double.

- A layer's weights have the scale ``2**-shift``, all activations share one scale.
- ``QuantizeLinear`` rounds halves to even. Half an accumulator step added before it makes them
  round up, and moves nothing else.
- k-winners are ``TopK`` over the channels, which breaks ties by the lower index, scattered into
  zeros.
- A linear layer is a convolution over its whole input. As ``Gemm``, some runtimes replace it by an
  8-bit kernel that saturates at 16 bits on older processors.

Input ``image``: uint8 ``[samples, channels, height, width]``. Outputs ``logits``: int32
``[samples, classes]``, and ``probabilities``: float32 of the same shape.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Network, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.files import write_bytes
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.export.exact import fits, parts
from twofold.sw.onnx.export.graph import Graph

OPSET = 13
IR_VERSION = 8
ACTIVATION_SCALE = 2.0**-8


def save(quantized: QuantizedNetwork, path: Path) -> int:
    """Write the ONNX model, whole or not at all, and return its length in bytes.

    Raises OnnxError for a network that float32 cannot hold exactly, ArtefactError when the file
    cannot be written.
    """
    content = export(quantized).SerializeToString()
    write_bytes(path, content)
    return len(content)


def export(quantized: QuantizedNetwork) -> onnx.ModelProto:
    """Checked ONNX model of ``quantized``. Raises OnnxError."""
    network = quantized.network
    graph = Graph()
    zero_point = network.zero_point
    x = graph.dequantize("image", "image", ACTIVATION_SCALE, np.uint8(zero_point))
    for stage, layer in zip(network.stages, quantized.layers, strict=True):
        x = _layer(graph, stage, layer, x, zero_point)
        zero_point = 0
    _outputs(graph, x, quantized.logit_scale)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            network.name,
            [image_input(network)],
            [
                result("logits", TensorProto.INT32, len(network.labels)),
                result("probabilities", TensorProto.FLOAT, len(network.labels)),
            ],
            graph.initializers,
        ),
        producer_name="twofold",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    properties = {
        "labels": json.dumps(network.labels),
        "logit_scale": repr(quantized.logit_scale),
        "front_end": quantized.front_end,
    }
    helper.set_model_props(model, properties)
    return checked(model)


def checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself. Raises OnnxError when it is not valid ONNX."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise OnnxError(f"{model.graph.name}: exported model does not check: {error}") from error
    return model


def image_input(network: Network) -> onnx.ValueInfoProto:
    """The input of every exported model."""
    return helper.make_tensor_value_info(
        "image", TensorProto.UINT8, ["samples", *network.input_shape]
    )


def result(name: str, kind: int, classes: int) -> onnx.ValueInfoProto:
    """An output ``[samples, classes]``."""
    return helper.make_tensor_value_info(name, kind, ["samples", classes])


def _layer(graph: Graph, stage: Stage, layer: QuantizedLayer, x: str, zero_point: int) -> str:
    """Output of a layer; its logits as integers, in float or double, if it is the last."""
    centre = zero_point * layer.weight.reshape(stage.channels, -1).sum(axis=1, dtype=np.int64)
    half = (1 << layer.shift) >> 1
    bias = layer.add.astype(np.int64) - half + centre
    if layer.mul is None and fits(stage, layer, zero_point, bias):
        x = _narrow(graph, stage, layer, x, bias)
    else:
        x = _wide(graph, stage, layer, x, zero_point, centre)
    if stage.last:
        return x
    x = graph.dequantize(stage.name, x, ACTIVATION_SCALE, np.uint8(0))
    return winners(graph, stage, x) if stage.k < stage.channels else x


def _weight_scale(stage: Stage, layer: QuantizedLayer) -> float:
    """Scale of the weights; that of the last layer makes a logit's step 1."""
    return 1 / ACTIVATION_SCALE if stage.last else 2.0**-layer.shift


def _narrow(graph: Graph, stage: Stage, layer: QuantizedLayer, x: str, bias: np.ndarray) -> str:
    """A layer in float32: accumulators with bias, maxima, ReLU, half a step, quantization."""
    name, scale = stage.name, _weight_scale(stage, layer)
    graph.constant(f"{name}.bias", bias.astype(np.int32))
    step = ACTIVATION_SCALE * scale
    offset = graph.dequantize(f"{name}.bias", f"{name}.bias", step, np.int32(0))
    x = convolve(graph, stage, name, [x, _weights(graph, stage, layer, name), offset])
    if stage.last:
        return x
    x = graph.node("Relu", [pool(graph, stage, x)], f"{name}.relu")
    if layer.shift:
        half = graph.constant(f"{name}.half", np.float32(step / 2))
        x = graph.node("Add", [x, half], f"{name}.rounded")
    return graph.quantize(f"{name}.quantized", x, ACTIVATION_SCALE)


def _wide(
    graph: Graph, stage: Stage, layer: QuantizedLayer, x: str, zero_point: int, centre: np.ndarray
) -> str:
    """A layer that float32 does not hold: ``clamp(floor((acc * mul + add) / 2**shift), 0, 255)``.

    Sums over some channels at a time are exact in float32; float64 holds everything behind them.
    """
    name, shape = stage.name, (1, stage.channels, 1, 1)
    sums = []
    for index, channels in enumerate(parts(stage, layer, zero_point)):
        part = f"{name}.part{index}"
        weight = _weights(graph, stage, layer, part, slice(*channels))
        source = _slice(graph, part, x, *channels)
        acc = convolve(graph, stage, part, [source, weight])
        sums.append(graph.node("Cast", [acc], f"{part}.double", to=TensorProto.DOUBLE))
    x = pool(graph, stage, graph.node("Sum", sums, f"{name}.acc"))
    mul = np.ones(stage.channels) if layer.mul is None else layer.mul.astype(np.float64)
    add = (layer.add + mul * centre) * 2.0**-layer.shift
    mul *= 2.0**-layer.shift / (ACTIVATION_SCALE * _weight_scale(stage, layer))
    x = graph.double("Mul", x, f"{name}.scaled", mul.reshape(shape))
    x = graph.double("Add", x, f"{name}.sum", add.reshape(shape))
    if stage.last:
        return x
    x = graph.double("Clip", graph.node("Floor", [x], f"{name}.floor"), f"{name}.clip", 0, ACT_MAX)
    return graph.node("Cast", [x], f"{name}.quantized", to=TensorProto.UINT8)


def _weights(
    graph: Graph, stage: Stage, layer: QuantizedLayer, name: str, channels: slice = slice(None)
) -> str:
    weight = layer.weight.reshape(stage.channels, stage.in_shape[0], *stage.kernel)[:, channels]
    graph.constant(f"{name}.weight", np.ascontiguousarray(weight))
    scale = _weight_scale(stage, layer)
    return graph.dequantize(f"{name}.weight", f"{name}.weight", scale, np.int8(0))


def _slice(graph: Graph, name: str, x: str, start: int, stop: int) -> str:
    """Some channels of ``x``."""
    bounds = [
        graph.constant(f"{name}.{key}", np.array([value], dtype=np.int64))
        for key, value in (("start", start), ("stop", stop), ("axis", 1))
    ]
    return graph.node("Slice", [x, *bounds], f"{name}.input")


def convolve(graph: Graph, stage: Stage, name: str, inputs: list[str]) -> str:
    """Convolution of a layer: of input, weights and, where there is one, offset."""
    return graph.node(
        "Conv",
        inputs,
        f"{name}.conv",
        kernel_shape=list(stage.kernel),
        strides=[stage.stride] * 2,
        pads=[stage.padding] * 4,
    )


def pool(graph: Graph, stage: Stage, x: str) -> str:
    """Maxima of ``x`` over the pooling windows of a layer."""
    side = [stage.pool] * 2
    if stage.pool == 1:
        return x
    return graph.node("MaxPool", [x], f"{stage.name}.pool", kernel_shape=side, strides=side)


def winners(graph: Graph, stage: Stage, x: str) -> str:
    """``x`` with 0 for all but a layer's winners."""
    name = stage.name
    count = graph.constant(f"{name}.k", np.array([stage.k], dtype=np.int64))
    best, places = f"{name}.best", f"{name}.places"
    graph.nodes.append(
        helper.make_node("TopK", [x, count], [best, places], name=f"{name}.topk", axis=1)
    )
    zeros = graph.node(
        "Mul", [x, graph.constant(f"{name}.nothing", np.float32(0))], f"{name}.zeros"
    )
    return graph.node("ScatterElements", [zeros, places, best], f"{name}.winners", axis=1)


def _outputs(graph: Graph, x: str, logit_scale: float) -> None:
    flat = graph.node("Flatten", [x], "logits.flat", axis=1)
    graph.node("Cast", [flat], "logits", to=TensorProto.INT32)
    flat = graph.node("Cast", [flat], "logits.float", to=TensorProto.FLOAT)
    scale = graph.constant("logits.scale", np.float32(logit_scale))
    scaled = graph.node("Mul", [flat, scale], "logits.scaled")
    graph.node("Softmax", [scaled], "probabilities", axis=1)
