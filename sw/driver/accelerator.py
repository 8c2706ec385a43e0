"""The driver's one public class."""

import threading
from collections.abc import Iterator, Sequence
from itertools import count
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract import parameters as packed
from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.regs import KERNEL_NAME, LAYERS_COUNTED
from twofold.hw.contract.shipped import machines_for
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.batch import Batch, Part
from twofold.sw.driver.device import Device, Identity, counters, identity
from twofold.sw.driver.ticket import Results, Ticket
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
SMALLEST_LAUNCH = 64
"""Smaller runs are not worth it: starting a run costs about as much as computing this many."""

_driven: WeakSet[Device] = WeakSet()
_driven_lock = threading.Lock()


class Accelerator:
    """Cards, or their software stand-ins, as one machine that classifies samples.

    A batch is split over all units of all devices. On each unit, transfers to the card, runs and
    transfers back overlap. Thread-safe.

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
        if not devices or lanes < 1 or launch_samples < 1:
            raise DeviceError(
                f"{len(devices)} devices, lanes {lanes}, launch_samples {launch_samples}: "
                "each has to be 1 or more"
            )
        _claim(devices)
        self.devices = devices
        self._workers: list[Worker] = []
        self._network: Network | None = None
        self._loaded = False
        self._turns, self._open = count(), True
        self._under_way: WeakSet[Ticket] = WeakSet()
        self._lock = threading.Lock()
        try:
            self.machine = _same_machine(devices)
            most = LAUNCH_BYTES // max(self.machine.stride, self.machine.row.nbytes)
            self._launch_samples = launch_samples = max(1, min(launch_samples, most))
            for device in devices:
                wait = device.timeout if timeout is None else timeout
                for unit in device.units:
                    self._workers.append(
                        Worker(
                            unit, self.machine, lanes=lanes, samples=launch_samples, timeout=wait
                        )
                    )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Accelerator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fail the jobs that have not started and close the devices; idempotent."""
        with self._lock:
            self._open = False
        for worker in self._workers:
            worker.close()
        for device in self.devices:
            device.close()
        with _driven_lock:
            _driven.difference_update(self.devices)

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
        """
        self._check_open()
        content, shape = network, None
        if isinstance(content, QuantizedNetwork):
            shape = content.network
            content = pack(content, folding or self._folding(shape))
        packed.check(content, self.machine.fingerprint)
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
        self._check_loaded()
        if samples < 1:
            raise DeviceError(f"buffer of {samples} samples, needs 1 or more")
        parts: list[Part] = []
        try:
            for worker, first, size in self._split(samples):
                parts.append(Part(worker, worker.slot(size), first, size))
        except BaseException:
            for part in parts:
                part.slot.free()
            raise
        return Batch(samples, parts, self.sample_shape)

    def submit(self, batch: NDArray[np.uint8] | Batch) -> Ticket:
        """Start classifying samples; returns without waiting for the result.

        ``batch`` is a `Batch`, or uint8 ``[samples, height, width]`` (or with a channel axis), and
        must not be changed before `result` has returned.

        Raises ArtefactError for inputs of another shape, DeviceError if no network is loaded.
        """
        self._check_loaded()
        if isinstance(batch, Batch):
            ticket = Ticket(batch.samples, self.machine.row, len(batch.parts))
            batch.begin(ticket)
            jobs = [
                (part.worker, Job(ticket, part.first, part.samples, slot=part.slot))
                for part in batch.parts
            ]
        else:
            inputs = self._flat(batch)
            split = list(self._split(len(inputs)))
            ticket = Ticket(len(inputs), self.machine.row, len(split))
            jobs = [
                (worker, Job(ticket, first, size, inputs[first : first + size]))
                for worker, first, size in split
            ]
        with self._lock:
            if not self._open:
                raise DeviceLostError("the accelerator is closed; make a new one")
            self._under_way.add(ticket)
            for worker, job in jobs:
                worker.submit(job)
        return ticket

    def result(self, ticket: Ticket, seconds: float | None = None) -> Results:
        """Logits, int32 ``[samples, outputs]``, and labels, int32 ``[samples]``, of a ticket.

        Labels are None for a network with raw outputs. Waits at most ``seconds``, then raises
        DeviceTimeoutError. Raises the error of a run that failed.
        """
        return ticket.wait(seconds)

    def infer(self, batch: NDArray[np.uint8] | Batch) -> Results:
        """`submit`, then `result`."""
        return self.result(self.submit(batch))

    def counters(self) -> dict[str, dict[str, int]]:
        """Counters of every unit, by unit (as in ``xrt:0/twofold_1``) and register name.

        A register with a value per layer gives one entry for each layer of the network, as in
        ``busy[0]``. Software devices leave out what they do not count.
        """
        self._check_open()
        layers = LAYERS_COUNTED if self._network is None else len(self._network.layers)
        return {
            f"{device.name}/{unit.name}": counters(unit, layers)
            for device in self.devices
            for unit in device.units
        }

    def _wait_for_all(self) -> None:
        """Wait until everything submitted has ended, successfully or not."""
        with self._lock:
            waiting = list(self._under_way)
        for ticket in waiting:
            ticket.wait_ended()

    def _split(self, samples: int) -> Iterator[tuple[Worker, int, int]]:
        """Worker, first sample and number of samples of each run of a batch."""
        runs = max(len(self._workers) * LANES, 1)
        size = min(max(-(-samples // runs), SMALLEST_LAUNCH), self._launch_samples)
        for first in range(0, samples, size):
            worker = self._workers[next(self._turns) % len(self._workers)]
            yield worker, first, min(size, samples - first)

    def _flat(self, inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Check the inputs and return them as ``[samples, sample_bytes]``."""
        needed = self.sample_shape
        shape = inputs.shape[1:]
        known = self._network is not None
        fits = shape in (needed, (1, *needed)) if known else np.prod(shape) == needed[0]
        if inputs.dtype != np.uint8 or inputs.ndim < 2 or not fits:
            raise ArtefactError(
                f"inputs are {inputs.dtype}{list(inputs.shape)}, needs uint8[samples, "
                f"{', '.join(map(str, needed))}]"
            )
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
        if not self._open:
            raise DeviceLostError("the accelerator is closed; make a new one")

    def _check_loaded(self) -> None:
        self._check_open()
        if not self._loaded:
            raise DeviceError("no network is loaded; call load(network) first")


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
