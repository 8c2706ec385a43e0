"""The place of a walk through a graph: which value it is at, and what that value means."""

from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.convolution import NO_EDGES
from twofold.sw.onnx.importer.graph import Graph, refuse
from twofold.sw.onnx.importer.layers import RawLayer
from twofold.sw.onnx.importer.layout import Layout
from twofold.sw.onnx.importer.limits import behind_limit, below_limit, is_reached
from twofold.sw.onnx.importer.quantizers import Quantizer, Weights

INTEGER_KINDS: dict[int, str] = {TensorProto.UINT8: "uint8", TensorProto.INT8: "int8"}
IMAGE_KINDS: dict[int, str] = {**INTEGER_KINDS, TensorProto.FLOAT: "float32"}
IMAGES = {"float32": "", "uint8": "uint8, as they are", "int8": "int8 plus 128"}
"""How the machine's integers relate to a model's input, by its type, before its own quantizer."""


class Tap(NamedTuple):
    """Where a layer's output can be seen in the graph.

    Attributes
    ----------
    name: of the value, empty if the graph does not have it; step: of its integers.
    order: index of each element in the order channel, row, column; None if they come so.
    below: where the layer gives the distance from a limit, that limit.
    """

    name: str
    step: float
    order: np.ndarray | None = None
    below: int | None = None


@dataclass(eq=False)
class Chain:
    """The contents of a graph.

    Attributes
    ----------
    scale, zero_point: of the input, as uint8.
    low, high: range of the input's integers, as uint8.
    dtype: what the model takes: uint8, int8 (128 below the machine's bytes) or float32.
    layers: in order.
    logit_factor: between the last layer's output and the input of softmax.
    image: how the machine's integers relate to the model's input, as text.
    arranged: how the model rearranges its input before the first layer; see
        `twofold.sw.onnx.importer.layout.Layout`.
    entry: name of the first layer's input, dequantized.
    dropped: what is left out: roundings between operators of one layer, and what follows the
        logits.
    taps: by its index, where the output of each layer can be seen; of the last, its logits.
    """

    scale: float = 1.0
    zero_point: int = 0
    low: int = 0
    high: int = 255
    dtype: str = "uint8"
    layers: list[RawLayer] = field(default_factory=list)
    logit_factor: float = 1.0
    image: str = ""
    arranged: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    entry: str = ""
    dropped: list[str] = field(default_factory=list)
    taps: dict[int, Tap] = field(default_factory=dict)

    def readers(self, index: int) -> int:
        """Number of layers that read layer ``index``."""
        return sum(index in layer.sources for layer in self.layers)

    @property
    def seen(self) -> list[Tap]:
        """The taps in the order of the layers."""
        return [self.taps[index] for index in range(len(self.layers))]


