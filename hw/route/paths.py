"""Routed paths, part by part, beside what `twofold.hw.area.paths` estimates for the same parts."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twofold.hw.area.estimate import CORE, Part, estimate
from twofold.hw.area.hierarchy import MODULE, Hierarchy
from twofold.hw.boards.family import XCUP
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import read_json
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report, silent
from twofold.hw.route.flow import REPORT, REPORT_BYTES_MAX, route
from twofold.hw.route.top import TOP
from twofold.hw.verilog.machine import core_verilog
from twofold.hw.verilog.station import MACHINE

TOP_INSTANCE = "machine"
"""Instance of the station in the top of a board."""
_INSTANCE = re.compile(r"^  (?:\\(\S+)|(\w+)) +(?:\\(\S+)|(\w+)) *\($", re.M)
_INPUT = re.compile(r"^  input (?:\[\d+:\d+\] )?(?:\\(\S+)|(\w+)) *;", re.M)


@dataclass(frozen=True)
class Pair:
    """A part of the core with its slowest path, as estimated and as routed.

    Attributes
    ----------
    part: name of its module, as in ``twofold resources``.
    estimated, routed: in ns, on the devices of the estimate and of the board.
    """

    part: str
    estimated: float
    routed: float


class Places:
    """Where in the hierarchy of a station the wires and cells of its flat netlist come from.

    Parameters
    ----------
    text: Verilog of the station that the netlist was made from.
    """

    def __init__(self, text: str) -> None:
        self._modules = {match[1].removeprefix("\\"): match[0] for match in MODULE.finditer(text)}
        self._inputs = {
            name: {one or two for one, two in _INPUT.findall(body)}
            for name, body in self._modules.items()
        }
        core = f"{MACHINE}.{CORE}"
        chosen = Hierarchy(text, core).parts
        self._at: dict[str, tuple[str, str]] = {}
        self._walk(TOP_INSTANCE, MACHINE, "", {name: _short(name) for name in chosen})

    def _walk(self, path: str, module: str, part: str, parts: Mapping[str, str]) -> None:
        part = parts.get(module, part)
        self._at[path] = module, part
        for one, two, three, four in _INSTANCE.findall(self._modules[module]):
            inner = one or two
            if inner in self._modules:
                self._walk(f"{path}.{three or four}", inner, part, parts)

    def of_cell(self, name: str) -> str | None:
        """Part that a cell belongs to by its name, "" for none of the core; None if unknown."""
        found = self._inside(name)
        return None if found is None else self._at[found[0]][1]

    def of_wires(self, names: Iterable[str]) -> str | None:
        """Part that drives a wire with all its names: the deepest in which it is no input."""
        deepest: tuple[int, str] | None = None
        for name in names:
            found = self._inside(name)
            if found is None or found[1] in self._inputs[self._at[found[0]][0]]:
                continue
            rank = found[0].count("."), self._at[found[0]][1]
            deepest = rank if deepest is None else max(deepest, rank)
        return None if deepest is None else deepest[1]

    def _inside(self, name: str) -> tuple[str, str] | None:
        """The instance that a name begins with, and the rest of the name."""
        path = name
        while path:
            path, _, _ = path.rpartition(".")
            if path in self._at:
                return path, name[len(path) + 1 :]
        return None


def routed_paths(
    netlist: dict[str, Any], report: dict[str, Any], places: Places
) -> dict[str, float]:
    """Slowest routed path that ends in each part, in ns, by name of its module.

    ``netlist``: of the whole design, as Yosys' JSON; ``report``: of nextpnr, with the timing of its
    nets. Raises ToolError if the report has none.
    """
    if "detailed_net_timings" not in report:
        raise ToolError("nextpnr: its report has no timing of nets")
    owners = dict(_owners(netlist, places))
    found: defaultdict[str, float] = defaultdict(float)
    for net in report["detailed_net_timings"]:
        for end in net["endpoints"]:
            cell = end["cell"]
            part = owners[cell] if cell in owners else places.of_cell(cell)
            if part:
                found[part] = max(found[part], *end["delay"])
    return dict(found)


def _owners(netlist: dict[str, Any], places: Places) -> Iterator[tuple[str, str | None]]:
    """Part of each flip-flop: its name says nothing, the names of its output do."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, net in netlist["netnames"].items():
        for bit in net["bits"]:
            if isinstance(bit, int):
                names[bit].append(name)
    for name, cell in netlist["cells"].items():
        if cell["type"] == "TRELLIS_FF":
            yield name, places.of_wires(names[cell["connections"]["Q"][0]])


def compared(
    machine: Machine, directory: Path, *, clock_hz: float | None = None, report: Report = silent
) -> list[Pair]:
    """Estimated and routed paths of all parts of a machine, routed for its board; both are made at
    most once, under ``directory``. The estimate is without copies of cells, as nextpnr makes none.
    Raises BoardError, FoldingError, ToolError.
    """
    netlist, folder = route(machine, directory, clock_hz=clock_hz, report=report)
    design = read_json(netlist.path, REPORT_BYTES_MAX)["modules"][TOP]
    timing = read_json(folder / REPORT, REPORT_BYTES_MAX)
    routed = routed_paths(design, timing, Places(netlist.text))
    core = core_verilog(machine.network, machine.folding, directory, target=XCUP.target)
    return pairs(estimate(core.text, directory, report=report, copies=False), routed)


def pairs(parts: Iterable[Part], routed: Mapping[str, float]) -> list[Pair]:
    """Parts that both know, the slowest routed first."""
    estimated = {_short(one.name): one.slowest.delay for one in parts if one.slowest is not None}
    both = [Pair(name, estimated[name], routed[name]) for name in estimated.keys() & routed.keys()]
    return sorted(both, key=lambda pair: (-pair.routed, pair.part))


def rank_correlation(found: Sequence[Pair]) -> float:
    """Spearman's rank correlation of estimated and routed paths, -1..1; 0 for fewer than two."""
    one, other = (
        _ranks([getattr(pair, name) for pair in found]) for name in ("estimated", "routed")
    )
    mean = (len(found) - 1) / 2
    spread = [sum((rank - mean) ** 2 for rank in ranks) for ranks in (one, other)]
    if not all(spread):
        return 0.0
    both = sum((mine - mean) * (its - mean) for mine, its in zip(one, other, strict=True))
    return both / (spread[0] * spread[1]) ** 0.5


def as_json(machine: Machine, found: Sequence[Pair]) -> dict[str, Any]:
    """The comparison, for a report."""
    return {
        "machine": machine.name,
        "board": machine.board,
        "rank_correlation": round(rank_correlation(found), 3),
        "parts": [asdict(pair) for pair in found],
    }


def _ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value from 0 on; equal ones share the mean of theirs."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def _short(name: str) -> str:
    """Name of a part of the core, whatever the core is part of."""
    return name.removeprefix(f"{MACHINE}.")
