"""The fingerprint changes with whatever changes the machine, and with nothing else."""

from dataclasses import fields, replace

from twofold.hw.contract import identity, presets
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.network import Complementary, Conv2d, Taps

NETWORK, FOLDING = presets.network("gsc"), presets.folding("gsc")
PRINT = fingerprint(NETWORK, FOLDING)


def with_layer(index, **changes):
    layers = list(NETWORK.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(NETWORK, layers=tuple(layers))


def with_folding(index, **changes):
    layers = list(FOLDING.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(FOLDING, layers=tuple(layers))


def test_is_32_bytes_and_repeats():
    assert len(PRINT) == 32
    assert fingerprint(presets.network("gsc"), presets.folding("gsc")) == PRINT


def test_names_do_not_count():
    renamed = replace(NETWORK, name="other", labels=tuple("abcdefghijkl"))
    assert fingerprint(renamed, FOLDING) == PRINT


def test_every_number_of_a_convolution_counts():
    changes = {
        "kernel": (5, 3),
        "stride": 2,
        "pool": 1,
        "pooling": "mean",
        "padding": 1,
        "k": 7,
        "multiplier": True,
        "out_channels": 66,
        "sparsity": Complementary(4, 101),
    }
    assert set(changes) == {item.name for item in fields(Conv2d)}
    prints = {fingerprint(with_layer(1, **{key: value}), FOLDING) for key, value in changes.items()}
    assert len(prints | {PRINT}) == len(changes) + 1


def test_other_networks_differ():
    networks = [
        with_layer(0, sparsity=Taps((5,) + (4,) * 63)),
        with_layer(2, k=151),
        with_layer(2, sparsity=Complementary(30)),
        replace(NETWORK, zero_point=97),
        replace(NETWORK, input_shape=(1, 32, 34)),
        replace(NETWORK, layers=NETWORK.layers[1:]),
        *(presets.network("gsc", variant) for variant in ("dense", "sparse-dense")),
        presets.network("tiny"),
    ]
    prints = {fingerprint(network, FOLDING) for network in networks}
    assert len(prints | {PRINT}) == len(networks) + 1


def test_every_number_of_the_folding_counts():
    foldings = [
        replace(FOLDING, frames=3),
        replace(FOLDING, input_bytes=32),
        *(with_folding(0, **{key: 7}) for key in ("rows", "cols", "streams")),
        *(with_folding(1, **{key: 7}) for key in ("rows", "cols", "engines", "lanes", "drain")),
    ]
    prints = {fingerprint(NETWORK, folding) for folding in foldings}
    assert len(prints | {PRINT}) == len(foldings) + 1


def test_the_format_version_counts(monkeypatch):
    monkeypatch.setattr(identity, "VERSION", identity.VERSION + 1)
    assert fingerprint(NETWORK, FOLDING) != PRINT
