"""Boards: one file each, and nothing else to be edited. Needs nothing but the standard library.

A module of this package that has a ``BOARD`` describes a board under the module's name.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import BoardError

DEFAULT = "u250"
"""Name of the board that is taken where none is named."""

__all__ = ["DEFAULT", "default", "find", "names", "suffix"]


@cache
def _boards() -> dict[str, Board]:
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    boards = (module.BOARD for module in modules if hasattr(module, "BOARD"))
    return {board.name: board for board in boards}


def names() -> tuple[str, ...]:
    """Names of all boards, the default first."""
    return tuple(sorted(_boards(), key=lambda name: (name != DEFAULT, name)))


def find(name: str) -> Board:
    """The board of that name. Raises BoardError, which lists the names, when there is none."""
    board = _boards().get(name)
    if board is None:
        raise BoardError(f"board {name!r} is unknown, choose one of {', '.join(names())}")
    return board


def default() -> Board:
    """The board that is taken where none is named."""
    return find(DEFAULT)


def suffix(board: Board) -> str:
    """What names of files about a board have behind them: nothing for the default board."""
    return "" if board.name == DEFAULT else f"-{board.name}"
