"""Words for simulations: where they come from, and the classes they should get."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hw.contract.errors import NetworkError
from hw.contract.presets import GSC_LABELS, network
from sim.workloads.words import AUDIO_WORDS, balanced, choose
from sw.errors import AudioError, DatasetError

GSC = network("gsc")
TINY = network("tiny")


@pytest.mark.parametrize("count", [1, 6, 13, 100])
def test_balanced_choices_are_even_and_distinct(count: int):
    labels = [0] * 50 + [1] * 3 + [2] * 20
    chosen = balanced(labels, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(labels))
    counts = Counter(labels[at] for at in chosen)
    left_over = [label for label in range(3) if counts[label] < labels.count(label)]
    for label in left_over:
        assert counts[label] >= max(counts.values()) - 1
    assert balanced(labels, count) == chosen


def test_rendered_words_are_the_default():
    done = []
    words = choose(GSC, words=12, done=lambda *step: done.append(step))
    assert words.images.shape == (12, 32, 32)
    assert words.images.dtype == np.uint8
    assert [GSC_LABELS[label or 0] for label in words.labels[:10]] == list(words.spoken[:10])
    assert done[-1] == (12, 12)
    assert len(np.unique(words.images.reshape(12, -1), axis=0)) == 12


def test_digits_for_a_small_network():
    words = choose(TINY, words=20)
    assert words.images.shape == (20, 8, 8)
    assert set(Counter(words.labels).values()) == {2}
    everything = choose(TINY, words=None)
    assert len(everything.images) == len(everything.labels) > 300


def test_an_audio_file_is_sent_several_times(tmp_path: Path):
    path = tmp_path / "word.wav"
    soundfile.write(path, np.sin(np.arange(22050) / 20) / 2, 22050)
    words = choose(GSC, wav=path)
    assert words.images.shape == (AUDIO_WORDS, 32, 32)
    assert list(words.spoken) == ["word.wav"] * AUDIO_WORDS
    assert set(words.labels) == {None}
    with pytest.raises(AudioError):
        choose(GSC, wav=tmp_path / "missing.wav")


def test_a_folder_that_is_no_data_set(tmp_path: Path):
    with pytest.raises(DatasetError):
        choose(GSC, data=tmp_path)


def test_a_network_without_words():
    other = replace(TINY, input_shape=(1, 10, 10))
    with pytest.raises(NetworkError, match="no words for an input of"):
        choose(other, words=1)


@pytest.mark.skipif("TWOFOLD_GSC" not in os.environ, reason="TWOFOLD_GSC is not set")
def test_recorded_words_come_from_the_test_split():
    data = Path(os.environ["TWOFOLD_GSC"])
    words = choose(GSC, words=24, data=data)
    assert Counter(words.labels) == Counter(list(range(12)) * 2)
    listed = (data / "testing_list.txt").read_text().split()
    spoken = {Path(name).parts[0] for name in listed} | {"silence"}
    assert set(words.spoken) <= spoken
