"""Overlapping samples: windows on frames that lie one after the other, once."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from twofold.hw.contract.regs import BEAT_BYTES
from twofold.sw.artefacts.arrays import checked_array
from twofold.sw.errors import ArtefactError


@dataclass(frozen=True)
class Windows:
    """Samples that are windows on one array.

    Attributes
    ----------
    rows: uint8 ``[samples, *shape of a sample]``: a view in which samples share memory.
    stride: the kernel's argument, with which samples are read where they are; 0 if each has to be
        copied to a place of its own.
    """

    rows: NDArray[np.uint8]
    stride: int

    def part(self, first: int, samples: int) -> NDArray[np.uint8]:
        """What to send for ``samples`` samples, at least 1: with a stride, the bytes from the start
        of sample ``first`` to the end of the last; otherwise the samples, one by one.
        """
        piece = self.rows[first : first + samples]
        if not self.stride:
            return piece
        size = (samples - 1) * self.stride + piece[0].size
        return as_strided(piece, (size,), (1,), writeable=False)


def windows(
    frames: NDArray[np.uint8], hop: int, shape: tuple[int, ...], contiguous: int
) -> Windows:
    """Windows on frames: the first starts at frame 0, each ``hop`` frames behind the last one.

    Parameters
    ----------
    frames: uint8 ``[frames, width]``, or ``[channels, frames, width]``.
    hop: frames, >= 1.
    shape: of a sample: ``(channels, height, width)``; a window is ``height`` frames.
    contiguous: bytes from one sample to the next where they do not overlap.

    Windows are read where they are if they have one channel and start a multiple of 64 bytes apart,
    closer together than copies would be.

    Raises ArtefactError if the frames do not have this type and shape.
    """
    channels, height, width = shape
    wanted = f"uint8[{'' if channels == 1 else f'{channels}, '}frames, {width}]"
    given = checked_array(frames, wanted)
    whole = given[np.newaxis] if given.ndim == 2 else given
    if whole.dtype != np.uint8 or whole.ndim != 3 or whole.shape[::2] != (channels, width):
        raise ArtefactError(f"frames are {given.dtype}{list(given.shape)}, needs {wanted}")
    whole = np.ascontiguousarray(whole)
    count = max((whole.shape[1] - height) // hop + 1, 0)
    of_channel, of_frame, of_value = whole.strides
    rows = as_strided(
        whole,
        (count, channels, height, width),
        (hop * of_frame, of_channel, of_frame, of_value),
        writeable=False,
    )
    step = hop * width
    fits = channels == 1 and step % BEAT_BYTES == 0 and step < contiguous
    return Windows(rows, step if fits else 0)
