"""How slow steps tell how far they are."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Told how a slow step comes along: name of the step, parts done, parts in all (0 while unknown).
"""


def silent(step: str, done: int, total: int) -> None:
    """A `Report` that says nothing."""
