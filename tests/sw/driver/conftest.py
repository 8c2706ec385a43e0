"""Devices for the driver's tests: those in software, or what the environment names.

``TWOFOLD_DEVICE=xrt:0 TWOFOLD_XCLBIN=file pytest tests/sw/driver`` runs the same tests on a card,
with a bitstream of the network tiny-fast in folding small.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.shipped import machine
from twofold.sim.board.simulated import SimulatedBoard, board_library
from twofold.sim.devices import open_golden, open_rtl
from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver import Accelerator, Device
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.golden import Golden, forward
from twofold.sw.link.device import open_serial
from twofold.sw.xrt.device import open_xrt
from twofold.sw.xrt.overlay import open_pynq

NETWORKS = Path(__file__).parents[3] / "sw" / "networks"
SOFTWARE = ("golden", "cpu", "rtl")
SERIAL = "serial"
"""``TWOFOLD_DEVICE=serial`` takes a simulated board behind a terminal."""
ANSWER_SECONDS = 30.0
"""A simulated board takes its time."""
CHOSEN = os.environ.get("TWOFOLD_DEVICE")

Opener = Callable[[], Device]


@pytest.fixture(scope="session")
def quantized() -> QuantizedNetwork:
    return QuantizedNetwork.load(NETWORKS / "tiny-fast.npz")


@pytest.fixture(scope="session")
def folding() -> Folding:
    return machine("tiny-fast-small").folding


@pytest.fixture(scope="session")
def inputs(quantized) -> np.ndarray:
    return random_inputs(quantized.network, 300, seed=5)


@pytest.fixture(scope="session")
def golden(quantized, inputs) -> Golden:
    return forward(quantized, inputs, keep_activations=False)


@pytest.fixture(scope="session", params=(CHOSEN,) if CHOSEN else SOFTWARE)
def opener(request, quantized, folding, build_cache) -> Iterator[Opener]:
    """Opens a device of the TINY machine."""
    network = quantized.network
    if request.param == SERIAL:
        library = board_library(network, folding, build_cache)
        with SimulatedBoard(library) as board:
            yield lambda: open_serial(board.port, network, folding, seconds=ANSWER_SECONDS)
        return
    openers: dict[str, Opener] = {
        "golden": lambda: open_golden(network, folding, units=2),
        "cpu": lambda: open_cpu(network, folding, threads=1, units=2),
        "rtl": lambda: open_rtl(network, folding, build_cache, units=2),
    }
    if request.param in openers:
        yield openers[request.param]
        return
    runtime, _, index = request.param.partition(":")
    open_card = {"xrt": open_xrt, "pynq": open_pynq}[runtime]
    yield lambda: open_card(int(index), Path(os.environ["TWOFOLD_XCLBIN"]))


@pytest.fixture(scope="session")
def hardware() -> bool:
    """Whether the device is a card, or the emulation of one."""
    return CHOSEN not in (None, SERIAL)


@pytest.fixture(scope="module")
def accelerator(opener) -> Iterator[Accelerator]:
    with Accelerator(opener()) as opened:
        yield opened


@pytest.fixture
def loaded(accelerator, quantized) -> Accelerator:
    accelerator.load(quantized)
    return accelerator
