"""Prepared runs and the buffers that they use, which live as long as a run may touch them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.regs import Operation, span_bytes
from twofold.sw.driver.device import Arguments, Buffer, Identity, Unit
from twofold.sw.driver.rows import rows_of
from twofold.sw.errors import DeviceError, DeviceLostError

_kept: list[object] = []
"""What a hung run may still write to. Nothing but the end of the process frees it."""


def keep(thing: object) -> None:
    """Hold ``thing`` until the process ends."""
    _kept.append(thing)


class PreparedRun:
    """A run that can be started any number of times, one after the other, and its buffers.

    Parameters
    ----------
    unit: that runs it.
    sizes: bytes of each buffer.
    arguments: made of the buffers.

    Raises
    ------
    DeviceError: there is no memory left.
    """

    def __init__(
        self, unit: Unit, sizes: tuple[int, ...], arguments: Callable[..., Arguments]
    ) -> None:
        self.name = unit.name
        self._lock, self._freed, self._under_way = threading.Lock(), False, False
        with ExitStack() as undo:
            buffers: list[Buffer] = []
            for size in sizes:
                buffers.append(unit.allocate(size))
                undo.callback(buffers[-1].free)
            self._launch = unit.prepare(arguments(*buffers))
            undo.pop_all()
        self.buffers = tuple(buffers)

    def start(self, samples: int, stride: int = 0) -> None:
        """Queue the run; ``stride`` as for `Launch.start`. Raises DeviceError once it is freed,
        DeviceLostError.
        """
        with self.alive():
            self._launch.start(samples, stride)
            self._under_way = True

    def wait(self, seconds: float) -> bool:
        """Whether the run has ended; waits up to about ``seconds``. Raises DeviceLostError if the
        runtime gave up on it, and what a software device raises.
        """
        try:
            ended = self._launch.wait(seconds)
        except Exception:
            self._under_way = False
            raise
        self._under_way = not ended
        return ended

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Nobody frees the buffers while the context is active. Raises DeviceError if they were."""
        with self._lock:
            if self._freed:
                raise DeviceError(f"{self.name}: these buffers were freed; make new ones")
            yield

    def free(self, timeout: float = 0.0) -> bool:
        """Free the run and its buffers, and return whether that was possible; idempotent.

        A run that has not ended within ``timeout`` seconds may still write: its buffers are then
        kept until the process ends.
        """
        with self._lock:
            if self._freed:
                return True
            if self._under_way and not self._ended(timeout):
                keep(self)
                return False
            self._freed = True
            self._launch.free()
            for buffer in self.buffers:
                buffer.free()
            return True

    def _ended(self, timeout: float) -> bool:
        try:
            return self.wait(timeout)
        except Exception:
            return True  # the runtime has given up on it


class Slot:
    """Room for samples and their results on one unit, and the run that computes them.

    Parameters
    ----------
    unit: that owns the memory.
    machine: gives the size of a sample and of a result.
    samples: capacity.

    Members
    -------
    run: started with a number of samples.
    inputs: uint8 ``[samples, sample_bytes]``.
    rows: int32 ``[samples, columns of a result]``.

    The arrays must not be used once the run is freed. Raises DeviceError if there is no memory
    left.
    """

    def __init__(self, unit: Unit, machine: Identity, samples: int) -> None:
        self._stride, self._row_bytes = machine.stride, machine.row.nbytes
        self.samples = samples
        self.run = PreparedRun(
            unit,
            (samples * machine.stride, samples * machine.row.nbytes),
            lambda source, target: Arguments(Operation.RUN, source, 0, source, target),
        )
        self._input, self._output = self.run.buffers
        whole = self._input.data[: samples * machine.stride].reshape(samples, machine.stride)
        self.inputs: NDArray[np.uint8] = whole[:, : machine.sample_bytes]
        self.rows = rows_of(self._output.data, machine.row, samples)

    def write(self, inputs: NDArray[np.uint8], stride: int) -> None:
        """Copy samples into place; with a ``stride``, all bytes from the first to the last."""
        if stride:
            self._input.data[: len(inputs)] = inputs
        else:
            np.copyto(self.inputs[: len(inputs)], inputs.reshape(len(inputs), -1))

    def send(self, samples: int, stride: int = 0) -> None:
        """Transfer input to the card."""
        self._input.to_card(span_bytes(self._stride, samples, stride))

    def fetch(self, samples: int) -> None:
        """Transfer results from the card."""
        self._output.to_host(samples * self._row_bytes)


class Lifetime:
    """Keeps a device open for everyone who uses it: its accelerator, lanes, and calls under way.

    The last one to leave frees what was allocated and closes the device, unless a run may still
    write: then buffers and device stay as they are until the process ends.

    Parameters
    ----------
    close: closes the device.
    """

    PATIENCE = 5.0
    """Seconds that the last one gives a run that was given up, to end after all."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close_device = close
        # Reentrant: the collector may close an accelerator in a thread that is in here.
        self._lock = threading.RLock()
        self._users, self._open = 1, True
        self._runs: set[PreparedRun] = set()
        self.ended = threading.Event()
        """Set when the device is closed, or never will be."""
        self.error: Exception | None = None
        """What closing raised."""

    def enter(self) -> None:
        """Use the device from now on. Raises DeviceLostError once it is to be closed."""
        with self._lock:
            if not self._open:
                raise DeviceLostError("the accelerator is closed; make a new one")
            self._users += 1

    def leave(self) -> None:
        """Do not use it any more."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            self._end()

    def close(self) -> None:
        """Let nobody else in; idempotent."""
        with self._lock:
            was_open, self._open = self._open, False
        if was_open:
            self.leave()

    def own(self, run: PreparedRun) -> None:
        """Free ``run`` before the device is closed, unless its owner does."""
        with self._lock:
            self._runs.add(run)

    def disown(self, run: PreparedRun) -> None:
        """Its owner frees it."""
        with self._lock:
            self._runs.discard(run)

    def _end(self) -> None:
        try:
            runs, self._runs = self._runs, set()
            hung = [run for run in runs if not run.free(self.PATIENCE)]
            if not hung:
                self._close_device()
            else:
                keep(self)
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()
