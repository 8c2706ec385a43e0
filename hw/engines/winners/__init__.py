"""k-winners: over the channels of a pixel, and over a whole vector."""

from twofold.hw.engines.winners.local import LocalWinners
from twofold.hw.engines.winners.vector import GlobalWinners

__all__ = ["GlobalWinners", "LocalWinners"]
