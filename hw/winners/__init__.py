"""k-winners: over the channels of a pixel, and over a whole vector."""

from hw.winners.local import LocalWinners
from hw.winners.vector import GlobalWinners

__all__ = ["GlobalWinners", "LocalWinners"]
