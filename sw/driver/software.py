"""Software devices: the kernel's behaviour, registers and status codes on top of any engine that
can load a parameter image and classify samples.
"""

import mmap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.closing import Owner
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import ALIGN_BYTES, LENGTH_MAX, ParameterStatus
from twofold.hw.contract.regs import (
    BEAT_BYTES,
    KERNEL_VERSION,
    PARAMETER_CODES,
    Operation,
    Register,
    Status,
    sample_bytes,
    sample_stride,
    span_bytes,
)
from twofold.hw.contract.results import result_row
from twofold.sw.driver.device import EVERY_VALUE, Arguments, buffer_bytes
from twofold.sw.driver.replay import Replay
from twofold.sw.driver.rows import fill_rows, rows_of, strided
from twofold.sw.errors import DeviceError, DeviceLostError

P = ParamSpec("P")
T = TypeVar("T")
WRAP = 1 << 32


@dataclass(frozen=True)
class Classified:
    """The results of an engine.

    Attributes
    ----------
    logits: int32 ``[samples, outputs]``.
    labels: integers ``[samples]``; None for raw outputs.
    counters: register values by name, if the engine counts more than samples.
    """

    logits: NDArray[np.int32]
    labels: NDArray[np.integer] | None
    counters: Mapping[str, int] = field(default_factory=dict)


