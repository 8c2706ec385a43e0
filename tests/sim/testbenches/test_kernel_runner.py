"""Whole kernels, from memory to memory, against the golden model."""

import pytest

from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.contract.presets import folding, network
from twofold.hw.kernel.kernel import Kernel
from twofold.sim.testbenches.kernel_runner import run_kernel_bench
from twofold.sim.workloads.random_network import random_inputs, random_quantized, with_outputs

SAMPLES = 16
"""So many that their results cross a page."""


def test_the_tiny_kernel_passes_its_bench(build):
    quantized = random_quantized(network("tiny"), 3)
    machine = folding("tiny", "fast", "small")
    inputs = random_inputs(quantized.network, SAMPLES, 5)
    outcome = run_kernel_bench(quantized, machine, inputs, build)
    assert outcome.failures == {}
    assert outcome.measured is not None
    assert outcome.measured.bus_latency - outcome.measured.latency == Kernel.INWARD + Kernel.OUTWARD
    slowest = max(plan.cycles for plan in plans(quantized.network, machine))
    assert outcome.measured.interval == pytest.approx(slowest, rel=0.02)
    assert outcome.measured.window_interval == pytest.approx(slowest, rel=0.02)
    assert outcome.measured.window_bytes == 64


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 2])
def test_no_value_that_the_verilog_leaves_open_matters(build_cache, seed):
    quantized = random_quantized(network("tiny"), 3)
    inputs = random_inputs(quantized.network, SAMPLES, 5)
    machine = folding("tiny", "fast", "small")
    outcome = run_kernel_bench(quantized, machine, inputs, build_cache, unknown=seed)
    assert outcome.failures == {}


@pytest.mark.parametrize(("outputs", "labelled", "lanes"), [(16, False, 4), (35, True, 7)])
def test_kernels_of_other_results_pass_it_too(build, outputs, labelled, lanes):
    """Raw outputs, and rows of three beats that bursts and pages part anywhere."""
    conv, last = Conv2d(out_channels=4, kernel=(2, 2), stride=2, k=3), Linear(out_features=2)
    shape = Network("other", (1, 8, 16), (conv, last), ("a", "b"))
    quantized = random_quantized(with_outputs(shape, outputs, labelled=labelled), 3)
    layers = GatherFolding(cols=2), ScatterFolding(lanes=lanes, drain=lanes)
    machine = Folding(layers, input_bytes=4, frames=4)
    inputs = random_inputs(quantized.network, SAMPLES, 5)
    outcome = run_kernel_bench(quantized, machine, inputs, build)
    assert outcome.failures == {}
    assert outcome.measured is not None
    slowest = max(plan.cycles for plan in plans(quantized.network, machine))
    assert outcome.measured.interval == pytest.approx(slowest, rel=0.02)
    assert outcome.measured.window_interval == pytest.approx(slowest, rel=0.02)
    assert outcome.measured.window_bytes == 128
