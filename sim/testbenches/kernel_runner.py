"""Runs the kernel's test bench, from memory to memory, against results of the golden model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.cache import run_folder
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.regs import (
    BEAT_BYTES,
    KERNEL_NAME,
    sample_bytes,
    sample_stride,
)
from twofold.hw.contract.results import result_row
from twofold.hw.kernel.top import CLOCK, RESET
from twofold.hw.verilog.kernel import machine_kernel
from twofold.hw.verilog.writer import Verilog
from twofold.sim.testbenches.kernel_job import BENCH, TESTS, VARIABLE, KernelJob, Measured
from twofold.sim.testbenches.runner import build_simulator, run_tests
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.rows import fill_rows, strided
from twofold.sw.golden.model import forward
from twofold.sw.pack.packer import pack

UNIQUE = ("--x-initial", "unique", "--x-assign", "unique")
RANDOM_RESET = "+verilator+rand+reset+2"


@dataclass(frozen=True)
class KernelOutcome:
    """What the test bench found.

    Attributes
    ----------
    measured: figures of the run with a memory latency of 300 cycles.
    failures: messages of failed tests by name; empty if all passed.
    """

    measured: Measured | None
    failures: dict[str, str]


def run_kernel_bench(
    quantized: QuantizedNetwork,
    folding: Folding,
    inputs: NDArray[np.uint8],
    build: Path,
    report: Report = silent,
    *,
    unknown: int | None = None,
) -> KernelOutcome:
    """Build the kernel and run every test of its bench with these inputs (at least two).

    ``unknown``: if not None, what the Verilog gives no initial value, and what it leaves open, is
    random, with this as the seed; otherwise it is whatever is fastest.

    Raises FoldingError or ToolError.
    """
    kernel = machine_kernel(quantized.network, folding, build, report=report)
    simulator = build_kernel_bench(kernel, build, report, unknown=unknown is not None)
    options = () if unknown is None else (RANDOM_RESET, f"+verilator+seed+{unknown}")
    with run_folder(build / "run", simulator.name) as folder:
        job = create_job(quantized, folding, inputs, folder.path)
        outcome = run_job(simulator, job, options)
        folder.kept = bool(outcome.failures)
    return outcome


def build_kernel_bench(
    kernel: Verilog, build: Path, report: Report = silent, *, unknown: bool = False
) -> Path:
    """Folder with the simulator of a kernel, built once for the same content. Raises ToolError.

    ``unknown``: whether values that the Verilog leaves open can be random.
    """
    name = kernel.path.parent.name.rpartition("-")[0]
    ports = (CLOCK, RESET, *(port.name for port in kernel.ports))
    target, flags = build / "bench" / name, UNIQUE if unknown else ()
    return build_simulator(kernel.path, KERNEL_NAME, ports, target, report, flags=flags)


def create_job(
    quantized: QuantizedNetwork, folding: Folding, inputs: NDArray[np.uint8], directory: Path
) -> KernelJob:
    """Image, samples and results as stored in the card's memory."""
    samples = samples_in_memory(quantized, inputs)
    stride = window_stride(quantized)
    return KernelJob.create(
        directory,
        image=pack(quantized, folding),
        samples=samples,
        results=results_in_memory(quantized, inputs),
        windows=results_in_memory(quantized, windows_in_memory(quantized, samples, stride)),
        stride=stride,
        count=len(inputs),
        counts=counts_of(quantized, inputs),
    )


def run_job(simulator: Path, job: KernelJob, options: Sequence[str] = ()) -> KernelOutcome:
    """Run every test of the bench on a simulator. Raises ToolError if it is cut short.

    ``options``: arguments for the simulator.
    """
    environment = {VARIABLE: str(job.directory.absolute())}
    failures = run_tests(
        simulator, KERNEL_NAME, BENCH, TESTS, job.directory, environment, job.seed, options
    )
    return KernelOutcome(None if "speed" in failures else job.read("speed"), failures)


def counts_of(quantized: QuantizedNetwork, inputs: NDArray[np.uint8]) -> dict[str, list[int]]:
    """What the golden model counts for ``inputs``, by register and layer."""
    golden = forward(quantized, inputs, keep_activations=False)
    return {
        "multiplications": golden.multiplications.sum(axis=0).tolist(),
        "nonzero": golden.nonzero.sum(axis=0).tolist(),
    }


def samples_in_memory(quantized: QuantizedNetwork, inputs: NDArray[np.uint8]) -> bytes:
    """Inputs as stored in memory, each sample padded to whole beats."""
    flat = inputs.reshape(len(inputs), sample_bytes(quantized.network))
    padded = np.zeros((len(inputs), sample_stride(quantized.network)), np.uint8)
    padded[:, : flat.shape[1]] = flat
    return padded.tobytes()


def window_stride(quantized: QuantizedNetwork) -> int:
    """The shortest step between windows, or where samples are that short, twice that."""
    return BEAT_BYTES if sample_stride(quantized.network) > BEAT_BYTES else 2 * BEAT_BYTES


def windows_in_memory(
    quantized: QuantizedNetwork, samples: bytes, stride: int
) -> NDArray[np.uint8]:
    """As many windows as fit the memory of all samples, ``stride`` bytes apart."""
    network = quantized.network
    count = (len(samples) - sample_stride(network)) // stride + 1
    memory = np.frombuffer(samples, np.uint8)
    return strided(memory, count, stride, sample_bytes(network)).reshape(
        count, *network.input_shape
    )


def results_in_memory(quantized: QuantizedNetwork, inputs: NDArray[np.uint8]) -> bytes:
    """The golden model's results for ``inputs``, as stored in memory."""
    golden = forward(quantized, inputs, keep_activations=False)
    row = result_row(quantized.network)
    rows = np.empty((len(inputs), row.columns), "<i4")
    fill_rows(rows, row, golden.logits, golden.labels)
    return rows.tobytes()
