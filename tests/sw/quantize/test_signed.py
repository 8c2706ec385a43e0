"""Hidden layers that keep negative values, from training to integers."""

import numpy as np
import pytest
import torch

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Conv2d, Linear, Network
from twofold.sim.workloads.random_network import random_inputs, random_quantized
from twofold.sw.golden.model import forward
from twofold.sw.model.net import SparseNet
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.quantize.dequantize import dequantize
from twofold.sw.quantize.finetune import IntegerNet
from twofold.sw.quantize.fuse import activation_scales, fuse
from twofold.sw.quantize.integer import integer_logits


def network(zero: int = 128) -> Network:
    layers = (
        Conv2d(out_channels=4, kernel=(3, 3), zero=zero),
        Conv2d(out_channels=5, kernel=(2, 2), padding=(1, 0, 0, 1), zero=100),
        Linear(out_features=6),
        Linear(out_features=3),
    )
    return Network("signed", (1, 7, 7), layers, ("a", "b", "c"), zero_point=60)


def test_padding_holds_what_stands_for_zero() -> None:
    assert [stage.zero for stage in network().stages] == [60, 128, 100, 0]
    assert (
        "zero" not in Network("relu", (1, 1, 1), (Linear(out_features=1),), ()).to_json()["layers"]
    )


def settled() -> tuple[SparseNet, np.ndarray]:
    """A network whose BatchNorm knows its inputs, and those."""
    torch.manual_seed(3)
    net, images = SparseNet(network()), random_inputs(network(), 256)
    net.train()
    for _ in range(100):
        net(torch.from_numpy(images))
    return net.eval(), images


def test_fused_integers_follow_the_floats_and_back() -> None:
    net, images = settled()
    inputs = torch.from_numpy(images)
    with torch.no_grad():
        real = net(inputs).numpy()
        first = net.each_layer()[0]((inputs[:, 0].float() - 60)[..., None] / 64)
    assert float(first.min()) < 0, "no ReLU"
    quantized = fuse(net, activation_scales(net, inputs), {})
    logits = forward(quantized, images).logits
    assert np.abs(logits * quantized.logit_scale - real).max() < 0.1 * np.abs(real).max()
    assert (integer_logits(quantized, images) == logits).all()
    with torch.no_grad():
        again = dequantize(quantized, inputs)(inputs).numpy()
    assert np.corrcoef(again.ravel(), logits.ravel())[0, 1] > 0.99


def test_training_in_integers_starts_where_the_law_is() -> None:
    quantized = random_quantized(network())
    inputs = random_inputs(network(), 9)
    with torch.no_grad():
        scaled = IntegerNet(quantized)(torch.from_numpy(inputs)).numpy()
    wanted = forward(quantized, inputs).logits * quantized.logit_scale
    assert np.allclose(scaled, wanted, rtol=1e-5)


@pytest.mark.parametrize("multiplier", [False, True])
def test_onnx_comes_back(multiplier: bool) -> None:
    layers = (
        Conv2d(out_channels=3, kernel=(2, 2), zero=77, multiplier=multiplier),
        Conv2d(out_channels=2, kernel=(3, 3), padding=1, zero=128),
        Linear(out_features=2),
    )
    quantized = random_quantized(Network("back", (2, 5, 6), layers, ("a", "b")))
    again = import_onnx(export(quantized).SerializeToString())
    assert [layer.zero for layer in again.network.layers] == [77, 128, 0]
    inputs = random_inputs(quantized.network, 8)
    assert (forward(again, inputs).logits == forward(quantized, inputs).logits).all()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((Linear(out_features=3, zero=256), Linear(out_features=2)), "zero is 256, needs 0..255"),
        ((Linear(out_features=3, zero=1, k=2), Linear(out_features=2)), "2 winners of 3 with zero"),
        ((Linear(out_features=2, zero=5),), "logits are signed as they are"),
    ],
)
def test_what_cannot_be_kept(layers: tuple[Linear, ...], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Network("signed", (4, 1, 1), layers, ("a", "b"))
