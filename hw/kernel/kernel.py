"""The kernel: a core with a slave port for the host and a master port to the card's memory."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import LOGIT_BITS
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.regs import (
    ADDRESS_BITS,
    BEAT_BYTES,
    KERNEL_VERSION,
    Status,
    sample_bytes,
    sample_stride,
)
from twofold.hw.contract.results import result_row
from twofold.hw.engines.links import last_beat
from twofold.hw.kernel.axi import Axi4, AxiLite, forward
from twofold.hw.kernel.control import ControlBlock
from twofold.hw.kernel.reader import Reader
from twofold.hw.kernel.sequencer import OFFSET_BITS, Sequencer
from twofold.hw.kernel.statistics import Statistics
from twofold.hw.kernel.widths import Narrow, Widen
from twofold.hw.kernel.writer import Writer

INSIDE_BITS = 16


class Kernel(wiring.Component):
    """Loads parameter images, and runs samples from memory to memory.

    Parameters
    ----------
    core: the machine, with ``network``, ``folding`` and the members of
        `twofold.hw.machine.core.Core`.

    Members
    -------
    s_axi_control: registers (`twofold.hw.contract.regs`).
    m_axi_gmem: parameter images and input samples are read, results are written.
    interrupt: level-sensitive.

    Latency: input is requested `REQUEST` cycles after the write that starts a run, and a beat is
    offered to the core `INWARD` cycles after it arrived. The last result of a run is on the bus
    `OUTWARD` cycles after it left the core.

    Raises
    ------
    FoldingError: the network or the folding is incompatible with 64-byte beats.
    """

    REQUEST = 5 + Sequencer.START
    INWARD = 3
    OUTWARD = 4

    s_axi_control: Any
    m_axi_gmem: Any
    interrupt: Signal

    def __init__(self, core: Any) -> None:
        self.core = core
        _check(core)
        super().__init__(
            {
                "s_axi_control": In(AxiLite(ADDRESS_BITS)),
                "m_axi_gmem": Out(Axi4()),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        unit = sample_stride(self.core.network) // BEAT_BYTES
        control: Any = ControlBlock()
        sequencer: Any = Sequencer(unit)
        reader: Any = Reader(unit=unit)
        writer: Any = Writer()
        m.submodules.core = core = self.core
        m.submodules.control, m.submodules.sequencer = control, sequencer
        m.submodules.reader, m.submodules.writer = reader, writer
        connect(m, flipped(self.s_axi_control), control.bus)
        forward(m, self.m_axi_gmem, reader.axi)
        forward(m, self.m_axi_gmem, writer.axi)
        self._lead(m, control, sequencer)
        self._start(m, sequencer, reader, writer, unit)
        parameters_left = self._feed_image(m, sequencer, reader)
        inside = self._feed_samples(m, sequencer, reader, writer, unit)
        m.d.comb += [
            sequencer.loaded_all.eq(~reader.busy & ~parameters_left),
            sequencer.computed_all.eq(~reader.busy & (inside == 0)),
            sequencer.written_all.eq(writer.idle),
            sequencer.parameter_busy.eq(core.busy),
            sequencer.parameter_status.eq(core.status),
        ]
        self._tell(m, control, sequencer, reader)
        return m

    def _lead(self, m: Module, control: Any, sequencer: Any) -> None:
        m.d.comb += [
            sequencer.queued.eq(control.start),
            sequencer.arguments.eq(control.arguments),
            sequencer.free.eq(control.free),
            control.take.eq(sequencer.take),
            control.running.eq(sequencer.running),
            control.done.eq(sequencer.done),
            self.interrupt.eq(control.interrupt),
        ]

    def _start(self, m: Module, sequencer: Any, reader: Any, writer: Any, unit: int) -> None:
        active = sequencer.active
        loads, apart = Signal(), Signal()
        beats, more = Signal.like(reader.beats), Signal.like(reader.more)
        whole = active.samples * unit
        m.d.comb += loads.eq(active.operation == 0)
        m.d.sync += [
            apart.eq((active.stride != 0) & (active.stride != unit * BEAT_BYTES)),
            beats.eq(Mux(loads, active.parameter_bytes >> OFFSET_BITS, Mux(apart, unit, whole))),
            more.eq(Mux(loads | ~apart, 0, active.samples - 1)),
        ]
        failed = (reader.error != 0) | (writer.error != 0)
        m.d.comb += [
            reader.start.eq(sequencer.start),
            reader.address.eq(Mux(loads, active.image, active.input)),
            reader.beats.eq(beats),
            reader.more.eq(more),
            reader.stride.eq(active.stride),
            reader.stop.eq(sequencer.computing & failed),
            writer.start.eq(sequencer.start & ~loads),
            writer.address.eq(active.output),
            writer.flush.eq(sequencer.flush),
            sequencer.read_error.eq(reader.error),
            sequencer.write_error.eq(writer.error),
        ]

    def _feed_image(self, m: Module, sequencer: Any, reader: Any) -> Value:
        """Feed beats to the core's image stream; returns whether any are still in between."""
        cut: Any = Narrow(32)
        m.submodules.image = cut
        left = Signal.like(reader.beats)
        with m.If(sequencer.start):
            m.d.sync += left.eq(reader.beats)
        with m.Elif(cut.i.valid & cut.i.ready):
            m.d.sync += left.eq(left - 1)
        m.d.comb += [
            cut.i.payload.data.eq(reader.o.payload),
            cut.i.payload.last.eq(left == 1),
            cut.i.valid.eq(reader.o.valid & sequencer.loading),
        ]
        connect(m, cut.o, self.core.parameters)
        with m.If(sequencer.loading):
            m.d.comb += reader.o.ready.eq(cut.i.ready)
        return cut.o.valid

    def _feed_samples(
        self, m: Module, sequencer: Any, reader: Any, writer: Any, unit: int
    ) -> Signal:
        """Feed beats to the core and results to the writer; returns the samples in flight."""
        core = self.core
        fit: Any = _fit(core)
        m.submodules.samples = fit
        inside, position = Signal(INSIDE_BITS), Signal(range(unit))
        last = position == unit - 1
        enters, leaves = fit.i.valid & fit.i.ready & (position == 0), last_beat(core.o)
        m.d.sync += inside.eq(inside + enters - leaves)
        with m.If(fit.i.valid & fit.i.ready):
            m.d.sync += position.eq(Mux(last, 0, position + 1))
        m.d.comb += [
            fit.i.payload.data.eq(reader.o.payload),
            fit.i.payload.last.eq(last),
            fit.i.valid.eq(reader.o.valid & sequencer.computing),
            core.i.payload.eq(fit.o.payload.data),
            core.i.valid.eq(fit.o.valid),
            fit.o.ready.eq(core.i.ready),
            writer.i.payload.eq(self._beat(core.o.payload)),
            writer.i.valid.eq(core.o.valid),
            core.o.ready.eq(writer.i.ready),
        ]
        with m.If(sequencer.computing):
            m.d.comb += reader.o.ready.eq(fit.i.ready)
        return inside

    def _tell(self, m: Module, control: Any, sequencer: Any, reader: Any) -> None:
        """Drive the read-only registers."""
        core, values = self.core, control.values
        statistics: Any = Statistics()
        m.submodules.statistics = statistics
        runs, failures = Signal(32), Signal(32)
        status, parameter_status = Signal(Status), Signal.like(core.status)
        with m.If(sequencer.done):
            m.d.sync += [
                status.eq(sequencer.status),
                parameter_status.eq(core.status),
                runs.eq(runs + 1),
                failures.eq(failures + (sequencer.status != Status.OK)),
            ]
        machine = fingerprint(core.network, core.folding)
        m.d.comb += [
            statistics.clear.eq(sequencer.take),
            statistics.running.eq(sequencer.running & ~sequencer.ending),
            statistics.keep.eq(sequencer.done),
            statistics.input_valid.eq(core.i.valid),
            statistics.input_ready.eq(core.i.ready),
            statistics.input_due.eq(reader.busy & sequencer.computing),
            statistics.output_valid.eq(core.o.valid),
            statistics.output_ready.eq(core.o.ready),
            statistics.result.eq(last_beat(core.o)),
            values.status.eq(status),
            values.parameter_status.eq(parameter_status),
            values.version.eq(KERNEL_VERSION),
            values.geometry.eq(sample_bytes(core.network)),
            values.outputs.eq(result_row(core.network).register),
            values.fingerprint.eq(int.from_bytes(machine, "little")),
            values.runs.eq(runs),
            values.failures.eq(failures),
        ]
        if core.counters:
            m.d.comb += [
                core.counter_number.eq(control.counter_number),
                control.counter_total.eq(core.counter_total),
            ]
        for name in statistics.kept.shape().members:
            m.d.comb += values[name].eq(statistics.kept[name])

    def _beat(self, beat: Any) -> Value:
        """A beat of a result as stored in memory."""
        row = result_row(self.core.network)
        if row.beats > 1:
            return beat.data
        logits = Value.cast(beat.logits)
        if row.label_column is None:
            return logits
        filling = Const(0, LOGIT_BITS * row.label_column - len(logits))
        return Cat(logits, filling, Value.cast(beat.label))


def _fit(core: Any) -> Narrow | Widen:
    """Width converter from beats to the core's input."""
    bits = 8 * core.folding.input_bytes
    if core.folding.input_bytes > BEAT_BYTES:
        return Widen(core.folding.input_bytes // BEAT_BYTES)
    padding = sample_stride(core.network) - sample_bytes(core.network)
    return Narrow(bits, final=(BEAT_BYTES - padding) // core.folding.input_bytes)


def _check(core: Any) -> None:
    piece, size = core.folding.input_bytes, sample_bytes(core.network)
    if (BEAT_BYTES % piece and piece % BEAT_BYTES) or size % piece:
        raise FoldingError(
            f"kernel: input_bytes is {piece}, needs a divisor or multiple of {BEAT_BYTES}"
            f" that divides the {size} bytes of a sample"
        )
