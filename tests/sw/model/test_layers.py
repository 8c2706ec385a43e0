"""The fast kernels against stock PyTorch, forward and backward, and what layers promise."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.sw.model import native
from twofold.sw.model.layers import NormWinners, winners
from twofold.sw.model.net import SparseNet


def network(kernel: int = 5, pool: int = 2, channels: int = 32) -> Network:
    return Network(
        name="test",
        input_shape=(1, 16, 16),
        zero_point=96,
        labels=("a", "b", "c"),
        layers=(
            Conv2d(out_channels=channels, kernel=(kernel, kernel), pool=pool, k=6,
                   sparsity=Taps((4,) * channels)),
            Conv2d(out_channels=16, kernel=(2, 2), pool=2, k=5, sparsity=Complementary(4)),
            Linear(out_features=40, k=12, sparsity=Complementary(10)),
            Linear(out_features=3),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "pool", "channels"), [(5, 2, 64), (3, 2, 16), (2, 3, 80), (4, 1, 32)]
)
def test_conv_pool(kernel: int, pool: int, channels: int) -> None:
    torch.manual_seed(kernel)
    image = torch.randn(3, 1, 14, 14)
    weight = torch.randn(channels, 1, kernel, kernel, requires_grad=True)
    expected = F.max_pool2d(F.conv2d(image, weight), pool).permute(0, 2, 3, 1)
    grad = torch.randn(expected.shape)
    (expected_grad,) = torch.autograd.grad(expected, weight, grad)
    out = native.conv_pool(image, weight, pool)
    (out_grad,) = torch.autograd.grad(out, weight, grad)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out_grad, expected_grad, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("kernel", "pool", "inputs", "channels"), [(5, 2, 64, 64), (3, 1, 5, 16), (2, 3, 9, 80)]
)
def test_sparse_conv_pool(kernel: int, pool: int, inputs: int, channels: int) -> None:
    torch.manual_seed(kernel)
    x = torch.randn(3, 13, 11, inputs)
    x = (x * (torch.rand(x.shape) < 0.15)).requires_grad_()
    weight = torch.randn(channels, inputs, kernel, kernel, requires_grad=True)
    expected = F.max_pool2d(F.conv2d(x.permute(0, 3, 1, 2), weight), pool).permute(0, 2, 3, 1)
    grad = torch.randn(expected.shape)
    out = native.sparse_conv_pool(x, weight, pool)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    there, into_weight = torch.autograd.grad(expected, (x, weight), grad)
    found, found_weight = torch.autograd.grad(out, (x, weight), grad)
    torch.testing.assert_close(found_weight, into_weight, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found, there * (x != 0), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("half", [False, True])
def test_masked_products(half: bool) -> None:
    weight = torch.randn(4, 6, requires_grad=True)
    mask = (torch.rand(4, 6) < 0.5).float()
    out = native.mask_weights(weight, mask, half)
    assert out.dtype == (torch.bfloat16 if half else torch.float32)
    torch.testing.assert_close(out, (weight * mask).to(out.dtype))
    (grad,) = torch.autograd.grad(out.float().sum(), weight)
    assert torch.equal(grad, torch.ones(4, 6))


@pytest.mark.parametrize("k", [1, 6, 63, 64])
@pytest.mark.parametrize("half", [False, True])
def test_norm_winners(k: int, half: bool) -> None:
    torch.manual_seed(k)
    x = torch.randn(50, 64) * 3 + 1
    results = []
    for fused in (True, False):
        layer = NormWinners(64, k)
        with torch.no_grad():
            layer.gain.copy_(torch.linspace(0.5, 2, 64))
            layer.shift.copy_(torch.linspace(-1, 1, 64))
        layer.fused = fused
        value = (x.to(torch.bfloat16) if half else x.clone()).requires_grad_()
        out = layer(value, half)
        assert out.dtype == value.dtype
        (out.float() * torch.linspace(-1, 1, 64)).sum().backward()
        results.append(
            (out, value.grad, layer.gain.grad, layer.shift.grad, layer.mean, layer.variance)
        )
    for fast, plain in zip(*results, strict=True):
        assert isinstance(fast, Tensor) and isinstance(plain, Tensor)
        torch.testing.assert_close(
            fast, plain, rtol=2e-2 if half else 1e-4, atol=3e-2 if half else 1e-4
        )


def test_winners_keep_the_largest() -> None:
    values = torch.tensor([[1.0, 5.0, 2.0, 4.0], [0.0, 0.0, 3.0, 0.0]])
    assert winners(values, 2).tolist() == [[0.0, 5.0, 0.0, 4.0], [0.0, 0.0, 3.0, 0.0]]


def test_whole_network_has_the_same_gradients() -> None:
    torch.manual_seed(1)
    net = SparseNet(network())
    net.mixed = False
    images = torch.randint(0, 256, (8, 16, 16), dtype=torch.uint8)
    gradients = []
    for fused in (True, False):
        net.set_fused(fused)
        net.zero_grad()
        F.cross_entropy(net(images), torch.arange(8) % 3).backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(list(net.parameters()))
    for fast, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-5)


def test_masked_weights_do_not_count_but_learn() -> None:
    torch.manual_seed(2)
    net = SparseNet(network())
    layer = net.each_layer()[2]
    layer.mask[:, ::2] = 0
    images = torch.randint(0, 256, (8, 16, 16), dtype=torch.uint8)
    net.eval()
    before = net(images)
    with torch.no_grad():
        layer.weight[:, ::2] += 100
    torch.testing.assert_close(net(images), before)
    net.train()
    net(images).square().sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad[:, ::2].abs().sum() > 0


def test_gains_stay_positive() -> None:
    net = SparseNet(network())
    norm = net.each_layer()[0].norm
    assert norm is not None
    with torch.no_grad():
        norm.gain.fill_(-1)
    net.keep_bounds()
    assert norm.gain.detach().min() > 0


def test_offsets_fall_until_no_more_is_used_than_may_be() -> None:
    torch.manual_seed(0)
    norm = NormWinners(32, 8)
    norm.used = 0.1
    densities = []
    for _ in range(200):
        norm(torch.randn(64, 32))
        norm.keep_bounds()
        densities.append(norm.density)
    assert densities[0] > 0.24 and densities[-1] < 0.12
    assert norm.shift.detach().max() < 0


def test_offsets_stay_where_few_values_are_used() -> None:
    norm = NormWinners(8, 2)
    norm.used = 0.3
    norm(torch.randn(64, 8))
    norm.keep_bounds()
    assert 0 < norm.density <= 0.25 and norm.shift.eq(0).all()
