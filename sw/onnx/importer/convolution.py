"""Geometry and weights of a Conv node, as those of a plain convolution over an image.

A convolution over a length is one over an image of one row. Dilated kernels are spread out with
zeros. Kernels of groups get zeros for the channels of the other groups: those of a group share no
input with those of another, which is what complementary sets are.
"""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np
import onnx

from twofold.hw.contract.layers import Padding, Size
from twofold.hw.contract.layers.geometry import edges, plain, plain_edges, same_padding
from twofold.sw.onnx.importer.checked import ELEMENTS_MAX
from twofold.sw.onnx.importer.graph import SIDE_MAX, Graph, attributes, refuse
from twofold.sw.onnx.importer.quantizers import Weights, weights

Shape = tuple[int, int, int]
Edges = tuple[int, int, int, int]
"""Pixels at top, left, bottom and right."""
NO_EDGES: Edges = (0, 0, 0, 0)
PADDINGS: dict[bytes, Callable[..., Padding] | None] = {
    b"NOTSET": None,
    b"VALID": lambda *_: 0,
    b"SAME_UPPER": same_padding,
    b"SAME_LOWER": partial(same_padding, lower=True),
}
"""Padding of a convolution by its ``auto_pad``, for height and width of the input, kernel and
stride; None where ``pads`` says it.
"""


def check_convolution(graph: Graph, node: onnx.NodeProto) -> Weights:
    """Weights of a Conv as stated, after checking its form independently of its input.

    Raises OnnxError for the first thing that is not supported.
    """
    auto = attributes(node).get("auto_pad", b"NOTSET")
    if auto not in PADDINGS:
        raise refuse(node, f"auto_pad is {auto!r}, needs one of {', '.join(map(repr, PADDINGS))}")
    groups = attributes(node).get("group", 1)
    found = weights(graph, node.input[1], node, 0)
    shape = found.values.shape
    if len(shape) not in (3, 4) or groups < 1 or shape[0] % groups:
        raise refuse(node, f"weights {list(shape)} in {groups} groups, needs those of an image or "
                     "of a length, and as many kernels in each group")  # fmt: skip
    for key, least in (("strides", 1), ("dilations", 1)):
        _pair(node, key, least, len(shape))
    _pads(node, len(shape))
    return found


def convolution(
    graph: Graph, node: onnx.NodeProto, in_shape: Shape, padded: Edges
) -> tuple[Weights, Size, Padding]:
    """Weights ``[out, in, height, width]``, stride and padding of a Conv over an image of this
    shape, to which ``padded`` pixels have been added before. Raises OnnxError.
    """
    found, options = check_convolution(graph, node), attributes(node)
    values, groups = found.values, options.get("group", 1)
    rank = values.ndim
    if list(options.get("kernel_shape", values.shape[2:])) != list(values.shape[2:]):
        raise refuse(
            node, f"kernel_shape {options['kernel_shape']} for weights {list(values.shape)}"
        )
    if values.shape[1] * groups != in_shape[0] or (rank == 3 and in_shape[1] != 1):
        raise refuse(node, f"weights {list(values.shape)} for input {list(in_shape)}")
    values = values.reshape(*values.shape[:2], 1, -1) if rank == 3 else values
    values = _ungrouped(node, _spread(node, values, _pair(node, "dilations", 1, rank)), groups)
    stride = _pair(node, "strides", 1, rank)
    area = in_shape[1] + padded[0] + padded[2], in_shape[2] + padded[1] + padded[3]
    kernel = int(values.shape[2]), int(values.shape[3])
    own = PADDINGS[options.get("auto_pad", b"NOTSET")]
    stated = _pads(node, rank) if own is None else edges(own(area, kernel, stride))
    top, left, bottom, right = np.add(stated, padded).tolist()
    return Weights(values, found.scale), plain(stride), plain_edges((top, left, bottom, right))


def _spread(node: onnx.NodeProto, values: np.ndarray, dilations: tuple[int, int]) -> np.ndarray:
    """Kernels with the zeros that their dilations leave between taps."""
    if dilations == (1, 1):
        return values
    sides = [(side - 1) * step + 1 for side, step in zip(values.shape[2:], dilations, strict=True)]
    found = _zeros(node, (*values.shape[:2], *sides), values.dtype)
    found[:, :, :: dilations[0], :: dilations[1]] = values
    return found


def _ungrouped(node: onnx.NodeProto, values: np.ndarray, groups: int) -> np.ndarray:
    """Kernels of all groups, with zeros for the channels of the others."""
    if groups == 1:
        return values
    kernels, channels = values.shape[0] // groups, values.shape[1]
    found = _zeros(node, (values.shape[0], channels * groups, *values.shape[2:]), values.dtype)
    for group in range(groups):
        rows = slice(group * kernels, (group + 1) * kernels)
        found[rows, group * channels : (group + 1) * channels] = values[rows]
    return found


def _zeros(node: onnx.NodeProto, shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    if prod(shape) > ELEMENTS_MAX:
        raise refuse(node, f"needs weights {list(shape)}, at most {ELEMENTS_MAX} elements")
    return np.zeros(shape, dtype=kind)


def _pair(node: onnx.NodeProto, key: str, least: int, rank: int) -> tuple[int, int]:
    """An attribute down and across; along a length, down is 1."""
    found = _numbers(node, key, rank - 2, least)
    return (found[0], found[1]) if rank == 4 else (1, found[0])


def _pads(node: onnx.NodeProto, rank: int) -> Edges:
    """Padding at top, left, bottom and right as stated; along a length, at its ends."""
    found = _numbers(node, "pads", 2 * (rank - 2), 0)
    if rank == 4:
        return found[0], found[1], found[2], found[3]
    return 0, found[0], 0, found[1]


def _numbers(node: onnx.NodeProto, key: str, count: int, least: int) -> list[int]:
    """Attribute ``key``: ``count`` integers, each ``least`` where it is missing."""
    values = attributes(node).get(key) or [least] * count
    if len(values) != count or not all(least <= value <= SIDE_MAX for value in values):
        raise refuse(node, f"{key} is {list(values)}, needs {count} numbers in {least}..{SIDE_MAX}")
    return list(values)
