"""Standard ONNX from a floating-point network, before quantization.

Input ``image``: uint8 ``[samples, channels, height, width]``; output ``logits``: float32
``[samples, classes]``. BatchNorm is fused into weights and offsets; k-winners are ``TopK`` over
the channels, scattered into zeros.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from twofold.hw.contract.files import write_bytes
from twofold.hw.contract.network import Network, Stage
from twofold.sw.onnx.export.graph import Graph, grouped
from twofold.sw.onnx.export.pooling import form_of, pool

FloatLayer = tuple[np.ndarray, np.ndarray]
"""Weights float32 ``[out, ...]`` and offsets float32 ``[out]`` of a layer."""


def save_float(
    network: Network, layers: Sequence[FloatLayer], input_scale: float, path: Path
) -> int:
    """Write the ONNX model atomically and return its length in bytes.

    Raises OnnxError if the model is not valid, ArtefactError if it cannot be written.
    """
    content = export_float(network, layers, input_scale).SerializeToString()
    write_bytes(path, content)
    return len(content)


def export_float(
    network: Network, layers: Sequence[FloatLayer], input_scale: float
) -> onnx.ModelProto:
    """Checked ONNX model of ``network`` with the float32 ``layers``.

    ``input_scale`` is the number of input steps per 1.0. Raises OnnxError.
    """
    graph = Graph()
    x = graph.node("Cast", ["image"], "image.float", to=TensorProto.FLOAT)
    zero = graph.constant("image.zero_point", np.float32(network.zero_point))
    step = graph.constant("image.step", np.float32(1 / input_scale))
    x = graph.node("Mul", [graph.node("Sub", [x, zero], "image.centred"), step], "image.scaled")
    values = {-1: x}
    for stage, (weight, offset) in zip(network.stages, layers, strict=True):
        read = [values[source] for source in stage.sources]
        x = values[stage.index] = _layer(graph, stage, weight, offset, read)
    graph.node("Flatten", [x], "logits", axis=1)
    labels = {"labels": json.dumps(network.labels)}
    return graph.model(network, [("logits", TensorProto.FLOAT)], properties=labels)


def _layer(
    graph: Graph, stage: Stage, weight: np.ndarray, offset: np.ndarray, read: list[str]
) -> str:
    name = stage.name
    first = form_of(stage).commutes and len(read) == 1
    shape = (stage.channels,) if first else (stage.channels, 1, 1)
    offsets = graph.constant(f"{name}.offset", offset.astype(np.float32).reshape(shape))
    if len(read) > 1:
        own = [
            np.ascontiguousarray(weight[..., at].diagonal(), dtype=np.float32).reshape(-1, 1, 1)
            for at in range(len(read))
        ]
        named = [graph.constant(f"{name}.weight{at}", values) for at, values in enumerate(own)]
        x = graph.weighted(read, named, f"{name}.acc")
    else:
        weights = graph.constant(f"{name}.weight", grouped(stage, weight.astype(np.float32)))
        inputs = [*read, weights, offsets] if first else [*read, weights]
        x = graph.convolve(stage, inputs, f"{name}.conv", groups=stage.groups)
    if stage.last:
        return x
    x = pool(graph, stage, x, name, real=True)
    if not first:
        x = graph.node("Add", [x, offsets], f"{name}.shifted")
    return graph.winners(stage, graph.node("Relu", [x], f"{name}.relu"))
