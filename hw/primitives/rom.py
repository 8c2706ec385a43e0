"""Tables whose content is known when the machine is built."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import *
from amaranth.lib import memory

LOGIC_DEPTH = 1024
"""Words that a table in logic has at most: each bit of more would take 16 LUTs and their
multiplexers, and a case for each word in every tool that reads the Verilog.
"""


def in_memory(values: Sequence[int]) -> bool:
    """Whether a table of ``values`` is a block memory rather than logic."""
    return len(values) > LOGIC_DEPTH and len(set(values)) > 1


def memory_bits(values: Sequence[int]) -> int:
    """Width of the memory of ``values``: bits above and below those that are ever set are not
    kept.
    """
    every = reduce(or_, values)
    return every.bit_length() - _below(every)


def looked_up(m: Module, name: str, values: Sequence[int], number: Value) -> Value:
    """The element of ``values`` that ``number`` selects, one cycle later.

    Small tables are logic in front of a register. Deep ones are block memories, whose register is
    the one that they have anyway. A table of equal elements takes nothing.

    Parameters
    ----------
    values: elements, >= 0; at least one.
    number: index of an element; beyond the last one, the result is undefined.
    """
    if len(set(values)) == 1:
        return Const(values[0])
    if in_memory(values):
        below = _below(reduce(or_, values))
        m.submodules[name] = rom = memory.Memory(
            shape=memory_bits(values),
            depth=len(values),
            init=[value >> below for value in values],
            attrs={"rom_style": "block"},
        )
        read = rom.read_port()
        m.d.comb += read.addr.eq(number)
        return Cat(C(0, below), read.data)
    found = Signal(range(max(values) + 1), name=name, reset_less=True)
    m.d.sync += found.eq(Array(values)[number])
    return found


def _below(every: int) -> int:
    """Bits below the lowest one that is set."""
    return (every & -every).bit_length() - 1
