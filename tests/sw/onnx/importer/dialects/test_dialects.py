"""The same network in one dialect or another: named, read, and equal to ONNX Runtime."""

import numpy as np
import onnx
import pytest

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.dialects import canonical, dialect_of

MICROSOFT = "com.microsoft"


def qdq(net):
    """A convolution, pooling, and a linear layer, in QDQ."""
    found = net(2, 6, 6)
    found.quantized(0.02, np.uint8(120))
    found("Conv", None, found.weights(5, 2, 3, 3), found.rng.normal(0, 0.4, 5).astype(np.float32))
    found("Relu", None)
    found.quantized(0.05)
    return found


def finished(found, features: int) -> bytes:
    found("Flatten", None, axis=1)
    found("Gemm", None, found.weights(3, features), np.zeros(3, np.float32), transB=1)
    return found.content()


def test_qdq(net, agreement):
    content = finished(qdq(net), 80)
    assert dialect_of(onnx.load_model_from_string(content)) == "QDQ"
    found = agreement(content, (2, 6, 6))
    assert found.labels == 1 and all(layer.most <= 1 for layer in found.layers)


def qoperator(net) -> bytes:
    """QLinearConv, QLinearAveragePool and QGemm as ONNX Runtime writes them."""
    found = net(1, 6, 6)
    image, hidden = [np.float32(0.02), np.uint8(9)], [np.float32(0.05), np.uint8(0)]
    scale = found.rng.uniform(0.002, 0.006, 4).astype(np.float32)
    found("QuantizeLinear", None, *image)
    found("QLinearConv", None, *image, found.integers(4, 1, 3, 3), scale, np.zeros(4, np.int8),
          *hidden, found.rng.integers(-200, 200, 4).astype(np.int32))  # fmt: skip
    found("MaxPool", None, kernel_shape=[2, 2], strides=[2, 2])
    found("QLinearGlobalAveragePool", None, *hidden, *hidden, domain=MICROSOFT, channels_last=0)
    found("Flatten", None, axis=1)
    found("QGemm", None, *hidden, found.integers(3, 4), np.float32(0.003), np.int8(0),
          found.rng.integers(-99, 99, 3).astype(np.int32), np.float32(0.01), np.uint8(128),
          domain=MICROSOFT, transB=1)  # fmt: skip
    found("DequantizeLinear", None, np.float32(0.01), np.uint8(128))
    return found.content("onnx.quantize")


def test_qoperator(net, agreement):
    content = qoperator(net)
    named = dialect_of(onnx.load_model_from_string(content))
    assert named == "QOperator (QLinear nodes), written by onnx.quantize"
    found = agreement(content, (1, 6, 6))
    assert found.labels == 1 and all(layer.most <= 1 for layer in found.layers)
    assert import_onnx(content).provenance["dialect"] == named


def test_qlinear_matmul(net, agreement):
    found = net(12)
    image = [np.float32(0.02), np.uint8(100)]
    found("QuantizeLinear", None, *image)
    found("QLinearMatMul", None, *image, found.integers(12, 4), np.float32(0.01), np.int8(0),
          np.float32(0.05), np.uint8(128))  # fmt: skip
    found("DequantizeLinear", None, np.float32(0.05), np.uint8(128))
    assert agreement(found.content(), (1, 1, 12)).labels > 0.98


