"""Standard ONNX out of a quantized network, with the same integers.

The graph is of the quantize/dequantize (QDQ) kind: every array of integers passes through
``DequantizeLinear``, every layer ends in ``QuantizeLinear``. All scales are powers of two, so the
float32 arithmetic between the two is exact as long as sums stay below 2**24 accumulator steps,
which is checked against the weights.

- A layer's weights have the scale ``2**-shift``, all activations share one scale.
- ``QuantizeLinear`` rounds halves to even. Half an accumulator step added before it makes them
  round up, and moves nothing else.
- k-winners are ``TopK`` over the channels, which breaks ties by the lower index, scattered into
  zeros.
- A linear layer is a convolution over its whole input. As ``Gemm``, some runtimes replace it by an
  8-bit kernel that saturates at 16 bits on older processors.
- A multiplier per channel needs more than the 24 bits of float32: its layer requantises in double.

Input ``image``: uint8 ``[words, channels, height, width]``. Outputs ``logits``: int32
``[words, classes]``, and ``probabilities``: float32 of the same shape.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hw.contract.arith import ACT_MAX
from hw.contract.network import Stage
from sw.artefacts import QuantizedLayer, QuantizedNetwork
from sw.artefacts.files import write_bytes
from sw.errors import OnnxError

OPSET = 13
IR_VERSION = 8
ACTIVATION_SCALE = 2.0**-8
EXACT_STEPS = 1 << 24
"""Integers below are exact in float32; half of it where half steps are needed."""


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
    graph = _Graph()
    zero_point = network.zero_point
    x = graph.dequantize("image", "image", ACTIVATION_SCALE, np.uint8(zero_point))
    for stage, layer in zip(network.stages, quantized.layers, strict=True):
        _check_exact(stage, layer, zero_point)
        x = _layer(graph, stage, layer, x, zero_point)
        zero_point = 0
    _outputs(graph, x, quantized.logit_scale)
    shape = network.input_shape
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            network.name,
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["words", *shape])],
            [
                _result("logits", TensorProto.INT32, len(network.labels)),
                _result("probabilities", TensorProto.FLOAT, len(network.labels)),
            ],
            graph.initializers,
        ),
        producer_name="twofold",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(
        model, {"labels": json.dumps(network.labels), "logit_scale": repr(quantized.logit_scale)}
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise OnnxError(f"{network.name}: exported model does not check: {error}") from error
    return model


class _Graph:
    """Nodes and constants of a graph under construction; every value is named after its use."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Append a node with one output, called ``name``."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        """Append a constant."""
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def dequantize(
        self, name: str, source: str, scale: float, zero_point: np.ndarray | np.generic
    ) -> str:
        """Append ``(source - zero_point) * scale``; ``name`` is the prefix of what it needs."""
        factors = [
            self.constant(f"{name}.scale", np.float32(scale)),
            self.constant(f"{name}.zero_point", zero_point),
        ]
        return self.node("DequantizeLinear", [source, *factors], f"{name}.float")


def _result(name: str, kind: int, classes: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["words", classes])


def _layer(graph: _Graph, stage: Stage, layer: QuantizedLayer, x: str, zero_point: int) -> str:
    name = stage.name
    inner = (stage.channels, stage.in_shape[0], *stage.kernel)
    weight = layer.weight.reshape(inner)
    scale = 1 / ACTIVATION_SCALE if stage.last else 2.0**-layer.shift
    graph.constant(f"{name}.weight", weight)
    inputs = [x, graph.dequantize(f"{name}.weight", f"{name}.weight", scale, np.int8(0))]
    if layer.mul is None:
        bias = _bias(stage, layer, zero_point)
        graph.constant(f"{name}.bias", bias.astype(np.int32))
        step = ACTIVATION_SCALE * scale
        inputs.append(graph.dequantize(f"{name}.bias", f"{name}.bias", step, np.int32(0)))
    x = graph.node(
        "Conv",
        inputs,
        f"{name}.conv",
        kernel_shape=list(stage.kernel),
        strides=[stage.stride] * 2,
        pads=[stage.padding] * 4,
    )
    if stage.last:
        return x
    if stage.pool > 1:
        pool = [stage.pool] * 2
        x = graph.node("MaxPool", [x], f"{name}.pool", kernel_shape=pool, strides=pool)
    if layer.mul is None:
        x = _requantise(graph, name, layer.shift, x)
    else:
        x = _requantise_double(graph, stage, layer, x, zero_point)
    x = graph.dequantize(name, x, ACTIVATION_SCALE, np.uint8(0))
    return _winners(graph, stage, x) if stage.k < stage.channels else x


