"""Padding in PyTorch, in any combination of edges."""

from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.network import Stage


def padded(stage: Stage, x: Tensor, fill: float = 0.0) -> Tensor:
    """``x`` [N, channels, rows, cols] with a layer's padding around it, which holds ``fill``."""
    if not stage.padding:
        return x
    top, left, bottom, right = stage.edges
    return F.pad(x, (left, right, top, bottom), value=fill)
