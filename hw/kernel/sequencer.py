"""Order of events in a run: check, load or run samples, and report how it ended."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.parameters import LENGTH_MAX, ParameterStatus
from twofold.hw.contract.regs import (
    ARGUMENTS,
    BEAT_BYTES,
    PARAMETER_CODES,
    Operation,
    Status,
    register,
)
from twofold.hw.kernel.axi import Response
from twofold.hw.kernel.control import layout

OFFSET_BITS = (BEAT_BYTES - 1).bit_length()
HALF = 16
"""Bits of the number of samples that are multiplied at once: with a stride they fit a DSP."""
STRIDE_BEATS_BITS = register("stride").bits - OFFSET_BITS


class Sequencer(wiring.Component):
    """Takes a run when one is queued and carries it through to its end, even after errors.

    A read or write error makes the reader stop at the end of a sample; samples that were started
    are completed and their results are written, so that nothing is left in the machine. After a
    failed load no image is loaded.

    Members
    -------
    queued: a run is waiting; ``arguments`` belong to it.
    free: the end of the last run has been acknowledged.
    take: for one cycle: ``active`` holds the arguments from the next cycle on.
    active: arguments of the run.
    running: a run was taken and has not ended.
    ending: everything is done but waiting for ``free``.
    done: for one cycle, while ``free``: the run ends with ``status``.
    status: `twofold.hw.contract.regs.Status`.
    start: for one cycle: memory traffic of the operation begins.
    loading, computing: memory traffic of this operation is in progress.
    flush: results are written without waiting for more.
    read_error, write_error: response codes since ``start``, 0 for none.
    loaded_all: reader and image stream are empty.
    computed_all: reader and machine are empty.
    written_all: every result is in memory.
    parameter_busy, parameter_status: of the core.

    Parameters
    ----------
    unit: beats of a sample.

    Latency: ``start`` is asserted `START` cycles after ``queued``.
    """

    START = 6

    queued: Signal
    arguments: Any
    free: Signal
    take: Signal
    active: Any
    running: Signal
    ending: Signal
    done: Signal
    status: Any
    start: Signal
    loading: Signal
    computing: Signal
    flush: Signal
    read_error: Signal
    write_error: Signal
    loaded_all: Signal
    computed_all: Signal
    written_all: Signal
    parameter_busy: Signal
    parameter_status: Any

    def __init__(self, unit: int) -> None:
        self.unit = unit
        inputs = ("queued", "free", "loaded_all", "computed_all", "written_all", "parameter_busy")
        outputs = ("take", "running", "ending", "done", "start", "loading", "computing", "flush")
        super().__init__(
            {
                **{name: In(1) for name in inputs},
                **{name: Out(1) for name in outputs},
                "arguments": In(layout(ARGUMENTS)),
                "active": Out(layout(ARGUMENTS)),
                "status": Out(Status),
                "read_error": In(2),
                "write_error": In(2),
                "parameter_status": In(ParameterStatus),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        loaded = Signal()
        verdict = self._verdict(m, loaded)
        loads = Value.cast(self.active.operation) == Operation.LOAD
        judging = Signal(range(self.START))
        with m.FSM():
            with m.State("WAIT"), m.If(self.queued):
                m.d.comb += self.take.eq(1)
                m.d.sync += [self.active.eq(self.arguments), self.running.eq(1), judging.eq(1)]
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += judging.eq(judging + 1)
                with m.If(judging == self.START - 1):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += self.status.eq(verdict)
                with m.If(verdict != Status.OK):
                    m.next = "END"
                with m.Else():
                    m.d.comb += self.start.eq(1)
                    m.next = "LOAD"
                    with m.If(~loads):
                        m.next = "RUN"
            with m.State("LOAD"):
                m.d.comb += self.loading.eq(1)
                with m.If(self.loaded_all):
                    m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~self.parameter_busy):
                outcome = self._failed_read(Value.cast(self._image_verdict()))
                m.d.sync += [self.status.eq(outcome), loaded.eq(outcome == Status.OK)]
                m.next = "END"
            with m.State("RUN"):
                m.d.comb += self.computing.eq(1)
                with m.If(self.computed_all):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.flush.eq(1)
                with m.If(self.written_all):
                    m.d.sync += self.status.eq(self._failed_read(self._failed_write()))
                    m.next = "END"
            with m.State("END"):
                m.d.comb += self.ending.eq(1)
                with m.If(self.free):
                    m.d.comb += self.done.eq(1)
                    m.d.sync += self.running.eq(0)
                    m.next = "WAIT"
        return m

    def _verdict(self, m: Module, loaded: Signal) -> Signal:
        """Status for the first rule that the arguments violate, `START` - 1 cycles later."""
        active, verdict = self.active, Signal(Status)
        outside = self._outside(m)

        def misplaced(name: str) -> Value:
            return Value.cast(getattr(active, name))[:OFFSET_BITS].any()

        length = Value.cast(active.parameter_bytes)
        m.d.sync += verdict.eq(Status.OK)
        with m.If(active.operation == Operation.LOAD):
            with m.If((length == 0) | misplaced("parameter_bytes") | (length > LENGTH_MAX)):
                m.d.sync += verdict.eq(Status.BAD_LENGTH)
            with m.Elif(misplaced("image")):
                m.d.sync += verdict.eq(Status.BAD_ALIGNMENT)
        with m.Elif(active.operation == Operation.RUN):
            with m.If(active.samples == 0):
                m.d.sync += verdict.eq(Status.BAD_SAMPLES)
            with m.Elif(misplaced("input") | misplaced("output")):
                m.d.sync += verdict.eq(Status.BAD_ALIGNMENT)
            with m.Elif(misplaced("stride")):
                m.d.sync += verdict.eq(Status.BAD_STRIDE)
            with m.Elif(outside):
                m.d.sync += verdict.eq(Status.BAD_RANGE)
            with m.Elif(~loaded):
                m.d.sync += verdict.eq(Status.NO_PARAMETERS)
        with m.Else():
            m.d.sync += verdict.eq(Status.BAD_OPERATION)
        return verdict

    def _outside(self, m: Module) -> Signal:
        """Whether the samples reach beyond the extent, 4 cycles later.

        A product of 32 and 26 bits, from two that fit a DSP each, with registers all around.
        """
        active = self.active
        beats = Signal(STRIDE_BEATS_BITS)
        steps = Signal(32)
        low, high = (Signal(STRIDE_BEATS_BITS + HALF, name=name) for name in ("low", "high"))
        last = Signal(STRIDE_BEATS_BITS + 32)
        room = Value.cast(active.extent)[OFFSET_BITS:]
        spare, small, outside = Signal.like(room), Signal(), Signal()
        m.d.sync += [
            spare.eq(room - self.unit),
            small.eq(room < self.unit),
            beats.eq(Mux(active.stride == 0, self.unit, active.stride >> OFFSET_BITS)),
            steps.eq(active.samples - 1),
            low.eq(beats * steps[:HALF]),
            high.eq(beats * steps[HALF:]),
            last.eq(low + (high << HALF)),
            outside.eq((active.extent != 0) & (small | (last > spare))),
        ]
        return outside

    def _image_verdict(self) -> Value:
        code = Value.cast(self.parameter_status)
        return Mux(self.parameter_status == ParameterStatus.OK, Status.OK, PARAMETER_CODES + code)

    def _failed_write(self) -> Value:
        failed = Mux(self.write_error == Response.DECERR, Status.WRITE_DECERR, Status.WRITE_SLVERR)
        return Mux(self.write_error == 0, Status.OK, failed)

    def _failed_read(self, otherwise: Value) -> Value:
        failed = Mux(self.read_error == Response.DECERR, Status.READ_DECERR, Status.READ_SLVERR)
        return Mux(self.read_error == 0, otherwise, failed)
