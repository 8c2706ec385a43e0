"""Selection: from a threshold to the winners of every row."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.engines.winners.count import GROUP, PrefixCount, below, groups, ones
from twofold.hw.primitives.delay import delayed

GROUP_BITS = GROUP.bit_length()


def row_layout(drain: int) -> data.StructLayout:
    """A row with its winners marked.

    ``values`` and ``chosen`` of each candidate; ``before``, for each group (see
    `twofold.hw.engines.winners.count`), the winners in the groups before it; ``total`` winners;
    ``last`` of the sample; ``silent``, no winners and not the last; ``single``, the winners fit
    into one beat.
    """
    count = Shape.cast(range(drain + 1))
    return data.StructLayout(
        {
            "values": data.ArrayLayout(ACT_BITS, drain),
            "chosen": drain,
            "before": data.ArrayLayout(count, -(-drain // GROUP)),
            "total": count,
            "last": 1,
            "silent": 1,
            "single": 1,
        }
    )


class Select(wiring.Component):
    """Marks the winners of a row: values above the threshold, and the first ``ties`` equal to it.

    Values of 0 are never marked.

    Parameters
    ----------
    channels: channels of a sample.
    drain: candidates per row.
    emit: winners per beat.

    Members
    -------
    valid, first, last, values: a row, and the first and the last of its sample.
    threshold: threshold of the sample, valid with each of its rows.
    ties: number of winners equal to the threshold; sampled with the first row.
    o_valid, o: the row and its winners (see `row_layout`).

    Latency: `latency`; one row per cycle, no handshake.
    """

    valid: Signal
    first: Signal
    last: Signal
    values: "data.View[data.ArrayLayout]"
    threshold: Signal
    ties: Signal
    o_valid: Signal
    o: Any

    def __init__(self, channels: int, drain: int, emit: int) -> None:
        self.channels, self.drain, self.emit = channels, drain, emit
        self._count_latency = PrefixCount.latency_of(drain)
        self.latency = self.latency_of(drain)
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "values": In(data.ArrayLayout(ACT_BITS, drain)),
                "threshold": In(ACT_BITS),
                "ties": In(range(channels + 1)),
                "o_valid": Out(1),
                "o": Out(row_layout(drain)),
            }
        )

    @staticmethod
    def latency_of(drain: int) -> int:
        """`latency` for a number of candidates per row."""
        return 2 * PrefixCount.latency_of(drain) + 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        above, equal = self._compare(m)
        limits = self._limits(m, equal)
        wait = self._count_latency + 1
        above = delayed(m, above, wait, name="above")
        equal = delayed(m, equal, wait, name="equal")
        chosen = Signal(self.drain, reset_less=True)
        for limit, members in zip(limits, groups(range(self.drain)), strict=True):
            for at in members:
                earlier = equal[members[0] : at]
                m.d.sync += chosen[at].eq(above[at] | (equal[at] & (_ones(earlier) < limit)))

        m.submodules.chosen_count = count = PrefixCount(self.drain)
        m.d.comb += [
            count.bits.eq(chosen),
            self.o.values.eq(delayed(m, self.values.as_value(), self.latency, name="values")),
            self.o.chosen.eq(delayed(m, chosen, self._count_latency, name="chosen")),
            self.o.before.eq(count.before),
            self.o.total.eq(count.total),
            self.o.last.eq(delayed(m, self.last, self.latency, name="last")),
            self.o.silent.eq((count.total == 0) & ~self.o.last),
            self.o.single.eq(below(count.total, self.emit + 1)),
            self.o_valid.eq(delayed(m, self.valid, self.latency, name="valid", reset=True)),
        ]
        return m

    def _compare(self, m: Module) -> tuple[Signal, Signal]:
        """Candidates above the threshold, and those equal to it, one cycle later."""
        above, equal = (Signal(self.drain, name=name, reset_less=True) for name in ("gt", "eq"))
        for at in range(self.drain):
            value = self.values[at]
            m.d.sync += [
                above[at].eq(value > self.threshold),
                equal[at].eq((value == self.threshold) & (value != 0)),
            ]
        return above, equal

    def _limits(self, m: Module, equal: Signal) -> list[Signal]:
        """For each group, the ties that may still win when it is reached, capped at its size."""
        m.submodules.tie_count = count = PrefixCount(self.drain)
        m.d.comb += count.bits.eq(equal)
        wait = self._count_latency + 1
        valid = delayed(m, self.valid, wait, name="counted", reset=True)
        first = delayed(m, self.first, wait, name="first", wide=True)
        ties = delayed(m, self.ties, wait, name="ties", wide=True)
        rest = Signal.like(self.ties, name="rest", reset_less=True)
        left = Signal.like(self.ties, name="left")
        m.d.comb += left.eq(Mux(first, ties, rest))
        with m.If(valid):
            m.d.sync += rest.eq(_saturated(left, count.total))
        limits: list[Signal] = []
        for group in range(count.groups):
            limit = Signal(range(GROUP + 1), name=f"limit{group}", reset_less=True)
            m.d.sync += limit.eq(_limited(left - count.before[group]))
            limits.append(limit)
        return limits


def _ones(bits: Value) -> Value:
    return ones(list(bits)) if len(bits) else C(0, 1)


def _limited(spare: Value) -> Value:
    """A signed number clamped to 0..`GROUP`, as plain logic without a carry chain."""
    magnitude = spare[:-1]
    low = magnitude[:GROUP_BITS]
    large = magnitude[GROUP_BITS:].any() | ~below(low, GROUP + 1)
    return Mux(spare[-1], 0, Mux(large, GROUP, low))


def _saturated(left: Value, taken: Value) -> Value:
    """``left - taken``, saturated at 0."""
    rest = left - taken
    return Mux(rest[-1], 0, rest[:-1])
