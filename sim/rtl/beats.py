"""Beats of the core's streams as bytes, as Verilator stores them; and what the cycles of the
results say.
"""

import numpy as np
from numpy.typing import NDArray

from hw.contract.errors import ImageError
from hw.contract.folding import Folding, plans
from hw.contract.network import Network
from hw.links import image_layout

Images = NDArray[np.uint8]


def cycles_per_word(finished: NDArray[np.int64]) -> float:
    """Mean distance of results in the second half of a run, given the cycle of each; 0 for a single
    one.
    """
    half = (len(finished) - 1) // 2
    if len(finished) < 2:
        return 0.0
    return float(finished[-1] - finished[half]) / (len(finished) - 1 - half)


def image_beats(image: bytes, size: int) -> Images:
    """Words of a packed image as beats ``[n, size]`` on the core's ``image`` stream. Raises
    ImageError.
    """
    if not image or len(image) % 4:
        raise ImageError(f"packed image is {len(image)} bytes long, needs a multiple of 4")
    layout = image_layout()
    words = np.frombuffer(image, "<u4").astype(np.uint64)
    beats = words << np.uint64(layout["data"].offset)
    beats[-1] |= np.uint64(1 << layout["last"].offset)
    return np.ascontiguousarray(beats.view(np.uint8).reshape(-1, 8)[:, :size])


def pixel_beats(images: Images, input_bytes: int, size: int) -> tuple[Images, int]:
    """Words as beats ``[n, size]`` on the core's ``i`` stream, and the beats of one word.

    ``images`` is uint8 ``[words, ...]``, row by row. A word that does not fill its last beat is
    padded with zeros.
    """
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    beats = -(-flat.shape[1] // input_bytes)
    padded = np.zeros((len(images), beats * input_bytes), np.uint8)
    padded[:, : flat.shape[1]] = flat
    whole = np.zeros((len(images) * beats, size), np.uint8)
    whole[:, :input_bytes] = padded.reshape(-1, input_bytes)
    return whole, beats


def patience(network: Network, folding: Folding) -> int:
    """Cycles after which a machine without any transfer hangs for sure."""
    return 10_000 + 4 * sum(plan.cycles for plan in plans(network, folding))
