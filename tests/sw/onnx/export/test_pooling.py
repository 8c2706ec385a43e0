"""Pooling in exported graphs: the same integers in ONNX Runtime, and back again."""

import numpy as np
import pytest

from twofold.hw.contract.layers.pooling import POOLINGS, SUM
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.export.runtime import OnnxNetwork
from twofold.sw.onnx.importer.assemble import import_onnx


def network(pooling: str, pool: tuple[int, int], *, multiplier: bool, channels: int) -> Network:
    """Two convolutions, the second of which pools its whole map."""
    first = Conv2d(
        out_channels=6, kernel=(3, 3), pool=pool, pooling=pooling, multiplier=multiplier,
        k=None if multiplier else 4,
    )  # fmt: skip
    rows, cols = 12 // pool[0] - 1, 9 // pool[1] - 1
    second = Conv2d(
        out_channels=8, kernel=(2, 2), pool=(rows, cols), pooling=pooling,
        sparsity=Complementary(4), multiplier=multiplier,
    )  # fmt: skip
    return Network(
        "pools", (channels, 14, 11), (first, second, Linear(out_features=3)), ("a", "b", "c"), 50
    )


@pytest.mark.parametrize("channels", [1, 40])
@pytest.mark.parametrize("multiplier", [False, True])
@pytest.mark.parametrize("pool", [(2, 2), (3, 3), (3, 1), (1, 2)])
@pytest.mark.parametrize("pooling", sorted(POOLINGS))
def test_all_kinds_give_golden_logits(pooling, pool, multiplier, channels):
    described = network(pooling, pool, multiplier=multiplier, channels=channels)
    quantized = random_quantized(described, 3)
    inputs = random_inputs(described, 40, 3)
    golden = forward(quantized, inputs)
    assert all(len(np.unique(layer)) > 8 for layer in golden.activations)
    content = export(quantized).SerializeToString()
    assert np.array_equal(OnnxNetwork(content).logits(inputs), golden.logits)
    again = import_onnx(content)
    assert np.array_equal(forward(again, inputs).logits, golden.logits)
    for before, after in zip(described.stages[:2], again.network.stages, strict=False):
        assert after.pool == before.pool and after.terms == before.terms
        power = before.positions & (before.positions - 1) == 0
        if pooling != "mean" or power:
            assert after.pooling is before.pooling
        else:  # written as a sum where float32 does not hold what is divided
            assert after.pooling in (before.pooling, SUM)
