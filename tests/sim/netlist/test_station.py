"""What is placed and routed, after synthesis, against the golden model: a whole board, from its
pins, with this project's models of the cells.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.boards import find
from twofold.hw.contract.shipped import machine
from twofold.hw.route.synthesis import synthesised
from twofold.hw.verilog.station import station_verilog
from twofold.hw.verilog.writer import Verilog
from twofold.sim.board.simulated import BAUD, SimulatedBoard, station_library
from twofold.sim.netlist.station import netlist_verilog, with_cells
from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.driver import Accelerator
from twofold.sw.golden import forward
from twofold.sw.link.device import open_serial

pytest.importorskip("serial")
pytest.importorskip("amaranth_boards")
pytest.importorskip("pyosys")

BOARD = find("ulx3s-85f")
MACHINE = replace(machine("tiny-fast-small"), board=BOARD.name)
CLOCK_HZ = 75e6
SECONDS = 600.0
"""How long an answer may take: a bit is 25 cycles, and a netlist is slow to simulate."""

INPUTS = random_inputs(MACHINE.network, 6, seed=5)


def computed(verilog: Verilog, build: Path, bit_cycles: int) -> None:
    """Assert that a station in simulation gives the golden integers."""
    quantized = QuantizedNetwork.load(shipped_file("tiny-fast"))
    golden = forward(quantized, INPUTS, keep_activations=False)
    library = station_library(verilog, build, bit_cycles=bit_cycles)
    with SimulatedBoard(library) as board:
        device = open_serial(board.port, MACHINE.network, MACHINE.folding, seconds=SECONDS)
        with Accelerator(device) as accelerator:
            accelerator.load(quantized)
            logits, labels = accelerator.infer(INPUTS)
    assert (logits == golden.logits).all() and (labels == golden.labels).all()


def test_the_machine_of_ecp5_cells_computes_the_golden_integers(build_cache: Path):
    """Before synthesis, which leaves these cells as they are."""
    verilog = station_verilog(
        MACHINE.network,
        MACHINE.folding,
        build_cache,
        clock_hz=4 * BAUD,
        baud=BAUD,
        target=BOARD.family.target,
    )
    computed(with_cells(verilog, build_cache), build_cache, 4)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_netlist_computes_the_golden_integers(build_cache: Path):
    netlist = synthesised(MACHINE, build_cache, clock_hz=CLOCK_HZ)
    bit_cycles = round(netlist.pins.clock_hz / BOARD.open_tools.baud)
    computed(netlist_verilog(netlist, build_cache), build_cache, bit_cycles)
