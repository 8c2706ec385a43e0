"""Winners of one pixel: an insertion list that channels pass one after the other."""

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.contract.arith import ACT_BITS
from hw.links import entry_layout


class LocalWinners(wiring.Component):
    """The ``k`` largest of ``channels`` values, ties to the lower index.

    A list sorted by value: every cell compares its value with the one that arrives and keeps its
    own, takes the new one, or takes its neighbour's. Channels arrive in ascending order and an
    equal value never overtakes, which settles ties. When a pass is over the list is copied to a
    second one, from which the entries leave, largest first, while the next pass is inserted. Where
    all channels win there is no list and they pass straight on.

    Parameters
    ----------
    channels: channels of a pass.
    k: winners kept, 1..channels.

    Members
    -------
    valid, value, index: a channel; ``channels`` of them make a pass, in ascending order, with or
        without gaps.
    first, last: with the first and the last channel of a pass (both, where there is only one).
    o_valid, o: an entry of the list; its value is 0 where no channel above 0 is left to claim it.

    Latency: the first entry leaves `LATENCY` cycles after ``last``, the other ``k - 1`` in the
    cycles that follow; the next pass may start in the cycle after ``last``. With ``k == channels``
    each channel leaves `PASS_LATENCY` cycles after it arrived. Entries cannot be refused.

    Raises ValueError for ``k`` outside 1..channels.
    """

    LATENCY = 2
    PASS_LATENCY = 1

    valid: Signal
    value: Signal
    index: Signal
    first: Signal
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
                "first": In(1),
                "last": In(1),
                "o_valid": Out(1),
                "o": Out(layout),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.k == self.channels:
            m.d.sync += [
                self.o_valid.eq(self.valid),
                self.o.index.eq(self.index),
                self.o.value.eq(self.value),
            ]
        else:
            self._leave(m, self._insert(m))
        return m

    def _insert(self, m: Module) -> "data.View[data.ArrayLayout]":
        """The list of the pass that is arriving, largest value in cell 0."""
        cells = Signal(data.ArrayLayout(self.o.shape(), self.k))
        larger = Signal(self.k)
        m.d.comb += [
            larger[at].eq(self.first | self._overtakes(cells[at].value)) for at in range(self.k)
        ]
        new = Signal(self.o.shape())
        m.d.comb += [new.index.eq(self.index), new.value.eq(self.value)]
        with m.If(self.valid):
            for at in range(self.k):
                with m.If(larger[at]):
                    m.d.sync += cells[at].eq(new)
                    if at:
                        with m.If(larger[at - 1]):
                            m.d.sync += cells[at].eq(cells[at - 1])
                        with m.If(self.first):
                            m.d.sync += cells[at].eq(0)
        return cells

    def _overtakes(self, listed: Value) -> Value:
        """Whether the channel that arrives goes in front of a value in the list."""
        return self.value > listed

    def _leave(self, m: Module, cells: "data.View[data.ArrayLayout]") -> None:
        """Copy the finished list, then shift it out."""
        done = Signal()
        leaving = Signal(cells.shape())
        left = Signal(self.k)
        m.d.sync += [done.eq(self.valid & self.last), left.eq(left >> 1)]
        m.d.sync += [leaving[at].eq(leaving[at + 1]) for at in range(self.k - 1)]
        with m.If(done):
            m.d.sync += [leaving.eq(cells), left.eq(-1)]
        m.d.comb += [self.o.eq(leaving[0]), self.o_valid.eq(left[0])]
