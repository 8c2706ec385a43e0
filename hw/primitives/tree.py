"""Binary trees that combine values in pairs, with a register behind each level."""

from collections.abc import Callable, Sequence

from amaranth.hdl import *


def tree_levels(count: int) -> int:
    """Levels of a tree over ``count`` values."""
    return (count - 1).bit_length()


def sum_of(m: Module, values: Sequence[Value]) -> Value:
    """Sum of values of one shape, into which it fits, `tree_levels` cycles later."""
    shape = values[0].shape()
    return tree_of(m, values, lambda first, second: first + second, lambda _: shape)


def tree_of(
    m: Module,
    values: Sequence[Value],
    combine: Callable[[Value, Value], Value],
    shape_of: Callable[[int], Shape],
    name: str = "level",
) -> Value:
    """``values`` combined, `tree_levels` cycles later.

    Parameters
    ----------
    combine: combines two of them.
    shape_of: shape of a combination of a given number of values.
    name: name of the registers; ``{level}`` and ``{at}`` stand for their place.
    """
    level = 0
    while len(values) > 1:
        level += 1
        shape, combined = shape_of(1 << level), list[Value]()
        for at in range(0, len(values), 2):
            pair = values[at : at + 2]
            stage = Signal(shape, name=name.format(level=level - 1, at=at), reset_less=True)
            m.d.sync += stage.eq(combine(*pair) if len(pair) == 2 else pair[0])
            combined.append(stage)
        values = combined
    return values[0]
