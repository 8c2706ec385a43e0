"""``twofold report``: the comparison as one HTML page."""

import argparse
from pathlib import Path

from twofold.hw.boards.options import add_board
from twofold.hw.contract.presets import NETWORKS

HELP = "write the comparison as one self-contained page, from the reports of the other commands"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold report``."""
    parser.add_argument("--net", choices=NETWORKS, default="gsc", help="network of the reports")
    add_board(parser)
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")
    parser.add_argument(
        "--readme",
        type=Path,
        nargs="?",
        const=Path("README.md"),
        metavar="FILE",
        help="also write the table of results into this file (default: README.md)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page. Raises ArtefactError for damaged reports, BoardError."""
    from twofold.hw.boards import find
    from twofold.hw.contract.reports import FOLDER, write_report
    from twofold.sw.report.inputs import collect
    from twofold.sw.report.page import render
    from twofold.sw.report.readme import update

    inputs = collect(args.build / FOLDER, args.net, find(args.board))
    page = render(inputs)
    path = write_report(args.build, "report.html", args.net, page)
    for line in inputs.missing():
        print(f"missing: {line.replace('`', '')}")
    if args.readme is not None:
        update(args.readme, inputs)
        print(f"results written to {args.readme}")
    print(f"{path}: {len(page.encode()) / 1024:.0f} KiB")
    return 0
