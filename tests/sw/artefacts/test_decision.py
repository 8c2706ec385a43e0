"""Parameters of decisions: ranges, and the artefact that carries them."""

import re
from dataclasses import replace

import pytest

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.decision import Decision
from twofold.sw.artefacts.input import SPEECH
from twofold.sw.errors import ArtefactError

QUANTIZED = random_quantized(presets.network("tiny"), 3)
OWN = Decision(hop=128, smooth=500, threshold=0.6, refractory=750.5, gate=-40)


def test_the_artefact_keeps_it(tmp_path):
    stated = {**SPEECH, "decision": OWN.to_json()}
    replace(QUANTIZED, input=stated).save(tmp_path / "net.npz")
    found = QuantizedNetwork.load(tmp_path / "net.npz")
    assert found.decision == OWN and found.front_end == SPEECH["front_end"]


def test_without_one_it_is_the_default():
    assert QUANTIZED.decision == replace(QUANTIZED, input=SPEECH).decision == Decision()
    assert Decision.from_json({"threshold": 0.5}) == Decision(threshold=0.5)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("hop", 32), ("hop", 100), ("hop", 2048), ("hop", 64.0), ("hop", True),
        ("smooth", -1), ("smooth", 1e9), ("threshold", 1.5), ("threshold", float("nan")),
        ("threshold", "high"), ("threshold", True), ("refractory", float("inf")), ("gate", 3),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_wherever_they_come_from(member, value):
    line = re.escape(f"decision: {member} is {value!r}, needs ")
    with pytest.raises(ArtefactError, match=line):
        Decision(**{member: value})
    with pytest.raises(ArtefactError, match=line):
        replace(QUANTIZED, input={**SPEECH, "decision": {member: value}})


@pytest.mark.parametrize("stated", [[], None, "fast", {"level": 1}])
def test_other_things_are_no_decision(stated):
    with pytest.raises(ArtefactError, match="decision"):
        replace(QUANTIZED, input={**SPEECH, "decision": stated})


@pytest.mark.parametrize(("smooth", "hop", "windows"), [(0, 64, 1), (256, 64, 4), (300, 128, 2)])
def test_windows(smooth, hop, windows):
    assert Decision(hop=hop, smooth=smooth).windows == windows
