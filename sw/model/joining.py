"""What a layer reads, as one tensor: of an addition, the activations of both layers together."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.network import Stage


def read(stage: Stage, values: Mapping[int, Tensor]) -> Tensor:
    """Activations that a layer reads, from those of all layers by index (-1 is the input).

    Those of an addition become one image with a row for each layer, [N, channels, 2, rows * cols].
    """
    found = [values[source] for source in stage.sources]
    return found[0] if len(found) == 1 else torch.stack([one.flatten(2) for one in found], 2)


def entering(stage: Stage, values: Mapping[int, Tensor]) -> Tensor:
    """As `read`, from activations with channels last, as they are in training."""
    if len(stage.sources) == 1:
        return values[stage.sources[0]]
    return read(stage, {at: values[at].permute(0, 3, 1, 2) for at in stage.sources})


def added(stage: Stage, x: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums [N, channels, rows, cols] of what `read` returns, of an addition."""
    groups = stage.groups
    own = weight.diagonal().T[:, None, :, None]
    return F.conv2d(x, own, groups=groups).reshape(len(x), *stage.conv_shape)


def centre(stage: Stage, weight: Tensor) -> Tensor:
    """What the inputs that stand for 0 add to every pooled sum, [channels]; ``weight`` [out, ...],
    of which the last axis of an addition's is that of the layers that it reads.
    """
    parts = [weight] if len(stage.zeros) == 1 else weight.unbind(-1)
    sums = [zero * one.flatten(1).sum(1) for zero, one in zip(stage.zeros, parts, strict=True)]
    return stage.terms * torch.stack(sums).sum(0)
