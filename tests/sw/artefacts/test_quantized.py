"""Quantized networks: rules, and files that say something else than they should."""

import io
import json
import math
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import presets
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.sim.workloads.random_network import random_network, random_quantized
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork, container
from twofold.sw.artefacts.quantized import FIXED
from twofold.sw.data.frontend import CENTRED
from twofold.sw.errors import ArtefactError

NETWORK = Network(
    name="small",
    input_shape=(1, 6, 6),
    layers=(
        Conv2d(out_channels=3, kernel=(3, 3), pool=2, sparsity=Taps((3, 2, 1)), multiplier=True),
        Linear(out_features=6, sparsity=Complementary(2)),
        Linear(out_features=2),
    ),
    labels=("a", "b"),
)
QUANTIZED = random_quantized(NETWORK, 3)


def same(first: QuantizedNetwork, second: QuantizedNetwork) -> bool:
    return (
        (first.network, first.logit_scale, dict(first.provenance), first.front_end)
        == (second.network, second.logit_scale, dict(second.provenance), second.front_end)
        and len(first.layers) == len(second.layers)
        and all(map(same_layer, first.layers, second.layers))
    )


def same_layer(first: QuantizedLayer, second: QuantizedLayer) -> bool:
    if (first.mul is None) != (second.mul is None) or first.shift != second.shift:
        return False
    arrays = [(first.weight, second.weight), (first.add, second.add)]
    if first.mul is not None and second.mul is not None:
        arrays.append((first.mul, second.mul))
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1 << 30), machine=st.booleans())
def test_round_trip(tmp_path_factory, seed, machine):
    path = tmp_path_factory.mktemp("round") / "net.npz"
    quantized = random_quantized(random_network(seed, machine=machine), seed)
    quantized.save(path)
    assert same(QuantizedNetwork.load(path), quantized)


def test_front_end_is_kept_and_fixed_where_none_is_named(tmp_path):
    centred = replace(QUANTIZED, front_end=CENTRED)
    centred.save(tmp_path / "new.npz")
    assert same(QuantizedNetwork.load(tmp_path / "new.npz"), centred)
    QUANTIZED.save(tmp_path / "old.npz")
    with zipfile.ZipFile(tmp_path / "old.npz") as archive:
        assert "front_end" not in json.loads(archive.read("header.json"))
    assert QuantizedNetwork.load(tmp_path / "old.npz").front_end == FIXED
    for wrong in ("", "x" * 65, 3):
        with pytest.raises(ArtefactError, match="front end is"):
            replace(QUANTIZED, front_end=wrong)


def test_equal_networks_give_equal_bytes_and_nothing_else_is_left(tmp_path):
    for name in ("a.npz", "b.npz"):
        QUANTIZED.save(tmp_path / "new" / name)
    first, second = sorted((tmp_path / "new").iterdir())
    assert first.name == "a.npz" and first.read_bytes() == second.read_bytes()


def test_numpy_opens_the_file(tmp_path):
    QUANTIZED.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["conv1.weight"], QUANTIZED.layers[0].weight)


