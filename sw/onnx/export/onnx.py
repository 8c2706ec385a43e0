"""Standard ONNX from a quantized network, with the same integers.

The graph is in quantize/dequantize (QDQ) form: every array of integers passes through
``DequantizeLinear``, every layer ends in ``QuantizeLinear``. All scales are powers of two, so the
float32 arithmetic between the two is exact as long as sums stay below 2**24 accumulator steps.
Whether they do follows from the weights; a layer whose sums do not, or which has a multiplier, is
summed in parts and requantised in float64.

- A layer's weights have the scale ``2**-shift``; all activations share one scale.
- ``QuantizeLinear`` rounds halves to even. Adding half an accumulator step before it makes halves
  round up and changes nothing else.
- k-winners are ``TopK`` over the channels, which breaks ties by the lower index, scattered into
  zeros.
- A linear layer is a convolution over its whole input. Some runtimes would replace a ``Gemm`` with
  an 8-bit kernel that saturates at 16 bits on older CPUs.

Input ``image``: uint8 ``[samples, channels, height, width]``. Outputs ``logits``: int32
``[samples, outputs]``, and ``probabilities``: float32 of the same shape. A network with raw outputs
has ``values`` instead of probabilities: its outputs in the scale of the original model.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.files import write_bytes
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.input import INPUT_PROPERTY
from twofold.sw.onnx.export.exact import fits, parts
from twofold.sw.onnx.export.graph import (
    ACTIVATION_SCALE,
    Graph,
    bias_of,
    centre,
    grouped,
    weight_scale,
)
from twofold.sw.onnx.export.pooling import form_of, pool, wide_form_of


def save(quantized: QuantizedNetwork, path: Path) -> int:
    """Write the ONNX model atomically and return its length in bytes.

    Raises OnnxError for a network that float32 cannot represent exactly, ArtefactError if the file
    cannot be written.
    """
    content = export(quantized).SerializeToString()
    write_bytes(path, content)
    return len(content)


def export(quantized: QuantizedNetwork) -> onnx.ModelProto:
    """Checked ONNX model of ``quantized``. Raises OnnxError."""
    network = quantized.network
    graph = Graph()
    x = graph.dequantize("image", "image", ACTIVATION_SCALE, np.uint8(network.zero_point))
    values = {-1: x}
    for stage, layer in zip(network.stages, quantized.layers, strict=True):
        read = [values[source] for source in stage.sources]
        x = values[stage.index] = _layer(graph, stage, layer, read, stage.zero)
    floats = _outputs(graph, x, quantized)
    return graph.model(
        network,
        [("logits", TensorProto.INT32), (floats, TensorProto.FLOAT)],
        properties={
            INPUT_PROPERTY: json.dumps(dict(quantized.input), sort_keys=True),
            "labels": json.dumps(network.labels),
            "logit_scale": repr(quantized.logit_scale),
        },
    )


def _layer(
    graph: Graph, stage: Stage, layer: QuantizedLayer, read: list[str], zero_point: int
) -> str:
    """Output of a layer; for the last one, integer logits held in float32 or float64."""
    bias = bias_of(stage, layer, zero_point)
    if layer.mul is None and fits(stage, layer, zero_point, bias):
        x = _narrow(graph, stage, layer, read, bias)
    else:
        x = _wide(graph, stage, layer, read, zero_point)
    if stage.last:
        return x
    return graph.winners(
        stage, graph.dequantize(stage.name, x, ACTIVATION_SCALE, np.uint8(stage.layer.zero))
    )


def _narrow(
    graph: Graph, stage: Stage, layer: QuantizedLayer, read: list[str], bias: np.ndarray
) -> str:
    """A layer in float32: accumulators with bias, pooling, ReLU, half step, quantization."""
    name, form = stage.name, form_of(stage)
    plain = form.commutes and len(read) == 1
    shape = (stage.channels,) if plain else (stage.channels, 1, 1)
    graph.constant(f"{name}.bias", bias.astype(np.int32).reshape(shape))
    step = ACTIVATION_SCALE * weight_scale(stage, layer)
    offset = graph.dequantize(f"{name}.bias", f"{name}.bias", step, np.int32(0))
    late = not form.commutes or len(read) > 1
    if len(read) > 1:
        x = _joined(graph, stage, layer, read)
    else:
        inputs = [*read, _weights(graph, stage, layer, name, gain=form.gain(stage.positions))]
        inputs = inputs if late else [*inputs, offset]
        x = graph.convolve(stage, inputs, f"{name}.conv", groups=stage.groups)
    if stage.last:
        return x
    x = pool(graph, stage, x, name)
    if late:
        x = graph.node("Add", [x, offset], f"{name}.shifted")
    if not stage.layer.zero:
        x = graph.node("Relu", [x], f"{name}.relu")
    if layer.shift:
        half = graph.constant(f"{name}.half", np.float32(step / 2))
        x = graph.node("Add", [x, half], f"{name}.rounded")
    return graph.quantize(f"{name}.quantized", x, ACTIVATION_SCALE, stage.layer.zero)


def _wide(
    graph: Graph, stage: Stage, layer: QuantizedLayer, read: list[str], zero_point: int
) -> str:
    """A layer beyond float32's precision: ``clamp(floor((acc * mul + add) / 2**shift), 0, 255)``.

    Sums over some channels at a time are exact in float32; everything after them is in float64.
    """
    name, shape = stage.name, (1, stage.channels, 1, 1)
    if len(read) > 1:
        acc = _joined(graph, stage, layer, read)
        x = graph.node("Cast", [acc], f"{name}.double", to=TensorProto.DOUBLE)
    else:
        x = _in_parts(graph, stage, layer, read[0], zero_point)
    mul = np.ones(stage.channels) if layer.mul is None else layer.mul.astype(np.float64)
    add = (layer.add + mul * centre(stage, layer, zero_point)) * 2.0**-layer.shift
    mul *= 2.0**-layer.shift / (ACTIVATION_SCALE * weight_scale(stage, layer))
    x = graph.double("Mul", x, f"{name}.scaled", mul.reshape(shape))
    x = graph.double("Add", x, f"{name}.sum", add.reshape(shape))
    if stage.last:
        return x
    x = graph.double("Clip", graph.node("Floor", [x], f"{name}.floor"), f"{name}.clip", 0, ACT_MAX)
    return graph.node("Cast", [x], f"{name}.quantized", to=TensorProto.UINT8)


def _in_parts(graph: Graph, stage: Stage, layer: QuantizedLayer, x: str, zero_point: int) -> str:
    """Accumulators in float64, from sums over some channels at a time in float32."""
    name, form = stage.name, wide_form_of(stage)
    gain, sums, ranges = form.gain(stage.positions), [], parts(stage, layer, zero_point)
    groups = stage.groups if len(ranges) == 1 else 1
    for index, channels in enumerate(ranges):
        part = f"{name}.part{index}"
        weight = _weights(graph, stage, layer, part, slice(*channels), gain=gain)
        source = _slice(graph, part, x, *channels)
        acc = graph.convolve(stage, [source, weight], f"{part}.conv", groups=groups)
        if stage.positions > 1 and not form.commutes:
            acc = form.exact(graph, stage, acc, part)
        sums.append(graph.node("Cast", [acc], f"{part}.double", to=TensorProto.DOUBLE))
    x = graph.node("Sum", sums, f"{name}.acc")
    return pool(graph, stage, x, name) if form.commutes else x


def _joined(graph: Graph, stage: Stage, layer: QuantizedLayer, read: list[str]) -> str:
    """Accumulators of an addition: both layers, each times its weights."""
    name, scale = stage.name, weight_scale(stage, layer)
    weights = []
    for at in range(len(read)):
        own = np.ascontiguousarray(layer.weight[..., at].diagonal()).reshape(-1, 1, 1)
        graph.constant(f"{name}.weight{at}", own)
        weight = f"{name}.weight{at}"
        weights.append(graph.dequantize(weight, weight, scale, np.int8(0)))
    return graph.weighted(read, weights, f"{name}.acc")


def _weights(
    graph: Graph,
    stage: Stage,
    layer: QuantizedLayer,
    name: str,
    channels: slice = slice(None),
    *,
    gain: int = 1,
) -> str:
    weight = layer.weight.reshape(stage.channels, stage.in_shape[0], *stage.kernel)[:, channels]
    if weight.shape[1] == stage.in_shape[0]:
        weight = grouped(stage, weight)
    graph.constant(f"{name}.weight", np.ascontiguousarray(weight))
    scale = gain * weight_scale(stage, layer)
    return graph.dequantize(f"{name}.weight", f"{name}.weight", scale, np.int8(0))


def _slice(graph: Graph, name: str, x: str, start: int, stop: int) -> str:
    """Some channels of ``x``."""
    bounds = [
        graph.constant(f"{name}.{key}", np.array([value], dtype=np.int64))
        for key, value in (("start", start), ("stop", stop), ("axis", 1))
    ]
    return graph.node("Slice", [x, *bounds], f"{name}.input")


def _outputs(graph: Graph, x: str, quantized: QuantizedNetwork) -> str:
    """Append the integer and float outputs of the last layer; return the name of the floats."""
    flat = graph.node("Flatten", [x], "logits.flat", axis=1)
    graph.node("Cast", [flat], "logits", to=TensorProto.INT32)
    flat = graph.node("Cast", [flat], "logits.float", to=TensorProto.FLOAT)
    scale = graph.constant("logits.scale", np.float32(quantized.logit_scale))
    if not quantized.network.labelled:
        return graph.node("Mul", [flat, scale], "values")
    scaled = graph.node("Mul", [flat, scale], "logits.scaled")
    return graph.node("Softmax", [scaled], "probabilities", axis=1)
