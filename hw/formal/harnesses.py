"""Properties of the winners of a pixel, of credits and of queues."""

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from twofold.hw.contract.arith import ACT_BITS, ACT_MAX
from twofold.hw.engines.links import Credits
from twofold.hw.engines.winners.local import LocalWinners
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.queue import Queue


class LocalWinnersHarness(wiring.Component):
    """Entries of every pass are the winners by rank, in the specified cycles, for any gaps.

    Rank ``r`` of a channel: the number of channels with a larger value, or an equal one and a lower
    index. The entry of beat ``r`` is the channel of rank ``r``, or value 0 where that channel's
    value is 0. So exactly the ``k`` winners leave, each once.

    Parameters
    ----------
    dut: component to prove; ``k`` below its channels.
    value_max: values are assumed to be no larger, which keeps the search small.
    """

    valid: Signal
    value: Signal

    def __init__(self, dut: LocalWinners, value_max: int = ACT_MAX) -> None:
        self.dut, self.value_max = dut, value_max
        super().__init__({"valid": In(1), "value": In(ACT_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        channels, k = dut.channels, dut.k
        value, valid = self.value, self.valid
        channel = Signal(range(channels))
        last = channel == channels - 1
        m.d.comb += [
            Assume(~ResetSignal(), "no reset"),
            Assume(value <= self.value_max, "small values"),
            dut.valid.eq(valid),
            dut.value.eq(value),
            dut.index.eq(channel),
            dut.last.eq(last),
        ]
        with m.If(valid):
            m.d.sync += channel.eq(Mux(last, 0, channel + 1))
        # Entries leave in the cycle after the last channel, as seen from here on.
        late = dut.LATENCY - 1
        valid, value, channel, last = (
            delayed(m, one, late, name=name, reset=True)
            for name, one in (
                ("valid", valid),
                ("value", value),
                ("channel", channel),
                ("last", last),
            )
        )
        seen = Signal(data.ArrayLayout(ACT_BITS, channels))
        passed = Signal(data.ArrayLayout(ACT_BITS, channels))
        with m.If(valid):
            m.d.sync += seen[channel].eq(value)
        # A pass may still be shifting out while the next one ends, so it is kept until then.
        ended = valid & last
        with m.If(ended):
            m.d.sync += [passed.eq(seen), passed[channels - 1].eq(value)]
        beat = Signal(range(k + 1))
        leaving = Signal()
        with m.If(ended):
            m.d.sync += [beat.eq(0), leaving.eq(1)]
        with m.Elif(beat == k - 1):
            m.d.sync += leaving.eq(0)
        with m.Else():
            m.d.sync += beat.eq(beat + 1)
        m.d.comb += Assert(dut.o_valid == leaving, "wrong cycle")
        with m.If(leaving):
            for at in range(channels):
                with m.If(_rank(passed, at, channels) == beat):
                    m.d.comb += Assert(dut.o.value == passed[at], "wrong value")
                    named = (dut.o.value == 0) | (dut.o.index == at)
                    m.d.comb += Assert(named, "wrong index")
        return m


def _rank(values: "data.View[data.ArrayLayout]", at: int, channels: int) -> Value:
    return sum(
        (
            values[other] >= values[at] if other < at else values[other] > values[at]
            for other in range(channels)
            if other != at
        ),
        start=C(0),
    )


class CreditsHarness(wiring.Component):
    """Never more than ``frames`` samples are outstanding, and all of them may be.

    Parameters
    ----------
    dut: component to prove.
    frames: samples that the consumer has room for.
    """

    take: Signal
    release: Signal

    def __init__(self, dut: Credits, frames: int) -> None:
        self.dut, self.frames = dut, frames
        super().__init__({"take": In(1), "release": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        take, release = self.take, self.release
        out = Signal(range(2 * self.frames + 2))
        m.d.comb += [
            Assume(~ResetSignal(), "no reset"),
            dut.take.eq(take),
            dut.release.eq(release),
            Assume(~take | dut.available, "samples start with a credit"),
            Assume(~release | (out != 0), "only what was taken comes back"),
            Assert(out <= self.frames, "too many samples"),
            Assert(dut.available == (out != self.frames), "credit lost"),
        ]
        m.d.sync += out.eq(out + take - release)
        return m


class QueueHarness(wiring.Component):
    """Elements leave in order, none is lost, and none changes while it waits.

    Parameters
    ----------
    dut: component to prove: a queue of numbers.
    ready_connected: whether the queue sees the sink's ``ready``; otherwise it always sees 1, which
        must make the proof fail.
    """

    push: Signal
    element: Signal
    ready: Signal

    def __init__(self, dut: Queue, *, ready_connected: bool = True) -> None:
        self.dut, self.ready_connected = dut, ready_connected
        super().__init__({"push": In(1), "element": In(dut.shape), "ready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        push, ready, element = self.push, self.ready, self.element
        bits = len(element)
        kept = Signal(data.ArrayLayout(bits, dut.depth + 1))
        count = Signal(range(dut.depth + 2))
        leave = dut.o.valid & ready
        m.d.comb += [
            Assume(~ResetSignal(), "no reset"),
            dut.valid.eq(push),
            dut.payload.eq(element),
            dut.o.ready.eq(ready if self.ready_connected else 1),
            Assume(~push | (count < dut.depth), "the producer does not overflow the queue"),
            Assert(~dut.o.valid | (count != 0), "element that was never pushed"),
            Assert(~dut.o.valid | (dut.o.payload == kept[0]), "wrong element"),
        ]
        m.d.sync += count.eq(count + push - leave)
        with m.If(leave):
            m.d.sync += [kept[at].eq(kept[at + 1]) for at in range(dut.depth)]
        with m.If(push):
            m.d.sync += kept[(count - leave)[: len(count)]].eq(element)

        waited, payload = Signal(), Signal(bits)
        m.d.sync += [waited.eq(dut.o.valid & ~ready), payload.eq(dut.o.payload)]
        with m.If(waited):
            m.d.comb += Assert(dut.o.valid & (dut.o.payload == payload), "changed while waiting")
        idle = Signal(range(3))
        m.d.sync += idle.eq(Mux((count != 0) & ~dut.o.valid, idle + 1, 0))
        m.d.comb += Assert(idle < dut.LATENCY, "element held back")
        return m
