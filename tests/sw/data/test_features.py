"""Log-mel features against a plain reading of their definition."""

import math

import numpy as np
import pytest

from twofold.sw.data.features import frame_power, log_mel, log_power, mel_bands


def reference(samples: np.ndarray, frame: int, band: int) -> int:
    """One feature by the sums of its definition."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (60, 7600))
    left, centre, right = (
        700 * (10 ** ((low + (high - low) * (band + step) / 33) / 2595) - 1) for step in range(3)
    )
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 1024) for n in range(1024)]
    first = frame * 512 - 512
    cut = [samples[first + n] if 0 <= first + n < 16000 else 0.0 for n in range(1024)]
    spectrum = np.array(
        [
            sum(
                w * x * np.exp(-2j * math.pi * k * n / 1024)
                for n, (w, x) in enumerate(zip(window, cut, strict=True))
            )
            for k in range(math.floor(left / 15.625), math.ceil(right / 15.625) + 1)
        ]
    )
    power = 0.0
    for k, value in enumerate(spectrum, math.floor(left / 15.625)):
        hz = k * 15.625
        height = min((hz - left) / (centre - left), (right - hz) / (right - centre))
        power += max(height, 0) * abs(value) ** 2
    return round(min(max((math.log2(power + 1e-7) + 12) * 255 / 22, 0), 255))


@pytest.mark.parametrize(("frame", "band"), [(0, 0), (3, 7), (17, 1), (31, 9)])
def test_matches_definition(frame: int, band: int) -> None:
    samples = np.random.default_rng(5).normal(0, 0.05, 16000).astype(np.float32)
    assert abs(int(log_mel(samples)[frame, band]) - reference(samples, frame, band)) <= 1


def test_batch_equals_single() -> None:
    clips = np.random.default_rng(1).normal(0, 0.1, (300, 16000)).astype(np.float32)
    batch = log_mel(clips)
    assert batch.shape == (300, 32, 32) and batch.dtype == np.uint8
    for at in (0, 255, 256, 299):
        np.testing.assert_array_equal(batch[at], log_mel(clips[at]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65])
def test_a_frame_does_not_depend_on_its_neighbours(size: int) -> None:
    """To the last bit of its power: streams compute frames in any company."""
    frames = np.random.default_rng(2).normal(0, 0.1, (200, 1024)).astype(np.float32)
    found = [frame_power(frames[at : at + size]) for at in range(0, 200, size)]
    np.testing.assert_array_equal(np.concatenate(found), frame_power(frames))


def test_silence_and_full_scale_clamp() -> None:
    assert not log_mel(np.zeros(16000, np.float32)).any()
    square = np.sign(np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)).astype(np.float32)
    assert log_mel(square).max() == 255


def test_tone_lands_in_its_band_and_time() -> None:
    samples = np.zeros(16000, np.float32)
    samples[8000:10000] = 0.05 * np.sin(2 * np.pi * 1000 * np.arange(2000) / 16000)
    frame, band = np.unravel_index(np.argmax(log_mel(samples)), (32, 32))
    assert abs(int(frame) * 512 - 9000) < 1024
    assert mel_bands()[64, band] == mel_bands()[64].max()


def test_finer_hop_holds_the_frames() -> None:
    clips = np.random.default_rng(2).normal(0, 0.1, (2, 16000)).astype(np.float32)
    np.testing.assert_allclose(log_power(clips, 128)[:, ::4], log_power(clips, 512), rtol=1e-12)
    with pytest.raises(ValueError, match="hop is 300"):
        log_power(clips, 300)


def test_refuses_other_lengths() -> None:
    with pytest.raises(ValueError, match="15999"):
        log_mel(np.zeros(15999, np.float32))
