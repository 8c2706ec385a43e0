"""Activations that end below 255 steps: fewer bits, symmetric int8, ReLU6."""

import numpy as np
import pytest

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.graph import Scale
from twofold.sw.onnx.importer.verify import verify


def convolution(net, limited, *, pool: bool = False, **options) -> bytes:
    """A convolution whose activations are limited, and two layers behind it."""
    found = net(2, 6, 6)
    found.quantized(0.02, np.uint8(120))
    found("Conv", None, found.weights(5, 2, 3, 3), found.rng.normal(0, 0.4, 5).astype(np.float32))
    found("Relu", None)
    limited(found)
    if pool:
        found("MaxPool", None, kernel_shape=[2, 2], strides=[2, 2])
    side = 2 if pool else 4
    found("Conv", None, found.weights(4, 5, 1, 2), **options)
    found.quantized(0.05)
    found("Flatten", None)
    features = 4 * side * (side - 1 + sum(options.get("pads", [])))
    found("Gemm", None, found.weights(3, features), np.zeros(3, np.float32), transB=1)
    return found.content()


def four_bits(found) -> None:
    found("QuantizeLinear", None, np.float32(0.2), np.uint8(0))
    found("Clip", None, np.uint8(0), np.uint8(15))
    found("DequantizeLinear", None, np.float32(0.2), np.uint8(0))


def symmetric(found) -> None:
    found.quantized(0.02, np.int8(0))


def capped(found) -> None:
    found("Clip", None, np.float32(0), np.float32(1.5))
    found.quantized(0.01)


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("limited", [four_bits, symmetric, capped])
def test_limits_are_exact_up_to_a_step(net, agreement, limited, pool):
    content = convolution(net, limited, pool=pool)
    assert len(import_onnx(content).network.layers) == 4
    found = agreement(content, (2, 6, 6))
    assert found.labels >= 0.995
    assert [layer.layer for layer in found.layers] == ["conv2", "conv3"]
    assert all(layer.most <= 2 and layer.differing < 0.02 for layer in found.layers)


def test_a_limit_that_sums_cannot_reach_costs_nothing(net):
    content = convolution(net, lambda found: found.quantized(200.0, np.int8(0)))
    assert len(import_onnx(content).network.layers) == 3


def test_padding_behind_a_limit_is_refused(net):
    content = convolution(net, symmetric, pads=[0, 1, 0, 0])
    with pytest.raises(OnnxError, match="pads activations that end at 127, below 255"):
        import_onnx(content)


def test_a_mean_of_limited_activations(net, agreement):
    found = net(1, 6, 6)
    found.quantized(0.02, np.uint8(50))
    found("Conv", None, found.weights(3, 1, 3, 3))
    found("Relu", None)
    symmetric(found)
    found("GlobalAveragePool", None)
    found.quantized(0.01)
    found("Flatten", None)
    found("Gemm", None, found.weights(3, 3), transB=1)
    result = agreement(found.content(), (1, 6, 6))
    assert result.labels >= 0.99 and all(layer.most <= 1 for layer in result.layers)


def test_the_scale_of_an_input_that_is_not_quantized_is_stated(net):
    found = net(6)
    found("Gemm", None, found.weights(4, 6), transB=1)
    found("Relu", None)
    found.quantized(0.01)
    found("Gemm", None, found.weights(3, 4), transB=1)
    content = found.content()
    with pytest.raises(OnnxError, match=r"state the scale of the input \(--scale\)"):
        import_onnx(content)
    with pytest.raises(OnnxError, match="scale -1, zero point 0: needs a number above 0"):
        import_onnx(content, scale=Scale(-1.0))
    quantized = import_onnx(content, scale=Scale(0.125, 128))
    assert quantized.network.zero_point == 128 and quantized.input["scale"] == 0.125
    values = np.random.default_rng(0).integers(-128, 128, (100, 6)).astype(np.float32) * 0.125
    result = verify(content, quantized, values)
    assert result.labels == 1 and all(layer.most <= 1 for layer in result.layers)
