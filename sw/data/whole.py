"""Whether an audio file is complete, judged by its header.

Decoders read a truncated file as far as it goes, without an error. `shortfall` knows WAV
(RIFF, RIFX, RF64), AIFF, AU and Ogg; decoders check the length of other kinds themselves.
"""

import struct
from collections.abc import Iterator

STREAMED = (0, 0x7FFF_FFFF, 0xFFFF_FFFF)
"""Sizes left by writers that cannot seek back to the header: the length is unknown."""
STREAMED_SLACK = 4096
"""Bytes by which such a size may be smaller, as some writers subtract the header."""

_OGG_PAGE = 27
_OGG_LAST = 4


def shortfall(content: bytes) -> str | None:
    """Describe what is missing of an audio file, in words; None if it is complete."""
    magic = content[:4]
    if magic in (b"RIFF", b"RIFX", b"RF64"):
        return _missing(_wav_end(content), len(content))
    if magic == b"FORM":
        return _missing(_data_end(content, b"SSND", ">"), len(content))
    if magic == b".snd" and len(content) >= 12:
        offset, size = struct.unpack(">II", content[4:12])
        return _missing(None if _streamed(size) else offset + size, len(content))
    if magic == b"OggS" and not _ogg_ends(content):
        return "its last page is missing"
    return None


def _missing(end: int | None, size: int) -> str | None:
    if end is None or end <= size:
        return None
    return f"its header promises {end} bytes, there are {size}"


def _streamed(size: int) -> bool:
    return any(value - STREAMED_SLACK <= size <= value for value in STREAMED[1:]) or size == 0


def _chunks(content: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of every chunk whose header is there."""
    at = 12
    while at + 8 <= len(content):
        (size,) = struct.unpack(f"{order}I", content[at + 4 : at + 8])
        yield content[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _data_end(content: bytes, name: bytes, order: str) -> int | None:
    for found, first, size in _chunks(content, order):
        if found == name:
            return None if _streamed(size) else first + size
    return None


def _wav_end(content: bytes) -> int | None:
    if content[:4] != b"RF64":
        return _data_end(content, b"data", ">" if content[:4] == b"RIFX" else "<")
    size = None
    for name, first, _ in _chunks(content, "<"):
        if name == b"ds64" and first + 16 <= len(content):
            (size,) = struct.unpack("<Q", content[first + 8 : first + 16])
        if name == b"data" and size is not None:
            return first + size
    return None


def _ogg_ends(content: bytes) -> bool:
    """Whether the last page is whole, and marked as the last."""
    at = content.rfind(b"OggS")
    header = content[at : at + _OGG_PAGE]
    if len(header) < _OGG_PAGE:
        return False
    segments = content[at + _OGG_PAGE : at + _OGG_PAGE + header[26]]
    whole = len(segments) == header[26] and at + _OGG_PAGE + len(segments) + sum(segments) <= len(
        content
    )
    return whole and bool(header[5] & _OGG_LAST)
