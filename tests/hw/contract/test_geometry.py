"""Windows whose sides, strides and edges differ."""

import json
from dataclasses import replace

import pytest

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.layers.geometry import (
    edges,
    plain,
    plain_edges,
    positions,
    same_padding,
)
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.hw.contract.reading import network_from_json


@pytest.mark.parametrize(
    ("padding", "four", "shortest"),
    [
        (2, (2, 2, 2, 2), 2),
        ((1, 2), (1, 2, 1, 2), (1, 2)),
        ((3, 3), (3, 3, 3, 3), 3),
        ((0, 1, 2, 1), (0, 1, 2, 1), (0, 1, 2, 1)),
        ((0, 1, 0, 1), (0, 1, 0, 1), (0, 1)),
    ],
)
def test_edges_have_a_shortest_form(padding, four, shortest):
    assert edges(padding) == four == edges(shortest)
    assert plain_edges(padding) == shortest
    assert plain((4, 4)) == 4 and plain((4, 2)) == (4, 2)


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_keeps_a_position_for_every_stride(size: int, kernel: int, stride: int):
    upper = same_padding((size, 7), (kernel, 3), (stride, 1))
    lower = same_padding((size, 7), (kernel, 3), (stride, 1), lower=True)
    for padding in (upper, lower):
        assert positions((size, 7), (kernel, 3), (stride, 1), padding) == (-(-size // stride), 7)
    top, left, bottom, right = edges(upper)
    assert edges(lower) == (bottom, right, top, left) and 0 <= bottom - top <= 1


LAYER = Conv2d(out_channels=4, kernel=(1, 3), stride=(1, 2), padding=(0, 1, 0, 2), pool=(1, 2))


def network(layer: Conv2d) -> Network:
    return Network("edges", (2, 1, 12), (layer, Linear(out_features=2)), ("a", "b"))


def test_shapes_follow_each_direction():
    stage = network(LAYER).stages[0]
    assert stage.strides == (1, 2) and stage.edges == (0, 1, 0, 2)
    assert stage.conv_shape == (4, 1, 7) and stage.out_shape == (4, 1, 3)


def test_descriptions_keep_edges_and_strides():
    tree = json.loads(json.dumps(network(LAYER).to_json()))
    assert tree["layers"][0]["padding"] == [0, 1, 0, 2] and tree["layers"][0]["stride"] == [1, 2]
    assert network_from_json(tree) == network(LAYER)
    even = replace(LAYER, stride=(2, 2), padding=(1, 1, 1, 1))
    assert (even.stride, even.padding) == (2, 1), "as older descriptions say it"


@pytest.mark.parametrize(
    ("change", "value"),
    [("stride", [1]), ("stride", "2"), ("padding", [1, 2, 3]), ("padding", [0, 0.5]), ("pool", {})],
)
def test_damaged_sizes_are_refused(change: str, value):
    tree = network(LAYER).to_json()
    tree["layers"][0][change] = value
    with pytest.raises(NetworkError, match="network"):
        network_from_json(tree)


@pytest.mark.parametrize("change", [{"stride": (0, 1)}, {"padding": (0, 0, -1, 0)}])
def test_sizes_below_the_least_are_refused(change: dict):
    with pytest.raises(NetworkError, match="size below 1"):
        network(replace(LAYER, **change))
