"""Reading audio files: rates, lengths, channels and damaged files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.sw.data.audio import CLIP, RATE, fit, read_clip, read_wav
from twofold.sw.errors import AudioError


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype("f4")


def test_reads_16_khz_unchanged(tmp_path: Path) -> None:
    samples = tone(1.0, RATE)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_clip(tmp_path / "a.wav"), samples)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate_keeps_pitch_and_length(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0, rate), rate)
    samples = read_clip(tmp_path / "a.wav")
    assert samples.shape == (CLIP,) and samples.dtype == np.float32
    assert abs(int(np.argmax(np.abs(np.fft.rfft(samples)))) - 440) <= 1


def test_short_audio_is_centred() -> None:
    samples = fit(np.ones(4_000, np.float32))
    np.testing.assert_array_equal(np.flatnonzero(samples), np.arange(6_000, 10_000))


def test_long_audio_keeps_the_loudest_second() -> None:
    samples = np.zeros(5 * RATE, np.float32)
    samples[41_000:56_000] = 0.5
    assert np.count_nonzero(fit(samples)) == 15_000


@pytest.mark.parametrize(
    ("name", "data", "rate", "message"),
    [
        ("two channels", np.zeros((RATE, 2)), RATE, "2 channels, needs 1"),
        ("short", np.zeros(1_599), RATE, r"0\.100 s long \(1599 samples\), needs 0\.1"),
        ("empty", np.zeros(0), RATE, "0 samples"),
        ("slow", np.zeros(4_000), 2_000, "2000 samples/s, needs 4000"),
    ],
)
def test_refuses(tmp_path: Path, name: str, data: np.ndarray, rate: int, message: str) -> None:
    path = tmp_path / f"{name}.wav"
    soundfile.write(path, data, rate)
    with pytest.raises(AudioError, match=message) as caught:
        read_wav(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_refuses_missing_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        read_wav(tmp_path / "none.wav")
    for content in (b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", bytes(range(256)) * 20):
        (tmp_path / "bad.wav").write_bytes(content)
        with pytest.raises(AudioError, match=r"bad\.wav"):
            read_wav(tmp_path / "bad.wav")


def test_refuses_samples_that_are_not_numbers(tmp_path: Path) -> None:
    samples = tone(1.0, RATE)
    samples[7] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="finite"):
        read_wav(tmp_path / "nan.wav")
