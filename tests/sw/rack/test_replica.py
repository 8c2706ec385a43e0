"""A replica without its cluster: plans, cards of its own, health; and the command without Ray."""

import argparse
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.shipped import machine
from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.cli.cluster import add_cluster, cluster, scale_of
from twofold.sw.errors import ArtefactError, DeviceError, InputError, NoCardError
from twofold.sw.golden import forward
from twofold.sw.rack import replica
from twofold.sw.rack.rack import Scale
from twofold.sw.rack.replica import Plan, Replica
from twofold.sw.xrt.cards import Card

FILE = shipped_file("tiny-fast")
PLAN = Plan(FILE.read_bytes(), machine("tiny-fast-small").folding, "cpu")


def test_a_replica_travels_and_computes() -> None:
    network = QuantizedNetwork.load(FILE)
    inputs = random_inputs(network.network, 9, seed=1)
    made = Replica(pickle.loads(pickle.dumps(PLAN)))
    try:
        logits, labels = made.infer(inputs)
        np.testing.assert_array_equal(logits, forward(network, inputs).logits)
        assert labels is not None and made.about == ("the CPU engine", False)
        made.check()
        made._known = made._known + 1
        with pytest.raises(DeviceError, match="something else"):
            made.check()
    finally:
        made.close()


def test_a_damaged_network_is_refused() -> None:
    with pytest.raises(ArtefactError):
        Replica(Plan(b"PK", PLAN.folding, "cpu"))


def card(index: int, ready: bool = True) -> Card:
    return Card(address=f"test:{index}.{id(card)}", shell=None, ready=ready)


def test_each_replica_has_a_card_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(replica, "cards", lambda: (card(0), card(1), card(2, ready=False)))
    with replica._own_card("auto") as first, replica._own_card("xrt") as second:
        assert (first, second) == ("xrt:0", "xrt:1")
        with pytest.raises(NoCardError, match="none of the 2 cards"), replica._own_card("pynq"):
            pass
    with replica._own_card("pynq") as free:
        assert free == "pynq:0"
    for name in ("cpu", "golden", "xrt:1"):
        with replica._own_card(name) as same:
            assert same == name


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_cluster(parser)
    return parser.parse_args(words)


def test_numbers_of_replicas() -> None:
    assert scale_of(options()) == Scale(1, 1)
    assert scale_of(options("--replicas", "3")) == Scale(3, 3)
    assert scale_of(options("--replicas", "2:16")) == Scale(2, 16)
    for wrong in ("0", "3:2", "1:5000", "", "a", "1:", "-1", "1:2:3", "٣"):
        with pytest.raises(InputError, match="needs N or N:M"):
            scale_of(options(f"--replicas={wrong}"))


def test_without_ray_one_line_says_what_to_do(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ToolError, match=r"pip install 'twofold\[ray\]'"),
        cluster(options("--ray")),
    ):
        pass


def test_what_is_not_ours_is_left(tmp_path: Path) -> None:
    """The lock of a card is no way into other files."""
    target = tmp_path / "precious"
    target.write_text("x")
    link = Path(replica.tempfile.gettempdir()) / f"twofold-card-link{id(link_of)}.lock"
    link.symlink_to(target)
    try:
        with pytest.raises(OSError), replica._claimed(f"link{id(link_of)}"):
            pass
        assert target.read_text() == "x"
    finally:
        link.unlink()


def link_of() -> None:
    """Only a name that no other test has."""
