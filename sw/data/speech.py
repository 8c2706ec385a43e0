"""Words spoken by the synthesiser eSpeak NG, for demonstrations and as extra voices in training.

eSpeak NG comes as a shared library inside the package ``espeakng-loader`` and is called through its
C interface. It keeps state in globals, some of which survive its own termination and change the
next word; so the library is loaded and unloaded around every word (3 ms), under a lock.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import espeakng_loader
import numpy as np

from twofold.hw.contract.errors import ToolError
from twofold.sw.data.audio import CLIP, Samples, fit, resample
from twofold.sw.errors import AudioError

_SYNCHRONOUS = 2
_RATE, _VOLUME, _PITCH = 1, 2, 3
_POSITION_CHARACTER = 1
_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p
)
_lock = Lock()


@dataclass(frozen=True)
class Voice:
    """A way of speaking.

    Parameters
    ----------
    name: eSpeak's language and variant, such as ``en-us+f2``.
    rate: words a minute, 80..450.
    pitch: 0..99.
    """

    name: str = "en-us"
    rate: int = 150
    pitch: int = 50


VOICES = tuple(
    Voice(f"{accent}+{variant}", rate, pitch)
    for accent, variant, rate, pitch in (
        ("en-us", "m3", 150, 45),
        ("en-us", "f2", 140, 55),
        ("en", "m1", 160, 40),
        ("en", "f4", 150, 60),
        ("en-us", "m7", 130, 50),
        ("en", "f1", 170, 50),
    )
)
"""Voices of the default demonstration."""


def speak(word: str, voice: Voice = VOICES[0]) -> Samples:
    """A word as one second of samples [16000] at 16 kHz, its loudest sample at half scale.

    Raises
    ------
    AudioError: an unknown voice, a rate or pitch out of range, or nothing to be heard.
    ToolError: the library cannot be started.
    """
    if not 80 <= voice.rate <= 450 or not 0 <= voice.pitch <= 99:
        raise AudioError(f"{voice}: needs rate 80..450 and pitch 0..99")
    with _lock, _library() as (library, rate):
        samples = _render(library, word, voice)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        raise AudioError(f"eSpeak NG says nothing for {word!r}")
    return fit(_trim(resample(samples * np.float32(0.5 / peak), rate)))


def speak_all(words: Sequence[str], voices: Sequence[Voice] = VOICES) -> Samples:
    """Every word by every voice, word after word: [words * voices, 16000]."""
    return np.stack([speak(word, voice) for word in words for voice in voices])


def _trim(samples: Samples) -> Samples:
    """Cut silence from both ends, so that the word ends up in the middle of its second."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1][: 2 * CLIP]


@contextmanager
def _library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """The library, freshly started, and its sample rate."""
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as error:
        raise ToolError(f"eSpeak NG cannot be loaded: {error}") from error
    try:
        data = espeakng_loader.get_data_path().encode()
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if rate <= 0:
            raise ToolError("eSpeak NG does not start: its data folder is missing or damaged")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        yield library, rate
        library.espeak_Terminate()
    finally:
        close = ctypes.CDLL(None).dlclose
        close.argtypes = [ctypes.c_void_p]
        close(library._handle)


def _render(library: ctypes.CDLL, word: str, voice: Voice) -> Samples:
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise AudioError(f"eSpeak NG knows no voice {voice.name!r}")
    for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_VOLUME, 100)):
        library.espeak_SetParameter(parameter, value, 0)
    blocks: list[Samples] = []

    def collect(wave: "ctypes._Pointer[ctypes.c_int16]", count: int, _events: int) -> int:
        if wave and count > 0:
            blocks.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32) / 32768)
        return 0

    callback = _CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    text = word.encode()
    status = library.espeak_Synth(
        text, ctypes.c_size_t(len(text) + 1), 0, _POSITION_CHARACTER, 0, _UTF8, None, None
    )
    library.espeak_Synchronize()
    library.espeak_SetSynthCallback(None)
    if status != 0:
        raise ToolError(f"eSpeak NG fails to speak {word!r}: status {status}")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
