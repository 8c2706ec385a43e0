"""Sequencer of a gather layer: steps through the passes."""

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import GatherPlan
from twofold.hw.engines.gather.window import Windows
from twofold.hw.engines.links import Credits
from twofold.hw.primitives.delay import delayed


class StepSequencer(wiring.Component):
    """Walks the tap table once per pass, as soon as the windows of the pass are loaded.

    The first pass of a sample also waits for ``go``. A pass takes as long as its steps or the
    emission of its winners, whichever is longer, and is never interrupted.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    loaded: the windows of one more pass are loaded.
    go: a sample may start.
    take: a sample starts; its first step is in the next cycle.
    free: the last stream has left the windows of a pass; they may be written two cycles later.
    active, step, copy: there is a step, its row of the tap table, and the copy of the windows that
        it reads.
    starved, blocked: stalled because no windows are loaded, or because ``go`` is deasserted.
    """

    loaded: Signal
    go: Signal
    take: Signal
    free: Signal
    active: Signal
    step: Signal
    copy: Signal
    starved: Signal
    blocked: Signal

    def __init__(self, plan: GatherPlan) -> None:
        self.plan, self.windows = plan, Windows(plan)
        super().__init__(
            {
                "loaded": In(1),
                "go": In(1),
                "take": Out(1),
                "free": Out(1),
                "active": Out(1),
                "step": Out(range(plan.steps)),
                "copy": Out(range(self.windows.copies)),
                "starved": Out(1),
                "blocked": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, copies = self.plan, self.windows.copies
        length = max(plan.steps, plan.stage.k)
        running, cycle = Signal(), Signal(range(length))
        pass_index = Signal(range(plan.passes))
        # Registered, because they drive the credits: last cycle of a pass, first pass of a sample.
        wraps, first = Signal(init=int(length == 1)), Signal(init=1)
        m.submodules.windows = windows = Credits(copies, initial=0)
        start = (~running | wraps) & windows.available & (self.go | ~first)
        m.d.comb += [
            windows.release.eq(self.loaded),
            windows.take.eq(start),
            self.take.eq(start & first),
            self.active.eq(running & (cycle < plan.steps)),
            self.step.eq(cycle),
            self.starved.eq(~running & ~windows.available),
            self.blocked.eq(~running & windows.available & ~start),
        ]
        with m.If(running):
            m.d.sync += cycle.eq(Mux(wraps, 0, cycle + 1))
            if length > 1:
                m.d.sync += wraps.eq(cycle == length - 2)
            with m.If(wraps):
                m.d.sync += running.eq(0)
                m.d.sync += self.copy.eq(Mux(self.copy == copies - 1, 0, self.copy + 1))
        with m.If(start):
            last = pass_index == plan.passes - 1
            m.d.sync += [running.eq(1), pass_index.eq(Mux(last, 0, pass_index + 1)), first.eq(last)]
        done = self.active & (cycle == plan.steps - 1)
        m.d.comb += self.free.eq(
            delayed(m, done, plan.folding.streams - 1, name="leaving", reset=True)
        )
        return m
