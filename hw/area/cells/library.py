"""What is known of the cells of a family: how much they take, and how long signals take in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from twofold.hw.boards.resources import Resources

Cell = dict[str, Any]
"""A cell of a netlist, as in Yosys' JSON."""
Netlist = dict[str, Any]
"""A module of such a netlist."""


@dataclass(frozen=True)
class Arc:
    """A timing arc through a cell, from one bit of the netlist to another.

    Attributes
    ----------
    delay: in ns. luts: LUT levels. carry: bits of a carry chain.
    direct: whether the input is reached without general routing.
    """

    source: int
    target: int
    delay: float
    luts: int = 0
    carry: int = 0
    direct: bool = False


@dataclass(frozen=True, kw_only=True)
class Library:
    """The cells of a family.

    Attributes
    ----------
    assumptions: where the delays come from, for reports.
    clocks: names of pins that are clocks.
    taken: what the cells of a netlist use; those that are parts of their own use nothing.
    arcs: combinational arcs through a cell.
    setup: setup time of the inputs of a clocked cell, in ns; None for a combinational one.
    launch: clock-to-output time of a clocked cell, given the registers that it uses, in ns.
    net: delay of general routing to a number of pins, in ns.
    copied: of a cell that the family's tools copy once it has more than `loads_max` loads, its
        output and its inputs; None of others.
    loads_max: loads of a copy.
    """

    assumptions: str
    clocks: frozenset[str]
    taken: Callable[[Netlist], Resources]
    arcs: Callable[[Cell], Iterator[Arc]]
    setup: Callable[[Cell], float | None]
    launch: Callable[[Cell], float]
    net: Callable[[int], float]
    copied: Callable[[Cell], tuple[int, list[int]] | None]
    loads_max: int


def net_delays(first: float, power: float) -> Callable[[int], float]:
    """Delay of general routing to a number of pins: ``first`` ns to one, growing with a power of
    their number.
    """
    return lambda loads: first * max(loads, 1) ** power


def wires(bits: list[Any]) -> Iterator[int]:
    """The bits that are no constants."""
    return (bit for bit in bits if isinstance(bit, int))


def every_arc(
    inputs: list[Any], outputs: list[Any], delay: float, luts: int, *, direct: bool = False
) -> Iterator[Arc]:
    """An arc from each of ``inputs`` to each of ``outputs``."""
    for target in wires(outputs):
        for source in wires(inputs):
            yield Arc(source, target, delay, luts, direct=direct)


def never(_: Cell) -> None:
    """`Library.copied` of a family whose tools copy nothing."""


def bits_of(cell: Cell, *pins: str) -> list[Any]:
    """The bits at some pins; none at those that the cell does not have."""
    return [bit for pin in pins for bit in cell["connections"].get(pin, [])]
