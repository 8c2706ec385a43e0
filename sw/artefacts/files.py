"""Writing a file whole or not at all."""

import os
import tempfile
from pathlib import Path

from twofold.sw.errors import ArtefactError


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: a reader sees the old file or the new one, nothing between.

    The folder is created when missing. Raises ArtefactError when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_bytes(path: Path, limit: int) -> bytes:
    """Content of ``path``, which may be ``limit`` bytes long. Raises ArtefactError otherwise."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise ArtefactError(f"{path}: is longer than {limit} bytes, the most such a file may have")
    return content
