"""What arrives while it is read: sound on standard input, a board's answers, requests over HTTP."""

import io
import json
from collections.abc import Sequence
from math import prod
from pathlib import Path

from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.link import (
    ANSWER,
    MAGIC,
    VERSION,
    Frame,
    Op,
    Space,
    Word,
    address,
    words_of,
)
from twofold.hw.contract.machine import Machine
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.link.board import BoardEngine
from twofold.sw.link.line import Line
from twofold.sw.live.sources import byte_pieces
from twofold.sw.serve.protocol import parse

QUIET = 40
"""Reads without an answer, after which a board is given up."""


class RecordedPort:
    """A serial port that says what was recorded, whatever it is asked."""

    def __init__(self, content: bytes) -> None:
        self._file, self._quiet = io.BytesIO(content), 0

    def write(self, data: bytes, /) -> int:
        """Take a request."""
        return len(data)

    def read(self, size: int, /) -> bytes:
        """The next bytes; after `QUIET` empty answers the board is gone. Raises OSError."""
        found = self._file.read(min(size, 64))
        self._quiet += not found
        if self._quiet > QUIET:
            raise OSError("unplugged")
        return found

    def close(self) -> None:
        """Do nothing."""


def answers(machine: Machine) -> bytes:
    """What a board with ``machine`` says when it is opened."""
    words = [0] * (Word.CLOCK_HZ + 1)
    words[Word.MAGIC], words[Word.VERSION] = MAGIC, VERSION
    held = words_of(fingerprint(machine.network, machine.folding))
    words[Word.FINGERPRINT : Word.FINGERPRINT + len(held)] = held
    words[Word.CAPACITY], words[Word.CLOCK_HZ] = 64, 50_000_000
    where = address(Space.CONTROL, 0)
    return Frame(Op.READ | ANSWER, 1, where, tuple(words)).encode()


def read_answers(machine: Machine, path: Path) -> object:
    """Open the board that says what is in the file."""
    line = Line("recorded", RecordedPort(path.read_bytes()), 3_000_000, 0.01)
    return BoardEngine(line, machine.network, machine.folding)


def read_sound(path: Path) -> object:
    """A recording, or raw samples, as they come on standard input."""
    with path.open("rb") as file:
        return [len(piece) for piece in byte_pieces(file, 16_000)]


def requests(shape: Sequence[int]) -> list[bytes]:
    """Bodies of requests: a tensor as JSON, and one in binary behind the length of the JSON."""
    size = prod(shape)
    tensor = {"name": "input", "datatype": "UINT8", "shape": [1, *shape]}
    plain = json.dumps({"id": "a", "inputs": [tensor | {"data": [7] * size}]})
    binary = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": size}}]})
    return [plain.encode(), f"{len(binary)}\n{binary}".encode() + b"\7" * size]


def read_request(quantized: QuantizedNetwork, path: Path) -> object:
    """A request; its first line is the header with the length of the JSON, where it is a number."""
    content = path.read_bytes()
    first, newline, rest = content.partition(b"\n")
    if newline and not first.lstrip().startswith(b"{"):
        return parse(quantized.network, rest, first.decode("latin-1"))
    return parse(quantized.network, content, None)
