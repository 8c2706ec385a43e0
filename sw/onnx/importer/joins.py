"""Where two branches of a graph meet again: an Add of the activations of two layers.

The machine adds ``wa * a + wb * b`` with integer weights, and requantises that. In QDQ, the sides
have scales of their own, ``sa * (a - za) + sb * (b - zb)``; so the ratio of the weights has to be
that of the scales. Scales that are powers of two, up to 64 apart, have it exactly; for any other
it is the nearest ratio of two integers up to 127, which is off by less than one in 10,000.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from twofold.hw.contract.arith import WEIGHT_MAX
from twofold.sw.onnx.importer.checked import ELEMENTS_MAX
from twofold.sw.onnx.importer.graph import label, refuse
from twofold.sw.onnx.importer.layers import RawLayer
from twofold.sw.onnx.importer.layout import Layout
from twofold.sw.onnx.importer.quantizers import Weights


@dataclass(frozen=True)
class Side:
    """Activations on their way to an addition.

    Attributes
    ----------
    name: of the value that is added.
    source: index of the layer that they come from.
    scale, zero: value of a step, and the integer that stands for 0.
    below: where the layer gives the distance from a limit, that limit.
    factors: weights that the graph has given them, one for each channel; None for none.
    layout: of the value.
    """

    name: str
    source: int
    scale: float
    zero: int
    below: int | None
    factors: Weights | None
    layout: Layout


def addition(node: onnx.NodeProto, sides: tuple[Side, Side]) -> RawLayer:
    """The layer that adds two sides. Raises OnnxError if the machine cannot."""
    first, second = sides
    shape = first.layout.shape
    if first.layout.flat or not (first.layout.in_order and second.layout.in_order):
        raise refuse(node, "adds something else than images with channels first")
    if shape != second.layout.shape:
        raise refuse(
            node, f"adds {list(shape)} and {list(second.layout.shape)}; needs the same shape"
        )
    if first.source == second.source:
        raise refuse(node, "adds the activations of a layer to themselves; scale them instead")
    if shape[0] ** 2 * 2 > ELEMENTS_MAX:
        raise refuse(node, f"adds {shape[0]} channels, too many")
    weight, gain, unit = _weights(node, sides, shape[0])
    offset = np.zeros(shape[0])
    for at, side in enumerate(sides):
        if side.below is not None:  # the layer holds limit - q, and the limit is added again
            weight[:, at] *= -1
            offset += gain * -weight[:, at] * side.below
    layer = RawLayer(label(node), _spread(weight), gain, offset, shape)
    layer.unit, layer.groups = unit, shape[0]
    layer.sources = (first.source, second.source)
    layer.zeros = tuple(side.zero for side in sides)
    if offset.any():
        layer.trace.append(("add", offset.copy()))
    return layer


def _spread(weight: np.ndarray) -> np.ndarray:
    """Weights [channels, side] as those of a layer, ``[out, in, side]``."""
    channels = np.arange(len(weight))
    found = np.zeros((len(weight), len(weight), 2), dtype=np.int8)
    found[channels, channels] = weight
    return found


def _weights(
    node: onnx.NodeProto, sides: tuple[Side, Side], channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer weights ``[channels, side]``, what a step of their sums is worth, and the step of
    `RawLayer.unit`.
    """
    given = [side.factors for side in sides]
    if given[0] is not None and given[1] is not None:
        steps = [
            np.broadcast_to(one.scale, channels) * side.scale
            for one, side in zip(given, sides, strict=True)
            if one is not None
        ]
        if (steps[0] == steps[1]).all():
            weight = np.stack([np.broadcast_to(one.values.reshape(-1), channels)
                               for one in given if one is not None], axis=1)  # fmt: skip
            return weight.astype(np.int64), steps[0].copy(), steps[0].copy()
    real = np.stack([_factors(side, channels) for side in sides], axis=1)
    found = [_ratio(node, float(a), float(b)) for a, b in real]
    weight = np.array([pair for pair, _ in found], dtype=np.int64)
    largest = np.abs(real).argmax(axis=1)
    rows = np.arange(channels)
    gain = np.abs(real[rows, largest] / weight[rows, largest])
    exact = np.array([one for _, one in found])
    odd = np.where(np.frexp(np.abs(real[:, 0]))[0] == 0.5, np.abs(real[:, 1]), np.abs(real[:, 0]))
    return weight, gain, np.where(exact, gain, odd)


def _factors(side: Side, channels: int) -> np.ndarray:
    if side.factors is None:
        return np.full(channels, side.scale)
    values = side.factors.values.reshape(-1) * side.factors.scale
    return np.broadcast_to(values * side.scale, channels)


def _ratio(node: onnx.NodeProto, first: float, second: float) -> tuple[tuple[int, int], bool]:
    """Integers with the signs of two factors and the nearest ratio, and whether that is exact."""
    large, small = max(abs(first), abs(second)), min(abs(first), abs(second))
    if not large or large > WEIGHT_MAX * small:
        raise refuse(
            node, f"a step of one side is worth {large:.3g}, of the other {small:.3g}; needs "
            f"scales within a factor of {WEIGHT_MAX}"
        )  # fmt: skip
    tops = np.arange(1, WEIGHT_MAX + 1)
    bottoms = np.rint(tops * (small / large)).astype(np.int64)
    errors = np.abs(bottoms / tops - small / large) + (bottoms == 0)
    at = int(errors.argmin())
    top, bottom = int(tops[at]), int(bottoms[at])
    pair = (top, bottom) if abs(first) == large else (bottom, top)
    signed = int(np.copysign(pair[0], first)), int(np.copysign(pair[1], second))
    return signed, top * small == bottom * large
