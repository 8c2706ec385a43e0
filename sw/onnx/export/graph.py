"""A builder for ONNX graphs, from which all ONNX models of networks are made.

Both the export and the benchmark's models use it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from twofold.hw.contract.network import Network, Stage
from twofold.sw.artefacts import QuantizedLayer
from twofold.sw.errors import OnnxError

OPSET = 13
IR_VERSION = 8
ACTIVATION_SCALE = 2.0**-8
"""Value of one step of an activation."""


def weight_scale(stage: Stage, layer: QuantizedLayer) -> float:
    """Value of one step of a weight; in the last layer it makes the step of a logit 1."""
    return 1 / ACTIVATION_SCALE if stage.last else 2.0**-layer.shift


def centre(stage: Stage, layer: QuantizedLayer, zero_point: int) -> np.ndarray:
    """Contribution of the inputs' zero point to every pooled sum, int64 ``[channels]``; of an
    addition, ``zero_point`` is that of the first layer that it reads.
    """
    zeros = (zero_point, *stage.zeros[1:])
    parts = [layer.weight] if len(zeros) == 1 else np.moveaxis(layer.weight, -1, 0)
    sums = [part.reshape(stage.channels, -1).sum(axis=1, dtype=np.int64) for part in parts]
    return stage.terms * np.tensordot(zeros, sums, axes=1)


def bias_of(stage: Stage, layer: QuantizedLayer, zero_point: int) -> np.ndarray:
    """Bias in accumulator steps, int64 ``[channels]``, for inputs minus their zero point.

    Does not include the half step that makes rounding go up, nor the activation that stands for 0.
    """
    half = ((1 << layer.shift) >> 1) + (stage.layer.zero << layer.shift)
    return layer.add.astype(np.int64) - half + centre(stage, layer, zero_point)


def grouped(stage: Stage, weight: np.ndarray) -> np.ndarray:
    """Weights without those of other groups: ``[out, in / groups, height, width]``."""
    groups, planes = stage.groups, stage.in_shape[0]
    shape = groups, stage.channels // groups, groups, planes // groups, *stage.kernel
    own = np.arange(groups)
    blocks = weight.reshape(shape)[own, :, own]
    return np.ascontiguousarray(blocks.reshape(stage.channels, -1, *stage.kernel))


class Graph:
    """Nodes and constants in order; every value has a descriptive name.

    Members
    -------
    nodes, initializers: arguments for `onnx.helper.make_graph`.
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
        """Append ``(source - zero_point) * scale``; all names in it start with ``name``."""
        factors = [
            self.constant(f"{name}.scale", np.float32(scale)),
            self.constant(f"{name}.zero_point", zero_point),
        ]
        return self.node("DequantizeLinear", [source, *factors], f"{name}.float")

    def quantize(self, name: str, source: str, scale: float, zero: int = 0) -> str:
        """Append ``round(source / scale) + zero``, saturated to uint8; ``name`` is the result."""
        factors = [
            self.constant(f"{name}.scale", np.float32(scale)),
            self.constant(f"{name}.zero_point", np.uint8(zero)),
        ]
        return self.node("QuantizeLinear", [source, *factors], name)

    def double(self, kind: str, source: str, name: str, *values: np.ndarray | float) -> str:
        """Append a node ``kind`` with inputs ``source`` and float64 constants."""
        constants = [
            self.constant(f"{name}.{index}", np.asarray(value, dtype=np.float64))
            for index, value in enumerate(values)
        ]
        return self.node(kind, [source, *constants], name)

    def convolve(
        self, stage: Stage, inputs: list[str], name: str, kind: str = "Conv", groups: int = 1
    ) -> str:
        """Append the convolution of a layer; ``inputs`` are those that ``kind`` takes. With
        ``groups``, its weights are those of `grouped`.
        """
        return self.node(
            kind,
            inputs,
            name,
            kernel_shape=list(stage.kernel),
            strides=list(stage.strides),
            pads=list(stage.edges),
            **({} if groups == 1 else {"group": groups}),
        )

    def weighted(self, read: Sequence[str], weights: Sequence[str], name: str) -> str:
        """Append the sum of several values, each times its weights."""
        products = [
            self.node("Mul", [x, weight], f"{name}.product{at}")
            for at, (x, weight) in enumerate(zip(read, weights, strict=True))
        ]
        return self.node("Add", products, name)

    def winners(self, stage: Stage, x: str) -> str:
        """Append ``x`` with all but the layer's winners over the channels set to 0, if it has any.

        ``TopK`` breaks ties by the lower index.
        """
        name = stage.name
        if stage.k == stage.channels:
            return x
        count = self.constant(f"{name}.k", np.array([stage.k], dtype=np.int64))
        best, places = f"{name}.best", f"{name}.places"
        self.nodes.append(
            helper.make_node("TopK", [x, count], [best, places], name=f"{name}.topk", axis=1)
        )
        nothing = self.constant(f"{name}.nothing", np.float32(0))
        zeros = self.node("Mul", [x, nothing], f"{name}.zeros")
        return self.node("ScatterElements", [zeros, places, best], f"{name}.winners", axis=1)

    def model(
        self,
        network: Network,
        results: Sequence[tuple[str, int]],
        *,
        image: int = TensorProto.UINT8,
        samples: int | str = "samples",
        properties: Mapping[str, str] | None = None,
    ) -> onnx.ModelProto:
        """The model of the finished graph, validated.

        Parameters
        ----------
        results: name and element type of the outputs, each ``[samples, outputs]``.
        image: element type of the input ``image``, ``[samples, channels, height, width]``.
        samples: the batch size, or a name if dynamic.
        properties: metadata of the model.

        Raises OnnxError if it is not valid ONNX.
        """
        value = helper.make_tensor_value_info
        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                network.name,
                [value("image", image, [samples, *network.input_shape])],
                [value(name, kind, [samples, network.outputs]) for name, kind in results],
                self.initializers,
            ),
            producer_name="twofold",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        helper.set_model_props(model, dict(properties or {}))
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise OnnxError(f"{network.name}: the exported model is invalid: {error}") from error
        return model
