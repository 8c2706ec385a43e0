"""Reading files that users name, whatever they turn out to be."""

from pathlib import Path

from twofold.hw.contract.errors import FileError, TwofoldError
from twofold.hw.contract.files import read_bytes


def read_regular(path: Path, limit: int, error: type[TwofoldError]) -> bytes:
    """Content of ``path``, a regular file of at most ``limit`` bytes. Raises ``error``
    otherwise.
    """
    try:
        return read_bytes(path, limit)
    except FileError as reason:
        raise error(str(reason)) from reason
