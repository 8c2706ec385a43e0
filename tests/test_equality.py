"""Shipped networks on real data: golden model, PyTorch and ONNX Runtime give the same logits."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from twofold.hw.contract import presets
from twofold.sim.evaluate.densities import densities
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.data.digits import digits
from twofold.sw.data.gsc import features, labels, open_gsc
from twofold.sw.golden import forward
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.export.runtime import OnnxNetwork
from twofold.sw.quantize.integer import forward_integer

SHIPPED = sorted((Path(__file__).parents[1] / "sw" / "networks").glob("*.npz"))
BETTER_THAN = 0.75
"""Accuracy below which a shipped network is not a trained one."""


@cache
def speech() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and classes of the test split, or of a whole folder without lists."""
    root = os.environ.get("TWOFOLD_GSC")
    if not root:
        pytest.skip("TWOFOLD_GSC is not set")
    found = open_gsc(Path(root))
    clips = found.clips("test" if found.splits.get("test") else "all")
    return features(clips), labels(clips)


def samples(quantized: QuantizedNetwork) -> tuple[np.ndarray, np.ndarray]:
    return speech() if quantized.network.labels == presets.GSC_LABELS else digits("test")


@pytest.fixture(params=SHIPPED, ids=lambda path: path.stem)
def quantized(request) -> QuantizedNetwork:
    return QuantizedNetwork.load(request.param)


def test_networks_are_shipped_under_the_name_of_their_preset(quantized):
    name, _, variant = quantized.network.name.partition("-")
    assert quantized.network == presets.network(name, variant)


def test_all_readers_give_the_same_logits(quantized):
    inputs, expected = samples(quantized)
    golden = forward(quantized, inputs, keep_activations=False)
    onnx = OnnxNetwork(export(quantized).SerializeToString()).logits(inputs[:, np.newaxis])
    assert np.array_equal(onnx, golden.logits)
    in_torch = forward_integer(quantized, torch.from_numpy(inputs)).numpy()
    assert np.array_equal(in_torch, golden.logits)
    assert (golden.labels == expected).mean() > BETTER_THAN


def test_sparse_speech_networks_are_as_sparse_as_asked_for(quantized):
    if quantized.network.labels != presets.GSC_LABELS or quantized.network.name == "gsc-dense":
        pytest.skip("the budgets are those of the sparse speech networks")
    weights = sum(np.count_nonzero(layer.weight) for layer in quantized.layers)
    assert weights <= 0.05 * sum(layer.weight.size for layer in quantized.layers)
    if quantized.network.name in ("gsc-fast", "gsc-accurate"):
        found = densities(quantized, forward(quantized, samples(quantized)[0]))
        assert max(found["activation_density"].values()) <= 0.105


def test_there_are_networks():
    assert SHIPPED, "sw/networks is empty"
