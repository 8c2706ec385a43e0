"""What the runtime needs to know about a card and its bitstream: memories, compute units,
connections and clocks. Four binary tables, each a section of an ``.xclbin``.

All numbers are little-endian; a table is a count followed by rows of equal size.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.regs import ADDRESS_BITS, ARGUMENTS, KERNEL_NAME
from twofold.hw.xclbin.axlf import require

ENTRIES_MAX = 1 << 12
DDR4, HBM = 1, 6
ADDRESSED = (DDR4, HBM)
"""Memory types that are part of the kernels' address space."""
KERNEL_IP = 1
INTERRUPTS = 1
PROTOCOL_SHIFT = 8

_COUNT = struct.Struct("<i")
_WIDE_COUNT = struct.Struct("<i4x")
_CLOCK_COUNT = struct.Struct("<h")
_MEMORY = struct.Struct("<BB6xQQ16s")
_UNIT = struct.Struct("<IIQ64s")
_CONNECTION = struct.Struct("<iii")
_CLOCK = struct.Struct("<HB5x128s")


class Protocol(IntEnum):
    """How a compute unit is started."""

    AP_CTRL_HS = 0
    AP_CTRL_CHAIN = 1
    AP_CTRL_NONE = 2


class ClockType(IntEnum):
    """The shell's clocks."""

    UNUSED = 0
    DATA = 1
    KERNEL = 2
    SYSTEM = 3


@dataclass(frozen=True)
class Memory:
    """A memory of the card.

    Attributes
    ----------
    tag: name, as in ``DDR[0]``; up to 15 characters.
    base: address of its first byte.
    size: size in bytes, a multiple of 1024.
    used: whether a compute unit is connected to it.
    kind: memory type, `DDR4` unless read from a file.
    """

    tag: str
    base: int
    size: int
    used: bool = True
    kind: int = DDR4


@dataclass(frozen=True)
class Unit:
    """A compute unit.

    Attributes
    ----------
    kernel, name: as in ``twofold:twofold_1``; together up to 62 characters.
    base: address of its registers, aligned to the size of their range.
    protocol: how it is started.
    kind: IP type, `KERNEL_IP` unless read from a file.
    interrupts: whether it has an interrupt line.
    """

    kernel: str
    name: str
    base: int
    protocol: Protocol = Protocol.AP_CTRL_CHAIN
    kind: int = KERNEL_IP
    interrupts: bool = True


@dataclass(frozen=True)
class Connection:
    """Argument ``argument`` of unit ``unit`` points into memory ``memory`` (both are indices)."""

    argument: int
    unit: int
    memory: int


@dataclass(frozen=True)
class Clock:
    """A clock: name, frequency in MHz, and type."""

    name: str
    mhz: int
    kind: ClockType