class Engine(Protocol):
    """Computes what the machine computes."""

    def load(self, image: bytes) -> ParameterStatus:
        """Load a parameter image, which may be invalid; after an invalid one nothing is loaded."""
        ...

    def run(self, inputs: NDArray[np.uint8]) -> Classified:
        """Classify samples, uint8 ``[samples, channels, height, width]``."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """An engine that keeps samples and can go over them many times."""

    capacity: int
    """How many it keeps."""

    def replay(self, inputs: NDArray[np.uint8], rounds: int) -> Replay:
        """As `twofold.sw.driver.replay.Replays.replay`."""
        ...


class MemoryBuffer:
    """Page-aligned host memory, and a second block of it in place of the card's memory.

    Parameters
    ----------
    size: usable bytes.
    shared: host and device use the same memory, so that transfers do nothing.

    Raises
    ------
    DeviceError: there is no memory left.
    """

    def __init__(self, size: int, *, shared: bool) -> None:
        self.data = _pages(buffer_bytes(size))
        self.card = self.data if shared else _pages(buffer_bytes(size))

    def to_card(self, size: int) -> None:
        """Copy, unless the memory is shared."""
        if self.card is not self.data:
            self.card[:size] = self.data[:size]

    def to_host(self, size: int) -> None:
        """Copy, unless the memory is shared."""
        if self.card is not self.data:
            self.data[:size] = self.card[:size]

    def free(self) -> None:
        """Do nothing: the memory is freed with the last array that uses it."""


def _pages(size: int) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(mmap.mmap(-1, size), np.uint8)
    except (OSError, ValueError, OverflowError) as error:
        raise DeviceError(
            f"no memory for a buffer of {size} bytes; free buffers, or send smaller batches"
        ) from error


class SoftwareUnit:
    """A compute unit whose runs an engine executes, one at a time, in the order they were started.

    Parameters
    ----------
    name: of the unit.
    network, folding: the machine that it reports to be.
    engine: does the work; closed with the unit.
    shared: see `MemoryBuffer`.
    """

    def __init__(
        self, name: str, network: Network, folding: Folding, engine: Engine, *, shared: bool
    ) -> None:
        self.name = name
        self._network, self._engine, self._shared = network, engine, shared
        self._owner = Owner()
        self._queue = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._row, self._loaded = result_row(network), False
        self._registers = {
            "version": KERNEL_VERSION,
            "geometry": sample_bytes(network),
            "outputs": self._row.register,
            "fingerprint": int.from_bytes(fingerprint(network, folding), "little"),
            **dict.fromkeys(("status", "parameter_status", "runs", "failures", "results"), 0),
        }

    def allocate(self, size: int) -> MemoryBuffer:
        """Allocate host memory."""
        return MemoryBuffer(size, shared=self._shared)

    def prepare(self, arguments: Arguments) -> "SoftwareLaunch":
        """Make a run that can be started."""
        return SoftwareLaunch(self, arguments)

    @property
    def counted(self) -> frozenset[str]:
        """Names of the registers that have a value."""
        return EVERY_VALUE & self._registers.keys()

    def read(self, one: Register) -> int:
        """Value of a register; 0 if it has never been written."""
        return int(self._registers.get(one.name, 0))

    @property
    def kept(self) -> int:
        """How many samples the engine keeps to `replay`; 0 if it keeps none."""
        return self._engine.capacity if isinstance(self._engine, Keeping) else 0

    def replay(self, inputs: NDArray[np.uint8], rounds: int) -> Replay:
        """See `twofold.sw.driver.replay.Replays`. Raises DeviceError if the engine keeps none, and
        as `queue` and the engine do.
        """
        if not isinstance(self._engine, Keeping):
            raise DeviceError(f"{self.name} keeps no samples; measure its runs")
        return self._queued(self._engine.replay, inputs, rounds).result()

    def queue(self, arguments: Arguments, samples: int, stride: int = 0) -> Future[None]:
        """Queue a run. Raises DeviceLostError after `close`, DeviceError in a fork."""
        return self._queued(self._run, arguments, samples, stride)

    def _queued(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if refusal := self._owner.refusal(self.name):
            raise DeviceError(refusal)
        try:
            return self._queue.submit(work, *args, **kwargs)
        except RuntimeError as error:
            raise DeviceLostError(f"{self.name} is closed; open the device again") from error

    def close(self) -> None:
        """Finish the current run, cancel the queued ones and close the engine; not in a fork."""
        if not self._owner.here:
            return
        self._queue.shutdown(wait=True, cancel_futures=True)
        self._engine.close()

    def _run(self, arguments: Arguments, samples: int, stride: int) -> None:
        found = Classified(np.empty((0, 1), np.int32), None)
        image = ParameterStatus(self._registers["parameter_status"])
        if arguments.operation == Operation.LOAD:
            status, image = self._load(arguments, image)
        else:
            status = self._verdict(arguments, samples, stride)
            if status == Status.OK:
                found = self._classify(arguments, samples, stride)
        failed = status != Status.OK
        self._registers |= {
            "status": status,
            "parameter_status": image,
            "runs": (self._registers["runs"] + 1) % WRAP,
            "failures": (self._registers["failures"] + failed) % WRAP,
            "results": len(found.logits),
            **found.counters,
        }

    def _load(
        self, arguments: Arguments, before: ParameterStatus
    ) -> tuple[Status, ParameterStatus]:
        size = arguments.parameter_bytes
        if size % ALIGN_BYTES or not ALIGN_BYTES <= size <= LENGTH_MAX:
            return Status.BAD_LENGTH, before
        image = self._engine.load(_card(arguments.image)[:size].tobytes())
        self._loaded = image == ParameterStatus.OK
        return (Status.OK if self._loaded else Status(PARAMETER_CODES + image)), image

    def _verdict(self, arguments: Arguments, samples: int, stride: int) -> Status:
        """Status for the first rule that the arguments of a run violate."""
        if samples == 0:
            return Status.BAD_SAMPLES
        if stride % BEAT_BYTES:
            return Status.BAD_STRIDE
        span = span_bytes(sample_stride(self._network), samples, stride)
        if span > len(_card(arguments.input)):
            return Status.BAD_RANGE
        return Status.OK if self._loaded else Status.NO_PARAMETERS

    def _classify(self, arguments: Arguments, samples: int, stride: int) -> Classified:
        stride = stride or sample_stride(self._network)
        rows = strided(_card(arguments.input), samples, stride, sample_bytes(self._network))
        found = self._engine.run(rows.reshape(samples, *self._network.input_shape))
        rows = rows_of(_card(arguments.output), self._row, samples)
        fill_rows(rows, self._row, found.logits, found.labels)
        return found


def _card(buffer: object) -> NDArray[np.uint8]:
    if not isinstance(buffer, MemoryBuffer):
        raise TypeError(f"{type(buffer).__name__} is memory of another device")
    return buffer.card


class SoftwareLaunch:
    """A run of a `SoftwareUnit`."""

    def __init__(self, unit: SoftwareUnit, arguments: Arguments) -> None:
        self._unit, self._arguments = unit, arguments
        self._running: Future[None] | None = None

    def start(self, samples: int, stride: int = 0) -> None:
        """Queue the run."""
        self._running = self._unit.queue(self._arguments, samples, stride)

    def wait(self, seconds: float) -> bool:
        """Whether the run has ended. Raises what the engine raised, and DeviceLostError if the unit
        was closed before the run started.
        """
        if self._running is None:
            return True
        if self._running.cancelled():
            raise DeviceLostError(f"{self._unit.name} was closed before the run began")
        try:
            self._running.result(timeout=seconds)
        except Late:
            return False
        return True

    def free(self) -> None:
        """Do nothing: there is nothing to free."""


class SoftwareDevice:
    """A device of software units.

    Parameters
    ----------
    name: for display, as in ``cpu``.
    network, folding: the machine that its units report to be.
    engine: makes the engine of a unit.
    units: how many.
    timeout: seconds that a run may take.
    shared: see `MemoryBuffer`.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        folding: Folding,
        engine: Callable[[], Engine],
        *,
        units: int = 1,
        timeout: float = 600.0,
        shared: bool = False,
    ) -> None:
        self.name, self.timeout = name, timeout
        self.address: str | None = None
        self._units = tuple(
            SoftwareUnit(f"{name}_{number}", network, folding, engine(), shared=shared)
            for number in range(1, units + 1)
        )

    @property
    def units(self) -> Sequence[SoftwareUnit]:
        """All units."""
        return self._units

    def close(self) -> None:
        """Stop the units' threads and free their engines."""
        for unit in self._units:
            unit.close()
