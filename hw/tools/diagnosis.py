"""Why a program failed: what it said, and how it ended."""

import re
import signal
from collections.abc import Iterable

_SAID = tuple(
    re.compile(pattern)
    for pattern in (
        # an error of the program itself; Verilator ends with a count of what it has said before
        r"^%Error(?!: Exiting)|\berror: (?!ld returned)|undefined reference|^ERROR\b",
        r"No space left|[Oo]ut of memory|cannot find|command not found|Killed|Terminated",
        r"\*\*\* ",  # make, on what it was told
    )
)
"""What tells an error, the most telling first."""


def diagnosis(output: str | Iterable[str], code: int) -> str:
    """One line: the first of the most telling lines of a program's output, else its last line; and
    how it ended, where ``code`` is as in `subprocess`.
    """
    lines = output.splitlines() if isinstance(output, str) else output
    said = [line.strip() for line in lines if line.strip()]
    found = next((line for one in _SAID for line in said if one.search(line)), None)
    text = found or (said[-1] if said else "no output")
    return f"{text} ({ending(code)})"


def ending(code: int) -> str:
    """How a program ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code}, {signal.strsignal(-code)}"
    except ValueError:
        return f"signal {-code}"
