"""Following a graph from its image to its logits, layer by layer."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.graph import NODES_MAX, PASSING, Graph, attributes, refuse, same
from twofold.sw.onnx.importer.layers import RawLayer, multiplying_layer, per_channel, scalar
from twofold.sw.onnx.importer.quantizers import activation

TAIL = (
    "Flatten", "Reshape", "Squeeze", "Cast", "Mul", "Softmax", "LogSoftmax", "ArgMax",
    "QuantizeLinear", "DequantizeLinear", *PASSING,
)  # fmt: skip
"""Operators between the logits and the outputs; none changes which is the largest."""
TAIL_DEPTH = 8
LAYERS = ("Conv", "Gemm", "MatMul")
IMAGE_KINDS: dict[int, str] = {
    TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.FLOAT: "float32",
}  # fmt: skip


@dataclass(eq=False)
class Chain:
    """What a graph says.

    Attributes
    ----------
    scale, zero_point: of the image, as uint8.
    dtype: what the model takes: uint8, int8 (128 below the machine's bytes) or float32.
    layers: in order.
    logit_factor: between the last layer's output and what goes into softmax.
    """

    scale: float = 1.0
    zero_point: int = 0
    dtype: str = "uint8"
    layers: list[RawLayer] = field(default_factory=list)
    logit_factor: float = 1.0


def read_chain(graph: Graph) -> Chain:
    """Follow ``graph``. Raises OnnxError naming the node that does not fit, and why."""
    if graph.input_kind not in IMAGE_KINDS:
        raise OnnxError(f"input {graph.input} is neither uint8, int8 nor float32")
    return _Walk(graph).run()


class _Walk:
    """Where we are: value ``name`` of ``shape``.

    ``integers``: it is not dequantized yet. ``layer``: whose sums it holds, until they are
    quantized. ``scale``: of dequantized activations.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.chain = graph, Chain(dtype=IMAGE_KINDS[graph.input_kind])
        self.name, self.shape = graph.input, graph.input_shape
        self.flat = graph.input_flat
        self.integers = graph.input_kind != TensorProto.FLOAT
        self.layer: RawLayer | None = None
        self.scale = 0.0
        self.steps = 0

    def run(self) -> Chain:
        while not self._finished():
            self.steps += 1
            nodes = self.graph.consumers(self.name)
            if not nodes or self.steps > NODES_MAX:
                raise OnnxError(f"value {self.name!r} leads nowhere before there are logits")
            if self.layer is None and {node.op_type for node in nodes} == {"Slice"}:
                self._parts(nodes)
            elif any(node.op_type == "TopK" for node in nodes):
                self._winners(nodes)
            elif len(nodes) > 1:
                raise OnnxError(
                    f"value {self.name!r} goes to {len(nodes)} nodes "
                    f"({', '.join(sorted({node.op_type for node in nodes}))}); the machine takes "
                    "chains of layers"
                )
            else:
                self._node(nodes[0])
        return self.chain

    def _node(self, node: onnx.NodeProto) -> None:
        if not node.output or (node.input[0] != self.name and node.op_type not in ("Add", "Mul")):
            raise refuse(node, "activations are not its first input")
        if node.op_type in LAYERS and self.layer is None and not self.integers:
            self._require_scale(node)
            self.layer = multiplying_layer(self.graph, node, self.shape, self.flat, self.scale)
            self.shape = self.layer.out_shape
        else:
            handler = _HANDLERS.get(node.op_type)
            if handler is None:
                raise refuse(
                    node,
                    "not supported here; the machine takes chains of Conv, Gemm and MatMul between "
                    "QuantizeLinear and DequantizeLinear, with Relu, MaxPool, TopK",
                )
            handler(self, node)
        self.name = node.output[0]

    def _require_scale(self, node: onnx.NodeProto) -> None:
        if not self.scale:
            raise refuse(node, "its input is not quantized; export the model with QDQ")

    def _pass(self, node: onnx.NodeProto) -> None:
        del node

    def _quantize(self, node: onnx.NodeProto) -> None:
        found = activation(self.graph, node)
        zero = found.zero_point + found.offset
        if self.integers:
            raise refuse(node, "integers are quantized again")
        if self.layer is not None:
            self._require_hidden(node, zero)
            self._close(node, found.single_scale)
        elif not self.chain.layers:
            if self.scale:
                raise refuse(node, "quantizes the image a second time")
        elif zero or found.single_scale != self.scale:
            raise refuse(node, f"scale changes from {self.scale} to {found.single_scale}")
        self.integers = True

    def _require_hidden(self, node: onnx.NodeProto, zero: int) -> None:
        if zero:
            raise refuse(
                node, f"zero point {zero} above the lowest value: a hidden layer needs ReLU"
            )

    def _dequantize(self, node: onnx.NodeProto) -> None:
        found = activation(self.graph, node)
        if not self.integers:
            raise refuse(node, "dequantizes what is not quantized")
        zero = found.zero_point + found.offset
        if self.chain.layers:
            self._require_hidden(node, zero)
        else:
            self.chain.scale, self.chain.zero_point = found.single_scale, zero
        self.scale, self.integers = found.single_scale, False

    def _close(self, node: onnx.NodeProto, step: float) -> None:
        """The sums of a layer become integers."""
        layer = self._open(node)
        if layer.ceiling < 254.5 * step:
            raise refuse(node, f"values end at {layer.ceiling}, below the 255 steps of {step}")
        if layer.late >= step / 2:
            raise refuse(node, f"{layer.late} added behind Relu, needs less than half of {step}")
        layer.step = step
        layer.offset += layer.late
        self.chain.layers.append(layer)
        self.layer = None

    def _open(self, node: onnx.NodeProto) -> RawLayer:
        if self.layer is None:
            raise refuse(node, "only between a layer and its quantization")
        return self.layer

    def _relu(self, node: onnx.NodeProto) -> None:
        if self.layer is not None:
            self.layer.relu = True
        elif not self.chain.layers:
            raise refuse(node, "in front of the first layer")

    def _clip(self, node: onnx.NodeProto) -> None:
        layer = self._open(node)
        if len(node.input) > 1:
            low, high = (scalar(self.graph, node, at) for at in (1, 2))
        else:
            low, high = (attributes(node).get(key) for key in ("min", "max"))
        if low != 0:
            raise refuse(node, f"lower limit is {low}, needs 0")
        layer.relu = True
        layer.ceiling = min(layer.ceiling, np.inf if high is None else float(high))

    def _floor(self, node: onnx.NodeProto) -> None:
        self._open(node).floors = True

    def _cast(self, node: onnx.NodeProto) -> None:
        to = attributes(node).get("to")
        if to in (TensorProto.FLOAT, TensorProto.DOUBLE) and not self.integers:
            return
        layer = self._open(node)
        if to != TensorProto.UINT8 or not layer.floors or layer.ceiling != 255:
            raise refuse(node, "makes integers without limits 0 and 255")
        self._close(node, 1.0)
        self.integers = True

    def _add(self, node: onnx.NodeProto) -> None:
        layer, values = self._operand(node)
        if layer.relu:
            if values.min() < 0 or values.min() != values.max():
                raise refuse(node, "adds different or negative values behind Relu")
            layer.late += float(values[0])
        else:
            layer.offset += values

    def _multiply(self, node: onnx.NodeProto) -> None:
        layer, values = self._operand(node)
        if values.min() < 0 or layer.late or np.isfinite(layer.ceiling):
            raise refuse(node, "a factor below 0, or behind limits")
        layer.gain *= values
        layer.offset *= values

    def _operand(self, node: onnx.NodeProto) -> tuple[RawLayer, np.ndarray]:
        layer = self._open(node)
        if layer.floors:
            raise refuse(node, "between rounding and quantization")
        if len(node.input) != 2:
            raise refuse(node, "needs two inputs")
        other = node.input[1 if node.input[0] == self.name else 0]
        flat = self.flat or not layer.convolution
        return layer, per_channel(self.graph, node, other, layer, flat=flat)

    def _max_pool(self, node: onnx.NodeProto) -> None:
        layer = self.layer or (self.chain.layers[-1] if self.chain.layers else None)
        if layer is None or not layer.convolution or self.flat or layer.k is not None:
            raise refuse(node, "pools something else than the image behind a convolution")
        options = attributes(node)
        side = same(node, "kernel_shape", options.get("kernel_shape", []), 0)
        stride = same(node, "strides", options.get("strides", []), 1)
        plain = not any(options.get("pads", [])) and set(options.get("dilations", [])) <= {1}
        valid = options.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        ragged = options.get("ceil_mode", 0) and any(size % side for size in self.shape[1:])
        if side < 1 or side != stride or not plain or not valid or ragged:
            raise refuse(
                node, f"window {side}, stride {stride}: needs the same, no padding, no dilation"
            )
        layer.pool *= side
        self.shape = layer.out_shape
        if min(self.shape) < 1:
            raise refuse(node, "leaves nothing of its input")

    def _flatten(self, node: onnx.NodeProto) -> None:
        axis = attributes(node).get("axis", 1)
        if axis != 1:
            raise refuse(node, f"axis is {axis}, needs 1")
        self.flat = True

    def _reshape(self, node: onnx.NodeProto) -> None:
        target = self.graph.constant(node.input[1]) if len(node.input) > 1 else None
        size = self.shape[0] * self.shape[1] * self.shape[2]
        sizes = [] if target is None else [int(value) for value in target.reshape(-1)[:5]]
        if len(sizes) != 2 or sizes[1] not in (-1, size) or sizes[0] not in (-1, 0, 1):
            raise refuse(node, f"shape {sizes}, needs [samples, {size}]")
        self.flat = True

    def _parts(self, nodes: list[onnx.NodeProto]) -> None:
        """A layer whose sums over some channels at a time are added up."""
        found: list[tuple[int, RawLayer]] = []
        total: set[str] = set()
        inputs = self.shape
        for node in nodes:
            start, stop, axis = (scalar(self.graph, node, at) for at in (1, 2, 3))
            if start is None or stop is None or axis != 1 or not 0 <= start < stop <= inputs[0]:
                raise refuse(node, "needs constant bounds of channels")
            convolution = self._only(node.output[0], "Conv")
            self._require_scale(convolution)
            shape = (int(stop - start), inputs[1], inputs[2])
            part = multiplying_layer(self.graph, convolution, shape, self.flat, self.scale)
            found.append((int(start), part))
            cast = self._only(convolution.output[0], "Cast")
            total.add(self._only(cast.output[0], "Sum").output[0])
        found.sort(key=lambda item: item[0])
        first = found[0][1]
        ends = [0, *(start + part.in_shape[0] for start, part in found)]
        starts = [*(start for start, _ in found), inputs[0]]
        alike = all(
            (part.gain == first.gain).all() and not part.offset.any()
            and part.weight.shape[2:] == first.weight.shape[2:]
            and (part.stride, part.padding) == (first.stride, first.padding)
            for _, part in found if len(part.gain) == len(first.gain)
        )  # fmt: skip
        same_kernels = {part.channels for _, part in found} == {first.channels}
        if len(total) != 1 or ends != starts or not alike or not same_kernels:
            raise refuse(nodes[0], "parts of channels do not make one layer")
        weight = np.concatenate([part.weight for _, part in found], axis=1)
        self.layer = RawLayer(
            first.name, weight, first.gain, first.offset, inputs, first.stride, first.padding
        )
        self.shape, self.name = self.layer.out_shape, total.pop()

    def _only(self, name: str, kind: str) -> onnx.NodeProto:
        nodes = self.graph.consumers(name)
        if len(nodes) != 1 or nodes[0].op_type != kind:
            raise OnnxError(f"value {name!r} goes to {[n.op_type for n in nodes]}, needs {kind}")
        return nodes[0]

    def _winners(self, nodes: list[onnx.NodeProto]) -> None:
        """Values that are not among the best become 0: TopK scattered into zeros."""
        best = next(node for node in nodes if node.op_type == "TopK")
        layers, options = self.chain.layers, attributes(best)
        count, axis = scalar(self.graph, best, 1), options.get("axis", -1)
        if self.layer is not None or self.integers or not layers or layers[-1].k is not None:
            raise refuse(best, "winners are chosen from the quantized output of a layer, once")
        plain = options.get("largest", 1) == 1 and axis in (1, 1 - (2 if self.flat else 4))
        if not plain or (self.flat and layers[-1].convolution and self.shape[1:] != (1, 1)):
            raise refuse(best, "needs the largest over the channels (axis 1)")
        if count is None or not 1 <= count <= layers[-1].channels:
            raise refuse(best, f"k is {count}, needs a constant in 1..{layers[-1].channels}")
        scatter = self._only(best.output[0], "ScatterElements")
        zeros = self.graph.producer(scatter.input[0])
        if (
            len(nodes) != 2
            or zeros not in nodes
            or not self._is_zero(zeros)
            or list(scatter.input[1:]) != [best.output[1], best.output[0]]
            or attributes(scatter).get("axis", 0) != axis
        ):
            raise refuse(best, "winners are not scattered into zeros of the same shape")
        layers[-1].k = int(count)
        self.name = scatter.output[0]

    def _is_zero(self, node: onnx.NodeProto | None) -> bool:
        if node is None or node.op_type != "Mul":
            return False
        return 0.0 in (scalar(self.graph, node, 0), scalar(self.graph, node, 1))

    def _finished(self) -> bool:
        """Whether only logits are left; then they are noted."""
        factor = None if self.layer is None else self._tail(self.name, 0)
        if self.layer is None or factor is None:
            return False
        if self.layer.relu or self.layer.floors or self.layer.pool > 1:
            raise OnnxError(f"{self.layer.name}: logits behind Relu, rounding or MaxPool")
        self.chain.layers.append(self.layer)
        self.chain.logit_factor = factor
        return True

    def _tail(self, name: str, depth: int) -> float | None:
        """Factor between ``name`` and softmax when nothing but outputs follow; else None."""
        nodes = self.graph.consumers(name)
        if depth > TAIL_DEPTH or len(nodes) > 3 or not (nodes or name in self.graph.outputs):
            return None
        factors: list[float] = []
        for node in nodes:
            factor = _tail_factor(self.graph, node, name)
            rest = self._tail(node.output[0], depth + 1) if node.output else None
            if factor is None or rest is None:
                return None
            factors.append(factor * rest)
        return next((factor for factor in factors if factor != 1), 1.0)


def _tail_factor(graph: Graph, node: onnx.NodeProto, name: str) -> float | None:
    if node.op_type not in TAIL:
        return None
    if node.op_type != "Mul":
        return 1.0
    factor = scalar(graph, node, 1 if node.input[0] == name else 0)
    return factor if factor is not None and factor > 0 else None


_HANDLERS = {
    "Add": _Walk._add,
    "Cast": _Walk._cast,
    "Clip": _Walk._clip,
    "DequantizeLinear": _Walk._dequantize,
    "Dropout": _Walk._pass,
    "Flatten": _Walk._flatten,
    "Floor": _Walk._floor,
    "Identity": _Walk._pass,
    "MaxPool": _Walk._max_pool,
    "Mul": _Walk._multiply,
    "QuantizeLinear": _Walk._quantize,
    "Relu": _Walk._relu,
    "Reshape": _Walk._reshape,
}
