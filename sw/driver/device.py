"""What the driver asks of a device: memory, registers and runs. Every back-end offers the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.parameters import FINGERPRINT_BYTES
from twofold.hw.contract.regs import (
    BEAT_BYTES,
    COUNTERS,
    KERNEL_VERSION,
    READ_ONLY,
    STATUS_TEXT,
    Operation,
    Register,
    Status,
    register,
)
from twofold.hw.contract.results import ResultRow
from twofold.sw.errors import DeviceRefusedError, WrongPlatformError

VALUES = tuple(one for one in READ_ONLY + COUNTERS if one.name != "fingerprint")
"""Registers that tell what a unit did; of the whole machine, or of each layer."""
EVERY_VALUE = frozenset(one.name for one in VALUES)
PAGE = 4096
SMALLEST_BUFFER = 1 << 20


def buffer_bytes(size: int) -> int:
    """Bytes to allocate for ``size`` bytes of use: whole pages, at least `SMALLEST_BUFFER`.

    Small buffers do not reach the full rate of a transfer, and the runtime unmaps whole pages.
    """
    return max(SMALLEST_BUFFER, -(-size // PAGE) * PAGE)


class Buffer(Protocol):
    """Memory of the card with a page-aligned window of the host on it."""

    @property
    def data(self) -> NDArray[np.uint8]:
        """The host's window, uint8 ``[bytes]``."""
        ...

    def to_card(self, size: int) -> None:
        """Transfer the first ``size`` bytes of ``data`` to the card."""
        ...

    def to_host(self, size: int) -> None:
        """Transfer the first ``size`` bytes from the card to ``data``."""
        ...

    def free(self) -> None:
        """Give the memory back; ``data`` must not be used afterwards."""
        ...


@dataclass(frozen=True)
class Arguments:
    """Buffers of a run; one that the operation does not use is any buffer of the unit."""

    operation: Operation
    image: Buffer
    parameter_bytes: int
    input: Buffer
    output: Buffer


class Launch(Protocol):
    """A run with fixed buffers, to be started any number of times, one after the other."""

    def start(self, samples: int, /) -> None:
        """Queue the run behind those of the unit that were started before."""
        ...

    def wait(self, seconds: float, /) -> bool:
        """Whether the run started last has ended, waiting at most about ``seconds`` for it.

        Raises DeviceLostError when the runtime gave up on it.
        """
        ...

    def free(self) -> None:
        """Give back what the runtime holds for it."""
        ...


class Unit(Protocol):
    """A compute unit: one kernel, and the memory that it reaches."""

    @property
    def name(self) -> str:
        """Unique in its device, for people."""
        ...

    def allocate(self, size: int) -> Buffer:
        """Memory of `buffer_bytes` of ``size``. Raises DeviceError when there is none left."""
        ...

    def prepare(self, arguments: Arguments, /) -> Launch:
        """A run that can be started."""
        ...

    @property
    def counted(self) -> frozenset[str]:
        """Names of the registers in `VALUES` that it has."""
        ...

    def read(self, one: Register) -> int:
        """Value of a register that the host may read."""
        ...


class Device(Protocol):
    """A card, or what stands in for one."""

    @property
    def name(self) -> str:
        """As in ``xrt:0``, for people."""
        ...

    @property
    def units(self) -> Sequence[Unit]:
        """Its compute units; at least one."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds after which a run that has not ended counts as hanging."""
        ...

    def close(self) -> None:
        """Let go of the device; done twice it does no harm."""
        ...


@dataclass(frozen=True)
class Identity:
    """What a unit says about itself.

    Attributes
    ----------
    fingerprint: of the machine, as in `twofold.hw.contract.fingerprint`.
    row: layout of a result.
    sample_bytes: bytes of an input sample, without padding.
    """

    fingerprint: bytes
    row: ResultRow
    sample_bytes: int

    @property
    def stride(self) -> int:
        """Bytes from one input sample in memory to the next."""
        return -(-self.sample_bytes // BEAT_BYTES) * BEAT_BYTES


def identity(unit: Unit) -> Identity:
    """Identity of a unit. Raises WrongPlatformError when it has another table of registers."""
    version = unit.read(register("version"))
    if version != KERNEL_VERSION:
        raise WrongPlatformError(
            f"{unit.name} has register table version {version}, this driver knows "
            f"{KERNEL_VERSION}; load a bitstream of this release, or install the driver that "
            "came with the bitstream"
        )
    try:
        row = ResultRow.of_register(unit.read(register("outputs")))
    except NetworkError as error:
        raise WrongPlatformError(f"{unit.name} is none of our machines: {error}") from error
    fingerprint = unit.read(register("fingerprint"))
    return Identity(
        fingerprint.to_bytes(FINGERPRINT_BYTES, "little"), row, unit.read(register("geometry"))
    )


def read_samples(one: Register, read: Callable[[int], int]) -> int:
    """Value of a register whose samples ``read`` gives by their offset.

    The lowest sample is read first: that keeps the high half of a counter
    (`twofold.hw.contract.regs`). So nobody else may read the unit's registers meanwhile.
    """
    value = 0
    for index in range(one.bits // 32):
        value |= read(one.offset + 4 * index) << 32 * index
    return value


def counters(unit: Unit, layers: int) -> dict[str, int]:
    """Every register that only the kernel writes, by name; all but the fingerprint.

    One with a value for each layer gives as many as there are ``layers``, as in ``busy[0]``.
    """
    found: dict[str, int] = {}
    for one in VALUES:
        if one.name in unit.counted and one.values == 1:
            found[one.name] = unit.read(one)
        elif one.name in unit.counted:
            values = one.split(unit.read(one))[:layers]
            found |= {f"{one.name}[{layer}]": value for layer, value in enumerate(values)}
    return found


def check_status(unit: Unit, doing: str) -> None:
    """Raise DeviceRefusedError unless the unit's last run ended with status OK."""
    code = unit.read(register("status"))
    if code == Status.OK:
        return
    known = code in Status.__members__.values()
    text = STATUS_TEXT[Status(code)] if known else "a status this driver does not know"
    name = Status(code).name if known else "unknown"
    raise DeviceRefusedError(f"{unit.name} refused {doing} with status {code} ({name}): {text}")
