"""Numbers on a command line: each option that takes one states the range it may have.

A `Range` is the ``type`` of an argument of `argparse`, for every program of the project. There is
no option whose number has no range, so none is negative, infinite or no number where nothing was
meant by it.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass

SEED_MAX = (1 << 32) - 1
"""Largest seed: NumPy's and PyTorch's generators take it alike."""
SAMPLES_MAX = 1 << 24
"""Most samples that a command is asked for by their number."""
SECONDS_MAX = 1_000_000.0
"""Longest time that anybody waits for."""
DIGITS_MAX = 100
"""Characters of a number: Python takes no longer ones, or takes long to read them."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``most``, both included, in steps of ``step`` from 0 on.

    Calling it reads a text in ASCII as such a number, or raises ArgumentTypeError.
    """

    kind: type[int] | type[float]
    least: float
    most: float
    step: int = 1

    def __call__(self, text: str) -> int | float:
        found = self.read(text)
        if found is None:
            raise argparse.ArgumentTypeError(f"{_shown(text)}: needs {self}")
        return found

    def read(self, text: str) -> int | float | None:
        """The number that ``text`` is; None if it is none of the range."""
        written = _WHOLE if self.kind is int else _REAL
        if len(text) > DIGITS_MAX or not written.fullmatch(text):
            return None
        value = self.kind(text)
        fits = self.least <= value <= self.most and (self.kind is float or not value % self.step)
        return value if fits else None

    def __str__(self) -> str:
        what = "a number" if self.kind is float else "a whole number"
        if self.step != 1:
            what = f"a multiple of {self.step}"
        ends = (f"{one:,}" if self.kind is int else f"{one:g}" for one in (self.least, self.most))
        return f"{what}, {'..'.join(ends)}"


@dataclass(frozen=True)
class Listed:
    """Numbers of a range, with commas between them; called like a `Range`, gives a tuple."""

    one: Range

    def __call__(self, text: str) -> tuple[int | float, ...]:
        return tuple(self.one(part) for part in text.split(","))


@dataclass(frozen=True)
class Worded:
    """A number of a range or a word, which stays as it is; called like a `Range`."""

    one: Range
    word: str

    def __call__(self, text: str) -> int | float | str:
        if text == self.word:
            return text
        try:
            return self.one(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error}, or {self.word!r}") from error


@dataclass(frozen=True)
class Late:
    """A range that is fetched as a number is read, from a module that is slow to import."""

    fetch: Callable[[], Range]

    @property
    def one(self) -> Range:
        """The range."""
        return self.fetch()

    def __call__(self, text: str) -> int | float:
        return self.fetch()(text)


def whole(least: int, most: int, step: int = 1) -> Range:
    """Whole numbers."""
    return Range(int, least, most, step)


def real(least: float, most: float) -> Range:
    """Finite numbers."""
    return Range(float, least, most)


SEED = whole(0, SEED_MAX)
SAMPLES = whole(1, SAMPLES_MAX)
REPEATS = whole(1, 1_000_000)
SECONDS = real(0.001, SECONDS_MAX)
CYCLES = whole(1, 1 << 31)
UNITS = whole(1, 64)
SHARE = real(0.0001, 1)


def _shown(text: str) -> str:
    """The text, short enough for a line."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
