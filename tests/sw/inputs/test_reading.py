"""Reading files of any kind: what a network takes, and files beside those that cannot be used."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.hw.contract.errors import NetworkError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.data.audio import read_clip
from twofold.sw.data.features import log_mel
from twofold.sw.data.frontend import front_end
from twofold.sw.errors import ArtefactError, AudioError, InputError
from twofold.sw.inputs import read_inputs, shown

CASES = os.environ.get("TWOFOLD_CASES")


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.sin(np.arange(16_000) / 9) / 2, 16_000)
    return path


def test_recordings_go_through_the_front_end(speech: QuantizedNetwork, tone: Path):
    assert speech.front_end == "centred"
    inputs = read_inputs(speech, [tone, tone])
    assert inputs.samples.shape == (2, 1, 32, 32) and inputs.samples.dtype == np.uint8
    wanted = front_end("centred")(read_clip(tone))
    np.testing.assert_array_equal(inputs.samples[1, 0], wanted)
    older = replace(speech, input={"kind": "audio", "front_end": "log-mel-1"})
    found = read_inputs(older, [tone]).samples[0, 0]
    np.testing.assert_array_equal(found, log_mel(read_clip(tone)))
    assert (found != wanted).any()
    assert inputs.names == (str(tone),) * 2 and inputs.exit_code == 0
    assert inputs.complete() is inputs


def test_features_may_be_given_as_an_array(speech: QuantizedNetwork, tone: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", read_inputs(speech, [tone]).samples)
    found = read_inputs(speech, [tmp_path / "x.npy"])
    np.testing.assert_array_equal(found.samples, read_inputs(speech, [tone]).samples)


def test_one_bad_file_does_not_reject_the_rest(speech, tone: Path, tmp_path: Path):
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    np.save(tmp_path / "bad.npy", np.zeros(3))
    steps = []
    paths = [tmp_path / "none.wav", tone, tmp_path / "bad.wav", tmp_path / "bad.npy", tone]
    inputs = read_inputs(speech, paths, done=lambda *step: steps.append(step))
    assert inputs.names == (str(tone), str(tone)) and len(inputs.samples) == 2
    assert [failure.name for failure in inputs.failures] == [str(paths[at]) for at in (0, 2, 3)]
    kinds = [type(failure.error) for failure in inputs.failures]
    assert kinds == [AudioError, AudioError, InputError]
    assert inputs.exit_code == AudioError.exit_code == 7
    assert steps == [(at, 5) for at in range(1, 6)]
    with pytest.raises(AudioError, match=r"3 inputs cannot be read: .*none.*bad\.wav.*bad\.npy"):
        inputs.complete()


def test_nothing_could_be_read(array: QuantizedNetwork, tmp_path: Path):
    inputs = read_inputs(array, [tmp_path / "x.npy"])
    assert inputs.samples.shape == (0, 1, 8, 8) and inputs.names == ()
    with pytest.raises(InputError, match="no such file"):
        inputs.complete()


def test_samples_of_an_array_have_names(array: QuantizedNetwork, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((2, 64), np.uint8))
    np.save(tmp_path / "one.npy", np.zeros(64, np.uint8))
    names = read_inputs(array, [tmp_path / "x.npy", tmp_path / "one.npy"]).names
    assert names == tuple(f"{tmp_path}/{name}" for name in ("x.npy[0]", "x.npy[1]", "one.npy"))


def test_no_kind_is_guessed_by_shape(array: QuantizedNetwork, tone: Path):
    """A network of 8 x 8 that takes an array takes no picture, one of 32 x 32 no audio."""
    with pytest.raises(InputError, match=r"tiny-fast takes arrays: give a file of NumPy"):
        read_inputs(array, [tone]).complete()


def test_front_ends_that_do_not_fit(speech: QuantizedNetwork, array, tone: Path):
    other = replace(speech, input={"kind": "audio", "front_end": "log-mel-99"})
    with pytest.raises(ArtefactError, match="'log-mel-99', this program knows log-mel-1, centred"):
        read_inputs(other, [tone]).complete()
    small = replace(array, input=speech.input)
    with pytest.raises(NetworkError, match=r"takes \[1, 8, 8\], its front end 'centred' gives"):
        read_inputs(small, [tone]).complete()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".wav"])
def test_what_has_no_end_is_not_read(speech: QuantizedNetwork, tmp_path: Path, suffix: str):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"loop{suffix}").symlink_to(tmp_path / f"loop{suffix}")
    (tmp_path / f"gone{suffix}").symlink_to(tmp_path / "nowhere")
    paths = [tmp_path / f"{name}{suffix}" for name in ("pipe", "zero", "folder", "loop", "gone")]
    inputs = read_inputs(speech, [*paths, Path(f"a\0b{suffix}"), Path("x" * 300 + suffix)])
    reasons = ("is a pipe", "is a device", "is a folder", "cannot be read", "no such file",
               "cannot be read", "cannot be read")  # fmt: skip
    assert len(inputs.failures) == len(reasons)
    for failure, reason in zip(inputs.failures, reasons, strict=True):
        assert reason in str(failure.error)


def test_names_can_always_be_printed(array: QuantizedNetwork, tmp_path: Path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.npy"))
    np.save(path, np.zeros(64, np.uint8))
    (name,) = read_inputs(array, [path]).names
    assert name == f"{tmp_path}/\\xff\\n.npy" == shown(path)
    assert name.encode()


@pytest.mark.skipif(CASES is None, reason="TWOFOLD_CASES is not set")
def test_recordings_that_gave_a_confident_wrong_word(speech: QuantizedNetwork):
    paths = sorted((Path(CASES or "") / "audio").iterdir())
    inputs = read_inputs(speech, paths)
    assert len(inputs.failures) == len(paths) >= 2
    assert all(isinstance(failure.error, AudioError) for failure in inputs.failures)
