"""Figures of an evaluation."""

import math
from pathlib import Path

import numpy as np
import pytest

from twofold.sw.data.features import log_mel
from twofold.sw.evaluate.metrics import evaluate, wilson
from twofold.sw.evaluate.perturb import PERTURBATIONS, Perturbation, perturb
from twofold.sw.evaluate.picture import draw_confusion


def test_counts() -> None:
    truth, found = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 2])
    result = evaluate(("a", "b", "c", "d"), truth, found)
    assert (result.clips, result.correct) == (6, 4)
    assert result.recall() == [("a", 1, 2), ("b", 2, 3), ("c", 1, 1), ("d", 0, 0)]
    tree = result.to_json()
    assert tree["confusion"][1] == [1, 2, 0, 0] and tree["per_class"]["d"]["recall"] is None
    assert tree["interval95"][0] < tree["accuracy"] == 4 / 6 < tree["interval95"][1]


def test_no_clips() -> None:
    empty = np.zeros(0, np.int64)
    assert evaluate(("a",), empty, empty).accuracy == 0


@pytest.mark.parametrize(("correct", "total"), [(0, 10), (3, 10), (10, 10), (900, 1000)])
def test_interval_ends_are_95_percent_away(correct: int, total: int) -> None:
    for end in wilson(correct, total):
        if 0 < end < 1:
            distance = abs(correct / total - end) / math.sqrt(end * (1 - end) / total)
            assert distance == pytest.approx(1.959964, abs=1e-6)
    assert wilson(0, 0) == (0, 1)


def test_picture(tmp_path: Path) -> None:
    truth = np.arange(3)
    draw_confusion(evaluate(("a", "b", "c"), truth, truth), tmp_path / "p" / "c.png", "all right")
    assert (tmp_path / "p" / "c.png").read_bytes().startswith(b"\x89PNG")


def test_perturbations() -> None:
    random = np.random.default_rng(0)
    clips = random.normal(0, 0.05, (4, 16_000)).astype(np.float32)
    noise = random.normal(0, 0.2, (3, 16_000)).astype(np.float32)
    changed = {how.name: perturb(clips, how, noise) for how in PERTURBATIONS}
    np.testing.assert_array_equal(changed["clean"], clips)
    np.testing.assert_array_equal(changed["100 ms later"][:, 1_600:], clips[:, :-1_600])
    np.testing.assert_array_equal(changed["100 ms earlier"][:, :-1_600], clips[:, 1_600:])
    for snr in (20, 10, 5, 0):
        added = changed[f"noise, {snr} dB"] - clips
        ratio = 10 * np.log10(np.square(clips).mean(1) / np.square(added).mean(1))
        np.testing.assert_allclose(ratio, snr, atol=0.05)
    softer = log_mel(clips).astype(int) - log_mel(changed["12 dB softer"]).astype(int)
    assert 40 < np.median(softer) < 52  # 12 dB are 3.99 octaves of power, 11.6 steps each


def test_loud_samples_clip_and_silence_stays() -> None:
    clips = np.full((2, 16_000), 0.9, np.float32)
    clips[1] = 0
    louder = perturb(clips, Perturbation("x", gain=12), clips)
    assert louder.max() == 1.0 and not louder[1].any()
    assert not perturb(clips, Perturbation("x", snr=0), clips[:1])[1].any()
