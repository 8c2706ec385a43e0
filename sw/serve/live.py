"""Live audio over a WebSocket: samples in, windows and words out.

A client connects to ``/live/NAME?rate=HZ`` and gets one message about the network. It sends float32
samples, little-endian, one channel, in binary messages of any length up to `MESSAGE` bytes, and the
text ``end`` behind the last one. It gets JSON messages with windows, looks and words in the order
of time (`twofold.sw.serve.telling`); after ``end`` those that are left, then the connection closes.

What a client sends faster than it is computed, or than its answers are read, is not taken: it waits
at the client. A client that says nothing, or does not read, for the time of `Limits.idle` has gone.
"""

import asyncio
from collections import deque
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.data.audio import RATES, Samples, check_values
from twofold.sw.data.frontend import GRID
from twofold.sw.errors import AudioError, DeviceError
from twofold.sw.live import Decider, Streams
from twofold.sw.live.sources import Resampler
from twofold.sw.serve.batching import BusyError
from twofold.sw.serve.lens import Lens, Look
from twofold.sw.serve.limits import Limits
from twofold.sw.serve.model import Model
from twofold.sw.serve.protocol import ProtocolError
from twofold.sw.serve.telling import hello, look_told, window_told

MESSAGE = 1 << 18
"""Bytes of a message: a second and a third at 48 kHz."""
PIECE = 256
"""Samples that a stream gets at least, however short the messages are."""
END = "end"
NORMAL, UNSUPPORTED, POLICY, FAILED, RESTART, LATER = 1000, 1003, 1008, 1011, 1012, 1013
"""Codes with which a WebSocket closes."""
LAST_LOOK = 5.0
"""Seconds that the end of a session waits for the look at its last window."""
POLL = 0.02
"""Seconds between two looks at a stream that is full."""


class Live:
    """The live sessions of one model; all methods belong to one event loop.

    Parameters
    ----------
    name: of the model.
    model: takes audio, or raises AudioError when a session opens.
    """

    def __init__(self, name: str, model: Model, limits: Limits) -> None:
        self.name, self.model, self.limits = name, model, limits
        self.lens = Lens(model.network)
        self.sessions: set[Session] = set()
        self._streams: Streams | None = None

    @property
    def streams(self) -> Streams:
        """The streams of all sessions. Raises AudioError for a network that takes no audio."""
        if self._streams is None:
            how = self.model.network.decision
            self._streams = Streams(
                self.model.accelerator, self.model.network,
                every=how.hop // 64 * GRID, gate=how.gate, images=True,
            )  # fmt: skip
        return self._streams

    @property
    def windows(self) -> int:
        """Windows that were answered on all streams."""
        streams = self._streams
        return 0 if streams is None else streams.computed + streams.repeated + streams.gated

    async def serve(self, socket: WebSocket, rate: int, subprotocol: str | None) -> None:
        """Hear one client to its end. Raises AudioError before it is accepted."""
        session = Session(self, socket, rate)
        await socket.accept(subprotocol)
        self.sessions.add(session)
        try:
            await session.run()
        finally:
            self.sessions.discard(session)

    async def close(self) -> None:
        """End all sessions: what was heard is answered."""
        for session in self.sessions:
            session.stop()
        while self.sessions:
            await asyncio.sleep(POLL)
        if self._streams is not None:
            await asyncio.to_thread(self._streams.close)


