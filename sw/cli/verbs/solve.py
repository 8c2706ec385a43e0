"""``twofold solve``: choose a machine for a network, a board and a target."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.hw.contract.machine import SUFFIX
from twofold.sw import ranges
from twofold.sw.cli.options import add_board, add_build, add_json, add_network, network_file
from twofold.sw.cli.solving import solved

if TYPE_CHECKING:
    from twofold.hw.solve.choose import Target
    from twofold.hw.solve.solver import Solution

HELP = "choose a machine: the least one that is fast enough, or the fastest that fits the board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold solve``."""
    add_network(parser, machine=False)
    add_board(parser)
    parser.add_argument(
        "--cycles", type=ranges.CYCLES, metavar="N",
        help="from sample to sample, at most (default: without --latency, as few as there is room)",
    )  # fmt: skip
    parser.add_argument(
        "--latency", type=ranges.CYCLES, metavar="N",
        help="cycles from a sample's first beat to its result",
    )  # fmt: skip
    parser.add_argument(
        "--budget",
        choices=("region", "slr", "none"),
        default="region",
        help="what may be taken: the share of one of the board's regions that is known to close "
        "timing (default; slr is another name of it), or anything",
    )
    parser.add_argument(
        "--input-bytes", type=ranges.whole(1, 1 << 26), metavar="N",
        help="of a sample taken a cycle (default: chosen, of the least area)",
    )  # fmt: skip
    parser.add_argument("--name", help="of the machine (default: network and cycles)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help="machine file to write (default: build/machines/NAME.machine.json)",
    )  # fmt: skip
    parser.add_argument("--spans", action="store_true", help="show where a sample's cycles go")
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="write what --json prints there as well"
    )
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Solve, write and print.

    Raises FoldingError if nothing meets the request, NetworkError if there is no such network,
    BoardError if there is no such board, MachineError if the file cannot be written.
    """
    from twofold.hw.contract.files import write_json
    from twofold.hw.contract.reading import network_of_file

    network = network_of_file(network_file(args))

    def say(text: str) -> None:
        print(f"solving: {text}", file=sys.stderr, flush=True)

    target = _target(args)
    machine, found = solved(network, target, name=args.name, say=say)
    path = args.out or args.build / "machines" / f"{machine.name}{SUFFIX}"
    machine.save(path)
    faster = _faster(found, target)
    tree = _figures(found, faster) | {
        "machine": machine.name,
        "file": str(path),
        "board": machine.board,
        "fingerprint": machine.fingerprint.hex(),
    }
    if args.figures is not None:
        write_json(args.figures, tree)
    if args.json:
        print(json.dumps(tree))
    else:
        _show(found, faster, spans=args.spans)
        print(f"written to {path}")
    return 0


def _target(args: argparse.Namespace) -> "Target":
    from twofold.hw.boards import DEFAULT, find
    from twofold.hw.boards.resources import Resources
    from twofold.hw.solve.choose import Target

    board = find(args.board or DEFAULT)
    budget = Resources(*[math.inf] * 5) if args.budget == "none" else None
    return Target(args.cycles, args.latency, board, budget, args.input_bytes)


def _faster(found: "Solution", target: "Target") -> "Solution | None":
    """The next faster machine; None if there is none, or if the fastest was asked for."""
    from twofold.hw.contract.errors import FoldingError
    from twofold.hw.solve.promising import QUICK
    from twofold.hw.solve.solver import solve

    if target.cycles is None and target.latency is None:
        return None
    try:
        return solve(
            found.network,
            found.cycles - 1,
            board=target.board,
            budget=target.budget,
            input_bytes=found.folding.input_bytes,
            efforts=(QUICK,),
        )
    except FoldingError:
        return None


def _figures(found: "Solution", faster: "Solution | None") -> dict[str, Any]:
    from twofold.hw.solve.report import as_json

    return as_json(found, faster)


def _show(found: "Solution", faster: "Solution | None", *, spans: bool) -> None:
    from rich.console import Console

    from twofold.hw.solve.report import layer_table, next_step, span_table, summary

    console = Console()
    console.print(layer_table(found))
    console.print(summary(found), highlight=False)
    if spans:
        console.print(span_table(found))
    if faster is not None:
        console.print(next_step(found, faster))
