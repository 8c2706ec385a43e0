"""``twofold bitstream``: the folder of a build, and the build where the vendor's tools are."""

import argparse
from pathlib import Path

from twofold.hw.boards.options import add_board
from twofold.hw.contract.options import add_folding, add_network

HELP = "generate everything for a bitstream and build it where Vivado and v++ are on PATH"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold bitstream``."""
    add_network(parser)
    add_folding(parser, "full")
    add_board(parser)
    parser.add_argument(
        "--bitstreams", type=Path, default=Path("bitstreams"), help="directory of all builds"
    )
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of the cache")


def run(args: argparse.Namespace) -> int:
    """Write the folder, then build. Raises BoardError, FoldingError or ToolError."""
    from twofold.hw.boards import find
    from twofold.hw.contract.presets import folding, network
    from twofold.hw.package.folder import Machine, record_bitstream, write_folder
    from twofold.hw.package.support import versions
    from twofold.hw.package.vendor import build

    board = find(args.board)
    machine = Machine(
        network(args.net, args.variant),
        folding(args.net, args.variant, args.folding),
        args.folding,
        board,
    )
    print(versions(board), flush=True)
    if not board.built:
        print(f"no bitstream has been built for the {board.title} yet", flush=True)
    print(f"generating {machine.slug}", flush=True)
    folder = write_folder(machine, args.bitstreams, args.build)
    print(f"generated {folder}", flush=True)
    binary = build(folder, lambda line: print(line, flush=True))
    digest = record_bitstream(folder)["bitstream"]["sha256"]
    print(f"built {binary} ({digest[:12]})")
    return 0
