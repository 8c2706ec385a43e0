"""k-winners: over the channels of a pixel, and over a whole vector."""

from hw.winners.local import LocalWinners

__all__ = ["LocalWinners"]
