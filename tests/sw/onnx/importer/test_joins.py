"""Residual additions as others write them: read, compared with ONNX Runtime, or refused."""

from typing import Any

import numpy as np
import pytest

from twofold.hw.contract.network import Add
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx


def block(
    graph: Any,
    *,
    scales: tuple[float, float] = (0.02, 0.05),
    step: float = 0.0625,
    pads: int = 1,
    quantized: bool = True,
) -> Any:
    """Two convolutions, of which the second is added to the first, and a linear layer."""
    signed = np.uint8(128)
    graph.quantized(0.0078125)
    graph("Conv", None, graph.weights(4, 1, 3, 3, scale=2**-7), pads=[1] * 4)
    graph("Relu", None)
    trunk = graph.quantized(scales[0])
    graph("Conv", None, graph.weights(4, 4, 3, 3, scale=2**-7), pads=[pads] * 4)
    if quantized:
        graph.quantized(scales[1], signed)
    graph("Add", None, trunk)
    graph("Relu", None)
    graph.quantized(step)
    graph("Flatten", None)
    graph("Gemm", None, graph.weights(3, 4 * 36, scale=2**-7), transB=1)
    return graph


def test_a_block_is_read_and_agrees(net, agreement):
    graph = block(net(1, 6, 6))
    found = import_onnx(graph.content())
    add = found.network.stages[2]
    assert isinstance(add.layer, Add) and add.sources == (1, 0) and add.zeros == (128, 0)
    weights = found.layers[2].weight[0, 0].astype(int)
    assert weights[1] * 5 == weights[0] * 2  # the ratio of the scales
    result = agreement(graph.content(), (1, 6, 6))
    assert result.labels >= 0.99 and max(layer.differing for layer in result.layers) < 0.02


def test_scales_of_powers_of_two_are_proven_unless_sums_lie_halfway(net):
    found = import_onnx(block(net(1, 6, 6), scales=(2**-5, 2**-3), step=2**-5).content())
    assert found.layers[2].weight[0, 0].tolist() == [4, 1]
    assert found.provenance["layers"][2]["exact"]
    found = import_onnx(block(net(1, 6, 6), scales=(2**-5, 2**-3)).content())
    assert "halfway" in found.provenance["layers"][2]["doubt"]


def test_scales_that_are_not_are_never_called_exact(net):
    for scales in ((0.02, 0.05), (2**-5, 0.3), (0.4999, 2**-1)):
        found = import_onnx(block(net(1, 6, 6), scales=scales).content())
        assert not found.provenance["layers"][2]["exact"]


def test_a_strided_branch_of_one_pixel(net, agreement):
    graph = net(1, 6, 6)
    graph.quantized(0.0078125)
    graph("Conv", None, graph.weights(4, 1, 3, 3, scale=2**-7), pads=[1] * 4)
    graph("Relu", None)
    trunk = graph.quantized(0.02)
    graph("Conv", trunk, graph.weights(6, 4, 1, 1, scale=2**-6), strides=[2, 2])
    branch = graph.quantized(0.03, np.uint8(120))
    graph("Conv", trunk, graph.weights(6, 4, 3, 3, scale=2**-7), strides=[2, 2], pads=[1] * 4)
    graph.quantized(0.05, np.uint8(128))
    graph("Add", branch, None)
    graph.quantized(0.08, np.uint8(100))
    graph("GlobalAveragePool", None)
    graph.quantized(0.08, np.uint8(100))
    graph("Flatten", None)
    graph("Gemm", None, graph.weights(3, 6, scale=2**-7), transB=1)
    stages = import_onnx(graph.content()).network.stages
    assert [stage.sources for stage in stages[:4]] == [(-1,), (0,), (0,), (1, 2)]
    assert agreement(graph.content(), (1, 6, 6)).labels >= 0.98


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantized": False}, "adds sums that are not quantized; quantize both of its sides"),
        ({"pads": 0}, r"adds \[4, 4, 4\] and \[4, 6, 6\]; needs the same shape"),
        ({"scales": (1e-4, 0.05)}, "needs scales within a factor of 127"),
    ],
)
def test_what_cannot_be_added(net, options, message):
    with pytest.raises(OnnxError, match=message):
        import_onnx(block(net(1, 6, 6), **options).content())


def test_what_other_branches_take_is_not_pooled_behind_them(net):
    graph = net(1, 6, 6)
    graph.quantized(0.0078125)
    graph("Conv", None, graph.weights(4, 1, 3, 3), pads=[1] * 4)
    graph("Relu", None)
    trunk = graph.quantized(0.02)
    graph("MaxPool", trunk, kernel_shape=[2, 2], strides=[2, 2])
    pooled = graph.last
    graph("Conv", trunk, graph.weights(4, 4, 2, 2), strides=[2, 2])
    graph.quantized(0.05)
    graph("Add", pooled, None)
    with pytest.raises(OnnxError, match="another branch takes"):
        import_onnx(graph.content())
