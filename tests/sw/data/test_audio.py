"""Reading audio files: rates, lengths, channels and damaged files."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from twofold.sw.data.audio import CLIP, RATE, fit, read_clip, read_wav, read_word
from twofold.sw.data.whole import shortfall
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


@pytest.mark.parametrize("scale", [2.5, 32767.0, 3e38])
def test_refuses_floats_beyond_full_scale(tmp_path: Path, scale: float):
    soundfile.write(tmp_path / "a.wav", tone(1.0, RATE) * 2 * scale, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"samples reach .* times full scale, needs at most 2"):
        read_clip(tmp_path / "a.wav")


def test_takes_what_filters_leave_beyond_full_scale(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(1.0, RATE) * 2.04, RATE, subtype="FLOAT")
    samples, remarks = read_word(tmp_path / "a.wav")
    assert samples.max() > 1.01 and "are clipped at full scale" in remarks[0]


def test_refuses_what_is_clipped_beyond_recognition(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.clip(tone(1.0, RATE) * 4, -1, 1), RATE)
    with pytest.raises(AudioError, match=r"6[67] % of the samples are clipped at full scale"):
        read_clip(tmp_path / "a.wav")
    soundfile.write(tmp_path / "a.wav", tone(1.0, RATE), RATE)
    assert read_word(tmp_path / "a.wav")[1] == ()


def test_of_a_long_recording_the_user_is_told(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(1.6, RATE), RATE)
    assert "1.600 s long, only its loudest second" in read_word(tmp_path / "a.wav")[1][0]
    soundfile.write(tmp_path / "a.wav", tone(1.05, RATE), RATE)
    assert read_word(tmp_path / "a.wav")[1] == ()


def test_a_sentence_is_no_word(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(5.0, RATE), RATE)
    with pytest.raises(AudioError, match=r"5\.000 s long, needs at most 2 s: one word; cut it out"):
        read_clip(tmp_path / "a.wav")
    assert len(read_wav(tmp_path / "a.wav", start=RATE, frames=CLIP)) == CLIP


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "ogg", "flac", "rf64", "mp3"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_refuses_what_was_cut_short(tmp_path: Path, suffix: str, share: float):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000)
    soundfile.write(path, noise, RATE)
    assert len(read_clip(path)) == CLIP
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AudioError, match=r"cut short|cannot be read as audio"):
        read_clip(path)


def test_refuses_kinds_of_file_that_may_be_cut_short(tmp_path: Path):
    soundfile.write(tmp_path / "a.w64", tone(1.0, RATE), RATE)
    with pytest.raises(AudioError, match="a file of kind W64, needs one of WAV, WAVEX"):
        read_clip(tmp_path / "a.w64")


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_takes_a_stream_whose_header_promises_nothing(tmp_path: Path, size: int):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1.0, RATE), RATE)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert shortfall(bytes(content)) is None


def test_a_chunk_behind_the_sound_does_not_count(tmp_path: Path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1.0, RATE), RATE)
    path.write_bytes(path.read_bytes() + b"LIST\xff\0\0\0abc")
    assert len(read_clip(path)) == CLIP


def test_pipes_and_devices_are_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path, kind in ((tmp_path / "pipe.wav", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(AudioError, match=f"is {kind}; give the name of a regular file"):
            read_wav(path)


@given(st.binary(max_size=60), st.integers(0, 80))
def test_damaged_headers_are_one_line(tmp_path_factory, content: bytes, at: int):
    path = tmp_path_factory.mktemp("damaged") / "a.wav"
    soundfile.write(path, tone(0.2, RATE), RATE)
    good = path.read_bytes()
    path.write_bytes(good[:at] + content + good[at + len(content) :])
    try:
        assert read_clip(path).shape == (CLIP,)
    except AudioError as error:
        assert "\n" not in str(error)
