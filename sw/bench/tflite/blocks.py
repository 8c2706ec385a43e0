"""Sparse matrices in blocks of four columns, the form that LiteRT has a float32 kernel for."""

from dataclasses import dataclass

import numpy as np

WIDTH = 4
"""Columns of a block."""
KEPT_MOST = 0.5
"""Largest share of blocks that are not zero in a matrix that is worth storing so."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a matrix that are not zero, row by row.

    Attributes
    ----------
    shape: of the whole matrix.
    values: ``[blocks, WIDTH]``.
    starts: first block of each row, and the number of blocks; int32 ``[rows + 1]``.
    places: of each block, its place in the row in blocks; int32 ``[blocks]``.
    """

    shape: tuple[int, int]
    values: np.ndarray
    starts: np.ndarray
    places: np.ndarray


def blocks_of(matrix: np.ndarray) -> Blocks | None:
    """``matrix`` in blocks; None if its columns do not divide, or if too few blocks are zero."""
    rows, columns = matrix.shape
    if columns % WIDTH:
        return None
    blocks = matrix.reshape(rows, -1, WIDTH)
    kept = blocks.any(axis=2)
    if kept.mean() > KEPT_MOST:
        return None
    starts = np.concatenate(([0], np.cumsum(kept.sum(axis=1))))
    places = np.nonzero(kept)[1]
    return Blocks((rows, columns), blocks[kept], starts.astype(np.int32), places.astype(np.int32))
