"""Parameter image: the packed weights file that is loaded into a running machine.

A sequence of little-endian 32-bit words; its length is a multiple of 16 words (64 bytes):

=================  ====================================================================
word               content
=================  ====================================================================
0                  magic ``"2FLD"``
1                  format version
2                  length of the whole image in bytes
3                  number of sections
4..11              fingerprint of network and folding (SHA-256)
12..               sections
then               zeros up to a multiple of 16 words less one
last               CRC-32 (as in zlib) of everything before it
=================  ====================================================================

A section is a header word, a count word and its data. The header holds the stage in bits 0..7, the
table kind in bits 8..15 and the lane in bits 16..31; the count is the number of elements, which are
stored from lane address 0 upwards. 16-bit elements are packed two per word, the lower address in
the lower half; after an odd number of elements, the last half is zero.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from twofold.hw.contract.errors import FoldingError, ParameterError
from twofold.hw.contract.folding import Plan
from twofold.hw.contract.tables import Table, TableKind, tables

MAGIC = int.from_bytes(b"2FLD", "little")
VERSION = 1
HEADER_WORDS = 12
ALIGN_BYTES = 64
FINGERPRINT_BYTES = 32
LENGTH_MAX = 1 << 26

_CODES = {(16, False): "H", (16, True): "h", (32, False): "I", (32, True): "i"}


class ParameterStatus(IntEnum):
    """The machine's verdict on the last image that it was given."""

    NONE = 0
    OK = 1
    BAD_MAGIC = 2
    BAD_VERSION = 3
    BAD_LENGTH = 4
    BAD_FINGERPRINT = 5
    BAD_SECTION = 6
    BAD_CRC = 7


@dataclass(frozen=True)
class Section:
    """One lane of one table: ``values`` are plain integers in the range of the table's elements."""

    table: Table
    lane: int
    values: Sequence[int]


def expected_sections(plans: Sequence[Plan]) -> list[tuple[Table, int]]:
    """Table and lane of every section, in file order."""
    return [
        (table, lane) for plan in plans for table in tables(plan) for lane in range(table.lanes)
    ]


