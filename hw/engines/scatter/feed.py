"""Feeds: the sources of the winners that the engines look up.

Both kinds have the ports that `ScatterStage` needs: ``go`` in, and ``take``, ``entries``, ``step``,
``done`` and ``activity`` (see `twofold.hw.machine.counters`) out.
"""

from functools import reduce
from operator import and_
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.engines.activity import ACTIVITY
from twofold.hw.engines.links import SIDES, PixelLink, entry_layout, winner_stream
from twofold.hw.engines.scatter.banks import PixelBanks
from twofold.hw.engines.scatter.sequencer import PassSequencer, walk_layout
from twofold.hw.engines.scatter.weights import step_layout
from twofold.hw.primitives.delay import delayed


def _ports(plan: ScatterPlan, entry: data.StructLayout, readers: int) -> dict[str, wiring.Member]:
    entries = data.ArrayLayout(entry, readers)
    return {
        "go": In(1),
        "take": Out(1),
        "entries": Out(entries),
        "step": Out(step_layout(plan)),
        "done": Out(1),
        "activity": Out(ACTIVITY),
    }


class PixelFeed(wiring.Component):
    """Feed of winners per pixel, for a layer behind a convolution or behind two of them.

    Parameters
    ----------
    plan: the layer.
    frames: samples buffered at the input, >= 1; more where it skips layers.

    Members
    -------
    i: winner lists of the layer that it reads; j: of the second, for an addition.
    go: a sample may start.
    take: a sample starts; its frames were complete.
    entries: for each tile, position and engine: the winner it looks up.
    step, done: tap and round of the ``entries`` of the next cycle, and whether they are the last of
        a run.
    row, first: where rows are shared, the row of the ``entries`` `ROW_LEAD` cycles later, and
        whether the ``entries`` are the first of a run.

    Latency: the first entries come `LATENCY` cycles after ``take``; the rest follow as paced by
    `twofold.hw.engines.scatter.sequencer.PassSequencer`.

    Raises FoldingError when the banks cannot serve the readers.
    """

    LATENCY = 1 + PixelBanks.LATENCY
    ROW_LEAD = PixelBanks.LATENCY

    i: Any
    go: Signal
    take: Signal
    entries: Any
    step: Any
    done: Signal
    activity: Any
    first: Signal
    row: Signal

    def __init__(self, plan: ScatterPlan, frames: int) -> None:
        self.plan = plan
        self._banks = [
            PixelBanks(side, frames + skips)
            for side, skips in zip(plan.sides, plan.stage.skips, strict=True)
        ]
        readers = sum(len(banks.routing.readers) for banks in self._banks)
        ports = _ports(plan, self._banks[0].entry, readers)
        if plan.shares_rows:
            ports |= {"first": Out(1), "row": Out(walk_layout(plan)["row"].shape)}
        links = {name: In(pixel_link(side)) for name, side in zip(SIDES, plan.sides, strict=False)}
        super().__init__(links | ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sequencer = PassSequencer(self.plan)
        walk, delay = sequencer.walk, PixelBanks.LATENCY - 1
        for name, banks in zip(SIDES, self._banks, strict=False):
            m.submodules["banks" if name == "i" else f"banks_{name}"] = banks
            connect(m, flipped(getattr(self, name)), banks.i)
            m.d.comb += [banks.take.eq(sequencer.take), banks.walk.eq(walk)]
        m.submodules.sequencer = sequencer
        complete = reduce(and_, (banks.complete for banks in self._banks))
        # Engines of a position are side by side; those of an addition read one layer each.
        sides = zip(*(banks.entries for banks in self._banks), strict=True)
        m.d.comb += [
            self.entries.eq(Cat(entry for each in sides for entry in each)),
            sequencer.go.eq(self.go & complete),
            self.take.eq(sequencer.take),
            self.step.tap.eq(delayed(m, walk.tap, delay, name="tap")),
            self.step.round.eq(delayed(m, walk.round, delay, name="round")),
            self.done.eq(delayed(m, walk.last, delay, name="done", reset=True)),
            self.activity.busy.eq(walk.active),
            self.activity.starved.eq(sequencer.idle & ~complete),
            self.activity.blocked.eq(sequencer.idle & complete & ~self.go),
        ]
        if self.plan.shares_rows:
            first = delayed(m, walk.first, PixelBanks.LATENCY, name="first", reset=True)
            m.d.comb += [self.row.eq(walk.row), self.first.eq(first)]
        return m


def pixel_link(side: ScatterPlan) -> PixelLink:
    """Link from the layer whose pixels are looked up."""
    return PixelLink(side.source.folding.tiles, side.stage.in_shape[0])


class WinnerFeed(wiring.Component):
    """Feed of global winners, or of chunks of the input: each beat is presented once per round.

    The last step of a sample waits until the accumulators have drained the previous sample.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    i: winners, one per engine in each beat.
    go: a sample may start.
    take: the first step of a sample is taken.
    entries: for each engine, the winner it looks up.
    step, done: round of the ``entries`` of the next cycle, and whether they are the last of a
        sample.

    Latency: entries follow the beat by one cycle.
    """

    i: Any
    go: Signal
    take: Signal
    entries: Any
    step: Any
    done: Signal
    activity: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        engines = plan.folding.engines
        link = winner_stream(plan.indices, engines)
        entry = entry_layout(plan.indices)
        super().__init__({"i": In(link)} | _ports(plan, entry, engines))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, beat = self.plan, self.i.payload
        round_index = Signal(range(plan.rounds), name="round")
        started = Signal()
        draining, drains = Signal(range(plan.drain_steps)), Signal()
        # ``round_index`` is at its last value; registered, because ``ready`` is timing-critical.
        wraps = Signal(init=int(plan.rounds == 1))
        active, may = Signal(), Signal()
        m.d.comb += [
            may.eq((started | self.go) & ~(beat.last & wraps & drains)),
            active.eq(self.i.valid & may),
            self.i.ready.eq(may & wraps),
            self.take.eq(active & ~started),
            self.step.round.eq(round_index),
            self.done.eq(active & wraps & beat.last),
            self.activity.busy.eq(active),
            self.activity.starved.eq(~self.i.valid),
            self.activity.blocked.eq(self.i.valid & ~active),
        ]
        with m.If(active):
            m.d.sync += [round_index.eq(Mux(wraps, 0, round_index + 1)), started.eq(~self.done)]
            if plan.rounds > 1:
                m.d.sync += wraps.eq(round_index == plan.rounds - 2)
        with m.If(self.done):
            m.d.sync += [draining.eq(plan.drain_steps - 1), drains.eq(plan.drain_steps > 1)]
        with m.Elif(drains):
            m.d.sync += [draining.eq(draining - 1), drains.eq(draining != 1)]
        for entry, winner in zip(self.entries, beat.winners, strict=True):
            m.d.sync += entry.index.eq(winner.index)
            m.d.sync += entry.value.eq(Mux(active, winner.value, 0))
        return m
