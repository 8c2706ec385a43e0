"""The result of a sample: its logits and the label they stand for."""

from typing import Any, NamedTuple

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import LOGIT_BITS
from twofold.hw.engines.links import RowLink, result_stream
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.queue import Queue

LOGIT_MIN = -(1 << (LOGIT_BITS - 1))


class _Best(NamedTuple):
    """The largest of some logits, and which one it is."""

    value: Value
    place: Value


class Result(wiring.Component):
    """Collects the logits of a sample and finds the largest, ties to the lower index.

    A tournament over the row, one round a cycle, then the best row. Logits and labels wait for each
    other in queues.

    Parameters
    ----------
    classes: logits of a sample.
    drain: logits of a row.

    Members
    -------
    i: rows, ``ceil(classes / drain)`` a sample; values beyond the last class mean nothing. At most
        `SAMPLES` samples between the first row and ``release``.
    o: a result a sample (see `twofold.hw.engines.links.result_layout`), in order.

    Latency: `latency` cycles from the last row to the result; one row a cycle.

    Raises ValueError for ``classes`` or ``drain`` below 1.
    """

    SAMPLES = 16

    i: Any
    o: Any

    def __init__(self, classes: int, drain: int) -> None:
        if min(classes, drain) < 1:
            raise ValueError(f"result: {classes} classes, {drain} of them a row, need >= 1")
        self.classes, self.drain = classes, drain
        self.rows = -(-classes // drain)
        self._rounds = (drain - 1).bit_length()
        self.latency = self.latency_of(drain)
        super().__init__(
            {
                "i": In(RowLink(drain, signed(LOGIT_BITS))),
                "o": Out(result_stream(classes)),
            }
        )

    @staticmethod
    def latency_of(drain: int) -> int:
        """`latency` for a number of logits a row."""
        return 1 + (drain - 1).bit_length() + 2 + Queue.LATENCY

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
        m.submodules.labels = labels = Queue(self.o.payload.label.shape(), self.SAMPLES)
        self._collect(m, logits, row=Value.cast(row), valid=valid, last=last)
        self._label(m, labels, row=row, valid=valid, last=last, base=base)
        m.d.comb += [
            self.o.valid.eq(logits.o.valid & labels.o.valid),
            Value.cast(self.o.payload.logits).eq(logits.o.payload),
            self.o.payload.label.eq(labels.o.payload),
            logits.o.ready.eq(self.o.ready & labels.o.valid),
            labels.o.ready.eq(self.o.ready & logits.o.valid),
        ]
        m.d.sync += self.i.release.eq(self.o.valid & self.o.ready)
        return m

    def _collect(self, m: Module, logits: Queue, *, row: Value, valid: Value, last: Value) -> None:
        """Rows move down from the top, so that a whole sample lies in order."""
        sample = Signal(len(row) * self.rows, reset_less=True)
        with m.If(valid):
            m.d.sync += sample.eq(Cat(sample, row)[len(row) :])
        m.d.sync += logits.valid.eq(valid & last)
        m.d.comb += logits.payload.eq(sample)

    def _label(
        self, m: Module, labels: Queue, *, row: Any, valid: Value, last: Value, base: Value
    ) -> None:
        wait = self._rounds
        winner = self._tournament(m, row, last)
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

    def _tournament(self, m: Module, row: Any, last: Value) -> _Best:
        """The best of a row, one cycle a round; missing classes of the last row cannot win."""
        missing = self.rows * self.drain - self.classes
        field = [
            _Best(
                Mux(last, LOGIT_MIN, row[at]) if at >= self.drain - missing else row[at],
                C(at, max(1, self._rounds)),
            )
            for at in range(self.drain)
        ]
        for number in range(self._rounds):
            winners = [
                _better(*field[at : at + 2]) if at + 1 < len(field) else field[at]
                for at in range(0, len(field), 2)
            ]
            field = [
                _registered(m, winner, f"round{number}_{at}") for at, winner in enumerate(winners)
            ]
        return field[0]


def _better(left: _Best, right: _Best) -> _Best:
    later = right.value > left.value
    return _Best(Mux(later, right.value, left.value), Mux(later, right.place, left.place))


def _registered(m: Module, best: _Best, name: str) -> _Best:
    value = Signal(signed(LOGIT_BITS), name=f"{name}_value", reset_less=True)
    place = Signal(len(best.place), name=f"{name}_place", reset_less=True)
    m.d.sync += [value.eq(best.value), place.eq(best.place)]
    return _Best(value, place)
