"""The driver's one public class."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from operator import index
from weakref import WeakSet, finalize

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract import parameters as packed
from twofold.hw.contract.closing import Closing, Owner
from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.regs import KERNEL_NAME, LAYERS_COUNTED
from twofold.hw.contract.shipped import machines_for
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.arrays import checked_array
from twofold.sw.driver.batch import Batch, Part
from twofold.sw.driver.device import Device, Identity, counters, identity
from twofold.sw.driver.slot import Lifetime
from twofold.sw.driver.ticket import Results, Ticket
from twofold.sw.driver.windows import Windows, windows
from twofold.sw.driver.worker import Job, Worker
from twofold.sw.errors import (
    ArtefactError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    WrongPlatformError,
)
from twofold.sw.pack import pack

LANES = 2
LAUNCH_SAMPLES = 8192
"""Maximum samples per run: 8 MiB of spectrograms."""
LAUNCH_BYTES = 64 << 20
"""Maximum bytes of samples, or of results, per run."""
BATCH_BYTES_MAX = 1 << 36
"""Maximum bytes of samples in a batch in place: 64 GiB, the memory of a card."""
SMALLEST_LAUNCH = 64
"""Smaller runs are not worth it: starting a run costs about as much as computing this many."""

CLOSE_SECONDS = 5.0
"""How long `Accelerator.close` waits for runs under way."""

_driven: WeakSet[Device] = WeakSet()
_driven_lock = threading.RLock()  # reentrant: the collector may close an accelerator in here
os.register_at_fork(after_in_child=lambda: globals().update(_driven_lock=threading.RLock()))


class Accelerator(Closing):
    """Cards, or their software stand-ins, as one machine that classifies samples.

    A batch is split over all units of all devices. On each unit, transfers to the card, runs and
    transfers back overlap. Thread-safe. It belongs to the process that made it: in a fork, every
    call but `close` raises DeviceError. One that nobody holds any more closes itself.

    Parameters
    ----------
    devices: all with the same machine; the accelerator owns and closes them.
    lanes: runs in flight per unit.
    launch_samples: maximum samples per run; `LAUNCH_BYTES` of samples or results may lower it.
    timeout: seconds after which a run counts as hung; None takes each device's default.

    Raises
    ------
    DeviceBusyError: another accelerator owns one of the devices.
    WrongPlatformError: the devices hold different machines, or none of ours.
    """

    def __init__(
        self,
        *devices: Device,
        lanes: int = LANES,
        launch_samples: int = LAUNCH_SAMPLES,
        timeout: float | None = None,
    ) -> None:
        lanes, launch_samples = _whole(lanes, "lanes"), _whole(launch_samples, "launch_samples")
        if not devices or lanes < 1 or launch_samples < 1:
            raise DeviceError(
                f"{len(devices)} devices, lanes {lanes}, launch_samples {launch_samples}: "
                "each has to be 1 or more"
            )
        if timeout is not None and not timeout > 0:
            raise DeviceError(f"timeout {timeout}, needs more than 0 seconds")
        _claim(devices)
        self.devices, self._owner = devices, Owner()
        self._workers: list[Worker] = []
        self._lifetimes = tuple(Lifetime(lambda one=device: _closed(one)) for device in devices)
        self._network: Network | None = None
        self._loaded = False
        self._lanes, self._turns, self._open = lanes, count(), True
        self._under_way: WeakSet[Ticket] = WeakSet()
        self._lock, self._queueing = threading.Lock(), threading.Lock()
        self._end = finalize(self, _abandon, self._owner, self._workers, self._lifetimes)
        self._end.atexit = False  # the end of the process frees everything
        try:
            self.machine = _same_machine(devices)
            most = LAUNCH_BYTES // max(self.machine.stride, self.machine.row.nbytes)
            self._launch_samples = max(1, min(launch_samples, most))
            for device, lifetime in zip(devices, self._lifetimes, strict=True):
                wait = device.timeout if timeout is None else timeout
                self._workers += [
                    Worker(
                        unit, self.machine, lifetime,
                        lanes=lanes, samples=self._launch_samples, timeout=wait,
                    )
                    for unit in device.units
                ]  # fmt: skip
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Fail the jobs that have not started, free all batches and close the devices; idempotent.

        A device closes when the last run on it has ended; waits at most `CLOSE_SECONDS` for that.
        While a hung run may still write, its buffers and its device stay as they are, and the
        device cannot be opened again in this process. Does nothing in a fork.
        """
        if not self._owner.here:
            return
        with self._lock:
            self._open = False
        for worker in self._workers:
            worker.fail_waiting()
        self._end()
        deadline = time.monotonic() + CLOSE_SECONDS
        for lifetime in self._lifetimes:
            lifetime.ended.wait(max(deadline - time.monotonic(), 0.0))
            error, lifetime.error = lifetime.error, None
            if error is not None:
                raise error

    @property
    def units(self) -> int:
        """Number of compute units over all devices."""
        return len(self._workers)

    def load(self, network: QuantizedNetwork | bytes, folding: Folding | None = None) -> None:
        """Load a network into every unit, once everything submitted so far has ended.

        Parameters
        ----------
        network: a quantized network, or its parameter image.
        folding: of the machine; None looks it up among the shipped machines by fingerprint.

        Raises
        ------
        ParameterError: the image is damaged, or the device holds another machine.
        DeviceError: a unit refuses the image or times out.

        What is submitted meanwhile waits until the network is loaded.
        """
        self._check_open()
        content, shape = network, None
        if isinstance(content, QuantizedNetwork):
            shape = content.network
            content = pack(content, folding or self._folding(shape))
        if not isinstance(content, bytes):
            raise ParameterError(
                f"a {type(content).__name__} to load, needs a quantized network or its parameter "
                "image in bytes"
            )
        packed.check(content, self.machine.fingerprint)
        with self._queueing, self._using():
            self._wait_for_all()
            self._loaded = False
            for worker in self._workers:
                worker.load(content)
            self._network, self._loaded = shape, True

    def buffer(self, samples: int) -> Batch:
        """Allocate a batch in the units' memory, for callers that write samples in place.

        Samples written there are not copied again, and that copy is most of the cost of sending a
        sample. Raises DeviceError if there is no memory left.
        """
        samples = _whole(samples, "samples")
        if samples < 1:
            raise DeviceError(f"buffer of {samples} samples, needs 1 or more")
        if samples * self.machine.stride > BATCH_BYTES_MAX:
            raise DeviceError(
                f"buffer of {samples} samples, at most {BATCH_BYTES_MAX // self.machine.stride}: "
                f"{BATCH_BYTES_MAX >> 30} GiB"
            )
        parts: list[Part] = []
        with self._using(), ExitStack() as undo:
            self._check_loaded()
            for worker, first, size in self._split(samples):
                slot = worker.slot(size)
                undo.callback(worker.free, slot)
                parts.append(Part(worker, slot, first, size))
            undo.pop_all()
        return Batch(samples, parts, self.sample_shape)

    def submit(self, batch: NDArray[np.uint8] | Batch, *, hop: int | None = None) -> Ticket:
        """Start classifying samples; returns without waiting for the result.

        ``batch`` is a `Batch`, or uint8 ``[samples, height, width]`` (or with a channel axis), and
        must not be changed before `result` has returned.

        With a ``hop``, samples are windows on one array of frames, uint8 ``[frames, width]``: the
        first ``height`` frames, the ``height`` frames that start ``hop`` frames later, and so on;
        what is left at the end is ignored. The card gets every frame once and reads each window
        where it starts, if the hop is a multiple of 64 bytes and the network has one channel.
        Otherwise windows are copied one by one; results are the same.

        Raises ArtefactError for inputs of another shape or type, DeviceError if no network is
        loaded, for a batch that was freed or is another accelerator's, and for a hop below 1.
        """
        self._check_open()
        with self._queueing:
            self._check_loaded()
            if hop is not None:
                ticket, jobs = self._on_frames(batch, _whole(hop, "hop"))
            elif isinstance(batch, Batch):
                ticket, jobs = self._in_place(batch)
            else:
                ticket, jobs = self._copied(Windows(self._flat(batch), 0))
            with self._lock:
                self._check_open()
                if isinstance(batch, Batch):
                    batch.begin(ticket)
                self._under_way.add(ticket)
                for worker, job in jobs:
                    worker.submit(job)
        return ticket

    def result(self, ticket: Ticket, seconds: float | None = None) -> Results:
        """Logits, int32 ``[samples, outputs]``, and labels, int32 ``[samples]``, of a ticket.

        Labels are None for a network with raw outputs. Waits at most ``seconds``, then raises
        DeviceTimeoutError. Raises the error of a run that failed.
        """
        if not isinstance(ticket, Ticket):
            raise DeviceError(f"a {type(ticket).__name__} in place of a ticket from submit()")
        return ticket.wait(seconds)

    def infer(self, batch: NDArray[np.uint8] | Batch, *, hop: int | None = None) -> Results:
        """`submit`, then `result`."""
        return self.result(self.submit(batch, hop=hop))

    def counters(self) -> dict[str, dict[str, int]]:
        """Counters of every unit, by unit (as in ``xrt:0/twofold_1``) and register name.

        A register with a value per layer gives one entry for each layer of the network, as in
        ``busy[0]``. Software devices leave out what they do not count.
        """
        layers = LAYERS_COUNTED if self._network is None else len(self._network.layers)
        with self._using():
            return {
                f"{device.name}/{unit.name}": counters(unit, layers)
                for device in self.devices
                for unit in device.units
            }

    def _in_place(self, batch: Batch) -> tuple[Ticket, list[tuple[Worker, Job]]]:
        """Ticket and jobs of samples that are in the units' memory."""
        if any(part.worker not in self._workers for part in batch.parts):
            raise DeviceError("this batch is another accelerator's; make one with buffer()")
        ticket = Ticket(batch.samples, self.machine.row, len(batch.parts))
        jobs = [
            (part.worker, Job(ticket, part.first, part.samples, slot=part.slot))
            for part in batch.parts
        ]
        return ticket, jobs

    def _on_frames(
        self, frames: NDArray[np.uint8] | Batch, hop: int
    ) -> tuple[Ticket, list[tuple[Worker, Job]]]:
        """Ticket and jobs of windows on frames."""
        if isinstance(frames, Batch) or self._network is None:
            raise DeviceError(
                "a hop needs an array of frames, and a network instead of its parameter image"
            )
        if hop < 1:
            raise DeviceError(f"hop is {hop} frames, needs 1 or more")
        shape = self._network.input_shape
        return self._copied(windows(frames, hop, shape, self.machine.stride))

    def _copied(self, inputs: Windows) -> tuple[Ticket, list[tuple[Worker, Job]]]:
        """Ticket and jobs of samples in an array."""
        samples, stride = len(inputs.rows), inputs.stride
        split = list(self._split(samples))
        ticket = Ticket(samples, self.machine.row, len(split))
        jobs = [
            (worker, Job(ticket, first, size, inputs.part(first, size), stride))
            for worker, first, size in split
        ]
        return ticket, jobs

    @contextmanager
    def _using(self) -> Iterator[None]:
        """The devices stay open while the context is active. Raises DeviceError."""
        self._check_open()
        with ExitStack() as using:
            for lifetime in self._lifetimes:
                lifetime.enter()
                using.callback(lifetime.leave)
            yield

    def _wait_for_all(self) -> None:
        """Wait until everything submitted has ended, successfully or not."""
        with self._lock:
            waiting = list(self._under_way)
        for ticket in waiting:
            ticket.wait_ended()

    def _split(self, samples: int) -> Iterator[tuple[Worker, int, int]]:
        """Worker, first sample and number of samples of each run of a batch."""
        runs = len(self._workers) * self._lanes
        size = min(max(-(-samples // runs), SMALLEST_LAUNCH), self._launch_samples)
        for first in range(0, samples, size):
            worker = self._workers[next(self._turns) % len(self._workers)]
            yield worker, first, min(size, samples - first)

    def _flat(self, inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Check the inputs and return them as ``[samples, sample_bytes]``."""
        needed = self.sample_shape
        wanted = f"uint8[samples, {', '.join(map(str, needed))}]"
        inputs = checked_array(inputs, wanted)
        shape = inputs.shape[1:]
        known = self._network is not None
        fits = shape in (needed, (1, *needed)) if known else np.prod(shape) == needed[0]
        if inputs.dtype != np.uint8 or inputs.ndim < 2 or not fits:
            raise ArtefactError(f"inputs are {inputs.dtype}{list(inputs.shape)}, needs {wanted}")
        return inputs.reshape(len(inputs), self.machine.sample_bytes)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample in a batch; flat while only the parameter image is known."""
        if self._network is None:
            return (self.machine.sample_bytes,)
        shape = self._network.input_shape
        return shape[1:] if shape[0] == 1 else shape

    def _folding(self, network: Network) -> Folding:
        """Folding of the shipped machine that the devices hold."""
        machines = machines_for(network)
        for machine in machines:
            if machine.fingerprint == self.machine.fingerprint:
                return machine.folding
        known = ", ".join(f"{one.name} is {one.fingerprint.hex()[:12]}" for one in machines)
        raise ParameterError(
            f"{self.devices[0].name} holds machine {self.machine.fingerprint.hex()[:12]}, not one "
            f"of {network.name} ({known or 'none is shipped'}); load the bitstream "
            "built for this network, or give the folding of its machine"
        )

    def _check_open(self) -> None:
        if refusal := self._owner.refusal("this accelerator"):
            raise DeviceError(refusal)
        if not self._open:
            raise DeviceLostError("the accelerator is closed; make a new one")

    def _check_loaded(self) -> None:
        self._check_open()
        if not self._loaded:
            raise DeviceError("no network is loaded; call load(network) first")


def _abandon(owner: Owner, workers: Sequence[Worker], lifetimes: Sequence[Lifetime]) -> None:
    """Have everything end without waiting for it: the collector calls this, in any thread."""
    if owner.here:
        for worker in workers:
            worker.stop()
        for lifetime in lifetimes:
            lifetime.close()


def _closed(device: Device) -> None:
    """Close a device that no run uses any more."""
    try:
        device.close()
    finally:
        with _driven_lock:
            _driven.discard(device)


def _whole(value: object, name: str) -> int:
    """A number of something. Raises DeviceError."""
    try:
        return index(value)  # pyright: ignore[reportArgumentType]: refused below
    except TypeError as error:
        raise DeviceError(f"{name} is {value!r}, needs a whole number") from error


def _claim(devices: Sequence[Device]) -> None:
    with _driven_lock:
        for device in devices:
            if device in _driven or devices.count(device) > 1:
                raise DeviceBusyError(
                    f"{device.name} is opened already in this process; close the accelerator that "
                    "has it"
                )
        _driven.update(devices)


def _same_machine(devices: Sequence[Device]) -> Identity:
    """The identity that all units report. Raises WrongPlatformError if they differ."""
    found = [
        (f"{device.name}/{unit.name}", identity(unit))
        for device in devices
        for unit in device.units
    ]
    if not found:
        raise WrongPlatformError(f"{devices[0].name} has no {KERNEL_NAME} unit; load our bitstream")
    name, machine = found[0]
    for other, held in found[1:]:
        if held != machine:
            raise WrongPlatformError(
                f"{other} holds machine {held.fingerprint.hex()[:12]}, {name} "
                f"{machine.fingerprint.hex()[:12]}; load the same bitstream on every card"
            )
    return machine
