"""Reading memory, in one piece or in pieces that may overlap, as a stream of 64-byte beats."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from twofold.hw.kernel.axi import BURST_BEATS, AxiRead, linear_burst
from twofold.hw.kernel.bursts import BurstCursor
from twofold.hw.kernel.epoch import Epoch
from twofold.hw.primitives.tile import simulated

BEATS_BITS = 56
PIECES_BITS = 32
STRIDE_BITS = 32


class Reader(wiring.Component):
    """Reads ahead as far as its buffer allows.

    A burst is requested only when the buffer has room for all of it, so read data is never
    back-pressured; with the default buffer 16 bursts of 4 KiB are in flight, which hides latencies
    of up to 1,000 cycles at one beat per cycle. A burst takes 2 cycles to request, and ends where
    its piece ends: pieces of 2 beats or more arrive at one beat per cycle.

    Parameters
    ----------
    unit: beats per sample; ``stop`` takes effect at the end of one.
    burst: beats of the longest burst, a power of two up to 64.
    depth: beats that the buffer holds, at least ``burst``.

    Members
    -------
    start: starts reading; only while not ``busy``.
    address: byte address of the first beat, a multiple of 64.
    beats: number of beats of the first piece, at least 1.
    more: number of further pieces, of one unit each.
    stride: bytes from the start of one piece to the start of the next, a multiple of 64.
    stop: while asserted, nothing is requested beyond the end of the current unit.
    busy: beats are still to be requested, in flight, or in the buffer.
    error: RRESP of the first failed beat since ``start``, 0 if there was none. Failed beats are
        delivered like others.
    o: the beats, in order.
    axi: read channels.

    After a reset, beats that were requested before it are accepted and dropped (see `Epoch`).

    Latency: a request is issued 3 cycles after ``start``; a beat leaves 2 cycles after it arrived.

    Raises
    ------
    ValueError: ``depth`` is below ``burst``, or ``unit`` below 1.
    """

    start: Signal
    address: Signal
    beats: Signal
    more: Signal
    stride: Signal
    stop: Signal
    busy: Signal
    error: Signal
    o: Any
    axi: Any

    def __init__(self, *, unit: int, burst: int = BURST_BEATS, depth: int = 1024) -> None:
        if depth < burst or unit < 1:
            raise ValueError(
                f"a reader needs depth >= burst and unit >= 1, not {depth}, {burst}, {unit}"
            )
        self.unit, self.burst, self.depth = unit, burst, depth
        super().__init__(
            {
                "start": In(1),
                "address": In(64),
                "beats": In(BEATS_BITS),
                "more": In(PIECES_BITS),
                "stride": In(STRIDE_BITS),
                "stop": In(1),
                "busy": Out(1),
                "error": Out(2),
                "o": Out(stream.Signature(512)),
                "axi": Out(AxiRead()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fifo: Any = SyncFIFOBuffered(width=512, depth=self.depth)
        m.submodules.fifo = fifo
        m.submodules.epoch = epoch = Epoch()
        arrived = Signal()
        m.d.comb += [
            arrived.eq(self.axi.rvalid & (self.axi.rid == epoch.current)),
            fifo.w_data.eq(self.axi.rdata),
            fifo.w_en.eq(arrived),
            self.axi.rready.eq(1),
            self.axi.arid.eq(epoch.current),
            self.o.payload.eq(fifo.r_data),
            self.o.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.o.ready),
        ]
        self._requests(m)
        if simulated(platform):  # synthesis does not support assertions
            m.d.sync += Assert(~arrived | fifo.w_rdy, "a beat arrived without room for it")
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        with m.Elif(arrived & (self.error == 0) & self.axi.rresp[1]):
            m.d.sync += self.error.eq(self.axi.rresp)
        return m

    def _requests(self, m: Module) -> None:
        """Request bursts one after the other, each once there is room for it."""
        cursor: Any = BurstCursor(self.burst)
        m.submodules.cursor = cursor
        left = Signal(BEATS_BITS)
        length = Signal(range(self.burst + 1))
        ends = Signal()
        space = Signal(range(self.depth + 1), init=self.depth)
        issue, taken = Signal(), Signal()
        unit_left = self._unit_left(m, issue, length)
        m.d.comb += [
            *linear_burst(self.axi, "ar"),
            cursor.advance.eq(issue),
            taken.eq(self.o.valid & self.o.ready),
        ]
        follows = self._pieces(m, cursor, issue & ends)
        m.d.sync += space.eq(space + taken - Mux(issue, length, 0))
        with m.If(self.axi.arready):
            m.d.sync += self.axi.arvalid.eq(0)
        with m.FSM():
            with m.State("MEASURE"):
                fits = left <= cursor.room
                m.d.sync += [ends.eq(fits), length.eq(Mux(fits, left, cursor.room))]
                with m.If(self.stop & (left > unit_left)):
                    m.d.sync += left.eq(unit_left)
                with m.Elif(left != 0):
                    m.next = "ISSUE"
            with m.State("ISSUE"), m.If((space >= length) & (~self.axi.arvalid | self.axi.arready)):
                m.d.comb += issue.eq(1)
                m.d.sync += [
                    self.axi.araddr.eq(cursor.address),
                    self.axi.arlen.eq(length - 1),
                    self.axi.arvalid.eq(1),
                    left.eq(Mux(follows, self.unit, left - length)),
                ]
                m.next = "MEASURE"
        with m.If(self.start):
            m.d.sync += left.eq(self.beats)
        m.d.comb += self.busy.eq((left != 0) | (space != self.depth))

    def _pieces(self, m: Module, cursor: Any, ended: Value) -> Signal:
        """Move the cursor to the next piece when one has ``ended``; returns whether it moves."""
        more = Signal(PIECES_BITS)
        any_more = Signal()
        stride = Signal(STRIDE_BITS)
        next_base = Signal(64)
        follows = Signal()
        m.d.sync += any_more.eq(more != 0)  # in time: two bursts are 2 cycles apart or more
        m.d.comb += [
            follows.eq(ended & any_more & ~self.stop),
            cursor.start.eq(self.start | follows),
            cursor.base.eq(Mux(self.start, self.address, next_base)),
        ]
        with m.If(self.start):
            m.d.sync += [
                more.eq(self.more),
                stride.eq(self.stride),
                next_base.eq(self.address + self.stride),
            ]
        with m.Elif(follows):
            m.d.sync += [more.eq(more - 1), next_base.eq(next_base + stride)]
        return follows

    def _unit_left(self, m: Module, issue: Signal, length: Signal) -> Signal:
        """Beats up to the end of the unit in which the next burst starts; 0 at its beginning."""
        position = Signal(range(self.unit))
        part = Signal(range(self.unit))
        m.d.comb += part.eq(Array(n % self.unit for n in range(self.burst + 1))[length])
        end = position + part
        with m.If(self.start):
            m.d.sync += position.eq(0)
        with m.Elif(issue):
            m.d.sync += position.eq(Mux(end >= self.unit, end - self.unit, end))
        unit_left = Signal(range(self.unit))
        m.d.comb += unit_left.eq(Mux(position == 0, 0, self.unit - position))
        return unit_left
