"""Augmentation of log-mel power on the fly: the same word by another speaker, elsewhere."""

from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.sw.data.features import BANDS, FRAMES, LOG_OFFSET, POWER_FLOOR, STEPS_PER_OCTAVE

HOP = 128
"""Samples between the frames of the cache that a shifted or stretched clip is picked from."""
FINE = 512 // HOP
"""Frames of the cache for one frame of the features."""
FLOOR = float(torch.log2(torch.tensor(POWER_FLOOR)))


@dataclass(frozen=True)
class Augmentation:
    """How far clips are changed; every number is the limit of a uniform distribution.

    Attributes
    ----------
    shift: frames of the cache (8 ms) earlier or later.
    stretch: relative change of speed.
    warp: relative change of frequency, in mel.
    gain: change of level, in octaves of power (3 dB).
    noisy: share of clips that noise is added to.
    noise: range of the level of noise, in octaves of power.
    frames, bands: widest mask in time and in frequency.
    scarce: factor on stretch and warp for words of which there are few clips.
    """

    shift: float = 13.0
    stretch: float = 0.15
    warp: float = 0.10
    gain: float = 3.0
    noisy: float = 0.7
    noise: tuple[float, float] = (-14.0, -4.0)
    frames: int = 6
    bands: int = 5
    scarce: float = 1.5


def features(log: Tensor) -> Tensor:
    """Features uint8 [N, 32, 32] of log power [N, 32, 32]."""
    return ((log + LOG_OFFSET) * STEPS_PER_OCTAVE).round().clamp(0, 255).to(torch.uint8)


def plain(log: Tensor) -> Tensor:
    """Log power [N, 32, 32] at the features' own frames, of that at the frames of the cache."""
    return log[:, : FRAMES * FINE : FINE]


def augment(
    log: Tensor, noise: Tensor, scarce: Tensor, how: Augmentation, generator: torch.Generator
) -> Tensor:
    """Changed clips, as features.

    Parameters
    ----------
    log: log power [N, frames of the cache, 32].
    noise: log power of as many clips of background noise, of the same shape.
    scarce: bool [N], clips of words of which there are few.
    how: limits.
    generator: source of all randomness.

    Returns
    -------
    uint8 [N, 32, 32].
    """
    words = len(log)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(words, *shape, generator=generator) * (high - low) + low

    factor = torch.where(scarce, how.scarce, 1.0)[:, None]
    speed = 1 + factor * uniform(-how.stretch, how.stretch, 1)
    offset = uniform(-how.shift, how.shift, 1)
    out = _resample_time(log, speed, offset)
    out = _warp_bands(out, 1 + factor * uniform(-how.warp, how.warp, 1))
    out = (out + uniform(-how.gain, how.gain, 1, 1)).clamp(min=FLOOR)
    level = uniform(*how.noise, 1, 1)
    level = torch.where(uniform(0, 1, 1, 1) < how.noisy, level, -torch.inf)
    out = torch.log2(torch.exp2(out) + torch.exp2(plain(noise) + level))
    quiet = _span(uniform(0, 1, 2), how.frames, FRAMES)[:, :, None]
    quiet = quiet | _span(uniform(0, 1, 2), how.bands, BANDS)[:, None, :]
    return features(torch.where(quiet, out.mean((1, 2), keepdim=True), out))


def _resample_time(log: Tensor, speed: Tensor, offset: Tensor) -> Tensor:
    centre = (FRAMES - 1) / 2
    at = ((torch.arange(FRAMES) - centre) * speed + centre) * FINE + offset
    index = at.round().long()
    inside = (index >= 0) & (index < log.shape[1])
    picked = log[torch.arange(len(log))[:, None], index.clamp(0, log.shape[1] - 1)]
    return torch.where(inside[..., None], picked, FLOOR)


def _warp_bands(log: Tensor, factor: Tensor) -> Tensor:
    at = (torch.arange(BANDS) * factor).clamp(0, BANDS - 1)
    low = at.long().clamp(max=BANDS - 2)
    part = (at - low)[:, None, :]
    index = low[:, None, :].expand(-1, FRAMES, -1)
    return log.gather(2, index) * (1 - part) + log.gather(2, index + 1) * part


def _span(random: Tensor, widest: int, size: int) -> Tensor:
    """Runs bool [N, size] of at most ``widest`` places, from two random numbers each."""
    width = random[:, :1] * (widest + 1)
    start = random[:, 1:] * (size - width)
    place = torch.arange(size)
    return (place >= start.floor()) & (place < start.floor() + width.floor())
