"""The caller's handle to a batch in flight."""

import threading

import numpy as np

from twofold.hw.contract.closing import Owner
from twofold.hw.contract.results import ResultRow
from twofold.sw.driver.rows import Results, split_rows
from twofold.sw.errors import DeviceError, DeviceTimeoutError


class Ticket:
    """A batch that was submitted.

    Parameters
    ----------
    samples: of the batch.
    row: layout of a result.
    parts: number of runs it was split into.

    Raises
    ------
    DeviceError: there is no memory for the results.
    """

    def __init__(self, samples: int, row: ResultRow, parts: int) -> None:
        self.samples = samples
        try:
            self.rows = np.empty((samples, row.columns), np.int32)
        except (MemoryError, ValueError) as error:
            raise DeviceError(f"no memory for the results of {samples} samples") from error
        self._owner = Owner()
        self._row, self._left = row, parts
        self._error: Exception | None = None
        self._lock, self._ended = threading.Lock(), threading.Event()
        if not parts:
            self._ended.set()

    @property
    def done(self) -> bool:
        """Whether every run has ended, successfully or not. Raises DeviceError in a fork."""
        self._check_here()
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
        stays valid after a timeout. Raises DeviceError for negative ``seconds``, and in a fork.
        """
        self._check_here()
        if seconds is not None and not seconds >= 0:
            raise DeviceError(f"a wait of {seconds} s, needs 0 or more, or None")
        longest = None if seconds is None else min(seconds, threading.TIMEOUT_MAX)
        if not self._ended.wait(longest):
            raise DeviceTimeoutError(
                f"{self._left} runs of {self.samples} samples are not done after {seconds:g} s; "
                "ask again, or wait longer"
            )
        if self._error is not None:
            raise self._error
        return split_rows(self.rows, self._row)

    def _check_here(self) -> None:
        """Raise DeviceError in a fork, where nothing will ever end."""
        if refusal := self._owner.refusal("this ticket"):
            raise DeviceError(refusal)
