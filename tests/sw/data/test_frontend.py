"""Front ends: level, place, streams; and features of artefacts that name none."""

import numpy as np
import pytest

from twofold.sw.data import frontend
from twofold.sw.data.audio import CLIP
from twofold.sw.data.features import FRAMES, HOP, log_mel, log_power
from twofold.sw.data.frontend import CENTRED, FIXED, FRONT_ENDS, GRID, REACH, front_end, stream
from twofold.sw.data.speech import speak
from twofold.sw.errors import ArtefactError

CENTRE = front_end(CENTRED)


def heard(word: str = "stop", level: float = 1.0, later: int = 0) -> np.ndarray:
    """A word over a little noise, ``later`` samples later."""
    noise = np.random.default_rng(4).normal(0, 1e-3, CLIP)
    return (level * np.roll(speak(word) + noise, later)).astype(np.float32)


def by_definition(log: np.ndarray) -> np.ndarray:
    """The front end ``centred`` of one clip [32, 32], by its formulas, cell by cell."""
    quiet = [sorted(log[:, band])[6] for band in range(32)]
    energy = [sum(max(log[t, b] - quiet[b] - 2.2, 0) for b in range(32)) for t in range(32)]
    middle = sum(e * t for t, e in enumerate(energy)) / sum(energy)
    offset = min(max(2 * round((middle - 15.5) / 2), -8), 8)
    level = max(sorted(log.ravel())[-41], -1.0)
    out = np.zeros((32, 32), np.uint8)
    for t in range(32):
        for b in range(32):
            cell = log[t + offset, b] if 0 <= t + offset < 32 else quiet[b]
            out[t, b] = min(max(round(205 + (cell - level) * 255 / 22), 0), 255)
    return out


@pytest.mark.parametrize("later", [-4000, 0, 3000, 6000])
def test_matches_definition(later: int) -> None:
    clip = heard("go", 0.3, later)
    found = CENTRE(clip).astype(int)
    assert np.abs(found - by_definition(log_power(clip[None], HOP)[0])).max() == 0


def test_level_makes_no_difference() -> None:
    loud, soft = (CENTRE(heard("left", level)).astype(int) for level in (1.0, 1 / 8))
    assert np.abs(loud - soft).max() <= 1
    assert (log_mel(heard("left")) != log_mel(heard("left", 1 / 8))).mean() > 0.5


def test_place_makes_no_difference() -> None:
    """Within the reach, by whole steps of the grid; only the edge holds something else."""
    first = CENTRE(heard("yes")).astype(int)
    for steps in (-2, -1, 1, 2):
        moved = CENTRE(heard("yes", later=steps * GRID * HOP)).astype(int)
        assert np.abs(moved - first)[8:24].max() <= 1


def test_centre_is_in_the_middle() -> None:
    for later in (-5000, -2500, 2500, 5000):
        log = log_power(heard("bed", later=later)[None], HOP)
        quiet = frontend.background(log)
        offset = frontend.offsets(log, quiet)
        assert abs(int(offset[0])) <= REACH and int(offset[0]) % GRID == 0
        assert abs(int(frontend.offsets(frontend.moved(log, quiet, offset), quiet)[0])) <= GRID


def test_silence_stays_quiet() -> None:
    assert not CENTRE(np.zeros(CLIP, np.float32)).any()
    hiss = np.random.default_rng(1).normal(0, 1e-4, CLIP).astype(np.float32)
    assert CENTRE(hiss).max() < 150
    assert CENTRE(heard()).max() > 220


def test_rows_between_frames_are_moved_alike() -> None:
    log = log_power(heard(later=3000)[None], HOP // 4)[:, :125]
    coarse = log[:, ::4]
    quiet = frontend.background(coarse)
    offset = frontend.offsets(coarse, quiet)
    assert offset[0] != 0
    fine = frontend.moved(log, quiet, offset, 4)
    np.testing.assert_array_equal(fine[:, ::4], frontend.moved(coarse, quiet, offset))


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_stream_shares_frames(name: str) -> None:
    """Every window of a stream is what a clip of the same frames gives."""
    frames = np.concatenate([log_power(heard(word)[None], HOP)[0] for word in ("yes", "no", "up")])
    images = stream(frames, name)
    assert images.shape == ((96 - FRAMES) // GRID + 1, FRAMES, 32)
    for second, word in enumerate(("yes", "no", "up")):
        expected = front_end(name)(heard(word))
        np.testing.assert_array_equal(images[second * FRAMES // GRID], expected)
    later = stream(frames[GRID:], name)
    np.testing.assert_array_equal(later, images[1:])
    with pytest.raises(ValueError, match="at least 32"):
        stream(frames[: FRAMES - 1], name)


def test_names() -> None:
    np.testing.assert_array_equal(front_end(FIXED)(heard()), log_mel(heard()))
    with pytest.raises(ArtefactError, match=r"front end is 'mfcc'.*log-mel-1, centred"):
        front_end("mfcc")
    with pytest.raises(ValueError, match="15999"):
        CENTRE(np.zeros(15999, np.float32))
