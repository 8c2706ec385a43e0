"""Augmentation against the features it stands for."""

import numpy as np
import pytest
import torch

from twofold.sw.data.features import log_mel, log_power
from twofold.sw.data.frontend import CENTRED, FIXED, FRONT_ENDS, front_end
from twofold.sw.data.speech import speak
from twofold.sw.train.augment import FLOOR, HOP, Augmentation, augment, fine_images, images

STILL = Augmentation(shift=0, stretch=0, warp=0, gain=0, noisy=0, frames=0, bands=0)


def power(*clips: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(log_power(np.stack(clips), HOP)).float()


def run(
    log: torch.Tensor, how: Augmentation, seed: int = 0, front: str = FIXED, fine: bool = False
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    few = torch.zeros(len(log), dtype=torch.bool)
    return images(augment(log, torch.full_like(log, FLOOR), few, how, generator), front, fine=fine)


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_nothing_changed_gives_the_features(front: str) -> None:
    clips = np.stack([speak("yes"), speak("no")])
    found = run(power(*clips), STILL, front=front)
    difference = found.int() - torch.from_numpy(front_end(front)(clips)).int()
    assert difference.abs().max() <= 1 and (difference != 0).float().mean() < 0.02


def test_shift_moves_the_word() -> None:
    clip = speak("stop")
    log = power(clip).expand(200, -1, -1)
    moved = run(log, Augmentation(shift=12, stretch=0, warp=0, gain=0, noisy=0, frames=0, bands=0))
    time = torch.arange(32.0)
    energy = moved.float().sum(2)
    centre = (energy * time).sum(1) / energy.sum(1)
    assert centre.max() - centre.min() > 3.0  # 24 frames of the cache are 6 of the features


def test_shift_of_a_frame_equals_shifted_samples() -> None:
    clip = speak("go")
    later = np.roll(clip, 512)
    log = torch.roll(power(clip), 4, dims=1)
    difference = run(log, STILL).int() - torch.from_numpy(log_mel(later)).int()
    assert difference[0, 1:-1].abs().max() <= 1


def test_gain_noise_and_masks() -> None:
    log = power(speak("left")).expand(64, -1, -1)
    loud = run(log, Augmentation(shift=0, stretch=0, warp=0, gain=3, noisy=0, frames=0, bands=0))
    means = loud.float().mean((1, 2))
    assert means.max() - means.min() > 20
    still = run(log, STILL)
    generator = torch.Generator().manual_seed(0)
    how = Augmentation(
        shift=0, stretch=0, warp=0, gain=0, noisy=1, noise=(-3, -3), frames=0, bands=0
    )
    few = torch.zeros(len(log), dtype=torch.bool)
    noisy = images(augment(log, torch.zeros_like(log), few, how, generator), FIXED)
    assert (noisy >= still).all() and int(noisy.min()) >= round((12 - 3) * 255 / 22) - 1
    masked = run(log, Augmentation(shift=0, stretch=0, warp=0, gain=0, noisy=0, frames=6, bands=5))
    changed = masked != still
    assert changed.any(2).sum(1).float().mean() > 2
    assert 0 < changed.float().mean() < 0.4


def test_same_seed_same_images() -> None:
    log = power(speak("up"), speak("down"))
    assert torch.equal(run(log, Augmentation(), 3), run(log, Augmentation(), 3))
    assert not torch.equal(run(log, Augmentation(), 3), run(log, Augmentation(), 4))


def test_fine_frames_are_the_same_clip() -> None:
    log = power(speak("up"), speak("stop"))
    for front in (FIXED, CENTRED):
        how = Augmentation(frames=0, bands=0)
        coarse, fine = (run(log, how, 5, front, finer) for finer in (False, True))
        assert fine.shape == (2, 125, 32)
        assert torch.equal(fine[:, ::4], coarse)
    still = run(log, STILL, front=CENTRED, fine=True).int()
    assert (still - fine_images(log.numpy(), CENTRED).int()).abs().max() <= 1


def test_masks_hide_the_same_at_both_resolutions() -> None:
    log = power(speak("left")).expand(32, -1, -1)
    how = Augmentation(shift=0, stretch=0, warp=0, gain=0, noisy=0, frames=6, bands=5)
    coarse, fine = (run(log, how, 2, CENTRED, finer) for finer in (False, True))
    plain = run(log, STILL, 2, CENTRED)
    hidden = coarse != plain
    assert 0.02 < hidden.float().mean() < 0.4
    assert ((fine[:, ::4] != plain) == hidden).float().mean() > 0.99
