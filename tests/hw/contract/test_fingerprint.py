"""The fingerprint changes with whatever changes the machine, and with nothing else."""

from dataclasses import fields, replace

import pytest

from twofold.hw.contract import fingerprint as fingerprints
from twofold.hw.contract import presets
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


def test_raw_outputs_count():
    assert fingerprint(replace(NETWORK, labels=()), FOLDING) != PRINT


@pytest.mark.parametrize(
    ("name", "variant", "size", "start"),
    [
        ("gsc", "dense", "small", "e3ddedcc302c8951"),
        ("gsc", "dense", "full", "15d6c3199d19afdf"),
        ("gsc", "pruned", "small", "e3ddedcc302c8951"),
        ("gsc", "pruned", "full", "15d6c3199d19afdf"),
        ("gsc", "sparse-dense", "small", "516bd4f5096b5229"),
        ("gsc", "sparse-dense", "full", "c1918719bb13c0d4"),
        ("gsc", "fast", "small", "0ff1abd0082fc681"),
        ("gsc", "fast", "full", "b5c9572b596838cf"),
        ("gsc", "accurate", "small", "e1517b004528a01d"),
        ("gsc", "accurate", "full", "f80f01c104d3ac91"),
        ("tiny", "dense", "small", "e41db3813404eadb"),
        ("tiny", "dense", "full", "8595509f0e78ad17"),
        ("tiny", "pruned", "small", "e41db3813404eadb"),
        ("tiny", "pruned", "full", "8595509f0e78ad17"),
        ("tiny", "sparse-dense", "small", "627036116beef7b4"),
        ("tiny", "sparse-dense", "full", "a719254f92da9800"),
        ("tiny", "fast", "small", "09352697d1bb636a"),
        ("tiny", "fast", "full", "1dd62c44742018bd"),
        ("tiny", "accurate", "small", "6e2df84c6d758270"),
        ("tiny", "accurate", "full", "7fe453d4a6240e3e"),
    ],
)
def test_shipped_machines_keep_their_fingerprint(name, variant, size, start):
    """Images packed long ago, and bitstreams that took hours, stay good."""
    machine = presets.network(name, variant), presets.folding(name, variant, size)
    assert fingerprint(*machine).hex().startswith(start)


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
    assert {*changes, "zero", "source"} == {item.name for item in fields(Conv2d)}
    prints = {fingerprint(with_layer(1, **{key: value}), FOLDING) for key, value in changes.items()}
    assert len(prints | {PRINT}) == len(changes) + 1
    every = [fingerprint(with_layer(1, k=None, zero=zero), FOLDING) for zero in (0, 128)]
    assert len({*every, PRINT}) == 3


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
    monkeypatch.setattr(fingerprints, "VERSION", fingerprints.VERSION + 1)
    assert fingerprint(NETWORK, FOLDING) != PRINT
