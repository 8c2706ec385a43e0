"""What pooling costs, and that the solver serves every kind of it."""

import pytest

from twofold.hw.area.model import components
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.layers import POOLINGS
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.hw.solve.solver import solve


def network(pooling: str) -> Network:
    """Windows of unequal sides, then the whole map."""
    return Network(
        name="pools",
        input_shape=(1, 10, 8),
        layers=(
            Conv2d(out_channels=4, kernel=(3, 3), pool=(2, 3), pooling=pooling, k=2),
            Conv2d(out_channels=8, kernel=(2, 1), pool=(3, 2), pooling=pooling,
                   sparsity=Complementary(4)),
            Linear(out_features=3),
        ),
        labels=("a", "b", "c"),
    )  # fmt: skip


@pytest.mark.parametrize("pooling", sorted(POOLINGS))
@pytest.mark.parametrize("cycles", [60, 400])
def test_every_kind_is_solved(pooling: str, cycles: int) -> None:
    found = solve(network(pooling), cycles, input_bytes=8)
    assert found.cycles <= cycles
    assert found.plans == plans(found.network, found.folding)
    conv1, conv2, _ = found.plans
    assert (conv1.stage.positions, conv2.stage.positions) == (6, 6)
    assert conv2.folding.tiles == 1  # a pixel of the output


def test_sums_take_wider_registers_and_no_more_multipliers() -> None:
    folding = Folding(
        (GatherFolding(streams=2), ScatterFolding(lanes=4), ScatterFolding()), input_bytes=8
    )
    taken = {}
    for pooling in POOLINGS:
        found = components(plans(network(pooling), folding), folding)
        taken[pooling] = [sum(getattr(one.total, key) for one in found) for key in ("ff", "dsp")]
    assert taken["mean"] == taken["sum"]
    assert taken["sum"][0] > taken["max"][0] and taken["sum"][1] == taken["max"][1]
