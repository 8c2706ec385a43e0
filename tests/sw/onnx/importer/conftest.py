"""A small sound model for tests of the importer to change."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def small_model(*, floats: bool = False) -> onnx.ModelProto:
    """A network of two layers, whose graph is sound; ``floats``: it quantizes its image."""
    weights = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.int8), "w")
    dense = numpy_helper.from_array(np.arange(24, dtype=np.int8).reshape(3, 8), "v")
    scale = numpy_helper.from_array(np.array(0.5, np.float32), "s")
    zero = numpy_helper.from_array(np.array(0, np.uint8), "z")
    first = "pixels" if floats else "image"
    nodes = [
        *([helper.make_node("QuantizeLinear", ["image", "s", "z"], [first], "qx")] * floats),
        helper.make_node("DequantizeLinear", [first, "s", "z"], ["x"], "dx"),
        helper.make_node("DequantizeLinear", ["w", "s"], ["wf"], "dw"),
        helper.make_node("Conv", ["x", "wf"], ["c"], "conv"),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["q"], "quantize"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["h"], "dh"),
        helper.make_node("Flatten", ["h"], ["f"], "flat"),
        helper.make_node("DequantizeLinear", ["v", "s"], ["vf"], "dv"),
        helper.make_node("Gemm", ["f", "vf"], ["y"], "gemm", transB=1),
    ]
    kind = TensorProto.FLOAT if floats else TensorProto.UINT8
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", kind, ["n", 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [weights, dense, scale, zero],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture
def build() -> Callable[..., onnx.ModelProto]:
    """Makes the model anew."""
    return small_model
