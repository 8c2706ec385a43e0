"""A cache of directories by content hash: whatever is slow to make is made once and appears at
once, complete.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

Report = Callable[[str, int, int], None]
"""Told how a slow step comes along: name of the step, parts done, parts in all (0 while unknown).
"""


def silent(step: str, done: int, total: int) -> None:
    """A `Report` that says nothing."""


def digest(parts: Iterable[bytes | str]) -> str:
    """Hash of a sequence of texts; the boundaries between the parts count."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()[:16]


def cached(directory: Path, make: Callable[[Path], None]) -> Path:
    """The directory, made by ``make`` unless it is there already.

    ``make`` fills a temporary directory beside it, which is then renamed: an interrupted or failed
    build leaves nothing
    behind, and of two processes that build the same, one wins and both get a complete result.
    """
    directory = directory.absolute()
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        make(scratch)
        scratch.chmod(0o755)
        try:
            scratch.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return directory


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        scratch.chmod(0o644)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
