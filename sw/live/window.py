"""The sliding windows of a stream: features as samples arrive, and results."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.sw.data.audio import RATE
from twofold.sw.data.features import BANDS, FRAMES, HOP, WINDOW

SECONDS = FRAMES * HOP / RATE
"""Length of a window."""


@dataclass(frozen=True, eq=False)
class Window:
    """A window of a stream and what the network says about it.

    Attributes
    ----------
    index: 0, 1, ... in the order of time.
    start: seconds from the stream's first sample to the window's.
    logits: int32 [outputs]; None where the window is below the silence gate.
    loudness: of its loudest frame, in dB of full scale.
    delay: seconds from the arrival of its last sample to the result.
    repeated: its image is that of the window before, whose logits these are.
    image: uint8 [32, 32] that the network sees, where the streams keep them.
    """

    index: int
    start: float
    logits: NDArray[np.int32] | None
    loudness: float
    delay: float
    repeated: bool = False
    image: NDArray[np.uint8] | None = None

    @property
    def end(self) -> float:
        """Seconds from the stream's first sample to the end of the window."""
        return self.start + SECONDS


class Slider:
    """Which samples the windows of a stream need, and the log power of their frames.

    Parameters
    ----------
    every: frames from the start of a window to the next one's, 1..32.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.next = 0
        self._log = np.empty((0, BANDS))
        self._loud = np.empty(0)

    def needed(self, index: int) -> int:
        """Samples of the stream up to the last one that a window covers."""
        return (index * self.every + FRAMES - 1) * HOP + WINDOW // 2

    def complete(self, frames: int) -> int:
        """Windows that ``frames`` frames of the stream complete."""
        return max((frames - FRAMES) // self.every + 1, 0)

    def start(self, index: int) -> float:
        """Seconds at which a window starts."""
        return index * self.every * HOP / RATE

    def push(
        self, log: NDArray[np.float64], loud: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Take the next frames' log power [n, 32] and loudness [n].

        Returns log power [m, 32, 32] and loudness [m] of the windows that are complete with them.
        """
        log, loud = np.concatenate([self._log, log]), np.concatenate([self._loud, loud])
        count = self.complete(len(log))
        self.next += count
        self._log, self._loud = log[count * self.every :], loud[count * self.every :]
        if not count:
            return np.empty((0, FRAMES, BANDS)), np.empty(0)
        slide = np.lib.stride_tricks.sliding_window_view
        windows = slide(log, FRAMES, axis=0)[:: self.every].swapaxes(1, 2)
        loudest = slide(loud, FRAMES)[:: self.every].max(axis=1)
        return np.ascontiguousarray(windows), loudest
