"""Machine files: round trips, suspicion, and what does not fit."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract import machine as room
from twofold.hw.contract import presets, shipped
from twofold.hw.contract.errors import FoldingError, MachineError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.machine import Machine, machine_from_json
from twofold.hw.contract.network import Complementary, Conv2d, Dense, Linear, Network, Taps
from twofold.sim.workloads.random_network import random_folding, random_network

MACHINE = shipped.machine("gsc-fast-small")


def with_layer(network: Network, at: int, **changes: Any) -> Network:
    layers = list(network.layers)
    layers[at] = replace(layers[at], **changes)
    return replace(network, layers=tuple(layers))


@given(st.integers(0, 1 << 30))
def test_random_machines_come_back(seed: int) -> None:
    network = random_network(seed)
    machine = Machine("mine", network, random_folding(network, seed), "other-board")
    again = machine_from_json(json.loads(json.dumps(machine.to_json())))
    assert again == machine
    assert again.fingerprint == fingerprint(network, machine.folding)
    assert again.plans == machine.plans


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "mine.machine.json"
    MACHINE.save(path)
    assert Machine.load(path) == MACHINE
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert MACHINE.slug == f"gsc-fast-small-{MACHINE.fingerprint.hex()[:8]}"


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(MachineError, match="cannot be written"):
        MACHINE.save(tmp_path / "file" / "mine.machine.json")


def set_in(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Change that sets what lies at a path to its last element."""

    def change(tree: dict[str, Any]) -> None:
        at: Any = tree
        for key in path[:-2]:
            at = at[key]
        at[path[-2]] = path[-1]

    return change


