"""Sparse matrices in blocks: nothing is lost, and dense ones are left alone."""

import numpy as np
import pytest

from twofold.sw.bench.tflite.blocks import WIDTH, blocks_of


def sparse_matrix(rows: int, columns: int, share: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    matrix = generator.normal(size=(rows, columns)).astype(np.float32)
    return matrix * (generator.random((rows, columns)) < share)


def test_blocks_put_back_give_the_matrix():
    matrix = sparse_matrix(9, 40, 0.05)
    matrix[3] = 0
    found = blocks_of(matrix)
    assert found is not None
    again = np.zeros((9, 40 // WIDTH, WIDTH), dtype=np.float32)
    rows = np.repeat(np.arange(9), np.diff(found.starts))
    again[rows, found.places] = found.values
    assert np.array_equal(again.reshape(9, 40), matrix)
    assert found.values.any(axis=1).all()
    assert found.starts[3] == found.starts[4]


@pytest.mark.parametrize(("columns", "share"), [(40, 0.5), (42, 0.05)])
def test_dense_or_indivisible_matrices_stay_as_they_are(columns: int, share: float):
    assert blocks_of(sparse_matrix(8, columns, share)) is None
