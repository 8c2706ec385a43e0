"""Longest register-to-register paths of a netlist, in LUT levels and in estimated time.

A part is analysed using what is known about the parts inside it: for each of their pins, the
longest path from a register to an output, from an input to a register, and from input to output.
This finds paths that cross part boundaries, although every part is analysed only once.

What a net costs follows from all its loads, those inside of parts included, except that nothing is
known inside of a part about the loads outside of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from twofold.hw.area.cells import library
from twofold.hw.area.cells.library import Library, never
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
    captures: longest path from each input to a register inside, by the part that has the register.
    through: longest path for each connected pair of input and output.
    loads: pins inside that are connected to each input and output.
    copied: outputs whose drivers tools may copy.

    Nets at the pins are not part of the paths.
    """

    launches: dict[Pin, Path] = field(default_factory=dict)
    captures: dict[str, dict[Pin, Path]] = field(default_factory=dict)
    through: dict[tuple[Pin, Pin], Path] = field(default_factory=dict)
    loads: dict[Pin, int] = field(default_factory=dict)
    copied: frozenset[Pin] = frozenset()


@dataclass(frozen=True)
class Timing:
    """Longest paths of a part, and its interface, by one measure of length.

    Attributes
    ----------
    worst: longest path.
    ends: longest path that ends in each of the parts that it instantiates, at any depth, and in the
        part itself.
    """

    worst: Path
    ends: dict[str, Path]
    interface: Interface


def by_levels(path: Path) -> tuple[float, ...]:
    """Measure of length: LUT levels, then delay."""
    return path.luts, path.delay


def by_delay(path: Path) -> tuple[float, ...]:
    """Measure of length: delay."""
    return (path.delay,)


def analyse(
    netlist: dict[str, Any],
    parts: Mapping[str, Interface],
    key: Key,
    family: Family = XCUP,
    *,
    name: str = "",
    copies: bool = True,
) -> Timing:
    """Longest paths of a netlist (see `twofold.hw.area.synthesis.netlist`).

    ``parts``: interface of every part that it instantiates, by the same measure. ``family``: of its
    cells. ``name``: of the part. ``copies``: whether cells with many loads are copied, where the
    family's tools do so. Raises ToolError for a combinational loop.
    """
    cells = library(family)
    cells = cells if copies else replace(cells, copied=never)
    return _Analysis(netlist, parts, key, cells, name).run()


