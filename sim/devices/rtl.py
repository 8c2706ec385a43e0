"""The machine's RTL, as a library, as a device."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.contract.folding import Folding
from hw.contract.image import ImageStatus
from hw.contract.network import Network
from hw.contract.regs import register
from hw.verilog.cache import Report, silent
from sim.rtl.machine import Machine
from sw.driver.software import Classified, SoftwareDevice


class RtlEngine:
    """A simulated core."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def load(self, image: bytes) -> ImageStatus:
        """Send the image, good or bad."""
        return self._machine.load(image)

    def run(self, images: NDArray[np.uint8]) -> Classified:
        """Send words back to back."""
        found = self._machine.run(images)
        counters = {"cycles": found.cycles, "latency": found.latency}
        for name, values in self._machine.counters().items():
            bits = register(name).bits // register(name).values
            counters[name] = sum(value << bits * layer for layer, value in enumerate(values))
        return Classified(found.logits, found.labels, counters)

    def close(self) -> None:
        """Free the simulated core."""
        self._machine.close()


def open_rtl(
    network: Network, folding: Folding, build: Path, *, units: int = 1, report: Report = silent
) -> SoftwareDevice:
    """A device whose units are cores in cycle-accurate simulation, built under ``build``.

    Raises FoldingError when the folding does not fit, ToolError when a program is missing or
    fails.
    """

    def engine() -> RtlEngine:
        return RtlEngine(Machine.build(network, folding, build, report=report))

    return SoftwareDevice("rtl", network, folding, engine, units=units)
