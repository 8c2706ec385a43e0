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
        help="also write the table of results into this file (default: README.md)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page. Raises ArtefactError for damaged reports, BoardError."""
    from twofold.hw.boards import DEFAULT, find
    from twofold.sw.artefacts.files import write_bytes
    from twofold.sw.report.inputs import collect
    from twofold.sw.report.page import render
    from twofold.sw.report.readme import update

    folder = args.build / "reports"
    inputs = collect(folder, args.net, find(args.board or DEFAULT))
    page = render(inputs).encode()
    path = folder / "report.html"
    write_bytes(path, page)
    missing = [line.replace("`", "") for line in inputs.missing()]
    if args.json:
        if args.readme is not None:
            update(args.readme, inputs)
        print(json.dumps({"file": str(path), "bytes": len(page), "missing": missing}))
        return 0
    for line in missing:
        print(f"missing: {line}")
    if args.readme is not None:
        update(args.readme, inputs)
        print(f"results written to {args.readme}")
    print(f"{path}: {len(page) / 1024:.0f} KiB")
    return 0
