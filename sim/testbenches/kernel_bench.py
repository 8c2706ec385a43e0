"""Test bench of the kernel, run by cocotb: from memory to memory, through independent AXI models.

The job (see `twofold.sim.testbenches.kernel_job`) provides image, samples and results. The memory
is cocotbext-axi's, with a configurable request latency; it responds with an error at chosen
addresses.
"""

import os
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import (
    AxiBus,
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiSlaveRead,
    AxiSlaveWrite,
)
from cocotbext.axi.sparse_memory import SparseMemory

from twofold.hw.contract import regs
from twofold.hw.contract.parameters import LENGTH_MAX
from twofold.hw.contract.regs import BEAT_BYTES, Control, Operation, Status
from twofold.hw.kernel.top import OFFERS
from twofold.sim.testbenches.kernel_job import VARIABLE, KernelJob, Measured

PERIOD_NS = 4
LATENCY = 300
IMAGE, INPUT, OUTPUT = 0x1_0000_0000, 0x2_0000_0FC0, 0x3_0000_0F80
SECOND = 0x4_0000_0040
MOST_WINDOWS = 200
RESET_CYCLES = 6
COUNTED = 64
"""Cycles after which the counters include everything that has happened."""


class Memory:
    """Sparse memory that answers chosen addresses with a chosen error response."""

    def __init__(self) -> None:
        self.content = SparseMemory(2**64)
        self.broken: set[int] = set()
        self.refusal = AxiResp.SLVERR

    def answer_on(self, channel: Any, response: str) -> None:
        """Replace the model's error response on a channel's beats with the chosen one."""
        send = channel.send

        async def answer(beat: Any) -> None:
            if getattr(beat, response) != AxiResp.OKAY:
                setattr(beat, response, self.refusal)
            await send(beat)

        channel.send = answer

    def _touch(self, address: int) -> None:
        if address in self.broken:
            raise ValueError(f"{address:#x} is broken")

    async def read(self, address: int, length: int) -> bytes:
        self._touch(address)
        return bytes(self.content.read(address, length))

    async def write(self, address: int, data: bytes) -> None:
        self._touch(address)
        self.content.write(address, data)


