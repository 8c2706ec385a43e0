"""Winners of one pixel: a sorted insertion list, fed one channel at a time."""

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.engines.links import entry_layout


class LocalWinners(wiring.Component):
    """The ``k`` largest of ``channels`` values, ties to the lower index.

    The list is sorted by value: every cell compares its value with the incoming one and keeps its
    own, takes the new one, or takes its neighbour's. Channels arrive in ascending order and an
    equal value never overtakes, which settles ties. After a pass its entries shift out at the head,
    largest first, while channels of the next pass are inserted behind the remaining entries: by
    then as many entries have left as channels have arrived. Where all channels win there is no
    list, and they pass straight through.

    A channel is compared one cycle before it enters, with what the cells will hold by then: every
    cell with the value it has, and the one chosen among those results as the cell chooses its
    entry. So no comparison is in series with the movement of entries.

    Parameters
    ----------
    channels: channels of a pass.
    k: winners kept, 1..channels.

    Members
    -------
    valid, value, index: a channel; ``channels`` of them make a pass, in ascending order, with or
        without gaps.
    last: with the last channel of a pass.
    o_valid, o: an entry of the list; its value is 0 where there is no further channel above 0.

    Latency: the first entry leaves `LATENCY` cycles after ``last``, the other ``k - 1`` in the
    cycles that follow; the next pass may start in the cycle after ``last``. With ``k == channels``
    each channel leaves `PASS_LATENCY` cycles after it arrived. The output has no back-pressure.

    Raises ValueError for ``k`` outside 1..channels.
    """

    LATENCY = 2
    PASS_LATENCY = 1

    valid: Signal
    value: Signal
    index: Signal
    last: Signal
    o_valid: Signal
    o: "data.View[data.StructLayout]"

    def __init__(self, channels: int, k: int) -> None:
        if not 1 <= k <= channels:
            raise ValueError(f"local winners: k is {k}, needs 1..{channels} (the channels)")
        self.channels, self.k = channels, k
        layout = entry_layout(channels)
        super().__init__(
            {
                "valid": In(1),
                "value": In(ACT_BITS),
                "index": In(layout["index"].shape),
                "last": In(1),
                "o_valid": Out(1),
                "o": Out(layout),
            }
        )

    @staticmethod
    def latency_of(channels: int, k: int) -> int:
        """Cycles from the last channel of a pass to its first entry, or where all channels win, to
        that channel itself.
        """
        return LocalWinners.PASS_LATENCY if k == channels else LocalWinners.LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.k == self.channels:
            m.d.sync += [
                self.o_valid.eq(self.valid),
                self.o.index.eq(self.index),
                self.o.value.eq(self.value),
            ]
        else:
            self._list(m)
        return m

    def _list(self, m: Module) -> None:
        k, size = self.k, self.o.shape().size
        cells = Signal(data.ArrayLayout(self.o.shape(), k))
        old = Signal(k)  # entries of the finished pass, from the head
        leaving = old[0]
        valid, last = Signal(), Signal(reset_less=True)
        value = Signal.like(self.value, reset_less=True)
        index = Signal.like(self.index, reset_less=True)
        m.d.sync += [valid.eq(self.valid), last.eq(self.last)]
        m.d.sync += [value.eq(self.value), index.eq(self.index)]
        with m.If(valid & last):
            m.d.sync += old.eq(-1)
        with m.Else():
            m.d.sync += old.eq(old >> 1)
        above = Signal(k, reset_less=True)  # whether the channel is larger than each entry
        overtakes = Signal(k)
        m.d.comb += overtakes.eq(above & ~old & valid.replicate(k))
        # While entries shift out, a cell takes its successor, so the channel is compared with that.
        behind = Cat(overtakes[1:], valid)
        entries = [cells[at].as_value() for at in range(k)]
        wins = [self._overtakes(cells[at].value) for at in range(k)]
        new, new_wins = Cat(index, value), self._overtakes(value)
        nothing, nothing_wins = C(0, size), self._overtakes(C(0, ACT_BITS))
        for at in range(k):
            here = Mux(leaving, behind[at], overtakes[at])
            before = Mux(leaving, behind[at - 1], overtakes[at - 1]) if at else C(0, 1)
            # 4:1 multiplexer: successor, own entry, incoming channel, predecessor.
            choice = Signal(2, name=f"choice{at}")
            m.d.comb += choice.eq(Mux(here, Mux(before, Mux(leaving, 1, 3), 2), ~leaving))
            for kept, each, last_one, first in (
                (entries[at], entries, nothing, new),
                (above[at], wins, nothing_wins, new_wins),
            ):
                successor = each[at + 1] if at + 1 < k else last_one
                predecessor = each[at - 1] if at else first
                m.d.sync += kept.eq(Array([successor, each[at], first, predecessor])[choice])
        m.d.comb += [self.o.eq(cells[0]), self.o_valid.eq(leaving)]

    def _overtakes(self, listed: Value) -> Value:
        """Whether the channel that arrives goes in front of a value in the list."""
        return self.value > listed
