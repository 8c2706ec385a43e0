"""Pooling: how the sums at the positions of a window become the one value of a pooled pixel.

Pooling stands between a convolution and its requantisation, so it works on accumulators. What a
kind of pooling means for widths, constants and scales is said here; what computes it registers a
rule by its name: the hardware (`hw.pooling`), the golden model (`twofold.sw.golden.pooling`),
PyTorch (`twofold.sw.model.pooling`), ONNX (`twofold.sw.onnx.export.pooling`,
`twofold.sw.onnx.importer.pooling`) and the CPU engine (`sw/cpu/pooling.hpp`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

Size = int | tuple[int, int]
"""Side of a square, or height and width."""


@dataclass(frozen=True)
class Pooling:
    """A kind of pooling over windows that do not overlap.

    Attributes
    ----------
    name: in descriptions.
    """

    name: str

    def terms(self, positions: int) -> int:
        """Accumulators that a value of a window of ``positions`` is the sum of."""
        return 1

    def share(self, positions: int) -> float:
        """Real value of a pooled pixel over that of its accumulator, in the scale of a position."""
        return 1.0

    def pooled(self, accumulators: Sequence[int]) -> int:
        """Accumulator of a pooled pixel: the scalar specification."""
        return max(accumulators)


class Sum(Pooling):
    """The sum of the window, requantised as one accumulator."""

    def terms(self, positions: int) -> int:
        return positions

    def pooled(self, accumulators: Sequence[int]) -> int:
        return sum(accumulators)


class Mean(Sum):
    """The mean of the window. In integers it is the sum: ``1 / positions`` is a part of the scale
    of the accumulator, and so of weights, multiplier and shift (see `Pooling.share`), chosen when
    the network is quantized or imported. So nothing is divided, and nothing rounded, on the way:
    ``clamp((sum * mul + add) >> shift, 0, 255)``.
    """

    def share(self, positions: int) -> float:
        return 1 / positions


MAX = Pooling("max")
"""The largest."""
SUM = Sum("sum")
MEAN = Mean("mean")

POOLINGS: dict[str, Pooling] = {kind.name: kind for kind in (MAX, SUM, MEAN)}
"""Kinds of pooling by their name."""


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return size if isinstance(size, tuple) else (size, size)


def plain(size: Size) -> Size:
    """The side alone where the window is square."""
    height, width = sides(size)
    return height if height == width else (height, width)