class Session:
    """One client. Raises AudioError for a rate, or a network, that cannot be heard."""

    def __init__(self, live: Live, socket: WebSocket, rate: int) -> None:
        self._live, self._socket = live, socket
        self._loop = asyncio.get_running_loop()
        self._news, self._stopped = asyncio.Event(), asyncio.Event()
        self._looks: deque[Look] = deque(maxlen=64)
        self._asked = self._shown = -1
        self._pending: list[Samples] = []
        self._resampler = Resampler("the client", rate)
        self._decider = Decider(live.model.network, live.model.network.decision)
        self._stream = live.streams.open("the client", self._wake)

    def stop(self) -> None:
        """Hear nothing more; what was heard is answered."""
        self._stopped.set()

    async def run(self) -> None:
        """Until the client has ended or gone, or something failed."""
        hear = asyncio.create_task(self._hear())
        tell = asyncio.create_task(self._tell())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({hear, tell, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done() and not hear.done():
                hear.cancel()
                self._stream.end()
            elif hear.done():
                hear.result()
            await tell
            await self._socket.close(RESTART if stopped.done() else NORMAL)
        except TwofoldError as error:
            await self._refuse(error)
        except (WebSocketDisconnect, OSError, RuntimeError):
            pass  # the client has gone
        finally:
            self._stream.close()
            for task in (hear, tell, stopped):
                task.cancel()
            await asyncio.gather(hear, tell, stopped, return_exceptions=True)

    async def _hear(self) -> None:
        """Take samples until the client says that it has ended. Raises when it has gone."""
        while True:
            message = await self._within(self._socket.receive(), "nothing was sent")
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", NORMAL))
            text, content = message.get("text"), message.get("bytes")
            if content is not None:
                await self._take(content)
            elif text == END:
                await self._write(self._resampler.push(np.empty(0, np.float32), last=True), 1)
                self._stream.end()
                return
            else:
                raise ProtocolError(f"the text {str(text)[:40]!r} is not {END!r}")

    async def _take(self, content: bytes) -> None:
        if len(content) % 4:
            raise ProtocolError(f"{len(content)} bytes are no whole float32 samples")
        samples = np.frombuffer(content, "<f4").astype(np.float32)
        check_values("the client", samples)
        await self._write(self._resampler.push(samples), PIECE)

    async def _write(self, samples: Samples, least: int) -> None:
        """Write to the stream when it has room, and ``least`` samples have come together."""
        self._pending.append(samples)
        if sum(map(len, self._pending)) < least:
            return
        piece, self._pending = np.concatenate(self._pending), []
        while not self._stream.room:
            await asyncio.sleep(POLL)
        self._stream.write(piece)

    async def _tell(self) -> None:
        """Send what there is to say until the stream has ended."""
        model = self._live.model
        await self._send(hello(self._live.name, model))
        while True:
            self._news.clear()
            windows = self._stream.read(0)
            told = [window_told(model.network, window, self._decider) for window in windows]
            for window in windows:
                if window.logits is not None and window.image is not None:
                    self._asked = window.index
                    self._live.lens.look(window.index, window.image, self._show)
            looks = [look_told(self._looks.popleft()) for _ in range(len(self._looks))]
            if told or looks:
                await self._send({"windows": told, "looks": looks, "served": self._live.windows})
            elif not self._stream.done:
                await self._news.wait()
            elif self._shown == self._asked or not await self._last_look():
                return

    async def _last_look(self) -> bool:
        """Whether there is still something to say once the stream has ended."""
        try:
            await asyncio.wait_for(self._news.wait(), LAST_LOOK)
        except asyncio.TimeoutError:
            return False
        return True

    async def _send(self, tree: dict[str, Any]) -> None:
        await self._within(self._socket.send_json(tree), "answers were not read")

    async def _within(self, doing: Any, otherwise: str) -> Any:
        try:
            return await asyncio.wait_for(doing, self._live.limits.idle)
        except asyncio.TimeoutError as error:
            idle = self._live.limits.idle
            raise ProtocolError(f"{otherwise} for {idle} s", 408) from error

    async def _refuse(self, error: TwofoldError) -> None:
        """Say what went wrong, as far as the client reads it."""
        code = POLICY
        if isinstance(error, AudioError):
            code = UNSUPPORTED
        elif isinstance(error, BusyError):
            code = LATER
        elif isinstance(error, DeviceError):
            code = FAILED
        try:
            await asyncio.wait_for(self._socket.send_json({"error": str(error)}), 1)
            await asyncio.wait_for(self._socket.close(code), 1)
        except (WebSocketDisconnect, OSError, RuntimeError, asyncio.TimeoutError):
            pass

    def _show(self, look: Look) -> None:
        self._shown = look.index
        self._looks.append(look)
        self._news.set()

    def _wake(self) -> None:
        """Called by the thread that computes."""
        self._loop.call_soon_threadsafe(self._news.set)


def rate_of(text: str) -> int:
    """Samples a second that a client says it sends. Raises ProtocolError."""
    low, high = RATES
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:9]) <= high:
        raise ProtocolError(f"rate is {text[:20]!r}, needs {low}..{high} samples a second")
    return int(text)


def hears(network: QuantizedNetwork) -> bool:
    """Whether a network finds words in audio."""
    return network.front_end is not None and network.network.labelled
