"""What a run costs, counted at the source."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

COUNTERS = ("cycles", "results", "latency", "input_stalls", "output_stalls")
COUNTER_BITS = 48
INPUTS = (
    "clear",
    "running",
    "keep",
    "input_valid",
    "input_ready",
    "input_due",
    "output_valid",
    "output_ready",
    "result",
)


class Statistics(wiring.Component):
    """Counters of a run, held from its end until the next one ends.

    Members
    -------
    clear: a run begins.
    running: a run is in progress.
    keep: the run ends; ``kept`` holds its counts from the next cycle on.
    input_valid, input_ready: handshake of the core's input.
    input_due: more input is still to come.
    output_valid, output_ready: handshake of the core's result beats.
    result: the last beat of a result leaves the core.
    kept: struct of `COUNTERS`; the registers of these names say what they count.
    """

    clear: Signal
    running: Signal
    keep: Signal
    input_valid: Signal
    input_ready: Signal
    input_due: Signal
    output_valid: Signal
    output_ready: Signal
    result: Signal
    kept: Any

    def __init__(self) -> None:
        layout = data.StructLayout(dict.fromkeys(COUNTERS, COUNTER_BITS))
        super().__init__({**dict.fromkeys(INPUTS, In(1)), "kept": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begun, answered = Signal(), Signal()
        with m.If(self.clear):
            m.d.sync += [begun.eq(0), answered.eq(0)]
        with m.Else():
            m.d.sync += [
                begun.eq(begun | (self.input_valid & self.input_ready)),
                answered.eq(answered | self.result),
            ]
        events = {
            "cycles": self.running,
            "results": self.result,
            "latency": begun & ~answered,
            "input_stalls": begun & self.input_due & self.input_ready & ~self.input_valid,
            "output_stalls": self.output_valid & ~self.output_ready,
        }
        for name, event in events.items():
            happens = Signal(name=f"{name}_event")
            count = Signal(COUNTER_BITS, name=name)
            m.d.sync += [happens.eq(event), count.eq(Mux(self.clear, 0, count + happens))]
            with m.If(self.keep):
                m.d.sync += self.kept[name].eq(count + happens)
        return m
