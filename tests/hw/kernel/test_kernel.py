# amaranth: UnusedElaboratable=no
"""The kernel between host and memory, around a stand-in for the machine."""

import random
import struct
from typing import Any

import pytest
from amaranth.hdl import *
from amaranth.sim import Simulator

from twofold.hw.contract import regs
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.parameters import LENGTH_MAX, MAGIC, ParameterStatus
from twofold.hw.contract.regs import Control, Operation, Status
from twofold.hw.kernel.axi import Response
from twofold.hw.kernel.kernel import Kernel

IMAGE, INPUT, OUTPUT = 0x0C40, 0x2F80, 0xAE40
IMAGE_BYTES = 192
KEY = 0x5EED


def image(*, magic=MAGIC, damage=0):
    samples = [magic, KEY, *range(45)]
    parity = 0
    for sample in samples:
        parity ^= sample
    return struct.pack("<48I", *samples, parity ^ damage)


class Bench:
    """A kernel with memory and host; ``play`` runs a coroutine against them."""

    def __init__(self, core, memory, host):
        self.kernel = Kernel(core)
        self.core, self.memory = core, memory
        self.host = host(self.kernel.s_axi_control)
        memory.bytes[IMAGE : IMAGE + IMAGE_BYTES] = image()

    def play(self, bench, watch=None, top=None):
        sim = Simulator(top or self.kernel)
        sim.add_clock(1e-8)
        self.memory.attach(sim, self.kernel.m_axi_gmem)
        sim.add_testbench(bench)
        if watch is not None:
            sim.add_testbench(watch, background=True)
        sim.run()

    async def load(self, ctx, **changes):
        arguments = {"operation": Operation.LOAD, "image": IMAGE, "parameter_bytes": IMAGE_BYTES}
        return await self.host.run(ctx, **{**arguments, **changes})

    def samples(self, count, **changes):
        self.memory.written.clear()
        arguments = {"operation": Operation.RUN, "input": INPUT, "output": OUTPUT, "samples": count}
        return {**arguments, **changes}

    async def run(self, ctx, count, **changes):
        return await self.host.run(ctx, **self.samples(count, **changes))

    def check(self, count, *, first=0, output=OUTPUT, source=INPUT, stride=None):
        """The results in memory are those of ``count`` samples, numbered from ``first``."""
        network = self.core.network
        size, stride = regs.sample_bytes(network), stride or regs.sample_stride(network)
        count_of, labels = network.outputs, bool(network.labels)
        length = 64 * -(-(count_of + labels) // 16)
        for index in range(count):
            at = source + index * stride
            total = sum(self.memory.bytes[at : at + size])
            wanted = [total, -total, first + index, KEY, *(total + at for at in range(4, count_of))]
            row = struct.pack(f"<{count_of}i", *wanted)
            tail = struct.pack("<I", total % 4) if labels else b""
            begin = output + length * index
            found = self.memory.bytes[begin : begin + length]
            assert found == row.ljust(length - len(tail), b"\0") + tail


@pytest.fixture
def make_bench(sum_core, axi_memory, axi_host):
    def make(*, memory=None, **core):
        return Bench(sum_core(**core), axi_memory(**(memory or {})), axi_host)

    return make


@pytest.mark.parametrize("memory", [{}, {"latency": 60, "busy": 0.5}])
@pytest.mark.parametrize(
    "core",
    [
        {"pixels": 256},
        {"pixels": 1024, "pause": 0},
        {"pixels": 64, "input_bytes": 8},
        {"pixels": 136, "input_bytes": 8, "pause": 40},
        {"pixels": 256, "input_bytes": 128},
    ],
)
def test_samples_go_from_memory_to_memory(make_bench, memory, core):
    bench = make_bench(memory=memory, **core)

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 21) == Status.OK
        bench.check(21)
        assert await bench.run(ctx, 1, output=OUTPUT + 8192) == Status.OK
        bench.check(1, first=21, output=OUTPUT + 8192)
        assert await bench.host.read(ctx, "results") == 1
        assert await bench.host.read(ctx, "runs") == 3
        assert await bench.host.read(ctx, "failures") == 0

    bench.play(play)


@pytest.mark.parametrize("memory", [{}, {"latency": 60, "busy": 0.5}])
@pytest.mark.parametrize(
    ("outputs", "labelled"), [(15, True), (16, True), (16, False), (35, True), (100, False)]
)
def test_results_take_as_many_beats_as_they_need(make_bench, memory, outputs, labelled):
    """Runs begin anywhere in a page; rows cross pages, bursts do not, which the memory checks."""
    bench = make_bench(memory=memory, pixels=64, pause=0, outputs=outputs, labelled=labelled)

    async def play(ctx):
        assert await bench.host.read(ctx, "outputs") == outputs | (0 if labelled else 1 << 31)
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 21) == Status.OK
        bench.check(21)
        assert await bench.host.read(ctx, "results") == 21
        assert await bench.run(ctx, 2, output=OUTPUT + 8192 + 64) == Status.OK
        bench.check(2, first=21, output=OUTPUT + 8192 + 64)
        assert await bench.host.read(ctx, "results") == 2
        assert await bench.host.read(ctx, "failures") == 0

    bench.play(play)


