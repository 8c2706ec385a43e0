"""Augmentation of log-mel power on the fly: the same word from another speaker and another place.

Clips are augmented at the frame rate of the cache, four cached frames to one frame of the features,
and then pass through the front end (`twofold.sw.data.frontend`), so that networks train on what
they see at inference. An augmented clip is available at both frame rates, for a teacher that uses
finer frames than its student.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from twofold.sw.data import frontend
from twofold.sw.data.features import BANDS, FRAMES, POWER_FLOOR, quantise

HOP = 128
"""Samples between cached frames, which shifted and stretched clips are resampled from."""
FINE = 512 // HOP
"""Cached frames per frame of the features."""
ROWS = FINE * (FRAMES - 1) + 1
"""Rows of an image at the frame rate of the cache."""
FLOOR = float(torch.log2(torch.tensor(POWER_FLOOR)))
"""Log power of silence."""


@dataclass(frozen=True)
class Augmentation:
    """Strength of the augmentation; changes are drawn uniformly up to these limits.

    Attributes
    ----------
    shift: cached frames (8 ms) earlier or later.
    stretch: relative change of speed.
    warp: relative change of frequency, in mel.
    gain: change of level, in octaves of power (3 dB).
    noisy: share of the clips that noise is added to.
    noise: range of the noise level, in octaves of power.
    frames, bands: widest mask in time and in frequency.
    scarce: factor on stretch and warp for words with few clips.
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


@dataclass(frozen=True)
class Augmented:
    """Clips after augmentation.

    Attributes
    ----------
    log: log power, float32 [N, 125, 32], at the frame rate of the cache.
    hidden: bool [N, 125, 32], cells under a mask.
    """

    log: Tensor
    hidden: Tensor


def augment(
    log: Tensor, noise: Tensor, scarce: Tensor, how: Augmentation, generator: torch.Generator
) -> Augmented:
    """Augment clips.

    Parameters
    ----------
    log: log power [N, cached frames, 32].
    noise: log power of N clips of background noise, of the same shape.
    scarce: bool [N], clips of words with few clips.
    how: strength.
    generator: source of all randomness.
    """
    clips = len(log)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(clips, *shape, generator=generator) * (high - low) + low

    factor = torch.where(scarce, how.scarce, 1.0)[:, None]
    speed = 1 + factor * uniform(-how.stretch, how.stretch, 1)
    offset = uniform(-how.shift, how.shift, 1)
    out = _resample_time(log, speed, offset)
    out = _warp_bands(out, 1 + factor * uniform(-how.warp, how.warp, 1))
    out = (out + uniform(-how.gain, how.gain, 1, 1)).clamp(min=FLOOR)
    level = uniform(*how.noise, 1, 1)
    level = torch.where(uniform(0, 1, 1, 1) < how.noisy, level, -torch.inf)
    out = torch.log2(torch.exp2(out) + torch.exp2(noise[:, :ROWS] + level))
    quiet = _span(uniform(0, 1, 2), how.frames, FRAMES).repeat_interleave(FINE, 1)[:, :ROWS, None]
    hidden = quiet | _span(uniform(0, 1, 2), how.bands, BANDS)[:, None, :]
    return Augmented(out, hidden)


def images(clips: Augmented, front: str, *, fine: bool = False) -> Tensor:
    """Output of the front end ``front`` for augmented clips: uint8 [N, 32, 32], or [N, 125, 32] if
    ``fine``. Cells under a mask hold the mean of their image.
    """
    out = _rendered(clips.log.numpy(), front, fine)
    hidden = clips.hidden if fine else clips.hidden[:, ::FINE]
    mean = out.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    return torch.where(hidden, mean, out)


def fine_images(power: np.ndarray, front: str) -> Tensor:
    """Images, uint8 [N, 125, 32], of log power [N, 125, 32] at the frame rate of the cache."""
    return _rendered(np.asarray(power[:, :ROWS], np.float32), front, fine=True)


def _rendered(log: np.ndarray, front: str, fine: bool) -> Tensor:
    """Output of the front end, whose offsets and level are always measured at the frame rate of the
    features.
    """
    coarse = log[:, ::FINE]
    if front == frontend.FIXED:
        return torch.from_numpy(quantise(log if fine else coarse))
    if not fine:
        return torch.from_numpy(frontend.centred(coarse))
    quiet = frontend.background(coarse)
    rows = frontend.moved(log, quiet, frontend.offsets(coarse, quiet), FINE)
    return torch.from_numpy(frontend.scaled(rows, frontend.level(coarse)))


def _resample_time(log: Tensor, speed: Tensor, offset: Tensor) -> Tensor:
    """Stretch and shift clips in time; fills gaps with the background level of each band."""
    centre = (ROWS - 1) / 2
    at = (torch.arange(ROWS) - centre) * speed + centre + offset
    index = at.round().long()
    inside = (index >= 0) & (index < log.shape[1])
    picked = log[torch.arange(len(log))[:, None], index.clamp(0, log.shape[1] - 1)]
    quiet = torch.from_numpy(frontend.background(log[:, :ROWS:FINE].numpy()))
    return torch.where(inside[..., None], picked, quiet[:, None])


def _warp_bands(log: Tensor, factor: Tensor) -> Tensor:
    at = (torch.arange(BANDS) * factor).clamp(0, BANDS - 1)
    low = at.long().clamp(max=BANDS - 2)
    part = (at - low)[:, None, :]
    index = low[:, None, :].expand(-1, log.shape[1], -1)
    return log.gather(2, index) * (1 - part) + log.gather(2, index + 1) * part


def _span(random: Tensor, widest: int, size: int) -> Tensor:
    """Masks bool [N, size] of one run of at most ``widest`` places, from two random numbers."""
    width = random[:, :1] * (widest + 1)
    start = random[:, 1:] * (size - width)
    place = torch.arange(size)
    return (place >= start.floor()) & (place < start.floor() + width.floor())
