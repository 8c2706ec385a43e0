"""Follow a graph from its input to its logits, layer by layer."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.graph import NODES_MAX, Graph, attributes, refuse
from twofold.sw.onnx.importer.layers import (
    RawLayer,
    largest,
    multiplying_layer,
    per_channel,
    scalar,
)
from twofold.sw.onnx.importer.pooling import READERS as POOLING
from twofold.sw.onnx.importer.quantizers import Quantizer, activation
from twofold.sw.onnx.importer.tail import READERS as TAIL
from twofold.sw.onnx.importer.tail import read_tail

LAYERS = ("Conv", "Gemm", "MatMul")
WINNERS = ("TopK", "ScatterElements")
PARTS = ("Slice", "Sum")
INTEGER_KINDS: dict[int, str] = {TensorProto.UINT8: "uint8", TensorProto.INT8: "int8"}
IMAGE_KINDS: dict[int, str] = {**INTEGER_KINDS, TensorProto.FLOAT: "float32"}


@dataclass(eq=False)
class Chain:
    """The contents of a graph.

    Attributes
    ----------
    scale, zero_point: of the input, as uint8.
    dtype: what the model takes: uint8, int8 (128 below the machine's bytes) or float32.
    layers: in order.
    logit_factor: between the last layer's output and the input of softmax.
    image: how the machine's integers relate to the model's input, as text.
    dropped: what follows the logits and is left out.
    taps: the inputs of each layer but the first, and the logits, as names with their steps.
    """

    scale: float = 1.0
    zero_point: int = 0
    dtype: str = "uint8"
    layers: list[RawLayer] = field(default_factory=list)
    logit_factor: float = 1.0
    image: str = ""
    dropped: list[str] = field(default_factory=list)
    taps: list[tuple[str, float]] = field(default_factory=list)


def read_chain(graph: Graph) -> Chain:
    """Follow ``graph``. Raises OnnxError, naming the node that does not fit, and why."""
    if graph.input_kind not in IMAGE_KINDS:
        raise OnnxError(f"input {graph.input} is neither uint8, int8 nor float32")
    return _Walk(graph).run()


def operators() -> set[str]:
    """Operators that are supported between input and outputs."""
    return {*LAYERS, *WINNERS, *PARTS, *POOLING, *_HANDLERS, *TAIL}


class _Walk:
    """The current position: value ``name`` of ``shape``.

    ``integers``: whether it is not dequantized yet; ``kind``: the integers' type. ``layer``: the
    layer whose sums it holds, until they are quantized. ``scale``: of dequantized activations;
    ``limit``: their largest integer.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.chain = graph, Chain(dtype=IMAGE_KINDS[graph.input_kind])
        self.name, self.shape = graph.input, graph.input_shape
        self.flat = graph.input_flat
        self.integers = graph.input_kind != TensorProto.FLOAT
        self.kind = INTEGER_KINDS.get(graph.input_kind)
        self.chain.image = {None: "", "uint8": "uint8, as they are", "int8": "int8 plus 128"}[
            self.kind
        ]
        self.layer: RawLayer | None = None
        self.scale = 0.0
        self.limit = 255
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
            self._tap()
            self.layer = multiplying_layer(self.graph, node, self.shape, self.flat, self.scale)
            self.shape = self.layer.out_shape
        elif node.op_type in POOLING and (self.layer is not None or node.op_type not in LAYERS):
            self._pool(node)
        else:
            handler = _HANDLERS.get(node.op_type)
            if handler is None:
                raise refuse(
                    node,
                    "not supported here; the machine takes chains of Conv, Gemm and MatMul between "
                    "QuantizeLinear and DequantizeLinear, with Relu, pooling, TopK",
                )
            handler(self, node)
        self.name = node.output[0]

    def _require_scale(self, node: onnx.NodeProto) -> None:
        if not self.scale:
            raise refuse(node, "its input is not quantized; export the model with QDQ")

    def _tap(self) -> None:
        """Record that a layer, perhaps in several parts, starts here."""
        if self.chain.layers:
            self.chain.taps.append((self.name, self.scale))

    def _pass(self, node: onnx.NodeProto) -> None:
        del node

    def _quantize(self, node: onnx.NodeProto) -> None:
        found = activation(self.graph, node)
        if self.integers:
            raise refuse(node, "integers are quantized again")
        if self.layer is not None:
            self._close(node, found.single_scale, self._limit(node, found))
        elif not self.chain.layers:
            if self.scale:
                raise refuse(node, "quantizes the image a second time")
            self.chain.image = (
                f"round(pixel / {found.single_scale:.8g}) + {found.zero_point + found.offset}, "
                f"halves to even, limited to 0..255: the model's {node.op_type} is left to you"
            )
        elif found.single_scale != self.scale or self._limit(node, found) < self.limit:
            raise refuse(
                node, f"scale changes from {self.scale} to {found.single_scale}, zero point is "
                f"{found.zero_point} of {found.kind}; export one quantization behind a layer"
            )  # fmt: skip
        else:
            self.limit = self._limit(node, found)
        self.integers, self.kind = True, found.kind

    def _limit(self, node: onnx.NodeProto, found: Quantizer) -> int:
        """Largest integer of a hidden layer above its zero point, which must represent 0."""
        low = found.zero_point + found.offset
        if low and not (found.kind == "int8" and self._is_positive()):
            raise refuse(
                node,
                f"zero point {found.zero_point} of {found.kind} lies above the lowest value: a "
                "hidden layer needs ReLU in front of it, and nothing quantized between layer and "
                "ReLU; fuse them (quantize_static behind quant_pre_process)",
            )
        return 255 - low

    def _is_positive(self) -> bool:
        return self.layer is None or self.layer.relu

    def _dequantize(self, node: onnx.NodeProto) -> None:
        found = activation(self.graph, node, self.kind)
        if not self.integers:
            raise refuse(node, "dequantizes what is not quantized")
        if self.chain.layers:
            if self._limit(node, found) != self.limit:
                raise refuse(node, "its zero point is not that of the quantization in front of it")
        else:
            self.chain.scale = found.single_scale
            self.chain.zero_point = found.zero_point + found.offset
        self.scale, self.integers = found.single_scale, False

    def _close(self, node: onnx.NodeProto, step: float, limit: int = 255) -> None:
        """Finish a layer: its sums become integers in 0..``limit``."""
        layer = self._open(node)
        if layer.late >= step / 2:
            raise refuse(node, f"{layer.late} added behind Relu, needs less than half of {step}")
        self._require_below(node, layer, layer.ceiling, step)
        self._require_below(node, layer, limit * step, step)
        layer.step = step
        layer.offset += layer.late
        self.chain.layers.append(layer)
        self.layer, self.limit = None, limit

    def _require_below(
        self, node: onnx.NodeProto, layer: RawLayer, ceiling: float, step: float
    ) -> None:
        """Refuse an upper limit below the machine's 255 steps, unless the sums cannot reach it."""
        zero_point = 0 if self.chain.layers else self.chain.zero_point
        if ceiling < 254.5 * step and largest(layer, zero_point) + layer.late > ceiling:
            raise refuse(
                node,
                f"values end at {ceiling:.6g}, below the 255 steps of {step:.6g} at which the "
                "machine's do; quantize activations to uint8 with a scale of their largest value "
                "/ 255 (quantize_static: activation_type=QuantType.QUInt8)",
            )

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
        if len(node.input) > 1:
            low, high = (self._bound(node, at) for at in (1, 2))
        else:
            low, high = (attributes(node).get(key) for key in ("min", "max"))
        if low != 0:
            raise refuse(node, f"lower limit is {low}, needs 0")
        ceiling = np.inf if high is None else float(high)
        if self.layer is not None:
            self.layer.relu = True
            self.layer.ceiling = min(self.layer.ceiling, ceiling)
        elif self.chain.layers:
            step = 1.0 if self.integers else self.scale
            if ceiling < 254.5 * step:
                raise refuse(
                    node, f"upper limit {ceiling:.6g} of quantized values, needs 255 steps of "
                    f"{step:.6g}; quantize once, behind the limit, with all 8 bits"
                )  # fmt: skip
        else:
            raise refuse(node, "in front of the first layer")

    def _bound(self, node: onnx.NodeProto, at: int) -> float | None:
        """A limit of Clip; None if it is not given."""
        if len(node.input) <= at or not node.input[at]:
            return None
        value = scalar(self.graph, node, at)
        if value is None:
            raise refuse(node, f"limit {node.input[at]!r} is not a constant number")
        return value

    def _floor(self, node: onnx.NodeProto) -> None:
        self._open(node).floors = True

    def _cast(self, node: onnx.NodeProto) -> None:
        to = attributes(node).get("to")
        if to in (TensorProto.FLOAT, TensorProto.DOUBLE) and not self.integers:
            if self.layer is not None:
                kind = "double" if to == TensorProto.DOUBLE else "single"
                self.layer.trace.append((kind, self.layer.unit))
            return
        layer = self._open(node)
        if to != TensorProto.UINT8 or not layer.floors or layer.ceiling != 255:
            raise refuse(node, "makes integers without limits 0 and 255")
        self._close(node, 1.0)
        self.integers, self.kind = True, "uint8"

    def _add(self, node: onnx.NodeProto) -> None:
        layer, values = self._operand(node)
        if layer.relu:
            if values.min() < 0 or values.min() != values.max():
                raise refuse(node, "adds different or negative values behind Relu")
            layer.late += float(values[0])
        else:
            layer.offset += values
        layer.trace.append(("add", values))

    def _multiply(self, node: onnx.NodeProto) -> None:
        layer, values = self._operand(node)
        if values.min() < 0 or layer.late or np.isfinite(layer.ceiling):
            raise refuse(node, "a factor below 0, or behind limits")
        layer.gain *= values
        layer.offset *= values
        layer.trace.append(("multiply", values))

    def _operand(self, node: onnx.NodeProto) -> tuple[RawLayer, np.ndarray]:
        layer = self._open(node)
        if layer.floors:
            raise refuse(node, "between rounding and quantization")
        if len(node.input) != 2:
            raise refuse(node, "needs two inputs")
        other = node.input[1 if node.input[0] == self.name else 0]
        flat = self.flat or not layer.convolution
        return layer, per_channel(self.graph, node, other, layer, flat=flat)

    def _pool(self, node: onnx.NodeProto) -> None:
        layer = self.layer or (self.chain.layers[-1] if self.chain.layers else None)
        if layer is None or not layer.convolution or self.flat or layer.k is not None:
            raise refuse(node, "pools something else than the image behind a convolution")
        POOLING[node.op_type](self.graph, node, layer, self.layer is not None)
        self.shape = layer.out_shape

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
        """Read a layer that is split into parts of its channels, whose sums are added up."""
        found: list[tuple[int, RawLayer]] = []
        total: set[str] = set()
        inputs = self.shape
        self._tap()
        for node in nodes:
            start, stop, axis = (scalar(self.graph, node, at) for at in (1, 2, 3))
            if start is None or stop is None or axis != 1 or not 0 <= start < stop <= inputs[0]:
                raise refuse(node, "needs constant bounds of channels")
            convolution = self._only(node.output[0], "Conv")
            self._require_scale(convolution)
            shape = (int(stop - start), inputs[1], inputs[2])
            part = multiplying_layer(self.graph, convolution, shape, self.flat, self.scale)
            found.append((int(start), part))
            output = convolution.output[0]
            for pooling in self.graph.consumers(output):
                if pooling.op_type in POOLING:
                    POOLING[pooling.op_type](self.graph, pooling, part, True)
                    output = pooling.output[0]
            cast = self._only(output, "Cast")
            sum_of_parts = self._only(cast.output[0], "Sum")
            wide = attributes(cast)["to"] == TensorProto.DOUBLE
            if not wide or len(sum_of_parts.input) != len(nodes):
                raise refuse(sum_of_parts, "adds up something else than parts in double")
            total.add(sum_of_parts.output[0])
        found.sort(key=lambda item: item[0])
        first = found[0][1]
        ends = [0, *(start + part.in_shape[0] for start, part in found)]
        starts = [*(start for start, _ in found), inputs[0]]
        alike = all(
            (part.gain == first.gain).all() and not part.offset.any()
            and part.weight.shape[2:] == first.weight.shape[2:]
            and (part.stride, part.padding) == (first.stride, first.padding)
            and (part.pool, part.pooling) == (first.pool, first.pooling)
            for _, part in found if len(part.gain) == len(first.gain)
        )  # fmt: skip
        same_kernels = {part.channels for _, part in found} == {first.channels}
        if len(total) != 1 or ends != starts or not alike or not same_kernels:
            raise refuse(nodes[0], "parts of channels do not make one layer")
        weight = np.concatenate([part.weight for _, part in found], axis=1)
        self.layer = RawLayer(
            first.name, weight, first.gain, first.offset, inputs, first.stride, first.padding,
            first.pool, first.pooling,
        )  # fmt: skip
        self.layer.unit, self.layer.trace = first.unit, [("double", first.unit), *first.trace]
        self.layer.parts = [(start, start + part.in_shape[0]) for start, part in found]
        self.shape, self.name = self.layer.out_shape, total.pop()

    def _only(self, name: str, kind: str) -> onnx.NodeProto:
        nodes = self.graph.consumers(name)
        if len(nodes) != 1 or nodes[0].op_type != kind:
            raise OnnxError(f"value {name!r} goes to {[n.op_type for n in nodes]}, needs {kind}")
        return nodes[0]

    def _winners(self, nodes: list[onnx.NodeProto]) -> None:
        """Read winner selection, written as TopK scattered into zeros."""
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
        """Whether only the logits are left; if so, record them."""
        layer = self.layer
        if layer is None or layer.relu or layer.floors:
            return False
        rank = 2 if self.flat or not layer.convolution else 4
        tail = read_tail(self.graph, self.name, rank, layer.channels)
        if tail is None:
            return False
        if layer.positions > 1:
            raise OnnxError(f"{layer.name}: logits behind pooling")
        self.chain.layers.append(layer)
        self.chain.taps.append((self.name, 1.0))
        self.chain.logit_factor, self.chain.dropped = tail.factor, tail.dropped
        return True


_HANDLERS = {
    "Add": _Walk._add,
    "Cast": _Walk._cast,
    "Clip": _Walk._clip,
    "DequantizeLinear": _Walk._dequantize,
    "Dropout": _Walk._pass,
    "Flatten": _Walk._flatten,
    "Floor": _Walk._floor,
    "Identity": _Walk._pass,
    "Mul": _Walk._multiply,
    "QuantizeLinear": _Walk._quantize,
    "Relu": _Walk._relu,
    "Reshape": _Walk._reshape,
}
