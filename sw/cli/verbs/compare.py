"""``twofold compare``: dense against sparse for a network, at the same area."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw import ranges
from twofold.sw.cli.options import add_board, add_json, add_network, network_file
from twofold.sw.cli.unused import refuse

if TYPE_CHECKING:
    from rich.table import Table

    from twofold.hw.contract.network import Network
    from twofold.hw.solve.compare import Compared

HELP = "dense against sparse at the same area: whether pruning pays, before training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold compare``."""
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="quantized ONNX model to compare")
    add_network(parser, machine=False)
    add_board(parser)
    parser.add_argument(
        "--cycles", type=ranges.CYCLES, metavar="N",
        help="of the dense machine, at most (default: the fastest that fits the board)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", type=ranges.SHARE, default=0.1, metavar="SHARE",
        help="share of the weights that are kept (default: 0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--activations", type=ranges.SHARE, default=0.125, metavar="SHARE",
        help="share of the activations that win (default: 0.125)",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Solve the three variants and print them.

    Raises OnnxError for a model that cannot be read, NetworkError for shares that are impossible,
    FoldingError if there is no dense machine, BoardError for an unknown board.
    """
    from rich.console import Console

    from twofold.hw.boards import DEFAULT, find
    from twofold.hw.contract.sparsified import Sparsities
    from twofold.hw.solve.choose import Target
    from twofold.hw.solve.compare import compare

    def say(text: str) -> None:
        print(f"comparing: {text}", file=sys.stderr, flush=True)

    network = _network(args)
    board = find(args.board or DEFAULT)
    sparsities = Sparsities(args.weights, args.activations)
    rows = list(compare(network, Target(args.cycles, board=board), sparsities, say))
    if args.json:
        print(json.dumps(_tree(network, rows, sparsities.weights, sparsities.activations)))
        return 0
    console = Console()
    console.print(_table(rows))
    for row in rows:
        if row.solution is None:
            console.print(f"{row.variant}: {row.reason}", highlight=False)
    console.print(
        f"{network.name}: {100 * sparsities.weights:.3g} % of the weights of hidden layers kept, "
        f"{100 * sparsities.activations:.3g} % of the activations; area is estimated, accuracy "
        "takes training",
        highlight=False,
    )
    return 0


def _network(args: argparse.Namespace) -> "Network":
    from twofold.hw.contract.reading import network_of_file

    if args.onnx is None:
        return network_of_file(network_file(args))
    refuse(args, "network", "net", "variant", why="names another network; leave it out with --onnx")
    from twofold.hw.contract.files import read_bytes
    from twofold.sw.onnx.importer.assemble import import_onnx
    from twofold.sw.onnx.importer.graph import BYTES_MAX

    return import_onnx(read_bytes(args.onnx, BYTES_MAX)).network


def _tree(
    network: "Network", rows: "list[Compared]", weights: float, activations: float
) -> dict[str, Any]:
    from twofold.hw.solve.report import as_json

    keys = ("cycles_per_sample", "latency_cycles", "resources", "share_of_slr", "bottleneck")
    variants = {}
    for row in rows:
        figures = None if row.solution is None else as_json(row.solution, None)
        variants[row.variant] = (
            {"reason": row.reason} if figures is None else {key: figures[key] for key in keys}
        )
    return {
        "network": network.name, "weights": weights, "activations": activations, "area":
        "estimated", "variants": variants,
    }  # fmt: skip


def _table(rows: "list[Compared]") -> "Table":
    from rich.table import Column, Table

    from twofold.hw.boards.resources import NAMES

    right = [Column(name, justify="right", no_wrap=True) for name in
             ("cycles", "faster", "latency", *(name.upper() for name in NAMES))]  # fmt: skip
    table = Table("variant", *right, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    first = rows[0].solution
    for row in rows:
        if row.solution is None or first is None:
            table.add_row(row.variant, "none")
            continue
        found = row.solution
        table.add_row(
            row.variant, f"{found.cycles:,}", f"{first.cycles / found.cycles:.1f}x",
            f"{found.sample.latency:,}", *(f"{value:,.0f}" for value in found.resources.values),
        )  # fmt: skip
    return table
