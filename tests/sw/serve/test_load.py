"""The load generator: it counts what is lost, and what comes twice."""

import json

from twofold.sw.serve.load import Held, main


def test_streams_and_clients(served: str, capsys) -> None:
    options = ["--streams", "2", "--clients", "2", "--seconds", "2.5"]
    assert main([served, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["2 streams"]["asked"] == found["2 streams"]["answered"] == 2 * 24
    assert found["2 clients"]["answered"] > 1 and found["2 clients"]["lost"] == 0
    assert all(0 < one["p50_ms"] <= one["p99_ms"] for one in found.values())


def test_figures() -> None:
    held = Held(asked=4, answered=3, twice=1, delays=[0.1, 0.2, 0.3], seconds=2.0)
    assert held.tree() == {
        "asked": 4, "answered": 3, "lost": 1, "twice": 1, "a_second": 1.5,
        "p50_ms": 200.0, "p99_ms": 298.0,
    }  # fmt: skip
