"""The host's end of a serial line, with an answering end in this process that errs on purpose."""

from collections.abc import Callable

import pytest

from twofold.hw.contract.link import ANSWER, FLAG, REFUSED, Frame, Op, Space, decode
from twofold.sw.errors import DeviceLostError, DeviceRefusedError, DeviceTimeoutError
from twofold.sw.link.line import ATTEMPTS, Line, open_line


class Memory:
    """Words behind a port; ``spoil`` says what becomes of the bytes of each answer."""

    def __init__(self, spoil: Callable[[int, bytes], bytes] = lambda _, content: content) -> None:
        self.words: dict[int, int] = {}
        self.spoil, self.requests, self.closed = spoil, 0, False
        self._waiting = b""

    def write(self, data: bytes) -> int:
        for body in data.split(bytes([FLAG])):
            request = decode(body) if body else None
            if request is not None:
                self._waiting += self.spoil(self.requests, self._answer(request).encode())
                self.requests += 1
        return len(data)

    def _answer(self, request: Frame) -> Frame:
        if request.op == Op.WRITE:
            if any(word == 13 for word in request.words):
                return Frame(request.op | REFUSED, request.sequence, request.address)
            for at, word in enumerate(request.words):
                self.words[request.address + at] = word
            return Frame(request.op | ANSWER, request.sequence, request.address)
        found = (self.words.get(request.address + at, 0) for at in range(request.words[0]))
        return Frame(request.op | ANSWER, request.sequence, request.address, tuple(found))

    def read(self, size: int) -> bytes:
        found, self._waiting = self._waiting[:size], self._waiting[size:]
        return found

    def close(self) -> None:
        self.closed = True


def line(memory: Memory) -> Line:
    return Line("serial:test", memory, 3_000_000, seconds=0.01)


def test_words_are_written_and_read_in_frames():
    memory = Memory()
    with line(memory) as opened:
        opened.write(Space.SAMPLES, 5, range(100, 700))
        assert opened.read(Space.SAMPLES, 5, 600) == tuple(range(100, 700))
        assert memory.requests == 6 and opened.repeated == 0
    assert memory.closed


@pytest.mark.parametrize(
    "spoil",
    [
        lambda at, content: content if at % 3 else b"",
        lambda at, content: content if at % 3 else content[:7],
        lambda at, content: content if at % 3 else content[:7] + b"\0" + content[8:],
        lambda at, content: b"\x7e\x7d\x7e noise" + (content if at % 2 else b""),
    ],
    ids=("lost", "half", "damaged", "noise"),
)
def test_what_is_not_answered_is_asked_again(spoil):
    memory = Memory(spoil)
    with line(memory) as opened:
        for at in range(6):
            opened.write(Space.SAMPLES, at, (at * 1000,))
            assert opened.read(Space.SAMPLES, at) == (at * 1000,)
        assert opened.repeated > 0


def test_a_doubled_answer_is_not_taken_for_another():
    memory = Memory(lambda _, content: 3 * content)
    with line(memory) as opened:
        for at in range(5):
            opened.write(Space.SAMPLES, 0, (at,))
            assert opened.read(Space.SAMPLES, 0) == (at,)
        assert opened.repeated == 0


def test_silence_is_an_error():
    memory = Memory(lambda *_: b"")
    with line(memory) as opened, pytest.raises(DeviceTimeoutError, match="does not answer"):
        opened.read(Space.CONTROL, 0)
    assert memory.requests == ATTEMPTS


def test_a_refusal_is_an_error():
    with line(Memory()) as opened, pytest.raises(DeviceRefusedError, match="refused write at 0x02"):
        opened.write(Space.SAMPLES, 0, (13,))


def test_a_port_that_fails_is_lost():
    class Gone(Memory):
        def read(self, size: int) -> bytes:
            raise OSError(f"no such device, {size} bytes wanted")

    with line(Gone()) as opened, pytest.raises(DeviceLostError, match="went away"):
        opened.read(Space.CONTROL, 0)


def test_a_port_that_is_not_there(tmp_path):
    pytest.importorskip("serial")
    with pytest.raises(DeviceLostError, match="cannot be opened"):
        open_line(str(tmp_path / "ttyUSB9"), 3_000_000)
