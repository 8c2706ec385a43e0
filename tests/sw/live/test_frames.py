"""Frames and windows of pieces are those of the whole recording, to the last bit."""

import numpy as np
import pytest

from twofold.sw.data.features import HOP, frame_power, log_power
from twofold.sw.data.frontend import CENTRED, images, stream
from twofold.sw.live.frames import QUIETEST, Framer, loudness
from twofold.sw.live.window import Slider

RNG = np.random.default_rng(7)


def pieces(samples: np.ndarray, longest: int) -> list[np.ndarray]:
    cuts = np.cumsum(RNG.integers(0, longest, 2 * len(samples) // longest + 2))
    return np.split(samples, cuts[cuts < len(samples)])


def frames_of(parts: list[np.ndarray]) -> list[np.ndarray]:
    framer = Framer()
    found = [framer.push(part) for part in parts] + [framer.finish()]
    assert framer.frames == sum(map(len, found))
    return found


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 1024, 16000, 50_001])
@pytest.mark.parametrize("longest", [7, 700, 9000])
def test_power_of_pieces_is_that_of_the_whole(length: int, longest: int) -> None:
    samples = RNG.normal(0, 0.1, length).astype(np.float32)
    power = [frame_power(part) for part in frames_of(pieces(samples, longest))]
    np.testing.assert_array_equal(np.concatenate(power), log_power(samples[None], HOP)[0])


@pytest.mark.parametrize("every", [2, 4, 32])
def test_windows_are_those_of_the_whole(every: int) -> None:
    samples = RNG.normal(0, 0.1, 16000 * 4 + 77).astype(np.float32)
    whole = stream(log_power(samples[None], HOP)[0], CENTRED)[:: every // 2]
    slider, found = Slider(every), []
    for frames in frames_of(pieces(samples, 3000)):
        before, frames_before = slider.next, len(frames)
        windows, loud = slider.push(frame_power(frames), loudness(frames))
        assert len(windows) == len(loud) == slider.next - before <= frames_before
        found.append(images(windows, CENTRED))
    assert slider.next == len(whole)
    np.testing.assert_array_equal(np.concatenate(found), whole)


@pytest.mark.parametrize("every", [2, 6])
def test_a_window_needs_its_last_sample(every: int) -> None:
    """One sample less, and it is not there yet."""
    slider, samples = Slider(every), np.zeros(40_000, np.float32)
    for index in (0, 1, 5):
        needed = slider.needed(index)
        for length, complete in ((needed, index + 1), (needed - 1, index)):
            framer = Framer()
            framer.push(samples[:length])
            assert slider.complete(framer.frames) == complete


def test_loudness_is_in_db_of_full_scale() -> None:
    square = np.ones((1, 1024), np.float32)
    found = loudness(np.concatenate([square, square / 10, 0 * square]))
    np.testing.assert_allclose(found, [0, -20, QUIETEST], atol=1e-4)


def test_loudness_of_a_window_is_its_loudest_frames() -> None:
    loud = np.linspace(-90, -50, 40)
    loud[20] = -10
    _, found = Slider(2).push(np.zeros((40, 32)), loud)
    np.testing.assert_array_equal(found, [-10] * 5)
