"""Measured densities: how many weights and activations are non-zero."""

from typing import Any

import numpy as np

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.golden.model import Golden


def densities(quantized: QuantizedNetwork, golden: Golden) -> dict[str, Any]:
    """Measured densities and multiplications, as plain JSON values.

    ``golden`` is what the network computed for the samples that activations are counted on. Weights
    count if they are non-zero integers, activations if they are non-zero after winner selection.
    """
    stages = quantized.network.stages
    weights = [np.count_nonzero(layer.weight) for layer in quantized.layers]
    sizes = [layer.weight.size for layer in quantized.layers]
    active = golden.nonzero.mean(axis=0) if len(golden.nonzero) else np.zeros(len(stages) - 1)
    return {
        "weight_density": {
            **{
                stage.name: round(count / size, 5)
                for stage, count, size in zip(stages, weights, sizes, strict=True)
            },
            "all": round(sum(weights) / sum(sizes), 5),
        },
        "activation_density": {
            stage.name: round(float(count) / int(np.prod(stage.out_shape)), 5)
            for stage, count in zip(stages, active, strict=False)
        },
        "multiplications_per_sample": round(float(golden.multiplications.sum(axis=1).mean()), 1),
        "multiplications_dense": golden.multiplications_dense,
    }
