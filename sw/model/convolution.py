"""Convolutions in PyTorch, with any strides, edges and groups."""

import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.network import Stage


def convolved(
    stage: Stage, x: Tensor, weight: Tensor, bias: Tensor | None = None, fill: float = 0.0
) -> Tensor:
    """Sums of a layer at all positions of ``x`` [N, channels, rows, cols], whose padding holds
    ``fill``. ``weight`` [out, in, rows, cols] is 0 outside a kernel's own group.
    """
    if stage.padding:
        top, left, bottom, right = stage.edges
        x = F.pad(x, (left, right, top, bottom), value=fill)
    if stage.groups > 1:
        own = torch.arange(stage.groups)
        blocks = weight.reshape(
            stage.groups, stage.channels // stage.groups, stage.groups, -1, *stage.kernel
        )
        weight = blocks[own, :, own].reshape(stage.channels, -1, *stage.kernel)
    return F.conv2d(x, weight, bias, stage.strides, groups=stage.groups)
