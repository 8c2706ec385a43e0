"""Winners of a whole vector: the k largest values of a linear layer."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.engines.links import Credits, RowLink, winner_stream
from twofold.hw.engines.winners.emission import Emission
from twofold.hw.engines.winners.level import LEVEL_BITS, LevelSearch
from twofold.hw.engines.winners.select import Select, row_layout
from twofold.hw.primitives.delay import delayed
from twofold.hw.primitives.memory import Style, TableRam
from twofold.hw.primitives.queue import Queue

LUT_RAM_DEPTH = 64


class RowScan(wiring.Component):
    """Generates row addresses, sample after sample, for a memory that holds ``samples`` of them.

    Parameters
    ----------
    samples, rows: samples in the memory, rows of a sample; both >= 1.

    Members
    -------
    step: advance to the next row.
    address: address of the row.
    first, last: it is the first or last row of its sample.
    """

    step: Signal
    address: Signal
    first: Signal
    last: Signal

    def __init__(self, samples: int, rows: int) -> None:
        self.samples, self.rows = samples, rows
        super().__init__(
            {
                "step": In(1),
                "address": Out(range(max(2, samples * rows))),
                "first": Out(1),
                "last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(range(max(2, self.rows)))
        following = Signal.like(row, name="following")
        first = Signal(init=1)
        last = Signal(init=int(self.rows == 1))
        m.d.comb += [
            following.eq(Mux(last, 0, row + 1)),
            self.first.eq(first),
            self.last.eq(last),
        ]
        end = self.samples * self.rows - 1
        with m.If(self.step):
            m.d.sync += [
                row.eq(following),
                self.address.eq(Mux(self.address == end, 0, self.address + 1)),
                first.eq(last),
                last.eq(following == self.rows - 1),
            ]
        return m


class GlobalWinners(wiring.Component):
    """The ``k`` largest of ``channels`` values, ties to the lower index, as a stream.

    The threshold is found in two passes over the sample, four bits each: the first as it arrives,
    the second from memory, over the lower bits of the values whose upper bits equal the
    threshold's. A third pass emits. Each pass works on a different sample. Only the last pass can
    be stalled; the row input never back-pressures, because the producer counts samples. Where all
    channels win, the first two passes are left out.

    Parameters
    ----------
    channels: channels of a sample.
    drain: values per row.
    k: winners, 1..channels.
    emit: winners per beat.

    Members
    -------
    i: rows, ``ceil(channels / drain)`` per sample; values beyond the last channel are 0. At most
        `SAMPLES` samples may be between their first row and ``release``.
    o: winner stream, winners in ascending order of index. A winner of value 0 is left out, unused
        places in a beat have value 0, and every sample has a beat with ``last``. That is the only
        beat that may have no winners.

    Throughput: one sample every ``min(ceil(k / emit) + rows, rows * ceil(drain / emit))`` cycles at
    most while ``o`` is ready, and no fewer cycles than it has rows.

    Raises ValueError for ``k`` outside 1..channels, and ``drain`` or ``emit`` below 1.
    """

    SAMPLES = 8
    COMPARE = 1
    """Cycles to compare the upper bits with the threshold's."""

    i: Any
    o: Any

    def __init__(self, channels: int, drain: int, k: int, emit: int) -> None:
        if not 1 <= k <= channels:
            raise ValueError(f"global winners: k is {k}, needs 1..{channels} (the channels)")
        if min(drain, emit) < 1:
            raise ValueError(f"global winners: drain {drain} and emit {emit} need >= 1")
        self.channels, self.drain, self.k, self.emit = channels, drain, k, emit
        self.rows = -(-channels // drain)
        self._threshold = data.StructLayout({"value": ACT_BITS, "ties": range(channels + 1)})
        super().__init__(
            {
                "i": In(RowLink(drain, unsigned(ACT_BITS))),
                "o": Out(winner_stream(channels, emit)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.thresholds = thresholds = Queue(self._threshold, self.SAMPLES)
        row = Signal(data.ArrayLayout(ACT_BITS, self.drain), reset_less=True)
        searching = self.k < self.channels
        # A memory per reader: one with two read ports could not be written at the same time.
        m.submodules.third_rows = third_rows = self._memory()
        memories = [third_rows]
        if searching:
            m.submodules.second_rows = second_rows = self._memory()
            memories.append(second_rows)
        valid, last = self._store(m, memories, row)
        if searching:
            self._search(m, memories[-1], thresholds, row=row, valid=valid, last=last)
        else:
            m.d.comb += thresholds.valid.eq(valid & last)
        self._emit(m, third_rows, thresholds)
        return m

    @staticmethod
    def row_room(drain: int) -> int:
        """Maximum number of rows of ``drain`` values in flight between memory and emission."""
        return TableRam.LATENCY + Select.latency_of(drain) + Queue.LATENCY + 4

    def _memory(self) -> TableRam:
        depth = self.SAMPLES * self.rows
        style: Style = "distributed" if depth <= LUT_RAM_DEPTH else "block"
        return TableRam(ACT_BITS * self.drain, depth, 1, style)

    def _store(self, m: Module, memories: list[TableRam], row: Any) -> tuple[Signal, Signal]:
        """Write rows to memory one cycle after they arrive; returns valid and last of that row."""
        valid = Signal()
        m.submodules.arrival = scan = RowScan(self.SAMPLES, self.rows)
        m.d.sync += [valid.eq(self.i.valid), row.eq(self.i.values)]
        m.d.comb += scan.step.eq(valid)
        for ram in memories:
            m.d.comb += [
                ram.write_en.eq(valid),
                ram.write_address.eq(scan.address),
                ram.write_data.eq(row),
            ]
        return valid, scan.last

    def _search(
        self, m: Module, ram: TableRam, thresholds: Queue, *, row: Any, valid: Value, last: Value
    ) -> None:
        """Find the upper half of the threshold, then the lower half."""
        m.submodules.upper = upper = LevelSearch(self.channels, self.drain)
        m.submodules.lower = lower = LevelSearch(self.channels, self.drain)
        m.submodules.second = scan = RowScan(self.SAMPLES, self.rows)
        scan_on = Signal()
        m.d.comb += [upper.valid.eq(valid), upper.last.eq(last), upper.need.eq(self.k)]
        m.d.comb += upper.members.eq(-1)
        m.d.comb += [
            upper.levels[at].eq(row[at][ACT_BITS - LEVEL_BITS :]) for at in range(self.drain)
        ]

        # Results are at least a sample's rows apart, so the previous scan is over when one arrives.
        level = Signal(LEVEL_BITS, reset_less=True)
        need = Signal.like(upper.o_need, reset_less=True)
        with m.If(upper.o_valid):
            m.d.sync += [level.eq(upper.o_level), need.eq(upper.o_need), scan_on.eq(1)]
        with m.Elif(scan.last):
            m.d.sync += scan_on.eq(0)
        m.d.comb += [scan.step.eq(scan_on), ram.address[0].eq(scan.address)]

        wait = TableRam.LATENCY + self.COMPARE
        read = data.View(data.ArrayLayout(ACT_BITS, self.drain), ram.data[0])
        read_level = delayed(m, level, TableRam.LATENCY, name="read_level")
        m.d.comb += [
            lower.valid.eq(delayed(m, scan_on, wait, name="read_on", reset=True)),
            lower.last.eq(delayed(m, scan.last, wait, name="read_end")),
            lower.need.eq(delayed(m, need, wait, name="read_need")),
        ]
        for at in range(self.drain):
            m.d.sync += [
                lower.levels[at].eq(read[at][:LEVEL_BITS]),
                lower.members[at].eq(read[at][LEVEL_BITS:] == read_level),
            ]
        later = self.COMPARE + lower.latency
        found_level = delayed(m, read_level, later, name="found_level")
        m.d.comb += [
            thresholds.valid.eq(lower.o_valid),
            thresholds.payload.value.eq(Cat(lower.o_level, found_level)),
            thresholds.payload.ties.eq(lower.o_need),
        ]

    def _emit(self, m: Module, ram: TableRam, thresholds: Queue) -> None:
        """Read the rows of a sample whose threshold is known, mark the winners, emit them."""
        m.submodules.third = scan = RowScan(self.SAMPLES, self.rows)
        m.submodules.select = select = Select(self.channels, self.drain, self.emit)
        # Rows in flight to the queue must have room there: only the read stalls, nothing behind it.
        room = self.row_room(self.drain)
        m.submodules.credits = credits = Credits(room)
        m.submodules.marked = marked = Queue(row_layout(self.drain), room)
        m.submodules.emission = emission = Emission(self.channels, self.drain, self.emit)
        threshold = thresholds.o.payload
        m.d.comb += [
            scan.step.eq(thresholds.o.valid & credits.available),
            credits.take.eq(scan.step),
            thresholds.o.ready.eq(credits.available & scan.last),
            ram.address[0].eq(scan.address),
        ]
        m.d.sync += [
            self.i.release.eq(scan.step & scan.last),
            credits.release.eq(marked.o.valid & marked.o.ready),
        ]
        wait = TableRam.LATENCY
        m.d.comb += [
            select.valid.eq(delayed(m, scan.step, wait, name="read", reset=True)),
            select.first.eq(delayed(m, scan.first, wait, name="read_first")),
            select.last.eq(delayed(m, scan.last, wait, name="read_last")),
            select.values.eq(ram.data[0]),
            select.threshold.eq(delayed(m, threshold.value, wait, name="threshold")),
            select.ties.eq(delayed(m, threshold.ties, wait, name="ties")),
            marked.valid.eq(select.o_valid),
            marked.payload.eq(select.o),
        ]
        connect(m, marked.o, emission.i)
        connect(m, emission.o, flipped(self.o))