def test_identity_is_told(make_bench):
    bench = make_bench(pixels=72, input_bytes=8)
    core = bench.core

    async def play(ctx):
        told = await bench.host.read(ctx, "fingerprint")
        assert told.to_bytes(32, "little") == fingerprint(core.network, core.folding)
        assert await bench.host.read(ctx, "version") == regs.KERNEL_VERSION
        assert await bench.host.read(ctx, "geometry") == 72
        assert await bench.host.read(ctx, "outputs") == 4
        assert await bench.host.read(ctx, "status") == Status.NONE

    bench.play(play)


def test_bad_arguments_end_the_run_and_the_next_one_works(make_bench):
    bench = make_bench()

    async def play(ctx):
        assert await bench.run(ctx, 3) == Status.NO_PARAMETERS
        for length in (0, 65, LENGTH_MAX + 64, 0xFFFFFFC1):
            assert await bench.load(ctx, parameter_bytes=length) == Status.BAD_LENGTH
        assert await bench.load(ctx, image=IMAGE + 4) == Status.BAD_ALIGNMENT
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 3, operation=2) == Status.BAD_OPERATION
        assert await bench.run(ctx, 3, operation=1 << 31) == Status.BAD_OPERATION
        assert await bench.run(ctx, 0) == Status.BAD_SAMPLES
        assert await bench.run(ctx, 3, input=INPUT + 32) == Status.BAD_ALIGNMENT
        assert await bench.run(ctx, 3, output=OUTPUT + 1) == Status.BAD_ALIGNMENT
        for stride in (1, 63, 96, 0xFFFFFFFF):
            assert await bench.run(ctx, 3, stride=stride) == Status.BAD_STRIDE
        assert bench.memory.writes == []
        assert await bench.host.read(ctx, "failures") == 15
        assert await bench.run(ctx, 3, stride=0) == Status.OK
        bench.check(3)

    bench.play(play)


@pytest.mark.parametrize(
    ("samples", "stride", "span"),
    [
        (1, 0, 256),
        (3, 0, 768),
        (3, 64, 384),
        (5, 192, 1024),
        (2, 0xFFFFFFC0, 0x1_0000_00C0),
        (0xFFFFFFFF, 0xFFFFFFC0, 0xFFFFFFFE * 0xFFFFFFC0 + 256),
    ],
)
def test_a_run_stays_within_its_extent(make_bench, samples, stride, span):
    """A beat too few is refused before anything is read; what fits goes on to the next rule."""
    bench = make_bench()
    assert span == regs.span_bytes(256, samples, stride)

    async def play(ctx):
        run = {"stride": stride}
        for extent in (1, 64, span - 64, span - 1):
            if extent < min(span, 1 << 64):
                assert await bench.run(ctx, samples, extent=extent, **run) == Status.BAD_RANGE
        for extent in (0, span, span + 64):
            if extent < 1 << 64:
                assert await bench.run(ctx, samples, extent=extent, **run) == Status.NO_PARAMETERS
        assert bench.memory.reads == []
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 3, stride=64, extent=320) == Status.BAD_RANGE
        assert await bench.run(ctx, 3, stride=64, extent=384) == Status.OK
        bench.check(3, stride=64)

    bench.play(play)


@pytest.mark.parametrize("memory", [{}, {"latency": 60, "busy": 0.5}])
@pytest.mark.parametrize(
    "core",
    [
        {"pixels": 256},
        {"pixels": 64, "input_bytes": 8},
        {"pixels": 136, "input_bytes": 8, "pause": 40},
        {"pixels": 256, "input_bytes": 128},
    ],
)
def test_samples_may_overlap_or_lie_apart(make_bench, memory, core):
    bench = make_bench(memory=memory, **core)
    own = regs.sample_stride(bench.core.network)

    async def play(ctx):
        first = 0
        assert await bench.load(ctx) == Status.OK
        for stride in (64, 128, own, 0, own + 192):
            assert await bench.run(ctx, 21, stride=stride) == Status.OK
            bench.check(21, first=first, stride=stride or own)
            assert await bench.host.read(ctx, "results") == 21
            first += 21
        assert await bench.host.read(ctx, "failures") == 0

    bench.play(play)


