"""Verilog as text, and what of it does not matter."""

import re

NUMBER = re.compile(r"(?<=\$)\d+")
"""Number that makes a name unique, as in ``port$12``."""


def renumbered(verilog: str) -> tuple[str, list[str]]:
    """The text with the numbers in its names in the order in which they appear, and what they were.

    Names that are made unique by a number are numbered through a whole design: without this, a
    change anywhere would be one everywhere. Two texts that become equal are the same hardware.
    """
    numbers: dict[str, str] = {}
    text = NUMBER.sub(lambda match: numbers.setdefault(match[0], str(len(numbers))), verilog)
    return text, list(numbers)