def parameter_bytes(plans: Sequence[Plan]) -> int:
    """Length of the parameter image of a machine with these ``plans``."""
    words = HEADER_WORDS + 1
    for table in (table for plan in plans for table in tables(plan)):
        words += table.lanes * (2 - (-table.depth * table.element_bits // 32))
    return 4 * words + -(4 * words) % ALIGN_BYTES


def check_image_fits(plans: Sequence[Plan]) -> None:
    """Raise FoldingError if the machine's parameter image would be too long to be loaded."""
    length = parameter_bytes(plans)
    if length > LENGTH_MAX:
        raise FoldingError(
            f"folding: its parameter image would be {length} bytes long, at most {LENGTH_MAX}; "
            "take a smaller or a sparser network"
        )


def pack(sections: Sequence[Section], fingerprint: bytes) -> bytes:
    """Pack sections into an image.

    Raises ParameterError if a section has the wrong number of elements, a value does not fit its
    element, or the image gets too long.
    """
    body = b"".join(_pack_section(section) for section in sections)
    length = 4 * HEADER_WORDS + len(body) + 4
    length += -length % ALIGN_BYTES
    if length > LENGTH_MAX:
        raise ParameterError(f"parameter image would be {length} bytes long, at most {LENGTH_MAX}")
    header = struct.pack("<4I", MAGIC, VERSION, length, len(sections)) + fingerprint
    content = (header + body).ljust(length - 4, b"\0")
    return content + struct.pack("<I", zlib.crc32(content))


def _pack_section(section: Section) -> bytes:
    table, count = section.table, len(section.values)
    low, high = table.limits
    name = f"stage {table.stage} {table.kind.name} lane {section.lane}"
    if count != table.depth:
        raise ParameterError(f"{name}: has {count} elements, the table has {table.depth}")
    for value in (min(section.values), max(section.values)):
        if not low <= value < high:
            raise ParameterError(f"{name}: {value} is outside {low}..{high - 1}")
    data = struct.pack(f"<{count}{_CODES[table.element_bits, table.signed]}", *section.values)
    header = struct.pack("<2I", table.stage | table.kind << 8 | section.lane << 16, count)
    return header + data.ljust(len(data) + -len(data) % 4, b"\0")


def unpack(image: bytes, plans: Sequence[Plan], fingerprint: bytes) -> list[Section]:
    """Read an image meant for the machine with ``plans`` and ``fingerprint``; untrusted input.

    Raises ParameterError naming the first rule broken.
    """
    check(image, fingerprint)
    expected = expected_sections(plans)
    _require(
        _word(image, 3) == len(expected),
        f"holds {_word(image, 3)} sections, this machine needs {len(expected)}",
    )
    sections, at = [], 4 * HEADER_WORDS
    for table, lane in expected:
        section, at = _unpack_section(image, at, table, lane)
        sections.append(section)
    _require(not any(image[at : len(image) - 4]), "has non-zero bytes behind the last section")
    return sections


def check(image: bytes, fingerprint: bytes | None = None) -> None:
    """Check magic, version, length, checksum and, if given, the fingerprint.

    The checksum is checked before the fingerprint: in a corrupt image nothing else is meaningful.
    Raises ParameterError naming the first rule broken.
    """
    _require(
        len(image) >= 4 * (HEADER_WORDS + 1), f"is {len(image)} bytes long, shorter than a header"
    )
    _require(
        _word(image, 0) == MAGIC, "does not start with the magic '2FLD'; is it a parameter image?"
    )
    _require(
        _word(image, 1) == VERSION,
        f"has format version {_word(image, 1)}, this program reads {VERSION}",
    )
    _require(
        _word(image, 2) == len(image)
        and len(image) % ALIGN_BYTES == 0
        and len(image) <= LENGTH_MAX,
        f"says it is {_word(image, 2)} bytes long and is {len(image)}; needs a multiple of "
        f"{ALIGN_BYTES}, at most {LENGTH_MAX}",
    )
    crc = zlib.crc32(image[:-4])
    _require(
        crc == _word(image, len(image) // 4 - 1),
        f"is damaged: its CRC-32 should be {crc:08x}; pack it again",
    )
    if fingerprint is not None:
        found = image[16 : 16 + FINGERPRINT_BYTES]
        _require(
            found == fingerprint,
            f"was packed for machine {found.hex()[:12]}, this one is {fingerprint.hex()[:12]}; "
            "pack it for this folding",
        )


def _unpack_section(image: bytes, at: int, table: Table, lane: int) -> tuple[Section, int]:
    name = f"section of stage {table.stage} {table.kind.name} lane {lane}"
    _require(at + 8 <= len(image) - 4, f"ends before the {name}")
    header, count = struct.unpack_from("<2I", image, at)
    _require(
        header == table.stage | table.kind << 8 | lane << 16 and count == table.depth,
        f"has header {header:#010x} with {count} elements in place of the {name} "
        f"with {table.depth}",
    )
    size = count * table.element_bits // 8
    end = at + 8 + size + -size % 4
    _require(end <= len(image) - 4, f"ends inside the {name}")
    code = _CODES[table.element_bits, table.signed]
    values = struct.unpack_from(f"<{count}{code}", image, at + 8)
    low, high = table.limits
    _require(
        low <= min(values) and max(values) < high,
        f"has a value outside {low}..{high - 1} in the {name}",
    )
    return Section(table, lane, values), end


def _word(image: bytes, index: int) -> int:
    return int.from_bytes(image[4 * index : 4 * index + 4], "little")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ParameterError(f"parameter image {message}")


__all__ = [
    "ALIGN_BYTES",
    "FINGERPRINT_BYTES",
    "HEADER_WORDS",
    "LENGTH_MAX",
    "MAGIC",
    "VERSION",
    "ParameterStatus",
    "Section",
    "TableKind",
    "check",
    "check_image_fits",
    "expected_sections",
    "pack",
    "parameter_bytes",
    "unpack",
]  # fmt: skip
