"""The worker of a compute unit: lanes that each copy, send, run and fetch, all overlapping."""

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.regs import Operation, register
from twofold.sw.driver.device import Arguments, Identity, Unit, check_status
from twofold.sw.driver.slot import Lifetime, PreparedRun, Slot
from twofold.sw.driver.ticket import Ticket
from twofold.sw.errors import DeviceError, DeviceLostError, DeviceRefusedError, DeviceTimeoutError


@dataclass(frozen=True)
class Job:
    """A part of a batch: one run.

    Attributes
    ----------
    ticket: notified when the run ends.
    first: index of the part's first result in the ticket's rows.
    samples: how many.
    inputs: what to copy: uint8 ``[samples, ...]``, or with a ``stride`` the bytes from the first
        sample to the last; None if they are already in ``slot``.
    stride: bytes from one sample to the next; 0 if they are contiguous.
    slot: the slot that already holds the samples; None to use the lane's own.
    """

    ticket: Ticket
    first: int
    samples: int
    inputs: NDArray[np.uint8] | None = None
    stride: int = 0
    slot: Slot | None = None


class Worker:
    """Feeds one unit. Lanes overlap: while one computes, another transfers its samples.

    A lane holds the worker, and neither holds the accelerator: one that nobody holds any more is
    collected, which stops its lanes.

    Parameters
    ----------
    unit: to feed.
    machine: the unit's identity.
    lifetime: of the unit's device; every lane is one of its users.
    lanes: how many runs may be in flight; 2 keep the unit busy.
    samples: maximum samples per run.
    timeout: seconds after which a run counts as hung.
    """

    def __init__(
        self,
        unit: Unit,
        machine: Identity,
        lifetime: Lifetime,
        *,
        lanes: int,
        samples: int,
        timeout: float,
    ) -> None:
        self.unit, self.lifetime, self._machine = unit, lifetime, machine
        self._samples, self._timeout, self._lanes = samples, timeout, lanes
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._failures = unit.read(register("failures"))
        self._broken: DeviceError | None = None
        self._stopped = False
        for lane in range(lanes):
            lifetime.enter()
            threading.Thread(
                target=self._lane, name=f"{unit.name} lane {lane}", daemon=True
            ).start()

    def slot(self, samples: int) -> Slot:
        """Allocate a slot on the unit. Raises DeviceError."""
        slot = Slot(self.unit, self._machine, samples)
        self.lifetime.own(slot.run)
        return slot

    def free(self, slot: Slot) -> None:
        """Free a slot of this unit, unless its run may still write."""
        if slot.run.free():
            self.lifetime.disown(slot.run)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.put(job)

    def load(self, image: bytes) -> None:
        """Load a parameter image; no job may be in flight. Raises DeviceError."""
        if self._broken is not None:
            raise self._broken
        run = PreparedRun(
            self.unit,
            (len(image),),
            lambda buffer: Arguments(Operation.LOAD, buffer, len(image), buffer, buffer),
        )
        self.lifetime.own(run)
        try:
            (buffer,) = run.buffers
            buffer.data[: len(image)] = np.frombuffer(image, np.uint8)
            buffer.to_card(len(image))
            run.start(0)
            self._wait(run, f"an image of {len(image)} bytes")
        finally:
            if run.free():
                self.lifetime.disown(run)
        check_status(self.unit, "the image")
        self._failures = self.unit.read(register("failures"))

    def fail_waiting(self) -> None:
        """Fail the jobs that have not started."""
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            if job is not None:
                job.ticket.end_part(self._closed())

    def stop(self) -> None:
        """Have the lanes fail what is queued, and end; does not wait for them.

        Safe wherever the collector may run: it takes no lock.
        """
        self._stopped = True
        for _ in range(self._lanes):
            self._queue.put(None)

    def _closed(self) -> DeviceLostError:
        return DeviceLostError(f"{self.unit.name} was closed before the run began")

    def _lane(self) -> None:
        own: Slot | None = None
        try:
            while (job := self._queue.get()) is not None:
                try:
                    if self._stopped:
                        raise self._closed()
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
        finally:
            self.lifetime.leave()

    def _run(self, job: Job, slot: Slot | None) -> None:
        if slot is None:
            raise DeviceError(f"{self.unit.name}: no memory for the samples")
        failures = self._failures
        if job.inputs is not None:
            slot.write(job.inputs, job.stride)
        slot.send(job.samples, job.stride)
        slot.run.start(job.samples, job.stride)
        self._wait(slot.run, f"{job.samples} samples")
        slot.fetch(job.samples)
        self._check(failures)
        job.ticket.rows[job.first : job.first + job.samples] = slot.rows[: job.samples]

    def _wait(self, run: PreparedRun, what: str) -> None:
        """Wait for a run. A run that times out may still write, so the unit is not used again."""
        try:
            if run.wait(self._timeout):
                return
            self._broken = DeviceTimeoutError(
                f"{self.unit.name} has not finished {what} within {self._timeout:g} s; end this "
                "process and reset the card (`xbutil reset`)"
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
