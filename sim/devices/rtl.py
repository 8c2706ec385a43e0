"""The machine's RTL, compiled to a library, as a device."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.regs import register
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sw.driver.software import Classified, SoftwareDevice


class RtlEngine:
    """A simulated core."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self._machine = machine

    def load(self, image: bytes) -> ParameterStatus:
        """Send a parameter image, valid or not."""
        return self._machine.load(image)

    def run(self, inputs: NDArray[np.uint8]) -> Classified:
        """Send samples back to back."""
        found = self._machine.run(inputs)
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

    Raises FoldingError if the folding does not fit, ToolError if a program is missing or fails.
    """

    def engine() -> RtlEngine:
        return RtlEngine(SimulatedMachine.build(network, folding, build, report=report))

    return SoftwareDevice("rtl", network, folding, engine, units=units)
