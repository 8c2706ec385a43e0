"""Sources of training data: random augmented batches, and fixed splits for evaluation.

`SpeechSource` draws augmented clips. `FineSource` gives the same clips at the frame rate of the
cache, for a teacher that uses finer frames. `twofold.sw.train.views` stores augmented clips
together with the teacher's predictions.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from twofold.hw.contract.presets import GSC_LABELS
from twofold.sw.artefacts.input import DIGIT_PICTURES
from twofold.sw.data import gsc
from twofold.sw.data.digits import digits
from twofold.sw.data.frontend import CENTRED
from twofold.sw.data.speech import Voice
from twofold.sw.errors import DatasetError
from twofold.sw.train.augment import FLOOR, Augmentation, Augmented, augment, fine_images, images
from twofold.sw.train.cache import clip_power, speech_power

Split = tuple[Tensor, Tensor]
"""Images uint8 [N, rows, cols], and classes int64 [N]; batches may have probabilities float32
[N, classes] instead.
"""
Progress = Callable[[int, int], None]
PLENTY = 1000
"""A word with fewer clips than this is scarce, and augmented more strongly."""


class Source(Protocol):
    """Data of a task.

    Attributes
    ----------
    name: of the task, for reports.
    key: digest of everything that the data depends on.
    epoch: number of images per epoch.
    classes: number of classes.
    input: what the images are, as `twofold.sw.artefacts.input` describes it.
    """

    name: str
    input: Mapping[str, Any]
    key: str
    epoch: int
    classes: int

    def begin(self, epoch: int) -> None:
        """Called before the first batch of every epoch, counted from 0."""
        ...

    def batch(self, size: int, generator: torch.Generator) -> Split:
        """Random augmented images."""
        ...

    def split(self, name: str) -> Split:
        """All images of split ``val`` or ``test``, unchanged."""
        ...


class DigitSource:
    """scikit-learn's digits, shifted by up to a pixel, with varied contrast and noise."""

    name = "digits"
    input = DIGIT_PICTURES
    key = "digits-2"
    epoch = 1280
    classes = 10

    def __init__(self) -> None:
        self._splits = {name: _tensors(*digits(name)) for name in ("train", "val", "test")}

    def begin(self, epoch: int) -> None:
        """Nothing to prepare: batches are drawn independently."""

    def batch(self, size: int, generator: torch.Generator) -> Split:
        """Random augmented images."""
        images, labels = self._splits["train"]
        chosen = torch.randint(len(images), (size,), generator=generator)
        moved = torch.rand(size, 1, generator=generator) < 0.4
        rows, cols = torch.where(moved, torch.randint(0, 3, (2, size, 1), generator=generator), 1)
        padded = torch.nn.functional.pad(images[chosen].float(), (1, 1, 1, 1))
        index = torch.arange(8)
        cut = padded[
            torch.arange(size)[:, None, None], (rows + index)[:, :, None], (cols + index)[:, None]
        ]
        level = 0.85 + 0.3 * torch.rand(size, 1, 1, generator=generator)
        noise = 8 * torch.randn(size, 8, 8, generator=generator)
        return (cut * level + noise).round().clamp(0, 255).to(torch.uint8), labels[chosen]

    def split(self, name: str) -> Split:
        """All images of a split."""
        return self._splits[name]


SPOKEN_UNKNOWN = (
    "bed", "bird", "cat", "dog", "eight", "five", "four", "happy", "house", "marvin", "nine", "one",
    "seven", "sheila", "six", "three", "tree", "two", "wow", "zero", "learn", "visual", "follow",
    "forward", "backward", "maybe", "water", "paper", "window", "open", "hello",
)  # fmt: skip
_VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5",
    "klatt2", "klatt4", "adam", "benjamin", "caleb", "david", "edward", "linda", "steph", "belinda",
    "anika", "quincy",
)  # fmt: skip
SPEAKERS = 96
"""Synthetic voices that speak every word of the task."""
_ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp")


