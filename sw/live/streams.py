"""Many streams of audio on one accelerator.

Samples are written to streams in pieces of any length. One thread computes the features of what
has arrived on all streams, sends the windows of all streams to the accelerator in common runs, and
hands out the results; while a run computes, the next one is made ready. The busier the streams, the
larger the runs: a run takes what has arrived while the one before it was computed.

- Features are computed once a frame, and equal those of the whole recording to the last bit.
- Windows below the silence gate are not computed, nor is a window whose image equals the one before
  (digital silence).
- Fairness: streams take turns, each with its part of a run, `SHARE` windows at least.
- Back-pressure: a stream holds seconds of samples and some hundred windows, no more
  (`twofold.sw.live.stream`). When results are not read, the stream's samples wait, then its writer
  does; other streams go on.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.closing import Closing
from twofold.hw.contract.errors import TwofoldError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.data.audio import Samples
from twofold.sw.data.features import BANDS, FRAMES, frame_power
from twofold.sw.data.frontend import GRID, checked, images
from twofold.sw.driver.computes import Computes
from twofold.sw.errors import AudioError, DeviceError, DeviceLostError
from twofold.sw.inputs.audio import as_samples
from twofold.sw.live.frames import loudness
from twofold.sw.live.stream import GATED, REPEATED, Stream

SHARE = 32
"""Windows of one stream in a run at most, while others wait for their turn."""
RUN = 8192
"""Frames of a run; the stream that passes it is the run's last."""
AHEAD = 2
"""Runs under way."""


