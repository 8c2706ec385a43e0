"""Engines that compute from a network rather than from its packed image: they unpack it first."""

import zlib
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hw.contract.errors import ImageError
from hw.contract.folding import Folding
from hw.contract.identity import fingerprint
from hw.contract.image import ALIGN_BYTES, FINGERPRINT_BYTES, MAGIC, VERSION, ImageStatus
from hw.contract.network import Network
from sw.artefacts import QuantizedNetwork
from sw.driver.software import Classified
from sw.pack import unpack


class Classifier(Protocol):
    """A network ready to run."""

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Logits ``[words, classes]`` and labels ``[words]`` of images
        ``[words, channels, height, width]``.
        """
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class UnpackedEngine:
    """A `sw.driver.software.Engine` that unpacks images and makes a classifier of each.

    Parameters
    ----------
    network, folding: that images are packed for.
    make: the classifier of a network.
    """

    def __init__(
        self, network: Network, folding: Folding, make: Callable[[QuantizedNetwork], Classifier]
    ) -> None:
        self._network, self._folding, self._make = network, folding, make
        self._classifier: Classifier | None = None

    def load(self, image: bytes) -> ImageStatus:
        """Unpack the image; after a bad one nothing is loaded."""
        self.close()
        try:
            layers = unpack(image, self._network, self._folding)
        except ImageError:
            return refusal(image, self._network, self._folding)
        self._classifier = self._make(QuantizedNetwork(self._network, layers, 1.0))
        return ImageStatus.OK

    def run(self, images: NDArray[np.uint8]) -> Classified:
        """Classify. Raises RuntimeError when nothing is loaded."""
        if self._classifier is None:
            raise RuntimeError("no image is loaded")
        return Classified(*self._classifier.infer(images))

    def close(self) -> None:
        """Free the classifier."""
        if self._classifier is not None:
            self._classifier.close()
            self._classifier = None


def refusal(image: bytes, network: Network, folding: Folding) -> ImageStatus:
    """What the machine says of an image that `sw.pack.unpack` refuses: the first rule broken."""
    whole = len(image) % ALIGN_BYTES == 0 and len(image) > 0
    words = np.frombuffer(image[: len(image) // 4 * 4], "<u4")
    machine = image[16 : 16 + FINGERPRINT_BYTES]
    rules = (
        (ImageStatus.BAD_MAGIC, len(words) > 0 and words[0] == MAGIC),
        (ImageStatus.BAD_VERSION, len(words) > 1 and words[1] == VERSION),
        (ImageStatus.BAD_LENGTH, whole and words[2] == len(image)),
        (ImageStatus.BAD_CRC, whole and words[-1] == zlib.crc32(image[:-4])),
        (ImageStatus.BAD_FINGERPRINT, machine == fingerprint(network, folding)),
    )
    return next((status for status, kept in rules if not kept), ImageStatus.BAD_SECTION)
