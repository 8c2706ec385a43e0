"""Reading files that users name, whatever they turn out to be."""

import stat
from pathlib import Path

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.artefacts.files import read_bytes
from twofold.sw.errors import ArtefactError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular(path: Path, limit: int, error: type[TwofoldError]) -> bytes:
    """Content of ``path``, a regular file of at most ``limit`` bytes.

    Nothing is read of pipes and devices, which may have no end. Raises ``error`` otherwise.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, ValueError) as reason:
        text = getattr(reason, "strerror", None) or reason
        raise error(f"{str(path)!r}: cannot be read: {text}") from reason
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a file")
        raise error(f"{path}: is {kind}; give a regular file")
    try:
        return read_bytes(path, limit)
    except ArtefactError as reason:
        raise error(str(reason)) from reason
