"""The whole kernel of the tiny network, from memory to memory, against the golden model."""

import pytest

from twofold.hw.contract.folding import plans
from twofold.hw.contract.presets import folding, network
from twofold.hw.kernel.kernel import Kernel
from twofold.sim.testbenches.kernel_runner import run_kernel_bench
from twofold.sim.workloads.random_network import random_inputs, random_quantized

SAMPLES = 30


def test_the_tiny_kernel_passes_its_bench(tmp_path):
    quantized = random_quantized(network("tiny"), 3)
    machine = folding("tiny", "fast", "small")
    inputs = random_inputs(quantized.network, SAMPLES, 5)
    outcome = run_kernel_bench(quantized, machine, inputs, tmp_path)
    assert outcome.failures == {}
    assert outcome.measured is not None
    assert outcome.measured.bus_latency - outcome.measured.latency == Kernel.INWARD + Kernel.OUTWARD
    slowest = max(plan.cycles for plan in plans(quantized.network, machine))
    assert outcome.measured.interval == pytest.approx(slowest, rel=0.02)
