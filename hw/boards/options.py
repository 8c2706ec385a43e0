"""Option of a command line that chooses a board."""

import argparse

from twofold.hw.boards import DEFAULT, names


def add_board(parser: argparse.ArgumentParser) -> None:
    """Declare ``--board``: a name for `twofold.hw.boards.find`."""
    parser.add_argument(
        "--board",
        default=DEFAULT,
        metavar="NAME",
        help=f"card to build for: {', '.join(names())} (default: %(default)s)",
    )
