"""Fusing keeps the function of a float network; quantization-aware training stays bit-exact."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import ArtefactError
from twofold.sw.golden import forward
from twofold.sw.model.masks import choose_mask
from twofold.sw.model.net import SparseNet
from twofold.sw.quantize.finetune import IntegerNet
from twofold.sw.quantize.fuse import activation_scales, fuse, weight_shift
from twofold.sw.quantize.integer import forward_integer

NETWORK = Network(
    name="test",
    input_shape=(1, 12, 12),
    zero_point=96,
    labels=("a", "b", "c", "d"),
    layers=(
        Conv2d(out_channels=16, kernel=(3, 3), pool=2, k=4, sparsity=Taps((4,) * 16)),
        Conv2d(out_channels=16, kernel=(2, 2), pool=2, k=8, sparsity=Complementary(4)),
        Linear(out_features=40, k=20, sparsity=Complementary(10)),
        Linear(out_features=4),
    ),
)


def images(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 12, 12), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def net() -> SparseNet:
    """Random weights, statistics of real forward passes."""
    torch.manual_seed(0)
    net = SparseNet(NETWORK)
    for layer in net.each_layer():
        layer.mask.copy_(choose_mask(layer.weight, layer.stage))
        if layer.norm is not None:
            torch.nn.init.uniform_(layer.norm.gain, 0.5, 1.5)
            torch.nn.init.uniform_(layer.norm.shift, -0.3, 0.5)
    with torch.no_grad():
        for repeat in range(200):
            net(images(32, repeat))
    return net.eval()


@pytest.fixture(scope="module")
def fused(net: SparseNet) -> QuantizedNetwork:
    return fuse(net, activation_scales(net, images(200)), {"made": "test"})


def test_integers_approximate_floats(net: SparseNet, fused: QuantizedNetwork) -> None:
    sample = images(300, 7)
    with torch.no_grad():
        expected = net(sample).numpy()
    found = forward_integer(fused, sample).numpy() * fused.logit_scale
    error = np.sqrt(np.mean((found - expected) ** 2)) / expected.std()
    assert error < 0.15
    assert fused.provenance == {"made": "test"}


def test_weights_use_their_range(fused: QuantizedNetwork) -> None:
    for layer in fused.layers:
        assert 63 <= np.abs(layer.weight.astype(int)).max() <= 128


@pytest.mark.parametrize(("peak", "shift"), [(127.0, 1), (1.0, 6), (0.99, 7), (0.5, 7), (1e-3, 16)])
def test_weight_shift(peak: float, shift: int) -> None:
    assert weight_shift(torch.tensor([-peak, 0.0])) == shift


def test_unfinished_masks_are_refused(net: SparseNet) -> None:
    layer = net.each_layer()[1]
    kept = layer.mask.clone()
    layer.mask.fill_(1)
    try:
        with pytest.raises(ArtefactError, match="conv2"):
            fuse(net, activation_scales(net, images(50)), {})
    finally:
        layer.mask.copy_(kept)


def test_training_stays_exact(fused: QuantizedNetwork) -> None:
    torch.manual_seed(1)
    net = IntegerNet(fused)
    sample, labels = images(64, 3), torch.arange(64) % 4
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        logits = net(sample)
        if step % 20 == 0:
            now = net.quantized(fused)
            expected = forward(now, sample.numpy()).logits * np.float32(now.logit_scale)
            np.testing.assert_array_equal(logits.detach().numpy(), expected.astype(np.float32))
        loss = F.cross_entropy(logits, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    for before, after in zip(fused.layers, net.quantized(fused).layers, strict=True):
        assert not after.weight[before.weight == 0].any()
        assert (after.weight != before.weight).any()


def test_untrained_integers_come_back(fused: QuantizedNetwork) -> None:
    again = IntegerNet(fused).quantized(fused)
    for before, after in zip(fused.layers, again.layers, strict=True):
        np.testing.assert_array_equal(after.weight, before.weight)
        np.testing.assert_array_equal(after.add, before.add)
        assert after.shift == before.shift