class Walk:
    """The current position: value ``name``.

    Attributes
    ----------
    layout: where its elements are.
    integers: whether it is not dequantized yet; ``kind``: the integers' type; ``quantizer``: the
        last that was met.
    layer: the layer whose sums it holds, until they are quantized.
    scale: of dequantized activations; ``limit``: their largest integer; ``kept``: the one that
        stands for 0, above 0 where negative values are kept.
    first: whether no layer has been met.
    between: whether it is quantized between two operators of one layer.
    padded: pixels that a Pad has added at top, left, bottom and right, for the next convolution;
        ``unpadded``: name of the value before.
    at: index of the layer that its activations come from, -1 for the input; ``shared``: of the last
        layer that other branches have taken as it is.
    heads: the nodes that this branch goes on with, where the value goes to several.
    factors: weights of the activations, for each channel, on their way to an addition.
    below: limit of the activations, where the last layer gives their distance from it.
    obstacles: what does not fit, but does not keep the walk from going on.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.chain = graph, Chain(dtype=IMAGE_KINDS[graph.input_kind])
        self.name, self.layout = graph.input, Layout.of(graph.input_dims)
        self.integers = graph.input_kind != TensorProto.FLOAT
        self.kind = INTEGER_KINDS.get(graph.input_kind)
        self.chain.image = IMAGES[self.chain.dtype]
        self.quantizer: Quantizer | None = None
        self.layer: RawLayer | None = None
        self.scale = 0.0
        self.limit = 255
        self.kept = 0
        self.first = True
        self.between = False
        self.padded, self.unpadded = NO_EDGES, ""
        self.below: int | None = None
        self.at = self.shared = -1
        self.heads: list[onnx.NodeProto] | None = None
        self.factors: Weights | None = None
        self.obstacles: list[str] = []

    @property
    def zero(self) -> int:
        """The integer, of the model's type, that stands for 0."""
        return self.quantizer.zero_point if self.quantizer is not None else 0

    @property
    def last(self) -> RawLayer | None:
        """The layer that the activations come from."""
        return self.chain.layers[self.at] if self.at >= 0 else None

    def own(self, node: onnx.NodeProto) -> RawLayer | None:
        """`last`, to be changed by ``node``. Raises OnnxError if other branches have taken it."""
        if self.at >= 0 and self.at == self.shared:
            raise refuse(node, "changes activations that another branch takes as they are; place "
                         "it in front of the branches")  # fmt: skip
        return self.last

    def branch(self, heads: list[onnx.NodeProto]) -> "Walk":
        """Another walk from here, which goes on with these nodes."""
        other = copy(self)
        other.layout, other.heads, other.shared = deepcopy(self.layout), heads, self.at
        return other

    @property
    def flat(self) -> bool:
        """Whether the value is a vector."""
        return self.layout.flat

    def open(self, node: onnx.NodeProto) -> RawLayer:
        """The layer that ``node`` works on. Raises OnnxError if there is none."""
        if self.layer is None:
            raise refuse(node, "only between a layer and its quantization")
        return self.layer

    def object(self, node: onnx.NodeProto, why: str) -> None:
        """Note an obstacle that does not keep the walk from going on."""
        self.obstacles.append(str(refuse(node, why)))

    def start(self, node: onnx.NodeProto) -> None:
        """A layer starts at ``node``, perhaps in several parts. Raises OnnxError if its input is
        not quantized.
        """
        stated = self.graph.scale
        if not self.scale and self.first and not self.integers and stated is not None:
            self.scale = self.chain.scale = stated.step
            self.chain.zero_point = stated.zero_point
            self.chain.image = (
                f"round(value / {stated.step:.8g}) + {stated.zero_point}, halves to even, limited "
                "to 0..255: as was stated; the model takes floats"
            )
        if not self.scale:
            remedy = "state the scale of the input (--scale)" if self.first else "quantize it too"
            raise refuse(node, f"its input is not quantized; {remedy}")
        name = self.unpadded or self.name
        if self.first:
            self.chain.entry, self.chain.arranged = name, self.layout.arranged
        else:
            self.seen_as(name)
        self.first = False

    def seen_as(self, name: str) -> None:
        """The activations are value ``name`` of the graph."""
        self.chain.taps[self.at] = Tap(name, self.scale, self.layout.order, self.below)

    def take(self, layer: RawLayer) -> None:
        """The value holds the sums of ``layer``."""
        self.layer = layer
        rank = len(self.layout.dims)
        self.layout = Layout.of(layer.out_shape)
        if not layer.convolution:
            self.layout.axes = ()
        elif rank == 2:
            self.layout.axes = (0, 2)

    def pooled(self) -> None:
        """The last layer has been given a pooling window."""
        layer = self.layer or self.last
        if layer is not None:
            self.layout.shape = layer.out_shape

    def close(self, node: onnx.NodeProto, step: float, span: tuple[int, int] = (0, 255)) -> None:
        """Finish a layer: its sums become integers, of a ``span`` as `span_of` returns it."""
        zero, limit = span
        layer = self.open(node)
        if layer.late >= step / 2:
            raise refuse(node, f"{layer.late} added behind Relu, needs less than half of {step}")
        reachable = min(layer.ceiling / step, limit)
        zero_point = self.kept if self.at >= 0 else self.chain.zero_point
        reached = is_reached(layer, reachable, step, zero_point)
        layer.step, layer.zero = step, zero
        layer.offset += layer.late
        self.append(layer)
        self.layer, self.kept, self.limit = None, zero, limit
        if reached:
            self.limit_to(node, reachable)

    def limit_to(self, node: onnx.NodeProto, limit: float) -> None:
        """The activations of the layer that was finished last end at ``limit`` steps."""
        whole = round(limit)
        layer = self.last
        if whole >= (255 if self.below is None else self.below) or layer is None:
            return
        if self.below is not None or not layer.step:
            raise refuse(node, f"a second upper limit, of {limit:.6g} steps, for the same values")
        self.chain.taps[self.at] = Tap("", layer.step)
        limited = below_limit(node, layer, whole, layer.step)
        limited.sources = (self.at,)
        self.append(limited)
        self.below = whole

    def append(self, layer: RawLayer) -> None:
        """A layer is read; the activations are its output."""
        self.chain.layers.append(layer)
        self.at = len(self.chain.layers) - 1

    def taken(self, node: onnx.NodeProto, layer: RawLayer) -> None:
        """A layer takes the activations; where they end below 255, as their distance from there."""
        if self.below is not None:
            behind_limit(node, layer, self.below)
        self.below = None
        layer.sources = (self.at,)
        self.take(layer)

    def span_of(self, node: onnx.NodeProto, found: Quantizer) -> tuple[int, int]:
        """Of a hidden layer, the integer that stands for 0 and the largest one, as uint8.

        Behind ReLU the machine's zero is 0, and the integers below the model's are not used.
        """
        low = found.zero_point + found.offset
        keeps = low > 0 and (low == self.kept if self.layer is None else not self.layer.relu)
        if keeps:
            return low, 255
        if low and found.kind != "int8":
            raise refuse(
                node,
                f"zero point {found.zero_point} of {found.kind} lies above the lowest value behind "
                "ReLU; quantize it from 0 on",
            )
        return 0, 255 - low

    def only(self, name: str, kind: str) -> onnx.NodeProto:
        """The single consumer of a value, which has to be of this kind."""
        nodes = self.graph.consumers(name)
        if len(nodes) != 1 or nodes[0].op_type != kind:
            raise OnnxError(f"value {name!r} goes to {[n.op_type for n in nodes]}, needs {kind}")
        return nodes[0]

    def columns(self, layer: RawLayer) -> RawLayer:
        """A linear layer's weights, with their columns in the order channel, row, column."""
        order = self.layout.columns
        if order is not None and not layer.convolution:
            weight = np.empty_like(layer.weight)
            weight[:, order] = layer.weight
            layer.weight = weight
        return layer
