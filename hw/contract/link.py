"""The serial link to a machine on a board: frames, and the words that they read and write.

The host asks, the machine answers: one answer for each request, and nothing else. A frame is

    FLAG  op  sequence  address (4 bytes)  words (4 bytes each)  CRC-32 (4 bytes)  FLAG

with everything little-endian and the checksum, as in zlib, over all bytes before it. Between flags
a byte that equals `FLAG` or `ESCAPE` is sent as `ESCAPE` and the byte XOR `FLIP`, so that a flag is
always the end of a frame: whatever was lost or damaged, the next frame is read again.

Machines drop frames that are damaged; the host sends its request again when no answer comes.
Every request may therefore be carried out twice without harm: words have addresses, also those of a
parameter image, and a run has a number.

An address is a space in the upper 8 bits and a word within it.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from twofold.hw.contract.network import Network
from twofold.hw.contract.regs import sample_bytes
from twofold.hw.contract.results import ResultRow

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
HEADER_BYTES = 6
CHECK_BYTES = 4
WORD_BYTES = 4
WORDS_MAX = 256
"""Words in a frame."""
SPACE_BITS, ADDRESS_BITS = 8, 24
MAGIC = int.from_bytes(b"2FLK", "little")
VERSION = 1


class Op(IntEnum):
    """What a request asks for; an answer has `ANSWER` added, or `REFUSED`."""

    WRITE = 1
    READ = 2


ANSWER, REFUSED = 0x80, 0xC0


class Space(IntEnum):
    """What an address is in."""

    CONTROL = 0
    IMAGE = 1
    SAMPLES = 2
    RESULTS = 3
    COUNTERS = 4


class Word(IntEnum):
    """Words of the space ``CONTROL`` that can be read. Values of 64 bits begin with the low half.

    ``STATE``: see `State`. ``IMAGE_WORDS``: words of the current image that have been taken.
    ``RUN``: number of the last run that began. ``CYCLES``, ``LATENCY``: of the last run:
    cycles from its first input to its last result, and to its first one. ``DONE``: its results.
    ``DROPPED``: damaged frames so far.
    """

    MAGIC = 0
    VERSION = 1
    SAMPLE_BYTES = 2
    OUTPUTS = 3
    FINGERPRINT = 4
    CAPACITY = 12
    CLOCK_HZ = 13
    STATE = 14
    PARAMETER_STATUS = 15
    IMAGE_WORDS = 16
    RUN = 17
    CYCLES = 18
    LATENCY = 20
    DONE = 22
    DROPPED = 23


WORDS = 24
"""Words of the space ``CONTROL``."""


class Command(IntEnum):
    """Words of the space ``CONTROL`` that can be written.

    ``RESET``: the machine forgets image and runs. ``IMAGE``: words of the image that follows.
    ``SAMPLES``, ``ROUNDS``: of the next run. ``START``: its number; begins it, unless it is that of
    the last one. Refused while no image is loaded, while a run is under way, and with no samples,
    no rounds, or more samples than the machine keeps.
    """

    RESET = 0
    IMAGE = 1
    SAMPLES = 2
    ROUNDS = 3
    START = 4


class State(IntEnum):
    """Bits of the word ``STATE``."""

    RUNNING = 1
    LOADING = 2


@dataclass(frozen=True)
class Frame:
    """A request or an answer.

    Attributes
    ----------
    op: as sent, with `ANSWER` or `REFUSED` in answers.
    sequence: 0..255; an answer has its request's.
    address: space and word.
    words: what is written, what was read, or, in a request to read, how many words.
    """

    op: int
    sequence: int
    address: int
    words: tuple[int, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether it says that a request was carried out."""
        return self.op & REFUSED == ANSWER

    def encode(self) -> bytes:
        """The bytes on the line, with a flag at both ends."""
        body = struct.pack("<BBI", self.op, self.sequence, self.address)
        body += struct.pack(f"<{len(self.words)}I", *self.words)
        body += struct.pack("<I", zlib.crc32(body))
        return bytes([FLAG, *_escaped(body), FLAG])


def address(space: Space, word: int) -> int:
    """Address of a word."""
    return space << ADDRESS_BITS | word


def _escaped(body: bytes) -> Iterator[int]:
    for byte in body:
        if byte in (FLAG, ESCAPE):
            yield ESCAPE
            yield byte ^ FLIP
        else:
            yield byte


def decode(body: bytes) -> Frame | None:
    """The frame between two flags, without their bytes but with escapes; None if it is damaged."""
    plain, escaped = bytearray(), False
    for byte in body:
        if byte == ESCAPE:
            escaped = True
            continue
        plain.append(byte ^ FLIP if escaped else byte)
        escaped = False
    count, rest = divmod(len(plain) - HEADER_BYTES - CHECK_BYTES, WORD_BYTES)
    if escaped or rest or not 0 <= count <= WORDS_MAX:
        return None
    (check,) = struct.unpack_from("<I", plain, len(plain) - CHECK_BYTES)
    if check != zlib.crc32(plain[:-CHECK_BYTES]):
        return None
    op, sequence, where = struct.unpack_from("<BBI", plain)
    return Frame(op, sequence, where, struct.unpack_from(f"<{count}I", plain, HEADER_BYTES))


def sample_words(network: Network, input_bytes: int) -> int:
    """Words of a sample in the space ``SAMPLES``: whole beats of the machine's input, and zeros."""
    beats = -(-sample_bytes(network) // input_bytes)
    return -(-beats * input_bytes // WORD_BYTES)


def result_words(row: ResultRow) -> int:
    """Words of a result in the space ``RESULTS``: outputs and label, or a row as in memory."""
    return row.outputs + row.labelled if row.beats == 1 else row.columns


def words_of(content: bytes) -> tuple[int, ...]:
    """Bytes as words, filled up with zeros."""
    filled = content.ljust(-(-len(content) // WORD_BYTES) * WORD_BYTES, b"\0")
    return struct.unpack(f"<{len(filled) // WORD_BYTES}I", filled)


def bytes_of(words: Iterable[int]) -> bytes:
    """Words as bytes."""
    found: Sequence[int] = tuple(words)
    return struct.pack(f"<{len(found)}I", *found)
