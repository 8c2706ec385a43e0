"""Pooling in exported graphs: one form per kind."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twofold.hw.contract.layers.pooling import MAX, MEAN, SUM
from twofold.hw.contract.network import Stage
from twofold.sw.onnx.export.graph import Graph

Write = Callable[[Graph, Stage, str, str], str]
"""Appends the nodes that pool a value; all their names start with the last argument."""


@dataclass(frozen=True)
class Form:
    """How a kind of pooling is exported.

    Attributes
    ----------
    real: pools the values of a floating-point network.
    exact: pools accumulators in float32 such that the result is the accumulator of a pooled pixel,
        given the `gain` on the scale of the positions.
    gain: factor on that scale, for a window of a given number of positions.
    margin: factor between the largest accumulator of a pooled pixel and the integers that must be
        exact on the way, for a window of a given number of positions.
    commutes: whether an offset added at each position comes out unchanged. If so, it is added there
        and the parts of a sum are pooled after they are added up; otherwise the offset is added
        after pooling, and each part is pooled.
    """

    real: Write
    exact: Write
    gain: Callable[[int], int] = lambda _: 1
    margin: Callable[[int], int] = lambda _: 1
    commutes: bool = True


def _maxima(graph: Graph, stage: Stage, x: str, name: str) -> str:
    window = list(stage.pool_window)
    return graph.node("MaxPool", [x], f"{name}.pool", kernel_shape=window, strides=window)


def _sums(graph: Graph, stage: Stage, x: str, name: str) -> str:
    """A depthwise convolution with ones, which is exact in any order of addition."""
    window = list(stage.pool_window)
    ones = graph.constant(f"{name}.ones", np.ones((stage.channels, 1, *window), dtype=np.float32))
    return graph.node(
        "Conv", [x, ones], f"{name}.pool", kernel_shape=window, strides=window,
        group=stage.channels,
    )  # fmt: skip


def _means(graph: Graph, stage: Stage, x: str, name: str) -> str:
    if stage.out_shape[1:] == (1, 1) and stage.conv_shape[1:] == stage.pool_window:
        return graph.node("GlobalAveragePool", [x], f"{name}.pool")
    window = list(stage.pool_window)
    return graph.node("AveragePool", [x], f"{name}.pool", kernel_shape=window, strides=window)


def _mean_margin(positions: int) -> int:
    """Margin of a mean, which divides ``positions`` times the sum by ``positions``.

    Division by a power of two is exact. Otherwise the quotient is the sum up to the rounding error
    of the reciprocal by which some runtimes multiply instead: less than half a step below 2**22
    (see `twofold.sw.onnx.export.exact`).
    """
    return 1 if positions & (positions - 1) == 0 else max(positions, 4)


_SUM = Form(_sums, _sums, commutes=False)
FORMS = {
    MAX.name: Form(_maxima, _maxima),
    SUM.name: _SUM,
    MEAN.name: Form(_means, _means, lambda positions: positions, _mean_margin, commutes=False),
}
"""Forms by the name of the pooling (see `twofold.hw.contract.layers.pooling`)."""


def form_of(stage: Stage) -> Form:
    """Form of a layer's pooling; that of max-pooling if it has none."""
    return FORMS[stage.pooling.name if stage.positions > 1 else MAX.name]


def wide_form_of(stage: Stage) -> Form:
    """Form of the pooling of a layer whose sums over all channels may not be exact in float32.

    Its sums are rounded down, so means are usable only if the number of positions is a power of
    two; otherwise sums are used.
    """
    form = form_of(stage)
    return form if form.margin(stage.positions) == 1 else _SUM


def pool(graph: Graph, stage: Stage, x: str, name: str, *, real: bool = False) -> str:
    """Append the pooling of ``x`` in a layer, if it has any."""
    if stage.positions == 1:
        return x
    form = form_of(stage)
    return (form.real if real else form.exact)(graph, stage, x, name)
