"""Where float32 is exact: bounds on the sums of a layer, in accumulator steps."""

import numpy as np

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.export.pooling import form_of, wide_form_of

EXACT_STEPS = 1 << 24
"""Integers below this are exact in float32, and halves below half of it."""


def reach(stage: Stage, layer: QuantizedLayer, zero_point: int, channels: slice) -> np.ndarray:
    """Largest magnitude of a sum of products over these input channels, for each kernel.

    The bound holds for partial sums in any order of addition, and takes into account that only some
    channels of a pixel are winners. If pooling adds positions, the sum is that of a pooled pixel.
    """
    shape = (stage.channels, stage.in_shape[0], stage.taps)
    weight = layer.weight.reshape(shape)[:, channels].astype(np.int64)
    zeros = (zero_point, *stage.zeros[1:])
    if any(zeros):
        most = max(max(ACT_MAX - zero, zero) for zero in zeros)
        return np.abs(weight).sum(axis=(1, 2)) * most * stage.terms
    up, down = (
        np.sort(np.maximum(signed, 0), axis=1)[:, -stage.in_k :].sum(axis=(1, 2))
        for signed in (weight, -weight)
    )
    return np.maximum(up, down) * ACT_MAX * stage.terms


def fits(stage: Stage, layer: QuantizedLayer, zero_point: int, bias: np.ndarray) -> bool:
    """Whether accumulators and ``bias`` (int64 ``[channels]``), and half steps of hidden layers,
    are exact.
    """
    margin = form_of(stage).margin(stage.positions)
    steps = margin * reach(stage, layer, zero_point, slice(None)) + np.abs(bias)
    return int(steps.max()) < (EXACT_STEPS if stage.last else EXACT_STEPS // 2)


def parts(stage: Stage, layer: QuantizedLayer, zero_point: int) -> list[tuple[int, int]]:
    """Fewest ranges of input channels, as (first, last + 1), such that sums over each are exact.

    Raises OnnxError if the sums over a single channel are not.
    """
    channels = stage.in_shape[0]
    found, start = [], 0
    while start < channels:
        stop = channels
        while _worst(stage, layer, zero_point, start, stop) >= EXACT_STEPS:
            stop = (start + stop) // 2
            if stop == start:
                raise OnnxError(
                    f"{stage.name}: sums over input channel {start} can reach "
                    f"{_worst(stage, layer, zero_point, start, start + 1)} accumulator steps, "
                    f"float32 is exact below {EXACT_STEPS}"
                )
        found.append((start, stop))
        start = stop
    return found


def _worst(stage: Stage, layer: QuantizedLayer, zero_point: int, start: int, stop: int) -> int:
    margin = wide_form_of(stage).margin(stage.positions)
    return margin * int(reach(stage, layer, zero_point, slice(start, stop)).max())
