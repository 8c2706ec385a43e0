"""Reference logits, computed independently of the engines under test.

The golden model rounds halves up. Here, ``int8`` is the same network with halves rounded to even,
as in QDQ form, and ``fp32`` is the network in float64.
"""

from collections.abc import Callable

import numpy as np

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_inputs, float_layers, integer_bias
from twofold.sw.golden.model import layer_output, per_channel
from twofold.sw.golden.winners import keep_winners

Layer = Callable[[Stage, np.ndarray], np.ndarray]
"""Output of a layer from its input, both ``[channels, rows, columns, samples]``."""


def float_logits(quantized: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    """Logits float64 ``[samples, classes]`` of uint8 inputs, without winners."""
    parameters = float_layers(quantized)

    def layer(stage: Stage, x: np.ndarray) -> np.ndarray:
        weight, bias = parameters[stage.index]

        def finish(acc: np.ndarray, channels: slice) -> np.ndarray:
            sums = acc + per_channel(acc, bias[channels])
            return sums if stage.last else np.maximum(sums, 0)

        return layer_output(stage, weight, [x], finish)

    return _through(quantized, float_inputs(quantized, inputs).astype(np.float64), layer)


def even_logits(quantized: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    """Logits int64 ``[samples, classes]`` of uint8 inputs, with halves rounded to even."""
    first = quantized.network.zero_point

    def layer(stage: Stage, x: np.ndarray) -> np.ndarray:
        one = quantized.layers[stage.index]
        bias = integer_bias(stage, one, 0 if stage.index else first)

        def finish(acc: np.ndarray, channels: slice) -> np.ndarray:
            sums = acc + per_channel(acc, bias[channels])
            if stage.last:
                return sums
            return np.clip(np.rint(sums / (1 << one.shift)), 0, ACT_MAX).astype(np.uint8)

        y = layer_output(stage, one.weight, [x.astype(np.int64)], finish)
        if stage.k < stage.channels:
            keep_winners(y, stage.k)
        return y

    return _through(quantized, inputs.astype(np.int64) - first, layer)


def _through(quantized: QuantizedNetwork, inputs: np.ndarray, layer: Layer) -> np.ndarray:
    """Logits ``[samples, classes]`` of centred inputs ``[samples, channels, rows, columns]``."""
    x = inputs.transpose(1, 2, 3, 0)
    for stage in quantized.network.stages:
        x = layer(stage, x)
    return np.ascontiguousarray(x[:, 0, 0].T)