def removed(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda tree: tree.pop(key) and None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("format", "other"), "format is 'other', needs 'twofold.machine'"),
        (removed("format"), "is no machine file"),
        (set_in("version", 2), "format version is 2, this program reads 1"),
        (set_in("version", True), "format version is True"),
        (removed("folding"), "machine file has no folding"),
        (set_in("extra", 1), "machine file has an unknown key 'extra'"),
        (set_in("network", "extra", 1), "network has an unknown key 'extra'"),
        (set_in("folding", "extra", 1), "folding has an unknown key 'extra'"),
        (set_in("folding", "layers", 0, "extra", 1), "extra"),
        (set_in("network", "layers", 0, "extra", 1), "extra"),
        (set_in("network", "layers", 0, "kind", "Recurrent"), "Recurrent"),
        (set_in("folding", []), "folding is not an object"),
        (set_in("folding", "layers", 1, "lanes", 3), "conv2: 3 lanes do not divide 8 sets"),
        (set_in("folding", "layers", 1, "lanes", 0), "conv2: folding .* has a value below 1"),
        (set_in("folding", "layers", 1, "lanes", -4), "a number is -4, needs 0..1048576"),
        (set_in("folding", "layers", 1, "lanes", 1 << 40), "needs 0..1048576"),
        (set_in("folding", "layers", 1, "lanes", 10**400), "needs 0..1048576"),
        (set_in("folding", "layers", 1, "lanes", 4.0), "neither an integer nor a string"),
        (set_in("folding", "layers", 1, "lanes", "4"), "sizes are integers"),
        (set_in("folding", "layers", 1, "lanes", True), "sizes are integers"),
        (set_in("folding", "input_bytes", 24), "input_bytes is 24"),
        (set_in("folding", "frames", 1), "frames is 1"),
        (set_in("network", "input_shape", [1, 32]), "network description"),
        (set_in("network", "layers", 1, "k", 65), "conv2: k is 65"),
        (set_in("name", "../out"), "name is '../out', needs 1..80 letters"),
        (set_in("name", 3), "must be strings"),
        (set_in("board", ""), "board is ''"),
        (set_in("board", "x" * 81), "a string has 81 characters"),
        (set_in("fingerprint", "00" * 32), "fingerprint is '000000000000', its content has"),
        (set_in("folding", "frames", 3), "fingerprint is"),
        (set_in("network", "zero_point", 95), "fingerprint is"),
    ],
)
def test_untrusted(change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path) -> None:
    tree = json.loads(json.dumps(MACHINE.to_json()))
    change(tree)
    path = tmp_path / "bad.machine.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(MachineError, match=message) as caught:
        Machine.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == FoldingError.exit_code


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"format": NaN}', "not JSON"),
        (b'{"format": "twofold.machine", "format": "twofold.machine"}', "duplicate key"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is no machine file"),
        (b" " * (room.FILE_BYTES_MAX + 1), "is longer than 1048576 bytes"),
    ],
)
def test_no_machine_file(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.machine.json"
    path.write_bytes(content)
    with pytest.raises(MachineError, match=message):
        Machine.load(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no such file"):
        Machine.load(tmp_path / "none.machine.json")


def test_layers_in_a_large_file_are_bounded(tmp_path: Path) -> None:
    """Millions of kernels in a short text are refused before anything is built of them."""
    tree = MACHINE.to_json()
    tree["network"]["layers"][1]["out_channels"] = 1 << 30
    path = tmp_path / "bad.machine.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(MachineError, match=r"needs 0\.\.1048576"):
        Machine.load(path)


NETWORK = MACHINE.network


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            with_layer(NETWORK, 1, sparsity=Complementary(4)),
            "conv2: machine has 8 complementary sets, the network 4 complementary sets",
        ),
        (
            with_layer(NETWORK, 1, sparsity=Dense()),
            "conv2: machine has 8 complementary sets, the network dense weights",
        ),
        (
            with_layer(NETWORK, 0, sparsity=Taps((7,) * 64)),
            r"conv1: machine has 4\.\.4 taps a kernel, the network 7\.\.7 taps a kernel",
        ),
        (
            with_layer(NETWORK, 2, k=None),
            "linear1: machine has 150 winners, the network all winners",
        ),
        (
            with_layer(NETWORK, 0, multiplier=True),
            "conv1: machine has no multiplier, the network multiplier",
        ),
        (
            with_layer(NETWORK, 0, kernel=(3, 3)),
            "conv1: machine has a window of 5 x 5, the network a window of 3 x 3",
        ),
        (
            replace(NETWORK, zero_point=0),
            "input: machine has zero point 96, the network zero point 0",
        ),
        (
            replace(NETWORK, input_shape=(1, 40, 32)),
            "input: machine has an image of 1 x 32 x 32, the network an image of 1 x 40 x 32",
        ),
        (
            replace(NETWORK, layers=(*NETWORK.layers[:2], NETWORK.layers[3])),
            r"machine has 4 layers, the network 3 \(and 3 more\)",
        ),
        (
            replace(
                NETWORK, labels=("a", "b"), layers=(*NETWORK.layers[:3], Linear(out_features=2))
            ),
            "linear2: machine has 12 units, the network 2 units",
        ),
    ],
)
def test_a_network_that_does_not_fit(network: Network, message: str) -> None:
    assert not MACHINE.computes(network)
    with pytest.raises(MachineError, match=message):
        MACHINE.check_network(network)


def test_kinds_of_layers_are_told_apart() -> None:
    conv = Conv2d(out_channels=4, kernel=(1, 1))
    first = Network("a", (1, 4, 4), (conv, conv, Linear(out_features=2)), labels=("x", "y"))
    second = replace(first, layers=(conv, Linear(out_features=4), Linear(out_features=2)))
    assert "conv2: machine has a Conv2d, the network a Linear" in list(
        room._differences(first, second)
    )


def test_names_and_labels_do_not_matter() -> None:
    network = replace(NETWORK, name="mine", labels=tuple("abcdefghijkl"))
    MACHINE.check_network(network)
    assert MACHINE.computes(network)
    other = replace(MACHINE, name="mine", network=network, board="u55c")
    assert other.fingerprint == MACHINE.fingerprint


def test_a_folding_that_does_not_fit_makes_no_machine() -> None:
    with pytest.raises(FoldingError, match="conv1"):
        Machine("mine", NETWORK, presets.folding("tiny", "fast", "full"))
