"""Whole machines written with cells, simulated with the vendor's models of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.cache import cached
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.target import Target
from twofold.hw.verilog.machine import core_verilog
from twofold.hw.verilog.writer import TOP, Verilog, write_files
from twofold.sim.rtl.library import build_library
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sim.unisim.models import CELLS, CellModels, with_global_reset
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden import forward
from twofold.sw.pack import pack


@dataclass(frozen=True)
class MachineOutcome:
    """What running a machine found.

    Attributes
    ----------
    cells: instances of each cell in the Verilog, a tile's counted once.
    samples: sent.
    mismatches: samples whose logits or label differ from the golden model.
    cycles_per_sample: in steady state.
    """

    cells: dict[str, int]
    samples: int
    mismatches: int
    cycles_per_sample: float

    @property
    def passed(self) -> bool:
        """Whether samples were sent, and all results are right."""
        return self.samples > 0 and not self.mismatches


def run_machine(
    quantized: QuantizedNetwork,
    folding: Folding,
    inputs: NDArray[np.uint8],
    models: CellModels,
    build: Path,
    report: Report = silent,
) -> MachineOutcome:
    """Load a network into a machine made of cells, run the samples and compare.

    Raises FoldingError, ToolError, FileError.
    """
    verilog = machine_verilog(quantized, folding, models, build, report)
    library = build_library(verilog, build, report, flags=models.flags(build))
    golden = forward(quantized, inputs, keep_activations=False)
    with SimulatedMachine(quantized.network, folding, verilog, library) as machine:
        status = machine.load(pack(quantized, folding))
        if status != ParameterStatus.OK:
            raise ToolError(f"the machine refuses its image with status {status.name}")
        found = machine.run(inputs, report=report)
    wrong = (found.logits != golden.logits).any(axis=1)
    if found.labels is not None:
        wrong |= found.labels != golden.labels
    text = verilog.text
    return MachineOutcome(
        cells={cell: text.count(f"\n  {cell} ") for cell in CELLS},
        samples=len(inputs),
        mismatches=int(np.count_nonzero(wrong)),
        cycles_per_sample=round(found.cycles_per_sample, 2),
    )


def machine_verilog(
    quantized: QuantizedNetwork,
    folding: Folding,
    models: CellModels,
    build: Path,
    report: Report = silent,
) -> Verilog:
    """Verilog of a machine made of cells, with the global reset that their models look for."""
    plain = core_verilog(quantized.network, folding, build, target=Target.XCUP, report=report)
    folder = plain.path.parent

    def make(directory: Path) -> None:
        write_files(directory, with_global_reset(plain.text, TOP), plain.ports)

    made = cached(folder.with_name(f"{folder.name}-unisim-{models.key}"), make)
    return Verilog(made / plain.path.name, plain.ports)
