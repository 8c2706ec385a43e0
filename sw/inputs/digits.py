"""Example samples that come with Twofold, for networks whose artefact names them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import ArtefactError

NAME = "digits"


def has_examples(network: QuantizedNetwork) -> bool:
    """Whether there is data for the network that does not need a file."""
    return network.input.get("examples") == NAME


def read_digits(
    network: QuantizedNetwork, split: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], Sequence[str]]:
    """Samples uint8 [n, 1, 8, 8], classes [n] and names from scikit-learn's digits.

    Raises DatasetError for an unknown split, ToolError without scikit-learn, ArtefactError for a
    network of another shape or other classes.
    """
    from twofold.sw.data.digits import digits

    images, classes = digits(split)
    labels = network.network.labels
    if (1, *images.shape[1:]) != network.network.input_shape or len(labels) != 10:
        raise ArtefactError(
            f"{network.network.name}: its examples are digits of 8 x 8 pixels in 10 classes, it "
            f"takes {list(network.network.input_shape)} and has {len(labels)}"
        )
    return images[:, None], classes, [labels[value] for value in classes]
