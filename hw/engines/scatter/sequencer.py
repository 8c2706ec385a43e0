"""Sequencers of a scatter layer: one walks the winner lists, one drains the accumulators."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import ScatterPlan
from twofold.hw.contract.tables import channels_in
from twofold.hw.engines.scatter.engine import drain_layout
from twofold.hw.engines.scatter.tile import channel_layout


def walk_layout(plan: ScatterPlan) -> data.StructLayout:
    """A step of a walk over winner lists.

    ``active``: there is a step in this cycle. ``place``: ``pass * engine_taps + tap``. ``tap``,
    ``entry``, ``round``: position of the step. ``last``: last step of the run. ``final``: last step
    of the sample. Where rows are shared, also ``first``, first step of the run, and ``row``, the
    weight address relative to the engine's first row.
    """
    rows = plan.engine_taps * channels_in(plan) * plan.rounds
    shared = {"first": 1, "row": range(max(rows, 2))} if plan.shares_rows else {}
    return data.StructLayout(
        {
            "active": 1,
            "place": range(plan.passes * plan.engine_taps),
            "tap": range(plan.engine_taps),
            "entry": range(plan.stage.in_k),
            "round": range(plan.rounds),
            "last": 1,
            "final": 1,
            **shared,
        }
    )


class PassSequencer(wiring.Component):
    """Walks the winner lists of a sample, run after run, and never stalls within a sample.

    Every run takes `ScatterPlan.run_interval` cycles: its steps, then idle cycles where draining or
    emission takes longer. Samples follow back to back while ``go`` is asserted.

    Parameters
    ----------
    plan: the layer, behind a convolution.

    Members
    -------
    go: a sample may start.
    take: a sample starts; its first step is in the next cycle.
    idle: no sample is being walked.
    walk: see `walk_layout`.
    """

    go: Signal
    take: Signal
    idle: Signal
    walk: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        super().__init__(
            {"go": In(1), "take": Out(1), "idle": Out(1), "walk": Out(walk_layout(plan))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, walk = self.plan, self.walk
        running, resting = Signal(), Signal()
        cycle, round_index = Signal(range(plan.run_interval)), Signal(range(plan.runs))
        wraps = cycle == plan.run_interval - 1
        free = ~running | (wraps & (round_index == plan.runs - 1))
        m.d.comb += [self.take.eq(free & self.go), self.idle.eq(~running)]
        with m.If(running):
            m.d.sync += cycle.eq(Mux(wraps, 0, cycle + 1))
            with m.If(wraps):
                m.d.sync += round_index.eq(Mux(round_index == plan.runs - 1, 0, round_index + 1))
        with m.If(free):
            m.d.sync += running.eq(self.go)
        with m.If(running & wraps):
            m.d.sync += resting.eq(0)
        with m.Elif(walk.last):
            m.d.sync += resting.eq(1)
        m.d.comb += [
            walk.active.eq(running & ~resting),
            walk.final.eq(walk.last & (round_index == plan.runs - 1)),
        ]
        (self._count_runs if plan.sums_in_dsp else self._count)(m)
        if plan.shares_rows:
            self._count_rows(m)
        return m

    def _count(self, m: Module) -> None:
        """Rounds within entries within taps; taps are numbered consecutively across all passes."""
        plan, walk = self.plan, self.walk
        round_index = Signal(range(plan.rounds), name="round")
        entry = Signal(range(plan.stage.in_k))
        tap = Signal(range(plan.engine_taps))
        place = Signal(range(plan.passes * plan.engine_taps))
        round_wraps = round_index == plan.rounds - 1
        entry_wraps = round_wraps & (entry == plan.stage.in_k - 1)
        tap_wraps = entry_wraps & (tap == plan.engine_taps - 1)
        with m.If(walk.active):
            m.d.sync += round_index.eq(Mux(round_wraps, 0, round_index + 1))
            with m.If(round_wraps):
                m.d.sync += entry.eq(Mux(entry_wraps, 0, entry + 1))
            with m.If(entry_wraps):
                m.d.sync += tap.eq(Mux(tap_wraps, 0, tap + 1))
                m.d.sync += place.eq(Mux(walk.final, 0, place + 1))
        self._tell(m, round_index, entry, tap, place, tap_wraps)

    def _count_runs(self, m: Module) -> None:
        """Entries within taps within rounds, each round over the places of its pass."""
        plan, walk = self.plan, self.walk
        entry, tap = Signal(range(plan.stage.in_k)), Signal(range(plan.engine_taps))
        round_index = Signal(range(plan.rounds), name="round")
        place = Signal(range(plan.passes * plan.engine_taps))
        base = Signal.like(place, name="base")
        entry_wraps = entry == plan.stage.in_k - 1
        tap_wraps = entry_wraps & (tap == plan.engine_taps - 1)
        round_wraps = round_index == plan.rounds - 1
        with m.If(walk.active):
            m.d.sync += entry.eq(Mux(entry_wraps, 0, entry + 1))
            with m.If(entry_wraps):
                m.d.sync += [tap.eq(tap + 1), place.eq(place + 1)]
            with m.If(tap_wraps):
                m.d.sync += [
                    tap.eq(0),
                    place.eq(base),
                    round_index.eq(Mux(round_wraps, 0, round_index + 1)),
                ]
                with m.If(round_wraps):
                    following = Mux(walk.final, 0, place + 1)
                    m.d.sync += [place.eq(following), base.eq(following)]
        self._tell(m, round_index, entry, tap, place, tap_wraps)

    def _tell(
        self,
        m: Module,
        round_index: Signal,
        entry: Signal,
        tap: Signal,
        place: Signal,
        tap_wraps: Value,
    ) -> None:
        """Drive the position of the walk; a run ends with the last tap."""
        walk = self.walk
        m.d.comb += [
            walk.round.eq(round_index),
            walk.entry.eq(entry),
            walk.tap.eq(tap),
            walk.place.eq(place),
            walk.last.eq(walk.active & tap_wraps),
        ]

    def _count_rows(self, m: Module) -> None:
        """Address of the weights; the channels of a tap are padded to a power of two of rows."""
        plan, walk = self.plan, self.walk
        rounds, channels = plan.rounds, plan.stage.in_shape[0]
        row, fresh = Signal(walk.row.shape()), Signal(init=1)
        step = rounds if plan.sums_in_dsp else 1
        missing = (channels_in(plan) - channels) * rounds
        tap_wraps = walk.entry == channels - 1
        if not plan.sums_in_dsp:
            tap_wraps &= walk.round == rounds - 1
        following: Value = Const(0)
        if plan.sums_in_dsp:
            following = Mux(walk.round == rounds - 1, 0, walk.round + 1)
        with m.If(walk.active):
            m.d.sync += [row.eq(row + Mux(tap_wraps, step + missing, step)), fresh.eq(walk.last)]
        with m.If(walk.last):
            m.d.sync += row.eq(following)
        m.d.comb += [walk.row.eq(row), walk.first.eq(walk.active & fresh)]


class DrainSequencer(wiring.Component):
    """Drains a pass from the accumulators: groups of lanes within rounds within slots, which is
    channel order. Sums in multipliers are drained round by round.

    After a reset it first clears both banks, whatever they hold; sums in multipliers have no banks.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    start: the last step of a run is at the accumulators; draining begins in the next cycle. Pulses
        are at least as far apart as the drain of a run takes.
    ready: the banks are clear, passes may start.
    bank: bank that accumulates.
    drain: see `twofold.hw.engines.scatter.engine.drain_layout`.
    channel: ``valid`` while a row of channels of the layer is drained; ``index``: number of the row
        of ``drain`` channels, also the address of its constants; ``last``: last row of the pass.
    """

    start: Signal
    ready: Signal
    bank: Signal
    drain: Any
    channel: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.depth = 1 if plan.sums_in_dsp else plan.rounds * plan.stage.slots
        self.groups = plan.folding.lanes // plan.folding.drain
        self.rows = -(-plan.stage.channels // plan.folding.drain)
        super().__init__(
            {
                "start": In(1),
                "ready": Out(1),
                "bank": Out(1),
                "drain": Out(drain_layout(self.depth, self.groups)),
                "channel": Out(channel_layout(plan.drain_steps)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, channel = self.plan, self.channel
        active, step = Signal(), Signal(range(plan.drain_steps))
        unknown = Signal(2, init=0 if plan.sums_in_dsp else 2)
        wraps = step == plan.drain_steps - 1
        run_wraps = wraps
        if plan.sums_in_dsp:
            run_wraps = self.drain.group == self.groups - 1
        flush = (unknown != 0) & ~active
        ready = Signal(init=int(plan.sums_in_dsp))
        m.d.sync += ready.eq(unknown == 0)
        m.d.comb += self.ready.eq(ready)
        with m.If(active):
            m.d.sync += step.eq(Mux(wraps, 0, step + 1))
            with m.If(run_wraps):
                m.d.sync += active.eq(0)
                with m.If(unknown != 0):
                    m.d.sync += unknown.eq(unknown - 1)
        with m.If(self.start | flush):
            m.d.sync += [active.eq(1), self.bank.eq(~self.bank)]
        m.d.comb += [
            channel.valid.eq(active & self.ready & (step < self.rows)),
            channel.index.eq(step),
            channel.last.eq(step == self.rows - 1),
        ]
        self._addresses(m, active)
        return m

    def _addresses(self, m: Module, active: Value) -> None:
        plan, drain = self.plan, self.drain
        group, round_index = Signal(range(self.groups)), Signal(range(plan.rounds), name="round")
        address, slot = Signal(range(self.depth)), Signal(range(plan.stage.slots))
        group_wraps = group == self.groups - 1
        if plan.sums_in_dsp:
            with m.If(active):
                m.d.sync += group.eq(Mux(group_wraps, 0, group + 1))
            m.d.comb += drain.group.eq(group)
            return
        round_wraps = group_wraps & (round_index == plan.rounds - 1)
        slot_wraps = round_wraps & (slot == plan.stage.slots - 1)
        with m.If(active):
            m.d.sync += group.eq(Mux(group_wraps, 0, group + 1))
            with m.If(group_wraps):
                m.d.sync += round_index.eq(Mux(round_wraps, 0, round_index + 1))
                m.d.sync += address.eq(address + plan.stage.slots)
            with m.If(round_wraps):
                m.d.sync += slot.eq(Mux(slot_wraps, 0, slot + 1))
                m.d.sync += address.eq(Mux(slot_wraps, 0, slot + 1))
        m.d.comb += [
            drain.address.eq(address),
            drain.group.eq(group),
            drain.clear.eq(active & group_wraps),
        ]
