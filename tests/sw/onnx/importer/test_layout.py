"""Graphs that hold images with channels last, flat, as lengths, or with axes to spare."""

import numpy as np
import pytest

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx


def last(found, features: int) -> bytes:
    found("Gemm", None, found.weights(3, features), np.zeros(3, np.float32), transB=1)
    return found.content()


def test_channels_last(net, agreement):
    """Transposed in front and behind, as converters from TensorFlow do; a bias beside the last
    axis.
    """
    found = net(6, 8, 2)
    found("Transpose", None, perm=[0, 3, 1, 2])
    found.quantized(0.02, np.uint8(33))
    found("Conv", None, found.weights(4, 2, 3, 3))
    found("Transpose", None, perm=[0, 2, 3, 1])
    found("Add", None, np.array([0.1, -0.2, 0.5, 0], np.float32))
    found("Relu", None)
    found.quantized(0.03)
    found("Reshape", None, np.array([-1, 96]))
    result = agreement(last(found, 96), (2, 6, 8))
    assert result.labels == 1 and all(layer.most <= 1 for layer in result.layers)


def test_flat_inputs_become_images(net, agreement):
    found = net(60)
    found("Reshape", None, np.array([-1, 2, 5, 6]))
    found("Transpose", None, perm=[0, 2, 1, 3])
    found.quantized(0.02, np.uint8(33))
    found("Conv", None, found.weights(3, 5, 2, 3))
    found.quantized(0.03)
    found("Flatten", None)
    assert agreement(last(found, 12), (5, 2, 6)).labels == 1


def test_lengths(net, agreement):
    """One dimension, also squeezed out of two."""
    found = net(3, 20)
    found.quantized(0.02, np.uint8(0))
    found("Conv", None, found.weights(4, 3, 5), found.rng.normal(0, 1, 4).astype(np.float32),
          strides=[2], pads=[2, 1], dilations=[1])  # fmt: skip
    found.quantized(0.03)
    found("MaxPool", None, kernel_shape=[2], strides=[2])
    found("Unsqueeze", None, np.array([2]))
    found("Conv", None, found.weights(4, 4, 1, 2), group=1)
    found("Squeeze", None, np.array([2]))
    found("Add", None, np.ones((4, 1), np.float32))
    found.quantized(0.05)
    found("Flatten", None)
    result = agreement(last(found, 16), (3, 1, 20))
    assert result.labels == 1 and all(layer.most <= 1 for layer in result.layers)


def test_groups_and_dilations(net, agreement):
    found = net(4, 9, 9)
    found.quantized(0.02, np.uint8(7))
    found("Conv", None, found.weights(6, 2, 3, 3), group=2, dilations=[2, 1], pads=[1, 0, 2, 1])
    found.quantized(0.03)
    found("Conv", None, found.weights(6, 1, 3, 3), group=6, strides=[2, 1])
    found.quantized(0.03)
    found("Flatten", None)
    content = last(found, 108)
    assert import_onnx(content).network.stages[1].sets == 1
    assert agreement(content, (4, 9, 9)).labels == 1


def test_pads(net, agreement):
    """A Pad of zeros in front of a convolution is its padding."""
    found = net(1, 6, 6)
    found.quantized(0.02, np.uint8(50))
    found("Pad", None, np.array([0, 0, 1, 0, 0, 0, 2, 3]), np.float32(0))
    found("Conv", None, found.weights(2, 1, 3, 3), pads=[1, 1, 0, 0])
    found.quantized(0.03)
    found("Flatten", None)
    assert agreement(last(found, 2 * 8 * 8), (1, 6, 6)).labels == 1


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (("Transpose", None, {"perm": [1, 0, 2, 3]}), "moves the samples"),
        (("Pad", None, np.array([0, 1, 0, 0, 0, 0, 0, 0]), {}), "needs rows and columns only"),
        (("Pad", None, np.array([0] * 8), np.float32(1), {}), "something else than zeros"),
        (("Reshape", None, np.array([2, 18]), {}), "other sizes of as many elements a sample"),
        (("Reshape", None, np.array([-1, 6, 6]), {}), None),
        (("Squeeze", None, np.array([0]), {}), "needs some of size 1"),
        (("Unsqueeze", None, np.array([0]), {}), "needs three at most"),
    ],
)
def test_what_does_not_fit(net, node, message):
    found = net(1, 6, 6)
    found.quantized(0.02, np.uint8(50))
    *entries, options = node
    found(*entries, **options)
    found("Conv", None, found.weights(2, 1, 3, 3))
    found.quantized(0.03)
    with pytest.raises(OnnxError, match=message or "weights .2, 1, 3, 3. for input .6, 1, 6."):
        import_onnx(found.content())
