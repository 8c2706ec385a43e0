"""``twofold fold``: the least machine that takes a number of cycles a sample."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.hw.boards.options import add_board
from twofold.hw.contract.options import add_variant
from twofold.hw.contract.presets import NETWORKS

if TYPE_CHECKING:
    from twofold.hw.contract.network import Network
    from twofold.hw.solve.solver import Solution

HELP = "choose the folding of least area that takes at most N cycles a sample"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold fold``."""
    parser.add_argument(
        "--network",
        "--net",
        default="gsc",
        metavar="NET",
        help=f"shipped network ({', '.join(NETWORKS)}) or artefact (.npz)",
    )
    add_variant(parser)
    parser.add_argument(
        "--cycles", type=int, required=True, metavar="N", help="at most, for a sample"
    )
    parser.add_argument(
        "--budget",
        choices=("slr", "none"),
        default="slr",
        help="what may be taken: of a region of the board, up to its ceilings; or anything",
    )
    add_board(parser)
    parser.add_argument(
        "--input-bytes", type=int, default=64, metavar="N", help="bytes of the image taken a cycle"
    )
    parser.add_argument("--latency", action="store_true", help="show where a sample's cycles go")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write folding and figures there")


def _network(name: str, variant: str) -> "Network":
    from twofold.hw.contract.presets import network
    from twofold.hw.contract.reading import network_of_file

    return network_of_file(Path(name)) if name.endswith(".npz") else network(name, variant)


def run(args: argparse.Namespace) -> int:
    """Solve and print.

    Raises FoldingError when nothing meets the request, NetworkError or BoardError where there is no
    such network or board.
    """
    from rich.console import Console

    from twofold.hw.boards import find
    from twofold.hw.boards.resources import Resources
    from twofold.hw.contract.errors import FoldingError
    from twofold.hw.contract.files import write_json
    from twofold.hw.solve.report import as_json, layer_table, next_step, span_table, summary
    from twofold.hw.solve.solver import solve

    if args.cycles < 1:
        raise FoldingError(f"folding: cycles is {args.cycles}, needs >= 1")
    board = find(args.board)
    budget = board.budget if args.budget == "slr" else Resources(*[math.inf] * 5)
    chosen = _network(args.network, args.variant)

    def solved(cycles: int) -> "Solution":
        return solve(chosen, cycles, board=board, budget=budget, input_bytes=args.input_bytes)

    found = solved(args.cycles)
    console = Console()
    console.print(layer_table(found))
    console.print(summary(found), highlight=False)
    if args.latency:
        console.print(span_table(found))
    try:
        faster: Solution | None = solved(found.cycles - 1)
    except FoldingError as error:
        faster = None
        console.print(f"next step: none ({error})")
    else:
        console.print(next_step(found, faster))
    if args.json is not None:
        write_json(args.json, as_json(found, faster))
        console.print(f"written to {args.json}")
    return 0
