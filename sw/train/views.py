"""Stored views: augmented training data, with the teachers' prediction for each clip.

Augmentation and a teacher's forward pass cost more than a training step of a small student. So an
epoch's worth of views, a *shard*, is computed once, and students cycle through the shards, each
time in another order.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.cache import locked
from twofold.sw.errors import ArtefactError
from twofold.sw.train import checkpoint
from twofold.sw.train.augment import images
from twofold.sw.train.sources import Progress, SpeechSource, Split

_BLOCK = 250
_VERSION = 1
Teacher = Callable[[Tensor], Tensor]
"""Maps images uint8 [N, 125, 32], at the frame rate of the cache, to logits [N, classes]."""


class Views:
    """A source (`twofold.sw.train.sources.Source`) of stored views.

    Parameters
    ----------
    source: clips and their augmentation.
    teachers: students learn the average of their probabilities.
    origin: digest of everything that the teachers depend on.
    folder: where shards are stored.
    shards: number of different shards.
    progress: called with (done, total) while a shard is computed.
    """

    def __init__(
        self, source: SpeechSource, teachers: Sequence[Teacher], origin: str, folder: Path, *,
        shards: int, progress: Progress,
    ) -> None:  # fmt: skip
        self._source, self._teachers, self._folder = source, teachers, folder
        self._shards, self._progress = shards, progress
        self._made = hashlib.sha256(repr((_VERSION, source.key, origin)).encode()).hexdigest()[:12]
        self.key = f"{self._made}-{shards}"
        self.name, self.epoch, self.classes = source.name, source.epoch, source.classes
        self.input = source.input
        self._images, self._predictions, self._order = (torch.empty(0) for _ in range(3))
        self._loaded, self._at = -1, 0

    def begin(self, epoch: int) -> None:
        """Load the epoch's shard, computing it first if it is not stored yet."""
        shard = epoch % self._shards
        if shard != self._loaded:
            self._images, self._predictions = self._shard(shard)
            self._loaded = shard
        self._at = 0

    def batch(self, size: int, generator: torch.Generator) -> Split:
        """The next views of the shard in random order, and the teachers' class probabilities."""
        if self._at == 0:
            self._order = torch.randperm(self.epoch, generator=generator)
        chosen = self._order[self._at : self._at + size]
        self._at += size
        return self._images[chosen], self._predictions[chosen].float()

    def split(self, name: str) -> Split:
        """All clips of split ``val`` or ``test``, unchanged, with their classes."""
        return self._source.split(name)

    def _shard(self, shard: int) -> Split:
        path = self._folder / f"views-{self._made}-{shard}.npz"
        with locked(path, lambda: self._progress(0, self.epoch)):  # others may need the same one
            if not path.exists():
                checkpoint.save(path, self._make(shard))
        tree = checkpoint.load(path)
        try:
            return tree["images"], tree["predictions"]
        except KeyError as error:
            raise ArtefactError(f"{path}: of another version, no {error}; delete it") from error

    @torch.no_grad()
    def _make(self, shard: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(shard)
        seen: list[Tensor] = []
        predictions: list[Tensor] = []
        for done in range(0, self.epoch, _BLOCK):
            size = min(_BLOCK, self.epoch - done)
            clips, _ = self._source.augmented(size, generator)
            fine = images(clips, self._source.front_end, fine=True)
            seen.append(images(clips, self._source.front_end))
            probabilities = [F.softmax(teacher(fine), 1) for teacher in self._teachers]
            predictions.append(torch.stack(probabilities).mean(0).half())
            self._progress(done + size, self.epoch)
        return {"images": torch.cat(seen), "predictions": torch.cat(predictions)}
