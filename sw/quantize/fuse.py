"""Fuse BatchNorm and scales into the weights, so that requantisation is a single shift per layer.

Let ``A`` be the number of activation steps per 1.0, and ``n`` the shift of a layer. A float layer
``y = scale * (W x) + offset`` becomes ``Y = (sum(Wq X) + add) >> n`` where ``Wq = round(W * scale *
2**n * A_out / A_in)`` and ``add`` is the offset at the scale of the accumulator plus half a step.
The shift is the largest for which the weights fit into int8. Where pooling adds up positions, the
sum covers a whole window; the divisor of a mean is part of the scale of the weights.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twofold.hw.contract.arith import ACT_MAX, SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.model.joining import centre
from twofold.sw.model.layers import Layer
from twofold.sw.model.net import INPUT_SCALE, SparseNet

PERCENTILE = 0.999
"""Share of a layer's non-zero activations that its scale represents without clamping."""
_SAMPLE = 1_000_000
"""Activations of a layer, at most, that the percentile is taken of."""


@torch.no_grad()
def activation_scales(net: SparseNet, images: Tensor) -> tuple[float, ...]:
    """Steps per 1.0 of the input and of every hidden layer's activations.

    ``images``, uint8 [N, (channels,) rows, cols], are typical inputs; a few hundred are enough.
    """
    peaks: list[float] = []

    def record(module: torch.nn.Module, _inputs: Any, out: Tensor) -> None:
        out = out.abs() if getattr(module, "keeps", False) else out
        positive = out[out > 0].float()
        positive = positive[:: max(1, positive.numel() // _SAMPLE)]
        rank = max(1, math.ceil(PERCENTILE * positive.numel()))
        peaks.append(float(positive.kthvalue(rank).values) if positive.numel() else 1.0)

    layers = [layer for layer in net.each_layer() if layer.norm is not None]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    net.eval()
    net(images)
    for hook in hooks:
        hook.remove()
    zeros = (layer.stage.layer.zero for layer in layers)
    rooms = (min(zero, ACT_MAX - zero) if zero else ACT_MAX for zero in zeros)
    return (INPUT_SCALE, *(max(room, 1) / peak for room, peak in zip(rooms, peaks, strict=True)))


@torch.no_grad()
def fuse(
    net: SparseNet, scales: tuple[float, ...], provenance: Mapping[str, Any]
) -> QuantizedNetwork:
    """Quantize a trained network whose masks are final.

    ``scales`` come from `activation_scales`. Raises ArtefactError if the network's masks do not
    match its description, or a layer's constants do not fit.
    """
    layers = net.each_layer()
    fused: list[QuantizedLayer] = []
    logit_scale = 1.0
    for index, layer in enumerate(layers):
        weight, offset = float_layer(layer)
        steps = _steps_in(layer, scales)
        if layer.norm is None:
            factor = WEIGHT_MAX / float(weight.abs().max())
            logit_scale = 1.0 / (factor * scales[layer.stage.sources[0] + 1])
            fused.append(integer_layer(layer.stage, weight * factor, offset / logit_scale, 0))
            continue
        ratio = scales[index + 1] / steps * layer.stage.share
        shift = weight_shift(weight * ratio)
        fused.append(
            integer_layer(
                layer.stage,
                weight * (ratio * 2**shift),
                offset * (scales[index + 1] * 2**shift),
                shift,
            )
        )
    return QuantizedNetwork(net.network, tuple(fused), logit_scale, dict(provenance))


def _steps_in(layer: Layer, scales: tuple[float, ...]) -> Any:
    """Steps per 1.0 of the activations that the weights meet; of an addition one for each layer
    that it reads, the last axis of its weights.
    """
    steps = [scales[source + 1] for source in layer.stage.sources]
    return steps[0] if len(steps) == 1 else torch.tensor(steps)


def float_layer(layer: Layer) -> tuple[Tensor, Tensor]:
    """Weights [out, ...] and offset [out] of a layer with its normalisation fused in."""
    weight = layer.weight.detach() * layer.mask
    if layer.norm is None:
        bias = layer.bias
        return weight, torch.zeros(len(weight)) if bias is None else bias.detach()
    scale, offset = (value.detach() for value in layer.norm.affine())
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), offset


def weight_shift(weight: Tensor) -> int:
    """Largest shift, 1..31, by which weights can be scaled up and still fit into int8."""
    peak = max(float(weight.abs().max()), 1e-9)
    return min(max(math.floor(math.log2((WEIGHT_MAX + 0.49) / peak)), 1), SHIFT_MAX)


def integer_layer(stage: Stage, weight: Tensor, offset: Tensor, shift: int) -> QuantizedLayer:
    """Round scaled weights and offset; add half a step and take in what stands for 0, in the input
    and in the output.
    """
    whole = weight.double().round().clamp(WEIGHT_MIN, WEIGHT_MAX)
    half = 1 << (shift - 1) if shift else 0
    half += stage.layer.zero << shift
    add = offset.double().round() + half - centre(stage, whole)
    limit = 2 ** (stage.add_bits - 1)
    return QuantizedLayer(
        weight=whole.numpy().astype(np.int8),
        add=add.clamp(-limit, limit - 1).numpy().astype(np.int32),
        shift=shift,
    )
