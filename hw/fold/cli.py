"""``twofold fold``: the least machine that takes a number of cycles a word."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from hw.contract.presets import ALIASES, NETWORKS, VARIANTS

if TYPE_CHECKING:
    from hw.fold.solver import Solution

HELP = "choose the folding of least area that takes at most N cycles a word"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold fold``."""
    parser.add_argument(
        "--network", "--net", choices=NETWORKS, default="gsc", help="shipped network"
    )
    parser.add_argument(
        "--variant", choices=(*VARIANTS, *ALIASES), default="fast", help="of the shipped network"
    )
    parser.add_argument(
        "--cycles", type=int, required=True, metavar="N", help="at most, for a word"
    )
    parser.add_argument(
        "--budget",
        choices=("slr", "none"),
        default="slr",
        help="what may be taken: 70/50/80/80/80 %% of an SLR's LUT/FF/BRAM/URAM/DSP, or anything",
    )
    parser.add_argument(
        "--input-bytes", type=int, default=64, metavar="N", help="bytes of the image taken a cycle"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write folding and figures there")


def run(args: argparse.Namespace) -> int:
    """Solve and print. Raises FoldingError when nothing meets the request."""
    from rich.console import Console

    from hw.area.cells import Resources
    from hw.contract.errors import FoldingError
    from hw.contract.presets import network
    from hw.fold.report import as_json, layer_table, next_step, summary
    from hw.fold.solver import SLR_BUDGET, solve
    from hw.verilog.cache import write_atomically

    if args.cycles < 1:
        raise FoldingError(f"folding: cycles is {args.cycles}, needs >= 1")
    budget = SLR_BUDGET if args.budget == "slr" else Resources(*[math.inf] * 5)
    chosen = network(args.network, args.variant)

    def solved(cycles: int) -> "Solution":
        return solve(chosen, cycles, budget=budget, input_bytes=args.input_bytes)

    found = solved(args.cycles)
    console = Console()
    console.print(layer_table(found))
    console.print(summary(found))
    try:
        faster: Solution | None = solved(found.cycles - 1)
    except FoldingError as error:
        faster = None
        console.print(f"next step: none ({error})")
    else:
        console.print(next_step(found, faster))
    if args.json is not None:
        tree = as_json(found, faster)
        write_atomically(args.json, json.dumps(tree, indent=1) + "\n")
        console.print(f"written to {args.json}")
    return 0
