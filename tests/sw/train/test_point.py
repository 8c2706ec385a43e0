"""Points near a preset."""

import pytest

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Complementary, Taps
from twofold.hw.contract.presets import network
from twofold.sw.train.point import move
from twofold.sw.train.recipe import recipe


def test_nothing_asked_is_the_preset() -> None:
    assert move(network("gsc", "fast")) == network("gsc", "fast")


def test_numbers_go_to_their_layers() -> None:
    moved = move(network("gsc", "fast"), taps=6.25, winners=(9, 10, 120), sets=(8, 50))
    first, second, third, _ = moved.layers
    assert first.sparsity == Taps((7,) * 16 + (6,) * 48)
    assert [layer.k for layer in moved.layers] == [9, 10, 120, None]
    assert second.sparsity == Complementary(8) and third.sparsity == Complementary(50)
    narrow = move(network("gsc", "fast"), fan_in=50)
    assert [layer.sparsity for layer in narrow.layers[1:3]] == [
        Complementary(8), Complementary(60, 50),
    ]  # fmt: skip
    assert recipe("gsc", "fast", network=moved).network == moved
    assert recipe("gsc", "fast", network=moved).dense == network("gsc", "dense")


def test_refuses() -> None:
    with pytest.raises(NetworkError, match="2 numbers for 3 layers that have winners"):
        move(network("gsc", "fast"), winners=(8, 8))
    with pytest.raises(NetworkError, match=r"k is 65, needs 1\.\.64"):
        move(network("gsc", "fast"), winners=(65, 8, 150))
    with pytest.raises(NetworkError, match="taps per kernel"):
        move(network("gsc", "fast"), taps=26)
    with pytest.raises(NetworkError, match="1 numbers for 0 layers"):
        move(network("gsc", "dense"), winners=(8,))
