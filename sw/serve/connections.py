"""Connections that cost nothing for long: neither many of them, nor those that say nothing."""

import asyncio
import socket

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

SPARE = 64
"""Connections above the limit that are still told so; beyond, they are closed at once."""


FRAGMENTS = 1024
"""Frames of a message; empty ones do not count towards its size."""
SENDING = 1 << 16
"""Bytes that the system keeps for a client which does not read."""
LINGER = 5
"""Seconds that a client has to read what is left at the end."""
UNREAD = 1 << 20
"""Bytes that may wait for a client that pings and does not read."""


class Connection(H11Protocol):
    """Closes connections on which no request is complete for the time of keep-alive.

    uvicorn's own timer runs behind an answer only, and any byte stops it.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{type(transport).__name__} carries no HTTP")
        super().connection_made(transport)
        limit = self.limit_concurrency
        if limit is not None and len(self.connections) > limit + SPARE:
            transport.abort()
            return
        self._seen = self.cycle
        self._later()

    def _later(self) -> None:
        self.loop.call_later(self.timeout_keep_alive, self._watch)

    def _watch(self) -> None:
        """Close the connection if no request has come in since the last time."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return  # closed, or a WebSocket by now
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.cycle is self._seen:
            self.transport.abort()
            return
        self._seen = self.cycle
        self._later()


class LiveSocket(WebSocketsSansIOProtocol):
    """Closes WebSockets that take memory in ways which neither sizes nor back-pressure bound, and
    keeps little for those that do not read: what is live is soon of no interest.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING)

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """The session is over; who does not read its end will never close."""
        super().on_task_complete(task)
        self.loop.call_later(LINGER, self.transport.abort)

    def handle_cont(self, event: Frame) -> None:
        """A further frame of a message."""
        if len(self.frames) >= FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """A ping, which is answered."""
        if self.transport.get_write_buffer_size() > UNREAD:
            self.transport.abort()
            return
        super().handle_ping()
