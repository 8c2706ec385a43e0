"""Weights with 2:4 sparsity: at most two of every four along the inputs are not zero."""

import numpy as np

from twofold.sw.artefacts import QuantizedNetwork

GROUP = 4
MOST = 2
ROWS, COLUMNS = 32, 64
"""The compressed form of a float16 matrix has multiples of these; nothing is padded here."""


def is_two_four(matrix: np.ndarray) -> bool:
    """Whether weights ``[outputs, inputs]`` are 2:4 and of a shape that can be compressed."""
    rows, columns = matrix.shape
    if rows % ROWS or columns % COLUMNS:
        return False
    return int(np.count_nonzero(matrix.reshape(rows, -1, GROUP), axis=2).max()) <= MOST


def two_four_layers(quantized: QuantizedNetwork) -> list[str]:
    """Names of the linear layers whose weights are 2:4 as they are."""
    return [
        stage.name
        for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True)
        if stage.layer.FLATTENS and is_two_four(layer.weight.reshape(stage.channels, -1))
    ]
