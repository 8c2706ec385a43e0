"""Which pages may open a WebSocket, and with which token."""

import pytest

from twofold.sw.serve.limits import Limits
from twofold.sw.serve.origin import authorization, check_origin
from twofold.sw.serve.protocol import ProtocolError

OPEN, CLOSED = Limits(), Limits(token="a secret of enough letters")
ELSEWHERE = Limits(token="x" * 16, origins=("https://pages.example",))


@pytest.mark.parametrize(
    ("limits", "host", "origin"),
    [
        (OPEN, "127.0.0.1:8000", "http://127.0.0.1:8000"),
        (OPEN, "localhost:8000", "http://localhost:8000"),
        (OPEN, "[::1]:8000", "http://[::1]:8000"),
        (OPEN, "127.0.0.1:8000", None),
        (CLOSED, "rack.example", "https://rack.example"),
        (ELSEWHERE, "rack.example", "https://pages.example"),
    ],
)
def test_own_pages(limits: Limits, host: str, origin: str | None) -> None:
    check_origin({"host": host} | ({"origin": origin} if origin else {}), limits)


@pytest.mark.parametrize(
    ("limits", "host", "origin"),
    [
        (OPEN, "127.0.0.1:8000", "http://evil.example"),
        (OPEN, "127.0.0.1:8000", "http://127.0.0.1:9000"),
        (OPEN, "127.0.0.1:8000", "null"),
        (OPEN, "127.0.0.1:8000", "http://[::1"),
        (OPEN, "evil.example:8000", "http://evil.example:8000"),
        (OPEN, "evil.example:8000", None),
        (OPEN, "127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
        (OPEN, "[::1", None),
        (OPEN, "", None),
        (CLOSED, "rack.example", "https://evil.example"),
        (ELSEWHERE, "rack.example", "https://pages.example.evil"),
        (ELSEWHERE, "", ""),
    ],
)
def test_others(limits: Limits, host: str, origin: str | None) -> None:
    headers = {"host": host} | ({"origin": origin} if origin is not None else {})
    with pytest.raises(ProtocolError) as refused:
        check_origin(headers, limits)
    assert refused.value.status == 403


def test_a_token_in_a_subprotocol() -> None:
    assert authorization({}, ["twofold.live.1", "bearer.YSBi"]) == "Bearer a b"
    assert authorization({}, ["bearer.YQ"]) == "Bearer a"
    assert authorization({"authorization": "Bearer c"}, ["twofold.live.1"]) == "Bearer c"
    assert authorization({}, ["bearer.a"]) is None
    assert authorization({}, []) is None
