"""Choosing one of many values, through a register at every level of multiplexers."""

from collections.abc import Sequence
from typing import Any, ClassVar

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from hw.delay import delayed
from hw.tile import Tile

CHOICE_BITS = 2
"""Bits of a number that one level of multiplexers takes."""


def choice_levels(count: int) -> int:
    """Levels of multiplexers, four inputs each, that choose among ``count``; at least one."""
    return max(1, -(-(count - 1).bit_length() // CHOICE_BITS))


def choose(m: Module, values: Sequence[Value], number: Value, *, name: str) -> Value:
    """The value that ``number`` names, `choice_levels` cycles later."""
    found = _level(m, values, number, f"{name}_0")
    for level in range(1, choice_levels(len(values))):
        number = delayed(m, number, 1, name=f"{name}_number{level}")[CHOICE_BITS:]
        found = _level(m, found, number, f"{name}_{level}")
    return found[0]


def _level(m: Module, values: Sequence[Value], number: Value, name: str) -> list[Value]:
    reach = 1 << CHOICE_BITS
    found: list[Value] = []
    for first in range(0, len(values), reach):
        few = values[first : first + reach]
        chosen = Signal(few[0].shape(), name=f"{name}_{first}", reset_less=True)
        m.d.sync += chosen.eq(Array(few)[number[:CHOICE_BITS]])
        found.append(chosen)
    return found


class EntryChoice(Tile):
    """Shows one reader the entry that it looks at.

    Every reader has its own copy of the registers that choose, so that none of them drives more
    than one entry.

    Parameters
    ----------
    entry: layout with a ``value``; what is nothing has value 0.
    there: for each source, whether there is one; the others are nothing.

    Members
    -------
    sources: entries to choose from; those that are not there are not looked at.
    select, live: number of the source, and whether it is anything. One cycle before ``sources``.
    o: the entry, one cycle behind ``sources``.
    """

    APART_IN_SIMULATION: ClassVar[bool] = False

    sources: Any
    select: Signal
    live: Signal
    o: Any

    def __init__(self, entry: data.StructLayout, there: Sequence[bool]) -> None:
        self.entry, self.there = entry, tuple(there)
        super().__init__(
            {
                "sources": In(data.ArrayLayout(entry, len(self.there))),
                "select": In(range(max(2, len(self.there)))),
                "live": In(1),
                "o": Out(entry),
            }
        )

    @property
    def parameters(self) -> tuple[object, ...]:
        return tuple((name, field.width) for name, field in self.entry), self.there

    def build(self, platform: object, /) -> Module:
        m = Module()
        select = delayed(m, self.select, 1, name="select")
        live = delayed(m, self.live, 1, name="live", reset=True)
        nothing = Const(0, self.entry.size)
        chosen = Signal(self.entry)
        m.d.comb += chosen.eq(
            Array(
                self.sources[at].as_value() if there else nothing
                for at, there in enumerate(self.there)
            )[select]
        )
        for name, _ in self.entry:
            if name != "value":
                m.d.sync += self.o[name].eq(chosen[name])
        m.d.sync += self.o.value.eq(Mux(live, chosen.value, 0))
        return m
