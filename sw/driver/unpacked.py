"""An engine that unpacks the parameter image and computes from the network in it."""

import zlib
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import (
    ALIGN_BYTES,
    FINGERPRINT_BYTES,
    MAGIC,
    VERSION,
    ParameterStatus,
)
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.software import Classified
from twofold.sw.pack import unpack


class Classifier(Protocol):
    """A network that is ready to run."""

    def infer(
        self, inputs: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64] | None]:
        """Logits ``[samples, outputs]`` and labels ``[samples]`` (None for raw outputs) of inputs
        ``[samples, channels, height, width]``.
        """
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class UnpackedEngine:
    """A `twofold.sw.driver.software.Engine` that unpacks parameter images into classifiers.

    Parameters
    ----------
    network, folding: what the images are packed for.
    make: makes the classifier of a network.
    """

    def __init__(
        self, network: Network, folding: Folding, make: Callable[[QuantizedNetwork], Classifier]
    ) -> None:
        self._network, self._folding, self._make = network, folding, make
        self._classifier: Classifier | None = None

    def load(self, image: bytes) -> ParameterStatus:
        """Unpack the image; after an invalid one nothing is loaded."""
        self.close()
        try:
            layers = unpack(image, self._network, self._folding)
        except ParameterError:
            return refusal(image, self._network, self._folding)
        self._classifier = self._make(QuantizedNetwork(self._network, layers, 1.0))
        return ParameterStatus.OK

    def run(self, inputs: NDArray[np.uint8]) -> Classified:
        """Classify samples. Raises RuntimeError if nothing is loaded."""
        if self._classifier is None:
            raise RuntimeError("no image is loaded")
        return Classified(*self._classifier.infer(inputs))

    def close(self) -> None:
        """Free the classifier."""
        if self._classifier is not None:
            self._classifier.close()
            self._classifier = None


def refusal(image: bytes, network: Network, folding: Folding) -> ParameterStatus:
    """The machine's status for an image that `twofold.sw.pack.unpack` refuses: the first rule that
    it breaks.
    """
    whole = len(image) % ALIGN_BYTES == 0 and len(image) > 0
    samples = np.frombuffer(image[: len(image) // 4 * 4], "<u4")
    machine = image[16 : 16 + FINGERPRINT_BYTES]
    rules = (
        (ParameterStatus.BAD_MAGIC, len(samples) > 0 and samples[0] == MAGIC),
        (ParameterStatus.BAD_VERSION, len(samples) > 1 and samples[1] == VERSION),
        (ParameterStatus.BAD_LENGTH, whole and samples[2] == len(image)),
        (ParameterStatus.BAD_CRC, whole and samples[-1] == zlib.crc32(image[:-4])),
        (ParameterStatus.BAD_FINGERPRINT, machine == fingerprint(network, folding)),
    )
    return next((status for status, kept in rules if not kept), ParameterStatus.BAD_SECTION)
