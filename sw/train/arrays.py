"""Data of your own: samples and classes in arrays, and predictions of a teacher for them."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from twofold.sw.errors import DatasetError
from twofold.sw.train.loop import EVAL_BATCH, Phase
from twofold.sw.train.sources import Split

SHARE = 0.1
"""Share of the samples for val, and for test, where they are not given."""
LEAST = 256
"""Samples to train with, at least: two steps an epoch."""
_EPOCH = 16_000
BATCH = Phase.batch

Samples = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Samples uint8 [n, channels, rows, cols] and their classes int64 [n]."""
Teacher = Callable[[Tensor], Tensor]
"""Maps samples uint8 [n, channels, rows, cols] to logits [n, classes]."""


def completed(splits: Mapping[str, Samples], seed: int = 0) -> dict[str, Samples]:
    """``splits`` with ``train``, ``val`` and ``test``: what is missing of the latter two is taken
    from ``train``, a tenth of it each, in a random order.
    """
    missing = [name for name in ("val", "test") if name not in splits]
    images, classes = splits["train"]
    order = np.random.default_rng(seed).permutation(len(images)) if missing else np.arange(0)
    size = round(len(order) * SHARE)
    found = dict(splits)
    for name in missing:
        found[name] = images[order[:size]], classes[order[:size]]
        order = order[size:]
    if missing:
        found["train"] = images[order], classes[order]
    return found


class ArraySource:
    """A source (`twofold.sw.train.sources.Source`) of samples in memory.

    Samples are drawn as they are: put augmented copies into the arrays if augmentation helps.

    Parameters
    ----------
    splits: samples of ``train``, ``val`` and ``test``.
    classes: number of classes.
    input: what the samples are, as `twofold.sw.artefacts.input` describes it.
    teacher: network whose predictions are learnt as well; None for the classes alone.
    share: weight of its predictions, 0..1; the classes have the rest.
    key: digest of everything that the teacher depends on.

    Attributes
    ----------
    steps: in an epoch, at the batch size of `twofold.sw.train.loop.Phase`.

    Raises
    ------
    DatasetError: a split is empty, or there are fewer than `LEAST` samples to train with.
    """

    name = "arrays"

    def __init__(
        self, splits: Mapping[str, Samples], classes: int, input: Mapping[str, Any], *,
        teacher: Teacher | None = None, share: float = 0.7, key: str = "",
    ) -> None:  # fmt: skip
        _check(splits)
        self.classes, self.input = classes, input
        self._splits = {
            name: (torch.from_numpy(images), torch.from_numpy(labels))
            for name, (images, labels) in splits.items()
        }
        images, labels = self._splits["train"]
        self._targets = F.one_hot(labels, classes).float()
        if teacher is not None:
            self._targets = (1 - share) * self._targets + share * _probabilities(teacher, images)
        self.epoch = min(len(images), _EPOCH)
        self.steps = self.epoch // BATCH
        self._order, self._at = torch.empty(0, dtype=torch.long), self.epoch
        content = hashlib.sha256(repr((classes, share, key)).encode())
        for name in sorted(splits):
            for array in splits[name]:
                content.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        self.key = f"arrays-{content.hexdigest()[:16]}"

    def begin(self, epoch: int) -> None:
        """Nothing to prepare: an epoch's first batch does not fit behind the last one's."""

    def batch(self, size: int, generator: torch.Generator) -> Split:
        """The next samples in random order, and the probabilities [n, classes] to learn."""
        images = self._splits["train"][0]
        if self._at + size > self.epoch:
            self._order = torch.randperm(len(images), generator=generator)
            self._at = 0
        chosen = self._order[self._at : self._at + size]
        self._at += size
        return images[chosen], self._targets[chosen]

    def split(self, name: str) -> Split:
        """All samples of split ``val`` or ``test``, and their classes."""
        return self._splits[name]


def _check(splits: Mapping[str, Samples]) -> None:
    for name in ("train", "val", "test"):
        count = len(splits[name][0]) if name in splits else 0
        least = LEAST if name == "train" else 1
        if count < least:
            raise DatasetError(f"data: {count} samples in split {name}, needs at least {least}")


@torch.no_grad()
def _probabilities(teacher: Teacher, images: Tensor) -> Tensor:
    """The teacher's class probabilities [n, classes]."""
    logits = [teacher(block).float() for block in images.split(EVAL_BATCH)]
    return F.softmax(torch.cat(logits), 1)
