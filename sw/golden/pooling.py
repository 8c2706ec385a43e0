"""Pooling of accumulators in NumPy, many samples at a time."""

from collections.abc import Callable

import numpy as np

from twofold.hw.contract.layers.pooling import MAX, MEAN, SUM
from twofold.hw.contract.network import Stage

COMBINERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    MAX.name: np.maximum,
    SUM.name: np.add,
    MEAN.name: np.add,
}
"""Functions that combine two arrays of accumulators, by the name of the pooling (see
`twofold.hw.contract.layers.pooling`).
"""


def pooled_area(stage: Stage) -> tuple[int, int]:
    """Rows and columns of the positions that pooling uses."""
    rows, cols = stage.pool_window
    return stage.out_shape[1] * rows, stage.out_shape[2] * cols


def pooled(stage: Stage, acc: np.ndarray) -> np.ndarray:
    """Accumulators ``[rows, columns, ...]`` of pooled pixels, from those of `pooled_area`."""
    rows, cols = stage.pool_window
    combine, found = COMBINERS[stage.pooling.name], acc[::rows, ::cols]
    for at in range(1, rows * cols):
        found = combine(found, acc[at // cols :: rows, at % cols :: cols])
    return found
