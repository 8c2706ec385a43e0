"""Handwritten digits bundled with scikit-learn, 8x8 pixels, ten classes: the data of TINY."""

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import ToolError
from twofold.sw.errors import DatasetError

SPLITS = ("train", "val", "test", "all")
_SHARES = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0), "all": (0.0, 1.0)}
_LEVELS = 16


def digits(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [N, 8, 8] (0..240, a step of the original is 15) and classes [N] of a split.

    The 1797 images are split 70 / 10 / 20 % in a fixed random order.

    Raises
    ------
    DatasetError: unknown split.
    ToolError: scikit-learn is not installed.
    """
    if split not in SPLITS:
        raise DatasetError(f"split is {split!r}, choose one of {', '.join(SPLITS)}")
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ToolError("digits come with the Python package scikit-learn; install it") from error
    pixels, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    first, last = (round(share * len(order)) for share in _SHARES[split])
    chosen = order[first:last]
    images = np.asarray(pixels)[chosen].reshape(-1, 8, 8) * (240 // _LEVELS)
    return images.astype(np.uint8), np.asarray(classes)[chosen].astype(np.int64)
