"""Boards: one file each, and nothing else to edit. Uses only the standard library.

A module of this package that defines ``BOARD`` describes a board, after which it is named.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import BoardError

DEFAULT = "u250"
"""Name of the board used if none is given."""

__all__ = ["DEFAULT", "cards", "default", "desks", "find", "names", "suffix"]


@cache
def _boards() -> dict[str, Board]:
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    boards = (module.BOARD for module in modules if hasattr(module, "BOARD"))
    return {board.name: board for board in boards}


def names() -> tuple[str, ...]:
    """Names of all boards, the default first."""
    return tuple(sorted(_boards(), key=lambda name: (name != DEFAULT, name)))


def cards() -> tuple[str, ...]:
    """Names of the boards with a platform of their vendor, the default first."""
    return tuple(name for name in names() if find(name).shell is not None)


def desks() -> tuple[str, ...]:
    """Names of the boards that open tools build."""
    return tuple(name for name in names() if find(name).desk is not None)


def find(name: str) -> Board:
    """Board by name. Raises BoardError, listing the names, if there is none."""
    board = _boards().get(name)
    if board is None:
        raise BoardError(f"board {name!r} is unknown, choose one of {', '.join(names())}")
    return board


def default() -> Board:
    """The board used if none is given."""
    return find(DEFAULT)


def suffix(board: Board) -> str:
    """Suffix of names of files about a board: empty for the default board."""
    return "" if board.name == DEFAULT else f"-{board.name}"
