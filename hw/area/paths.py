"""Longest register-to-register paths of a netlist, in LUT levels and in estimated time.

A part is analysed using what is known about the parts inside it: for each of their pins, the
longest path from a register to an output, from an input to a register, and from input to output.
This finds paths that cross part boundaries, although every part is analysed only once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from twofold.hw.area.cells import library
from twofold.hw.area.cells.library import Library
from twofold.hw.boards.family import XCUP, Family
from twofold.hw.contract.errors import ToolError

Pin = tuple[str, int]
Key = Callable[["Path"], tuple[float, ...]]


class Path(NamedTuple):
    """Length of a path: LUT levels, bits of carry chains, ns."""

    luts: int = 0
    carry: int = 0
    delay: float = 0.0

    def plus(self, other: "Path") -> "Path":
        """This path followed by another."""
        return Path(self.luts + other.luts, self.carry + other.carry, self.delay + other.delay)


@dataclass(frozen=True)
class Interface:
    """Timing of a part as seen from outside, by pin (port and bit).

    Attributes
    ----------
    launches: longest path from a register inside to each output.
    captures: longest path from each input to a register inside.
    through: longest path for each connected pair of input and output.
    """

    launches: dict[Pin, Path] = field(default_factory=dict)
    captures: dict[Pin, Path] = field(default_factory=dict)
    through: dict[tuple[Pin, Pin], Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Longest paths of a part, and its interface, by one measure of length."""

    worst: Path
    interface: Interface


def by_levels(path: Path) -> tuple[float, ...]:
    """Measure of length: LUT levels, then delay."""
    return path.luts, path.delay


def by_delay(path: Path) -> tuple[float, ...]:
    """Measure of length: delay."""
    return (path.delay,)


def analyse(
    netlist: dict[str, Any], parts: Mapping[str, Interface], key: Key, family: Family = XCUP
) -> Timing:
    """Longest paths of a netlist (see `twofold.hw.area.synthesis.netlist`).

    ``parts``: interface of every part that it instantiates, by the same measure. ``family``: of its
    cells. Raises ToolError for a combinational loop.
    """
    return _Analysis(netlist, parts, key, library(family)).run()


