"""What the logits should be, in NumPy and by nothing that is measured.

``fp32`` is the network in float64; ``int8`` the network in whole numbers, by one of two rules of
rounding: the exact law rounds halves up, the QDQ form rounds them to even.
"""

import numpy as np

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.floats import float_inputs, float_layers, integer_bias


def float_logits(quantized: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    """Logits float64 ``[samples, classes]`` of uint8 inputs, without winners."""
    x = float_inputs(quantized, inputs).astype(np.float64)
    layers = float_layers(quantized)
    for stage, (weight, bias) in zip(quantized.network.stages, layers, strict=True):
        x = _sums(stage, x, weight, bias)
        if not stage.last:
            x = np.maximum(_pooled(x, stage.pool_window), 0)
    return x.reshape(len(x), -1)


def integer_logits(
    quantized: QuantizedNetwork, inputs: np.ndarray, *, halves_up: bool
) -> np.ndarray:
    """Logits float64 ``[samples, classes]`` (whole numbers) of uint8 inputs.

    Every sum is below 2**53, so float64 is exact.
    """
    zero_point = quantized.network.zero_point
    x = inputs.astype(np.float64) - zero_point
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        x = _sums(stage, x, layer.weight, integer_bias(stage, layer, zero_point))
        zero_point = 0
        if stage.last:
            break
        x = _pooled(x, stage.pool_window) / (1 << layer.shift)
        x = np.clip(np.floor(x + 0.5) if halves_up else np.rint(x), 0, ACT_MAX)
        x = _winners(x, stage.k)
    return x.reshape(len(x), -1)


def _sums(stage: Stage, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Sums of products with bias: ``[samples, channels, rows, columns]``."""
    kernels = weight.reshape(stage.channels, -1).astype(np.float64)
    windows = _windows(stage, x)
    sums = windows.reshape(-1, kernels.shape[1]) @ kernels.T + bias
    return sums.reshape(*windows.shape[:3], -1).transpose(0, 3, 1, 2)


def _windows(stage: Stage, x: np.ndarray) -> np.ndarray:
    """Inputs of every output: ``[samples, rows, columns, channels, kernel rows, kernel
    columns]``.
    """
    side = (stage.padding, stage.padding)
    x = np.pad(x, ((0, 0), (0, 0), side, side))
    down, across = stage.kernel
    windows = np.lib.stride_tricks.sliding_window_view(x, (1, 1, down, across))
    windows = windows[:, :, :: stage.stride, :: stage.stride, 0, 0]
    return windows.transpose(0, 2, 3, 1, 4, 5)


def _pooled(x: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    samples, channels, rows, cols = x.shape
    down, across = window
    x = x[:, :, : rows // down * down, : cols // across * across]
    x = x.reshape(samples, channels, rows // down, down, cols // across, across)
    return x.max(axis=(3, 5))


def _winners(x: np.ndarray, k: int) -> np.ndarray:
    """``x`` with zeros for all but the ``k`` largest channels, ties to the lower index."""
    if k >= x.shape[1]:
        return x
    rank = np.argsort(np.argsort(-x, axis=1, kind="stable"), axis=1, kind="stable")
    return np.where(rank < k, x, 0)
