"""Cached features: of clips that cannot be used all are named, and nothing is kept."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.sw.data.gsc import open_gsc
from twofold.sw.errors import DatasetError
from twofold.sw.train.cache import clip_power


def test_all_bad_clips_are_named_together(tmp_path: Path):
    for at in range(4):
        path = tmp_path / "data/yes" / f"{at}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.sin(np.arange(16_000) / (at + 5)) / 2, 16_000)
    cache = tmp_path / "cache"
    for at in (1, 3):
        (tmp_path / f"data/yes/{at}.wav").write_bytes(b"RIFF")
    clips = open_gsc(tmp_path / "data").clips("all")
    with pytest.raises(DatasetError, match=r"2 clips cannot be used.*yes/1\.wav.*yes/3\.wav"):
        clip_power(cache, clips, lambda *_: None)
    assert not list(cache.glob("*.npy"))
    good = [clip for clip in clips if clip.name in ("yes/0.wav", "yes/2.wav")]
    assert clip_power(cache, good, lambda *_: None).shape == (2, 125, 32)