def test_overlapping_samples_cost_no_cycles_behind_300(make_bench):
    bench = make_bench(memory={"latency": 300}, pixels=1024, pause=16)
    cycles = {}

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        for stride in (0, 64):
            bench.memory.reads.clear()
            assert await bench.run(ctx, 24, stride=stride) == Status.OK
            cycles[stride] = await bench.host.read(ctx, "cycles")
            assert sum(beats for _, beats in bench.memory.reads) == 24 * 16
            assert await bench.host.read(ctx, "input_stalls") == 0

    bench.play(play)
    assert abs(cycles[64] - cycles[0]) < 8, cycles


def test_a_reset_in_a_run_leaves_nothing_behind(make_bench):
    """The memory answers what was asked before the reset, reads and writes, to a kernel that has
    forgotten it. The counts and sums of the next run are right.
    """
    bench = make_bench(memory={"latency": 90}, pixels=256, pause=0)
    top = Module()
    domain: Any = ClockDomain("sync")
    top.domains += domain
    top.submodules.kernel = bench.kernel
    rng = random.Random(3)

    async def play(ctx):
        for _ in range(6):
            assert await bench.load(ctx) == Status.OK
            await bench.host.start(ctx, **bench.samples(60, output=OUTPUT + 8192))
            await ctx.tick().repeat(rng.randrange(20, 500))
            ctx.set(domain.rst, 1)
            for _ in range(rng.choice((1, 4, 30))):
                await ctx.tick()
            ctx.set(domain.rst, 0)
            assert await bench.host.read(ctx, "control") == Control.IDLE
            assert await bench.load(ctx) == Status.OK
            assert await bench.run(ctx, 5) == Status.OK
            bench.check(5)
            assert await bench.host.read(ctx, "runs") == 2

    bench.play(play, top=top)


def test_bad_images_are_told_and_leave_none_loaded(make_bench):
    bench = make_bench(memory={"latency": 9, "busy": 0.2})

    def place(content):
        bench.memory.bytes[IMAGE : IMAGE + IMAGE_BYTES] = content

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        place(image(magic=1))
        assert await bench.load(ctx) == Status.PARAMETERS_BAD_MAGIC
        assert await bench.host.read(ctx, "parameter_status") == ParameterStatus.BAD_MAGIC
        assert await bench.run(ctx, 3) == Status.NO_PARAMETERS
        place(image(damage=8))
        assert await bench.load(ctx) == Status.PARAMETERS_BAD_CRC
        place(image())
        assert await bench.load(ctx, parameter_bytes=128) == Status.PARAMETERS_BAD_CRC
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 3) == Status.OK
        bench.check(3)

    bench.play(play)


@pytest.mark.parametrize(
    ("code", "status"),
    [(Response.SLVERR, Status.READ_SLVERR), (Response.DECERR, Status.READ_DECERR)],
)
def test_read_errors_end_the_run_and_the_next_one_works(make_bench, code, status):
    bench = make_bench(memory={"latency": 40, "busy": 0.1})
    broken = set()
    bench.memory.response = lambda address: code if address in broken else Response.OKAY

    async def play(ctx):
        broken.add(IMAGE + 64)
        assert await bench.load(ctx) == status
        assert await bench.run(ctx, 3) == Status.NO_PARAMETERS
        broken.clear()
        assert await bench.load(ctx) == Status.OK
        for sample, beat in ((0, 0), (5, 3), (99, 3)):
            broken.add(INPUT + 256 * sample + 64 * beat)
            assert await bench.run(ctx, 100) == status
            done = await bench.host.read(ctx, "results")
            assert sample < done <= 100
            bench.check(done, first=number(done))
            broken.clear()
            assert await bench.run(ctx, 3) == Status.OK
            bench.check(3, first=number(3))

    def number(count):
        """Number of the first sample of the last run, from the core's own count."""
        last = bench.memory.bytes[OUTPUT + 64 * (count - 1) + 8 : OUTPUT + 64 * (count - 1) + 12]
        return int.from_bytes(last, "little") - count + 1

    bench.play(play)


@pytest.mark.parametrize(
    ("place", "status"), [("input", Status.READ_DECERR), ("output", Status.WRITE_DECERR)]
)
def test_a_huge_run_on_missing_memory_ends_soon(make_bench, place, status):
    bench = make_bench()
    bench.memory.response = lambda address: Response.DECERR if address >= 1 << 40 else 0

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 0xFFFFFFFF, **{place: 1 << 40}) == status
        assert await bench.host.read(ctx, "cycles") < 6000

    bench.play(play)


