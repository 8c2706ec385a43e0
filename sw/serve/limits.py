"""What clients may ask of a server: size of a body, requests a second, a token."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from twofold.sw.serve.protocol import ProtocolError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of this machine that no other one can use."""
CLIENTS = 10_000
"""Clients whose rate is remembered; the one not heard of for the longest is forgotten."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a server.

    Parameters
    ----------
    body: bytes of a request.
    bodies: bytes of all requests that are arriving or waiting; more are answered with status 503.
    seconds: for a request's body to arrive.
    idle: seconds that a connection may say nothing.
    rate: requests a second of a client on average, in bursts of twice as many; 0 for any.
    connections: at the same time; more are answered with status 503.
    streams: live streams at the same time; more are refused with status 503.
    origins: of pages elsewhere that may open a WebSocket, as in ``https://example.org``.
    token: that clients have to send as ``Authorization: Bearer``; None lets everybody in.
    """

    body: int = 16 << 20
    bodies: int = 256 << 20
    seconds: float = 20.0
    idle: int = 30
    rate: float = 0.0
    connections: int = 512
    streams: int = 64
    origins: tuple[str, ...] = ()
    token: str | None = None


class Doorkeeper:
    """Lets requests in, by `Limits`."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str, authorization: str | None) -> None:
        """Raise ProtocolError with status 401 or 429 unless a request of ``client`` may pass."""
        token = self._limits.token
        given = (authorization or "").encode()
        if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise ProtocolError("needs the token: Authorization: Bearer TOKEN", 401)
        if self._limits.rate and not self._take(client):
            raise ProtocolError(f"more than {self._limits.rate:g} requests a second", 429)

    def _take(self, client: str) -> bool:
        now, most = self._clock(), max(2 * self._limits.rate, 1.0)
        left, then = self._seen.pop(client, (most, now))
        left = min(left + (now - then) * self._limits.rate, most)
        self._seen[client] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._seen) > CLIENTS:
            self._seen.popitem(last=False)
        return left >= 1
