"""Networks that come with Twofold."""

from functools import cache
from pathlib import Path

import twofold.sw.networks

SUFFIX = ".npz"


def _folder() -> Path:
    return Path(next(iter(twofold.sw.networks.__path__)))


@cache
def names() -> tuple[str, ...]:
    """Names of all shipped networks."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in _folder().glob(f"*{SUFFIX}")))


def shipped_file(name: str) -> Path:
    """File of a shipped network by its name, as in ``gsc-fast``."""
    return _folder() / f"{name}{SUFFIX}"


def shipped(net: str, variant: str) -> Path:
    """File of a shipped network."""
    return shipped_file(f"{net}-{variant}")