def with_layer(index: int, **changes: Any) -> QuantizedNetwork:
    layers = list(QUANTIZED.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(QUANTIZED, layers=tuple(layers))


def changed(array: np.ndarray, at, value) -> np.ndarray:
    array = array.copy()
    array[at] = value
    return array


CONV1, LINEAR1, LINEAR2 = QUANTIZED.layers
SHARED = changed(np.zeros((6, 12), dtype=np.int8), ([0, 2], 5), 1)
WIDE = np.zeros((6, 12), dtype=np.int8)
WIDE[0] = 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: replace(QUANTIZED, layers=()), "0 layers of integers for 3"),
        (lambda: replace(QUANTIZED, logit_scale=0.0), "logit_scale is 0.0"),
        (lambda: replace(QUANTIZED, logit_scale=math.nan), "logit_scale is nan"),
        (lambda: replace(QUANTIZED, logit_scale=1), "logit_scale is 1, needs a finite"),
        (lambda: replace(QUANTIZED, provenance={"a": {1}}), "provenance is not plain JSON"),
        (lambda: replace(QUANTIZED, provenance={"a": math.inf}), "provenance is not plain JSON"),
        (
            lambda: with_layer(0, weight=CONV1.weight.astype(np.int16)),
            r"conv1: weight is int16\[3, 1, 3, 3\], needs int8\[3, 1, 3, 3\]",
        ),
        (
            lambda: with_layer(1, weight=LINEAR1.weight[:, 1:]),
            r"linear1: weight is int8\[6, 11\], needs int8\[6, 12\]",
        ),
        (lambda: with_layer(0, weight=[[1]]), "conv1: weight is"),
        (lambda: with_layer(0, mul=None), r"conv1: mul is None, needs uint16\[3\]"),
        (lambda: with_layer(1, mul=np.ones(6, np.uint16)), "linear1: has mul, but the layer"),
        (lambda: with_layer(0, mul=np.full(3, 1 << 15, np.uint16)), "conv1: mul is 32768"),
        (lambda: with_layer(0, shift=32), r"conv1: shift is 32, needs an integer in 0\.\.31"),
        (lambda: with_layer(0, shift=-1), "conv1: shift is -1"),
        (lambda: with_layer(0, shift=1.0), r"conv1: shift is 1\.0"),
        (lambda: with_layer(2, shift=1), r"linear2: shift is 1, needs an integer in 0\.\.0"),
        (
            lambda: with_layer(1, add=changed(LINEAR1.add, 0, 1 << 19)),
            r"linear1: add is in .*524288, needs 19 bits signed \(-262144\.\.262143\)",
        ),
        (
            lambda: with_layer(0, weight=np.ones((3, 1, 3, 3), np.int8)),
            "conv1: kernel 0 has 9 taps, needs at most 3",
        ),
        (
            lambda: with_layer(1, weight=SHARED),
            "linear1: kernels 0 and 2 of set 0 both use input 5",
        ),
        (lambda: with_layer(1, weight=WIDE), "linear1: kernel 0 has 12 weights, fan_in is 4"),
    ],
)
def test_integers_that_do_not_fit_are_refused(build, message):
    with pytest.raises(ArtefactError, match=message):
        build()


def test_extremes_that_fit_are_taken():
    limit = 1 << (NETWORK.stages[1].add_bits - 1)
    edge = np.array([-limit, limit - 1, 0, 1, 2, 3], dtype=np.int32)
    with_layer(1, add=edge, shift=31, weight=np.zeros((6, 12), np.int8)).validate()


def test_probabilities_are_a_softmax_of_scaled_logits():
    logits = np.array([[0, 1 << 30], [1024, 0]], dtype=np.int32)
    probabilities = replace(QUANTIZED, logit_scale=2.0**-10).probabilities(logits)
    assert probabilities[0] == pytest.approx([0, 1])
    assert probabilities[1] == pytest.approx([math.e / (1 + math.e), 1 / (1 + math.e)])


