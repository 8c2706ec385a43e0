"""A batch in the units' own memory, for callers that write samples in place."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from twofold.hw.contract.closing import Closing, Owner
from twofold.sw.artefacts.arrays import checked_array
from twofold.sw.driver.slot import Slot
from twofold.sw.driver.ticket import Ticket
from twofold.sw.driver.worker import Worker
from twofold.sw.errors import ArtefactError, DeviceBusyError, DeviceError


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


class Batch(Closing):
    """Memory for a batch, made by `twofold.sw.driver.Accelerator.buffer`.

    It may be submitted any number of times, one after the other. It is freed by `free`, at the end
    of its context, and with its accelerator; it cannot be used afterwards, nor can its views.

    Parameters
    ----------
    samples: number of samples.
    parts: the runs they are split into, in order.
    shape: of a sample.
    """

    def __init__(self, samples: int, parts: Sequence[Part], shape: tuple[int, ...]) -> None:
        self.samples, self.parts = samples, tuple(parts)
        self._shape, self._owner = shape, Owner()
        self._ticket: Ticket | None = None
        self._lock = threading.Lock()
        self.views = tuple(_shaped(part.slot.inputs, shape) for part in parts)

    views: tuple[NDArray[np.uint8], ...]
    """uint8 ``[samples of the part, *shape of a sample]`` per part, in order: write samples here.
    """

    def write(self, inputs: NDArray[np.uint8]) -> None:
        """Copy inputs uint8 ``[samples, *shape of a sample]`` into place.

        Raises ArtefactError for any other shape or type, DeviceError for a batch that was freed.
        """
        needed = (self.samples, *self._shape)
        array = checked_array(inputs, f"uint8{list(needed)}")
        if array.dtype != np.uint8 or array.shape != needed:
            raise ArtefactError(
                f"inputs are {array.dtype}{list(array.shape)}, needs uint8{list(needed)}"
            )
        self._check_alive()
        for part, view in zip(self.parts, self.views, strict=True):
            with part.slot.run.alive():
                np.copyto(view, array[part.first : part.first + part.samples])

    def begin(self, ticket: Ticket) -> None:
        """Mark the batch as in flight. Raises DeviceBusyError if it already is, DeviceError if it
        was freed.
        """
        with self._lock:
            self._check_alive()
            if self._ticket is not None and not self._ticket.done:
                raise DeviceBusyError(
                    "this batch is on the card; wait for its result before it is sent again"
                )
            self._ticket = ticket

    def free(self) -> None:
        """Wait for the batch to end and free its memory; idempotent."""
        if not self._owner.here:
            return
        with self._lock:
            parts, self.parts, self.views = self.parts, (), ()
            ticket = self._ticket
        if parts and ticket is not None:
            ticket.wait_ended()
        for part in parts:
            part.worker.free(part.slot)

    def close(self) -> None:
        """`free`."""
        self.free()

    def _check_alive(self) -> None:
        if refusal := self._owner.refusal("this batch"):
            raise DeviceError(refusal)
        if not self.parts:
            raise DeviceError("this batch was freed; make a new one with buffer()")


def _shaped(inputs: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """View ``inputs`` [samples, bytes], whose rows may have padding between them, as
    [samples, *shape].
    """
    inner = np.empty(shape, np.uint8).strides
    return as_strided(inputs, (len(inputs), *shape), (inputs.strides[0], *inner))
