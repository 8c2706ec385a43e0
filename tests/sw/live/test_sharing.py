"""What windows share, against a count by hand."""

import numpy as np
import pytest

from twofold.sw.golden import forward
from twofold.sw.live.sharing import sharing

IMAGE = np.random.default_rng(1).integers(0, 256, (40, 32), dtype=np.uint8)


def test_rows_that_only_move_are_shared(network) -> None:
    """Two rows on: 30 of 32 are the same, and 13 of 14 rows of pooled outputs."""
    found = sharing(network, np.stack([IMAGE[at : at + 32] for at in (0, 2, 4)]))
    assert (found.windows, found.images) == (2, 0.0)
    assert found.rows == pytest.approx(30 / 32)
    stage = network.network.stages[0]
    assert (stage.kernel[0], stage.pool_window[0], stage.out_shape[1]) == (5, 2, 14)
    assert found.first_layer == pytest.approx(13 / 14)
    images = np.stack([IMAGE[at : at + 32] for at in (0, 2, 4)])
    counts = forward(network, images, keep_activations=False).multiplications.sum(axis=0)
    assert found.multiplications == pytest.approx(13 / 14 * counts[0] / counts.sum())


def test_another_level_shares_nothing(network) -> None:
    images = np.stack([IMAGE[:32], IMAGE[:32] ^ np.uint8(1)])
    found = sharing(network, images)
    assert (found.images, found.rows, found.first_layer, found.multiplications) == (0, 0, 0, 0)


def test_equal_images_share_all(network) -> None:
    found = sharing(network, np.stack([IMAGE[:32]] * 3))
    assert (found.images, found.rows, found.first_layer, found.multiplications) == (1, 1, 1, 1)
