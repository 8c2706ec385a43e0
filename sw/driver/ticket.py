"""The caller's handle to a batch in flight."""

import threading

import numpy as np

from twofold.hw.contract.results import ResultRow
from twofold.sw.driver.rows import Results, split_rows
from twofold.sw.errors import DeviceTimeoutError


class Ticket:
    """A batch that was submitted.

    Parameters
    ----------
    samples: of the batch.
    row: layout of a result.
    parts: number of runs it was split into.
    """

    def __init__(self, samples: int, row: ResultRow, parts: int) -> None:
        self.samples = samples
        self.rows = np.empty((samples, row.columns), np.int32)
        self._row, self._left = row, parts
        self._error: Exception | None = None
        self._lock, self._ended = threading.Lock(), threading.Event()
        if not parts:
            self._ended.set()

    @property
    def done(self) -> bool:
        """Whether every run has ended, successfully or not."""
        return self._ended.is_set()

    def end_part(self, error: Exception | None = None) -> None:
        """Record that one of the runs has ended; the first of several errors is kept."""
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            if not self._left:
                self._ended.set()

    def wait_ended(self) -> None:
        """Wait until every run has ended, successfully or not."""
        self._ended.wait()

    def wait(self, seconds: float | None) -> Results:
        """Logits and labels as views of one array; labels are None for raw outputs.

        Raises the error of a run that failed, or DeviceTimeoutError after ``seconds``; the ticket
        stays valid after a timeout.
        """
        if not self._ended.wait(seconds):
            raise DeviceTimeoutError(
                f"{self._left} runs of {self.samples} samples are not done after {seconds:g} s; "
                "ask again, or wait longer"
            )
        if self._error is not None:
            raise self._error
        return split_rows(self.rows, self._row)
