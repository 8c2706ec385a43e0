"""Writing a stream of 64-byte beats to a range of memory."""

from typing import Any

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from twofold.hw.kernel.axi import AxiWrite, linear_burst
from twofold.hw.kernel.bursts import BurstCursor
from twofold.hw.kernel.epoch import Epoch

OUTSTANDING_MAX = 255


class Writer(wiring.Component):
    """Collects beats into bursts.

    A burst is requested only once all its beats are available, so the memory never waits for the
    machine, and a run that ends early leaves no burst half written.

    Parameters
    ----------
    burst: beats of the longest burst, a power of two up to 64; the buffer holds twice as many.

    Members
    -------
    start: starts writing at ``address``; only while ``idle``.
    address: byte address of the first beat, a multiple of 64.
    flush: while asserted, beats are written without waiting for a whole burst.
    idle: everything accepted from ``i`` has been written and acknowledged.
    error: BRESP of the first failed burst since ``start``, 0 if there was none.
    i: the beats.
    axi: write channels.

    After a reset, responses to bursts from before it are accepted and ignored (see `Epoch`). A
    burst whose data a reset cut short is not completed; as AXI has it, the memory's port has to be
    reset with the kernel.

    Latency: a beat that completes a burst, or is flushed, is on the bus within 6 cycles.
    Back-pressure: ``i`` stalls if the memory accepts less than one beat per cycle for long.
    """

    start: Signal
    address: Signal
    flush: Signal
    idle: Signal
    error: Signal
    i: Any
    axi: Any

    def __init__(self, *, burst: int = 16) -> None:
        self.burst = burst
        super().__init__(
            {
                "start": In(1),
                "address": In(64),
                "flush": In(1),
                "idle": Out(1),
                "error": Out(2),
                "i": In(stream.Signature(512)),
                "axi": Out(AxiWrite()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fifo: Any = SyncFIFOBuffered(width=512, depth=2 * self.burst)
        m.submodules.fifo = fifo
        m.submodules.epoch = epoch = Epoch()
        m.d.comb += [
            *linear_burst(self.axi, "aw"),
            self.axi.awid.eq(epoch.current),
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            self.axi.wdata.eq(fifo.r_data),
            self.axi.wstrb.eq(~0),
        ]
        unanswered = Signal(range(OUTSTANDING_MAX + 1))
        issue = self._bursts(m, fifo, unanswered != OUTSTANDING_MAX)
        answered = Signal()
        m.d.comb += answered.eq(self.axi.bvalid & (self.axi.bid == epoch.current))
        m.d.comb += self.axi.bready.eq(1)
        m.d.sync += unanswered.eq(unanswered + issue - answered)
        m.d.comb += self.idle.eq(~fifo.r_rdy & (fifo.level == 0) & (unanswered == 0))
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        with m.Elif(answered & (self.error == 0) & self.axi.bresp[1]):
            m.d.sync += self.error.eq(self.axi.bresp)
        return m

    def _bursts(self, m: Module, fifo: Any, allowed: Value) -> Signal:
        """Request bursts and send their beats; returns a strobe for each request."""
        cursor: Any = BurstCursor(self.burst)
        m.submodules.cursor = cursor
        length = Signal(range(self.burst + 1))
        issue = Signal()
        m.d.comb += [
            cursor.start.eq(self.start),
            cursor.base.eq(self.address),
            cursor.advance.eq(issue),
            self.axi.wlast.eq(length == 1),
        ]
        with m.If(self.axi.awready):
            m.d.sync += self.axi.awvalid.eq(0)
        with m.FSM():
            with m.State("COLLECT"):
                whole = Signal()
                m.d.comb += whole.eq(fifo.level >= cursor.room)
                m.d.sync += length.eq(Mux(whole, cursor.room, fifo.level))
                with m.If(~self.start & allowed & (whole | (self.flush & (fifo.level != 0)))):
                    m.next = "ISSUE"
            with m.State("ISSUE"), m.If(~self.axi.awvalid):
                m.d.comb += issue.eq(1)
                m.d.sync += [
                    self.axi.awaddr.eq(cursor.address),
                    self.axi.awlen.eq(length - 1),
                    self.axi.awvalid.eq(1),
                ]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [self.axi.wvalid.eq(fifo.r_rdy), fifo.r_en.eq(self.axi.wready)]
                with m.If(self.axi.wvalid & self.axi.wready):
                    m.d.sync += length.eq(length - 1)
                    with m.If(self.axi.wlast):
                        m.next = "COLLECT"
        return issue
