"""Means and sums of windows: from a float network to integers, and training of those."""

import numpy as np
import pytest
import torch

from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network
from twofold.sw.golden import forward
from twofold.sw.model.masks import choose_mask
from twofold.sw.model.net import SparseNet
from twofold.sw.quantize.dequantize import dequantize
from twofold.sw.quantize.finetune import IntegerNet
from twofold.sw.quantize.fuse import activation_scales, fuse
from twofold.sw.quantize.integer import forward_integer


def network(pooling: str) -> Network:
    return Network(
        name="pools",
        input_shape=(1, 12, 12),
        zero_point=96,
        labels=("a", "b", "c", "d"),
        layers=(
            Conv2d(out_channels=16, kernel=(3, 3), pool=(2, 3), pooling=pooling, k=10),
            Conv2d(out_channels=16, kernel=(2, 2), pool=(4, 2), pooling=pooling,
                   sparsity=Complementary(4)),
            Linear(out_features=4),
        ),
    )  # fmt: skip


def images(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 12, 12), generator=generator, dtype=torch.uint8)


@pytest.fixture(params=["mean", "sum"])
def net(request: pytest.FixtureRequest) -> SparseNet:
    torch.manual_seed(0)
    net = SparseNet(network(request.param))
    for layer in net.each_layer():
        layer.mask.copy_(choose_mask(layer.weight, layer.stage))
    with torch.no_grad():
        for repeat in range(100):
            net(images(32, repeat))
    return net.eval()


def test_integers_approximate_floats(net: SparseNet) -> None:
    quantized = fuse(net, activation_scales(net, images(200)), {"made": "test"})
    sample = images(200, 7)
    with torch.no_grad():
        expected = net(sample).numpy()
    golden = forward(quantized, sample.numpy())
    found = golden.logits * quantized.logit_scale
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    assert np.abs(found - expected).mean() < 0.15 * expected.std()
    in_torch = forward_integer(quantized, sample).numpy()
    np.testing.assert_array_equal(in_torch, golden.logits)


def test_integers_thaw(net: SparseNet) -> None:
    quantized = fuse(net, activation_scales(net, images(200)), {})
    sample = images(200, 7)
    with torch.no_grad():
        found = dequantize(quantized, images(200))(sample).numpy()
    expected = forward_integer(quantized, sample).numpy() * quantized.logit_scale
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    assert np.abs(found - expected).mean() < 0.15 * expected.std()


def test_training_keeps_the_law_and_moves_the_weights(net: SparseNet) -> None:
    start = fuse(net, activation_scales(net, images(200)), {"made": "test"})
    trained = IntegerNet(start)
    optimiser = torch.optim.SGD(trained.parameters(), lr=0.5)
    for repeat in range(3):
        loss = trained(images(32, repeat)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = trained.quantized(start)
    moved = [
        int((before.weight != after.weight).sum())
        for before, after in zip(start.layers, found.layers, strict=True)
    ]
    assert min(moved) > 0
    sample = images(50, 9)
    logits = (trained(sample) / found.logit_scale).round().detach().numpy()
    np.testing.assert_array_equal(logits, forward(found, sample.numpy()).logits)
