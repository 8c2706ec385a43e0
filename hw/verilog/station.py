"""Verilog of a machine behind a serial line, cached by everything that it is made from."""

from pathlib import Path

from twofold.hw.contract.cache import cached
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.target import Target
from twofold.hw.link.station import Station
from twofold.hw.machine.core import Core
from twofold.hw.primitives.tile import emit
from twofold.hw.verilog.machine import OUTSIDE_STATION, machine_key
from twofold.hw.verilog.writer import Verilog, ports_of, read_verilog, write_files

MACHINE = "station"
"""Its top module."""


def station_verilog(
    network: Network,
    folding: Folding,
    build: Path,
    *,
    clock_hz: int,
    baud: int,
    target: Target = Target.MODEL,
    report: Report = silent,
) -> Verilog:
    """Verilog of the machine for a network and folding with its serial line, built at most once.

    Parameters
    ----------
    build: directory for generated files; the Verilog goes to its ``verilog/``.
    clock_hz, baud: of the machine and of the line.
    target: what primitives become.

    Raises
    ------
    FoldingError: the folding does not fit the network.
    ToolError: Yosys is missing.
    """
    key = machine_key(
        network, folding, OUTSIDE_STATION, clock_hz=clock_hz, baud=baud, target=target.value
    )

    def make(directory: Path) -> None:
        report("elaborate", 0, 1)
        station = Station(Core(network, folding), clock_hz=clock_hz, baud=baud)
        write_files(directory, emit(station, MACHINE, target=target), tuple(ports_of(station)))
        report("elaborate", 1, 1)

    return read_verilog(cached(build / "verilog" / f"{network.name}-station-{key}", make))
