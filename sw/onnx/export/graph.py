"""An ONNX graph under construction."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Graph:
    """Nodes and constants in order; every value is called after what it is.

    Members
    -------
    nodes, initializers: what `onnx.helper.make_graph` takes.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Append a node with one output, called ``name``, and return that name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        """Append a constant and return its name."""
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def dequantize(
        self, name: str, source: str, scale: float, zero_point: np.ndarray | np.generic
    ) -> str:
        """Append ``(source - zero_point) * scale``, all of whose parts start with ``name``."""
        factors = [
            self.constant(f"{name}.scale", np.float32(scale)),
            self.constant(f"{name}.zero_point", zero_point),
        ]
        return self.node("DequantizeLinear", [source, *factors], f"{name}.float")

    def quantize(self, name: str, source: str, scale: float) -> str:
        """Append ``round(source / scale)``, saturated to uint8; ``name`` is the result."""
        factors = [
            self.constant(f"{name}.scale", np.float32(scale)),
            self.constant(f"{name}.zero_point", np.uint8(0)),
        ]
        return self.node("QuantizeLinear", [source, *factors], name)

    def double(self, kind: str, source: str, name: str, *values: np.ndarray | float) -> str:
        """Append a node ``kind`` of ``source`` and double constants."""
        constants = [
            self.constant(f"{name}.{index}", np.asarray(value, dtype=np.float64))
            for index, value in enumerate(values)
        ]
        return self.node(kind, [source, *constants], name)
