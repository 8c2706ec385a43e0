"""What is placed and routed, after synthesis, against the golden model: a whole board, from its
pins, with this project's models of the cells.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.boards import find
from twofold.hw.contract.shipped import machine
from twofold.hw.route.synthesis import Netlist, synthesised
from twofold.sim.board.simulated import SimulatedBoard, station_library
from twofold.sim.netlist.station import netlist_verilog
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
CLOCK_HZ = 100e6
SECONDS = 600.0
"""How long an answer may take: a bit is a line of 33 cycles, and a netlist is slow to simulate."""

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def netlist(build_cache: Path) -> Netlist:
    return synthesised(MACHINE, build_cache, clock_hz=CLOCK_HZ)


def test_the_netlist_computes_the_golden_integers(netlist: Netlist, build_cache: Path):
    quantized = QuantizedNetwork.load(shipped_file("tiny-fast"))
    inputs = random_inputs(MACHINE.network, 6, seed=5)
    golden = forward(quantized, inputs, keep_activations=False)
    bit_cycles = round(netlist.pins.clock_hz / BOARD.open_tools.baud)
    library = station_library(
        netlist_verilog(netlist, build_cache), build_cache, bit_cycles=bit_cycles
    )
    with SimulatedBoard(library) as board:
        device = open_serial(board.port, MACHINE.network, MACHINE.folding, seconds=SECONDS)
        with Accelerator(device) as accelerator:
            accelerator.load(quantized)
            logits, labels = accelerator.infer(inputs)
    assert (logits == golden.logits).all() and (labels == golden.labels).all()
