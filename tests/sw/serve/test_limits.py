"""Who is let in."""

import pytest

from twofold.sw.serve import limits
from twofold.sw.serve.limits import Doorkeeper, Limits
from twofold.sw.serve.protocol import ProtocolError


def passed(door: Doorkeeper, client: str, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            door.check(client, None)
        except ProtocolError as error:
            assert error.status == 429
        else:
            count += 1
    return count


def test_rate_is_an_average_with_bursts() -> None:
    now = [0.0]
    door = Doorkeeper(Limits(rate=5.0), lambda: now[0])
    assert passed(door, "a", 30) == 10
    assert passed(door, "b", 3) == 3
    now[0] = 1.0
    assert passed(door, "a", 30) == 5
    now[0] = 100.0
    assert passed(door, "a", 30) == 10


def test_slow_rates_let_one_pass() -> None:
    now = [0.0]
    door = Doorkeeper(Limits(rate=0.1), lambda: now[0])
    assert passed(door, "a", 3) == 1
    now[0] = 10.0
    assert passed(door, "a", 3) == 1


def test_clients_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: the one not heard of for the longest starts anew."""
    monkeypatch.setattr(limits, "CLIENTS", 2)
    door = Doorkeeper(Limits(rate=1.0), lambda: 0.0)
    assert [passed(door, client, 5) for client in ("a", "b", "b", "c", "a")] == [2, 2, 0, 2, 2]


def test_token() -> None:
    door = Doorkeeper(Limits(token="0123456789abcdef"))
    door.check("a", "Bearer 0123456789abcdef")
    for given in (None, "", "0123456789abcdef", "Bearer 0123456789abcdeg", "Bearer é"):
        with pytest.raises(ProtocolError) as refused:
            door.check("a", given)
        assert refused.value.status == 401