def training_voices(count: int) -> tuple[Voice, ...]:
    """Different voices, accents, rates and pitches, drawn with a fixed seed."""
    random = np.random.default_rng(1)
    return tuple(
        Voice(
            f"{_ACCENTS[index % len(_ACCENTS)]}+{_VARIANTS[index % len(_VARIANTS)]}",
            int(random.integers(110, 220)),
            int(random.integers(25, 80)),
        )
        for index in range(count)
    )


class SpeechSource:
    """Google Speech Commands, mixed with synthetic voices.

    Parameters
    ----------
    folder: the data set.
    cache: folder for the cached log-mel power.
    progress: called with (done, total) while the cache is filled.
    classes: of the task, as in `twofold.sw.data.gsc.for_task`.
    how: augmentation.
    front: name of the front end.
    rendered: share of a batch's clips that are synthesised by eSpeak NG.
    unknown, silence: shares of these two classes in a batch; the other classes share the rest
        evenly.

    Raises
    ------
    DatasetError: a split has no clips, or a class has none to train with.
    """

    name = "gsc"
    epoch = 16_000

    def __init__(
        self, folder: Path, cache: Path, *, progress: Progress,
        classes: tuple[str, ...] = GSC_LABELS, how: Augmentation | None = None,
        front: str = CENTRED, rendered: float = 0.08, unknown: float = 0.14, silence: float = 0.08,
    ) -> None:  # fmt: skip
        self._how, self._classes, self.front_end = how or Augmentation(), classes, front
        self.classes = len(classes)
        self.input: Mapping[str, Any] = {"kind": "audio", "front_end": front}
        data = gsc.open_gsc(folder)
        clips = _to_train(folder, data.clips("train"), classes)
        measured = {name: _to_measure(folder, data, name, classes) for name in ("val", "test")}
        self._splits = {
            name: _tensors(gsc.features(clips, front), gsc.labels(clips))
            for name, clips in measured.items()
        }
        self._measured = {
            name: (lambda clips=clips: clip_power(cache, clips, progress))
            for name, clips in measured.items()
        }
        spoken = _spoken(classes)
        power = clip_power(cache, clips, progress)
        voices = speech_power(cache, spoken, progress)
        self._power = torch.from_numpy(np.concatenate([power, voices]))
        said = [classes.index(word if word in classes else "unknown") for word, _ in spoken]
        self._labels = torch.cat([torch.from_numpy(gsc.labels(clips)), torch.tensor(said)])
        self._silence = classes.index("silence") if "silence" in classes else -1
        self._scarce = _scarce([clip.word for clip in clips] + [word for word, _ in spoken])
        self._noise = torch.tensor(
            [index for index, clip in enumerate(clips) if clip.start is not None],
            dtype=torch.long,
        )
        self._weights = self._sampling(len(clips), rendered, unknown, silence)
        self.key = hashlib.sha256(
            repr((self._how, front, rendered, unknown, silence, self._power.shape)).encode()
            + self._labels.numpy().tobytes()
            + self._splits["val"][0].numpy().tobytes()
        ).hexdigest()[:16]

    def _sampling(self, real: int, rendered: float, unknown: float, silence: float) -> Tensor:
        special = {"unknown": unknown, "silence": silence}
        shares = [special.get(name) for name in self._classes]
        words = shares.count(None)
        keyword = (1 - sum(share for share in shares if share is not None)) / words
        weights = torch.zeros(len(self._labels), dtype=torch.float64)
        spoken = torch.arange(len(self._labels)) >= real
        for label, named in enumerate(shares):
            share = keyword if named is None else named
            of_class = self._labels == label
            part = rendered if bool((of_class & spoken).any()) else 0.0
            for members, portion in ((of_class & ~spoken, 1 - part), (of_class & spoken, part)):
                if portion:
                    weights[members] = share * portion / int(members.sum())
        return weights.cumsum(0)

    def begin(self, epoch: int) -> None:
        """Nothing to prepare: batches are drawn independently."""

    def batch(self, size: int, generator: torch.Generator) -> Split:
        """Random augmented clips."""
        clips, labels = self.augmented(size, generator)
        return images(clips, self.front_end), labels

    def augmented(self, size: int, generator: torch.Generator) -> tuple[Augmented, Tensor]:
        """Random augmented clips before the front end, and their classes [N]."""
        random = torch.rand(size, dtype=torch.float64, generator=generator)
        chosen = torch.searchsorted(self._weights, random * self._weights[-1])
        chosen = chosen.clamp(max=len(self._labels) - 1)
        labels = self._labels[chosen]
        log = self._power[chosen].float()
        quieter = torch.rand(size, generator=generator) * 10
        log = log - torch.where(labels == self._silence, quieter, 0.0)[:, None, None]
        scarce = self._scarce[chosen]
        if len(self._noise):
            other = self._noise[torch.randint(len(self._noise), (size,), generator=generator)]
            noise = self._power[other].float()
        else:
            noise = torch.full_like(log, FLOOR)
        return augment(log, noise, scarce, self._how, generator), labels

    def split(self, name: str) -> Split:
        """All clips of a split."""
        return self._splits[name]

    def fine_split(self, name: str) -> Split:
        """All clips of a split at the frame rate of the cache: uint8 [N, 125, 32]."""
        return fine_images(self._measured[name](), self.front_end), self._splits[name][1]


