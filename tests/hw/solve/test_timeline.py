"""The times of samples by rule against the RTL: every sample, to the cycle.

Those of random machines are compared in `tests/test_random_machines.py`.
"""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.folding import Folding, plans
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.solve.timeline import full_rows, latency, sample_times
from twofold.sim.rtl.rows import row_counts
from twofold.sim.rtl.simulated import SimulatedMachine
from twofold.sim.workloads.random_network import (
    random_folding,
    random_inputs,
    random_network,
    random_quantized,
)
from twofold.sw.golden.model import forward
from twofold.sw.pack.packer import pack

SAMPLES = 10


def mistimed_samples(network: Network, folding: Folding, seed: int, build: Path) -> list[tuple]:
    """Sample, and when it started and finished, by rule and in the RTL, where the two differ."""
    quantized, images = random_quantized(network, seed), random_inputs(network, SAMPLES, seed)
    golden = forward(quantized, images)
    with SimulatedMachine.build(network, folding, build, probes=True) as machine:
        assert machine.load(pack(quantized, folding)) == ParameterStatus.OK
        run = machine.run(images)
    times = sample_times(network, folding, row_counts(network, folding, golden))
    return [
        (sample, (mine.started, mine.finished), (int(started), int(finished)))
        for sample, (mine, started, finished) in enumerate(
            zip(times, run.started, run.finished, strict=True)
        )
        if (mine.started, mine.finished) != (started, finished)
    ]


@pytest.mark.parametrize("size", presets.SIZES)
def test_every_sample_of_a_sparse_machine(build: Path, size: str) -> None:
    network, folding = presets.network("tiny"), presets.folding("tiny", size=size)
    assert mistimed_samples(network, folding, 3, build) == []


def cycles_a_sample(seed: int, frames: int) -> tuple[float, int, int]:
    """Of a random machine in the steady state: cycles by the timeline; beats of a sample; and the
    cycles of the slowest layer, by plan.
    """
    network = random_network(seed)
    folding = replace(random_folding(network, seed), frames=frames)
    beats = -(-math.prod(network.input_shape) // folding.input_bytes)
    times = sample_times(network, folding, 40)
    slowest = max(plan.cycles for plan in plans(network, folding))
    return (times[-1].finished - times[19].finished) / 20, beats, slowest


def test_a_sample_takes_as_long_as_planned() -> None:
    """With enough frames no machine is slower than its slowest layer or its input, and nearly all
    are as fast as that; the plan of some layers allows for more winners than there can be.
    """
    found = [cycles_a_sample(seed, 8) for seed in range(40)]
    assert all(beats <= mean <= max(beats, slowest) for mean, beats, slowest in found)
    assert sum(mean == max(beats, slowest) for mean, beats, slowest in found) >= 35
    assert sum(beats >= slowest for _, beats, slowest in found) <= 10


def test_few_frames_are_slower_than_planned() -> None:
    """Which shows that the bound of the plan is one that can be missed."""
    found = [cycles_a_sample(seed, 2) for seed in range(40)]
    assert any(mean > max(beats, slowest) for mean, beats, slowest in found)


def test_full_speed() -> None:
    network, folding = presets.network("gsc"), presets.folding("gsc", size="full")
    times = sample_times(network, folding, 12)
    assert {late.finished - early.finished for early, late in pairwise(times)} == {100}
    assert latency(network, folding) == times[0].latency <= 700


@pytest.mark.parametrize("variant", presets.VARIANTS)
@pytest.mark.parametrize("name", presets.NETWORKS)
def test_full_presets_reach_their_plan(name: str, variant: str) -> None:
    network, folding = presets.network(name, variant), presets.folding(name, variant, "full")
    times = sample_times(network, folding, 40)
    planned = max(plan.cycles for plan in plans(network, folding))
    assert times[-1].finished - times[19].finished == 20 * planned


def test_spans_follow_each_other() -> None:
    network, folding = presets.network("gsc"), presets.folding("gsc", size="full")
    (sample,) = sample_times(network, folding)
    assert sample.spans[0].first == sample.started and sample.spans[-1].last == sample.finished
    assert all(span.first <= span.last for span in sample.spans)
    parts = [span for span in sample.spans if not span.name.endswith("load")]
    assert all(early.last < late.last for early, late in pairwise(parts))


def test_full_rows_hold_all_winners() -> None:
    plan = plans(presets.network("gsc"), presets.folding("gsc", size="full"))[2]
    rows = full_rows(plan)
    assert len(rows) == 1500 // plan.drain and sum(rows) == 150 and max(rows) == plan.drain
