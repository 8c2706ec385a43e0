"""Which networks are 2:4 as they are."""

import numpy as np
import pytest

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.bench.gpu.two_four import COLUMNS, ROWS, is_two_four, two_four_layers
from twofold.sw.bench.subjects import VARIANTS


def matrix(rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Two of four, at other places in every row."""
    found = np.zeros((rows, columns), np.int8)
    for row in range(rows):
        found[row, row % 4 :: 4] = found[row, (row + 1) % 4 :: 4] = 1
    return found


def test_two_of_every_four_and_no_more():
    assert is_two_four(matrix())
    assert is_two_four(np.zeros((ROWS, COLUMNS), np.int8))
    for row in (0, ROWS - 1):
        three = matrix()
        three[row, -4:] = (1, 1, 1, 0)
        assert not is_two_four(three)
    across = np.zeros((ROWS, COLUMNS), np.int8)
    across[0, 2:6] = 1  # four in a row, but two in each group
    assert is_two_four(across)


@pytest.mark.parametrize("shape", [(ROWS + 1, COLUMNS), (ROWS, COLUMNS + 4), (12, 1500)])
def test_shapes_that_cannot_be_compressed(shape: tuple[int, int]):
    assert not is_two_four(matrix(*shape))


@pytest.mark.parametrize("net", ["tiny", "gsc"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_network_that_ships_is_two_four(net: str, variant: str):
    assert two_four_layers(QuantizedNetwork.load(shipped(net, variant))) == []


def test_layers_that_are(regular: QuantizedNetwork):
    assert two_four_layers(regular) == ["linear1"]
