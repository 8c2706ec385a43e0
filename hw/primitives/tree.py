"""Combining values two by two, with a register behind each level."""

from collections.abc import Callable, Sequence

from amaranth.hdl import *


def tree_levels(count: int) -> int:
    """Levels of a tree over ``count`` values."""
    return (count - 1).bit_length()


def sum_of(m: Module, values: Sequence[Value]) -> Value:
    """Sum of values of one shape, which it fits, `tree_levels` cycles later."""
    return _tree(m, values, lambda first, second: first + second)


def maximum_of(m: Module, values: Sequence[Value]) -> Value:
    """Largest of values of one shape, `tree_levels` cycles later."""
    return _tree(m, values, lambda first, second: Mux(first > second, first, second))


def _tree(m: Module, values: Sequence[Value], combine: Callable[[Value, Value], Value]) -> Value:
    while len(values) > 1:
        level: list[Value] = []
        for at in range(0, len(values), 2):
            pair = values[at : at + 2]
            stage = Signal(values[0].shape(), name="level", reset_less=True)
            m.d.sync += stage.eq(combine(*pair) if len(pair) == 2 else pair[0])
            level.append(stage)
        values = level
    return values[0]
