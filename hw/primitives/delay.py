"""Delay lines."""

from amaranth.hdl import *


def delayed(
    m: Module, value: Value, cycles: int, *, name: str, reset: bool = False, wide: bool = False
) -> Value:
    """``value`` delayed by ``cycles`` cycles.

    With ``reset`` the registers can be reset, as strobes require; without it they can be mapped to
    shift registers. ``wide``: the result has many loads, so that it comes from a flip-flop, which
    is quick and which tools can copy: its reset keeps it out of a shift register.
    """
    for cycle in range(cycles):
        last = wide and cycle == cycles - 1
        stage = Signal(value.shape(), name=f"{name}_{cycle + 1}", reset_less=not (reset or last))
        m.d.sync += stage.eq(value)
        value = stage
    return value
