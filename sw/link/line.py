"""Requests to a board over a serial line, sent again until they are answered."""

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from twofold.hw.contract.closing import Closing
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.link import (
    FLAG,
    REFUSED,
    WORDS_MAX,
    Frame,
    Op,
    Space,
    address,
    decode,
)
from twofold.sw.errors import DeviceLostError, DeviceRefusedError, DeviceTimeoutError

ATTEMPTS = 12
ANSWER_SECONDS = 0.5
"""How long an answer may take beyond the time that its bytes are on the line."""
PENDING_MAX = 1 << 16
"""Bytes kept without a flag among them: more is no answer."""


class Port(Protocol):
    """What is used of `serial.Serial`."""

    def write(self, data: bytes, /) -> int | None: ...

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Line(Closing):
    """A board at the other end of a serial line. Use as a context manager, or `close` it.

    Parameters
    ----------
    name: for messages, as in ``serial:/dev/ttyUSB0``.
    port: open, with a short timeout for reads.
    baud: its rate.
    seconds: how long an answer may take.

    Every method raises DeviceLostError if the port fails, DeviceTimeoutError if nothing answers
    after `ATTEMPTS` requests, and DeviceRefusedError if the board refuses one.
    """

    def __init__(self, name: str, port: Port, baud: int, seconds: float = ANSWER_SECONDS) -> None:
        self.name = name
        self._port, self._baud, self._seconds = port, baud, seconds
        self._sequence, self._pending = 0, bytearray()
        self.repeated = 0

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def read(self, space: Space, word: int, count: int = 1) -> tuple[int, ...]:
        """Words from an address on."""
        found: list[int] = []
        while len(found) < count:
            size = min(count - len(found), WORDS_MAX)
            answer = self._ask(Op.READ, address(space, word + len(found)), (size,), size)
            if len(answer.words) != size:
                raise DeviceRefusedError(
                    f"{self.name}: {len(answer.words)} words in answer to {size}; is this the "
                    "bitstream of this release?"
                )
            found += answer.words
        return tuple(found)

    def write(self, space: Space, word: int, words: Sequence[int]) -> None:
        """Write words from an address on."""
        for at in range(0, len(words), WORDS_MAX):
            self._ask(Op.WRITE, address(space, word + at), tuple(words[at : at + WORDS_MAX]), 0)

    def _ask(self, op: Op, where: int, words: tuple[int, ...], answered: int) -> Frame:
        self._sequence = (self._sequence + 1) % 256
        request = Frame(op, self._sequence, where, words)
        content = request.encode()
        wait = self._seconds + 20 * (len(content) + 8 * answered) / self._baud
        for attempt in range(ATTEMPTS):
            self.repeated += attempt > 0
            self._send(content)
            answer = self._answer(request, wait)
            if answer is None:
                continue
            if not answer.answered:
                raise DeviceRefusedError(f"{self.name} refused {op.name.lower()} at {where:#010x}")
            return answer
        raise DeviceTimeoutError(
            f"{self.name} does not answer; is it the board's port, and does the board hold a "
            "bitstream of `twofold bitstream`?"
        )

    def _answer(self, request: Frame, seconds: float) -> Frame | None:
        """The answer to a request, None if none comes; answers to others are dropped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for body in self._bodies():
                found = decode(body)
                if found is None or (found.sequence, found.address) != (
                    request.sequence,
                    request.address,
                ):
                    continue
                if found.op in (request.op | 0x80, request.op | REFUSED):
                    return found
        return None

    def _bodies(self) -> Iterator[bytes]:
        """What lies between flags in all that has arrived; waits a moment if nothing has."""
        self._pending += self._receive()
        if len(self._pending) > PENDING_MAX:
            self._pending.clear()
        while (at := self._pending.find(FLAG)) >= 0:
            body = bytes(self._pending[:at])
            del self._pending[: at + 1]
            if body:
                yield body

    def _send(self, content: bytes) -> None:
        try:
            self._port.write(content)
        except OSError as error:
            raise self._lost(error) from error

    def _receive(self) -> bytes:
        try:
            return self._port.read(4096)
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> DeviceLostError:
        return DeviceLostError(f"{self.name}: the board went away ({error}); plug it in again")


def open_line(port: str, baud: int, seconds: float = ANSWER_SECONDS) -> Line:
    """A line on a port of this machine, as in ``/dev/ttyUSB0``.

    Raises ToolError if the package is missing, DeviceLostError if the port cannot be opened.
    """
    try:
        import serial
    except ModuleNotFoundError as error:
        raise ToolError("the package pyserial is missing; install the extra named ecp5") from error
    name = f"serial:{port}"
    try:
        opened = serial.Serial(port, baud, timeout=0.005, exclusive=True)
    except (OSError, ValueError) as error:
        raise DeviceLostError(f"{name} cannot be opened: {error}") from error
    return Line(name, opened, baud, seconds)