class _Analysis:
    def __init__(
        self,
        netlist: dict[str, Any],
        parts: Mapping[str, Interface],
        key: Key,
        library: Library,
    ) -> None:
        self.key, self.ports, self.library = key, netlist["ports"], library
        self.loads: Counter[int] = Counter()
        self.starts: dict[int, Path] = {}
        self.ends: dict[int, Path] = {}
        self.into: defaultdict[int, list[tuple[int, Path]]] = defaultdict(list)
        for cell in netlist["cells"].values():
            self._count(cell)
        for cell in netlist["cells"].values():
            self._add(cell, parts)

    def run(self) -> Timing:
        order = self._order()
        arrivals = self._arrivals(order, self.starts)
        worst = Path()
        for bit, end in self.ends.items():
            if bit in arrivals:
                worst = max(worst, arrivals[bit].plus(end), key=self.key)
        outputs = dict(self._pins("output"))
        inputs = dict(self._pins("input"))
        launches = {pin: arrivals[bit] for pin, bit in outputs.items() if bit in arrivals}
        tails = self._tails(order, self.ends)
        captures = {pin: tails[bit] for pin, bit in inputs.items() if bit in tails}
        return Timing(worst, Interface(launches, captures, self._through(order, inputs, outputs)))

    def _through(
        self, order: list[int], inputs: dict[Pin, int], outputs: dict[Pin, int]
    ) -> dict[tuple[Pin, Pin], Path]:
        reached = self._arrivals(order, dict.fromkeys(inputs.values(), Path()))
        pin_of: defaultdict[int, list[Pin]] = defaultdict(list)
        for pin, bit in inputs.items():
            pin_of[bit].append(pin)
        found: dict[tuple[Pin, Pin], Path] = {}
        for out, bit in outputs.items():
            if bit not in reached:
                continue
            cone = self._cone(bit)
            tails = self._tails([one for one in order if one in cone], {bit: Path()})
            for source in cone & pin_of.keys():
                found |= {(pin, out): tails[source] for pin in pin_of[source]}
        return found

    def _cone(self, bit: int) -> set[int]:
        seen, open_bits = {bit}, [bit]
        while open_bits:
            for source, _ in self.into.get(open_bits.pop(), ()):
                if source not in seen:
                    seen.add(source)
                    open_bits.append(source)
        return seen

    def _arrivals(self, order: Iterable[int], starts: dict[int, Path]) -> dict[int, Path]:
        """Longest path to every bit that can be reached from ``starts``."""
        found = dict(starts)
        for bit in order:
            for source, step in self.into.get(bit, ()):
                if source in found:
                    path = found[source].plus(step)
                    if bit not in found or self.key(path) > self.key(found[bit]):
                        found[bit] = path
        return found

    def _tails(self, order: list[int], ends: dict[int, Path]) -> dict[int, Path]:
        """Longest path from every bit that can reach ``ends``."""
        found = dict(ends)
        for bit in reversed(order):
            if bit in found:
                for source, step in self.into.get(bit, ()):
                    path = step.plus(found[bit])
                    if source not in found or self.key(path) > self.key(found[source]):
                        found[source] = path
        return found

    def _order(self) -> list[int]:
        """Bits driven by combinational cells, in topological order."""
        waiting = {bit: len(sources) for bit, sources in self.into.items()}
        fans: defaultdict[int, list[int]] = defaultdict(list)
        for bit, sources in self.into.items():
            for source, _ in sources:
                fans[source].append(bit)
        ready = [bit for bit in fans if bit not in waiting]
        order: list[int] = []
        while ready:
            bit = ready.pop()
            order.append(bit)
            for target in fans.get(bit, ()):
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
        if any(waiting.values()):
            raise ToolError(
                f"timing: a combinational loop through {sum(map(bool, waiting.values()))} nets"
            )
        return order

    def _pins(self, direction: str) -> Iterable[tuple[Pin, int]]:
        for name, port in self.ports.items():
            if port["direction"] == direction:
                for at, bit in enumerate(port["bits"]):
                    if isinstance(bit, int):
                        yield (name, at), bit

    def _count(self, cell: dict[str, Any]) -> None:
        directions = cell.get("port_directions", {})
        for name, bits in cell["connections"].items():
            if directions.get(name) == "input":
                self.loads.update(bit for bit in bits if isinstance(bit, int))

    def _add(self, cell: dict[str, Any], parts: Mapping[str, Interface]) -> None:
        kind = cell["type"]
        if kind in parts:
            self._add_part(cell, parts[kind])
            return
        for arc in self.library.arcs(cell):
            self._connect(arc.source, arc.target, Path(arc.luts, arc.carry, arc.delay), arc.direct)
        setup = self.library.setup(cell)
        if setup is None:
            return
        for name, bits in cell["connections"].items():
            for bit in bits:
                if not isinstance(bit, int) or name in self.library.clocks:
                    continue
                if cell["port_directions"][name] == "output":
                    self._start(bit, Path(delay=self.library.launch(cell)))
                else:
                    self._end(bit, Path(delay=setup))

    def _add_part(self, cell: dict[str, Any], part: Interface) -> None:
        """A part's own paths start and end with the net at its pin; only what the loads outside add
        to that net is counted here.
        """
        connections = cell["connections"]

        def bit_of(pin: Pin) -> Any:
            bits = connections.get(pin[0], [])
            return bits[pin[1]] if pin[1] < len(bits) else None

        for pin, path in part.launches.items():
            self._start(bit_of(pin), path)
        for pin, path in part.captures.items():
            self._end(bit_of(pin), path, outside=True)
        for (source, target), path in part.through.items():
            self._connect(bit_of(source), bit_of(target), path, False, outside=True)

    def _net(self, bit: int, *, outside: bool) -> Path:
        delay = self.library.net(self.loads[bit])
        return Path(delay=delay - self.library.net(1) if outside else delay)

    def _connect(
        self, source: Any, target: Any, path: Path, direct: bool, *, outside: bool = False
    ) -> None:
        if isinstance(source, int) and isinstance(target, int):
            net = Path() if direct else self._net(source, outside=outside)
            self.into[target].append((source, net.plus(path)))

    def _start(self, bit: Any, path: Path) -> None:
        if isinstance(bit, int):
            self.starts[bit] = max(self.starts.get(bit, path), path, key=self.key)

    def _end(self, bit: Any, path: Path, *, outside: bool = False) -> None:
        if isinstance(bit, int):
            path = self._net(bit, outside=outside).plus(path)
            self.ends[bit] = max(self.ends.get(bit, path), path, key=self.key)
