"""Fully connected layer."""

from dataclasses import dataclass
from typing import ClassVar

from twofold.hw.contract.layers.base import Layer, Output, Shape, Window
from twofold.hw.contract.layers.description import require


@dataclass(frozen=True, kw_only=True, repr=False)
class Linear(Layer):
    """A fully connected layer, with winners over the whole vector.

    Its input is flattened in the order channel, row, column.

    Parameters
    ----------
    out_features: number of units, >= 1.
    sparsity: structure of the non-zero weights (``Dense`` or ``Complementary``).
    k: winners kept in the whole vector; ``None`` keeps all.
    multiplier: whether to requantise with a multiplier per unit in addition to the shift.
    """

    NAME: ClassVar[str] = "linear"
    OUTPUT: ClassVar[Output] = Output.WINNERS
    FLATTENS: ClassVar[bool] = True
    ENDS: ClassVar[bool] = True

    out_features: int

    def window(self, in_shape: Shape) -> Window:
        """The whole input."""
        return Window(self.out_features, in_shape[1:])

    def check_sizes(self) -> None:
        require(
            self.out_features >= 1,
            f"network: linear layer has {self.out_features} units, needs >= 1",
        )

    def check_structure(self, name: str, channels: int) -> None:
        require(self.sparsity.IN_ROWS, f"{name}: taps are for convolutions; use complementary sets")

    def weight_shape(self, in_shape: Shape) -> tuple[int, ...]:
        channels, height, width = in_shape
        return self.out_features, channels * height * width
