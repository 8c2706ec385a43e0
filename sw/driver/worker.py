"""The worker of a compute unit: lanes that each copy, send, run and fetch, all overlapping."""

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.regs import Operation, register
from twofold.sw.driver.device import (
    Arguments,
    Buffer,
    Identity,
    Launch,
    Unit,
    check_status,
)
from twofold.sw.driver.rows import rows_of
from twofold.sw.driver.ticket import Ticket
from twofold.sw.errors import DeviceError, DeviceLostError, DeviceRefusedError, DeviceTimeoutError

JOIN_SECONDS = 5.0
"""Timeout in seconds for a lane to end when the unit is closed."""


class Slot:
    """Input and output buffers on one unit, and the run that uses them.

    Parameters
    ----------
    unit: that owns the memory.
    machine: gives the size of a sample and of a result.
    samples: capacity.

    Members
    -------
    inputs: uint8 ``[samples, sample_bytes]``.
    rows: int32 ``[samples, columns of a result]``.
    """

    def __init__(self, unit: Unit, machine: Identity, samples: int) -> None:
        self._input = unit.allocate(samples * machine.stride)
        self._output = unit.allocate(samples * machine.row.nbytes)
        self._stride, self._row_bytes = machine.stride, machine.row.nbytes
        self.samples = samples
        whole = self._input.data[: samples * machine.stride].reshape(samples, machine.stride)
        self.inputs = whole[:, : machine.sample_bytes]
        self.rows = rows_of(self._output.data, machine.row, samples)
        self.launch = unit.prepare(
            Arguments(Operation.RUN, self._input, 0, self._input, self._output)
        )

    def send(self, samples: int) -> None:
        """Transfer input to the card."""
        self._input.to_card(samples * self._stride)

    def fetch(self, samples: int) -> None:
        """Transfer results from the card."""
        self._output.to_host(samples * self._row_bytes)

    def free(self) -> None:
        """Free the run and its buffers; the arrays must not be used afterwards."""
        self.launch.free()
        del self.inputs, self.rows
        self._input.free()
        self._output.free()


@dataclass(frozen=True)
class Job:
    """A part of a batch: one run.

    Attributes
    ----------
    ticket: notified when the run ends.
    first: index of the part's first result in the ticket's rows.
    samples: how many.
    inputs: uint8 ``[samples, sample_bytes]`` to copy, or None if they are already in ``slot``.
    slot: the slot that already holds the samples; None to use the lane's own.
    """

    ticket: Ticket
    first: int
    samples: int
    inputs: NDArray[np.uint8] | None = None
    slot: Slot | None = None


class Worker:
    """Feeds one unit. Lanes overlap: while one computes, another transfers its samples.

    Parameters
    ----------
    unit: to feed.
    machine: the unit's identity.
    lanes: how many runs may be in flight; 2 keep the unit busy.
    samples: maximum samples per run.
    timeout: seconds after which a run counts as hung.
    """

    def __init__(
        self, unit: Unit, machine: Identity, *, lanes: int, samples: int, timeout: float
    ) -> None:
        self.unit, self._machine = unit, machine
        self._samples, self._timeout = samples, timeout
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._failures = unit.read(register("failures"))
        self._broken: DeviceError | None = None
        self._lanes = [
            threading.Thread(target=self._lane, name=f"{unit.name} lane {lane}", daemon=True)
            for lane in range(lanes)
        ]
        for lane in self._lanes:
            lane.start()

    def slot(self, samples: int) -> Slot:
        """Allocate a slot on the unit."""
        return Slot(self.unit, self._machine, samples)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.put(job)

    def load(self, image: bytes) -> None:
        """Load a parameter image; no job may be in flight. Raises DeviceError."""
        if self._broken is not None:
            raise self._broken
        buffer = self.unit.allocate(len(image))
        try:
            buffer.data[: len(image)] = np.frombuffer(image, np.uint8)
            buffer.to_card(len(image))
            launch = self._prepare_load(buffer, len(image))
            try:
                launch.start(0)
                self._wait(launch, f"an image of {len(image)} bytes")
            finally:
                launch.free()
        finally:
            buffer.free()
        check_status(self.unit, "the image")
        self._failures = self.unit.read(register("failures"))

    def close(self) -> None:
        """Fail the queued jobs, stop the lanes and free their memory."""
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is not None:
                job.ticket.end_part(
                    DeviceLostError(f"{self.unit.name} was closed before the run began")
                )
        for _ in self._lanes:
            self._queue.put(None)
        for lane in self._lanes:
            lane.join(JOIN_SECONDS)

    def _prepare_load(self, buffer: Buffer, size: int) -> Launch:
        return self.unit.prepare(Arguments(Operation.LOAD, buffer, size, buffer, buffer))

    def _lane(self) -> None:
        own: Slot | None = None
        while (job := self._queue.get()) is not None:
            try:
                if self._broken is not None:
                    raise self._broken
                if job.slot is None and own is None:
                    own = self.slot(self._samples)
                self._run(job, job.slot or own)
            except TwofoldError as error:
                job.ticket.end_part(error)
            except Exception as error:
                job.ticket.end_part(DeviceError(f"{self.unit.name}: {error}"))
            else:
                job.ticket.end_part()
            del job
        if own is not None:
            own.free()

    def _run(self, job: Job, slot: Slot | None) -> None:
        if slot is None:
            raise DeviceError(f"{self.unit.name}: no memory for the samples")
        failures = self._failures
        if job.inputs is not None:
            np.copyto(slot.inputs[: job.samples], job.inputs)
        slot.send(job.samples)
        slot.launch.start(job.samples)
        self._wait(slot.launch, f"{job.samples} samples")
        slot.fetch(job.samples)
        self._check(failures)
        job.ticket.rows[job.first : job.first + job.samples] = slot.rows[: job.samples]

    def _wait(self, launch: Launch, what: str) -> None:
        """Wait for a run. A run that times out may still write, so the unit is not used again."""
        try:
            if launch.wait(self._timeout):
                return
            self._broken = DeviceTimeoutError(
                f"{self.unit.name} has not finished {what} within {self._timeout:g} s; reset the "
                "card (`xbutil reset`) and open it again"
            )
        except DeviceLostError as error:
            self._broken = error
        raise self._broken

    def _check(self, before: int) -> None:
        """Raise DeviceRefusedError if a run has failed since the failure counter was ``before``.

        With several runs in flight there is no telling which one failed, so all of them are treated
        as failed.
        """
        self._failures = now = self.unit.read(register("failures"))
        if now != before:
            check_status(self.unit, "a run")
            raise DeviceRefusedError(
                f"{self.unit.name}: a run failed, and another has ended since; send the batch again"
            )
