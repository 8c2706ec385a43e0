"""Dequantize: turn integers back into a floating-point network, so that training can continue.

The inverse of `twofold.sw.quantize.fuse`, except for rounding. The scales that were fused into the
weights come back as BatchNorm layers with the statistics of the given images.
"""

import math

import torch
from torch import Tensor

from twofold.hw.contract.errors import NetworkError
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.model.joining import centre, entering
from twofold.sw.model.layers import EPSILON, Layer
from twofold.sw.model.net import INPUT_SCALE, SparseNet

SCALE = INPUT_SCALE
"""Steps per 1.0 of every activation."""


@torch.no_grad()
def dequantize(quantized: QuantizedNetwork, images: Tensor) -> SparseNet:
    """Network in evaluation mode with the logits of ``quantized``, except for rounding.

    ``images``, uint8 [N, (channels,) rows, cols], are a few hundred typical inputs, from which the
    BatchNorm statistics are taken. Masks are 1 where an integer weight is not 0. Raises
    NetworkError for layers with multipliers.
    """
    net = SparseNet(quantized.network).eval()
    entry = (images.float() - quantized.network.zero_point) / INPUT_SCALE
    entry = entry.reshape(len(images), *quantized.network.input_shape)
    values = {-1: entry.permute(0, 2, 3, 1).contiguous()}
    for layer, whole in zip(net.each_layer(), quantized.layers, strict=True):
        if whole.mul is not None:
            raise NetworkError(f"{layer.stage.name}: layers with multipliers are not trained")
        weight, offset = _floats(layer, whole, quantized.logit_scale)
        layer.mask.copy_((weight != 0).float())
        if layer.norm is None:
            layer.weight.copy_(weight)
            assert layer.bias is not None
            layer.bias.copy_(offset)
            break
        size = math.sqrt(2 / layer.stage.inputs) / max(float(weight.square().mean().sqrt()), 1e-9)
        layer.weight.copy_(weight * size)  # the magnitude of freshly initialised weights
        out = _normalised(layer, entering(layer.stage, values), offset, size)
        values[layer.stage.index] = out
    return net


def _floats(layer: Layer, whole: QuantizedLayer, logit_scale: float) -> tuple[Tensor, Tensor]:
    """Weights and offset with the normalisation still fused in."""
    steps = torch.from_numpy(whole.weight).float()
    half = ((1 << whole.shift) >> 1) + (layer.stage.layer.zero << whole.shift)
    bias = torch.from_numpy(whole.add).double() - half
    bias += centre(layer.stage, steps).double()
    if layer.stage.last:
        return steps * (logit_scale * SCALE), (bias * logit_scale).float()
    unit = 2.0**-whole.shift  # inputs and outputs have the same scale
    return steps * (unit / layer.stage.share), (bias * unit / SCALE).float()


def _normalised(layer: Layer, x: Tensor, offset: Tensor, size: float) -> Tensor:
    """Set the normalisation so that the layer's function stays the same; returns its activations
    for ``x``.
    """
    norm = layer.norm
    assert norm is not None
    kept, layer.norm = norm, None
    sums = layer(x)
    layer.norm = kept
    axes = tuple(range(sums.ndim - 1))
    norm.mean.copy_(sums.mean(axes))
    norm.variance.copy_(sums.var(axes, unbiased=False))
    deviation = torch.sqrt(norm.variance + EPSILON)
    norm.gain.copy_(deviation / size)
    norm.shift.copy_(offset + norm.mean / size)
    return norm(sums)
