"""The golden model as a device."""

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.software import SoftwareDevice
from twofold.sw.driver.unpacked import UnpackedEngine
from twofold.sw.golden import forward


class GoldenClassifier:
    """Computes with NumPy integers."""

    def __init__(self, quantized: QuantizedNetwork) -> None:
        self._quantized = quantized

    def infer(
        self, inputs: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64] | None]:
        """Logits and labels; the labels are None for raw outputs."""
        found = forward(self._quantized, inputs, keep_activations=False)
        return found.logits, found.labels

    def close(self) -> None:
        """Does nothing: there is nothing to free."""


def open_golden(network: Network, folding: Folding, *, units: int = 1) -> SoftwareDevice:
    """A device that takes inputs packed for ``network`` and ``folding``."""

    def engine() -> UnpackedEngine:
        return UnpackedEngine(network, folding, GoldenClassifier)

    return SoftwareDevice("golden", network, folding, engine, units=units)
