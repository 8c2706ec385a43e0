"""Estimate of a machine: each of its parts is synthesised, counted and timed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from twofold.hw.area.cells import library
from twofold.hw.area.cells.library import Netlist
from twofold.hw.area.component import Component, joined
from twofold.hw.area.hierarchy import Hierarchy
from twofold.hw.area.paths import Interface, Key, analyse, by_delay, by_levels
from twofold.hw.area.paths import Path as Length
from twofold.hw.area.synthesis import SECONDS, netlist
from twofold.hw.boards.family import XCUP, Family
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.progress import Report, silent
from twofold.hw.tools.native import SynthesisTimeoutError

CORE, STATION, LINK = "core", "station", "link"
KINDS = (
    ("gather_tile_", "gather tile"),
    ("gather_row_", "gather stage"),
    ("pixel_tile_", "pixel tail"),
    ("scatter_tile_", "scatter tile"),
    ("shared_scatter_tile_", "shared tile"),
    ("dense_tile_", "dense tile"),
    ("dense_engine_", "dense tile"),
)
OF_NO_LAYER = (CORE, LINK, "loader", "counters")


@dataclass(frozen=True)
class Part:
    """A distinct part of a machine.

    Attributes
    ----------
    name: name of its module.
    engine: child of the core that it belongs to, "core", or "link" for what is around the core.
    kind: component kind as in `twofold.hw.area.model`.
    count: number of instances in the machine.
    each: what one instance uses, without the parts in it.
    levels, slowest: of the paths that end in it, wherever they begin, the one with the most LUT
        levels and the one with the longest delay. None if there is no netlist.
    synthesised: whether the figures come from a netlist rather than from the area model.
    """

    name: str
    engine: str
    kind: str
    count: int
    each: Resources
    levels: Length | None
    slowest: Length | None
    synthesised: bool = True

    @property
    def total(self) -> Resources:
        """What all instances use."""
        return self.each * self.count


def estimate(
    text: str,
    build: Path,
    *,
    model: Iterable[Component] = (),
    seconds: float = SECONDS,
    report: Report = silent,
    family: Family = XCUP,
    copies: bool = True,
) -> list[Part]:
    """Estimate the Verilog of a machine with vendor cells, part by part.

    Parameters
    ----------
    text: Verilog as written by `twofold.hw.verilog.machine.core_verilog`.
    build: netlists are kept in its folder ``area/``.
    model: fallback for a part whose synthesis takes longer than ``seconds``; its paths are not
        analysed. Without a model such a part is an error.
    family: device family whose cells the parts are mapped to.
    copies: whether cells with many loads are taken to be copied, where the family's tools do so.

    Raises ToolError if Yosys is missing or fails.
    """
    hierarchy = Hierarchy(text, CORE)
    modelled = {(one.layer, one.kind): one.total for one in joined(model)}
    lengths = _Lengths(family, copies=copies)
    owners = _owners(hierarchy)
    found: list[Part] = []
    for done, name in enumerate(hierarchy.parts):
        report(f"synthesis of {name}", done, len(hierarchy.parts))
        kinds = {engine: _kind(name, engine, hierarchy) for engine in owners[name]}
        try:
            cells = netlist(hierarchy.verilog(name), name, build, seconds=seconds, family=family)
        except SynthesisTimeoutError:
            if not all((layer_of(engine), kind) in modelled for engine, kind in kinds.items()):
                raise
            lengths.skip(name)
            for engine, kind in kinds.items():
                rest = _rest(modelled[layer_of(engine), kind], engine, kind, found)
                count = owners[name][engine]
                each = rest * (1 / count)
                found.append(Part(name, engine, kind, count, each, None, None, synthesised=False))
            continue
        lengths.analyse(name, cells)
        each = library(family).taken(cells)
        for engine, kind in kinds.items():
            count = owners[name][engine]
            found.append(Part(name, engine, kind, count, each, None, None))
    report("synthesis", len(hierarchy.parts), len(hierarchy.parts))
    return lengths.measured(found)


def around(
    text: str,
    build: Path,
    *,
    seconds: float = SECONDS,
    report: Report = silent,
    family: Family = XCUP,
) -> list[Part]:
    """Estimate what is around the core of a machine behind a serial line.

    Parameters are those of `estimate`; ``text`` is Verilog as written by
    `twofold.hw.verilog.station.station_verilog`. Raises ToolError if Yosys is missing or fails.
    """
    hierarchy = Hierarchy(text, STATION)
    inside, counts = hierarchy.counts(f"{STATION}.{CORE}"), hierarchy.counts(STATION)
    names = [name for name in hierarchy.parts if name not in inside]
    lengths = _Lengths(family)
    found: list[Part] = []
    for done, name in enumerate(names):
        report(f"synthesis of {name}", done, len(names))
        cells = netlist(hierarchy.verilog(name), name, build, seconds=seconds, family=family)
        lengths.analyse(name, cells)
        each = library(family).taken(cells)
        found.append(Part(name, LINK, LINK, counts[name], each, None, None))
    report("synthesis", len(names), len(names))
    return lengths.measured(found)


class _Lengths:
    """Longest paths by both measures, part by part; those inside of a part come before it."""

    def __init__(self, family: Family, *, copies: bool = True) -> None:
        self._family, self._copies = family, copies
        self._interfaces: dict[Key, dict[str, Interface]] = {by_levels: {}, by_delay: {}}
        self._longest: dict[Key, dict[str, Length]] = {by_levels: {}, by_delay: {}}

    def analyse(self, name: str, cells: Netlist) -> None:
        """Follow the paths of a part with this netlist."""
        for key, interfaces in self._interfaces.items():
            timing = analyse(cells, interfaces, key, self._family, name=name, copies=self._copies)
            interfaces[name] = timing.interface
            longest = self._longest[key]
            longest.setdefault(name, Length())
            for part, path in timing.ends.items():
                longest[part] = max(longest.get(part, path), path, key=key)

    def skip(self, name: str) -> None:
        """Take a part without a netlist to have no paths."""
        for interfaces in self._interfaces.values():
            interfaces[name] = Interface()

    def measured(self, parts: Iterable[Part]) -> list[Part]:
        """The parts with their longest paths."""
        return [
            replace(
                part,
                levels=self._longest[by_levels].get(part.name),
                slowest=self._longest[by_delay].get(part.name),
            )
            for part in parts
        ]


def layer_of(engine: str) -> str:
    """Name of an engine's layer, "" for what belongs to none."""
    return "" if engine in OF_NO_LAYER else engine.split("_")[0]


