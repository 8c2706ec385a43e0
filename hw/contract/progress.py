"""How slow steps report their progress."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Progress callback of a slow step: name of the step, parts done, total parts (0 while unknown)."""


def silent(step: str, done: int, total: int) -> None:
    """A `Report` that does nothing."""
