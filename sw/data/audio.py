"""One second of audio: reading files and cutting or padding them to what the features take.

Everything behind this module works on float32 samples in -1..1 at 16 kHz, one channel. Files are
untrusted: length and header are checked before any sample is read, levels after that. A network
answers whatever it is given; so audio that holds no word as it should be is refused here:

- a file that was cut short, of which less is there than its header promises;
- samples beyond `PEAK_MAX` of full scale, as a wrong scale leaves them, or so many at full scale
  that the recording is clipped beyond recognition (`CLIPPED_MAX`);
- a recording longer than `WORD_SECONDS_MAX`, which is no single word.

Short of these limits a recording is taken with a remark.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from twofold.sw.artefacts.regular import read_regular
from twofold.sw.data.options import RATE, RATES
from twofold.sw.data.whole import shortfall
from twofold.sw.errors import AudioError

CLIP = RATE
"""Samples of a clip: one second."""
MIN_SECONDS = 0.1
"""Shorter audio holds no word."""
MAX_SECONDS = 600.0
"""Longer audio is refused before it is read."""
WORD_SECONDS_MAX = 2.0
"""A longer recording is more than one word."""
WORD_SECONDS = 1.1
"""Of a longer recording a part that may matter is left out."""
FORMATS = ("WAV", "WAVEX", "RF64", "AIFF", "AU", "FLAC", "OGG", "MP3")
"""Accepted kinds of file. In each of them a truncated file can be recognized."""
BYTES_MAX = 1 << 28
"""Longer files are refused before they are read."""
PEAK_MAX = 2.0
"""Largest sample, of full scale; filters and lossy codecs reach a little beyond 1."""
FULL_SCALE = 0.999
"""From here on a sample counts as clipped."""
CLIPPED, CLIPPED_MAX = 0.02, 0.2
"""Shares of clipped samples from which on there is a remark, and an error."""

Samples = NDArray[np.float32]


@contextmanager
def opened(path: Path, longest: float = MAX_SECONDS) -> Iterator[soundfile.SoundFile]:
    """An audio file, whole, of a supported form and of at most ``longest`` seconds.

    Raises AudioError.
    """
    content = read_regular(path, BYTES_MAX, AudioError)
    missing = shortfall(content)
    if missing:
        raise AudioError(f"{path}: cut short: {missing}; copy it again")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            _check(path, file, longest)
            yield file
    except (OSError, soundfile.SoundFileError) as error:
        reason = getattr(error, "error_string", str(error)).splitlines()[0]
        raise AudioError(f"{path}: cannot be read as audio: {reason}") from error


def read_wav(
    path: Path, *, start: int = 0, frames: int = -1, longest: float = MAX_SECONDS
) -> Samples:
    """Samples of an audio file at 16 kHz.

    Parameters
    ----------
    path: file with one channel, of any rate within `RATES`, at least `MIN_SECONDS` long.
    start, frames: part to read, in samples of the file; -1 frames reads to the end.
    longest: seconds that the file may have.

    Raises
    ------
    AudioError: the file is missing, not audio, cut short, or breaks one of these rules or those of
        its level.
    """
    with opened(path) as file:
        rate, seconds = file.samplerate, file.frames / file.samplerate
        if seconds > longest:
            raise AudioError(
                f"{path}: {seconds:.3f} s long, needs at most {longest:g} s: one word; cut it out"
            )
        expected = file.frames - start if frames < 0 else min(frames, file.frames - start)
        file.seek(start)
        samples = np.asarray(file.read(frames, dtype="float32"), dtype=np.float32)
    if len(samples) < expected:
        raise AudioError(
            f"{path}: cut short: its header promises {expected} samples, there are {len(samples)}; "
            "copy it again"
        )
    _check_level(path, samples)
    return resample(samples, rate)


def _check(path: Path, file: soundfile.SoundFile, longest: float) -> None:
    if file.format not in FORMATS:
        raise AudioError(
            f"{path}: a file of kind {file.format}, needs one of {', '.join(FORMATS)}; convert it"
        )
    if file.channels != 1:
        raise AudioError(f"{path}: {file.channels} channels, needs 1; mix it down to mono")
    lowest, highest = RATES
    if not lowest <= file.samplerate <= highest:
        raise AudioError(f"{path}: {file.samplerate} samples/s, needs {lowest}..{highest}")
    seconds = file.frames / file.samplerate
    if not MIN_SECONDS <= seconds <= longest:
        raise AudioError(
            f"{path}: {seconds:.3f} s long ({file.frames} samples), "
            f"needs {MIN_SECONDS:g}..{longest:g} s"
        )


def check_values(name: object, samples: Samples) -> None:
    """Raise AudioError, which begins with ``name``, unless samples are numbers of a sane scale."""
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: samples are not all finite numbers; export the audio again")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > PEAK_MAX:
        raise AudioError(
            f"{name}: samples reach {peak:.4g} times full scale, needs at most {PEAK_MAX:g}; "
            "floats go from -1 to 1: divide them by the scale they have"
        )


def _check_level(path: Path, samples: Samples) -> None:
    check_values(path, samples)
    clipped = _clipped(samples)
    if clipped >= CLIPPED_MAX:
        raise AudioError(
            f"{path}: {100 * clipped:.0f} % of the samples are clipped at full scale, needs less "
            f"than {100 * CLIPPED_MAX:.0f} %; record it softer"
        )


def _clipped(samples: Samples) -> float:
    """Share of the samples that are at full scale or beyond."""
    return float(np.mean(np.abs(samples) >= FULL_SCALE)) if len(samples) else 0.0


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
    """One second [16000] of an audio file; raises AudioError as `read_word`."""
    return read_word(path)[0]


def read_word(path: Path) -> tuple[Samples, tuple[str, ...]]:
    """One second [16000] of the recording of a word, and remarks on it for the user.

    Raises AudioError as `read_wav`, and for recordings longer than `WORD_SECONDS_MAX`.
    """
    samples = read_wav(path, longest=WORD_SECONDS_MAX)
    remarks = []
    seconds, clipped = len(samples) / RATE, _clipped(samples)
    if seconds > WORD_SECONDS:
        remarks.append(f"{path}: {seconds:.3f} s long, only its loudest second is used")
    if clipped >= CLIPPED:
        remarks.append(f"{path}: {100 * clipped:.0f} % of the samples are clipped at full scale")
    return fit(samples), tuple(remarks)