@pytest.fixture
def members(tmp_path) -> dict[str, bytes]:
    QUANTIZED.save(tmp_path / "good.npz")
    with zipfile.ZipFile(tmp_path / "good.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load(path, members, compression=zipfile.ZIP_DEFLATED) -> QuantizedNetwork:
    """Write ``members`` as an archive, then load it."""
    with zipfile.ZipFile(path / "bad.npz", "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return QuantizedNetwork.load(path / "bad.npz")


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=True)
    return buffer.getvalue()


def test_members_written_back_unchanged_load(tmp_path, members):
    assert same(load(tmp_path, members), QUANTIZED)


def header(members, **changes) -> dict[str, bytes]:
    tree = json.loads(members["header.json"])
    for key, value in changes.items():
        if value is None:
            del tree[key]
        else:
            tree[key] = value
    return {**members, "header.json": json.dumps(tree).encode()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {**m, "header.json": b"{"}, "not an intact artefact"),
        (lambda m: {**m, "header.json": b"[" * 100_000}, "not an intact artefact"),
        (lambda m: {**m, "header.json": b"[]"}, "is not an object"),
        (lambda m: {**m, "header.json": b" " * (1 << 20) + b"{}"}, "header.json has 1048578 bytes"),
        (lambda m: {k: v for k, v in m.items() if k != "header.json"}, "has no header.json"),
        (lambda m: header(m, format="other"), "format is 'other', needs 'twofold.quantized'"),
        (lambda m: header(m, version=2), "format version is 2, this program reads 1"),
        (lambda m: header(m, network=None), "not an intact artefact"),
        (lambda m: header(m, network={"layers": []}), "network description: KeyError: 'name'"),
        (lambda m: header(m, shifts=[1, 1, 0]), "checksum does not match"),
        (lambda m: header(m, sha256="00"), "checksum does not match"),
        (lambda m: header(m, sha256=None), "checksum does not match"),
        (lambda m: {**m, "extra.npy": npy(np.zeros(3))}, "members are .*extra.npy"),
        (lambda m: {**m, "../evil.npy": npy(np.zeros(3))}, "members are"),
        (lambda m: {k: v for k, v in m.items() if "add" not in k}, "members are"),
        (
            lambda m: {**m, "linear1.add.npy": npy(np.arange(6, dtype=np.int32))},
            "checksum does not match",
        ),
        (
            lambda m: {**m, "linear1.add.npy": npy(np.arange(7, dtype=np.int32))},
            r"linear1.add is int32\[7\], needs int32\[6\]",
        ),
        (
            lambda m: {**m, "linear1.add.npy": npy(np.arange(6, dtype=np.int64))},
            r"linear1.add is int64\[6\]",
        ),
        (
            lambda m: {**m, "linear1.add.npy": npy(np.array([None] * 6))},
            r"linear1.add is object\[6\]",
        ),
        (
            lambda m: {**m, "linear1.weight.npy": npy(np.asfortranarray(LINEAR1.weight))},
            "in C order",
        ),
        (lambda m: {**m, "linear1.add.npy": m["linear1.add.npy"][:-1]}, "has 23 bytes, needs 24"),
        (lambda m: {**m, "linear1.add.npy": m["linear1.add.npy"] + b"0"}, "has 25 bytes"),
        (lambda m: {**m, "linear1.add.npy": b"\x93NUMPY\x01\x00\xff"}, "not an intact artefact"),
        (lambda m: {**m, "linear1.add.npy": b""}, "not an intact artefact"),
        (
            lambda m: {**m, "linear1.add.npy": bytes(1 << 24)},
            "linear1.add.npy has 16777216 bytes, at most 4120",
        ),
    ],
)
def test_files_that_are_wrong_are_refused_in_one_line(tmp_path, members, change, message):
    with pytest.raises(ArtefactError, match=message) as caught:
        load(tmp_path, change(members))
    assert "bad.npz" in str(caught.value)


def test_other_compression_is_refused(tmp_path, members):
    with pytest.raises(ArtefactError, match="only deflate is read"):
        load(tmp_path, members, zipfile.ZIP_LZMA)


def test_networks_too_large_for_memory_are_refused_before_reading(tmp_path, members):
    tree = json.loads(members["header.json"])["network"]
    tree["layers"][1].update(out_features=1 << 40, k=5)
    with pytest.raises(ArtefactError, match=r"arrays take .* at most"):
        load(tmp_path, header(members, network=tree))


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_changed_byte_is_noticed_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "net.npz"
    QUANTIZED.save(path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        loaded = QuantizedNetwork.load(path)
    except ArtefactError:
        return
    assert same(loaded, QUANTIZED)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(ArtefactError, match=r"none\.npz: cannot be read: No such file"):
        QuantizedNetwork.load(tmp_path / "none.npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot be written"):
        QUANTIZED.save(tmp_path / "file" / "net.npz")


def test_files_that_are_too_long_are_not_read(tmp_path, monkeypatch):
    QUANTIZED.save(tmp_path / "net.npz")
    monkeypatch.setattr(container, "FILE_BYTES_MAX", 100)
    with pytest.raises(ArtefactError, match="longer than 100 bytes"):
        QuantizedNetwork.load(tmp_path / "net.npz")


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    QUANTIZED.save(path)
    before = path.read_bytes()

    def fail(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        random_quantized(NETWORK, 4).save(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["net.npz"]


def test_the_speech_network_takes_about_200_kilobytes(tmp_path):
    path = tmp_path / "net.npz"
    random_quantized(presets.network("gsc")).save(path)
    assert path.stat().st_size < 400_000
