"""AXLF, the container format of an ``.xclbin``: a header and sections of bytes. The content of the
sections that the runtime uses is defined in `twofold.hw.xclbin.xclbin`.

All numbers are little-endian. The layout is 304 bytes of magic and signature, a 152-byte header, a
table with 40 bytes per section, and the sections, each aligned to 8 bytes.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from twofold.hw.contract.errors import ParameterError

MAGIC = b"xclbin2\0"
UNSIGNED = -1
PREFIX = struct.Struct("<8si28s256sQ")
HEADER = struct.Struct("<QQQHBBHH16s64s16s16sI4x")
ENTRY = struct.Struct("<I16s4xQQ")
ALIGN = 8
SECTIONS_MAX = 256
LENGTH_MAX = 1 << 30
NAME_BYTES = 63
"""Maximum length of a platform name; one byte is left for the terminator."""


class Kind(IntEnum):
    """Sections that Twofold writes or reads; all others are skipped."""

    BITSTREAM = 0
    EMBEDDED_METADATA = 2
    MEM_TOPOLOGY = 6
    CONNECTIVITY = 7
    IP_LAYOUT = 8
    CLOCK_FREQ_TOPOLOGY = 11
    BUILD_METADATA = 14
    KEYVALUE_METADATA = 15


class Mode(IntEnum):
    """What the bitstream is for."""

    FLAT = 0
    PARTIAL = 1
    TANDEM_STAGE2 = 2
    TANDEM_STAGE2_WITH_PR = 3
    HW_EMU = 4
    SW_EMU = 5
    HW_EMU_PR = 6


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container whose sections are not interpreted.

    Parameters
    ----------
    mode: what the bitstream is for.
    platform: name of the shell that it runs on, up to 63 ASCII characters.
    uuid: 16 bytes; bitstreams with the same one are considered the same.
    sections: content by kind; unknown kinds are kept as plain integers.
    """

    mode: int
    platform: str
    uuid: bytes
    sections: Mapping[int, bytes] = field(default_factory=dict)

    def section(self, kind: Kind) -> bytes:
        """Content of a section. Raises ParameterError if it is missing."""
        require(kind in self.sections, f"has no section {kind.name}")
        return self.sections[kind]


def encode(container: Container) -> bytes:
    """Serialise a container. Raises ParameterError if something does not fit."""
    platform = container.platform.encode("ascii", "replace")
    require(len(platform) <= NAME_BYTES, f"platform is {platform!r}, at most {NAME_BYTES} bytes")
    require(len(container.uuid) == 16, f"uuid is {len(container.uuid)} bytes long, needs 16")
    require(len(container.sections) <= SECTIONS_MAX, f"has more than {SECTIONS_MAX} sections")
    at = PREFIX.size + HEADER.size + ENTRY.size * len(container.sections)
    table, body = [], []
    for kind, content in container.sections.items():
        gap = -at % ALIGN
        at += gap
        table.append(ENTRY.pack(kind, _section_name(kind), at, len(content)))
        body += [bytes(gap), content]
        at += len(content)
    require(at <= LENGTH_MAX, f"would be {at} bytes long, at most {LENGTH_MAX}")
    prefix = PREFIX.pack(MAGIC, UNSIGNED, b"\xff" * 28, b"\xff" * 256, 0)
    header = HEADER.pack(
        at, 0, 0, 0, 2, 0, container.mode, 0, bytes(16), platform, container.uuid, b"",
        len(container.sections),
    )  # fmt: skip
    return b"".join([prefix, header, *table, *body])


def decode(content: bytes) -> Container:
    """Parse a container; untrusted input. Raises ParameterError naming the first rule broken."""
    start = PREFIX.size + HEADER.size
    require(len(content) >= start, f"is {len(content)} bytes long, shorter than its header")
    magic = content[: len(MAGIC)]
    require(magic == MAGIC, "does not start with 'xclbin2'; is it an .xclbin file?")
    length, *_, mode, _, _, platform, uuid, _, count = HEADER.unpack_from(content, PREFIX.size)
    require(
        length == len(content) and length <= LENGTH_MAX,
        f"says it is {length} bytes long and is {len(content)}; copy or build it again",
    )
    require(count <= SECTIONS_MAX, f"has {count} sections, at most {SECTIONS_MAX}")
    end = start + ENTRY.size * count
    require(end <= length, "ends inside its table of sections")
    sections: dict[int, bytes] = {}
    for kind, offset, size in _entries(content, start, end):
        require(kind not in sections, f"has two sections of kind {kind}")
        sections[kind] = content[offset : offset + size]
    name = platform.split(b"\0", 1)[0]
    require(name.isascii(), f"names a platform {name!r} that is not ASCII")
    return Container(mode=mode, platform=name.decode(), uuid=uuid, sections=sections)


def _entries(content: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Kind, offset and size of every section; they must neither overlap nor exceed the file."""
    entries = [(kind, at, size) for kind, _, at, size in ENTRY.iter_unpack(content[start:end])]
    last = end
    for kind, at, size in sorted(entries, key=lambda entry: entry[1:]):
        require(
            last <= at and at + size <= len(content),
            f"has a section of kind {kind} at {at}..{at + size}, which is not between {last} and"
            f" {len(content)}",
        )
        last = at + size
    return entries


def _section_name(kind: int) -> bytes:
    """Name of a section, for display only."""
    return Kind(kind).name.lower().encode()[:15] if kind in list(Kind) else b""


def require(condition: bool, message: str) -> None:
    """Raise ParameterError about the file unless ``condition`` holds."""
    if not condition:
        raise ParameterError(f"xclbin {message}")