class _Analysis:
    def __init__(
        self,
        netlist: dict[str, Any],
        parts: Mapping[str, Interface],
        key: Key,
        library: Library,
        name: str,
    ) -> None:
        self.key, self.ports, self.library, self.name = key, netlist["ports"], library, name
        self.inputs, self.outputs = dict(self._pins("input")), dict(self._pins("output"))
        self.loads: Counter[int] = Counter()
        self.copied: dict[int, list[int]] = {}
        self.starts: dict[int, Path] = {}
        self.ends: defaultdict[str, dict[int, Path]] = defaultdict(dict)
        self.into: defaultdict[int, list[tuple[int, Path]]] = defaultdict(list)
        for cell in netlist["cells"].values():
            self._count(cell, parts)
        self.given = frozenset(self.inputs.values())
        self._copy()
        for cell in netlist["cells"].values():
            self._add(cell, parts)

    def run(self) -> Timing:
        order = self._order()
        arrivals = self._arrivals(order, self.starts)
        longest = {
            part: max(
                (arrivals[bit].plus(end) for bit, end in ends.items() if bit in arrivals),
                key=self.key,
                default=Path(),
            )
            for part, ends in self.ends.items()
        }
        tails = {part: self._tails(order, ends) for part, ends in self.ends.items()}
        return Timing(
            max(longest.values(), key=self.key, default=Path()),
            longest,
            Interface(
                launches={p: arrivals[bit] for p, bit in self.outputs.items() if bit in arrivals},
                captures={
                    part: {p: found[bit] for p, bit in self.inputs.items() if bit in found}
                    for part, found in tails.items()
                },
                through=self._through(order),
                loads={p: self.loads[bit] for p, bit in (self.inputs | self.outputs).items()},
                copied=frozenset(p for p, bit in self.outputs.items() if bit in self.copied),
            ),
        )

    def _through(self, order: list[int]) -> dict[tuple[Pin, Pin], Path]:
        reached = self._arrivals(order, dict.fromkeys(self.inputs.values(), Path()))
        pin_of: defaultdict[int, list[Pin]] = defaultdict(list)
        for pin, bit in self.inputs.items():
            pin_of[bit].append(pin)
        found: dict[tuple[Pin, Pin], Path] = {}
        for out, bit in self.outputs.items():
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

    def _count(self, cell: dict[str, Any], parts: Mapping[str, Interface]) -> None:
        """Count a cell's pins as loads of their nets, and note whose driver may be copied."""
        part = parts.get(cell["type"])
        directions = cell.get("port_directions", {})
        for name, bits in cell["connections"].items():
            driven = directions.get(name) == "output"
            for at, bit in enumerate(bits):
                if isinstance(bit, int):
                    pin, own = (name, at), int(not driven)
                    self.loads[bit] += part.loads.get(pin, own) if part else own
                    if part and pin in part.copied:
                        self.copied[bit] = []
        if found := self.library.copied(cell):
            self.copied[found[0]] = found[1]

    def _copy(self) -> None:
        """Count the copies of cells as loads of what drives them, which may have to be copied as
        well. Inside of a part, the loads outside are not known and cause no copies.
        """
        most = self.library.loads_max
        made: dict[int, int] = {}
        waiting = [out for out in self.copied if self.loads[out] > most]
        while waiting:
            out = waiting.pop()
            copies = -(-self.loads[out] // most)
            more = copies - made.get(out, 1)
            made[out] = copies
            for source in self.copied[out] if more else ():
                self.loads[source] += more
                if source in self.copied and self.loads[source] > most:
                    waiting.append(source)

    def _add(self, cell: dict[str, Any], parts: Mapping[str, Interface]) -> None:
        kind = cell["type"]
        if kind in parts:
            self._add_part(cell, parts[kind])
            return
        for arc in self.library.arcs(cell):
            path = Path(arc.luts, arc.carry, arc.delay)
            self._connect(arc.source, arc.target, path, direct=arc.direct)
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
                    self._end(self.name, bit, Path(delay=setup))

    def _add_part(self, cell: dict[str, Any], part: Interface) -> None:
        connections = cell["connections"]

        def bit_of(pin: Pin) -> Any:
            bits = connections.get(pin[0], [])
            return bits[pin[1]] if pin[1] < len(bits) else None

        for pin, path in part.launches.items():
            self._start(bit_of(pin), path)
        for name, captures in part.captures.items():
            for pin, path in captures.items():
                self._end(name, bit_of(pin), path)
        for (source, target), path in part.through.items():
            self._connect(bit_of(source), bit_of(target), path, direct=False)

    def _net(self, bit: int) -> Path:
        """The way to the loads of a net; of one that comes from outside, it is counted there."""
        if bit in self.given:
            return Path()
        loads = self.loads[bit]
        return Path(
            delay=self.library.net(
                min(loads, self.library.loads_max) if bit in self.copied else loads
            )
        )

    def _connect(self, source: Any, target: Any, path: Path, *, direct: bool) -> None:
        if isinstance(source, int) and isinstance(target, int):
            net = Path() if direct else self._net(source)
            self.into[target].append((source, net.plus(path)))

    def _start(self, bit: Any, path: Path) -> None:
        if isinstance(bit, int):
            self.starts[bit] = max(self.starts.get(bit, path), path, key=self.key)

    def _end(self, part: str, bit: Any, path: Path) -> None:
        if isinstance(bit, int):
            ends, path = self.ends[part], self._net(bit).plus(path)
            ends[bit] = max(ends.get(bit, path), path, key=self.key)
