"""The device protocol: memory, registers and runs, as every back-end implements them."""

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
"""Registers that report what a unit did, for the whole machine or per layer."""
EVERY_VALUE = frozenset(one.name for one in VALUES)
PAGE = 4096
SMALLEST_BUFFER = 1 << 20


def buffer_bytes(size: int) -> int:
    """Bytes to allocate for ``size`` usable bytes: whole pages, at least `SMALLEST_BUFFER`.

    Small buffers do not reach the full transfer rate, and the runtime unmaps whole pages.
    """
    return max(SMALLEST_BUFFER, -(-size // PAGE) * PAGE)


class Buffer(Protocol):
    """Card memory with a page-aligned host mapping."""

    @property
    def data(self) -> NDArray[np.uint8]:
        """The host mapping, uint8 ``[bytes]``."""
        ...

    def to_card(self, size: int) -> None:
        """Transfer the first ``size`` bytes of ``data`` to the card."""
        ...

    def to_host(self, size: int) -> None:
        """Transfer the first ``size`` bytes from the card to ``data``."""
        ...

    def free(self) -> None:
        """Free the memory; ``data`` must not be used afterwards."""
        ...


@dataclass(frozen=True)
class Arguments:
    """Arguments of a run; a buffer that the operation does not use may be any of the unit's."""

    operation: Operation
    image: Buffer
    parameter_bytes: int
    input: Buffer
    output: Buffer


class Launch(Protocol):
    """A run with fixed buffers that can be started any number of times, one after the other."""

    def start(self, samples: int, stride: int = 0, /) -> None:
        """Queue the run behind those already started on the unit.

        Samples start ``stride`` bytes apart in the input buffer; 0: they are contiguous.
        """
        ...

    def wait(self, seconds: float, /) -> bool:
        """Whether the last started run has ended; waits at most about ``seconds`` for it.

        Raises DeviceLostError if the runtime gave up on it.
        """
        ...

    def free(self) -> None:
        """Free the runtime's resources for it."""
        ...


class Unit(Protocol):
    """A compute unit: one kernel and the memory it can access."""

    @property
    def name(self) -> str:
        """Name for display, unique within its device."""
        ...

    def allocate(self, size: int) -> Buffer:
        """Allocate ``buffer_bytes(size)`` bytes. Raises DeviceError if there is no memory left."""
        ...

    def prepare(self, arguments: Arguments, /) -> Launch:
        """Make a run that can be started."""
        ...

    @property
    def counted(self) -> frozenset[str]:
        """Names of the registers in `VALUES` that it has."""
        ...

    def read(self, one: Register) -> int:
        """Value of a register that is readable from the host."""
        ...


class Device(Protocol):
    """A card or a stand-in for one."""

    @property
    def name(self) -> str:
        """Name for display, as in ``xrt:0``."""
        ...

    @property
    def address(self) -> str | None:
        """PCIe address of the card, as in ``0000:3b:00.1``; None if it is none, or not known."""
        ...

    @property
    def units(self) -> Sequence[Unit]:
        """Its compute units; at least one."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds after which a run that has not ended counts as hung."""
        ...

    def close(self) -> None:
        """Release the device; idempotent."""
        ...


@dataclass(frozen=True)
class Identity:
    """What a unit reports about itself.

    Attributes
    ----------
    fingerprint: of the machine, as in `twofold.hw.contract.fingerprint`.
    row: layout of a result.
    sample_bytes: size of an input sample, without padding.
    """

    fingerprint: bytes
    row: ResultRow
    sample_bytes: int

    @property
    def stride(self) -> int:
        """Bytes from the start of one input sample in memory to the next."""
        return -(-self.sample_bytes // BEAT_BYTES) * BEAT_BYTES


def identity(unit: Unit) -> Identity:
    """Read a unit's identity. Raises WrongPlatformError if its register table is another version,
    or if it is none of our machines.
    """
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


def read_words(one: Register, read: Callable[[int], int]) -> int:
    """Value of a register, read in 32-bit words; ``read`` takes the offset of a word.

    The lowest word is read first, which latches the high half of a counter
    (`twofold.hw.contract.regs`). Nothing else may read the unit's registers in between.
    """
    value = 0
    for index in range(one.bits // 32):
        value |= read(one.offset + 4 * index) << 32 * index
    return value


def counters(unit: Unit, layers: int) -> dict[str, int]:
    """Every register that only the kernel writes, except the fingerprint, by name.

    A register with a value per layer gives the first ``layers`` of them, as in ``busy[0]``.
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
