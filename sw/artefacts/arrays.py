"""Checks on the input arrays that callers pass to a network."""

import numpy as np

from twofold.hw.contract.network import Network
from twofold.sw.errors import ArtefactError


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
