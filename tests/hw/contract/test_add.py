"""Additions: what a description of a residual network means, and which ones are refused."""

import pytest

from twofold.hw.contract.engines import JoinFolding, ScatterFolding
from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.folding import Folding, GatherFolding, frames_of_readers, plans
from twofold.hw.contract.network import Add, Conv2d, Dense, Grouped, Layer, Linear, Network
from twofold.hw.contract.reading import network_from_json

FIRST = Conv2d(out_channels=4, kernel=(3, 3))
SAME = Conv2d(out_channels=4, kernel=(3, 3), padding=1)
BRANCH = Conv2d(out_channels=4, kernel=(1, 1), source=0)
SUM = Add(other=0, sparsity=Grouped(4))


def network(*layers: Layer) -> Network:
    return Network("residual", (1, 8, 8), (*layers, Linear(out_features=2)), ("a", "b"), 7)


def test_an_addition_is_a_depthwise_layer_with_a_tap_for_each_side() -> None:
    found = network(FIRST, SAME, SUM)
    add = found.stages[2]
    assert add.name == "add1" and add.sources == (1, 0) and add.skips == (0, 1)
    assert (add.taps, add.inputs, add.fan_in, add.sets, add.slots) == (2, 8, 2, 1, 4)
    assert add.in_shape == add.out_shape == (4, 6, 6) and add.weight_shape == (4, 4, 2)
    assert found.readers == ((1, 2), (2,), (3,), ())
    assert network_from_json(found.to_json()) == found


def test_zeros_are_those_of_both_sides() -> None:
    signed = Conv2d(out_channels=4, kernel=(3, 3), padding=1, zero=128)
    assert network(FIRST, signed, SUM).stages[2].zeros == (128, 0)


def test_readers_that_skip_layers_have_room_for_the_samples_in_those() -> None:
    found = network(FIRST, SAME, BRANCH, Add(other=1, sparsity=Grouped(4)))
    folding = Folding(
        (GatherFolding(), ScatterFolding(), ScatterFolding(), JoinFolding(), ScatterFolding()), 8, 3
    )
    assert frames_of_readers(found, folding, found.stages[0]) == (3, 4)
    assert frames_of_readers(found, folding, found.stages[1]) == (4,)
    join = plans(found, folding)[3]
    assert (join.steps, join.interval) == (4, 4)


def test_folding_has_an_engine_for_each_side() -> None:
    found = network(FIRST, SAME, SUM)
    folding = Folding(
        (GatherFolding(), ScatterFolding(), JoinFolding(engines=1), ScatterFolding()), 8
    )
    with pytest.raises(FoldingError, match="add1: 1 engines, an addition has 2"):
        plans(found, folding)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((FIRST, SAME, Add(other=2, sparsity=Grouped(4))), r"layer 2 reads layers \(1, 2\)"),
        ((FIRST, SAME, Add(other=1, sparsity=Grouped(4))), "layer 2 reads layer 1 twice"),
        ((FIRST, SAME, Add(other=0, sparsity=Dense())), r"needs Grouped\(4\)"),
        ((FIRST, FIRST, SUM), r"adds \(4, 4, 4\) with 4 winners and \(4, 6, 6\)"),
        ((FIRST, SAME, BRANCH, Add(other=0, sparsity=Grouped(4))), "conv2: no layer reads it"),
        ((Conv2d(out_channels=4, kernel=(3, 3), source=0), SAME), "needs the input alone"),
    ],
)
def test_what_cannot_be_added(layers: tuple[Layer, ...], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        network(*layers)
