"""Frames of a recording that arrives in pieces."""

import numpy as np
from numpy.typing import NDArray

from twofold.sw.data.audio import Samples
from twofold.sw.data.features import BLOCK, HOP, WINDOW

QUIETEST = -120.0
"""Loudness of silence, in dB of full scale."""


class Framer:
    """Cuts samples that arrive in pieces of any length into the frames of the whole recording.

    Together `push` and `finish` give the frames that `twofold.sw.data.features.log_power` sees, hop
    512: the first one is centred on the first sample, the last one on one of the last 512.
    ``frames`` counts them.
    """

    def __init__(self) -> None:
        self._tail = np.zeros(WINDOW // 2, np.float32)
        self._samples = self.frames = 0

    def push(self, samples: Samples) -> Samples:
        """Frames [n, 1024] that are complete with ``samples``; n may be 0."""
        self._samples += len(samples)
        known = np.concatenate([self._tail, samples])
        count = max((len(known) - WINDOW) // HOP + 1, 0)
        self._tail = known[count * HOP :].copy()
        self.frames += count
        if not count:
            return np.empty((0, WINDOW), np.float32)
        return np.lib.stride_tricks.sliding_window_view(known, WINDOW)[::HOP][:count]

    def finish(self) -> Samples:
        """Frames [0 or 1, 1024] that reach beyond the end, where silence is assumed."""
        missing = -(-self._samples // HOP) - self.frames
        self.frames += missing
        return np.pad(self._tail, (0, WINDOW - len(self._tail)))[None][:missing]


def loudness(frames: Samples) -> NDArray[np.float64]:
    """Power [n] of frames [n, 1024] in dB of full scale (0 dB: a square wave from -1 to 1)."""
    power = np.empty(len(frames), np.float64)
    for at in range(0, len(frames), BLOCK):
        power[at : at + BLOCK] = np.square(frames[at : at + BLOCK]).mean(axis=1, dtype=np.float64)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (QUIETEST / 10)))
