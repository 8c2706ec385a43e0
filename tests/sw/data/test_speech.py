"""Rendered words: audible, distinct and repeatable."""

import numpy as np
import pytest

from twofold.sw.data.features import log_mel
from twofold.sw.data.speech import VOICES, Voice, speak, speak_all
from twofold.sw.errors import AudioError


def test_words_and_voices_differ_and_repeat() -> None:
    clips = speak_all(("yes", "no"), VOICES)
    assert clips.shape == (2 * len(VOICES), 16000) and clips.dtype == np.float32
    peaks = np.abs(clips).max(axis=1)
    assert (peaks > 0.4).all() and (peaks <= 0.51).all()
    assert len({clip.tobytes() for clip in clips}) == len(clips)
    np.testing.assert_array_equal(speak_all(("yes", "no"), VOICES), clips)


def test_a_word_sits_in_the_middle() -> None:
    energy = log_mel(speak("stop")).sum(axis=1).astype(float)
    assert 12 < (energy * np.arange(32)).sum() / energy.sum() < 20


def test_rate_and_pitch_count() -> None:
    slow, fast = (speak("left", Voice(rate=rate)) for rate in (100, 300))
    assert np.count_nonzero(np.abs(slow) > 0.02) > 1.3 * np.count_nonzero(np.abs(fast) > 0.02)
    low, high = (log_mel(speak("no", Voice(pitch=pitch))) for pitch in (5, 95))
    assert (low != high).mean() > 0.3


def test_refuses() -> None:
    with pytest.raises(AudioError, match="no voice 'xx-nowhere'"):
        speak("yes", Voice("xx-nowhere"))
    with pytest.raises(AudioError, match=r"rate 80\.\.450"):
        speak("yes", Voice(rate=1000))
    with pytest.raises(AudioError, match="says nothing"):
        speak("")
