"""One stream of `Streams`: samples in at one side, windows out at the other."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.data.audio import RATE, Samples, check_values
from twofold.sw.errors import AudioError, DeviceLostError, DeviceTimeoutError
from twofold.sw.live.frames import Framer
from twofold.sw.live.window import Slider, Window

ROOM = 8 * RATE
"""Samples that wait on a stream before its writer has to."""
UNREAD = 256
"""Windows of a stream that are computed before some of them are read."""
GATED, REPEATED = -1, -2
"""Rows of windows that are not in a run: below the gate, or equal to the one before."""


class Stream:
    """A stream, made by `Streams.open`. One thread may write while another reads.

    Parameters
    ----------
    name: for messages.
    every: frames between two windows.
    lock: guards everything in it; that of all streams.
    changed: called, with the lock held, when there may be something to compute, or nothing more.
    ready: called, with the lock held, when there may be something to read; must return at once and
        not call the stream.
    """

    def __init__(
        self,
        name: str,
        every: int,
        lock: threading.Lock,
        changed: Callable[["Stream"], None],
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.name, self.slider = name, Slider(every)
        self._told = ready
        self.last_image: NDArray[np.uint8] | None = None
        self.queued = False
        self._lock, self._changed = lock, changed
        self._readable = threading.Condition(lock)
        self._writable = threading.Condition(lock)
        self._framer = Framer()
        self._pieces: deque[Samples] = deque()
        self._held = self._written = 0
        self._arrivals: deque[tuple[float, float]] = deque()
        self._planned = self._flying = 0
        self._ready: deque[Window] = deque()
        self._logits: NDArray[np.int32] | None = None
        self._ended = self._finished = self._closed = False
        self._error: TwofoldError | None = None

    def write(self, samples: Samples, timeout: float | None = None) -> None:
        """Add a piece: float32 [n] at 16 kHz, mono, from -1 to 1, of any length.

        Waits while the stream is full. Raises AudioError for samples that are not like that (none
        of them are taken), DeviceTimeoutError after ``timeout`` seconds, DeviceLostError after
        `end` or `close`, and the error of a run that failed.
        """
        piece = np.asarray(samples)
        if piece.ndim != 1 or piece.dtype != np.float32:
            raise AudioError(
                f"{self.name}: a piece of audio is {piece.dtype}{list(piece.shape)}, needs "
                "float32[n]: one channel, from -1 to 1"
            )
        check_values(self.name, piece)
        for at in range(0, len(piece), ROOM):
            self._write(piece[at : at + ROOM].copy(), timeout)

    def _write(self, piece: Samples, timeout: float | None) -> None:
        with self._lock:
            self._check_writable()
            if not self._writable.wait_for(self._has_room, timeout):
                raise DeviceTimeoutError(
                    f"{self.name}: still full after {timeout:g} s: its windows are not read, or "
                    "more arrives than the device computes"
                )
            self._check_writable()
            self._pieces.append(piece)
            self._held += len(piece)
            self._written += len(piece)
            self._arrivals.append((self._written, time.monotonic()))
            self._changed(self)

    @property
    def room(self) -> bool:
        """Whether `write` would take samples without waiting."""
        with self._lock:
            return self._has_room()

    def end(self) -> None:
        """No more samples: the windows of what has been written follow, then the end."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._arrivals.append((math.inf, time.monotonic()))
                self._changed(self)

    def close(self) -> None:
        """Give the stream up, with everything that is not read yet; idempotent."""
        with self._lock:
            self.fail(DeviceLostError(f"{self.name}: the stream is closed"))
            self._ready.clear()
            self._changed(self)

    def read(self, timeout: float | None = None) -> list[Window]:
        """Windows that are ready, in order; waits up to ``timeout`` seconds for the first.

        None are left behind the end (see `done`), nor after a timeout. Raises the error of a run
        that failed, DeviceLostError after `close`.
        """
        with self._lock:
            self._readable.wait_for(lambda: self._ready or self.done, timeout)
            if not self._ready and self._error is not None:
                raise self._error
            found = list(self._ready)
            self._ready.clear()
            self._changed(self)
        return found

    def __iter__(self) -> Iterator[Window]:
        while found := self.read():
            yield from found

    @property
    def done(self) -> bool:
        """Whether nothing more is to come than what is ready."""
        return self._closed or (self._finished and not self._flying)

    # What follows is for the thread that computes; the lock is held.

    @property
    def closed(self) -> bool:
        """Whether nobody waits for its windows."""
        return self._closed

    def due(self) -> bool:
        """Whether `take` would get on."""
        if self._finished or self._closed or self._unread() >= UNREAD:
            return False
        return self._ended or self._written >= self.slider.needed(self._planned)

    def take(self, most: int) -> Samples:
        """Frames [n, 1024] for up to ``most`` windows of those that may be computed now."""
        most = min(most, UNREAD - self._unread())
        upto = min(self.slider.needed(self._planned + most - 1), self._written)
        frames = [self._framer.push(self._pull(upto - (self._written - self._held)))]
        if self._ended and not self._held:
            frames.append(self._framer.finish())
            self._finished = True
        planned = self.slider.complete(self._framer.frames)
        self._flying += planned - self._planned
        self._planned = planned
        self._writable.notify_all()
        return np.concatenate(frames)

    def put(
        self,
        first: int,
        loudest: NDArray[np.float64],
        rows: Sequence[int],
        logits: NDArray[np.int32],
        images: NDArray[np.uint8] | None = None,
    ) -> None:
        """Windows from ``first`` on, with their rows of ``logits``, are done."""
        now = time.monotonic()
        for index, (loud, row) in enumerate(zip(loudest, rows, strict=True), first):
            if row >= 0:
                self._logits = logits[row].copy()
            needed = self.slider.needed(index)
            while self._arrivals[0][0] < needed:
                self._arrivals.popleft()
            self._ready.append(
                Window(
                    index,
                    self.slider.start(index),
                    None if row == GATED else self._logits,
                    float(loud),
                    now - self._arrivals[0][1],
                    row == REPEATED,
                    None if images is None else images[index - first].copy(),
                )
            )
        self._flying -= len(rows)
        self._tell()

    def fail(self, error: TwofoldError) -> None:
        """End the stream with an error; what is ready can still be read."""
        if not self.done:
            self._error = error
        self._closed = True
        self._pieces.clear()
        self._held = 0
        self._tell()
        self._writable.notify_all()

    def _tell(self) -> None:
        self._readable.notify_all()
        if self._told is not None:
            self._told()

    def _unread(self) -> int:
        return len(self._ready) + self._flying

    def _has_room(self) -> bool:
        return self._held < ROOM or self._closed

    def _check_writable(self) -> None:
        if self._error is not None:
            raise self._error
        if self._ended or self._closed:
            raise DeviceLostError(f"{self.name}: the stream has ended; open a new one")

    def _pull(self, samples: int) -> Samples:
        """Remove that many samples from the pieces."""
        taken: list[Samples] = [np.empty(0, np.float32)]
        self._held -= samples
        while samples:
            piece = self._pieces.popleft()
            if len(piece) > samples:
                self._pieces.appendleft(piece[samples:])
            taken.append(piece[:samples])
            samples -= len(taken[-1])
        return np.concatenate(taken)
