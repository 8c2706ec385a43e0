"""Integers back in floating point."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from twofold.hw.contract import presets
from twofold.hw.contract.errors import NetworkError
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.data.digits import digits
from twofold.sw.quantize.dequantize import dequantize
from twofold.sw.quantize.fuse import activation_scales, fuse
from twofold.sw.quantize.integer import forward_integer


@pytest.mark.parametrize("variant", ["dense", "fast"])
def test_dequantized_networks_give_the_same_logits(variant: str) -> None:
    quantized = QuantizedNetwork.load(shipped("tiny", variant))
    images = torch.from_numpy(digits("test")[0])
    net = dequantize(quantized, torch.from_numpy(digits("val")[0]))
    with torch.no_grad():
        found = net(images).numpy()
    expected = forward_integer(quantized, images).numpy() * quantized.logit_scale
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.1 * expected.std()
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.98
    for layer, whole in zip(net.each_layer(), quantized.layers, strict=True):
        assert np.array_equal(layer.mask.numpy() != 0, whole.weight != 0)
        assert layer.norm is None or float(layer.norm.gain.detach().min()) > 0


def test_dequantized_networks_quantize_again() -> None:
    quantized = QuantizedNetwork.load(shipped("tiny", "fast"))
    images = torch.from_numpy(digits("val")[0])
    net = dequantize(quantized, images)
    again = fuse(net, activation_scales(net, images), {})
    found = forward_integer(again, images).argmax(1)
    assert (found == forward_integer(quantized, images).argmax(1)).float().mean() > 0.97


def test_multipliers_are_refused() -> None:
    network = presets.network("tiny")
    layers = (replace(network.layers[0], multiplier=True), *network.layers[1:])
    quantized = random_quantized(replace(network, layers=layers), 1)
    with pytest.raises(NetworkError, match="conv1: layers with multipliers"):
        dequantize(quantized, torch.from_numpy(random_inputs(network, 4, 1)))
