"""Sources: files, bytes of standard input and a microphone as pieces; and what is refused."""

import io
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract.errors import ToolError
from twofold.sw.data.audio import RATE, resample
from twofold.sw.errors import AudioError
from twofold.sw.live.sources import (
    at_pace,
    audio_files,
    byte_pieces,
    file_pieces,
    microphone_pieces,
)

TONE = (0.3 * np.sin(np.arange(3 * RATE) * 0.2)).astype(np.float32)
SIXTEEN = np.rint(TONE * 32768).astype("<i2")


class Trickle(io.RawIOBase):
    """A pipe that gives bytes in lots of ``size``."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content, self._size = content, size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._size) if size >= 0 else self._size
        found, self._content = self._content[:size], self._content[size:]
        return found

    read1 = read


def wav(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def heard(content: bytes, rate: int = RATE, size: int = 777) -> np.ndarray:
    return np.concatenate(list(byte_pieces(Trickle(content, size), rate)))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 777, 100_000])
def test_bytes_arrive_in_any_lots(size: int) -> None:
    short = SIXTEEN[:3000]
    expected = short.astype(np.float32) / 32768
    np.testing.assert_array_equal(heard(short.tobytes(), size=size), expected)
    np.testing.assert_array_equal(heard(wav(short), size=size), expected)


@pytest.mark.parametrize(
    ("subtype", "kind"), [("PCM_16", "WAV"), ("FLOAT", "WAV"), ("PCM_16", "WAVEX")]
)
def test_wav_says_what_it_is(subtype: str, kind: str) -> None:
    found = heard(wav(TONE, 44_100, subtype, kind), rate=8000)
    assert len(found) == pytest.approx(3 * RATE * RATE / 44_100, abs=2)
    np.testing.assert_allclose(found, resample(TONE, 44_100)[: len(found)], atol=1e-3)


def test_raw_samples_have_the_rate_that_is_given() -> None:
    assert len(heard(SIXTEEN.tobytes(), rate=8000)) == pytest.approx(2 * len(TONE), abs=2)
    with pytest.raises(AudioError, match="300 samples/s, needs 4000"):
        heard(SIXTEEN.tobytes(), rate=300)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_running_wav_leaves_its_length_open(size: int) -> None:
    content = bytearray(wav(SIXTEEN))
    content[40:44] = struct.pack("<I", size)
    assert len(heard(bytes(content))) == len(SIXTEEN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wav(SIXTEEN)[:-1], "cut short"),
        (wav(SIXTEEN)[:-500], "cut short"),
        (SIXTEEN.tobytes()[:-1], "cut short"),
        (wav(np.stack([TONE, TONE], axis=1)), "2 channels, needs 16 bit or float32 in one"),
        (wav(TONE, subtype="PCM_24"), "24 bits"),
        (wav(TONE, subtype="ULAW"), "kind 7"),
        (b"RIFF\0\0\0\0AVI LIST", "is none"),
        (b"RIFF\0\0\0\0WAVEfmt ", "without data"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "does not say"),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\x7f" + bytes(99), "header of more than"),
    ],
)
def test_what_is_no_audio_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=f"standard input: .*{message}"):
        heard(content)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_samples_or_an_audio_error(content: bytes, riff: bool) -> None:
    start = b"RIFF\x24\0\0\0WAVE" if riff else b""
    try:
        assert heard(start + content).dtype == np.float32
    except AudioError as error:
        assert str(error).startswith("standard input: ")


@pytest.mark.parametrize(("name", "rate"), [("a.wav", RATE), ("b.flac", 22_050)])
def test_files_give_what_is_in_them(tmp_path: Path, name: str, rate: int) -> None:
    soundfile.write(tmp_path / name, TONE, rate)
    pieces = list(file_pieces(tmp_path / name))
    assert max(map(len, pieces)) <= 0.1 * RATE
    found, expected = np.concatenate(pieces), resample(TONE, rate)
    assert len(found) == pytest.approx(len(expected), abs=1)
    np.testing.assert_allclose(found, expected[: len(found)], atol=1e-3)


def test_files_that_are_no_audio(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "two.wav", np.zeros((20_000, 2)), RATE)
    (tmp_path / "text.wav").write_text("yes")
    for name, message in (("two", "2 channels"), ("text", "cannot be read"), ("none", "no such")):
        with pytest.raises(AudioError, match=message):
            list(file_pieces(tmp_path / f"{name}.wav"))


def test_folders_are_searched(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio files"):
        audio_files(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("b.wav", "in/a.FLAC", "notes.txt", ".hidden.wav"):
        (tmp_path / name).write_bytes(b"")
    assert audio_files(tmp_path) == [tmp_path / "b.wav", tmp_path / "in" / "a.FLAC"]


def test_pace_is_that_of_speech() -> None:
    begun = time.monotonic()
    pieces = list(at_pace([TONE[:1600]] * 3))
    assert len(pieces) == 3 and 0.3 <= time.monotonic() - begun < 3


def sounddevice(feed: Callable[[Callable[..., None]], None]) -> ModuleType:
    """A played package: ``feed`` is called in a thread with the callback of the stream."""
    module = ModuleType("sounddevice")

    class PortAudioError(Exception):
        pass

    class InputStream:
        def __init__(self, rate, size, device, *, channels, dtype, callback) -> None:
            if device == "none":
                raise ValueError("No input device matching 'none'")
            assert (rate, channels, dtype) == (RATE, 1, "float32") and size > 0
            self._thread = threading.Thread(target=feed, args=(callback,))

        def __enter__(self) -> None:
            self._thread.start()

        def __exit__(self, *_: object) -> None:
            self._thread.join()

    module.PortAudioError, module.InputStream = PortAudioError, InputStream  # type: ignore[attr-defined]
    return module


def test_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = TONE[: 4 * 256].reshape(4, 256, 1)

    def feed(callback: Callable[..., None]) -> None:
        for piece in sound:
            callback(piece, 256, None, "")

    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(feed))
    pieces = microphone_pieces(timeout=0.2)
    found = [next(pieces) for _ in range(4)]
    np.testing.assert_array_equal(np.concatenate(found), sound.ravel())
    with pytest.raises(AudioError, match=r"no sound for 0\.2 s"):
        next(pieces)
    with pytest.raises(ToolError, match=r"no microphone: .*'none'"):
        next(microphone_pieces("none"))


def test_a_microphone_that_loses_sound_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(callback: Callable[..., None]) -> None:
        for _ in range(600):
            callback(np.zeros((256, 1), np.float32), 256, None, "")

    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(feed))
    pieces = microphone_pieces()
    with pytest.raises(AudioError, match="sound was lost: pieces were not taken"):
        while True:
            time.sleep(0.001)
            next(pieces)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ToolError, match=r"sounddevice.*twofold\[live\]"):
        next(microphone_pieces())
