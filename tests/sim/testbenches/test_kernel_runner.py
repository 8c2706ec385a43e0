"""The whole kernel of the tiny network, from memory to memory, against the golden model."""

import pytest

from hw.contract.folding import plans
from hw.contract.presets import folding, network
from hw.kernel.kernel import Kernel
from sim.golden.random_network import random_images, random_quantized
from sim.testbenches.kernel_runner import run_kernel_bench

WORDS = 30


def test_the_tiny_kernel_passes_its_bench(tmp_path):
    quantized = random_quantized(network("tiny"), 3)
    machine = folding("tiny", "fast", "small")
    images = random_images(quantized.network, WORDS, 5)
    outcome = run_kernel_bench(quantized, machine, images, tmp_path)
    assert outcome.failures == {}
    assert outcome.measured is not None
    assert outcome.measured.bus_latency - outcome.measured.latency == Kernel.INWARD + Kernel.OUTWARD
    slowest = max(plan.cycles for plan in plans(quantized.network, machine))
    assert outcome.measured.interval == pytest.approx(slowest, rel=0.02)