class FineSource:
    """The clips of ``source`` with frames 8 ms apart, as in the cache: uint8 [N, 125, 32]."""

    def __init__(self, source: SpeechSource) -> None:
        self._source = source
        self.name, self.key, self.epoch = source.name, f"{source.key}-fine", source.epoch
        self.classes, self.input = source.classes, source.input
        self._splits: dict[str, Split] = {}

    def begin(self, epoch: int) -> None:
        """Nothing to prepare: batches are drawn independently."""

    def batch(self, size: int, generator: torch.Generator) -> Split:
        """Random augmented clips."""
        clips, labels = self._source.augmented(size, generator)
        return images(clips, self._source.front_end, fine=True), labels

    def split(self, name: str) -> Split:
        """All clips of a split."""
        if name not in self._splits:
            self._splits[name] = self._source.fine_split(name)
        return self._splits[name]


def _to_train(
    folder: Path, clips: Sequence[gsc.Clip], classes: tuple[str, ...]
) -> tuple[gsc.Clip, ...]:
    """Clips of the task, and noise, labelled -1 if the task has no class for it."""
    chosen = gsc.for_task(clips, classes)
    present = {clip.label for clip in chosen}
    missing = [name for label, name in enumerate(classes) if label not in present]
    if missing:
        raise DatasetError(f"{folder}: no clips to train {', '.join(missing)} with")
    if "silence" in classes:
        return chosen
    noise = (replace(clip, label=-1) for clip in clips if clip.start is not None)
    return (*chosen, *noise)


def _to_measure(
    folder: Path, data: gsc.SpeechCommands, name: str, classes: tuple[str, ...]
) -> tuple[gsc.Clip, ...]:
    """Clips of the task in a split."""
    clips = gsc.for_task(data.clips(name), classes)
    if not clips:
        raise DatasetError(f"{folder}: no clips of the task's words in split {name!r}")
    return clips


def _spoken(classes: tuple[str, ...]) -> list[tuple[str, Voice]]:
    """Words to synthesise, each with a voice."""
    words = [name for name in classes if name not in ("silence", "unknown")]
    others = SPOKEN_UNKNOWN if "unknown" in classes else ()
    return [
        *((word, voice) for word in words for voice in training_voices(SPEAKERS)),
        *((word, voice) for word in others for voice in training_voices(SPEAKERS // 4)),
    ]


def _scarce(words: list[str]) -> Tensor:
    """For each clip, whether there are fewer than `PLENTY` clips of its word."""
    counts = Counter(words)
    return torch.tensor([counts[word] < PLENTY for word in words])


def _tensors(images: np.ndarray, labels: np.ndarray) -> Split:
    return torch.from_numpy(images), torch.from_numpy(labels)
