"""What the caller holds while samples are on their way."""

import threading

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.regs import BEAT_BYTES, LABEL_OFFSET
from twofold.sw.errors import DeviceTimeoutError

Results = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Logits ``[samples, classes]`` and labels ``[samples]``."""
COLUMNS, LABEL_COLUMN = BEAT_BYTES // 4, LABEL_OFFSET // 4


class Ticket:
    """A batch that was submitted.

    Parameters
    ----------
    samples: of the batch.
    classes: logits of a result.
    parts: into how many runs it was split.
    """

    def __init__(self, samples: int, classes: int, parts: int) -> None:
        self.samples = samples
        self.rows = np.empty((samples, COLUMNS), np.int32)
        self._classes, self._left = classes, parts
        self._error: Exception | None = None
        self._lock, self._ended = threading.Lock(), threading.Event()
        if not parts:
            self._ended.set()

    @property
    def done(self) -> bool:
        """Whether every run has ended, well or not."""
        return self._ended.is_set()

    def end_part(self, error: Exception | None = None) -> None:
        """Note that one of the runs has ended; of several errors the first is kept."""
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            if not self._left:
                self._ended.set()

    def wait_ended(self) -> None:
        """Wait until every run has ended, well or not."""
        self._ended.wait()

    def wait(self, seconds: float | None) -> Results:
        """Logits and labels, which are views of one array.

        Raises what stopped a run, or DeviceTimeoutError when it takes longer than ``seconds``; the
        ticket is still good then.
        """
        if not self._ended.wait(seconds):
            raise DeviceTimeoutError(
                f"{self._left} runs of {self.samples} samples are not done after {seconds:g} s; "
                "ask again, or wait longer"
            )
        if self._error is not None:
            raise self._error
        return self.rows[:, : self._classes], self.rows[:, LABEL_COLUMN]