def test_quant_nodes_are_read_as_qonnx_runs_them(net, agreement):
    """8 bits, scales per kernel, an operator set of before there were any."""
    found = net(10, opset=9)
    quant = "qonnx.custom_op.general"
    zero = np.float32(0)
    found("Quant", None, np.float32(0.02), zero, np.float32(8), domain=quant, signed=1, narrow=0,
          rounding_mode="ROUND")  # fmt: skip
    image = found.last
    scale = found.rng.uniform(0.05, 0.09, (6, 1)).astype(np.float32)
    floats = found.rng.normal(0, 0.2, (6, 10)).astype(np.float32)
    options = {"domain": quant, "signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
    weights = found("Quant", floats, scale, zero, np.float32(4), **options)
    turned = found("Transpose", weights, perm=[1, 0])
    found("MatMul", image, turned)
    gamma = found.rng.uniform(-1, 1, 6).astype(np.float32)
    found("BatchNormalization", None, gamma, gamma * 0.1, gamma * 0.2, gamma**2 + 0.1)
    found("Relu", None)
    found("Quant", None, np.float32(0.004), zero, np.float32(8), domain=quant, signed=0,
          narrow=0, rounding_mode="ROUND")  # fmt: skip
    hidden = found.last
    floats = found.rng.normal(0, 0.2, (6, 3)).astype(np.float32)
    last = found("Quant", floats, np.float32(0.1), zero, np.float32(3), **options)
    found("MatMul", hidden, last)
    content = found.content()
    assert dialect_of(onnx.load_model_from_string(content)) == "QONNX (Quant nodes)"
    result = agreement(content, (1, 1, 10))
    assert result.labels == 1 and result.outputs == 1 and result.optimised > 0.99
    assert all(layer.most <= 1 for layer in result.layers)


@pytest.mark.parametrize(
    ("options", "inputs", "message"),
    [
        ({"rounding_mode": "STOCHASTIC"}, {}, "activations rounded by 'STOCHASTIC'"),
        ({}, {3: np.float32(16)}, "activations of 16 bits, at most 8"),
        ({}, {3: np.float32(1)}, "1 bits, zero point 0: needs 2..32"),
        ({}, {1: np.float32(0)}, "its scale is not a constant above 0"),
        ({}, {1: np.ones(10, np.float32), 2: np.float32(300)}, "zero point 300 lies outside"),
    ],
)
def test_quant_nodes_that_do_not_fit(net, options, inputs, message):
    found = net(10)
    values = {1: np.float32(0.1), 2: np.float32(0), 3: np.float32(8), **inputs}
    found("Quant", None, values[1], values[2], values[3], domain="qonnx.custom_op.general",
          **{"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **options})  # fmt: skip
    found("MatMul", None, found.weights(10, 3))
    with pytest.raises(OnnxError, match=r"^QONNX .*'quant0' \(Quant\): " + message):
        import_onnx(found.content())


def test_dynamic_quantization_and_floats_are_named_first(net):
    found = net(4)
    found("DynamicQuantizeLinear", None)
    found.nodes[-1].output.extend(["scale", "zero"])
    with pytest.raises(OnnxError, match=r"^dynamic quantization: .*scales that are computed anew"):
        import_onnx(found.content())
    found = net(4)
    found("MatMul", None, np.ones((4, 3), np.float32))
    with pytest.raises(OnnxError, match=r"^not quantized, written by torch: .*quantize_static"):
        import_onnx(found.content("torch\x1b"))


def test_constants_and_shapes_are_folded(net, agreement):
    """Masked weights, a scale that the graph computes, and a view of the batch's size."""
    found = qdq(net)
    activations = found.last
    size = found("Gather", found("Shape", None), np.int64(0), axis=0)
    target = found("Concat", found("Unsqueeze", size, np.array([0])), np.array([-1]), axis=0)
    flat = found("Reshape", activations, target)
    weight = found.rng.normal(0, 0.1, (3, 80)).astype(np.float32)
    masked = found("Mul", weight, (np.abs(weight) > 0.05).astype(np.float32))
    largest = found("ReduceMax", found("Abs", masked), axes=[0, 1], keepdims=0)
    scale = found("Div", largest, np.float32(127))
    whole = found("QuantizeLinear", masked, scale, np.int8(0))
    found("Gemm", flat, found("DequantizeLinear", whole, scale, np.int8(0)), transB=1)
    content = found.content()
    left = {node.op_type for node in canonical(onnx.load_model_from_string(content)).graph.node}
    assert not left & {"Shape", "Gather", "Concat", "Unsqueeze", "Mul", "Div", "Abs", "ReduceMax"}
    assert agreement(content, (2, 6, 6)).labels == 1


def test_folding_is_bounded(net):
    found = qdq(net)
    rows, columns = np.ones((1 << 14, 1), np.float32), np.ones((1, 1 << 14), np.float32)
    found("Add", None, found("Mul", rows, columns))
    with pytest.raises(OnnxError, match=r"'mul\d+' \(Mul\): makes a constant of more than"):
        import_onnx(found.content())
    found = qdq(net)
    found("Add", None, found("Mul", np.ones(3, np.float32), np.ones(4, np.float32)))
    with pytest.raises(OnnxError, match="its constants do not fit each other"):
        import_onnx(found.content())


def test_negative_factors_of_batchnorm_turn_their_kernels(net, agreement):
    found = net(1, 6, 6)
    found.quantized(0.02, np.uint8(7))
    found("Conv", None, found.weights(4, 1, 3, 3))
    gamma = np.array([-1, 0.5, -0.3, 0], np.float32)
    found("BatchNormalization", None, gamma, np.full(4, 0.6, np.float32), gamma * 0.3,
          np.full(4, 0.8, np.float32))  # fmt: skip
    found("Relu", None)
    found.quantized(0.01)
    result = agreement(finished(found, 64), (1, 6, 6))
    assert result.labels == 1 and all(layer.most <= 1 for layer in result.layers)


def test_arithmetic_that_is_written_otherwise(net, agreement):
    """Normalisation of the image, Sub and Div behind a layer, Gemm with alpha and beta, a mean."""
    found = net(3, 6, 6)
    found("Sub", None, np.float32(0.5))
    found("Div", None, np.float32(0.25))
    found.quantized(0.02, np.uint8(128))
    found("Conv", None, found.weights(4, 3, 3, 3))
    found("Sub", None, np.array([[[0.1]], [[0.2]], [[0]], [[-1]]], np.float32))
    found("Div", None, np.float32(0.5))
    found("Relu", None)
    found.quantized(0.04)
    found("ReduceMean", None, axes=[2, 3], keepdims=0)
    found.quantized(0.02)
    found("Gemm", None, found.weights(3, 4), np.ones(3, np.float32), transB=1, alpha=0.5, beta=2.0)
    content = found.content()
    quantized = import_onnx(content)
    assert "(Add)" in quantized.provenance["image"] and "(Mul)" in quantized.provenance["image"]
    with pytest.raises(OnnxError, match="prepares its input"):
        agreement(content, (3, 6, 6))
    from twofold.sw.onnx.importer.verify import verify

    images = np.random.default_rng(2).random((100, 3, 6, 6), dtype=np.float32)
    result = verify(content, quantized, images)
    assert result.labels > 0.98 and all(layer.most <= 1 for layer in result.layers)