def pack_memories(memories: Sequence[Memory]) -> bytes:
    """Section MEM_TOPOLOGY. Raises ParameterError if a row does not fit."""
    rows = []
    for one in memories:
        require(
            one.size % 1024 == 0, f"memory {one.tag}: {one.size} bytes, needs a multiple of 1024"
        )
        tag = _name(one.tag, 16)
        rows.append((one.kind, one.used, one.size // 1024, one.base, tag))
    return _table(_WIDE_COUNT, _MEMORY, rows)


def unpack_memories(content: bytes) -> Iterator[Memory]:
    """Rows of section MEM_TOPOLOGY; untrusted input. Raises ParameterError."""
    rows = _rows(content, _WIDE_COUNT, _MEMORY, "MEM_TOPOLOGY")
    for kind, used, size, base, tag in rows:
        yield Memory(_string(tag), base, 1024 * size, bool(used), kind)


def pack_units(units: Sequence[Unit]) -> bytes:
    """Section IP_LAYOUT. Raises ParameterError if a row does not fit."""
    rows = []
    for one in units:
        require(
            one.base % (1 << ADDRESS_BITS) == 0 and one.base < 1 << 32,
            f"unit {one.name}: base is {one.base:#x}, needs a multiple of {1 << ADDRESS_BITS:#x}"
            " below 2^32",
        )
        properties = one.interrupts * INTERRUPTS | one.protocol << PROTOCOL_SHIFT
        name = _name(f"{one.kernel}:{one.name}", 64)
        rows.append((one.kind, properties, one.base, name))
    return _table(_WIDE_COUNT, _UNIT, rows)


def unpack_units(content: bytes) -> Iterator[Unit]:
    """Rows of section IP_LAYOUT; untrusted input. Raises ParameterError."""
    for kind, properties, base, name in _rows(content, _WIDE_COUNT, _UNIT, "IP_LAYOUT"):
        kernel, _, unit = _string(name).partition(":")
        code = properties >> PROTOCOL_SHIFT & 0xFF
        require(
            kind != KERNEL_IP or code in list(Protocol),
            f"unit {unit}: control protocol is {code}, known are 0..{len(Protocol) - 1}",
        )
        protocol = Protocol(code) if code in list(Protocol) else Protocol.AP_CTRL_NONE
        yield Unit(kernel, unit, base, protocol, kind, bool(properties & INTERRUPTS))


def pack_connections(connections: Sequence[Connection]) -> bytes:
    """Section CONNECTIVITY. Raises ParameterError if a row does not fit."""
    rows = [(one.argument, one.unit, one.memory) for one in connections]
    return _table(_COUNT, _CONNECTION, rows)


def unpack_connections(content: bytes) -> Iterator[Connection]:
    """Rows of section CONNECTIVITY; untrusted input. Raises ParameterError."""
    for row in _rows(content, _COUNT, _CONNECTION, "CONNECTIVITY"):
        yield Connection(*row)


def pack_clocks(clocks: Sequence[Clock]) -> bytes:
    """Section CLOCK_FREQ_TOPOLOGY. Raises ParameterError if a row does not fit."""
    rows = [(one.mhz, one.kind, _name(one.name, 128)) for one in clocks]
    return _table(_CLOCK_COUNT, _CLOCK, rows)


def unpack_clocks(content: bytes) -> Iterator[Clock]:
    """Rows of section CLOCK_FREQ_TOPOLOGY; untrusted input. Raises ParameterError."""
    for mhz, kind, name in _rows(content, _CLOCK_COUNT, _CLOCK, "CLOCK_FREQ_TOPOLOGY"):
        require(kind in list(ClockType), f"clock {_string(name)}: unknown type {kind}")
        yield Clock(_string(name), mhz, ClockType(kind))


def check(
    memories: Sequence[Memory], units: Sequence[Unit], connections: Sequence[Connection]
) -> None:
    """Raise ParameterError if a connection is out of range or memories overlap."""
    for one in connections:
        require(
            0 <= one.unit < len(units) and 0 <= one.memory < len(memories),
            f"connects unit {one.unit} of {len(units)} to memory {one.memory} of {len(memories)}",
        )
        own = units[one.unit].kernel == KERNEL_NAME
        count = len(ARGUMENTS) if own else ENTRIES_MAX
        require(
            0 <= one.argument < count,
            f"connects argument {one.argument} of unit {one.unit}, which has {count}",
        )
    last = 0
    for memory in sorted(memories, key=lambda memory: memory.base):
        if memory.used and memory.kind in ADDRESSED:
            require(
                last <= memory.base and memory.base + memory.size <= 1 << 64,
                f"has memory {memory.tag} at {memory.base:#x}, which overlaps another one",
            )
            last = memory.base + memory.size


def _table(counter: struct.Struct, row: struct.Struct, rows: Sequence[tuple[Any, ...]]) -> bytes:
    """A count followed by the rows."""
    require(
        len(rows) <= ENTRIES_MAX, f"has {len(rows)} entries in a section, at most {ENTRIES_MAX}"
    )
    try:
        return b"".join([counter.pack(len(rows)), *(row.pack(*values) for values in rows)])
    except struct.error as error:
        raise ParameterError(f"xclbin has a number that does not fit its field: {error}") from error


def _rows(
    content: bytes, counter: struct.Struct, row: struct.Struct, name: str
) -> Iterator[tuple[Any, ...]]:
    """Rows after a count."""
    require(len(content) >= counter.size, f"has an empty section {name}")
    (count,) = counter.unpack_from(content)
    end = counter.size + row.size * count
    require(
        0 <= count <= ENTRIES_MAX and end <= len(content),
        f"has {count} entries in section {name}, which is {len(content)} bytes long",
    )
    return row.iter_unpack(content[counter.size : end])


def _name(text: str, size: int) -> bytes:
    raw = text.encode("ascii", "replace")
    require(len(raw) < size, f"has a name {text!r}, at most {size - 1} bytes")
    return raw


def _string(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", "replace")
