"""A layer as read: integer weights, and what happens to their sums in real numbers."""

from dataclasses import dataclass, field

import numpy as np
import onnx

from twofold.hw.contract.layers import (
    POOLINGS,
    Add,
    Conv2d,
    Layer,
    Linear,
    Padding,
    Size,
    Sparsity,
)
from twofold.hw.contract.layers.geometry import positions
from twofold.sw.onnx.importer.convolution import NO_EDGES, Edges, check_convolution, convolution
from twofold.sw.onnx.importer.graph import Graph, attributes, label, refuse
from twofold.sw.onnx.importer.quantizers import SCALE_MIN, Weights, weights

Shape = tuple[int, int, int]


@dataclass(eq=False)
class RawLayer:
    """A convolution or linear layer between two quantizations.

    With ``acc`` the sum of products of weights and input integers minus their zero point, the
    output is ``round((gain * acc + offset) / step)``, clamped to 0..255.

    Attributes
    ----------
    name: of its node, for error messages.
    weight: int8 ``[out, in, height, width]``, ``[out, in]`` for a linear layer, or ``[out, in,
        side]`` for an addition.
    gain, offset: float64 ``[out]``.
    in_shape: channels, height, width.
    stride, padding, pooling: as in `twofold.hw.contract.network.Conv2d`.
    pool: height and width of the pooling window. With pooling, ``acc`` is that of a pooled pixel.
    step: of the output integers; None for logits.
    floors: whether it rounds down instead of to the nearest; then ``offset`` contains ``zero``.
    k: winners kept; None for all.
    unit: float64 ``[out]``; one step of its sums, before anything is done to them.
    trace: what the graph does to its sums, in order: "add", "multiply" (float64 ``[out]``), "sum"
        (over that many positions of a pooling window), "double" and "single", after which floats
        have 64 and 32 bits.
    zero: of the output integers, as in `twofold.hw.contract.network.Conv2d`.
    groups: that its channels were split into; their weights for other groups are 0.
    biased: whether the first of them is the node's own bias.
    parts: ranges of input channels that float32 sums separately; empty for all at once.
    sources: indices of the layers that it reads, as they come in the chain; -1 is the input.
    zeros: of an addition, the integer that stands for 0 of each layer that it reads.
    relu, ceiling, late: state while reading: whether negative values have been removed, the upper
        limit, and what was added after the limit at 0.
    """

    name: str
    weight: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    in_shape: Shape
    stride: Size = 1
    padding: Padding = 0
    pool: tuple[int, int] = (1, 1)
    pooling: str = "max"
    step: float | None = None
    floors: bool = False
    k: int | None = None
    relu: bool = False
    ceiling: float = field(default=np.inf)
    late: float = 0.0
    unit: np.ndarray = field(default_factory=lambda: np.zeros(0))
    trace: list[tuple[str, np.ndarray]] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)
    groups: int = 1
    zero: int = 0
    biased: bool = False
    sources: tuple[int, ...] = (-1,)
    zeros: tuple[int, ...] = ()

    @property
    def convolution(self) -> bool:
        """Whether it is a convolution or an addition, of an image."""
        return self.weight.ndim > 2

    @property
    def adds(self) -> bool:
        """Whether it is an addition."""
        return len(self.sources) > 1

    def described(
        self, index: int, sparsity: Sparsity, *, k: int | None, multiplier: bool
    ) -> Layer:
        """The layer's description at place ``index``, with this sparsity structure."""
        source = None if self.sources[0] == index - 1 else self.sources[0]
        if self.adds:
            return Add(
                other=self.sources[1], sparsity=sparsity, k=k, multiplier=multiplier,
                zero=self.zero, source=source,
            )  # fmt: skip
        if not self.convolution:
            return Linear(
                out_features=self.channels, sparsity=sparsity, k=k, multiplier=multiplier,
                zero=self.zero,
            )  # fmt: skip
        kernel = int(self.weight.shape[2]), int(self.weight.shape[3])
        return Conv2d(
            out_channels=self.channels, kernel=kernel, stride=self.stride, padding=self.padding,
            pool=self.pool, pooling=self.pooling, sparsity=sparsity, k=k, multiplier=multiplier,
            zero=self.zero, source=source,
        )  # fmt: skip

    @property
    def channels(self) -> int:
        """Number of kernels."""
        return len(self.weight)

    @property
    def out_shape(self) -> Shape:
        """Channels, height, width after pooling."""
        if not self.convolution:
            return self.channels, 1, 1
        if self.adds:
            return self.in_shape
        kernel = int(self.weight.shape[2]), int(self.weight.shape[3])
        rows, cols = positions(self.in_shape[1:], kernel, self.stride, self.padding)
        return self.channels, rows // self.pool[0], cols // self.pool[1]

    @property
    def positions(self) -> int:
        """Number of positions that are pooled into one pixel of the output."""
        return self.pool[0] * self.pool[1]

    @property
    def terms(self) -> int:
        """Number of positions whose accumulators are added to form that of a pooled pixel."""
        return POOLINGS[self.pooling].terms(self.positions)


