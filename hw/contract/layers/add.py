"""Addition of the activations of two layers: where a residual branch joins its trunk again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from twofold.hw.contract.layers.base import Layer, Output, Shape, Window
from twofold.hw.contract.layers.description import require
from twofold.hw.contract.layers.sparsity import Grouped


@dataclass(frozen=True, kw_only=True, repr=False)
class Add(Layer):
    """A weighted sum of the activations of two layers, pixel by pixel and channel by channel.

    Both have the same shape. A channel of the result has two weights, one for each layer, and is
    requantised like any other: ``clamp(((a * wa + b * wb) * mul + add) >> shift, 0, 255)``. So the
    two may have scales of their own, and their ratio is that of two 8-bit integers. To everything
    that computes layers it is a depthwise convolution of one pixel whose two taps are the two
    layers.

    Parameters
    ----------
    other: index of the second layer that it reads; the first is ``source``, or the one before.
    sparsity: ``Grouped``, with a group for each channel.
    """

    NAME: ClassVar[str] = "add"
    OUTPUT: ClassVar[Output] = Output.PIXELS
    READERS: ClassVar[Mapping[str, Any]] = Layer.READERS

    other: int

    def sources(self, index: int) -> tuple[int, ...]:
        return (*super().sources(index), self.other)

    def window(self, in_shape: Shape) -> Window:
        """A pixel."""
        return Window(in_shape[0], (1, 1))

    def check_sizes(self) -> None:
        require(
            self.sparsity.groups_of() > 0, f"network: {self} has no groups, needs one a channel"
        )

    def check_structure(self, name: str, channels: int) -> None:
        require(
            self.sparsity == Grouped(channels),
            f"{name}: sparsity is {self.sparsity}, needs Grouped({channels}): a channel is added "
            "to the same channel",
        )

    def weight_shape(self, in_shape: Shape) -> tuple[int, ...]:
        """Kernel, channel, and the layer that the channel is of."""
        return in_shape[0], in_shape[0], 2
