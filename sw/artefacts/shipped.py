"""Networks that come with Twofold."""

from pathlib import Path

import twofold.sw.networks


def shipped(net: str, variant: str) -> Path:
    """File of a shipped network."""
    return Path(next(iter(twofold.sw.networks.__path__))) / f"{net}-{variant}.npz"
