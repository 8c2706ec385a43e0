"""Floating-point export: ONNX Runtime gives the logits of the network in PyTorch."""

import onnxruntime
import pytest
import torch

from twofold.hw.contract import presets
from twofold.sw.model.masks import choose_mask
from twofold.sw.model.net import INPUT_SCALE, SparseNet
from twofold.sw.onnx.export.floating import export_float
from twofold.sw.train.run import float_layers


@pytest.mark.parametrize("variant", ["dense", "fast"])
def test_logits_are_those_of_pytorch(variant: str) -> None:
    torch.manual_seed(3)
    net = SparseNet(presets.network("tiny", variant))
    for layer in net.each_layer():
        layer.mask.copy_(choose_mask(layer.weight, layer.stage))
        if layer.norm is not None:
            layer.norm.mean.normal_()
            layer.norm.variance.uniform_(0.5, 2)
            torch.nn.init.normal_(layer.norm.shift)
    net.eval()
    inputs = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    model = export_float(net.network, float_layers(net), INPUT_SCALE)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"image": inputs.numpy()})
    with torch.no_grad():
        expected = net(inputs)
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-4, atol=1e-3)
    assert expected.std() > 0.1
