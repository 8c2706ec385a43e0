"""The float network behind a quantized one: the same weights, activations without rounding."""

import numpy as np

from twofold.hw.contract.layers import MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.export.graph import ACTIVATION_SCALE, bias_of, weight_scale


def integer_bias(stage: Stage, layer: QuantizedLayer, zero_point: int) -> np.ndarray:
    """Bias in accumulator steps, int64 ``[channels]``, for inputs minus their zero point.

    Raises OnnxError for an addition, and for a layer with a multiplier, with negative activations,
    or with pooling other than max-pooling.
    """
    if layer.mul is not None:
        raise OnnxError(
            f"{stage.name}: has a multiplier for each channel; the benchmark takes networks "
            "without, such as those of `twofold train`"
        )
    if len(stage.sources) > 1:
        raise OnnxError(
            f"{stage.name}: adds two layers; the benchmark takes networks without branches"
        )
    if stage.layer.zero:
        raise OnnxError(
            f"{stage.name}: keeps negative values; the benchmark takes layers with ReLU"
        )
    if stage.pooling is not MAX and stage.positions > 1:
        raise OnnxError(
            f"{stage.name}: pools by {stage.pooling.name}; the benchmark takes networks with "
            "max-pooling, which commutes with requantisation"
        )
    return bias_of(stage, layer, zero_point)


def float_layers(quantized: QuantizedNetwork) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (in the shape of the integers) and bias of every layer, float32."""
    layers, zero_point = [], quantized.network.zero_point
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        scale = weight_scale(stage, layer)
        bias = integer_bias(stage, layer, zero_point) * (scale * ACTIVATION_SCALE)
        layers.append(((layer.weight * scale).astype(np.float32), bias.astype(np.float32)))
        zero_point = 0
    return layers


def float_inputs(quantized: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    """The float network's inputs for uint8 ``inputs``."""
    centred = inputs.astype(np.float32) - quantized.network.zero_point
    return centred * np.float32(ACTIVATION_SCALE)
