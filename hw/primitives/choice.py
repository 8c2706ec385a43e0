"""Choosing one of many values: at once, or through a register at every level of multiplexers."""

from collections.abc import Sequence

from amaranth.hdl import *

from twofold.hw.primitives.delay import delayed

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


def picked(m: Module, values: Sequence[Value], number: Value, *, name: str) -> Value:
    """The value that ``number`` names, at once, by four to one at every level.

    Each level is a LUT a bit. What is between levels is kept: left to itself, synthesis decodes the
    number first, in levels of their own that drive everything.
    """
    reach, levels = 1 << CHOICE_BITS, choice_levels(len(values))
    number = Cat(number, C(0, CHOICE_BITS * levels))
    for level in range(levels):
        low = number[CHOICE_BITS * level :][:CHOICE_BITS]
        following: list[Value] = []
        for first in range(0, len(values), reach):
            few = [*values[first : first + reach]]
            few += few[-1:] * (reach - len(few))
            upper, lower = Mux(low[0], few[3], few[2]), Mux(low[0], few[1], few[0])
            kept = Signal(few[0].shape(), name=f"{name}_{level}_{first}", attrs={"keep": 1})
            m.d.comb += kept.eq(Mux(low[1], upper, lower))
            following.append(kept)
        values = following
    return values[0]
