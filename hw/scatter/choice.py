"""Choosing one of many values, through a register at every level of multiplexers."""

from collections.abc import Sequence

from amaranth.hdl import *

from hw.delay import delayed

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
