"""Cache for everything that is slow to build, keyed by what it is built from.

An entry is a folder or a file whose name ends in a `digest` of everything that determines its
content. It is created atomically and never written again. When several processes need the same
entry, one builds it while the others wait; if it fails, the next one tries.

Runs write nothing into entries: their own output goes to a `run_folder`.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twofold.hw.contract.errors import FileError


def digest(parts: Iterable[bytes | str]) -> str:
    """Hash of a sequence of byte strings and texts; the boundaries between the parts count."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()[:16]


def cached(directory: Path, make: Callable[[Path], None]) -> Path:
    """Return ``directory``, filling it with ``make`` unless it already exists.

    ``make`` is given an empty directory next to it, which is then renamed: an interrupted or failed
    build leaves nothing behind. Raises FileError if the file system refuses it, and whatever
    ``make`` raises.
    """

    def fill(scratch: Path) -> None:
        scratch.mkdir()
        make(scratch)

    return _once(directory.absolute(), fill)


def cached_file(path: Path, make: Callable[[Path], None]) -> Path:
    """Return ``path``, written by ``make`` to a temporary name unless it exists; see `cached`."""
    return _once(path.absolute(), make)


def user_cache() -> Path:
    """Folder shared by all of a user's projects: tools prepared for this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twofold"


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Lock ``path`` against every other process and thread that locks it.

    The lock is a file next to ``path``, removed on release; the lock ends with the process, however
    that ends. ``waiting`` is called once if another process or thread holds the lock. Raises
    FileError if the folder cannot be written or does not support locks.
    """
    file = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _lock(file, waiting)
    except OSError as error:
        raise FileError(f"{path}: cannot be locked: {error.strerror or error}") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # before unlocking: waiters then look for a new file
        os.close(handle)


@dataclass
class RunFolder:
    """A folder used by a single run.

    Attributes
    ----------
    path: path of the folder.
    kept: whether it is kept, so that its logs can be inspected.
    """

    path: Path
    kept: bool = False


@contextmanager
def run_folder(parent: Path, name: str) -> Iterator[RunFolder]:
    """Create a folder ``parent/name.*`` for a single run; runs never see each other's files.

    It is removed on exit, unless the run asks to keep it or an exception leaves the context. Raises
    FileError.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=parent))
    except OSError as error:
        raise FileError(f"{parent}: cannot be written: {error.strerror or error}") from error
    run = RunFolder(folder)
    try:
        yield run
    except Exception:
        run.kept = True
        raise
    finally:
        if not run.kept:
            shutil.rmtree(folder, ignore_errors=True)


def _once(target: Path, make: Callable[[Path], None]) -> Path:
    if target.exists():
        return target
    with locked(target):
        if target.exists():
            return target
        scratch = target.with_name(f".{target.name}.partial")
        _remove(scratch)  # left by a killed process: nobody else can be using it
        try:
            make(scratch)
            scratch.rename(target)
        except OSError as error:
            if target.exists():  # built by a process that our lock does not cover
                return target
            raise FileError(f"{target}: cannot be written: {error.strerror or error}") from error
        finally:
            _remove(scratch)
    return target


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock(path: Path, waiting: Callable[[], None] | None) -> int:
    """Handle of the locked file, guaranteed to be the file that ``path`` still names."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is not None:
                    waiting()
                    waiting = None
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _same(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the last holder removed the file: others lock a new one


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
