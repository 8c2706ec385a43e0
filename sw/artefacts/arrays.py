"""Checks on arrays from outside: headers of files, and what callers pass to a network."""

import io
import tokenize
import warnings
from typing import Any

import numpy as np

from twofold.hw.contract.network import Network
from twofold.sw.errors import ArtefactError

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""Shape, whether the order is that of Fortran, and type of an array."""


def array_header(file: io.BytesIO) -> tuple[tuple[int, int], Header | None]:
    """Version of the format of `numpy.save`, and the header if the version is 1 or 2; the file is
    left where the data begin.

    Raises ValueError for a header that is none, whatever NumPy makes of it.
    """
    version = np.lib.format.read_magic(file)
    formats = np.lib.format
    readers = {(1, 0): formats.read_array_header_1_0, (2, 0): formats.read_array_header_2_0}
    if version not in readers:
        return version, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers written by old Python versions
        try:
            return version, readers[version](file)
        except (tokenize.TokenError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"its header cannot be read ({type(error).__name__})") from error


def checked_array(inputs: object, needed: str) -> np.ndarray:
    """``inputs`` if they are a NumPy array. Raises ArtefactError, which says what is ``needed``."""
    if not isinstance(inputs, np.ndarray):
        raise ArtefactError(
            f"inputs are a {type(inputs).__name__}, needs a NumPy array {needed}; "
            "`numpy.asarray(inputs, numpy.uint8)` makes one"
        )
    return inputs


def checked_inputs(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Check ``inputs`` and return them as uint8 ``[samples, channels, height, width]``.

    The channel axis may be missing if the network has one channel. Raises ArtefactError for any
    other shape or type.
    """
    channels, rows, cols = network.input_shape
    needed = f"uint8[samples, {channels}, {rows}, {cols}]"
    given = inputs = checked_array(inputs, needed)
    if channels == 1 and inputs.ndim == 3:
        inputs = inputs[:, np.newaxis]
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[1:] != network.input_shape:
        raise ArtefactError(f"inputs are {given.dtype}{list(given.shape)}, needs {needed}")
    return inputs
