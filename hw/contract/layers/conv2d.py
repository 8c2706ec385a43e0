"""Convolution."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from twofold.hw.contract.layers.base import Layer, Output, Shape, Window
from twofold.hw.contract.layers.description import LATER, integers, require, typed
from twofold.hw.contract.layers.geometry import (
    Padding,
    Size,
    edges,
    plain,
    plain_edges,
    read_padding,
    read_size,
    sides,
)
from twofold.hw.contract.layers.pooling import POOLINGS, Pooling


@dataclass(frozen=True, kw_only=True, repr=False)
class Conv2d(Layer):
    """A convolution with pooling, requantisation and winners per pixel over the channels.

    Parameters
    ----------
    out_channels: number of kernels, >= 1.
    kernel: height and width of the window.
    stride: the same in both directions, or down and across.
    padding: the same at all edges; at top and bottom, and left and right; or top, left, bottom,
        right. Padded pixels have the input's zero point (0 for hidden layers).
    pool: side of the pooling window, or its height and width, which is also its stride; 1 for no
        pooling. Leftover rows and columns are dropped. Use the size of the whole map for global
        pooling.
    pooling: ``max``, or another of `twofold.hw.contract.layers.pooling.POOLINGS`.
    sparsity: structure of the non-zero weights.
    k: winners kept among the channels of each pixel; ``None`` keeps all.
    multiplier: whether to requantise with a multiplier per channel in addition to the shift.
    """

    NAME: ClassVar[str] = "conv"
    OUTPUT: ClassVar[Output] = Output.PIXELS
    READERS: ClassVar[Mapping[str, Any]] = {
        **Layer.READERS,
        "kernel": integers,
        "padding": read_padding,
        "pool": read_size,
        "pooling": lambda value: typed(value, str),
        "stride": read_size,
    }

    out_channels: int
    kernel: tuple[int, int]
    stride: Size = 1
    padding: Padding = 0
    pool: Size = 1
    pooling: str = field(default="max", metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", plain(self.pool))
        object.__setattr__(self, "stride", plain(self.stride))
        object.__setattr__(self, "padding", plain_edges(self.padding))

    def window(self, in_shape: Shape) -> Window:
        return Window(self.out_channels, self.kernel, self.stride, self.padding, self.pool)

    @property
    def pools(self) -> Pooling:
        return POOLINGS[self.pooling]

    def check_sizes(self) -> None:
        require(
            len(self.kernel) == 2,
            f"network: kernel is {self.kernel}, needs a height and a width",
        )
        sizes = self.out_channels, *self.kernel, *sides(self.stride), *sides(self.pool)
        smallest = min(*sizes, min(edges(self.padding)) + 1)
        require(smallest >= 1, f"network: {self} has a size below 1")
        require(
            self.pooling in POOLINGS,
            f"network: pooling is {self.pooling!r}, choose one of {', '.join(POOLINGS)}",
        )
