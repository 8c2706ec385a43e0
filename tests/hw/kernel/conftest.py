"""Neighbours of the kernel for Amaranth's simulator: a strict memory with random waits, a host, a
core.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from twofold.hw.contract import regs
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Linear, Network
from twofold.hw.contract.parameters import MAGIC, ParameterStatus
from twofold.hw.contract.results import ResultRow
from twofold.hw.engines.links import parameter_stream, result_stream
from twofold.hw.kernel.axi import INCR, Response

PAGE = 4096
BEAT = 64


class AxiMemory:
    """Answers a read port, a write port, or both, with what a reset of the kernel leaves open too:
    only bursts whose data are incomplete are forgotten with it.

    Parameters
    ----------
    size: bytes, from address 0.
    latency: cycles from a request to its first beat.
    busy: chance that a channel holds back in a cycle.
    response: RRESP or BRESP of a byte address.
    """

    def __init__(self, *, size=1 << 16, seed=0, latency=5, busy=0.0, response=None):
        self.rng = random.Random(seed)
        self.bytes = bytearray(self.rng.randbytes(size))
        self.latency, self.busy = latency, busy
        self.response: Callable[[int], int] = response or (lambda _: Response.OKAY)
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.written: set[int] = set()

    def attach(self, sim: Simulator, axi) -> None:
        names = axi.signature.members
        if "araddr" in names:
            sim.add_testbench(self._reading(axi), background=True)
        if "awaddr" in names:
            sim.add_testbench(self._writing(axi), background=True)

    def _willing(self) -> bool:
        return self.rng.random() >= self.busy

    def _burst(self, address: int, length: int, size: int, kind: int) -> tuple[int, int]:
        beats = length + 1
        assert size == 6 and kind == INCR and address % BEAT == 0
        assert address // PAGE == (address + beats * BEAT - 1) // PAGE, f"{address:#x} {beats}"
        return address, beats

    def _steady(self, before, ready, valid, payload):
        """A master may neither withdraw nor change what it offers; returns what it offers now."""
        assert before is None or (valid and payload == before), "an offer was changed"
        return payload if valid and not ready else None

    def _reading(self, axi):
        async def bench(ctx):
            offer = None
            coming: deque[tuple[int, int, bool, int]] = deque()
            now, held = 0, None
            while True:
                ready = self._willing()
                ctx.set(axi.arready, ready)
                if held is None and coming and coming[0][0] <= now and self._willing():
                    held = coming.popleft()
                ctx.set(axi.rvalid, held is not None)
                if held is not None:
                    _, address, last, number = held
                    inside = address + BEAT <= len(self.bytes)
                    data = self.bytes[address : address + BEAT] if inside else bytes(BEAT)
                    ctx.set(axi.rdata, int.from_bytes(data, "little"))
                    ctx.set(axi.rresp, self.response(address))
                    ctx.set(axi.rlast, last)
                    ctx.set(axi.rid, number)
                (
                    _, reset, valid, address, length, size, kind, number, taken
                ) = await ctx.tick().sample(
                    axi.arvalid, axi.araddr, axi.arlen, axi.arsize, axi.arburst, axi.arid,
                    axi.rready,
                )  # fmt: skip
                if held is not None and taken:
                    held = None
                if reset:
                    valid, offer = 0, None
                offer = self._steady(offer, ready, valid, (address, length, number))
                if valid and ready:
                    start, beats = self._burst(address, length, size, kind)
                    self.reads.append((start, beats))
                    coming.extend(
                        (now + self.latency, start + BEAT * beat, beat == beats - 1, number)
                        for beat in range(beats)
                    )
                now += 1

        return bench

    def _writing(self, axi):
        async def bench(ctx):
            offer = w_offer = None
            bursts: deque[tuple[int, int]] = deque()
            numbers: deque[int] = deque()
            beats: deque[tuple[int, int]] = deque()
            answers: deque[tuple[int, int, int]] = deque()
            now, held = 0, None
            while True:
                aw_ready, w_ready = self._willing(), self._willing()
                ctx.set(axi.awready, aw_ready)
                ctx.set(axi.wready, w_ready)
                if held is None and answers and answers[0][0] <= now and self._willing():
                    held = answers.popleft()
                ctx.set(axi.bvalid, held is not None)
                if held is not None:
                    ctx.set(axi.bresp, held[1])
                    ctx.set(axi.bid, held[2])
                (
                    _, reset, valid, address, length, size, kind, number,
                    data, strobes, w_valid, last, taken,
                ) = await ctx.tick().sample(
                    axi.awvalid, axi.awaddr, axi.awlen, axi.awsize, axi.awburst, axi.awid,
                    axi.wdata, axi.wstrb, axi.wvalid, axi.wlast, axi.bready,
                )  # fmt: skip
                if held is not None and taken:
                    held = None
                if reset:
                    valid = w_valid = 0
                    offer = w_offer = None
                    bursts.clear()
                    numbers.clear()
                    beats.clear()
                offer = self._steady(offer, aw_ready, valid, (address, length, number))
                w_offer = self._steady(w_offer, w_ready, w_valid, (data, last))
                if valid and aw_ready:
                    bursts.append(self._burst(address, length, size, kind))
                    numbers.append(number)
                assert not w_valid or strobes == (1 << BEAT) - 1
                if w_valid and w_ready:
                    beats.append((data, last))
                while bursts and len(beats) >= bursts[0][1]:
                    code = self._store(bursts.popleft(), beats)
                    answers.append((now + self.latency, code, numbers.popleft()))
                now += 1

        return bench

    def _store(self, burst: tuple[int, int], beats: deque[tuple[int, int]]) -> int:
        start, count = burst
        self.writes.append(burst)
        for beat in range(count):
            data, last = beats.popleft()
            assert last == (beat == count - 1)
            address = start + BEAT * beat
            assert address not in self.written, f"{address:#x} written twice"
            self.written.add(address)
            if address + BEAT <= len(self.bytes):
                self.bytes[address : address + BEAT] = data.to_bytes(BEAT, "little")
        return self.response(start)


class Host:
    """Reads and writes registers through a slave port, as the runtime does."""

    def __init__(self, bus):
        self.bus = bus

    async def write_word(self, ctx, offset, value, strobes=0xF):
        bus = self.bus
        ctx.set(bus.awaddr, offset)
        ctx.set(bus.awvalid, 1)
        await ctx.tick().until(bus.awready)
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wdata, value)
        ctx.set(bus.wstrb, strobes)
        ctx.set(bus.wvalid, 1)
        await ctx.tick().until(bus.wready)
        ctx.set(bus.wvalid, 0)
        ctx.set(bus.bready, 1)
        (response,) = await ctx.tick().sample(bus.bresp).until(bus.bvalid)
        ctx.set(bus.bready, 0)
        assert response == Response.OKAY

    async def read_word(self, ctx, offset):
        bus = self.bus
        ctx.set(bus.araddr, offset)
        ctx.set(bus.arvalid, 1)
        await ctx.tick().until(bus.arready)
        ctx.set(bus.arvalid, 0)
        ctx.set(bus.rready, 1)
        response, value = await ctx.tick().sample(bus.rresp, bus.rdata).until(bus.rvalid)
        ctx.set(bus.rready, 0)
        assert response == Response.OKAY
        return value

    async def write(self, ctx, name, value):
        one = regs.register(name)
        for index in range(one.bits // 32):
            await self.write_word(ctx, one.offset + 4 * index, value >> 32 * index & 0xFFFFFFFF)

    async def read(self, ctx, name):
        one = regs.register(name)
        words = [await self.read_word(ctx, one.offset + 4 * at) for at in range(one.bits // 32)]
        return sum(word << 32 * at for at, word in enumerate(words))

    async def start(self, ctx, **arguments):
        for name, value in arguments.items():
            await self.write(ctx, name, value)
        await self.write(ctx, "control", regs.Control.START)

    async def finish(self, ctx, polls=3000):
        """Wait for the end of a run, acknowledge it, and tell its status."""
        for _ in range(polls):
            if await self.read(ctx, "control") & regs.Control.DONE:
                status = regs.Status(await self.read(ctx, "status"))
                await self.write(ctx, "control", regs.Control.CONTINUE)
                return status
        raise AssertionError("the run does not end")

    async def run(self, ctx, **arguments):
        await self.start(ctx, **arguments)
        return await self.finish(ctx)


class SumCore(wiring.Component):
    """Stands in for the machine: sums the bytes of each sample, ``pause`` cycles a sample.

    An image is good when it starts with the magic and the exclusive or of its words is 0; the
    word behind the magic is the image's key. Outputs are the sum, its negative, the number of the
    sample since the image was loaded, the key, and from the fourth on the sum plus the output's
    number. The label is the sum modulo 4.
    """

    counters = False

    parameters: Any
    busy: Signal
    status: Any
    i: Any
    o: Any

    def __init__(self, *, pixels=256, input_bytes=64, pause=3, outputs=4, labelled=True):
        labels = tuple(map(str, range(outputs))) if labelled else ()
        self.network = Network("sums", (1, 1, pixels), (Linear(out_features=outputs),), labels)
        self.row = ResultRow(outputs, labelled)
        self.folding = Folding((), input_bytes)
        self.pause = pause
        super().__init__(
            {
                "parameters": In(parameter_stream()),
                "busy": Out(1),
                "status": Out(ParameterStatus),
                "i": In(stream.Signature(8 * input_bytes)),
                "o": Out(result_stream(self.row)),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        key, number = self._load(m), Signal(32)
        m.submodules.results = fifo = SyncFIFOBuffered(width=3 * 32, depth=4)
        piece = self.folding.input_bytes
        pieces = regs.sample_bytes(self.network) // piece
        total, at, wait = Signal(32), Signal(range(pieces + 1)), Signal(range(self.pause + 2))
        here = sum((self.i.payload[8 * byte : 8 * byte + 8] for byte in range(piece)), Const(0))
        m.d.comb += [
            self.i.ready.eq((self.status == ParameterStatus.OK) & (at != pieces)),
            fifo.w_data.eq(Cat(total, number, key)),
            fifo.w_en.eq((at == pieces) & (wait == self.pause)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [total.eq(total + here), at.eq(at + 1)]
        with m.If(at == pieces):
            with m.If(wait != self.pause):
                m.d.sync += wait.eq(wait + 1)
            with m.Elif(fifo.w_rdy):
                m.d.sync += [number.eq(number + 1), total.eq(0), at.eq(0), wait.eq(0)]
        with m.If(self.busy):
            m.d.sync += number.eq(0)
        self._give(m, fifo)
        return m

    def _give(self, m, fifo):
        """Results as their layout says, a beat a cycle."""
        total, number, key = (fifo.r_data[at : at + 32] for at in (0, 32, 64))
        outputs = [total, (-total)[:32], number, key]
        outputs += [(total + at)[:32] for at in range(4, self.row.outputs)]
        m.d.comb += self.o.valid.eq(fifo.r_rdy)
        if self.row.beats == 1:
            m.d.comb += [
                Value.cast(self.o.payload.logits).eq(Cat(*outputs)),
                fifo.r_en.eq(self.o.ready),
            ]
            if self.row.labelled:
                m.d.comb += self.o.payload.label.eq(total[:2])
            return
        filling = [Const(0, 32)] * (16 * self.row.beats - len(outputs) - self.row.labelled)
        row = Cat(*outputs, *filling, *([Cat(total[:2], Const(0, 30))] * self.row.labelled))
        beat = Signal(range(self.row.beats))
        last = beat == self.row.beats - 1
        m.d.comb += [
            self.o.payload.data.eq(row.word_select(beat, 512)),
            self.o.payload.last.eq(last),
            fifo.r_en.eq(self.o.ready & last),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += beat.eq(Mux(last, 0, beat + 1))

    def _load(self, m):
        key, parity, count, late = Signal(32), Signal(32), Signal(8), Signal()
        sample, last = self.parameters.payload.data, self.parameters.payload.last
        m.d.comb += [self.parameters.ready.eq(~late), self.busy.eq(late | (count != 0))]
        with m.If(self.parameters.valid & self.parameters.ready):
            m.d.sync += [count.eq(1), parity.eq(parity ^ sample), late.eq(last)]
            with m.If(count == 0):
                m.d.sync += self.status.eq(
                    Mux(sample == MAGIC, ParameterStatus.OK, ParameterStatus.BAD_MAGIC)
                )
            with m.Elif(count == 1):
                m.d.sync += [key.eq(sample), count.eq(2)]
            with m.Else():
                m.d.sync += count.eq(2)
        with m.If(late):
            m.d.sync += [late.eq(0), count.eq(0), parity.eq(0)]
            with m.If((self.status == ParameterStatus.OK) & (parity != 0)):
                m.d.sync += self.status.eq(ParameterStatus.BAD_CRC)
        return key


@pytest.fixture
def axi_memory():
    return AxiMemory


@pytest.fixture
def axi_host():
    return Host


@pytest.fixture
def sum_core():
    return SumCore