def multiplying_layer(
    graph: Graph,
    node: onnx.NodeProto,
    in_shape: Shape,
    flat: bool,
    scale: float,
    *,
    padded: Edges = NO_EDGES,
) -> RawLayer:
    """Layer that starts with ``node`` (Conv, Gemm or MatMul), for activations of this scale.

    ``padded``: pixels that a Pad in front of it adds at top, left, bottom and right.
    """
    if (node.op_type == "Conv") == flat:
        raise refuse(node, f"input is {'flat' if flat else 'an image'}; expected the other")
    if node.op_type == "Conv":
        found, stride, padding = convolution(graph, node, in_shape, padded)
    else:
        found, (stride, padding) = _linear(graph, node, in_shape), (1, 0)
    if found.values.min() < -128 or found.values.max() > 127:
        raise refuse(
            node, f"weights {found.values.min()}..{found.values.max()} do not fit 8 bits signed"
        )
    alpha, beta = (attributes(node).get(key, 1.0) for key in ("alpha", "beta"))
    gain = np.broadcast_to(found.scale * scale * alpha, len(found.values)).copy()
    if gain.min() < SCALE_MIN:
        raise refuse(node, f"a step of its sums is {gain.min():.3g}, 0 in float32; scale the model")
    weight = found.values.astype(np.int8, copy=False)
    layer = RawLayer(label(node), weight, gain, np.zeros(len(gain)), in_shape, stride, padding)
    layer.unit = gain.copy()
    layer.groups = int(attributes(node).get("group", 1)) if node.op_type == "Conv" else 1
    if min(layer.out_shape) < 1:
        raise refuse(node, f"window leaves nothing of input {list(in_shape)}")
    if len(node.input) > 2 and node.input[2]:
        layer.offset += beta * per_channel(graph, node, node.input[2], layer, behind=0)
        layer.trace.append(("add", layer.offset.copy()))
        layer.biased = True
    return layer


def by_source(layer: RawLayer, zero_point: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights as int64 ``[out, inputs, source]``, and for each source the integer that stands for
    0: that of an addition's sides, or ``zero_point``.
    """
    zeros = np.array(layer.zeros or (zero_point,), dtype=np.int64)
    return layer.weight.reshape(layer.channels, -1, len(zeros)).astype(np.int64), zeros


def largest(layer: RawLayer, zero_point: int) -> float:
    """Largest value its scaled sums can reach for inputs of 0..255 with this ``zero_point``."""
    weight, zeros = by_source(layer, zero_point)
    up = (np.maximum(weight, 0) * (255 - zeros)).sum(axis=(1, 2))
    down = (np.minimum(weight, 0) * zeros).sum(axis=(1, 2))
    return float((layer.gain * (up - down) + layer.offset).max())


def check_options(graph: Graph, node: onnx.NodeProto) -> Weights:
    """Weights of a Conv, Gemm or MatMul, after checking its form independently of its input.

    Raises OnnxError for the first thing that is not supported.
    """
    options = attributes(node)
    if node.op_type == "Conv":
        return check_convolution(graph, node)
    if options.get("transA", 0) or options.get("alpha", 1.0) <= 0:
        raise refuse(node, "transA, or alpha not above 0; export it without them")
    return weights(graph, node.input[1], node, 1 if _turned(node) else 0)


def _turned(node: onnx.NodeProto) -> bool:
    """Whether weights are [in, out]."""
    return node.op_type == "MatMul" or not attributes(node).get("transB", 0)


def _linear(graph: Graph, node: onnx.NodeProto, in_shape: Shape) -> Weights:
    turned, found = _turned(node), check_options(graph, node)
    if found.values.ndim != 2:
        raise refuse(node, f"weights {list(found.values.shape)}, needs two axes")
    values = found.values.T if turned else found.values
    inputs = in_shape[0] * in_shape[1] * in_shape[2]
    if values.shape[1] != inputs:
        raise refuse(node, f"{values.shape[1]} weights a unit for {inputs} inputs")
    return Weights(values, found.scale)


def per_channel(
    graph: Graph, node: onnx.NodeProto, name: str, layer: RawLayer, *, behind: int
) -> np.ndarray:
    """Constant ``name``, perhaps quantized, as one value per channel: float64 ``[out]``.

    ``behind``: number of axes that follow that of the channels in what it is combined with.
    """
    values = graph.constant(name)
    if values is None:
        found = weights(graph, name, node, 0)
        values = found.values * (found.scale if found.values.ndim == 1 else found.scale[0])
    values = np.asarray(values, dtype=np.float64)
    lead = values.shape[: max(values.ndim - 1 - behind, 0)]
    rest = values.shape[len(lead) :]
    fits = rest == (layer.channels, *(1,) * behind)
    if values.size != 1 and not (fits and set(lead) <= {1}):
        raise refuse(node, f"constant {list(values.shape)} for {layer.channels} channels")
    if not np.isfinite(values).all():
        raise refuse(node, "constant is not finite")
    return np.broadcast_to(values.reshape(-1), layer.channels).astype(np.float64)


def scalar(graph: Graph, node: onnx.NodeProto, at: int) -> float | None:
    """Constant input ``at`` with a single element; None if it is missing or anything else."""
    if len(node.input) <= at or not node.input[at]:
        return None
    value = graph.constant(node.input[at])
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None