class Delayed:
    """A request channel that delays every request by ``cycles``, without limit on their number."""

    def __init__(self, channel: Any, cycles: int) -> None:
        self._channel, self._delay = channel, cycles * PERIOD_NS
        self._queue: Queue[tuple[float, Any]] = Queue()
        cocotb.start_soon(self._collect())

    async def _collect(self) -> None:
        while True:
            request = await self._channel.recv()
            self._queue.put_nowait((get_sim_time("ns") + self._delay, request))

    async def recv(self) -> Any:
        due, request = await self._queue.get()
        left = round((due - get_sim_time("ns")) / PERIOD_NS)
        if left > 0:
            await ClockCycles(self._channel.clock, left)
        return request

    def clear(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._channel.clear()


class Bench:
    """A kernel with host and memory.

    Parameters
    ----------
    dut: cocotb's handle of the top module.
    latency: cycles from a read request to its first beat, in addition to the model's own.
    """

    def __init__(self, dut: Any, latency: int = 0) -> None:
        self.dut, self.job = dut, KernelJob(Path(os.environ[VARIABLE]))
        self.memory = Memory()
        self.random = random.Random(self.job.seed)
        dut.ap_rst_n.value = 0
        cocotb.start_soon(Clock(dut.ap_clk, PERIOD_NS, "ns").start())
        reset = {"reset": dut.ap_rst_n, "reset_active_level": False}
        control = AxiLiteBus.from_prefix(dut, regs.CONTROL_PORT)
        self.host: Any = AxiLiteMaster(control, dut.ap_clk, **reset)
        port = AxiBus.from_prefix(dut, regs.MEMORY_PORT)
        # Reads are not reset with the kernel: what it asked for before comes all the same.
        self.reader: Any = AxiSlaveRead(port.read, dut.ap_clk, target=self.memory)
        self.writer: Any = AxiSlaveWrite(port.write, dut.ap_clk, **reset, target=self.memory)
        self.reader.r_channel.queue_occupancy_limit = 4
        self.memory.answer_on(self.reader.r_channel, "rresp")
        self.memory.answer_on(self.writer.b_channel, "bresp")
        if latency:
            self.reader.ar_channel = Delayed(self.reader.ar_channel, latency)

    async def reset(self) -> None:
        """Hold the reset for a few cycles; from the first one on the kernel offers nothing."""
        for level in (0, 1):
            self.dut.ap_rst_n.value = level
            for _ in range(RESET_CYCLES):
                await FallingEdge(self.dut.ap_clk)
                offers = [name for name in OFFERS if getattr(self.dut, name).value]
                assert not offers, f"offered in a reset: {', '.join(offers)}"
            await RisingEdge(self.dut.ap_clk)

    def disturb(self, chance: float) -> None:
        """Make every channel pause in each cycle with that probability."""
        read, write = self.reader, self.writer
        for channel in (
            read.ar_channel, read.r_channel, write.aw_channel, write.w_channel, write.b_channel,
            self.host.read_if.r_channel, self.host.write_if.b_channel,
        ):  # fmt: skip
            channel.set_pause_generator(self._pauses(chance))

    def _pauses(self, chance: float) -> Iterator[bool]:
        dice = random.Random(self.random.random())
        while True:
            yield dice.random() < chance

    async def read(self, name: str) -> int:
        """Read a register."""
        one = regs.register(name)
        return int.from_bytes((await self.host.read(one.offset, one.size)).data, "little")

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        one = regs.register(name)
        await self.host.write(one.offset, value.to_bytes(one.size, "little"))

    async def counters(self) -> dict[str, tuple[int, ...]]:
        """Totals since reset, by register."""
        return {one.name: one.split(await self.read(one.name)) for one in regs.COUNTERS}

    async def start(self, operation: int, **arguments: int) -> None:
        """Queue a run."""
        for name, value in {"operation": operation, **arguments}.items():
            await self.write(name, value)
        await self.write("control", Control.START)

    async def finish(self) -> Status:
        """Wait for the end of a run and acknowledge it."""
        for _ in range(100_000):
            if await self.read("control") & Control.DONE:
                status = Status(await self.read("status"))
                await self.write("control", Control.CONTINUE)
                return status
        raise AssertionError("the run does not end")

    async def load(self) -> Status:
        """Load the job's image."""
        self.memory.content.write(IMAGE, self.job.image)
        await self.start(Operation.LOAD, image=IMAGE, parameter_bytes=len(self.job.image))
        return await self.finish()

    async def begin(
        self, count: int, *, source: int = INPUT, output: int = OUTPUT, **arguments: int
    ) -> None:
        """Queue a run of the first ``count`` samples."""
        self.memory.content.write(source, self.job.samples[: count * self.job.stride])
        await self.run(count, input=source, output=output, **arguments)

    async def begin_windows(self, count: int, **arguments: int) -> None:
        """Queue a run of the first ``count`` windows on all samples."""
        self.memory.content.write(INPUT, self.job.samples)
        stride, extent = self.job.window_stride, len(self.job.samples)
        usual = {"input": INPUT, "output": OUTPUT, "stride": stride, "extent": extent}
        await self.run(count, **{**usual, **arguments})

    async def run(self, count: int, *, output: int, **arguments: int) -> None:
        """Queue a run, with memory around the results of which a trace would be seen."""
        size = 2 * BEAT_BYTES + self.job.row * count
        self.memory.content.write(output - BEAT_BYTES, b"\xa5" * size)
        usual = {"output": output, "samples": count, "stride": 0, "extent": 0}
        await self.start(Operation.RUN, **{**usual, **arguments})

    def check(self, count: int, *, output: int = OUTPUT, results: bytes | None = None) -> None:
        """Check that memory contains exactly the results of ``count`` samples, or the first of
        these results.
        """
        frame = b"\xa5" * BEAT_BYTES
        known = self.job.results if results is None else results
        expected = frame + known[: self.job.row * count] + frame
        found = bytes(self.memory.content.read(output - BEAT_BYTES, len(expected)))
        wrong = [
            at // BEAT_BYTES - 1
            for at in range(0, len(expected), BEAT_BYTES)
            if found[at : at + BEAT_BYTES] != expected[at : at + BEAT_BYTES]
        ]
        assert not wrong, f"beats {wrong} of {count} results differ"

    async def watch(self, valid: Any, ready: Any, times: list[int]) -> None:
        """Record the cycle of every transfer on a channel."""
        while True:
            await RisingEdge(self.dut.ap_clk)
            if valid.value and ready.value:
                times.append(round(get_sim_time("ns") / PERIOD_NS))


async def started(dut: Any, latency: int = 0) -> Bench:
    """A bench after reset."""
    bench = Bench(dut, latency)
    await bench.reset()
    return bench


@cocotb.test()
async def speed(dut: Any) -> None:
    """All samples, with a memory latency of 300 cycles; the machine is measured and never waits."""
    bench = await started(dut, LATENCY)
    assert await bench.load() == Status.OK
    reads: list[int] = []
    writes: list[int] = []
    bus = bench.dut
    cocotb.start_soon(bench.watch(bus.m_axi_gmem_rvalid, bus.m_axi_gmem_rready, reads))
    cocotb.start_soon(bench.watch(bus.m_axi_gmem_wvalid, bus.m_axi_gmem_wready, writes))
    await bench.begin(1)
    assert await bench.finish() == Status.OK
    bench.check(1)
    beats = bench.job.row // BEAT_BYTES
    bus_latency, single = writes[beats - 1] - reads[0], await bench.read("cycles")
    count = bench.job.count
    await bench.begin(count)
    assert await bench.finish() == Status.OK
    bench.check(count)
    names = ("cycles", "latency", "input_stalls", "output_stalls")
    counters = {name: await bench.read(name) for name in names}
    interval = (counters["cycles"] - single) / (count - 1)
    assert await bench.read("results") == count
    assert counters["input_stalls"] == counters["output_stalls"] == 0, counters
    reads.clear()
    windows = min(len(bench.job.windows) // bench.job.row, MOST_WINDOWS)
    await bench.begin_windows(windows)
    assert await bench.finish() == Status.OK
    bench.check(windows, results=bench.job.windows)
    bench.job.write(
        "speed",
        Measured(
            samples=count,
            **counters,
            bus_latency=bus_latency,
            interval=interval,
            window_interval=(await bench.read("cycles") - single) / (windows - 1),
            window_bytes=BEAT_BYTES * len(reads) / windows,
        ),
    )
    assert await bench.read("input_stalls") == await bench.read("output_stalls") == 0


@cocotb.test()
async def random_waits(dut: Any) -> None:
    """Every channel pauses at random; address ranges start and end anywhere."""
    bench = await started(dut)
    for chance in (0.1, 0.5, 0.8):
        bench.disturb(chance)
        assert await bench.load() == Status.OK
        count = bench.random.randint(1, bench.job.count)
        source = INPUT + BEAT_BYTES * bench.random.randrange(64)
        await bench.begin(count, source=source)
        assert await bench.finish() == Status.OK
        bench.check(count)
        windows = len(bench.job.windows) // bench.job.row
        count = bench.random.randint(1, min(windows, MOST_WINDOWS))
        await bench.begin_windows(count)
        assert await bench.finish() == Status.OK
        bench.check(count, results=bench.job.windows)


@cocotb.test()
async def queue(dut: Any) -> None:
    """Back-to-back runs: the next one is started while one is running."""
    bench = await started(dut)
    assert await bench.load() == Status.OK
    count = bench.job.count
    await bench.begin(count)
    for _ in range(3):
        await bench.begin(1, source=SECOND, output=2 * SECOND)
        assert await bench.finish() == Status.OK
        bench.check(count)
        await bench.begin(count)
        assert await bench.finish() == Status.OK
        bench.check(1, output=2 * SECOND)
    assert await bench.finish() == Status.OK
    assert await bench.read("control") & Control.IDLE
    assert await bench.read("failures") == 0


def refused_arguments() -> Iterator[tuple[Status, dict[str, int]]]:
    """Every rule that arguments can break, broken in turn; other registers hold valid values."""
    load = {"operation": Operation.LOAD, "image": IMAGE, "parameter_bytes": BEAT_BYTES}
    run = {"operation": Operation.RUN, "input": INPUT, "output": OUTPUT, "samples": 1}
    yield Status.BAD_OPERATION, {**run, "operation": 2}
    for length in (0, BEAT_BYTES + 4, LENGTH_MAX + BEAT_BYTES):
        yield Status.BAD_LENGTH, {**load, "parameter_bytes": length}
    yield Status.BAD_ALIGNMENT, {**load, "image": IMAGE + 8}
    yield Status.BAD_ALIGNMENT, {**run, "input": INPUT + 32}
    yield Status.BAD_ALIGNMENT, {**run, "output": OUTPUT + 1}
    yield Status.BAD_SAMPLES, {**run, "samples": 0}
    yield Status.BAD_STRIDE, {**run, "stride": 96}
    yield Status.BAD_RANGE, {**run, "stride": 64, "samples": 1 << 31, "extent": 1 << 36}
    yield Status.BAD_RANGE, {**run, "stride": 0, "samples": 1 << 31, "extent": 1 << 36}


def refused_images(good: bytes) -> Iterator[tuple[Status, bytes]]:
    """Every rule that an image can break, broken in turn, in images of two beats."""
    magic, version, _, sections, *machine = struct.unpack_from("<12I", good)

    def image(*header: int, length: int = 2 * BEAT_BYTES, damage: int = 0) -> bytes:
        words = (*header[:2], length, *header[2:])
        body = struct.pack("<12I", *words).ljust(2 * BEAT_BYTES - 4, b"\0")
        return body + struct.pack("<I", zlib.crc32(body) ^ damage)

    rest = (sections, *machine)
    yield Status.PARAMETERS_BAD_MAGIC, image(magic ^ 1, version, *rest)
    yield Status.PARAMETERS_BAD_VERSION, image(magic, version + 1, *rest)
    yield Status.PARAMETERS_BAD_LENGTH, image(magic, version, *rest, length=3 * BEAT_BYTES)
    yield Status.PARAMETERS_BAD_CRC, image(magic, version, *rest, damage=1 << 31)
    yield Status.PARAMETERS_BAD_FINGERPRINT, image(magic, version, sections, *machine[1:], 5)
    yield Status.PARAMETERS_BAD_SECTION, image(magic, version, *rest)


@cocotb.test()
async def refusals(dut: Any) -> None:
    """Bad arguments, bad images and error responses end runs; the next ones work."""
    bench = await started(dut)
    job, memory = bench.job, bench.memory
    await bench.begin(1)
    assert await bench.finish() == Status.NO_PARAMETERS
    assert await bench.load() == Status.OK
    tried = 1
    for wanted, arguments in refused_arguments():
        await bench.start(**arguments)
        assert await bench.finish() == wanted, arguments
        await bench.begin(1)
        assert await bench.finish() == Status.OK
        bench.check(1)
        tried += 1
    for refusal in (AxiResp.SLVERR, AxiResp.DECERR):
        memory.refusal = refusal
        for place, way in ((INPUT, "READ"), (OUTPUT, "WRITE")):
            memory.broken = {place}
            await bench.begin(job.count)
            assert await bench.finish() == Status[f"{way}_{refusal.name}"]
            memory.broken = set()
            await bench.begin(1)
            assert await bench.finish() == Status.OK
            bench.check(1)
            tried += 1
    images = list(refused_images(job.image))
    for wanted, image in images:
        memory.content.write(IMAGE, image)
        await bench.start(Operation.LOAD, image=IMAGE, parameter_bytes=len(image))
        assert await bench.finish() == wanted
        tried += 1
    image = images[-1][1]
    for refusal in (AxiResp.SLVERR, AxiResp.DECERR):
        memory.refusal, memory.broken = refusal, {IMAGE}
        memory.content.write(IMAGE, image)
        await bench.start(Operation.LOAD, image=IMAGE, parameter_bytes=len(image))
        assert await bench.finish() == Status[f"READ_{refusal.name}"]
        memory.broken = set()
        await bench.begin(1)
        assert await bench.finish() == Status.NO_PARAMETERS
        tried += 2
    assert await bench.read("failures") == tried
    assert await bench.load() == Status.OK
    await bench.begin(1)
    assert await bench.finish() == Status.OK
    bench.check(1)


@cocotb.test()
async def counters(dut: Any) -> None:
    """The machine's counters match the golden model's counts, layer by layer."""
    bench = await started(dut)
    assert await bench.load() == Status.OK
    before = await bench.counters()
    await bench.begin(bench.job.count)
    assert await bench.finish() == Status.OK
    bench.check(bench.job.count)
    await ClockCycles(dut.ap_clk, COUNTED)
    after = await bench.counters()
    for name, wanted in bench.job.counts.items():
        found = [now - then for now, then in zip(after[name], before[name], strict=True)]
        assert found[: len(wanted)] == wanted, f"{name}: {found}, needs {wanted}"
        assert not any(found[len(wanted) :]), f"{name} of layers that do not exist: {found}"
    passed = after["total_cycles"][0] - before["total_cycles"][0]
    for states in zip(after["busy"], after["starved"], after["blocked"], strict=True):
        assert sum(states) <= after["total_cycles"][0]
    assert passed > await bench.read("cycles")


@cocotb.test()
async def reset_in_a_run(dut: Any) -> None:
    """After a reset at any moment the kernel works."""
    bench = await started(dut)
    for _ in range(4):
        assert await bench.load() == Status.OK
        await bench.begin(bench.job.count)
        await ClockCycles(dut.ap_clk, bench.random.randrange(1, 400))
        await bench.reset()
        assert await bench.read("control") == Control.IDLE
        await bench.begin(1)
        assert await bench.finish() == Status.NO_PARAMETERS
    assert await bench.load() == Status.OK
    await bench.begin(bench.job.count)
    assert await bench.finish() == Status.OK
    bench.check(bench.job.count)
