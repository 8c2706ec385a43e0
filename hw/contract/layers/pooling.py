"""Pooling: how the sums at the positions of a window become the single value of a pooled pixel.

Pooling happens between a convolution and its requantisation, so it works on accumulators. This file
defines what a kind of pooling means for widths, constants and scales; each implementation registers
a rule by its name: the hardware (`hw.pooling`), the golden model (`twofold.sw.golden.pooling`),
PyTorch (`twofold.sw.model.pooling`), ONNX (`twofold.sw.onnx.export.pooling`,
`twofold.sw.onnx.importer.pooling`) and the CPU engine (`sw/cpu/pooling.hpp`).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pooling:
    """A kind of pooling over non-overlapping windows.

    Attributes
    ----------
    name: its name in descriptions.
    """

    name: str

    def terms(self, positions: int) -> int:
        """Number of accumulators that are summed for a window of ``positions``."""
        return 1

    def share(self, positions: int) -> float:
        """Ratio of a pooled pixel's real value to its accumulator, in the scale of a position."""
        return 1.0

    def pooled(self, accumulators: Sequence[int]) -> int:
        """Accumulator of a pooled pixel: the scalar reference."""
        return max(accumulators)


class Sum(Pooling):
    """The sum of the window, requantised as one accumulator."""

    def terms(self, positions: int) -> int:
        return positions

    def pooled(self, accumulators: Sequence[int]) -> int:
        return sum(accumulators)


class Mean(Sum):
    """The mean of the window. In integers it is the sum: ``1 / positions`` is part of the
    accumulator's scale, and so of weights, multiplier and shift (see `Pooling.share`), chosen when
    the network is quantized or imported. So there is no division and no rounding on the way:
    ``clamp((sum * mul + add) >> shift, 0, 255)``.
    """

    def share(self, positions: int) -> float:
        return 1 / positions


MAX = Pooling("max")
"""The maximum."""
SUM = Sum("sum")
MEAN = Mean("mean")

POOLINGS: dict[str, Pooling] = {kind.name: kind for kind in (MAX, SUM, MEAN)}
"""Kinds of pooling by name."""
