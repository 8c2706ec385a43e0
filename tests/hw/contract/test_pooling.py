"""Kinds of pooling: what they mean for shapes, widths and descriptions."""

import json
from dataclasses import replace

import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.arith import accumulator_bits, add_bits, requantise
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.layers import MAX, POOLINGS, Conv2d, Linear
from twofold.hw.contract.layers.pooling import MEAN, SUM
from twofold.hw.contract.network import Network
from twofold.hw.contract.reading import network_from_json


def pooled(**options) -> Network:
    """A network of a convolution over 8 x 6 positions."""
    layer = Conv2d(out_channels=4, kernel=(3, 3), **options)
    return Network("one", (1, 10, 8), (layer, Linear(out_features=2)), ("a", "b"))


def test_scalar_rules():
    assert [kind.pooled([3, -7, 5, 2]) for kind in (MAX, SUM, MEAN)] == [5, 3, 3]
    assert [kind.terms(6) for kind in (MAX, SUM, MEAN)] == [1, 6, 6]
    assert [kind.share(4) for kind in (MAX, SUM, MEAN)] == [1.0, 1.0, 0.25]
    assert {kind: POOLINGS[kind].name for kind in POOLINGS} == {kind: kind for kind in POOLINGS}


@pytest.mark.parametrize(("positions", "shift", "mul"), [(4, 2, 1), (16, 4, 1), (9, 15, 3641)])
def test_a_mean_is_a_sum_whose_constants_divide(positions, shift, mul):
    """By a power of two a shift divides, by another number a multiplier does, to the nearest."""
    error = abs(mul / (1 << shift) - 1 / positions)
    for total in range(positions * 255):
        found = requantise(total, 1 << (shift - 1), shift, mul)
        assert abs(found - total / positions) <= 0.5 + total * error


@pytest.mark.parametrize(
    ("options", "shape", "terms"),
    [
        ({"pool": 2}, (4, 4, 3), 1),
        ({"pool": 2, "pooling": "mean"}, (4, 4, 3), 4),
        ({"pool": (3, 2), "pooling": "sum"}, (4, 2, 3), 6),
        ({"pool": (8, 6), "pooling": "mean"}, (4, 1, 1), 48),
        ({"pool": (8, 6)}, (4, 1, 1), 1),
    ],
)
def test_shapes_and_widths(options, shape, terms):
    stage = pooled(**options).stages[0]
    assert stage.out_shape == shape and stage.terms == terms
    assert stage.acc_bits == accumulator_bits(9)
    assert stage.pooled_bits == accumulator_bits(9 * terms)
    assert stage.add_bits == add_bits(9 * terms)
    assert stage.positions == stage.pool_window[0] * stage.pool_window[1]


def test_a_square_window_is_its_side():
    assert pooled(pool=(2, 2)) == pooled(pool=2)
    assert pooled(pool=(2, 2)).to_json() == pooled(pool=2).to_json()


@pytest.mark.parametrize("options", [{"pool": (3, 2)}, {"pool": 2, "pooling": "mean"}])
def test_json_round_trip(options):
    network = pooled(**options)
    assert network_from_json(json.loads(json.dumps(network.to_json()))) == network


def test_maxima_are_described_as_before_there_was_anything_else():
    """Fingerprints and the names of modules follow from these texts."""
    tree = presets.network("tiny").to_json()["layers"][0]
    assert list(tree) == [
        "kind", "out_channels", "kernel", "stride", "padding", "pool", "sparsity", "k",
        "multiplier",
    ]  # fmt: skip
    assert repr(Conv2d(out_channels=2, kernel=(3, 3), pool=2)) == (
        "Conv2d(out_channels=2, kernel=(3, 3), stride=1, padding=0, pool=2, sparsity=Dense(), "
        "k=None, multiplier=False)"
    )
    assert repr(Linear(out_features=2)) == (
        "Linear(out_features=2, sparsity=Dense(), k=None, multiplier=False)"
    )
    mean = replace(presets.network("tiny").layers[0], pooling="mean")
    assert mean.to_json()["pooling"] == "mean" and "pooling='mean'" in repr(mean)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "avg"}, "pooling is 'avg', choose one of max, sum, mean"),
        ({"pool": (0, 2)}, "size below 1"),
        ({"pool": (9, 1)}, "conv1: window .*, pool \\(9, 1\\) leave nothing"),
    ],
)
def test_impossible_pooling_is_refused(options, message):
    with pytest.raises(NetworkError, match=message):
        pooled(**options)


@pytest.mark.parametrize(
    ("field", "value"), [("pool", [2]), ("pool", [2, 2.0]), ("pool", True), ("pooling", 3)]
)
def test_hostile_json_is_refused(field, value):
    tree = pooled(pool=2).to_json()
    tree["layers"][0][field] = value
    with pytest.raises(NetworkError):
        network_from_json(tree)
