"""The CPU engine as a device: the fallback if there is no card."""

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.sw.cpu import CpuEngine
from twofold.sw.driver.software import SoftwareDevice
from twofold.sw.driver.unpacked import UnpackedEngine


def open_cpu(
    network: Network, folding: Folding, *, threads: int | None = None, units: int = 1
) -> SoftwareDevice:
    """The CPU as a device that takes parameter images packed for ``network`` and ``folding``.

    Each unit has ``threads`` threads; None for as many as there are CPUs.
    """

    def engine() -> UnpackedEngine:
        return UnpackedEngine(network, folding, lambda quantized: CpuEngine(quantized, threads))

    return SoftwareDevice("cpu", network, folding, engine, units=units, shared=True)
