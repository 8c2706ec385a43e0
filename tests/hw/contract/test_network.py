"""Network descriptions: shapes, rules, and reading them back from hostile JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Complementary, Conv2d, Dense, Linear, Network, Taps
from twofold.hw.contract.reading import network_from_json
from twofold.sim.workloads.random_network import random_network

SEEDS = st.integers(0, 1 << 30)


def small(*layers, **changes) -> Network:
    """A network around ``layers``."""
    return Network(
        **{
            "name": "small",
            "input_shape": (1, 8, 8),
            "layers": (*layers, Linear(out_features=2)),
            "labels": ("a", "b"),
            **changes,
        }
    )


@given(SEEDS, st.booleans())
def test_json_round_trip(seed, machine):
    network = random_network(seed, machine=machine)
    assert network_from_json(json.loads(json.dumps(network.to_json()))) == network


def places(tree, path=()):
    """Paths of everything inside a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(seed=st.integers(0, 50), pick=st.integers(0, 10_000), value=junk, drop=st.booleans())
def test_hostile_json_is_refused_or_valid(seed, pick, value, drop):
    """Any one place replaced or removed gives a network or a NetworkError, nothing else."""
    tree = random_network(seed).to_json()
    tree = json.loads(json.dumps(tree))
    paths = list(places(tree))
    *parents, key = paths[pick % len(paths)]
    target = tree
    for parent in parents:
        target = target[parent]
    if drop:
        del target[key]
    else:
        target[key] = value
    try:
        network = network_from_json(tree)
    except NetworkError:
        return
    assert network_from_json(network.to_json()) == network


@pytest.mark.parametrize("tree", [None, [], 3, "x", {}, {"layers": []}, {"layers": [[]]}])
def test_junk_is_refused(tree):
    with pytest.raises(NetworkError):
        network_from_json(tree)


def test_unknown_fields_and_kinds_are_refused():
    tree = presets.network("tiny").to_json()
    for layer in ({**tree["layers"][0], "dilation": 2}, {**tree["layers"][0], "kind": "Dense"}):
        with pytest.raises(NetworkError, match=r"dilation|does not belong"):
            network_from_json({**tree, "layers": [layer, *tree["layers"][1:]]})


@pytest.mark.parametrize(
    ("field", "value"),
    [("out_channels", True), ("stride", 1.0), ("multiplier", 1), ("k", "3"), ("pool", None)],
)
def test_fields_have_their_exact_type(field, value):
    tree = presets.network("tiny").to_json()
    tree["layers"][0][field] = value
    with pytest.raises(NetworkError, match=field):
        network_from_json(tree)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: small(layers=()), "has no layers"),
        (lambda: small(input_shape=(1, 0, 8)), "input_shape is"),
        (lambda: small(zero_point=256), "zero_point is 256"),
        (lambda: small(labels=("a",)), "1 labels for 2 logits"),
        (lambda: small(labels=("a", "\x1b[2J")), "printable"),
        (lambda: small(name="../x"), "name is '../x'"),
        (lambda: small(Conv2d(out_channels=2, kernel=(9, 9))), "conv1: window"),
        (lambda: small(Conv2d(out_channels=2, kernel=(3, 3), pool=7)), "conv1: window"),
        (lambda: small(Conv2d(out_channels=0, kernel=(3, 3))), "size below 1"),
        (lambda: small(Conv2d(out_channels=2, kernel=(3, 3), k=3)), "conv1: k is 3, needs 1..2"),
        (lambda: small(Conv2d(out_channels=2, kernel=(3, 3), k=0)), "conv1: k is 0"),
        (lambda: small(Linear(out_features=0)), "0 units"),
        (lambda: small(Linear(out_features=4, sparsity=Taps((1,) * 4))), "for convolutions"),
        (lambda: small(Linear(out_features=4, sparsity=Complementary(5))), "5 sets, needs 1..4"),
        (
            lambda: small(Linear(out_features=4, sparsity=Complementary(2, 65))),
            "fan_in is 65, needs 1..64",
        ),
        (
            lambda: small(Conv2d(out_channels=2, kernel=(3, 3), sparsity=Taps((1,)))),
            "1 tap counts for 2 kernels",
        ),
        (
            lambda: small(Conv2d(out_channels=2, kernel=(3, 3), sparsity=Taps((1, 10)))),
            "taps per kernel are 1..10, need 1..9",
        ),
        (
            lambda: small(Linear(out_features=2), Conv2d(out_channels=2, kernel=(1, 1))),
            "convolutions come before linear",
        ),
        (lambda: small(layers=(Linear(out_features=2, k=1),)), "last layer must be linear"),
        (
            lambda: small(layers=(Conv2d(out_channels=2, kernel=(8, 8)),)),
            "last layer must be linear",
        ),
        (lambda: small(layers=(Linear(out_features=2, multiplier=True),)), "no multiplier"),
        (lambda: small(input_shape=(1, 256, 256)), "65536 products a logit"),
        (lambda: small(layers=(Linear(out_features=8193),), labels=()), "8193 outputs"),
        (lambda: small(layers=(Linear(out_features=16),)), "2 labels for 16 logits.*none for raw"),
        (lambda: small(input_shape=(65537, 1, 1)), "input of 65537 channels, 65536 at most"),
        (lambda: small(input_shape=(1, 8193, 8192)), "67117056 bytes, 67108864 at most"),
    ],
)
def test_impossible_networks_are_refused(build, message):
    with pytest.raises(NetworkError, match=message):
        build()


@pytest.mark.parametrize("outputs", [1, 15, 16, 35, 640, 8192])
def test_outputs_with_and_without_labels(outputs):
    for labels in (tuple(map(str, range(outputs))), ()):
        network = small(layers=(Linear(out_features=outputs),), labels=labels)
        assert (network.outputs, network.labelled) == (outputs, bool(labels))
        assert network_from_json(json.loads(json.dumps(network.to_json()))) == network


def test_stages_of_the_speech_network():
    conv1, conv2, linear1, linear2 = presets.network("gsc").stages
    assert [stage.name for stage in (conv1, conv2, linear1, linear2)] == [
        "conv1",
        "conv2",
        "linear1",
        "linear2",
    ]
    assert (conv1.conv_shape, conv1.out_shape) == ((64, 28, 28), (64, 14, 14))
    assert (conv2.conv_shape, conv2.out_shape) == ((64, 10, 10), (64, 5, 5))
    assert (conv2.inputs, conv2.fan_in, conv2.slots, conv2.products) == (1600, 200, 8, 100)
    assert (linear1.inputs, linear1.fan_in, linear1.slots, linear1.products) == (1600, 63, 25, 63)
    assert (linear1.taps, linear1.in_k, linear2.in_k) == (25, 8, 150)
    assert linear2.products == 150


def test_winners_limit_the_products():
    layer = Linear(out_features=20, k=3)
    assert small(layer).stages[1].products == 3
    assert small(replace(layer, k=None)).stages[1].products == 20
    assert isinstance(small(layer).stages[1].layer.sparsity, Dense)


@given(SEEDS)
def test_linear_layers_are_convolutions_over_their_whole_input(seed):
    for stage in random_network(seed).stages:
        if isinstance(stage.layer, Linear):
            assert stage.kernel == stage.in_shape[1:]
            assert stage.out_shape == (stage.channels, 1, 1)
