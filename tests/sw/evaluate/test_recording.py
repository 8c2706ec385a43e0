"""Long recordings: ratio, places, seeds."""

import numpy as np
import pytest

from twofold.sw.data.audio import CLIP, RATE
from twofold.sw.evaluate.recording import NOISE_RMS, Recording, long_recording, spoken_part

RNG = np.random.default_rng(8)
WORDS = [f"word {n}" for n in range(30)]


def clips() -> np.ndarray:
    """Bursts of 0.3 s at different places and levels, with a little offset."""
    made = np.full((30, CLIP), 0.01, np.float32)
    for n, clip in enumerate(made):
        clip[2000 + 200 * n :][:4800] += RNG.normal(0, 0.01 * (n + 1), 4800)
    return made


CLIPS = clips()
NOISES = [RNG.normal(0, level, 40 * RATE).astype(np.float32) for level in (0.3, 0.001)]


def made(snr: float, seconds: float = 60, seed: int = 1) -> Recording:
    return long_recording(CLIPS, WORDS, NOISES, seconds=seconds, snr=snr, seed=seed)


def test_spoken_part_is_the_burst() -> None:
    first, last = spoken_part(CLIPS[10] - CLIPS[10].mean())
    assert 4000 <= first <= 4300 and 8500 <= last <= 8800
    assert spoken_part(np.zeros(CLIP, np.float32)) == (0, 1)


@pytest.mark.parametrize("snr", [20.0, 0.0])
def test_ratio_holds_at_every_word(snr: float) -> None:
    """Between what a word adds, and the background alone: that of no signal."""
    noisy, quiet = made(snr), made(-60.0)
    for spoken in noisy.words:
        at = slice(round(spoken.start * RATE), round(spoken.end * RATE))
        added = noisy.samples[at] - quiet.samples[at]
        ratio = np.square(added).mean() / np.square(quiet.samples[at]).mean()
        assert 10 * np.log10(ratio) == pytest.approx(snr, abs=1.0)


def test_background_has_one_level() -> None:
    quiet = made(-60.0).samples
    seconds = np.sqrt(np.square(quiet.reshape(-1, RATE)).mean(axis=1))
    assert np.median(seconds) == pytest.approx(NOISE_RMS, rel=0.02)
    assert seconds.min() > 0.9 * NOISE_RMS and seconds.max() < 1.1 * NOISE_RMS


def test_words_lie_where_it_says() -> None:
    recording = made(30.0)
    loud = np.zeros(len(recording.samples), bool)
    for spoken in recording.words:
        loud[round(spoken.start * RATE) : round(spoken.end * RATE)] = True
    assert np.abs(recording.samples[loud]).mean() > 10 * np.abs(recording.samples[~loud]).mean()
    times = [edge for spoken in recording.words for edge in (spoken.start, spoken.end)]
    assert times == sorted(times) and len(set(recording.words)) == len(recording.words)
    assert 10 <= len(recording.words) <= 30 and recording.hours == pytest.approx(1 / 60)


def test_seeds_and_ratios() -> None:
    np.testing.assert_array_equal(made(10.0).samples, made(10.0).samples)
    assert made(10.0).words == made(0.0).words
    assert made(10.0, seed=2).words != made(10.0).words


def test_ends_where_the_clips_do() -> None:
    recording = made(10.0, seconds=3600)
    assert {spoken.word for spoken in recording.words} == set(WORDS)
    assert recording.words[-1].end < 3600 * recording.hours < recording.words[-1].end + 2
