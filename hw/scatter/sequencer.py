"""Sequencers of a scatter layer: what its engines look at, and what leaves its accumulators."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.contract.folding import ScatterPlan
from hw.scatter.engine import drain_layout
from hw.scatter.tile import channel_layout


def walk_layout(plan: ScatterPlan) -> data.StructLayout:
    """A step of a walk over winner lists.

    ``active``: there is a step in this cycle. ``place``: ``pass * engine_taps + tap``. ``tap``,
    ``entry``, ``round``: where the step is. ``last``: of the pass. ``final``: of the word.
    """
    return data.StructLayout(
        {
            "active": 1,
            "place": range(plan.passes * plan.engine_taps),
            "tap": range(plan.engine_taps),
            "entry": range(plan.stage.in_k),
            "round": range(plan.rounds),
            "last": 1,
            "final": 1,
        }
    )


class PassSequencer(wiring.Component):
    """Walks the winner lists of a word, pass after pass, without ever waiting within a word.

    Every pass takes `ScatterPlan.interval` cycles: its steps, and a rest where draining or emission
    take longer. Words follow each other without a gap while ``go`` is high.

    Parameters
    ----------
    plan: the layer, behind a convolution.

    Members
    -------
    go: a word may start.
    take: a word starts; its first step is in the next cycle.
    idle: no word is walked.
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
        cycle, turn = Signal(range(plan.interval)), Signal(range(plan.passes))
        over = cycle == plan.interval - 1
        free = ~running | (over & (turn == plan.passes - 1))
        m.d.comb += [self.take.eq(free & self.go), self.idle.eq(~running)]
        with m.If(running):
            m.d.sync += cycle.eq(Mux(over, 0, cycle + 1))
            with m.If(over):
                m.d.sync += turn.eq(Mux(turn == plan.passes - 1, 0, turn + 1))
        with m.If(free):
            m.d.sync += running.eq(self.go)
        with m.If(running & over):
            m.d.sync += resting.eq(0)
        with m.Elif(walk.last):
            m.d.sync += resting.eq(1)
        m.d.comb += [
            walk.active.eq(running & ~resting),
            walk.final.eq(walk.last & (turn == plan.passes - 1)),
        ]
        self._count(m)
        return m

    def _count(self, m: Module) -> None:
        """Rounds within entries within taps, the taps of all passes numbered on."""
        plan, walk = self.plan, self.walk
        turn = Signal(range(plan.rounds), name="round")
        entry = Signal(range(plan.stage.in_k))
        tap = Signal(range(plan.engine_taps))
        place = Signal(range(plan.passes * plan.engine_taps))
        round_over = turn == plan.rounds - 1
        entry_over = round_over & (entry == plan.stage.in_k - 1)
        tap_over = entry_over & (tap == plan.engine_taps - 1)
        with m.If(walk.active):
            m.d.sync += turn.eq(Mux(round_over, 0, turn + 1))
            with m.If(round_over):
                m.d.sync += entry.eq(Mux(entry_over, 0, entry + 1))
            with m.If(entry_over):
                m.d.sync += tap.eq(Mux(tap_over, 0, tap + 1))
                m.d.sync += place.eq(Mux(walk.final, 0, place + 1))
        m.d.comb += [
            walk.round.eq(turn),
            walk.entry.eq(entry),
            walk.tap.eq(tap),
            walk.place.eq(place),
            walk.last.eq(walk.active & tap_over),
        ]


class DrainSequencer(wiring.Component):
    """Drains a pass out of the accumulators: group of lanes after group, round after round, slot
    after slot, which is channel after channel.

    After a reset it empties both banks first, whatever they hold.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    start: the last step of a pass is at the accumulators; draining begins in the next cycle. Not
        more often than every `ScatterPlan.drain_steps` cycles.
    ready: the banks are empty, passes may start.
    bank: bank that accumulates.
    drain: see `hw.scatter.engine.drain_layout`.
    step: number of the row of ``drain`` channels, also the address of its constants.
    channel: ``valid`` while it has a channel of the layer; ``index`` is the number of the row;
        ``last`` row of the pass.
    """

    start: Signal
    ready: Signal
    bank: Signal
    drain: Any
    channel: Any

    def __init__(self, plan: ScatterPlan) -> None:
        self.plan = plan
        self.depth = plan.rounds * plan.stage.slots
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
        unknown = Signal(2, init=2)
        over = step == plan.drain_steps - 1
        flush = (unknown != 0) & ~active
        m.d.comb += self.ready.eq((unknown == 0) & ~flush)
        with m.If(active):
            m.d.sync += step.eq(Mux(over, 0, step + 1))
            with m.If(over):
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
        group, turn = Signal(range(self.groups)), Signal(range(plan.rounds), name="round")
        address, slot = Signal(range(self.depth)), Signal(range(plan.stage.slots))
        group_over = group == self.groups - 1
        round_over = group_over & (turn == plan.rounds - 1)
        slot_over = round_over & (slot == plan.stage.slots - 1)
        with m.If(active):
            m.d.sync += group.eq(Mux(group_over, 0, group + 1))
            with m.If(group_over):
                m.d.sync += turn.eq(Mux(round_over, 0, turn + 1))
                m.d.sync += address.eq(address + plan.stage.slots)
            with m.If(round_over):
                m.d.sync += slot.eq(Mux(slot_over, 0, slot + 1))
                m.d.sync += address.eq(Mux(slot_over, 0, slot + 1))
        m.d.comb += [
            drain.address.eq(address),
            drain.group.eq(group),
            drain.clear.eq(active & group_over),
        ]
