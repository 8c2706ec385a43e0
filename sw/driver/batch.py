"""A batch that lies in the units' memory, for callers that write words in place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from sw.driver.ticket import Ticket
from sw.driver.worker import Slot, Worker
from sw.errors import ArtefactError, DeviceBusyError


@dataclass(frozen=True)
class Part:
    """Words that one unit computes in one run.

    Attributes
    ----------
    worker, slot: where.
    first, words: which.
    """

    worker: Worker
    slot: Slot
    first: int
    words: int


class Batch:
    """Memory for a batch, made by `sw.driver.Accelerator.buffer`. May be submitted many times.

    Use as a context manager, or `free` it, before the accelerator is closed.

    Parameters
    ----------
    words: of the batch.
    parts: where they lie, in order.
    shape: of a word.
    """

    def __init__(self, words: int, parts: Sequence[Part], shape: tuple[int, ...]) -> None:
        self.words, self.parts = words, tuple(parts)
        self._shape = shape
        self._ticket: Ticket | None = None
        self.views = tuple(_shaped(part.slot.images, shape) for part in parts)

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    views: tuple[NDArray[np.uint8], ...]
    """uint8 ``[words of the part, *shape of a word]``, in order: the memory to write to."""

    def write(self, images: NDArray[np.uint8]) -> None:
        """Copy images ``[words, *shape of a word]`` into place. Raises ArtefactError."""
        needed = (self.words, *self._shape)
        if images.dtype != np.uint8 or images.shape != needed:
            raise ArtefactError(
                f"images are {images.dtype}{list(images.shape)}, needs uint8{list(needed)}"
            )
        for part, view in zip(self.parts, self.views, strict=True):
            np.copyto(view, images[part.first : part.first + part.words])

    def begin(self, ticket: Ticket) -> None:
        """Note that it is under way. Raises DeviceBusyError when it is already."""
        if self._ticket is not None and not self._ticket.done:
            raise DeviceBusyError(
                "this batch is on the card; wait for its result before it is sent again"
            )
        self._ticket = ticket

    def free(self) -> None:
        """Give the memory back, after the batch has ended; the views must not be used again."""
        parts, self.parts, self.views = self.parts, (), ()
        if parts and self._ticket is not None:
            self._ticket.wait_ended()
        for part in parts:
            part.slot.free()


def _shaped(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """``images`` [words, bytes], whose rows may be apart, as [words, *shape] of the same memory."""
    inner = np.empty(shape, np.uint8).strides
    return as_strided(images, (len(images), *shape), (images.strides[0], *inner))
