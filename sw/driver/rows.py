"""Result rows, as `twofold.hw.contract.results` lays them out, as NumPy arrays."""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from twofold.hw.contract.results import ResultRow

Rows = NDArray[np.int32]
"""int32 ``[samples, columns of a row]``, as laid out in memory."""
Results = tuple[NDArray[np.int32], NDArray[np.int32] | None]
"""Logits ``[samples, outputs]`` and labels ``[samples]``; labels are None for raw outputs."""


def strided(memory: NDArray[np.uint8], samples: int, stride: int, size: int) -> NDArray[np.uint8]:
    """``samples`` samples of ``size`` bytes that start ``stride`` bytes apart in memory, and may
    overlap: uint8 ``[samples, size]``, a view that cannot be written.

    Raises ValueError if they reach beyond the memory.
    """
    if samples and (samples - 1) * stride + size > len(memory):
        raise ValueError(f"{samples} samples, {stride} apart, do not fit {len(memory)} bytes")
    return as_strided(memory, (samples, size), (stride, 1), writeable=False)


def rows_of(memory: NDArray[np.uint8], row: ResultRow, samples: int) -> Rows:
    """The first ``samples`` results in memory, as a view of it."""
    return memory[: samples * row.nbytes].view(np.int32).reshape(samples, row.columns)


def split_rows(rows: Rows, row: ResultRow) -> Results:
    """Logits and labels, as views of the rows."""
    labels = None if row.label_column is None else rows[:, row.label_column]
    return rows[:, : row.outputs], labels


def fill_rows(
    rows: Rows, row: ResultRow, logits: NDArray[np.int32], labels: NDArray[np.integer] | None
) -> None:
    """Write results, padding columns included. Raises ValueError if labels are given for raw
    outputs, or missing otherwise.
    """
    if (labels is None) == row.labelled:
        raise ValueError(f"labels with raw outputs, or none without: {row}")
    rows[:, : row.outputs] = logits
    rows[:, row.outputs :] = 0
    if labels is not None:
        rows[:, row.label_column] = labels
