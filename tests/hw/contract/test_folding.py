"""Foldings: plans, their cycles, and what is refused."""

import json
from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    GatherPlan,
    Plan,
    ScatterFolding,
    ScatterPlan,
    VectorPlan,
    folding_from_json,
    plans,
)
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.sim.workloads.random_network import random_folding, random_network

SEEDS = st.integers(0, 1 << 30)
SHIPPED = list(product(presets.NETWORKS, presets.VARIANTS, presets.SIZES))


@given(SEEDS)
def test_random_foldings_give_consistent_plans(seed):
    network = random_network(seed)
    made = plans(network, random_folding(network, seed))
    assert [plan.stage for plan in made] == list(network.stages)
    for plan in made:
        _, rows, cols = plan.stage.out_shape
        assert plan.passes * plan.folding.rows * plan.folding.cols == rows * cols
        assert plan.cycles == plan.passes * plan.interval >= plan.passes * plan.steps
        if isinstance(plan, GatherPlan):
            assert plan.steps >= max(plan.counts) and len(plan.counts) == plan.stage.channels
        elif isinstance(plan, VectorPlan):
            assert plan.rounds * plan.folding.lanes == plan.stage.sets
            assert plan.winner_beats * plan.folding.engines >= plan.stage.inputs
        else:
            assert isinstance(plan, ScatterPlan)
            assert plan.rounds * plan.folding.lanes == plan.stage.sets
            assert plan.engine_taps * plan.folding.engines >= plan.stage.taps


def multipliers(plan: Plan) -> int:
    """Multipliers built for a layer."""
    built = plan.folding.rows * plan.folding.cols * plan.stage.positions
    if isinstance(plan, GatherPlan):
        return built * plan.folding.streams
    assert isinstance(plan, ScatterPlan)
    return built * plan.folding.engines * plan.folding.lanes


def most_products(plan: Plan) -> int:
    """Products of a sample at most."""
    stage = plan.stage
    positions = stage.out_shape[1] * stage.out_shape[2] * stage.positions
    if isinstance(plan, GatherPlan):
        return positions * sum(plan.counts)
    if isinstance(plan, VectorPlan):
        return positions * stage.inputs * stage.sets
    assert isinstance(plan, ScatterPlan)
    winners = plan.source.stage.k if plan.streamed else stage.in_k * stage.taps
    return positions * winners * stage.sets


@given(SEEDS)
def test_no_multiplier_does_two_products_a_cycle(seed):
    network = random_network(seed)
    for plan in plans(network, random_folding(network, seed)):
        assert plan.passes * plan.steps * multipliers(plan) >= most_products(plan)


@pytest.mark.parametrize(("name", "variant", "size"), SHIPPED)
def test_shipped_foldings_divide_their_networks(name, variant, size):
    made = plans(presets.network(name, variant), presets.folding(name, variant, size))
    for before, after in pairwise(made):
        assert isinstance(after, ScatterPlan) and after.source is before


def test_the_full_speech_folding_keeps_the_budget():
    made = plans(presets.network("gsc"), presets.folding("gsc", size="full"))
    assert max(plan.cycles for plan in made) <= 112


def test_the_full_dense_folding_keeps_its_multipliers_busy():
    network = presets.network("gsc", "dense")
    made = plans(network, presets.folding("gsc", "dense", "full"))
    peak = sum(multipliers(plan) for plan in made) * max(plan.cycles for plan in made)
    assert network.multiplications_dense >= 0.9 * peak


@given(SEEDS)
def test_json_round_trip(seed):
    folding = random_folding(random_network(seed), seed)
    assert folding_from_json(json.loads(json.dumps(folding.to_json()))) == folding


@pytest.mark.parametrize("tree", [None, [], {}, {"layers": 1, "input_bytes": 1, "frames": 2}])
def test_hostile_json_is_refused(tree):
    with pytest.raises(FoldingError):
        folding_from_json(tree)


