"""The result of a sample: its logits and, unless they are raw outputs, its label."""

from math import gcd
from typing import Any, NamedTuple

from amaranth.hdl import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import LOGIT_BITS
from twofold.hw.contract.regs import BEAT_BYTES
from twofold.hw.contract.results import BEAT_COLUMNS, ResultRow
from twofold.hw.engines.links import RowLink, result_stream
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.queue import DeepQueue, Queue

LOGIT_MIN = -(1 << (LOGIT_BITS - 1))
MEMORY_BITS = 1 << 19
"""Capacity for rows that wait in a `WideResult`; two samples with the most outputs fit."""


class _Best(NamedTuple):
    """The largest of some logits, and which one it is."""

    value: Value
    place: Value


class Result(wiring.Component):
    """Collects the logits of a sample and finds the largest, ties to the lower index.

    There is a tournament over the row, one round per cycle, then a running maximum over the rows.
    Logits and labels wait for each other in queues.

    Parameters
    ----------
    classes: logits per sample; the result takes one beat (see `ResultRow`).
    drain: logits per row.
    labelled: whether to find the largest; otherwise the logits are raw outputs.

    Members
    -------
    i: rows, ``ceil(classes / drain)`` per sample; values beyond the last class are don't-cares. At
        most ``samples`` samples may be between their first row and ``release``.
    o: one result per sample (see `twofold.hw.engines.links.result_layout`), in order.

    Latency: `latency` cycles from the last row to the result; one row per cycle.

    Raises ValueError for ``classes`` or ``drain`` below 1.
    """

    SAMPLES = 16

    i: Any
    o: Any

    def __init__(self, classes: int, drain: int, *, labelled: bool = True) -> None:
        if min(classes, drain) < 1:
            raise ValueError(f"result: {classes} classes, {drain} of them a row, need >= 1")
        self.classes, self.drain, self.labelled = classes, drain, labelled
        self.samples = self.SAMPLES
        self.rows = -(-classes // drain)
        self.latency = self.latency_of(drain, labelled=labelled)
        super().__init__(
            {
                "i": In(RowLink(drain, signed(LOGIT_BITS))),
                "o": Out(result_stream(ResultRow(classes, labelled))),
            }
        )

    @staticmethod
    def latency_of(drain: int, *, labelled: bool = True) -> int:
        """`latency` for a number of logits per row."""
        return (label_latency(drain) if labelled else 2) + Queue.LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(data.ArrayLayout(signed(LOGIT_BITS), self.drain), reset_less=True)
        valid, last = Signal(), Signal()
        base = Signal(range(max(2, self.classes)))
        end = (self.rows - 1) * self.drain
        m.d.sync += [valid.eq(self.i.valid), row.eq(self.i.values)]
        m.d.comb += last.eq(base == end)
        with m.If(valid):
            m.d.sync += base.eq(Mux(last, 0, base + self.drain))

        m.submodules.logits = logits = Queue(LOGIT_BITS * self.classes, self.SAMPLES)
        if self.labelled:
            m.submodules.labels = labels = Queue(self.o.payload.label.shape(), self.SAMPLES)
            self._collect(m, logits, row=Value.cast(row), valid=valid, last=last)
            _label(m, labels, row=row, valid=valid, last=last, base=base, classes=self.classes)
            m.d.comb += [
                self.o.valid.eq(logits.o.valid & labels.o.valid),
                Value.cast(self.o.payload.logits).eq(logits.o.payload),
                self.o.payload.label.eq(labels.o.payload),
                logits.o.ready.eq(self.o.ready & labels.o.valid),
                labels.o.ready.eq(self.o.ready & logits.o.valid),
            ]
        else:
            self._collect(m, logits, row=Value.cast(row), valid=valid, last=last)
            m.d.comb += [
                self.o.valid.eq(logits.o.valid),
                Value.cast(self.o.payload.logits).eq(logits.o.payload),
                logits.o.ready.eq(self.o.ready),
            ]
        m.d.sync += self.i.release.eq(self.o.valid & self.o.ready)
        return m

    def _collect(self, m: Module, logits: Queue, *, row: Value, valid: Value, last: Value) -> None:
        """Shift rows in from the top, so that a complete sample is in order."""
        sample = Signal(len(row) * self.rows, reset_less=True)
        with m.If(valid):
            m.d.sync += sample.eq(Cat(sample, row)[len(row) :])
        m.d.sync += logits.valid.eq(valid & last)
        m.d.comb += logits.payload.eq(sample)


class WideResult(wiring.Component):
    """A result of several beats: rows wait in a memory and leave as beats of 64 bytes.

    Rows are cut into pieces whose size divides both a row and a beat. The pieces are assembled into
    beats, one piece per cycle, which is no slower than any plan of the layer. The label is found on
    the way and goes into the last beat, or into a beat of its own.

    Parameters
    ----------
    outputs: outputs per sample; the result takes more than one beat (see `ResultRow`).
    drain: outputs per row; divides ``outputs``.
    labelled: whether to find the largest output, ties to the lower index.

    Members
    -------
    i: rows, ``outputs / drain`` per sample. At most ``samples`` samples may be between their first
        row and ``release``, because the memory holds no more.
    o: beats as stored in memory (see `twofold.hw.engines.links.result_layout`), ``beats`` per
        sample, in order.

    Latency: see `twofold.hw.solve.timeline`; one piece per cycle.

    Raises ValueError for sizes below 1, a drain that does not divide the outputs, and outputs that
    fit into one beat.
    """

    i: Any
    o: Any

    def __init__(self, outputs: int, drain: int, *, labelled: bool = True) -> None:
        if min(outputs, drain) < 1 or outputs % drain:
            raise ValueError(f"result: {outputs} outputs in rows of {drain}, needs a divisor >= 1")
        self.layout = ResultRow(outputs, labelled)
        if self.layout.beats == 1:
            raise ValueError(f"result: {outputs} outputs take one beat, use Result")
        self.outputs, self.drain, self.labelled = outputs, drain, labelled
        self.samples = self.samples_of(outputs)
        self.rows, self.piece = outputs // drain, gcd(drain, BEAT_COLUMNS)
        super().__init__(
            {
                "i": In(RowLink(drain, signed(LOGIT_BITS))),
                "o": Out(result_stream(self.layout)),
            }
        )

    @staticmethod
    def samples_of(outputs: int) -> int:
        """Samples that the memory holds."""
        samples = Result.SAMPLES
        while samples > 2 and samples * outputs * LOGIT_BITS > MEMORY_BITS:
            samples //= 2
        return samples

    @classmethod
    def memory_of(cls, outputs: int, drain: int) -> tuple[type[Queue] | type[DeepQueue], int]:
        """Kind and depth of the memory in which rows wait."""
        depth = cls.samples_of(outputs) * (outputs // drain)
        return (Queue if depth <= DeepQueue.SHALLOW else DeepQueue), depth

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(data.ArrayLayout(signed(LOGIT_BITS), self.drain), reset_less=True)
        valid = Signal()
        m.d.sync += [valid.eq(self.i.valid), row.eq(self.i.values)]
        kind, depth = self.memory_of(self.outputs, self.drain)
        m.submodules.memory = memory = kind(self.drain * LOGIT_BITS, depth)
        m.d.comb += [memory.valid.eq(valid), memory.payload.eq(Value.cast(row))]
        m.submodules.pieces = pieces = Pieces(LOGIT_BITS * self.drain, LOGIT_BITS * self.piece)
        m.d.comb += [
            pieces.i.valid.eq(memory.o.valid),
            pieces.i.payload.eq(memory.o.payload),
            memory.o.ready.eq(pieces.i.ready),
        ]
        label: Any = None
        if self.labelled:
            place = range(max(2, self.outputs))
            m.submodules.labels = label = Queue(place, self.samples)
            base, last = Signal(place), Signal()
            m.d.comb += last.eq(base == self.outputs - self.drain)
            with m.If(valid):
                m.d.sync += base.eq(Mux(last, 0, base + self.drain))
            _label(m, label, row=row, valid=valid, last=last, base=base, classes=self.outputs)
        self._beats(m, pieces.o, None if label is None else label.o)
        m.d.sync += self.i.release.eq(self.o.valid & self.o.ready & self.o.payload.last)
        return m

    def _beats(self, m: Module, pieces: Any, label: Any) -> None:
        """Assemble pieces into beats, with the label after the last piece."""
        beat = Signal(8 * BEAT_BYTES, reset_less=True)
        full, final, completes, leaves = Signal(), Signal(), Signal(), Signal()
        whole, taken = BEAT_COLUMNS // self.piece, Signal()
        at, place = Signal(range(max(2, whole))), Signal(range(max(2, self.outputs // self.piece)))
        ends = place == self.outputs // self.piece - 1
        m.d.comb += [
            pieces.ready.eq(~full | leaves),
            taken.eq(pieces.valid & pieces.ready),
            completes.eq(ends | (at == whole - 1)),
        ]
        with m.If(leaves):
            m.d.sync += full.eq(0)
        with m.If(taken):
            m.d.sync += [
                beat.eq(Cat(beat, pieces.payload)[len(pieces.payload) :]),
                full.eq(completes),
                final.eq(ends),
                at.eq(Mux(completes, 0, at + 1)),
                place.eq(Mux(ends, 0, place + 1)),
            ]
        self._offer(m, beat, full=full, final=final, leaves=leaves, label=label)

    def _offer(
        self, m: Module, beat: Value, *, full: Value, final: Value, leaves: Value, label: Any
    ) -> None:
        """Offer the beats of outputs, the last one shifted down into place and with the label if
        there is room; otherwise the label has a beat of its own.
        """
        wraps = -self.outputs % BEAT_COLUMNS
        apart = self.labelled and not wraps
        ends, moved = Signal(), Signal()
        m.d.comb += moved.eq(self.o.valid & self.o.ready)
        if apart:
            with m.If(moved):
                m.d.sync += ends.eq(~ends & final)
        else:
            m.d.comb += ends.eq(full & final)
        content: Any = Const(0) if apart else beat >> LOGIT_BITS * wraps
        valid: Any = full
        if label is not None:
            content |= label.payload << 8 * BEAT_BYTES - LOGIT_BITS
            valid = Mux(ends, label.valid, full)
            m.d.comb += label.ready.eq(ends & self.o.ready)
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.data.eq(Mux(ends, content, beat)),
            self.o.payload.last.eq(ends),
            leaves.eq(moved & ~ends if apart else moved),
        ]


class Pieces(wiring.Component):
    """Splits rows into equal pieces, low bits first.

    Parameters
    ----------
    bits, piece: width of a row and of a piece, which divides it.

    Members
    -------
    i: rows.
    o: pieces.

    Latency: 1 cycle, or none where a row is one piece. One piece per cycle, without a gap between
        rows.
    """

    i: Any
    o: Any

    def __init__(self, bits: int, piece: int) -> None:
        self.bits, self.piece, self.count = bits, piece, bits // piece
        super().__init__({"i": In(stream.Signature(bits)), "o": Out(stream.Signature(piece))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.count == 1:
            connect(m, flipped(self.i), flipped(self.o))
            return m
        rest, left = Signal(self.bits, reset_less=True), Signal(range(self.count + 1))
        some, lone = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(some),
            self.o.payload.eq(rest[: self.piece]),
            self.i.ready.eq(~some | (lone & self.o.ready)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                rest.eq(self.i.payload),
                left.eq(self.count),
                some.eq(1),
                lone.eq(0),
            ]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [
                rest.eq(rest >> self.piece),
                left.eq(left - 1),
                some.eq(~lone),
                lone.eq(left == 2),
            ]
        return m


def result_of(row: ResultRow, drain: int) -> Result | WideResult:
    """The component for a layout of results. Raises ValueError like these two."""
    kind = Result if row.beats == 1 else WideResult
    return kind(row.outputs, drain, labelled=row.labelled)


def label_latency(drain: int) -> int:
    """Cycles from the last row of ``drain`` logits to the label at its queue."""
    return 1 + (drain - 1).bit_length() + 2


def _label(
    m: Module, labels: Queue, *, row: Any, valid: Value, last: Value, base: Value, classes: int
) -> None:
    """Find the largest of ``classes`` logits as their rows arrive, and push it to ``labels``.

    ``base`` is the index of the first logit of a row; ``last`` marks the last row of a sample.
    """
    wait = (len(row) - 1).bit_length()
    winner = _tournament(m, row, last, missing=-classes % len(row))
    later_base = delayed(m, base, wait, name="base")
    candidate = _registered(m, _Best(winner.value, later_base + winner.place), "candidate")
    valid = delayed(m, valid, wait + 1, name="valid", reset=True)
    last = delayed(m, last, wait + 1, name="last")

    fresh = Signal(init=1)
    best = _Best(Signal(signed(LOGIT_BITS)), Signal.like(labels.payload))
    with m.If(valid):
        m.d.sync += fresh.eq(last)
        with m.If(fresh | (candidate.value > best.value)):
            m.d.sync += [best.value.eq(candidate.value), best.place.eq(candidate.place)]
    m.d.sync += labels.valid.eq(valid & last)
    m.d.comb += labels.payload.eq(best.place)


def _tournament(m: Module, row: Any, last: Value, *, missing: int) -> _Best:
    """The best of a row, one cycle per round; missing classes of the last row cannot win."""
    drain = len(row)
    rounds = (drain - 1).bit_length()
    field = [
        _Best(
            Mux(last, LOGIT_MIN, row[at]) if at >= drain - missing else row[at],
            C(at, max(1, rounds)),
        )
        for at in range(drain)
    ]
    for number in range(rounds):
        winners = [
            _better(*field[at : at + 2]) if at + 1 < len(field) else field[at]
            for at in range(0, len(field), 2)
        ]
        field = [_registered(m, winner, f"round{number}_{at}") for at, winner in enumerate(winners)]
    return field[0]


def _better(left: _Best, right: _Best) -> _Best:
    later = right.value > left.value
    return _Best(Mux(later, right.value, left.value), Mux(later, right.place, left.place))


def _registered(m: Module, best: _Best, name: str) -> _Best:
    value = Signal(signed(LOGIT_BITS), name=f"{name}_value", reset_less=True)
    place = Signal(len(best.place), name=f"{name}_place", reset_less=True)
    m.d.sync += [value.eq(best.value), place.eq(best.place)]
    return _Best(value, place)
