"""Pooling in PyTorch: of accumulators in the exact law, and of sums in training."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.layers.pooling import MAX, MEAN, SUM
from twofold.hw.contract.network import Stage


def _sum(x: Tensor, window: tuple[int, int]) -> Tensor:
    """Sums, in which nothing is divided."""
    return F.avg_pool2d(x, window, divisor_override=1)


EXACT: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    MAX.name: F.max_pool2d,
    SUM.name: _sum,
    MEAN.name: _sum,
}
"""Accumulators of pooled pixels from those of the positions, whole numbers in floating point, by
the name of the pooling (see `twofold.hw.contract.layers.pooling`).
"""

REAL: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    MAX.name: F.max_pool2d,
    SUM.name: _sum,
    MEAN.name: F.avg_pool2d,
}
"""What a floating-point network computes in that place."""


def pooled(
    stage: Stage, x: Tensor, rules: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]]
) -> Tensor:
    """``x`` [N, channels, rows, cols] pooled as a layer does; see `EXACT` and `REAL`."""
    if stage.positions == 1:
        return x
    return rules[stage.pooling.name](x, stage.pool_window)


def square_maximum(stage: Stage) -> bool:
    """Whether the fast kernels of `twofold.sw.model.native` compute the layer's pooling."""
    rows, cols = stage.pool_window
    return stage.pooling is MAX and rows == cols
