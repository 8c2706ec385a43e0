"""A batch in the units' own memory, for callers that write samples in place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from twofold.sw.driver.ticket import Ticket
from twofold.sw.driver.worker import Slot, Worker
from twofold.sw.errors import ArtefactError, DeviceBusyError


@dataclass(frozen=True)
class Part:
    """Samples that one unit computes in one run.

    Attributes
    ----------
    worker, slot: where they are.
    first, samples: which samples of the batch.
    """

    worker: Worker
    slot: Slot
    first: int
    samples: int


class Batch:
    """Memory for a batch, made by `twofold.sw.driver.Accelerator.buffer`.

    It may be submitted any number of times. Use it as a context manager, or `free` it, before the
    accelerator is closed.

    Parameters
    ----------
    samples: number of samples.
    parts: the runs they are split into, in order.
    shape: of a sample.
    """

    def __init__(self, samples: int, parts: Sequence[Part], shape: tuple[int, ...]) -> None:
        self.samples, self.parts = samples, tuple(parts)
        self._shape = shape
        self._ticket: Ticket | None = None
        self.views = tuple(_shaped(part.slot.inputs, shape) for part in parts)

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    views: tuple[NDArray[np.uint8], ...]
    """uint8 ``[samples of the part, *shape of a sample]`` per part, in order: write samples here.
    """

    def write(self, inputs: NDArray[np.uint8]) -> None:
        """Copy inputs uint8 ``[samples, *shape of a sample]`` into place. Raises ArtefactError."""
        needed = (self.samples, *self._shape)
        if inputs.dtype != np.uint8 or inputs.shape != needed:
            raise ArtefactError(
                f"inputs are {inputs.dtype}{list(inputs.shape)}, needs uint8{list(needed)}"
            )
        for part, view in zip(self.parts, self.views, strict=True):
            np.copyto(view, inputs[part.first : part.first + part.samples])

    def begin(self, ticket: Ticket) -> None:
        """Mark the batch as in flight. Raises DeviceBusyError if it already is."""
        if self._ticket is not None and not self._ticket.done:
            raise DeviceBusyError(
                "this batch is on the card; wait for its result before it is sent again"
            )
        self._ticket = ticket

    def free(self) -> None:
        """Wait for the batch to end and free its memory; the views must not be used again."""
        parts, self.parts, self.views = self.parts, (), ()
        if parts and self._ticket is not None:
            self._ticket.wait_ended()
        for part in parts:
            part.slot.free()


def _shaped(inputs: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """View ``inputs`` [samples, bytes], whose rows may have padding between them, as
    [samples, *shape].
    """
    inner = np.empty(shape, np.uint8).strides
    return as_strided(inputs, (len(inputs), *shape), (inputs.strides[0], *inner))