NETWORK = Network(
    name="small",
    input_shape=(1, 8, 8),
    layers=(
        Conv2d(out_channels=4, kernel=(3, 3), pool=2, sparsity=Taps((3, 2, 2, 1))),
        Conv2d(out_channels=6, kernel=(2, 2), sparsity=Complementary(3)),
        Linear(out_features=6, k=2, sparsity=Complementary(2)),
        Linear(out_features=2),
    ),
    labels=("a", "b"),
)
GATHER, SCATTER = GatherFolding(), ScatterFolding()
FOLDING = Folding((GATHER, SCATTER, SCATTER, SCATTER), input_bytes=8)


def with_layer(index, layer) -> Folding:
    layers = list(FOLDING.layers)
    layers[index] = layer
    return replace(FOLDING, layers=tuple(layers))


def with_network(index, **changes) -> Network:
    layers = list(NETWORK.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(NETWORK, layers=tuple(layers))


@pytest.mark.parametrize(
    ("network", "folding", "message"),
    [
        (NETWORK, Folding((GATHER,)), "folding: 1 layers for a network of 4"),
        (NETWORK, replace(FOLDING, frames=1), "frames is 1, needs >= 2"),
        (NETWORK, replace(FOLDING, input_bytes=3), "input_bytes is 3"),
        (NETWORK, replace(FOLDING, input_bytes=0), "input_bytes is 0"),
        (NETWORK, with_layer(0, SCATTER), "conv1: the first layer needs a gather folding"),
        (NETWORK, with_layer(1, GATHER), "conv2: the gather engine serves a first convolution"),
        (NETWORK, with_layer(0, GatherFolding(rows=2)), "conv1: 2 tile rows do not divide 3"),
        (NETWORK, with_layer(0, GatherFolding(cols=2)), "conv1: 2 tile columns do not divide 3"),
        (NETWORK, with_layer(0, GatherFolding(streams=5)), "conv1: 5 streams for 4 kernels"),
        (NETWORK, with_layer(0, GatherFolding(streams=0)), "conv1: folding .* below 1"),
        (NETWORK, with_layer(1, ScatterFolding(lanes=2)), "conv2: 2 lanes do not divide 3 sets"),
        (
            NETWORK,
            with_layer(1, ScatterFolding(lanes=3, drain=3)),
            "conv2: drain is 3, a convolution drains 1",
        ),
        (
            NETWORK,
            with_layer(2, ScatterFolding(lanes=2, drain=4)),
            "linear1: drain of 4 channels does not divide 2 lanes",
        ),
        (
            NETWORK,
            with_layer(1, ScatterFolding(engines=5)),
            "conv2: 5 engines for 4 taps, at most one a tap",
        ),
        (with_network(1, sparsity=Taps((1,) * 6)), FOLDING, "conv2: the scatter engine takes"),
        (
            with_network(2, out_features=600, sparsity=Complementary(2)),
            FOLDING,
            "linear1: 300 kernels in a set, the packed format takes 256",
        ),
        (
            with_network(2, out_features=6000, sparsity=Complementary(6000)),
            FOLDING,
            "linear1: 192000 rows of weights, the packed format takes 65536; .* more lanes",
        ),
        (
            with_network(2, out_features=65700, k=2, sparsity=Complementary(300)),
            with_layer(2, ScatterFolding(lanes=300)),
            "linear1: 65700 rows of constants, the packed format takes 65536",
        ),
        (
            replace(
                NETWORK,
                layers=(*NETWORK.layers[:3], Linear(out_features=3, sparsity=Complementary(2))),
                labels=("a", "b", "c"),
            ),
            FOLDING,
            "linear2: 2 sets do not divide 3 logits",
        ),
    ],
)
def test_foldings_that_do_not_fit_are_refused(network, folding, message):
    with pytest.raises(FoldingError, match=message):
        plans(network, folding)
