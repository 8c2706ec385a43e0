"""The device process: answers XRT's calls with an emulated card.

XRT starts it and waits on a socket for it to connect. It ends when the host closes the device, or
when the host is gone.

Uses only the standard library, because it is shipped inside the bitstream.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from twofold.sim.emulation.card import Card, CardError, read_plan
from twofold.sim.emulation.protocol import Api, Fields, Message, ProtocolError, call, receive, reply

PLAN, LIBRARY = "card.json", "kernel.so"
CONNECT_SECONDS = 60.0
CHECK_SECONDS = 1.0
"""Interval of the check whether the host is still alive."""
SLICE_SECONDS = 0.002
"""Simulation time between two polls of the socket."""
ACCESS_CYCLES = 256
"""Cycles that pass while the host reads a register, about a microsecond."""
EXIT_FAILED = 6


class Server:
    """Answers calls on a card.

    Parameters
    ----------
    card: card to drive.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self._unknown: set[int] = set()
        self._busy = False
        self._slice = 256

    def serve(self, connection: socket.socket, host: int) -> None:
        """Answer until the host closes the device or is gone.

        Raises ProtocolError and CardError.
        """
        while True:
            if not self._wait(connection, host):
                return
            message = receive(connection)
            if message is None:
                return
            answer = self.answer(message)
            try:
                connection.sendall(reply(answer))
            except ConnectionError:
                return
            if message.api == Api.CLOSE:
                return

    def _wait(self, connection: socket.socket, host: int) -> bool:
        """Run the card until there is a call; False if the host is gone."""
        while True:
            seconds = 0.0 if self._busy else CHECK_SECONDS
            if select.select([connection], [], [], seconds)[0]:
                return True
            if self._busy:
                self._run()
            elif not _alive(host):
                return False

    def _run(self) -> None:
        """Simulate a slice of cycles, adapting its length to `SLICE_SECONDS`."""
        begun = time.perf_counter()
        self._busy = self.card.step(self._slice) > 0
        seconds = time.perf_counter() - begun
        if self._busy:
            self._slice = max(16, round(self._slice * min(2.0, SLICE_SECONDS / max(seconds, 1e-6))))

    def answer(self, message: Message) -> Fields:
        """Fields of the reply. Raises ProtocolError if the call lacks a field, and CardError."""
        fields = message.fields
        if message.api in (Api.CLOSE, Api.ALLOCATE, Api.FREE, Api.ENVIRONMENT):
            return {1: 1}
        if message.api in (Api.WRITE_BUFFER, Api.WRITE_MEMORY):
            content = _content(fields, 4)
            self.card.write(_number(fields, 3) + _number(fields, 6, 0), content)
            return {1: len(content)}
        if message.api in (Api.READ_BUFFER, Api.READ_MEMORY):
            size = _number(fields, 5)
            content = self.card.read(_number(fields, 4) + _number(fields, 6, 0), size)
            return {1: size, 2: content}
        if message.api == Api.WRITE_REGISTERS:
            known = self.card.write_registers(_number(fields, 2), bytes(_content(fields, 4)))
            self._busy = True
            return {1: int(known)}
        if message.api == Api.READ_REGISTERS:
            return self._read_registers(_number(fields, 2), _number(fields, 3))
        if message.api == Api.TIMESTAMP:
            return {1: self.card.cycles}
        if message.api not in (Api.MESSAGES, *self._unknown):
            self._unknown.add(message.api)
            _say(f"call {message.api} is unknown; the reply is empty")
        return {}

    def _read_registers(self, address: int, size: int) -> Fields:
        if self._busy:
            self._busy = self.card.step(ACCESS_CYCLES) > 0
        content = self.card.read_registers(address, size)
        return {1: int(content is not None), 2: content or bytes(size)}


def connect(path: str, host: int) -> socket.socket:
    """Connect to a socket that the host is about to listen on. Raises ProtocolError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            connection.connect(path)
            return connection
        except OSError as error:
            if time.monotonic() > end or not _alive(host):
                connection.close()
                raise ProtocolError(f"no connection to the host at {path}: {error}") from error
            time.sleep(0.01)


def main(arguments: Sequence[str] = ()) -> int:
    """Run the device process: arguments are the directory of plan and library, and the host's
    process id; XRT passes the socket in the environment. Returns the exit code.
    """
    directory, host = Path(arguments[0]).absolute(), int(arguments[1])
    name = os.environ.get("EMULATION_SOCKETID", "")
    user = os.environ.get("USER")
    try:
        plan = read_plan((directory / PLAN).read_text(encoding="utf-8"))
        card = Card(directory / LIBRARY, plan)
        connection = connect(f"/tmp/{user}/{name}" if user else "/tmp/xcl_sock", host)
        back = connect(f"/tmp/{user}/D2X_unix_sock_{name}", host) if user else None
        Server(card).serve(connection, host)
        if back is not None:
            _release(back)
    except (ProtocolError, CardError, OSError, ValueError) as error:
        _say(" ".join(str(error).split()))
        return EXIT_FAILED
    return 0


def _release(back: socket.socket) -> None:
    """Signal to the host's second thread that the card sends nothing more."""
    try:
        back.sendall(call(Api.CLOSE, {}))
    except ConnectionError:
        return


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _say(line: str) -> None:
    print(f"twofold emulation: {line}", file=sys.stderr, flush=True)


def _number(fields: Fields, field: int, default: int | None = None) -> int:
    value = fields.get(field, default)
    if not isinstance(value, int):
        raise ProtocolError(f"call lacks the number in field {field}")
    return value


def _content(fields: Fields, field: int) -> bytes | memoryview:
    value = fields.get(field)
    if value is None or isinstance(value, int):
        raise ProtocolError(f"call lacks the bytes in field {field}")
    return value
