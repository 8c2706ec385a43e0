"""Dense against sparse: what each variant is, and that area is the same or less."""

import pytest

from twofold.hw.boards.resources import share
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.layers import Complementary, Conv2d, Dense, Grouped, Linear, Taps
from twofold.hw.contract.network import Network
from twofold.hw.contract.sparsified import VARIANTS, Sparsities, variant_of
from twofold.hw.solve.choose import Target
from twofold.hw.solve.compare import compare

LAYERS = (
    Conv2d(out_channels=8, kernel=(5, 5), pool=2),
    Conv2d(out_channels=8, kernel=(3, 3), sparsity=Grouped(8)),
    Linear(out_features=40),
    Linear(out_features=4),
)
NETWORK = Network("compared", (1, 16, 16), LAYERS, tuple("abcd"))


def test_variants() -> None:
    dense, half, both = (variant_of(NETWORK, name, Sparsities(0.1, 0.25)) for name in VARIANTS)
    assert [layer.sparsity for layer in dense.layers] == [Dense(), Grouped(8), Dense(), Dense()]
    wanted = [Taps((9,) * 8), Grouped(8), Complementary(4), Dense()]
    assert [layer.sparsity for layer in half.layers] == wanted
    assert [layer.sparsity for layer in both.layers] == wanted
    assert [layer.k for layer in half.layers] == [None] * 4
    assert [layer.k for layer in both.layers] == [2, 2, 10, None]


@pytest.mark.parametrize("shares", [(0, 0.5), (0.5, 1.5), (float("nan"), 1)])
def test_shares_are_checked(shares) -> None:
    with pytest.raises(NetworkError, match="needs 0 < x <= 1"):
        Sparsities(*shares)


def test_sparse_is_faster_in_no_more_area() -> None:
    said: list[str] = []
    rows = list(compare(NETWORK, Target(cycles=1000), Sparsities(), said.append))
    assert [row.variant for row in rows] == list(VARIANTS)
    found = [row.solution for row in rows if row.solution is not None]
    assert len(found) == 3 and found[0].cycles <= 1000
    assert all(found[0].cycles > one.cycles for one in found[1:])
    region = found[0].board.region
    most = max(share(found[0].resources, region))
    assert all(max(share(one.resources, region)) <= most * 1.0001 for one in found)
    assert any("in the same area" in text for text in said)
