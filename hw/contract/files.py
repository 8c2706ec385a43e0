"""Atomic writes and size-limited reads of regular files.

Every file that the project writes or reads for a user goes through here, so that the same rules
hold everywhere:

- a reader sees either the old content or the new, never anything in between, however the writer
  ends;
- a symbolic link is kept and its target is replaced; an existing file keeps its permissions, and
  its owner where the system allows it; a new file gets the permissions that the umask leaves;
- device nodes, pipes, sockets and folders are neither written nor read: some never end, and writing
  would destroy what they stand for;
- a file that the running command reads (see `protected`) is never replaced by its output.

Every failure is a FileError: one line with the path and the reason.
"""

import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from twofold.hw.contract.errors import FileError

JSON_BYTES_MAX = 1 << 26
"""Maximum size of a JSON file in bytes."""

FileId = tuple[int, int]
"""Device and inode: the same for every name of a file."""

_INPUTS: ContextVar[dict[FileId, Path]] = ContextVar("_INPUTS")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def protected(paths: Iterable[Path]) -> Iterator[None]:
    """Refuse to overwrite these files, under any name, while the context is active.

    Paths that are not regular files are ignored.
    """
    found = dict(_INPUTS.get({}))
    for path in paths:
        with suppress(OSError, ValueError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                found[status.st_dev, status.st_ino] = path
    token = _INPUTS.set(found)
    try:
        yield
    finally:
        _INPUTS.reset(token)


def check_output(path: Path) -> None:
    """Fail early, before long work, if `writing` to ``path`` would fail. Raises FileError."""
    with _reporting(path, "written"):
        target = Path(os.path.realpath(path))
        _replaceable(path, target)
        folder = next(place for place in target.parents if place.exists())
        if not folder.is_dir():
            raise FileError(f"{path}: cannot be written: {folder} is no folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise FileError(f"{path}: cannot be written: {folder} is read-only")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to ``path`` that replaces it if the context ends without an
    error.

    Missing folders are created. For programs and libraries that write a file themselves; the suffix
    is that of ``path``. Raises FileError if ``path`` cannot be written.
    """
    with _reporting(path, "written"):
        target = Path(os.path.realpath(path))
        before = _replaceable(path, target)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{secrets.token_hex(8)}.partial{target.suffix[:16]}")
        # The umask applies here. Content that will be private is private from the start.
        mode = 0o666 if before is None else 0o600
        os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        try:
            yield scratch
            _finish(scratch, before)
            scratch.replace(target)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing that replaces ``path`` if the context ends without an error.

    Raises FileError if ``path`` cannot be written.
    """
    with replacing(path) as scratch, scratch.open("wb") as file:
        yield file


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically. Raises FileError."""
    with writing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, atomically. Raises FileError.

    Characters that stand for bytes of an undecodable file name become escapes, as in ``\\udcff``.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, tree: object) -> None:
    """Write plain values to ``path`` as indented JSON, atomically. Raises FileError."""
    write_text(path, json.dumps(tree, indent=1) + "\n")


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open an unbuffered binary file for appending: logs and progress. Raises FileError."""
    with _reporting(path, "written"):
        _replaceable(path, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            yield file


@contextmanager
def reading(path: Path, limit: int | None = None) -> Iterator[BinaryIO]:
    """Open ``path`` for reading; it must be a regular file of at most ``limit`` bytes.

    Raises FileError if it is not, or cannot be read.
    """
    with _reporting(path, "read"):
        # Non-blocking: opening a pipe that nobody writes to would otherwise hang.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            status = os.fstat(handle)
            _regular(path, status)
            if limit is not None and status.st_size > limit:
                raise _too_long(path, limit)
        except BaseException:
            os.close(handle)
            raise
        with os.fdopen(handle, "rb") as file:
            yield file


def read_bytes(path: Path, limit: int) -> bytes:
    """Content of ``path``, at most ``limit`` bytes. Raises FileError."""
    with reading(path, limit) as file:
        content = file.read(limit + 1)  # a file may grow, and /proc files report no length
    if len(content) > limit:
        raise _too_long(path, limit)
    return content


def read_text(path: Path, limit: int) -> str:
    """Content of a UTF-8 text file of at most ``limit`` bytes. Raises FileError."""
    try:
        return read_bytes(path, limit).decode()
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is not text in UTF-8 (byte {error.start})") from error


def read_json(path: Path, limit: int = JSON_BYTES_MAX) -> Any:
    """Content of a JSON file of at most ``limit`` bytes, as plain values. Raises FileError."""
    try:
        return json.loads(read_text(path, limit))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: is not JSON: {error or 'nested too deeply'}") from error


def _replaceable(path: Path, target: Path) -> os.stat_result | None:
    """Status of the file to be replaced, None if there is none. Raises FileError, OSError."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    _regular(path, status)
    source = _INPUTS.get({}).get((status.st_dev, status.st_ino))
    if source is not None:
        raise FileError(f"{path}: is the input {source} itself; give the output another name")
    if not os.access(target, os.W_OK):
        raise FileError(f"{path}: cannot be written: it is read-only")
    return status


def _regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a file")
        raise FileError(f"{path}: is {kind}; give the name of a regular file")


def _finish(scratch: Path, before: os.stat_result | None) -> None:
    """Flush the file to disk, with the permissions of the file that it replaces."""
    handle = os.open(scratch, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if before is not None:
            with suppress(PermissionError):  # only root may change the owner
                os.fchown(handle, before.st_uid, before.st_gid)
            os.fchmod(handle, stat.S_IMODE(before.st_mode))
        os.fsync(handle)
    finally:
        os.close(handle)


def _too_long(path: Path, limit: int) -> FileError:
    return FileError(f"{path}: is longer than {limit} bytes, the most such a file may have")


@contextmanager
def _reporting(path: Path, done: str) -> Iterator[None]:
    """Turn system errors into a one-line FileError. A path with a NUL byte is a ValueError."""
    try:
        yield
    except OSError as error:
        if done == "read" and isinstance(error, FileNotFoundError):
            raise FileError(f"{path}: no such file") from None
        raise FileError(f"{path}: cannot be {done}: {error.strerror or error}") from error
    except ValueError as error:
        if "\0" not in os.fspath(path):
            raise
        raise FileError(f"{path!r}: cannot be {done}: {error}") from error
