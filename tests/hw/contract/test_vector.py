"""The engine of a linear layer over the input: rules, weights in its order, machines for it."""

import pytest

from twofold.hw.area.model import components
from twofold.hw.contract.engines import VectorFolding, engine_of
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    ScatterFolding,
    folding_from_json,
    plans,
)
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.hw.contract.tables import weights_table
from twofold.hw.solve.choose import Target, choose
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.pack.packer import pack, unpack


def network(inputs: int = 20) -> Network:
    layers = Linear(out_features=12, sparsity=Complementary(6)), Linear(out_features=3)
    return Network("vector", (inputs, 1, 1), layers, ("a", "b", "c"), zero_point=9)


def folding(engines: int = 4, lanes: int = 3, input_bytes: int = 8) -> Folding:
    first = VectorFolding(engines=engines, lanes=lanes)
    return Folding((first, ScatterFolding(lanes=3)), input_bytes=input_bytes)


def test_steps_follow_from_engines_and_lanes():
    plan = plans(network(), folding())[0]
    assert engine_of(plan.stage) is VectorFolding
    assert (plan.steps, plan.multipliers, plan.products) == (5 * 2, 12, 20 * 6)
    rows = weights_table(plan)
    assert (rows.lanes, rows.depth) == (3, 4 * 8 * 2), "chunks are padded to a power of two"


@pytest.mark.parametrize("inputs", [16, 19, 20])
@pytest.mark.parametrize(("engines", "lanes"), [(1, 1), (2, 6), (4, 3), (8, 2)])
def test_weights_come_back_from_the_image(inputs: int, engines: int, lanes: int):
    quantized, chosen = random_quantized(network(inputs), 3), folding(engines, lanes)
    layers = unpack(pack(quantized, chosen), quantized.network, chosen)
    for found, wanted in zip(layers, quantized.layers, strict=True):
        assert (found.weight == wanted.weight).all() and (found.add == wanted.add).all()


def test_a_file_keeps_the_folding():
    assert folding_from_json(folding().to_json()) == folding()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (folding(engines=3), "linear1: 3 engines do not divide the 8 bytes"),
        (folding(lanes=4), "linear1: 4 lanes do not divide 6 sets"),
        (
            Folding((GatherFolding(), ScatterFolding(lanes=3)), input_bytes=8),
            "linear1: the gather engine serves a first convolution",
        ),
        (
            Folding((VectorFolding(), VectorFolding(lanes=3)), input_bytes=8),
            "linear2: the vector engine serves a first linear layer",
        ),
    ],
)
def test_foldings_that_cannot_be_built(chosen: Folding, message: str):
    with pytest.raises(FoldingError, match=message):
        plans(network(), chosen)


def test_a_convolution_is_no_vector_layer():
    layers = Conv2d(out_channels=2, kernel=(1, 1)), Linear(out_features=1)
    image = Network("image", (1, 2, 2), layers, ("a",))
    with pytest.raises(FoldingError, match="conv1: the vector engine serves a first linear layer"):
        plans(image, Folding((VectorFolding(), ScatterFolding()), input_bytes=2))


@pytest.mark.parametrize("cycles", [200, 25])
def test_the_solver_finds_machines(cycles: int):
    found = choose(network(), Target(cycles=cycles))
    assert max(plan.cycles for plan in found.plans) <= cycles
    assert type(found.folding.layers[0]) is VectorFolding
    assert {one.layer for one in components(found.plans, found.folding)} >= {"linear1", "linear2"}
