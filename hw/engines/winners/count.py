"""Counting ones, pipelined in stages of a few LUT levels.

Bits are counted in groups as wide as a LUT. Where a position within a row matters, it is
represented as a group and the number of ones before it within the group, so counts across the row
are needed only once per group.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from amaranth.hdl import *
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from twofold.hw.primitives.tile import Tile

GROUP = 6
LEVELS_A_STAGE = 2


Member = TypeVar("Member")


def groups(members: Iterable[Member]) -> list[list[Member]]:
    """Members in groups of `GROUP`; the last group may be smaller."""
    every = list(members)
    return [every[at : at + GROUP] for at in range(0, len(every), GROUP)]


def ones(bits: Sequence[Value]) -> Value:
    """Number of ones among up to `GROUP` bits, 3 bits wide, in one LUT per output bit."""
    a, b, c, d, e, f = [*bits, *[C(0, 1)] * (GROUP - len(bits))]
    low, low_carry = _full_add(a, b, c)
    high, high_carry = _full_add(d, e, f)
    carry = low & high
    twos, fours = _full_add(low_carry, high_carry, carry)
    return Cat(low ^ high, twos, fours)


def _full_add(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    return a ^ b ^ c, (a & b) | (a & c) | (b & c)


def _registers(m: Module, values: Sequence[Value], name: str) -> list[Value]:
    found: list[Value] = []
    for at, value in enumerate(values):
        register = Signal(value.shape(), name=f"{name}_{at}", reset_less=True)
        m.d.sync += register.eq(value)
        found.append(register)
    return found


class PopCount(Tile):
    """Number of ones in ``bits``, `latency` cycles later; one count per cycle, no handshake.

    Parameters
    ----------
    width: bits, >= 1.
    """

    FAN_IN = 1 << LEVELS_A_STAGE

    bits: Signal
    total: Signal

    def __init__(self, width: int) -> None:
        self.width = width
        self.latency = self.latency_of(width)
        super().__init__({"bits": In(width), "total": Out(range(width + 1))})

    @classmethod
    def latency_of(cls, width: int) -> int:
        """`latency` for a width."""
        latency, terms = 1, -(-width // GROUP)
        while terms > 1:
            latency, terms = latency + 1, -(-terms // cls.FAN_IN)
        return latency

    @property
    def parameters(self) -> int:
        return self.width

    def build(self, platform: object, /) -> Module:
        m = Module()
        terms = _registers(m, [ones(group) for group in groups(self.bits)], "group")
        step = 0
        while len(terms) > 1:
            step += 1
            parts = [terms[at : at + self.FAN_IN] for at in range(0, len(terms), self.FAN_IN)]
            terms = _registers(m, [_sum(part) for part in parts], f"sum{step}")
        m.d.comb += self.total.eq(terms[0])
        return m


def _sum(terms: Sequence[Value]) -> Value:
    """Balanced tree of adders."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _sum(terms[:half]) + _sum(terms[half:])


class PrefixCount(Tile):
    """Number of ones before each group of ``bits``, and in total, `latency` cycles later.

    Parameters
    ----------
    width: bits, >= 1.

    Members
    -------
    bits: bits to count.
    before: array; for each group, the number of ones in the groups before it.
    total: number of ones in all groups.

    One count per cycle, no handshake.
    """

    bits: Signal
    before: "data.View[data.ArrayLayout]"
    total: Signal

    def __init__(self, width: int) -> None:
        self.groups = -(-width // GROUP)
        self.width = width
        self.latency = self.latency_of(width)
        count = range(width + 1)
        super().__init__(
            {
                "bits": In(width),
                "before": Out(data.ArrayLayout(Shape.cast(count), self.groups)),
                "total": Out(count),
            }
        )

    @staticmethod
    def latency_of(width: int) -> int:
        """`latency` for a width."""
        levels = (-(-width // GROUP) - 1).bit_length()
        return 1 + -(-levels // LEVELS_A_STAGE)

    @property
    def parameters(self) -> int:
        return self.width

    def build(self, platform: object, /) -> Module:
        m = Module()
        sums = _registers(m, [ones(group) for group in groups(self.bits)], "group")
        level, reach = 0, 1
        while reach < self.groups:
            sums = [
                sums[at] + sums[at - reach] if at >= reach else sums[at]
                for at in range(self.groups)
            ]
            level, reach = level + 1, reach * 2
            if level % LEVELS_A_STAGE == 0 or reach >= self.groups:
                sums = _registers(m, sums, f"level{level}")
        m.d.comb += self.total.eq(sums[-1])
        m.d.comb += [self.before[at + 1].eq(sums[at]) for at in range(self.groups - 1)]
        return m


def below(value: Value, limit: int) -> Value:
    """``value < limit``, unsigned, as logic on the few bits of ``value``: no carry chain."""
    return value.matches(*range(limit)) if limit < 1 << len(value) else C(1, 1)


def one_of(selects: Sequence[Value] | Value, values: Sequence[Value]) -> Value:
    """The value whose select bit is set, or 0 if none is; at most one may be set."""
    chosen = [
        select.replicate(len(value)) & value for select, value in zip(selects, values, strict=True)
    ]
    return either(chosen)


def either(values: Sequence[Value]) -> Value:
    """Bitwise OR of the values, as a balanced tree."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return either(values[:half]) | either(values[half:])
