"""The simulated machine, used by software like the card: load a parameter image, run samples, read
results.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.closing import Closing
from twofold.hw.contract.folding import Folding, plans
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.regs import COUNTERS, counter_number
from twofold.hw.contract.results import result_row
from twofold.hw.machine.counters import Counters
from twofold.hw.verilog.machine import core_verilog
from twofold.hw.verilog.writer import Verilog
from twofold.sim.rtl.beats import (
    cycles_per_sample,
    parameter_beats,
    pixel_beats,
    results_of,
    timeout,
)
from twofold.sim.rtl.library import Drive, Model, build_library
from twofold.sim.rtl.probes import decode_probes

Inputs = NDArray[np.uint8]


@dataclass(frozen=True)
class Run:
    """Result of a run of samples.

    Attributes
    ----------
    logits: int32 ``[samples, outputs]``.
    labels: int64 ``[samples]``, as computed by the machine; None for raw outputs.
    started: cycle in which the first beat of each sample was taken, relative to the first sample's.
    finished: cycle in which the last beat of each result was taken, relative to the same cycle.
    """

    logits: NDArray[np.int32]
    labels: NDArray[np.int64] | None
    started: NDArray[np.int64]
    finished: NDArray[np.int64]

    @property
    def cycles(self) -> int:
        """Cycles from the first beat in to the last result out."""
        return int(self.finished[-1]) + 1 if len(self.finished) else 0

    @property
    def latency(self) -> int:
        """Cycles from the first beat of the first sample in to its result out."""
        return int(self.finished[0] - self.started[0]) if len(self.finished) else 0

    @property
    def cycles_per_sample(self) -> float:
        """Steady state: mean distance between results in the second half of the run."""
        return cycles_per_sample(self.finished)


class SimulatedMachine(Closing):
    """A core in cycle-accurate simulation. Use as a context manager.

    Parameters
    ----------
    network, folding: what ``verilog`` was made from.
    verilog: Verilog with or without probes.
    library: built from it by `twofold.sim.rtl.library.build_library`.
    """

    def __init__(self, network: Network, folding: Folding, verilog: Verilog, library: Path) -> None:
        self.network = network
        self.folding = folding
        self.plans = plans(network, folding)
        self.drive = Drive(timeout=timeout(network, folding))
        self._model = Model(library, verilog.ports)

    @classmethod
    def build(
        cls,
        network: Network,
        folding: Folding,
        build: Path,
        *,
        probes: bool = False,
        optimise: bool = True,
        report: Report = silent,
    ) -> "SimulatedMachine":
        """A machine, built at most once for the same sources and parameters.

        ``optimise``: see `twofold.sim.rtl.verilate.Program`.

        Raises FoldingError if the folding does not fit, ToolError if a program is missing or fails.
        """
        verilog = core_verilog(network, folding, build, probes=probes, report=report)
        library = build_library(verilog, build, report, optimise=optimise)
        return cls(network, folding, verilog, library)

    def close(self) -> None:
        """Free the simulated machine."""
        self._model.close()

    @property
    def cycle(self) -> int:
        """Cycles since reset."""
        return self._model.cycle

    def load(self, image: bytes, report: Report = silent) -> ParameterStatus:
        """Send a parameter image, valid or not; returns the status that the machine reports."""
        beats = parameter_beats(image, self._model.size("parameters__payload"))
        self._model.send_parameters(beats, self.drive, report)
        return ParameterStatus(self._model.status)

    def run(
        self,
        inputs: Inputs,
        *,
        seed: int = 1,
        gap: float = 0.0,
        stall: float = 0.0,
        behind: bytes | None = None,
        report: Report = silent,
    ) -> Run:
        """Send samples ``[samples, height, width]`` or ``[samples, 1, height, width]`` back to
        back, and take the results.

        ``gap`` and ``stall`` are the probabilities of an idle cycle before an input beat and of a
        cycle in which a result is not taken. ``behind``: a parameter image that follows the last
        sample without a gap.

        Raises ToolError if the machine stops giving results (as it does without a valid image).
        """
        self._model.clear_probes()
        size = self._model.size("i__payload")
        beats, beats_per_sample = pixel_beats(inputs, self.folding.input_bytes, size)
        drive = dataclasses.replace(self.drive, seed=seed, gap=gap, stall=stall)
        image, row = None, result_row(self.network)
        if behind is not None:
            image = parameter_beats(behind, self._model.size("parameters__payload"))
        results, started, finished = self._model.exchange(
            beats, beats_per_sample, drive, report, behind=image, beats_per_result=row.beats
        )
        logits, labels = results_of(results, row)
        first = started[0] if len(started) else 0
        return Run(
            logits=logits,
            labels=labels,
            started=(started - first).astype(np.int64),
            finished=(finished - first).astype(np.int64),
        )

    def activations(self) -> Sequence[Inputs]:
        """Activations after every layer but the last in the last run, from the probes.

        uint8 ``[samples, channels, rows, columns]`` for a convolution, ``[samples, units]`` for a
        linear layer; losers are 0.
        """
        return decode_probes(self.plans, [self.beats(at) for at in range(len(self.plans) - 1)])

    def counters(self) -> dict[str, tuple[int, ...]]:
        """Totals since reset: every register of `twofold.hw.contract.regs.COUNTERS`, one value per
        layer.
        """
        self._model.counter(0, Counters.SETTLED)
        return {
            one.name: tuple(
                self._model.counter(counter_number(one.name, layer), Counters.LATENCY + 1)
                for layer in range(min(one.values, len(self.plans)))
            )
            for one in COUNTERS
        }

    def beats(self, layer: int) -> Inputs:
        """Beats ``[n, bytes]`` that left a layer in the last run, from its probe."""
        return self._model.probe(layer)