@pytest.mark.parametrize(
    ("code", "status"),
    [(Response.SLVERR, Status.WRITE_SLVERR), (Response.DECERR, Status.WRITE_DECERR)],
)
def test_write_errors_end_the_run_and_the_next_one_works(make_bench, code, status):
    bench = make_bench(memory={"latency": 10})
    broken = set()
    bench.memory.response = lambda address: code if address // 1024 in broken else Response.OKAY

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        broken.add(OUTPUT // 1024)
        assert await bench.run(ctx, 90) == status
        broken.clear()
        assert await bench.run(ctx, 90) == Status.OK

    bench.play(play)


def test_the_next_run_queues_while_one_runs(make_bench):
    bench = make_bench(pause=50)
    host = bench.host

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        await host.start(ctx, **bench.samples(8))
        assert await host.read(ctx, "control") == Control.READY
        await host.start(ctx, **bench.samples(4, output=OUTPUT + 4096))
        assert await host.read(ctx, "control") == Control.START
        assert await host.finish(ctx) == Status.OK
        bench.check(8)
        assert not await host.read(ctx, "control") & (Control.IDLE | Control.DONE)
        assert await host.finish(ctx) == Status.OK
        bench.check(4, first=8, output=OUTPUT + 4096)
        assert await host.read(ctx, "control") == Control.IDLE

    bench.play(play)


def test_an_unacknowledged_end_holds_the_next_one(make_bench):
    bench = make_bench()
    host = bench.host

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        await host.start(ctx, **bench.samples(5))
        await host.start(ctx, **bench.samples(2, output=OUTPUT + 4096))
        for _ in range(100):
            await host.read(ctx, "runs")
        assert await host.read(ctx, "runs") == 2
        assert await host.read(ctx, "results") == 5
        bench.check(2, first=5, output=OUTPUT + 4096)
        assert await host.finish(ctx) == Status.OK
        assert await host.finish(ctx) == Status.OK
        assert await host.read(ctx, "results") == 2

    bench.play(play)


def test_the_machine_never_waits_behind_a_latency_of_300_cycles(make_bench):
    bench = make_bench(memory={"latency": 300}, pixels=1024, pause=16)
    samples = 24

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, samples) == Status.OK
        told = {name: await bench.host.read(ctx, name) for name in ("cycles", "latency")}
        assert await bench.host.read(ctx, "input_stalls") == 0
        assert await bench.host.read(ctx, "output_stalls") == 0
        assert told["cycles"] < 34 * samples + 2 * 300 + 60
        assert 16 + 16 < told["latency"] < 16 + 16 + 6

    bench.play(play)


def test_latencies_are_those_of_the_documentation(make_bench):
    bench = make_bench(pixels=64)
    bus, core, control = bench.kernel.m_axi_gmem, bench.core, bench.kernel.s_axi_control
    events = {
        "start": control.wvalid & control.wready,
        "request": bus.arvalid,
        "data": bus.rvalid,
        "input": core.i.valid,
        "output": core.o.valid & core.o.ready,
        "result": bus.wvalid,
    }
    seen: dict[str, list[int]] = {name: [] for name in events}

    async def watch(ctx):
        now = 0
        while True:
            *_, start, request, data, taken, output, result = await ctx.tick().sample(
                *events.values()
            )
            for name, happens in zip(
                events, (start, request, data, taken, output, result), strict=True
            ):
                if happens:
                    seen[name].append(now)
            now += 1

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        for times in seen.values():
            times.clear()
        assert await bench.run(ctx, 1) == Status.OK
        last_write = max(at for at in seen["start"] if at < seen["request"][0])
        assert seen["request"][0] - last_write == Kernel.REQUEST
        assert seen["input"][0] - seen["data"][0] == Kernel.INWARD
        assert seen["result"][0] - seen["output"][0] == Kernel.OUTWARD

    bench.play(play, watch)


def test_waiting_is_counted(make_bench):
    bench = make_bench(memory={"latency": 5, "busy": 0.9}, pixels=1024, pause=0)

    async def play(ctx):
        assert await bench.load(ctx) == Status.OK
        assert await bench.run(ctx, 8) == Status.OK
        assert await bench.host.read(ctx, "input_stalls") > 8 * 16 * 4

    bench.play(play)


def test_long_mixed_sessions_end_well(make_bench):
    rng = random.Random(4)
    bench = make_bench(memory={"latency": 20, "busy": 0.3}, pause=7)

    async def play(ctx):
        first = 0
        assert await bench.load(ctx) == Status.OK
        for _ in range(6):
            count, source = rng.randrange(1, 40), 0x2000 + 64 * rng.randrange(256)
            output = OUTPUT + 64 * rng.randrange(100)
            assert await bench.run(ctx, count, input=source, output=output) == Status.OK
            bench.check(count, first=first, source=source, output=output)
            first += count

    bench.play(play)


def test_shapes_that_do_not_fit_64_byte_beats_are_refused(sum_core):
    with pytest.raises(FoldingError, match="input_bytes is 48"):
        Kernel(sum_core(pixels=96, input_bytes=48))
    with pytest.raises(FoldingError, match="the 72 bytes of a sample"):
        Kernel(sum_core(pixels=72, input_bytes=16))
