"""``twofold report``: the comparison as one HTML page."""

import argparse
import json
from pathlib import Path

from twofold.hw.contract.presets import NETWORKS
from twofold.sw.cli.options import NET, add_board, add_build, add_json

HELP = "write the comparison as one self-contained page, from the reports of the other commands"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold report``."""
    parser.add_argument("--net", choices=NETWORKS, default=NET, help="network of the reports")
    add_board(parser)
    add_build(parser)
    add_json(parser)
    parser.add_argument(
        "--readme",
        type=Path,
        nargs="?",
        const=Path("README.md"),
        metavar="FILE",
        help="also write the results into this file (default: README.md), and into docs/results.md "
        "and docs/pictures beside it",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page. Raises ArtefactError for damaged reports, BoardError for an unknown board."""
    from twofold.hw.boards import DEFAULT, find
    from twofold.hw.contract.reports import FOLDER, write_report
    from twofold.sw.report.inputs import collect
    from twofold.sw.report.page import render
    from twofold.sw.report.readme import update

    inputs = collect(args.build / FOLDER, args.net, find(args.board or DEFAULT))
    page = render(inputs)
    path = write_report(args.build, "report.html", args.net, page)
    missing = [line.replace("`", "") for line in inputs.missing()]
    written = update(args.readme, inputs) if args.readme is not None else []
    if args.json:
        print(json.dumps({"file": str(path), "bytes": len(page.encode()), "missing": missing}))
        return 0
    for line in missing:
        print(f"missing: {line}")
    for file in written:
        print(f"results written to {file}")
    print(f"{path}: {len(page.encode()) / 1024:.0f} KiB")
    return 0
