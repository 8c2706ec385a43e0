"""Lowered offsets: no more activations than asked for, and no fewer than need be."""

import numpy as np
import torch

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.golden import forward
from twofold.sw.quantize.activity import limit_activity


def densities(quantized, images):
    return [float((values != 0).mean()) for values in forward(quantized, images).activations]


def test_only_crowded_layers_change() -> None:
    network = presets.network("tiny", "fast")
    quantized, images = random_quantized(network, 2), random_inputs(network, 60, 2)
    before = densities(quantized, images)
    quiet = limit_activity(quantized, torch.from_numpy(images), (0.3,) * 4)
    after = densities(quiet, images)
    assert max(before) > 0.3
    assert all(new <= 0.3 or old <= 0.3 for old, new in zip(before, after, strict=True))
    assert max(after[:2]) > 0.2
    for old, new in zip(quantized.layers, quiet.layers, strict=True):
        assert np.array_equal(old.weight, new.weight) and (new.add <= old.add).all()
    same = limit_activity(quantized, torch.from_numpy(images), (1.0,) * 4)
    assert all(
        np.array_equal(old.add, new.add)
        for old, new in zip(quantized.layers, same.layers, strict=True)
    )
