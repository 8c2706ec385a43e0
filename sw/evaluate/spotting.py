"""Hits, misses and false alarms of words found in a long recording, over the threshold.

A word that is found is a hit when the same word is spoken and has been for no longer than
`TOLERANCE` since its end; each spoken word is hit once. Everything else that is found is a false
alarm: another word than the one that is spoken, a word out of noise, one that is found twice.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twofold.sw.evaluate.recording import Recording, Spoken
from twofold.sw.live.decide import Candidate, Trigger

TOLERANCE = 1.0
"""Seconds behind a word up to which it may be found."""
THRESHOLDS = (*(round(0.3 + 0.02 * step, 2) for step in range(34)), 0.97, 0.98, 0.99, 0.995)


@dataclass(frozen=True)
class Point:
    """What is found at a threshold.

    Attributes
    ----------
    threshold: of the averaged posterior.
    hits, misses: spoken words of the network's that were found, and were not.
    false_alarms: what was found that was not spoken.
    hours: length of what was listened to.
    """

    threshold: float
    hits: int
    misses: int
    false_alarms: int
    hours: float

    @property
    def miss_rate(self) -> float:
        """Misses of all spoken words, 0..1; 0 without words."""
        return self.misses / (self.hits + self.misses) if self.misses else 0.0

    @property
    def alarm_rate(self) -> float:
        """False alarms an hour."""
        return self.false_alarms / self.hours

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        rates = {"miss_rate": self.miss_rate, "false_alarms_per_hour": self.alarm_rate}
        return {name: round(value, 5) for name, value in (asdict(self) | rates).items()}


def pooled(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """Points over several recordings; the thresholds are the same in all of them."""
    return [
        Point(
            points[0].threshold,
            sum(one.hits for one in points),
            sum(one.misses for one in points),
            sum(one.false_alarms for one in points),
            sum(one.hours for one in points),
        )
        for points in zip(*curves, strict=True)
    ]


def curve(
    recording: Recording,
    candidates: Sequence[Candidate],
    words: Sequence[str],
    refractory: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Point]:
    """A point for each threshold.

    Parameters
    ----------
    candidates: of every window of the recording, in order (`twofold.sw.live.decide.Smoother`).
    words: that the network knows; other words of the recording are to be passed over.
    refractory: seconds.
    """
    known = [one for one in recording.words if one.word in words]
    points = []
    for threshold in thresholds:
        trigger = Trigger(threshold, refractory)
        found = [one for one in candidates if trigger.push(one)]
        hits = count_hits(known, found)
        alarms = len(found) - hits
        points.append(Point(threshold, hits, len(known) - hits, alarms, recording.hours))
    return points


def count_hits(known: Sequence[Spoken], found: Sequence[Candidate]) -> int:
    """Spoken words that were found; both in the order of time."""
    left = list(known)
    hits = 0
    for one in found:
        while left and left[0].end + TOLERANCE < one.found:
            left.pop(0)
        for index, spoken in enumerate(left):
            if spoken.start > one.found:
                break
            if spoken.word == one.label and one.found <= spoken.end + TOLERANCE:
                del left[index]
                hits += 1
                break
    return hits


def chosen(points: Sequence[Point], alarms: float) -> Point:
    """The point with the fewest misses among those with at most ``alarms`` false alarms an hour;
    where there is none, the one with the fewest false alarms.
    """
    quiet = [one for one in points if one.alarm_rate <= alarms]
    if not quiet:
        return min(points, key=lambda one: (one.false_alarms, one.misses))
    return min(quiet, key=lambda one: (one.misses, one.false_alarms, -one.threshold))
