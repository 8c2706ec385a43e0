"""Upper limits below the machine's 255 steps: fewer bits, symmetric int8, ReLU6.

A layer of the machine ends at 0 and 255. A lower upper limit L takes a second layer with one kernel
for each channel, which computes ``L - q`` and ends at 0: it holds how far the activation stays
below its limit. The next layer takes that with its weights negated and L times their sum in its
constant, so that its sums are those of ``min(q, L)``, exactly.
"""

import numpy as np
import onnx

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.layers.geometry import edges
from twofold.sw.onnx.importer.checked import ELEMENTS_MAX
from twofold.sw.onnx.importer.graph import refuse
from twofold.sw.onnx.importer.layers import RawLayer, largest


def is_reached(layer: RawLayer, limit: float, step: float, zero_point: int) -> bool:
    """Whether a layer's sums can exceed ``limit``, in steps, although the machine's 255 do not."""
    return limit < ACT_MAX - 0.5 and largest(layer, zero_point) + layer.late > limit * step


def below_limit(node: onnx.NodeProto, layer: RawLayer, limit: int, step: float) -> RawLayer:
    """The layer behind ``layer`` that computes ``limit - q``. Raises OnnxError if too large."""
    channels = layer.channels
    if channels * channels > ELEMENTS_MAX or layer.k is not None:
        raise refuse(node, f"an upper limit of {limit} steps for {channels} channels, or behind "
                     "winners; quantize activations with all 8 bits")  # fmt: skip
    weight = np.zeros((channels, channels), dtype=np.int8)
    weight[np.arange(channels), np.arange(channels)] = -1
    if layer.convolution:
        weight = weight.reshape(channels, channels, 1, 1)
    found = RawLayer(
        f"{layer.name}, limited to {limit}", weight, np.full(channels, step),
        np.full(channels, limit * step), layer.out_shape, step=step,
        groups=channels if layer.convolution else 1,
    )  # fmt: skip
    found.unit = np.full(channels, step)
    found.trace.append(("add", found.offset.copy()))
    found.biased = found.relu = True
    return found


def behind_limit(node: onnx.NodeProto, layer: RawLayer, limit: int) -> None:
    """Make ``layer`` take ``limit - q`` in place of ``q``. Raises OnnxError if it pads, or has a
    weight that cannot be negated.
    """
    if any(edges(layer.padding)):
        raise refuse(node, f"pads activations that end at {limit}, below 255; quantize them with "
                     "all 8 bits")  # fmt: skip
    if layer.weight.min() == -128:
        raise refuse(node, f"weights of -128 behind activations that end at {limit}, below 255; "
                     "quantize weights symmetrically")  # fmt: skip
    sums = layer.weight.reshape(layer.channels, -1).sum(axis=1, dtype=np.int64)
    layer.weight = -layer.weight
    layer.offset += layer.gain * limit * sums
    layer.trace.append(("add", layer.gain * limit * sums))
