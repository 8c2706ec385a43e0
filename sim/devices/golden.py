"""The golden model as a device."""

import numpy as np
from numpy.typing import NDArray

from hw.contract.folding import Folding
from hw.contract.network import Network
from sim.golden import forward
from sw.artefacts import QuantizedNetwork
from sw.driver.software import SoftwareDevice
from sw.driver.unpacked import UnpackedEngine


class GoldenClassifier:
    """NumPy integers."""

    def __init__(self, quantized: QuantizedNetwork) -> None:
        self._quantized = quantized

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Logits and labels."""
        found = forward(self._quantized, images, keep_activations=False)
        return found.logits, found.labels

    def close(self) -> None:
        """Nothing to free."""


def open_golden(network: Network, folding: Folding, *, units: int = 1) -> SoftwareDevice:
    """A device that takes images packed for ``network`` and ``folding``."""

    def engine() -> UnpackedEngine:
        return UnpackedEngine(network, folding, GoldenClassifier)

    return SoftwareDevice("golden", network, folding, engine, units=units)
