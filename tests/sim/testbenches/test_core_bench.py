"""The core's test bench on results of several beats, with labels and raw: cocotb on Verilator."""

from pathlib import Path

import pytest

from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.verilog.machine import core_verilog
from twofold.sim.testbenches.job import Job
from twofold.sim.testbenches.runner import build_bench, run_bench
from twofold.sim.workloads.random_network import random_inputs, random_quantized, with_outputs
from twofold.sw.golden.model import forward

SAMPLES = 8
CONV = Conv2d(out_channels=4, kernel=(2, 2), stride=2, k=3)
SHAPE = Network("bench", (1, 4, 4), (CONV, Linear(out_features=2)), ("a", "b"))


@pytest.mark.parametrize(("outputs", "labelled"), [(35, False), (48, True)])
def test_results_of_several_beats(build: Path, tmp_path: Path, outputs: int, labelled: bool):
    network = with_outputs(SHAPE, outputs, labelled=labelled)
    layers = GatherFolding(cols=2), ScatterFolding(lanes=1)
    folding = Folding(layers, input_bytes=4, frames=4)
    quantized, inputs = random_quantized(network, 3), random_inputs(network, SAMPLES, 5)
    simulator = build_bench(core_verilog(network, folding, build, probes=True), build)
    outcome = run_bench(simulator, Job.create(tmp_path / "job", quantized, folding, inputs, 1))
    assert (outcome.failures, outcome.mismatches) == ({}, 0)
    golden = forward(quantized, inputs)
    for found in (outcome.back_to_back, outcome.under_stalls):
        assert [sample.logits for sample in found] == golden.logits.tolist()
        expected = [None] * SAMPLES if golden.labels is None else golden.labels.tolist()
        assert [sample.label for sample in found] == expected
