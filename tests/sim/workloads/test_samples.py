"""Samples for simulations: where they come from, and the classes they should get."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.hw.contract.presets import GSC_LABELS, network
from twofold.sim.workloads.random_network import random_quantized
from twofold.sim.workloads.samples import AUDIO_SAMPLES, choose
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.data.audio import read_clip
from twofold.sw.data.frontend import FRONT_ENDS, front_end
from twofold.sw.data.gsc import DIGIT_WORDS
from twofold.sw.data.speech import VOICES, speak
from twofold.sw.errors import AudioError, DatasetError, InputError
from twofold.sw.inputs.labels import balanced

GSC = QuantizedNetwork.load(shipped("gsc", "fast"))
TINY = QuantizedNetwork.load(shipped("tiny", "fast"))
OWN = random_quantized(network("tiny"), 3)


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


def test_rendered_samples_are_the_default():
    done = []
    samples = choose(GSC, samples=12, done=lambda *step: done.append(step))
    assert samples.inputs.shape == (12, 1, 32, 32)
    assert samples.inputs.dtype == np.uint8
    assert [GSC_LABELS[label or 0] for label in samples.labels[:10]] == list(samples.names[:10])
    assert done[-1] == (12, 12)
    assert len(np.unique(samples.inputs.reshape(12, -1), axis=0)) == 12


def test_images_are_those_of_the_front_end(tmp_path: Path):
    path = tmp_path / "sample.wav"
    soundfile.write(path, speak("left"), 16_000)
    heard = []
    for front in FRONT_ENDS:
        quantized = replace(GSC, input={"kind": "audio", "front_end": front})
        samples = choose(quantized, wav=path)
        np.testing.assert_array_equal(samples.inputs[0, 0], front_end(front)(read_clip(path)))
        rendered = choose(quantized, samples=2)
        expected = front_end(front)(speak(rendered.names[1], VOICES[0]))
        np.testing.assert_array_equal(rendered.inputs[1, 0], expected)
        heard.append(samples.inputs)
    assert not np.array_equal(*heard)


def test_digits_for_a_small_network():
    samples = choose(TINY, samples=20)
    assert samples.inputs.shape == (20, 1, 8, 8)
    assert set(Counter(samples.labels).values()) == {2}
    everything = choose(TINY, samples=None)
    assert len(everything.inputs) == len(everything.labels) > 300


def test_an_audio_file_is_sent_several_times(tmp_path: Path):
    path = tmp_path / "sample.wav"
    soundfile.write(path, np.sin(np.arange(22050) / 20) / 2, 22050)
    samples = choose(GSC, wav=path)
    assert samples.inputs.shape == (AUDIO_SAMPLES, 1, 32, 32)
    assert list(samples.names) == [str(path)] * AUDIO_SAMPLES
    assert len(choose(GSC, wav=path, samples=3).inputs) == 3
    assert set(samples.labels) == {None}
    with pytest.raises(AudioError):
        choose(GSC, wav=tmp_path / "missing.wav")


def test_a_folder_that_is_no_data_set(tmp_path: Path):
    with pytest.raises(DatasetError):
        choose(GSC, data=tmp_path)


def test_a_network_without_samples():
    with pytest.raises(InputError, match="no samples for it come with Twofold; give files"):
        choose(OWN, samples=1)


def test_samples_of_another_task_are_rendered():
    """Speech is what the artefact says, not what the labels of one task are."""
    labels = (*DIGIT_WORDS, "silence", "unknown")
    digits = replace(GSC, network=replace(GSC.network, labels=labels))
    samples = choose(digits, samples=11)
    assert list(samples.names) == [*DIGIT_WORDS, "zero"]
    assert samples.labels[:10] == list(range(10))


def test_arrays_for_any_network(tmp_path: Path):
    samples = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", samples)
    for quantized in (OWN, TINY):
        workload = choose(quantized, samples=None, inputs=[tmp_path / "x.npy"])
        np.testing.assert_array_equal(workload.inputs, samples)
        assert list(workload.labels) == [None] * 5
    three, many = (choose(OWN, samples=n, inputs=[tmp_path / "x.npy"]) for n in (3, 9))
    assert len(three.inputs) == 3 and not three.remarks
    assert len(many.inputs) == 5 and "has 5 samples only" in many.remarks[-1]
    with pytest.raises(InputError, match=r"shape is \[5, 1, 8, 8\], gsc-fast takes"):
        choose(GSC, inputs=[tmp_path / "x.npy"])


def test_no_option_is_ignored(tmp_path: Path):
    with pytest.raises(InputError, match=r"hello\.wav: tiny-fast takes no audio \(picture\)"):
        choose(TINY, wav=tmp_path / "hello.wav")
    with pytest.raises(InputError, match="choose one of"):
        choose(GSC, wav=tmp_path / "hello.wav", data=tmp_path)
    with pytest.raises(DatasetError, match="has no folders for classes"):
        choose(TINY, data=tmp_path)


@pytest.mark.skipif("TWOFOLD_GSC" not in os.environ, reason="TWOFOLD_GSC is not set")
def test_recorded_samples_come_from_the_test_split():
    data = Path(os.environ["TWOFOLD_GSC"])
    samples = choose(GSC, samples=24, data=data)
    assert Counter(samples.labels) == Counter(list(range(12)) * 2)
    listed = (data / "testing_list.txt").read_text().split()
    words = {Path(name).parts[0] for name in listed} | {"silence"}
    assert set(samples.names) <= words
