"""Read files that users name, which may turn out to be anything."""

from pathlib import Path

from twofold.hw.contract.errors import FileError, TwofoldError
from twofold.hw.contract.files import read_bytes


def read_regular(path: Path, limit: int, error: type[TwofoldError]) -> bytes:
    """Content of ``path``. Raises ``error`` unless it is a regular file of <= ``limit`` bytes."""
    try:
        return read_bytes(path, limit)
    except FileError as reason:
        raise error(str(reason)) from reason
