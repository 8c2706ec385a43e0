"""The whole way: the tiny network through RTL, in both simulators, and what is said about it."""

import json
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import twofold.sim.simulate
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.contract.presets import folding
from twofold.hw.verilog.machine import core_verilog
from twofold.sim.report import show
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sim.testbenches.core_bench import Bench, Observed
from twofold.sim.testbenches.job import VARIABLE, Finding, Job
from twofold.sim.testbenches.runner import build_bench
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sim.workloads.samples import Workload
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.cli.options import EXIT_MISMATCH
from twofold.sw.cli.verbs import sim as cli
from twofold.sw.errors import ArtefactError
from twofold.sw.golden.model import Golden, forward

FOLDING = folding("tiny", "fast", "small")


@pytest.fixture(scope="module")
def tiny() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped("tiny", "fast"))


def run(build: Path, *options: str) -> int:
    parser = ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args(["--net", "tiny", "--build", str(build), *options]))


def report(build: Path) -> dict:
    return json.loads((build / "reports" / "sim.json").read_text())


def test_the_bench_checks_every_layer_of_every_sample(build: Path, capsys: pytest.CaptureFixture):
    assert run(build, "--samples", "10") == 0
    found = report(build)
    assert (found["samples"], found["mismatches"], found["failures"]) == (10, 0, {})
    assert found["variant"] == "fast"
    assert found["folding"] == "small"
    assert found["simulator"].startswith("cocotb")
    assert found["correct"] >= 9
    planned = max(plan.cycles for plan in plans(_network(), FOLDING))
    assert found["cycles_per_sample"] == pytest.approx(planned, rel=0.02)
    assert 0 < found["multiplications"] < found["multiplications_dense"]
    assert found["latency_cycles"] < 4 * planned
    rows = found["per_sample"]
    assert [row["mismatches"] for row in rows] == [0] * 10
    assert sum(row["label"] == row["expected"] for row in rows) == found["correct"]
    shown = capsys.readouterr().out
    assert "mismatches" in shown
    assert "10 of digits" in shown


