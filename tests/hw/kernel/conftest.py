"""A memory behind AXI for Amaranth's simulator: slow, moody, and strict about the protocol."""

import random
from collections import deque
from collections.abc import Callable

import pytest
from amaranth.sim import Simulator

from hw.kernel.axi import INCR, Response

PAGE = 4096
BEAT = 64


class AxiMemory:
    """Answers a read port, a write port, or both.

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

    def _reading(self, axi):
        async def bench(ctx):
            coming: deque[tuple[int, int, bool]] = deque()
            now, held = 0, None
            while True:
                ready = self._willing()
                ctx.set(axi.arready, ready)
                if held is None and coming and coming[0][0] <= now and self._willing():
                    held = coming.popleft()
                ctx.set(axi.rvalid, held is not None)
                if held is not None:
                    _, address, last = held
                    inside = address + BEAT <= len(self.bytes)
                    data = self.bytes[address : address + BEAT] if inside else bytes(BEAT)
                    ctx.set(axi.rdata, int.from_bytes(data, "little"))
                    ctx.set(axi.rresp, self.response(address))
                    ctx.set(axi.rlast, last)
                *_, valid, address, length, size, kind, taken = await ctx.tick().sample(
                    axi.arvalid, axi.araddr, axi.arlen, axi.arsize, axi.arburst, axi.rready
                )
                if held is not None and taken:
                    held = None
                if valid and ready:
                    start, beats = self._burst(address, length, size, kind)
                    self.reads.append((start, beats))
                    coming.extend(
                        (now + self.latency, start + BEAT * beat, beat == beats - 1)
                        for beat in range(beats)
                    )
                now += 1

        return bench

    def _writing(self, axi):
        async def bench(ctx):
            bursts: deque[tuple[int, int]] = deque()
            beats: deque[tuple[int, int]] = deque()
            answers: deque[tuple[int, int]] = deque()
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
                *_, valid, address, length, size, kind, data, w_valid, last, taken = (
                    await ctx.tick().sample(
                        axi.awvalid, axi.awaddr, axi.awlen, axi.awsize, axi.awburst,
                        axi.wdata, axi.wvalid, axi.wlast, axi.bready,
                    )
                )  # fmt: skip
                if held is not None and taken:
                    held = None
                if valid and aw_ready:
                    bursts.append(self._burst(address, length, size, kind))
                if w_valid and w_ready:
                    beats.append((data, last))
                while bursts and len(beats) >= bursts[0][1]:
                    answers.append((now + self.latency, self._store(bursts.popleft(), beats)))
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


@pytest.fixture
def axi_memory():
    return AxiMemory
