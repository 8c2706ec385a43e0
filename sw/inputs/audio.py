"""Recordings of a word, passed through the front end that the network was trained with."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import NetworkError, ToolError
from twofold.sw.artefacts import QuantizedNetwork

SAYING = "audio needs the Python packages soundfile and soxr; install them: pip install "


def read_audio(network: QuantizedNetwork, path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Features uint8 [1, 1, frames, bands] of a recording, and remarks on it.

    Raises AudioError as `twofold.sw.data.audio.read_word` does, and what `features` raises.
    """
    word = _word(path)
    return features(network, word[0][None]), word[1]


def features(network: QuantizedNetwork, sound: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Features uint8 [n, 1, frames, bands] of clips [n, 16000], from the network's front end.

    Raises ArtefactError if the front end is unknown, NetworkError if its features do not have the
    network's input shape.
    """
    from twofold.sw.data.frontend import front_end

    return as_samples(network, front_end(network.input["front_end"])(sound))


def as_samples(network: QuantizedNetwork, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images [n, frames, bands] of the network's front end as its samples [n, 1, frames, bands].

    Raises NetworkError where they are not what the network takes.
    """
    found = images[:, None]
    if found.shape[1:] != network.network.input_shape:
        raise NetworkError(
            f"{network.network.name} takes {list(network.network.input_shape)}, its front end "
            f"{network.front_end!r} gives {list(found.shape[1:])}"
        )
    return found


def _word(path: Path) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    try:
        from twofold.sw.data.audio import read_word
    except ModuleNotFoundError as error:
        raise ToolError(f"{SAYING}'twofold[audio]'") from error
    return read_word(path)
