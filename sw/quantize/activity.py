"""Fewer activations than winners: offsets lowered until no more than a share of them is used."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.quantize.integer import BATCH, accumulate, exact_kind, finish


@torch.no_grad()
def limit_activity(
    quantized: QuantizedNetwork, images: Tensor, shares: Sequence[float]
) -> QuantizedNetwork:
    """Lower the offsets of layers in which more than a share of the activations is not 0.

    ``shares`` are those of every layer, in order; layers that keep all activations stay as they
    are. Counted on ``images`` uint8 [N, rows, cols]; the least number of steps that does it is
    taken.
    """
    x = (images[:, None] if images.ndim == 3 else images).float()
    layers = list(quantized.layers)
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        if stage.last:
            break
        fill = float(quantized.network.zero_point) if stage.index == 0 else 0.0
        acc = torch.cat([_sums(stage, layer, block, fill) for block in x.split(BATCH)])
        chosen = layer
        if stage.k < stage.channels:
            chosen = _lowered(stage, layer, acc, shares[stage.index])
        layers[stage.index] = chosen
        x = torch.cat([finish(stage, chosen, block) for block in acc.split(BATCH)])
    return replace(quantized, layers=tuple(layers))


def _sums(stage: Stage, layer: QuantizedLayer, x: Tensor, fill: float) -> Tensor:
    weight = torch.from_numpy(layer.weight).float()
    kind = exact_kind(weight)
    return accumulate(stage, x.to(kind), weight.to(kind), fill)


def _lowered(stage: Stage, layer: QuantizedLayer, acc: Tensor, share: float) -> QuantizedLayer:
    low, high = 0, ACT_MAX + 1
    while low < high:
        middle = (low + high) // 2
        if _density(stage, _by(layer, middle), acc) <= share:
            high = middle
        else:
            low = middle + 1
    return _by(layer, low) if low else layer


def _by(layer: QuantizedLayer, steps: int) -> QuantizedLayer:
    if layer.mul is not None:
        raise ValueError("layers with multipliers are not lowered")
    return replace(layer, add=layer.add - (steps << layer.shift))


def _density(stage: Stage, layer: QuantizedLayer, acc: Tensor) -> float:
    used = [(finish(stage, layer, block) > 0).sum() for block in acc.split(BATCH)]
    return float(torch.stack(used).sum()) / acc.numel()
