"""The kernel's cocotb bench on Verilator, around the stand-in for the machine."""

import random
import struct

from hw.contract.image import MAGIC
from hw.contract.regs import KERNEL_NAME
from hw.kernel.kernel import Kernel
from hw.kernel.top import CLOCK, RESET, kernel_ports, kernel_verilog
from sim.testbenches.kernel_job import BENCH, TESTS, VARIABLE, KernelJob
from sim.testbenches.runner import build_simulator, run_tests

PIXELS, PAUSE, WORDS, KEY = 1024, 60, 40, 77


def make_job(directory):
    rng = random.Random(8)
    words = [MAGIC, KEY, *(rng.getrandbits(32) for _ in range(189))]
    parity = 0
    for word in words:
        parity ^= word
    images = [rng.randbytes(PIXELS) for _ in range(WORDS)]
    sums = map(sum, images)
    results = [struct.pack("<4i44xI", total, -total, 0, KEY, total % 4) for total in sums]
    return KernelJob.create(
        directory,
        image=struct.pack("<192I", *words, parity),
        words=b"".join(images),
        results=b"".join(results),
    )


def test_every_test_of_the_bench_passes(sum_core, tmp_path):
    kernel = Kernel(sum_core(pixels=PIXELS, pause=PAUSE, numbered=False))
    verilog = tmp_path / "kernel.v"
    verilog.write_text(kernel_verilog(kernel))
    ports = (CLOCK, RESET, *(port.name for port in kernel_ports(kernel)))
    simulator = build_simulator(verilog, KERNEL_NAME, ports, tmp_path / "kernel")
    job = make_job(tmp_path / "job")
    environment = {VARIABLE: str(job.directory)}
    failures = run_tests(simulator, KERNEL_NAME, BENCH, TESTS, job.directory, environment, job.seed)
    assert failures == {}
    measured = job.read("speed")
    assert round(measured.interval) == PIXELS // 64 + PAUSE + 1
    assert measured.bus_latency - measured.latency < 10
