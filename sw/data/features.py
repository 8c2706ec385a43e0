"""Log-mel features: one second of audio as 32 frames x 32 mel bands of uint8.

The constants below are part of what a trained network means; changing one calls for training again.
A frame is 1024 samples under a Hann window, frames start 512 samples apart, the first one centred
on the first sample (silence is assumed outside the clip). Power is summed in 32 triangular bands,
equally spaced in mel from 60 to 7600 Hz, and its binary logarithm from -12 to +10 is mapped to
0..255: a step is 0.26 dB.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from twofold.sw.data.audio import CLIP, RATE, Samples

FRAMES = 32
BANDS = 32
WINDOW = 1024
HOP = 512
LOWEST_HZ = 60.0
HIGHEST_HZ = 7600.0
POWER_FLOOR = 1e-7
LOG_OFFSET = 12.0
STEPS_PER_OCTAVE = 255 / 22
"""Steps of the feature for a doubling of power."""
BATCH = 256
BLOCK = 64
"""Frames computed at a time, so that their spectra stay in the cache."""


def quantise(log: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Feature values of binary logarithms of power, of any shape."""
    return np.clip(np.rint((log + LOG_OFFSET) * STEPS_PER_OCTAVE), 0, 255).astype(np.uint8)


def log_mel(
    samples: Samples,
    finish: Callable[[NDArray[np.float64]], NDArray[np.uint8]] = quantise,
) -> NDArray[np.uint8]:
    """Features of clips.

    Parameters
    ----------
    samples: float32 [16000] or [N, 16000], in -1..1, at 16 kHz.
    finish: makes features [N, 32, 32] of log power of that shape (`twofold.sw.data.frontend`).

    Returns
    -------
    uint8 [32, 32] or [N, 32, 32]: frame (time), mel band (low to high).
    """
    clips = np.atleast_2d(samples)
    if clips.ndim != 2 or clips.shape[1] != CLIP:
        raise ValueError(f"clips of shape {np.shape(samples)}, needs [{CLIP}] or [N, {CLIP}]")
    out = np.empty((len(clips), FRAMES, BANDS), np.uint8)
    for at in range(0, len(clips), BATCH):
        out[at : at + BATCH] = finish(log_power(clips[at : at + BATCH], HOP))
    return out if np.ndim(samples) == 2 else out[0]


def log_power(clips: Samples, hop: int) -> NDArray[np.float64]:
    """Binary logarithm [N, frames, 32] of the mel power of ``clips`` [N, samples], of any length.

    Frames are ``hop`` samples apart: ``ceil(samples / hop)`` of them.

    Raises ValueError unless ``hop`` divides 512.
    """
    if hop < 1 or HOP % hop:
        raise ValueError(f"hop is {hop}, needs a divisor of {HOP}")
    padded = np.pad(clips, ((0, 0), (WINDOW // 2, WINDOW // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)
    chosen = frames[:, : clips.shape[1] : hop]
    out = np.empty((*chosen.shape[:2], BANDS))
    for clip, power in zip(chosen, out, strict=True):
        power[:] = frame_power(clip)
    return out


def frame_power(frames: Samples) -> NDArray[np.float64]:
    """Binary logarithm [n, 32] of the mel power of ``frames`` [n, 1024] of samples.

    A frame's values depend on nothing but the frame, to the last bit: computed one by one, as they
    arrive, frames have the same values as all at once. A product of matrices would not do: its sums
    are taken in an order that depends on the number of rows.
    """
    out = np.empty((len(frames), BANDS))
    for at in range(0, len(frames), BLOCK):
        spectrum = np.fft.rfft(frames[at : at + BLOCK] * _hann())
        power = spectrum.real**2 + spectrum.imag**2
        out[at : at + BLOCK] = np.matmul(power[:, None], mel_bands())[:, 0]
    return np.log2(out + POWER_FLOOR)


@cache
def _hann() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


@cache
def mel_bands() -> NDArray[np.float64]:
    """Weights [513, 32] of the bins of the spectrum in the bands: triangles of height 1."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None)
