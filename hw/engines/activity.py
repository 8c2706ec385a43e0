"""What an engine reports to the counters: its state in each cycle, and its active streams."""

from amaranth.hdl import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import GatherPlan

ACTIVITY = data.StructLayout({"busy": 1, "starved": 1, "blocked": 1})
"""State of a layer in a cycle: ``busy``, it has a step; ``starved``, it is stalled on input;
``blocked``, it has input but is stalled because there is no room downstream. None of the three:
it is idle between passes, because results take longer to drain than to compute.
"""


class TapLookups(wiring.Component):
    """Which streams of a gather layer have a stored weight at a step; the others only pad a group.

    Parameters
    ----------
    plan: the layer.

    Members
    -------
    active, step: from `twofold.hw.engines.gather.sequencer.StepSequencer`.
    lookups: one bit per stream, one cycle later.
    """

    active: Signal
    step: Signal
    lookups: Signal

    def __init__(self, plan: GatherPlan) -> None:
        self.plan = plan
        super().__init__(
            {"active": In(1), "step": In(range(plan.steps)), "lookups": Out(plan.folding.streams)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        streams, counts = self.plan.folding.streams, self.plan.counts
        rows = [
            sum((at < count) << stream for stream, count in enumerate(counts[first:][:streams]))
            for first, steps in zip(range(0, len(counts), streams), self.plan.groups, strict=True)
            for at in range(steps)
        ]
        m.submodules.stored = stored = memory.Memory(shape=streams, depth=len(rows), init=rows)
        read = stored.read_port()
        active = Signal()
        m.d.comb += read.addr.eq(self.step)
        m.d.sync += active.eq(self.active)
        m.d.comb += self.lookups.eq(read.data & active.replicate(streams))
        return m
