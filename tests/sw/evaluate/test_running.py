"""Clips as a running recording."""

import numpy as np
import pytest

from twofold.sw.data.frontend import CENTRED, FRONT_ENDS, front_end
from twofold.sw.data.speech import speak
from twofold.sw.evaluate.running import BLOCK, running


def words(count: int) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 1e-3, (count, 16_000))
    spoken = [speak(word) for word in ("yes", "no", "up")]
    return np.stack([spoken[at % 3] for at in range(count)]) + noise.astype(np.float32)


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_windows_that_begin_with_their_clip_hear_the_same(front: str) -> None:
    """64 clips are 1,000 steps of the grid, so the first of a recording begins with its window."""
    clips = words(BLOCK + 2)
    images, alone = running(clips, front).astype(int), front_end(front)(clips).astype(int)
    assert images.shape == alone.shape
    for at in (0, BLOCK):
        close = np.abs(images[at, :-2] - alone[at, :-2]) <= 1
        assert close.mean() > 0.97  # the end hears the next clip


def test_other_windows_are_near() -> None:
    clips = words(6)
    images = running(clips, CENTRED).astype(int)
    alone = front_end(CENTRED)(clips).astype(int)
    near = np.corrcoef(images.ravel(), alone.ravel())[0, 1]
    assert near > 0.9
    assert not np.array_equal(images[1], alone[1])
