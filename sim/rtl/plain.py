"""Names without spaces for folders that have them: make splits its names there, however quoted."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SCRATCH = "/tmp"
"""Where links are made: a folder whose own name is plain."""

Rename = Callable[[Path], Path]


@contextmanager
def plain(folders: Iterable[Path]) -> Iterator[Rename]:
    """Names for files below ``folders``, valid while the context is active: through links where a
    name has a space, else as they are.
    """
    absolute = sorted({folder.absolute() for folder in folders})
    if not any(_spaced(folder) for folder in absolute):
        yield Path.absolute
        return
    with tempfile.TemporaryDirectory(prefix="twofold-", dir=SCRATCH) as scratch:
        links = {folder: Path(scratch) / str(number) for number, folder in enumerate(absolute)}
        for folder, link in links.items():
            link.symlink_to(folder, target_is_directory=True)

        def rename(path: Path) -> Path:
            path = path.absolute()
            around = next(place for place in (path, *path.parents) if place in links)
            return links[around] / path.relative_to(around)

        yield rename


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A folder to work in whose real name has no space: ``folder`` itself, or one whose files are
    moved there when the context ends.
    """
    if not _spaced(folder.absolute()):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="twofold-", dir=SCRATCH) as scratch:
        try:
            yield Path(scratch)
        finally:
            shutil.copytree(scratch, folder, dirs_exist_ok=True)


def _spaced(folder: Path) -> bool:
    return any(character.isspace() for character in str(folder))
