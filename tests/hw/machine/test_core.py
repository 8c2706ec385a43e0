"""The core end to end: random machines in Verilated RTL against the golden model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    Plan,
    ScatterFolding,
    ScatterPlan,
    plans,
)
from twofold.hw.contract.network import Complementary, Conv2d, Dense, Linear, Network, Taps
from twofold.hw.contract.parameters import ParameterStatus
from twofold.sim.compare import mismatches
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sim.workloads.random_network import (
    random_folding,
    random_inputs,
    random_network,
    random_quantized,
)
from twofold.sw.golden.model import Golden, forward
from twofold.sw.pack.packer import pack

SAMPLES = 12

LABELS = ("a", "b", "c", "d", "e")
SMALL = Network(
    name="small",
    input_shape=(1, 8, 8),
    layers=(
        Conv2d(out_channels=6, kernel=(3, 3), pool=2, k=2, sparsity=Taps((5, 4, 3, 3, 2, 1))),
        Conv2d(out_channels=10, kernel=(2, 2), k=3, sparsity=Complementary(4), multiplier=True),
        Linear(out_features=13, k=5, sparsity=Complementary(4)),
        Linear(out_features=5, sparsity=Dense()),
    ),
    labels=LABELS,
    zero_point=7,
)
SMALL_FOLDING = Folding(
    (
        GatherFolding(rows=1, cols=3, streams=2),
        ScatterFolding(rows=2, engines=3, lanes=2),
        ScatterFolding(engines=2, lanes=2, drain=2),
        ScatterFolding(engines=2, lanes=5, drain=1),
    ),
    input_bytes=16,
    frames=3,
)


def wrong_layers(machine: SimulatedMachine, logits: np.ndarray, golden: Golden) -> dict[str, int]:
    """Activations and logits that differ, by layer, where any do."""
    counts = mismatches(machine.plans, [*machine.activations(), logits], golden)
    return {name: int(count.sum()) for name, count in counts.items() if count.any()}


@pytest.fixture(scope="module")
def small(build_cache: Path) -> Iterator[SimulatedMachine]:
    with SimulatedMachine.build(SMALL, SMALL_FOLDING, build_cache, probes=True) as machine:
        yield machine


@pytest.mark.parametrize("seed", [0, 5])
def test_random_machines_equal_the_golden_model(build: Path, seed: int):
    network = random_network(seed)
    folding = random_folding(network, seed)
    quantized = random_quantized(network, seed)
    images = random_inputs(network, SAMPLES, seed)
    golden = forward(quantized, images)
    with SimulatedMachine.build(network, folding, build, probes=True) as machine:
        assert machine.load(pack(quantized, folding)) == ParameterStatus.OK
        for gap, stall in ((0.0, 0.0), (0.4, 0.0), (0.0, 0.9), (0.5, 0.5)):
            run = machine.run(images, seed=seed + 1, gap=gap, stall=stall)
            assert wrong_layers(machine, run.logits, golden) == {}
            assert (run.labels is None) == (golden.labels is None) == (not network.labels)
            assert golden.labels is None or (run.labels == golden.labels).all()


def test_counters_equal_the_golden_model(small: SimulatedMachine):
    """Multiplications and activations of every layer, whatever the gaps; steps as planned."""
    quantized = random_quantized(SMALL, 7)
    assert small.load(pack(quantized, SMALL_FOLDING)) == ParameterStatus.OK
    images = random_inputs(SMALL, SAMPLES, 7)
    golden = forward(quantized, images)
    for gap, stall in ((0.0, 0.0), (0.5, 0.9)):
        before = small.counters()
        small.run(images, seed=2, gap=gap, stall=stall)
        after = small.counters()
        found = {name: np.subtract(after[name], before[name]) for name in before}
        assert found["multiplications"].tolist() == golden.multiplications.sum(axis=0).tolist()
        assert found["nonzero"].tolist() == [*golden.nonzero.sum(axis=0), 0]
        planned = [SAMPLES * plan.passes * plan.steps for plan in small.plans if not streamed(plan)]
        assert found["busy"][: len(planned)].tolist() == planned
        everything = found["busy"] + found["starved"] + found["blocked"]
        assert (everything <= found["total_cycles"]).all()
        assert found["starved"][0] > 0


def streamed(plan: Plan) -> bool:
    return isinstance(plan, ScatterPlan) and plan.streamed


def test_an_image_waits_until_the_samples_before_it_are_out(build: Path):
    """Two images with other weights, the second right behind the last sample of the first."""
    images = random_inputs(SMALL, SAMPLES, 9)
    with SimulatedMachine.build(SMALL, SMALL_FOLDING, build, probes=True) as machine:
        first, second = random_quantized(SMALL, 5), random_quantized(SMALL, 6)
        assert machine.load(pack(first, SMALL_FOLDING)) == ParameterStatus.OK
        run = machine.run(images, behind=pack(second, SMALL_FOLDING))
        assert wrong_layers(machine, run.logits, forward(first, images)) == {}
        run = machine.run(images)
        assert wrong_layers(machine, run.logits, forward(second, images)) == {}


def test_samples_follow_each_other_as_planned(small: SimulatedMachine):
    quantized = random_quantized(SMALL, 3)
    assert small.load(pack(quantized, SMALL_FOLDING)) == ParameterStatus.OK
    images = random_inputs(SMALL, 40, 3)
    run = small.run(images)
    planned = max(plan.cycles for plan in plans(SMALL, SMALL_FOLDING))
    assert run.cycles_per_sample == planned
    again = small.run(images)
    assert (again.finished == run.finished).all(), "cycles depend on what was there before"
    other = small.run(np.zeros_like(images))
    assert other.cycles_per_sample == planned, "cycles depend on the data"


def test_weights_are_loaded_at_run_time(small: SimulatedMachine):
    images = random_inputs(SMALL, SAMPLES, 8)
    for seed in (5, 6, 5):
        quantized = random_quantized(SMALL, seed)
        assert small.load(pack(quantized, SMALL_FOLDING)) == ParameterStatus.OK
        run = small.run(images, seed=seed, gap=0.1, stall=0.1)
        assert wrong_layers(small, run.logits, forward(quantized, images)) == {}


def test_no_sample_without_a_good_image(build: Path):
    quantized = random_quantized(SMALL, 1)
    image = pack(quantized, SMALL_FOLDING)
    images = random_inputs(SMALL, 2, 1)
    with SimulatedMachine.build(SMALL, SMALL_FOLDING, build, probes=True) as machine:
        with pytest.raises(ToolError, match="0 beats of samples taken, 0 results"):
            machine.run(images)
        damaged = bytearray(image)
        damaged[len(image) // 2] ^= 1
        assert machine.load(bytes(damaged)) == ParameterStatus.BAD_CRC
        with pytest.raises(ToolError, match="0 results given"):
            machine.run(images)


def test_a_good_image_repairs_a_bad_one(small: SimulatedMachine):
    quantized = random_quantized(SMALL, 2)
    image = pack(quantized, SMALL_FOLDING)
    assert small.load(image[:64]) == ParameterStatus.BAD_LENGTH
    assert small.load(bytes([1]) + image[1:]) == ParameterStatus.BAD_MAGIC
    assert small.load(image) == ParameterStatus.OK
    images = random_inputs(SMALL, SAMPLES, 4)
    run = small.run(images)
    assert wrong_layers(small, run.logits, forward(quantized, images)) == {}
