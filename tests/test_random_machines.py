"""Machines of many shapes end to end: packed, loaded and run in Verilated RTL, every layer compared
with the golden model bit for bit, and the cycles of every sample with the timeline.

``TWOFOLD_RANDOM_MACHINES`` is the number of random networks to try; without it a few are. Those of
`NIGHTLY` are tried with ``make nightly``.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    JoinFolding,
    ScatterFolding,
    ScatterPlan,
    plans,
)
from twofold.hw.contract.layers import POOLINGS
from twofold.hw.contract.network import (
    Add,
    Complementary,
    Conv2d,
    Dense,
    Grouped,
    Linear,
    Network,
    Stage,
    Taps,
)
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.engines.scatter.routing import routing
from twofold.hw.primitives.rom import in_memory
from twofold.hw.solve.timeline import sample_times
from twofold.sim.compare import mismatches
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

FIRST = 100
COUNT = int(os.environ.get("TWOFOLD_RANDOM_MACHINES") or 4)
SAMPLES = 10
NIGHTLY = range(1000, 1200)
"""Seeds of random machines that have every kind of layer many times."""
FEWEST = 5
"""Machines of those that have a kind, at least."""


def groups(stage: Stage) -> int:
    """Groups of a grouped convolution; 0 for other layers."""
    sparsity = stage.layer.sparsity
    if isinstance(stage.layer, Conv2d) and isinstance(sparsity, Grouped):
        return sparsity.groups
    return 0


def padded(stage: Stage) -> bool:
    top, left, bottom, right = stage.edges
    return (top, left) != (bottom, right)


KINDS: dict[str, Callable[[Stage], bool]] = {
    "first a convolution": lambda stage: not (stage.index or stage.layer.FLATTENS),
    "first linear": lambda stage: not stage.index and stage.layer.FLATTENS,
    "one-dimensional": lambda stage: not stage.index and stage.in_shape[1] == 1,
    "several channels of input": lambda stage: not stage.index and stage.in_shape[0] > 1,
    **{
        f"{name} pooling": lambda stage, name=name: (
            stage.positions > 1 and stage.pooling.name == name
        )
        for name in POOLINGS
    },
    "rectangular kernel": lambda stage: len(set(stage.kernel)) > 1,
    "strides": lambda stage: max(stage.strides) > 1,
    "unequal strides": lambda stage: len(set(stage.strides)) > 1,
    "asymmetric padding": padded,
    "depthwise": lambda stage: groups(stage) == stage.in_shape[0],
    "grouped": lambda stage: 1 < groups(stage) < stage.in_shape[0],
    "upper limit": lambda stage: stage.kernel == (1, 1) and groups(stage) == stage.channels,
    "addition": lambda stage: isinstance(stage.layer, Add),
    "strided branch": lambda stage: (
        isinstance(stage.layer, Conv2d)
        and stage.layer.source is not None
        and max(stage.strides) > 1
    ),
    "negative values": lambda stage: bool(stage.layer.zero),
    "multiplier a channel": lambda stage: stage.layer.multiplier,
    "dense weights": lambda stage: isinstance(stage.layer.sparsity, Dense),
    "taps": lambda stage: isinstance(stage.layer.sparsity, Taps),
    "several sets": lambda stage: (
        isinstance(stage.layer.sparsity, Complementary) and stage.sets > 1
    ),
    "winners": lambda stage: not stage.last and stage.k < stage.channels,
    "all activations": lambda stage: not stage.last and stage.k == stage.channels,
}
"""Whether a stage is of a kind."""
WHOLE: dict[str, Callable[[Network], bool]] = {
    "labels": lambda network: bool(network.labels),
    "raw outputs": lambda network: not network.labels,
}
"""Whether a network is of a kind."""


def kinds(network: Network) -> list[str]:
    """The kinds of `KINDS` and `WHOLE` that a network has."""
    found = [kind for kind, has in KINDS.items() if any(map(has, network.stages))]
    return found + [kind for kind, has in WHOLE.items() if has(network)]


def all_mismatches(network: Network, folding: Folding, seed: int, build: Path) -> dict[str, int]:
    """Activations and logits that differ, by layer, without and with gaps and stalls; and samples
    that start or finish in another cycle than the timeline says, without.
    """
    quantized, inputs = random_quantized(network, seed), random_inputs(network, SAMPLES, seed)
    golden = forward(quantized, inputs)
    times = sample_times(network, folding, row_counts(network, folding, golden))
    found: dict[str, int] = {}
    with SimulatedMachine.build(network, folding, build, probes=True, optimise=False) as machine:
        assert machine.load(pack(quantized, folding)) == ParameterStatus.OK
        for gap, stall in ((0.0, 0.0), (0.4, 0.6)):
            run = machine.run(inputs, seed=seed + 1, gap=gap, stall=stall)
            if not gap:
                wrong = [
                    (sample.started, sample.finished) != (started, finished)
                    for sample, started, finished in zip(
                        times, run.started, run.finished, strict=True
                    )
                ]
                found["cycles"] = sum(wrong)
            counts = mismatches(machine.plans, [*machine.activations(), run.logits], golden)
            if golden.labels is not None:
                counts["labels"] = run.labels != golden.labels
            for name, count in counts.items():
                found[name] = found.get(name, 0) + int(count.sum())
    return found


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_random_machines_equal_the_golden_model(build: Path, seed: int):
    network = random_network(seed)
    found = all_mismatches(network, random_folding(network, seed), seed, build)
    assert not any(found.values()), found


@pytest.mark.nightly
@pytest.mark.parametrize("seed", NIGHTLY)
def test_many_random_machines_equal_the_golden_model(build: Path, seed: int):
    network = random_network(seed)
    found = all_mismatches(network, random_folding(network, seed), seed, build)
    assert not any(found.values()), found


def test_random_machines_have_every_kind():
    found = Counter(kind for seed in NIGHTLY for kind in kinds(random_network(seed)))
    wanted = [*KINDS, *WHOLE]
    assert not {kind: found[kind] for kind in wanted if found[kind] < FEWEST}


def pooling_machine(first: Conv2d, second: Conv2d) -> tuple[Network, Folding]:
    """Two convolutions over 9 x 8 pixels, and the smallest machine with two streams and engines."""
    network = Network(
        "pools", (1, 9, 8), (first, second, Linear(out_features=3)), ("a", "b", "c"), 40
    )
    folding = Folding(
        (
            GatherFolding(streams=2),
            ScatterFolding(engines=2, lanes=network.stages[1].sets),
            ScatterFolding(lanes=3),
        ),
        input_bytes=8,
    )
    return network, folding


SPARSE, DENSE = {"k": 2}, {"k": None}
SETS = {"sparsity": Complementary(2)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            {"pool": 2, "pooling": "mean", "sparsity": Taps((5, 4, 2, 1)), **SPARSE},
            {"pool": (2, 2), "pooling": "sum", "k": 3, **SETS},
            id="means gathered, sums of the whole map scattered",
        ),
        pytest.param(
            {"pool": (3, 2), "pooling": "sum", "multiplier": True, **DENSE},
            {"pool": (1, 2), "pooling": "mean", "multiplier": True, **SETS},
            id="windows of unequal sides, shared rows, multipliers",
        ),
        pytest.param(
            {"pool": (2, 3), "pooling": "mean", **DENSE},
            {"pool": (2, 1), "pooling": "mean", "k": 4},
            id="dense weights, the whole map",
        ),
        pytest.param(
            {"pool": 2, "pooling": "mean", "zero": 128},
            {"padding": (1, 0, 0, 1), "stride": (1, 2), "zero": 90, **SETS},
            id="negative values, with padding between layers",
        ),
    ],
)
def test_pooling_machines_equal_the_golden_model(build: Path, first: dict, second: dict):
    network, folding = pooling_machine(
        Conv2d(out_channels=4, kernel=(3, 3), **first),
        Conv2d(out_channels=6, kernel=(2, 2), **second),
    )
    assert {stage.pooling.name for stage in network.stages[:2]} & {"mean", "sum"}
    assert not any(all_mismatches(network, folding, 5, build).values())


@pytest.mark.parametrize(
    ("k", "frames"),
    [
        pytest.param(None, 2, id="whole lists"),
        pytest.param(2, 3, id="winners"),
    ],
)
def test_residual_machines_equal_the_golden_model(build: Path, k: int | None, frames: int):
    layers = (
        Conv2d(out_channels=4, kernel=(3, 3), k=k),
        Conv2d(out_channels=4, kernel=(3, 3), stride=2, padding=1, k=k),
        Conv2d(out_channels=4, kernel=(1, 1), stride=2, source=0, k=k),
        Add(other=1, sparsity=Grouped(4), multiplier=True, k=k),
        Conv2d(out_channels=4, kernel=(1, 3), padding=(0, 1), k=k, zero=0 if k else 100),
        Add(other=3, sparsity=Grouped(4)),
        Linear(out_features=3),
    )
    network = Network("residual", (1, 8, 8), layers, ("a", "b", "c"), 40)
    folding = Folding(
        (
            GatherFolding(streams=2, cols=2),
            ScatterFolding(rows=3),
            ScatterFolding(lanes=2),
            JoinFolding(cols=3),
            ScatterFolding(engines=2),
            JoinFolding(),
            ScatterFolding(lanes=3),
        ),
        input_bytes=8,
        frames=frames,
    )
    assert not any(all_mismatches(network, folding, 5, build).values())


def test_machines_with_deep_tables_equal_the_golden_model(build: Path):
    """A tile by itself walks so many places that what they look up is in block memories."""
    layers = (
        Conv2d(out_channels=4, kernel=(3, 3), padding=1, k=2),
        Conv2d(out_channels=4, kernel=(3, 3), padding=1, sparsity=Complementary(2)),
        Linear(out_features=3),
    )
    network = Network("deep", (1, 13, 13), layers, ("a", "b", "c"), 40)
    folding = Folding((GatherFolding(), ScatterFolding(), ScatterFolding()), input_bytes=13)
    behind = plans(network, folding)[1]
    assert isinstance(behind, ScatterPlan)
    found = routing(behind)
    assert all(map(in_memory, [*found.generators, *found.selects]))
    assert not any(all_mismatches(network, folding, 5, build).values())


@pytest.mark.parametrize("size", presets.SIZES)
@pytest.mark.parametrize("variant", ["dense", "sparse-dense"])
def test_variants_equal_the_golden_model(build: Path, variant: str, size: str):
    network = presets.network("tiny", variant)
    folding = presets.folding("tiny", variant, size)
    assert not any(all_mismatches(network, folding, 3, build).values())
