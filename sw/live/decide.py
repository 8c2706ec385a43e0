"""From windows to words: averaged posteriors, a threshold, and a refractory time.

A window below the silence gate counts as certain silence. The word is the one whose posterior,
averaged over the last windows, is the largest; it is found when that reaches the threshold and the
refractory time since the last word is over.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.decision import Decision
from twofold.sw.errors import InputError
from twofold.sw.live.window import SECONDS, Window

NOT_WORDS = ("silence", "unknown")
"""Classes of a network that nobody listens for."""


@dataclass(frozen=True)
class Word:
    """A word that was found.

    Attributes
    ----------
    label: the word.
    time: seconds from the stream's first sample to about the middle of the word.
    found: seconds of the stream that had been heard when it was found.
    score: averaged posterior, 0..1.
    delay: seconds from the arrival of the last sample that it took to the result.
    """

    label: str
    time: float
    found: float
    score: float
    delay: float


@dataclass(frozen=True)
class Candidate:
    """The likeliest word of a moment: its label, averaged posterior, and the seconds heard."""

    label: str
    score: float
    found: float


class Smoother:
    """Averages posteriors over the last windows; before the stream began there was silence.

    Raises InputError for a network that knows no words.
    """

    def __init__(self, network: QuantizedNetwork, windows: int) -> None:
        labels = network.network.labels
        self._words = [index for index, name in enumerate(labels) if name not in NOT_WORDS]
        if not self._words:
            raise InputError(f"{network.network.name}: has no words to listen for")
        self._labels, self._network = labels, network
        self._nothing = np.zeros(len(labels))
        self._last = deque([self._nothing] * windows, maxlen=windows)

    def push(self, window: Window) -> Candidate:
        """The likeliest word once ``window`` has been heard."""
        self._last.append(self._posterior(window))
        average = np.mean(self._last, axis=0)
        best = max(self._words, key=average.__getitem__)
        return Candidate(self._labels[best], float(average[best]), window.end)

    def _posterior(self, window: Window) -> NDArray[np.float64]:
        if window.logits is None:
            return self._nothing
        return self._network.probabilities(window.logits)


class Trigger:
    """Finds a word when its score reaches ``threshold``, ``refractory`` seconds after the last."""

    def __init__(self, threshold: float, refractory: float) -> None:
        self._threshold, self._refractory = threshold, refractory
        self._until = -np.inf

    def push(self, candidate: Candidate) -> bool:
        """Whether the candidate's word is found."""
        if candidate.score < self._threshold or candidate.found < self._until:
            return False
        self._until = candidate.found + self._refractory
        return True


class Decider:
    """Turns the windows of one stream, in order, into words."""

    def __init__(self, network: QuantizedNetwork, decision: Decision) -> None:
        self._smoother = Smoother(network, decision.windows)
        self._trigger = Trigger(decision.threshold, decision.refractory / 1000)
        self._before = (SECONDS + (decision.windows - 1) * decision.hop / 1000) / 2

    def push(self, window: Window) -> Word | None:
        """The word that is found with ``window``, if one is."""
        candidate = self._smoother.push(window)
        if not self._trigger.push(candidate):
            return None
        time = max(candidate.found - self._before, 0.0)
        return Word(candidate.label, time, candidate.found, candidate.score, window.delay)
