"""Multiplexing many values: combinationally, or with a register at every multiplexer level."""

from collections.abc import Sequence

from amaranth.hdl import *

from twofold.hw.primitives.delay import delayed

CHOICE_BITS = 2
"""Select bits that one level of multiplexers decodes."""


def choice_levels(count: int) -> int:
    """Levels of 4:1 multiplexers that select one of ``count`` values; at least one."""
    return max(1, -(-(count - 1).bit_length() // CHOICE_BITS))


def choose(m: Module, values: Sequence[Value], number: Value, *, name: str) -> Value:
    """The value that ``number`` selects, `choice_levels` cycles later."""
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
    """The value that ``number`` selects, combinationally, through levels of 4:1 multiplexers.

    Each level is one LUT per bit. Signals between levels are marked ``keep``: otherwise synthesis
    decodes the number first, in extra levels with a high fan-out.
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