def _centre(stage: Stage, layer: QuantizedLayer, zero_point: int) -> np.ndarray:
    """What the zero point adds to each accumulator; ``add`` has it taken off."""
    sums = layer.weight.reshape(stage.channels, -1).sum(axis=1, dtype=np.int64)
    return zero_point * sums


def _bias(stage: Stage, layer: QuantizedLayer, zero_point: int) -> np.ndarray:
    """Bias in accumulator steps, without half a step of requantisation: int64 ``[channels]``."""
    half = (1 << layer.shift) >> 1
    return layer.add.astype(np.int64) - half + _centre(stage, layer, zero_point)


def _requantise(graph: _Graph, name: str, shift: int, x: str) -> str:
    x = graph.node("Relu", [x], f"{name}.relu")
    if shift:
        half = graph.constant(f"{name}.half", np.float32(ACTIVATION_SCALE * 2.0 ** (-shift - 1)))
        x = graph.node("Add", [x, half], f"{name}.rounded")
    factors = [
        graph.constant(f"{name}.out_scale", np.float32(ACTIVATION_SCALE)),
        graph.constant(f"{name}.out_zero_point", np.uint8(0)),
    ]
    return graph.node("QuantizeLinear", [x, *factors], f"{name}.quantized")


def _requantise_double(
    graph: _Graph, stage: Stage, layer: QuantizedLayer, x: str, zero_point: int
) -> str:
    """``clamp(floor((acc * mul + add) / 2**shift), 0, 255)``; float64 holds every value exactly."""
    name, shape = stage.name, (1, stage.channels, 1, 1)
    mul = np.asarray(layer.mul, dtype=np.float64)
    add = (layer.add + mul * _centre(stage, layer, zero_point)) * 2.0**-layer.shift
    x = graph.node("Cast", [x], f"{name}.wide", to=TensorProto.DOUBLE)
    factor = graph.constant(f"{name}.mul", (mul / ACTIVATION_SCALE).reshape(shape))
    x = graph.node("Mul", [x, factor], f"{name}.scaled")
    x = graph.node("Add", [x, graph.constant(f"{name}.add", add.reshape(shape))], f"{name}.sum")
    x = graph.node("Floor", [x], f"{name}.floor")
    limits = [
        graph.constant(f"{name}.low", np.float64(0)),
        graph.constant(f"{name}.high", np.float64(ACT_MAX)),
    ]
    x = graph.node("Clip", [x, *limits], f"{name}.clipped")
    return graph.node("Cast", [x], f"{name}.quantized", to=TensorProto.UINT8)


def _winners(graph: _Graph, stage: Stage, x: str) -> str:
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


def _outputs(graph: _Graph, x: str, logit_scale: float) -> None:
    flat = graph.node("Flatten", [x], "logits.float", axis=1)
    graph.node("Cast", [flat], "logits", to=TensorProto.INT32)
    scale = graph.constant("logits.scale", np.float32(logit_scale))
    scaled = graph.node("Mul", [flat, scale], "logits.scaled")
    graph.node("Softmax", [scaled], "probabilities", axis=1)


def _check_exact(stage: Stage, layer: QuantizedLayer, zero_point: int) -> None:
    """Refuse layers in which a sum, in whatever order it is added up, could leave float32."""
    weight = layer.weight.reshape(stage.channels, stage.in_shape[0], stage.taps).astype(np.int64)
    reach = max(ACT_MAX - zero_point, zero_point)
    bias = np.zeros(stage.channels, dtype=np.int64)
    if layer.mul is None:
        bias = np.abs(_bias(stage, layer, zero_point))
    if zero_point:
        sums = np.abs(weight).sum(axis=(1, 2))
    else:
        sums = np.maximum(_largest_sums(stage, weight), _largest_sums(stage, -weight))
    steps = sums * reach + bias
    limit = EXACT_STEPS if stage.last else EXACT_STEPS // 2
    worst = int(steps.argmax())
    if steps[worst] >= limit:
        raise OnnxError(
            f"{stage.name}: kernel {worst} can sum up to {steps[worst]} accumulator steps, "
            f"float32 is exact below {limit}"
        )


def _largest_sums(stage: Stage, weight: np.ndarray) -> np.ndarray:
    """Largest sum of weights that winners can pick, for each kernel: int64 ``[out]``."""
    ascending = np.sort(np.maximum(weight, 0), axis=1)
    return ascending[:, -stage.in_k :].sum(axis=(1, 2))
