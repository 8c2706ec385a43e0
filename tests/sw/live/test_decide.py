"""Decisions: the recipe against a plain reading of it."""

from dataclasses import replace

import numpy as np
import pytest

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.decision import Decision
from twofold.sw.errors import InputError
from twofold.sw.live import Decider, Window


def windows(network: QuantizedNetwork, posteriors: list[dict[str, float] | None]) -> list[Window]:
    """Windows, 64 ms apart, with these posteriors; what is left over is silence."""
    labels = network.network.labels
    made = []
    for index, chosen in enumerate(posteriors):
        logits = None
        if chosen is not None:
            chosen = {"silence": 1 - sum(chosen.values()), **chosen}
            share = np.array([max(chosen.get(name, 0.0), 1e-9) for name in labels])
            logits = np.rint(np.log(share) / network.logit_scale).astype(np.int32)
        made.append(Window(index, index * 0.064, logits, -20.0, 0.25))
    return made


def words(network: QuantizedNetwork, decision: Decision, posteriors) -> list[tuple[str, int]]:
    decider = Decider(network, decision)
    found = [decider.push(window) for window in windows(network, posteriors)]
    return [(word.label, index) for index, word in enumerate(found) if word is not None]


def test_average_has_to_reach_the_threshold(network) -> None:
    """At 0.9 a window, an average over four windows passes 0.6 with the third."""
    decision = Decision(smooth=256, threshold=0.6, refractory=0)
    posteriors = [{}] * 5 + [{"yes": 0.9}] * 3 + [{}] * 5
    assert words(network, decision, posteriors) == [("yes", 7), ("yes", 8)]
    assert words(network, Decision(smooth=256, threshold=0.7), posteriors) == []
    assert words(network, Decision(smooth=64, threshold=0.7), posteriors) == [("yes", 5)]


def test_refractory_time_is_that_of_the_stream(network) -> None:
    decision = Decision(smooth=0, threshold=0.5, refractory=320)
    posteriors = [{"go": 0.9}] * 11 + [{"no": 0.9}] * 3
    assert words(network, decision, posteriors) == [("go", 0), ("go", 5), ("go", 10)]


def test_likeliest_word_wins_but_silence_and_unknown_are_none(network) -> None:
    decision = Decision(smooth=0, threshold=0.2)
    assert words(network, decision, [{"on": 0.3, "off": 0.4}]) == [("off", 0)]
    assert words(network, decision, [{"unknown": 0.6, "off": 0.3}]) == [("off", 0)]
    assert words(network, decision, [{"unknown": 0.9}, {}]) == []


def test_gated_windows_count_as_silence(network) -> None:
    decision = Decision(smooth=128, threshold=0.6, refractory=0)
    assert words(network, decision, [{"up": 0.9}, None, {"up": 0.9}, {"up": 0.9}]) == [("up", 3)]


def test_times_and_score(network) -> None:
    decider = Decider(network, Decision(smooth=192, threshold=0.5))
    word = [
        decider.push(window) for window in windows(network, [{}, {"left": 0.96}, {"left": 0.96}])
    ]
    assert word[:2] == [None, None] and word[2] is not None
    assert word[2].score == pytest.approx(0.64, abs=0.01)
    assert word[2].found == pytest.approx(2 * 0.064 + 1.024)
    assert word[2].time == pytest.approx(2 * 0.064 + 1.024 - 0.512 - 0.064)
    assert word[2].delay == 0.25


def test_needs_words(network) -> None:
    raw = replace(network, network=replace(network.network, labels=()))
    with pytest.raises(InputError, match="no words"):
        Decider(raw, Decision())
