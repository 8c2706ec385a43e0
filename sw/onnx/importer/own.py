"""What the project's own exports are made of: winners, and layers in parts that float32 sums
separately.
"""

import numpy as np
import onnx
from onnx import TensorProto

from twofold.sw.onnx.importer.graph import attributes, refuse
from twofold.sw.onnx.importer.layers import RawLayer, multiplying_layer, scalar
from twofold.sw.onnx.importer.layout import Shape
from twofold.sw.onnx.importer.pooling import READERS as POOLING
from twofold.sw.onnx.importer.walk import Walk

WINNERS = ("TopK", "ScatterElements")
PARTS = ("Slice", "Sum")


def parts(walk: Walk, nodes: list[onnx.NodeProto]) -> None:
    """Read a layer that is split into parts of its channels, whose sums are added up."""
    found: list[tuple[int, RawLayer]] = []
    total: set[str] = set()
    inputs = walk.layout.shape
    for node in nodes:
        start, part, sum_of_parts = _part(walk, node, inputs, not found)
        if len(sum_of_parts.input) != len(nodes):
            raise refuse(sum_of_parts, "adds up something else than parts in double")
        found.append((start, part))
        total.add(sum_of_parts.output[0])
    found.sort(key=lambda item: item[0])
    first = found[0][1]
    if len(total) != 1 or not _belong_together(found, inputs[0]):
        raise refuse(nodes[0], "parts of channels do not make one layer")
    weight = np.concatenate([part.weight for _, part in found], axis=1)
    layer = RawLayer(
        first.name, weight, first.gain, first.offset, inputs, first.stride, first.padding,
        first.pool, first.pooling,
    )  # fmt: skip
    layer.unit, layer.trace = first.unit, [("double", first.unit), *first.trace]
    layer.parts = [(start, start + part.in_shape[0]) for start, part in found]
    walk.taken(nodes[0], layer)
    walk.name = total.pop()


def _part(
    walk: Walk, node: onnx.NodeProto, inputs: Shape, first: bool
) -> tuple[int, RawLayer, onnx.NodeProto]:
    """First channel of a part, its layer, and the node that adds the parts up."""
    start, stop, axis = (scalar(walk.graph, node, at) for at in (1, 2, 3))
    if start is None or stop is None or axis != 1 or not 0 <= start < stop <= inputs[0]:
        raise refuse(node, "needs constant bounds of channels")
    convolution = walk.only(node.output[0], "Conv")
    if first:
        walk.start(convolution)
    shape = (int(stop - start), inputs[1], inputs[2])
    part = multiplying_layer(walk.graph, convolution, shape, walk.flat, walk.scale)
    output = convolution.output[0]
    for pooling in walk.graph.consumers(output):
        if pooling.op_type in POOLING:
            POOLING[pooling.op_type](walk.graph, pooling, part, True)
            output = pooling.output[0]
    cast = walk.only(output, "Cast")
    sum_of_parts = walk.only(cast.output[0], "Sum")
    if attributes(cast)["to"] != TensorProto.DOUBLE:
        raise refuse(sum_of_parts, "adds up something else than parts in double")
    return int(start), part, sum_of_parts


def _belong_together(found: list[tuple[int, RawLayer]], channels: int) -> bool:
    """Whether parts, by their first channels, cover all channels and are otherwise alike."""
    first = found[0][1]
    ends = [0, *(start + part.in_shape[0] for start, part in found)]
    starts = [*(start for start, _ in found), channels]
    return ends == starts and all(
        part.channels == first.channels
        and (part.gain == first.gain).all() and not part.offset.any()
        and part.weight.shape[2:] == first.weight.shape[2:]
        and (part.stride, part.padding) == (first.stride, first.padding)
        and (part.pool, part.pooling) == (first.pool, first.pooling)
        for _, part in found
    )  # fmt: skip


def winners(walk: Walk, nodes: list[onnx.NodeProto]) -> None:
    """Read winner selection, written as TopK scattered into zeros."""
    best = next(node for node in nodes if node.op_type == "TopK")
    layer, options = walk.own(best), attributes(best)
    count, axis = scalar(walk.graph, best, 1), options.get("axis", -1)
    if walk.below is not None:
        raise refuse(best, "winners of activations that end below 255; quantize with all 8 bits")
    if walk.layer is not None or walk.integers or layer is None or layer.k is not None:
        raise refuse(best, "winners are chosen from the quantized output of a layer, once")
    plain = options.get("largest", 1) == 1 and axis in (1, 1 - (2 if walk.flat else 4))
    shape = walk.layout.shape
    if not plain or (walk.flat and layer.convolution and shape[1:] != (1, 1)):
        raise refuse(best, "needs the largest over the channels (axis 1)")
    if count is None or not 1 <= count <= layer.channels:
        raise refuse(best, f"k is {count}, needs a constant in 1..{layer.channels}")
    scatter = walk.only(best.output[0], "ScatterElements")
    zeros = walk.graph.producer(scatter.input[0])
    if (
        len(nodes) != 2
        or zeros not in nodes
        or not _is_zero(walk, zeros)
        or list(scatter.input[1:]) != [best.output[1], best.output[0]]
        or attributes(scatter).get("axis", 0) != axis
    ):
        raise refuse(best, "winners are not scattered into zeros of the same shape")
    layer.k = int(count)
    walk.name = scatter.output[0]


def _is_zero(walk: Walk, node: onnx.NodeProto | None) -> bool:
    if node is None or node.op_type != "Mul":
        return False
    return 0.0 in (scalar(walk.graph, node, 0), scalar(walk.graph, node, 1))
