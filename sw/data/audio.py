"""One second of audio: reading WAV files and cutting or padding them to what the features take.

Everything behind this module works on float32 samples in -1..1 at 16 kHz, one channel. Files are
untrusted: header and length are checked before any sample is read.
"""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from twofold.hw.contract.errors import FileError
from twofold.hw.contract.files import reading
from twofold.sw.errors import AudioError

RATE = 16_000
"""Samples a second of everything behind this module."""
CLIP = RATE
"""Samples of a clip: one second."""
MIN_SECONDS = 0.1
"""Shorter audio holds no word."""
MAX_SECONDS = 600.0
"""Longer audio is refused before it is read."""
RATES = (4_000, 192_000)
"""Lowest and highest sample rate accepted."""

Samples = NDArray[np.float32]


def read_wav(path: Path, *, start: int = 0, frames: int = -1) -> Samples:
    """Samples of an audio file at 16 kHz.

    Parameters
    ----------
    path: file with one channel, of any rate within `RATES`, `MIN_SECONDS` to `MAX_SECONDS` long.
    start, frames: part to read, in samples of the file; -1 frames reads to the end.

    Raises
    ------
    AudioError: the file is missing, not audio, or breaks one of these rules.
    """
    try:
        with reading(path) as raw, soundfile.SoundFile(raw) as file:
            _check(path, file)
            file.seek(start)
            samples = np.asarray(file.read(frames, dtype="float32"), dtype=np.float32)
            rate = file.samplerate
    except FileError as error:
        reason = str(error) if path.exists() else f"{path}: no such file"
        raise AudioError(f"{reason}; give a file of audio") from error
    except soundfile.SoundFileError as error:
        reason = str(error).splitlines()[0]
        raise AudioError(f"{path}: cannot be read as audio: {reason}") from error
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: samples are not all finite numbers; export the audio again")
    return resample(samples, rate)


def _check(path: Path, file: soundfile.SoundFile) -> None:
    if file.channels != 1:
        raise AudioError(f"{path}: {file.channels} channels, needs 1; mix it down to mono")
    lowest, highest = RATES
    if not lowest <= file.samplerate <= highest:
        raise AudioError(f"{path}: {file.samplerate} samples/s, needs {lowest}..{highest}")
    seconds = file.frames / file.samplerate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise AudioError(
            f"{path}: {seconds:.3f} s long ({file.frames} samples), "
            f"needs {MIN_SECONDS:g}..{MAX_SECONDS:g} s"
        )


def resample(samples: Samples, rate: int) -> Samples:
    """Samples at ``rate`` brought to 16 kHz (unchanged when they are)."""
    if rate == RATE:
        return samples
    return np.asarray(soxr.resample(samples, rate, RATE), dtype=np.float32)


def fit(samples: Samples) -> Samples:
    """One second of ``samples`` [n].

    Shorter audio is centred in silence; of longer audio the loudest second is cut.
    """
    missing = CLIP - len(samples)
    if missing >= 0:
        return np.pad(samples, (missing // 2, missing - missing // 2))
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    start = int(np.argmax(energy[CLIP:] - energy[:-CLIP]))
    return samples[start : start + CLIP]


def read_clip(path: Path) -> Samples:
    """One second [16000] of an audio file; raises AudioError as `read_wav`."""
    return fit(read_wav(path))