def test_many_samples_go_through_the_library(build: Path, capsys: pytest.CaptureFixture):
    assert run(build, "--samples", "all", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    found = report(build)
    assert printed.items() <= found.items()
    assert found["samples"] == found["known"] > 300
    assert found["mismatches"] == 0
    assert found["simulator"].endswith("library")
    assert found["accuracy"] > 0.9
    assert found["samples_per_second"] > 0


def test_a_difference_is_found_and_fails(build: Path, monkeypatch: pytest.MonkeyPatch):
    def other(quantized: QuantizedNetwork, inputs: np.ndarray, **options: object) -> Golden:
        golden = forward(quantized, inputs, keep_activations=bool(options))
        golden.activations[1][5, 0, 0, 0] ^= 1
        golden.logits[70, 2] += 1
        return golden

    monkeypatch.setattr(twofold.sim.simulate, "forward", other)
    assert run(build, "--samples", "80") == EXIT_MISMATCH
    assert report(build)["mismatches"] == 2


def observed(machine: SimulatedMachine, inputs: np.ndarray) -> Observed:
    """What the bench would see of a run."""
    ran = machine.run(inputs)
    assert ran.labels is not None
    classes = ran.logits.shape[1]
    results = [
        sum((int(logit) & 0xFFFFFFFF) << 32 * at for at, logit in enumerate(logits))
        | int(label) << 32 * classes
        for logits, label in zip(ran.logits, ran.labels, strict=True)
    ]
    probes = [
        [int.from_bytes(beat.tobytes(), "little") for beat in machine.beats(index)]
        for index in range(len(machine.plans) - 1)
    ]
    cycles = list(range(len(inputs)))
    return Observed(started=cycles, finished=cycles, results=results, probes=probes)


def test_the_bench_fails_on_a_single_bit(
    build: Path, tmp_path: Path, tiny: QuantizedNetwork, monkeypatch: pytest.MonkeyPatch
):
    inputs = np.random.default_rng(1).integers(0, 241, (4, 1, 8, 8)).astype(np.uint8)
    with SimulatedMachine.build(tiny.network, FOLDING, build, probes=True) as machine:
        machine.load(twofold.sim.simulate.pack(tiny, FOLDING))
        seen = observed(machine, inputs)
        widths = [machine.beats(index).shape[1] * 8 for index in range(3)]
    job = Job.create(tmp_path, tiny, FOLDING, inputs, 1)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    ports = {f"probe_{index}__payload": "x" * width for index, width in enumerate(widths)}
    valids = {f"probe_{index}__valid": 0 for index in range(3)}
    bench = Bench(SimpleNamespace(**ports, **valids))
    bench.check("good", seen)
    assert [finding.mismatches for finding in job.read("good")] == [
        {"conv1": 0, "conv2": 0, "linear1": 0, "linear2": 0}
    ] * 4
    for layer, probe in (("conv1", 0), ("conv2", 1), ("linear1", 2)):
        beat = next(at for at, value in enumerate(seen.probes[probe]) if value >> 8 & 0xFF)
        wrong = [list(beats) for beats in seen.probes]
        wrong[probe][beat] ^= 1 << 8
        with pytest.raises(AssertionError, match=f"differs from the golden model in .*{layer}"):
            bench.check("bad", replace(seen, probes=wrong))
    results = [seen.results[0] ^ 1 << 33, *seen.results[1:]]
    with pytest.raises(AssertionError, match=r"sample 0 differs .*linear2"):
        bench.check("bad", replace(seen, results=results))
    label = [seen.results[0] ^ 1 << 32 * len(tiny.network.labels), *seen.results[1:]]
    with pytest.raises(AssertionError, match="sample 0: label"):
        bench.check("bad", replace(seen, results=label))


def test_findings_survive_the_file(tmp_path: Path):
    found = [Finding(label=3, logits=[-5, 7], started=1, finished=9, mismatches={"conv1": 2})]
    job = Job(tmp_path)
    job.write("test", found)
    assert job.read("test") == found
    assert job.read("other") == []


@pytest.mark.parametrize("samples", ["0", "-3", "many", "1.5"])
def test_a_number_of_samples_that_is_none(samples: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stopped:
        run(Path("unused"), f"--samples={samples}")
    assert stopped.value.code == 2
    assert f"--samples: '{samples}': needs a whole number" in capsys.readouterr().err


def test_a_missing_network(tmp_path: Path):
    parser = ArgumentParser()
    cli.add_arguments(parser)
    options = ["--build", str(tmp_path), "--network", str(tmp_path / "none.npz")]
    with pytest.raises(ArtefactError):
        cli.run(parser.parse_args(options))
    assert list(tmp_path.iterdir()) == []


TWICE = """
import json, sys
from pathlib import Path
from twofold.hw.contract.presets import folding
from twofold.sw.artefacts.shipped import shipped
from twofold.sim.simulate import simulate
from twofold.sim.workloads.random_network import random_inputs
from twofold.sim.workloads.samples import Workload
from twofold.sw.artefacts import QuantizedNetwork

tiny = QuantizedNetwork.load(shipped("tiny", "fast"))
inputs = random_inputs(tiny.network, 6, int(sys.argv[2]))
samples = Workload("random", inputs, [""] * 6, [None] * 6)
found = simulate(tiny, folding("tiny", "fast", "small"), samples, Path(sys.argv[1]))
print(json.dumps([[sample.label for sample in found.samples], found.failures]))
"""


def test_two_runs_in_one_build_folder_keep_their_results_apart(build: Path, tiny: QuantizedNetwork):
    """Real processes on one simulator, at the same time, with samples of their own."""
    build_bench(core_verilog(tiny.network, FOLDING, build, probes=True), build)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWICE, str(build), str(seed)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(2)
    ]
    try:
        for seed, process in enumerate(processes):
            out, _ = process.communicate(timeout=300)
            labels, failures = json.loads(out.splitlines()[-1])
            golden = forward(tiny, random_inputs(tiny.network, 6, seed))
            assert golden.labels is not None
            assert labels == [tiny.network.labels[label] for label in golden.labels]
            assert failures == {}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert list((build / "run").iterdir()) == []


def _network():
    return QuantizedNetwork.load(shipped("tiny", "fast")).network


def _raw_outputs(samples: int) -> tuple[QuantizedNetwork, Folding, Workload]:
    conv = Conv2d(out_channels=4, kernel=(2, 2), stride=2, k=3)
    network = Network("raw", (1, 4, 4), (conv, Linear(out_features=20)), ())
    layers = GatherFolding(cols=2), ScatterFolding(lanes=5)
    inputs = random_inputs(network, samples, 3)
    names = [str(at) for at in range(samples)]
    workload = Workload("noise", inputs, names, [None] * samples)
    return random_quantized(network, 3), Folding(layers, input_bytes=4, frames=4), workload


def test_samples_of_many_cycles_go_through_the_library(build: Path, monkeypatch):
    quantized, machine, workload = _raw_outputs(2)
    cycles = max(plan.cycles for plan in plans(quantized.network, machine))
    monkeypatch.setattr(twofold.sim.simulate, "BENCH_CYCLES", 2 * cycles)
    found = twofold.sim.simulate.simulate(quantized, machine, workload, build)
    assert found.figures["simulator"].endswith("as a library")
    assert found.passed and len(found.samples) == 2


def test_raw_outputs_are_simulated_and_shown_without_labels(build: Path):
    """Through the library, which is what many samples go through; one number is then made wrong."""
    many = twofold.sim.simulate.BENCH_SAMPLES + 1
    found = twofold.sim.simulate.simulate(*_raw_outputs(many), build)
    assert found.passed and found.figures["mismatches"] == 0
    assert {(sample.label, sample.probability) for sample in found.samples} == {(None, None)}
    console = Console(record=True, width=120)
    few = replace(found, samples=found.samples[:3], figures=found.figures | {"machine": "own"})
    show(few, console)
    text = console.export_text()
    assert "raw outputs" in text and "mismatches" in text
