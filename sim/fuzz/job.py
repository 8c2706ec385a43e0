"""A job: cases for every reader in turn, until the time is over, and what was found."""

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import write_bytes, write_text
from twofold.sim.fuzz.case import Limits, Outcome, ordinary_user, run_case
from twofold.sim.fuzz.readers import Reader

KEPT = 20
"""Faults of a reader whose input is kept."""


@dataclass
class Found:
    """What was found of a reader.

    Attributes
    ----------
    counts: cases by how they ended.
    faults: number of each kept case, and the text of its fault.
    slowest: seconds of the longest case.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Counts by kind, and the numbers of kept cases."""
        named = {outcome.value: self.counts[outcome] for outcome in Outcome}
        faults = [{"case": number, "text": text} for number, text in self.faults]
        return {
            "cases": self.counts.total(), **named, "slowest_seconds": round(self.slowest, 3),
            "faults": faults,
        }  # fmt: skip


def case(reader: Reader, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Input of a case: the same for the same reader, seed and number."""
    draw = Random(f"{seed}:{reader.name}:{number}")
    return reader.change(draw.choice(seeds), draw)


def fuzz(
    readers: Sequence[Reader],
    *,
    seed: int,
    seconds: float,
    most: int | None = None,
    first: int = 0,
    keep: Path | None = None,
    limits: Limits | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Found]:
    """Try cases of each reader in turn, for ``seconds``, or ``most`` cases of each.

    Cases are numbered from ``first`` on. The input and the text of faults are kept in the folder
    ``keep``. Raises ToolError as root where there is no ordinary user to become.
    """
    user = ordinary_user()
    found = {reader.name: Found() for reader in readers}
    with tempfile.TemporaryDirectory(prefix="twofold-fuzz-") as scratch:
        place = Path(scratch)
        if user is not None:
            os.chown(place, *user)
        seeds = {reader.name: _warm(reader, place) for reader in readers}
        number, end = first, time.monotonic() + seconds
        while time.monotonic() < end and (most is None or number < first + most):
            for reader in readers:
                if time.monotonic() > end:
                    break
                content = case(reader, seeds[reader.name], seed, number)
                _try(reader, content, number, place, found[reader.name], limits or Limits(), say)
                if keep is not None and found[reader.name].faults[-1:]:
                    _keep(keep, reader, content, number, found[reader.name])
            number += 1
    return found


def _warm(reader: Reader, place: Path) -> Sequence[bytes]:
    """Good input of a reader, read once with the rights of the job, so that every case begins with
    what it imports. Raises ToolError if the reader does not take it.
    """
    seeds = reader.seeds()
    path = place / f"good{reader.suffix}"
    write_bytes(path, seeds[0])
    try:
        if reader.name != "options":
            reader.read(path)
    except reader.refusals as error:
        raise ToolError(f"fuzz: {reader.name} refuses good input: {error}") from error
    finally:
        _clear(place)
    return seeds


def _try(
    reader: Reader,
    content: bytes,
    number: int,
    place: Path,
    found: Found,
    limits: Limits,
    say: Callable[[str], None],
) -> None:
    path = place / f"case{reader.suffix}"
    write_bytes(path, content)
    path.chmod(0o644)
    begun = time.monotonic()
    outcome, text = run_case(reader, path, limits)
    found.slowest = max(found.slowest, time.monotonic() - begun)
    found.counts[outcome] += 1
    if outcome.faulty:
        last = text.strip().splitlines()[-1:] or [""]
        say(f"{reader.name}, case {number}: {outcome.value}: {last[0][:300]}")
        if len(found.faults) < KEPT:
            found.faults.append((number, f"{outcome.value}: {text}"))
    _clear(place)


def _keep(folder: Path, reader: Reader, content: bytes, number: int, found: Found) -> None:
    """Write the input and the text of a fault, if it is that of this case."""
    last, text = found.faults[-1]
    if last == number:
        write_bytes(folder / f"{reader.name}-{number}{reader.suffix}", content)
        write_text(folder / f"{reader.name}-{number}.log", text)


def _clear(place: Path) -> None:
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
