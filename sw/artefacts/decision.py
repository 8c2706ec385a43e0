"""How the windows of a stream become words: parameters that an artefact may carry.

They are the optional member ``decision`` of an input of kind ``audio``
(`twofold.sw.artefacts.input`); `twofold.sw.live.decide` applies them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from twofold.sw.errors import ArtefactError

HOP_MS = 64
"""Shortest time between two windows, of which every other is a multiple."""
HOP_MAX = 1024
"""Longest time between two windows."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Parameters of the decision.

    Parameters
    ----------
    hop: milliseconds between two windows, a multiple of 64 up to 1024.
    smooth: milliseconds of windows whose posteriors are averaged, 0..5000; one window at least.
    threshold: averaged posterior from which on a word counts as found, 0..1.
    refractory: milliseconds behind a word in which no other one is found, 0..60000.
    gate: loudness in dB of full scale below which a window counts as silence, -200..0.

    Raises
    ------
    ArtefactError: a value is no number, or out of its range.
    """

    hop: int = 64
    smooth: float = 640.0
    threshold: float = 0.85
    refractory: float = 1250.0
    gate: float = -65.0

    def __post_init__(self) -> None:
        if type(self.hop) is not int or self.hop % HOP_MS or not HOP_MS <= self.hop <= HOP_MAX:
            raise ArtefactError(f"decision: hop is {self.hop!r}, needs a multiple of 64, 64..1024")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            number = type(value) in (int, float) and math.isfinite(value)
            if not number or not low <= value <= high:
                raise ArtefactError(f"decision: {name} is {value!r}, needs {low:g}..{high:g}")

    @property
    def windows(self) -> int:
        """Windows that are averaged."""
        return max(round(self.smooth / self.hop), 1)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: object) -> "Decision":
        """What `to_json` made; what is left out takes its default. Raises ArtefactError."""
        if not isinstance(value, Mapping):
            raise ArtefactError(f"decision is {value!r}, needs an object")
        unknown = sorted(map(str, value.keys() - {one.name for one in fields(Decision)}))
        if unknown:
            raise ArtefactError(f"decision: has no member {unknown[0]!r}")
        return Decision(**value)


RANGES = {
    "smooth": (0, 5000),
    "threshold": (0, 1),
    "refractory": (0, 60_000),
    "gate": (-200, 0),
}
"""Least and largest value of the parameters that are numbers."""