def _rest(whole: Resources, engine: str, kind: str, found: Iterable[Part]) -> Resources:
    """What the model gives for a component, minus those of its parts that were synthesised."""
    known = _sum(part.total for part in found if (part.engine, part.kind) == (engine, kind))
    return Resources(*map(max, zip((whole + known * -1).values, Resources().values, strict=True)))


def total(parts: Iterable[Part]) -> Resources:
    """What parts use in total."""
    return _sum(part.total for part in parts)


def by_engine(parts: Iterable[Part]) -> dict[str, Resources]:
    """What each engine uses."""
    found: dict[str, Resources] = {}
    for part in parts:
        found[part.engine] = found.get(part.engine, Resources()) + part.total
    return found


def by_kind(parts: Iterable[Part]) -> dict[tuple[str, str], Resources]:
    """What the components of each layer and kind use (see `twofold.hw.area.model.Component`)."""
    found: dict[tuple[str, str], Resources] = {}
    for part in parts:
        key = layer_of(part.engine), part.kind
        found[key] = found.get(key, Resources()) + part.total
    return found


def _owners(hierarchy: Hierarchy) -> dict[str, Counter[str]]:
    """For each part, the engines that it belongs to and its number of instances in each."""
    owners: dict[str, Counter[str]] = {name: Counter() for name in hierarchy.parts}
    owners[hierarchy.top][CORE] = 1
    for child, count in hierarchy.children(hierarchy.top).items():
        engine = child.removeprefix(f"{hierarchy.top}.")
        for name, inside in hierarchy.counts(child).items():
            owners[name][engine] += count * inside
    return owners


def _kind(name: str, engine: str, hierarchy: Hierarchy) -> str:
    for prefix, kind in KINDS:
        if name.startswith(prefix):
            return kind
    for kind in ("winners", "result"):
        if engine.endswith(f"_{kind}"):
            return kind
    if engine in OF_NO_LAYER:
        return engine
    if name.startswith("scatter_engine_"):
        around = hierarchy.counts(f"{hierarchy.top}.{engine}")
        shared = any(other.startswith("shared_scatter_tile_") for other in around)
        return "shared tile" if shared else "scatter tile"
    rows = any(child.startswith("gather_") for child in hierarchy.children(name))
    return "gather stage" if rows else "scatter stage"


def _sum(each: Iterable[Resources]) -> Resources:
    return sum(each, Resources())
