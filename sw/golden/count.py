"""How many multiplications a sparse machine needs for given activations."""

import numpy as np

from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer
from twofold.sw.golden.pooling import pooled_area


def multiplications(stage: Stage, layer: QuantizedLayer, x: np.ndarray) -> np.ndarray:
    """Products of a non-zero activation with a stored weight, for each sample: int64 ``[samples]``.

    ``x`` holds the layer's input as ``[channels, rows, columns, samples]``, or one of those that it
    reads. The input of a first
    convolution counts as dense: every stored weight meets an activation at every position, and with
    complementary sets each kernel stores as many weights as its fan-in. Elsewhere, a non-zero
    activation meets one weight per complementary set at each position whose window covers it.
    Positions that pooling drops are not computed.
    """
    samples = x.shape[3]
    rows, cols = pooled_area(stage)
    if stage.index == 0 and not stage.layer.FLATTENS:
        return np.full(samples, rows * cols * sum(stage.fan_ins), dtype=np.int64)
    top, left, bottom, right = stage.edges
    edges = (0, 0), (top, bottom), (left, right), (0, 0)
    active = np.pad(x, edges, constant_values=stage.zero) != 0
    stored, (down, across) = _stored_weights(stage, layer), stage.strides
    total = np.zeros(samples, dtype=np.int64)
    for dy in range(stage.kernel[0]):
        for dx in range(stage.kernel[1]):
            window = active[:, dy : dy + rows * down : down, dx : dx + cols * across : across]
            total += stored[:, dy, dx] @ np.count_nonzero(window, axis=(1, 2))
    return total


def _stored_weights(stage: Stage, layer: QuantizedLayer) -> np.ndarray:
    """Number of weights stored for each position of a window: int64 ``[channels, *kernel]``."""
    shape = (stage.in_shape[0], *stage.kernel)
    if stage.layer.sparsity.IN_ROWS:
        return np.full(shape, stage.sets, dtype=np.int64)
    return np.count_nonzero(layer.weight, axis=0).reshape(shape).astype(np.int64)
