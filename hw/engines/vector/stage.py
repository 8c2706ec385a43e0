"""A linear layer over the input: beats cut into chunks, in front of the engines of scatter."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.engines import VectorPlan
from twofold.hw.engines.activity import ACTIVITY
from twofold.hw.engines.links import ConfigBus, winner_stream
from twofold.hw.engines.scatter.stage import LINKS, ScatterStage


class Chunks(wiring.Component):
    """Cuts beats into chunks of ``engines`` inputs, numbered within the sample.

    Parameters
    ----------
    plan: the layer.
    input_bytes: inputs per beat; a multiple of the engines.

    Members
    -------
    i: inputs in order, the first in the low byte; unused bytes of a sample's last beat are ignored.
    closed: no beat is accepted.
    o: chunks; the ``index`` of all entries is the number of the chunk.

    Latency: one cycle. A beat is accepted when the last chunk of the beat before leaves.
    """

    i: Any
    closed: Signal
    o: Any

    def __init__(self, plan: VectorPlan, input_bytes: int) -> None:
        plan.check_input(input_bytes)
        self.plan, self.chunks = plan, input_bytes // plan.folding.engines
        super().__init__(
            {
                "i": In(stream.Signature(ACT_BITS * input_bytes)),
                "closed": In(1),
                "o": Out(winner_stream(plan.indices, plan.folding.engines)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beats, o = self.plan.winner_beats, self.o
        chunk = data.ArrayLayout(ACT_BITS, self.plan.folding.engines)
        beat = Signal(data.ArrayLayout(chunk, self.chunks), reset_less=True)
        full, at, number = Signal(), Signal(range(self.chunks)), Signal(range(beats))
        # Last chunk of a sample, and of a beat; registered, because ``i.ready`` depends on them.
        last, ends = Signal(init=int(beats == 1)), Signal(init=int(min(beats, self.chunks) == 1))
        leaves, following = Signal(), Signal.like(number, name="following")
        place = Signal.like(at, name="place")
        m.d.comb += [
            leaves.eq(full & o.ready),
            self.i.ready.eq(~self.closed & (~full | (o.ready & ends))),
            o.valid.eq(full),
            o.payload.last.eq(last),
            following.eq(Mux(last, 0, number + 1)),
            place.eq(Mux(ends, 0, at + 1)),
        ]
        for entry, value in zip(o.payload.winners, beat[at], strict=True):
            m.d.comb += [entry.index.eq(number), entry.value.eq(value)]
        with m.If(leaves):
            m.d.sync += [
                at.eq(place),
                number.eq(following),
                last.eq(following == beats - 1),
                ends.eq((following == beats - 1) | (place == self.chunks - 1)),
                full.eq(~ends),
            ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [Value.cast(beat).eq(self.i.payload), full.eq(1)]
        return m


class VectorStage(wiring.Component):
    """A linear layer over the input, in front of global winners or as the only layer.

    Parameters
    ----------
    plan: the layer with its folding.
    input_bytes: inputs per beat; a multiple of the engines.
    credits: samples that the next layer has room for.

    Members
    -------
    i: inputs, channel by channel and row by row, the first in the low byte.
    closed: no beat is accepted.
    config: writes to the tables; only while no sample is in the stage.
    o: `twofold.hw.engines.links.RowLink`, as of a `ScatterStage`.
    activity, lookups: inputs of the counters; a lookup is an input other than 0.

    Throughput: one sample every ``plan.cycles`` cycles while inputs and credits are available,
    unless its beats take longer. Back-pressure: a sample starts only with a credit.

    Raises FoldingError when the engines do not divide a beat.
    """

    i: Any
    closed: Signal
    config: Any
    o: Any
    activity: Any
    lookups: Signal

    def __init__(self, plan: VectorPlan, *, input_bytes: int, credits: int) -> None:
        plan.check_input(input_bytes)
        self.plan, self.input_bytes, self.credits = plan, input_bytes, credits
        super().__init__(
            {
                "i": In(stream.Signature(ACT_BITS * input_bytes)),
                "closed": In(1),
                "config": In(ConfigBus()),
                "o": Out(LINKS[plan.stage.output](plan)),
                "activity": Out(ACTIVITY),
                "lookups": Out(plan.lookups),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.chunks = chunks = Chunks(self.plan, self.input_bytes)
        m.submodules.field = field = ScatterStage(self.plan, frames=1, credits=self.credits)
        connect(m, flipped(self.i), chunks.i)
        connect(m, chunks.o, field.i)
        connect(m, flipped(self.config), field.config)
        connect(m, field.o, flipped(self.o))
        m.d.comb += [
            chunks.closed.eq(self.closed),
            self.activity.eq(field.activity),
            self.lookups.eq(field.lookups),
        ]
        return m
