"""Long recordings made of clips: spoken words laid into background noise at a stated ratio."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twofold.sw.data.audio import CLIP, RATE, Samples

NOISE_RMS = 0.01
"""Level of the background: -40 dB of full scale."""
NOISE_SECONDS = (10, 30)
"""Shortest and longest piece of one background recording."""
GAP_SECONDS = (1.0, 5.0)
"""Shortest and longest time between two clips."""
FADE = RATE // 100
"""Samples over which a clip, or a piece of background, sets in and ends."""
SPOKEN = (0.02, 0.98)
"""Shares of a clip's energy at which its word begins and ends."""


@dataclass(frozen=True)
class Spoken:
    """A word in a recording: ``start`` and ``end`` in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Recording:
    """Samples float32 [n] at 16 kHz, and the words in them in the order of time."""

    samples: Samples
    words: tuple[Spoken, ...]

    @property
    def hours(self) -> float:
        """Length."""
        return len(self.samples) / RATE / 3600


def long_recording(
    clips: Samples,
    words: Sequence[str],
    noises: Sequence[Samples],
    *,
    seconds: float,
    snr: float,
    seed: int,
) -> Recording:
    """Lay clips into background noise.

    Clips come in random order, each at most once, with random gaps. The signal-to-noise ratio holds
    between the spoken part of a clip and the background in its place. The same seed gives the same
    clips in the same places of the same background, whatever the ratio.

    Parameters
    ----------
    clips: [N, 16000] at 16 kHz.
    words: of the clips; None of them is silence.
    noises: background recordings [n] at 16 kHz, which take turns; each at one level.
    seconds: length; it ends earlier where the clips are used up.
    snr: in dB.
    """
    rng = np.random.default_rng(seed)
    order, starts = rng.permutation(len(clips)), []
    at = 0
    while len(starts) < len(order):
        at += round(rng.uniform(*GAP_SECONDS) * RATE)
        if at + 2 * CLIP > seconds * RATE:
            break
        starts.append(at)
        at += CLIP
    total = round(seconds * RATE) if len(starts) < len(order) else at + CLIP
    samples = _background(noises, total, rng)
    placed = []
    for index, start in zip(map(int, order), starts, strict=False):
        clip = clips[index] - clips[index].mean()
        first, last = spoken_part(clip)
        signal = np.square(clip[first:last], dtype=np.float64).mean()
        noise = np.square(samples[start : start + CLIP], dtype=np.float64).mean()
        gain = np.sqrt(noise * 10 ** (snr / 10) / max(signal, 1e-12))
        samples[start : start + CLIP] += _faded(clip) * np.float32(gain)
        placed.append(Spoken(words[index], (start + first) / RATE, (start + last) / RATE))
    return Recording(np.clip(samples, -1, 1), tuple(placed))


def spoken_part(clip: Samples) -> tuple[int, int]:
    """First sample and the one behind the last of the word in a clip, by its energy."""
    energy = np.cumsum(np.square(clip, dtype=np.float64))
    low, high = np.searchsorted(energy, np.multiply(SPOKEN, energy[-1]))
    return int(low), max(int(high), int(low) + 1)


def _background(noises: Sequence[Samples], total: int, rng: np.random.Generator) -> Samples:
    """Pieces of the background recordings, all at the same level, one after the other."""
    out, at = np.zeros(total, np.float32), 0
    while at < total:
        for index in rng.permutation(len(noises)):
            noise = noises[index]
            size = min(round(rng.uniform(*NOISE_SECONDS) * RATE), len(noise))
            first = int(rng.integers(0, len(noise) - size + 1))
            piece = _faded(noise[first : first + size])
            level = np.sqrt(max(np.square(piece, dtype=np.float64).mean(), 1e-12))
            piece = piece[: total - at] * np.float32(NOISE_RMS / level)
            out[at : at + len(piece)] = piece
            at += len(piece)
    return out


def _faded(samples: Samples) -> Samples:
    """With soft ends, so that nothing clicks."""
    out = samples.copy()
    ramp = np.linspace(0, 1, FADE, dtype=np.float32)
    out[:FADE] *= ramp
    out[-FADE:] *= ramp[::-1]
    return out
