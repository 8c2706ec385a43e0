"""From a machine to a netlist of the ECP5's cells, with the clock and the pins of its board."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twofold.hw.boards import find
from twofold.hw.contract.cache import cached, digest, run_folder
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import read_json, write_json, write_text
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report, silent
from twofold.hw.route.top import TOP, Pins, top_of
from twofold.hw.tools.flops import LEGALIZE
from twofold.hw.tools.native import LOG, native_version, run_script
from twofold.hw.tools.text import renumbered
from twofold.hw.verilog.station import MACHINE, station_verilog

ROLE = "ecp5"
"""Extra that brings the tools."""
SECONDS = 4 * 3600
NETLIST, FIGURES = "top.json", "figures.json"

SCRIPT = f"""\
read_verilog -sv machine.v
synth_ecp5 -top {MACHINE} -noflatten -run begin:map_ram
flatten
opt_clean
select {MACHINE}
write_rtlil -selected machine.il
design -reset
read_verilog -lib -specify +/lattice/cells_sim_ecp5.v +/lattice/cells_bb_ecp5.v
read_rtlil machine.il
read_rtlil top.il
hierarchy -top {TOP}
proc
flatten
synth_ecp5 -top {TOP} -run map_ram:map_ffs
opt_clean
{LEGALIZE}
synth_ecp5 -top {TOP} -run map_ffs: -json {NETLIST}
"""
"""Tiles are modules until everything that is the same in all of them has been done. The machine
then goes through RTLIL: Yosys would elaborate it from Verilog again when it meets cells with
parameters.
"""


@dataclass(frozen=True)
class Netlist:
    """A design for a board in cells of its device.

    Attributes
    ----------
    path: netlist, as Yosys' JSON.
    text: Verilog of the station that it was made from.
    pins: clock and pins.
    seconds: processor time of its synthesis.
    """

    path: Path
    text: str
    pins: Pins
    seconds: float


def synthesised(
    machine: Machine,
    directory: Path,
    *,
    clock_hz: float | None = None,
    report: Report = silent,
) -> Netlist:
    """Netlist of a machine with the top of its board, made at most once, under ``directory``.

    ``clock_hz``: at most; None for the board's. Raises BoardError for a board or clock that cannot
    be built for, and ToolError if a tool is missing or fails.
    """
    board = find(machine.board)
    pins = top_of(board, clock_hz)
    verilog = station_verilog(
        machine.network,
        machine.folding,
        directory,
        clock_hz=round(pins.clock_hz),
        baud=board.open_tools.baud,
        target=board.family.target,
        report=report,
    )
    text, _ = renumbered(verilog.text)
    key = digest([text, pins.rtlil, SCRIPT, native_version(ROLE)])

    def make(folder: Path) -> None:
        report("synthesis", 0, 1)
        for name, content in (("machine.v", text), ("top.il", pins.rtlil), ("top.ys", SCRIPT)):
            write_text(folder / name, content)
        with log_kept(directory, folder, LOG):
            seconds = run_script(folder, "top.ys", TOP, SECONDS)
        for name in ("machine.v", "machine.il"):
            (folder / name).unlink()
        write_json(folder / FIGURES, {"seconds": round(seconds, 1)})
        report("synthesis", 1, 1)

    folder = cached(directory / "route" / f"netlist-{key}", make)
    return Netlist(folder / NETLIST, text, pins, read_json(folder / FIGURES)["seconds"])


@contextmanager
def log_kept(directory: Path, folder: Path, log: str) -> Iterator[None]:
    """Keep the log of a step that fails, whose folder is removed; the error then says where."""
    with run_folder(directory / "run", "route") as run:
        try:
            yield
        except ToolError as error:
            if (folder / log).exists():
                shutil.copy(folder / log, run.path)
            raise ToolError(f"{error}; log in {run.path / log}") from error
