"""Who may open a WebSocket: a page of this very server, or a client that is no browser.

Browsers let any page open a WebSocket to any address, and send its origin along; nothing but the
server refuses it. Where no token is needed, the server listens on this machine alone, and the host
that the client asked for has to be this machine too: a foreign name that was made to lead here
(DNS rebinding) is an origin like its host.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from twofold.sw.serve.limits import LOOPBACK, Limits
from twofold.sw.serve.protocol import ProtocolError

SUBPROTOCOL = "twofold.live.1"
BEARER = "bearer."
"""Subprotocol that carries the token, in base64url without padding: pages cannot set headers."""


def check_origin(headers: Mapping[str, str], limits: Limits) -> None:
    """Raise ProtocolError with status 403 unless a WebSocket with these headers is ours."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if limits.token is None and _name(f"//{host}") not in LOOPBACK:
        raise ProtocolError(f"asked for as {host[:80]!r}, which is not this machine", 403)
    if origin is None or origin in limits.origins:
        return
    if _name(origin) is None or urlsplit(origin).netloc != host:
        raise ProtocolError(f"a page of {origin[:80]!r} may not listen here (--origin)", 403)


def authorization(headers: Mapping[str, str], subprotocols: Sequence[str]) -> str | None:
    """The header ``Authorization``, or what a page sent in its place as a subprotocol."""
    for one in subprotocols:
        if one.startswith(BEARER):
            text = one.removeprefix(BEARER)
            try:
                token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            except (binascii.Error, ValueError):
                return None
            return f"Bearer {token.decode('latin-1')}"
    return headers.get("authorization")


def _name(url: str) -> str | None:
    """Host name of an address, None where it has none or is none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
