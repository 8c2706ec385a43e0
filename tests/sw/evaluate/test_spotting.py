"""Hits, misses and false alarms against plain examples."""

import numpy as np
import pytest

from twofold.sw.evaluate.curves import draw_curves
from twofold.sw.evaluate.recording import Recording, Spoken
from twofold.sw.evaluate.spotting import Point, chosen, count_hits, curve, pooled
from twofold.sw.live.decide import Candidate

SPOKEN = (Spoken("yes", 1.0, 1.5), Spoken("bed", 4.0, 4.5), Spoken("no", 7.0, 7.5))
HOUR = Recording(np.zeros(3600 * 16_000, np.float32), SPOKEN)


def found(*words: tuple[str, float]) -> list[Candidate]:
    return [Candidate(label, 0.9, at) for label, at in words]


@pytest.mark.parametrize(
    ("words", "hits"),
    [
        ([("yes", 1.6), ("no", 8.4)], 2),
        ([("yes", 0.9)], 0),
        ([("yes", 2.5), ("no", 8.6)], 1),
        ([("no", 1.6)], 0),
        ([("yes", 1.6), ("yes", 2.4)], 1),
        ([("bed", 4.6)], 1),
    ],
    ids=["both", "too early", "until a second later", "another word", "twice", "any word"],
)
def test_hits(words: list[tuple[str, float]], hits: int) -> None:
    assert count_hits(SPOKEN, found(*words)) == hits


def test_overlapping_tolerances() -> None:
    """Two of the same word in a row are two, in whichever order they are found."""
    spoken = [Spoken("go", 1.0, 1.4), Spoken("up", 1.5, 1.9), Spoken("go", 2.0, 2.4)]
    assert count_hits(spoken, found(("up", 2.0), ("go", 2.2), ("go", 3.2))) == 3
    assert count_hits(spoken, found(("go", 2.5), ("go", 3.6))) == 1


def test_curve_over_the_threshold() -> None:
    """A word that the network does not know is passed over; finding another there is an alarm."""
    heard = [
        Candidate("yes", 0.9, 1.6), Candidate("yes", 0.95, 1.7), Candidate("no", 0.6, 4.6),
        Candidate("no", 0.7, 7.6),
    ]  # fmt: skip
    points = curve(HOUR, heard, ["yes", "no"], 1.0, [0.5, 0.65, 0.8, 0.99])
    assert [(one.hits, one.misses, one.false_alarms) for one in points] == [
        (2, 0, 1), (2, 0, 0), (1, 1, 0), (0, 2, 0),
    ]  # fmt: skip
    assert [one.alarm_rate for one in points] == [1, 0, 0, 0]
    assert [one.miss_rate for one in points] == [0, 0, 0.5, 1]
    without = curve(HOUR, heard, ["yes", "no"], 0.0, [0.8])
    assert (without[0].hits, without[0].false_alarms) == (1, 1)


POINTS = [Point(0.4, 9, 1, 30, 2.0), Point(0.6, 8, 2, 4, 2.0), Point(0.8, 5, 5, 0, 2.0)]


@pytest.mark.parametrize(("alarms", "threshold"), [(20, 0.4), (2, 0.6), (1.9, 0.8), (0, 0.8)])
def test_chosen_threshold(alarms: float, threshold: float) -> None:
    assert chosen(POINTS, alarms).threshold == threshold
    assert chosen(POINTS[:2], 0).threshold == 0.6


def test_pooled() -> None:
    assert pooled([POINTS, POINTS])[1] == Point(0.6, 16, 4, 8, 4.0)
    assert POINTS[1].to_json() == {
        "threshold": 0.6, "hits": 8, "misses": 2, "false_alarms": 4, "hours": 2.0,
        "miss_rate": 0.2, "false_alarms_per_hour": 2.0,
    }  # fmt: skip


def test_picture(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    draw_curves({"10 dB": {"a": POINTS, "b": POINTS[:2]}}, tmp_path / "curves.png", "title")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
