"""How much the windows of a stream share with the window before, as far as bits go.

Frames are shared by construction; what a network sees is not, where its front end shifts and
levels every window by itself. A layer may take over a row only if every byte under its kernels is
the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden import forward

SHIFTS = range(-8, 9)
"""Rows by which a window's content may have moved against the window before."""


@dataclass(frozen=True)
class Sharing:
    """Shares of a stream's windows that the window before has too.

    Attributes
    ----------
    windows: number of windows of the stream.
    images: share of them that equal the one before in every byte.
    rows: share of the rows of images, at the shift that fits a window best.
    first_layer: share of the first layer's output rows.
    multiplications: share of all multiplications that taking these rows over would save.
    """

    windows: int
    images: float
    rows: float
    first_layer: float
    multiplications: float


def sharing(network: QuantizedNetwork, images: NDArray[np.uint8]) -> Sharing:
    """Sharing in a stream's ``images`` uint8 [N, 32, 32], N > 1, of a network of speech."""
    stage = network.network.stages[0]
    before, now = images[:-1], images[1:]
    rows, kept = np.zeros(len(now)), np.zeros(len(now))
    for shift in SHIFTS:
        same = _same_rows(before, now, shift)
        rows = np.maximum(rows, same.mean(axis=1))
        kept = np.maximum(kept, _kept(stage, same, shift))
    whole = (before == now).all(axis=(1, 2))
    counts = forward(network, images[:64], keep_activations=False).multiplications.sum(axis=0)
    saved = np.where(whole, 1.0, kept * counts[0] / counts.sum())
    return Sharing(
        len(now), float(whole.mean()), float(rows.mean()), float(kept.mean()), float(saved.mean())
    )


def _same_rows(before: NDArray[np.uint8], now: NDArray[np.uint8], shift: int) -> NDArray[np.bool_]:
    """Whether row r of a window is row r + ``shift`` of the one before: [N, 32]."""
    same = np.zeros(now.shape[:2], bool)
    size = now.shape[1] - abs(shift)
    to, source = max(-shift, 0), max(shift, 0)
    equal = (now[:, to : to + size] == before[:, source : source + size]).all(axis=2)
    same[:, to : to + size] = equal
    return same


def _kept(stage: Stage, same: NDArray[np.bool_], shift: int) -> NDArray[np.float64]:
    """Share [N] of the first layer's pooled output rows whose inputs are all the same."""
    down, (above, _, below, _) = stage.strides[0], stage.edges
    step = down * stage.pool_window[0]
    if shift % step:
        return np.zeros(len(same))
    size = (stage.pool_window[0] - 1) * down + stage.kernel[0]
    padded = np.pad(same, ((0, 0), (above, below)))
    under = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::step]
    return under.all(axis=2)[:, : stage.out_shape[1]].mean(axis=1)
