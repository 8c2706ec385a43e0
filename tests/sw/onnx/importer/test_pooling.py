"""Pooling in imported graphs: what exporters write, and what cannot be exact."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from twofold.hw.contract.network import Conv2d
from twofold.sw.errors import OnnxError
from twofold.sw.golden import forward
from twofold.sw.onnx.importer.assemble import import_onnx

SCALE, STEP, WEIGHT = 2.0**-6, 2.0**-3, 2.0**-7


class Model:
    """A convolution over 8 x 8 pixels, nodes behind it, and logits; all scales powers of two."""

    def __init__(self, *behind: tuple, quantized_first: bool = False, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.last = "image"
        self.dequantize("image", SCALE, np.uint8(64))
        self.weighted("Conv", "conv", (4, 1, 3, 3), SCALE)
        if quantized_first:
            self.quantize("early")
        for kind, name, options in behind:
            inputs = [self.constant(f"{name}.in", options.pop("of"))] if "of" in options else []
            self.add(kind, name, *inputs, **options)
        self.add("Relu", "relu")
        self.quantize("hidden")
        self.add("Flatten", "flat", axis=1)

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, name: str, *inputs: str, **options) -> None:
        self.nodes.append(
            helper.make_node(kind, [self.last, *inputs], [name], name=name, **options)
        )
        self.last = name

    def factors(self, name: str, scale: float, zero: np.generic) -> list[str]:
        return [self.constant(f"{name}.s", np.float32(scale)), self.constant(f"{name}.z", zero)]

    def dequantize(self, name: str, scale: float, zero: np.generic) -> None:
        self.add("DequantizeLinear", f"{name}.dq", *self.factors(name, scale, zero))

    def quantize(self, name: str) -> None:
        factors = self.factors(name, STEP, np.uint8(0))
        self.add("QuantizeLinear", f"{name}.q", *factors)
        self.add("DequantizeLinear", f"{name}.dq", *factors)

    def weighted(
        self, kind: str, name: str, shape: tuple[int, ...], scale: float, **options
    ) -> None:
        """Weights, and a bias in steps of the accumulator over inputs of ``scale``."""
        weight = self.rng.integers(-90, 91, shape).astype(np.int8)
        factors = self.factors(f"{name}.w", WEIGHT, np.int8(0))
        self.nodes.append(
            helper.make_node(
                "DequantizeLinear", [self.constant(f"{name}.w", weight), *factors], [f"{name}.wf"]
            )
        )
        bias = (self.rng.integers(-300, 300, shape[0]) * scale * WEIGHT).astype(np.float32)
        self.add(kind, name, f"{name}.wf", self.constant(f"{name}.b", bias), **options)

    def content(self, features: int) -> bytes:
        self.weighted("Gemm", "logits", (3, features), STEP, transB=1)
        graph = helper.make_graph(
            self.nodes,
            "pooling",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["samples", 1, 8, 8])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["samples", 3])],
            self.constants,
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def average(*sides: int, **options) -> tuple:
    return "AveragePool", "pool", {"kernel_shape": list(sides), "strides": list(sides), **options}


GLOBAL = ("GlobalAveragePool", "pool", {})


def ones(*sides: int, channels: int = 4, value: float = 1, **options) -> tuple:
    of = np.full((channels, 1, *sides), value, dtype=np.float32)
    found = {"of": of, "group": channels, "kernel_shape": list(sides), "strides": list(sides)}
    return "Conv", "sums", {**found, **options}


@pytest.mark.parametrize(
    ("behind", "pooling", "pool", "features"),
    [
        ([average(2, 2)], "mean", 2, 36),
        ([average(3, 2)], "mean", (3, 2), 24),
        ([average(1, 2), ("Identity", "same", {})], "mean", (1, 2), 72),
        ([GLOBAL], "mean", 6, 4),
        ([average(2, 2), ("GlobalAveragePool", "rest", {})], "mean", 6, 4),
        ([ones(3, 3)], "sum", 3, 16),
        ([("MaxPool", "pool", {"kernel_shape": [3, 2], "strides": [3, 2]})], "max", (3, 2), 24),
    ],
)
def test_pooling_in_front_of_quantization(behind, pooling, pool, features):
    content = Model(*behind).content(features)
    quantized = import_onnx(content)
    (layer, _) = quantized.network.layers
    assert isinstance(layer, Conv2d) and (layer.pooling, layer.pool) == (pooling, pool)
    inputs = np.random.default_rng(1).integers(0, 256, (100, 1, 8, 8), dtype=np.uint8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    wanted = np.asarray(session.run(None, {"image": inputs})[0])
    found = forward(quantized, inputs)
    assert len(np.unique(found.activations[0])) > 20
    error = np.abs(found.logits * quantized.logit_scale - wanted)
    if "halfway" in quantized.provenance["layers"][0]["doubt"]:
        # Halves are rounded up here and to even there: few activations, by one step each.
        assert np.median(error) == 0
    assert error.max() <= 3 * 90 * WEIGHT * STEP


def test_a_mean_over_a_power_of_two_differs_by_ties_alone_and_any_other_by_its_factor():
    doubts = [
        import_onnx(Model(behind).content(features)).provenance["layers"][0]["doubt"]
        for behind, features in ((average(2, 2), 36), (average(3, 3), 16))
    ]
    assert "halfway" in doubts[0] and "a constant is no float32" in doubts[1]


RELU = ("Relu", "early", {})


@pytest.mark.parametrize(
    ("behind", "early", "message"),
    [
        ([RELU, average(2, 2)], False, "only in front of Relu"),
        ([RELU, GLOBAL], False, "only in front of Relu"),
        ([RELU, ones(2, 2)], False, "only in front of Relu"),
        ([ones(2, 2)], True, "is not quantized: no constant behind DequantizeLinear"),
        ([average(2, 2, pads=[1, 1, 1, 1])], False, "no padding"),
        ([("AveragePool", "pool", {"kernel_shape": [2, 2]})], False, "window 2x2, stride 1x1"),
        ([average(4, 4, ceil_mode=1)], False, "window 4x4 leaves a rest of 6x6"),
        (
            [("MaxPool", "most", {"kernel_shape": [2, 2], "strides": [2, 2]}), GLOBAL],
            False,
            "mean pooling behind max pooling",
        ),
        ([average(2, 2), ones(3, 3)], False, "sum pooling behind mean pooling"),
        ([ones(2, 2, value=2)], False, "is not quantized: no constant"),
        (
            [("AveragePool", "pool", {"kernel_shape": 2})],
            False,
            "kernel_shape is of the wrong type",
        ),
        (
            [("AveragePool", "pool", {"kernel_shape": [2.5, 2.5]})],
            False,
            "kernel_shape is of the wrong type",
        ),
        ([("AveragePool", "pool", {})], False, "attribute kernel_shape is missing"),
        ([average(7, 1)], False, "leaves nothing"),
    ],
)
def test_what_cannot_be_exact_is_refused_in_a_line(behind, early, message):
    model = Model(*behind, quantized_first=early)
    graph = helper.make_graph(
        model.nodes,
        "pooling",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["samples", 1, 8, 8])],
        [helper.make_tensor_value_info(model.last, TensorProto.FLOAT, None)],
        model.constants,
    )
    found = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    with pytest.raises(OnnxError, match=message) as caught:
        import_onnx(found.SerializeToString())
    assert "\n" not in str(caught.value)