class Streams(Closing):
    """Classifies the sliding windows of many streams. Thread-safe.

    Parameters
    ----------
    accelerator: with ``network`` loaded; stays open when the streams are closed.
    network: takes audio.
    every: frames of 32 ms between two windows, a multiple of 2 up to 32.
    gate: windows whose loudest frame is below this, in dB of full scale, are not computed.
    images: whether windows keep the image that the network sees.

    Raises
    ------
    AudioError: the network takes no audio, or ``every`` is out of range.
    ArtefactError, NetworkError: the front end is unknown, or does not fit the network.
    """

    def __init__(
        self,
        accelerator: Computes,
        network: QuantizedNetwork,
        *,
        every: int = GRID,
        gate: float = -np.inf,
        images: bool = False,
    ) -> None:
        if network.front_end is None:
            raise AudioError(f"{network.network.name}: takes no audio, so it hears no stream")
        if every % GRID or not GRID <= every <= FRAMES:
            raise AudioError(
                f"a window every {every} frames: needs a multiple of {GRID}, {GRID}..{FRAMES}"
            )
        as_samples(network, np.empty((0, FRAMES, BANDS), np.uint8))
        self.network, self.every, self.gate = network, every, gate
        self._front, self._images = checked(network.front_end), images
        self._accelerator = accelerator
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._work: deque[Stream] = deque()
        self._streams: set[Stream] = set()
        self._open = True
        self.computed = self.repeated = self.gated = 0
        self._thread = threading.Thread(target=self._serve, name="streams", daemon=True)
        self._thread.start()

    def open(self, name: str = "stream", ready: Callable[[], None] | None = None) -> Stream:
        """A new stream; ``name`` is for messages. Raises DeviceLostError after `close`.

        ``ready`` is called when there may be something to read, from the thread that computes: it
        has to return at once, and must not call the stream.
        """
        stream = Stream(name, self.every, self._lock, self._consider, ready)
        with self._lock:
            if not self._open:
                raise DeviceLostError("the streams are closed; make new ones")
            self._streams.add(stream)
        return stream

    def close(self) -> None:
        """End all streams, without the windows that are not computed yet; idempotent."""
        with self._lock:
            self._open = False
            self._wake.notify()
        self._thread.join()

    def _consider(self, stream: Stream) -> None:
        """Put a stream in line if there is something to compute; the lock is held."""
        if stream.closed:
            self._streams.discard(stream)
        elif not stream.queued and stream.due():
            stream.queued = True
            self._work.append(stream)
            self._wake.notify()

    def _serve(self) -> None:
        flying: deque[_Run] = deque()
        error: TwofoldError = DeviceLostError("the streams were closed")
        try:
            while self._wait_for_work(bool(flying)):
                taken = self._take()
                if taken:
                    flying.append(self._start(taken))
                if flying and (len(flying) >= AHEAD or not taken):
                    self._deliver(flying.popleft())
        except Exception as reason:  # whoever waits for a result has to learn of it
            error = DeviceError(f"streams: {reason}")
        with self._lock:
            self._open = False
            for stream in self._streams:
                stream.fail(error)

    def _wait_for_work(self, flying: bool) -> bool:
        """Whether to go on: something is to be computed, or is being computed."""
        with self._lock:
            while self._open and not flying and not self._work:
                self._wake.wait()
            return self._open

    def _take(self) -> list[tuple[Stream, Samples]]:
        """Frames of the streams whose turn it is. A stream that has more queues up again."""
        taken: list[tuple[Stream, Samples]] = []
        frames = 0
        with self._lock:
            share = max(SHARE, RUN // (self.every * max(len(self._work), 1)))
            while self._work and frames < RUN:
                stream = self._work.popleft()
                stream.queued = False
                taken.append((stream, stream.take(share)))
                frames += len(taken[-1][1])
        return taken

    def _start(self, taken: Sequence[tuple[Stream, Samples]]) -> "_Run":
        """Compute features and send them off."""
        frames = np.concatenate([frames for _, frames in taken])
        log, loud = frame_power(frames), loudness(frames)
        parts: list[_Part] = []
        pictures: list[NDArray[np.float64]] = []
        at = 0
        for stream, piece in taken:
            first, to = stream.slider.next, at + len(piece)
            windows, loudest = stream.slider.push(log[at:to], loud[at:to])
            at = to
            pictures.append(windows)
            parts.append(_Part(stream, first, loudest))
        together = np.concatenate(pictures)
        found = (
            images(together, self._front) if len(together) else np.empty(together.shape, np.uint8)
        )
        chosen = self._choose(parts, found)
        with self._lock:
            for part in parts:
                self._consider(part.stream)
        if not len(chosen):
            return _Run(parts, None)
        return _Run(parts, self._accelerator.submit(as_samples(self.network, chosen)))

    def _choose(self, parts: Sequence["_Part"], found: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images to compute. Notes for every window where its logits come from."""
        keep = np.zeros(len(found), bool)
        at = row = 0
        for part in parts:
            if self._images:
                part.images = found[at : at + len(part.loudest)]
            for loudest in part.loudest:
                image, last = found[at], part.stream.last_image
                if loudest < self.gate:
                    part.rows.append(GATED)
                    self.gated += 1
                elif last is not None and np.array_equal(image, last):
                    part.rows.append(REPEATED)
                    self.repeated += 1
                else:
                    part.rows.append(row)
                    part.stream.last_image = image
                    keep[at] = True
                    row += 1
                at += 1
        self.computed += row
        return found[keep]

    def _deliver(self, run: "_Run") -> None:
        """Wait for a run and hand out its windows, or its error."""
        logits: NDArray[np.int32] = np.empty((0, 0), np.int32)
        error = None
        try:
            if run.ticket is not None:
                logits, _ = self._accelerator.result(run.ticket)
        except TwofoldError as reason:
            error = reason
        with self._lock:
            for part in run.parts:
                if error is not None:
                    part.stream.fail(error)
                else:
                    part.stream.put(part.first, part.loudest, part.rows, logits, part.images)
                self._consider(part.stream)
                if part.stream.done:
                    self._streams.discard(part.stream)


@dataclass(eq=False)
class _Part:
    """A stream's windows in a run: the first one's index; loudness, row in the run, and, where they
    are kept, image of each.
    """

    stream: Stream
    first: int
    loudest: NDArray[np.float64]
    rows: list[int] = field(default_factory=list)
    images: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class _Run:
    parts: Sequence[_Part]
    ticket: Any
