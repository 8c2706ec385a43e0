"""Grouped and depthwise convolutions are complementary sets in the usual order of kernels."""

from dataclasses import replace

import numpy as np
import pytest

from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.layers.sparsity import SLOTS_MAX
from twofold.hw.contract.network import Complementary, Conv2d, Grouped, Linear, Network
from twofold.hw.contract.reading import network_from_json
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.quantized import own_group
from twofold.sw.errors import ArtefactError
from twofold.sw.golden.model import forward


def network(channels: int, kernels: int, groups: int) -> Network:
    layers = (
        Conv2d(out_channels=channels, kernel=(1, 1)),
        Conv2d(out_channels=kernels, kernel=(3, 3), padding=1, sparsity=Grouped(groups), pool=4),
        Linear(out_features=2),
    )
    return Network("grouped", (1, 4, 4), layers, ("a", "b"))


@pytest.mark.parametrize(
    ("channels", "kernels", "groups", "sets"),
    [
        (8, 8, 8, 1),
        (8, 16, 8, 2),
        (8, 12, 4, 3),
        (6, 4, 1, 4),
        (300, 300, 300, 2),
        (514, 1028, 514, 6),
    ],
)
def test_groups_are_complementary_sets(channels: int, kernels: int, groups: int, sets: int):
    stage = network(channels, kernels, groups).stages[1]
    assert (stage.sets, stage.fan_in) == (sets, 9 * channels // groups)
    assert stage.slots <= SLOTS_MAX
    used = own_group(stage)
    assert (used.sum(axis=1) == stage.fan_in).all()
    for first in range(stage.sets):
        assert used[first :: stage.sets].sum(axis=0).max() == 1, "complementary"


def test_the_scatter_engine_takes_them_as_sets():
    grouped = network(8, 16, 8)
    folding = Folding(
        (GatherFolding(), ScatterFolding(engines=9, lanes=2), ScatterFolding(lanes=2))
    )
    plan = plans(grouped, replace(folding, input_bytes=4))[1]
    assert plan.steps == 8 and plan.products == 16 * 9 * 8 * 2, "two weights for each activation"
    with pytest.raises(FoldingError, match="4 lanes do not divide 2 sets"):
        wide = ScatterFolding(lanes=4)
        plans(grouped, Folding((GatherFolding(), wide, ScatterFolding()), input_bytes=4))


def test_the_same_weights_as_sets_give_the_same_integers():
    quantized = random_quantized(network(8, 16, 4))
    first, second, last = quantized.network.layers
    sets = replace(second, sparsity=Complementary(4, 18))
    same = replace(quantized.network, layers=(first, sets, last))
    inputs = random_inputs(same, 7)
    again = QuantizedNetwork(same, quantized.layers, quantized.logit_scale, {})
    assert (forward(again, inputs).logits == forward(quantized, inputs).logits).all()


def test_descriptions_name_the_groups():
    tree = network(8, 16, 4).to_json()
    assert tree["layers"][1]["sparsity"] == {"kind": "Grouped", "groups": 4}
    assert network_from_json(tree) == network(8, 16, 4)


@pytest.mark.parametrize(
    ("channels", "kernels", "groups"), [(8, 8, 3), (8, 6, 4), (6, 8, 4), (4, 4, 0)]
)
def test_groups_divide_channels_and_kernels(channels: int, kernels: int, groups: int):
    with pytest.raises(
        NetworkError, match=f"conv2: {groups} groups do not divide {channels} input"
    ):
        network(channels, kernels, groups)


def test_weights_of_another_group_are_refused():
    quantized = random_quantized(network(4, 4, 2))
    weight = quantized.layers[1].weight.copy()
    weight[0, 3, 1, 1] = 5
    first, second, last = quantized.layers
    layers = first, replace(second, weight=weight), last
    with pytest.raises(
        ArtefactError, match="conv2: kernel 0 uses input channel 3 of another group"
    ):
        QuantizedNetwork(quantized.network, layers, 1.0, {})
    assert np.count_nonzero(quantized.layers[1].weight) == 4 * 2 * 9
