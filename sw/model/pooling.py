"""Pooling in PyTorch: of exact integer accumulators, and of float sums in training."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from twofold.hw.contract.layers.pooling import MAX, MEAN, SUM
from twofold.hw.contract.network import Stage


def _sum(x: Tensor, window: tuple[int, int]) -> Tensor:
    """Sums over windows, without division."""
    return F.avg_pool2d(x, window, divisor_override=1)


EXACT: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    MAX.name: F.max_pool2d,
    SUM.name: _sum,
    MEAN.name: _sum,
}
"""Accumulators of pooled pixels from those of the positions, integers in floating point, by name of
the pooling (see `twofold.hw.contract.layers.pooling`).
"""

REAL: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    MAX.name: F.max_pool2d,
    SUM.name: _sum,
    MEAN.name: F.avg_pool2d,
}
"""The same for a floating-point network."""


def pooled(
    stage: Stage, x: Tensor, rules: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]]
) -> Tensor:
    """``x`` [N, channels, rows, cols], pooled by ``rules``: `EXACT` or `REAL`."""
    if stage.positions == 1:
        return x
    return rules[stage.pooling.name](x, stage.pool_window)


def square_maximum(stage: Stage) -> bool:
    """Whether the kernels of `twofold.sw.model.native` support the layer's pooling."""
    rows, cols = stage.pool_window
    return stage.pooling is MAX and rows == cols
