"""The hardware's integer arithmetic in PyTorch: integers held in floats, without any rounding.

As long as sums stay within 2**24, float32 represents every integer, so convolutions are exact in
any order of summation. A layer whose weights allow larger sums is computed in float64.
`twofold.sw.golden` is an independent implementation.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Add, Conv2d, Layer, Linear, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.model.convolution import convolved
from twofold.sw.model.joining import added, read
from twofold.sw.model.pooling import EXACT as EXACT_POOLING
from twofold.sw.model.pooling import pooled

EXACT = 1 << 24
"""Largest magnitude up to which float32 represents every integer."""
BATCH = 256
"""Samples computed at a time."""


@torch.no_grad()
def forward_integer(quantized: QuantizedNetwork, images: Tensor) -> Tensor:
    """Logits int32 [N, classes] of images uint8 [N, rows, cols] or [N, channels, rows, cols]."""
    if images.ndim == 3:
        images = images[:, None]
    return torch.cat([_logits(quantized, block) for block in images.split(BATCH)])


def integer_logits(quantized: QuantizedNetwork, images: NDArray[np.uint8]) -> NDArray[np.int32]:
    """`forward_integer` for NumPy arrays."""
    return forward_integer(quantized, torch.from_numpy(images)).numpy()


def _logits(quantized: QuantizedNetwork, images: Tensor) -> Tensor:
    values = {-1: images.float()}
    for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True):
        fill = float(stage.zero)
        weight = torch.from_numpy(layer.weight).float()
        kind = exact_dtype(weight, stage.terms)
        x = accumulate(stage, read(stage, values).to(kind), weight.to(kind), fill)
        values[stage.index] = finish(stage, layer, x)
    return values[quantized.network.stages[-1].index].to(torch.int32)


def exact_dtype(weight: Tensor, terms: int = 1) -> torch.dtype:
    """Floating-point type in which ``terms`` sums of products with ``weight`` [out, ...] add up
    exactly, whatever the activations.
    """
    largest = float(weight.detach().abs().flatten(1).sum(1).max()) * ACT_MAX * terms
    return torch.float32 if largest <= EXACT else torch.float64


def accumulate(stage: Stage, x: Tensor, weight: Tensor, fill: float = 0.0) -> Tensor:
    """Pooled accumulators of a layer; ``x`` is [N, channels, rows, cols] or [N, units], of an
    addition what `twofold.sw.model.joining.read` makes of both layers.

    Padding holds ``fill``. Integers in give exact integers out.
    """
    return _RULES[type(stage.layer)](stage, x, weight, fill)


def _convolution(stage: Stage, x: Tensor, weight: Tensor, fill: float) -> Tensor:
    return pooled(stage, convolved(stage, x, weight, fill=fill), EXACT_POOLING)


def _addition(stage: Stage, x: Tensor, weight: Tensor, _: float) -> Tensor:
    return added(stage, x, weight)


def _fully_connected(_: Stage, x: Tensor, weight: Tensor, __: float) -> Tensor:
    return F.linear(x.flatten(1), weight)


_RULES: dict[type[Layer], Callable[[Stage, Tensor, Tensor, float], Tensor]] = {
    Conv2d: _convolution,
    Add: _addition,
    Linear: _fully_connected,
}


def finish(stage: Stage, layer: QuantizedLayer, acc: Tensor) -> Tensor:
    """Requantise and select winners; for the last layer, only add the bias.

    Computes in int64. Returns float activations 0..255, or int64 logits.
    """
    shape = (-1,) + (1,) * (acc.ndim - 2)
    whole = acc.to(torch.int64)
    if layer.mul is not None:
        whole = whole * torch.from_numpy(layer.mul.astype("int64")).view(shape)
    whole = whole + torch.from_numpy(layer.add).long().view(shape)
    if stage.last:
        return whole
    return keep_winners((whole >> layer.shift).clamp(0, ACT_MAX), stage.k).float()


def keep_winners(values: Tensor, k: int) -> Tensor:
    """Integer ``values`` [N, channels, ...] with all but the ``k`` winners of each pixel set to 0.

    Higher value first, ties to the lower index: the index is the low part of the sort key.
    """
    channels = values.shape[1]
    if k >= channels:
        return values
    order = torch.arange(channels - 1, -1, -1).view(-1, *[1] * (values.ndim - 2))
    key = values.long() * channels + order
    least = key.topk(k, dim=1).values[:, -1:]
    return torch.where(key >= least, values, 0)
