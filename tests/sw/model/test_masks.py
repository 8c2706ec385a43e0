"""Masks keep the structure that the contract asks for, and the large weights."""

import itertools

import pytest
import torch

from twofold.hw.contract.network import (
    Complementary,
    Conv2d,
    Grouped,
    Linear,
    Network,
    Sparsity,
    Stage,
    Taps,
)
from twofold.hw.contract.presets import network
from twofold.sw.model.masks import choose_mask, relaxed_count


def stage(units: int, inputs: int, sparsity: Sparsity) -> Stage:
    layers = (Linear(out_features=units, sparsity=sparsity), Linear(out_features=2))
    return Network("test", (inputs, 1, 1), layers, ("a", "b")).stages[0]


@pytest.mark.parametrize("name", ["gsc", "tiny"])
def test_final_masks_fit_the_presets(name: str) -> None:
    torch.manual_seed(0)
    for layer in network(name, "fast").stages:
        weight = torch.randn(layer.channels, layer.inputs) * torch.rand(layer.channels, 1)
        mask = choose_mask(weight * torch.rand(1, layer.inputs), layer)
        counts = mask.sum(1)
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        match layer.layer.sparsity:
            case Taps(allowed):
                assert counts.tolist() == list(allowed)
            case Complementary(sets):
                assert int(counts.max()) <= layer.fan_in
                capacity = layer.fan_in * layer.slots  # may be less than the inputs
                for group in range(sets):
                    kernels = mask[group::sets].sum(0)
                    assert kernels.max() == 1
                    assert kernels.sum() == min(capacity, layer.inputs)
            case _:
                assert mask.eq(1).all()


def test_uneven_sets_and_tight_fan_in() -> None:
    torch.manual_seed(3)
    layer = stage(11, 30, Complementary(4, fan_in=10))
    weight = torch.rand(11, 30) * torch.linspace(0.1, 3, 11)[:, None]
    mask = choose_mask(weight, layer)
    assert mask.shape == (11, 30) and int(mask.sum(1).max()) <= 10
    for group in range(4):
        assert int(mask[group::4].sum(0).max()) <= 1


def test_fan_in_that_leaves_positions_to_no_kernel() -> None:
    torch.manual_seed(4)
    layer = stage(10, 20, Complementary(2, fan_in=3))
    weight = torch.randn(10, 20)
    mask = choose_mask(weight, layer)
    assert mask.sum(1).tolist() == [3.0] * 10
    for group in range(2):
        assert int(mask[group::2].sum(0).max()) == 1
    assert weight.abs()[mask == 1].mean() > weight.abs()[mask == 0].mean()


def test_keeps_nearly_the_best_assignment() -> None:
    torch.manual_seed(4)
    layer = stage(3, 6, Complementary(1))
    weight = torch.rand(3, 6) + 0.1
    score = (weight / weight.square().mean(1, keepdim=True).sqrt()).log()
    best = max(
        sum(float(score[owner, at]) for at, owner in enumerate(owners))
        for owners in itertools.product(range(3), repeat=6)
        if all(owners.count(slot) == 2 for slot in range(3))
    )
    mask = choose_mask(weight, layer)
    assert mask.sum(1).tolist() == [2, 2, 2] and mask.sum(0).tolist() == [1] * 6
    assert float((score * mask).sum()) >= best - 0.5


@pytest.mark.parametrize("relaxation", [0.0, 0.5, 1.0])
def test_groups_are_whole_from_the_start(relaxation: float) -> None:
    layers = Conv2d(out_channels=6, kernel=(2, 2), sparsity=Grouped(3)), Linear(out_features=1)
    grouped = Network("test", (3, 4, 4), layers, ("a",)).stages[0]
    mask = choose_mask(torch.randn(6, 3, 2, 2), grouped, relaxation)
    own = [[4.0 * (out // 2 == plane) for plane in range(3)] for out in range(6)]
    assert mask.sum((2, 3)).tolist() == own


def test_opens_from_all_to_the_structure() -> None:
    torch.manual_seed(5)
    layer = stage(40, 50, Complementary(4))
    weight = torch.randn(40, 50)
    assert choose_mask(weight, layer, 1.0).eq(1).all()
    half = choose_mask(weight, layer, 0.5)
    for group in range(4):
        assert half[group::4].sum(0).eq(relaxed_count(layer, 0.5)).all()
    taps = Network(
        "test", (1, 5, 5), (Conv2d(out_channels=4, kernel=(5, 5), sparsity=Taps((6, 5, 4, 3))),
                            Linear(out_features=1)), ("a",)
    ).stages[0]  # fmt: skip
    kernels = torch.randn(4, 1, 5, 5)
    mask = choose_mask(kernels, taps)
    assert mask.shape == kernels.shape and mask.sum((1, 2, 3)).tolist() == [6, 5, 4, 3]
    assert float((kernels * mask).abs()[0].max()) == float(kernels[0].abs().max())
    assert choose_mask(kernels, taps, 1.0)[0].eq(1).all()
