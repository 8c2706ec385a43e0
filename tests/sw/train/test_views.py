"""Stored views: made once, in another order every epoch, with the prediction that was asked for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from twofold.sw.data.frontend import CENTRED
from twofold.sw.data.gsc import KEYWORDS
from twofold.sw.data.speech import VOICES, speak
from twofold.sw.errors import ArtefactError
from twofold.sw.train import checkpoint, sources
from twofold.sw.train.loop import Trainer
from twofold.sw.train.recipe import APART, recipe
from twofold.sw.train.run import with_residual_teacher
from twofold.sw.train.sources import FineSource, Source, SpeechSource
from twofold.sw.train.views import Views

EPOCH = 64


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechSource]:
    """Rendered words, a voice for each split."""
    folder = tmp_path_factory.mktemp("views")
    root = folder / "data"
    words = (*KEYWORDS, "bed")
    for word in words:
        (root / word).mkdir(parents=True)
        for voice in range(3):
            path = root / word / f"v{voice}_nohash_0.wav"
            soundfile.write(path, speak(word, VOICES[voice]), 16_000)
    (root / "_background_noise_").mkdir()
    hum = np.random.default_rng(0).normal(0, 0.01, 33_000)
    soundfile.write(root / "_background_noise_/hum.wav", hum, 16_000)
    for split, voice in (("validation", 1), ("testing", 2)):
        names = [f"{word}/v{voice}_nohash_0.wav" for word in words]
        (root / f"{split}_list.txt").write_text("\n".join(names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SPEAKERS", 4)
        patch.setattr(SpeechSource, "epoch", EPOCH)
        yield SpeechSource(root, folder / "cache", progress=lambda *_: None)


def loudness(images: torch.Tensor) -> torch.Tensor:
    """A teacher that can be recognised: its prediction follows the image's mean."""
    mean = images.float().mean((1, 2))[:, None] / 64
    return torch.cat([mean, -mean, torch.zeros(len(images), 10)], 1)


def views(source: SpeechSource, folder: Path, *teachers, shards: int = 2, origin: str = "a"):
    asked: list[int] = []
    made = Views(
        source, teachers or [loudness], origin, folder, shards=shards,
        progress=lambda done, _total: asked.append(done),
    )  # fmt: skip
    return made, asked


def epoch(made: Source, number: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made.begin(number)
    batches = [made.batch(16, generator) for _ in range(EPOCH // 16)]
    return torch.cat([images for images, _ in batches]), torch.cat([said for _, said in batches])


def in_order(images: torch.Tensor) -> list[bytes]:
    return sorted(image.numpy().tobytes() for image in images)


def test_every_view_once_an_epoch(source: SpeechSource, tmp_path: Path) -> None:
    made, asked = views(source, tmp_path)
    first, said = epoch(made, 0)
    assert first.shape == (EPOCH, 32, 32) and first.dtype == torch.uint8
    torch.testing.assert_close(said.sum(1), torch.ones(EPOCH), rtol=1e-3, atol=1e-3)
    again, _ = epoch(made, 2, seed=1)
    assert not torch.equal(again, first) and in_order(again) == in_order(first)
    other, _ = epoch(made, 1)
    assert in_order(other) != in_order(first)
    assert len(list(tmp_path.iterdir())) == 2
    before = len(asked)
    kept, _ = epoch(views(source, tmp_path)[0], 0)
    assert torch.equal(kept, first) and len(asked) == before


def test_views_of_another_version(source: SpeechSource, tmp_path: Path) -> None:
    made, _ = views(source, tmp_path)
    epoch(made, 0)
    (kept,) = tmp_path.iterdir()
    checkpoint.save(kept, {"images": checkpoint.load(kept)["images"]})
    with pytest.raises(ArtefactError, match="of another version"):
        epoch(views(source, tmp_path)[0], 0)


def test_predictions_belong_to_their_views(source: SpeechSource, tmp_path: Path) -> None:
    """The teacher hears finer frames of the same clip; their means differ a little."""
    made, _ = views(source, tmp_path)
    images, said = epoch(made, 0)
    mean = images.float().mean((1, 2)) / 64
    found = (said[:, 0].log() - said[:, 1].log()) / 2
    assert torch.corrcoef(torch.stack([mean, found]))[0, 1] > 0.98


def test_teachers_are_averaged(source: SpeechSource, tmp_path: Path) -> None:
    yes, no = (
        lambda images, sign=sign: sign * 50 * torch.eye(12)[2].expand(len(images), -1)
        for sign in (1.0, -1.0)
    )
    _, said = epoch(views(source, tmp_path, yes, no, origin="both")[0], 0)
    torch.testing.assert_close(said[:, 2], torch.full((EPOCH,), 0.5), rtol=1e-3, atol=1e-3)


def test_key_says_what_decides(source: SpeechSource, tmp_path: Path) -> None:
    keys = {
        views(source, tmp_path, shards=shards, origin=origin)[0].key
        for shards, origin in ((2, "a"), (3, "a"), (2, "b"))
    }
    assert len(keys) == 3
    assert views(source, tmp_path)[0].split("val")[0] is source.split("val")[0]


def test_fine_source_shows_the_same_clips(source: SpeechSource) -> None:
    fine = FineSource(source)
    images, labels = fine.batch(8, torch.Generator().manual_seed(3))
    coarse, same = source.batch(8, torch.Generator().manual_seed(3))
    assert images.shape == (8, 125, 32) and torch.equal(labels, same)
    close = (images[:, ::4].int() - coarse.int()).abs() <= 1
    assert close.float().mean() > 0.9  # all but cells under masks, which hold the image's mean
    val, right = fine.split("val")
    assert val.shape == (11, 125, 32) and torch.equal(right, source.split("val")[1])
    assert (val[:, ::4].int() - source.split("val")[0].int()).abs().max() <= 1
    assert source.input == fine.input == {"kind": "audio", "front_end": CENTRED}


def test_several_residual_teachers(source: SpeechSource, tmp_path: Path) -> None:
    """Each is trained from a seed of its own; students see the mean of their predictions."""
    plan = recipe("gsc", "fast", teachers=2, scale=0.01)
    first, second = plan.residuals
    assert (first.seed, second.seed) == (0, APART) and recipe("gsc", "fast").residuals[0].seed == 0
    short = [replace(phase, batch=32) for phase in plan.residuals]
    plan = replace(plan, residual=short[0], shards=1)
    named: dict[str, dict[str, float]] = {}
    trainer = Trainer(source, tmp_path, report=lambda _: None, on_step=lambda *_: None)
    views_of = {
        count: with_residual_teacher(replace(plan, teachers=count), source, trainer, named).source
        for count in (1, 2)
    }
    assert set(named) == {"residual float", "residual 2 float"}
    assert views_of[1].key != views_of[2].key
    (_, alone), (_, mean) = (epoch(made, 0) for made in views_of.values())
    assert not torch.equal(alone, mean)
    torch.testing.assert_close(mean.sum(1), torch.ones(len(mean)), atol=5e-3, rtol=0)
