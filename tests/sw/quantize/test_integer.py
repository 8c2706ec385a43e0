"""PyTorch's integers are those of the contract and of the golden model, in every bit."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import twofold.sw.networks
from twofold.hw.contract import arith
from twofold.hw.contract.network import Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.data import gsc
from twofold.sw.data.digits import digits
from twofold.sw.golden import forward
from twofold.sw.quantize.integer import forward_integer, keep_winners

GSC = os.environ.get("TWOFOLD_GSC")
SHIPPED = Path(next(iter(twofold.sw.networks.__path__)))


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_equal_golden(seed: int) -> None:
    quantized = random_quantized(random_network(seed, machine=seed % 2 == 0), seed)
    images = random_inputs(quantized.network, 9, seed)
    logits = forward_integer(quantized, torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(logits, forward(quantized, images).logits)
    assert logits.dtype == np.int32


@pytest.mark.parametrize("k", [1, 3, 7, 8])
def test_winners_are_those_of_the_contract(k: int) -> None:
    values = np.random.default_rng(k).integers(0, 4, (50, 8))
    kept = keep_winners(torch.from_numpy(values), k).numpy()
    for row, result in zip(values, kept, strict=True):
        chosen = arith.winners(row.tolist(), k)
        assert result.tolist() == [v if i in chosen else 0 for i, v in enumerate(row)]


def test_sums_beyond_float32_are_exact() -> None:
    random = np.random.default_rng(0)
    network = Network("wide", (1, 64, 64), (Linear(out_features=3),), ("a", "b", "c"))
    weight = np.full((3, 4096), 127, np.int8)
    weight[1:] = random.integers(100, 128, (2, 4096))
    layer = QuantizedLayer(weight, np.array([1, -2, 3], np.int32), 0)
    images = random.integers(200, 256, (5, 64, 64), dtype=np.uint8)
    expected = images.reshape(5, -1).astype(int) @ weight.T.astype(int) + layer.add
    assert expected.min() > 1 << 24 and (expected % 2).any()
    found = forward_integer(QuantizedNetwork(network, (layer,), 1.0), torch.from_numpy(images))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_shipped_digits_reach_96_percent() -> None:
    quantized = QuantizedNetwork.load(SHIPPED / "tiny-fast.npz")
    for split in ("val", "test"):
        images, labels = digits(split)
        logits = forward_integer(quantized, torch.from_numpy(images)).numpy()
        np.testing.assert_array_equal(logits, forward(quantized, images).logits)
        assert (logits.argmax(1) == labels).mean() >= 0.96


@pytest.mark.skipif(GSC is None, reason="TWOFOLD_GSC is not set")
def test_shipped_speech_on_the_test_split() -> None:
    quantized = QuantizedNetwork.load(SHIPPED / "gsc-fast.npz")
    clips = gsc.open_gsc(Path(GSC or "")).clips("test")
    assert quantized.front_end is not None
    images, labels = gsc.features(clips, quantized.front_end), gsc.labels(clips)
    logits = forward_integer(quantized, torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(logits, forward(quantized, images).logits)
    assert (logits.argmax(1) == labels).mean() >= 0.90
