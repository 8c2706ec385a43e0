"""Limit activity: lower a layer's offsets until at most a given share of outputs is non-zero."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.model.joining import read
from twofold.sw.quantize.integer import BATCH, accumulate, exact_dtype, finish


@torch.no_grad()
def limit_activity(
    quantized: QuantizedNetwork, images: Tensor, shares: Sequence[float]
) -> QuantizedNetwork:
    """Lower the offsets of every layer whose share of non-zero activations is above its limit.

    ``shares`` holds one limit per layer, in order. Shares are measured on ``images``, uint8
    [N, (channels,) rows, cols]; each layer is lowered by the fewest output steps that suffice.
    Layers without winner selection are left alone. Raises ValueError for a layer with multipliers.
    """
    values = {-1: (images[:, None] if images.ndim == 3 else images).float()}
    layers = list(quantized.layers)
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        if stage.last:
            break
        fill = float(stage.zero)
        x = read(stage, values)
        acc = torch.cat([_sums(stage, layer, block, fill) for block in x.split(BATCH)])
        chosen = layer
        if stage.k < stage.channels:
            chosen = _limited(stage, layer, acc, shares[stage.index])
        layers[stage.index] = chosen
        out = [finish(stage, chosen, block) for block in acc.split(BATCH)]
        values[stage.index] = torch.cat(out)
    return replace(quantized, layers=tuple(layers))


def _sums(stage: Stage, layer: QuantizedLayer, x: Tensor, fill: float) -> Tensor:
    weight = torch.from_numpy(layer.weight).float()
    kind = exact_dtype(weight)
    return accumulate(stage, x.to(kind), weight.to(kind), fill)


def _limited(stage: Stage, layer: QuantizedLayer, acc: Tensor, share: float) -> QuantizedLayer:
    """The layer, lowered by the fewest steps that bring its density down to ``share``."""
    low, high = 0, ACT_MAX + 1
    while low < high:
        middle = (low + high) // 2
        if _density(stage, _lowered(layer, middle), acc) <= share:
            high = middle
        else:
            low = middle + 1
    return _lowered(layer, low) if low else layer


def _lowered(layer: QuantizedLayer, steps: int) -> QuantizedLayer:
    if layer.mul is not None:
        raise ValueError("layers with multipliers are not lowered")
    return replace(layer, add=layer.add - (steps << layer.shift))


def _density(stage: Stage, layer: QuantizedLayer, acc: Tensor) -> float:
    used = [(finish(stage, layer, block) > 0).sum() for block in acc.split(BATCH)]
    return float(torch.stack(used).sum()) / acc.numel()
