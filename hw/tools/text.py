"""Verilog as text, and which parts of it do not matter."""

import re

NUMBER = re.compile(r"(?<=\$)\d+")
"""A number that makes a name unique, as in ``port$12``."""


def renumbered(verilog: str) -> tuple[str, list[str]]:
    """The text with the numbers in its names renumbered in order of appearance, and the originals.

    Names that a number makes unique are numbered across the whole design: without renumbering, a
    change in one place would show up everywhere. Two texts that become equal are the same hardware.
    """
    numbers: dict[str, str] = {}
    text = NUMBER.sub(lambda match: numbers.setdefault(match[0], str(len(numbers))), verilog)
    return text, list(numbers)
