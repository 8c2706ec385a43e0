"""Models for tests of the importer: a small sound one, and graphs written node by node."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.onnx.importer.verify import Verification, verify


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


ZERO = np.uint8(0)


class Net:
    """A graph that is written node by node; constants are given as arrays."""

    def __init__(self, *shape: int, opset: int = 13, kind: int = TensorProto.FLOAT) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape, self.opset, self.kind = shape, opset, kind
        self.last = "image"

    def constant(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def __call__(self, op: str, *inputs: Any, domain: str = "", **options: Any) -> str:
        """Add a node; None stands for the output of the last one."""
        names = [
            self.last if entry is None else entry if isinstance(entry, str)
            else self.constant(entry)
            for entry in inputs
        ]  # fmt: skip
        output = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [output], output, domain=domain, **options))
        self.last = output
        return output

    def integers(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-90, 91, shape).astype(np.int8)

    def quantized(self, scale: float, zero_point: Any = ZERO) -> str:
        """Quantize and dequantize the last value."""
        self("QuantizeLinear", None, np.float32(scale), zero_point)
        return self("DequantizeLinear", None, np.float32(scale), zero_point)

    def weights(self, *shape: int, scale: float = 0.004) -> str:
        """Weights behind DequantizeLinear."""
        last = self.last
        name = self("DequantizeLinear", self.integers(*shape), np.float32(scale), np.int8(0))
        self.last = last
        return name

    def content(self, producer: str = "") -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("image", self.kind, ["n", *self.shape])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)],
            self.constants,
        )
        domains = dict.fromkeys(node.domain for node in self.nodes if node.domain)
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(
            graph, opset_imports=imports, ir_version=8, producer_name=producer
        )
        return model.SerializeToString()


@pytest.fixture
def net() -> type[Net]:
    """Makes graphs."""
    return Net


@pytest.fixture
def agreement() -> Callable[..., Verification]:
    """Imports a model and compares it with ONNX Runtime on random bytes."""

    def compare(content: bytes, shape: Sequence[int], **options: Any) -> Verification:
        quantized = import_onnx(content, **options)
        assert quantized.network.input_shape == tuple(shape)
        inputs = np.random.default_rng(1).integers(0, 256, (200, *shape), dtype=np.uint8)
        return verify(content, quantized, inputs)

    return compare
