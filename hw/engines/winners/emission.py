"""Emission: from the winners of a row to the beats of a stream."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.engines.links import Credits, winner_layout, winner_stream
from twofold.hw.engines.winners.count import GROUP, below, either, groups, one_of, ones
from twofold.hw.engines.winners.select import row_layout
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.queue import Queue

WANTED_BITS = (GROUP - 1).bit_length()


class Emission(wiring.Component):
    """Emits the winners of rows, ``emit`` per beat, in ascending order.

    The winner for each place in a beat is looked up by its rank: first the group that has it, then
    the place in the group. That takes several cycles but is pipelined, so beats are back to back:
    they end up in an output queue, and are issued only while that queue has room.

    Parameters
    ----------
    channels: channels of a sample.
    drain: candidates per row.
    emit: winners per beat.

    Members
    -------
    i: rows with their winners marked (see `twofold.hw.engines.winners.select.row_layout`).
    o: winner stream. Every row starts a new beat; unused places have value 0. A row without winners
        has no beat, except the last row of a sample, whose beat carries ``last``.

    Latency: `LATENCY` through an empty queue; one beat per cycle, and at least one cycle per row.
    """

    LATENCY = 5 + Queue.LATENCY
    DEPTH = 16

    i: Any
    o: Any

    def __init__(self, channels: int, drain: int, emit: int) -> None:
        self.channels, self.drain, self.emit = channels, drain, emit
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(drain))),
                "o": Out(winner_stream(channels, emit)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.credits = credits = Credits(self.DEPTH)
        m.submodules.queue = queue = Queue(winner_layout(self.channels, self.emit), self.DEPTH)
        beat, ranks, last, base = self._issue(m, credits)
        row = self.i.payload
        values = delayed(m, Value.cast(row.values), 2, name="values")
        chosen = delayed(m, row.chosen, 1, name="chosen")
        later = 4
        base = delayed(m, base, later, name="base")
        for place, rank in enumerate(ranks):
            value, offset = self._look_up(m, place, rank=rank, chosen=chosen, values=values)
            winner = queue.payload.winners[place]
            m.d.sync += [winner.value.eq(value), winner.index.eq(base + offset)]
        wait = later + 1
        m.d.comb += [
            queue.valid.eq(delayed(m, beat, wait, name="beat", reset=True)),
            queue.payload.last.eq(delayed(m, last, wait, name="last")),
        ]
        m.d.sync += credits.release.eq(self.o.valid & self.o.ready)
        connect(m, queue.o, flipped(self.o))
        return m

    def _issue(self, m: Module, credits: Credits) -> tuple[Value, list[Signal], Value, Value]:
        """Whether a beat is issued, the rank of the winner at each of its places, whether it is the
        last of the sample, and the first channel of the row.

        Whether a beat is the last of its row is known one beat earlier, except for the first one,
        where the row itself has a flag for it.
        """
        row = self.i.payload
        most = range(self.drain + self.emit)
        ranks = [Signal(most, name=f"rank{at}", init=at) for at in range(self.emit)]
        first, left, ends = Signal(init=1), Signal.like(row.total, name="left"), Signal()
        base = Signal(range(max(2, self.channels)))
        final = Mux(first, row.single, ends)
        now = Mux(first, row.total, left)
        beat = Signal()
        m.d.comb += [
            beat.eq(self.i.valid & credits.available & ~row.silent),
            credits.take.eq(beat),
            self.i.ready.eq(row.silent | (credits.available & final)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [rank.eq(at) for at, rank in enumerate(ranks)]
            m.d.sync += [first.eq(1), base.eq(Mux(row.last, 0, base + self.drain))]
        with m.Elif(beat):
            m.d.sync += [rank.eq(rank + self.emit) for rank in ranks]
            m.d.sync += [first.eq(0), left.eq(now - self.emit), ends.eq(now <= 2 * self.emit)]
        return beat, ranks, row.last & final, base

    def _look_up(
        self, m: Module, place: int, *, rank: Value, chosen: Value, values: Value
    ) -> tuple[Value, Value]:
        """Value and row offset of the winner of ``rank``, 4 cycles later; 0 if there is none.

        ``chosen`` is one cycle behind ``rank``, ``values`` is two.
        """
        found_values: list[Value] = []
        found_offsets: list[Value] = []
        offset_bits = max(1, (self.drain - 1).bit_length())
        for number, members in enumerate(groups(range(self.drain))):
            name = f"{place}_{number}"
            wanted = Signal(range(GROUP), name=f"wanted{name}", reset_less=True)
            here = Signal(name=f"here{name}", reset_less=True)
            distance = Signal(signed(self.drain.bit_length() + 3), name=f"distance{name}")
            m.d.comb += distance.eq(rank - self.i.payload.before[number])
            inside = (distance[WANTED_BITS:] == 0) & below(distance[:WANTED_BITS], GROUP)
            m.d.sync += [wanted.eq(distance), here.eq(inside)]
            hits = Signal(len(members), name=f"hits{name}", reset_less=True)
            for at, member in enumerate(members):
                earlier = chosen[members[0] : member]
                before = ones(list(earlier)) if at else C(0, 1)
                m.d.sync += hits[at].eq(here & chosen[member] & (before == wanted))
            value = Signal(ACT_BITS, name=f"value{name}", reset_less=True)
            offset = Signal(offset_bits, name=f"offset{name}", reset_less=True)
            candidates = [values.word_select(member, ACT_BITS) for member in members]
            offsets = [C(member, offset_bits) for member in members]
            m.d.sync += [value.eq(one_of(hits, candidates)), offset.eq(one_of(hits, offsets))]
            found_values.append(value)
            found_offsets.append(offset)
        value = Signal(ACT_BITS, name=f"value{place}", reset_less=True)
        offset = Signal(offset_bits, name=f"offset{place}", reset_less=True)
        m.d.sync += [value.eq(either(found_values)), offset.eq(either(found_offsets))]
        return value, offset
