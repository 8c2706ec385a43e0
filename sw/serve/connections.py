"""Connections that cost nothing for long: neither many of them, nor those that say nothing."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

SPARE = 64
"""Connections above the limit that are still told so; beyond, they are closed at once."""


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
        if self.transport.is_closing():
            return
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.cycle is self._seen:
            self.transport.abort()
            return
        self._seen = self.cycle
        self._later()
