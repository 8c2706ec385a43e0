"""Delay lines."""

from amaranth.hdl import *


def delayed(m: Module, value: Value, cycles: int, *, name: str, reset: bool = False) -> Value:
    """``value`` delayed by ``cycles`` cycles.

    With ``reset`` the registers can be reset, as strobes require; without it they can be mapped to
    shift registers.
    """
    for cycle in range(cycles):
        stage = Signal(value.shape(), name=f"{name}_{cycle + 1}", reset_less=not reset)
        m.d.sync += stage.eq(value)
        value = stage
    return value
