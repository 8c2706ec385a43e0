"""Estimate of a whole machine on its board: the core, and the serial line to it if it has one."""

from pathlib import Path

from twofold.hw.area.estimate import Part, around, estimate
from twofold.hw.area.model import components
from twofold.hw.area.synthesis import SECONDS
from twofold.hw.boards import find
from twofold.hw.boards.board import Board
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report, silent
from twofold.hw.verilog.machine import core_verilog
from twofold.hw.verilog.station import station_verilog


def estimated(
    machine: Machine,
    build: Path,
    *,
    seconds: float = SECONDS,
    report: Report = silent,
) -> list[Part]:
    """All parts of a machine on its board, synthesised. A part of the core that takes longer than
    ``seconds`` is taken from the area model.

    Raises FoldingError if the folding does not fit the network, and ToolError if Yosys is missing
    or fails.
    """
    board = find(machine.board)
    core = core_verilog(
        machine.network, machine.folding, build, target=board.family.target, report=report
    )
    model = components(machine.plans, machine.folding, board.family)
    found = estimate(
        core.text, build, model=model, seconds=seconds, report=report, family=board.family
    )
    return found + line(machine, board, build, seconds=seconds, report=report)


def line(
    machine: Machine,
    board: Board,
    build: Path,
    *,
    seconds: float = SECONDS,
    report: Report = silent,
) -> list[Part]:
    """The parts around the core of a machine; none on a card with a platform of its vendor."""
    if board.desk is None:
        return []
    station = station_verilog(
        machine.network,
        machine.folding,
        build,
        clock_hz=1_000_000 * board.clock_mhz,
        baud=board.desk.baud,
        target=board.family.target,
        report=report,
    )
    return around(station.text, build, seconds=seconds, report=report, family=board.family)
